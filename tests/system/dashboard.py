#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The dashboard for Grafana: made by its script, drawn without overlaps, and asking for nothing that does not exist."""

import collections
import json
import pathlib
import re
import subprocess
import sys
import tempfile

import promtools
from harness import ROOT, Daemon, equal, finish, skip, step

DASHBOARD = ROOT / "conf/grafana-dashboard.json"
ROWS = ["Overview", "Traffic", "Latency", "Errors", "Channel and route", "Slots", "Process"]


def load():
    return json.loads(DASHBOARD.read_text())


def expressions(dashboard=None):
    """[(title, expression)] with the variables as Grafana would fill them in."""
    values = {"$__rate_interval": "5m", "$job": ".*", "$instance": ".*"}
    rows = []
    for panel in (dashboard or load())["panels"]:
        for target in panel.get("targets", ()):
            text = target["expr"]
            for name, value in values.items():
                text = text.replace(name, value)
            rows.append((panel["title"], text))
    return rows


def form_steps(dashboard):
    panels = [panel for panel in dashboard["panels"] if panel["type"] != "row"]
    with step("it is what scripts/grafana-dashboard makes"):
        made = subprocess.run([ROOT / "scripts/grafana-dashboard"], capture_output=True, text=True, check=True).stdout
        assert DASHBOARD.read_text() == made, "run scripts/grafana-dashboard >conf/grafana-dashboard.json"
    with step("it has its rows, and each panel a title, a description, a unit and queries of the chosen data source"):
        equal([panel["title"] for panel in dashboard["panels"] if panel["type"] == "row"], ROWS)
        for panel in panels:
            assert panel["title"] and panel["description"].endswith(".") and panel["targets"], panel["title"]
            assert panel["type"] in ("table", "heatmap") or panel["fieldConfig"]["defaults"]["unit"], panel["title"]
            assert all(part["datasource"]["uid"] == "${datasource}" for part in (panel, *panel["targets"])), panel["title"]
    with step("panels have numbers of their own, lie within 24 columns and over no other"):
        equal(len({panel["id"] for panel in dashboard["panels"]}), len(dashboard["panels"]))
        cells = collections.Counter()
        for panel in dashboard["panels"]:
            place = panel["gridPos"]
            assert 0 <= place["x"] and place["x"] + place["w"] <= 24, panel["title"]
            cells.update((x, y) for x in range(place["x"], place["x"] + place["w"]) for y in range(place["y"], place["y"] + place["h"]))
        equal(set(cells.values()), {1})
    with step("every query asks for the chosen job and instance only"):
        for panel in panels:
            for target in panel["targets"]:
                metrics = re.findall(r"\b(?:blobproxy|process)_\w+", target["expr"])
                equal((panel["title"], target["expr"].count('{job=~"$job",instance=~"$instance"')), (panel["title"], len(metrics)))


def name_steps(dashboard, found):
    names = found.names()
    with step("every metric of a query exists"):
        for title, text in expressions(dashboard):
            for name in re.findall(r"\b(?:blobproxy|process)_\w+", text):
                assert name in names, f"{title}: {name}"
    with step("every metric is in a panel, but for those that are an answer on the way to another"):
        shown = {found.family(name) for _, text in expressions(dashboard) for name in re.findall(r"\b(?:blobproxy|process)_\w+", text)}
        equal(set(found.types) - shown, {"blobproxy_channels_up"} - shown)


def syntax_steps(dashboard):
    if not promtools.find("promtool"):
        skip("promtool parses every query", promtools.MISSING)
        return
    with step("promtool parses every query"), tempfile.TemporaryDirectory() as directory:
        rules = [{"record": f"query:{place}", "expr": text} for place, (_, text) in enumerate(expressions(dashboard))]
        path = pathlib.Path(directory) / "rules.yml"  # JSON is YAML
        path.write_text(json.dumps({"groups": [{"name": "dashboard", "rules": rules}]}))
        found = promtools.promtool("check", "rules", path)
        assert f"SUCCESS: {len(rules)} rules found" in found, found


def main():
    dashboard = load()
    form_steps(dashboard)
    syntax_steps(dashboard)
    with Daemon() as daemon:
        name_steps(dashboard, promtools.Exposition(daemon.admin("/metrics").must_be(200).body.decode()))
    return finish()


if __name__ == "__main__":
    sys.exit(main())
