"""What is wrong with what an operator configures: everything at once, each with its file, account and key."""

import difflib
import os
import runpy
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import ValidationError

from vidpoll import catalogue, messages, providers
from vidpoll.accounts import Account, jitter_reserve
from vidpoll.brokers import broker_of
from vidpoll.cli.checking_webhooks import Found as _Found
from vidpoll.cli.checking_webhooks import about_webhooks
from vidpoll.errors import NotConfigured
from vidpoll.providers.http import Http
from vidpoll.providers_file import SIMULATOR, VARIABLE, completed_account, reason
from vidpoll.redis_url import parse
from vidpoll.services import build_archive
from vidpoll.settings import Settings, load_settings, running_stack
from vidpoll.store import connect

ENVIRONMENT: Final = "environment"
#: Stands for what a variable that is not set would say, so that the rest can be looked at.
_UNSET: Final = "http://127.0.0.1:9/vidpoll-variable-not-set"
#: What docker-compose.yml reads.
_COMPOSE: Final = frozenset(
    {"VIDPOLL_POSTGRES_PASSWORD", "VIDPOLL_REDIS_PASSWORD", "VIDPOLL_LOG_LEVEL", "VIDPOLL_API_PORT"}
)
#: What refuses a URL that cannot be used, without contacting anybody.
_URLS_OPENED: Final[Mapping[str, Callable[[str], object]]] = {
    "redis_url": parse,
    "broker_url": broker_of,
    "database_url": lambda url: connect(url).dispose(),
}


@dataclass(frozen=True, slots=True)
class Mistake:
    """One thing that is wrong, or looks wrong.

    Attributes:
        level: ``error`` when vidpoll cannot work with it; ``warning`` when it may be meant.
        file: the file, or ``environment``.
        account: the account's name, where it concerns one.
        key: where in the file or account.
    """

    level: Literal["error", "warning"]
    file: str
    account: str | None
    key: str | None
    words: str


def check(providers_file: Path | None = None, celery_file: Path | None = None) -> list[Mistake]:
    """Everything that is wrong with the environment, the providers file and Celery's settings; contacts nobody."""
    found = list(_environment())
    readable = True
    try:
        settings = load_settings()
    except NotConfigured as error:
        readable = False
        found += [_in_environment("error", *_named(part)) for part in str(error).split("; ")]
        settings = _addresses_alone()
    found += _urls(settings)
    found += _archive(settings)
    path = providers_file or Path(os.environ.get("VIDPOLL_PROVIDERS_FILE") or "config/providers.toml")
    simulator = {SIMULATOR: settings.simulator_url} if settings.simulator_url else {}
    found += _providers(path, {**os.environ, **simulator})
    celery = celery_file or Path("config/celeryconfig.py")
    if readable and (celery_file or celery.exists()):  # it reads the same variables, and would say the same
        found += _celery(celery, settings)
    return found


# -- the environment ---------------------------------------------------------------------------------------------------


def _environment() -> Iterator[Mistake]:
    api, problem = _api_variables()
    if problem:
        yield from (_in_environment("error", *_named(part)) for part in problem.split("; "))
    known = {f"VIDPOLL_{name.upper()}" for name in Settings.model_fields} | api | _COMPOSE
    for name in sorted(os.environ):
        if name.startswith("VIDPOLL_") and name not in known:
            yield _in_environment("warning", name, f"vidpoll reads no such variable{_meant(name, known)}")


def _addresses_alone() -> Settings:
    """Where everything is, when another variable cannot be used: that one is no reason to call these unset."""
    names = ("redis_url", "broker_url", "database_url", "simulator_url")
    set_here = {name: os.environ.get(f"VIDPOLL_{name.upper()}") for name in names}
    set_here["broker_url"] = set_here["broker_url"] or set_here["redis_url"]
    stack = running_stack(Path(os.environ.get("VIDPOLL_STACK_DIR") or ".vidpoll"))
    found = {name: url or stack.get(name) for name, url in set_here.items()}
    return Settings.model_construct().model_copy(update=found)


def _api_variables() -> tuple[set[str], str | None]:
    """The names of the HTTP side's variables, and what is wrong with their values; its extra may not be there."""
    try:
        from vidpoll.api.settings import ApiSettings, load_api_settings  # noqa: PLC0415  an extra
    except ImportError:
        return {name for name in os.environ if name.startswith("VIDPOLL_API_")}, None
    names = {f"VIDPOLL_API_{name.upper()}" for name in ApiSettings.model_fields}
    try:
        load_api_settings()
    except NotConfigured as error:
        return names, str(error)
    return names, None


def _urls(settings: Settings) -> Iterator[Mistake]:
    for name in _URLS_OPENED:
        variable, url = f"VIDPOLL_{name.upper()}", getattr(settings, name)
        if url is None:
            yield _in_environment(
                "warning", variable, "is not set, and no embedded stack runs: nothing could be started"
            )
        else:
            try:
                _URLS_OPENED[name](url)
            except (NotConfigured, ValueError) as error:
                yield _in_environment("error", variable, str(error))


def _archive(settings: Settings) -> Iterator[Mistake]:
    try:
        if build_archive(settings) is None and (settings.archive_options or settings.archive_public_url):
            words = "is not set, so nothing is copied, whatever VIDPOLL_ARCHIVE_OPTIONS and _PUBLIC_URL say"
            yield _in_environment("warning", "VIDPOLL_ARCHIVE_URL", words)
    except NotConfigured as error:
        yield _in_environment("error", "VIDPOLL_ARCHIVE_URL", _named(str(error))[1])


def _named(problem: str) -> tuple[str | None, str]:
    """``VIDPOLL_LEASE_S: must be …`` as its two parts."""
    name, sign, words = problem.partition(": ")
    return (name, words) if sign and name.startswith("VIDPOLL_") else (None, problem)


def _in_environment(level: Literal["error", "warning"], key: str | None, words: str) -> Mistake:
    return Mistake(level, ENVIRONMENT, None, key, words)


# -- the providers file ------------------------------------------------------------------------------------------------


def _providers(path: Path, environ: Mapping[str, str]) -> Iterator[Mistake]:
    file = str(path)
    try:
        text = path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        yield Mistake("error", file, None, None, f"cannot be read ({error}); VIDPOLL_PROVIDERS_FILE says where it is")
        return
    unset = set()
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.lstrip().startswith("#"):
            for name in VARIABLE.findall(line):
                if name not in environ and name not in unset:
                    unset.add(name)
                    yield Mistake("error", file, None, f"line {number}", f"uses ${{{name}}}, which is not set")
    filled = VARIABLE.sub(lambda match: environ.get(match[1], _UNSET), text)
    try:
        tables = tomllib.loads(filled)
    except tomllib.TOMLDecodeError as error:
        yield Mistake("error", file, None, None, f"is not valid TOML: {error}")
        return
    for name in tables.keys() - {"accounts"}:
        yield Mistake("error", file, None, name, "there is no such key")
    accounts = tables.get("accounts")
    if not isinstance(accounts, dict) or not accounts:
        yield Mistake("error", file, None, "accounts", "must have at least one table, [accounts.NAME]")
        return
    if SIMULATOR not in environ and any(isinstance(one, dict) and one.get("simulated") for one in accounts.values()):
        yield Mistake("error", file, None, None, f"has simulated accounts, and {SIMULATOR} is not set")
    for name, table in accounts.items():
        for level, key, words in _account(name, table, path, {SIMULATOR: _UNSET, **environ}):
            yield Mistake(level, file, name, key, words)


def _account(name: str, table: object, path: Path, environ: Mapping[str, str]) -> Iterator[_Found]:
    if not isinstance(table, dict):
        yield "error", None, "must be a table"
        return
    try:
        completed = completed_account(name, table, path, environ)
    except NotConfigured as error:
        yield "error", "template", str(error).removeprefix(f"{path}: accounts.{name}: ")
        return
    provider, account = completed.get("provider"), None
    if isinstance(provider, str) and provider not in providers.names():
        meant = _meant(provider, providers.names()) or f"; there are {', '.join(providers.names())}"
        yield "error", "provider", f"there is no provider {provider!r}{meant}"
    while account is None:
        try:
            account = Account.model_validate(completed)
        except ValidationError as errors:
            found = errors.errors()
            yield from _validated(found)
            wrong = {one["loc"][0] for one in found if one["loc"]} & completed.keys()
            if not wrong or "models" in wrong or "provider" in wrong or any(not one["loc"] for one in found):
                yield from _jitter(completed, found)
                return
            # What is said of the whole account only shows once its keys are right: go on without the wrong ones.
            completed = {key: value for key, value in completed.items() if key not in wrong}
            if missing := [one for one in found if one["type"] == "missing"]:
                yield from _jitter(completed, missing)
                return
    yield from _adapter(account, environ)
    yield from _key(account)
    today = datetime.now(UTC).date()
    for model in account.models:
        known = catalogue.find(account.provider, model)
        if known and known.retired(today):
            instead = f"; the vendor names {known.replaced_by} instead" if known.replaced_by else ""
            yield "warning", f"models.{model}", f"was retired by its vendor on {known.retires} or later{instead}"


def _validated(found: Iterable[Any]) -> Iterator[_Found]:
    for one in found:
        key = ".".join(map(str, one["loc"])) or None
        words = reason(one)
        if key and one["type"] == "extra_forbidden":
            words += _meant(key, {*Account.model_fields, "simulated", "template"} - {"name"}) if "." not in key else ""
        if one["type"] == "value_error" and key is None:
            yield from (("error", None, part) for part in words.split("; "))
        elif not (isinstance(one["input"], str) and _UNSET in one["input"]):
            yield "error", key, words


def _jitter(completed: Mapping[str, Any], found: Iterable[Any]) -> Iterator[_Found]:
    """Bursts too small, where what else is wrong kept the account's own check from looking."""
    if any(not one["loc"] for one in found):
        return
    fields = Account.model_fields
    for verb in ("status", "submit"):
        rate, burst = (completed.get(key, fields[key].default) for key in (f"{verb}_rate", f"{verb}_burst"))
        if isinstance(rate, int | float) and isinstance(burst, int) and burst < 1 + jitter_reserve(rate):
            yield "error", f"{verb}_burst", f"must be at least {1 + jitter_reserve(rate)} for a rate of {rate:g}"


def _adapter(account: Account, environ: Mapping[str, str]) -> Iterator[_Found]:
    if account.provider not in providers.names():
        return  # said already
    try:
        adapter = providers.adapter_of(account, Http(account.base_url, submit_timeout_s=account.submit_timeout_s))
        yield from about_webhooks(account, adapter.capabilities, environ)
    except NotConfigured as error:
        yield "error", None, str(error).removeprefix(f"account {account.name}: ")
        return
    known = providers.options_of(account.provider)
    for name in sorted(account.options.keys() - known):
        have = f"; it reads {', '.join(sorted(known))}" if known else "; it reads none"
        yield "warning", f"options.{name}", f"{account.provider} reads no such option{_meant(name, known) or have}"


def _key(account: Account) -> Iterator[_Found]:
    """Live accounts only: one without its key is refused at every call."""
    if account.is_local:
        return
    if account.api_key_env and not os.environ.get(account.api_key_env, "").strip():
        yield "warning", "api_key_env", f"{account.api_key_env} is not set here; workers need it"
    if account.api_key_file and not os.access(account.api_key_file, os.R_OK):
        yield "warning", "api_key_file", f"{account.api_key_file} cannot be read here; workers need it"


# -- Celery ------------------------------------------------------------------------------------------------------------


def _celery(path: Path, settings: Settings) -> Iterator[Mistake]:
    """Celery's settings are Python: they are run, as a worker would."""
    from celery.app.defaults import NAMESPACES, flatten  # noqa: PLC0415  heavy

    def mistake(level: Literal["error", "warning"], key: str | None, words: str) -> Mistake:
        return Mistake(level, str(path), None, key, words)

    if settings.broker_url is None:
        return  # said already, and nothing can be read without it
    try:
        read = runpy.run_path(str(path))
    except (Exception, SystemExit) as error:
        yield mistake("error", None, f"cannot be read: {type(error).__name__}: {error}")
        return
    given = {name: value for name, value in read.items() if name.islower() and not name.startswith("_")}
    settable = {name.lower() for name, _ in flatten(NAMESPACES)}
    for name, value in given.items():
        if name not in settable and isinstance(value, str | int | float | bool | list | dict | tuple | None):
            yield mistake("warning", name, f"Celery has no such setting{_meant(name, settable)}")
    missing = set(messages.QUEUES) - {getattr(queue, "name", queue) for queue in given.get("task_queues") or ()}
    if missing:
        yield mistake("error", "task_queues", f"lacks {', '.join(sorted(missing))}, which vidpoll sends to")
    if given.get("task_serializer", "json") != "json" or set(given.get("accept_content") or ["json"]) != {"json"}:
        yield mistake("error", "accept_content", 'must be ["json"], and task_serializer "json"')
    if given.get("result_backend"):
        yield mistake("warning", "result_backend", "results are in Postgres; Celery's would only cost")
    if messages.RESTORE_STUCK not in {one.get("task") for one in (given.get("beat_schedule") or {}).values()}:
        yield mistake(
            "error", "beat_schedule", f"lacks {messages.RESTORE_STUCK}: nothing that got lost would come back"
        )


def _meant(name: str, known: Iterable[str]) -> str:
    """``; did you mean …?``, where something known is alike."""
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.75)
    return f"; did you mean {close[0]}?" if close else ""
