# SPDX-License-Identifier: MIT
"""What the tests in the guest share: the test device, the host behind it, the service."""

import contextlib
import json
import os
import pathlib
import random
import re
import subprocess
import time

import rawhttp

CONTROL = pathlib.Path("/sys/kernel/debug/azure_blob_test")
PARAMETERS = pathlib.Path("/sys/module/azure_blob_test/parameters")
DEVICE = pathlib.Path("/dev/azure_blob")
ADDRESS = ("127.0.0.1", 10000)
METRICS = ("127.0.0.1", 10080)
# An emulated processor under load.
DEADLINE_S = 90
POLL_S = 0.2
LARGEST = 31 << 20
SHARDS = 2
CONFIG = f"""[channel]
type = device
[limits]
shards = {SHARDS}
[slots]
large = 12
large_bytes = 31M
[accounts]
development = yes
[log]
level = info
"""


def run(*words, check=True):
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert not check or done.returncode == 0, f"{' '.join(words)}: {done.returncode}: {done.stdout}"
    return done.stdout


def wait_for(condition, what, deadline_s=DEADLINE_S):
    """Asks until the condition holds; returns its value."""
    end = time.monotonic() + deadline_s
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < end, f"no {what} within {deadline_s} s"
        time.sleep(POLL_S)


def content(size, seed):
    return random.Random(seed).randbytes(size)


# ---- the device ----


def load_module():
    run("insmod", "azure_blob_test.ko")
    run("udevadm", "settle")


def control(word):
    (CONTROL / "control").write_text(word)


def counters():
    return {name: int(value) for name, value in (line.split() for line in (CONTROL / "counters").read_text().splitlines())}


def wait_counter(name, value):
    wait_for(lambda: counters()[name] == value, f"{name} = {value}")


@contextlib.contextmanager
def parameter(name, value):
    path = PARAMETERS / name
    before = path.read_text()
    path.write_text(value)
    try:
        yield
    finally:
        path.write_text(before)


@contextlib.contextmanager
def held():
    """The host gets nothing from the ring meanwhile."""
    control("hold")
    try:
        yield
    finally:
        control("release")


# ---- the service ----


def unit(name, unit_name="blobproxyd"):
    return run("systemctl", "show", "--value", "-p", name, unit_name).strip()


def pid():
    return int(unit("MainPID"))


def restarts():
    return int(unit("NRestarts"))


@contextlib.contextmanager
def drop_in(text, unit="blobproxyd.service", name="test.conf"):
    """In force from the next start of the unit, until the end of "with"."""
    path = pathlib.Path(f"/etc/systemd/system/{unit}.d/{name}")
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    run("systemctl", "daemon-reload")
    try:
        yield
    finally:
        path.unlink()
        run("systemctl", "daemon-reload")
        # A unit that was stopped by its own failures starts again when it is asked to.
        run("systemctl", "reset-failed", unit, check=False)


def configure(text=CONFIG):
    pathlib.Path("/etc/blobproxyd/blobproxyd.conf").write_text(text)


def settle_installation():
    """What a package does after its files have come."""
    run("systemd-sysusers")
    run("udevadm", "control", "--reload")
    run("systemctl", "daemon-reload")


def clean_up():
    """What a test that failed has left."""
    if CONTROL.exists():
        control("abort")
        control("release")
        run("systemctl", "kill", "-s", "CONT", "guest-blobhostd", check=False)
        stop_all()


def start_all(config=CONFIG):
    """Module, host and service, serving over the device."""
    clean_up()
    settle_installation()
    load_module()
    run("systemctl", "start", "guest-relay")
    configure(config)
    run("systemctl", "start", "blobproxyd")
    wait_channels()
    put_container()


def stop_all():
    run("systemctl", "stop", "blobproxyd", "guest-relay", "guest-blobhostd")
    run("rmmod", "azure_blob_test")


def admin(path):
    data = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".encode()
    return rawhttp.one(METRICS, data, timeout=DEADLINE_S)


def metrics():
    """{'name{labels}': value}; empty when nobody answers."""
    try:
        text = admin("/metrics").must_be(200).body.decode()
    except (OSError, rawhttp.Closed):
        return {}
    rows = (re.fullmatch(r"([^ #]\S*(?:\{[^}]*\})?) (\S+)", line) for line in text.splitlines())
    return {row.group(1): float(row.group(2)) for row in rows if row}


def wait_metric(name, value):
    wait_for(lambda: metrics().get(name) == value, f"{name} = {value}")


def wait_channels():
    """All shards have theirs."""
    wait_metric("blobproxy_channels_up", SHARDS)


def status_text():
    return unit("StatusText")


# ---- requests ----


def exchange(data, method="GET"):
    return rawhttp.one(ADDRESS, data, method, timeout=DEADLINE_S)


def put_container(name="box"):
    exchange(rawhttp.request("PUT", f"/{name}?restype=container"), "PUT").must_be((201, 409))


def put(name, data):
    return exchange(rawhttp.put_blob(f"/box/{name}", data), "PUT")


def get(name, headers=()):
    return exchange(rawhttp.request("GET", f"/box/{name}", headers))


def must_come_back(size, seed=0):
    """A body of that size goes and comes, and nothing of it is wrong."""
    data = content(size, seed or size)
    put(f"size-{size}", data).must_be(201)
    answer = get(f"size-{size}").must_be(200)
    assert answer.body == data, f"{size} bytes: {len(answer.body)} other ones came back"


def must_be_idle():
    """Nothing is left over: no slot, no transfer, no pinned page."""
    for name in ('blobproxy_slots_used{class="small"}', 'blobproxy_slots_used{class="large"}', "blobproxy_transfers_in_flight"):
        wait_metric(name, 0)
    for name in ("pinned_pages", "in_ring", "at_host"):
        wait_counter(name, 0)


# ---- the journal ----


class Journal:
    """What is said from now on."""

    def __init__(self):
        self.cursor = re.search(r"-- cursor: (.*)", run("journalctl", "-q", "-n", "1", "--show-cursor"))[1]

    def entries(self, unit=None, error=False, **fields):
        """Those of a unit, whoever speaks of it; errors; with these fields. Chosen here: with --after-cursor and a filter journalctl
        leaves out the first entry that passes."""
        entries = map(json.loads, run("journalctl", "-q", "-o", "json", "--all", f"--after-cursor={self.cursor}").splitlines())
        return [entry for entry in entries
                if unit in (None, entry.get("_SYSTEMD_UNIT"), entry.get("UNIT")) and (not error or int(entry.get("PRIORITY", 6)) <= 3)
                and fields.items() <= entry.items()]  # fmt: skip

    def lines(self, **choice):
        return [message if isinstance(message := entry["MESSAGE"], str) else bytes(message).decode() for entry in self.entries(**choice)]

    def wait_said(self, text):
        wait_for(lambda: any(text in line for line in self.lines(unit="blobproxyd.service")), f'"{text}" in the journal')

    def must_have_no_error(self, *allowed):
        errors = [line for line in self.lines(error=True) if not any(re.search(pattern, line) for pattern in allowed)]
        assert not errors, "\n".join(errors)


def task_states(process):
    """The state of each of its threads: {'S', 'D'}"""
    states = set()
    for stat in pathlib.Path(f"/proc/{process}/task").glob("*/stat"):
        with contextlib.suppress(OSError):
            states.add(stat.read_text().rsplit(")", 1)[1].split()[0])
    return states


def is_there(process):
    return os.path.exists(f"/proc/{process}")
