"""How long finished generations took, and the histograms learned from them."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final, Literal

from pydantic import JsonValue
from sqlalchemy import func, select, text
from sqlalchemy.dialects.postgresql import insert

from vidpoll.durations import Durations
from vidpoll.store.engine import EngineBound, answering
from vidpoll.store.tables import durations

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
        """Every histogram there is."""
        with answering(self._engine) as connection:
            return [
                Learned(
                    row["provider"], row["model"], row["params"], row["part"], row["samples"],
                    Durations.from_sparse(row["first_bin"], row["weights"]), row["newest_at"],
                )
                for row in connection.execute(select(durations)).mappings()
            ]  # fmt: skip

    def learn(self, learned: Sequence[Learned]) -> None:
        """Write histograms over those there were."""
        if not learned:
            return
        statement = insert(durations)
        fresh = {name: statement.excluded[name] for name in ("samples", "first_bin", "weights", "newest_at")}
        statement = statement.on_conflict_do_update(
            index_elements=["provider", "model", "params", "part"], set_={**fresh, "updated_at": func.now()}
        )
        with answering(self._engine) as connection:
            connection.execute(statement, [_row(one) for one in learned])


def _row(one: Learned) -> dict[str, object]:
    first_bin, weights = one.durations.sparse()
    return {
        "provider": one.provider, "model": one.model, "params": one.params, "part": one.part,
        "samples": one.samples, "first_bin": first_bin, "weights": weights, "newest_at": one.newest_at,
    }  # fmt: skip
