"""What makes a message one of Celery's; a worker would end at anything else."""

import json
from collections.abc import Mapping
from typing import Any, Final

_JSON: Final = "application/json"
#: Kombu trusts these, and hands their bytes on as they are. Every other content type is refused by Celery itself.
_RAW: Final = frozenset({None, "", "application/data", "application/text"})


def is_task(headers: Mapping[str, Any], content_type: object, body: str | bytes) -> bool:
    """Whether it names a task and an id, and its body is ``[args, kwargs, embed]``; raises anything when it is junk.

    Protocol 1 has all of it in the body.
    """
    if content_type in _RAW:
        return False
    found: Any = json.loads(body) if content_type == _JSON else [[], {}, None]
    named = headers
    if isinstance(found, dict):
        named, args, kwargs = found, found.get("args", []), found.get("kwargs", {})
    else:
        args, kwargs, _ = found
    return (
        isinstance(named["task"], str)
        and isinstance(named["id"], str)
        and isinstance(args, list)
        and isinstance(kwargs, dict)
    )
