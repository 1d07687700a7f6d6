"""What every adapter keeps, over HTTP against its simulated vendor: paid once, and an outcome for whatever is answered.

Every entry of the catalogue is tested; what a provider has beyond the others, its adapter's capabilities say. The files
``test_contract_*.py`` are parts of it. What is one vendor's own is in ``test_<provider>.py``, mostly as a table of answers.

What goes wrong at vendors, and the tests that show it (without a file's name: here; "all": for every entry):

1.  A submit is taken and its answer is lost. All: ``…without_an_answer_is_ambiguous…``; sent again under our id (runware):
    ``test_contract_lost_submits``, refused as a conflict: ``test_runware``; looked up (runware, kling, replicate):
    ``test_contract_lost_submits``.
2.  Success without a video. All: ``…success_without_its_video…``, ``…filtered_generation…``; completed, then 422:
    ``test_fal``; removed after an hour: ``test_replicate``, ``test_openai_videos``.
3.  Some of several results (runware, veo): ``…partly_filtered…``.
4.  HTTP 200 with a failure in it. All: ``…failed_generation_says_why``, in the vendor's own manner; at the submit:
    ``test_minimax``.
5.  A 429 that waiting does not mend: ``test_kling`` (arrears), ``test_openai_videos`` (quota); 402, all:
    ``test_contract_keys``.
6.  401 or 403 for a job that is fine. All: ``test_contract_keys``; a wrong clock: ``test_kling``; Google's 403:
    ``test_veo``, ``test_gemini_omni``.
7.  An unknown id as an empty list (runware), as 404 or as an error. All: ``…unknown_twice_and_then_known``,
    ``…lost_operation…``; ``test_runware``.
8.  A status word nobody knows. All: ``test_contract_broken_answers``; words that official clients do not know: ``aborted``
    in ``test_replicate``, ``THROTTLED`` in ``test_runway``, ``incomplete`` in ``test_gemini_omni``.
9.  A step back after the end. All: ``…step_back…``. Webhooks are not taken, so none comes twice or too early.
10. A cancel is accepted and the job succeeds; a cancelled job is a 404. fal, gemini_omni, replicate, runway:
    ``test_contract_cancels``; ``test_runway``, ``test_fal``.
11. A URL has expired. Another look tells one: all, ``…waits_runs_and_is_ready``; a fresh one: ``test_runway``; none any
    more: ``test_replicate``, ``test_openai_videos``.
12. A huge answer. All: ``test_contract_broken_answers``; an echoed input: ``test_gemini_omni``; a video inside the answer
    cannot be asked for: ``test_veo``.
13. How long to wait, as seconds, date, milliseconds, in the text, not at all. All: ``test_contract_limits``; texts:
    ``test_replicate``, ``test_veo``.
14. HTML, 5xx and nothing at all from a gateway. All: ``test_contract_broken_answers``.
15. A model that is gone. All: ``…model_that_is_gone…``.
16. Moderation at the submit: ``test_fal``, ``test_kling``, ``test_luma``, ``test_minimax``, ``test_gemini_omni``,
    ``test_openai_videos``; at a look, all: ``…filtered_generation…``; a look answered with 400 is no end, all:
    ``test_contract_broken_answers``.
"""

from collections.abc import Callable

import pytest
import requests

from tests.providers.gateway import Gateway
from tests.providers.subject import Subject, pass_by, those_that
from vidpoll.providers.adapter import Adapter
from vidpoll.providers.base import Operation
from vidpoll.providers.outcomes import Ambiguous, Failed, More, NotFound, NotSent, Pending, Ready, Refused, Unreachable

#: Where no server is: a port of the loopback that only the system may listen on.
NOWHERE = "http://127.0.0.1:1"


# -- submit ------------------------------------------------------------------------------------------------------------


def test_a_submit_is_one_call_and_charged_once(subject: Subject):
    assert subject.submitted().name
    assert subject.paid == (1, 1)


def test_the_simplest_request_is_no_problem(subject: Subject):
    assert subject.provider.problems(subject.request()) == []


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
def test_a_submit_without_an_answer_is_ambiguous_and_never_tried_again(subject: Subject, fault: str, charged: int):
    setattr(subject.world.faults, fault, 1)

    assert isinstance(subject.submit(), Ambiguous)
    assert subject.paid == (1, charged)


def test_a_submit_that_finds_nobody_was_not_sent(subject: Subject):
    assert isinstance(subject.again(url=NOWHERE).submit(), NotSent)


def test_what_the_vendor_refuses_is_refused_with_its_words(subject: Subject):
    refused = subject.submit(subject.request().model_copy(update={"prompt": ""}))

    assert isinstance(refused, Refused)
    assert "rompt" in refused.message
    assert subject.paid == (1, 0)


def test_a_model_that_is_gone_is_refused(subject: Subject, gateway: Gateway):
    gateway.says('{"error": {"message": "gone"}}', 404)

    refused = subject.again(url=gateway.url).submit()

    assert isinstance(refused, Refused)
    assert refused.code in ("model_not_found", "refused")  # which, where no path names the model


# -- from the queue to the video ---------------------------------------------------------------------------------------


def test_a_generation_waits_runs_and_is_ready(subject: Subject, clock: Callable[[float], None]):
    subject.world.durations.median_s, subject.world.durations.queue_s = 1000, 300
    operation = subject.submitted()
    (job,) = subject.world.jobs()

    waiting = subject.check(operation)
    clock(job["starts_at"] + 500.5)
    running = subject.check(operation)
    clock(job["ready_at"])
    ready = subject.check(operation)

    assert isinstance(waiting, Pending)
    assert waiting.progress in (0, None)
    assert isinstance(running, Pending)
    assert not running.queued
    assert running.progress in (50, None)
    assert isinstance(ready, Ready)
    assert len(ready.videos) == 1
    assert subject.check(operation) == ready, "however often it is asked for"


def test_a_ready_video_can_be_fetched_with_the_accounts_key_at_most(subject: Subject):
    ready = subject.check(subject.submitted())
    assert isinstance(ready, Ready)
    calls = subject.world.report()["status_calls"]

    [url] = ready.videos
    if url.startswith("gs://"):  # in a bucket of ours
        return
    assert isinstance(subject.provider, Adapter)
    played = requests.get(url, headers=subject.provider.headers(), timeout=5)

    assert url.startswith(subject.world.address)
    assert played.content.startswith(b"\x1a\x45\xdf\xa3")  # EBML, what WebM is written in
    assert subject.world.report()["status_calls"] == calls, "a download is no look"


@pytest.mark.parametrize("state", ["waiting", "running", "ready", "failed", "filtered"])
def test_a_look_is_one_call_and_one_more_where_it_says_so(subject: Subject, state: str, clock: Callable[[float], None]):
    subject.world.durations.median_s, subject.world.durations.queue_s = 1000, 300
    subject.world.faults.job_failed, subject.world.faults.job_filtered = state == "failed", state == "filtered"
    operation = subject.submitted()
    (job,) = subject.world.jobs()
    clock({"waiting": job["accepted_at"], "running": job["starts_at"]}.get(state, job["ready_at"]))

    outcome = subject.provider.check([operation])[operation.name]
    assert subject.world.report()["status_calls"] == 1

    if isinstance(outcome, More):
        assert not isinstance(outcome.call(), More)
        assert subject.world.report()["status_calls"] == 2


def test_several_generations_are_told_apart_in_as_few_calls_as_can_be(subject: Subject):
    subject.world.durations.median_s, size = 1000, subject.can.check_batch
    operations = [subject.submitted(prompt=f"lion {number}") for number in range(size + 2)]
    names = {operation.name for operation in operations}

    batches = [operations[first : first + size] for first in range(0, len(operations), size)]
    running = [subject.provider.check(batch) for batch in batches]
    assert subject.world.report()["status_calls"] == len(batches) == -(-len(operations) // size)

    pass_by(subject.world, 2000)
    ready = [subject.check(operation) for operation in operations]

    assert {name for batch in running for name in batch} == names
    assert len({one.videos for one in ready if isinstance(one, Ready)}) == len(names) == len(operations)


@pytest.mark.parametrize("subject", those_that(lambda can: can.results_param), indirect=True)
def test_all_results_asked_for_come_back(subject: Subject):
    ready = subject.check(subject.submitted(params={subject.can.results_param: 3}))

    assert isinstance(ready, Ready)
    assert len(set(ready.videos)) == 3


# -- other ends --------------------------------------------------------------------------------------------------------


def test_a_failed_generation_says_why(subject: Subject):
    subject.world.faults.job_failed = 1

    failed = subject.check(subject.submitted())

    assert isinstance(failed, Failed)
    assert failed.code != "content_filtered"
    assert failed.message


def test_a_filtered_generation_cannot_be_retried(subject: Subject):
    subject.world.faults.job_filtered = 1

    failed = subject.check(subject.submitted())

    assert isinstance(failed, Failed)
    assert (failed.code, failed.retryable) == ("content_filtered", False)
    assert failed.message


@pytest.mark.parametrize("subject", those_that(lambda can: can.results_param), indirect=True)
def test_a_partly_filtered_generation_is_ready_and_says_what_is_missing(subject: Subject):
    subject.world.faults.job_partial = 1

    ready = subject.check(subject.submitted(params={subject.can.results_param: 2}))

    assert isinstance(ready, Ready)
    assert (len(ready.videos), len(ready.notes)) == (1, 1)


@pytest.mark.parametrize("fault", ["status_no_url", "status_backwards"])
def test_a_success_without_its_video_and_a_step_back_are_no_end(subject: Subject, fault: str):
    operation = subject.submitted()
    ready = subject.check(operation)
    setattr(subject.world.faults, fault, 1)

    told = subject.check(operation)

    # A vendor that tells no URL cannot leave one out: then the video is where it was.
    assert isinstance(told, Pending) or (told == ready and fault == "status_no_url")


# -- operations nobody knows -------------------------------------------------------------------------------------------


def test_an_operation_is_unknown_twice_and_then_known(subject: Subject):
    subject.world.faults.not_found_first = 2
    operation = subject.submitted()

    seen = [subject.check(operation) for _ in range(3)]

    assert all(isinstance(outcome, NotFound | Pending) for outcome in seen[:2])
    assert isinstance(seen[2], Ready)


def test_a_lost_operation_is_neither_failed_nor_ready(subject: Subject):
    subject.world.faults.job_lost = 1
    operation = subject.submitted()

    assert isinstance(subject.check(operation), NotFound | Pending)
    assert subject.paid == (1, 1)


def test_nobody_sees_the_operations_of_another_key(subject: Subject):
    operation = subject.submitted()

    assert isinstance(subject.again(key="other").check(operation), NotFound | Pending)


def test_a_name_is_never_read_as_more_than_a_name(subject: Subject, gateway: Gateway):
    gateway.passes_on(subject.world)
    behind, known = subject.again(url=gateway.url), subject.submitted().name

    nobodys = ["nobodys", "a/b", "../x", "..", "%2e%2e/x", "x?y=z", "x#y", "x&y=z", "ü \r\n"]
    for name in [*nobodys, f"{known}?x=y", f"{known}&x=y", f"{known}/../x", f"../../{known}"]:
        assert isinstance(behind.check(Operation(name)), NotFound | Pending | Unreachable), name

    assert gateway.was_only_called_under(subject.entry.simulator)
    assert subject.paid == (1, 1)


def test_a_call_that_was_cut_off_on_its_way_is_no_refusal(subject: Subject, gateway: Gateway):
    behind = subject.again(url=gateway.url)
    for status in (408, 409, 425, 499):
        gateway.says("{}", status)
        assert isinstance(behind.submit(), Ambiguous), status
