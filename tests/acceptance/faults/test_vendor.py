"""A vendor that slows down, refuses, forgets, talks rubbish, is late: nothing is final by itself (cases 15 to 21)."""

import time
from collections.abc import Callable, Iterator

import pytest

from tests.acceptance.faults import scale
from tests.acceptance.faults.fleet import Fleet
from tests.acceptance.faults.providers import Limits
from tests.acceptance.faults.report import Case
from tests.waiting import until

Begin = Callable[[int, str], Case]


@pytest.fixture(scope="module")
def shared_hasty(tmp_path_factory: pytest.TempPathFactory, fault_postgres) -> Iterator[Fleet]:
    """A fleet with short deadlines and graces."""
    quick = "{ tiers = [[10, 0.5]], then_s = 1, jitter = 0 }"
    limits = Limits(timeout_s=4, expected_s=2, not_found_grace_s=3, retention_s=60, schedule=quick)
    running = Fleet(tmp_path_factory.mktemp("hasty"), fault_postgres, limits=limits)
    yield running
    running.stop()


@pytest.fixture
def hasty(shared_hasty: Fleet) -> Fleet:
    shared_hasty.reset()
    return shared_hasty


def lane(fleet: Fleet, account: str, verb: str = "status") -> dict[str, str]:
    return fleet.redis().hgetall(f"vidpoll:{{{account}:{verb}}}:bucket")


def paused_s(fleet: Fleet, account: str) -> float:
    seconds, micros = fleet.redis().time()
    return float(lane(fleet, account).get("paused_until", 0)) / 1e6 - seconds - micros / 1e6


@pytest.mark.parametrize(
    ("said", "least_s", "most_s"),
    [("30", 20, 30), ("Fri, 31 Dec 2100 23:59:59 GMT", 290, 300), ("1e9", 290, 300), ("-1", 0, 5), ("soon", 0, 5)],
)
def test_a_429_pauses_its_account_for_as_long_as_it_says_within_reason_and_no_other(
    fleet: Fleet, case: Begin, said: str, least_s: float, most_s: float
):
    told = case(15, f"429 with Retry-After: {said}")
    fleet.simulate("durations", median_s=3)
    ids = [*fleet.submit(3, "vertex"), *fleet.submit(3, "runware")]
    fleet.in_flight(len(ids))
    fleet.simulate("faults", status_429=1, retry_after=said)
    until(lambda: fleet.report()["by_key"].get("key-vertex:status", {}).get("refused_429"))
    fleet.simulate("faults", status_429=0)

    waits = paused_s(fleet, "vertex")

    assert least_s <= waits <= most_s + 0.1
    told.note(paused_s=waits)
    assert paused_s(fleet, "replicate") < 0, "another account is not slowed"
    if most_s <= 5:
        fleet.finished(ids)
    told.settle(fleet, ids)
    assert set(fleet.status_counts(ids)) == {"completed" if most_s <= 5 else "processing"}


def test_a_revoked_key_makes_its_account_wait_and_fails_nothing(fleet: Fleet, case: Begin):
    told = case(16, "401 and 403 on every look, then the key works again")
    fleet.simulate("durations", median_s=1)
    fleet.simulate("faults", status_unauthorized=1)
    ids = [*fleet.submit(5, "runware"), *fleet.submit(5, "vertex")]
    for account in ("runware", "vertex"):
        until(lambda account=account: paused_s(fleet, account) > 3, what="the account to rest")
        assert "refused" in lane(fleet, account)["reason"]
    assert fleet.status_counts(ids) == {"processing": len(ids)}
    assert "is refused, and rests" in fleet.log("worker1")

    fleet.simulate("faults", status_unauthorized=0)
    mended = time.monotonic()
    rows = fleet.finished(ids, within_s=60)
    told.recovered_s = time.monotonic() - mended
    told.settle(fleet, ids)
    assert {row["status"] for row in rows} == {"completed"}


@pytest.mark.full
def test_an_operation_not_known_yet_is_waited_for_and_one_never_known_is_lost(hasty: Fleet, case: Begin):
    told = case(17, "404 for the first three looks; 404 for ever")
    hasty.simulate("faults", not_found_first=3)
    late = hasty.submit(3, "replicate", timeout_s=60)
    assert {row["status"] for row in hasty.finished(late)} == {"completed"}

    hasty.simulate("faults", not_found_first=0, job_lost=1)
    never = hasty.submit(3, "replicate", timeout_s=60)
    rows = hasty.finished(never)
    told.settle(hasty, [*late, *never])
    assert {(row["status"], row["error"]["code"]) for row in rows} == {("failed", "lost")}
    assert all(row["failure_counts"]["not_found"] >= 4 for row in rows)


@pytest.mark.parametrize(
    ("fault", "classes"),
    [
        ("status_unknown_word", {"unknown_status", "unreadable"}),
        pytest.param("status_html_200", {"unreadable"}, marks=pytest.mark.full),
        pytest.param("status_empty", {"unreadable"}, marks=pytest.mark.full),
        ("status_huge", {"too_large"}),
        pytest.param("status_bomb", {"too_large"}, marks=pytest.mark.full),
        pytest.param("status_truncated", {"network", "unreadable"}, marks=pytest.mark.full),
    ],
)
def test_rubbish_is_classed_backed_off_from_and_survived(fleet: Fleet, case: Begin, fault: str, classes: set[str]):
    told = case(18, f"every look: {fault.removeprefix('status_').replace('_', ' ')}")
    fleet.simulate("faults", **{fault: 1})
    ids = [id for account in ("runware", "vertex", "replicate") for id in fleet.submit(2, account)]
    until(lambda: all(sum((row["failure_counts"] or {}).values()) >= 2 for row in fleet.rows(ids)))
    seen = {name for row in fleet.rows(ids) for name in row["failure_counts"]}
    fleet.simulate("faults", **{fault: 0})

    rows = fleet.finished(ids)
    told.settle(fleet, ids)
    told.note(classes=", ".join(sorted(seen)))
    assert seen <= classes
    assert {row["status"] for row in rows} == {"completed"}
    assert "worker1" in fleet.running()


@pytest.mark.full
def test_a_vendor_that_sends_a_byte_a_second_holds_up_nobody_and_the_deadline_applies(hasty: Fleet, case: Begin):
    told = case(18, "every look: a byte a second, past the deadline")
    hasty.simulate("durations", median_s=0.1)
    hasty.simulate("faults", status_drip=1)
    ids = hasty.submit(2, "vertex")

    rows = hasty.finished(ids, within_s=60)

    assert {row["error"]["code"] for row in rows} == {"timed_out"}
    assert all(row["failure_counts"] == {"too_slow": row["failures"]} for row in rows)
    hasty.simulate("faults", status_drip=0)
    until(lambda: hasty.status_counts(ids) == {"completed": 2}, within_s=60, what="the late videos")
    told.settle(hasty, ids)
    assert all(row["result"]["late"] for row in hasty.rows(ids))


@pytest.mark.parametrize("fault", ["status_backwards", "status_no_url"])
def test_what_contradicts_itself_is_not_believed(fleet: Fleet, case: Begin, fault: str):
    told = case(19, {"status_backwards": "progress goes backwards", "status_no_url": "done, without a video"}[fault])
    fleet.simulate("durations", median_s=2.5 * scale.LATER_LOOKS_S)
    ids = [id for account in ("runware", "vertex", "replicate") for id in fleet.submit(2, account)]
    fleet.in_flight(len(ids))
    most: dict[str, int] = {}

    def never_falls() -> None:
        for row in fleet.rows(ids):
            assert row["progress"] >= most.get(str(row["id"]), 0)
            most[str(row["id"])] = row["progress"]

    fleet.simulate("faults", **{fault: 0.5 if fault == "status_backwards" else 1})
    looked = 4 * scale.LATER_LOOKS_S + 30
    until(
        lambda: never_falls() or min(row["checks"] + row["failures"] for row in fleet.rows(ids)) >= 4, within_s=looked
    )
    fleet.simulate("faults", **{fault: 0})
    rows = fleet.finished(ids)
    told.settle(fleet, ids)
    assert {row["status"] for row in rows} == {"completed"}


def test_a_video_that_is_done_after_its_deadline_is_kept(hasty: Fleet, case: Begin):
    told = case(20, "done four seconds after the deadline")
    hasty.simulate("durations", median_s=8)
    ids = [*hasty.submit(3, "vertex"), *hasty.submit(3, "runware")]

    rows = hasty.finished(ids)
    assert {(row["status"], row["error"]["code"]) for row in rows} == {("failed", "timed_out")}
    assert all("no video after" in row["error"]["message"] for row in rows)
    assert all("overdue" in hasty.events(id) for id in ids)

    until(lambda: hasty.status_counts(ids) == {"completed": len(ids)}, within_s=60, what="the late videos")
    told.settle(hasty, ids)
    assert all(row["result"]["late"] for row in hasty.rows(ids))
    assert (told.charges, told.doubled) == (len(ids), 0)


def test_a_provider_that_hangs_and_comes_back_is_not_called_more_often_than_allowed(
    special_fleet: Callable[..., Fleet], case: Begin
):
    told = case(15, "the provider hangs for 6 s with every thread waiting, then answers: calls in any second")
    limits = Limits(status_rate=10, status_burst=2, submit_rate=10, submit_burst=2, submit_timeout_s=20)
    fleet = special_fleet(limits=limits)
    fleet.simulate("durations", median_s=20)
    ids = fleet.submit(60, "vertex")
    fleet.in_flight(30)
    fleet.provider_proxy.hold_answers()
    until(lambda: fleet.provider_proxy.holding >= 14, within_s=30, what="every thread to wait")
    hung_at = time.monotonic()
    until(lambda: time.monotonic() - hung_at > 6)
    fleet.provider_proxy.release()
    released = time.monotonic()
    until(lambda: time.monotonic() - released > 4)

    lanes = fleet.report()["by_key"]
    fleet.simulate("durations", median_s=0.1)
    told.settle(fleet, ids)
    most = {verb: lanes[f"key-vertex:{verb}"]["max_calls_in_any_second"] for verb in ("status", "submit")}
    told.note(**most)
    assert max(most.values()) <= 12
    assert (told.lost, told.doubled) == (0, 0)


def test_cancels_at_every_moment_end_in_exactly_one_final_state(fleet: Fleet, case: Begin):
    told = case(21, "cancels while waiting, during the paid call, while made, when done; some refused or ignored")
    fleet.simulate("durations", median_s=1.5, sigma=0.5)
    fleet.simulate("faults", submit_delay_s=0.3, cancel_refused=0.2, cancel_ignored=0.2, cancel_500=0.2)
    ids = [id for account in ("replicate", "runware", "vertex") for id in fleet.submit(20, account)]

    for id in ids[::2] + ids[1::2]:
        fleet.client.cancel(id)
        time.sleep(0.03)

    rows = fleet.finished(ids)
    told.settle(fleet, ids)
    finals = {"completed", "cancelled", "failed"}
    for id in ids:
        ends = [event["status"] for event in fleet.sql(
            "SELECT status FROM generation_events WHERE generation_id = %s ORDER BY id", id
        ) if event["status"] in finals]  # fmt: skip
        assert len(ends) == 1, ends
    counts = fleet.status_counts(ids)
    told.note(**counts)
    assert counts["cancelled"] > 0
    assert {row["status"] for row in rows} <= {"completed", "cancelled"}
    cancelled_and_paid = [row for row in rows if row["status"] == "cancelled" and row["operation_name"]]
    assert {row["account"] for row in cancelled_and_paid} <= {"replicate"}, "the others cannot cancel"
    assert told.doubled == 0


pytestmark = pytest.mark.timeout(300)
