"""How long generations are likely to take: what was learned, as a snapshot every process keeps of its own."""

import json
import logging
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from pydantic import JsonValue

from vidpoll.accounts import ModelPolicy
from vidpoll.clock import Clock
from vidpoll.errors import StoreUnavailable
from vidpoll.schedule import Forecast
from vidpoll.store import Learned

log = logging.getLogger("vidpoll.forecasts")

#: Seconds after which the snapshot is read anew.
REFRESH_S: Final = 30.0
#: The key of what was learned of a model whatever its parameters.
ANY_PARAMS: Final = "{}"
#: Longest value of a parameter that makes a kind of video of its own, in characters.
WORD_LIMIT: Final = 32


class Snapshot:
    """What was learned, as of one moment; where nothing was, what the providers file says. Immutable."""

    def __init__(self, learned: Iterable[Learned] = ()) -> None:
        self._learned = {(one.provider, one.model, one.params, one.part): one.durations for one in learned}

    def of(self, provider: str, model: str, params: Mapping[str, JsonValue], policy: ModelPolicy) -> Forecast:
        """How long a generation of these is likely to take: by its parameters, else its model, else the file."""
        found, prior = self._learned, policy.prior
        for key in (params_key(params, policy.duration_params), ANY_PARAMS):
            total = found.get((provider, model, key, "total"))
            if total:
                return Forecast(total, found.get((provider, model, key, "run"), total))
        return Forecast(prior, prior)


class Forecasts:
    """The newest snapshot of what was learned; before there is one, what the providers file says.

    Args:
        read: reads everything learned; called once in :data:`REFRESH_S` at most, by one thread.
    """

    def __init__(self, read: Callable[[], Sequence[Learned]], clock: Clock) -> None:
        self._read = read
        self._monotonic = clock.monotonic
        self._reading = threading.Lock()
        self._read_at = float("-inf")
        self._snapshot = Snapshot()

    def of(self, provider: str, model: str, params: Mapping[str, JsonValue], policy: ModelPolicy) -> Forecast:
        """How long a generation of these is likely to take: by its parameters, else its model, else the file.

        Reads the snapshot only; :meth:`refresh` brings it up to date.
        """
        return self._snapshot.of(provider, model, params, policy)

    def refresh(self) -> None:
        """Read it anew when it is old. Whoever comes first does; others, and all during an outage, keep the old one."""
        if self._monotonic() - self._read_at < REFRESH_S or not self._reading.acquire(blocking=False):
            return
        try:
            self._read_at = self._monotonic()
            self._snapshot = Snapshot(self._read())
        except StoreUnavailable as error:
            log.warning("durations stay as they were: %s", error)
        except Exception:
            log.exception("durations stay as they were")
        finally:
            self._reading.release()


def params_key(params: Mapping[str, JsonValue], names: Sequence[str]) -> str:
    """The values of these parameters as canonical JSON: one text for one kind of video.

    Whoever asks for a video chooses the values; one that is no number, no truth value and no short word makes no kind
    of its own, and goes by the whole model.

    Example:
        >>> params_key({"resolution": "720p", "seed": 3, "duration": 8}, ("duration", "resolution"))
        '{"duration": 8, "resolution": "720p"}'
    """
    values = {name: params[name] for name in names if name in params}
    return json.dumps(values, sort_keys=True) if all(map(_is_short, values.values())) else ANY_PARAMS


def _is_short(value: JsonValue) -> bool:
    return isinstance(value, bool | int | float | str) and len(str(value)) <= WORD_LIMIT
