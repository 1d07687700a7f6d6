"""What a file is, by its first bytes: what a server says of it may be wrong, and an error page is no video. Pure.

Sources: WHATWG MIME Sniffing; ISO/IEC 14496-12 (``ftyp``), the QuickTime File Format, RFC 9559 (Matroska), RFC 9649
(WebP).
"""

from dataclasses import dataclass
from typing import Final

#: Bytes that are enough to tell.
HEAD: Final = 64
#: Types of headers that nobody gives a video or an image, but for an error that is served with status 200.
_PAGES: Final = frozenset({"text/html", "application/json", "application/problem+json", "application/xhtml+xml"})
#: Boxes an old QuickTime file may begin with, in place of ``ftyp``.
_OLD_BOXES: Final = frozenset({b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot"})


@dataclass(frozen=True, slots=True)
class Media:
    """A kind of file.

    Attributes:
        kind: ``video`` or ``image``.
        extension: of its name, without the dot.
    """

    content_type: str
    extension: str

    @property
    def kind(self) -> str:
        """``video`` or ``image``."""
        return self.content_type.partition("/")[0]


_MP4: Final = Media("video/mp4", "mp4")
_MOV: Final = Media("video/quicktime", "mov")
_WEBM: Final = Media("video/webm", "webm")
_MATROSKA: Final = Media("video/x-matroska", "mkv")
_PNG: Final = Media("image/png", "png")
_JPEG: Final = Media("image/jpeg", "jpg")
_GIF: Final = Media("image/gif", "gif")
_WEBP: Final = Media("image/webp", "webp")
_AVIF: Final = Media("image/avif", "avif")


def media_of(head: bytes) -> Media | None:
    r"""What begins with these bytes; None for anything that is no video and no image.

    Example:
        >>> media_of(b"\x00\x00\x00\x20ftypisom").extension, media_of(b"<html><body>")
        ('mp4', None)
    """
    box = head[4:8]
    match head:
        case _ if box == b"ftyp":
            return {b"qt  ": _MOV, b"avif": _AVIF, b"avis": _AVIF}.get(head[8:12], _MP4)
        case _ if box in _OLD_BOXES:
            return _MOV
        case _ if head.startswith(b"\x1aE\xdf\xa3"):
            return _MATROSKA if b"matroska" in head[:HEAD] else _WEBM
        case _ if head.startswith(b"\x89PNG\r\n\x1a\n"):
            return _PNG
        case _ if head.startswith(b"\xff\xd8\xff"):
            return _JPEG
        case _ if head.startswith((b"GIF87a", b"GIF89a")):
            return _GIF
        case _ if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
            return _WEBP
        case _:
            return None


def problem(told: str | None, head: bytes) -> str | None:
    """Why a file that a server calls ``told``, and that begins so, is none to keep; None if it is one.

    Example:
        >>> problem("text/html; charset=utf-8", b"<html>")
        'the server sent text/html in place of a video or an image'
        >>> problem("application/octet-stream", b"GIF89a")
    """
    word = (told or "").partition(";")[0].strip().lower()
    found = media_of(head)
    if word in _PAGES:
        return f"the server sent {word} in place of a video or an image"
    if found is None:
        return f"what came{f' as {word[:60]}' if word else ''} begins like no video and no image that is known"
    family = word.partition("/")[0]
    if family in ("video", "image", "audio") and family != found.kind:
        return f"the server calls it {word[:60]}, and it begins like {found.content_type}"
    return None
