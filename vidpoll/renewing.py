"""Asks a provider once more for a result that it told before: its URLs may be fresh ones then.

The call is a look at an operation, and needs a token of the account's status lane like any other.
"""

import logging
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import TypeVar

from vidpoll.grants import Grants
from vidpoll.lanes import Lane
from vidpoll.providers.base import Operation
from vidpoll.providers.believing import storable
from vidpoll.providers.outcomes import CheckOutcome, Failed, Looked, More, NotFound, Pending, Ready, broken
from vidpoll.result_files import live_s
from vidpoll.results import files_of
from vidpoll.services import Services
from vidpoll.store import Copying

log = logging.getLogger("vidpoll.renewing")

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Renewed:
    """A URL of the same file, told now.

    Attributes:
        live_s: seconds for which it works; None where nobody tells.
    """

    url: str
    live_s: float | None


@dataclass(frozen=True, slots=True)
class Unrenewed:
    """No fresh URL.

    Attributes:
        for_good: asking again cannot help.
    """

    reason: str
    for_good: bool = False


class Renewing:
    """Asks providers, on connected services."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._grants = Grants(services)

    def ask(self, file: Copying) -> Renewed | Unrenewed:
        """The file's URL as its provider tells it now."""
        account = self._services.accounts.get(file.account)
        if account is None or file.operation_name is None:
            return Unrenewed("its account is not in the providers file any more", for_good=True)
        lane = Lane(account.name, "status")
        if not self._grants.another(lane):
            return Unrenewed("no call to its provider was free")
        outcome = self._told(account.name, Operation(file.operation_name, file.params))
        self._grants.heed_quota(lane)
        self._grants.pause_for(account.name, outcome)
        match outcome:
            case Ready():
                return self._renewed(account.provider, account.name, file, outcome)
            case NotFound(reason) | Failed(_, reason):
                return Unrenewed(f"its provider does not tell of it any more: {reason}", for_good=True)
            case _:
                return Unrenewed(f"its provider was asked for a fresh URL: {type(outcome).__name__}")

    def _told(self, account_name: str, operation: Operation) -> CheckOutcome:
        try:
            outcome = self._called(account_name, lambda: self._look(account_name, operation))
            if isinstance(outcome, More):
                if not self._grants.another(Lane(account_name, "status")):
                    return Pending(stage=outcome.stage)
                found: CheckOutcome = self._called(account_name, outcome.call)
                return storable(found)
            return storable(outcome)
        except Exception as error:
            log.exception("account %s: the adapter failed while a fresh URL was asked for", account_name)
            return broken(error)

    def _look(self, account_name: str, operation: Operation) -> Looked:
        return self._services.providers[account_name].check([operation])[operation.name]

    def _called(self, account_name: str, call: Callable[[], T]) -> T:
        with self._services.telemetry.call(account_name, "status"):
            return call()

    def _renewed(self, provider: str, account_name: str, file: Copying, ready: Ready) -> Renewed | Unrenewed:
        files = files_of(asdict(ready))
        if file.position >= len(files):
            return Unrenewed("its provider tells of fewer files now", for_good=True)
        url = files[file.position].url
        capabilities = self._services.providers[account_name].capabilities
        return Renewed(url, live_s(url, provider, file.model, capabilities))
