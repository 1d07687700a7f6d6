"""Many event streams of one process: what each costs idle, and how soon an event is there."""

import asyncio
import json
import random
import re
import time
import uuid
from collections import Counter
from contextlib import suppress

import psycopg
import pytest
import redis

from tests.benchmarks import api
from vidpoll.devstack.servers import free_port
from vidpoll.doorbell import CHANNEL

STREAMS, EVENTS, PER_S = 2_000, 2_000, 200
INSERT = """
INSERT INTO generations (id, owner, request_hash, provider, account, model, prompt) VALUES (%s, 'o1', 'h', 'veo', 'vertex', 'm', 'p')
"""
TELL = """
WITH moved AS (UPDATE generations SET version = version + 1, updated_at = now() WHERE id = %s RETURNING id, version, status, owner)
INSERT INTO generation_events (generation_id, version, kind, status, data, owner)
SELECT id, version, 'progress', status, jsonb_build_object('stage', %s::text), owner FROM moved
"""


END = """
WITH moved AS (
    UPDATE generations SET status = 'cancelled', completed_at = now(), version = version + 1
    WHERE id = %s RETURNING id, version, status, owner
)
INSERT INTO generation_events (generation_id, version, kind, status, owner)
SELECT id, version, 'cancelled', status, owner FROM moved
"""


class Readers:
    """Streams, read in this process's event loop.

    Attributes:
        took: how long each event took, in seconds.
        open: streams that have begun.
        final: how often each generation's final event came.
    """

    def __init__(self, url: str, key: str) -> None:
        self._host, self._port = url.removeprefix("http://").split(":")
        self._key, self.took, self.open, self.final = key, list[float](), 0, Counter[uuid.UUID]()

    async def read(self, id: uuid.UUID, last: str | None = None) -> str | None:
        """Until the stream ends; the last event's id."""
        resume = f"Last-Event-ID: {last}\r\n" if last else ""
        path = f"/v1/generations/{id}/events"
        reader, writer = await asyncio.open_connection(self._host, int(self._port))
        writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {self._key}\r\n{resume}\r\n".encode())
        try:
            while line := await reader.readline():
                if line.startswith(b"id: "):
                    last = line[4:].strip().decode()
                self.open += b'"snapshot"' in line
                self.final[id] += b'"cancelled"' in line
                if sent := re.search(rb'"stage":"at ([\d.]+)"', line):
                    self.took.append(time.time() - float(sent[1]))
                if line == b"0\r\n":
                    break  # the last chunk: it ended in good order
        finally:
            writer.close()
        return last

    async def read_to_the_end(self, id: uuid.UUID) -> None:
        """Come back after every break, as a client does."""
        last = None
        while not self.final[id]:
            with suppress(OSError):
                last = await self.read(id, last)
            await asyncio.sleep(random.uniform(0.2, 2))


async def tell(database_url: str, redis_url: str, ids: list[uuid.UUID]) -> None:
    """Write events as a worker does: commit, then ring."""
    bell = redis.asyncio.Redis.from_url(redis_url)
    async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as connection:
        began = time.monotonic()
        for number in range(EVENTS):
            await asyncio.sleep(max(0.0, began + number / PER_S - time.monotonic()))
            await connection.execute(TELL, [ids[number % len(ids)], f"at {time.time()}"])
            await bell.publish(CHANNEL, b"")
    await bell.aclose()


@pytest.mark.benchmark
@pytest.mark.timeout(600)
def test_two_thousand_streams_are_cheap_and_events_are_there_at_once(database_url: str, redis_url: str):
    key, ids = api.new_key(database_url, "o1"), [uuid.uuid4() for _ in range(STREAMS)]
    with psycopg.connect(database_url) as connection:
        connection.cursor().executemany(INSERT, [[id] for id in ids])
    environ = {"VIDPOLL_API_STREAMS": str(STREAMS), "VIDPOLL_API_READ_LIMIT": "1000000/second"}

    with api.serving_api(database_url, redis_url, **environ) as (url, process):

        async def measure() -> tuple[Readers, float]:
            readers = Readers(url, key)
            warm = [asyncio.create_task(readers.read(id)) for id in ids[:50]]
            while readers.open < len(warm):
                await asyncio.sleep(0.05)
            before = process.memory_info().rss
            tasks = [*warm, *(asyncio.create_task(readers.read(id)) for id in ids[50:])]
            while readers.open < STREAMS:
                await asyncio.sleep(0.05)
            await asyncio.sleep(20)  # over a heartbeat: this is what idle streams cost
            each = (process.memory_info().rss - before) / (STREAMS - len(warm))
            await tell(database_url, redis_url, ids)
            give_up_at = time.monotonic() + 10
            while len(readers.took) < EVENTS and time.monotonic() < give_up_at:
                await asyncio.sleep(0.05)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            return readers, each

        readers, each = asyncio.run(measure())

    took = sorted(readers.took)
    figures = {
        "streams": STREAMS,
        "kb_an_idle_stream": round(each / 1000, 1),
        "events": len(took),
        "p50_ms": round(1000 * took[len(took) // 2], 1),
        "p99_ms": round(1000 * took[int(len(took) * 0.99)], 1),
        "max_ms": round(1000 * took[-1], 1),
    }
    print(f"\n{json.dumps(figures)}")
    assert len(took) == EVENTS
    assert figures["kb_an_idle_stream"] <= 40
    assert figures["p99_ms"] < 250


@pytest.mark.benchmark
@pytest.mark.timeout(600)
def test_every_client_ends_with_every_final_event_though_the_process_is_killed(database_url: str, redis_url: str):
    key, ids, port = api.new_key(database_url, "o1"), [uuid.uuid4() for _ in range(STREAMS)], free_port()
    environ = {"VIDPOLL_API_STREAMS": str(2 * STREAMS), "VIDPOLL_API_READ_LIMIT": "1000000/second"}
    with psycopg.connect(database_url) as connection:
        connection.cursor().executemany(INSERT, [[id] for id in ids])

    async def end(some: list[uuid.UUID]) -> None:
        async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as connection:
            for id in some:
                await connection.execute(END, [id])

    async def play() -> tuple[Readers, float]:
        readers = Readers(f"http://127.0.0.1:{port}", key)
        with api.serving_api(database_url, redis_url, port, **environ) as (_, process):
            tasks = [asyncio.create_task(readers.read_to_the_end(id)) for id in ids]
            while readers.open < STREAMS:
                await asyncio.sleep(0.05)
            await end(ids[::3])
            process.kill()
        await end(ids[1::3])
        began = time.monotonic()
        starting = api.serving_api(database_url, redis_url, port, **environ)
        await asyncio.to_thread(starting.__enter__)
        await end(ids[2::3])
        await asyncio.wait_for(asyncio.gather(*tasks), 120)
        took_s = time.monotonic() - began
        await asyncio.to_thread(starting.__exit__, None, None, None)
        return readers, took_s

    readers, took_s = asyncio.run(play())

    seen = Counter(readers.final.values())
    print(
        f"\n{json.dumps({'streams': STREAMS, 'final_events_seen': dict(seen), 'all_ended_after_s': round(took_s, 1)})}"
    )
    assert seen == {1: STREAMS}
