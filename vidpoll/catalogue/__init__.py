"""What is known of the vendors' models before anything is paid: parameters, durations, prices, retirement dates.

One TOML file an entry, beside this one. An entry is also the template of an account: where the vendor is, which
environment variable holds its key, where the simulator plays it.
"""

import tomllib
from collections.abc import Collection, Iterator, Mapping
from datetime import date
from functools import cache
from importlib.resources import files
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field, JsonValue, PositiveFloat

from vidpoll.catalogue.params import Param
from vidpoll.generation import Kind

_FROZEN: Final = ConfigDict(frozen=True, extra="forbid")


class Model(BaseModel):
    """One model of a vendor.

    Attributes:
        kinds: what it can be asked for.
        begins_with: for an upscale or an extend, the parameter of its own that may name what its parent would.
        typical_s: seconds half of its results take; the prior of learned polling.
        expected_s, timeout_s: seconds after which it is overdue, and no longer expected.
        price: in words, as the vendor says it.
        url_lifetime_s: seconds for which a result's URL works.
        retires: from this day on the vendor may not know it any more.
        replaced_by: what the vendor offers instead.
        params: what is known of its parameters; others are passed on as they are.
    """

    model_config = _FROZEN

    kinds: Annotated[tuple[Kind, ...], Field(min_length=1)] = ("video",)
    begins_with: dict[Kind, str] = Field(default_factory=dict)
    typical_s: PositiveFloat = 75.0
    expected_s: PositiveFloat = 300.0
    timeout_s: PositiveFloat = 1800.0
    price: str | None = None
    url_lifetime_s: PositiveFloat | None = None
    retires: date | None = None
    replaced_by: str | None = None
    params: dict[str, Param] = Field(default_factory=dict)

    def problems(self, params: Mapping[str, JsonValue], *, brought: Collection[str] = ()) -> list[str]:
        """What is wrong with these parameters, one sentence each; those that are ``brought`` later are not missed."""
        missing = [
            f"params.{name}: is required"
            for name, one in self.params.items()
            if one.required and name not in params and name not in brought
        ]
        wrong = (
            f"params.{name}: {self.params[name].problem(value)}"
            for name, value in params.items()
            if name in self.params and self.params[name].problem(value)
        )
        return [*missing, *wrong]

    def least(self) -> dict[str, JsonValue]:
        """The fewest parameters it takes, as far as is known: of each required one the first value it may have.

        Example:
            >>> catalogue()["runway"].models["veo3.1_fast"].least()
            {'ratio': '1280:720'}
        """
        return {name: one.values[0] for name, one in self.params.items() if one.required and one.values}

    @property
    def urls(self) -> frozenset[str]:
        """The parameters that are addresses."""
        return frozenset(name for name, one in self.params.items() if one.type == "url")

    def retired(self, today: date) -> bool:
        """Whether the vendor may have taken it away by then."""
        return self.retires is not None and self.retires <= today


class Entry(BaseModel):
    """A vendor in one dialect, and the template of its accounts.

    Attributes:
        name: the file's name, which is the provider's unless a provider has several dialects.
        provider: the adapter's name.
        base_url: where the vendor is; None where that depends on the customer.
        key_env: the environment variable in which the vendor's own clients look for the key.
        simulator: path at the simulator.
        simulator_key: what a key at the simulator looks like; ``{key}`` stands for the account's own part of it.
        webhook_secret_env: the environment variable in which what it signs webhooks with is looked for.
        simulator_webhook_secret: what the simulator signs with in its place.
        options: what an account says of itself, unless it says otherwise.
        simulator_options: what one at the simulator says besides.
    """

    model_config = _FROZEN

    name: str
    provider: str
    base_url: str | None = None
    key_env: str
    simulator: str
    simulator_key: Annotated[str, Field(pattern=r"\{key\}")] = "{key}"
    webhook_secret_env: str | None = None
    simulator_webhook_secret: str | None = None
    options: dict[str, str] = Field(default_factory=dict)
    simulator_options: dict[str, str] = Field(default_factory=dict)
    models: dict[str, Model]

    def key_at_simulator(self, own: str) -> str:
        """A key the simulator takes, for an account of its own.

        Example:
            >>> catalogue()["kling"].key_at_simulator("alice")
            'alice:secret'
        """
        return self.simulator_key.replace("{key}", own)


@cache
def catalogue() -> dict[str, Entry]:
    """Every entry, by its name.

    Example:
        >>> catalogue()["runware"].key_env
        'RUNWARE_API_KEY'
    """
    found = sorted(
        (file for file in files(__name__).iterdir() if file.name.endswith(".toml")), key=lambda file: file.name
    )
    return {
        entry.name: entry for entry in (_entry(file.name.removesuffix(".toml"), file.read_text()) for file in found)
    }


def find(provider: str, model: str) -> Model | None:
    """What is known of a provider's model; None when nothing is."""
    return next((entry.models[model] for entry in _of(provider) if model in entry.models), None)


def kinds_of(provider: str) -> frozenset[Kind]:
    """What a provider can be asked for with one model or another; nothing when nothing is known of it.

    Example:
        >>> sorted(kinds_of("veo"))
        ['extend', 'video']
    """
    return frozenset(kind for entry in _of(provider) for model in entry.models.values() for kind in model.kinds)


def _of(provider: str) -> Iterator[Entry]:
    return (entry for entry in catalogue().values() if entry.provider == provider)


def _entry(name: str, text: str) -> Entry:
    table: dict[str, Any] = tomllib.loads(text)
    return Entry.model_validate({"name": name, "provider": name, **table})
