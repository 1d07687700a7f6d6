"""Flower beside a real worker: who gets in, what is told, and what is left behind when it is killed."""

import json
import os
import re
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests
from flower import urls

from tests import brokers
from tests.acceptance.conftest import OPTIONS
from tests.acceptance.stack import PROJECT, Stack
from tests.waiting import until
from vidpoll import Client, GenerationRequest, messages
from vidpoll.devstack.child import Child
from vidpoll.devstack.servers import free_port

LOGIN = ("operator", "a-password-of-the-test")
SECRET = "canary-of-a-signed-input"
INPUT = f"https://bucket.example/lion.png?X-Amz-Expires=60&X-Amz-Signature={SECRET}"
#: What Flower shows to everybody: whether it runs, numbers of tasks and workers, and its pages' looks.
OPEN = ("/metrics", "/healthcheck", "/static/(.*)", "/login/?", "/logout")


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    management = {"FLOWER_BROKER_API": brokers.node().manage()} if brokers.RABBITMQ else {}
    running = Stack(tmp_path_factory.mktemp("stack"), *OPTIONS, flower=True, **management)
    running.simulate("durations", median_s=0.2, sigma=0, fixed_s=0, scale=1)
    until(lambda: answers(f"{running.described['flower_url']}/healthcheck"), what="Flower")
    yield running
    assert running.stop() == 0


@pytest.fixture(scope="module")
def made(stack: Stack) -> uuid.UUID:
    """A generation that was asked for and is done."""
    described = stack.described
    client = Client(broker_url=described["broker_url"], database_url=described["database_url"])
    request = GenerationRequest(
        provider="veo", model="veo-fast", owner="alice", prompt="a lion " * 1000,
        params={"image": INPUT, "token": SECRET, "seed": 7},
    )  # fmt: skip
    id = client.submit(request)
    client.wait(id, timeout_s=60)
    return id


class Flower:
    """Flower as an operator's browser sees it."""

    def __init__(self, url: str, login: tuple[str, str]) -> None:
        self.url, self._login = url, login

    def get(self, path: str, **query: Any) -> requests.Response:
        return requests.get(self.url + path, params=query, auth=self._login, timeout=20)

    def tasks(self, **query: Any) -> dict[str, dict[str, Any]]:
        return dict(self.get("/api/tasks", **query).json())

    def table(self, search: str) -> list[dict[str, Any]]:
        """The rows of the page of tasks."""
        query = {"draw": 1, "start": 0, "length": 100, "search[value]": search, "order[0][column]": 0}
        return list(self.get("/tasks/datatable", **query, **{"columns[0][data]": "name"}).json()["data"])


@pytest.fixture
def flower(stack: Stack) -> Flower:
    user, _, password = stack.described["flower_login"].partition(":")
    return Flower(stack.described["flower_url"], (user, password))


def answers(url: str) -> bool:
    try:
        return requests.get(url, timeout=5).ok
    except requests.ConnectionError:
        return False


def test_nothing_is_told_without_the_login(flower: Flower):
    routes = [handler.regex.pattern if hasattr(handler, "regex") else handler[0] for handler in urls.handlers]
    paths = {re.sub(r"\(\.[+*]\)", "x", route.rstrip("$")) for route in routes if route.rstrip("$") not in OPEN}
    assert len(paths) > 20

    for login in (None, ("vidpoll", "wrong"), ("", "")):
        for path in paths - {".*"}:
            said = [requests.request(verb, flower.url + path, auth=login, timeout=10) for verb in ("GET", "POST")]
            codes = [one.status_code for one in said]
            assert all(code in (401, 405) for code in codes), (path, login, codes)
            assert 401 in codes, path
    assert flower.get("/tasks").ok


def test_it_listens_on_loopback_only_and_its_login_is_in_a_file_of_ours_alone(stack: Stack):
    listens = [one for one in psutil.Process(stack.pids["flower"]).net_connections() if one.status == "LISTEN"]

    assert {one.laddr.ip for one in listens} == {"127.0.0.1"}
    assert (stack.folder / "stack.json").stat().st_mode & 0o077 == 0
    password = stack.described["flower_login"].partition(":")[2]
    assert password in (stack.folder / "up.log").read_text()
    assert password not in " ".join(psutil.Process(stack.pids["flower"]).cmdline())


def test_nobody_stops_workers_or_sends_tasks_with_it(flower: Flower, stack: Stack):
    (worker,) = until(lambda: list(flower.get("/api/workers", refresh=1).json()))
    for path in (
        f"worker/shutdown/{worker}", f"worker/pool/restart/{worker}", f"worker/pool/shrink/{worker}",
        f"worker/queue/cancel-consumer/{worker}?queue=check", "task/send-task/vidpoll.generate",
        "task/async-apply/vidpoll.submit", "task/apply/vidpoll.submit", "task/revoke/x",
    ):  # fmt: skip
        said = requests.post(f"{flower.url}/api/{path}", auth=flower._login, json={}, timeout=10)
        assert (said.status_code, "Read only" in said.text) == (403, True), path


def test_operators_see_which_generations_a_task_is_about(flower: Flower, made: uuid.UUID):
    wanted = {messages.GENERATE, messages.SUBMIT, messages.CHECK_STATUS}
    rows = until(lambda: (rows := flower.table(f"kwargs:{made}")) and {row["name"] for row in rows} == wanted and rows)

    assert {row["state"] for row in rows} == {"SUCCESS"}
    assert all(row["worker"].startswith("worker@") for row in rows)
    for row in rows:
        begins = f"{made} " if row["name"] == messages.GENERATE else f"vertex {made}"
        assert row["kwargs"].startswith(begins), row
    (asked,) = (row for row in rows if row["name"] == messages.GENERATE)
    assert "owner='alice'" in asked["kwargs"]


def test_prompts_are_short_and_secrets_are_nowhere(flower: Flower, made: uuid.UUID):
    until(lambda: flower.table(f"kwargs:{made}"))
    (asked,) = [one for one in flower.tasks().values() if one["name"] == messages.GENERATE]
    pages = [flower.get(path).text for path in ("/api/tasks", "/tasks", f"/task/{asked['uuid']}", "/broker")]

    assert "'seed': 7" in asked["kwargs"]
    assert "X-Amz-Signature=[redacted]" in asked["kwargs"]
    assert all(SECRET not in page and "a lion " * 40 not in page for page in pages)
    assert str(made) in pages[2]


def test_workers_and_queues_are_told(flower: Flower, stack: Stack):
    (said,) = until(lambda: flower.get("/api/workers", refresh=1).json()).values()

    assert {queue["name"] for queue in said["active_queues"]} == set(messages.QUEUES)
    page = flower.get("/broker").text
    assert all(f'<tr id="{name}">' in page for name in messages.QUEUES), page
    (page,) = (flower.get(f"/worker/{name}").text for name in flower.get("/api/workers").json())
    assert stack.described["database_url"] not in page


def test_it_uses_the_brokers_options_of_the_workers(stack: Stack):
    """So it never hands out again, by a shorter visibility timeout, what workers are still at."""
    flower = psutil.Process(stack.pids["flower"])

    def names() -> set[str]:
        clients = brokers.clients(stack.described["broker_url"])
        ours = {one.laddr.port for one in flower.net_connections() if one.status == "ESTABLISHED"}
        return {name for port, name in clients.items() if port in ours}

    assert until(names) == {"vidpoll-worker"}


@contextmanager
def killed_later(stack: Stack, folder: Path) -> Iterator[None]:
    """A second Flower, which is told what happens, and is killed at the end."""
    port = free_port()
    another = Child(
        "flower", [sys.executable, "-m", "celery", "-A", "tasks", "flower", "--conf=config/flowerconfig.py"],
        folder / "flower.log",
        {"VIDPOLL_STACK_DIR": str(stack.folder), "FLOWER_BASIC_AUTH": ":".join(LOGIN), "FLOWER_PORT": str(port)},
        PROJECT,
    )  # fmt: skip
    another.start()
    beside = Flower(f"http://127.0.0.1:{port}", LOGIN)
    try:
        until(
            lambda: answers(f"{beside.url}/healthcheck") and some(stack, 1) and beside.tasks(), what="a second Flower"
        )
        yield
        os.kill(another.pid, 9)
    finally:
        another.stop()


def some(stack: Stack, number: int) -> set[str]:
    """Tasks that do nothing, sent to the stack's worker; their ids."""
    ids = {str(uuid.uuid4()) for _ in range(number)}
    envelopes = [messages.envelope(messages.LEARN_DURATIONS, {}, messages.QUEUE_MAINTENANCE, task_id=id) for id in ids]
    stack.push(*(json.dumps(one).encode() for one in envelopes), queue=messages.QUEUE_MAINTENANCE)
    return ids


def all_told(stack: Stack, flower: Flower, number: int) -> None:
    """So many tasks more, and the Flower that lives has heard of all of them."""
    sent = some(stack, number)
    until(lambda: flower.tasks(taskname=messages.LEARN_DURATIONS, limit=10_000).keys() >= sent, what="all events")


@brokers.only_redis("RabbitMQ keeps events in queues: the next test")
def test_a_killed_one_leaves_nothing_that_grows(stack: Stack, flower: Flower, tmp_path: Path):
    redis = stack.redis()

    def kept() -> dict[str, int]:
        """Lists that no time ends, and how long they are."""
        return {key: redis.llen(key) for key in redis.scan_iter("*", _type="list") if redis.ttl(key) < 0}

    before = kept()
    with killed_later(stack, tmp_path):
        pass
    all_told(stack, flower, 500)
    after_500 = kept()
    all_told(stack, flower, 500)

    # Replies to what a Flower asked, when it is killed before it reads them, stay: a few, and it asks no more.
    assert {key for key in after_500.keys() - before if not key.endswith(".reply.celery.pidbox")} == set()
    until(lambda: sum(kept().values()) <= sum(after_500.values()), what="no list to have grown")
    assert set(redis.scan_iter("*celeryev*")) <= {"_kombu.binding.celeryev"}
    assert redis.scard("_kombu.binding.celeryev") <= 3


def hears(stack: Stack, flower: Flower) -> bool:
    """Whether a Flower tells of one more task within ten seconds."""
    sent, give_up_at = some(stack, 1), time.monotonic() + 10
    while time.monotonic() < give_up_at:
        if flower.tasks(taskname=messages.LEARN_DURATIONS, limit=10_000).keys() >= sent:
            return True
        time.sleep(0.2)
    return False


@brokers.only_rabbitmq
def test_a_killed_one_leaves_a_queue_on_rabbitmq_that_keeps_seconds_of_events_and_expires(
    stack: Stack, flower: Flower, tmp_path: Path
):
    def queues() -> dict[str, dict[str, Any]]:
        return brokers.node().queues(stack.described["broker_url"])

    before = queues().keys()
    with killed_later(stack, tmp_path):
        its_own = queues().keys() - before
    some(stack, 500)
    # Of many at once it may miss some there: an event lives for five seconds.
    until(lambda: hears(stack, flower), within_s=90, what="the Flower that lives to hear of what is done now")

    (left,) = (one for name, one in queues().items() if name in its_own and name.startswith("celeryev"))
    assert left["consumers"] == 0
    assert left["arguments"] == {"x-expires": 60_000, "x-message-ttl": 5000}
    # The 500 tasks made more than a thousand; what happens beside them is a few in five seconds.
    until(lambda: queues().get(left["name"], {"messages": 0})["messages"] < 100, what="old events to go")
    others = {name: one["messages"] for name, one in queues().items() if name != left["name"]}
    # What answers to a Flower's questions go to, it declares when it first asks one.
    assert {name for name in others if not name.endswith(".reply.celery.pidbox")} <= before
    assert not any(messages for name, messages in others.items() if name.startswith("celeryev"))


def test_without_a_login_it_does_not_start():
    environ = {name: value for name, value in os.environ.items() if not name.startswith("FLOWER_")}
    ran = subprocess.run(
        [sys.executable, "-m", "celery", "-A", "tasks", "flower", "--conf=config/flowerconfig.py"],
        cwd=PROJECT, capture_output=True, text=True, timeout=60, check=False,
        env={**environ, "VIDPOLL_REDIS_URL": "redis://127.0.0.1:1/0"},
    )  # fmt: skip

    assert ran.returncode == 1
    assert "needs a login: set e.g. FLOWER_BASIC_AUTH=" in ran.stderr
    assert "Traceback" not in ran.stderr
