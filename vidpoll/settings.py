"""Where everything is: the environment, else the embedded stack, into one frozen :class:`Settings`.

=========================== ==========================================================
``VIDPOLL_REDIS_URL``       the lanes' Redis
``VIDPOLL_BROKER_URL``      Celery's broker; the lanes' Redis if not set
``VIDPOLL_DATABASE_URL``    Postgres, ``postgresql://user@host/name``
``VIDPOLL_PROVIDERS_FILE``  accounts and models; ``config/providers.toml`` if not set
``VIDPOLL_SIMULATOR_URL``   the simulator, where the providers file names it
``VIDPOLL_PUBLIC_URL``      where vendors reach the API, for accounts with ``webhooks = true``
``VIDPOLL_WEBHOOKS_SECRET`` what the addresses told to vendors are made unguessable with
``VIDPOLL_STACK_DIR``       folder of the embedded stack; ``.vidpoll`` if not set
``VIDPOLL_WORKER_THREADS``  threads of a worker process; 16 if not set
``VIDPOLL_LEASE_S``         seconds until a dead worker's work is due again; 30 if not set
``VIDPOLL_METRICS_PORT``    where a worker serves its metrics; not at all if not set
``VIDPOLL_METRICS_HOST``    on which address; 127.0.0.1 if not set
``VIDPOLL_LOG_FORMAT``      ``json``, ``pretty`` or, if not set, ``auto``: pretty in a terminal
``VIDPOLL_LOG_LEVEL``       from which level on lines of vidpoll are logged; INFO if not set
``VIDPOLL_WEBHOOKS_LOCAL``  ``true``: webhooks may go to this machine, and by http; ``vidpoll up`` sets it
``VIDPOLL_TIME_SCALE``      how much of its typical time a video takes: below 1 with a simulator that runs faster
=========================== ==========================================================

How long what is done is kept, in days; ``never`` keeps it for ever. Less than a week is refused, unless
``VIDPOLL_KEEP_LESS_THAN_A_WEEK`` is ``true``.

===================================== ============================================================================
``VIDPOLL_KEEP_EVENTS_DAYS``          events of generations, from the generation's end; 30 if not set
``VIDPOLL_KEEP_GENERATIONS_DAYS``     generations themselves, from their end; ``never`` if not set. One that is gone
                                      has left its idempotency key: the same request pays again
``VIDPOLL_KEEP_DEAD_LETTERS_DAYS``    refused messages; 90 if not set
``VIDPOLL_KEEP_REVOKED_KEYS_DAYS``    API keys, from their revocation; 90 if not set
``VIDPOLL_KEEP_DELIVERIES_DAYS``      webhooks that were delivered or given up, from then; 30 if not set
===================================== ============================================================================

Where copies of results are kept (``docs/archive.md``).

===================================== ============================================================================
``VIDPOLL_ARCHIVE_URL``               a folder, ``file:///…`` or ``s3://bucket/prefix``; no copies if not set
``VIDPOLL_ARCHIVE_OPTIONS``           a JSON object for fsspec, e.g. ``{"endpoint_url": "https://…"}``
``VIDPOLL_ARCHIVE_PUBLIC_URL``        what stands before a copy's name where anybody can read it
``VIDPOLL_ARCHIVE_MAX_BYTES``         largest file that is copied; 2147483648 (2 GiB) if not set
``VIDPOLL_ARCHIVE_TIMEOUT_S``         seconds an attempt to copy a file may take; 600 if not set
``VIDPOLL_ARCHIVE_AT_ONCE``           files copied at the same time by all workers together; 8 if not set, and never
                                      more than half of ``VIDPOLL_WORKER_THREADS``
===================================== ============================================================================

What the environment does not say is taken from ``stack.json`` of a running ``vidpoll up``. A server that merely
listens on a standard port is never used.
"""

import json
import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError

from vidpoll.accounts import Accounts
from vidpoll.callbacks import Callbacks, long_enough, reachable
from vidpoll.errors import NotConfigured
from vidpoll.providers_file import load_accounts
from vidpoll.redact import SECRETS

STACK_FILE: Final = "stack.json"
#: Days below which a setting of what is kept is taken for a mistake: clients send requests again, and resume streams.
SHORTEST_DAYS: Final = 7
_DAY_S: Final = 24 * 3600.0


def _unless_never(value: object) -> object:
    return None if isinstance(value, str) and value.strip().lower() == "never" else value


Days = Annotated[Annotated[float, Field(ge=0, le=36_500, allow_inf_nan=False)] | None, BeforeValidator(_unless_never)]


@dataclass(frozen=True)
class Keep:
    """For how many seconds what is done is kept; None for ever."""

    events_s: float | None = 30 * _DAY_S
    generations_s: float | None = None
    dead_letters_s: float | None = 90 * _DAY_S
    revoked_keys_s: float | None = 90 * _DAY_S
    deliveries_s: float | None = 30 * _DAY_S


class Settings(BaseSettings):
    """What the environment says. Take it through :func:`load_settings`, which adds the embedded stack.

    Attributes:
        worker_threads: size of the worker's thread pool; the database pool follows it.
        lease_s: seconds after which work handed to a worker that died is due again. Longer than a check may take.
        webhooks_local: webhooks may go to this machine, and by http.
        metrics_port: each worker on a host needs one of its own.
        time_scale: factor on the ``typical_s`` of the providers file, for simulators that run faster than vendors.
    """

    model_config = SettingsConfigDict(env_prefix="VIDPOLL_", frozen=True)

    redis_url: str | None = None
    broker_url: str | None = None
    database_url: str | None = None
    providers_file: Path = Path("config/providers.toml")
    stack_dir: Path = Path(".vidpoll")
    simulator_url: str | None = None
    public_url: Annotated[str, AfterValidator(reachable)] | None = None
    webhooks_secret: Annotated[SecretStr, AfterValidator(long_enough)] | None = None
    worker_threads: int = Field(default=16, ge=1, le=1000)
    lease_s: float = Field(default=30.0, gt=0, le=3600)
    time_scale: float = Field(default=1.0, ge=0, le=1000)
    metrics_host: str = "127.0.0.1"
    metrics_port: int | None = Field(default=None, ge=1, le=65535)
    log_format: Literal["auto", "json", "pretty"] = "auto"
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    archive_url: str | None = Field(default=None, min_length=1)
    archive_options: dict[str, Any] = Field(default_factory=dict, repr=False)
    archive_public_url: str | None = Field(default=None, pattern=r"^https?://\S+$")
    archive_max_bytes: int = Field(default=2 * 1024**3, ge=1)
    archive_timeout_s: float = Field(default=600.0, ge=1, le=6 * 3600, allow_inf_nan=False)
    archive_at_once: int = Field(default=8, ge=1, le=1000)
    keep_less_than_a_week: bool = False
    keep_events_days: Days = 30
    keep_generations_days: Days = None
    keep_dead_letters_days: Days = 90
    keep_revoked_keys_days: Days = 90
    keep_deliveries_days: Days = 30
    webhooks_local: bool = False

    @field_validator(
        "keep_events_days",
        "keep_generations_days",
        "keep_dead_letters_days",
        "keep_revoked_keys_days",
        "keep_deliveries_days",
    )
    @classmethod
    def _long_enough(cls, days: float | None, info: ValidationInfo) -> float | None:
        if days is not None and days < SHORTEST_DAYS and not info.data.get("keep_less_than_a_week"):
            raise ValueError(
                f"{days:g} days are less than a week; if that is meant, set VIDPOLL_KEEP_LESS_THAN_A_WEEK=true"
            )
        return days

    @property
    def keep(self) -> Keep:
        """How long what is done is kept."""
        return Keep(
            events_s=_seconds(self.keep_events_days),
            generations_s=_seconds(self.keep_generations_days),
            dead_letters_s=_seconds(self.keep_dead_letters_days),
            revoked_keys_s=_seconds(self.keep_revoked_keys_days),
            deliveries_s=_seconds(self.keep_deliveries_days),
        )

    @cached_property
    def accounts(self) -> Accounts:
        """The providers file, read at the first use.

        Raises:
            NotConfigured: it is missing or wrong.
        """
        simulator = {"VIDPOLL_SIMULATOR_URL": self.simulator_url} if self.simulator_url else {}
        found = load_accounts(self.providers_file, {**os.environ, **simulator}, time_scale=self.time_scale)
        return found.calling_back(self.callbacks)

    @property
    def callbacks(self) -> Callbacks | None:
        """Addresses that vendors may be told; None unless both their beginning and a secret are set."""
        if self.public_url is None or self.webhooks_secret is None:
            return None
        secret = self.webhooks_secret.get_secret_value()
        SECRETS.add(secret)
        return Callbacks(self.public_url, secret)

    def need(self, name: str) -> str:
        """The URL ``redis_url``, ``broker_url`` or ``database_url``.

        Raises:
            NotConfigured: neither the environment nor a running embedded stack has it.
        """
        value: str | None = getattr(self, name)
        if value is None:
            raise NotConfigured(
                f"no {name.replace('_', ' ')}: set VIDPOLL_{name.upper()}, "
                f"or start the embedded stack with `vidpoll up` (looked for it in {self.stack_dir})"
            )
        return value


def _seconds(days: float | None) -> float | None:
    return None if days is None else days * _DAY_S


def load_settings(**overrides: Any) -> Settings:
    """Overrides, then the environment, then the embedded stack that runs in ``VIDPOLL_STACK_DIR``.

    Example:
        >>> load_settings(redis_url="redis://127.0.0.1:7000/0").broker_url
        'redis://127.0.0.1:7000/0'
    """
    given = {name: value for name, value in overrides.items() if value is not None}
    try:
        settings = Settings(**given)
    except SettingsError as error:
        name = str(error).partition('"')[2].partition('"')[0]  # the text is not told: it may hold a secret
        raise NotConfigured(f"VIDPOLL_{name.upper()}: is no JSON") from None
    except ValidationError as error:
        found = "; ".join(
            f"VIDPOLL_{str(one['loc'][0]).upper()}: {one['msg'].removeprefix('Value error, ')}"
            for one in error.errors()
        )
        raise NotConfigured(found) from None
    stack = running_stack(settings.stack_dir)
    urls = {
        "redis_url": settings.redis_url or stack.get("redis_url"),
        "database_url": settings.database_url or stack.get("database_url"),
        "simulator_url": settings.simulator_url or stack.get("simulator_url"),
    }
    urls["broker_url"] = settings.broker_url or settings.redis_url or stack.get("broker_url") or urls["redis_url"]
    local = settings.webhooks_local or bool(stack.get("webhooks_local"))
    return settings.model_copy(update={**urls, "webhooks_local": local})


def running_stack(folder: Path) -> dict[str, Any]:
    """What ``stack.json`` in ``folder`` says; empty when no stack runs there, or the one that did was killed."""
    try:
        found: dict[str, Any] = json.loads((folder / STACK_FILE).read_text())
        return found if _runs(found["pids"]["up"]) else {}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True  # somebody else's process, so it is there
    return True
