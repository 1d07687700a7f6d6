"""Requests from a JSON Lines file: one object a line, broken lines named by their number, the others read."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vidpoll.errors import InvalidRequest, NotConfigured
from vidpoll.generation import GenerationRequest


def read_requests(
    path: Path, defaults: Mapping[str, Any] | None = None
) -> tuple[list[tuple[int, GenerationRequest]], dict[int, InvalidRequest]]:
    """The requests with their line numbers, and what is wrong with the other lines, by number. Empty lines are skipped.

    Raises:
        NotConfigured: the file cannot be read.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise NotConfigured(f"cannot read {path}: {error}") from None
    requests, broken = [], {}
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            requests.append((number, GenerationRequest.checked({**(defaults or {}), **_object(line)})))
        except InvalidRequest as error:
            broken[number] = error
    if not requests and not broken:
        raise NotConfigured(f"{path} holds no request; write one JSON object a line")
    return requests, broken


def _object(line: str) -> dict[str, Any]:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise InvalidRequest([f"not valid JSON: {error}"]) from None
    if not isinstance(found, dict):
        raise InvalidRequest([f"must be a JSON object: {{…}}, not {line.strip()[:20]}"])
    return found
