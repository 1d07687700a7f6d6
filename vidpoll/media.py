"""What a result is, a video or an image, and its content type: as its provider says, else by its address. Pure."""

from dataclasses import dataclass
from typing import Final, Literal
from urllib.parse import urlsplit

#: Content types by the extension of an address.
_BY_EXTENSION: Final = {
    "avif": "image/avif", "gif": "image/gif", "jpeg": "image/jpeg", "jpg": "image/jpeg", "png": "image/png",
    "svg": "image/svg+xml", "webp": "image/webp",
    "m4v": "video/mp4", "mkv": "video/x-matroska", "mov": "video/quicktime", "mp4": "video/mp4", "webm": "video/webm",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Image:
    """An image as it stands in ``generations.result``."""

    url: str
    content_type: str | None = None


@dataclass(frozen=True, slots=True)
class Media:
    """One result.

    Attributes:
        content_type: None when neither its provider nor its address says.
    """

    url: str
    kind: Literal["video", "image"]
    content_type: str | None = None

    @classmethod
    def of(cls, url: str, told: object = None, *, asked: str = "video") -> "Media":
        """The result at ``url``: of the content type its provider ``told``, else that of its address.

        Where neither says whether it is an image, what was ``asked`` for does.

        Example:
            >>> Media.of("https://v/1.PNG?sig=x")
            Media(url='https://v/1.PNG?sig=x', kind='image', content_type='image/png')
            >>> Media.of("https://v/1", "video/mp4; codecs=avc1").content_type
            'video/mp4'
        """
        content_type = _said(told) or content_type_of(url)
        is_image = content_type.startswith("image/") if content_type else asked == "image"
        return cls(url, "image" if is_image else "video", content_type)


def content_type_of(url: str) -> str | None:
    """The content type an address speaks of by its extension, if it does.

    Example:
        >>> content_type_of("https://v/a.b/clip.mp4?x=1#t"), content_type_of("https://v/content")
        ('video/mp4', None)
    """
    name = urlsplit(url).path.rpartition("/")[2]
    return _BY_EXTENSION.get(name.rpartition(".")[2].lower()) if "." in name else None


def _said(told: object) -> str | None:
    """What a provider says, where it says that it is a video or an image."""
    word = told.partition(";")[0].strip().lower() if isinstance(told, str) else ""
    return word if word.startswith(("image/", "video/")) and len(word) <= 100 else None
