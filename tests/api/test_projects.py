import json
import uuid
from typing import Any

import pytest

from tests.api.serving import Caller
from tests.integration.driver import Driver
from tests.unit.projects import clip
from vidpoll.lanes import PROJECTS
from vidpoll.simulator import World


def _body(*steps: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"name": "lions", "steps": list(steps) or [clip("a"), clip("b", "a")], **fields}


def test_a_project_answers_202_and_belongs_to_the_keys_owner(alice: Caller, services, redis_client):
    answer = alice.post("/v1/projects", json=_body())

    body = answer.json()
    assert (answer.status_code, body["status"], body["new"]) == (202, "running", True)
    assert answer.headers["Location"] == f"/v1/projects/{body['project_id']}"
    assert services.store.project(uuid.UUID(body["project_id"])).owner == "alice"
    assert redis_client.llen("projects") == 1


def test_the_same_project_is_the_same_and_a_key_tells_projects_apart(alice: Caller):
    first = alice.post("/v1/projects", json=_body()).json()
    again = alice.post("/v1/projects", json=_body()).json()
    keyed = alice.post("/v1/projects", json=_body(), headers={"Idempotency-Key": "k"}).json()
    other = alice.post("/v1/projects", json=_body(clip("z")), headers={"Idempotency-Key": "k"})
    paced = alice.post("/v1/projects", json=_body(pace_s=1.0))

    assert again == {**first, "new": False}
    assert keyed["project_id"] != first["project_id"]
    assert (other.status_code, other.json()["code"]) == (409, "idempotency_conflict")
    assert keyed["project_id"] in other.json()["detail"]
    assert (paced.status_code, paced.json()["code"]) == (409, "idempotency_conflict")
    assert first["project_id"] in paced.json()["detail"]


def test_everything_wrong_is_told_at_once_and_nothing_is_taken(alice: Caller, services):
    answer = alice.post("/v1/projects", json=_body(clip("a", "b"), clip("b", "a"), clip("c", model=""), max_parallel=0))

    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
    assert [problem.partition(":")[0] for problem in answer.json()["errors"]] == [
        "max_parallel", "steps.c.model", "steps",
    ]  # fmt: skip
    assert services.store.project_list(None) == []


def test_a_target_that_is_not_here_is_told_without_what_is(alice: Caller):
    answer = alice.post("/v1/projects", json=_body(clip("a", model="none"), clip("b", params={"duration": 5})))

    assert (answer.status_code, answer.json()["code"]) == (422, "unknown_target")
    assert answer.json()["errors"] == [
        "steps.a.model: there is no such provider, model or account here",
        "steps.b.params.duration: must be one of 4, 6, 7, 8, not 5",
    ]
    assert "google:3@3" not in answer.text


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"{", b'{"name": "x"}', b'{"name": "x", "steps": 7}', b'{"name": "x", "steps": [7, null, [], ""]}',
     b'{"name": "\\u0000", "steps": [{"key": "\\ud800"}]}', b'{"name": "x", "steps": ' + b"[" * 5000 + b"]" * 5000 + b"}"],
)  # fmt: skip
def test_a_body_that_is_no_project_is_refused_and_breaks_nothing(alice: Caller, body: bytes):
    answer = alice.post("/v1/projects", data=body, headers={"Content-Type": "application/json"})

    assert answer.status_code in (400, 422)
    assert answer.json()["code"] in ("invalid_request", "bad_request")


def test_the_owner_is_the_keys_whatever_the_body_says(alice: Caller):
    assert alice.post("/v1/projects", json=_body(owner="bob")).status_code == 422
    assert alice.post("/v1/projects", json=_body(owner="alice")).status_code == 202


def test_how_it_stands_is_told_until_it_ends_and_only_when_it_changed(alice: Caller, driver: Driver):
    id = uuid.UUID(alice.post("/v1/projects", json=_body()).json()["project_id"])
    url = f"/v1/projects/{id}"
    first = alice.get(url)
    unchanged = alice.get(url, headers={"If-None-Match": first.headers["ETag"]})
    driver.services.lanes.schedule(PROJECTS, {id: 0.0})
    driver.advance()
    started = alice.get(url, headers={"If-None-Match": first.headers["ETag"]})
    driver.submit("runware")
    submitted = alice.get(url, headers={"If-None-Match": started.headers["ETag"]})
    driver.work_off(id)
    ended = alice.get(url)

    assert [answer.status_code for answer in (first, unchanged, started, submitted, ended)] == [200, 304, 200, 200, 200]
    assert first.json()["clips"] == {"a": "pending", "b": "pending"}
    assert [step["status"] for step in started.json()["steps"]] == ["pending", "waiting"]
    assert "Retry-After" in first.headers
    assert "Retry-After" not in ended.headers
    told = ended.json()
    assert (told["status"], told["progress"], told["all_complete"]) == ("completed", 100, True)
    assert all(url.startswith("http") for url in told["clips"].values())


def test_what_failed_is_retried_and_what_runs_is_cancelled(alice: Caller, driver: Driver, world: World):
    world.faults.poison = "poisoned"
    body = _body(clip("a", prompt="poisoned"), clip("b", "a"))
    id = uuid.UUID(alice.post("/v1/projects", json=body).json()["project_id"])
    driver.services.lanes.schedule(PROJECTS, {id: 0.0})
    driver.work_off(id)
    over, again = (alice.post(f"/v1/projects/{id}/cancel") for _ in range(2))
    step = alice.get(f"/v1/projects/{id}").json()["steps"][0]["generation_id"]
    beside = alice.post(f"/v1/generations/{step}/retry")

    retried = alice.post(f"/v1/projects/{id}/retry")
    cancelled = alice.post(f"/v1/projects/{id}/cancel")
    driver.projects.advance([id])

    assert (over.status_code, over.json()["status"]) == (202, "cancelled")
    assert (again.status_code, again.json()["code"]) == (409, "wrong_state")
    assert (beside.status_code, beside.json()["code"]) == (409, "wrong_state")
    assert f"vidpoll project retry {id}" in beside.json()["detail"]
    assert (retried.status_code, retried.json()["retried"], retried.json()["status"]) == (202, ["a"], "running")
    assert (cancelled.status_code, cancelled.json()["status"]) == (202, "running")
    assert alice.get(f"/v1/projects/{id}").json()["status"] == "cancelled"


def test_lists_go_on_where_they_stopped(alice: Caller, bob: Caller):
    ids = [alice.post("/v1/projects", json=_body(clip(f"p{n}"), clip("b"))).json()["project_id"] for n in range(3)]
    bob.post("/v1/projects", json=_body())

    first = alice.get("/v1/projects", params={"limit": 2}).json()
    rest = alice.get("/v1/projects", params={"limit": 2, "cursor": first["next"]}).json()

    assert [one["project_id"] for one in first["items"] + rest["items"]] == ids[::-1]
    assert rest["next"] is None
    assert (first["items"][0]["total"], first["items"][0]["completed"]) == (2, 0)
    assert alice.get("/v1/projects", params={"cursor": "x"}).status_code == 422


def test_a_list_tells_progress_and_stage_as_the_documents_do(alice: Caller, driver: Driver, world: World):
    world.faults.poison = "poisoned"
    weighted = [
        clip("a", weight=3.0, title="Making a"),
        clip("b", "a"),
        clip("c", weight=0.5),
        clip("d", "e"),
        clip("e", prompt="poisoned"),
    ]
    bodies = [_body(*weighted), _body(clip("x"), clip("y", weight=0.001)), _body(clip("z", prompt="poisoned"))]
    ids = [uuid.UUID(alice.post("/v1/projects", json=body).json()["project_id"]) for body in bodies]

    def listed() -> dict[str, tuple[int, str]]:
        return {one["project_id"]: (one["progress"], one["stage"]) for one in alice.get("/v1/projects").json()["items"]}

    def documents() -> dict[str, tuple[int, str]]:
        told = [alice.get(f"/v1/projects/{id}").json() for id in ids]
        return {one["project_id"]: (one["progress"], one["stage"]) for one in told}

    assert listed() == documents()
    driver.services.lanes.schedule(PROJECTS, dict.fromkeys(ids, 0.0))
    driver.advance()
    assert listed() == documents()
    assert listed()[str(ids[0])][1] == "Making a, and 2 more"
    driver.submit("runware")
    assert listed() == documents()
    for id in ids:
        driver.work_off(id)
    assert listed() == documents()
    assert listed()[str(ids[0])] == (69, "3 of 5 steps are complete, 1 failed, 1 skipped")
    assert listed()[str(ids[1])] == (100, "all 2 steps are complete")


def test_the_document_describes_steps_without_references_that_lead_nowhere(alice: Caller):
    body = alice.get("/openapi.json").json()["paths"]["/v1/projects"]["post"]["requestBody"]

    assert "$ref" not in json.dumps(body)
    assert "title" in json.dumps(body)
