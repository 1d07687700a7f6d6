"""Commands that run things: the embedded stack, the simulator."""

import signal
import threading
from pathlib import Path
from shlex import quote
from typing import Annotated

import typer

from vidpoll.cli.output import AsJson, err, out, print_json
from vidpoll.devstack import DevStack
from vidpoll.errors import NotConfigured
from vidpoll.logs import set_up_logs
from vidpoll.settings import load_settings
from vidpoll.simulator import Durations, World, serve

Port = Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 for a free one.")]


def up(
    dir: Annotated[Path, typer.Option(envvar="VIDPOLL_STACK_DIR", help="Folder for data, logs and stack.json.")] = Path(
        ".vidpoll"
    ),
    workers: Annotated[int, typer.Option(min=1, max=16, help="Worker processes.")] = 1,
    time_scale: Annotated[float, typer.Option(min=0.0, help="Scale of the simulated durations; 1 is Veo-like.")] = 1.0,
    status_limit: Annotated[int, typer.Option(min=1, help="The simulator's status calls per second and key.")] = 12,
    submit_limit: Annotated[int, typer.Option(min=1, help="The simulator's submits per second and key.")] = 7,
    api_port: Annotated[int, typer.Option(min=0, max=65535, help="Port of the API; 0 for a free one.")] = 0,
    flower: Annotated[bool, typer.Option(help="Run Flower too: tasks and workers, live.")] = True,
    as_json: AsJson = False,
) -> None:
    """Run everything on this machine: Redis, Postgres, simulator, workers, beat, API, Flower. Ctrl-C stops it all."""
    set_up_logs(load_settings())
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    limits = ["--status-limit", str(status_limit), "--submit-limit", str(submit_limit)]
    with DevStack(
        dir, workers=workers, simulator=limits, time_scale=time_scale, api_port=api_port, flower=flower
    ) as stack:
        _announce(stack, as_json)
        while not stop.wait(1.0):
            for said in stack.revive():
                err.print(said, style="yellow", markup=False, soft_wrap=True)
        if not as_json:
            out.print("stopping …")


def simulator(
    port: Port = 0,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    address: Annotated[
        str | None,
        typer.Option(help="Where others reach it, for the URLs it answers with; http://HOST:PORT if not given."),
    ] = None,
    time_scale: Annotated[float, typer.Option(min=0.0, help="Scale of the durations; 1 is Veo-like.")] = 1.0,
    median_s: Annotated[float, typer.Option(min=0.0, help="Median of the random part of a duration.")] = 64.0,
    fixed_s: Annotated[float, typer.Option(min=0.0, help="The part every duration has.")] = 11.0,
    sigma: Annotated[float, typer.Option(min=0.0, help="Spread; 0 makes all durations equal.")] = 0.5,
    queue_s: Annotated[float, typer.Option(min=0.0, help="Mean of what a job waits before it begins.")] = 0.0,
    status_limit: Annotated[int, typer.Option(min=1, help="Status calls per second and key.")] = 1_000_000,
    submit_limit: Annotated[int, typer.Option(min=1, help="Submits per second and key.")] = 1_000_000,
    seed: Annotated[int | None, typer.Option(help="Makes durations, outcomes and faults repeatable.")] = None,
) -> None:
    """Run simulated providers: HTTP in the vendors' formats, with durations, limits, faults and a ledger."""
    world = World(
        Durations(median_s=median_s, sigma=sigma, fixed_s=fixed_s, scale=time_scale, queue_s=queue_s),
        limits={"submit": submit_limit, "status": status_limit},
        seed=seed,
    )
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    serve(world, port, host=host, address=address, started=lambda url: out.print(f"simulator: {url}", highlight=False))


def api(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535)] = 8000,
) -> None:
    """Serve HTTP: the API, its events and the page. One process; run several behind a proxy for more."""
    try:
        from vidpoll.api import create_app, serve  # noqa: PLC0415  an extra
    except ImportError as error:
        raise NotConfigured(f"to serve HTTP, pip install 'vidpoll[api]' ({error.name} is missing)") from None
    settings = load_settings()
    set_up_logs(settings)
    app = create_app(settings)
    serve(app, host, port, started=lambda: out.print(f"api: http://{host}:{port}", highlight=False))


def _announce(stack: DevStack, as_json: bool) -> None:
    if as_json:
        keys = {"api_key": stack.api_key, "flower_login": stack.flower_login}
        print_json({**stack.urls, **keys, "pids": stack.pids, "dir": str(stack.folder)})
        return
    for name, url in stack.urls.items():
        out.print(f"{name:>14}  {url}", highlight=False)
    out.print(f"{'logs':>14}  {stack.folder / 'logs'}", highlight=False)
    elsewhere = "" if stack.folder == Path(".vidpoll").absolute() else f"VIDPOLL_STACK_DIR={quote(str(stack.folder))} "
    out.print(
        f"\nrunning; in another terminal: {elsewhere}vidpoll submit --provider veo 'a lion at dawn'",
        highlight=False, markup=False, soft_wrap=True,
    )  # fmt: skip
    if stack.api_key:
        out.print(f"the page:  {stack.urls['api_url']}/#key={stack.api_key}", highlight=False, soft_wrap=True)
    if stack.flower_login:
        user, _, password = stack.flower_login.partition(":")
        out.print(
            f"Flower:    {stack.urls['flower_url']}  user {user}, password {password}", highlight=False, soft_wrap=True
        )
    out.print("Ctrl-C stops everything")
