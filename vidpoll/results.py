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
    ends_at = moment_of((generation.result or {}).get("expires_at"))
    return None if generation.past(ends_at) else generation.video_url


def first_result(generation: Generation) -> Media | None:
    """Its first result, as far as it can still be fetched."""
    url = address_of(generation)
    return None if url is None else at(generation, url)


def at(generation: Generation, url: str) -> Media:
    """Its first result, at this address."""
    result = generation.result or {}
    asked = "video" if result.get("videos") else "image"
    return Media.of(url, result.get("content_type"), asked=asked)


def moment_of(told: object) -> datetime | None:
    """A moment in ISO 8601 with its zone; None for anything else.

    Example:
        >>> moment_of("2026-03-01T12:00:00Z").isoformat(), moment_of("2026-03-01T12:00:00")
        ('2026-03-01T12:00:00+00:00', None)
    """
    try:
        found = datetime.fromisoformat(told) if isinstance(told, str) else None
    except ValueError:
        return None
    return found if found and found.tzinfo else None
