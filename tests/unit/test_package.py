import subprocess
import sys
from pathlib import Path

import vidpoll
from vidpoll.store import Store
from vidpoll.store.accepting import Accepting
from vidpoll.store.dead_letters import DeadLetters
from vidpoll.store.project_reading import ProjectReading
from vidpoll.store.projects import StoredProjects
from vidpoll.store.reading import Reading
from vidpoll.store.stuck import Stuck
from vidpoll.store.submitting import Submitting
from vidpoll.store.watching import Watching

HEAVY = (
    "opentelemetry",
    "sqlalchemy",
    "psycopg",
    "requests",
    "celery",
    "kombu",
    "redis",
    "typer",
    "rich",
    "tasks",
    "config",
    "prometheus_client",
    "structlog",
)


def test_importing_vidpoll_is_light():
    code = f"import sys, vidpoll; print([name for name in {HEAVY!r} if name in sys.modules])"

    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_everything_exported_exists_and_the_list_is_sorted():
    assert all(hasattr(vidpoll, name) for name in vidpoll.__all__)
    assert vidpoll.__all__ == sorted(vidpoll.__all__)


def test_no_part_of_the_store_hides_another_parts_method():
    parts = (Accepting, Submitting, Watching, Reading, Stuck, StoredProjects, ProjectReading, DeadLetters)
    names = [name for part in parts for name in vars(part) if not name.startswith("__")]

    assert len(names) == len(set(names))
    assert issubclass(Store, parts)


def test_lua_and_sql_files_open_with_a_legend():
    files = [*Path(vidpoll.__file__).parent.rglob("*.lua"), *Path(vidpoll.__file__).parent.rglob("*.sql")]

    assert files
    for file in files:
        assert file.read_text().startswith(f"-- {file.stem}("), file
