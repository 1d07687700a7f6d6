"""How long finished generations took, and the histograms learned from them."""

import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import JsonValue
from sqlalchemy import delete, insert, select, text

from vidpoll.durations import Durations
from vidpoll.store.engine import EngineBound, answering
from vidpoll.store.tables import durations

log = logging.getLogger("vidpoll.store")

Part = Literal["total", "run"]
_FINISHED: Final = text((Path(__file__).parent / "finished.sql").read_text())
_NEWEST: Final = text(
    "SELECT provider, model, (SELECT max(completed_at) FROM generations AS g"
    " WHERE g.status = 'completed' AND g.provider = asked.provider AND g.model = asked.model)"
    " FROM unnest(CAST(:providers AS text[]), CAST(:models AS text[])) AS asked (provider, model)"
)


@dataclass(frozen=True, slots=True)
class Finished:
    """What is known of how long one generation took.

    Attributes:
        params: its values of the parameters that were asked about.
        after_s: seconds from the paid call to the last look at which it was not done; 0 when there was none.
        until_s: seconds from the paid call to the look that found it done.
        queued_s, run_s: how long it waited and ran, by the provider's own clock, where it tells.
    """

    params: dict[str, JsonValue]
    after_s: float
    until_s: float
    queued_s: float | None
    run_s: float | None


@dataclass(frozen=True, slots=True)
class Learned:
    """A learned histogram.

    Attributes:
        params: the values it was learned for, as canonical JSON; ``{}`` for all of a model.
        part: the whole time from the paid call to the end, or the part after the provider began.
        samples: how many generations it was learned from.
        newest_at: when the newest of them ended.
    """

    provider: str
    model: str
    params: str
    part: Part
    samples: int
    durations: Durations
    newest_at: datetime


class LearnedDurations(EngineBound):
    """What the learning job reads and writes, and what workers read of it."""

    def newest_finish(self, models: Collection[tuple[str, str]]) -> dict[tuple[str, str], datetime]:
        """When the newest completed generation of each of these (provider, model) ended; none for those without."""
        values = {"providers": [provider for provider, _ in models], "models": [model for _, model in models]}
        with answering(self._engine) as connection:
            rows = connection.execute(_NEWEST, values).all()
            return {(str(row[0]), str(row[1])): row[2] for row in rows if row[2] is not None}

    def finished(self, provider: str, model: str, params: Sequence[str], limit: int) -> list[Finished]:
        """The newest ``limit`` completed generations of a model, newest first, with their values of ``params``."""
        values = {"provider": provider, "model": model, "params": list(params), "limit": limit}
        with answering(self._engine) as connection:
            return [Finished(**row) for row in connection.execute(_FINISHED, values).mappings()]

    def learned(self) -> list[Learned]:
        """Every histogram there is; one that cannot be read is left out, and will be written over."""
        with answering(self._engine) as connection:
            rows = connection.execute(select(durations)).mappings().all()
        return [one for one in map(_learned, rows) if one]

    def learn(self, provider: str, model: str, learned: Sequence[Learned]) -> None:
        """Write a model's histograms in place of those there were."""
        with answering(self._engine) as connection:
            connection.execute(delete(durations).where(durations.c.provider == provider, durations.c.model == model))
            connection.execute(insert(durations), [_row(one) for one in learned])


def _learned(row: Mapping[Any, Any]) -> Learned | None:
    try:
        histogram = Durations.from_sparse(row["first_bin"], row["weights"])
    except ValueError:
        log.warning("the learned durations of %s %s cannot be read", row["provider"], row["model"])
        return None
    return Learned(
        row["provider"], row["model"], row["params"], row["part"], row["samples"], histogram, row["newest_at"]
    )


def _row(one: Learned) -> dict[str, object]:
    first_bin, weights = one.durations.sparse()
    return {
        "provider": one.provider, "model": one.model, "params": one.params, "part": one.part,
        "samples": one.samples, "first_bin": first_bin, "weights": weights, "newest_at": one.newest_at,
    }  # fmt: skip
