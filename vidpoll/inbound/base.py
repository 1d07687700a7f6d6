"""What a verifier is given, and what it answers. Pure, but for the clock of whoever asks."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

#: Seconds by which a signed moment may be past or to come (fal's and Standard Webhooks' own figure).
TOLERANCE_S: Final = 300.0

#: Why one is refused: no such webhook of this vendor; not signed, or by somebody else; signed too long ago or too soon.
Reason = Literal["malformed", "forged", "aged"]


@dataclass(frozen=True, slots=True)
class Post:
    """A webhook as it came in.

    Attributes:
        headers: names in lower case.
        body: as it was sent, since signatures are over its bytes.
        at: when it came, Unix seconds.
    """

    headers: Mapping[str, str]
    body: bytes
    at: float

    def said(self) -> dict[str, Any]:
        """The body as a JSON object; empty when it is none."""
        try:
            found = json.loads(self.body)
        except (ValueError, RecursionError):
            return {}
        return found if isinstance(found, dict) else {}

    def is_timely(self, moment: float) -> bool:
        """Whether what was signed at this moment may come now."""
        return abs(self.at - moment) <= TOLERANCE_S

    @property
    def digest(self) -> str:
        """What tells two bodies apart."""
        return hashlib.sha256(self.body).hexdigest()


@dataclass(frozen=True, slots=True)
class Verified:
    """It is the vendor's.

    Attributes:
        operation: what the vendor calls what it is about.
        delivery: what the webhook is known by when it is sent again.
        ended: whether it says that the operation has ended; else it tells of progress, and nothing follows.
    """

    operation: str
    delivery: str
    ended: bool = True


@dataclass(frozen=True, slots=True)
class Rejected:
    """It is not the vendor's, or not of now."""

    reason: Reason


Verdict = Verified | Rejected
MALFORMED: Final = Rejected("malformed")
FORGED: Final = Rejected("forged")
AGED: Final = Rejected("aged")

#: Longest id of an operation that a vendor is believed to give, in characters.
_LONGEST: Final = 300


def verdict(operation: object, delivery: str, *, ended: bool) -> Verdict:
    """Verified, if there is an operation it can be about."""
    if not isinstance(operation, str) or not 0 < len(operation) <= _LONGEST or not operation.isprintable():
        return MALFORMED
    return Verified(operation, hashlib.sha256(delivery.encode()).hexdigest(), ended)


def moment(written: str | None) -> float | None:
    """Unix seconds as vendors write them: digits alone, no more than a date can tell. None for anything else.

    Example:
        >>> moment("1700000000"), moment("1e9"), moment(" 5"), moment(12 * "9"), moment(None)
        (1700000000.0, None, None, None, None)
    """
    return float(written) if written and written.isascii() and written.isdigit() and len(written) <= 11 else None
