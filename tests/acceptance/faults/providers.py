"""A providers file for the fault suite: every account behind one proxy, generous limits, quick looks."""

import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.acceptance.faults import scale

#: What each account is asked for: provider, model.
TARGETS: Final = {
    "runware": ("runware", "google:3@3"),
    "vertex": ("veo", "veo-fast"),
    "gemini": ("veo", "veo-preview"),
    "replicate": ("replicate", "google/veo-3-fast"),
}
_PATHS: Final = {
    "runware": "/runware/v1",
    "vertex": "/vertex/v1/projects/p/locations/us-central1",
    "gemini": "/gemini/v1beta",
    "replicate": "/replicate/v1",
}
_OPTIONS: Final = {
    "vertex": 'options = { dialect = "vertex", storage_uri = "gs://bucket/videos/" }',
    "gemini": 'options = { dialect = "gemini" }',
}


@dataclass(frozen=True)
class Limits:
    """What every account of the file has; ``None`` leaves an option out."""

    status_rate: float = 40
    status_burst: int = 10
    submit_rate: float = 200
    submit_burst: int = 50
    submit_timeout_s: float = 3
    refused_pause_s: float = 5
    max_in_flight: int | None = None
    timeout_s: float = 7200
    expected_s: float = 3600  # the overdue are looked at more rarely, and ten thousand take minutes to submit
    not_found_grace_s: float | None = None
    retention_s: float | None = None
    schedule: str = (
        f"{{ tiers = [[{scale.FIRST_LOOKS}, {scale.FIRST_LOOKS_S}], [1000, {scale.LATER_LOOKS_S}]], "
        f"then_s = {scale.LATER_LOOKS_S}, jitter = 0 }}"
    )


_OF_ACCOUNT: Final = (
    "status_rate", "status_burst", "submit_rate", "submit_burst", "submit_timeout_s", "max_in_flight", "refused_pause_s",
)  # fmt: skip
_OF_MODEL: Final = ("timeout_s", "expected_s", "not_found_grace_s", "retention_s", "schedule")


def accounts() -> list[str]:
    """The accounts the file has: those this vidpoll has an adapter for."""
    adapters = {"vertex": "veo", "gemini": "veo"}
    return [
        name
        for name in TARGETS
        if importlib.util.find_spec(f"vidpoll.providers.vendors.{adapters.get(name, name)}") is not None
    ]


def key(account: str) -> str:
    """The account's key, which names it in the simulator's ledger."""
    return f"key-{account}"


def write(path: Path, url: str, limits: Limits) -> Path:
    """Write the file; its path."""
    path.write_text("\n".join(_table(account, url, limits) for account in accounts()))
    return path


def _table(account: str, url: str, limits: Limits) -> str:
    provider, model = TARGETS[account]
    return "\n".join(
        [
            f"[accounts.{account}]",
            f'provider = "{provider}"',
            f'base_url = "{url}{_PATHS[account]}"',
            f'api_key = "{key(account)}"',
            *_lines(limits, _OF_ACCOUNT),
            _OPTIONS.get(account, ""),
            f'[accounts.{account}.models."{model}"]',
            *_lines(limits, _OF_MODEL),
            "",
        ]
    )


def _lines(limits: Limits, names: tuple[str, ...]) -> list[str]:
    return [f"{name} = {getattr(limits, name)}" for name in names if getattr(limits, name) is not None]
