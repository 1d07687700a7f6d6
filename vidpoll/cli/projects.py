"""``vidpoll project``: groups of steps from one JSON file."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.console import Group
from rich.live import Live
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from vidpoll.cli.jsonl import read_requests
from vidpoll.cli.output import ENDED_WITHOUT, STYLES, TIME_IS_UP, AsJson, err, mapping_table, out, print_json
from vidpoll.client import Client
from vidpoll.copies import copies_in
from vidpoll.errors import InvalidRequest, NotConfigured, StoreUnavailable, WaitTimeout
from vidpoll.generation import GenerationRequest
from vidpoll.projects.plan import ProjectRequest, json_object
from vidpoll.projects.standing import Project, ProjectStatus, State, Step
from vidpoll.projects.view import counted, progress, project_json, stage
from vidpoll.services import build_archive, build_store
from vidpoll.settings import load_settings
from vidpoll.store import Admitted

app = typer.Typer(
    help="Projects: steps that depend on one another, from one JSON file (docs/projects.md).", no_args_is_help=True
)

#: Steps a table shows; of a larger project those that are done are left out.
SHOWN: Final = 40
#: What a line of a batch may not say: the project has its own.
_NOT_IN_A_BATCH: Final = ("id", "idempotency_key", "project_id", "retry_of")

#: Makes the status document of a project.
Document = Callable[[Project], dict[str, Any]]

Id = Annotated[str, typer.Argument(help="The project's id.")]
Watch = Annotated[bool, typer.Option("--watch", help="Stay until it ends.")]
TimeoutS = Annotated[float | None, typer.Option(help="Give up watching after so many seconds; it goes on.")]


@app.command()
def submit(
    file: Annotated[Path, typer.Argument(help="The project, as JSON.")],
    owner: Annotated[str | None, typer.Option(help="Who asks, where the file does not say.")] = None,
    again: Annotated[
        bool, typer.Option("--again", help="Make another project, though there may be one of these steps: pays again.")
    ] = False,
    watch: Watch = False,
    timeout_s: TimeoutS = None,
    as_json: AsJson = False,
) -> None:
    """Ask for a project; the same file again gives the same project, and pays nothing.

    With --watch the exit code is 0 when all steps are completed, 3 when it ended otherwise, 4 when it goes on.
    """
    fields = json_object(_text(file))
    request = ProjectRequest.checked(({"owner": owner} if owner else {}) | fields)
    _submit(request, again=again, watch=watch, timeout_s=timeout_s, as_json=as_json)


@app.command()
def status(id: Id, as_json: AsJson = False) -> None:
    """How a project stands."""
    project = Client().project(id)
    if as_json:
        print_json(_document()(project))
    else:
        out.print(_shown(project))


@app.command()
def watch(id: Id, timeout_s: TimeoutS = None, as_json: AsJson = False) -> None:
    """Watch a project until it ends; with --json a line for every change.

    The exit code is 0 when all steps are completed, 3 when it ended otherwise, 4 when it goes on.
    """
    _watch(Client(), id, timeout_s, _document() if as_json else None)


@app.command()
def retry(id: Id, watch: Watch = False, timeout_s: TimeoutS = None, as_json: AsJson = False) -> None:
    """Try again, and pay again, what failed or was cancelled; what is completed stays."""
    client = Client()
    shown = _document() if as_json and watch else None
    keys = client.retry_project(id)
    if not watch and as_json:
        print_json({"project_id": id, "retried": keys})
    elif not as_json:
        err.print(f"{len(keys)} steps are tried again{_list(keys)}", highlight=False, markup=False, soft_wrap=True)
    if watch:
        _watch(client, id, timeout_s, shown)


@app.command()
def cancel(id: Id, as_json: AsJson = False) -> None:
    """Start nothing more, and cancel what runs, as far as providers can."""
    asked = Client().cancel_project(id)
    if as_json:
        print_json({"project_id": id, "asked": asked})
    else:
        out.print(f"{id}: {'cancel asked for' if asked else 'is completed or cancelled already'}", highlight=False)


@app.command("list")
def list_projects(
    owner: Annotated[str | None, typer.Option(help="Whose; everybody's if not given.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many of the newest.")] = 20,
    as_json: AsJson = False,
) -> None:
    """The newest projects."""
    columns = ("id", "owner", "name", "status", "total", "completed", "failed", "cancelled", "skipped", "created_at")
    found = build_store(load_settings()).project_list(owner, limit=limit)
    rows = [{name: getattr(one, name) for name in columns} for one in found]
    if as_json:
        print_json(rows)
    elif rows:
        out.print(mapping_table([{**row, "created_at": f"{row['created_at']:%F %T}"} for row in rows], columns))
    else:
        out.print("no projects yet; ask for one with `vidpoll project submit FILE`")


def submit_batch(
    file: Path, owner: str, pace_s: float, max_parallel: int | None, key: str | None, *, as_json: bool
) -> None:
    """The requests of a JSON Lines file as one project, watched until it ends: all of them are taken, or none."""
    requests, broken = read_requests(file, {"owner": owner})
    problems = [f"line {line}: {problem}" for line, error in broken.items() for problem in error.problems]
    owners = {request.owner for _, request in requests}
    if len(owners) > 1:
        problems.append(f"owner: a batch has one, these lines have {', '.join(sorted(owners))}")
    steps = [_batch_step(line, request, problems) for line, request in requests]
    if problems:
        raise InvalidRequest(sorted(problems, key=_line_of))
    options = {"pace_s": pace_s, "max_parallel": max_parallel, "idempotency_key": key}
    project = ProjectRequest.checked({"name": file.name, "owner": owners.pop(), **options, "steps": steps})
    _submit(project, again=False, watch=True, timeout_s=None, as_json=as_json)


def _batch_step(line: int, request: GenerationRequest, problems: list[str]) -> dict[str, Any]:
    problems += [
        f"line {line}: {name}: a line of a batch has none"
        for name in _NOT_IN_A_BATCH
        if getattr(request, name) is not None
    ]
    fields = request.model_dump(exclude_defaults=True, exclude={"owner", *_NOT_IN_A_BATCH})
    return {**fields, "key": f"line-{line}"}


def _line_of(problem: str) -> int:
    number = problem.removeprefix("line ").partition(":")[0]
    return int(number) if number.isdigit() else 0


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise NotConfigured(f"cannot read {file}: {error}") from None


def _submit(project: ProjectRequest, *, again: bool, watch: bool, timeout_s: float | None, as_json: bool) -> None:
    client = Client()
    shown = _document() if as_json and watch else None  # what is wrong with the archive is told before anything is paid
    admitted = client.submit_project(project, again=again)
    if as_json and not watch:
        print_json({"project_id": admitted.id, "new": admitted.new, "steps": len(project.steps)})
    if not as_json:
        print(admitted.id)
        err.print(_said(admitted, client.project(admitted.id)), highlight=False, markup=False, soft_wrap=True)
    if watch:
        _watch(client, str(admitted.id), timeout_s, shown)


def _said(admitted: Admitted, project: Project) -> str:
    if admitted.new:
        return f"{len(project.steps)} steps; see how it goes: vidpoll project watch {admitted.id}"
    words = f"the same project was submitted before: {stage(project)}"
    if project.status in (ProjectStatus.FAILED, ProjectStatus.CANCELLED):
        words += f"; to try again, and pay again, what failed: vidpoll project retry {admitted.id}"
    return words


def _watch(client: Client, id: str, timeout_s: float | None, document: Document | None) -> None:
    """Stay until it ends, or the time is up; for machines with a ``document`` for every change."""
    try:
        if document:
            project = client.wait_project(id, timeout_s=timeout_s, on_change=lambda one: print_json(document(one)))
        else:
            with Live(console=out, auto_refresh=False) as live:
                project = client.wait_project(
                    id, timeout_s=timeout_s, on_change=lambda one: live.update(_shown(one), refresh=True)
                )
    except WaitTimeout:
        err.print(f"it goes on: vidpoll project watch {id}", highlight=False, markup=False)
        raise typer.Exit(TIME_IS_UP) from None
    if project.status is not ProjectStatus.COMPLETED:
        raise typer.Exit(ENDED_WITHOUT)


def _document() -> Document:
    """What makes the status document, with where copies of results are, as far as that can be read."""
    settings = load_settings()
    store, archive = build_store(settings), build_archive(settings)

    def made(project: Project) -> dict[str, Any]:
        try:
            return project_json(project, copies_in(project, store, archive))
        except StoreUnavailable:
            return project_json(project)

    return made


def _shown(project: Project) -> Group:
    """A headline, and a table of the steps."""
    counts = counted(project)
    head = Text.assemble(
        (project.name, "bold"), "  ", (project.status.value, STYLES[project.status.value]),
        f"  {progress(project)} %  {counts['completed']} of {counts['total']} completed",
        *(f", {counts[name]} {name}" for name in ("failed", "cancelled", "skipped") if counts[name]),
    )  # fmt: skip
    table = Table(box=None, header_style="bold", pad_edge=False)
    for name in ("step", "status", "progress", "retries", "what"):
        table.add_column(name, overflow="fold")
    shown = _worth_showing(project)
    for step in shown:
        style = STYLES[step.state.value]
        words = (step.key, f"[{style}]{step.state}[/]", f"{_percent(step)} %", str(step.attempt or ""), _what(step))
        table.add_row(*words)
    left_out = len(project.steps) - len(shown)
    return Group(head, table, *([Text(f"and {left_out} more: --json has them all", style="dim")] if left_out else []))


def _worth_showing(project: Project) -> list[Step]:
    """All, or of a large project those that run and that broke first; in their order."""
    ranked = sorted(project.steps, key=lambda step: (not step.state.running, not step.state.broken))
    chosen = {step.key for step in ranked[:SHOWN]}
    return [step for step in project.steps if step.key in chosen]


def _percent(step: Step) -> int:
    return 100 if step.state is State.COMPLETED else step.progress


def _what(step: Step) -> str:
    """Its video, else why there is none, else what is being done; safe to print as markup."""
    if step.error:
        return escape(f"{step.error['code']}: {step.error['message']}")
    return escape(step.video_url or step.reason or step.stage or step.asked.title or "")


def _list(keys: list[str]) -> str:
    shown = ", ".join(keys[:10])
    return f": {shown}{', …' if len(keys) > 10 else ''}" if keys else ""
