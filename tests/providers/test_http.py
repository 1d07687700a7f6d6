"""Described providers against their simulators over HTTP, as the accounts in docs/providers-http.md describe them."""

from pathlib import Path

import pytest
import requests

from tests.providers.described import MODELS, Described, from_docs
from tests.waiting import until
from vidpoll.providers.base import Operation
from vidpoll.providers.outcomes import (
    Ambiguous,
    CancelAccepted,
    Cancelled,
    CannotCancel,
    Failed,
    FailureClass,
    NotFound,
    NotSent,
    Pending,
    RateLimited,
    Ready,
    Refused,
    Submitted,
    Unauthorized,
    Unreachable,
)
from vidpoll.simulator import Simulator, World


@pytest.fixture(params=MODELS)
def subject(request: pytest.FixtureRequest, world: World, simulator: Simulator, tmp_path: Path) -> Described:
    return Described(request.param, from_docs(request.param, tmp_path, simulator.url), world)


files = pytest.mark.parametrize("subject", ["files"], indirect=True)
reelworks = pytest.mark.parametrize("subject", ["reelworks"], indirect=True)


def test_a_submit_is_charged_once_and_names_its_operation(subject: Described):
    assert subject.submitted().name
    assert (subject.world.report()["charged"], subject.world.report()["submit_calls"]) == (1, 1)


def test_an_operation_waits_runs_and_is_ready(subject: Described):
    subject.world.durations.queue_s = 1e6
    waiting = subject.submitted()
    subject.world.durations.queue_s, subject.world.durations.median_s = 0, 1e6
    running = subject.submitted()
    subject.world.durations.median_s = 0.3
    quick = subject.submitted()

    waits, runs = subject.check(waiting), subject.check(running)

    assert isinstance(waits, Pending)
    assert waits.queued
    assert isinstance(runs, Pending)
    assert not runs.queued
    ready = until(lambda: isinstance(found := subject.check(quick), Ready) and found)
    assert requests.get(ready.videos[0], timeout=5).headers["Content-Type"] == "video/webm"


def test_several_operations_are_told_apart(subject: Described):
    operations = [subject.submitted(prompt=f"fox {number}") for number in range(5)]

    outcomes = subject.provider.check(operations)

    assert len({ready.videos for ready in outcomes.values() if isinstance(ready, Ready)}) == 5


def test_a_failed_job_is_a_failure_in_the_vendors_words(subject: Described):
    subject.world.faults.job_failed = 1

    failed = subject.check(subject.submitted())

    assert (
        failed
        == {
            "files": Failed("failed", "the provider says no more than 'error'"),
            "reelworks": Failed("7001", "The engine ran out of memory."),
        }[subject.account]
    )


def test_a_filtered_job_is_told_as_one_where_the_vendor_has_a_word_for_it(subject: Described):
    subject.world.faults.job_filtered = 1

    failed = subject.check(subject.submitted())

    assert isinstance(failed, Failed)
    assert failed.code == {"files": "failed", "reelworks": "content_filtered"}[subject.account]


def test_done_without_a_url_is_no_end(subject: Described):
    subject.world.faults.status_no_url = 1

    assert subject.check(subject.submitted()) == Pending(stage="done at the provider, the result is not there yet")


@pytest.mark.parametrize(("said", "seconds"), [("7", 7.0), ("", None), ("rubbish", None)])
def test_a_refusal_for_now_carries_how_long_to_wait(subject: Described, said: str, seconds: float | None):
    operation, request = subject.submitted(), subject.request()
    subject.world.faults.retry_after = said
    subject.world.faults.submit_429 = subject.world.faults.status_429 = 1

    assert subject.provider.submit(request, request.id, replay=False) == RateLimited(seconds)
    assert subject.check(operation) == RateLimited(seconds)
    assert subject.world.report()["charged"] == 1


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
def test_a_submit_without_an_answer_is_ambiguous_and_made_once(subject: Described, fault: str, charged: int):
    setattr(subject.world.faults, fault, 1)
    request = subject.request()

    assert isinstance(subject.provider.submit(request, request.id, replay=False), Ambiguous)
    assert (subject.world.report()["submit_calls"], subject.world.report()["charged"]) == (1, charged)


def test_a_submit_that_finds_nobody_was_not_sent(subject: Described, tmp_path: Path):
    request = subject.request()
    nobody = from_docs(subject.account, tmp_path, "http://127.0.0.1:1")

    assert isinstance(nobody.submit(request, request.id, replay=False), NotSent)


def test_a_refused_key_says_nothing_of_the_generation(subject: Described):
    operation = subject.submitted()
    subject.world.faults.status_unauthorized = 1

    assert isinstance(subject.check(operation), Unauthorized)


def test_a_key_that_is_not_set_is_told_without_a_call(subject: Described, simulator: Simulator, tmp_path: Path):
    edit = (f'api_key = "simulator-{subject.account}"', 'api_key_env = "NOT_SET_ANYWHERE"')
    keyless, request = from_docs(subject.account, tmp_path, simulator.url, edit), subject.request()

    outcomes = [keyless.submit(request, request.id, replay=False), keyless.check([Operation("1")])["1"]]

    assert all(isinstance(one, Unauthorized) and "NOT_SET_ANYWHERE" in one.reason for one in outcomes)
    assert (subject.world.report()["submit_calls"], subject.world.report()["status_calls"]) == (0, 0)


def test_another_accounts_operation_is_not_found(subject: Described, simulator: Simulator, tmp_path: Path):
    operation = subject.submitted()
    other = from_docs(subject.account, tmp_path, simulator.url, ('api_key = "simulator-', 'api_key = "other-'))

    assert isinstance(other.check([operation])[operation.name], NotFound)


def test_an_operation_the_vendor_does_not_know_is_not_failed(subject: Described):
    operation = subject.submitted()
    subject.world.faults.status_not_found = 1

    assert isinstance(subject.check(operation), NotFound)


def test_what_the_vendor_refuses_is_refused_with_its_words(subject: Described):
    request = subject.request().model_copy(update={"prompt": ""})

    refused = subject.provider.submit(request, request.id, replay=False)

    assert (
        refused
        == {
            "files": Refused("invalid_input", "prompt: field required"),
            "reelworks": Refused("4000", "scene.text: a prompt is required"),
        }[subject.account]
    )
    assert subject.world.report()["charged"] == 0


@pytest.mark.parametrize(
    ("fault", "failure_class"),
    [
        ("status_500", FailureClass.SERVER_ERROR),
        ("status_html", FailureClass.SERVER_ERROR),
        ("status_html_200", FailureClass.UNREADABLE),
        ("status_empty", FailureClass.UNREADABLE),
        ("status_cut", FailureClass.NETWORK),
        ("status_huge", FailureClass.TOO_LARGE),
        ("status_unknown_word", FailureClass.UNKNOWN_STATUS),
    ],
)
def test_a_look_without_a_usable_answer_says_what_was_wrong(
    subject: Described, fault: str, failure_class: FailureClass
):
    operation = subject.submitted()
    setattr(subject.world.faults, fault, 1)

    unreachable = subject.check(operation)

    assert isinstance(unreachable, Unreachable)
    assert unreachable.failure_class is failure_class


def test_parameters_reach_the_vendor(subject: Described):
    params = {"seed": 7, "style": {"ink": True}}

    ready = subject.check(subject.submitted(params=params))

    assert isinstance(ready, Ready)
    [job] = subject.world.jobs()
    assert job["seed"] == 7


# -- the file API ------------------------------------------------------------------------------------------------------


@files
def test_images_are_made_by_another_path(subject: Described, simulator: Simulator, tmp_path: Path):
    edit = ("generate-video", "generate-image")
    images = Described("files", from_docs("files", tmp_path, simulator.url, edit), subject.world)

    assert isinstance(images.check(images.submitted()), Ready)
    assert [job["request"] for job in subject.world.jobs()] == ["image"]


@files
def test_the_file_api_cannot_cancel(subject: Described):
    operation = subject.submitted()

    assert subject.provider.capabilities.cancel is False
    assert isinstance(subject.provider.cancel(operation), CannotCancel)
    assert subject.world.report()["status_calls"] == 0


@files
def test_nothing_of_the_file_api_promises_that_a_replay_is_free(subject: Described):
    assert subject.provider.capabilities.client_supplied_id is False


# -- Reelworks ---------------------------------------------------------------------------------------------------------


@reelworks
def test_a_replay_finds_the_job_of_the_first_call(subject: Described):
    subject.world.faults.submit_cut_after = 1
    request = subject.request()
    assert isinstance(subject.provider.submit(request, request.id, replay=False), Ambiguous)
    subject.world.faults.submit_cut_after = 0

    assert subject.provider.capabilities.client_supplied_id is True
    assert isinstance(subject.provider.submit(request, request.id, replay=True), Submitted)
    assert (subject.world.report()["accepted"], subject.world.report()["duplicate_charges"]) == (1, 0)


@reelworks
def test_videos_come_without_their_stills_and_what_is_missing_is_told(subject: Described):
    subject.world.faults.job_partial = 1

    ready = subject.check(subject.submitted(params={"takes": 3, "seed": 5}))

    assert isinstance(ready, Ready)
    assert [url.rpartition("-")[2] for url in ready.videos] == ["take0.webm", "take1.webm"]
    assert all(url.startswith(subject.world.address) for url in ready.videos)
    assert (ready.notes, ready.seed) == (("take 1 of the scene was withheld: house rules",), 5)


@reelworks
def test_times_and_progress_are_passed_on(subject: Described):
    subject.world.durations.median_s = 1e6
    running = subject.check(subject.submitted())
    subject.world.durations.median_s = 0.0

    assert isinstance(running, Pending)
    assert (running.progress, running.stage, running.running_s is not None) == (0, "10", True)
    ready = subject.check(subject.submitted())
    assert isinstance(ready, Ready)
    assert (ready.queued_s, ready.run_s) == (0.0, 0.0)


@reelworks
@pytest.mark.parametrize(
    ("fault", "outcome"),
    [
        (None, Cancelled()),
        ("cancel_refused", CannotCancel("it cannot be stopped any more")),
        ("cancel_ignored", CancelAccepted()),
        ("cancel_500", Unreachable("HTTP 500: try again later")),
    ],
)
def test_every_answer_to_a_cancel_is_understood(subject: Described, fault: str | None, outcome: object):
    subject.world.durations.median_s = 1e6
    operation = subject.submitted()
    if fault:
        setattr(subject.world.faults, fault, 1)

    assert subject.provider.cancel(operation) == outcome
    assert subject.world.report()["cancelled"] == (fault is None)


@reelworks
def test_a_cancelled_job_is_cancelled_at_its_next_look(subject: Described):
    subject.world.durations.median_s = 1e6
    operation = subject.submitted()
    subject.provider.cancel(operation)

    assert subject.check(operation) == Cancelled()


@reelworks
def test_a_job_that_is_not_there_cannot_be_cancelled(subject: Described):
    assert subject.provider.cancel(Operation("1")) == CannotCancel("no job 1")


@reelworks
def test_a_job_that_has_ended_cannot_be_cancelled(subject: Described):
    operation = subject.submitted()

    assert subject.provider.cancel(operation) == CannotCancel("it has ended already: 20")


@reelworks
def test_what_was_declared_is_what_the_adapter_can(subject: Described):
    capabilities = subject.provider.capabilities

    assert (capabilities.cancel, capabilities.look_up, capabilities.check_batch) == (True, False, 1)
    assert (capabilities.min_interval_s, capabilities.retention_s) == (0.2, 259200.0)
