"""What happens at an await point: it works, fails before or after it took effect, stalls, or its worker is killed there."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from tests.simulation.strands import Killed, Loop, Strand
from tests.simulation.trace import Trace

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
    breath: float = 0.2

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


@dataclass
class Armed:
    """A fate that waits for its await point."""

    kind: Kind
    skip: int
    fate: Fate


@dataclass
class Trouble:
    """Decides the fate of every await point.

    Attributes:
        away: until when Postgres (``sql``) and Redis (``redis``) do not answer.
        armed: fates that strike at a chosen await point, ahead of the odds.
        disturbed: moments at which calls may have left otherwise than their grants were made.
        kill: ends the worker of a strand.
    """

    loop: Loop
    dice: random.Random
    trace: Trace
    kill: Callable[[Strand], None]
    odds: Odds = field(default_factory=Odds)
    away: dict[str, float] = field(default_factory=dict)
    armed: list[Armed] = field(default_factory=list)
    disturbed: list[float] = field(default_factory=list)

    def around(
        self, kind: Kind, what: str, act: Callable[[], Any], failure: Callable[[str], Exception], *, alone: bool = False
    ) -> Any:
        """Do ``act``, unless its fate is another; ``alone``: nobody else may run meanwhile (a transaction is open)."""
        strand = self.loop.current
        if strand is None:
            return act()
        if strand.doomed:
            raise Killed
        fate = self._fate(kind)
        if self.away.get(kind, 0.0) > self.loop.now:
            fate = "fails"
        self.trace.note(self.loop.now, strand.name, kind, what, "" if fate == "fine" else f"!! {fate}")
        self._breathe(fate == "stalls before", alone)
        if fate == "killed before":
            self._killed(strand)
        if fate == "fails":
            raise failure("no connection")
        answer = act()
        if fate == "killed after":
            self._killed(strand)
        if fate == "lost":
            raise failure("the connection was lost while waiting for the answer")
        self._breathe(fate == "stalls after", alone)
        return answer

    def disturb(self) -> None:
        """From here on for a while, calls need not keep the pace of their tokens."""
        self.disturbed.append(self.loop.now)

    def _fate(self, kind: Kind) -> Fate:
        for armed in self.armed:
            if armed.kind == kind:
                armed.skip -= 1
                if armed.skip < 0:
                    self.armed.remove(armed)
                    return armed.fate
                break
        return self.odds.draw(self.dice)

    def _killed(self, strand: Strand) -> None:
        self.kill(strand)
        raise Killed

    def _breathe(self, stalls: bool, alone: bool) -> None:
        """Let others run: mostly for no time or a millisecond, or for so long that everything else has moved on."""
        if alone:
            return
        if stalls:
            self.loop.sleep(self.dice.choice([0.3, 1.5, 6.0, 20.0, 70.0, 130.0]))
            self.disturb()
        elif self.dice.random() < self.odds.breath:
            self.loop.sleep(self.dice.choice([0.0, 0.0, 0.001, 0.003]))
