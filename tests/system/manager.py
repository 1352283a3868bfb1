#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""blobproxyd as a service manager sees it: sockets handed over, readiness, status, watchdog, a restart without a failed request."""

import os
import pathlib
import shutil
import signal
import socket
import sys
import tempfile
import threading
import time

from harness import BUILD, Host, Program, equal, finish, free_port, note, step, wait_for
from heldthread import HeldThread, thread_of
from rawhttp import Connection, put_blob, request
from steadyclient import SteadyLoad

LAUNCH = """
import os, sys
fds, names, program = sys.argv[1].split(","), sys.argv[2], sys.argv[3:]
kept = [os.dup2(int(fd), 100 + place) for place, fd in enumerate(fds)]
for place, fd in enumerate(kept):
    os.dup2(fd, 3 + place, inheritable=True)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(len(fds)), LISTEN_FDNAMES=names)
os.execv(program[0], program)
"""


class Manager:
    """The service manager: holds the sockets, hears what is notified. One host for all the processes that it starts."""

    def __init__(self, config="", watchdog_us=None):
        self.directory = tempfile.mkdtemp(prefix="blobproxy-test-")
        self.config, self.watchdog_us = config, watchdog_us
        self.port, self.metrics_port = free_port(), free_port()
        self.address = ("127.0.0.1", self.port)
        self.unix = self.directory + "/handed-over.sock"
        self.sockets = {}
        self.told = []
        self.programs = []

    def __enter__(self):
        self.notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.notify.bind(self.directory + "/notify")
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()
        self.host = self._add(Host(self.directory))
        wait_for(lambda: os.path.exists(self.host.socket), "bus socket")
        return self

    def __exit__(self, *_):
        for program in self.programs:
            program.end_at_all_costs()
        for handed in self.sockets.values():
            handed[1].close()
        self.notify.shutdown(socket.SHUT_RDWR)
        shutil.rmtree(self.directory, ignore_errors=True)

    def _listen(self):
        while data := self.notify.recv(4096):
            self.told += [(time.monotonic(), line) for line in data.decode().split("\n")]

    def _add(self, program):
        self.programs.append(program)
        return program

    def hear_all(self):
        """What was told until now has been heard."""
        mark = f"MARK={len(self.told)}"
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.sendto(mark.encode(), self.directory + "/notify")
        wait_for(lambda: mark in self.lines("MARK="), "own mark")

    def lines(self, prefix):
        return [line for _, line in self.told if line.startswith(prefix)]

    def listen(self, key, name, address):
        """A socket to be handed over under that name."""
        family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
        sock = socket.socket(family)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(address)
        sock.listen(1024)
        self.sockets[key] = (name, sock)

    def listen_all(self):
        self.listen("tcp", "blob", self.address)
        self.listen("unix", "blob", self.unix)
        self.listen("metrics", "metrics", ("127.0.0.1", self.metrics_port))

    def start(self):
        config = pathlib.Path(self.directory) / "blobproxyd.conf"
        own = f"[channel]\nsocket = {self.host.socket}\n[accounts]\ndevelopment = yes\n"
        config.write_text(f"{own}[listen]\nunix = {self.directory}/own.sock\n"
                          f"control = {self.directory}/control.sock\n{self.config}")  # fmt: skip
        command = [BUILD / "blobproxyd", "--config", config]
        environment = {**os.environ, "NOTIFY_SOCKET": self.directory + "/notify"}
        environment.pop("WATCHDOG_USEC", None)
        if self.watchdog_us:
            environment["WATCHDOG_USEC"] = str(self.watchdog_us)
        handed = list(self.sockets.values())
        if handed:
            fds = ",".join(str(sock.fileno()) for _, sock in handed)
            command = [sys.executable, "-c", LAUNCH, fds, ":".join(name for name, _ in handed), *command]
        program = Program("blobproxyd", [], self.directory, command, environment, [sock.fileno() for _, sock in handed])
        return self._add(program)

    def start_ready(self):
        before = len(self.lines("READY=1"))
        program = self.start()

        def is_ready():
            assert program.is_running(), program.output()[-1500:]
            return len(self.lines("READY=1")) > before and any("2 of 2" in line or "1 of 1" in line for line in self.lines("STATUS="))

        wait_for(is_ready, "readiness")
        return program


def handed_over():
    with Manager() as manager:
        manager.listen_all()
        program = manager.start_ready()
        with step("TCP, Unix and metrics sockets that were handed over are served, by their names"):
            with Connection(manager.address) as connection:
                connection.exchange(request("PUT", "/box?restype=container"), "PUT").must_be(201)
                connection.exchange(put_blob("/box/a", b"handed"), "PUT").must_be(201)
            with Connection(manager.unix) as connection:
                equal(connection.exchange(request("GET", "/box/a")).must_be(200).body, b"handed")
            with Connection(("127.0.0.1", manager.metrics_port)) as connection:
                data = b"GET /readyz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
                equal(connection.exchange(data).must_be(200).body, b"ready\n")
        with step("nothing else is bound"):
            assert not os.path.exists(manager.directory + "/own.sock")
            assert f"listens on 127.0.0.1:{manager.port} unix:{manager.unix}" in program.output().replace('"', ""), program.output()
        with step("it says that it stops, and ends with 0; the Unix socket stays the manager's"):
            equal(program.stop(), 0)
            assert manager.lines("STOPPING=1")
            assert os.path.exists(manager.unix)


def bad_sockets():
    cases = (
        ("a name that nobody knows", "https", ("127.0.0.1", 0), 'write FileDescriptorName=blob, tls, metrics or control'),
        ("metrics on a Unix socket", "metrics", "metrics.sock", "must be a TCP socket"),
        ("a control socket on TCP", "control", ("127.0.0.1", 0), "must be a Unix socket"),
        ("metrics for other machines", "metrics", ("0.0.0.0", 0), "must be on loopback"),
        ("blobs for other machines", "blob", ("0.0.0.0", 0), "listen.allow_remote = yes"),
        ("TLS without a certificate", "tls", ("127.0.0.1", 0), "set tls.certificate"),
    )
    for what, name, address, text in cases:
        with Manager() as manager, step(f"{what} is refused in one line, before anything is served"):
            manager.listen("bad", name, f"{manager.directory}/{address}" if isinstance(address, str) else address)
            program = manager.start()
            equal(program.wait(), 2)
            errors = [line for line in program.output().splitlines() if " error " in line]
            equal(len(errors), 1)
            assert text in errors[0], errors
            equal(manager.lines("READY=1"), [])


def status_line():
    with Manager() as manager:
        manager.listen_all()
        program = manager.start_ready()
        with step("the status line has live figures"):
            with Connection(manager.address) as connection:
                for _ in range(20):
                    connection.exchange(request("GET", "/?comp=list")).must_be(200)
                wait_for(lambda: [line for line in manager.lines("STATUS=") if ", 1 connections, " in line and not line.endswith(" 0 requests/s")],
                         "figures in the status line")
            note(manager.lines("STATUS=")[-1])
        with step("a reload is told as systemd wants it"):
            program.process.send_signal(signal.SIGHUP)
            wait_for(lambda: len(manager.lines("READY=1")) == 2, "READY=1 after the reload")
            told = [line.split("=")[0] for _, line in manager.told]
            begin = told.index("RELOADING")
            equal(told[begin : begin + 3], ["RELOADING", "MONOTONIC_USEC", "READY"])
        equal(program.stop(), 0)


def drain():
    with Manager() as manager:
        manager.listen_all()
        program = manager.start_ready()
        data = put_blob("/box/late", b"x" * 1000)
        with Connection(manager.address) as connection, step("while a stop waits for a client the manager is asked for more time, again and again"):
            connection.exchange(request("PUT", "/box?restype=container"), "PUT").must_be(201)
            connection.send(data[:-500])
            program.process.send_signal(signal.SIGTERM)
            wait_for(lambda: len(manager.lines("EXTEND_TIMEOUT_USEC=")) >= 2, "two requests for more time")
            assert all(int(line.split("=")[1]) >= 5_000_000 for line in manager.lines("EXTEND_TIMEOUT_USEC=")), manager.lines("EXTEND")
            assert any(line.startswith("STATUS=Draining: 1 connections") for line in manager.lines("STATUS=")), manager.lines("STATUS=")
            connection.send(data[-500:])
            connection.read_answer("PUT").must_be(201)
        with step("with the client served it ends"):
            equal(program.wait(), 0)


def watchdog():
    with Manager(watchdog_us=2_000_000) as manager:
        manager.listen_all()
        program = manager.start_ready()

        def fed():
            return len(manager.lines("WATCHDOG=1"))

        with step("the watchdog is fed while all loops turn"):
            before = fed()
            wait_for(lambda: fed() >= before + 3, "three signs of life")
        with step("it is not fed while one shard stands still, and the log says which"):
            with HeldThread(thread_of(program.pid, "shard-0")):
                wait_for(lambda: "loop-stuck" in program.output(), "line about the stuck loop")
                manager.hear_all()
                before = fed()
                end = time.monotonic() + 2.5  # more than the whole interval: systemd would have ended it
                wait_for(lambda: time.monotonic() >= end, "the interval")
                manager.hear_all()
                equal(fed(), before)
                assert "shard 0 has not moved" in program.output(), program.output()[-500:]
        with step("it is fed again when that shard moves again"):
            wait_for(lambda: fed() > before, "sign of life")
        equal(program.stop(), 0)


def restart():
    with Manager() as manager:
        manager.listen_all()
        program = manager.start_ready()
        with Connection(manager.address) as connection:
            connection.exchange(request("PUT", "/box?restype=container"), "PUT").must_be(201)
            connection.exchange(put_blob("/box/a", b"restarted"), "PUT").must_be(201)
        with SteadyLoad([manager.address] * 4 + [manager.unix] * 2, "/box/a", b"restarted") as load:
            for turn in (1, 2, 3):
                with step(f"a restart under load ({turn})"):
                    wait_for(lambda: load.answers() >= turn * 1000, "requests before the restart")
                    equal(program.stop(), 0)
                    program = manager.start_ready()
            wait_for(lambda: load.answers() >= 5000, "requests after the restarts")
        with step("no connection was refused and no request has failed"):
            note(f"{load.answers()} requests over 3 restarts")
            equal(load.failures(), [])
        equal(program.stop(), 0)


def main():
    handed_over()
    bad_sockets()
    status_line()
    drain()
    watchdog()
    restart()
    return finish()


if __name__ == "__main__":
    sys.exit(main())
