"""What the HTTP side tells of copies of results."""

import uuid
from dataclasses import replace
from pathlib import Path

import pytest
from fastapi import FastAPI

from tests.api.serving import Caller
from tests.integration.test_archive import Copier
from tests.unit.projects import clip
from vidpoll.archive import Archive
from vidpoll.lanes import PROJECTS
from vidpoll.services import Services


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    return Archive(str(tmp_path / "archive"), public_url="https://cdn.example/v")


@pytest.fixture
def copier(services: Services, database_url: str, archive: Archive) -> Copier:
    return Copier(services, database_url, archive)


def test_copies_are_told_beside_the_generation_and_the_video_route_leads_to_them(
    alice: Caller, copier: Copier, make_request, app: FastAPI
):
    id = copier.completed(make_request)
    waiting = alice.get(f"/v1/generations/{id}").json()
    video = waiting["video_url"]
    redirected = alice.get(f"/v1/generations/{id}/video", allow_redirects=False).headers["Location"]

    copier.copy()
    app.state.parts = replace(app.state.parts, archive=copier.archive)

    assert (waiting["archive"], waiting["archived_url"], redirected) == ("waiting", None, video)
    stored, listed = alice.get(f"/v1/generations/{id}").json(), alice.get("/v1/generations").json()["items"][0]
    copy = f"https://cdn.example/v/{copier.file(id).name}"
    assert (
        (stored["archive"], stored["archived_url"]) == (listed["archive"], listed["archived_url"]) == ("stored", copy)
    )
    (file,) = stored["files"]
    assert (file["sha256"], file["bytes"]) == (copier.file(id).sha256, copier.file(id).bytes)
    assert alice.get(f"/v1/generations/{id}/video", allow_redirects=False).headers["Location"] == copy


def test_a_projects_clips_are_the_copies_once_they_are_stored_and_its_tag_says_so(
    alice: Caller, copier: Copier, app: FastAPI
):
    steps = [clip("a"), {"key": "sum", "local": "collect", "params": {"url": {"from": "a", "path": "url"}}}]
    made = alice.post("/v1/projects", json={"name": "lions", "steps": steps}).json()
    path, project_id = f"/v1/projects/{made['project_id']}", uuid.UUID(made["project_id"])
    copier.services.lanes.schedule(PROJECTS, {project_id: 0.0})
    (step, _) = copier.work_off(project_id).steps
    app.state.parts = replace(app.state.parts, archive=copier.archive)
    before = alice.get(path)

    assert copier.copy() == 1

    after = alice.get(path, headers={"If-None-Match": before.headers["ETag"]})
    copy = f"https://cdn.example/v/{copier.file(step.generation_id).name}"
    assert before.json()["clips"] == {"a": step.video_url}
    assert (after.status_code, after.json()["clips"]) == (200, {"a": copy})
    assert [(one["video_url"], one["archived_url"]) for one in after.json()["steps"]] == [
        (step.video_url, copy), (None, None)
    ]  # fmt: skip
    assert alice.get(path, headers={"If-None-Match": after.headers["ETag"]}).status_code == 304


def test_when_a_providers_url_ends_is_told_without_an_archive_too(alice: Caller, copier: Copier, make_request):
    changes = {"provider": "replicate", "model": "google/veo-3-fast", "through": "replicate"}
    id = copier.completed(make_request, **changes)

    told = alice.get(f"/v1/generations/{id}").json()

    assert told["expires_at"] > told["completed_at"]
    assert told["result"]["expires_at"]
