"""The dashboard is a file that Grafana takes as it is, and says what each of its panels means."""

import itertools
import re
from typing import Any

import pytest
import yaml

from tests.monitoring.files import CONFIG, DASHBOARD, dashboard, panels, queries
from tests.monitoring.promql import OWN_LABELS, grouped_by
from vidpoll.telemetry import SHARED

PROMETHEUS = {"type": "prometheus", "uid": "${datasource}"}
GRAFANAS_OWN = {"__rate_interval", "__range"}
UNITS = {"short", "s", "percentunit"}
LEGEND = re.compile(r"\{\{(\w+)\}\}")


def all_panels() -> list[dict[str, Any]]:
    return list(dashboard()["panels"])


def targets() -> list[tuple[dict[str, Any], dict[str, Any]]]:
    return [(panel, target) for panel in panels() for target in panel["targets"]]


def test_it_is_a_dashboard_of_a_grafana_from_10_on():
    whole = dashboard()

    assert (whole["uid"], whole["title"], whole["schemaVersion"]) == ("vidpoll", "vidpoll", 39)
    assert "id" not in whole, "an id belongs to one Grafana; without it any takes the file"
    assert "__inputs" not in whole, "exported for sharing: provisioning would not fill it in"
    assert {panel["type"] for panel in all_panels()} == {"row", "stat", "timeseries"}


def test_no_two_panels_have_one_id_or_one_title():
    for key in ("id", "title"):
        told = [panel[key] for panel in all_panels()]
        assert len(set(told)) == len(told)


def test_panels_stand_side_by_side_and_not_on_one_another():
    places = {panel["title"]: panel["gridPos"] for panel in all_panels()}

    assert all(place["x"] + place["w"] <= 24 and place["w"] > 0 and place["h"] > 0 for place in places.values())
    for (one, a), (other, b) in itertools.combinations(places.items(), 2):
        apart = (
            a["x"] + a["w"] <= b["x"]
            or b["x"] + b["w"] <= a["x"]
            or a["y"] + a["h"] <= b["y"]
            or b["y"] + b["h"] <= a["y"]
        )
        assert apart, f"{one!r} and {other!r} overlap"
    assert [place["y"] for place in places.values()] == sorted(place["y"] for place in places.values())


@pytest.mark.parametrize("panel", panels(), ids=lambda panel: panel["title"])
def test_a_panel_says_what_it_shows_in_which_unit_and_from_where(panel: dict[str, Any]):
    assert panel["description"].endswith(".")
    assert panel["fieldConfig"]["defaults"]["unit"] in UNITS
    assert panel["datasource"] == PROMETHEUS
    assert panel["targets"]
    assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"])


def test_variables_are_there_and_used():
    variables = {one["name"]: one for one in dashboard()["templating"]["list"]}
    used = {name for _, target in targets() for name in re.findall(r"\$(\w+)", target["expr"])}

    assert used - GRAFANAS_OWN == variables.keys() - {"datasource"}
    assert variables["datasource"]["type"] == "datasource"
    asked = [one for one in variables.values() if one["type"] == "query"]
    assert all(one["datasource"] == PROMETHEUS and one["allValue"] == ".*" for one in asked)


def test_a_legend_names_what_its_query_groups_by():
    for panel, target in targets():
        told, grouped = set(LEGEND.findall(target["legendFormat"])), grouped_by(target["expr"]) - {"le"}
        assert told <= grouped | OWN_LABELS, f"{panel['title']}: {target['legendFormat']}"


def test_what_every_api_tells_is_not_counted_twice():
    """Each API answers for all; their sum would be wrong with two of them."""
    shared = "(?:" + "|".join(state.name for state in SHARED) + r")\b"
    asked = {where: query for where, query in queries() if re.search(shared, query)}

    assert len(asked) >= 20
    for where, query in asked.items():
        once = re.findall(rf"(?:max|absent)(?: by \([\w, ]+\))? ?\((?:\w+\()?{shared}", query)
        assert len(once) == len(re.findall(shared, query)), where


def test_what_provisions_grafana_names_what_there_is():
    provisioning = CONFIG / "grafana" / "provisioning"
    (source,) = yaml.safe_load((provisioning / "datasources" / "prometheus.yml").read_text())["datasources"]
    (provider,) = yaml.safe_load((provisioning / "dashboards" / "vidpoll.yml").read_text())["providers"]
    scraped = yaml.safe_load((CONFIG / "prometheus.yml").read_text())["global"]["scrape_interval"]

    assert source["type"] == "prometheus"
    assert source["jsonData"]["timeInterval"] == scraped
    assert provider["options"]["path"].endswith(f"/{DASHBOARD.parent.name}")
