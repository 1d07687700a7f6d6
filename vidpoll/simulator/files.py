"""The videos of finished jobs: one small sample under many names, so that a result can be played.

``sample.webm`` (a bouncing ball, 320x180, 3 s, VP9 with a keyframe a second) was drawn with NumPy, encoded with PyAV.
"""

import re
from functools import cache
from importlib.resources import files
from typing import Final
from urllib.parse import quote

from vidpoll.simulator.wire import Call, Reply
from vidpoll.simulator.world import World

PREFIX: Final = "/files/"
_TYPE: Final = "video/webm"
_RANGE: Final = re.compile(r"bytes=(\d*)-(\d*)")


def url(world: World, name: str) -> str:
    """Where the video of this name is found."""
    return f"{world.address}{PREFIX}{quote(name, safe='')}.webm"


def answer(call: Call) -> Reply:
    """The sample, or the part of it that is asked for, whatever its name. It needs no key and is no vendor's call."""
    if call.method not in ("GET", "HEAD"):
        return Reply(405, {"error": "the videos can only be read"}, {"Allow": "GET, HEAD"})
    video = _sample()
    headers = {"Accept-Ranges": "bytes"}
    asked = _RANGE.fullmatch(call.headers.get("range", ""))
    if asked is None or not any(asked.groups()):
        return Reply(200, headers=headers, content_type=_TYPE, raw=video)
    first, last = _bounds(asked[1], asked[2], len(video))
    if first > last:
        return Reply(416, headers={**headers, "Content-Range": f"bytes */{len(video)}"}, content_type=_TYPE, raw=b"")
    headers["Content-Range"] = f"bytes {first}-{last}/{len(video)}"
    return Reply(206, headers=headers, content_type=_TYPE, raw=video[first : last + 1])


def _bounds(first: str, last: str, length: int) -> tuple[int, int]:
    """First and last byte of ``first-``, ``first-last`` and ``-how_many``; the first is greater when there are none."""
    if not first:
        return max(0, length - int(last)), length - 1
    return int(first), min(int(last or length), length - 1)


@cache
def _sample() -> bytes:
    return files("vidpoll.simulator").joinpath("sample.webm").read_bytes()
