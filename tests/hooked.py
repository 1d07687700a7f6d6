"""Accounts whose vendors send webhooks: a providers file for them, and webhooks as somebody would send them."""

import json
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from vidpoll.accounts import Account
from vidpoll.inbound.base import Post
from vidpoll.simulator import hooks

#: A model of each vendor that sends webhooks.
MODELS = {
    "fal": "fal-ai/veo3.1", "replicate": "google/veo-3", "openai_videos": "sora-2", "runware": "google:3@3",
    "luma": "ray-2", "kling": "kling-v2-6",
}  # fmt: skip
SECRET = "the addresses of these tests are made with this"
PUBLIC_URL = "http://127.0.0.1:9"


#: Another model of two of them, looked at every second.
QUICK = {"replicate": "google/veo-3-fast", "luma": "ray-flash-2"}


def write(folder: Path, *, schedule: str = "fixed(60)", webhooks: bool = True) -> Path:
    """A providers file with an account for each of them, named like its provider; its path."""
    path = folder / "providers.toml"
    path.write_text("\n".join(_account(name, schedule, webhooks) for name in MODELS))
    return path


def _account(name: str, schedule: str, webhooks: bool) -> str:
    options = 'options = { check_batch = "1" }' if name == "runware" else ""
    return f"""
[accounts.{name}]
provider = "{name}"
simulated = true
webhooks = {str(webhooks).lower()}
status_rate = 100
status_burst = 50
submit_rate = 100
submit_burst = 50
{options}
[accounts.{name}.models."{MODELS[name]}"]
schedule = "{schedule}"
""" + (f'[accounts.{name}.models."{QUICK[name]}"]\nschedule = "fixed(1)"\n' if name in QUICK else "")


def address(account: Account, id: object) -> tuple[str, str]:
    """What the address told to the vendor says: generation and token."""
    query = parse_qs(urlsplit(str(account.callback_url(id))).query)  # type: ignore[arg-type]
    return query["generation"][0], query["token"][0]


def prediction(operation: str, at: float, *, status: str = "succeeded", number: int = 0) -> Post:
    """Replicate's webhook, genuine."""
    body = json.dumps({"id": operation, "status": status}).encode()
    headers = hooks.standard_headers(f"msg_{operation}_{number}", body, at)
    return Post({name.lower(): value for name, value in headers.items()}, body, at)
