"""What happens at an await point: it works, fails before or after it took effect, stalls, or its worker is killed there."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from tests.simulation.strands import Killed, Loop, Strand
from tests.simulation.trace import Trace
from vidpoll.dispatcher import SIDE_BY_SIDE

Kind = Literal["sql", "redis", "call"]
Fate = Literal["fine", "fails", "lost", "killed before", "killed after", "stalls before", "stalls after"]
#: The fates that are faults.
FATES: tuple[Fate, ...] = ("fails", "lost", "killed before", "killed after", "stalls before", "stalls after")


@dataclass
class Odds:
    """How likely each fate is at every await point; ``breath`` is how likely others get a turn there."""

    fails: float = 0.0
    lost: float = 0.0
    killed: float = 0.0
    stalls: float = 0.0
    breath: float = 0.15

    def draw(self, dice: random.Random) -> Fate:
        roll = dice.random()
        for fate, chance in (
            ("fails", self.fails), ("lost", self.lost), ("killed before", self.killed / 2),
            ("killed after", self.killed / 2), ("stalls before", self.stalls / 2), ("stalls after", self.stalls / 2),
        ):  # fmt: skip
            roll -= chance
            if roll < 0:
                return fate  # type: ignore[return-value]
        return "fine"


#: Nothing goes wrong.
CALM: dict[Kind, Odds] = {"sql": Odds(), "redis": Odds(), "call": Odds()}
#: Calls are few among the await points, and what goes wrong with them costs most.
ROUGH: dict[Kind, Odds] = {
    "sql": Odds(fails=0.004, lost=0.004, killed=0.002, stalls=0.002),
    "redis": Odds(fails=0.003, lost=0.002, killed=0.001, stalls=0.001),
    "call": Odds(fails=0.01, lost=0.02, killed=0.01, stalls=0.03),
}


@dataclass
class Armed:
    """A fate that waits for its await point: the one after ``skip`` of its kind, in strands whose name tells ``within``."""

    kind: Kind
    skip: int
    fate: Fate
    within: str = ""


@dataclass
class Trouble:
    """Decides the fate of every await point.

    Attributes:
        away: until when Postgres (``sql``) and Redis (``redis``) do not answer.
        armed: fates that strike at a chosen await point, ahead of the odds.
        disturbed: moments from which on more calls may come than were granted for a second, and how many more.
        kill: ends the worker of a strand.
    """

    loop: Loop
    dice: random.Random
    trace: Trace
    kill: Callable[[Strand], None]
    odds: dict[Kind, Odds] = field(default_factory=lambda: dict(CALM))
    away: dict[str, float] = field(default_factory=dict)
    armed: list[Armed] = field(default_factory=list)
    disturbed: list[tuple[float, int]] = field(default_factory=list)

    def around(
        self, kind: Kind, what: str, act: Callable[[], Any], failure: Callable[[str], Exception], *, alone: bool = False
    ) -> Any:
        """Do ``act``, unless its fate is another; ``alone``: nobody else may run meanwhile (a transaction is open)."""
        strand = self.loop.current
        if strand is None:
            return act()
        if strand.doomed:
            raise Killed
        fate = self._fate(kind, strand.name)
        if self.away.get(kind, 0.0) > self.loop.now:
            fate = "fails"
        self.trace.note(self.loop.now, strand.name, kind, what, "" if fate == "fine" else f"!! {fate}")
        self._breathe(kind, fate == "stalls before", alone)
        if fate == "killed before":
            self._killed(strand)
        if fate == "fails":
            raise failure("no connection")
        answer = act()
        if fate == "killed after":
            self._killed(strand)
        if fate == "lost":
            raise failure("the connection was lost while waiting for the answer")
        self._breathe(kind, fate == "stalls after", alone)
        return answer

    def disturb(self, more: int) -> None:
        """From here on for a while, ``more`` calls may come in a second than were granted for it."""
        self.disturbed.append((self.loop.now, more))

    def _fate(self, kind: Kind, name: str) -> Fate:
        for armed in self.armed:
            if armed.kind == kind and armed.within in name:
                armed.skip -= 1
                if armed.skip < 0:
                    self.armed.remove(armed)
                    return armed.fate
                break
        return self.odds[kind].draw(self.dice)

    def _killed(self, strand: Strand) -> None:
        self.kill(strand)
        raise Killed

    def _breathe(self, kind: Kind, stalls: bool, alone: bool) -> None:
        """Let others run: mostly for no time or a millisecond, or for so long that everything else has moved on."""
        if alone:
            return
        if stalls:
            self.loop.sleep(self.dice.choice([0.3, 1.5, 20.0, 70.0, 130.0]))
            self.disturb(SIDE_BY_SIDE)
        elif self.dice.random() < self.odds[kind].breath:
            self.loop.sleep(self.dice.choice([0.0, 0.0, 0.001, 0.003]))
