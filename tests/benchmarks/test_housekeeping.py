"""Pruning a million events while looks go on: rows a second, the longest statement, what looks notice of it."""

import json
import threading
import time
from typing import Any

import psycopg
import pytest

from vidpoll.retention import prune
from vidpoll.settings import Keep
from vidpoll.store import Checked, Page, Store, connect

GENERATIONS, EVENTS_OF_EACH, IN_FLIGHT = 100_000, 10, 20_000
QUIET_S = 15.0
DAY_S = 24 * 3600.0
FILL = """
INSERT INTO generations (id, owner, request_hash, provider, account, model, prompt, status, operation_name, video_url, result,
    next_check_at, deadline_at, submitted_at, created_at, completed_at)
SELECT gen_random_uuid(), 'o' || n %% 1000, md5(n::text), 'veo', 'vertex', 'veo-fast', repeat('a lion at dawn ', 15),
    CASE WHEN n <= %(ended)s THEN 'completed' ELSE 'processing' END, 'operation ' || n,
    CASE WHEN n <= %(ended)s THEN 'https://v' END, CASE WHEN n <= %(ended)s THEN '{}'::jsonb END,
    now(), now() + interval '1 hour', now(), now() - interval '60 days',
    CASE WHEN n <= %(ended)s THEN now() - interval '60 days' END
FROM generate_series(1, %(all)s) AS n
"""
FILL_EVENTS = """
INSERT INTO generation_events (generation_id, version, kind, status, data, owner, at)
SELECT g.id, v, 'progress', 'processing', '{"progress": 40, "stage": "generating", "overdue": false}', g.owner, g.created_at
FROM generations AS g, generate_series(1, %s) AS v WHERE g.completed_at IS NOT NULL
"""


class Timed(Store):
    """Notes how long each statement of a prune took."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.took_s: list[float] = []

    def prune_events(self, *args: Any, **options: Any) -> Page:
        began = time.monotonic()
        page = super().prune_events(*args, **options)
        self.took_s.append(time.monotonic() - began)
        return page


def quantile_ms(seconds: list[float], share: float) -> float:
    return round(1000 * sorted(seconds)[int(share * (len(seconds) - 1))], 1)


@pytest.mark.benchmark
@pytest.mark.timeout(1800)
def test_a_million_events_go_and_looks_go_on(database_url: str):
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(FILL, {"ended": GENERATIONS, "all": GENERATIONS + IN_FLIGHT})
        connection.execute(FILL_EVENTS, [EVENTS_OF_EACH])
        connection.execute("VACUUM ANALYZE")
        ids = [row[0] for row in connection.execute("SELECT id FROM generations WHERE status = 'processing'")]
    engine = connect(database_url)
    store = Timed(engine)
    looks: dict[str, list[float]] = {"before": [], "during": [], "after": []}
    phase, stop = ["before"], threading.Event()

    def look() -> None:
        first = 0
        while not stop.wait(0.01):
            began = time.monotonic()
            store.checked([Checked(id, 600, 50, "generating") for id in ids[first : first + 4]])
            looks[phase[0]].append(time.monotonic() - began)
            first = (first + 4) % len(ids)

    looking = threading.Thread(target=look)
    looking.start()
    stop.wait(QUIET_S)
    phase[0], began = "during", time.monotonic()
    pruned = prune(store, Keep(events_s=30 * DAY_S), [])[-1]
    took_s = time.monotonic() - began
    phase[0] = "after"
    stop.wait(QUIET_S)
    stop.set()
    looking.join()
    engine.dispose()

    figures = {
        "events_per_s": round(pruned.gone / took_s),
        "statements": len(store.took_s),
        "statement_ms": [quantile_ms(store.took_s, share) for share in (0.5, 0.99, 1)],
        **{f"looks_{when}_ms": [quantile_ms(took, share) for share in (0.5, 0.99, 1)] for when, took in looks.items()},
    }
    print(f"\n{json.dumps(figures)}")
    assert (pruned.gone, pruned.finished) == (GENERATIONS * EVENTS_OF_EACH, True)
    assert max(store.took_s) < 2, "no statement is long"
    assert quantile_ms(looks["during"], 0.5) < 3 * quantile_ms(looks["before"], 0.5), "looks hardly notice"
