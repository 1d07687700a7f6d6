"""The cases: how long generations take, how many are in flight, how many calls the account allows."""

from dataclasses import dataclass
from typing import Final

from tests.benchmarks.polling.durations import BIMODAL, HEAVY_TAIL, VEO_LIKE, Truth

#: With so many in flight at ten calls a second, every schedule that is compared gets the calls it asks for.
UNSATURATED: Final = 20
LOADS: Final = (10, 30, 100, 300, 1_000, 3_000, 10_000, 100_000)

PLAIN: Final = ("geometric", "smart", "progressive", "fixed_10", "fifo", "adaptive_cold", "adaptive")
AT_EQUAL_CALLS: Final = (
    "adaptive_at_geometric", "adaptive_at_smart", "adaptive_at_progressive", "adaptive_at_fixed_10",
    "best_fixed", "optimum", "optimum_at_geometric", "optimum_at_fixed_10",
)  # fmt: skip
OF_DRIFT: Final = (
    *(name for name in PLAIN if name != "fifo"),
    "adaptive_at_geometric",
    "adaptive_at_fixed_10",
    "optimum",
)


@dataclass(frozen=True)
class Case:
    """A closed population: each generation that is seen as done is replaced by a new one at once.

    Attributes:
        typical_s: what a providers file would say of the median: near the truth, but not the truth.
        schedules: who takes part, in an order in which those at another's calls follow that one.
        in_flight: generations that are watched at any moment.
        rate: calls a second that the account allows, in bursts of one.
        batch: generations one call can carry.
        shift: all durations become so many times longer at some moment; the figures are of what follows.
    """

    name: str
    truth: Truth
    typical_s: float
    schedules: tuple[str, ...]
    in_flight: int = UNSATURATED
    rate: float = 10.0
    batch: int = 1
    shift: float = 1.0

    @property
    def looks_per_s(self) -> float:
        """How many generations may be looked at in a second."""
        return self.rate * self.batch

    @property
    def saturated(self) -> bool:
        """Whether the calls are given by the budget, so that only the delay is in question."""
        return self.in_flight / self.looks_per_s > UNSATURATED


def _veo(name: str, schedules: tuple[str, ...], *, typical_s: float = 90, in_flight: int = UNSATURATED, rate: float = 10.0,
         batch: int = 1, shift: float = 1.0) -> Case:  # fmt: skip
    return Case(name, VEO_LIKE, typical_s, schedules, in_flight, rate, batch, shift)


_COLD: Final = ("smart", "adaptive_cold", "adaptive")
_BATCH: Final = ("smart", "fifo", "adaptive_cold", "adaptive")

CASES: Final = {
    case.name: case
    for case in (
        _veo("veo_like", PLAIN + AT_EQUAL_CALLS),
        Case("heavy_tail", HEAVY_TAIL, 60, PLAIN + AT_EQUAL_CALLS),
        Case("bimodal", BIMODAL, 60, PLAIN + AT_EQUAL_CALLS),
        _veo("drift", OF_DRIFT, shift=2.0),
        _veo("cold_too_short", _COLD, typical_s=25),
        _veo("cold_too_long", _COLD, typical_s=225),
        _veo("saturated_1000", (*PLAIN, "optimum"), in_flight=1_000),
        _veo("saturated_1000_batch_20", _BATCH, in_flight=1_000, batch=20),
        _veo("saturated_1000_batch_20_rate_1", _BATCH, in_flight=1_000, batch=20, rate=1.0),
        *(_veo(f"load_{load}", ("smart", "fifo", "adaptive"), in_flight=load) for load in LOADS),
    )
}
