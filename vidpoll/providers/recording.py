"""An :class:`Http` that notes what it would send, and sends nothing."""

from collections.abc import Mapping
from typing import NoReturn

import requests

from vidpoll.providers.http import Answer, CallFailed, Http, prepared, session


class Recording(Http):
    """Takes the place of the calls of one account.

    Every call ends as one that did not reach the provider, so adapters answer with ``NotSent``.

    Attributes:
        calls: what would have been sent, as it would lie on the wire.

    Example::

        http = Recording(account.base_url)
        adapter_of(account, http).submit(request, our_id, replay=False)
        print(http.calls[0].url)
    """

    def __init__(self, base_url: str) -> None:
        super().__init__(base_url)
        self.calls: list[requests.PreparedRequest] = []

    def check(self, method: str, path: str, headers: Mapping[str, str], body: object = None) -> Answer:
        """Note it. Raises CallFailed."""
        self._note(method, path, headers, body)

    def submit(self, path: str, headers: Mapping[str, str], body: object, *, method: str = "POST") -> Answer:
        """Note it. Raises CallFailed."""
        self._note(method, path, headers, body)

    def _note(self, method: str, path: str, headers: Mapping[str, str], body: object) -> NoReturn:
        with session() as one:
            self.calls.append(prepared(one, method, self._base_url + path, headers, body))
        raise CallFailed("noted, and not sent", sent=False)
