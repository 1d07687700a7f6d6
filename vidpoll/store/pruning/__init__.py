"""Deleting what is kept no longer: page by page, each a short statement that waits for no lock of anybody.

Safe to run twice at once and to be interrupted anywhere: a page is deleted as a whole or not at all.
"""

import base64
import json
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, TextClause, func, select, text

from vidpoll.store.archive_tables import archived_files
from vidpoll.store.engine import EngineBound, answering
from vidpoll.store.tables import generations, projects

#: Rows a statement reads. Of generations fewer, since each goes with its events.
PAGE: Final = 2000
GENERATIONS_PAGE: Final = 500

Place = Mapping[str, Any]
#: Where the first page of each begins.
_BY_NUMBER: Final[Place] = {"id": 0}
_BY_TEXT: Final[Place] = {"id": ""}
_BY_AGE: Final[Place] = {"at": "-infinity", "id": "00000000-0000-0000-0000-000000000000"}


@dataclass(frozen=True, slots=True)
class Page:
    """What came of one page.

    Attributes:
        old: rows that may go.
        gone: rows that went; fewer when somebody had some locked, none when they were only counted.
        next: where the next page begins; None when there is nothing more.
    """

    old: int
    gone: int
    next: Place | None


def _sql(name: str) -> str:
    return (Path(__file__).parent / f"{name}.sql").read_text()


_EVENTS: Final = text(_sql("generation_events"))
_ONE_OWNER: Final = "owner = :owner\n        AND "
_GENERATIONS_OF: Final = text(_sql("generations"))
_GENERATIONS: Final = text(_sql("generations").replace(_ONE_OWNER, ""))
_PROJECTS_OF: Final = text(_sql("projects"))
_PROJECTS: Final = text(_sql("projects").replace(_ONE_OWNER, ""))
_DEAD_LETTERS: Final = text(_sql("dead_letters"))
_LETTERS_OF: Final = text(_sql("letters_of"))
_API_KEYS: Final = text(_sql("api_keys"))
_DELIVERIES: Final = text(_sql("webhook_deliveries"))
_ENDPOINTS_OF: Final = text(_sql("endpoints_of"))
_DURATIONS: Final = text(_sql("durations"))


class Pruning(EngineBound):
    """A method a kind of rows. ``after`` is the ``next`` of the page before; ``really=False`` only counts."""

    def prune_events(self, keep_s: float, after: Place | None = None, *, really: bool = True) -> Page:
        """Events of generations that ended more than ``keep_s`` seconds ago and are looked at no more."""
        return self._pruned(_EVENTS, after or _BY_NUMBER, keep_s=keep_s, most=PAGE, really=really)

    def prune_generations(self, keep_s: float, after: Place | None = None, *, really: bool = True) -> Page:
        """Generations that ended more than ``keep_s`` seconds ago and are looked at no more, with their events."""
        return self._pruned(_GENERATIONS, after or _BY_AGE, keep_s=keep_s, most=GENERATIONS_PAGE, really=really)

    def prune_projects(self, keep_s: float, after: Place | None = None, *, really: bool = True) -> Page:
        """Projects that ended more than ``keep_s`` seconds ago, with their steps; their generations may go then."""
        return self._pruned(_PROJECTS, after or _BY_AGE, keep_s=keep_s, most=GENERATIONS_PAGE, really=really)

    def prune_dead_letters(self, keep_s: float, after: Place | None = None, *, really: bool = True) -> Page:
        """Messages that were refused more than ``keep_s`` seconds ago."""
        return self._pruned(_DEAD_LETTERS, after or _BY_NUMBER, keep_s=keep_s, most=PAGE, really=really)

    def prune_keys(self, keep_s: float, after: Place | None = None, *, really: bool = True) -> Page:
        """API keys that were revoked more than ``keep_s`` seconds ago."""
        return self._pruned(_API_KEYS, after or _BY_TEXT, keep_s=keep_s, most=PAGE, really=really)

    def prune_deliveries(self, keep_s: float, after: Place | None = None, *, really: bool = True) -> Page:
        """Webhooks that were delivered or given up more than ``keep_s`` seconds ago."""
        return self._pruned(_DELIVERIES, after or _BY_NUMBER, keep_s=keep_s, most=PAGE, really=really)

    def prune_durations(self, keep_s: float, offered: Sequence[tuple[str, str]], *, really: bool = True) -> Page:
        """What was learned of models not among ``offered`` (provider, model), if none ended for ``keep_s`` seconds."""
        providers, models = [provider for provider, _ in offered], [model for _, model in offered]
        return self._pruned(_DURATIONS, {}, keep_s=keep_s, providers=providers, models=models, really=really)

    # -- everything of one owner --------------------------------------------------------------------------------------

    def erase_generations(self, owner: str, after: Place | None = None, *, really: bool = True) -> Page:
        """The owner's generations that ended and are looked at no more, with their events, however young."""
        place = after or _BY_AGE
        return self._pruned(_GENERATIONS_OF, place, keep_s=0.0, most=GENERATIONS_PAGE, really=really, owner=owner)

    def erase_projects(self, owner: str, after: Place | None = None, *, really: bool = True) -> Page:
        """The owner's projects that ended, however young."""
        place = after or _BY_AGE
        return self._pruned(_PROJECTS_OF, place, keep_s=0.0, most=GENERATIONS_PAGE, really=really, owner=owner)

    def erase_endpoints(self, owner: str, after: Place | None = None, *, really: bool = True) -> Page:
        """The owner's webhook endpoints, with their secrets and all that was, or is to be, sent to them."""
        return self._pruned(_ENDPOINTS_OF, {}, owner=owner, really=really)

    def erase_dead_letters(self, owner: str, after: Place | None = None, *, really: bool = True) -> Page:
        """Refused messages that name the owner: in JSON, in texts of JSON in it, or in base64.

        Not those that were too long to be kept up to the name, nor those that were compressed.
        """
        place, needles = after or _BY_NUMBER, sorted(_spellings(owner))
        return self._pruned(_LETTERS_OF, place, needles=needles, most=GENERATIONS_PAGE, really=really)

    def count_of(self, owner: str) -> dict[str, int]:
        """How many projects and generations the owner has, and copies of files of generations that are deleted."""
        with answering(self._engine) as connection:
            return {
                table.name: int(connection.execute(select(func.count()).where(table.c.owner == owner)).scalar_one())
                for table in (projects, generations)
            } | {archived_files.name: self._copies_of(connection, owner)}

    @staticmethod
    def _copies_of(connection: Connection, owner: str) -> int:
        """Copies of generations that are gone."""
        mine = (archived_files.c.owner == owner, archived_files.c.status == "erasing")
        return int(connection.execute(select(func.count()).select_from(archived_files).where(*mine)).scalar_one())

    def _pruned(self, statement: TextClause, after: Place, **values: Any) -> Page:
        with answering(self._engine) as connection:
            row = connection.execute(statement, {**after, **values}).one()
            return Page(row.old, row.gone, row.next)


def _spellings(owner: str) -> set[str]:
    r"""How a payload may name an owner: as JSON, as a text of JSON in JSON, in that again, and in base64.

    Example:
        >>> {'"owner": "al"', '"owner":"al"', r'\"owner\": \"al\"'} <= _spellings("al")
        True
    """
    named = {
        json.dumps({"owner": owner}, ensure_ascii=ascii, separators=(",", colon))[1:-1]
        for ascii in (True, False)
        for colon in (": ", ":")
    }
    once = _as_texts(named)
    return named | once | _as_texts(once) | {part for one in named for part in _in_base64(one)}


def _as_texts(those: Set[str]) -> set[str]:
    return {json.dumps(one, ensure_ascii=ascii)[1:-1] for one in those for ascii in (True, False)}


def _in_base64(named: str) -> Iterator[str]:
    """What is in the base64 of any text that has it, wherever it begins there.

    Three bytes make four characters, so up to two bytes at each end depend on their neighbours and are left out. What
    follows in a message of Celery is put behind it, so that those are not of the name: "al" must not find "alice".
    """
    for follows in (', "', ',"', "}, {", "},{"):
        data = (named + follows).encode()
        for start in range(3):
            whole = len(data[start:]) // 3 * 3
            yield base64.b64encode(data[start : start + whole]).decode()
