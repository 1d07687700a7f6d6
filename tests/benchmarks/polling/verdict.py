"""What was asked for, beside what was seen."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from tests.benchmarks.polling.cases import CASES
from tests.benchmarks.polling.figures import Figures
from tests.benchmarks.polling.running import Results
from vidpoll.schedule import Adaptive

#: Cases in which the providers file knows the median roughly.
_GUESSED: Final = ("veo_like", "heavy_tail", "bimodal")


#: Longest time between two looks where nothing is short of tokens, seconds: the ceiling, its rounding, jitter.
LONGEST_S: Final = Adaptive().ceiling_s * 1.15


@dataclass(frozen=True)
class Verdict:
    """One figure: what it is of, what was seen, and the most (or the least) it may be."""

    what: str
    seen: float
    asked: float
    at_least: bool = False

    @property
    def kept(self) -> bool:
        """Whether it is as asked."""
        return self.seen >= self.asked if self.at_least else self.seen <= self.asked


def verdicts(results: Results) -> Iterator[Verdict]:
    """All that can be said of the cases that ran."""
    yield Verdict("calls over the budget, all runs", sum(one.seconds_over for _, _, one in _all(results)), 0)
    if "veo_like" in results:
        veo = results["veo_like"]
        yield Verdict(
            "veo_like: delay, to geometric's at its calls", _ratio(veo, "adaptive_at_geometric", "geometric"), 0.2
        )
        yield Verdict("veo_like: delay, to the best fixed interval's", _ratio(veo, "adaptive", "best_fixed"), 0.7)
    for case in _GUESSED:
        if case in results:
            yield from _beside_optimum_and_smart(case, results[case])
    for case in ("cold_too_short", "cold_too_long"):
        if case in results:
            yield Verdict(
                f"{case}: the better of calls and delay, to smart's", min(_both(results[case], "adaptive_cold")), 1
            )
            yield Verdict(
                f"{case}: warm, the worse of calls and delay, to smart's", max(_both(results[case], "adaptive")), 1
            )
    if "drift" in results:
        yield from _of_drift(results)
    yield from _under_pressure(results)
    yield from _of_batches(results)


def _beside_optimum_and_smart(case: str, found: dict[str, Figures]) -> Iterator[Verdict]:
    yield Verdict(f"{case}: delay, to the optimum's", _ratio(found, "adaptive", "optimum"), 1.15)
    for name in ("adaptive", "adaptive_cold"):
        yield Verdict(f"{case}: {name}, the worse of calls and delay, to smart's", max(_both(found, name)), 1)


def _of_drift(results: Results) -> Iterator[Verdict]:
    learned = _ratio(results["drift_later"], "adaptive", "optimum")
    yield Verdict("drift: delay from 200 completions after it, to the optimum's", learned, 1.15)
    yield Verdict(
        "drift: the worse of calls and delay after it, to smart's", max(_both(results["drift"], "adaptive")), 1
    )
    yield Verdict("drift: longest gap after it, s", results["drift"]["adaptive"].longest_gap_s, LONGEST_S)


def _under_pressure(results: Results) -> Iterator[Verdict]:
    for name, case in CASES.items():
        if name not in results or case.in_flight / case.looks_per_s < 25:
            continue
        adaptive, fifo = results[name]["adaptive"], results[name]["fifo"]
        yield Verdict(f"{name}: use of the budget", round(adaptive.budget_use, 3), 0.97, at_least=True)
        # From a few thousand on everything is done when it is looked at first: then no order waits less than another.
        by_chance = 1.005 if adaptive.calls < 1.02 and case.batch == 1 else 1
        yield Verdict(f"{name}: delay, to the rotation's", adaptive.mean_delay_s / fifo.mean_delay_s, by_chance)
        yield Verdict(
            f"{name}: longest gap, s", adaptive.longest_gap_s, max(LONGEST_S, 2.1 * case.in_flight / case.looks_per_s)
        )


def _of_batches(results: Results) -> Iterator[Verdict]:
    single, batch = "saturated_1000", "saturated_1000_batch_20_rate_1"
    if single in results and batch in results:
        alone, together = results[single]["adaptive"], results[batch]["adaptive"]
        yield Verdict("batches of 20: calls, to those without", together.calls / alone.calls, 0.1)
        yield Verdict("batches of 20: delay then, to that without", together.mean_delay_s / alone.mean_delay_s, 1)


def _ratio(found: dict[str, Figures], name: str, other: str) -> float:
    """Delay to delay at equal calls: what little the calls differ by counts as delay, since one halves as the other doubles."""
    mine, theirs = found[name], found[other]
    return mine.mean_delay_s * mine.calls / (theirs.mean_delay_s * theirs.calls)


def _both(found: dict[str, Figures], name: str) -> tuple[float, float]:
    mine, smart = found[name], found["smart"]
    return mine.calls / smart.calls, mine.mean_delay_s / smart.mean_delay_s


def _all(results: Results) -> Iterator[tuple[str, str, Figures]]:
    for case, found in results.items():
        for schedule, one in found.items():
            yield case, schedule, one
