"""What the attempt to copy a file can end in: values, which ``archiving.py`` matches on."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Copied:
    """It is in the archive, whole.

    Attributes:
        name: below the archive's folder.
        sha256: of its bytes, in hex.
    """

    name: str
    content_type: str
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Gone:
    """The server does not give it, or no longer: 401, 403, 404, 410. A fresh URL may."""

    status: int


@dataclass(frozen=True, slots=True)
class Trouble:
    """It did not come, or not whole, or something else came; it may the next time.

    Attributes:
        retry_after_s: seconds the server asks to wait; None when it does not.
    """

    code: str
    message: str
    retry_after_s: float | None = None


@dataclass(frozen=True, slots=True)
class Unfit:
    """It is never copied as things are: it is too large, or its address must not be called."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class StorageAway:
    """The archive does not take it, nor any other file."""

    reason: str


@dataclass(frozen=True, slots=True)
class Dropped:
    """Nobody wants it any more: its generation was deleted meanwhile."""


@dataclass(frozen=True, slots=True)
class Waits:
    """Its URL is not given any more, and its provider could not be asked for a fresh one yet."""

    reason: str


Outcome = Waits | Copied | Gone | Trouble | Unfit | StorageAway | Dropped


class Stopped(Exception):
    """Ends an attempt from wherever it is; never leaves this package."""

    def __init__(self, outcome: Gone | Trouble | Unfit | StorageAway | Dropped) -> None:
        super().__init__(repr(outcome))
        self.outcome = outcome
