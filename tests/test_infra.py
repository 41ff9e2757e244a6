"""What is deployed elsewhere and cannot run here: it is well-formed, and its parts agree."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from agents.metrics import TABLE
from agents.settings import Settings

INFRA = Path(__file__).parents[1] / "infra"
AGENTS = ("matcher", "fallback", "distiller", "refiner", "auditor", "registrar", "console")
# Names and labels of what the agents tell about themselves.
METRICS = {
    f"{metric.name}_bucket" if metric.kind == "histogram" else metric.name: {
        *metric.labels,
        *(("le",) if metric.kind == "histogram" else ()),
    }
    for metric in TABLE
}
# Of settings that other parts of the project bring.
PLANNED = {"KAPPA_KAFKA", "KAPPA_OPENAI_BASE_URL", "KAPPA_OPENAI_MODEL", "KAPPA_OPENAI_API_KEY"}


def read(name: str) -> Any:
    return yaml.safe_load((INFRA / name).read_text())


def expressions() -> dict[str, str]:
    """Every Prometheus expression, by the panel or alert that asks it."""
    dashboard = json.loads((INFRA / "grafana/dashboards/kappa.json").read_text())
    asked = {
        f"{panel['title']} {target['refId']}": target["expr"]
        for panel in dashboard["panels"]
        for target in panel["targets"]
    }
    for group in read("prometheus/alerts.yml")["groups"]:
        asked |= {rule["alert"]: rule["expr"] for rule in group["rules"]}
    return asked


def test_the_compose_file_follows_the_published_schema() -> None:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec"]
    said = subprocess.run(
        [*command, str(INFRA / "compose.yaml")], capture_output=True, text=True, timeout=60
    )
    assert said.returncode == 0, said.stdout + said.stderr


def test_every_service_can_be_had_is_watched_and_waits_for_services_that_exist() -> None:
    services = read("compose.yaml")["services"]
    assert set(services) == {*AGENTS, "kafka", "topics", "prometheus", "grafana"}
    for name, service in services.items():
        assert "image" in service or "build" in service, name
        assert ":" in service["image"] and not service["image"].endswith(":latest"), name
        assert "healthcheck" in service, name
        for waited_for, how in service.get("depends_on", {}).items():
            healthy = how["condition"] == "service_healthy"
            assert healthy <= ("test" in services[waited_for]["healthcheck"]), name
        for port in service.get("ports", ()):
            assert port.startswith("127.0.0.1:"), name


def test_every_agent_runs_its_own_command_with_settings_that_exist() -> None:
    services = read("compose.yaml")["services"]
    known = {f"KAPPA_{field.upper()}" for field in Settings.model_fields} | PLANNED
    for agent in AGENTS:
        assert services[agent]["command"] == ["run", agent]
        assert set(services[agent]["environment"]) <= known
        assert services[agent]["environment"]["KAPPA_KAFKA"] == "kafka:9092"
    keys = {name for name in AGENTS if "KAPPA_OPENAI_API_KEY" in services[name]["environment"]}
    assert keys == {"fallback", "distiller", "refiner"}


def test_files_that_services_mount_exist() -> None:
    mounts = [
        mount.split(":")[0]
        for service in read("compose.yaml")["services"].values()
        for mount in service.get("volumes", ())
        if mount.startswith(".")
    ]
    assert len(mounts) == 3
    assert [mount for mount in mounts if not (INFRA / mount).is_dir()] == []


def test_every_agent_is_scraped() -> None:
    [job] = read("prometheus/prometheus.yml")["scrape_configs"]
    [targets] = [static["targets"] for static in job["static_configs"]]
    assert targets == [f"{agent}:8642" for agent in AGENTS]


def test_dashboard_and_provisioning_name_the_same_source() -> None:
    [source] = read("grafana/provisioning/datasources/prometheus.yml")["datasources"]
    dashboard = json.loads((INFRA / "grafana/dashboards/kappa.json").read_text())
    assert {panel["datasource"]["uid"] for panel in dashboard["panels"]} == {source["uid"]}
    numbers = [panel["id"] for panel in dashboard["panels"]]
    assert len(set(numbers)) == len(numbers)


def test_every_metric_is_looked_at_and_none_is_made_up() -> None:
    asked = set(re.findall(r"kappa_\w+", " ".join(expressions().values())))
    assert asked == set(METRICS)


@pytest.mark.parametrize("name", sorted(expressions()))
def test_expressions_group_by_labels_that_their_metrics_have(name: str) -> None:
    expression = expressions()[name]
    metrics = re.findall(r"kappa_\w+", expression)
    labels = set.union({"job"}, *(METRICS[metric] for metric in metrics))
    grouped = re.findall(r"by \(([^)]*)\)", expression)
    filtered = re.findall(r"(\w+)(?:=~|!=|=)\"", expression)
    assert {label.strip() for group in grouped for label in group.split(",")} <= labels
    assert set(filtered) <= labels
    assert expression.count("(") == expression.count(")")


def test_every_alert_says_what_happened_and_what_to_do() -> None:
    rules = [rule for group in read("prometheus/alerts.yml")["groups"] for rule in group["rules"]]
    assert len({rule["alert"] for rule in rules}) == len(rules)
    for rule in rules:
        assert set(rule["annotations"]) == {"summary", "action"}, rule["alert"]
        assert rule["labels"]["severity"] in ("page", "ticket"), rule["alert"]


def test_the_image_runs_without_root_from_pinned_packages() -> None:
    lines = (INFRA / "Dockerfile").read_text().splitlines()
    users = [line for line in lines if line.startswith("USER ")]
    assert users == ["USER 10001:10001"]
    bases = {line.split()[1] for line in lines if line.startswith("FROM ")}
    assert bases == {"python:3.11.14-slim-bookworm"}
    assert any("-c infra/constraints.txt" in line for line in lines)


def test_the_image_has_what_its_agents_import() -> None:
    """Also Great Expectations: without it the auditor checks nothing."""
    found = re.findall(r'"\.\[(.*)\]"', (INFRA / "Dockerfile").read_text())
    assert [set(extras.split(",")) for extras in found] == [{"kafka", "llm", "tracing", "audit"}]
