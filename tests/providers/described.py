"""Accounts of the provider `http` for the tests: those of the documentation, which so are known to work."""

import re
import tomllib
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vidpoll import providers
from vidpoll.accounts import Account
from vidpoll.generation import GenerationRequest
from vidpoll.providers.base import Operation, Provider
from vidpoll.providers.outcomes import CheckOutcome, Submitted
from vidpoll.providers_file import load_accounts
from vidpoll.simulator import World

_DOCS = Path(__file__).parents[2] / "docs" / "providers-http.md"
#: The accounts of the documentation, as text.
SAMPLES = "\n".join(re.findall(r"```toml\n(.*?)```", _DOCS.read_text(), re.DOTALL))
MODELS = {"files": "fox-1", "reelworks": "reel-xl"}


def table(account: str) -> dict[str, Any]:
    """The description of an account of the documentation, free to be changed."""
    found: dict[str, Any] = tomllib.loads(SAMPLES)["accounts"][account]["http"]
    return found


def described(http: dict[str, Any], **changes: Any) -> Account:
    """An account with this description."""
    like = {"name": "a", "provider": "http", "base_url": "http://127.0.0.1:9/v1", "api_key": "k", "models": {"m": {}}}
    return Account.model_validate({**like, "http": http, **changes})


@dataclass
class Described:
    """An account of the documentation, its adapter, and the simulator behind it."""

    account: str
    provider: Provider
    world: World

    def request(self, **changes: Any) -> GenerationRequest:
        model = MODELS[self.account]
        return GenerationRequest(
            **{"provider": "http", "model": model, "prompt": "a fox", "id": uuid.uuid4(), **changes}
        )

    def submitted(self, **changes: Any) -> Operation:
        request = self.request(**changes)
        assert self.provider.problems(request) == []
        outcome = self.provider.submit(request, request.id, replay=False)
        assert isinstance(outcome, Submitted), outcome
        return Operation(outcome.operation_name, request.params)

    def check(self, operation: Operation) -> CheckOutcome:
        return self.provider.check([operation])[operation.name]


def from_docs(account: str, folder: Path, url: str, edit: tuple[str, str] = ("", "")) -> Provider:
    """The adapter of an account of the documentation, whose simulator is at ``url``."""
    path = folder / "described.toml"
    path.write_text(SAMPLES.replace(*edit))
    return providers.build(load_accounts(path, {"VIDPOLL_SIMULATOR_URL": url}))[account]
