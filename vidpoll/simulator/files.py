"""The videos and images of finished jobs: one small sample of each under many names, so that results can be seen.

``sample.webm`` (a bouncing ball, 320x180, 3 s, VP9 with a keyframe a second) was drawn with NumPy, encoded with PyAV.
``sample.png`` (a picture of it, 64x36) was written with zlib.
Where every video is to be one of its own, an EBML ``Void`` element follows the sample (RFC 8794, 11.3.2), which players
skip.
"""

import hashlib
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache, lru_cache
from importlib.resources import files
from typing import Final, Literal
from urllib.parse import parse_qs, quote, unquote

from vidpoll.simulator.wire import Call, Reply
from vidpoll.simulator.world import World

PREFIX: Final = "/files/"
What = Literal["video", "image"]
_EXTENSIONS: Final[dict[What, str]] = {"video": "webm", "image": "png"}
_TYPES: Final[dict[What, str]] = {"video": "video/webm", "image": "image/png"}
_RANGE: Final = re.compile(r"bytes=(\d*)-(\d*)")
#: In the query of a URL that ends: until when it is good, Unix seconds.
_UNTIL: Final = "until"
#: Bytes of a huge file.
HUGE: Final = 50_000_000
_HTML: Final = b"<!doctype html><html><body><h1>Please try again later</h1></body></html>" + b" " * 200


def url(world: World, name: str, what: What = "video") -> str:
    """Where the result of this name is found; told anew, it is good anew."""
    ends = f"?{_UNTIL}={world.clock() + world.faults.files_live_s:.3f}" if world.faults.files_live_s else ""
    return f"{world.address}{PREFIX}{quote(name, safe='')}.{_EXTENSIONS[what]}{ends}"


def download(world: World, call: Call) -> Reply:
    """What becomes of a request for a file, which is no vendor's call and needs no key."""
    path, _, query = call.path.partition("?")
    until = parse_qs(query).get(_UNTIL)
    if until and world.clock() > float(until[0]):
        return Reply(403, {"error": "the URL has expired"})
    for fault, instead in _INSTEAD.items():
        if world.strikes(fault):
            return instead()
    reply = answer(
        replace(call, path=path), content(world, unquote(path)), ranges=not world.strikes("files_without_ranges")
    )
    if world.strikes("file_cut"):
        return replace(reply, manner="half_closed")
    if world.strikes("file_overstated"):
        return replace(reply, manner="overstated")
    return replace(reply, bytes_per_s=world.faults.files_bytes_per_s)


def content(world: World, path: str) -> bytes:
    """The bytes of the file at a path."""
    what = _what(path)
    own = world.faults.files_bytes if what == "video" else 0
    return _own(path.removeprefix(PREFIX).removesuffix(".webm"), own) if own else _sample(what)


def _what(path: str) -> What:
    return "image" if path.partition("?")[0].endswith(".png") else "video"


def answer(call: Call, file: bytes | None = None, *, ranges: bool = True) -> Reply:
    """A file, or the part of it that is asked for; the sample, if not given, whatever its name."""
    if call.method not in ("GET", "HEAD"):
        return Reply(405, {"error": "the results can only be read"}, {"Allow": "GET, HEAD"})
    what = _what(call.path)
    file, content_type = _sample(what) if file is None else file, _TYPES[what]
    headers = {"Accept-Ranges": "bytes", "ETag": _etag(file)} if ranges else {}
    asked = _RANGE.fullmatch(call.headers.get("range", "")) if ranges else None
    is_same = call.headers.get("if-range", _etag(file)) == _etag(file)
    if asked is None or not any(asked.groups()) or not is_same:
        return Reply(200, headers=headers, content_type=content_type, raw=file)
    first, last = _bounds(asked[1], asked[2], len(file))
    if first > last:
        return Reply(
            416, headers={**headers, "Content-Range": f"bytes */{len(file)}"}, content_type=content_type, raw=b""
        )
    headers["Content-Range"] = f"bytes {first}-{last}/{len(file)}"
    return Reply(206, headers=headers, content_type=content_type, raw=file[first : last + 1])


def _bounds(first: str, last: str, length: int) -> tuple[int, int]:
    """First and last byte of ``first-``, ``first-last`` and ``-how_many``; the first is greater when there are none."""
    if not first:
        return max(0, length - int(last)), length - 1
    return int(first), min(int(last or length), length - 1)


def _huge() -> Iterator[bytes]:
    yield _sample("video")
    for _ in range(HUGE // 100_000):
        yield bytes(100_000)


_INSTEAD: Final[dict[str, Callable[[], Reply]]] = {
    "file_500": lambda: Reply(503, {"error": "try again later"}),
    "file_html": lambda: Reply(200, raw=_HTML, content_type="text/html; charset=utf-8"),
    "file_json": lambda: Reply(200, {"error": "try again later", "padding": " " * 200}),
    "file_huge": lambda: Reply(200, chunks=_huge, content_type=_TYPES["video"]),
}


@lru_cache(maxsize=256)
def _own(name: str, length: int) -> bytes:
    """The sample and a Void element of bytes that only this name has, with a size of eight bytes."""
    rest = max(64, length - len(_sample("video")) - 9)
    noise = hashlib.shake_128(name.encode()).digest(rest)
    return _sample("video") + b"\xec\x01" + rest.to_bytes(7, "big") + noise


@lru_cache(maxsize=256)
def _etag(video: bytes) -> str:
    return f'"{hashlib.sha256(video).hexdigest()[:32]}"'


@cache
def _sample(what: What) -> bytes:
    return files("vidpoll.simulator").joinpath(f"sample.{_EXTENSIONS[what]}").read_bytes()
