"""The cases: how long generations take, how many are in flight, how many calls the account allows."""

from dataclasses import dataclass
from typing import Final

from tests.benchmarks.polling.durations import BIMODAL, HEAVY_TAIL, VEO_LIKE, Truth

LOADS: Final = (10, 100, 1_000, 10_000, 100_000)
#: With so many in flight at ten calls a second, every schedule that is compared gets the calls it asks for.
UNSATURATED: Final = 20


@dataclass(frozen=True)
class Case:
    """A closed population: each generation that is seen as done is replaced by a new one at once.

    Attributes:
        typical_s: what a providers file would say of the median; near the truth, but not the truth.
        in_flight: generations that are watched at any moment.
        rate: calls a second that the account allows; bursts of one call.
        batch: generations one call can carry.
        shift: at some moment all durations become so many times longer.
        measured: completions that are counted; twice as many as in flight at least.
    """

    name: str
    truth: Truth
    typical_s: float
    in_flight: int = UNSATURATED
    rate: float = 10.0
    batch: int = 1
    shift: float = 1.0
    measured: int = 4_000

    @property
    def looks_per_s(self) -> float:
        """How many generations may be looked at in a second."""
        return self.rate * self.batch

    @property
    def saturated(self) -> bool:
        """Whether more than the budget is wanted, so that the calls are given and only the delay is in question."""
        return self.in_flight / self.looks_per_s > UNSATURATED


CASES: Final = {
    case.name: case
    for case in (
        Case("veo_like", VEO_LIKE, typical_s=90),
        Case("heavy_tail", HEAVY_TAIL, typical_s=60),
        Case("bimodal", BIMODAL, typical_s=60),
        Case("drift", VEO_LIKE, typical_s=90, shift=2.0),
        Case("cold_too_short", VEO_LIKE, typical_s=25),
        Case("cold_too_long", VEO_LIKE, typical_s=225),
        Case("saturated_1000", VEO_LIKE, typical_s=90, in_flight=1_000),
        Case("saturated_1000_batch_20", VEO_LIKE, typical_s=90, in_flight=1_000, batch=20),
        Case("saturated_1000_batch_20_rate_1", VEO_LIKE, typical_s=90, in_flight=1_000, batch=20, rate=1.0),
        *(Case(f"load_{load}", VEO_LIKE, typical_s=90, in_flight=load) for load in LOADS),
    )
}
