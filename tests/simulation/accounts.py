"""Accounts of the simulation: small rates, so that budgets are felt; short policies, so that everything ends soon."""

from typing import Any, Final

from vidpoll.accounts import Accounts
from vidpoll.lanes import both_lanes

#: Calls per second and verb, and burst, of every account; together what a vendor allows in one second.
RATE: Final = 8
BURST: Final = 3
MAX_IN_FLIGHT: Final = 12
SUBMIT_TIMEOUT_S: Final = 30.0
LEASE_S: Final = 15.0
#: How a request names each account's model.
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
    "runware": {"check_batch": "5"},
    "vertex": {"dialect": "vertex", "storage_uri": "gs://bucket/videos/"},
    "gemini": {"dialect": "gemini"},
}
_ADAPTIVE: Final = {"schedule": "adaptive", "typical_s": 15}
_POLICY: Final = {
    "schedule": {"tiers": [(10, 2), (10, 5)], "then_s": 10},
    "timeout_s": 120,
    "expected_s": 40,
    "not_found_grace_s": 30,
    "retention_s": 600,
}


def accounts() -> Accounts:
    """All of them."""
    return Accounts.model_validate({"accounts": {name: _account(name) for name in TARGETS}})


def _account(name: str) -> dict[str, Any]:
    provider, model = TARGETS[name]
    return {
        "name": name, "provider": provider, "base_url": "http://127.0.0.1:1" + _PATHS[name], "api_key": f"key-{name}",
        "status_rate": RATE, "status_burst": BURST, "submit_rate": RATE, "submit_burst": BURST,
        "submit_timeout_s": SUBMIT_TIMEOUT_S, "max_in_flight": MAX_IN_FLIGHT if name == "runware" else None,
        "options": _OPTIONS.get(name, {}), "models": {model: _POLICY | (_ADAPTIVE if name in ("gemini", "runware") else {})},
    }  # fmt: skip


ACCOUNT_LANES: Final = [lane for name in TARGETS for lane in both_lanes(name)]
