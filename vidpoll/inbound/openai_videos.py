"""Webhooks in OpenAI's format: an event that names a video, signed as Standard Webhooks are.

Source: openai 2.54.0 (``resources/webhooks/webhooks.py``, the last release that knew the events of videos). A person
registers the address at the vendor, so it names no generation.
"""

from typing import Final

from vidpoll.inbound.base import Post, Rejected, Verdict, verdict
from vidpoll.inbound.standard import signed

_ENDED: Final = frozenset({"video.completed", "video.failed"})


def verify(post: Post, secret: str) -> Verdict:
    """Whether it was signed with the secret of the endpoint."""
    id = signed(post, secret)
    if isinstance(id, Rejected):
        return id
    event = post.said()
    data = event.get("data")
    return verdict(data.get("id") if isinstance(data, dict) else None, id, ended=event.get("type") in _ENDED)
