"""The job that learns from finished generations how long each model takes. Safe to run twice and at any time.

It reads the newest few hundred of each model and writes over what was learned before, so it has no place it must
remember: a run that is lost, or done twice, changes nothing.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final

from vidpoll.accounts import ModelPolicy
from vidpoll.durations import Durations
from vidpoll.estimating import SAMPLES, Observed, estimated
from vidpoll.forecasts import ANY_PARAMS, params_key
from vidpoll.services import Services
from vidpoll.store import Finished, Learned

#: Most kinds of videos, by their parameters, that are told apart for one model; the newest count.
MOST_KINDS: Final = 50
_DAYS_S: Final = 8 * 24 * 3600.0


def learn_durations(services: Services) -> dict[str, int]:
    """Learn anew what models take of which something finished since; how many histograms were written."""
    store = services.store
    known = {(one.provider, one.model): one.newest_at for one in store.learned() if one.params == ANY_PARAMS}
    written = 0
    policies = services.accounts.policies()
    for (provider, model), newest_at in store.newest_finish(policies).items():
        if known.get((provider, model)) == newest_at:
            continue
        policy = policies[provider, model]
        finished = store.finished(provider, model, policy.duration_params, SAMPLES)
        if finished:
            learned = list(_learned(provider, model, policy, finished, newest_at))
            store.learn(provider, model, learned)
            written += len(learned)
    return {"learned": written}


def _learned(
    provider: str, model: str, policy: ModelPolicy, finished: Sequence[Finished], newest_at: datetime
) -> Iterator[Learned]:
    """Of the whole model first; what was learned of it is the prior of each kind of video."""
    kinds: dict[str, list[Finished]] = defaultdict(list)
    for one in finished:
        kinds[params_key(one.params, policy.duration_params)].append(one)
    kinds.pop(ANY_PARAMS, None)  # those that name no parameter go by the whole model
    groups = {ANY_PARAMS: list(finished)} | dict(list(kinds.items())[:MOST_KINDS])
    total, run = policy.prior, policy.prior
    for params, group in groups.items():
        totals, runs = [_total(one) for one in group], [_exactly(one.run_s) for one in group if one.run_s is not None]
        of_total, of_run = estimated(totals, total), estimated(runs, run)
        if params == ANY_PARAMS:
            total, run = of_total, of_run
        yield Learned(provider, model, params, "total", len(totals), of_total, newest_at)
        if runs:
            yield Learned(provider, model, params, "run", len(runs), of_run, newest_at)


def _total(one: Finished) -> Observed:
    """The provider's own times where it tells them, else what our looks saw."""
    if one.queued_s is not None and one.run_s is not None:
        return _exactly(one.queued_s + one.run_s)
    return Observed(min(one.after_s, _DAYS_S), min(one.until_s, _DAYS_S))


def _exactly(seconds: float) -> Observed:
    return Observed(min(seconds, _DAYS_S), min(seconds, _DAYS_S))


def quantiles(durations: Durations) -> tuple[float, float, float]:
    """Seconds by which a tenth, a half and nine tenths are done."""
    return durations.quantile(0.1), durations.quantile(0.5), durations.quantile(0.9)
