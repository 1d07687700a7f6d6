"""One account's adapter and the simulator behind it, as the tests hold them."""

import json
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tests import providers_file
from vidpoll import providers
from vidpoll.generation import GenerationRequest
from vidpoll.providers.base import CheckOutcome, More, Operation, Provider, Sent, Submitted
from vidpoll.providers.http import Answer
from vidpoll.providers_file import load_accounts
from vidpoll.simulator import World

MODELS = {
    "runware": ("runware", "google:3@3"),
    "vertex": ("veo", "veo-fast"),
    "gemini": ("veo", "veo-preview"),
    "replicate": ("replicate", "google/veo-3-fast"),
}
#: How a vendor is asked for several videos at once; Replicate cannot be.
SAMPLES = {"runware": "numberResults", "vertex": "sampleCount", "gemini": "sampleCount"}


@dataclass
class Subject:
    """One account's adapter, and the simulator behind it."""

    account: str
    provider: Provider
    world: World

    def request(self, **changes: Any) -> GenerationRequest:
        provider, model = MODELS[self.account]
        return GenerationRequest(
            **{"provider": provider, "model": model, "prompt": "a lion", "id": uuid.uuid4(), **changes}
        )

    def submitted(self, **changes: Any) -> Operation:
        request = self.request(**changes)
        outcome = self.provider.submit(request, request.id, replay=False)
        assert isinstance(outcome, Submitted), outcome
        return Operation(outcome.operation_name, request.params)

    def check(self, operation: Operation) -> CheckOutcome:
        return followed(self.provider.check([operation])[operation.name])


def followed(outcome: Any) -> Any:
    """An outcome, after the one more call that it may take; the lifecycle makes it with a token of its own."""
    return outcome.call() if isinstance(outcome, More) else outcome


def adapter(account: str, folder: Path, url: str, **settings: Any) -> Provider:
    """The adapter of an account whose vendor is at ``url``."""
    return providers.build(load_accounts(providers_file.write(folder, url, **settings)))[account]


def sent(request: GenerationRequest, *, around: datetime | None = None) -> Sent:
    """A submit of unknown outcome, within a minute of that moment."""
    moment = around or datetime.now(UTC)
    return Sent(request, request.id, moment - timedelta(minutes=1), moment + timedelta(minutes=1))


def said(status: int, body: object, headers: dict[str, str] | None = None) -> Answer:
    """A vendor's answer in JSON."""
    return Answer(status, headers or {}, json.dumps(body).encode())
