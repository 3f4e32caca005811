"""The dashboard and the alerts ask for what a peer tells. A real Prometheus reads them in e2e/test_prometheus.py."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import yaml
from prometheus_client.parser import text_string_to_metric_families

from tests.gateway.client.site import opened

ROOT = Path(__file__).parent.parent
DASHBOARD = ROOT / "configs/grafana/dashboards/ppai.json"
ALERTS = ROOT / "configs/alerts.yml"
SCRAPE_LABELS = {"instance", "job", "le"}  # Prometheus' own, and a histogram's
FROM_ELSEWHERE = {"up"}


def panels() -> list[dict[str, object]]:
    """Those that draw something."""
    return [panel for panel in json.loads(DASHBOARD.read_text())["panels"] if panel["type"] != "row"]


def rules() -> list[dict[str, object]]:
    return [rule for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]]


def expressions() -> Iterator[tuple[str, str]]:
    """(where, PromQL), of every panel and alert."""
    for panel in panels():
        for target in panel["targets"]:  # type: ignore[attr-defined]
            yield str(panel["title"]), target["expr"]
    for rule in rules():
        yield str(rule["alert"]), str(rule["expr"])


def asked_for(expression: str) -> tuple[set[str], set[str]]:
    """The names of metrics in it, and of labels."""
    series = set(re.findall(r"\b(?:ppai|process)_\w+|\bup\b", expression))
    in_braces = re.findall(r"(\w+)\s*(?:=~|!=|=|!~)\s*\"", expression)
    grouped = [label.strip() for labels in re.findall(r"by \(([^)]*)\)", expression) for label in labels.split(",")]
    return series, {*in_braces, *grouped}


async def test_every_series_and_label_of_dashboard_and_alerts_is_one_that_a_peer_tells(tmp_path: Path) -> None:
    """`process_*` is told on Linux alone, where these tests run."""
    async with opened(tmp_path) as site:
        text = (await site.http.get("/metrics")).text
    told = set(re.findall(r"^# TYPE (\w+)", text, re.MULTILINE))
    labels = {
        label for family in text_string_to_metric_families(text) for sample in family.samples for label in sample.labels
    } | {"status", "reason", "code"}  # of counts that begin when something is counted

    for where, expression in expressions():
        series, used = asked_for(expression)
        families = {re.sub("_(bucket|sum|count)$", "", name) for name in series} - FROM_ELSEWHERE
        assert series, where
        assert families <= told, where
        assert used <= labels | SCRAPE_LABELS, where


def test_every_alert_says_what_to_do() -> None:
    for rule in rules():
        assert {"summary", "remedy"} == rule["annotations"].keys(), rule["alert"]  # type: ignore[attr-defined]
        assert rule["labels"]["severity"] in ("info", "warning", "critical"), rule["alert"]  # type: ignore[index]


def test_panels_of_the_dashboard_do_not_overlap_and_are_explained() -> None:
    taken = dict[tuple[int, int], object]()
    for panel in panels():
        at = panel["gridPos"]
        cells = [(at["x"] + x, at["y"] + y) for x in range(at["w"]) for y in range(at["h"])]  # type: ignore[index]
        assert taken.keys().isdisjoint(cells), panel["title"]
        taken |= dict.fromkeys(cells, panel["title"])

    assert len({panel["id"] for panel in panels()}) == len(panels())
    assert 24 >= max(x for x, _ in taken) + 1


def test_what_grafana_is_given_fits_together() -> None:
    """The folder that holds the dashboard is the one that is mounted where Grafana looks for dashboards."""
    [provider] = yaml.safe_load((ROOT / "configs/grafana/provisioning/dashboards/ppai.yml").read_text())["providers"]
    [source] = yaml.safe_load((ROOT / "configs/grafana/provisioning/datasources/ppai.yml").read_text())["datasources"]
    mounted = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]["grafana"]["volumes"]

    assert f"./configs/grafana/dashboards:{provider['options']['path']}:ro" in mounted
    assert "prometheus" == source["type"]
