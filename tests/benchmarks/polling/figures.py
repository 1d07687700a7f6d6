"""What is counted of a run, and the check that no second had more calls than the budget."""

from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass
class Phase:
    """What happened in one part of a run.

    Attributes:
        calls: for each generation seen as done, the calls made for it; its part of them where calls carry several.
        delays_s: for each of them, seconds from being done to being seen.
        called_at_us: when calls were made.
        longest_gap_s: longest time a generation was not looked at, from the paid call or the look before.
        began_us, ended_us: the part's first and last moment.
    """

    began_us: int
    calls: list[float] = field(default_factory=list)
    delays_s: list[float] = field(default_factory=list)
    called_at_us: list[int] = field(default_factory=list)
    longest_gap_s: float = 0.0
    ended_us: int = 0


@dataclass(frozen=True)
class Figures:
    """The figures of one schedule in one case.

    Attributes:
        calls: per generation.
        budget_use: calls made, as a part of those that were allowed.
        longest_gap_s: see :class:`Phase`.
        seconds_over: calls with which some stretch of t seconds had more than ``rate · t + burst``.
        completions: how many generations the figures are of.
    """

    calls: float
    mean_delay_s: float
    p95_delay_s: float
    budget_use: float
    longest_gap_s: float
    seconds_over: int
    completions: int


def figures(phases: Sequence[Phase], rate: float, burst: int = 1) -> Figures:
    """The figures of parts of runs, taken together."""
    delays = sorted(delay for phase in phases for delay in phase.delays_s)
    lasted_s = sum(phase.ended_us - phase.began_us for phase in phases) / 1e6
    return Figures(
        calls=sum(sum(phase.calls) for phase in phases) / len(delays),
        mean_delay_s=sum(delays) / len(delays),
        p95_delay_s=delays[int(0.95 * len(delays))],
        budget_use=sum(len(phase.called_at_us) for phase in phases) / (rate * lasted_s),
        longest_gap_s=max(phase.longest_gap_s for phase in phases),
        seconds_over=sum(over_budget(phase.called_at_us, rate, burst) for phase in phases),
        completions=len(delays),
    )


def over_budget(called_at_us: Sequence[int], rate: float, burst: int) -> int:
    """How many calls end a stretch of t seconds, of any length, with more than ``rate · t + burst`` calls.

    Example:
        >>> over_budget([0, 100_000, 200_000], rate=10, burst=1)
        0
        >>> over_budget([0, 100_000, 150_000], rate=10, burst=1)
        1
    """
    over, lowest = 0, 0.0
    for number, at_us in enumerate(called_at_us):
        # Calls so far, less what the rate allows so far: it may rise by the burst above its lowest point, no more.
        ahead = number - rate * at_us / 1e6
        lowest = ahead if number == 0 else min(lowest, ahead)
        over += ahead - lowest + 1 > burst + 1e-4
    return over
