"""Webhooks that nobody signs: Runware's, Luma's, Kling's. They are known by the address they come to, and only by it.

Runware's page on webhooks says so itself: what authenticates goes into the URL. Sources: that page; lumaai 1.21.0
(``types/generation.py``); Kling's page "Callback Protocol", whose body is the task, without the envelope of an answer.
What an answer looks like is accepted in either place.
"""

from typing import Any, Final

from vidpoll.inbound.base import Post, Verdict, verdict

_LUMA_ENDED: Final = frozenset({"completed", "failed"})
_KLING_ENDED: Final = frozenset({"succeed", "failed"})


def runware(post: Post) -> Verdict:
    """A task's response, of one result at a time: it has ended, well or not."""
    said = post.said()
    items = [one for name in ("data", "errors") for one in _dicts(said.get(name))] or [said]
    task_uuid = next((one["taskUUID"] for one in items if isinstance(one.get("taskUUID"), str)), None)
    return verdict(task_uuid, post.digest, ended=all(one.get("status") != "processing" for one in items))


def luma(post: Post) -> Verdict:
    """A generation as it is."""
    generation = post.said()
    return verdict(generation.get("id"), post.digest, ended=generation.get("state") in _LUMA_ENDED)


def kling(post: Post) -> Verdict:
    """A task as it is."""
    said = post.said()
    inside = said.get("data")
    task = inside if isinstance(inside, dict) else said
    return verdict(task.get("task_id"), post.digest, ended=task.get("task_status") in _KLING_ENDED)


def _dicts(value: Any) -> list[dict[str, Any]]:
    found = value if isinstance(value, list) else [value]
    return [one for one in found if isinstance(one, dict)]
