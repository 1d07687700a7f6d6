import uuid
from typing import Any

import fakeredis
import pytest

from vidpoll import messages
from vidpoll.accounts import Account, Accounts, ModelPolicy
from vidpoll.dispatcher import SIDE_BY_SIDE, Dispatcher
from vidpoll.errors import BrokerUnavailable
from vidpoll.heartbeats import Heartbeats
from vidpoll.hints import Hints
from vidpoll.lanes import Lane, Lanes
from vidpoll.providers import build
from vidpoll.services import Services
from vidpoll.store import Store, connect


class Queues:
    """Remembers what was published; its queues are as long as the test says."""

    def __init__(self) -> None:
        self.tasks: list[tuple[str, dict[str, Any]]] = []
        self.waiting = 0
        self.asked = 0

    def publish(self, task: str, kwargs: dict[str, Any]) -> None:
        self.tasks.append((task, kwargs))

    def length(self, queue: str) -> int:
        self.asked += 1
        return self.waiting

    def ids(self, task: str) -> list[str]:
        return [id for name, kwargs in self.tasks if name == task for id in kwargs["ids"]]


@pytest.fixture
def queues() -> Queues:
    return Queues()


@pytest.fixture
def services() -> Services:
    def account(name: str, provider: Any, options: dict[str, str]) -> Account:
        return Account(
            name=name, provider=provider, base_url="http://127.0.0.1:1", api_key="k", options=options,
            status_rate=1000, status_burst=1000, submit_rate=1000, submit_burst=1000, models={"m": ModelPolicy()},
        )  # fmt: skip

    accounts = Accounts(accounts={
        "single": account("single", "veo", {"dialect": "gemini"}),
        "batch": account("batch", "runware", {"check_batch": "20"}),
    })  # fmt: skip
    client = fakeredis.FakeRedis(server=fakeredis.FakeServer())
    nowhere = Store(connect("postgresql://nobody@127.0.0.1:1/none"))
    return Services(nowhere, Lanes(client), build(accounts), accounts, 30, Heartbeats(client), Hints(client))


def _fill(services: Services, lane: Lane, count: int) -> list[str]:
    ids = [uuid.uuid4() for _ in range(count)]
    services.lanes.schedule(lane, dict.fromkeys(ids, 0.0))
    return sorted(map(str, ids))


def test_every_due_id_is_published_once(services: Services, queues: Queues):
    ids = _fill(services, Lane("single", "status"), 50)
    dispatcher = Dispatcher(services, queues, queue_limit=100)

    dispatcher.tick()
    dispatcher.tick()

    assert sorted(queues.ids(messages.CHECK_STATUS)) == ids


def test_ids_without_a_batch_call_share_a_task_a_few_at_a_time(services: Services, queues: Queues):
    _fill(services, Lane("single", "status"), 2 * SIDE_BY_SIDE + 1)

    Dispatcher(services, queues, queue_limit=100).tick()

    assert [len(kwargs["ids"]) for _, kwargs in queues.tasks] == [SIDE_BY_SIDE, SIDE_BY_SIDE, 1]


def test_ids_with_a_batch_call_fill_the_batch(services: Services, queues: Queues):
    _fill(services, Lane("batch", "status"), 45)

    Dispatcher(services, queues, queue_limit=100).tick()

    assert [len(kwargs["ids"]) for _, kwargs in queues.tasks] == [20, 20, 5]


def test_a_paid_call_is_a_task_of_its_own(services: Services, queues: Queues):
    _fill(services, Lane("batch", "submit"), 3)

    Dispatcher(services, queues, queue_limit=100).tick()

    assert [(name, len(kwargs["ids"])) for name, kwargs in queues.tasks] == [(messages.SUBMIT, 1)] * 3


def test_a_full_queue_leaves_everything_in_the_lane(services: Services, queues: Queues):
    _fill(services, Lane("single", "submit"), 30)
    queues.waiting = 10
    dispatcher = Dispatcher(services, queues, queue_limit=10)

    dispatcher.tick()
    assert queues.tasks == []

    queues.waiting = 4
    dispatcher._look_at = dict.fromkeys(dispatcher._lanes, 0.0)
    dispatcher.tick()
    assert len(queues.tasks) == 6


def test_the_queue_is_asked_its_length_once_for_many_tasks(services: Services, queues: Queues):
    _fill(services, Lane("single", "submit"), 20)
    dispatcher = Dispatcher(services, queues, queue_limit=100)

    for _ in range(10):
        dispatcher._look_at = dict.fromkeys(dispatcher._lanes, 0.0)
        dispatcher.tick()

    assert len(queues.tasks) == 20
    assert queues.asked <= 4


def test_what_could_not_be_published_is_due_again_after_its_lease(services: Services, queues: Queues):
    _fill(services, Lane("single", "submit"), 3)

    def refuse(task: str, kwargs: dict[str, Any]) -> None:
        raise BrokerUnavailable("gone")

    queues.publish = refuse  # type: ignore[method-assign]
    with pytest.raises(BrokerUnavailable):
        Dispatcher(services, queues, queue_limit=10).tick()

    assert services.lanes.size(Lane("single", "submit")) == 3


def test_dispatching_tells_every_few_seconds_that_it_goes_on(services: Services):
    beats: list[int] = []
    dispatcher = Dispatcher(services, Queues(), queue_limit=10, heartbeat=lambda: beats.append(1))

    for _ in range(5):
        dispatcher.tick()

    assert len(beats) == 1
