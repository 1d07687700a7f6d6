import json

import pytest

from tests.unit.projects import CLIP, clip
from vidpoll.accounts import Account, Accounts, ModelPolicy
from vidpoll.errors import InvalidRequest, UnknownTarget
from vidpoll.projects import plan
from vidpoll.projects.plan import ProjectRequest, StepRequest, check_targets, json_object, order
from vidpoll.projects.references import Reference, ReferenceMissing, resolved, within


def _problems(*steps: object, **fields: object) -> tuple[str, ...]:
    with pytest.raises(InvalidRequest) as raised:
        ProjectRequest.checked({"name": "lions", "steps": list(steps), **fields})
    return raised.value.problems


def test_everything_that_is_wrong_is_told_at_once_each_with_its_step():
    problems = _problems(
        clip("a", "nobody"),
        clip("b", params={"image": {"from": "gone", "path": "url"}}),
        clip("c", model=""),
        clip("d", weight=0, surprise=1),
        {"key": "e", "local": "collect", "prompt": "p", "params": {"x": float("nan")}},
        {"key": "f", "local": "collect", "prompt": "p"},
        {"key": "g", "provider": "runware"},
        {"key": "not a key", **CLIP},
        7,
        clip("a"),
        clip("h", "i"),
        clip("i", "h"),
        max_parallel=0,
        on_failure="shrug",
    )

    for words in (
        "max_parallel: ", "on_failure: ", "steps.a.after: there is no step 'nobody'",
        "steps.b.params: there is no step 'gone' to take a result from",
        "steps.c.model: string should have at least 1 character", "steps.d.weight: ", "steps.d.surprise: ",
        "steps.e.params: holds NaN", "steps.f.prompt: a local step has none", "steps.g.model: field required",
        "steps.g.prompt: field required", "steps.not a key.key: ", "steps.8.request: ",
        "steps.a: there are 2 steps of this key", "steps: wait for one another: h → i → h",
    ):  # fmt: skip
        assert any(problem.startswith(words) for problem in problems), words
    # A step that is wrong itself is there all the same: nothing else is complained of.
    assert not any("'c'" in problem for problem in problems)


def test_a_reference_makes_a_ring_as_well_as_an_after_does():
    ring = _problems(clip("a", params={"x": {"from": "b", "path": "url"}}), clip("b", "c"), clip("c", "a"))

    assert ring == ("steps: wait for one another: a → b → c → a",)


@pytest.mark.parametrize("steps", [[], [clip(str(n)) for n in range(plan.STEPS_LIMIT + 1)], "steps", None])
def test_there_are_one_to_a_thousand_steps(steps: object):
    with pytest.raises(InvalidRequest, match="steps: "):
        ProjectRequest.checked({"name": "lions", "steps": steps})


@pytest.mark.parametrize(
    "video",
    [
        {"from": "a"}, {"from": "a", "path": 7}, {"from": "a", "path": "url", "or": "x"}, {"from": 1, "path": "url"},
        {"from": "nobody", "path": ["url"]}, {"from": "a", "paht": "url"},
    ],
)  # fmt: skip
def test_what_was_meant_as_a_reference_and_is_none_is_refused_and_not_sent_as_it_stands(video: object):
    (problem,) = _problems(clip("a"), clip("b", params={"inputs": [{"video": video}]}))

    assert problem.startswith("steps.b.params.inputs.0.video: is no reference: ")


@pytest.mark.parametrize("value", [{"from": 7}, {"from": "2024", "to": "2025"}, {"path": "a"}])
def test_a_parameter_that_only_looks_like_a_reference_is_taken(value: object):
    assert ProjectRequest(name="lions", steps=[clip("a"), clip("b", params={"range": value})]).steps[1].needs == []


def test_a_long_chain_is_checked_and_put_into_order():
    chain = [clip(f"s{n}", f"s{n + 1}") for n in range(plan.STEPS_LIMIT - 1)] + [clip(f"s{plan.STEPS_LIMIT - 1}")]

    project = ProjectRequest(name="chain", steps=chain)

    needs = {step.key: step.needs for step in project.steps}
    assert order(needs) == [f"s{n}" for n in reversed(range(plan.STEPS_LIMIT))]


def test_a_thousand_problems_are_told_in_short():
    problems = _problems(*(clip(f"s{n}", "nobody") for n in range(1000)))

    assert len(problems) == plan.PROBLEMS_LIMIT + 1
    assert problems[-1] == "steps: 900 more problems"


def test_the_same_project_has_the_same_fingerprint_whatever_its_key():
    one = ProjectRequest(name="lions", steps=[clip("a")])
    same = ProjectRequest(name="lions", steps=[StepRequest(key="a", **CLIP)], idempotency_key="k")
    other = ProjectRequest(name="lions", steps=[clip("a", weight=2)])

    assert one.fingerprint() == same.fingerprint() != other.fingerprint()


def test_without_a_key_the_steps_alone_tell_projects_apart():
    one = ProjectRequest(name="lions", steps=[clip("a")])
    renamed = ProjectRequest(name="cubs", steps=[clip("a")], pace_s=1.0, max_parallel=2, on_failure="stop")
    other = ProjectRequest(name="lions", steps=[clip("a", weight=2)])

    assert one.steps_key() == renamed.steps_key() != other.steps_key()


def _accounts() -> Accounts:
    account = Account(
        name="runware", provider="runware", base_url="http://127.0.0.1:1", api_key="k",
        models={"google:3@3": ModelPolicy(), "bytedance:50@1": ModelPolicy()},
    )  # fmt: skip
    return Accounts(accounts={"runware": account})


def test_targets_and_parameters_are_checked_but_for_what_a_reference_will_bring():
    video = {"video": {"from": "a", "path": "videos.0.url"}}
    project = ProjectRequest(
        name="lions",
        steps=[
            clip("a", params={"duration": 5}),
            clip("up", model="bytedance:50@1", params={"taskType": "upscale", "inputs": video}),
            clip("bare", model="bytedance:50@1", params={"taskType": "upscale"}),
            clip("b", model="none"),
            clip("c", provider="nobody"),
            clip("d", account="other"),
            clip("e", params={"image": "http://10.0.0.1/x.png"}),
            {"key": "sum", "local": "collect", "params": {"a": {"from": "a", "path": "url"}}},
        ],
    )

    with pytest.raises(UnknownTarget) as raised:
        check_targets(project, _accounts())

    assert [problem.partition(":")[0] for problem in raised.value.problems] == [
        "steps.a.params.duration", "steps.bare.params.inputs", "steps.b.model", "steps.c.provider", "steps.d.account",
        "steps.e.params.image",
    ]  # fmt: skip


def test_wrong_parameters_alone_are_no_unknown_target():
    with pytest.raises(InvalidRequest) as raised:
        check_targets(ProjectRequest(name="lions", steps=[clip("a", params={"duration": 5})]), _accounts())

    assert type(raised.value) is InvalidRequest


@pytest.mark.parametrize("text", ["", "[]", "{", '"x"', "[" * 100_000])
def test_a_file_that_is_no_object_says_so(text: str):
    with pytest.raises(InvalidRequest, match="project: "):
        json_object(text)


def test_references_are_found_and_replaced_at_any_depth():
    value = {"inputs": [{"video": {"from": "a", "path": "videos.1.url"}}, {"from": "a"}], "n": {"from": 1, "path": "x"}}
    document = {"videos": [{"url": "u0"}, {"url": "u1"}]}

    assert list(within(value)) == [Reference("a", "videos.1.url")]
    assert resolved(value, {"a": document}) == {
        "inputs": [{"video": "u1"}, {"from": "a"}],
        "n": {"from": 1, "path": "x"},
    }


@pytest.mark.parametrize(
    "path", ["images.0.url", "videos.2.url", "videos.-1.url", "url", "videos.0.url.more", "videos.x"]
)
def test_a_path_that_leads_nowhere_says_what_there_is(path: str):
    document = {"videos": [{"url": "u0"}], "url": None}

    with pytest.raises(ReferenceMissing, match=f"the result of a has no {path}"):
        Reference("a", path).of(document)


def test_a_project_read_back_from_json_is_the_same():
    project = ProjectRequest(name="lions", steps=[clip("a"), clip("b", "a", title="Animating", weight=2.5)], pace_s=0.5)

    assert ProjectRequest.checked(json.loads(project.model_dump_json())) == project
