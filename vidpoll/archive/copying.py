"""One attempt to copy a file: fetched, looked at, written and hashed as it comes; whole and checked, or not at all."""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from vidpoll.archive.fetching import Cut, Part, Source
from vidpoll.archive.media import HEAD, Media, media_of, problem
from vidpoll.archive.outcomes import Copied, Dropped, Outcome, Stopped, StorageAway, Trouble, Unfit
from vidpoll.archive.storing import Archive, StorageFailed, Upload
from vidpoll.deadline import deadline

#: Connections one attempt may use: the first, and those that take up a cut one.
MOST_PARTS: Final = 6

#: What a copy is called that turned out to be of this kind; None when nobody wants it any more.
Naming = Callable[[Media], str | None]


def copy(source: Source, archive: Archive, naming: Naming, still_here: Callable[[], None] = lambda: None) -> Outcome:
    """Copy a file, within the archive's limits; what that ended in. Whatever it is, nothing half-written is left.

    Args:
        naming: asked once the kind is known, before anything is written.
        still_here: called with every chunk: the attempt goes on.
    """
    limit_s = archive.limits.timeout_s
    with deadline(limit_s) as call:

        def in_time() -> None:
            if call.expired:
                # A shut socket looks like the end of a body whose length nobody announced.
                raise Stopped(Trouble("too_slow", f"not all of it came within {limit_s:g} s"))
            still_here()

        attempt = _Attempt(source, archive, naming, in_time)
        try:
            return attempt.made()
        except Stopped as stopped:
            return stopped.outcome
        except StorageFailed as failed:
            return StorageAway(str(failed))
        finally:
            attempt.discard()


class _Attempt:
    """What came so far."""

    def __init__(self, source: Source, archive: Archive, naming: Naming, still_here: Callable[[], None]) -> None:
        self._source, self._archive, self._naming, self._still_here = source, archive, naming, still_here
        self._most = archive.limits.max_bytes
        self._anew()

    def _anew(self) -> None:
        self._hash = hashlib.sha256()
        self._came = 0
        self._head = bytearray()
        self._media: Media | None = None
        self._name = ""
        self._upload: Upload | None = None
        self._validator: str | None = None
        self._total: int | None = None

    def made(self) -> Copied:
        """Fetch and store it. Raises Stopped and StorageFailed."""
        words = ""
        for _ in range(MOST_PARTS):
            before = self._came
            try:
                with self._next_part() as part:
                    self._take(part)
                return self._committed()
            except Cut as cut:
                words = str(cut)
            self._still_here()
            if self._came == before:
                break  # it does not get on
        raise Stopped(Trouble("cut", f"it did not come whole: {words}; {self._came} bytes came"))

    @contextmanager
    def _next_part(self) -> Iterator[Part]:
        with self._source.part(self._came, self._validator) as part:
            if part.start != self._came:
                self.discard()
                self._anew()
            elif self._came and not self._goes_on(part):
                raise Stopped(Trouble("wrong_range", "the server sent the rest of another file than before"))
            self._validator, self._total = part.validator or self._validator, part.total
            yield part

    def _goes_on(self, part: Part) -> bool:
        """Whether this is the rest of what came: there are servers that heed a range, and no ``If-Range``."""
        return part.validator in (None, self._validator) and self._total in (None, part.total)

    def _take(self, part: Part) -> None:
        if part.total is not None and part.total > self._most:
            raise Stopped(self._too_large(part.total))
        for chunk in part.chunks:
            self._still_here()
            self._came += len(chunk)
            if self._came > self._most:
                raise Stopped(self._too_large(self._came))
            self._hash.update(chunk)
            self._write(part, chunk)
        self._still_here()
        if self._upload is None:
            self._begin(part)

    def _too_large(self, length: int) -> Unfit:
        return Unfit("too_large", f"{length} bytes or more, and VIDPOLL_ARCHIVE_MAX_BYTES is {self._most}")

    def _write(self, part: Part, chunk: bytes) -> None:
        if self._upload is not None:
            self._upload.write(chunk)
            return
        self._head += chunk
        if len(self._head) >= HEAD:
            self._begin(part)

    def _begin(self, part: Part) -> None:
        """Its beginning is there: look what it is, and open its copy."""
        words = problem(part.content_type, bytes(self._head))
        self._media = media_of(bytes(self._head))
        if words or self._media is None:
            raise Stopped(Trouble("no_media", words or "it is no media"))
        name = self._naming(self._media)
        if name is None:
            raise Stopped(Dropped())
        self._name, self._upload = name, self._archive.begin(name, self._media.content_type)
        self._upload.write(bytes(self._head))
        self._head.clear()

    def _committed(self) -> Copied:
        assert self._upload is not None
        assert self._media is not None
        if self._naming(self._media) is None:
            # Another worker, whose lease began when ours ended, stored it: its checksum is told. Or it was deleted.
            raise Stopped(Dropped())
        self._upload.commit()
        self._upload = None
        size = self._archive.size(self._name)
        if size != self._came:
            raise StorageFailed(f"{self._name} has {size} bytes in the archive, and {self._came} were written")
        return Copied(self._name, self._media.content_type, self._came, self._hash.hexdigest())

    def discard(self) -> None:
        """Leave nothing of a copy that was not committed."""
        if self._upload is not None:
            self._upload.discard()
            self._upload = None
