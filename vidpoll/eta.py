"""When a generation will be done: what was learned of its model, asked for one that runs as long as this one. Pure."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from pydantic import JsonValue

from vidpoll.accounts import Accounts, ModelPolicy
from vidpoll.generation import Generation, Status
from vidpoll.schedule import Forecast

#: When fewer than this part of all run as long as a generation does, nobody can tell how much longer it takes.
FEWEST_LEFT: Final = 1e-6
#: How long a generation of this provider, model and parameters is likely to take, by the model's policy.
ForecastOf = Callable[[str, str, Mapping[str, JsonValue], ModelPolicy], Forecast]
_AHEAD: Final = frozenset({Status.PENDING, Status.SUBMITTING, Status.PROCESSING})
_UNLISTED: Final = ModelPolicy()


@dataclass(frozen=True, slots=True)
class Eta:
    """When it will be done, in whole seconds, rounded up; at least 1.

    Attributes:
        p50_s: by then half of those that run as long as this one are done.
        p90_s: by then nine tenths of them are.
    """

    p50_s: int
    p90_s: int


def eta_of(forecast: Forecast, age_s: float) -> Eta | None:
    """The ETA of one that is not done ``age_s`` seconds after the paid call; None when hardly any takes so long.

    The moment it points at never comes closer while the generation runs: it falls no faster than time passes.

    Example:
        >>> from vidpoll.durations import Durations
        >>> veo = Durations.lognormal(median_s=64, sigma=0.5)
        >>> eta_of(Forecast(veo, veo), age_s=0)
        Eta(p50_s=64, p90_s=122)
        >>> eta_of(Forecast(veo, veo), age_s=100)
        Eta(p50_s=25, p90_s=82)
    """
    if 1 - forecast.total.done(age_s) < FEWEST_LEFT:
        return None
    half, most = (math.ceil(forecast.total.remaining(part, age_s)) for part in (0.5, 0.9))
    return Eta(max(1, half), max(1, most))


class Etas:
    """ETAs of generations. Safe to share between threads.

    Args:
        forecast: what was learned, see :mod:`vidpoll.forecasts`.
        accounts: the providers file; without one, and for a model that it lacks, the defaults of a model are taken.
    """

    def __init__(self, forecast: ForecastOf, accounts: Accounts | None) -> None:
        self._forecast = forecast
        self._policies = accounts.policies() if accounts else {}

    def of(self, generation: Generation) -> Eta | None:
        """The ETA of a generation as it was read; None when it is final or ``unknown``, or nobody can tell."""
        one = generation
        return self.standing(one.status, one.provider, one.model, one.params, one.age_s())

    def standing(
        self, status: str, provider: str, model: str, params: Mapping[str, JsonValue], age_s: float
    ) -> Eta | None:
        """The ETA of one that stands so, ``age_s`` seconds after the paid call.

        Before the paid call it is that of one that is submitted now: how long it waits for its submit lane is not
        known here.
        """
        if status not in _AHEAD:
            return None
        policy = self._policies.get((provider, model), _UNLISTED)
        return eta_of(self._forecast(provider, model, params, policy), age_s if status == Status.PROCESSING else 0.0)
