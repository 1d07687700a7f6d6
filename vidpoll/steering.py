"""What an operator decides of an account: pause, resume, another rate. The row first, then its copy in the lane."""

from collections.abc import Sequence
from dataclasses import dataclass

from vidpoll.accounts import Account, jitter_reserve
from vidpoll.controls import Control, Verb
from vidpoll.errors import LanesUnavailable
from vidpoll.lanes import Lane
from vidpoll.services import Services

BOTH: Sequence[Verb] = ("submit", "status")


@dataclass(frozen=True, slots=True)
class Rate:
    """A lane's rate: calls per second, and the burst of the providers file's kind, jitter reserve included."""

    rate: float
    burst: int


def restore_controls(services: Services) -> int:
    """Copy what was decided into every lane that does not know of it; how many did not."""
    decided = services.store.controls()
    wanted = [(account, verb) for account in services.accounts.accounts for verb in BOTH]
    return sum(
        services.lanes.control(
            Lane(account, verb),
            services.limits(Lane(account, verb)),
            decided.get((account, verb)) or Control(account, verb),
        )
        for account, verb in wanted
    )


class Steering:
    """Decisions of an operator. They hold at once, and outlast Redis.

    Example::

        Steering(services).pause("veo", ["submit"], "the bill is being checked", by="alice")

    Every method raises UnknownTarget for an account that is not in the providers file.
    """

    def __init__(self, services: Services) -> None:
        self._services = services
        self._store = services.store
        self._accounts = services.accounts

    def account(self, name: str) -> Account:
        """The account of this name."""
        return self._accounts.named(name)

    def pause(
        self, account: str, verbs: Sequence[Verb], reason: str, *, by: str, for_s: float | None = None
    ) -> list[Control]:
        """Have nothing of these verbs called until :meth:`resume`, or for ``for_s`` seconds."""
        self.account(account)
        return self._copied(self._store.pause_lanes([(account, verb) for verb in verbs], reason, by, for_s))

    def pause_paid_calls(self, accounts: Sequence[str], reason: str, *, by: str) -> None:
        """Have no paid call made for any of them until they are resumed; a pause that lasts as long stays as it is."""
        lanes: list[tuple[str, Verb]] = [(self.account(name).name, "submit") for name in accounts]
        decided = self._store.controls()
        kept = [decided[lane] for lane in lanes if lane in decided and _has_no_end(decided[lane])]
        others = [lane for lane in lanes if lane not in {(one.account, one.verb) for one in kept}]
        self._copied([*self._store.pause_lanes(others, reason, by), *kept])

    def resume(self, account: str, verbs: Sequence[Verb]) -> list[Verb]:
        """End operators' pauses, and no pause that the provider asked for; the verbs that had one."""
        self.account(account)
        had = [verb for verb in verbs if self._store.control(account, verb).pause]
        self._copied(self._store.resume_lanes([(account, verb) for verb in verbs]))
        return had

    def configured(self, account: str, verb: Verb) -> Rate:
        """What the providers file says."""
        of = self.account(account)
        return Rate(of.submit_rate, of.submit_burst) if verb == "submit" else Rate(of.status_rate, of.status_burst)

    def set_rate(self, account: str, verb: Verb, rate: Rate, *, by: str) -> Control:
        """Have this many calls made at most, in place of the configured ones. ``rate.burst`` must be what it needs."""
        self.account(account)
        (decided,) = self._copied([self._store.set_rate(account, verb, rate.rate, rate.burst, by)])
        return decided

    def reset_rate(self, account: str, verb: Verb) -> Control:
        """The configured rate again."""
        self.account(account)
        (decided,) = self._copied([self._store.reset_rate(account, verb)])
        return decided

    def _copied(self, decided: Sequence[Control]) -> list[Control]:
        """All rows are written; a lane that cannot be told must not keep the others from being told."""
        failure = None
        for control in decided:
            lane = Lane(control.account, control.verb)
            try:
                self._services.lanes.control(lane, self._services.limits(lane), control)
            except LanesUnavailable as error:
                failure = error
        if failure:
            raise LanesUnavailable(f"it is kept, and will hold as soon as Redis answers again: {failure}") from failure
        return list(decided)


def _has_no_end(control: Control) -> bool:
    return control.pause is not None and control.pause.for_s is None


def least_burst(rate: float) -> int:
    """The smallest burst with which calls of this rate can leave in spite of jitter.

    Example:
        >>> least_burst(10)
        2
    """
    return 1 + jitter_reserve(rate)
