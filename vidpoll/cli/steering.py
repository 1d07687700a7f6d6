"""``vidpoll pause | resume | rate``: what an operator decides of an account."""

import getpass
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from vidpoll.cli.output import AsJson, err, out, print_json, seconds_words
from vidpoll.controls import Control, Verb
from vidpoll.errors import InvalidRequest
from vidpoll.lanes import Lane
from vidpoll.services import build
from vidpoll.settings import load_settings
from vidpoll.steering import BOTH, Rate, Steering, least_burst

Account = Annotated[str, typer.Argument(help="Its name in the providers file.")]
Only = Annotated[Verb | None, typer.Option(help="submit: paid calls only; status: looks, cancels and look-ups only.")]
By = Annotated[str | None, typer.Option(help="Who decides; the user of this system if not given.")]
#: Longest reason, in characters, and longest pause with an end, in seconds: a year.
REASON_LIMIT = 300
LONGEST_S = 366 * 24 * 3600.0


def pause(
    account: Account,
    only: Only = None,
    reason: Annotated[str, typer.Option(help="What others will read.")] = "",
    for_: Annotated[
        float | None, typer.Option("--for", min=1, max=LONGEST_S, help="Seconds; until `vidpoll resume` if not given.")
    ] = None,
    by: By = None,
    as_json: AsJson = False,
) -> None:
    """Make no more calls for an account, until it is resumed; other accounts go on.

    What was handed out a moment before (0.2 s) still leaves. Nothing is lost: what waits goes on when it is resumed.
    """
    reason = _printable(reason.strip() or "no reason given", "--reason")
    verbs = _verbs(only)
    decided = Steering(build(load_settings())).pause(account, verbs, reason, by=who(by), for_s=for_)
    if as_json:
        print_json([control_json(one) for one in decided])
        return
    lasts = "until it is resumed" if for_ is None else f"for {seconds_words(for_)}"
    out.print(f"{account}: {_calls(verbs)} paused {lasts}: {reason}", highlight=False, markup=False, soft_wrap=True)
    out.print(f"go on with: vidpoll resume {account}", highlight=False, markup=False)


def resume(account: Account, only: Only = None, as_json: AsJson = False) -> None:
    """End operators' pauses of an account. A pause that its provider asked for ends by itself."""
    services, verbs = build(load_settings()), _verbs(only)
    resumed = Steering(services).resume(account, verbs)
    views = [services.lanes.view(Lane(account, verb)) for verb in verbs]
    paused = {str(view["verb"]): view["paused_s"] for view in views if view["paused_s"]}
    if as_json:
        print_json({"account": account, "resumed": resumed, "paused_by_provider_s": paused})
        return
    words = f"{_calls(resumed)} resumed" if resumed else "no operator had paused it"
    out.print(f"{account}: {words}", highlight=False, markup=False)
    for verb, seconds in paused.items():
        err.print(f"its provider asked for a pause of {verb} calls, which lasts {seconds:.0f} s more", highlight=False)


def rate(
    account: Account,
    calls: Annotated[float | None, typer.Argument(help="Calls per second.", metavar="RATE")] = None,
    verb: Annotated[Verb, typer.Option(help="Which calls.")] = "status",
    burst: Annotated[
        int | None,
        typer.Option(min=1, help="As in the providers file; the configured one, if that is enough, when not given."),
    ] = None,
    reset: Annotated[bool, typer.Option("--reset", help="Back to the providers file.")] = False,
    by: By = None,
    as_json: AsJson = False,
) -> None:
    """Set another rate for an account at once, in every worker, or go back to the configured one."""
    if reset == (calls is not None) or (reset and burst is not None):
        raise InvalidRequest(["rate: give either a rate (and a --burst), or --reset"])
    steering = Steering(build(load_settings()))
    configured = steering.configured(account, verb)
    if calls is None:
        _tell(steering.reset_rate(account, verb), configured, configured, as_json)
        return
    wanted = _rate(calls, burst, configured)
    _tell(steering.set_rate(account, verb, wanted, by=who(by)), wanted, configured, as_json)


def _rate(calls: float, burst: int | None, configured: Rate) -> Rate:
    """The rate, checked as the providers file's is."""
    if not calls > 0:
        raise InvalidRequest([f"rate: must be more than 0, not {calls:g}; to make no calls: vidpoll pause"])
    if not 0.001 <= calls <= 10_000:
        raise InvalidRequest([f"rate: must be 0.001 to 10000 calls per second, not {calls:g}"])
    least = least_burst(calls)
    if burst is not None and not least <= burst <= 100_000:
        raise InvalidRequest(
            [f"--burst: must be at least {least} for a rate of {calls:g} (1, and 5 % for jitter), 100000 at most"]
        )
    return Rate(calls, burst or max(least, configured.burst))


def _tell(control: Control, now: Rate, configured: Rate, as_json: bool) -> None:
    above = now.rate > configured.rate or now.burst > configured.burst
    if as_json:
        told = {"rate": now.rate, "burst": now.burst, "above_configured": above}
        print_json(control_json(control) | told | {"configured": {"rate": configured.rate, "burst": configured.burst}})
        return
    name = f"{control.account}, {control.verb} calls"
    most = f"at most {now.rate + now.burst:g} in any second"
    if control.override is None:
        out.print(
            f"{name}: {now.rate:g} a second again, as configured ({most})",
            highlight=False,
            markup=False,
            soft_wrap=True,
        )
        return
    out.print(
        f"{name}: {now.rate:g} a second, burst {now.burst} ({most}); configured are {configured.rate:g} and "
        f"{configured.burst}. Back: vidpoll rate {control.account} --verb {control.verb} --reset",
        highlight=False, markup=False, soft_wrap=True,
    )  # fmt: skip
    if above:
        err.print(
            "this is above what is configured: does the provider allow it? It answers 429 if not",
            style="yellow", highlight=False, soft_wrap=True,
        )  # fmt: skip


def control_json(control: Control) -> dict[str, Any]:
    """What is in force of one lane, for machines."""
    pause, override = control.pause, control.override
    return {
        "account": control.account,
        "verb": control.verb,
        "paused": pause and {"by": pause.by, "reason": pause.reason, "since": pause.since, "for_s": pause.for_s},
        "override": override and {"rate": override.rate, "burst": override.burst, "by": override.by},
    }


def who(by: str | None) -> str:
    """Who decides."""
    if by is not None:
        if not by.strip():
            raise InvalidRequest(["--by: is empty"])
        return _printable(by.strip(), "--by")
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return "somebody"


def _printable(text: str, name: str) -> str:
    if len(text) > REASON_LIMIT or not text.isprintable():
        raise InvalidRequest([f"{name}: must have at most {REASON_LIMIT} printable characters, in one line"])
    return text


def _verbs(only: Verb | None) -> Sequence[Verb]:
    return BOTH if only is None else (only,)


def _calls(verbs: Sequence[Verb]) -> str:
    return f"{' and '.join(verbs)} calls"
