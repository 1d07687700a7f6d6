"""Until when a URL works, by what stands in it: signed ones say so. Pure."""

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Final
from urllib.parse import parse_qsl, urlsplit

#: Where a signed URL says when it ends, as Unix seconds: CloudFront and S3's version 2, and what some vendors write.
_ENDS_AT: Final = ("expires", "exp", "x-expires")
#: Where it says when it was signed, and for how many seconds: S3's version 4, and Google's.
_SIGNED: Final = (("x-amz-date", "x-amz-expires"), ("x-goog-date", "x-goog-expires"))
#: Where it says when it ends, as a date: Azure's shared access signatures.
_ENDS_ON: Final = "se"
#: Unix seconds that can be a moment of our time: from 2001 to 2128.
_MOMENT: Final = re.compile(r"[1-4]\d{9}")


def ends_at(url: str) -> datetime | None:
    """When a signed URL ends, by what stands in it; None where nothing does.

    Sources: AWS, Signature Version 4 query parameters; CloudFront, signed URLs; Google Cloud Storage, signed URLs;
    Azure Storage, service SAS.

    Example:
        >>> ends_at("https://v/1?Expires=1767225660").isoformat()
        '2026-01-01T00:01:00+00:00'
    """
    try:
        told = {name.lower(): value for name, value in parse_qsl(urlsplit(url).query)}
    except ValueError:
        return None
    return min(_ends(told), default=None)


def _ends(told: Mapping[str, str]) -> Iterator[datetime]:
    for name in _ENDS_AT:
        if _MOMENT.fullmatch(told.get(name, "")):
            yield datetime.fromtimestamp(int(told[name]), UTC)
    for begins, lasts in _SIGNED:
        try:
            signed_at = datetime.strptime(told.get(begins, ""), "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
            yield datetime.fromtimestamp(signed_at.timestamp() + int(told[lasts]), UTC)
        except (ValueError, KeyError, OverflowError):
            continue
    try:
        on = datetime.fromisoformat(told.get(_ENDS_ON, ""))
        yield on if on.tzinfo else on.replace(tzinfo=UTC)
    except ValueError:
        return
