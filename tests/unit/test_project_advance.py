"""What is decided about a project: by example, and for any graph, limits and outcomes."""

import uuid
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.projects import clip, project, standing, stands, states
from vidpoll.projects.advance import Moves, advance
from vidpoll.projects.plan import ProjectRequest
from vidpoll.projects.standing import Project, ProjectStatus, State, Step, generation_id
from vidpoll.projects.view import counted, progress, project_json, stage, version_tag


def test_what_needs_nothing_is_started_with_an_id_that_is_always_the_same():
    lions = project(clip("a"), clip("b"), clip("c", "a"))

    moves = advance(lions)

    assert {key: request.id for key, request in moves.start.items()} == {
        key: generation_id(lions.id, key, 0) for key in ("a", "b")
    }
    assert moves.start["a"].owner == "alice"
    assert moves.start["a"].project_id == str(lions.id)
    assert (moves.status, moves.changed, moves.again_s) == (ProjectStatus.RUNNING, (), None)


def test_results_are_handed_on_and_a_local_step_collects_them():
    lions = project(
        clip("a"),
        clip("b", params={"inputs": {"video": {"from": "a", "path": "videos.0.url"}}}),
        {"key": "sum", "local": "collect", "params": {"first": {"from": "a", "path": "url"}, "n": 1}},
        {"key": "all", "local": "collect", "params": {"sum": {"from": "sum", "path": "first"}}},
    )

    moves = advance(standing(lions, a=State.COMPLETED))

    assert moves.start["b"].params == {"inputs": {"video": "https://v.example/a.mp4"}}
    assert [(step.key, step.state, step.document) for step in moves.changed] == [
        ("sum", State.COMPLETED, {"first": "https://v.example/a.mp4", "n": 1}),
        ("all", State.COMPLETED, {"sum": "https://v.example/a.mp4"}),
    ]


def test_a_reference_to_nothing_fails_its_step_and_skips_what_needs_it():
    lions = project(clip("a"), clip("b", params={"x": {"from": "a", "path": "images.0.url"}}), clip("c", "b"))

    moves = advance(standing(lions, a=State.COMPLETED))

    failed, skipped = moves.changed
    assert (moves.start, moves.status) == ({}, ProjectStatus.FAILED)
    assert failed.error["code"] == "reference_missing"
    assert failed.error["message"].startswith("the result of a has no images.0.url; there is id, late,")
    assert (skipped.state, skipped.reason) == (State.SKIPPED, "needs b, which is failed")


def test_results_that_grow_with_every_step_fail_before_they_are_too_large_to_be_written():
    twice = [{"key": "s0", "local": "collect", "params": {"x": "y" * 1000}}] + [
        {"key": f"s{n}", "local": "collect", "params": {"x": [{"from": f"s{n - 1}", "path": "x"}] * 1500}}
        for n in range(1, 5)
    ]

    moves = advance(lions := project(*twice, clip("clip", params={"x": {"from": "s1", "path": "x"}})))

    at = {step.key: step for step in _applied(lions, moves).steps}
    assert at["s1"].error["code"] == "result_too_large"
    assert "1,048,576 together" in at["s1"].error["message"]
    assert moves.start == {}
    assert moves.status is ProjectStatus.FAILED


def test_results_of_all_local_steps_together_are_limited_also_over_several_advances():
    some = [{"key": f"s{n}", "local": "collect", "params": {"x": "y" * 60_000}} for n in range(20)]
    lions = project(*some, *({**one, "key": f"late-{n}", "after": ["a"]} for n, one in enumerate(some)), clip("a"))

    first = advance(lions)
    ended = advance(standing(_applied(lions, first), a=State.COMPLETED))

    assert [one.state for one in first.changed] == [State.COMPLETED] * 17 + [State.FAILED] * 3
    assert [one.error["code"] for one in ended.changed] == ["result_too_large"] * 20


def test_results_nested_ever_deeper_fail_before_nothing_can_write_them():
    nested = [{"key": "s0", "local": "collect", "params": {"x": 1}}] + [
        {
            "key": f"s{n}",
            "local": "collect",
            "params": {"x": {"from": f"s{n - 1}", "path": "x"}, "y": {"from": f"s{n - 1}", "path": "y"}},
        }
        for n in range(1, 1000)
    ]
    nested[1]["params"] = {"x": 1, "y": [1]}
    for n in range(2, 1000):
        nested[n]["params"]["y"] = [nested[n]["params"]["y"]]

    moves = advance(project(*nested))

    (failed,) = (one for one in moves.changed if one.error)
    assert failed.error["code"] == "result_too_large"
    assert "deeper than 100" in failed.error["message"]
    assert moves.status is ProjectStatus.FAILED


def test_a_place_of_thousands_of_digits_is_nowhere():
    lions = project(clip("a"), clip("b", params={"x": {"from": "a", "path": f"videos.{'9' * 5000}.url"}}))

    (failed,) = advance(standing(lions, a=State.COMPLETED)).changed

    assert failed.error["code"] == "reference_missing"


@pytest.mark.parametrize("broken", [ValueError("no"), RecursionError("deep")])
def test_whatever_is_wrong_with_a_result_fails_its_step_and_not_the_whole_advance(broken: Exception):
    class Odd(dict):
        def __contains__(self, key: object) -> bool:
            raise broken

    lions = project(clip("a"), clip("b", params={"x": {"from": "a", "path": "odd"}}))
    at = standing(lions, a=State.COMPLETED)

    (failed,) = advance(standing(at, a=replace(at.steps[0], document=Odd()))).changed

    assert (failed.key, failed.error["code"]) == ("b", "invalid_request")


def test_a_failure_skips_what_depends_on_it_and_no_more():
    lions = project(clip("a"), clip("b", "a"), clip("c", "b"), clip("d"))

    moves = advance(standing(lions, a=State.FAILED, d=State.PROCESSING))

    assert {step.key: step.reason for step in moves.changed} == {
        "b": "needs a, which is failed", "c": "needs b, which is skipped",
    }  # fmt: skip
    assert moves.status is ProjectStatus.RUNNING


def test_a_video_that_comes_late_brings_back_what_was_skipped_for_want_of_it():
    lions = project(clip("a"), clip("b", "a"), clip("c", "b"))
    ended = _applied(standing(lions, a=State.FAILED), advance(standing(lions, a=State.FAILED)))
    assert ended.status is ProjectStatus.FAILED

    moves = advance(standing(ended, a=State.COMPLETED))

    assert list(moves.start) == ["b"]
    assert states(_applied(ended, moves)) == {"a": "failed", "b": "pending", "c": "waiting"}
    assert moves.status is ProjectStatus.RUNNING


def test_a_project_that_stops_on_failure_starts_nothing_more_and_watches_what_runs():
    lions = project(clip("a"), clip("b"), clip("c"), clip("d", "b"), on_failure="stop", max_parallel=2)

    moves = advance(standing(lions, a=State.FAILED, b=State.PROCESSING))

    assert moves.start == {}
    assert {step.key: step.reason for step in moves.changed}.keys() == {"c", "d"}
    assert moves.status is ProjectStatus.RUNNING


def test_a_failure_that_is_only_found_now_stops_the_steps_before_it_too():
    missing = {"x": {"from": "a", "path": "no"}}
    steps = [clip("w", "r"), clip("first"), clip("a"), clip("r"), clip("bad", params=missing), clip("z")]
    lions = project(*steps, on_failure="stop")

    moves = advance(standing(lions, a=State.COMPLETED, r=State.PROCESSING))

    assert moves.start == {}
    assert {step.key: step.state.value for step in moves.changed} == {
        "w": "skipped", "first": "skipped", "bad": "failed", "z": "skipped",
    }  # fmt: skip


def test_only_so_many_run_at_once_and_unknown_ones_count():
    lions = project(*(clip(key) for key in "abcdef"), max_parallel=3)

    moves = advance(standing(lions, a=State.UNKNOWN, b=State.PENDING))

    assert list(moves.start) == ["c"]


def test_starts_keep_their_pace():
    lions = project(clip("a"), clip("b"), clip("c"), pace_s=0.5)

    first = advance(lions)
    soon = advance(replace(standing(lions, a=State.PENDING), started_s=0.2))
    later = advance(replace(standing(lions, a=State.SUBMITTING), started_s=0.5))
    last = advance(replace(standing(lions, a=State.UNKNOWN, b=State.PROCESSING), started_s=9))

    assert (list(first.start), first.again_s) == (["a"], 0.5)
    assert (list(soon.start), soon.again_s) == ([], 0.3)
    assert (list(later.start), later.again_s) == (["b"], 0.5)
    assert (list(last.start), last.again_s) == (["c"], None)


def test_a_pace_starts_nothing_while_the_paid_call_of_a_step_before_was_not_made():
    lions = standing(project(clip("a"), clip("b"), pace_s=0.1), a=State.PENDING)

    soon, later, late = (advance(replace(lions, started_s=seconds)) for seconds in (0.2, 20.0, 900.0))

    assert [moves.start for moves in (soon, later, late)] == [{}, {}, {}]
    assert [moves.again_s for moves in (soon, later, late)] == [0.25, 5.0, 10.0]


def test_a_stop_takes_back_what_was_not_sent_yet_and_nothing_else():
    lions = project(*(clip(key) for key in "abcde"), on_failure="stop")
    at = standing(lions, a=State.PENDING, b=State.FAILED, c=State.PROCESSING, d=State.PENDING, e=State.SUBMITTING)
    at = standing(at, d=replace(at.steps[3], maybe_sent=True))

    moves = advance(at)

    assert moves.withdraw == (at.steps[0].generation_id,)
    assert (moves.cancel, moves.status) == ((), ProjectStatus.RUNNING)
    assert advance(replace(at, on_failure="continue")).withdraw == ()


def test_the_step_that_failed_is_named_and_not_one_that_was_taken_back_for_it():
    lions = standing(project(clip("a"), clip("b"), clip("c"), on_failure="stop"), a=State.CANCELLED, b=State.FAILED)

    (skipped,) = advance(lions).changed

    assert skipped.reason == "b failed, and the project stops on a failure"


def test_a_cancel_skips_what_was_not_started_and_cancels_what_runs():
    lions = replace(project(clip("a"), clip("b"), clip("c", "a")), cancel_requested=True)
    running = standing(lions, a=State.PROCESSING)

    moves = advance(running)

    assert moves.start == {}
    assert moves.cancel == (running.steps[0].generation_id,)
    assert states(_applied(running, moves)) == {"a": "processing", "b": "skipped", "c": "skipped"}
    asked = standing(running, a=replace(running.steps[0], cancel_requested=True))
    assert advance(asked).cancel == ()
    assert advance(standing(running, a=State.CANCELLED)).status is ProjectStatus.CANCELLED


def test_a_step_tried_again_has_another_id_and_says_after_which_one():
    lions = project(clip("a"))
    before = uuid.uuid4()

    moves = advance(replace(lions, steps=(replace(lions.steps[0], attempt=1, retry_of=before),)))

    assert moves.start["a"].id == generation_id(lions.id, "a", 1)
    assert moves.start["a"].retry_of == before


def test_the_status_adds_up_and_speaks():
    lions = project(
        clip("a", weight=3), clip("b", title="Animating scene 2 of 5"), clip("c"), clip("d"), clip("e", "c"),
        {"key": "sum", "local": "collect", "after": ["e"]},
    )  # fmt: skip
    ended = _applied(
        at := standing(lions, a=State.COMPLETED, b=State.PROCESSING, c=State.FAILED, d=State.PENDING), advance(at)
    )
    halfway = standing(ended, b=replace(ended.steps[1], progress=50))

    told = project_json(halfway)

    assert counted(halfway) == {"total": 6, "pending": 2, "completed": 1, "failed": 1, "cancelled": 0, "skipped": 2}
    assert progress(halfway) == 43  # (3 + 0.5) of 8
    assert stage(halfway) == "Animating scene 2 of 5, and 1 more"
    assert told["clips"] == {
        "a": "https://v.example/a.mp4", "b": "pending", "c": "failed", "d": "pending", "e": "skipped",
    }  # fmt: skip
    assert not told["all_complete"]
    assert version_tag(halfway) == "1.4"
    over = replace(standing(ended, b=State.COMPLETED, d=State.COMPLETED), status=ProjectStatus.FAILED)
    assert stage(over) == "3 of 6 steps are complete, 1 failed, 2 skipped"


def test_a_hundred_percent_are_told_when_all_is_complete_and_not_before():
    heavy = project(clip("a", weight=1e6), clip("b", weight=1e-9))

    assert progress(standing(heavy, a=State.COMPLETED)) == 99
    assert progress(standing(heavy, a=State.COMPLETED, b=State.COMPLETED)) == 100


# -- for any project --------------------------------------------------------------------------------------------------

OUTCOMES = (State.COMPLETED, State.COMPLETED, State.COMPLETED, State.FAILED, State.CANCELLED, State.UNKNOWN)


@st.composite
def any_project(draw: st.DrawFn) -> Project:
    """Up to twelve steps; each may need any of those before it, in an order that is shuffled then."""
    count = draw(st.integers(1, 12))
    steps = []
    for number in range(count):
        before = [f"s{n}" for n in range(number)]
        needs = draw(st.lists(st.sampled_from(before), max_size=3, unique=True)) if before else []
        taken = draw(st.sampled_from(needs)) if needs and draw(st.booleans()) else None
        path = draw(st.sampled_from(["url", "id", "nothing.here"]))
        params = {"x": [{"from": taken, "path": path}]} if taken else {}
        if draw(st.integers(0, 4)) == 0:
            steps.append({"key": f"s{number}", "local": "collect", "after": needs, "params": params})
        else:
            steps.append(clip(f"s{number}", *needs, params=params))
    return project(
        *draw(st.permutations(steps)),
        max_parallel=draw(st.sampled_from([None, 1, 2, 3])),
        on_failure=draw(st.sampled_from(["continue", "stop"])),
        pace_s=draw(st.sampled_from([0.0, 0.5])),
    )


@settings(max_examples=150, deadline=None)
@given(any_project(), st.data())
def test_any_project_starts_each_step_once_in_order_within_its_limits_and_ends(lions: Project, data: st.DataObject):
    lions, started = _run(lions, data)

    assert all(times == 1 for times in started.values())
    assert lions.status.ended
    assert (lions.status is ProjectStatus.COMPLETED) == all(step.state is State.COMPLETED for step in lions.steps)
    assert {step.state for step in lions.steps} <= {State.COMPLETED, State.FAILED, State.CANCELLED, State.SKIPPED}
    assert sum(counted(lions).values()) == 2 * len(lions.steps)


@settings(max_examples=100, deadline=None)
@given(any_project(), st.data())
def test_a_retry_starts_what_failed_and_brings_back_what_was_skipped_and_nothing_else(
    lions: Project, data: st.DataObject
):
    lions, _ = _run(lions, data)
    completed = {step.key for step in lions.steps if step.state is State.COMPLETED}
    failed = {step.key for step in lions.steps if step.state in (State.FAILED, State.CANCELLED)}
    missing = {step.key for step in lions.steps if step.error and step.error["code"] == "reference_missing"}

    again, started = _run(_retried(lions), data, outcomes=(State.COMPLETED,))

    assert not completed & started.keys()
    assert all(times == 1 for times in started.values())
    broken = [step for step in again.steps if step.state is not State.COMPLETED]
    assert all(step.error or step.state is State.SKIPPED for step in broken)
    stays_broken = any(step.error and step.error["code"] == "reference_missing" for step in again.steps)
    assert bool(broken) == stays_broken
    if lions.on_failure == "continue" or not stays_broken:
        assert failed - missing <= started.keys() | {step.key for step in lions.steps if step.asked.local}


def _run(lions: Project, data: st.DataObject, outcomes: tuple[State, ...] = OUTCOMES) -> tuple[Project, "Counter[str]"]:
    """Advance and end generations, in any order, until nothing is left to do."""
    started: Counter[str] = Counter()
    for _ in range(20 * len(lions.steps) + 20):
        moves = advance(lions)
        by_key = {step.key: step for step in lions.steps}
        for key in moves.start:
            needs = by_key[key].asked.needs
            now = {step.key: step for step in _applied(lions, moves).steps}
            assert all(now[need].state is State.COMPLETED for need in needs)
        started.update(list(moves.start))
        assert lions.pace_s == 0 or len(moves.start) <= 1
        lions = _applied(lions, moves)
        assert advance(lions) == replace(moves, start={}, changed=(), again_s=advance(lions).again_s)  # nothing is left
        running = [step for step in lions.steps if step.state.running]
        assert lions.max_parallel is None or len(running) <= lions.max_parallel
        if lions.status.ended:
            return lions, started
        assert running or moves.again_s is not None  # something will call for it again
        if moves.again_s is not None and (not running or data.draw(st.booleans())):
            lions = replace(lions, started_s=lions.pace_s)
            paid = {step.key: State.PROCESSING for step in running if step.state is State.PENDING}
            lions = standing(lions, **paid)
        else:
            one, outcome = data.draw(st.sampled_from(running)), data.draw(st.sampled_from(outcomes))
            outcome = State.COMPLETED if one.state is State.UNKNOWN and outcome is State.UNKNOWN else outcome
            lions = replace(
                lions, steps=tuple(stands(step, outcome) if step.key == one.key else step for step in lions.steps)
            )
    raise AssertionError("it does not end")


def _applied(lions: Project, moves: Moves) -> Project:
    """What the store makes of it."""
    changed = {step.key: step for step in moves.changed}

    def one(step: Step) -> Step:
        request = moves.start.get(step.key)
        if request:
            return replace(step, state=State.PENDING, generation_id=request.id, reason=None, version=1)
        return changed.get(step.key, step)

    started_s = 0.0 if moves.start else lions.started_s
    return replace(lions, steps=tuple(map(one, lions.steps)), status=moves.status, started_s=started_s)


def _retried(lions: Project) -> Project:
    def one(step: Step) -> Step:
        if step.state not in (State.FAILED, State.CANCELLED):
            return step
        return Step(step.asked, attempt=step.attempt + 1, retry_of=step.generation_id)

    return replace(lions, steps=tuple(map(one, lions.steps)), status=ProjectStatus.RUNNING)


def test_the_helper_makes_projects_that_can_be_asked_for():
    assert ProjectRequest(name="lions", steps=[clip("a")]).steps[0].key == "a"
