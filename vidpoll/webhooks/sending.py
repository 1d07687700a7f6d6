"""One POST to an endpoint, and what came of it, as a value. Nothing is raised, nothing followed, little read."""

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

import requests

from vidpoll.deadline import deadline
from vidpoll.public_http import NotPublic, session
from vidpoll.redact import redacted

log = logging.getLogger("vidpoll.webhooks")

#: Seconds to connect, and seconds for all of a try.
CONNECT_S: Final = 5.0
TRY_S: Final = 15.0
#: Characters that are kept of an answer, and bytes that are read of it.
ANSWER_CHARS: Final = 200
_ANSWER_BYTES: Final = 1024
_USER_AGENT: Final = "vidpoll-webhooks/1"
_TOO_LATE: Final = f"no answer within {TRY_S:g} s"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a try. The subclasses say what is to be done about it.

    Attributes:
        status: the HTTP status; None where there was no answer.
        words: what the endpoint said, or why there was no answer; at most ANSWER_CHARS characters.
    """

    status: int | None = None
    words: str = ""


@dataclass(frozen=True, slots=True)
class Delivered(Outcome):
    """2xx: the endpoint has it."""


@dataclass(frozen=True, slots=True)
class Gone(Outcome):
    """410: the endpoint wants nothing more."""


@dataclass(frozen=True, slots=True)
class Refused(Outcome):
    """Any other answer, redirects included.

    Attributes:
        wait_s: seconds the endpoint asked us to wait (429 and 503 with Retry-After).
    """

    wait_s: float | None = None


@dataclass(frozen=True, slots=True)
class Unreachable(Outcome):
    """No answer within the time, or an address that must not be connected to."""


Http = Callable[[], requests.Session]


def send(url: str, body: str, signed: Mapping[str, str], *, local: bool, http: Http | None = None) -> Outcome:
    """POST ``body``, with the headers that sign it.

    Args:
        local: this machine may be reached, and http is allowed.
        http: makes the session, in place of one that connects to public addresses only.

    Example::

        match send("https://example.com/hook", body, headers(body, "evt_1", now, keys), local=False):
            case Delivered(): ...
    """
    if not local and not url.startswith("https://"):
        return Unreachable(words="only https:// is sent to; see VIDPOLL_WEBHOOKS_LOCAL")
    own = {"Content-Type": "application/json", "User-Agent": _USER_AGENT, "Accept-Encoding": "identity"}
    make = http or (lambda: session(local=local))
    with make() as one, deadline(TRY_S) as call:
        try:
            answer = one.post(
                url, data=body.encode(), headers={**own, **signed}, timeout=(CONNECT_S, TRY_S),
                allow_redirects=False, stream=True,
            )  # fmt: skip
            with answer:
                return _outcome(answer)
        except NotPublic as error:
            return Unreachable(words=_short(str(error)))
        except (requests.RequestException, OSError, ValueError) as error:
            return Unreachable(words=_TOO_LATE if call.expired else _reason(error))
        except Exception as error:  # whatever the other side did, the rest goes on
            log.exception("a webhook's answer cannot be read")
            return Unreachable(words=type(error).__name__)


def _outcome(answer: requests.Response) -> Outcome:
    status = answer.status_code
    if 200 <= status < 300:
        return Delivered(status)
    words = _said(answer)
    if status == 410:
        return Gone(status, words)
    wait_s = _retry_after_s(answer.headers.get("Retry-After")) if status in (429, 503) else None
    return Refused(status, words, wait_s)


def _said(answer: requests.Response) -> str:
    """The beginning of the answer, as far as it comes; what is not text is replaced."""
    try:
        said = answer.raw.read(_ANSWER_BYTES, decode_content=False)
    except Exception:  # the status is what counts
        return ""
    return _short(said.decode("utf-8", errors="replace"))


def _reason(error: Exception) -> str:
    """Which kind of failure; the words of ``requests`` name hosts and objects, and are of no use to anybody."""
    match error:
        case requests.exceptions.SSLError():
            return "its certificate is not accepted"
        case requests.exceptions.ConnectTimeout():
            return f"no connection within {CONNECT_S:g} s"
        case requests.exceptions.Timeout() | TimeoutError():
            return _TOO_LATE
        case requests.exceptions.ConnectionError() if "NameResolution" in str(error):
            return "its name has no address"
        case requests.exceptions.ConnectionError():
            return "no connection, or it broke before the answer"
        case _:
            return type(error).__name__


def _short(text: str) -> str:
    """One line of printable characters, without secrets."""
    line = " ".join("".join(one if one.isprintable() else " " for one in text).split())
    return redacted(line)[:ANSWER_CHARS]


def _retry_after_s(said: str | None) -> float | None:
    """Seconds, or an HTTP date (RFC 9110, 10.2.3); None when it cannot be read.

    Example:
        >>> _retry_after_s("120"), _retry_after_s("soon"), _retry_after_s("Sat, 21 Nov 2020 10:00:00 GMT")
        (120.0, None, 0.0)
    """
    text = (said or "").strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        at = parsedate_to_datetime(text)
    except (ValueError, TypeError):
        return None
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    return max(0.0, at.timestamp() - time.time())


def now() -> datetime:
    """The moment of a try, which is signed; by this machine's clock, as receivers compare it with theirs."""
    return datetime.now(UTC)
