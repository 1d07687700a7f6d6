"""What the result of a generation is made of, and where it can be fetched."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from vidpoll.generation import Generation
from vidpoll.media import Media


def files_of(result: Mapping[str, Any]) -> list[Media]:
    """All files of ``generations.result``: the videos, then the images.

    Example:
        >>> [file.kind for file in files_of({"videos": ["https://v/1"], "images": [{"url": "https://v/2.png"}]})]
        ['video', 'image']
    """
    first = result.get("content_type")
    videos = [
        Media(str(url), "video", None if place else first) for place, url in enumerate(result.get("videos") or ())
    ]
    images = [Media(str(one["url"]), "image", one.get("content_type")) for one in result.get("images") or ()]
    return videos + images


def address_of(generation: Generation) -> str | None:
    """The address of its first result; None when there is none, or none that still works.

    ``expires_at`` in the result, a moment in ISO 8601 with its zone, is until when the provider's address works.
    """
    expires_at = (generation.result or {}).get("expires_at")
    return None if _has_passed(generation, expires_at) else generation.video_url


def first_result(generation: Generation) -> Media | None:
    """Its first result, as far as it can still be fetched."""
    url = address_of(generation)
    if url is None:
        return None
    result = generation.result or {}
    asked = "video" if result.get("videos") else "image"
    return Media.of(url, result.get("content_type"), asked=asked)


def _has_passed(generation: Generation, moment: object) -> bool:
    try:
        return isinstance(moment, str) and generation.past(datetime.fromisoformat(moment))
    except (ValueError, TypeError):  # no moment, or one without its zone
        return False
