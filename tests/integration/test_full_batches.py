"""Status calls that take several ids leave full: dispatcher, lifecycle and vendor together."""

import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from tests.integration.driver import RUNWARE, Driver
from tests.integration.test_turns import with_account
from tests.waiting import until
from vidpoll import messages
from vidpoll.dispatcher import Dispatcher
from vidpoll.generation import GenerationRequest, Status
from vidpoll.lanes import Lane
from vidpoll.lifecycle import Lifecycle
from vidpoll.services import Services
from vidpoll.simulator import World

LANE = Lane("runware", "status")


class Workers:
    """Queues and workers in one: what is published is carried out at once, on a thread."""

    def __init__(self, lifecycle: Lifecycle) -> None:
        self._lifecycle = lifecycle
        self._threads = ThreadPoolExecutor(4)
        self.sizes: list[int] = []

    def publish(self, task: str, kwargs: dict[str, Any]) -> None:
        assert task == messages.CHECK_STATUS
        self.sizes.append(len(kwargs["ids"]))
        ids = [uuid.UUID(id) for id in kwargs["ids"]]
        self._threads.submit(self._lifecycle.check, kwargs["account"], ids, kwargs["call_at_us"])

    def length(self, queue: str) -> int:
        return 0

    def close(self) -> None:
        self._threads.shutdown()


def test_a_hundred_due_within_a_second_are_looked_at_with_five_calls(
    services: Services, driver: Driver, make_request: Callable[..., GenerationRequest], world: World
):
    for _ in range(100):
        driver.accepted(make_request(**RUNWARE))
    until(lambda: driver.submit("runware") or services.store.counts()[Status.PROCESSING] == 100)
    ten = with_account(services, "runware", status_rate=10, status_burst=2)
    workers = Workers(Lifecycle(ten))
    dispatcher = Dispatcher(ten, workers, queue_limit=16)
    before = world.report()["status_calls"]
    (watched,) = services.store.being_watched("runware")
    services.lanes.schedule(LANE, {one.id: place / 100 for place, one in enumerate(watched)})

    def all_done() -> bool:
        dispatcher.tick()
        return services.store.counts()[Status.COMPLETED] == 100

    until(all_done, within_s=30)
    workers.close()

    assert world.report()["status_calls"] - before <= 6, workers.sizes
    assert sum(workers.sizes) >= 100
