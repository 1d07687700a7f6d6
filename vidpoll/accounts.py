"""Accounts at providers: their limits, their models, how each model is watched. ``providers_file.py`` reads them."""

import math
import os
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Final, Literal, Self
from urllib.parse import urlsplit
from uuid import UUID

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PositiveInt,
    SecretStr,
    model_validator,
)

from vidpoll.callbacks import LOOPBACK, Announcing, Callbacks
from vidpoll.description import HttpDescription
from vidpoll.durations import Durations
from vidpoll.errors import NotConfigured, UnknownTarget
from vidpoll.generation import TIMEOUT_LIMIT_S, Kind
from vidpoll.redact import SECRETS
from vidpoll.schedule import Adaptive, Schedule

Rate = Annotated[float, Field(gt=0, le=10_000, allow_inf_nan=False)]
Seconds = Annotated[float, Field(gt=0, le=TIMEOUT_LIMIT_S, allow_inf_nan=False)]
#: How uncertain a typical duration is: two thirds of all videos take between 0.45 and 2.2 times as long.
PRIOR_SIGMA: Final = 0.8
#: Shortest typical duration, in seconds.
SHORTEST_S: Final = 0.5
#: Seconds by which calls may be delayed differently between grant and wire.
JITTER_S: Final = 0.05


def jitter_reserve(rate: float) -> int:
    """Calls of the burst that are kept back, so that calls delayed by up to JITTER_S still fit into their second.

    Example:
        >>> jitter_reserve(10), jitter_reserve(100)
        (1, 5)
    """
    return math.ceil(rate * JITTER_S)


class ModelPolicy(BaseModel):
    """How one model of an account is watched.

    Attributes:
        schedule: when to look next: ``adaptive``, ``geometric``, ``smart``, ``progressive``, ``fixed(seconds)``, or a
            table of one's fields.
        timeout_s: seconds after acceptance when a video is no longer expected: it fails with ``timed_out``.
        expected_s: seconds after acceptance when it is called overdue.
        typical_s: seconds that half of the videos take, as far as known: what the schedule and the ETA go by until
            enough were seen; a third of ``expected_s`` if not given.
        duration_params: parameters that decide how long a video takes; durations are learned for each of their values.
        not_found_grace_s: seconds for which the provider may say that it does not know an operation, before it is lost.
        retention_s: seconds past its deadline for which a timed out generation is still looked at, slowly; the
            provider's own retention if not given.
        kinds: what it can be asked for, where the catalogue does not know the model; if nobody says, what its provider
            makes.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    schedule: Schedule = Adaptive()
    timeout_s: Seconds = 1800.0
    expected_s: Seconds = 300.0
    typical_s: Seconds | None = None
    duration_params: tuple[str, ...] = ("duration", "durationSeconds", "resolution")
    not_found_grace_s: Seconds = 120.0
    retention_s: Annotated[float, Field(ge=0, le=30 * 24 * 3600, allow_inf_nan=False)] | None = None
    kinds: tuple[Kind, ...] | None = None

    @property
    def prior(self) -> Durations:
        """How long its videos take, as far as is known before any was seen."""
        return _prior(self._typical_s)

    def scaled(self, factor: float) -> "ModelPolicy":
        """The same, for videos that typically take ``factor`` times as long."""
        return self.model_copy(update={"typical_s": max(self._typical_s * factor, SHORTEST_S)})

    @property
    def _typical_s(self) -> float:
        return self.typical_s or self.expected_s / 3


@lru_cache
def _prior(typical_s: float) -> Durations:
    return Durations.lognormal(typical_s, PRIOR_SIGMA)


def _not_empty(models: dict[str, ModelPolicy]) -> dict[str, ModelPolicy]:
    if not models:
        raise ValueError("list at least one model")
    return models


class Account(Announcing):
    """One account at one provider: where it is reached, what it may ask for per second, what it offers.

    In any window of ``t`` seconds at most ``rate · t + burst`` calls of a verb reach the vendor, so ``rate + burst``
    must be what it allows in one second. Not every call takes equally long from its grant to the wire; for that
    jitter, ``rate · 50 ms`` of the burst are kept in reserve, and a burst too small for it is refused.

    Attributes:
        api_key_env: name of the environment variable that holds the key.
        api_key_file: a file that holds the key, read at every call: for tokens that something else refreshes.
        api_key: the key itself; accepted for loopback addresses and the simulator only.
        simulated: whether ``base_url`` is the simulator's, wherever that runs.
        options: what only this provider needs, e.g. ``storage_uri`` for ``veo``; its template may say more.
        retired_models: what becomes of requests for models whose retirement date has passed: a warning, or a refusal.
        weight: its share of the requests that name no account, in proportion to the provider's other accounts with the
            same model.
        http: the vendor in words, for the provider ``http``; ``docs/providers-http.md`` explains it.
        max_in_flight: most generations the provider may work on at once for this account; no limit if not given.
        refused_pause_s: seconds the account rests after its key or balance was refused, before it is tried again.
        submit_timeout_s: seconds a paid call may take. Afterwards nobody knows whether it was taken, so be generous.
    """

    name: str
    provider: str
    base_url: str
    api_key_env: str | None = None
    api_key_file: Path | None = None
    api_key: SecretStr | None = None
    simulated: bool = False
    status_rate: Rate = 5.0
    status_burst: PositiveInt = 2
    submit_rate: Rate = 1.0
    submit_burst: PositiveInt = 2
    weight: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 1.0
    max_in_flight: PositiveInt | None = None
    refused_pause_s: Annotated[float, Field(ge=1, le=3600, allow_inf_nan=False)] = 30.0
    submit_timeout_s: Annotated[float, Field(ge=1, le=300, allow_inf_nan=False)] = 60.0
    retired_models: Literal["warn", "refuse"] = "warn"
    options: dict[str, str] = Field(default_factory=dict)
    http: HttpDescription | None = None
    models: Annotated[dict[str, ModelPolicy], AfterValidator(_not_empty)]

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        found = [*self._about_key(), *self._about_url(), *self._about_description(), *self._about_jitter()]
        if found:
            raise ValueError("; ".join(found))
        return self

    def _about_key(self) -> Iterator[str]:
        given = 3 - [self.api_key, self.api_key_env, self.api_key_file].count(None)
        keyless = self.http is not None and not self.http.uses_key
        if given != 1 and not (keyless and given == 0):
            yield "give one of api_key_env (a variable's name), api_key_file or, for loopback addresses, api_key"
        if self.api_key is not None and not (self.is_local or self.simulated):
            yield "api_key is for loopback addresses only: put the key in the environment, name it api_key_env"
        if self.webhook_secret is not None and not (self.is_local or self.simulated):
            yield "webhook_secret is for loopback addresses only: put it in the environment, name it webhook_secret_env"

    def _about_url(self) -> Iterator[str]:
        if urlsplit(self.base_url).scheme not in ("http", "https"):
            yield "base_url must start with https:// (or http://)"
        if "@" in urlsplit(self.base_url).netloc:
            yield "base_url must hold no login: it would be sent in place of the key"

    def _about_description(self) -> Iterator[str]:
        if self.provider == "http" and self.http is None:
            yield f"http: the provider http needs its description, in a table [accounts.{self.name}.http]"
        if self.provider != "http" and self.http is not None:
            yield f'http: {self.provider} has an adapter of its own; a description needs provider = "http"'

    def _about_jitter(self) -> Iterator[str]:
        for verb, rate, burst in (
            ("status", self.status_rate, self.status_burst),
            ("submit", self.submit_rate, self.submit_burst),
        ):
            needed = 1 + jitter_reserve(rate)
            if burst < needed:
                yield f"{verb}_burst must be at least {needed} for a {verb}_rate of {rate:g}: 1, and 5 % for jitter"

    @property
    def is_local(self) -> bool:
        """Whether its vendor is on this machine, as the simulator is."""
        return urlsplit(self.base_url).hostname in LOOPBACK

    def callback_url(self, id: UUID) -> str | None:
        """Where the vendor is to say that a generation is done; None where it is not told to."""
        makes = self.callbacks
        if makes is None or (makes.is_local and not (self.is_local or self.simulated)):
            return None
        return makes.url(self.provider, self.name, id)

    def key(self) -> str:
        """The credential, read at the moment of use; from then on it is kept out of texts (``redact.py``).

        Raises:
            NotConfigured: the variable is not set, the file cannot be read.
        """
        key = self._key()
        SECRETS.add(key)
        return key

    def _key(self) -> str:
        if self.api_key is not None:
            return self.api_key.get_secret_value()
        if self.api_key_file is not None:
            try:
                return self.api_key_file.read_text().strip()
            except (OSError, UnicodeDecodeError) as error:
                raise NotConfigured(
                    f"account {self.name}: cannot read its key from {self.api_key_file}: {error}"
                ) from None
        key = os.environ.get(str(self.api_key_env), "").strip()
        if not key:
            raise NotConfigured(f"account {self.name}: set {self.api_key_env} to its API key")
        return key

    def policy(self, model: str) -> ModelPolicy:
        """The policy of ``model``; the defaults for a model since taken out of the file but still being watched."""
        return self.models.get(model, ModelPolicy())


class Accounts(BaseModel):
    """Every account of the providers file, in the file's order."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    accounts: dict[str, Account]

    def __getitem__(self, name: str) -> Account:
        return self.accounts[name]

    def get(self, name: str | None) -> Account | None:
        """The account of this name, if there is one."""
        return self.accounts.get(name) if name else None

    def named(self, name: str) -> Account:
        """The account of this name.

        Raises:
            UnknownTarget: naming those there are instead.
        """
        found = self.accounts.get(name)
        if found is None:
            raise UnknownTarget([f"account: no account {name!r}; there are {', '.join(self.accounts)}"])
        return found

    def policies(self) -> dict[tuple[str, str], ModelPolicy]:
        """The policy of each provider's models; of the first account that lists it."""
        found: dict[tuple[str, str], ModelPolicy] = {}
        for account in self.accounts.values():
            for model, policy in account.models.items():
                found.setdefault((account.provider, model), policy)
        return found

    def calling_back(self, callbacks: Callbacks | None) -> "Accounts":
        """The same, with addresses for those whose vendors are to tell when something is done."""
        return Accounts(accounts={name: one.calling_back(callbacks) for name, one in self.accounts.items()})

    def scaled(self, factor: float) -> "Accounts":
        """The same, as if every video typically took ``factor`` times as long."""
        scaled = {
            name: account.model_copy(
                update={"models": {model: one.scaled(factor) for model, one in account.models.items()}}
            )
            for name, account in self.accounts.items()
        }
        return Accounts(accounts=scaled)

    def candidates(self, provider: str, model: str, account: str | None) -> list[Account]:
        """The accounts that may pay for ``model``: the named one, or all of the provider's that list the model.

        Raises:
            UnknownTarget: naming what is known instead.
        """
        offering = self.offering(provider, account)
        listing = [one for one in offering if model in one.models]
        if not listing:
            models = sorted({name for one in offering for name in one.models})
            whose = provider if account is None else f"account {account!r}"
            raise UnknownTarget([f"model: {whose} has no {model!r}; it has {', '.join(models)}"])
        return listing

    def offering(self, provider: str, account: str | None) -> list[Account]:
        """The named account, or all of the provider's.

        Raises:
            UnknownTarget: naming what is known instead.
        """
        if account is not None:
            return [self._of_provider(account, provider)]
        offering = [one for one in self.accounts.values() if one.provider == provider]
        if not offering:
            known = sorted({one.provider for one in self.accounts.values()})
            raise UnknownTarget([f"provider: no account for {provider!r}; there are accounts for {', '.join(known)}"])
        return offering

    def _of_provider(self, account: str, provider: str) -> Account:
        found = self.named(account)
        if found.provider != provider:
            raise UnknownTarget([f"account: {account!r} belongs to provider {found.provider!r}, not {provider!r}"])
        return found
