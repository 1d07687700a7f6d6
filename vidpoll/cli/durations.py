"""``vidpoll durations``: how long each model takes, as far as was learned."""

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from vidpoll.cli.output import AsJson, mapping_table, out, print_json, seconds_words
from vidpoll.durations import Durations
from vidpoll.forecasts import ANY_PARAMS
from vidpoll.learning import quantiles
from vidpoll.services import build_store
from vidpoll.settings import load_settings
from vidpoll.store import Learned

_EMPTY = (
    "nothing was learned yet: that begins when a generation has completed, and takes beat half a minute;"
    " see with `vidpoll health` whether beat runs. Until then typical_s of the providers file counts."
)


def durations(as_json: AsJson = False) -> None:
    """How long each model takes: what the schedule and the ETA go by, learned from finished generations."""
    found = list(_kinds(build_store(load_settings()).learned()))
    if as_json:
        print_json(found)
    elif found:
        columns = ["provider", "model", "parameters", "samples", "total 10/50/90 %", "run 10/50/90 %", "newest"]
        out.print(mapping_table((_words(one) for one in found), columns))
    else:
        out.print(_EMPTY)


def _kinds(learned: Iterable[Learned]) -> Iterable[dict[str, Any]]:
    """What was learned, one for each kind of video; those of a model follow it as a whole."""
    parts: dict[tuple[str, str, str], dict[str, Learned]] = {}
    for one in sorted(learned, key=lambda one: (one.provider, one.model, one.params != ANY_PARAMS, one.params)):
        parts.setdefault((one.provider, one.model, one.params), {})[one.part] = one
    for (provider, model, params), of in parts.items():
        total = of["total"]
        yield {
            "provider": provider,
            "model": model,
            "params": json.loads(params),
            "samples": total.samples,
            "total": _quantiles(total.durations),
            "run": _quantiles(of["run"].durations) if "run" in of else None,
            "newest_at": total.newest_at.isoformat(),
            "age_s": max(0, int((datetime.now(UTC) - total.newest_at).total_seconds())),
        }


def _quantiles(durations: Durations) -> dict[str, float]:
    return dict(zip(("p10_s", "p50_s", "p90_s"), (round(one, 1) for one in quantiles(durations)), strict=True))


def _words(one: dict[str, Any]) -> dict[str, Any]:
    params = ", ".join(f"{name}={value}" for name, value in one["params"].items())
    return {
        "provider": one["provider"],
        "model": one["model"],
        "parameters": params or "all",
        "samples": one["samples"],
        "total 10/50/90 %": _three(one["total"]),
        "run 10/50/90 %": _three(one["run"]) if one["run"] else "not told",
        "newest": f"{seconds_words(one['age_s'])} ago",
    }


def _three(quantiles: dict[str, float]) -> str:
    return " / ".join(seconds_words(round(seconds)) for seconds in quantiles.values())
