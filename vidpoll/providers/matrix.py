"""What the providers can do, as a Markdown table: from what adapters declare and the catalogue knows.

``python -m vidpoll.providers.matrix docs/providers.md`` (``make docs``) writes it anew between its two marks.
"""

import sys
from pathlib import Path
from typing import Final, get_args

from vidpoll.accounts import Account
from vidpoll.catalogue import Entry, catalogue
from vidpoll.generation import Kind
from vidpoll.providers import adapter_of
from vidpoll.providers.base import Access, Capabilities, Webhook
from vidpoll.providers.http import Http

BEGIN: Final = "<!-- matrix: written by `make docs` -->"
END: Final = "<!-- end of the matrix -->"
_HEAD: Final = (
    "provider", "makes", "ids a status call", "cancel", "idempotent submit", "a lost submit is looked up", "progress",
    "URL works for", "download needs", "a late video is looked for", "shortest interval", "webhook",
)  # fmt: skip
_NEEDS: Final[dict[Access, str]] = {"anyone": "nothing", "key": "the key", "bucket": "your bucket"}
_WEBHOOK: Final[dict[Webhook | None, str]] = {
    "signed": "signed", "unsigned": "unsigned, a hint", "registered": "signed, its address registered by hand",
    None: "no",
}  # fmt: skip
#: Stands for the address of a vendor whose address depends on the customer; nothing is called.
_SOMEWHERE: Final = "https://vendor.example"


def matrix() -> str:
    """One row an entry of the catalogue."""
    rows = (_row(entry, _capabilities(entry)) for entry in catalogue().values())
    return "\n".join(["| " + " | ".join(_HEAD) + " |", "|---" * len(_HEAD) + "|", *rows])


def with_matrix(text: str) -> str:
    """The text with the matrix as it is now between its marks.

    Raises:
        ValueError: a mark is missing.
    """
    before, rest = text.split(BEGIN, 1)
    _, after = rest.split(END, 1)
    return f"{before}{BEGIN}\n{matrix()}\n{END}{after}"


def _row(entry: Entry, can: Capabilities) -> str:
    name = f"`{entry.name}`" if entry.name == entry.provider else f"`{entry.provider}`, template `{entry.name}`"
    cells = (
        name,
        ", ".join(kind for kind in get_args(Kind) if any(kind in model.kinds for model in entry.models.values())),
        str(can.check_batch),
        _yes(can.cancel),
        _yes(can.client_supplied_id),
        _yes(can.look_up),
        _yes(can.progress),
        "as you keep it" if can.access == "bucket" else _lifetime(entry),
        _NEEDS[can.access],
        _words(can.retention_s),
        f"{can.min_interval_s:g} s" if can.min_interval_s else "",
        _WEBHOOK[can.webhook],
    )
    return f"| {' | '.join(cells)} |"


def _capabilities(entry: Entry) -> Capabilities:
    """What the adapter of an account made from this entry declares."""
    account = Account(
        name=entry.name, provider=entry.provider, base_url=entry.base_url or _SOMEWHERE, api_key_env=entry.key_env,
        options=entry.options | entry.simulator_options, models={model: {} for model in entry.models},
    )  # fmt: skip
    return adapter_of(account, Http(account.base_url)).capabilities


def _lifetime(entry: Entry) -> str:
    """How long URLs work: of its models the shortest and the longest."""
    known = sorted({model.url_lifetime_s for model in entry.models.values() if model.url_lifetime_s})
    return " to ".join(_words(seconds) for seconds in dict.fromkeys((known[0], known[-1]))) if known else "not known"


def _words(seconds: float) -> str:
    """Seconds in hours, or in days from two on.

    Example:
        >>> _words(3600), _words(86400), _words(604800)
        ('1 h', '24 h', '7 days')
    """
    return f"{seconds / 86400:g} days" if seconds >= 2 * 86400 else f"{seconds / 3600:g} h"


def _yes(can: bool) -> str:
    return "yes" if can else "no"


if __name__ == "__main__":
    page = Path(sys.argv[1])
    page.write_text(with_matrix(page.read_text()))
