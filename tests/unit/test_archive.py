"""The pure parts of copying: what a file is, what it is called, how long it is tried."""

import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from vidpoll.archive import Archive, ArchiveLimits, name_of, storing
from vidpoll.archive.media import media_of, problem
from vidpoll.archive.outcomes import Gone, Trouble, Unfit
from vidpoll.archive.patience import again_s, given_up
from vidpoll.errors import NotConfigured
from vidpoll.providers.base import Capabilities
from vidpoll.result_files import live_s, new_files
from vidpoll.url_lifetimes import ends_at


@pytest.mark.parametrize(
    ("head", "content_type"),
    [
        (b"\x00\x00\x00\x20ftypisom", "video/mp4"),
        (b"\x00\x00\x00\x14ftypqt  ", "video/quicktime"),
        (b"\x00\x00\x00\x08wide\x00\x01mdat", "video/quicktime"),
        (b"\x1aE\xdf\xa3\x9fB\x86\x81\x01webm", "video/webm"),
        (b"\x1aE\xdf\xa3\x9fB\x82\x88matroska", "video/x-matroska"),
        (b"\x89PNG\r\n\x1a\n", "image/png"),
        (b"\xff\xd8\xff\xe0", "image/jpeg"),
        (b"RIFF\x10\x00\x00\x00WEBPVP8 ", "image/webp"),
        (b"GIF89a", "image/gif"),
    ],
)
def test_a_file_is_known_by_its_first_bytes(head: bytes, content_type: str):
    found = media_of(head)

    assert found
    assert found.content_type == content_type
    assert problem("application/octet-stream", head) is None
    assert problem(None, head) is None


@pytest.mark.parametrize("head", [b"", b"<!doctype html>", b'{"error": 1}', b"PK\x03\x04", b"%PDF-1.7", b"#!/bin/sh"])
def test_what_is_no_media_is_none_whatever_it_is_called(head: bytes):
    assert media_of(head) is None
    assert problem("video/mp4", head)


def test_what_is_called_a_page_is_refused_and_so_is_a_video_that_is_called_an_image():
    assert problem("text/html", b"GIF89a")
    assert problem("application/json; charset=utf-8", b"\x00\x00\x00\x20ftypisom")
    assert problem("image/png", b"\x00\x00\x00\x20ftypisom")
    assert problem("video/mp4", b"\x1aE\xdf\xa3\x9fB\x86\x81\x01webm") is None


def test_names_are_safe_on_any_file_system_and_no_two_owners_share_one():
    at, id = datetime(2026, 3, 1, tzinfo=UTC), uuid4()
    names = {name_of(owner, at, id, 0, "mp4") for owner in ("a/b", "a b", "a-b", "..", ".", "ä", "a" * 200, "a" * 199)}

    assert len(names) == 8
    for name in names:
        assert Path("/x").joinpath(name).resolve().is_relative_to("/x")
        assert all(len(part) < 200 and part not in (".", "..") for part in name.split("/"))


def test_a_signed_url_tells_when_it_ends():
    day = datetime(2026, 1, 2, tzinfo=UTC)

    assert ends_at("https://b.s3/v.mp4?X-Amz-Date=20260101T000000Z&X-Amz-Expires=86400&X-Amz-Signature=x") == day
    assert ends_at("https://b/v?X-Goog-Date=20260101T000000Z&X-Goog-Expires=86400") == day
    assert ends_at("https://b/v?Expires=1767312000&Signature=x&Key-Pair-Id=y") == day
    assert ends_at("https://b/v?se=2026-01-02T00%3A00%3A00Z&sig=x") == day
    for told in ("expires=soon", "exp=12", "se=never", "X-Amz-Date=x&X-Amz-Expires=1", "X-Amz-Date=20260101T000000Z"):
        assert ends_at(f"https://b/v?{told}") is None


def test_a_file_is_tried_until_its_provider_deletes_it_and_once_more_just_before():
    trouble = Trouble("cut", "it broke")

    assert given_up(trouble, 500, live_s=3600, age_s=1e6, renewable=True) is None
    assert again_s(500, 3600) <= 660
    assert again_s(40, 45.0) == 35.0
    assert again_s(1, 3600, asked_s=90.0) == 90.0
    assert given_up(trouble, 2, live_s=-1, age_s=100, renewable=True) is None
    last = given_up(trouble, 3, live_s=-1, age_s=100, renewable=True)
    assert last
    assert (last.code, last.retryable) == ("cut", True)


def test_what_cannot_get_better_is_given_up():
    assert given_up(Unfit("too_large", "x"), 1, live_s=3600, age_s=0, renewable=True)
    assert given_up(Gone(404), 1, live_s=3600, age_s=0, renewable=False)
    assert given_up(Gone(404), 1, live_s=3600, age_s=0, renewable=True) is None
    assert given_up(Trouble("no_media", "x"), 6, live_s=3600, age_s=0, renewable=True)
    assert given_up(Trouble("too_slow", "x"), 6, live_s=3600, age_s=0, renewable=True)


def test_a_url_that_ends_after_all_dates_is_not_believed():
    end = "https://b/v?se=9999-12-31T23:59:59.9999999Z"

    told = live_s(end, "veo", "veo-preview", None)

    assert told is not None
    assert (datetime.now(UTC) + timedelta(seconds=told)).year < 2200


def test_age_is_taken_from_what_is_known_of_a_model_and_not_from_what_a_url_says_itself():
    ends = int(datetime.now(UTC).timestamp()) + 3600
    result = {"videos": [f"https://b/v?Expires={ends}", "https://b/w"]}
    known = Capabilities(result_ttl_s=7200)

    signed, plain = new_files(uuid4(), result, "nobody", "unheard-of", known, age_s=1800)

    assert signed.live_s == pytest.approx(3600, abs=30)
    assert plain.live_s == 5400


def test_only_what_workers_left_is_taken_away(tmp_path: Path):
    archive = Archive(str(tmp_path))
    archive.begin(f"alice/2026/03/{uuid4()}-0.mp4").write(b"x")
    (tmp_path / ".anothers.part").write_bytes(b"y")

    assert archive.tidy(-1) == 1

    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == [".anothers.part"]


def test_an_archive_that_cannot_be_is_refused_with_what_to_do(monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(NotConfigured, match="names no folder"):
        Archive("file:///")
    with pytest.raises(NotConfigured, match="VIDPOLL_ARCHIVE_URL"):
        Archive("nonsense://x/y")
    with pytest.raises(NotConfigured, match="can be read, not written"):
        Archive("https://example.com/results")
    with pytest.raises(NotConfigured, match="begin it with /"):
        Archive("results")
    monkeypatch.setitem(sys.modules, "fsspec", None)
    with pytest.raises(NotConfigured, match=r"pip install 'vidpoll\[archive\]'"):
        Archive("/tmp/x")


def test_a_copy_is_there_whole_or_not_at_all(tmp_path: Path):
    archive = Archive(tmp_path.as_uri(), limits=ArchiveLimits(), public_url="https://cdn.example/v/")
    upload = archive.begin("alice/2026/03/7-0.mp4")
    upload.write(b"x" * 100)
    assert archive.size("alice/2026/03/7-0.mp4") is None
    upload.discard()
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []

    upload = archive.begin("alice/2026/03/7-0.mp4")
    upload.write(b"y" * 50)
    upload.commit()

    assert archive.size("alice/2026/03/7-0.mp4") == 50
    assert archive.link("alice/2026/03/7-0.mp4") == "https://cdn.example/v/alice/2026/03/7-0.mp4"
    assert archive.url("alice/2026/03/7-0.mp4") == f"{tmp_path.as_uri()}/alice/2026/03/7-0.mp4"
    archive.delete("alice/2026/03/7-0.mp4")
    archive.delete("alice/2026/03/7-0.mp4")
    assert archive.size("alice/2026/03/7-0.mp4") is None


class _Signing:
    """A bucket that signs: what it answers, in turn."""

    protocol = "s3"

    def __init__(self, *answers: str | Exception) -> None:
        self._answers = list(answers)

    def sign(self, path: str, expiration: int) -> str:
        answer = self._answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def _signing(monkeypatch: pytest.MonkeyPatch, *answers: str | Exception) -> Archive:
    monkeypatch.setattr(storing, "_connected", lambda url, options: (_Signing(*answers), "videos"))
    return Archive("s3://videos")


def test_a_link_that_could_not_be_signed_is_tried_again_the_next_time(monkeypatch: pytest.MonkeyPatch):
    archive = _signing(monkeypatch, OSError("no credentials"), "https://s3.example/1?Signature=x")

    assert [archive.link("1.mp4") for _ in range(3)] == [None, *["https://s3.example/1?Signature=x"] * 2]


def test_a_link_that_ends_with_temporary_credentials_is_not_told_again(monkeypatch: pytest.MonkeyPatch):
    links = [f"https://s3.example/1?X-Amz-Security-Token=t&n={n}" for n in range(2)]
    archive = _signing(monkeypatch, *links)

    assert [archive.link("1.mp4") for _ in range(2)] == links
