import uuid
from pathlib import Path

import pytest

from vidpoll import messages
from vidpoll.errors import InvalidRequest
from vidpoll.generation import GenerationRequest

KWARGS = {"owner": "alice", "provider": "veo", "model": "m", "prompt": "p"}


def test_a_request_survives_the_wire():
    request = GenerationRequest(
        **KWARGS, params={"a": [1, None]}, priority=3, timeout_s=9.5, idempotency_key="k", id=uuid.uuid4()
    )

    assert messages.read_generate((), messages.generate_message(request), "t") == request


def test_without_an_id_the_task_id_becomes_the_id():
    task_id = str(uuid.uuid4())

    assert str(messages.read_generate((), KWARGS, task_id).id) == task_id


def test_a_task_id_that_is_no_uuid_always_gives_the_same_id():
    first, second = (messages.read_generate((), KWARGS, "job-7").id for _ in range(2))

    assert first == second
    assert first != messages.read_generate((), KWARGS, "job-8").id


@pytest.mark.parametrize(
    ("args", "kwargs", "named"),
    [
        (("p",), KWARGS, "arguments"),
        ((), {}, "owner"),
        ((), {**KWARGS, "surprise": 1}, "surprise"),
        ((), {**KWARGS, "params": "x"}, "params"),
    ],
)
def test_a_wrong_message_is_refused_by_name(args: tuple, kwargs: dict, named: str):
    with pytest.raises(InvalidRequest, match=named):
        messages.read_generate(args, kwargs, "t")


@pytest.mark.parametrize("kwargs", [{}, {"id": None}, {"id": "x"}, {"id": 7}])
def test_a_message_about_no_generation_is_refused(kwargs: dict):
    with pytest.raises(InvalidRequest, match="id"):
        messages.read_id(kwargs)


def test_every_task_has_a_queue_that_workers_read():
    tasks = {
        value
        for name, value in vars(messages).items()
        if isinstance(value, str) and value.startswith("vidpoll.") and name.isupper()
    }

    assert set(messages.QUEUE_OF) == tasks
    assert set(messages.QUEUE_OF.values()) <= set(messages.QUEUES)


def test_a_message_of_this_version_says_so_or_says_nothing():
    assert messages.read_generate((), {**KWARGS, "v": 1}, "t") == messages.read_generate((), KWARGS, "t")


def test_a_message_of_a_newer_version_is_left_to_a_newer_worker():
    with pytest.raises(messages.NewerMessage, match="version 3"):
        messages.read_generate((), {**KWARGS, "v": 3, "kind": "dub"}, "t")


@pytest.mark.parametrize("version", [0, -1, "1", None, True, 1.5])
def test_a_version_that_is_none_is_refused(version: object):
    with pytest.raises(InvalidRequest, match="v: must be"):
        messages.read_generate((), {**KWARGS, "v": version}, "t")


@pytest.mark.parametrize("file", ["README.md", "Dockerfile", "docker-compose.yml"])
def test_workers_are_told_to_read_every_queue(file: str):
    text = (Path(__file__).parents[2] / file).read_text()

    assert ",".join(messages.QUEUES) in text


def test_a_wake_names_account_operation_and_delivery():
    said = {"account": "fal", "operation": "R", "delivery": "d", "id": None, "more": 7}

    assert messages.read_wake(said) == ("fal", "R", "d")


def test_a_wake_that_lacks_something_says_what():
    with pytest.raises(InvalidRequest) as refused:
        messages.read_wake({"account": "fal", "operation": 7})

    assert sorted(refused.value.problems, reverse=True) == ["operation: must be a text", "delivery: must be a text"]
