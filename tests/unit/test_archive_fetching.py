"""Where files come from, over real HTTP from a server of the test's own."""

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from vidpoll.archive import Archive, ArchiveLimits, copy
from vidpoll.archive.fetching import source_of
from vidpoll.archive.outcomes import Copied, Dropped, Gone, Outcome, Stopped, Trouble, Unfit

MP4 = b"\x00\x00\x00\x20ftypisom" + bytes(range(256)) * 40


class Server:
    """Answers each path as the test says, and notes what came."""

    def __init__(self) -> None:
        self.paths: dict[str, Callable[[BaseHTTPRequestHandler], None]] = {}
        self.came: list[tuple[str, dict[str, str]]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                outer.came.append((self.path, {name.lower(): value for name, value in self.headers.items()}))
                outer.paths[self.path](self)

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def server() -> Iterator[Server]:
    one = Server()
    yield one
    one.close()


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    return Archive(str(tmp_path), limits=ArchiveLimits(max_bytes=1_000_000, timeout_s=5))


def says(status: int, body: bytes = b"", **headers: str) -> Callable[[BaseHTTPRequestHandler], None]:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        for name, value in {"Content_Length": str(len(body)), **headers}.items():
            if value:
                handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        handler.wfile.write(body)
        handler.close_connection = "Content_Length" in headers

    return answer


def made(archive: Archive, url: str, *, local: bool = True, headers: Any = lambda url: {}) -> Outcome:
    try:
        return copy(source_of(url, headers, local=local), archive, lambda media: f"a.{media.extension}")
    except Stopped as stopped:
        return stopped.outcome


def left(archive: Archive) -> list[str]:
    return [path.name for path in Path(archive._root).rglob("*")]


def test_redirects_are_followed_and_the_key_goes_to_its_vendor_alone(server: Server, archive: Archive):
    server.paths = {
        "/own/1": says(302, Location="/own/2"),
        "/own/2": says(307, Location="/cdn/3"),
        "/cdn/3": says(200, MP4, Content_Type="video/mp4"),
    }

    outcome = made(archive, f"{server.url}/own/1", headers=lambda url: {"X-Key": "secret"} if "/own/" in url else {})

    assert isinstance(outcome, Copied)
    assert [(path, headers.get("x-key")) for path, headers in server.came] == [
        ("/own/1", "secret"), ("/own/2", "secret"), ("/cdn/3", None)
    ]  # fmt: skip
    assert all(headers["accept-encoding"] == "identity" for _, headers in server.came)
    assert left(archive) == ["a.mp4"]


def test_a_redirect_that_never_ends_is_given_up(server: Server, archive: Archive):
    server.paths = {"/1": says(301, Location="/1")}

    assert made(archive, f"{server.url}/1") == Unfit("redirects", "more than 3 redirects, one after the other")
    assert len(server.came) == 4


def test_private_addresses_are_not_called_and_neither_is_where_a_redirect_leads(server: Server, archive: Archive):
    server.paths = {"/1": says(302, Location="http://169.254.169.254/latest/meta-data")}

    assert isinstance(made(archive, f"{server.url}/1", local=False), Unfit)
    assert server.came == []
    outcome = made(archive, f"{server.url}/1")
    assert isinstance(outcome, Unfit)
    assert outcome.code == "not_public"


@pytest.mark.parametrize(
    "address",
    [
        "{path}", "file://{path}", "local://{path}", "simplecache::file://{path}", "gs://bucket/x::file://{path}",
        "simplecache::{url}/1", "s3://videos/bob/2026/11/7-0.mp4", "memory://x", "http://[", "",
    ],
)  # fmt: skip
def test_a_provider_cannot_name_this_machines_files_nor_a_bucket_of_ours(
    server: Server, archive: Archive, tmp_path_factory: pytest.TempPathFactory, address: str
):
    server.paths = {"/1": says(200, MP4)}
    path = tmp_path_factory.mktemp("others") / "theirs.mp4"
    path.write_bytes(MP4)

    outcome = made(archive, address.format(path=path, url=server.url), local=False)

    assert isinstance(outcome, Unfit)
    assert (outcome.code, server.came, left(archive)) == ("no_address", [], [])


@pytest.mark.parametrize(
    "rest",
    [{"ETag": '"v2"', "total": len(MP4)}, {"ETag": '"v1"', "total": len(MP4) + 1}],
)
def test_the_rest_of_another_file_is_not_put_behind_what_came(server: Server, archive: Archive, rest: dict[str, Any]):
    def changed(handler: BaseHTTPRequestHandler) -> None:
        if handler.headers.get("Range") is None:
            says(200, MP4[:5000], Content_Length=str(len(MP4)), ETag='"v1"')(handler)
        else:
            body, total = b"y" * (rest["total"] - 5000), rest["total"]
            says(206, body, ETag=rest["ETag"], Content_Range=f"bytes 5000-{total - 1}/{total}")(handler)

    server.paths = {"/1": changed}

    outcome = made(archive, f"{server.url}/1")

    assert isinstance(outcome, Trouble)
    assert (outcome.code, left(archive)) == ("wrong_range", [])


def test_what_another_worker_stored_meanwhile_is_not_written_over(server: Server, archive: Archive):
    server.paths = {"/1": says(200, MP4)}
    names = iter(["a.mp4", None])

    outcome = copy(source_of(f"{server.url}/1", lambda url: {}, local=True), archive, lambda media: next(names))

    assert (outcome, left(archive)) == (Dropped(), [])


@pytest.mark.parametrize("status", [401, 403, 404, 410])
def test_what_its_server_does_not_give_is_gone(server: Server, archive: Archive, status: int):
    server.paths = {"/1": says(status)}

    assert made(archive, f"{server.url}/1") == Gone(status)


def test_a_server_that_asks_to_wait_is_heard(server: Server, archive: Archive):
    server.paths = {"/1": says(429, Retry_After="17")}

    assert made(archive, f"{server.url}/1") == Trouble("http_429", "HTTP 429", 17.0)


def test_a_cut_file_goes_on_from_where_it_broke_under_the_same_etag(server: Server, archive: Archive):
    def half(handler: BaseHTTPRequestHandler) -> None:
        asked = handler.headers.get("Range")
        if asked is None:
            says(200, MP4[:5000], Content_Length=str(len(MP4)), ETag='"v1"')(handler)
            return
        assert (asked, handler.headers["If-Range"]) == ("bytes=5000-", '"v1"')
        whole = f"bytes 5000-{len(MP4) - 1}/{len(MP4)}"
        says(206, MP4[5000:], ETag='"v1"', Content_Range=whole)(handler)

    server.paths = {"/1": half}

    outcome = made(archive, f"{server.url}/1")

    assert isinstance(outcome, Copied)
    assert (Path(archive._root) / "a.mp4").read_bytes() == MP4
    assert len(server.came) == 2


def test_another_part_than_was_asked_for_is_not_taken(server: Server, archive: Archive):
    def wrong(handler: BaseHTTPRequestHandler) -> None:
        if handler.headers.get("Range") is None:
            says(200, MP4[:5000], Content_Length=str(len(MP4)), ETag='"v1"')(handler)
        else:
            says(206, MP4[100:], ETag='"v1"', Content_Range=f"bytes 100-{len(MP4) - 1}/{len(MP4)}")(handler)

    server.paths = {"/1": wrong}

    outcome = made(archive, f"{server.url}/1")

    assert isinstance(outcome, Trouble)
    assert outcome.code == "wrong_range"
    assert left(archive) == []


def test_a_file_that_trickles_is_ended_by_its_deadline(server: Server, tmp_path: Path):
    def trickle(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Connection", "close")
        handler.end_headers()
        try:
            for at in range(0, len(MP4), 100):
                handler.wfile.write(MP4[at : at + 100])
                threading.Event().wait(0.05)
        except OSError:
            pass
        handler.close_connection = True

    server.paths = {"/1": trickle}
    archive = Archive(str(tmp_path), limits=ArchiveLimits(timeout_s=1))

    outcome = made(archive, f"{server.url}/1")

    assert isinstance(outcome, Trouble)
    assert outcome.code == "too_slow"
    assert left(archive) == []


def test_a_url_that_holds_the_file_is_decoded(archive: Archive):
    assert isinstance(made(archive, "data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///ywAAAAAAQABAAACAUwAOw=="), Copied)
    assert left(archive) == ["a.gif"]
    assert isinstance(made(archive, "data:image/gif;base64,*"), Unfit)


def test_what_nobody_wants_any_more_is_not_written(server: Server, archive: Archive):
    server.paths = {"/1": says(200, MP4)}

    assert copy(source_of(f"{server.url}/1", lambda url: {}, local=True), archive, lambda media: None) == Dropped()
    assert left(archive) == []
