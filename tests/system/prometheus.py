#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A real Prometheus, configured as conf/prometheus.yml shows, scrapes the daemon, answers queries about real traffic, draws every
panel of the dashboard, and raises an alert when the host goes."""

import json
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import urllib.error
import urllib.parse
import urllib.request

import dashboard
import promtools
from harness import BUILD, ROOT, Daemon, Program, equal, finish, free_port, skip, step, wait_for
from rawhttp import put_blob, request

INTERVAL_S = 1
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Prometheus:
    """Its own directory, port and data; the target and the intervals are all that differs from the example."""

    def __init__(self, target):
        self.directory = tempfile.mkdtemp(prefix="prometheus-test-")
        self.port = free_port()
        text = (ROOT / "conf/prometheus.yml").read_text()
        for old, new in (("127.0.0.1:10080", target), ("scrape_interval: 15s", f"scrape_interval: {INTERVAL_S}s"),
                         ("evaluation_interval: 15s", f"evaluation_interval: {INTERVAL_S}s")):  # fmt: skip
            assert text.count(old) == 1, old
            text = text.replace(old, new)
        (pathlib.Path(self.directory) / "prometheus.yml").write_text(text)
        shutil.copy(ROOT / "conf/alerts.yml", self.directory)
        options = ["--config.file=prometheus.yml", f"--storage.tsdb.path={self.directory}/data", f"--web.listen-address=127.0.0.1:{self.port}",
                   "--log.level=warn"]  # fmt: skip
        self.program = Program("prometheus", options, self.directory, [promtools.find("prometheus")])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.program.end_at_all_costs()
        shutil.rmtree(self.directory, ignore_errors=True)

    def ask(self, path, **parameters):
        """The data of an answer; None while nobody answers."""
        assert self.program.is_running(), f"prometheus ended: {self.program.output()[-2000:]}"
        url = f"http://127.0.0.1:{self.port}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
        try:
            with OPENER.open(url, timeout=20) as answer:
                got = json.load(answer)
        except urllib.error.HTTPError as error:
            if error.code == 503:
                return None
            raise AssertionError(f"{path} {parameters}: {error.code} {error.read()[:500]}") from error
        except (OSError, urllib.error.URLError):
            return None
        equal(got["status"], "success")
        return got["data"]

    def query(self, text):
        """[(labels, value)] of a vector or scalar."""
        data = self.ask("query", query=text)
        if data["resultType"] == "scalar":
            return [({}, float(data["result"][1]))]
        return [(row["metric"], float(row["value"][1])) for row in data["result"]]

    def value(self, text):
        rows = self.query(text)
        return rows[0][1] if rows else None

    def wait_value(self, text, is_wanted):
        return wait_for(lambda: (value := self.value(text)) is not None and is_wanted(value), f"{text} as wanted")

    def wait_scrapes(self, count):
        """So many more scrapes have begun and ended."""
        samples = 'count_over_time(up{job="blobproxyd"}[1h])'
        wanted = (self.value(samples) or 0) + count
        self.wait_value(samples, lambda value: value >= wanted)


def make_traffic(daemon):
    for number in range(20):
        daemon.exchange(put_blob(f"/box/{number}", bytes(1000)), "PUT").must_be(201)
        daemon.exchange(request("GET", f"/box/{number}")).must_be(200)
    daemon.exchange(request("GET", "/box?restype=container&comp=list")).must_be(200)
    daemon.exchange(request("GET", "/box/none")).must_be(404)
    daemon.exchange(request("GET", "/box/0", key="AAAA" * 21 + "AA==")).must_be(403)


def scrape_steps(prometheus, daemon):
    with step("it scrapes the daemon as its configuration says"):
        wait_for(lambda: prometheus.ask("targets"), "Prometheus")
        prometheus.wait_value('up{job="blobproxyd"}', lambda value: value == 1)
    with step("it takes every series of the exposition, and knows type and help of each metric"):
        found = promtools.Exposition(daemon.admin("/metrics").must_be(200).body.decode())
        equal(prometheus.value('scrape_samples_scraped{job="blobproxyd"}'), len(found.lines))
        equal(prometheus.value('scrape_samples_post_metric_relabeling{job="blobproxyd"}'), len(found.lines))
        known = prometheus.ask("metadata")
        equal({name: (known[name][0]["type"], known[name][0]["help"]) for name in found.types},
              {name: (found.types[name], found.helps[name]) for name in found.types})  # fmt: skip


def query_steps(prometheus, daemon):
    daemon.make_container()
    prometheus.wait_scrapes(2)
    make_traffic(daemon)
    with step("the first requests after a start are seen as an increase: their series were there at 0"):
        text = 'increase(blobproxy_requests_total{operation="GetBlob",code="2xx"}[1h])'
        prometheus.wait_value(text, lambda value: value >= 20)
    with step("requests are answered by operation, status and way"):
        prometheus.wait_value('blobproxy_requests_total{operation="PutBlockBlob",code="2xx"}', lambda value: value == 20)
        prometheus.wait_value('blobproxy_responses_total{code="404"}', lambda value: value == 1)
        prometheus.wait_value('blobproxy_routed_exchanges_total{route="none"}', lambda value: value == 1)
        equal(prometheus.value('sum(blobproxy_routed_exchanges_total{route="upstream"})'), 0)
        equal(prometheus.value("sum(blobproxy_requests_total) - sum(blobproxy_responses_total)"), 0)
    with step("quantiles come out of the histograms"):
        text = 'histogram_quantile(0.9, sum by (le) (rate(blobproxy_request_duration_seconds_bucket{class="read"}[1h])))'
        prometheus.wait_value(text, lambda value: 0 < value < 60)
        text = "histogram_quantile(0.5, sum by (le) (rate(blobproxy_transfer_duration_seconds_bucket[1h])))"
        prometheus.wait_value(text, lambda value: 0 < value < 60)
    with step("the build can be joined to anything"):
        rows = prometheus.query("blobproxy_channels_up * on (instance) group_left (version, revision) blobproxy_build_info")
        assert rows and rows[0][0]["version"], rows


def panel_steps(prometheus, daemon):
    with step("every query of the dashboard is answered, with figures"):
        make_traffic(daemon)
        prometheus.wait_scrapes(3)
        empty = set()
        for title, text in dashboard.expressions():
            if not prometheus.query(text.replace("[5m]", "[1h]")):
                empty.add(title)
        # Nothing failed so far, and there is no certificate.
        assert empty <= {"Server errors by operation", "Certificate"}, empty


def alert_steps(prometheus, daemon):
    def state(name):
        groups = prometheus.ask("rules", type="alert")["groups"]
        rules = {rule["name"]: rule for group in groups for rule in group["rules"]}
        assert all(rule["health"] != "err" for rule in rules.values()), rules
        return rules[name]["state"]

    with step("of a daemon that is well no alert is raised, and every rule can be evaluated"):
        groups = prometheus.ask("rules", type="alert")["groups"]
        rules = [rule for group in groups for rule in group["rules"]]
        assert len(rules) > 15
        wait_for(lambda: all(rule["health"] == "ok" for group in prometheus.ask("rules", type="alert")["groups"] for rule in group["rules"]),
                 "evaluation of all rules")  # fmt: skip
        equal([rule["name"] for rule in rules if rule["state"] != "inactive"], [])
    with step("a host that goes away is noticed"):
        daemon.host.stop(signal.SIGKILL)
        wait_for(lambda: state("BlobproxydChannelDown") == "pending", "alert about the channel")
        equal(state("BlobproxydDown"), "inactive")
    with step("a daemon that goes away is noticed"):
        daemon.proxy.stop()
        wait_for(lambda: state("BlobproxydDown") == "pending", "alert about the daemon")


def example_steps():
    with step("the example scrapes what listen.metrics is unless configured, and lies beside the rules that it names"):
        described = subprocess.run([BUILD / "blobproxyd", "--help"], capture_output=True, text=True, check=True).stdout
        default = re.search(r"^ *metrics = (\S+)", described, re.M).group(1)
        text = (ROOT / "conf/prometheus.yml").read_text()
        equal(re.findall(r"targets: \[(.*)\] # listen", text), [default])
        for name in re.findall(r"^  - (\S+\.yml)$", text, re.M):
            assert (ROOT / "conf" / name).is_file(), name


def main():
    example_steps()
    if not promtools.find("prometheus"):
        skip("a real Prometheus scrapes the daemon", promtools.MISSING)
        return finish()
    with Daemon(is_emulated=False) as daemon, Prometheus(f"127.0.0.1:{daemon.metrics_port}") as prometheus:
        scrape_steps(prometheus, daemon)
        query_steps(prometheus, daemon)
        panel_steps(prometheus, daemon)
        alert_steps(prometheus, daemon)
    return finish()


if __name__ == "__main__":
    sys.exit(main())
