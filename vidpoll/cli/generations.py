"""Commands about generations: submit, status, watch, cancel, refresh, retry."""

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final
from uuid import UUID

import typer
from pydantic import JsonValue
from rich.live import Live

from vidpoll import catalogue
from vidpoll.cli import projects
from vidpoll.cli.jsonl import read_requests
from vidpoll.cli.output import (
    ENDED_WITHOUT,
    TIME_IS_UP,
    AsJson,
    complain,
    err,
    error_json,
    generation_json,
    generation_table,
    out,
    outcome,
    print_json,
)
from vidpoll.client import Client
from vidpoll.copies import copies_of, fetchable_copies
from vidpoll.dry_run import Preview, preview
from vidpoll.errors import InvalidRequest, PartlyRefused, VidpollError, WaitTimeout
from vidpoll.generation import Generation, GenerationRequest, Status
from vidpoll.parents import Found, parent_of
from vidpoll.resolving import Resolver
from vidpoll.services import build_archive, build_store
from vidpoll.settings import Settings, load_settings

#: Seconds between two looks of a watch.
LOOK_S: Final = 1.0
Ids = Annotated[list[str], typer.Argument(help="Generation ids.")]


def submit(
    prompt: Annotated[str | None, typer.Argument(help="What the video should show.")] = None,
    provider: Annotated[str | None, typer.Option(help="Whom to ask; `vidpoll models` lists them.")] = None,
    model: Annotated[
        str | None,
        typer.Option(
            help="The provider's model name. If not given, the first that its accounts list and that is not retired, "
            "with the first value of each parameter the model cannot do without."
        ),
    ] = None,
    kind: Annotated[
        str, typer.Option(help="What is to be made: video, image, upscale or extend; `vidpoll models` says who can.")
    ] = "video",
    parent: Annotated[
        str | None, typer.Option(help="Of an upscale or an extend: the id of the generation it begins with.")
    ] = None,
    owner: Annotated[str, typer.Option(help="Who asks.")] = "default",
    account: Annotated[str | None, typer.Option(help="The account that pays.")] = None,
    param: Annotated[
        list[str] | None, typer.Option("--param", help="A provider's parameter, name=JSON; repeatable.")
    ] = None,
    idempotency_key: Annotated[str | None, typer.Option(help="The same key gives the same generation.")] = None,
    priority: Annotated[int, typer.Option(help="0 to 9, 9 most urgent.")] = 0,
    timeout_s: Annotated[float | None, typer.Option(help="Seconds until no video is expected any more.")] = None,
    project_id: Annotated[str | None, typer.Option(help="Groups generations.")] = None,
    file: Annotated[
        Path | None, typer.Option(help="JSON Lines: one request object a line; --owner for lines without one.")
    ] = None,
    wait: Annotated[
        float | None,
        typer.Option(min=0, help="Stay for so many seconds at most; print the video's address if it is made."),
    ] = None,
    pace: Annotated[
        float | None, typer.Option(min=0, help="With --file: as one project, with so many seconds between two starts.")
    ] = None,
    max_parallel: Annotated[
        int | None, typer.Option(min=1, help="With --file: as one project, with so many at once at most.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the HTTP request that would be sent to the provider; send nothing.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Ask for one video or image, or for all of a JSON Lines file.

    With --pace or --max-parallel the file becomes a project, watched until it ends: see `vidpoll project`.
    With --wait the exit code is 0 with a video, 3 when it ended without one, 4 when it goes on (its id is printed).
    """
    if file is not None and prompt is not None:
        raise InvalidRequest(["prompt: is given beside --file, whose lines have their own"])
    if file is not None and (wait is not None or dry_run):
        raise InvalidRequest(["--wait, --dry-run: are for one video, not for a --file"])
    if file is None and (pace is not None or max_parallel is not None):
        raise InvalidRequest(["--pace, --max-parallel: are for a --file"])
    if file is not None and (pace is not None or max_parallel is not None):
        projects.submit_batch(file, owner, pace or 0.0, max_parallel, idempotency_key, as_json=as_json)
        return
    if file is not None:
        _submit_file(file, owner, as_json)
        return
    params = _params(param or [])
    if provider is not None and model is None:
        model, least = _chosen(provider, account, kind)
        params = {**least, **params}
    fields = {
        "prompt": prompt, "provider": provider, "model": model, "kind": kind, "parent": parent, "owner": owner,
        "account": account,
        "params": params, "idempotency_key": idempotency_key, "priority": priority,
        "timeout_s": timeout_s, "project_id": project_id,
    }  # fmt: skip
    request = GenerationRequest.checked({name: value for name, value in fields.items() if value is not None})
    if dry_run:
        settings = load_settings()
        _show(preview(settings.accounts, request, _parent_of(request, settings)), as_json)
        return
    if wait is not None:
        _submit_and_wait(request, wait, as_json)
        return
    id = Client().submit(request)
    if as_json:
        print_json({"id": id, "model": model})
    else:
        print(id, flush=True)
        err.print(f"of {model}; see how it goes: vidpoll watch {id}", highlight=False, markup=False, soft_wrap=True)


def status(
    ids: Annotated[list[str] | None, typer.Argument(help="Generation ids; the newest if none are given.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many of the newest.")] = 20,
    as_json: AsJson = False,
) -> None:
    """How generations stand."""
    client = Client()
    generations = client.status(ids) if ids else build_store(load_settings()).recent(limit)
    if as_json:
        print_json(_with_copies([generation_json(one, client.eta(one)) for one in generations], generations))
    elif generations:
        out.print(generation_table((one, client.eta(one)) for one in generations))
    else:
        out.print("no generations yet; ask for one with `vidpoll submit`")


def _parent_of(request: GenerationRequest, settings: Settings) -> Found:
    if request.parent is None:
        return None
    store = build_store(settings)
    return parent_of(request, store.find, fetchable_copies(store, build_archive(settings), Resolver().addresses))


def _with_copies(shown: list[dict[str, Any]], generations: Sequence[Generation]) -> list[dict[str, Any]]:
    """The same, with what is told of copies of their files."""
    settings = load_settings()
    archive, found = build_archive(settings), build_store(settings).archived_of([one.id for one in generations])
    copies = [copies_of(one, found.get(one.id, []), archive) for one in generations]
    return [one | asdict(its) for one, its in zip(shown, copies, strict=True)]


def watch(
    ids: Annotated[
        list[str] | None, typer.Argument(help="Generation ids; all that are not final if none are given.")
    ] = None,
    timeout_s: Annotated[float | None, typer.Option(help="Give up watching after so many seconds.")] = None,
    as_json: AsJson = False,
) -> None:
    """Watch generations until they are final; with --json a line for every change."""
    client = Client()
    wanted: list[UUID | str] = list(ids) if ids else [one.id for one in _open_generations()]
    if not wanted:
        return None if as_json else out.print("nothing to watch: every generation is final")
    if as_json:
        client.wait(
            wanted, timeout_s=timeout_s, on_change=lambda one: print_json(generation_json(one, client.eta(one)))
        )
    else:
        _watch(client, wanted, timeout_s)
    return None


def cancel(ids: Ids, as_json: AsJson = False) -> None:
    """Ask for generations to be cancelled; where the provider cannot cancel, they go on being watched."""
    _each(ids, Client().cancel, "cancel asked for", as_json)


def refresh(ids: Ids, as_json: AsJson = False) -> None:
    """Ask the provider about generations now, ahead of their schedule."""
    _each(ids, Client().refresh, "refresh asked for", as_json)


def retry(ids: Ids, as_json: AsJson = False) -> None:
    """Ask anew for generations that failed or were cancelled; each is paid for again. Asked twice, one is made."""
    client, refused = Client(), False
    for id in ids:
        try:
            request = client.status(id).anew()
            told = client.submit(request)
        except VidpollError as error:
            refused = True
            print_json({"retry_of": id, **error_json(error)}) if as_json else complain(error, as_json=False)
            continue
        new = told == request.id
        words = "asked for anew, and paid for again" if new else "was asked for anew before"
        if as_json:
            print_json({"id": told, "retry_of": id, "new": new})
        else:
            out.print(f"{id}: {words}: {told}", highlight=False, soft_wrap=True)
    if refused:
        raise typer.Exit(1)


def _watch(client: Client, ids: Sequence[UUID | str], timeout_s: float | None) -> None:
    """Show how they stand until they are final, every second: times change without a new version."""
    give_up_at = float("inf") if timeout_s is None else time.monotonic() + timeout_s
    with Live(console=out, auto_refresh=False) as live:
        while True:
            generations = client.status(ids)
            rows = ((one, client.eta(one)) for one in generations)
            live.update(generation_table(rows, time.strftime("%H:%M:%S")), refresh=True)
            waiting = sum(not one.status.final for one in generations)
            if not waiting:
                return
            if time.monotonic() + LOOK_S > give_up_at:
                raise WaitTimeout(f"{waiting} of {len(ids)} generations are not final after {timeout_s} s; they go on")
            time.sleep(LOOK_S)


def _chosen(provider: str, account: str | None, kind: str = "video") -> tuple[str, dict[str, JsonValue]]:
    """The model of a request that names none, and the parameters that it needs: the first that makes this kind."""
    models = [name for one in load_settings().accounts.offering(provider, account) for name in one.models]
    known = {name: catalogue.find(provider, name) or catalogue.Model() for name in models}
    today = datetime.now(UTC).date()
    able = [name for name in models if kind in known[name].kinds] or models
    chosen = next((name for name in able if not known[name].retired(today)), able[0])
    return chosen, known[chosen].least()


def _show(call: Preview, as_json: bool) -> None:
    """The call as it would lie on the wire; what is said about it, on standard error."""
    if as_json:
        print_json(asdict(call))
        return
    err.print(f"account {call.account} would send this; nothing was sent", highlight=False, markup=False)
    if call.missing:
        err.print(call.missing, style="yellow", highlight=False, markup=False, soft_wrap=True)
    print(f"{call.method} {call.url}")
    for name, value in call.headers.items():
        print(f"{name}: {value}")
    print(f"\n{json.dumps(call.body, indent=2, ensure_ascii=False)}")


def _submit_and_wait(request: GenerationRequest, wait_s: float, as_json: bool) -> None:
    """Its id is told at once, on standard error: whoever interrupts us has it, and it goes on."""
    client = Client()
    one = client.submit(request, wait_s=0)
    err.print(f"{one.id} is watched whether you wait or not", highlight=False)
    with suppress(WaitTimeout):
        client.wait(one.id, timeout_s=wait_s)
    one = client.status(one.id)
    if as_json:
        print_json(generation_json(one, client.eta(one)))
    elif one.status is Status.COMPLETED:
        print(one.video_url)
    else:
        print(one.id)
        words = f"{one.status}: {outcome(one)}" if one.status.final else f"see how it goes: vidpoll watch {one.id}"
        err.print(words, highlight=False, soft_wrap=True)
    if one.status is not Status.COMPLETED:
        raise typer.Exit(ENDED_WITHOUT if one.status.final else TIME_IS_UP)


def _submit_file(file: Path, owner: str, as_json: bool) -> None:
    requests, broken = read_requests(file, {"owner": owner})
    errors: dict[int, VidpollError] = dict(broken)
    ids: list[UUID | None]
    try:
        ids = list(Client().submit_many([request for _, request in requests]))
    except PartlyRefused as refused:
        ids = refused.ids
        errors |= {requests[place][0]: error for place, error in refused.errors.items()}
    submitted = {line: id for (line, _), id in zip(requests, ids, strict=True) if id}
    if as_json:
        refusals = [{"line": line, "code": errors[line].code, "message": str(errors[line])} for line in sorted(errors)]
        print_json({"submitted": [{"line": line, "id": id} for line, id in submitted.items()], "refused": refusals})
    else:
        for id in submitted.values():
            print(id)
        for line in sorted(errors):
            err.print(
                f"{file}, line {line}: {errors[line]}", style="red", highlight=False, markup=False, soft_wrap=True
            )
        err.print(f"{len(submitted)} submitted, {len(errors)} refused")
    if errors:
        raise typer.Exit(1)


def _params(options: list[str]) -> dict[str, Any]:
    """``name=JSON`` options; what is no JSON is taken as text."""
    params: dict[str, Any] = {}
    for option in options:
        name, sign, value = option.partition("=")
        if not sign or not name:
            raise InvalidRequest([f"--param {option!r}: write name=value"])
        try:
            params[name] = json.loads(value)
        except ValueError:
            if value[:1] in ("{", "[", '"'):
                raise InvalidRequest([f"--param {name}: is not valid JSON: {value}"]) from None
            params[name] = value
    return params


def _open_generations() -> Iterator[Generation]:
    return (one for one in build_store(load_settings()).recent(1000) if not one.status.final)


def _each(ids: list[str], ask: Any, said: str, as_json: bool) -> None:
    for id in ids:
        ask(id)
        print_json({"id": id, "asked": True}) if as_json else out.print(f"{id}: {said}", highlight=False)
