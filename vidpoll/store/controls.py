"""What operators decided of lanes: the rows that outlast the lanes' Redis."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from sqlalchemy import BigInteger, Float, case, cast, func, null, select, text
from sqlalchemy.dialects.postgresql import insert

from vidpoll.controls import Control, Override, Pause, Verb
from vidpoll.store.engine import EngineBound, answering
from vidpoll.store.tables import account_controls
from vidpoll.store.times import later

_ROW: Final = account_controls.c
_LEFT_S: Final = cast(func.extract("epoch", _ROW.paused_until - func.clock_timestamp()), Float)
_COLUMNS: Final = (
    *account_controls.c,
    case((_ROW.paused_until.is_(None), null()), else_=_LEFT_S).label("left_s"),
    cast(func.extract("epoch", _ROW.updated_at) * 1_000_000, BigInteger).label("version"),
)
_NO_PAUSE: Final = dict.fromkeys(("paused_since", "paused_until", "paused_by", "pause_reason"), null())
_NO_RATE: Final = dict.fromkeys(("rate", "burst", "rate_since", "rate_by"), null())


class Controls(EngineBound):
    """One row for each lane somebody decided about; it stays when nothing is in force any more, for its version."""

    def controls(self) -> dict[tuple[str, Verb], Control]:
        """Everything that was decided, by account and verb."""
        with answering(self._engine) as connection:
            found = [_control(row) for row in connection.execute(select(*_COLUMNS)).mappings()]
        return {(one.account, one.verb): one for one in found}

    def control(self, account: str, verb: Verb) -> Control:
        """What was decided of one lane."""
        query = select(*_COLUMNS).where(_ROW.account == account, _ROW.verb == verb)
        with answering(self._engine) as connection:
            row = connection.execute(query).mappings().one_or_none()
        return _control(row) if row else Control(account, verb)

    def pause_lanes(
        self, lanes: Sequence[tuple[str, Verb]], reason: str, by: str, for_s: float | None = None
    ) -> list[Control]:
        """Pause all of them or none, in place of pauses operators gave them before; without an end by default."""
        until = null() if for_s is None else later(for_s)
        paused = {"paused_since": func.now(), "paused_until": until, "paused_by": by, "pause_reason": reason}
        return self._decide(lanes, paused)

    def resume_lanes(self, lanes: Sequence[tuple[str, Verb]]) -> list[Control]:
        """End operators' pauses of all of them or none; nothing else changes."""
        return self._decide(lanes, _NO_PAUSE)

    def set_rate(self, account: str, verb: Verb, rate: float, burst: int, by: str) -> Control:
        """Another rate than the configured one."""
        rated = {"rate": rate, "burst": burst, "rate_since": func.now(), "rate_by": by}
        (decided,) = self._decide([(account, verb)], rated)
        return decided

    def reset_rate(self, account: str, verb: Verb) -> Control:
        """The configured rate again."""
        (decided,) = self._decide([(account, verb)], _NO_RATE)
        return decided

    def _decide(self, lanes: Sequence[tuple[str, Verb]], values: Mapping[str, Any]) -> list[Control]:
        """One statement, so all rows or none; sorted, so that two of them at once do not wait for each other."""
        if not lanes:
            return []
        next_version = func.greatest(func.clock_timestamp(), _ROW.updated_at + text("interval '1 microsecond'"))
        rows = [{"account": account, "verb": verb, **values} for account, verb in sorted(set(lanes))]
        changed = {**values, "updated_at": next_version}
        written = insert(account_controls).values(rows)
        written = written.on_conflict_do_update(index_elements=["account", "verb"], set_=changed)
        with answering(self._engine) as connection:
            found = [_control(row) for row in connection.execute(written.returning(*_COLUMNS)).mappings()]
        by_lane = {(one.account, one.verb): one for one in found}
        return [by_lane[lane] for lane in lanes]


def _control(row: Mapping[Any, Any]) -> Control:
    left_s, pause, override = row["left_s"], None, None
    if row["paused_since"] and (left_s is None or left_s > 0):
        pause = Pause(row["pause_reason"], row["paused_by"], row["paused_since"], left_s)
    if row["rate"] is not None:
        override = Override(row["rate"], row["burst"], row["rate_by"], row["rate_since"])
    return Control(row["account"], row["verb"], int(row["version"]), pause, override)
