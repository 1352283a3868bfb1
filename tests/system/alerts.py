#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The alert rules: valid, each tested, each with a chapter of its own, and none about a metric that does not exist."""

import pathlib
import re
import sys
import tempfile

import promtools
from harness import ROOT, Daemon, equal, finish, skip, step

RULES = ROOT / "conf/alerts.yml"
TESTS = ROOT / "tests/prometheus/alerts_test.yml"


def alerts():
    """{name: its text} in the order of the file."""
    parts = re.split(r"^      - alert: (\w+)$", RULES.read_text(), flags=re.M)
    return dict(zip(parts[1::2], parts[2::2]))


def promtool_steps():
    if not promtools.find("promtool"):
        skip("promtool check rules, check config and test rules", promtools.MISSING)
        return
    with step("promtool finds the rules and the example of a configuration right"):
        found = promtools.promtool("check", "rules", RULES)
        assert f"SUCCESS: {len(alerts())} rules found" in found, found
        promtools.promtool("check", "config", ROOT / "conf/prometheus.yml")
    with step("the tests of the alerts pass"):
        promtools.promtool("test", "rules", TESTS)
    for name, text in alerts().items():
        with step(f"the test of {name} fails when it is never raised"):
            must_fail(re.sub(r"        expr: (\|\n(?: {10}.*\n)+|.*\n)", "        expr: vector(0) > 1\n", text, count=1), name)


def must_fail(changed, name):
    """The test of that alert alone, with the rule changed."""
    parts = re.split(r"^  - name: (\w+)$", TESTS.read_text(), flags=re.M)
    with tempfile.TemporaryDirectory() as directory:
        (pathlib.Path(directory) / "alerts.yml").write_text(f"groups:\n  - name: one\n    rules:\n      - alert: {name}{changed}")
        tests = pathlib.Path(directory) / "test.yml"
        head = parts[0].replace("../../conf/alerts.yml", "alerts.yml")
        tests.write_text(head + f"  - name: {name}" + parts[parts.index(name) + 1])
        try:
            promtools.promtool("test", "rules", tests)
        except AssertionError as error:
            assert f"alertname: {name}" in str(error), error
            return
    raise AssertionError("it passes")


def chapter_steps():
    chapters = re.split(r"^### (\w+)$", (ROOT / "docs/alerts.md").read_text(), flags=re.M)
    with step("each alert has a chapter in docs/alerts.md, in the same order, and names it"):
        equal(chapters[1::2], list(alerts()))
        for name, text in alerts().items():
            assert f"runbook: docs/alerts.md#{name.lower()}\n" in text, name
    with step("each chapter tells what happened, what the metrics show and what to do"):
        for name, text in zip(chapters[1::2], chapters[2::2]):
            for part in ("**What happened.**", "**What the metrics show.**", "**What to do.**"):
                equal((name, part, text.count(part)), (name, part, 1))
            assert re.search(r"`(blobproxy_|process_|up`)", text), f"{name} names no metric"
    with step("each alert has a severity, and its test an instance that is well"):
        tests = re.split(r"^  - name: (\w+)$", TESTS.read_text(), flags=re.M)
        equal(tests[1::2], list(alerts()))
        for name, text in zip(tests[1::2], tests[2::2]):
            assert 'instance="good"' in text and "exp_alerts: []" in text, name
            severity = re.search(r"labels: {severity: (warning|critical)}", alerts()[name])
            assert severity and f"severity: {severity.group(1)}, job" in text, name


def name_steps(found):
    names = found.names()
    with step("every metric of the rules, their tests, the documents, the status page and blobproxyctl exists"):
        readers = ("src/blobproxyd/statuspage.html", "src/blobproxyctl/figures.c", "man/blobproxyd-metrics.7.in", "man/blobproxyd.8")
        for path in (RULES, TESTS, *sorted(ROOT.glob("docs/*.md")), *(ROOT / name for name in readers)):
            for name in re.findall(r"\b(?:blobproxy|process)_[a-z0-9_]*[a-z0-9]\b", path.read_text()):
                families = [known for known in (*names, *found.types) if known.startswith(name)]
                assert families, f"{path.name}: {name}"
                assert path.suffix != ".yml" or name in names, f"{path.name}: {name}"
    with step("every label and value that the rules ask for exists"):
        for metric, matchers in re.findall(r"(blobproxy_\w+)\{([^}]+)\}", RULES.read_text()):
            series = found.series[found.family(metric)]
            for label, operator, value in re.findall(r'(\w+)(=~|!=|=)"([^"]+)"', matchers):
                values = set(re.findall(rf'\b{label}="([^"]*)"', " ".join(series)))
                for word in value.split("|") if operator == "=~" and "(" not in value else [value]:
                    assert any(re.fullmatch(word, known) for known in values), f"{metric}: no {label} {word} among {values}"


def main():
    promtool_steps()
    chapter_steps()
    with Daemon() as daemon:
        name_steps(promtools.Exposition(daemon.admin("/metrics").must_be(200).body.decode()))
    return finish()


if __name__ == "__main__":
    sys.exit(main())
