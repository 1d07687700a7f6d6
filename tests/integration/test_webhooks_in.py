"""What a vendor's webhook brings about, and what it does not, on real servers."""

import json
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests import hooked
from tests.integration.driver import Driver
from vidpoll.accounts import Account
from vidpoll.errors import LanesUnavailable
from vidpoll.generation import Generation, GenerationRequest
from vidpoll.hints import WAKE_S
from vidpoll.inbound.base import Post
from vidpoll.inbound.receiving import Received, Receiving
from vidpoll.lanes import Lane
from vidpoll.lifecycle import Lifecycle
from vidpoll.services import Services, build
from vidpoll.settings import Settings
from vidpoll.simulator import Durations, Simulator, World
from vidpoll.stretching import MOST
from vidpoll.waking import Waking, Woken


@pytest.fixture
def world() -> World:
    return World(Durations(median_s=1000, sigma=0, fixed_s=0), seed=7)


@pytest.fixture
def services(
    database_url: str, redis_url: str, redis_client: Any, simulator: Simulator, tmp_path: Path
) -> Iterator[Services]:
    built = build(
        Settings(
            redis_url=redis_url, database_url=database_url, simulator_url=simulator.url,
            providers_file=hooked.write(tmp_path), public_url=hooked.PUBLIC_URL, webhooks_secret=hooked.SECRET,
        )
    )  # fmt: skip
    yield built
    built.store._engine.dispose()


class Side:
    """The HTTP side and a worker in one: what comes in is acted on at once."""

    def __init__(self, services: Services) -> None:
        self.services, self.waking, self.woken = services, Waking(services), list[Woken]()
        self.receiving = Receiving(services.accounts, self.wake)

    def wake(self, account: str, operation: str, delivery: str, id: uuid.UUID | None) -> None:
        self.woken.append(self.waking.wake(account, operation, delivery, id))

    def receive(self, account: Account, post: Post, generation: str | None, token: str | None) -> Received:
        return self.receiving.receive(account, post, generation, token)

    def another_process(self) -> None:
        """One that remembers no delivery."""
        self.receiving = Receiving(self.services.accounts, self.wake)


@pytest.fixture
def side(services: Services) -> Side:
    return Side(services)


@pytest.fixture
def submitted(driver: Driver, make_request: Callable[..., GenerationRequest]) -> Callable[..., Generation]:
    def submit(provider: str = "replicate") -> Generation:
        request = make_request(provider=provider, model=hooked.MODELS[provider], prompt=uuid.uuid4().hex)
        return driver.get(driver.submitted(request, provider))

    return submit


def everything(services: Services, simulator: Simulator, generation: Generation) -> dict[str, Any]:
    """All that a webhook must not change by itself: row, history, lanes, calls the vendor got."""
    lane = Lane(str(generation.account), "status")
    client = services.lanes._redis
    return {
        "row": replace(services.store.get(generation.id), read_at=generation.read_at),
        "events": services.store.events(generation.id),
        "lane": {
            str(key): client.zrange(key, 0, -1, withscores=True) for key in client.keys(lane.key("due")[:-3] + "due")
        },
        "calls": simulator.world.report()["by_key"],
    }


def due_in_s(services: Services, generation: Generation) -> float:
    lane = Lane(str(generation.account), "status")
    due = services.lanes._redis.zscore(lane.key("due"), generation.id.hex)
    return float(due - services.lanes.now_us()) / 1e6


@pytest.mark.parametrize("provider", [name for name in hooked.MODELS if name != "openai_videos"])
def test_the_address_goes_along_with_the_paid_call_and_the_request_stays_the_same(
    services: Services, world: World, driver: Driver, make_request: Callable[..., GenerationRequest], provider: str
):
    told: list[str] = []
    world.announce = lambda job, hook: told.append(hook.url)
    request = make_request(provider=provider, model=hooked.MODELS[provider])

    generation = driver.get(driver.submitted(request, provider))

    assert told == [services.accounts[provider].callback_url(generation.id)]
    assert generation.request.fingerprint() == request.fingerprint()
    assert driver.accepted(request) == generation.id


def test_nobody_is_told_an_address_that_leads_nowhere(services: Services):
    account, id = services.accounts["fal"], uuid.uuid4()
    real = account.model_copy(update={"base_url": "https://queue.fal.run", "simulated": False})

    assert account.callback_url(id)
    assert real.callback_url(id) is None
    assert account.model_copy(update={"webhooks": False}).callback_url(id) is None
    assert account.calling_back(None).callback_url(id) is None


def test_a_webhook_has_its_generation_looked_at_now(services: Services, side: Side, submitted, simulator: Simulator):
    one = submitted()
    account = services.accounts["replicate"]
    assert due_in_s(services, one) > 30
    before = everything(services, simulator, one)

    received = side.receive(
        account, hooked.prediction(str(one.operation_name), time.time()), *hooked.address(account, one.id)
    )

    assert (received, side.woken) == ("accepted", ["woken"])
    assert due_in_s(services, one) <= 0
    after = everything(services, simulator, one)
    assert {name: after[name] for name in ("row", "events", "calls")} == {
        name: before[name] for name in ("row", "events", "calls")
    }


def test_what_it_says_of_the_end_is_not_believed(
    services: Services, side: Side, submitted, driver: Driver, lifecycle: Lifecycle
):
    one = submitted()
    account = services.accounts["replicate"]
    side.receive(account, hooked.prediction(str(one.operation_name), time.time()), *hooked.address(account, one.id))

    ids, at = driver.claim(Lane("replicate", "status"))
    lifecycle.check("replicate", ids, at)

    assert ids == [one.id]
    assert driver.get(one.id).status == "processing"
    assert driver.get(one.id).checks == 1


def forged(services: Services, one: Generation) -> dict[str, tuple[Received | None, Post, str | None, str | None]]:
    """Webhooks that must change nothing, and how each is answered; None where a worker finds out."""
    account, now = services.accounts["replicate"], time.time()
    id, token = hooked.address(account, one.id)
    genuine = hooked.prediction(str(one.operation_name), now)
    other = hooked.prediction("another", now)
    return {
        "no token": ("forged", genuine, id, None),
        "a guessed token": ("forged", genuine, id, "0" * 64),
        "the token of another": ("forged", genuine, id, hooked.address(account, uuid.uuid4())[1]),
        "the token of another account": ("forged", genuine, id, hooked.address(services.accounts["fal"], one.id)[1]),
        "a token that is no text of ours": ("forged", genuine, id, "\udcff☠"),
        "no generation": ("malformed", genuine, None, token),
        "a generation that is no id": ("malformed", genuine, "1 OR 1=1", token),
        "no signature": ("malformed", Post({}, genuine.body, now), id, token),
        "a changed body": ("forged", replace(genuine, body=genuine.body + b" "), id, token),
        "the body of another": ("forged", replace(genuine, body=other.body), id, token),
        "signed an hour ago": ("aged", hooked.prediction(str(one.operation_name), now - 3600), id, token),
        "signed in an hour": ("aged", hooked.prediction(str(one.operation_name), now + 3600), id, token),
        "no end": ("progress", hooked.prediction(str(one.operation_name), now, status="processing"), id, token),
        "no JSON": ("malformed", hooked.prediction("x", now).__class__({}, b"\x00" * 100, now), id, token),
        "another operation": (None, other, id, token),
    }  # fmt: skip


def test_forged_and_aged_ones_change_nothing(services: Services, side: Side, submitted, simulator: Simulator):
    one = submitted()
    account = services.accounts["replicate"]
    before = everything(services, simulator, one)

    for words, (answer, post, id, token) in forged(services, one).items():
        moment = time.time()
        stamped = replace(post, at=moment)
        if answer is None:
            assert side.receive(account, stamped, id, token) == "accepted", words
            assert side.woken.pop() == "unknown", words
        else:
            assert side.receive(account, stamped, id, token) == answer, words
        assert everything(services, simulator, one) == before, words
    assert side.woken == []


def test_one_that_is_sent_again_is_acted_on_once_whoever_receives_it(services: Services, side: Side, submitted):
    one = submitted()
    account = services.accounts["replicate"]
    post, where = hooked.prediction(str(one.operation_name), time.time()), hooked.address(account, one.id)

    assert [side.receive(account, post, *where) for _ in range(3)] == ["accepted", "duplicate", "duplicate"]
    side.another_process()
    assert side.receive(account, post, *where) == "accepted"
    assert side.woken == ["woken", "duplicate"]


def test_a_flood_of_genuine_ones_brings_about_a_look_every_few_seconds(
    services: Services, side: Side, submitted, driver: Driver, lifecycle: Lifecycle, simulator: Simulator
):
    one = submitted()
    account = services.accounts["replicate"]
    for number in range(50):
        post = hooked.prediction(str(one.operation_name), time.time(), number=number)
        assert side.receive(account, post, *hooked.address(account, one.id)) == "accepted"
        ids, at = driver.claim(Lane("replicate", "status"))
        if ids:
            lifecycle.check("replicate", ids, at)

    assert side.woken.count("woken") <= 1 + 50 // WAKE_S
    assert set(side.woken) == {"woken", "again"}
    calls = simulator.world.report()["by_key"]["simulator-replicate:status"]["calls"]
    assert 1 <= calls <= 10
    assert due_in_s(services, one) <= 2.1, "one hint is still to be followed"


def test_of_one_that_has_ended_nothing_follows(services: Services, side: Side, submitted, simulator: Simulator):
    one = submitted()
    account = services.accounts["replicate"]
    services.store.completed(one.id, "https://v/1.mp4", {})
    services.lanes.settle(Lane("replicate", "status"), [one.id])
    before = everything(services, simulator, one)

    side.receive(account, hooked.prediction(str(one.operation_name), time.time()), *hooked.address(account, one.id))

    assert side.woken == ["final"]
    assert everything(services, simulator, one) == before


def test_one_that_came_before_the_vendors_id_was_stored_is_followed_when_it_is(
    services: Services, side: Side, driver: Driver, lifecycle: Lifecycle, make_request, monkeypatch: pytest.MonkeyPatch
):
    request = make_request(provider="replicate", model=hooked.MODELS["replicate"])
    account, adapter = services.accounts["replicate"], services.providers["replicate"]
    submit = adapter.submit

    def early(asked: GenerationRequest, our_id: uuid.UUID, *, replay: bool) -> Any:
        outcome = submit(asked, our_id, replay=replay)
        side.receive(account, hooked.prediction(outcome.operation_name, time.time()), *hooked.address(account, our_id))  # type: ignore[union-attr]
        return outcome

    monkeypatch.setattr(adapter, "submit", early)
    one = driver.get(driver.submitted(request, "replicate"))

    assert side.woken == ["early"]
    assert due_in_s(services, one) < 3


def test_one_that_came_during_a_look_is_followed_by_another(
    services: Services, side: Side, submitted, driver: Driver, lifecycle: Lifecycle, monkeypatch: pytest.MonkeyPatch
):
    one = submitted()
    account, adapter = services.accounts["replicate"], services.providers["replicate"]
    check = adapter.check

    def meanwhile(operations: Any) -> Any:
        found = check(operations)
        side.receive(account, hooked.prediction(str(one.operation_name), time.time()), *hooked.address(account, one.id))
        return found

    monkeypatch.setattr(adapter, "check", meanwhile)
    driver.check("replicate")

    assert due_in_s(services, one) < 3


def test_an_address_registered_by_a_person_finds_the_generation_by_its_operation(
    services: Services, side: Side, submitted
):
    one = submitted("openai_videos")
    account, now = services.accounts["openai_videos"], time.time()

    for operation in (str(one.operation_name), "video_nobody_has"):
        body = json.dumps({"id": f"evt_{operation}", "type": "video.completed", "data": {"id": operation}}).encode()
        post = hooked.prediction("unused", now)
        headers = {n.lower(): v for n, v in hooked.hooks.standard_headers(f"evt_{operation}", body, now).items()}
        assert side.receive(account, replace(post, headers=headers, body=body), None, None) == "accepted"

    assert side.woken == ["woken", "unknown"]


def test_fals_are_verified_with_the_keys_that_it_publishes(
    services: Services, side: Side, submitted, world: World, simulator: Simulator
):
    hooks: list[Any] = []
    world.announce = lambda job, hook: hooks.append((job, hook))
    one = submitted("fal")
    account, now = services.accounts["fal"], time.time()
    job, hook = hooks[0]
    (body,) = hook.write(simulator.world.seen(job))
    body = body.replace(b'"ERROR"', b'"OK"')
    headers = {name.lower(): value for name, value in hook.sign(job, body, now, 0).items()}
    where = hooked.address(account, one.id)

    assert side.receive(account, Post(headers, body + b" ", now), *where) == "forged"
    assert side.receive(account, Post(headers, body, now), *where) == "accepted"
    assert side.woken == ["woken"]


def test_without_redis_nothing_is_lost_since_it_can_be_sent_again(
    services: Services, side: Side, submitted, monkeypatch
):
    one = submitted()
    account = services.accounts["replicate"]
    post, where = hooked.prediction(str(one.operation_name), time.time()), hooked.address(account, one.id)

    def away(*_: object, **__: object) -> None:
        raise LanesUnavailable("away")

    with monkeypatch.context() as patched:
        patched.setattr(services.lanes, "hurry", away)
        with pytest.raises(LanesUnavailable):
            side.receive(account, post, *where)
    with monkeypatch.context() as patched:
        patched.setattr(services.hints, "is_new", away)
        services.lanes._redis.delete(*services.lanes._redis.keys("vidpoll:hints:woken:*"))
        assert side.receive(account, post, *where) == "accepted"

    assert side.woken == ["woken"]


def test_looks_become_rarer_while_webhooks_arrive_and_as_before_when_they_stop(
    services: Services, side: Side, submitted, driver: Driver, lifecycle: Lifecycle
):
    def planned() -> float:
        fresh = Lifecycle(services)
        fresh._outlook.refresh("replicate")
        return fresh._outlook.countdown(services.accounts["replicate"], submitted(), checks=1)

    usual = planned()
    for _ in range(6):
        services.hints.announced("replicate", uuid.uuid4())
        services.hints.ended("replicate")
    rarer = planned()
    for _ in range(20):
        services.hints.ended("replicate")
    again = planned()

    assert usual == pytest.approx(60, rel=0.2)
    assert rarer == pytest.approx(60 * MOST, rel=0.2)
    assert again == pytest.approx(60, rel=0.2)


def test_what_ends_is_counted_announced_or_not(services: Services, side: Side, submitted, driver: Driver, world: World):
    world.durations.median_s = 1e-6
    account = services.accounts["replicate"]
    told, untold = submitted(), submitted()
    side.receive(account, hooked.prediction(str(told.operation_name), time.time()), *hooked.address(account, told.id))
    driver.check("replicate")

    standing = services.hints.standing("replicate")

    assert {driver.get(one.id).status for one in (told, untold)} == {"completed"}
    assert (round(standing.announced), round(standing.ended)) == (1, 2)
    assert standing.last_s is not None
    assert standing.last_s < 60


def test_one_that_comes_long_after_a_look_has_found_the_end_announces_nothing(
    services: Services, side: Side, submitted, driver: Driver, world: World
):
    world.durations.median_s = 1e-6
    account, found = services.accounts["replicate"], submitted()
    driver.check("replicate")
    driver.sql("UPDATE generations SET completed_at = completed_at - interval '40 s' WHERE id = %s", found.id)

    side.receive(account, hooked.prediction(str(found.operation_name), time.time()), *hooked.address(account, found.id))

    assert side.woken == ["final"]
    assert services.hints.standing("replicate").announced == 0
