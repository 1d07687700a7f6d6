"""What is in ``config/`` for Prometheus and Grafana, as the tests read it."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

PROJECT = Path(__file__).parents[2]
CONFIG = PROJECT / "config"
DASHBOARD = CONFIG / "grafana" / "dashboards" / "vidpoll.json"


def dashboard() -> dict[str, Any]:
    return dict(json.loads(DASHBOARD.read_text()))


def panels() -> list[dict[str, Any]]:
    """The panels that ask something: all but the rows' headings."""
    return [panel for panel in dashboard()["panels"] if panel["type"] != "row"]


def queries() -> Iterator[tuple[str, str]]:
    """Where an expression stands, and the expression: of every panel, and of every alert."""
    for panel in panels():
        for target in panel["targets"]:
            yield f"panel {panel['title']!r} {target['refId']}", target["expr"]
    for rule in rules():
        yield f"alert {rule['alert']}", rule["expr"]


def rules() -> list[dict[str, Any]]:
    groups = yaml.safe_load((CONFIG / "alerts.yml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def filled_in(expression: str, window: str) -> str:
    """The expression as Grafana sends it with all providers and accounts chosen."""
    for name, value in {"provider": ".*", "account": ".*", "__rate_interval": window, "__range": window}.items():
        expression = expression.replace(f"${name}", value)
    return expression
