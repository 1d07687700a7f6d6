"""An account of an entry of the catalogue, as the tests hold it: its adapter, and the simulator behind it."""

import json
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import JsonValue

from vidpoll.accounts import Account
from vidpoll.catalogue import Entry, catalogue
from vidpoll.catalogue.params import Param
from vidpoll.generation import GenerationRequest
from vidpoll.providers import adapter_of
from vidpoll.providers.base import Capabilities, Operation, Provider, Sent
from vidpoll.providers.http import Answer, Http
from vidpoll.providers.outcomes import CancelOutcome, CheckOutcome, More, SubmitOutcome, Submitted
from vidpoll.simulator import World

#: A value of each type, for parameters that are required and may be anything.
_SOME = {"string": "x", "integer": 1, "number": 1, "boolean": True, "object": {}, "array": [], "url": "https://x/x"}


@dataclass
class Subject:
    """One account's adapter, and the simulator behind it."""

    entry: Entry
    provider: Provider
    world: World

    @property
    def can(self) -> Capabilities:
        """What its provider declares."""
        return self.provider.capabilities

    @property
    def model(self) -> str:
        """The first of its models that makes videos."""
        return next(name for name, model in self.entry.models.items() if "video" in model.kinds)

    @property
    def paid(self) -> tuple[int, int]:
        """How many submits the vendor got, and how many it charges for."""
        report = self.world.report()
        return report["submit_calls"], report["charged"]

    def request(self, **changes: Any) -> GenerationRequest:
        """A request with no more than what its model requires, but for ``changes``."""
        model = changes.get("model", self.model)
        known = self.entry.models[model].params if model in self.entry.models else {}
        params = {name: _allowed(one) for name, one in known.items() if one.required} | changes.get("params", {})
        ours = {"provider": self.entry.provider, "model": model, "prompt": "a lion", "id": uuid.uuid4()}
        return GenerationRequest(**{**ours, **changes, "params": params})

    def submit(self, request: GenerationRequest | None = None, *, replay: bool = False) -> SubmitOutcome:
        """What a submit of this request, or of any, ends in."""
        request = request or self.request()
        return self.provider.submit(request, request.id, replay=replay)

    def submitted(self, **changes: Any) -> Operation:
        request = self.request(**changes)
        outcome = self.submit(request)
        assert isinstance(outcome, Submitted), outcome
        return Operation(outcome.operation_name, request.params)

    def check(self, operation: Operation) -> CheckOutcome:
        return followed(self.provider.check([operation])[operation.name])

    def cancel(self, operation: Operation) -> CancelOutcome:
        return followed(self.provider.cancel(operation))

    def again(self, **changes: Any) -> "Subject":
        """The same, with another key, at another URL, with other settings of its account."""
        return subject_of(self.entry.name, self.world, **changes)


def subject_of(
    name: str, world: World, *, url: str = "", key: str = "", http: Http | None = None, **settings: Any
) -> Subject:
    """An account of this entry of the catalogue, at the world's simulator or at ``url``."""
    entry = catalogue()[name]
    fields = {
        "name": name, "provider": entry.provider, "base_url": (url or world.address) + entry.simulator,
        "api_key": entry.key_at_simulator(key or f"key-{name}"), "options": entry.options | entry.simulator_options,
        "models": {model: {} for model in entry.models}, **settings,
    }  # fmt: skip
    account = Account.model_validate(fields)
    http = http or Http(account.base_url, submit_timeout_s=account.submit_timeout_s)
    return Subject(entry, adapter_of(account, http), world)


def those_that(can: Callable[[Capabilities], object]) -> list[str]:
    """Entries of the catalogue, by what their adapters declare."""
    return [name for name in catalogue() if can(subject_of(name, World()).can)]


def pass_by(world: World, seconds: float) -> None:
    """Let so much time pass by the world's clock, which stands still afterwards."""
    moment = world.clock() + seconds
    world.clock = lambda: moment


def _allowed(param: Param) -> JsonValue:
    return param.values[0] if param.values else _SOME[param.type or "string"]


def followed(outcome: Any) -> Any:
    """An outcome, after the one more call that it may take; the lifecycle makes it with a token of its own."""
    return outcome.call() if isinstance(outcome, More) else outcome


def sent(request: GenerationRequest, *, around: datetime | None = None) -> Sent:
    """A submit of unknown outcome, within a minute of that moment."""
    moment = around or datetime.now(UTC)
    return Sent(request, request.id, moment - timedelta(minutes=1), moment + timedelta(minutes=1))


def said(status: int, body: object, headers: dict[str, str] | None = None) -> Answer:
    """A vendor's answer in JSON."""
    return Answer(status, headers or {}, json.dumps(body).encode())
