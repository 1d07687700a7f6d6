"""What every adapter shares: the calls, and what is known when one of them fails. The rest is translation."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import ClassVar
from uuid import UUID

from vidpoll import redact
from vidpoll.accounts import Account
from vidpoll.errors import NotConfigured
from vidpoll.generation import GenerationRequest
from vidpoll.providers.base import CannotContinue, Capabilities, Continued, Operation, Parent, Sent
from vidpoll.providers.http import Answer, CallFailed, Http, understood
from vidpoll.providers.outcomes import (
    Ambiguous,
    CancelOutcome,
    CannotCancel,
    Looked,
    LookUpOutcome,
    More,
    NotSent,
    SubmitOutcome,
    Unauthorized,
    Unreachable,
)
from vidpoll.providers.quota import Verb
from vidpoll.urls import path_below


class Adapter(ABC):
    """A :class:`~vidpoll.providers.base.Provider` of one account; a subclass says what is sent, and what answers mean.

    It implements :meth:`submit` and :meth:`check_one`, and whatever else its vendor has. It keeps no state of its own:
    adapters are used from many threads at once.
    """

    capabilities = Capabilities()
    #: What ``options`` of an account it reads.
    options: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, account: Account, http: Http) -> None:
        self._account = account
        self._http = http

    def headers(self) -> dict[str, str]:
        """What authorises a call, made anew for each.

        Raises:
            NotConfigured: the account's key cannot be read.
        """
        return {"Authorization": f"Bearer {self._account.key()}"}

    def problems(self, request: GenerationRequest) -> list[str]:
        """Why the vendor could not take this request; nothing, if not overridden."""
        return []

    def continue_from(self, request: GenerationRequest, parent: Parent) -> Continued:
        """Impossible, if not overridden."""
        return CannotContinue(f"{self._account.provider} continues nothing here")

    @abstractmethod
    def submit(self, request: GenerationRequest, our_id: UUID, *, replay: bool) -> SubmitOutcome:
        """Make the paid call, once: say what to send with :meth:`send`."""

    def check(self, operations: Sequence[Operation]) -> dict[str, Looked]:
        """One call per operation, side by side."""
        outcomes = self._http.side_by_side(self.check_one, operations)
        return {operation.name: outcome for operation, outcome in zip(operations, outcomes, strict=True)}

    @abstractmethod
    def check_one(self, operation: Operation) -> Looked:
        """Look at one operation: say what to ask with :meth:`look`."""

    def cancel(self, operation: Operation) -> CancelOutcome | More:
        """Refused, if not overridden."""
        return CannotCancel(f"{self._account.provider} cannot cancel")

    def look_up(self, sent: Sent, cursor: str | None) -> LookUpOutcome:
        """Impossible, if not overridden."""
        return Unreachable(f"{self._account.provider} cannot tell which operations it has")

    def download_headers(self, url: str) -> dict[str, str]:
        """The account's key, for results that need it, and for addresses below the account's own alone.

        Raises:
            NotConfigured: the account's key cannot be read.
        """
        needs_key = self.capabilities.access == "key" and self.own(url) is not None
        return self._known_headers() if needs_key else {}

    def out_of_quota(self, verb: Verb) -> float | None:
        """As the vendor's headers tell, or those of a gateway before it."""
        return self._http.out_of_quota(verb)

    def own(self, url: object) -> str | None:
        """The path to call for a URL that the vendor named; None when it is not below the account's own address.

        Calls carry the key, so nothing else is ever called.
        """
        return path_below(self._account.base_url, url)

    # -- calls --------------------------------------------------------------------------------------------------------

    def send(
        self,
        path: str,
        body: object,
        read: Callable[[Answer], SubmitOutcome],
        *,
        method: str = "POST",
        headers: Mapping[str, str] = MappingProxyType({}),
    ) -> SubmitOutcome:
        """Make the paid call, once; what ``read`` makes of the answer, or what is known without one."""
        try:
            answer = self._http.submit(path, {**self._known_headers(), **headers}, body, method=method)
        except NotConfigured as no_key:
            return Unauthorized(str(no_key))
        except CallFailed as failed:
            return Ambiguous(str(failed)) if failed.sent else NotSent(str(failed))
        return read(answer)

    def look(self, method: str, path: str, read: Callable[[Answer], Looked], body: object = None) -> Looked:
        """Ask about one operation; what ``read`` makes of the answer. One it stumbles over says nothing of it."""
        answer = self.ask(method, path, body)
        return understood(answer, partial(read, answer)) if isinstance(answer, Answer) else answer

    def ask(self, method: str, path: str, body: object = None) -> Answer | Unauthorized | Unreachable:
        """Make a call that may be repeated; its answer, or what is known without one."""
        try:
            return self._http.check(method, path, self._known_headers(), body)
        except NotConfigured as no_key:
            return Unauthorized(str(no_key))
        except CallFailed as failed:
            return failed.unreachable

    def _known_headers(self) -> dict[str, str]:
        """The headers; what they authorise with is kept out of texts from now on."""
        headers = self.headers()
        redact.learn(headers)
        return headers
