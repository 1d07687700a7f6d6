"""Alerts fire when they should, say what happened and to whom, and lead to a runbook that is there."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.monitoring.files import CONFIG, PROJECT, rules
from tests.monitoring.promql import OWN_LABELS, grouped_by, selectors

CASES = Path(__file__).parent / "alerts_test.yml"
OPERATIONS = PROJECT / "docs" / "operations.md"
SECTION = "metrics-alerts-and-the-dashboard"


@pytest.fixture
def promtool() -> str:
    found = shutil.which("promtool")
    if not found:
        pytest.skip("promtool is not on PATH (on Debian it is in the package prometheus)")
    return found


def run(*command: str) -> str:
    ran = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


def anchors() -> set[str]:
    """What GitHub calls the headings of docs/operations.md."""
    headings = re.findall(r"^#+ (.+)$", OPERATIONS.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_prometheus_takes_the_files(promtool: str):
    run(promtool, "check", "rules", str(CONFIG / "alerts.yml"))
    for name in ("prometheus.yml", "prometheus-up.yml"):
        run(promtool, "check", "config", "--syntax-only", str(CONFIG / name))


def test_alerts_fire_when_they_should_and_not_otherwise(promtool: str):
    run(promtool, "test", "rules", str(CASES))


def test_no_alert_is_without_a_case():
    cases = [case for test in yaml.safe_load(CASES.read_text())["tests"] for case in test["alert_rule_test"]]

    assert {case["alertname"] for case in cases if case.get("exp_alerts")} == {rule["alert"] for rule in rules()}


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule["alert"])
def test_an_alert_says_how_bad_what_and_where_to_read_on(rule: dict[str, Any]):
    assert rule["for"]
    assert rule["labels"]["severity"] in ("critical", "warning", "info")
    assert rule["annotations"].keys() == {"summary", "description", "runbook_url"}
    page, _, anchor = rule["annotations"]["runbook_url"].partition("#")
    assert page == "docs/operations.md"
    assert anchor in anchors()


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule["alert"])
def test_a_summary_names_the_labels_there_are(rule: dict[str, Any]):
    """A label that is not there shows as nothing at all."""
    named = set(re.findall(r"\$labels\.(\w+)", " ".join(rule["annotations"].values())))
    grouped = grouped_by(rule["expr"]) - {"le"}
    sums = re.search(r"\b(sum|max|absent|histogram_quantile)\b", rule["expr"])

    assert named == grouped if grouped else not named if sums else named <= OWN_LABELS


def test_the_page_of_operations_explains_every_alert():
    section = OPERATIONS.read_text().partition("### Metrics, alerts and the dashboard")[2].partition("\n### ")[0]
    explained = re.findall(r"^\| `(Vidpoll\w+)`.*\(#([\w-]+)\) \|$", section, re.MULTILINE)

    runbooks = {rule["alert"]: rule["annotations"]["runbook_url"].partition("#")[2] for rule in rules()}
    assert dict(explained) == {name: anchor for name, anchor in runbooks.items() if anchor != SECTION}
    assert not [name for name in runbooks if f"| `{name}` |" not in section]


def test_every_selector_of_an_alert_is_read():
    assert all(selectors(rule["expr"]) for rule in rules())
