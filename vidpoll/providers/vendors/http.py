"""Any vendor that is described in the providers file: requests by templates, answers by where they hold what.

The description is ``accounts.NAME.http`` (:mod:`vidpoll.description`), how to write one ``docs/providers-http.md``, and
what answers mean by it :mod:`vidpoll.providers.described`.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, Final, TypeVar
from uuid import UUID

from pydantic import JsonValue

from vidpoll.accounts import Account
from vidpoll.description import HttpDescription
from vidpoll.description.templates import PARAM
from vidpoll.errors import NotConfigured
from vidpoll.generation import GenerationRequest
from vidpoll.providers.adapter import Adapter
from vidpoll.providers.base import Capabilities, Operation
from vidpoll.providers.described import cancel_seen, seen, submitted
from vidpoll.providers.http import Answer, Http
from vidpoll.providers.outcomes import CancelOutcome, CannotCancel, Looked, SubmitOutcome, Unauthorized

Outcome = TypeVar("Outcome")
#: Values that would change the path they stand in, quoted or not.
_DOTS: Final = frozenset({"", ".", ".."})


class Described(Adapter):
    """One account whose vendor has no adapter but a description.

    Raises:
        NotConfigured: the account has none.
    """

    def __init__(self, account: Account, http: Http) -> None:
        super().__init__(account, http)
        if account.http is None:
            raise NotConfigured(f"account {account.name}: its description is missing: accounts.{account.name}.http")
        self._description: HttpDescription = account.http
        self.capabilities = Capabilities(
            client_supplied_id=account.http.submit.replay_safe,
            cancel=account.http.cancel is not None,
            retention_s=account.http.retention_s,
            min_interval_s=account.http.min_interval_s,
            progress=account.http.status.progress is not None,
        )

    def headers(self) -> dict[str, str]:
        """Those of the description."""
        values = {"key": self._key()}
        return {name: value.in_text(values) for name, value in self._description.headers.items()}

    def problems(self, request: GenerationRequest) -> list[str]:
        """Parameters the description has no place for, or whose place is vidpoll's; those the path lacks."""
        submit = self._description.submit
        others = request.params.keys() - submit.params
        if "params" not in submit.body.names:
            unplaced = [f"params.{name}: account {self._account.name} sends no such parameter" for name in others]
        else:
            unplaced = [f"params.{name}: is set by vidpoll" for name in others & submit.body.fixed]
        needed = [name for name in submit.path.names if name.startswith(PARAM)]
        given = {PARAM + name: value for name, value in request.params.items()}
        unfit = [f"{name}: is part of the URL, and must be text or a number" for name in needed
                 if not _fits_path(given.get(name))]  # fmt: skip
        return sorted(unplaced + unfit)

    def submit(self, request: GenerationRequest, our_id: UUID, *, replay: bool) -> SubmitOutcome:
        """Send the submit of the description; a replay is the same call once more."""
        submit = self._description.submit
        values = _values(request, our_id, submit.params)
        own = {submit.idempotency_header: str(our_id)} if submit.idempotency_header else {}

        def call(key: str) -> SubmitOutcome:
            body = submit.body.filled({**values, "key": key})
            read = partial(submitted, self._description)
            return self.send(submit.path.in_url(values), body, read, method=submit.method, headers=own)

        return self._with_key(call)

    def check_one(self, operation: Operation) -> Looked:
        """Look at the operation."""
        status, id = self._description.status, self._description.submit.id_to_send(operation.name)
        read = partial(seen, self._description, self._account.base_url)

        def call(key: str) -> Looked:
            body = status.body.filled({"id": id, "key": key}) if status.body else None
            return self.look(status.method, status.path.in_url({"id": id}), read, body)

        return self._with_key(call)

    def cancel(self, operation: Operation) -> CancelOutcome:
        """Ask to stop it, where the description says how."""
        cancel, id = self._description.cancel, self._description.submit.id_to_send(operation.name)
        if cancel is None:
            return CannotCancel(f"account {self._account.name} has no cancel")

        def call(key: str) -> CancelOutcome:
            body = cancel.body.filled({"id": id, "key": key}) if cancel.body else None
            answer = self.ask(cancel.method, cancel.path.in_url({"id": id}), body)
            if not isinstance(answer, Answer):
                return answer
            return cancel_seen(self._description, answer, at_once=cancel.at_once)

        return self._with_key(call)

    def _with_key(self, call: Callable[[str], Outcome]) -> Outcome | Unauthorized:
        try:
            key = self._key()
        except NotConfigured as no_key:
            return Unauthorized(str(no_key))
        return call(key)

    def _key(self) -> str:
        return self._account.key() if self._description.uses_key else ""


def _values(request: GenerationRequest, our_id: UUID, placed: frozenset[str]) -> dict[str, Any]:
    """What the templates of a submit can name; ``params`` are those without a place of their own."""
    own = {PARAM + name: value for name, value in request.params.items()}
    rest = {name: value for name, value in request.params.items() if name not in placed}
    return {**own, "params": rest, "prompt": request.prompt, "model": request.model, "our_id": str(our_id)}


def _fits_path(value: JsonValue) -> bool:
    return isinstance(value, str | int) and not isinstance(value, bool) and str(value) not in _DOTS


ADAPTER = Described
