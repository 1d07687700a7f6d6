"""Every adapter against the simulator over HTTP: the same promises, whatever the wire format."""

import re
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from tests import providers_file
from tests.providers.subject import MODELS, SAMPLES, Subject, adapter
from tests.waiting import until
from vidpoll import providers
from vidpoll.providers.base import (
    Ambiguous,
    CannotCancel,
    Failed,
    NotFound,
    NotSent,
    Operation,
    Pending,
    RateLimited,
    Ready,
    Refused,
    Unauthorized,
    Unreachable,
)
from vidpoll.providers_file import load_accounts
from vidpoll.simulator import Simulator
from vidpoll.simulator.faults import QUOTAS


def test_a_submit_is_charged_once_and_names_its_operation(subject: Subject):
    operation = subject.submitted()

    assert operation.name
    assert (subject.world.report()["charged"], subject.world.report()["submit_calls"]) == (1, 1)


def test_a_running_operation_is_pending_and_then_ready(subject: Subject):
    subject.world.durations.median_s = 0.3
    operation = subject.submitted()

    assert isinstance(subject.check(operation), Pending)
    ready = until(lambda: isinstance(found := subject.check(operation), Ready) and found)
    assert len(ready.videos) == 1
    assert ready.videos[0].startswith(("http://127.0.0.1:", "gs://"))


def test_several_operations_are_told_apart(subject: Subject):
    operations = [subject.submitted(prompt=f"lion {number}") for number in range(7)]

    outcomes = subject.provider.check(operations)

    assert set(outcomes) == {operation.name for operation in operations}
    videos = {outcome.videos for outcome in outcomes.values() if isinstance(outcome, Ready)}
    assert len(videos) == 7
    assert subject.world.report()["status_calls"] == -(-7 // subject.provider.capabilities.check_batch)


@pytest.mark.parametrize("subject", SAMPLES, indirect=True)
def test_all_results_asked_for_come_back(subject: Subject):
    ready = subject.check(subject.submitted(params={SAMPLES[subject.account]: 3}))

    assert isinstance(ready, Ready)
    assert len(set(ready.videos)) == 3


def test_a_filtered_job_is_a_failure_that_cannot_be_retried(subject: Subject):
    subject.world.faults.job_filtered = 1

    failed = subject.check(subject.submitted())

    assert isinstance(failed, Failed)
    assert (failed.code, failed.retryable) == ("content_filtered", False)
    assert failed.message


@pytest.mark.parametrize("subject", SAMPLES, indirect=True)
def test_a_partly_filtered_job_is_ready_and_says_what_is_missing(subject: Subject):
    subject.world.faults.job_partial = 1

    ready = subject.check(subject.submitted(params={SAMPLES[subject.account]: 2}))

    assert isinstance(ready, Ready)
    assert (len(ready.videos), len(ready.notes)) == (1, 1)


@pytest.mark.parametrize(
    ("subject", "retryable"),
    [("runware", True), ("vertex", True), ("gemini", True), ("replicate", False)],  # Replicate tells no reason to hope
    indirect=["subject"],
)
def test_a_failed_job_is_a_failure_and_may_be_retried_where_the_vendor_says_so(subject: Subject, retryable: bool):
    subject.world.faults.job_failed = 1

    failed = subject.check(subject.submitted())

    assert isinstance(failed, Failed)
    assert failed.retryable is retryable
    assert failed.message


@pytest.mark.parametrize(("said", "seconds"), [("7", 7.0), ("", None), ("rubbish", None)])
def test_a_429_carries_how_long_to_wait(subject: Subject, said: str, seconds: float | None):
    operation = subject.submitted()
    subject.world.faults.retry_after = said
    subject.world.faults.submit_429 = subject.world.faults.status_429 = 1
    request = subject.request()

    assert subject.provider.submit(request, request.id, replay=False) == RateLimited(seconds)
    assert subject.check(operation) == RateLimited(seconds)
    assert subject.world.report()["charged"] == 1


@pytest.mark.parametrize("form", QUOTAS)
def test_a_quota_that_is_used_up_is_told_once_and_apart_for_each_verb(subject: Subject, form: str):
    subject.world.faults.quota = form
    subject.world.limits.update(submit=1, status=2)
    provider, operation = subject.provider, subject.submitted()

    assert 0.5 < provider.out_of_quota("submit") <= 1
    assert provider.out_of_quota("submit") is None
    subject.check(operation)
    assert provider.out_of_quota("status") is None, "one is left"
    subject.check(operation)
    assert 0.5 < provider.out_of_quota("status") <= 1
    assert isinstance(subject.check(operation), RateLimited)
    assert provider.out_of_quota("status") is None, "a refusal tells for itself how long to wait"
    assert provider.out_of_quota("submit") is None


def test_an_account_that_is_told_no_quota_has_one(subject: Subject):
    subject.world.limits.update(submit=1, status=1)
    subject.check(subject.submitted())

    assert subject.provider.out_of_quota("submit") is None
    assert subject.provider.out_of_quota("status") is None


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
def test_a_submit_without_an_answer_is_ambiguous(subject: Subject, fault: str, charged: int):
    setattr(subject.world.faults, fault, 1)
    request = subject.request()

    assert isinstance(subject.provider.submit(request, request.id, replay=False), Ambiguous)
    assert subject.world.report()["submit_calls"] == 1, "a submit is never tried again by itself"
    assert subject.world.report()["charged"] == charged


def test_a_submit_slower_than_its_timeout_is_ambiguous(subject: Subject, simulator: Simulator, tmp_path: Path):
    subject.world.faults.submit_delay_s = 60
    impatient = adapter(subject.account, tmp_path, simulator.url, submit_timeout_s=1)
    request = subject.request()

    assert isinstance(impatient.submit(request, request.id, replay=False), Ambiguous)
    assert (subject.world.report()["submit_calls"], subject.world.report()["charged"]) == (1, 1)


def test_a_submit_that_finds_nobody_was_not_sent(subject: Subject, tmp_path: Path):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        nobody = load_accounts(providers_file.write(tmp_path, f"http://127.0.0.1:{unused.getsockname()[1]}"))
        request = subject.request()

        outcome = providers.build(nobody)[subject.account].submit(request, request.id, replay=False)

    assert isinstance(outcome, NotSent)


def test_a_refused_key_says_nothing_of_the_generation(subject: Subject):
    operation = subject.submitted()
    subject.world.faults.status_unauthorized = 1

    assert isinstance(subject.check(operation), Unauthorized)


def test_a_key_that_is_not_set_is_told_without_a_call(subject: Subject, simulator: Simulator, tmp_path: Path):
    operation, request = subject.submitted(), subject.request()
    path = providers_file.write(tmp_path, simulator.url)
    path.write_text(re.sub('api_key = "key-.*"', 'api_key_env = "NOT_SET_ANYWHERE"', path.read_text()))
    adapter = providers.build(load_accounts(path))[subject.account]

    outcomes = [adapter.submit(request, request.id, replay=False), adapter.check([operation])[operation.name]]

    assert all(isinstance(outcome, Unauthorized) and "NOT_SET_ANYWHERE" in outcome.reason for outcome in outcomes)
    assert (subject.world.report()["submit_calls"], subject.world.report()["status_calls"]) == (1, 0)


def test_an_operation_the_provider_does_not_know_is_not_failed(subject: Subject):
    operation = subject.submitted()
    subject.world.faults.status_not_found = 1

    assert isinstance(subject.check(operation), NotFound | Pending)


@pytest.mark.parametrize("subject", [account for account in MODELS if account != "replicate"], indirect=True)
def test_a_cancel_the_vendor_does_not_have_is_refused_without_a_call(subject: Subject):
    operation = subject.submitted()

    assert isinstance(subject.provider.cancel(operation), CannotCancel)
    assert subject.world.report()["status_calls"] == 0


def test_what_the_vendor_refuses_is_refused_with_its_words(subject: Subject):
    request = subject.request().model_copy(update={"prompt": ""})

    refused = subject.provider.submit(request, request.id, replay=False)

    assert isinstance(refused, Refused)
    assert "rompt" in refused.message


def test_another_accounts_operation_is_not_found(subject: Subject, simulator: Simulator, tmp_path: Path):
    operation = subject.submitted()
    text = providers_file.write(tmp_path, simulator.url).read_text().replace("key-", "other-")
    (tmp_path / "other.toml").write_text(text)

    other = providers.build(load_accounts(tmp_path / "other.toml"))[subject.account]

    assert isinstance(other.check([operation])[operation.name], NotFound | Pending)


RUNNING = {
    "runware": '{"data": [{"taskUUID": "o", "status": "processing"}]}',
    "vertex": '{"name": "o"}',
    "gemini": '{"name": "o"}',
    "replicate": '{"status": "processing"}',
}


@pytest.mark.parametrize(
    ("said", "seconds"), [("2500", 2.5), ("1e9", 300.0), ("-1", None), ("nan", None), ("soon", None), (None, None)]
)
def test_a_gateways_hint_when_to_look_again_is_passed_on(
    subject: Subject, answering: Callable[..., str], tmp_path: Path, said: str | None, seconds: float | None
):
    url = answering(RUNNING[subject.account], {"OpenAI-Poll-After-Ms": said} if said else {})
    behind_gateway = adapter(subject.account, tmp_path, url)

    pending = behind_gateway.check([Operation("o")])["o"]

    assert isinstance(pending, Pending)
    assert pending.poll_after_s == seconds


@pytest.mark.parametrize(
    "body", ["", "[]", "null", "{}", '{"data": 7, "errors": "x"}', '{"data": [7]}', "<html>", '"text"']
)
def test_a_nonsense_answer_is_never_an_error_nor_an_end(
    subject: Subject, body: str, answering: Callable[..., str], tmp_path: Path
):
    adapter = providers.build(load_accounts(providers_file.write(tmp_path, answering(body))))[subject.account]
    request = subject.request()

    assert isinstance(adapter.submit(request, request.id, replay=False), Ambiguous | Refused)
    assert isinstance(
        adapter.check([Operation("a/models/m/operations/o")])["a/models/m/operations/o"], Unreachable | Pending
    )
