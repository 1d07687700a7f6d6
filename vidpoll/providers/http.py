"""HTTP to a provider: bounded in time and size, and exact about what is known when it goes wrong."""

import json
import logging
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from ssl import SSLCertVerificationError
from typing import Any, Final, TypeVar

import requests
import urllib3
from requests.exceptions import ConnectionError, ConnectTimeout, RequestException, Timeout
from urllib3.exceptions import NameResolutionError, NewConnectionError, ReadTimeoutError

from vidpoll.deadline import WatchedAdapter, deadline
from vidpoll.providers.believing import plausible
from vidpoll.providers.outcomes import FailureClass, Looked, Pending, Unreachable, broken
from vidpoll.providers.quota import Spent, Verb, spent_for

log = logging.getLogger("vidpoll.providers")

#: Seconds to connect, and seconds a provider may stay silent: not of a submit, which may take its whole timeout.
CONNECT_TIMEOUT_S: Final = 5.0
READ_TIMEOUT_S: Final = 20.0
#: Seconds until a whole answer must have come, however busily it trickles: of a check, a cancel or a look-up.
CHECK_DEADLINE_S: Final = 25.0
#: Largest answer read, in bytes.
BODY_LIMIT: Final = 8 * 1024 * 1024
#: Longest pause a ``Retry-After`` can ask for, in seconds, and the pause when it says nothing usable.
RETRY_AFTER_CAP_S: Final = 300.0
RETRY_AFTER_DEFAULT_S: Final = 5.0
#: Statuses of 400 to 499 that do not say that a submit was not taken: 499 is a call cut off on its way (google.rpc).
NO_REFUSAL: Final = frozenset({408, 409, 425, 499})
#: Longest time until the next look that a provider can ask for, in seconds.
POLL_AFTER_CAP_S: Final = 300.0


T = TypeVar("T")
R = TypeVar("R")


class CallFailed(Exception):
    """A call that brought no complete answer.

    Attributes:
        sent: False when the request provably did not reach the provider.
        failure_class: what went wrong.
    """

    def __init__(self, reason: str, *, sent: bool, failure_class: FailureClass = FailureClass.NETWORK) -> None:
        super().__init__(reason)
        self.sent = sent
        self.failure_class = failure_class

    @property
    def unreachable(self) -> Unreachable:
        """The same as an outcome."""
        return Unreachable(str(self), self.failure_class)


@dataclass(frozen=True, slots=True)
class Answer:
    """A complete answer: the HTTP status, the headers in lower case, the body as read."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """The body as JSON; None when it is none (HTML of a gateway, an empty or cut body), or nested without end."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            return None

    def object(self) -> dict[str, Any]:
        """The body as a JSON object; empty when it is none."""
        found = self.json()
        return found if isinstance(found, dict) else {}

    @property
    def date(self) -> datetime | None:
        """The moment of the answer by the provider's clock, to the second; None when it does not tell."""
        return _http_date(self.headers.get("date", ""))

    @property
    def spent_for(self) -> float | None:
        """Seconds until there are calls again, where it says that none are left; a 429 says that in its own way."""
        return None if self.status == 429 else spent_for(self.headers, self.date or datetime.now(UTC))


class Http:
    """Calls to one account: one ``requests.Session`` per thread for checks, a fresh connection for every submit.

    A submit never goes out on a connection that has been idle: a provider that closes it at that very moment would
    leave us with an ambiguous answer, and perhaps with a charge.
    """

    def __init__(self, base_url: str, *, submit_timeout_s: float = 60.0, side_by_side: int = 128) -> None:
        self._base_url = base_url.rstrip("/")
        self._submit_timeout_s = submit_timeout_s
        self._local = threading.local()
        self._spent = Spent()
        self._pool = ThreadPoolExecutor(max_workers=side_by_side, thread_name_prefix="vidpoll-check")

    def check(self, method: str, path: str, headers: Mapping[str, str], body: object = None) -> Answer:
        """A call that may be repeated. Raises CallFailed."""
        answer = _call(self._session(), method, self._base_url + path, headers, body, CHECK_DEADLINE_S)
        self._spent.note("status", answer.spent_for)
        return answer

    def submit(self, path: str, headers: Mapping[str, str], body: object, *, method: str = "POST") -> Answer:
        """The paid call: sent once. Raises CallFailed, whose ``sent`` says whether it can have arrived."""
        with session() as fresh:
            # A vendor may think for long before it answers, and giving up leaves what may be paid for unknown.
            limit_s = self._submit_timeout_s
            answer = _call(fresh, method, self._base_url + path, headers, body, limit_s, silence_s=limit_s)
        self._spent.note("submit", answer.spent_for)
        return answer

    def out_of_quota(self, verb: Verb) -> float | None:
        """Seconds until there are calls of this verb again, where an answer said that none are left; told once."""
        return self._spent.take(verb)

    def side_by_side(self, call: Callable[[T], R], items: Sequence[T]) -> list[R]:
        """``call`` for every item, at the same time when there are several; answers in the items' order."""
        if len(items) == 1:
            return [call(items[0])]
        return list(self._pool.map(call, items))

    def _session(self) -> requests.Session:
        if not hasattr(self._local, "session"):
            self._local.session = session()
        own: requests.Session = self._local.session
        return own


def understood(answer: Answer, read: Callable[[], Looked]) -> Looked:
    """What ``read`` makes of an answer, with the hint in its headers when to look again.

    An answer it stumbles over says nothing of its operation, nor of any other.
    """
    try:
        outcome = plausible(read())
    except Exception as error:
        log.exception("an answer of the provider cannot be read")
        return broken(error)
    return replace(outcome, poll_after_s=poll_after(answer.headers)) if isinstance(outcome, Pending) else outcome


def unusable(answer: Answer, said: str = "") -> Unreachable:
    """An answer that tells nothing of the operation it was asked for, in words; ``said`` is what the vendor said."""
    if answer.status // 100 == 2:
        return Unreachable(f"HTTP {answer.status} with {_shape(answer.body)}", FailureClass.UNREADABLE)
    return Unreachable(f"HTTP {answer.status}: {said}" if said else f"HTTP {answer.status}", FailureClass.SERVER_ERROR)


def _shape(body: bytes) -> str:
    text = body.lstrip()[:1]
    match text:
        case b"":
            return "an empty body"
        case b"<":
            return "HTML in place of JSON"
        case b"{" | b"[":
            return "JSON that is cut short or of another shape"
        case _:
            return "a body that is no JSON"


def retry_after(headers: Mapping[str, str], *, now: datetime | None = None) -> float | None:
    """Seconds a 429 asks to wait: ``retry-after-ms``, or ``Retry-After`` in seconds or as a date (RFC 9110, 10.2.3).

    Else until its quota is reset (``quota.py``). Between 0 and five minutes; None when no header says anything usable.

    Example:
        >>> [retry_after(said) for said in ({"retry-after": "7"}, {"retry-after-ms": "1500"}, {"retry-after": "soon"})]
        [7.0, 1.5, None]
    """
    seconds = _number(headers.get("retry-after-ms"), 1000) or _number(headers.get("retry-after"), 1)
    if seconds is None and "retry-after" in headers:
        seconds = _seconds_until(headers["retry-after"], now or datetime.now(UTC))
    if seconds is None:
        seconds = spent_for(headers, _http_date(headers.get("date", "")) or now or datetime.now(UTC))
    return None if seconds is None else min(max(seconds, 0.0), RETRY_AFTER_CAP_S)


def poll_after(headers: Mapping[str, str]) -> float | None:
    """Seconds after which the provider wants to be asked again: ``openai-poll-after-ms``, which gateways send too.

    Between 0 and five minutes; None when there is no such header or it holds rubbish. Read as openai 2.54.0 names it
    (``resources/videos.py``).

    Example:
        >>> [poll_after({"openai-poll-after-ms": said}) for said in ("2500", "1e12", "soon")]
        [2.5, 300.0, None]
    """
    seconds = _number(headers.get("openai-poll-after-ms"), 1000)
    return None if seconds is None else min(seconds, POLL_AFTER_CAP_S)


def _number(value: str | None, divisor: int) -> float | None:
    try:
        number = float(value or "") / divisor
    except ValueError:
        return None
    return number if 0 <= number < float("inf") else None


def _seconds_until(date: str, now: datetime) -> float | None:
    moment = _http_date(date)
    return None if moment is None else (moment - now).total_seconds()


def _http_date(written: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(written)
    except (ValueError, OverflowError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def session() -> requests.Session:
    """Connections whose calls can be ended, see ``deadline.py``."""
    made = requests.Session()
    # Without one, requests takes a login of ~/.netrc in place of the account's key.
    made.auth = _as_it_is
    for scheme in ("https://", "http://"):
        made.mount(scheme, WatchedAdapter())
    return made


def _as_it_is(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request


def _call(
    own: requests.Session,
    method: str,
    url: str,
    headers: Mapping[str, str],
    body: object,
    deadline_s: float,
    *,
    silence_s: float = READ_TIMEOUT_S,
) -> Answer:
    request = prepared(own, method, url, headers, body)
    options = _options(own, request)
    timeouts = (min(CONNECT_TIMEOUT_S, deadline_s), min(silence_s, deadline_s))
    with deadline(deadline_s) as call:
        try:
            with own.send(request, allow_redirects=False, timeout=timeouts, **options) as response:
                lowered = {name.lower(): value for name, value in response.headers.items()}
                answer = Answer(response.status_code, lowered, _read(response.raw))
        except CallFailed:
            raise
        except Exception as error:
            if call.expired:
                raise _too_slow(deadline_s) from error
            raise CallFailed(_said(error), sent=not _before_sending(error), failure_class=_class(error)) from error
        if call.expired:
            # A shut socket looks like the end of a body whose length nobody announced.
            raise _too_slow(deadline_s)
        return answer


def _too_slow(deadline_s: float) -> CallFailed:
    return CallFailed(f"no complete answer within {deadline_s:g} s", sent=True, failure_class=FailureClass.TOO_SLOW)


def prepared(
    own: requests.Session, method: str, url: str, headers: Mapping[str, str], body: object
) -> requests.PreparedRequest:
    """The request as it lies on the wire; everything that can be wrong with it before it is sent shows here.

    Raises:
        CallFailed: its URL, its headers or its body cannot be sent.
    """
    try:
        for value in headers.values():
            value.encode("latin-1")
        return own.prepare_request(requests.Request(method, url, json=body, headers=dict(headers)))
    except (RequestException, ValueError) as error:
        raise CallFailed(f"{type(error).__name__}: the request cannot be made", sent=False) from error


def _options(own: requests.Session, request: requests.PreparedRequest) -> Any:
    """Proxies and certificates, as the environment has them."""
    try:
        return own.merge_environment_settings(request.url, {}, True, None, None)
    except (RequestException, ValueError) as error:
        raise CallFailed(f"{type(error).__name__}: the request cannot be made", sent=False) from error


def _read(raw: "urllib3.HTTPResponse") -> bytes:
    """The whole body, unless it is too long, unpacked or not; ``read1`` returns with what has come so far."""
    body = bytearray()
    while chunk := raw.read1(65536, decode_content=True):
        body += chunk
        if len(body) > BODY_LIMIT:
            raise CallFailed(
                f"the answer is larger than {BODY_LIMIT} bytes", sent=True, failure_class=FailureClass.TOO_LARGE
            )
    return bytes(body)


def _class(error: Exception) -> FailureClass:
    slow = isinstance(error, Timeout | ReadTimeoutError) and not isinstance(error, ConnectTimeout)
    return FailureClass.TOO_SLOW if slow else FailureClass.NETWORK


def _before_sending(error: Exception) -> bool:
    """Whether the connection was never made, so that nothing can have been sent.

    Of TLS errors only a refused certificate is sure to come before the request; others may come in its answer.
    """
    if isinstance(error, ConnectTimeout):
        return True
    cause = getattr(error.args[0], "reason", None) if isinstance(error, ConnectionError) and error.args else None
    chain = [error, cause, *_causes(error)]
    return any(isinstance(one, NewConnectionError | NameResolutionError | SSLCertVerificationError) for one in chain)


def _causes(error: BaseException) -> Iterator[BaseException]:
    cause = error.__cause__ or error.__context__
    while cause is not None:
        yield cause
        cause = cause.__cause__ or cause.__context__


def _said(error: Exception) -> str:
    """What went wrong in one line without the URL, which may carry a key."""
    cause: Any = error.args[0] if error.args else error
    cause = getattr(cause, "reason", cause)
    name = type(cause if isinstance(cause, Exception) else error).__name__
    return f"{name}: no answer from the provider"
