"""What every adapter keeps, over HTTP against its simulated vendor; a provider's tests inherit it."""

import uuid
from dataclasses import dataclass
from typing import Any, ClassVar

import pytest

from tests.providers.subject import Subject
from tests.waiting import until
from vidpoll.accounts import Account
from vidpoll.generation import GenerationRequest
from vidpoll.providers import adapter_of
from vidpoll.providers.base import (
    Ambiguous,
    Failed,
    FailureClass,
    NotFound,
    Pending,
    RateLimited,
    Ready,
    Refused,
    Unauthorized,
    Unreachable,
)
from vidpoll.providers.http import Http
from vidpoll.simulator import Simulator, World

#: What a check makes of answers that are none.
BROKEN = {
    "status_500": {FailureClass.SERVER_ERROR},
    "status_html": {FailureClass.SERVER_ERROR},
    "status_cut": {FailureClass.NETWORK},
    "status_html_200": {FailureClass.UNREADABLE},
    "status_empty": {FailureClass.UNREADABLE},
    "status_truncated": {FailureClass.NETWORK, FailureClass.UNREADABLE},
    "status_huge": {FailureClass.TOO_LARGE},
    "status_unknown_word": {FailureClass.UNKNOWN_STATUS},
}


@dataclass
class OneAccount(Subject):
    """The only account of a provider, under the provider's name."""

    model: str

    def request(self, **changes: Any) -> GenerationRequest:
        ours = {"provider": self.account, "model": self.model, "prompt": "a lion", "id": uuid.uuid4()}
        return GenerationRequest(**{**ours, **changes})


def account(provider: str, model: str, base_url: str, key: str = "key") -> Account:
    """An account whose vendor is at ``base_url``."""
    fields = {"name": provider, "provider": provider, "base_url": base_url, "api_key": key, "models": {model: {}}}
    return Account.model_validate(fields)


def subject_at(base_url: str, provider: str, model: str, world: World, key: str = "key") -> OneAccount:
    """The provider's adapter, and the world that is asked at ``base_url``."""
    adapter = adapter_of(account(provider, model, base_url, key), Http(base_url))
    return OneAccount(provider, adapter, world, model)


class Contract:
    """Tests; a subclass says which provider is meant, by its names and the path of its simulated vendor."""

    provider: ClassVar[str]
    model: ClassVar[str]
    path: ClassVar[str]

    @pytest.fixture
    def subject(self, world: World, simulator: Simulator) -> OneAccount:
        return subject_at(simulator.url + self.path, self.provider, self.model, world)

    def test_a_submit_is_one_call_and_charged_once(self, subject: OneAccount, world: World):
        assert subject.submitted().name
        assert (world.report()["charged"], world.report()["submit_calls"]) == (1, 1)

    def test_a_generation_waits_runs_and_is_ready(self, subject: OneAccount, world: World):
        world.durations.median_s, world.durations.queue_s = 1000, 300
        now = 1_800_000_000.0
        world.clock = lambda: now
        operation = subject.submitted()
        (job,) = world.jobs()

        waiting = subject.check(operation)
        now = job["starts_at"] + 500.5
        running = subject.check(operation)
        now = job["ready_at"]
        ready = subject.check(operation)

        assert isinstance(waiting, Pending)
        assert waiting.queued
        assert isinstance(running, Pending)
        assert not running.queued
        assert running.progress == (50 if subject.provider.capabilities.progress else None)
        assert isinstance(ready, Ready)
        assert len(ready.videos) == 1
        assert ready.videos[0].startswith(world.address)

    def test_a_video_in_the_making_is_seen_when_it_is_done(self, subject: OneAccount, world: World):
        world.durations.median_s = 0.3
        operation = subject.submitted()

        assert isinstance(subject.check(operation), Pending)
        assert until(lambda: isinstance(subject.check(operation), Ready))

    def test_several_generations_are_told_apart(self, subject: OneAccount):
        operations = [subject.submitted(prompt=f"lion {number}") for number in range(5)]

        outcomes = subject.provider.check(operations)

        assert set(outcomes) == {operation.name for operation in operations}
        assert len({outcome.videos for outcome in outcomes.values() if isinstance(outcome, Ready)}) == 5

    def test_a_failed_generation_says_why(self, subject: OneAccount, world: World):
        world.faults.job_failed = 1

        failed = subject.check(subject.submitted())

        assert isinstance(failed, Failed)
        assert failed.code != "content_filtered"
        assert failed.message

    def test_a_filtered_generation_cannot_be_retried(self, subject: OneAccount, world: World):
        world.faults.job_filtered = 1

        failed = subject.check(subject.submitted())

        assert isinstance(failed, Failed)
        assert (failed.code, failed.retryable) == ("content_filtered", False)
        assert failed.message

    @pytest.mark.parametrize(("said", "seconds"), [("7", 7.0), ("", None), ("rubbish", None)])
    def test_a_429_carries_how_long_to_wait(self, subject: OneAccount, world: World, said: str, seconds: float | None):
        operation, request = subject.submitted(), subject.request()
        world.faults.retry_after = said
        world.faults.submit_429 = world.faults.status_429 = 1

        assert subject.provider.submit(request, request.id, replay=False) == RateLimited(seconds)
        assert subject.check(operation) == RateLimited(seconds)
        assert world.report()["charged"] == 1

    def test_a_refused_key_says_nothing_of_the_generation(self, subject: OneAccount, world: World):
        operation = subject.submitted()
        world.faults.status_unauthorized = 1

        assert isinstance(subject.check(operation), Unauthorized)

    def test_a_key_that_is_empty_is_refused_at_the_submit(self, simulator: Simulator, world: World):
        keyless = subject_at(simulator.url + self.path, self.provider, self.model, world, key="")
        request = keyless.request()

        assert isinstance(keyless.provider.submit(request, request.id, replay=False), Unauthorized)
        assert world.report()["charged"] == 0

    def test_nobody_sees_the_generations_of_another_key(self, subject: OneAccount, simulator: Simulator, world: World):
        operation = subject.submitted()
        other = subject_at(simulator.url + self.path, self.provider, self.model, world, key="other")

        assert isinstance(other.check(operation), NotFound)

    @pytest.mark.parametrize("fault", BROKEN)
    def test_a_check_without_a_usable_answer_says_what_was_wrong(self, subject: OneAccount, world: World, fault: str):
        operation = subject.submitted()
        setattr(world.faults, fault, 1)

        unreachable = subject.check(operation)

        assert isinstance(unreachable, Unreachable)
        assert unreachable.failure_class in BROKEN[fault]

    @pytest.mark.parametrize(
        ("fault", "charged"),
        [
            ("submit_cut_before", 0),
            ("submit_500", 0),
            ("submit_cut_after", 1),
            ("submit_500_after", 1),
            ("submit_reset_mid_body", 1),
        ],
    )
    def test_a_submit_without_an_answer_is_ambiguous_and_made_once(
        self, subject: OneAccount, world: World, fault: str, charged: int
    ):
        setattr(world.faults, fault, 1)
        request = subject.request()

        assert isinstance(subject.provider.submit(request, request.id, replay=False), Ambiguous)
        assert (world.report()["submit_calls"], world.report()["charged"]) == (1, charged)

    def test_what_the_vendor_refuses_is_refused_with_its_words(self, subject: OneAccount):
        request = subject.request().model_copy(update={"prompt": ""})

        refused = subject.provider.submit(request, request.id, replay=False)

        assert isinstance(refused, Refused)
        assert refused.message
