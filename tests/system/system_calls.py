#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What a small read on a kept connection costs in system calls: one look at its head, one read, one send."""

import re
import shutil
import signal
import subprocess
import sys

from harness import Daemon, equal, finish, skip, step, wait_for
from rawhttp import Connection, request

WAVES = 100


class Trace:
    """Counts a process's system calls by name while it is a context."""

    def __init__(self, pid, directory):
        self.output = f"{directory}/strace.out"
        self.errors = f"{directory}/strace.err"
        self.pid = pid
        self.calls = {}

    def __enter__(self):
        with open(self.errors, "wb") as errors:
            self.process = subprocess.Popen(["strace", "-f", "-c", "-o", self.output, "-p", str(self.pid)], stderr=errors)
        wait_for(self.is_attached, "strace")
        return self

    def is_attached(self):
        with open(self.errors, encoding="utf-8") as errors:
            text = errors.read()
        assert self.process.poll() is None, f"strace ended: {text}"
        return f"Process {self.pid} attached" in text

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGINT)
        self.process.wait(20)
        with open(self.output, encoding="utf-8") as output:
            for line in output:
                found = re.match(r"\s*[\d.]+\s+[\d.]+\s+\d+\s+(\d+)\s+(?:\d+\s+)?(\w+)$", line)
                if found and found.group(2) != "total":
                    self.calls[found.group(2)] = int(found.group(1))


def can_trace():
    if not shutil.which("strace"):
        return False
    return subprocess.run(["strace", "-o", "/dev/null", "true"], capture_output=True, check=False).returncode == 0


class Wave:
    """Connections that each send a read, and then read their responses."""

    def __init__(self, daemon, count):
        self.connections = [Connection(daemon.address) for _ in range(count)]

    def run(self):
        data = request("GET", "/box/serves")
        for connection in self.connections:
            connection.send(data)
        for connection in self.connections:
            equal(connection.read_answer().must_be(200).body, b"yes")

    def close(self):
        for connection in self.connections:
            connection.close()


def counting_step(daemon, count):
    wave = Wave(daemon, count)
    with step(f"{count} connections: each read gets its response"):
        for _ in range(WAVES):
            wave.run()
    if can_trace():
        with step(f"{count} connections: what {WAVES} reads on each cost"):
            with Trace(daemon.proxy.pid, daemon.directory) as trace:
                for _ in range(WAVES):
                    wave.run()
            calls = {name: number / (WAVES * count) for name, number in trace.calls.items()}
            for name, limit in (("recvfrom", 2.2), ("sendmsg", 1.1), ("epoll_ctl", 0.1)):
                assert calls.get(name, 0) <= limit, f"{calls.get(name, 0)} of {name} for each request, not {limit}: {calls}"
            equal(round(calls["sendmsg"]), 1)
    else:
        skip(f"{count} connections: what reads cost", "strace cannot trace here")
    wave.close()


def main():
    with Daemon() as daemon:
        daemon.make_container()
        daemon.must_serve()
        for count in (1, 16):
            counting_step(daemon, count)
    return finish()


if __name__ == "__main__":
    sys.exit(main())
