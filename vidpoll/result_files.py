"""The files of a result that are to be copied, and until when their provider keeps them."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from vidpoll import catalogue
from vidpoll.archive import file_id
from vidpoll.providers.base import Capabilities
from vidpoll.results import files_of
from vidpoll.store import NewFile
from vidpoll.url_lifetimes import ends_at

#: Files of one result that are copied: all are rows of one statement, which must not fail for what a provider said.
MOST_FILES: Final = 100
#: Longest time that is believed, seconds. Some URLs end in the last moment of the year 9999, after which no date is.
LONGEST_S: Final = 100 * 366 * 24 * 3600.0


def new_files(
    generation_id: UUID,
    result: Mapping[str, Any],
    provider: str,
    model: str,
    capabilities: Capabilities | None,
    *,
    age_s: float = 0.0,
) -> list[NewFile]:
    """The files of a result; ``capabilities`` of an account that is gone are None.

    Args:
        age_s: seconds since it was told.
    """
    return [
        NewFile(
            file_id(generation_id, position), position, file.url, file.kind,
            live_s(file.url, provider, model, capabilities, age_s=age_s),
        )
        for position, file in enumerate(files_of(result)[:MOST_FILES])
    ]  # fmt: skip


def live_s(
    url: str, provider: str, model: str, capabilities: Capabilities | None, *, age_s: float = 0.0
) -> float | None:
    """Seconds for which a URL works from now on: as it says itself, else as is known of the model, or vendor.

    This machine's clock is compared with the signature's, so it is a hint: what is there is fetched, whatever it says.
    """
    signed = ends_at(url)
    if signed is not None:
        return min(max(0.0, (signed - datetime.now(UTC)).total_seconds()), LONGEST_S)
    known = catalogue.find(provider, model)
    lasts_s = (known and known.url_lifetime_s) or (capabilities.result_ttl_s if capabilities else None)
    return None if lasts_s is None else lasts_s - age_s
