"""The picture for docs/performance.md: where schedules look, what looks cost, and what happens under load."""

from collections.abc import Iterable
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

from tests.benchmarks.polling import optimum
from tests.benchmarks.polling.cases import CASES, LOADS
from tests.benchmarks.polling.contenders import Contender, Named
from tests.benchmarks.polling.figures import Figures
from tests.benchmarks.polling.running import SEED, WARM_UP, Results, learned, measured
from tests.benchmarks.polling.simulated import Simulation
from vidpoll.schedule import NAMED, Adaptive, Forecast, Look, fixed

ADAPTIVE, OPTIMUM, OTHER = "#0b6e99", "#111111", "#c4572b"
SHOWN_S: Final = 240.0
#: Prices of the curve of the adaptive schedule, seconds.
PRICES: Final = (0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4)
#: Intervals of the curve of the fixed ones, seconds.
INTERVALS_S: Final = (2, 3, 4, 6, 8, 10, 15, 20, 30, 40)
#: Points of the second panel: text, colour, marker, where the text stands from it in points, and its side towards it.
POINTS: Final = {
    "geometric": ("geometric", OTHER, "o", (8, -3), "left"),
    "smart": ("smart", OTHER, "o", (8, -3), "left"),
    "progressive": ("progressive", OTHER, "o", (0, -17), "center"),
    "fixed_10": ("every 10 s", OTHER, "o", (0, 9), "center"),
    "adaptive_cold": ("before it\nlearned", ADAPTIVE, "s", (-72, -26), "right"),
    "adaptive": ("as shipped", ADAPTIVE, "o", (-68, -36), "right"),
}


def draw(results: Results, path: Path) -> None:
    """Draw the three panels into a PNG; what of them did not run is left out. Needs matplotlib."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    pyplot.rcParams.update({"font.size": 10, "axes.spines.top": False, "axes.spines.right": False})
    figure, panels = pyplot.subplots(1, 3, figsize=(16, 5), layout="constrained", width_ratios=(1.25, 1, 1))
    _where(panels[0])
    _cost(panels[1], results.get("veo_like", {}))
    _load(panels[2], results)
    figure.savefig(path, dpi=90)
    pyplot.close(figure)


def _where(panel: Any) -> None:
    truth = CASES["veo_like"].truth
    ages = [age / 2 for age in range(int(2 * SHOWN_S))]
    density = [100 * (truth.done(later) - truth.done(age)) / (later - age) for age, later in pairwise(ages)]
    panel.fill_between(ages[1:], density, color="#cfe3ec")
    panel.text(78, max(density) * 0.35, "videos get done", color=ADAPTIVE, ha="center")
    rows = [
        ("adaptive, learned", ADAPTIVE, _learned_ages()),
        ("every 10 s", OTHER, _ages(fixed(10).model_copy(update={"jitter": 0.0}))),
        ("smart", OTHER, _ages(NAMED["smart"].model_copy(update={"jitter": 0.0}))),
        ("geometric", OTHER, _ages(NAMED["geometric"].model_copy(update={"jitter": 0.0}))),
    ]
    top = max(density)
    for row, (name, colour, looks) in enumerate(rows):
        height = -top * (0.14 + 0.16 * row)
        panel.vlines(looks, height - 0.05 * top, height + 0.05 * top, color=colour, linewidth=1.6)
        panel.text(SHOWN_S + 4, height, name, va="center", color=colour)
    panel.set(xlim=(0, SHOWN_S), xlabel="age of the generation, s", ylabel="done, % of all per second")
    panel.set_yticks([tick for tick in (0, 0.4, 0.8, 1.2) if tick <= top])
    panel.set_title("Where schedules look; each stroke is a call", loc="left")


def _ages(schedule: Any) -> list[float]:
    ages = [0.0]
    while ages[-1] < SHOWN_S:
        ages.append(ages[-1] + schedule.interval(Look(checks=len(ages) - 1, age_s=ages[-1])))
    return ages[1:-1]


def _learned_ages() -> list[float]:
    contender = learned(CASES["veo_like"])
    Simulation(CASES["veo_like"], contender, SEED).run(WARM_UP)
    forecast, schedule, ages = Forecast(contender.durations, contender.durations), Adaptive(), [0.0]
    while ages[-1] < SHOWN_S:
        ages.append(ages[-1] + schedule.interval(Look(age_s=ages[-1], forecast=forecast)))
    return ages[1:-1]


def _cost(panel: Any, found: dict[str, Figures]) -> None:
    case = CASES["veo_like"]
    every = [measured(case, partial(_fixed, seconds)) for seconds in INTERVALS_S]
    panel.plot(*_curve(every), color=OTHER, linewidth=1, label="fixed, any interval")
    seen = [measured(case, partial(learned, case, price_s)) for price_s in PRICES]
    panel.plot(*_curve(seen), color=ADAPTIVE, linewidth=4, alpha=0.7, label="adaptive, any price of a check")
    best = [optimum.at_price(case.truth, price).point for price in PRICES]
    calls, delays = [one.calls for one in best], [one.delay_s for one in best]
    panel.plot(calls, delays, color=OPTIMUM, linestyle="--", linewidth=1.2, label="optimum, which knows the truth")
    for name, (text, colour, marker, offset, side) in POINTS.items():
        if name in found:
            place = found[name].calls, found[name].mean_delay_s
            panel.plot(*place, marker, color=colour, markersize=7)
            line = {"arrowstyle": "-", "color": colour, "linewidth": 0.8} if side == "right" else None
            panel.annotate(text, place, offset, textcoords="offset points", color=colour, ha=side, arrowprops=line)
    panel.set(xscale="log", yscale="log", xlabel="calls per generation", ylabel="mean delay until seen, s")
    _plain_ticks(panel.xaxis, (2, 5, 10, 20, 40))
    _plain_ticks(panel.yaxis, (1, 2, 5, 10, 20))
    panel.legend(frameon=False, loc="lower left")
    panel.set_title("What looks buy while there are tokens enough", loc="left")


def _curve(figures: Iterable[Figures]) -> tuple[list[float], list[float]]:
    found = list(figures)
    return [one.calls for one in found], [one.mean_delay_s for one in found]


def _fixed(seconds: float) -> Contender:
    return Named(fixed(seconds))


def _load(panel: Any, results: Results) -> None:
    loads = [load for load in LOADS if f"load_{load}" in results]
    for name, text, colour in (
        ("smart", "smart", OTHER),
        ("fifo", "all in turn, always at the limit", "#8a8a8a"),
        ("adaptive", "adaptive", ADAPTIVE),
    ):
        delays = [results[f"load_{load}"][name].mean_delay_s for load in loads]
        panel.plot(loads, delays, marker="o", markersize=5, color=colour, linewidth=2, label=text)
    panel.set(
        xscale="log",
        yscale="log",
        xlabel="generations in flight, with 10 calls a second",
        ylabel="mean delay until seen, s",
    )
    _plain_ticks(panel.xaxis, (10, 100, 1_000, 10_000, 100_000))
    _plain_ticks(panel.yaxis, (1, 10, 100, 1_000, 10_000))
    panel.legend(frameon=False, loc="upper left")
    panel.set_title("Under load", loc="left")


def _plain_ticks(axis: Any, ticks: tuple[float, ...]) -> None:
    axis.set_ticks(ticks, [f"{tick:,}" for tick in ticks])
    axis.set_ticks([], minor=True)
