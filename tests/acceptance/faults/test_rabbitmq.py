"""RabbitMQ as the broker dies, hangs, blocks: nothing is lost or doubled, workers come back by themselves (case 35)."""

import time
import uuid
from collections.abc import Callable

import pytest

from tests import brokers
from tests.acceptance.faults import scale
from tests.acceptance.faults.fleet import Fleet
from tests.acceptance.faults.providers import Limits
from tests.acceptance.faults.report import Case
from tests.waiting import until
from vidpoll import BrokerUnavailable, Client, GenerationRequest, messages

pytestmark = brokers.only_rabbitmq
Begin = Callable[[int, str], Case]
FIELDS = {"provider": "veo", "model": "veo-fast", "account": "vertex", "owner": "alice"}


def asked(fleet: Fleet, count: int) -> list[uuid.UUID]:
    """Asked for by message alone: the broker has the only copy until a worker takes it."""
    alone = Client(fleet.urls[0], "")
    return alone.submit_many([GenerationRequest(**FIELDS, prompt=f"lion {uuid.uuid4()}") for _ in range(count)])


@pytest.mark.parametrize("how", ["SIGKILL", "SIGTERM"])
def test_a_broker_that_died_in_the_middle_loses_and_doubles_nothing(fleet: Fleet, case: Begin, how: str):
    told = case(35, f"RabbitMQ {how} with 50 under way, some of them as messages only, for {scale.OUTAGE_S:g} s")
    fleet.simulate("durations", median_s=2)
    fleet.provider_proxy.delay(0.1)
    worker = fleet.pid("worker1")
    ids = [*fleet.submit(15, "runware"), *fleet.submit(10, "vertex"), *asked(fleet, 25)]
    fleet.in_flight(5)

    brokers.node().kill() if how == "SIGKILL" else brokers.node().terminate()
    stored = fleet.submit(5, "vertex")  # with a database a request is taken without any broker
    time.sleep(scale.OUTAGE_S)
    brokers.node().start()

    back = time.monotonic()
    told.recovered_s = fleet.looked(within_s=20)
    later = asked(fleet, 2)
    rows = fleet.finished([*ids, *stored, *later], within_s=60)
    told.note(all_done_s=time.monotonic() - back)
    told.settle(fleet, [*ids, *stored, *later])
    assert {row["status"] for row in rows} == {"completed"}
    assert fleet.pid("worker1") == worker, "the worker needed no restart"
    assert {"worker1", "beat1"} <= fleet.running()
    assert (told.charges, told.lost, told.doubled) == (57, 0, 0)


@pytest.mark.parametrize("how", ["refused, then a reset storm,", "black hole"])
def test_workers_whose_broker_was_away_go_on_by_themselves(fleet: Fleet, case: Begin, how: str):
    told = case(35, f"RabbitMQ {how} for {scale.OUTAGE_S:g} s")
    fleet.keep_running()
    ids = [*fleet.submit(scale.SOME, "runware"), *fleet.submit(10, "vertex")]
    fleet.in_flight(len(ids))
    worker = fleet.pid("worker1")

    if how == "black hole":
        fleet.broker_proxy.black_hole()
        time.sleep(scale.OUTAGE_S)
    else:
        fleet.broker_proxy.refuse()
        time.sleep(scale.OUTAGE_S)
        fleet.broker_proxy.pass_through()
        over_at = time.monotonic() + scale.OUTAGE_S / 2
        while time.monotonic() < over_at:
            fleet.broker_proxy.cut()
            time.sleep(0.1)
    fleet.broker_proxy.pass_through()

    told.recovered_s = fleet.looked(within_s=20)
    fleet.let_end()
    later = [*fleet.submit(4, "vertex"), *asked(fleet, 4)]
    rows = fleet.finished(ids + later, within_s=60)
    told.settle(fleet, ids + later)
    assert fleet.pid("worker1") == worker, "the worker needed no restart"
    assert {row["status"] for row in rows} == {"completed"}
    assert (told.charges, told.lost, told.doubled) == (len(ids + later), 0, 0)
    assert fleet.sql("SELECT * FROM dead_letters") == []


def test_a_blocked_broker_is_told_at_once_and_work_goes_on_when_it_is_not(fleet: Fleet, case: Begin):
    told = case(35, "RabbitMQ's memory alarm")
    fleet.keep_running()
    ids = fleet.submit(20, "runware")
    fleet.in_flight(len(ids))

    brokers.node().block(True)
    try:
        with pytest.raises(BrokerUnavailable, match="memory or disk alarm"):
            asked(fleet, 1)
        stored = fleet.submit(3, "vertex")
        until(lambda: "memory or disk alarm" in fleet.log("worker1"), what="the dispatcher to pause")
    finally:
        brokers.node().block(False)

    told.recovered_s = fleet.looked(within_s=20)
    fleet.let_end()
    rows = fleet.finished([*ids, *stored], within_s=60)
    told.settle(fleet, [*ids, *stored])
    assert {row["status"] for row in rows} == {"completed"}
    assert (told.lost, told.doubled) == (0, 0)


def test_a_channel_closed_for_messages_that_lay_too_long_ends_no_worker(
    special_fleet: Callable[..., Fleet], case: Begin
):
    told = case(35, "RabbitMQ closes a worker's channel, whose messages wait longer than consumer_timeout")
    with brokers.node().impatient(1):
        fleet = special_fleet(limits=Limits(submit_timeout_s=30))
        fleet.provider_proxy.hold_answers()
        ids = fleet.submit(40, "vertex")
        until(lambda: fleet.status_counts(ids)["submitting"] >= 16, what="every thread to wait")
        until(lambda: "PRECONDITION_FAILED" in fleet.log("worker1"), within_s=30, what="the channel to be closed")
    worker = fleet.pid("worker1")
    fleet.provider_proxy.release()

    rows = fleet.finished(ids, within_s=60)

    told.settle(fleet, ids)
    assert (fleet.pid("worker1"), "worker1" in fleet.running()) == (worker, True)
    assert {row["status"] for row in rows} == {"completed"}, "what the worker was calling for is stored"
    assert (told.charges, told.lost, told.doubled) == (40, 0, 0)


def test_a_message_nobody_ever_acknowledges_becomes_a_dead_letter(fleet: Fleet, case: Begin):
    told = case(35, "a message handed out until RabbitMQ gives it up")
    fleet.kill("worker1")
    (request,) = fleet.requests(1, "vertex")
    fleet.send(messages.GENERATE, **messages.generate_message(request))

    given = brokers.give_back(fleet.urls[0], messages.QUEUE_ACCEPT)

    fleet.start_worker("worker1")
    (letter,) = until(lambda: fleet.sql("SELECT * FROM dead_letters"))
    told.note(handed_out=given)
    assert "too often" in letter["reason"]
    assert request.prompt in letter["payload"]
    later = fleet.submit(2)
    assert {row["status"] for row in fleet.finished(later)} == {"completed"}
    told.settle(fleet, later)
