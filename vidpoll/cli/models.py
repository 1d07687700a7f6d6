"""``vidpoll models``: what the catalogue knows."""

from datetime import UTC, date, datetime
from typing import Annotated, Any

import typer
from rich.table import Table

from vidpoll.catalogue import Entry, Model, catalogue
from vidpoll.cli.output import AsJson, out, print_json
from vidpoll.errors import InvalidRequest


def models(
    provider: Annotated[str | None, typer.Option(help="Of this provider only.")] = None,
    as_json: AsJson = False,
) -> None:
    """The models there are: parameters, durations, prices, retirement, how long their results last."""
    known = sorted({entry.provider for entry in catalogue().values()})
    if provider is not None and provider not in known:
        raise InvalidRequest([f"provider: the catalogue has no {provider!r}; it has {', '.join(known)}"])
    entries = [entry for entry in catalogue().values() if provider in (None, entry.provider)]
    if as_json:
        print_json([_row(entry, name, model) for entry in entries for name, model in entry.models.items()])
        return
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in ("provider", "model", "kinds", "half done", "results last", "price", "parameters"):
        table.add_column(column, overflow="fold")
    for entry in entries:
        for name, model in entry.models.items():
            table.add_row(
                entry.provider, _named(name, model), ", ".join(model.kinds), _seconds(model.typical_s), *_words(model)
            )
    out.print(table)
    keys = ", ".join(f"{entry.key_env} ({entry.name})" for entry in entries)
    out.print(f"\nkeys are read from: {keys}", highlight=False, soft_wrap=True)


def _row(entry: Entry, name: str, model: Model) -> dict[str, Any]:
    return {
        "provider": entry.provider, "template": entry.name, "model": name, "key_env": entry.key_env,
        "base_url": entry.base_url, "retired": model.retired(_today()),
        **model.model_dump(mode="json", exclude_none=True, exclude_defaults=False),
    }  # fmt: skip


def _named(name: str, model: Model) -> str:
    if not model.retires:
        return name
    word = "retired" if model.retired(_today()) else "retires"
    instead = f", now {model.replaced_by}" if model.replaced_by else ""
    return f"{name} [yellow]({word} {model.retires}{instead})[/yellow]"


def _words(model: Model) -> tuple[str, str, str]:
    lasts = _seconds(model.url_lifetime_s) if model.url_lifetime_s else ""
    return lasts, model.price or "", " ".join(f"{name}={one.shown()}" for name, one in model.params.items())


def _seconds(seconds: float) -> str:
    for unit, length in (("d", 86400), ("h", 3600), ("min", 120)):
        if seconds >= length:
            return f"{round(seconds / (60 if unit == 'min' else length), 1):g} {unit}"
    return f"{seconds:g} s"


def _today() -> date:
    return datetime.now(UTC).date()
