#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The status page in Chromium, with real traffic: its figures are those of the metrics, and it talks to nobody but the daemon."""

import json
import math
import re
import sys

from harness import ROOT, Daemon, equal, finish, free_port, skip, step, wait_for
from load import Load
from rawhttp import Connection, put_blob, request
from webdriver import Browser

SHOTS = ROOT / "build-logs"
MIB = 1 << 20
NOTHING = "–"


class Reading:
    """An exposition that the page has read."""

    def __init__(self, taken):
        self.at = taken["at"]
        rows = (re.fullmatch(r"([a-zA-Z_:]+)(?:\{(.*)\})? (\S+)", line) for line in taken["text"].splitlines())
        self.samples = [(row.group(1), dict(re.findall(r'(\w+)="([^"]*)"', row.group(2) or "")), float(row.group(3))) for row in rows if row]

    def rows(self, name, **labels):
        return [(found, value) for sample, found, value in self.samples if sample == name and labels.items() <= found.items()]

    def sum(self, name, **labels):
        return sum(value for _, value in self.rows(name, **labels))

    def values(self, name, label):
        return {found[label] for found, _ in self.rows(name)}


class Span:
    """What happened between two readings; before may be None."""

    def __init__(self, before, now):
        self.before, self.now = before, now

    def growth(self, name, **labels):
        return self.now.sum(name, **labels) - (self.before.sum(name, **labels) if self.before else 0)

    def rate(self, name, **labels):
        return self.growth(name, **labels) / (self.now.at - self.before.at)

    def quantile(self, part, name, **labels):
        bounds = sorted({float(found["le"]): found["le"] for found, _ in self.now.rows(name + "_bucket", **labels)}.items())
        counts = [(bound, self.growth(name + "_bucket", le=text, **labels)) for bound, text in bounds]
        if not counts or counts[-1][1] == 0:
            return math.nan
        rank, low, under = part * counts[-1][1], 0.0, 0.0
        for bound, upto in counts:
            if upto >= rank:
                return low if math.isinf(bound) else low + (bound - low) * (rank - under) / (upto - under)
            low, under = bound, upto
        raise AssertionError(counts)


def short(value):
    """As the page writes a number."""
    if math.isnan(value):
        return NOTHING
    if value == 0:
        return "0"
    return f"{value:,.0f}" if value >= 99.95 else f"{value:.1f}" if value >= 9.995 else f"{value:.2f}"


def same(shown, value, what):
    """The shown text is the value, rounded by whoever rounds a half which way."""
    want = short(value)
    near = {want, short(value * (1 + 1e-9)), short(value * (1 - 1e-9)), short(value * 1.0000001)}
    if shown not in near:
        number = float(shown.replace(",", ""))  # halves: Intl rounds them away from zero, Python to even
        assert abs(number - value) <= 0.5000001 * 10 ** -len(shown.partition(".")[2]), f"{what}: {shown}, not {want}"


class Page:
    def __init__(self, browser, daemon):
        self.browser, self.daemon = browser, daemon
        self.origin = f"http://127.0.0.1:{daemon.metrics_port}"
        browser.open(self.origin + "/")

    def text(self, name):
        return self.browser.run("return document.getElementById(arguments[0]).textContent", name)

    def table(self, name):
        script = "return [...document.getElementById(arguments[0]).rows].map((row) => [...row.cells].map((cell) => cell.textContent))"
        return {cells[0]: cells[1:] for cells in self.browser.run(script, name)}

    def wait_text(self, name, wanted, deadline_s=30):
        wait_for(lambda: re.search(wanted, self.text(name)), f"{wanted!r} in {name}", deadline_s)

    def state_class(self):
        return self.browser.run("return document.getElementById('state').className")

    def click(self, name):
        self.browser.run("document.getElementById(arguments[0]).click()", name)

    def polls(self):
        return self.browser.run("return statuspage.points.length")

    def wait_polls(self, count):
        end = self.polls() + count
        wait_for(lambda: self.polls() >= end, "readings")

    def readings(self):
        """(before, now, a minute ago), and what /status said."""
        script = """const take = (one) => one && { at: one.at, text: one.text };
                    return [take(statuspage.before), take(statuspage.now), take(statuspage.minuteAgo), statuspage.now.status]"""
        *taken, status = self.browser.run(script)
        return [one and Reading(one) for one in taken], status

    def fits(self):
        return self.browser.run("return document.documentElement.scrollWidth <= window.innerWidth")


def traffic(address):
    """Reads, writes, a listing, what is not there, and what is no request."""
    with Connection(address) as connection:
        connection.exchange(put_blob("/box/a", b"x" * 100_000), "PUT").must_be(201)
        for _ in range(5):
            connection.exchange(request("GET", "/box/a")).must_be(200)
        connection.exchange(request("GET", "/box/none")).must_be(404)
        connection.exchange(request("GET", "/box?restype=container&comp=list")).must_be(200)
    with Connection(address) as connection:
        connection.exchange(b"GET /devstoreaccount1/box/a HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n").must_be(400)


def must_equal_metrics(page):
    """Each figure, computed anew out of the two expositions that the page has read."""
    (before, now, minute_ago), status = page.readings()
    last, minute = Span(before, now), Span(minute_ago, now)
    requests = "blobproxy_request_duration_seconds"
    for name, value in (
        ("requests", last.rate("blobproxy_requests_total")),
        ("errors", last.rate("blobproxy_errors_total")),
        ("bytes-in", last.rate("blobproxy_body_bytes_total", direction="in") / MIB),
        ("bytes-out", last.rate("blobproxy_body_bytes_total", direction="out") / MIB),
        ("p50", 1000 * minute.quantile(0.5, requests)),
    ):
        same(page.text(name), value, name)
    for name, part in (("p95", 0.95), ("p99", 0.99)):
        same(page.text(name).removesuffix(" ms"), 1000 * minute.quantile(part, requests), name)
    for name, value in (
        ("requests-total", now.sum("blobproxy_requests_total")),
        ("errors-total", now.sum("blobproxy_errors_total")),
        ("exchanges", now.sum("blobproxy_exchanges_in_flight")),
        ("transfers", now.sum("blobproxy_transfers_in_flight")),
        ("waiting", now.sum("blobproxy_slot_waiters")),
        ("quarantined", now.sum("blobproxy_slots_quarantined")),
    ):
        equal((name, page.text(name)), (name, f"{value:,.0f}"))
    for name in ("small", "large"):
        used, total = (now.sum(f"blobproxy_slots{what}", **{"class": name}) for what in ("_used", ""))
        equal(page.text(f"slots-{name}"), f"{used:.0f} of {total:.0f}")
    equal(page.text("channels"), f"{now.sum('blobproxy_channels_up'):.0f} of {status['channel']['total']}")

    operations = page.table("operations")
    equal(set(operations), {name for name in now.values("blobproxy_requests_total", "operation") if now.sum("blobproxy_requests_total", operation=name)})
    for name, (each, client, server, total) in operations.items():
        same(each, last.rate("blobproxy_requests_total", operation=name), name)
        same(client, last.rate("blobproxy_requests_total", operation=name, code="4xx"), name)
        same(server, last.rate("blobproxy_requests_total", operation=name, code="5xx"), name)
        equal(total, f"{now.sum('blobproxy_requests_total', operation=name):,.0f}")

    kinds = page.table("kinds")
    equal(set(kinds), {kind.replace("_", " ") for kind in now.values("blobproxy_errors_total", "kind") if now.sum("blobproxy_errors_total", kind=kind)})
    for kind, (each, total) in kinds.items():
        same(each, last.rate("blobproxy_errors_total", kind=kind.replace(" ", "_")), kind)
        equal(total, f"{now.sum('blobproxy_errors_total', kind=kind.replace(' ', '_')):,.0f}")

    stages = page.table("stages")
    for text, stage in (("request's body", "request_body"), ("waiting for a slot", "queue"), ("host or endpoint", "host"), ("answer's body", "response_body")):
        for shown, part in zip(stages[text], (0.5, 0.99), strict=True):
            same(shown, 1000 * minute.quantile(part, "blobproxy_stage_duration_seconds", stage=stage), stage)
    same(stages["one transfer at the host"][0], 1000 * minute.quantile(0.5, "blobproxy_transfer_duration_seconds"), "transfer")
    return now


def figures(browser, daemon):
    page = Page(browser, daemon)
    with step("the page shows the state, the version and that nothing was asked yet"):
        page.wait_text("state", "^serving$")
        assert "good" in page.state_class()
        page.wait_text("about", re.escape(json.loads(daemon.admin("/status").body)["version"]))
        equal(page.text("requests-total"), "0")
        equal(page.browser.run("return [document.getElementById('no-operations').hidden, document.getElementById('operations-table').hidden]"), [False, True])

    daemon.make_container()
    with Load(daemon.address, threads=2, sizes=(1000, 200_000, 3_000_000)):
        for _ in range(4):
            traffic(daemon.address)
            page.wait_polls(1)
        traffic(daemon.address)
        page.wait_polls(1)
        page.click("pause")
        with step("under load, every figure of the page is that of the metrics it has read"):
            now = must_equal_metrics(page)
            assert now.sum("blobproxy_requests_total") > 50 and page.text("requests") not in ("0", NOTHING)
        page.click("pause")
        page.wait_polls(2)
        SHOTS.mkdir(exist_ok=True)
        for scheme in ("light", "dark"):
            with step(f"it fits the window, {scheme}"):
                browser.look(scheme)
                want = {"light": "rgb(244, 246, 249)", "dark": "rgb(14, 18, 23)"}[scheme]
                equal(browser.run("return getComputedStyle(document.body).backgroundColor"), want)
                assert page.fits()
                browser.screenshot(SHOTS / ("statuspage.png" if scheme == "light" else f"statuspage-{scheme}.png"))
        with step("it fits the screen of a telephone"):
            browser.look("light", 360, 780)
            page.wait_polls(1)
            assert page.fits()
            browser.screenshot(SHOTS / "statuspage-small.png")
            browser.look("light", 1280, 1600)

    with step("when it is quiet, the totals are those that /metrics has"):
        daemon.wait_idle()
        metrics = daemon.metrics()

        def total(prefix):
            return f"{sum(value for name, value in metrics.items() if name.startswith(prefix)):,.0f}"

        page.wait_polls(2)
        equal(page.text("requests-total"), total("blobproxy_requests_total"))
        equal(page.text("errors-total"), total("blobproxy_errors_total"))
        equal(page.table("operations")["GetBlob"][3], total('blobproxy_requests_total{operation="GetBlob"'))
        equal((page.text("requests"), page.text("exchanges")), ("0", "0"))
        facts = page.table("daemon")
        assert f"127.0.0.1:{daemon.port}" in facts["listening"][0] and f"unix:{daemon.unix}" in facts["listening"][0], facts
        equal((facts["metrics"], facts["log level"], facts["accounts"]), ([f"127.0.0.1:{daemon.metrics_port}"], ["notice"], ["devstoreaccount1"]))

    with step("the charts have a line for each series, and tell the values under the pointer"):
        script = """const chart = document.querySelector("#chart-requests svg"), box = chart.getBoundingClientRect();
                    const lines = [...document.querySelectorAll("svg path:not(.area)")].map((path) => path.getAttribute("d").length);
                    const legend = () => document.querySelector("#chart-requests .legend").textContent;
                    const latest = legend(), place = box.left + box.width * (1 - 12 / 60);
                    chart.dispatchEvent(new PointerEvent("pointermove", { clientX: place, clientY: box.top + 50, bubbles: true }));
                    const marks = chart.querySelectorAll("line.mark").length, under = legend();
                    chart.dispatchEvent(new PointerEvent("pointerleave"));
                    return [lines, latest, under, marks, legend()]"""
        lines, latest, under, marks, again = browser.run(script)
        equal(len(lines), 9)  # of 11: nothing went upstream or waited for a slot
        assert all(length > 10 for length in lines), lines
        equal((marks, again), (1, latest))
        assert under != latest, under

    with step("Pause stops the asking, and goes on when it is pressed again"):
        page.click("pause")
        asked = len([url for url in browser.requests() if url.endswith("/metrics")])
        equal(page.text("pause"), "Go on")
        end = page.polls()
        browser.command("Runtime.evaluate", expression="new Promise((done) => setTimeout(done, 4500))", awaitPromise=True)
        equal(page.polls(), end)
        assert len([url for url in browser.requests() if url.endswith("/metrics")]) <= asked + 1
        page.click("pause")
        page.wait_polls(1)

    with step("nothing was said on the console"):
        equal(browser.console(), [])
    with step("nobody was asked but the daemon, for its page, its metrics and its status"):
        asked = {url for url in browser.requests() if not url.startswith("data:image/svg+xml")}
        equal(asked, {page.origin + path for path in ("/", "/metrics", "/status")})


def confined(browser, daemon):
    page = Page(browser, daemon)
    page.wait_text("state", "^serving$")
    with step("the page comes with a policy that lets it do nothing else"):
        answer = daemon.admin("/").must_be(200)
        equal(answer.header("Content-Type"), "text/html; charset=utf-8")
        policy = dict(part.strip().split(" ", 1) for part in answer.header("Content-Security-Policy").split(";"))
        equal((policy["default-src"], policy["connect-src"], policy["frame-ancestors"], policy["base-uri"]), ("'none'", "'self'", "'none'", "'none'"))
        for name in ("script-src", "style-src"):
            assert re.fullmatch(r"'sha256-[A-Za-z0-9+/]{43}='", policy[name]), policy
        equal((answer.header("X-Content-Type-Options"), answer.header("Referrer-Policy")), ("nosniff", "no-referrer"))

    with step("what is smuggled into it does not run, loads nothing, and reaches nobody"):
        script = """const done = arguments[0], other = arguments[1];
                    const element = document.createElement("script");
                    try { element.textContent = "window.ran = 1"; document.body.append(element); } catch (refused) { window.refused = 1; }
                    const picture = new Image();
                    picture.src = other + "/picture.png";
                    document.body.append(picture);
                    return fetch(other + "/steal").then(() => "reached", () => "refused").then((text) => [text, window.ran || 0, window.refused || 0])"""
        result = browser.run(script, 0, f"http://127.0.0.1:{free_port()}")
        equal(result[:2], ["refused", 0])
        said = " ".join(message for _, message in browser.console())
        assert "connect-src 'self'" in said and "img-src" in said, said

    with step("it cannot be asked with another method"):
        daemon.admin("/", "POST").must_be(405)
        equal(daemon.admin("/", "HEAD").must_be(200).body, b"")


def troubles(browser):
    with Daemon(is_emulated=False) as daemon:
        page = Page(browser, daemon)
        page.wait_text("state", "^serving$")
        with step("a channel that is down is seen in the headline"):
            daemon.host.stop()
            page.wait_text("state", "channel|not ready")
            assert "good" not in page.state_class(), page.state_class()
            page.wait_text("channels", f"^0 of {json.loads(daemon.admin('/status').body)['channel']['total']}$")

        with step("a daemon that has gone is seen too, and its old figures are dimmed"):
            daemon.proxy.stop()
            page.wait_text("state", "^no answer$")
            equal(browser.run("return document.body.className"), "stale")
            browser.console()

        with step("when it is back, the figures begin anew"):
            daemon.start_host()
            daemon.start()
            daemon.wait_ready()
            page.wait_text("state", "^serving$")
            equal(browser.run("return document.body.className"), "")
            page.wait_polls(1)
            equal((page.text("requests"), page.text("requests-total")), ("0", "0"))


def main():
    if not Browser.is_installed():
        skip("the status page in a browser", "chromium or chromium-driver is not installed")
        return finish()
    with Browser() as browser:
        with Daemon() as daemon:
            figures(browser, daemon)
            confined(browser, daemon)
        troubles(browser)
    return finish()


if __name__ == "__main__":
    sys.exit(main())
