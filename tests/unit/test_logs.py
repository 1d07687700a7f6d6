import io
import json
import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.unit.test_telemetry import NOW, made
from vidpoll import redact
from vidpoll.generation import Failure
from vidpoll.guarded_logs import FIELDS, Redacting
from vidpoll.logs import formatter
from vidpoll.providers.outcomes import Pending
from vidpoll.redact import HIDDEN, Secrets
from vidpoll.telemetry import Telemetry

KEY = "sk-canary/53+cret'==\"\\"
Said = Callable[[], str]


@pytest.fixture(autouse=True)
def known(monkeypatch) -> None:
    secrets = Secrets()
    secrets.add(KEY)
    monkeypatch.setattr(redact, "SECRETS", secrets)


def _listening(*, pretty: bool) -> Iterator[Said]:
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    handler.setFormatter(formatter(pretty=pretty))
    handler.addFilter(Redacting())
    log = logging.getLogger("vidpoll")
    before = log.level
    log.addHandler(handler)
    log.setLevel(logging.DEBUG)
    yield written.getvalue
    log.removeHandler(handler)
    log.setLevel(before)


@pytest.fixture
def as_json() -> Iterator[Callable[[], list[dict[str, Any]]]]:
    for said in _listening(pretty=False):
        yield lambda said=said: [json.loads(line) for line in said().splitlines()]


@pytest.fixture
def as_text() -> Iterator[Said]:
    yield from _listening(pretty=True)


def test_a_line_is_one_json_object_with_what_happened_to_which_generation(as_json):
    generation = made(operation_name="op/7", checks=5, submitted_at=NOW)

    Telemetry().completed(generation, NOW.replace(minute=2))

    (line,) = as_json()
    assert line.pop("timestamp").endswith("+00:00")
    assert line == {
        "level": "info", "logger": "vidpoll.events", "event": "completed", "generation": str(generation.id),
        "account": "vertex", "provider": "veo", "model": "veo-fast", "operation": "op/7", "check": 6,
        "outcome": "ready", "seconds": 120.0, "delay_s": 60.0,
    }  # fmt: skip


def test_looks_that_change_nothing_are_told_at_debug_only(as_json):
    Telemetry().looked(made(operation_name="op/7", checks=2), Pending(), 4.25)
    logging.getLogger("vidpoll").setLevel(logging.INFO)
    Telemetry().looked(made(operation_name="op/7", checks=3), Pending(), 4.25)

    (line,) = as_json()
    assert {name: line[name] for name in ("level", "event", "check", "outcome", "countdown_s")} == {
        "level": "debug", "event": "looked", "check": 3, "outcome": "pending", "countdown_s": 4.25,
    }  # fmt: skip


def test_between_the_paid_call_and_its_commit_no_line_is_written(as_json):
    telemetry = Telemetry()
    with telemetry.call("vertex", "submit"):
        pass
    telemetry.submitted(made(), Pending())

    assert as_json() == []


def test_lines_of_others_come_out_the_same(as_json):
    logging.getLogger("vidpoll.sub.kombu").warning("lost %s after %d s", "redis", 3)

    (line,) = as_json()
    assert (line["level"], line["logger"], line["event"]) == ("warning", "vidpoll.sub.kombu", "lost redis after 3 s")


def test_a_key_is_hidden_in_message_field_and_traceback(as_json):
    log = logging.getLogger("vidpoll.x")
    log.info("the vendor says %s", KEY)
    log.info("refused", extra={FIELDS: {"reason": f"who is {KEY}?", "nested": {"headers": [KEY]}}})
    try:
        raise RuntimeError(f"no such key: {KEY}")
    except RuntimeError:
        log.exception("it failed")
    Telemetry().failed(made(), Failure("refused", f"Bearer {KEY}"))
    log.info("broken %d", KEY)

    lines = as_json()
    assert "canary" not in json.dumps(lines[:4])
    assert [HIDDEN in json.dumps(line) for line in lines] == [True] * 5
    assert "Traceback" in lines[2]["exception"]
    assert "canary" not in json.dumps(lines)


def test_a_key_is_hidden_from_people_too(as_text: Said):
    log = logging.getLogger("vidpoll.x")
    log.info("refused", extra={FIELDS: {"reason": f"who is {KEY}?"}})
    try:
        raise RuntimeError(f"no such key: {KEY}")
    except RuntimeError:
        log.exception("it failed with %s", KEY)

    assert "canary" not in as_text()
    assert as_text().count(HIDDEN) == 3
    assert "RuntimeError" in as_text()


def test_what_breaks_lines_stays_in_its_line():
    """Not through a logger: pytest reports what those say, and a lone surrogate cannot be sent to its other processes."""
    fields = {"name": "vidpoll.x", "levelname": "INFO", "msg": "a\nb \ud800 \x1b[31m", FIELDS: {"reason": "c\r\nd"}}
    said = formatter(pretty=False).format(logging.makeLogRecord(fields))

    assert len(said.splitlines()) == 1
    line = json.loads(said)
    assert (line["event"], line["reason"]) == ("a\nb \ud800 \x1b[31m", "c\r\nd")
