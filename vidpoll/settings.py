"""Where everything is: the environment, else the embedded stack, into one frozen :class:`Settings`.

========================== ==========================================================
``VIDPOLL_REDIS_URL``      the lanes' Redis
``VIDPOLL_BROKER_URL``     Celery's broker; the lanes' Redis if not set
``VIDPOLL_DATABASE_URL``   Postgres, ``postgresql://user@host/name``
``VIDPOLL_PROVIDERS_FILE`` accounts and models; ``config/providers.toml`` if not set
``VIDPOLL_SIMULATOR_URL``  the simulator, where the providers file names it
``VIDPOLL_STACK_DIR``      folder of the embedded stack; ``.vidpoll`` if not set
``VIDPOLL_WORKER_THREADS`` threads of a worker process; 16 if not set
``VIDPOLL_LEASE_S``        seconds until a dead worker's work is due again; 30 if not set
``VIDPOLL_TIME_SCALE``     how much of its typical time a video takes: below 1 with a simulator that runs faster
========================== ==========================================================

What the environment does not say is taken from ``stack.json`` of a running ``vidpoll up``. A server that merely
listens on a standard port is never used.
"""

import json
import os
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from vidpoll.accounts import Accounts
from vidpoll.errors import NotConfigured
from vidpoll.providers_file import load_accounts

STACK_FILE: Final = "stack.json"


class Settings(BaseSettings):
    """What the environment says. Take it through :func:`load_settings`, which adds the embedded stack.

    Attributes:
        worker_threads: size of the worker's thread pool; the database pool follows it.
        lease_s: seconds after which work handed to a worker that died is due again. Longer than a check may take.
        time_scale: factor on the ``typical_s`` of the providers file, for simulators that run faster than vendors.
    """

    model_config = SettingsConfigDict(env_prefix="VIDPOLL_", frozen=True)

    redis_url: str | None = None
    broker_url: str | None = None
    database_url: str | None = None
    providers_file: Path = Path("config/providers.toml")
    stack_dir: Path = Path(".vidpoll")
    simulator_url: str | None = None
    worker_threads: int = Field(default=16, ge=1, le=1000)
    lease_s: float = Field(default=30.0, gt=0, le=3600)
    time_scale: float = Field(default=1.0, ge=0, le=1000)

    @cached_property
    def accounts(self) -> Accounts:
        """The providers file, read at the first use.

        Raises:
            NotConfigured: it is missing or wrong.
        """
        simulator = {"VIDPOLL_SIMULATOR_URL": self.simulator_url} if self.simulator_url else {}
        return load_accounts(self.providers_file, {**os.environ, **simulator}, time_scale=self.time_scale)

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


def load_settings(**overrides: Any) -> Settings:
    """Overrides, then the environment, then the embedded stack that runs in ``VIDPOLL_STACK_DIR``.

    Example:
        >>> load_settings(redis_url="redis://127.0.0.1:7000/0").broker_url
        'redis://127.0.0.1:7000/0'
    """
    given = {name: value for name, value in overrides.items() if value is not None}
    try:
        settings = Settings(**given)
    except ValidationError as error:
        found = "; ".join(f"VIDPOLL_{str(one['loc'][0]).upper()}: {one['msg']}" for one in error.errors())
        raise NotConfigured(found) from None
    stack = running_stack(settings.stack_dir)
    urls = {
        "redis_url": settings.redis_url or stack.get("redis_url"),
        "database_url": settings.database_url or stack.get("database_url"),
        "simulator_url": settings.simulator_url or stack.get("simulator_url"),
    }
    urls["broker_url"] = settings.broker_url or settings.redis_url or stack.get("broker_url") or urls["redis_url"]
    return settings.model_copy(update=urls)


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
