#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The exposition: what it promises to whoever scrapes it, the manual that lists it, and that no client can make it grow."""

import re
import signal
import subprocess
import sys
import time

import promtools
from harness import BUILD, Daemon, equal, finish, freeze, skip, step, wait_for
from heldthread import HeldThread, thread_of
from rawhttp import ACCOUNT, Closed, one, put_blob, request
from recorder import Recorder
from tokens import plain

SERIES_MAX = 700
TEXT_MAX_BYTES = 64 << 10
UNITS = ("_seconds", "_bytes")

# Words that would name a unit that is not a base one.
OTHER_UNITS = re.compile(r"_(ms|us|milliseconds|microseconds|minutes|kib|mib|kilobytes|megabytes|percent)(_|$)")


def exposition(daemon):
    return daemon.admin("/metrics").must_be(200).body.decode()


def names_of(text):
    """Every series, without its value."""
    return {line.rsplit(" ", 1)[0] for line in text.splitlines() if not line.startswith("#")}


def convention_steps(text):
    found = promtools.Exposition(text)
    if promtools.find("promtool"):
        with step("promtool has nothing to say against it"):
            equal(promtools.promtool("check", "metrics", text=text), "")
    else:
        skip("promtool check metrics", promtools.MISSING)
    with step("counters end with _total, nothing else does; units are base units and stand in the name"):
        for name, kind in found.types.items():
            equal(name.endswith("_total"), kind == "counter")
            assert re.fullmatch(r"(blobproxy|process)_[a-z0-9_]+", name), name
            assert not OTHER_UNITS.search(name), name
            assert kind != "histogram" or name.endswith(UNITS), name
    with step("each has a sentence of help; no label is empty, and each is written the same way in all series of its metric"):
        for name, help_text in found.helps.items():
            assert re.fullmatch(r"[A-Z0-9].*\.", help_text), f"{name}: {help_text}"
        for name, series in found.series.items():
            equal(len({tuple(re.findall(r"(\w+)=", labels)) for labels in series}), 1)
            assert not any('""' in labels for labels in series), f"{name}: {series}"
    with step(f"there are at most {SERIES_MAX} series in at most {TEXT_MAX_BYTES >> 10} KiB"):
        assert 500 < len(found.lines) <= SERIES_MAX, len(found.lines)
        assert len(text) <= TEXT_MAX_BYTES, len(text)
    with step("the process is told of completely"):
        wanted = "cpu_seconds_total open_fds max_fds start_time_seconds resident_memory_bytes virtual_memory_bytes threads"
        equal({name for name in found.types if name.startswith("process_")}, {f"process_{name}" for name in wanted.split()})
    with step("the build is named, with the revision and every library"):
        labels = dict(re.findall(r'(\w+)="([^"]*)"', next(iter(found.series["blobproxy_build_info"]))))
        equal(set(labels), {"version", "revision", "libmicrohttpd", "libevent", "libcurl", "gnutls"})
        version = subprocess.run([BUILD / "blobproxyd", "--version"], capture_output=True, text=True, check=True).stdout
        assert labels["version"] in version, f"{labels['version']} is not in {version}"
        assert all(re.match(r"\d+\.\d+", labels[name]) for name in set(labels) - {"revision"}), labels


def read_page():
    """{metric: (type, help, {labels})} of the manual."""
    page = {}
    for line in (BUILD / "man/blobproxyd-metrics.7").read_text().replace(r"\(dq", '"').splitlines():
        if found := re.fullmatch(r'\.It Sy "(\w+)" Pq (\w+)', line):
            name = found.group(1)
            page[name] = [found.group(2), "", set()]
        elif page and (found := re.fullmatch(r'\.It Brq Li "(.*)"', line)):
            page[name][2].add(found.group(1))
        elif page and not line.startswith(".") and not page[name][1]:
            page[name][1] = line
        elif line.startswith(".Ss Label values"):
            break
    return page


def manual_steps(text):
    found, page = promtools.Exposition(text), read_page()
    with step("blobproxyd-metrics(7) lists every metric, and no other, with its type, help and labels"):
        equal(set(page), set(found.types))
        for name, (kind, help_text, labels) in page.items():
            equal((name, kind, help_text), (name, found.types[name], found.helps[name]))
            if name not in ("blobproxy_build_info", "blobproxy_requests_total", "blobproxy_responses_total"):
                equal((name, labels or {""}), (name, found.series[name]))
    with step("and every operation that is counted"):
        operations = re.findall(r'^\.It Li "(\w+)"$', (BUILD / "man/blobproxyd-metrics.7").read_text(), re.M)
        equal(set(operations), set(re.findall(r'operation="(\w+)"', text)))


# ---- what clients can do to it ----

ODD_STATUSES = (200, 204, 207, 226, 299, 300, 308, 399, 400, 402, 418, 451, 499, 500, 507, 511, 599)


def answer_to(recorder, address, data, answer):
    recorder.answer(answer)
    return one(address, data)


def send_odd_statuses(daemon, recorder):
    for status in ODD_STATUSES:
        head = f"HTTP/1.1 {status} Odd\r\nContent-Length: 0\r\n\r\n".encode()
        equal(answer_to(recorder, daemon.address, request("GET", "/c/b"), head).status, status)


def send_and_see(daemon, data):
    """Whatever the answer is, or none."""
    try:
        return daemon.exchange(data).status
    except (Closed, OSError):
        return 0


def odd_requests():
    for method in ("BREW", "get", "PATCH", "TRACE", "M-SEARCH", "X" * 100):
        yield plain(method, f"/{ACCOUNT}/c/b", [("Content-Length", "0")])
    for query in ("comp=teapot", "restype=moon&comp=list", "comp=" + "a" * 500, "comp=%00%0a%22", 'comp="}{'):
        yield plain("GET", f"/{ACCOUNT}/c/b?{query}")
    for number in range(200):
        yield plain("GET", f"/account{number:04}/container{number}/blob{number}")
        yield plain("GET", f"/c/b{number}", host=f"account{number:04}.blob.localhost")
    yield plain("GET", f"/{ACCOUNT}/c/b", host="elsewhere.example.org")
    yield plain("GET", f"/{ACCOUNT}/c/b", [("x-ms-version", "1999-99-99"), ("x-ms-blob-type", "NoBlob")])
    yield b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"
    yield b"GET / HTTP/9.9\r\n\r\n"


def cardinality_steps():
    with Recorder() as recorder, Daemon(backend=recorder.url, has_key=True) as daemon:
        before = names_of(exposition(daemon))
        with step(f"{len(ODD_STATUSES)} statuses, most of them unheard of, add no series and are all counted"):
            send_odd_statuses(daemon, recorder)
            equal(names_of(exposition(daemon)), before)
            daemon.wait_idle()  # an exchange is counted when it is over, which is after its client has the answer
            now = daemon.metrics()
            answered = sum(value for name, value in now.items() if name.startswith("blobproxy_responses_total{"))
            equal(answered, len(ODD_STATUSES))
            equal(now['blobproxy_responses_total{code="other"}'], len(ODD_STATUSES) - 4)
    with Daemon(has_key=True) as daemon:
        before = names_of(exposition(daemon))
        with step("methods, operations, accounts, hosts and versions that clients make up add none"):
            statuses = [send_and_see(daemon, data) for data in odd_requests()]
            assert len(set(statuses)) > 3, set(statuses)
            equal(names_of(exposition(daemon)), before)
        with step("nor do large and small requests, a reload, and the admin listener's own visitors"):
            daemon.make_container()
            daemon.upload("/box/large", bytes(20 << 20))
            daemon.exchange(request("GET", "/box/large")).must_be(200)
            daemon.proxy.process.send_signal(signal.SIGHUP)
            for path in ("/metrics?x=1", "/metrics/y", "/nonsense", "/readyz"):
                daemon.admin(path)
            equal(names_of(exposition(daemon)), before)


# ---- figures ----


def grown(daemon, action):
    """What the action has added to each series."""
    before = daemon.metrics()
    action()
    daemon.wait_idle()  # an exchange is counted after its response has been sent
    after = daemon.metrics()
    return {name: after[name] - before[name] for name in after if after[name] != before[name]}


def figure_steps(daemon):
    daemon.make_container()
    stage = 'blobproxy_stage_duration_seconds_count{stage="%s"}'
    with step("a write counts by operation, status, way, stage and bytes"):
        rows = grown(daemon, lambda: daemon.exchange(put_blob("/box/b", bytes(10000)), "PUT").must_be(201))
        equal(rows['blobproxy_requests_total{operation="PutBlockBlob",code="2xx"}'], 1)
        equal(rows['blobproxy_responses_total{code="201"}'], 1)
        equal(rows['blobproxy_routed_exchanges_total{route="channel",reason="none"}'], 1)
        equal(rows['blobproxy_request_duration_seconds_count{class="write",route="channel"}'], 1)
        equal(rows['blobproxy_body_bytes_total{direction="in"}'], 10000)
        equal([rows.get(stage % name, 0) for name in ("request_body", "queue", "host", "response_body")], [1, 0, 1, 1])
    with step("what a client waits for stands in the stages: their sum is the request's duration"):
        rows = grown(daemon, lambda: daemon.exchange(request("GET", "/box/b")).must_be(200))
        stages = sum(value for name, value in rows.items() if name.startswith("blobproxy_stage_duration_seconds_sum"))
        whole = rows['blobproxy_request_duration_seconds_sum{class="read",route="channel"}']
        assert 0 < stages <= whole < stages + 0.1, (stages, whole)
    with step("a refusal at sight is an answer without a way and without a duration"):
        rows = grown(daemon, lambda: daemon.exchange(request("GET", "/box/b", key="AAAA" * 21 + "AA==")).must_be(403))
        equal(rows['blobproxy_routed_exchanges_total{route="none",reason="refused"}'], 1)
        assert not any(name.startswith("blobproxy_request_duration") for name in rows), rows
    with step("connections count by the listener that they came through"):
        rows = grown(daemon, lambda: [daemon.exchange(request("GET", "/box/b")).must_be(200) for _ in range(3)])
        equal(rows['blobproxy_connections_accepted_total{listener="tcp"}'], 3)
    with step("a line of the log counts by its level"):
        notices = 'blobproxy_log_lines_total{level="notice"}'
        before = daemon.metric(notices)
        assert before > 0
        daemon.proxy.process.send_signal(signal.SIGHUP)
        wait_for(lambda: daemon.metric(notices) == before + 1, "count of the line that tells of the reload")
        assert " reloaded " in daemon.proxy.output()
        equal(daemon.metric("blobproxy_log_suppressed_total"), 0)
    with step("the slots' memory is that of their number and size"):
        wait_for(lambda: daemon.metric("blobproxy_slot_budget_bytes") > 0, "first sweep")
        now = daemon.metrics()
        small, large = now['blobproxy_slots{class="small"}'], now['blobproxy_slots{class="large"}']
        assert now["blobproxy_slot_budget_bytes"] > small * (64 << 10) + large * (1 << 20), now["blobproxy_slot_budget_bytes"]


def lag_steps(daemon):
    with step("loops that turn are silent for no longer than a sweep takes to come"):
        now = daemon.metrics()
        assert 0 <= now["blobproxy_loop_silence_seconds"] < 5, now["blobproxy_loop_silence_seconds"]
        equal(now["blobproxy_channels_up"], now["blobproxy_shards"])
    with step("a second in which no thread ran is told as one sweep of each shard that came late"):
        before = daemon.metrics()
        freeze(daemon.proxy.pid)
        time.sleep(1.2)  # what passes here is what is measured
        daemon.proxy.process.send_signal(signal.SIGCONT)
        wanted = late_sweeps(before) + before["blobproxy_shards"]
        wait_for(lambda: late_sweeps(daemon.metrics()) >= wanted, "late sweeps")


    with step("a thread that is stuck shows at once, and the metrics are there to show it"):
        silence = "blobproxy_loop_silence_seconds"
        with HeldThread(thread_of(daemon.proxy.pid, "shard-0")):
            wait_for(lambda: daemon.metric(silence) > 1.5, "silence")
        wait_for(lambda: daemon.metric(silence) < 1, "end of the silence")


def late_sweeps(rows):
    lag = "blobproxy_loop_lag_seconds"
    return rows[f"{lag}_count"] - rows[f'{lag}_bucket{{le="0.5"}}']


def main():
    with Daemon() as daemon:
        text = exposition(daemon)
        convention_steps(text)
        manual_steps(text)
        figure_steps(daemon)
        lag_steps(daemon)
    cardinality_steps()
    return finish()


if __name__ == "__main__":
    sys.exit(main())
