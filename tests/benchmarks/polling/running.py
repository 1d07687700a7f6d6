"""Who runs in which case, and how: warm-up, tuning to equal calls, the shift of durations."""

import math
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Final

from tests.benchmarks.polling import optimum
from tests.benchmarks.polling.cases import Case
from tests.benchmarks.polling.contenders import LEARN_EVERY, Contender, Learned, Named, Rotation, Table
from tests.benchmarks.polling.figures import Figures, Phase, figures
from tests.benchmarks.polling.simulated import Simulation
from vidpoll.schedule import NAMED, Adaptive, fixed

SEED: Final = 1
#: Completions before any are counted: as many as the adaptive schedule learns from, and two for each in flight.
WARM_UP: Final = 500
ROUNDS_OF_WARM_UP: Final = 2
#: Completions that are counted, at least one for each in flight; more where a budget is shared, since its waves are long.
MEASURED: Final = 4_000
MEASURED_SATURATED: Final = 8_000
MEASURED_TO_TUNE: Final = 1_500
#: Runs of a shift of durations, taken together; completions of each before it, right after it, and later.
SHIFTS: Final = 10
SHIFTS_TO_TUNE: Final = 3
BEFORE, RIGHT_AFTER, LATER = 300, 200, 300
#: Rounds in which a price is tuned to the calls of another schedule.
TUNINGS: Final = 3

Results = dict[str, dict[str, Figures]]
Make = Callable[[], Contender]
Shifts = list[tuple[Phase, Phase, Phase]]


def run(case: Case) -> Results:
    """All schedules of a case; a shift of durations gives three: after it, before it, and once it was learned."""
    if case.shift != 1:
        return _run_shift(case)
    found: dict[str, Figures] = {}
    for name in case.schedules:
        found[name] = measured(case, _maker(case, name, found))
    return {case.name: found}


def _maker(case: Case, name: str, found: dict[str, Figures]) -> Make:
    """How to make a contender; those at another's calls need that one's figures."""
    match name.split("_at_"):
        case ["adaptive", other]:
            return partial(learned, case, tuned(case, found[other].calls))
        case ["optimum", other]:
            return partial(_itself, optimum.at_calls(case.truth, found[other].calls).table)
        case ["optimum"]:
            return partial(_itself, _optimum(case, found["adaptive"].calls).table)
        case ["best_fixed"]:
            every_s = optimum.fixed_at_calls(case.truth, found["adaptive"].calls)
            return partial(Named, fixed(every_s), expected_s=math.inf)
    return _plain(case, name)


def _plain(case: Case, name: str) -> Make:
    match name:
        case "adaptive":
            return partial(learned, case)
        case "adaptive_cold":
            return partial(learned, case, learns=False)
        case "fifo":
            return Rotation
        case "fixed_10":
            return partial(Named, fixed(10))
    return partial(Named, NAMED[name])


def learned(case: Case, price_s: float | None = None, *, learns: bool = True) -> Learned:
    """The adaptive schedule, with its own price if none is given."""
    adaptive = Adaptive() if price_s is None else Adaptive(price_s=price_s)
    learn_every = max(LEARN_EVERY, case.in_flight // 20)
    return Learned(adaptive, case.typical_s, case.looks_per_s, learns=learns, learn_every=learn_every)


def tuned(case: Case, calls: float) -> float:
    """The price at which the adaptive schedule makes so many calls; they fall with the root of it."""
    price_s = Adaptive().price_s
    for _ in range(TUNINGS):
        if case.shift == 1:
            seen = measured(case, partial(learned, case, price_s), MEASURED_TO_TUNE)
        else:
            seen = _after(case, _shifts(case, partial(learned, case, price_s), runs=SHIFTS_TO_TUNE))
        price_s *= (seen.calls / calls) ** 2
    return price_s


def _itself(table: Table) -> Contender:
    return table


def _optimum(case: Case, calls: float) -> optimum.Best:
    if case.saturated:
        return optimum.filling(case.truth, case.in_flight, case.looks_per_s)
    return optimum.at_calls(case.truth, calls)


def measured(case: Case, make: Make, completions: int | None = None) -> Figures:
    simulation = Simulation(case, make(), SEED)
    simulation.run(max(WARM_UP, ROUNDS_OF_WARM_UP * case.in_flight))
    completions = completions or (MEASURED_SATURATED if case.saturated else MEASURED)
    return figures([simulation.run(max(completions, case.in_flight))], case.rate)


def _run_shift(case: Case) -> Results:
    results: Results = {case.name: {}, f"{case.name}_before": {}, f"{case.name}_later": {}}
    after, before, later = results.values()
    shifted = replace(case, truth=case.truth.times(case.shift))
    for name in case.schedules:
        shifts = _shifts(case, _maker(shifted if name == "optimum" else case, name, after))
        after[name] = _after(case, shifts)
        before[name] = figures([shift[0] for shift in shifts], case.rate)
        later[name] = figures([shift[2] for shift in shifts], case.rate)
    # The optimum is told of the shift: one schedule for before it, and one for after it.
    for name, truth in (("before", case.truth), ("later", shifted.truth)):
        found = results[f"{case.name}_{name}"]
        best = optimum.at_calls(truth, found["adaptive"].calls)
        still = replace(case, truth=truth, shift=1.0)
        found["optimum"] = measured(still, partial(_itself, best.table))
    return results


def _shifts(case: Case, make: Make, runs: int = SHIFTS) -> Shifts:
    """Before a shift of durations, right after it, and later; several runs of it."""
    found = []
    for seed in range(SEED, SEED + runs):
        simulation = Simulation(case, make(), seed)
        simulation.run(WARM_UP)
        before = simulation.run(BEFORE)
        simulation.truth = case.truth.times(case.shift)
        found.append((before, simulation.run(RIGHT_AFTER), simulation.run(LATER)))
    return found


def _after(case: Case, shifts: Shifts) -> Figures:
    return figures([phase for shift in shifts for phase in shift[1:]], case.rate)
