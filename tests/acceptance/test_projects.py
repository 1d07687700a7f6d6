"""Projects against a real stack: paid once whatever is killed, limits kept, what failed paid again only when asked."""

import json
import os
import random
import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.conftest import OPTIONS
from tests.acceptance.stack import PROJECT, Stack
from tests.waiting import until
from vidpoll import Client, ProjectRequest

STORY = PROJECT / "config" / "story.json"
CLIP = {"provider": "runware", "model": "google:3@3"}


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A lease and a patience short enough for tests that kill."""
    stack = Stack(tmp_path_factory.mktemp("projects"), *OPTIONS, VIDPOLL_LEASE_S="2")
    yield stack
    assert stack.stop() == 0


def _told(stack: Stack, *arguments: str, code: int = 0) -> Any:
    """The last line a command prints for machines."""
    done = stack.vidpoll("project", *arguments, "--json")
    assert done.returncode == code, done.stderr + done.stdout
    return json.loads(done.stdout.splitlines()[-1])


def _ended(stack: Stack, id: str, within_s: float = 240) -> dict[str, Any]:
    client = Client(broker_url=stack.described["broker_url"], database_url=stack.described["database_url"])
    client.wait_project(id, timeout_s=within_s)
    return dict(_told(stack, "status", id))


def _most_at_once(jobs: list[dict[str, Any]]) -> int:
    """By the simulator's own clock: from when it took a job to when that was done."""
    moments = [(job["accepted_at"], 1) for job in jobs] + [(job["ready_at"], -1) for job in jobs]
    at_once = most = 0
    for _, change in sorted(moments):
        at_once += change
        most = max(most, at_once)
    return most


@pytest.mark.timeout(400)
def test_a_story_pays_each_step_once_though_its_workers_are_killed_and_it_is_submitted_again(stack: Stack):
    dice = random.Random(7)
    stack.simulate("durations", median_s=0.6, sigma=0.5, fixed_s=0, scale=1)
    first = _told(stack, "submit", str(STORY))
    id = first["project_id"]

    for _ in range(4):
        time.sleep(dice.uniform(0.3, 1.5))
        before = stack.pids["worker"]
        os.kill(before, signal.SIGKILL)
        assert _told(stack, "submit", str(STORY)) == {"project_id": id, "new": False, "steps": 16}
        until(lambda before=before: stack.pids["worker"] != before, what="another worker")
    story = _ended(stack, id)
    again = _told(stack, "submit", str(STORY), "--watch")

    assert (story["status"], story["completed"], story["total"], story["progress"]) == ("completed", 16, 16, 100)
    assert (again["project_id"], again["status"]) == (id, "completed")
    report = stack.report()
    assert (report["charged"], report["duplicate_charges"], report["accepted"]) == (15, 0, 15)
    summary = story["steps"][-1]["result"]
    assert summary["clips"] == [story["clips"][f"upscale-{n}"] for n in range(1, 6)]
    tasks = [job["request"] for job in stack.jobs()]
    upscaled = {task["inputs"]["video"] for task in tasks if task["taskType"] == "upscale"}
    assert upscaled == {story["clips"][f"scene-{n}"] for n in range(1, 6)}
    animated = {task["inputs"]["frameImages"][0]["image"] for task in tasks if task["taskType"] == "videoInference"}
    assert animated == {story["clips"][f"image-{n}"] for n in range(1, 6)}
    assert summary["poster"].endswith(".png")
    assert _most_at_once(stack.jobs()) <= 3


@pytest.mark.timeout(400)
def test_a_hundred_clips_with_two_poisoned_ones_end_ten_at_a_time_and_only_those_two_are_paid_again(
    stack: Stack, tmp_path: Path
):
    stack.simulate("durations", median_s=0.5, sigma=0, fixed_s=0, scale=1)
    stack.simulate("faults", poison="poisoned")
    prompts = [f"clip {n}" + (" poisoned" if n in (17, 71) else "") for n in range(100)]
    steps = [{"key": f"clip-{n}", **CLIP, "prompt": prompt} for n, prompt in enumerate(prompts)]
    file = tmp_path / "clips.json"
    file.write_text(json.dumps({"name": "a hundred clips", "max_parallel": 10, "steps": steps}))

    ended = _told(stack, "submit", str(file), "--watch", code=3)
    id = ended["project_id"]

    assert (ended["status"], ended["completed"], ended["failed"], ended["total"]) == ("failed", 98, 2, 100)
    assert [key for key, clip in ended["clips"].items() if clip == "failed"] == ["clip-17", "clip-71"]
    assert {step["error"]["code"] for step in ended["steps"] if step["status"] == "failed"} == {"timeoutProvider"}
    assert stack.report()["charged"] == 100
    assert _most_at_once(stack.jobs()) <= 10

    stack.simulate("faults", poison="")
    assert _told(stack, "retry", id)["retried"] == ["clip-17", "clip-71"]
    healed = _ended(stack, id)
    assert (healed["status"], healed["completed"], healed["all_complete"]) == ("completed", 100, True)
    report = stack.report()
    assert (report["charged"], report["duplicate_charges"]) == (102, 0)


def test_a_file_of_lines_becomes_a_project_that_is_paid_once(stack: Stack, tmp_path: Path):
    file = tmp_path / "x.jsonl"
    lines = [json.dumps({**CLIP, "prompt": f"clip {n}", "owner": "alice"}) for n in range(6)]
    file.write_text("\n".join([lines[0], "", *lines[1:]]))

    for _ in range(2):
        done = stack.vidpoll("submit", "--file", str(file), "--pace", "0.05", "--max-parallel", "2", "--json")
        assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    faster = stack.vidpoll("submit", "--file", str(file), "--pace", "0.01", "--max-parallel", "2")

    assert (faster.returncode, told["project_id"] in faster.stderr, "nothing was paid" in faster.stderr) == (
        1,
        True,
        True,
    )
    assert list(told["clips"]) == [f"line-{n}" for n in (1, 3, 4, 5, 6, 7)]
    assert (told["name"], told["status"], told["pace_s"], told["max_parallel"]) == ("x.jsonl", "completed", 0.05, 2)
    assert stack.report()["charged"] == 6
    assert _most_at_once(stack.jobs()) <= 2


def test_broken_lines_and_lines_of_several_owners_are_told_and_nothing_is_paid(stack: Stack, tmp_path: Path):
    file = tmp_path / "x.jsonl"
    good = json.dumps({**CLIP, "prompt": "p", "owner": "alice"})
    other = json.dumps({**CLIP, "prompt": "p", "owner": "bob", "idempotency_key": "k"})
    file.write_text(f"{good}\nnot json\n{other}\n")

    done = stack.vidpoll("submit", "--file", str(file), "--pace", "1")

    assert done.returncode == 1
    assert "line 2: not valid JSON" in done.stderr
    assert "line 3: idempotency_key: a line of a batch has none" in done.stderr
    assert "owner: a batch has one, these lines have alice, bob" in done.stderr
    assert stack.report()["submit_calls"] == 0


def test_the_commands_speak_to_people_and_what_is_wrong_is_told_line_by_line(stack: Stack, tmp_path: Path):
    broken = tmp_path / "broken.json"
    broken.write_text(json.dumps({"name": "x", "steps": [{"key": "a", **CLIP, "prompt": "p", "after": ["b", "c"]}]}))
    stack.simulate("durations", median_s=3000)
    file = tmp_path / "lions.json"
    file.write_text(json.dumps({"name": "lions", "steps": [{"key": "a", **CLIP, "prompt": "p", "title": "Animating"}]}))

    refused = stack.vidpoll("project", "submit", str(broken))
    as_json = stack.vidpoll("project", "submit", str(broken), "--json")
    submitted = stack.vidpoll("project", "submit", str(file), "--watch", "--timeout-s", "3")
    id = submitted.stdout.splitlines()[0]

    assert refused.returncode == as_json.returncode == 1
    assert "2 things are wrong" in refused.stderr
    assert "steps.a.after: there is no step 'c'" in refused.stderr
    assert len(json.loads(as_json.stdout)["error"]["errors"]) == 2
    assert submitted.returncode == 4
    assert f"vidpoll project watch {id}" in submitted.stderr
    assert "lions  running  0 %  0 of 1 completed" in stack.vidpoll("project", "status", id).stdout
    assert "lions" in stack.vidpoll("project", "list").stdout
    assert "cancel asked for" in stack.vidpoll("project", "cancel", id).stdout
    assert "the same project was submitted before" in stack.vidpoll("project", "submit", str(file)).stderr
    assert json.loads(stack.vidpoll("project", "status", "7", "--json").stdout)["error"]["code"] == "invalid_request"
    unknown = stack.vidpoll("project", "status", "00000000-0000-0000-0000-000000000000")
    assert (unknown.returncode, "no project" in unknown.stderr) == (1, True)


def test_the_page_about_projects_is_right(stack: Stack, tmp_path: Path):
    page = (PROJECT / "docs" / "projects.md").read_text()
    (text,) = re.findall(r"^`lions.json`\n\n```json\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    commands = re.findall(r"^vidpoll (project .*)$", page, re.MULTILINE)
    assert len(commands) == 6
    (tmp_path / "lions.json").write_text(text)

    id, said = "", []
    for command in commands:
        done = stack.vidpoll(*command.replace("lions.json", str(tmp_path / "lions.json")).replace("$ID", id).split())
        assert done.returncode == 0, (command, done.stderr, done.stdout)
        said.append(done.stdout)
        id = id or done.stdout.strip()
    told = json.loads(said[2])

    assert (told["project_id"], told["status"], told["all_complete"]) == (id, "completed", True)
    assert told["steps"][3]["result"] == {"clips": [told["clips"]["large"], told["clips"]["dusk"]]}
    assert said[3].splitlines()[0] == id
    assert "lions" in said[5]
    assert stack.report()["charged"] == 3


def test_the_example_is_one_that_can_be_asked_for_and_asked_for_again_on_purpose(stack: Stack):
    story = ProjectRequest.checked(json.loads(STORY.read_text()))
    client = Client(broker_url=stack.described["broker_url"], database_url=stack.described["database_url"])
    small = story.model_copy(update={"name": "small", "steps": story.steps[:1]})

    first, again = client.submit_project(small), client.submit_project(small, again=True)
    changes: list[Any] = []
    client.wait_project(first.id, timeout_s=60, on_change=changes.append)
    client.wait_project(again.id, timeout_s=60)

    assert (first.new, again.new) == (True, True)
    assert stack.report()["charged"] == 2
    assert [one.version for one in changes] == sorted(one.version for one in changes)
