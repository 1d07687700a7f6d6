"""Copies of results on a real Postgres and a real Redis, from the simulator into a folder and into a server that speaks S3."""

import hashlib
import time
import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.integration import s3
from tests.integration.driver import RUNWARE, Driver
from tests.unit.projects import clip
from tests.waiting import until
from vidpoll import health, retention
from vidpoll.archive import Archive, ArchiveLimits, StorageFailed, file_id
from vidpoll.archiving import Archiving
from vidpoll.copies import copies_of
from vidpoll.generation import Failure, Status
from vidpoll.lanes import ARCHIVE, PROJECTS, Lane
from vidpoll.lifecycle import Lifecycle
from vidpoll.projects.plan import ProjectRequest
from vidpoll.projects.standing import ProjectStatus
from vidpoll.providers.outcomes import Ready
from vidpoll.services import Services
from vidpoll.settings import Keep
from vidpoll.simulator import Simulator, World
from vidpoll.store import ArchivedFile

LIMITS = ArchiveLimits(max_bytes=20_000_000, timeout_s=20)


@pytest.fixture(scope="module")
def s3_url() -> Iterator[str]:
    with s3.s3_server() as url:
        yield url


@pytest.fixture(params=["folder", "bucket"])
def archive(request: pytest.FixtureRequest, tmp_path: Path) -> Archive:
    """Both kinds of archive, each empty."""
    if request.param == "folder":
        return Archive(str(tmp_path / "archive"), limits=LIMITS)
    url = request.getfixturevalue("s3_url")
    return Archive(f"s3://videos/{uuid.uuid4()}", {"endpoint_url": url, **s3.KEYS}, limits=LIMITS)


class Copier(Driver):
    """A driver that archives too."""

    def __init__(self, services: Services, database_url: str, archive: Archive) -> None:
        services = replace(services, archive=archive)
        super().__init__(services, Lifecycle(services), database_url)
        self.archive, self.archiving = archive, Archiving(services, self.lifecycle)

    def completed(self, make_request: Any, **changes: Any) -> uuid.UUID:
        fields = {**RUNWARE, **changes}
        account = fields.pop("through", "runware")
        id = self.submitted(make_request(**fields), account)
        self.check(account)
        assert self.get(id).status is Status.COMPLETED
        return id

    def copy(self) -> int:
        """Copy what the lane hands out now; how many files that were."""
        ids, _ = self.claim(ARCHIVE)
        self.archiving.archive(ids)
        return len(ids)

    def due(self) -> None:
        """Have everything that waits tried now."""
        with self.services.store._engine.connect() as connection:
            ids = connection.exec_driver_sql("SELECT id FROM archived_files WHERE status = 'waiting'").scalars().all()
        self.services.lanes._redis.delete(ARCHIVE.key("bucket"))
        self.services.lanes.schedule(ARCHIVE, dict.fromkeys(ids, 0.0))

    def files(self, id: uuid.UUID) -> list[ArchivedFile]:
        return self.services.store.archived_of([id]).get(id, [])

    def file(self, id: uuid.UUID) -> ArchivedFile:
        (one,) = self.files(id)
        return one

    def read(self, name: str | None) -> bytes:
        return bytes(self.archive._fs.cat_file(self.archive._path(str(name))))


@pytest.fixture
def copier(services: Services, database_url: str, archive: Archive) -> Copier:
    return Copier(services, database_url, archive)


@pytest.fixture
def folder(services: Services, database_url: str, tmp_path: Path) -> Copier:
    """For what is the same wherever the copies go."""
    return Copier(services, database_url, Archive(str(tmp_path / "archive"), limits=LIMITS))


def _served(simulator: Simulator, url: str) -> bytes:
    return requests.get(url.partition("?")[0], timeout=10).content


# -- what arrives -----------------------------------------------------------------------------------------------------


def test_a_completed_generation_is_copied_at_once_whole_and_told(copier: Copier, make_request, simulator: Simulator):
    simulator.world.faults.files_bytes = 12_000_000
    id = copier.completed(make_request)
    assert copier.file(id).status == "waiting"

    assert copier.copy() == 1

    file = copier.file(id)
    content = _served(simulator, file.url)
    assert (file.status, file.content_type, file.bytes) == ("stored", "video/webm", len(content))
    assert file.sha256 == hashlib.sha256(content).hexdigest()
    assert copier.read(file.name) == content
    assert file.name == f"alice/{copier.get(id).created_at:%Y/%m}/{id}-0.webm"
    told = copies_of(copier.get(id), copier.files(id), copier.archive)
    assert (told.archive, told.files[0]["sha256"]) == ("stored", file.sha256)
    assert copier.services.lanes.size(ARCHIVE) == 0
    if told.archived_url and told.archived_url.startswith("http"):
        answer = requests.get(told.archived_url, timeout=10)
        assert (answer.content, answer.headers["Content-Type"]) == (content, "video/webm")


def test_a_signed_link_stays_the_same_for_a_while_so_that_a_browser_goes_on_playing(s3_url: str):
    bucket = Archive(f"s3://videos/{uuid.uuid4()}", {"endpoint_url": s3_url, **s3.KEYS}, limits=LIMITS)
    name, began = "alice/2026/03/7-0.mp4", int(time.time())
    first = bucket.link(name)

    until(lambda: int(time.time()) > began, what="another second, which a signature tells")

    assert "Expires" in str(first)
    assert bucket.link(name) == first
    assert bucket.link("alice/2026/03/8-0.mp4") != first


@pytest.fixture
def public(services: Services, database_url: str, tmp_path: Path) -> Copier:
    """Copies into a folder that is on the web."""
    archive = Archive(str(tmp_path / "public"), public_url="https://1.1.1.1/v", limits=LIMITS)
    return Copier(services, database_url, archive)


def test_an_upscale_takes_the_copy_once_its_parents_address_has_ended(public: Copier, make_request):
    parent = public.completed(make_request)
    public.copy()
    upscale = {"provider": "runware", "model": "bytedance:50@1", "kind": "upscale", "parent": parent}
    early = public.accepted(make_request(**upscale))

    public.sql("UPDATE archived_files SET expires_at = now() + interval '10 minutes'")
    late = public.accepted(make_request(**upscale, prompt="again"))

    copy = f"https://1.1.1.1/v/{public.file(parent).name}"
    assert public.get(early).from_parent == {"inputs": {"video": public.get(parent).video_url}}
    assert public.get(late).from_parent == {"inputs": {"video": copy}}


def test_a_copy_no_vendor_could_fetch_takes_no_working_address_away(
    services: Services, database_url: str, tmp_path: Path, make_request
):
    private = Archive(str(tmp_path / "archive"), public_url="http://minio:9000/v", limits=LIMITS)
    copier = Copier(services, database_url, private)
    parent = copier.completed(make_request)
    copier.copy()
    copier.sql("UPDATE archived_files SET expires_at = now() + interval '10 minutes'")

    upscale = {"provider": "runware", "model": "bytedance:50@1", "kind": "upscale", "parent": parent}
    id = copier.accepted(make_request(**upscale))

    assert copier.get(id).from_parent == {"inputs": {"video": copier.get(parent).video_url}}


def test_a_step_that_begins_with_an_earlier_result_takes_the_copy_once_the_address_has_ended(
    public: Copier, world: World
):
    id = _retried_when_the_address_had_ended(public, copied=True)

    project = public.work_off(id)

    copy = f"https://1.1.1.1/v/{public.file(project.steps[0].generation_id).name}"
    assert project.status is ProjectStatus.COMPLETED
    assert [job["request"].get("inputs") for job in world.jobs()] == [None, {"video": copy}]


def test_a_step_whose_beginning_has_ended_and_was_never_copied_fails_before_it_is_paid(public: Copier, world: World):
    id = _retried_when_the_address_had_ended(public, copied=False)

    project = public.work_off(id)

    assert project.status is ProjectStatus.FAILED
    assert project.steps[1].error["code"] == "reference_missing"
    assert "the address of a result it takes has ended" in project.steps[1].error["message"]
    assert world.report()["charged"] == 1


def _retried_when_the_address_had_ended(copier: Copier, *, copied: bool) -> uuid.UUID:
    """A project of two steps, the second of which failed unpaid, and is retried when the first's address has ended."""
    begins = {"taskType": "upscale", "inputs": {"video": {"from": "a", "path": "videos.0.url"}}}
    large = {"key": "b", "provider": "runware", "model": "bytedance:50@1", "prompt": "upscale", "params": begins}
    store = copier.services.store
    request = ProjectRequest(name="lions", owner="alice", steps=[clip("a"), large])
    id = store.admit(request, uuid.uuid4()).id
    copier.projects.advance([id])
    copier.submit("runware")
    copier.check("runware")
    copier.projects.advance([id])
    started = store.project(id).steps[1].generation_id
    assert started
    assert store.failed(started, Failure("canceled", "by hand"), expected=Status.PENDING)
    if copied:
        copier.copy()
    copier.sql("UPDATE archived_files SET expires_at = now() - interval '1 minute'")
    copier.projects.advance([id])
    assert store.retry_project(id) == ["b"]
    copier.services.lanes.schedule(PROJECTS, {id: 0.0})
    return id


def test_every_file_of_a_result_is_copied(folder: Copier, make_request):
    id = folder.completed(
        make_request, provider="veo", model="veo-preview", params={"sampleCount": 3}, through="gemini"
    )

    assert folder.copy() == 3

    assert [(one.position, one.status) for one in folder.files(id)] == [(n, "stored") for n in range(3)]
    assert len({one.name for one in folder.files(id)}) == 3


def test_a_file_that_is_cut_goes_on_where_it_broke(copier: Copier, make_request, world: World, simulator: Simulator):
    world.faults.files_bytes, world.faults.file_cut = 400_000, 0.5
    ids = [copier.completed(make_request, prompt=f"{n}") for n in range(6)]

    for _ in range(10):
        copier.copy()
        copier.due()

    world.faults.file_cut = 0.0
    for id in ids:
        assert copier.file(id).status == "stored"
        assert copier.read(copier.file(id).name) == _served(simulator, copier.file(id).url)


def test_a_server_without_ranges_is_begun_anew(folder: Copier, make_request, world: World, simulator: Simulator):
    world.faults.files_bytes, world.faults.file_cut, world.faults.files_without_ranges = 400_000, 0.6, 1.0
    id = folder.completed(make_request)

    for _ in range(30):
        folder.copy()
        folder.due()

    world.faults.file_cut = 0.0
    assert folder.file(id).status == "stored"
    assert folder.read(folder.file(id).name) == _served(simulator, folder.file(id).url)


@pytest.mark.parametrize(
    ("fault", "code"),
    [("file_html", "no_media"), ("file_json", "no_media"), ("file_500", "http_503"), ("file_overstated", "cut")],
)
def test_what_is_no_whole_file_is_never_stored(copier: Copier, make_request, world: World, fault: str, code: str):
    setattr(world.faults, fault, 1.0)
    id = copier.completed(make_request)

    copier.copy()

    file = copier.file(id)
    assert (file.status, (file.error or {})["code"], file.attempts) == ("waiting", code, 1)
    assert copier.archive._fs.find(copier.archive._root) == []
    setattr(world.faults, fault, 0.0)
    copier.due()
    copier.copy()
    assert copier.file(id).status == "stored"


def test_a_page_in_place_of_a_video_is_not_asked_for_for_ever(folder: Copier, make_request, world: World):
    world.faults.file_html = 1.0
    id = folder.completed(make_request)

    for _ in range(10):
        folder.copy()
        folder.due()

    assert (folder.file(id).status, folder.file(id).attempts) == ("failed", 6)
    assert [one.state for one in health._archive(folder.services)] == ["warning"]


def test_what_is_too_large_fails_at_once_and_leaves_nothing(copier: Copier, make_request, world: World):
    world.faults.file_huge = 1.0
    id = copier.completed(make_request)

    copier.copy()

    file = copier.file(id)
    assert (file.status, (file.error or {})["code"]) == ("failed", "too_large")
    assert copier.archive._fs.find(copier.archive._root) == []
    assert copier.archive.tidy(-1) == 0


# -- URLs that end ----------------------------------------------------------------------------------------------------


def test_a_url_that_ended_is_asked_for_anew_with_a_token_of_the_status_lane(folder: Copier, make_request, world: World):
    world.faults.files_live_s = 30
    id = folder.completed(make_request)
    first = folder.file(id).url
    moved, world.clock = world.clock() + 60, lambda: moved
    before = world.report()["status_calls"]

    folder.copy()

    assert folder.file(id).status == "stored"
    assert folder.file(id).url != first
    assert world.report()["status_calls"] == before + 1


def test_a_paused_account_is_not_asked_and_the_file_waits(folder: Copier, make_request, world: World):
    world.faults.files_live_s = 30
    id = folder.completed(make_request)
    moved, world.clock = world.clock() + 60, lambda: moved
    lane = Lane("runware", "status")
    folder.services.lanes.pause(lane, folder.services.limits(lane), 3600, "a test")
    before = world.report()["status_calls"]

    folder.copy()

    assert (folder.file(id).error or {})["code"] == "renewing"
    assert folder.file(id).status == "waiting"
    assert world.report()["status_calls"] == before
    folder.end_pauses("runware")
    folder.due()
    folder.copy()
    assert folder.file(id).status == "stored"


def test_a_provider_that_forgot_it_makes_it_fail_with_a_word(folder: Copier, make_request, world: World):
    world.faults.files_live_s = 30
    id = folder.completed(make_request, provider="veo", model="veo-preview", through="gemini")
    moved, world.clock = world.clock() + 60, lambda: moved
    world.faults.status_not_found = 1.0

    folder.copy()

    assert (folder.file(id).status, (folder.file(id).error or {})["code"]) == ("failed", "gone")
    assert folder.services.store.archive_state().failed == 1
    world.faults.status_not_found = 0.0
    assert len(folder.services.store.archive_retried([id])) == 1
    folder.due()
    folder.copy()
    assert folder.file(id).status == "stored"


# -- what gets lost ---------------------------------------------------------------------------------------------------


def test_a_worker_that_died_in_the_middle_and_redis_that_was_flushed_change_nothing(copier: Copier, make_request):
    id = copier.completed(make_request)
    ids, _ = copier.claim(ARCHIVE)
    begun = copier.services.store.archive_begun(ids[0], lease_s=0.0, busy_s=1.0)
    assert begun
    upload = copier.archive.begin(f"alice/2026/01/{id}-0.webm")
    upload.write(b"x" * 9_000_000)
    copier.services.lanes._redis.flushall()

    copier.sql("UPDATE archived_files SET next_at = now() - interval '1 minute'")
    assert copier.archiving.sweep()["lost"] == 1
    assert copier.archiving.sweep()["lost"] == 0
    copier.copy()

    assert (copier.file(id).status, copier.file(id).attempts) == ("stored", 2)
    assert copier.archive.size(f"alice/2026/01/{id}-0.webm") is None
    assert copier.archive.tidy(-1) == 1  # moto tells no true time of an upload's beginning


def test_storing_twice_is_the_same_copy(folder: Copier, make_request):
    id = folder.completed(make_request)
    folder.copy()
    before = folder.file(id)
    folder.sql("UPDATE archived_files SET status = 'waiting'")

    folder.due()
    folder.copy()

    assert replace(folder.file(id), attempts=1, stored_at=before.stored_at) == before


def test_generations_of_before_there_was_an_archive_are_found_as_far_as_their_provider_keeps_them(
    driver: Driver, folder: Copier, make_request
):
    young, old = (driver.submitted(make_request(**RUNWARE, prompt=one), "runware") for one in ("young", "old"))
    driver.check("runware")
    folder.sql("UPDATE generations SET completed_at = now() - interval '3 days' WHERE id = %s", old)
    assert folder.files(young) == []

    assert folder.archiving.sweep(search=True)["missed"] == 1
    assert folder.archiving.sweep(search=True)["missed"] == 0
    folder.due()
    folder.copy()

    assert folder.file(young).status == "stored"
    assert folder.files(old) == []


def test_while_the_archive_takes_nothing_the_lane_rests_and_no_try_is_counted(
    folder: Copier, make_request, monkeypatch: pytest.MonkeyPatch
):
    def full(*_: Any) -> Any:
        raise StorageFailed("no space left on device")

    with monkeypatch.context() as broken:
        broken.setattr(folder.archive, "begin", full)
        id = folder.completed(make_request)
        folder.copy()

    assert folder.services.lanes.view(ARCHIVE)["paused_s"] > 0
    assert "no space left" in (folder.file(id).error or {})["message"]
    folder.due()
    folder.copy()
    assert folder.file(id).status == "stored"


def test_one_file_the_archive_does_not_take_comes_back_ever_more_rarely(
    folder: Copier, make_request, monkeypatch: pytest.MonkeyPatch
):
    def full(*_: Any) -> Any:
        raise StorageFailed("permission denied")

    monkeypatch.setattr(folder.archive, "begin", full)
    id = folder.completed(make_request)
    folder.sql("UPDATE archived_files SET attempts = 30")
    folder.copy()

    assert folder.services.store.archive_due(-20) == []
    assert folder.services.store.archive_due(-120) == [file_id(id, 0)]


def test_what_cannot_be_read_in_any_way_is_counted_and_not_tried_for_ever(
    folder: Copier, make_request, monkeypatch: pytest.MonkeyPatch
):
    def strange(*_: Any, **__: Any) -> Any:
        raise ValueError("Invalid IPv6 URL")

    id = folder.completed(make_request)
    monkeypatch.setattr("vidpoll.archiving.copy", strange)

    folder.copy()

    file = folder.file(id)
    assert (file.status, (file.error or {})["code"]) == ("waiting", "broken")
    begun = folder.services.store.archive_begun(file_id(id, 0), lease_s=30, busy_s=60)
    assert begun
    assert begun.failures == 1


def test_a_result_of_very_many_files_completes_all_the_same(folder: Copier, make_request):
    id = folder.submitted(make_request(**RUNWARE), "runware")
    ready = Ready(videos=tuple(f"https://example.com/{n}.mp4" for n in range(9000)))

    folder.lifecycle.steps.complete("runware", folder.get(id), ready)

    assert folder.get(id).status is Status.COMPLETED
    assert len(folder.files(id)) == 100


def test_a_generation_deleted_by_who_knows_of_no_copies_leaves_no_file_that_waits_for_ever(
    folder: Copier, make_request
):
    id = folder.completed(make_request)
    folder.sql("DELETE FROM generation_events WHERE generation_id = %s", id)
    folder.sql("DELETE FROM generations WHERE id = %s", id)

    folder.copy()

    assert folder.services.store.archive_state().waiting == 0
    assert folder.services.store.count_of("alice")["archived_files"] == 1


def test_a_large_uploads_leftovers_of_others_are_not_taken_away(s3_url: str):
    root = str(uuid.uuid4())
    archive = Archive(f"s3://videos/{root}", {"endpoint_url": s3_url, **s3.KEYS}, limits=LIMITS)
    client, mine = s3.client(s3_url), f"{root}/alice/2026/03/{uuid.uuid4()}-0.mp4"
    for key in (mine, f"{root}-of-others/alice/2026/03/{uuid.uuid4()}-0.mp4", f"{root}/backup.tar"):
        client.create_multipart_upload(Bucket="videos", Key=key)

    assert archive.tidy(-1) == 1

    left = [key for key in s3.uploads(s3_url) if root in key]
    assert len(left) == 2
    assert mine not in left


def test_a_folder_is_not_walked_through_at_every_search(folder: Copier, monkeypatch: pytest.MonkeyPatch):
    walked: list[float] = []
    monkeypatch.setattr(folder.archive, "tidy", lambda older_than_s: walked.append(older_than_s) or 0)

    folder.archiving.sweep(search=True)
    folder.archiving.sweep(search=True)

    assert len(walked) == 1


def test_nothing_is_kept_of_uploads_that_ended(s3_url: str):
    archive = Archive(f"s3://videos/{uuid.uuid4()}", {"endpoint_url": s3_url, **s3.KEYS}, limits=LIMITS)
    for number in range(3):
        upload = archive.begin(f"alice/2026/03/{uuid.uuid4()}-{number}.mp4")
        upload.write(b"x")
        upload.commit()

    assert len(archive._fs.transaction.files) == 0


# -- what is deleted --------------------------------------------------------------------------------------------------


def test_an_owners_erasure_deletes_the_copies(copier: Copier, make_request):
    mine, other = copier.completed(make_request), copier.completed(make_request, owner="bob")
    copier.copy()
    name, kept = copier.file(mine).name, copier.file(other).name
    assert name
    assert kept

    erased = {one.what: one.gone for one in retention.erase(copier.services.store, "alice", archive=copier.archive)}

    assert erased["archived_files"] == 1
    assert copier.archive.size(name) is None
    assert copier.archive.size(kept)
    assert copier.services.store.count_of("alice")["archived_files"] == 0


def test_what_is_erased_while_it_is_copied_leaves_no_copy(folder: Copier, make_request):
    folder.completed(make_request)
    ids, _ = folder.claim(ARCHIVE)
    begun = folder.services.store.archive_begun(ids[0], lease_s=30, busy_s=60)
    assert begun
    outcome, file = folder.archiving._copied(folder.archive, begun)
    retention.erase(folder.services.store, "alice", archive=folder.archive)
    assert folder.services.store.count_of("alice")["archived_files"] == 1

    folder.archiving._act(folder.archive, file, outcome, 0.1)

    assert folder.archive._fs.find(folder.archive._root) == []
    folder.sql("UPDATE archived_files SET busy_until = now() - interval '1 second'")
    keep = Keep(generations_s=None)
    pruned = {one.what: one.gone for one in retention.prune(folder.services.store, keep, [], archive=folder.archive)}
    assert pruned["archived_files"] == 1


def test_copies_the_archive_does_not_delete_stay_noted(folder: Copier, make_request, tmp_path: Path):
    id = folder.completed(make_request)
    folder.copy()
    name = str(folder.file(id).name)

    retention.erase(folder.services.store, "alice", archive=Archive(str(tmp_path / "another")))
    retention.erase(folder.services.store, "alice", archive=None)
    assert folder.archive.size(name)
    retention.erase(folder.services.store, "alice", archive=folder.archive)

    assert folder.archive.size(name) is None


# -- files that need the account's key --------------------------------------------------------------------------------


def test_the_key_is_sent_to_its_vendors_own_address_alone(services: Services):
    provider = services.providers["gemini"]
    base = services.accounts["gemini"].base_url

    assert provider.download_headers(f"{base}/files/7:download?alt=media") == {"x-goog-api-key": "key-gemini"}
    assert provider.download_headers("https://storage.example/files/7") == {}
    assert provider.download_headers(base.replace("/gemini", "/other")) == {}
    assert services.providers["runware"].download_headers(services.accounts["runware"].base_url) == {}


def test_a_bucket_nothing_can_read_is_told_clearly(folder: Copier, make_request):
    id = folder.completed(make_request, provider="veo", model="veo-fast", through="vertex")

    folder.copy()

    file = folder.file(id)
    assert (file.status, (file.error or {})["code"]) == ("failed", "no_library")
    assert "gcsfs" in (file.error or {})["message"]
