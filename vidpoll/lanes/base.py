"""What lanes are spoken of in: a lane, its limits, the flows that share it, and what is handed out."""

from dataclasses import dataclass
from typing import Final, Literal, NamedTuple
from uuid import UUID

from vidpoll.controls import Verb

#: What a request of weight 1 adds to the tags of its flow; every weight from 1 to 10 divides it.
_STEP: Final = 2520


class Lane(NamedTuple):
    """One account × one verb; or what calls no provider and waits for its moment all the same: :data:`OTHER_LANES`.

    Example:
        >>> Lane("veo", "status").key("due")
        'vidpoll:{veo:status}:due'
    """

    account: str
    verb: Verb | Literal["advance", "deliver", "archive"]

    def key(self, part: str) -> str:
        """Redis key of a part; the braces keep a lane's keys in one Cluster slot."""
        return f"vidpoll:{{{self.account}:{self.verb}}}:{part}"


#: Where projects wait to be advanced.
PROJECTS: Final = Lane("projects", "advance")
#: Where webhook endpoints wait to be sent to.
WEBHOOKS: Final = Lane("webhooks", "deliver")
#: Where files of results wait to be copied.
ARCHIVE: Final = Lane("results", "archive")
#: The lanes that are no account's.
OTHER_LANES: Final = (PROJECTS, WEBHOOKS, ARCHIVE)


def both_lanes(account: str) -> tuple[Lane, Lane]:
    """An account's submit lane and status lane."""
    return Lane(account, "submit"), Lane(account, "status")


class Flow(NamedTuple):
    """Requests that stand in one line: those of one owner and priority. Flows share a lane by their weights.

    Example:
        >>> Flow("alice").weight, Flow("alice", priority=9).weight
        (1, 10)
    """

    owner: str
    priority: int = 0

    @property
    def weight(self) -> int:
        """How many requests of this flow leave for every one of a flow of priority 0, while both have some waiting."""
        return 1 + self.priority

    @property
    def name(self) -> str:
        """What Redis knows it by."""
        return f"{self.priority}:{self.owner}"

    @property
    def step(self) -> int:
        """What one request adds to the flow's tags."""
        return _STEP // self.weight


@dataclass(frozen=True, slots=True)
class Limits:
    """What a lane may grant: in any ``t`` seconds at most ``rate · t + burst`` calls of up to ``batch`` ids each.

    Attributes:
        max_in_flight: most generations of the account at the provider; no limit if not given.
        ahead_s: seconds by which ids may be handed out before their time, to fill up a call that is made anyway.
    """

    rate: float
    burst: int
    batch: int = 1
    max_in_flight: int | None = None
    ahead_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Claim:
    """Ids handed out together with the tokens to call for them.

    Attributes:
        ids: due ids, most urgent first.
        granted_at_us: Redis' clock when they were handed out.
        wait_s: seconds until another claim could hand out something; None when the lane is empty or full.
        alone: how many of the ids, the first ones, did not come back last time and are to be called for alone.
    """

    ids: list[UUID]
    granted_at_us: int
    wait_s: float | None
    alone: int = 0

    def calls(self, batch: int) -> int:
        """How many calls, and so tokens, they were handed out with, where one carries up to ``batch`` ids."""
        return self.alone - (self.alone - len(self.ids)) // batch


@dataclass(frozen=True, slots=True)
class Load:
    """How busy an account is.

    Attributes:
        backlog: generations that wait for its paid call, or that are looked at within the next five minutes.
        held: places held among its ``max_in_flight``; 0 where there is no such limit.
        paused: no paid call is made for it now.
    """

    backlog: int
    held: int
    paused: bool
