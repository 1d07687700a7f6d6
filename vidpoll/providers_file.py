"""The providers file (``config/providers.toml``), read once at start into frozen objects.

An account says what differs from its template in the catalogue: ``provider`` alone is enough to reach a vendor with the
key its own clients use, and ``simulated = true`` to reach the simulator instead. What is wrong is said with the file's
name and the key's path.
"""

import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from vidpoll.accounts import Accounts
from vidpoll.catalogue import Entry, catalogue
from vidpoll.errors import NotConfigured

#: Where the simulator is.
SIMULATOR: Final = "VIDPOLL_SIMULATOR_URL"
VARIABLE: Final = re.compile(r"\$\{(\w+)\}")
_KEYS: Final = frozenset({"api_key", "api_key_env", "api_key_file"})
_SIGNING: Final = frozenset({"webhook_secret", "webhook_secret_env"})
#: What is wrong, where pydantic's own words speak of Python.
_REASONS: Final = {
    "extra_forbidden": "there is no such key",
    "missing": "this key is missing",
    "tuple_type": "must be a list",
    "dict_type": "must be a table",
    "model_type": "must be a table",
    "model_attributes_type": "must be a table",
}
_POLICY: Final = ("typical_s", "expected_s", "timeout_s", "kinds")


def load_accounts(path: Path, environ: Mapping[str, str] = os.environ, *, time_scale: float = 1.0) -> Accounts:
    """Read a providers file; ``${NAME}`` in its strings is replaced from the environment.

    ``time_scale`` is a factor on every ``typical_s``, for simulators that run faster than their vendors.

    Raises:
        NotConfigured: the file is missing, is not TOML, names a variable that is not set, or holds wrong values.
    """
    try:
        text = path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise NotConfigured(
            f"cannot read the providers file {path} ({error}); set VIDPOLL_PROVIDERS_FILE to where it is"
        ) from None
    try:
        tables = tomllib.loads(_substituted(text, path, environ))
    except tomllib.TOMLDecodeError as error:
        raise NotConfigured(f"{path} is not valid TOML: {error}") from None
    try:
        accounts = Accounts.model_validate({**tables, "accounts": _completed(tables.get("accounts"), path, environ)})
    except ValidationError as error:
        found = "; ".join(f"{'.'.join(map(str, one['loc']))}: {reason(one)}" for one in error.errors())
        raise NotConfigured(f"{path}: {found}") from None
    return accounts if time_scale == 1 else accounts.scaled(time_scale)


def reason(found: ErrorDetails) -> str:
    """What is wrong, in words for whoever wrote the file."""
    return _REASONS.get(found["type"]) or found["msg"].removeprefix("Value error, ")


def _substituted(text: str, path: Path, environ: Mapping[str, str]) -> str:
    def value(match: re.Match[str]) -> str:
        name = match[1]
        if name not in environ:
            raise NotConfigured(f"{path} uses ${{{name}}}, but {name} is not set; set it, or write the value")
        return environ[name]

    lines = (line if line.lstrip().startswith("#") else VARIABLE.sub(value, line) for line in text.splitlines())
    return "\n".join(lines)


def _completed(accounts: object, path: Path, environ: Mapping[str, str]) -> object:
    """Every account with its name and what its template says; what is no table is left for the check to refuse."""
    if not isinstance(accounts, dict):
        return accounts
    return {
        name: completed_account(name, table, path, environ) if isinstance(table, dict) else table
        for name, table in accounts.items()
    }


def completed_account(name: str, table: dict[str, Any], path: Path, environ: Mapping[str, str]) -> dict[str, Any]:
    """An account's table with its name, and what its template says.

    Raises:
        NotConfigured: there is no such template, or no simulator for one that is simulated.
    """
    given = {"name": name, **table}
    simulated, template = given.pop("simulated", False), given.pop("template", given.get("provider"))
    entry = catalogue().get(template) if isinstance(template, str) else None
    if entry is None:
        if "template" in table or simulated:
            raise NotConfigured(
                f"{path}: accounts.{name}: there is no template {template!r}; there are {', '.join(catalogue())}"
            )
        return given
    given.setdefault("provider", entry.provider)
    given["models"] = _models(given.get("models"), entry)
    given["options"] = _options(given.get("options", {}), entry, simulated=bool(simulated))
    return {**_place(name, entry, environ, path, simulated=bool(simulated), given=given), **given}


def _place(
    name: str, entry: Entry, environ: Mapping[str, str], path: Path, *, simulated: bool, given: Mapping[str, Any]
) -> dict[str, Any]:
    """Where an account is reached and with which key, as far as it does not say so itself."""
    key = {} if _KEYS & given.keys() else {"api_key_env": entry.key_env}
    signing = {} if _SIGNING & given.keys() else _signing(entry, simulated=simulated)
    if not simulated:
        return key | signing | ({"base_url": entry.base_url} if entry.base_url else {})
    if SIMULATOR not in environ:
        raise NotConfigured(f"{path}: accounts.{name} is simulated, but {SIMULATOR} is not set")
    url = environ[SIMULATOR].rstrip("/") + entry.simulator
    own_key = {} if _KEYS & given.keys() else {"api_key": entry.key_at_simulator(f"simulator-{name}")}
    return own_key | signing | {"base_url": url, "simulated": "base_url" not in given}


def _signing(entry: Entry, *, simulated: bool) -> dict[str, str]:
    """What the vendor signs webhooks with."""
    if simulated:
        return {"webhook_secret": entry.simulator_webhook_secret} if entry.simulator_webhook_secret else {}
    return {"webhook_secret_env": entry.webhook_secret_env} if entry.webhook_secret_env else {}


def _options(options: object, entry: Entry, *, simulated: bool) -> object:
    """Those of the account, before those of its template."""
    if not isinstance(options, dict):
        return options
    return {**entry.options, **(entry.simulator_options if simulated else {}), **options}


def _models(models: object, entry: Entry) -> object:
    """Those the account lists, or else all of the template; each with what the catalogue knows of it."""
    if models is None:
        models = {name: {} for name in entry.models}
    if not isinstance(models, dict):
        return models
    return {
        name: {**_policy(entry, name), **policy} if isinstance(policy, dict) else policy
        for name, policy in models.items()
    }


def _policy(entry: Entry, model: str) -> dict[str, Any]:
    known = entry.models.get(model)
    return {name: getattr(known, name) for name in _POLICY} if known else {}
