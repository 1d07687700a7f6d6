"""Where copies are kept: a folder, or a bucket of anything that fsspec speaks to. A copy is there whole, or not at all.

In a folder a copy is written under another name beside its place, and renamed. In a bucket it is a multipart upload,
which is nothing until it is completed. What a worker that was killed left of either goes with :meth:`Archive.tidy`.
"""

import os
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Final, Protocol
from urllib.parse import quote
from uuid import uuid4

from vidpoll.errors import NotConfigured
from vidpoll.redact import redacted

#: Bytes sent in one part of an upload: so much is held in memory for each file under way.
PART: Final = 8 * 1024 * 1024
#: Seconds for which a signed link to a copy is good.
LINK_S: Final = 3600
#: Signed links that are remembered, and what those have that end with the credentials that signed them.
_MOST_LINKS: Final = 10_000
_TEMPORARY: Final = "x-amz-security-token"
#: How patient botocore is, unless the options say otherwise: seconds to connect, seconds of silence.
_PATIENCE: Final[Mapping[str, Any]] = {
    "connect_timeout": 5, "read_timeout": 30, "retries": {"max_attempts": 3, "mode": "standard"}
}  # fmt: skip
_LEFTOVER: Final = ".part"
#: How names end (``names.py``), and how what is half-written in a folder is called: the rest is not ours to take away.
_OURS: Final = r"[0-9a-f-]{36}-\d+\.[a-z0-9]+"
_UPLOAD: Final = re.compile(rf"[\w-]+/\d{{4}}/\d\d/{_OURS}", re.ASCII)
_BESIDE: Final = re.compile(rf"\.{_OURS}\.[0-9a-f]{{32}}{re.escape(_LEFTOVER)}", re.ASCII)


class StorageFailed(Exception):
    """The archive did not do what it was told; the same may work later."""


@dataclass(frozen=True, slots=True)
class ArchiveLimits:
    """What one file may cost.

    Attributes:
        max_bytes: largest file that is kept.
        timeout_s: seconds one attempt to copy it may take.
        at_once: files that are copied at the same time, by all workers together.
    """

    max_bytes: int = 2 * 1024**3
    timeout_s: float = 600.0
    at_once: int = 8


class Upload(Protocol):
    """A copy that is being written."""

    def write(self, data: bytes) -> None:
        """More of it."""

    def commit(self) -> None:
        """Have it there, whole."""

    def discard(self) -> None:
        """Leave nothing of it; never raises."""


class Archive:
    """A folder or a bucket. Safe to share between threads.

    Args:
        url: ``/a/folder``, ``file:///a/folder``, ``s3://bucket/prefix`` or what else fsspec reads.
        options: what fsspec wants for it, e.g. ``{"endpoint_url": …}``.
        public_url: what stands before a copy's name where anybody can read it; None where nobody can.

    Raises:
        NotConfigured: fsspec, or what it needs for this URL, is not installed, or cannot read the URL.

    Example::

        archive = Archive("s3://videos/results", {"endpoint_url": "https://storage.example.com"})
    """

    def __init__(
        self,
        url: str,
        options: Mapping[str, Any] | None = None,
        *,
        public_url: str | None = None,
        limits: ArchiveLimits | None = None,
    ) -> None:
        self.limits = limits or ArchiveLimits()
        self._public_url = public_url.rstrip("/") if public_url else None
        self._fs, self._root = _connected(url, options or {})
        protocol = self._fs.protocol
        spoken = (protocol,) if isinstance(protocol, str) else protocol
        self._local, self._is_s3 = "file" in spoken, "s3" in spoken
        self._links: dict[str, tuple[int, str]] = {}

    def begin(self, name: str, content_type: str | None = None) -> Upload:
        """Begin to write a copy. Raises StorageFailed, as its methods do.

        S3 tells browsers its content type; where else there are such, it is by the name.
        """
        told = {"ContentType": content_type} if content_type and self._is_s3 else {}
        with _failing():
            return _InFolder(Path(self._path(name))) if self._local else _InBucket(self._fs, self._path(name), told)

    def size(self, name: str) -> int | None:
        """Bytes of a copy; None when there is none. Raises StorageFailed."""
        with _failing():
            try:
                return int(self._fs.info(self._path(name))["size"])
            except FileNotFoundError:
                return None

    def delete(self, name: str) -> None:
        """Delete a copy; nothing, if it is not there. Raises StorageFailed."""
        with _failing(), suppress(FileNotFoundError):
            if self._local:
                os.unlink(self._path(name))
            else:
                self._fs.rm_file(self._path(name))

    def url(self, name: str) -> str:
        """A copy's address, as fsspec reads it."""
        return str(self._fs.unstrip_protocol(self._path(name)))

    def owns(self, name: str, url: str | None) -> bool:
        """Whether a copy of this name, kept at this address, is here: it may be of the archive that was set before."""
        return url is None or url == self.url(name)

    def public(self, name: str) -> str | None:
        """A copy's address on the web that stays, if it has one."""
        return f"{self._public_url}/{quote(name)}" if self._public_url else None

    def link(self, name: str) -> str | None:
        """Where a copy can be read over HTTP: its public address, else a signed one; else None.

        A signed one is good for half an hour at least, and stays the same for as long in one process: a browser that is
        told it again goes on playing. One that temporary credentials signed ends with them, and is made anew each time.
        """
        if self._public_url or self._local:
            return self.public(name)
        half_hour = int(time.time() // (LINK_S / 2))
        since, signed = self._links.get(name, (0, None))
        if since == half_hour:
            return signed
        signed = self._sign(name)
        if signed and _TEMPORARY not in signed.lower():
            if len(self._links) >= _MOST_LINKS:
                self._links.clear()
            self._links[name] = (half_hour, signed)
        return signed

    def _sign(self, name: str) -> str | None:
        try:
            signed = str(self._fs.sign(self._path(name), expiration=LINK_S))
        except Exception:  # not every file system can, and none says so in the same way
            return None
        return signed if signed.startswith(("https://", "http://")) else None

    def tidy(self, older_than_s: float) -> int:
        """Take away what workers that were killed left half-written so long ago; how many. Raises StorageFailed."""
        with _failing():
            return _tidied_folder(Path(self._root), older_than_s) if self._local else self._tidied_bucket(older_than_s)

    def _tidied_bucket(self, older_than_s: float) -> int:
        if not hasattr(self._fs, "list_multipart_uploads"):
            return 0
        bucket, _, prefix = self._root.rstrip("/").partition("/")
        before = f"{prefix}/" if prefix else ""
        gone = 0
        for upload in self._fs.list_multipart_uploads(bucket):
            key = upload["Key"]
            mine = key.startswith(before) and _UPLOAD.fullmatch(key.removeprefix(before))
            if mine and time.time() - upload["Initiated"].timestamp() > older_than_s:
                self._fs.abort_mpu(bucket, key, upload["UploadId"])
                gone += 1
        return gone

    def _path(self, name: str) -> str:
        return f"{self._root.rstrip('/')}/{name}"


def _connected(url: str, options: Mapping[str, Any]) -> tuple[Any, str]:
    if url.startswith(("http://", "https://")):
        raise NotConfigured(
            "VIDPOLL_ARCHIVE_URL: http(s) can be read, not written; where copies are read is VIDPOLL_ARCHIVE_PUBLIC_URL"
        )
    if "://" not in url and not os.path.isabs(url):
        raise NotConfigured(
            f"VIDPOLL_ARCHIVE_URL: {url} is another folder in each process; begin it with / or file:///"
        )
    try:
        fsspec = import_module("fsspec")
    except ImportError:
        raise NotConfigured(
            "VIDPOLL_ARCHIVE_URL is set, and fsspec is not installed: pip install 'vidpoll[archive]'"
        ) from None
    s3 = url.startswith(("s3://", "s3a://"))
    own = {"config_kwargs": dict(_PATIENCE), "default_fill_cache": False, "use_listings_cache": False} if s3 else {}
    try:
        fs, root = fsspec.core.url_to_fs(url, **{**own, **options})
    except ImportError as error:
        raise NotConfigured(f"VIDPOLL_ARCHIVE_URL: {error}") from None
    except Exception as error:
        words = f"{type(error).__name__}: {redacted(str(error))}"
        raise NotConfigured(f"VIDPOLL_ARCHIVE_URL or VIDPOLL_ARCHIVE_OPTIONS cannot be used: {words}") from None
    if not str(root).strip("/"):
        raise NotConfigured("VIDPOLL_ARCHIVE_URL: names no folder and no bucket")
    return fs, str(root)


@contextmanager
def _failing() -> Iterator[None]:
    """Whatever a file system raises, of which there are many: it did not do it."""
    try:
        yield
    except StorageFailed:
        raise
    except Exception as error:
        raise StorageFailed(redacted(f"{type(error).__name__}: {error}"[:500])) from error


class _InFolder:
    def __init__(self, place: Path) -> None:
        self._place = place
        self._beside = place.with_name(f".{place.name}.{uuid4().hex}{_LEFTOVER}")
        place.parent.mkdir(parents=True, exist_ok=True)
        self._file = self._beside.open("wb")

    def write(self, data: bytes) -> None:
        with _failing():
            self._file.write(data)

    def commit(self) -> None:
        """The bytes reach the disk before the name does, and the name before we say so."""
        with _failing():
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
            os.replace(self._beside, self._place)
            folder = os.open(self._place.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)

    def discard(self) -> None:
        with suppress(OSError):
            self._file.close()
        with suppress(OSError):
            self._beside.unlink()


class _InBucket:
    def __init__(self, fs: Any, path: str, told: Mapping[str, str]) -> None:
        self._file = fs.open(path, "wb", block_size=PART, autocommit=False, **told)
        # fsspec keeps whatever is not committed at once for a transaction, for ever; nobody here uses those.
        fs.transaction.files.clear()

    def write(self, data: bytes) -> None:
        with _failing():
            self._file.write(data)

    def commit(self) -> None:
        with _failing():
            self._file.close()
            self._file.commit()

    def discard(self) -> None:
        """The file is closed first, or its end would be written when it is collected."""
        with suppress(Exception):
            self._file.discard()
        self._file.closed = True


def _tidied_folder(root: Path, older_than_s: float) -> int:
    gone = 0
    for left in root.rglob(f".*{_LEFTOVER}") if root.exists() else ():
        with suppress(OSError):
            if _BESIDE.fullmatch(left.name) and time.time() - left.stat().st_mtime > older_than_s:
                left.unlink()
                gone += 1
    return gone
