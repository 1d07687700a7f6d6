import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vidpoll.errors import InvalidRequest
from vidpoll.generation import FINAL, MOVES, PARAMS_LIMIT, PROMPT_LIMIT, GenerationRequest, Status

FIELDS = {"provider": "veo", "model": "m", "prompt": "p"}


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"prompt": ""}, "prompt: is empty"),
        ({"prompt": " \n"}, "prompt: is empty"),
        ({"prompt": "x" * (PROMPT_LIMIT + 1)}, "prompt: string should have at most 20000"),
        ({"prompt": 7}, "prompt: input should be a valid string"),
        ({"prompt": "a\x00b"}, "prompt: contains a NUL"),
        ({"prompt": "\ud800"}, "prompt: "),
        ({"params": [1]}, "params: input should be a valid dictionary"),
        ({"params": {"x": float("nan")}}, "params: "),
        ({"params": {"x": "a\x00"}}, "params: contains a NUL"),
        ({"params": {"x": object()}}, "params"),
        ({"params": {"x": "y" * PARAMS_LIMIT}}, "params: is larger than"),
        ({"priority": 10}, "priority: input should be less than or equal to 9"),
        ({"priority": "5"}, "priority: input should be a valid integer"),
        ({"priority": True}, "priority: input should be a valid integer"),
        ({"timeout_s": 0}, "timeout_s: input should be greater than 0"),
        ({"timeout_s": float("inf")}, "timeout_s: "),
        ({"timeout_s": 10**9}, "timeout_s: "),
        ({"id": "nonsense"}, "id: input should be a valid UUID"),
        ({"idempotency_key": ""}, "idempotency_key: "),
        ({"owner": None}, "owner: "),
        ({"colour": "red"}, "colour: extra inputs are not permitted"),
        ({"self": 1}, "self: extra inputs are not permitted"),
    ],
)
def test_a_wrong_field_is_refused_by_name(change: dict, named: str):
    with pytest.raises(InvalidRequest) as refused:
        GenerationRequest.checked({**FIELDS, **change})

    assert any(problem.startswith(named) for problem in refused.value.problems), refused.value.problems


def test_making_one_directly_raises_the_same_error():
    with pytest.raises(InvalidRequest, match="prompt: is empty"):
        GenerationRequest(provider="veo", model="m", prompt="")


def test_every_problem_is_named_at_once():
    with pytest.raises(InvalidRequest) as refused:
        GenerationRequest.checked({"provider": "", "priority": -1})

    assert [problem.split(":")[0] for problem in refused.value.problems] == ["provider", "model", "prompt", "priority"]


def test_the_fingerprint_leaves_out_id_and_key_and_nothing_else():
    plain = GenerationRequest.checked({**FIELDS, "params": {"a": 1, "b": 2}})
    same = GenerationRequest.checked({**FIELDS, "params": {"b": 2, "a": 1}, "id": uuid.uuid4(), "idempotency_key": "k"})
    changes = {
        "prompt": "q",
        "params": {},
        "priority": 1,
        "timeout_s": 5.0,
        "project_id": "x",
        "account": "a",
        "owner": "o",
    }

    assert plain.fingerprint() == same.fingerprint()
    for name, value in changes.items():
        assert plain.fingerprint() != plain.model_copy(update={name: value}).fingerprint(), name


@given(
    st.dictionaries(
        st.text(max_size=8), st.recursive(st.none() | st.booleans() | st.text(max_size=8), st.lists), max_size=4
    )
)
def test_any_json_object_is_taken_as_params_or_refused_by_name(params: dict):
    try:
        assert GenerationRequest.checked({**FIELDS, "params": params}).params == params
    except InvalidRequest as refused:
        assert all(problem.startswith("params") for problem in refused.problems)


def test_final_states_have_no_exit_but_the_late_completion():
    assert {status: MOVES[status] for status in FINAL} == {
        Status.COMPLETED: frozenset(),
        Status.FAILED: frozenset({Status.COMPLETED}),
        Status.CANCELLED: frozenset(),
    }
    assert set(MOVES) == set(Status)
