"""Keeps secrets out of texts: the keys that were used in this process, and what signs a URL.

:func:`redacted` is for logs and for what providers say: vendors do echo the key they refuse. :func:`without_keys` is
for what must stay usable, such as a video's signed URL.
"""

import json
import re
from collections.abc import Mapping
from threading import Lock
from typing import Final
from urllib.parse import quote

HIDDEN: Final = "[redacted]"
#: Shorter values are no secrets, and would strike words.
SHORTEST: Final = 8
#: Values remembered: keys are rotated, and an old one may be echoed too.
MOST: Final = 500

#: Headers that authorise a call; an idempotency key does not, it is an id of ours.
_HEADER: Final = re.compile(r"auth|(?<!idempotency-)key|token|secret|cookie|signature", re.IGNORECASE)
#: Names that sign or authorise, or the last part of one: ``X-Amz-Signature``, ``sig``, ``api_key``, ``Key-Pair-Id``.
_SIGNS: Final = (
    r"\w{0,64}signature|sig|\w{0,64}token|credential|hmac|jwt|policy|secret|password|passwd|auth|authorization|hdn\w{0,64}"
    r"|(?:api|access|secret|private|subscription)?[-_]?key(?:[-_]pair)?(?:[-_]id)?"
)
#: A parameter of a URL, also of one that is part of JSON, of HTML or of another URL.
_PARAMETER: Final = re.compile(
    rf"((?:[?&#;]|\\u0026|%26|%3F)(?:amp;)?(?:[\w.-]{{0,64}}[-_.])?(?:{_SIGNS})(?:=|%3D))[^\s&#;\"'<>\\)\]}}]+",
    re.IGNORECASE,
)
#: The name of a field that holds a secret; an idempotency key is an id.
_SECRET_NAME: Final = re.compile(rf"(?!idempotency)(?:[\w.-]{{0,64}}[-_.])?(?:{_SIGNS})", re.IGNORECASE)
_CREDENTIALS: Final = re.compile(r"(?<=://)[^\s/@\"'<>?#]*@")
_BEARER: Final = re.compile(r"\b(bearer\s+)[\w.~+/=-]{16,}", re.IGNORECASE)
_OUR_KEY: Final = re.compile(r"\bvp_[0-9a-zA-Z]+_[\w-]{16,}|\bwhsec_[\w+/=-]{16,}")


class Secrets:
    """Values that must not be shown, as they come to be used. Safe to share between threads."""

    def __init__(self) -> None:
        self._forms: dict[str, tuple[str, ...]] = {}
        self._lock = Lock()

    def add(self, value: str) -> None:
        """Remember a value, in each of the forms a text may have it in."""
        if len(value) < SHORTEST or value in self._forms:
            return
        forms = {value, quote(value), quote(value, safe=""), json.dumps(value)[1:-1], repr(value)[1:-1]}
        with self._lock:
            self._forms = {**dict(list(self._forms.items())[-MOST + 1 :]), value: tuple(forms)}

    def hidden(self, text: str) -> str:
        """The text without them."""
        for value, forms in self._forms.items():
            if any(form in text for form in forms):
                for form in sorted({value, *forms}, key=len, reverse=True):
                    text = text.replace(form, HIDDEN)
        return text


#: Those of this process: an account's key is added when it is read, what an adapter makes of it when it is sent.
SECRETS: Final = Secrets()


def without_keys(text: str) -> str:
    """The text without the keys that were used in this process; everything else as it is."""
    return SECRETS.hidden(text)


def redacted(text: str) -> str:
    """The text without keys, without credentials in URLs, and without what signs a URL.

    Example:
        >>> redacted("see https://cdn.example/v.mp4?X-Amz-Date=20261121T100000Z&X-Amz-Signature=5f3a")
        'see https://cdn.example/v.mp4?X-Amz-Date=20261121T100000Z&X-Amz-Signature=[redacted]'
        >>> redacted("postgresql://vidpoll:hunter2@db.example/vidpoll")
        'postgresql://[redacted]@db.example/vidpoll'
    """
    text = without_keys(text)
    text = _PARAMETER.sub(rf"\1{HIDDEN}", text)
    text = _CREDENTIALS.sub(f"{HIDDEN}@", text)
    text = _BEARER.sub(rf"\1{HIDDEN}", text)
    return _OUR_KEY.sub(HIDDEN, text)


def is_secret(name: str) -> bool:
    """Whether a field of this name holds a secret, as far as names tell.

    Example:
        >>> [name for name in ("api_key", "idempotency_key", "accessToken", "keyframes") if is_secret(name)]
        ['api_key', 'accessToken']
    """
    return _SECRET_NAME.fullmatch(name) is not None


def headers_shown(headers: Mapping[str, str]) -> dict[str, str]:
    """Headers as they may be shown: of those that authorise, the scheme only.

    Example:
        >>> headers_shown({"Authorization": "Bearer abc", "x-goog-api-key": "abc", "Accept": "*/*"})
        {'Authorization': 'Bearer [redacted]', 'x-goog-api-key': '[redacted]', 'Accept': '*/*'}
    """
    return {name: _shown(value) if _HEADER.search(name) else redacted(value) for name, value in headers.items()}


def learn(headers: Mapping[str, str]) -> None:
    """Remember what authorises a call, in :data:`SECRETS`."""
    for name, value in headers.items():
        if _HEADER.search(name):
            SECRETS.add(value.rpartition(" ")[2])


def _shown(value: str) -> str:
    scheme, space, _ = value.rpartition(" ")
    return f"{scheme}{space}{HIDDEN}"
