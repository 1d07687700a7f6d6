"""``vidpoll queue``, ``vidpoll restore``: what waits, and putting back what got lost."""

from typing import Any

from vidpoll.cli.output import AsJson, err, mapping_table, out, print_json, seconds_words
from vidpoll.errors import BrokerUnavailable
from vidpoll.health import queue_lengths
from vidpoll.lifecycle import Lifecycle
from vidpoll.restore import restore_stuck
from vidpoll.services import build, build_store
from vidpoll.settings import load_settings


def queue(as_json: AsJson = False) -> None:
    """What has not ended, by account and status, with the oldest; and what waits in Celery's queues."""
    settings = load_settings()
    found = build_store(settings).open_by_account()
    rows: list[dict[str, Any]] = [
        {
            "account": account,
            "provider": provider,
            "status": str(status),
            "count": count,
            "oldest_s": round(oldest_s, 1),
        }
        for (status, provider, account), (count, oldest_s) in found.items()
    ]
    rows.sort(key=lambda row: (row["account"] or "", row["provider"], row["status"]))
    lengths: dict[str, int] | None = None
    problem: BrokerUnavailable | None = None
    try:
        lengths = queue_lengths(settings.need("broker_url"))
    except BrokerUnavailable as error:
        problem = error
    if as_json:
        unread = {"queues_error": str(problem)} if problem else {}
        print_json({"generations": rows, "queues": lengths, **unread})
        return
    if rows:
        out.print(mapping_table(map(_words, rows), ["account", "provider", "status", "count", "oldest"]))
    else:
        out.print("every generation has ended")
    if problem:
        err.print(f"Celery's queues cannot be read: {problem}", style="yellow", highlight=False, markup=False)
    if lengths:
        told = ", ".join(f"{name} {length}" for name, length in lengths.items())
        out.print(f"\nmessages in Celery's queues: {told}", highlight=False, soft_wrap=True)


def restore(as_json: AsJson = False) -> None:
    """Put back now what got lost, as beat does every ten seconds; safe at any time, also beside beat."""
    services = build(load_settings())
    restored = restore_stuck(services, Lifecycle(services))
    if as_json:
        print_json({"restored": restored or None, "busy": not restored})
    elif not restored:
        out.print("another restore is at it right now; nothing to do")
    elif any(restored.values()):
        out.print(mapping_table([{"kind": kind, "put back": n} for kind, n in restored.items()], ["kind", "put back"]))
    else:
        out.print("everything was where it belongs")


def _words(row: dict[str, Any]) -> dict[str, Any]:
    return {**row, "account": row["account"] or "(none yet)", "oldest": seconds_words(row["oldest_s"])}
