"""Where a file comes from: a URL over HTTP, a URL that holds the file itself, or a bucket of the vendor's.

Addresses are a provider's word, so they are called like any foreign address (``public_http.py``): public ones only, and
each redirect is an address of its own. A connection that was cut is taken up where it broke, where the server can.

Sources: RFC 9110 (ranges, ``If-Range``, redirects), RFC 2397 (``data:``).
"""

import base64
import binascii
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Final, Protocol
from urllib.parse import unquote_to_bytes, urljoin, urlsplit

import requests
from requests.exceptions import RequestException
from urllib3.exceptions import HTTPError

from vidpoll.archive.outcomes import Gone, Stopped, Trouble, Unfit
from vidpoll.public_http import NotPublic, session

#: Seconds to connect, and seconds a server may stay silent.
CONNECT_TIMEOUT_S: Final = 5.0
READ_TIMEOUT_S: Final = 20.0
#: Redirects that are followed, one after the other.
MOST_REDIRECTS: Final = 3
#: Bytes read at once.
CHUNK: Final = 256 * 1024
#: Statuses of a file that its server does not give, or no longer: another URL of it may work.
GONE: Final = frozenset({401, 403, 404, 410})
#: Longest wait a server can ask for, seconds.
RETRY_AFTER_CAP_S: Final = 600.0
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_RANGE: Final = re.compile(r"bytes (\d+)-(\d+)/(\d+)")
_DATA: Final = re.compile(r"data:([^,;]*)((?:;[^,;]*)*),", re.IGNORECASE)

#: Buckets that vendors write to, and what reads them. Nothing else: fsspec would read this machine's files too.
_BUCKETS: Final = {"gs": "gcsfs"}

#: What is to be sent along to a URL, as its vendor wants it; nothing to anybody else.
Headers = Callable[[str], Mapping[str, str]]


class Cut(Exception):
    """The bytes ended before their time."""


@dataclass(frozen=True, slots=True)
class Part:
    """An answer that holds the file, or the rest of it.

    Attributes:
        start: which byte of the file comes first.
        total: bytes of the whole file; None where nobody tells.
        content_type: as its server calls it.
        validator: tells this file from another under the same URL; None where there is nothing to go by.
        chunks: the bytes; raises Cut where they end too soon.
    """

    start: int
    total: int | None
    content_type: str | None
    validator: str | None
    chunks: Iterator[bytes]


class Source(Protocol):
    """A file somewhere else."""

    def part(self, at: int, validator: str | None) -> Any:
        """A context with a :class:`Part`: from the byte ``at`` on if it can be had so, else from the beginning.

        Raises Stopped where there is none, Cut where the connection broke.
        """


def source_of(url: str, headers: Headers, *, local: bool) -> Source:
    """The source of a URL.

    Args:
        headers: what is to be sent along.
        local: this machine may be called: the simulator's.

    Raises:
        Stopped: nothing can be fetched from there.
    """
    try:
        scheme = urlsplit(url).scheme.lower()
    except ValueError:
        scheme = ""
    if scheme in ("http", "https"):
        return OverHttp(url, headers, local=local)
    if scheme == "data":
        return InItself(url)
    if scheme in _BUCKETS and "::" not in url:  # fsspec reads what follows as another URL, of any kind
        return InBucket(url, scheme)
    raise Stopped(Unfit("no_address", "its address is none that is called: neither https, http, data nor gs"))


class OverHttp:
    """A file that a server gives."""

    def __init__(self, url: str, headers: Headers, *, local: bool) -> None:
        self._url, self._headers, self._local = url, headers, local

    @contextmanager
    def part(self, at: int, validator: str | None) -> Iterator[Part]:
        """One GET, and up to three redirects."""
        # Lengths and ranges are those of the file only while nobody packs it.
        wanted = {"Accept-Encoding": "identity", "Accept": "video/*, image/*;q=0.9, */*;q=0.5"}
        if at and validator:
            wanted |= {"Range": f"bytes={at}-", "If-Range": validator}
        with session(local=self._local) as http:
            try:
                with self._answered(http, wanted) as answer:
                    yield _part(answer, at)
            except (RequestException, HTTPError, OSError) as error:
                raise _failed(error) from error

    @contextmanager
    def _answered(self, http: requests.Session, wanted: Mapping[str, str]) -> Iterator[requests.Response]:
        """The answer that is no redirect. What a vendor wants sent along is sent to the vendor alone."""
        url, timeouts = self._url, (CONNECT_TIMEOUT_S, READ_TIMEOUT_S)
        for _ in range(MOST_REDIRECTS + 1):
            headers = {**wanted, **self._headers(url)}
            with http.get(url, headers=headers, stream=True, allow_redirects=False, timeout=timeouts) as answer:
                if answer.status_code not in _REDIRECTS:
                    yield answer
                    return
                url = urljoin(url, answer.headers.get("Location", ""))
        raise Stopped(Unfit("redirects", f"more than {MOST_REDIRECTS} redirects, one after the other"))


def _part(answer: requests.Response, at: int) -> Part:
    status, headers = answer.status_code, answer.headers
    if status in GONE:
        raise Stopped(Gone(status))
    if status == 416 and at:
        raise Cut("the server has no more of it than came")
    if status not in (200, 206):
        raise Stopped(Trouble(f"http_{status}", f"HTTP {status}", _retry_after_s(headers)))
    kind, validator = headers.get("Content-Type"), _validator(headers)
    if status == 200:
        total = _length(headers)
        return Part(0, total, kind, validator, _chunks(answer, total))
    told = _RANGE.fullmatch(headers.get("Content-Range", ""))
    if not told or int(told[1]) != at or int(told[2]) + 1 != int(told[3]):
        raise Stopped(Trouble("wrong_range", "the server sent another part of it than was asked for"))
    return Part(at, int(told[3]), kind, validator, _chunks(answer, int(told[3]) - at))


def _chunks(answer: requests.Response, expected: int | None) -> Iterator[bytes]:
    """What comes, up to what was announced."""
    came = 0
    while chunk := answer.raw.read1(CHUNK, decode_content=False):
        came += len(chunk)
        yield chunk
    if expected is not None and came < expected:
        raise Cut(f"{came} bytes came of {expected}")


def _validator(headers: Mapping[str, str]) -> str | None:
    """A strong ETag, else the date of the last change: what ``If-Range`` takes (RFC 9110, 13.1.5)."""
    etag = headers.get("ETag", "")
    return etag if etag.startswith('"') else headers.get("Last-Modified") or None


def _length(headers: Mapping[str, str]) -> int | None:
    told = headers.get("Content-Length", "")
    return int(told) if told.isdigit() else None


def _retry_after_s(headers: Mapping[str, str]) -> float | None:
    told = headers.get("Retry-After", "")
    return min(float(told), RETRY_AFTER_CAP_S) if told.isdigit() else None


def _failed(error: Exception) -> Exception:
    """A refused address ends it; anything else is a connection that broke. No URL in its words: it may be signed."""
    if isinstance(error, NotPublic):
        return Stopped(Unfit("not_public", str(error)))
    if isinstance(error, requests.exceptions.InvalidURL | requests.exceptions.InvalidSchema):
        return Stopped(Unfit("no_address", f"{type(error).__name__}: the address cannot be called"))
    cause: Any = error.args[0] if error.args else error
    cause = getattr(cause, "reason", cause)
    return Cut(type(cause if isinstance(cause, Exception) else error).__name__)


class InItself:
    """A URL that holds the file: ``data:video/mp4;base64,…``."""

    def __init__(self, url: str) -> None:
        self._url = url

    @contextmanager
    def part(self, at: int, validator: str | None) -> Iterator[Part]:
        """All of it."""
        head = _DATA.match(self._url)
        if head is None:
            raise Stopped(Unfit("no_address", "the data: URL has no data"))
        try:
            data = unquote_to_bytes(self._url[head.end() :])
            if head[2].lower().endswith(";base64"):
                data = base64.b64decode(data, validate=True)
        except (ValueError, binascii.Error):
            raise Stopped(Unfit("no_address", "the data: URL cannot be decoded")) from None
        yield Part(0, len(data), head[1] or None, None, iter([data]))


class InBucket:
    """A file in a bucket that its vendor wrote to, read by fsspec with what credentials this machine has."""

    def __init__(self, url: str, scheme: str) -> None:
        self._url, self._scheme = url, scheme

    @contextmanager
    def part(self, at: int, validator: str | None) -> Iterator[Part]:
        """All of it."""
        try:
            fs, path = import_module("fsspec").core.url_to_fs(self._url)
        except (ImportError, ValueError) as error:
            words = f"{self._scheme}:// is read with {_BUCKETS[self._scheme]}, which is not there: {str(error)[:200]}"
            raise Stopped(Unfit("no_library", words)) from None
        with _readable(fs, path) as (file, total):
            yield Part(0, total, None, None, _blocks(file))


@contextmanager
def _readable(fs: Any, path: str) -> Iterator[tuple[Any, int]]:
    """An open file and its size. There are many file systems, and each has errors of its own."""
    try:
        total = int(fs.info(path)["size"])
        file = fs.open(path, "rb")
    except (FileNotFoundError, PermissionError):
        raise Stopped(Gone(404)) from None
    except Exception as error:
        raise Cut(type(error).__name__) from error
    with file:
        yield file, total


def _blocks(file: Any) -> Iterator[bytes]:
    try:
        while block := file.read(CHUNK):
            yield block
    except Exception as error:
        raise Cut(type(error).__name__) from error
