# SPDX-License-Identifier: MIT
"""Starts the programs under test on free ports in a directory of their own, and stops them, watching exit code and output."""

import base64
import os
import pathlib
import random
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.parse

import rawhttp
from simcontrol import SimControl
from tap import equal, finish, note, skip, step  # noqa: F401 - the test programs take them from here

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("BLOBPROXY_BUILD", ROOT / "build")).resolve()
DEADLINE_S = 30
POLL_S = 0.02


# Below those that outgoing connections take (net.ipv4.ip_local_port_range), which would come in between.
PORTS = range(20000, 32000)
_ports_given = set()


def free_port():
    """A port that nobody listens on, another one each time."""
    while True:
        port = random.choice(PORTS)
        if port in _ports_given:
            continue
        _ports_given.add(port)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port


def has_ipv6():
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
        return True
    except OSError:
        return False


def wait_for(condition, what, deadline_s=DEADLINE_S):
    """Asks until the condition holds; returns its value."""
    end = time.monotonic() + deadline_s
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < end, f"no {what} within {deadline_s} s"
        time.sleep(POLL_S)


def children(pid):
    found = []
    for entry in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = entry.read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        if int(fields[1]) == pid and fields[0] != "Z":
            found.append(int(entry.parent.name))
    return found


def freeze(pid):
    """Sends SIGSTOP and waits until every thread has stopped; only then is nothing done there any more."""
    def has_stopped():
        return all(stat.read_text().rsplit(")", 1)[1].split()[0] == "T" for stat in pathlib.Path(f"/proc/{pid}/task").glob("*/stat"))

    os.kill(pid, signal.SIGSTOP)
    wait_for(has_stopped, f"stop of {pid}")


class Program:
    """One process, its output in a file."""

    def __init__(self, name, arguments, directory, command=None, environment=None, descriptors=()):
        self.name = name
        self.log = pathlib.Path(directory) / f"{name}-{time.monotonic_ns()}.log"
        with open(self.log, "wb") as output:
            command = [*map(str, command or [BUILD / name]), *map(str, arguments)]
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd=directory,
                                            env=environment, pass_fds=descriptors)  # fmt: skip
        self.pid = self.process.pid

    def output(self):
        return self.log.read_text(errors="replace")

    def is_running(self):
        return self.process.poll() is None

    def wait(self, timeout_s=DEADLINE_S):
        try:
            return self.process.wait(timeout_s)
        except subprocess.TimeoutExpired as error:
            raise AssertionError(f"{self.name} still runs after {timeout_s} s") from error

    def stop(self, number=signal.SIGTERM, timeout_s=45):
        """Sends the signal, unless it has ended; returns the exit code (negative: killed by a signal)."""
        if self.is_running():
            self.process.send_signal(number)
        return self.wait(timeout_s)

    def end_at_all_costs(self):
        if self.is_running():
            self.process.kill()
            self.process.wait()


class Host(Program):
    """A blobhostd of its own, for blobproxyd without --emulated."""

    def __init__(self, directory, store="store", backend=None, arguments=()):
        self.socket = str(pathlib.Path(directory) / "bus.sock")
        if backend:
            place = ["--backend", backend]
        else:
            place = ["--store", pathlib.Path(directory) / store, "--development-account"]
        super().__init__("blobhostd", ["--socket", self.socket, *place, *arguments], directory)


class Azurite(Program):
    """The Blob endpoint of tests/azurite on a port of its own, everything in memory. As a context: answers, and is stopped."""

    MAIN = ROOT / "tests/azurite/node_modules/azurite/dist/src/blob/main.js"

    @classmethod
    def is_installed(cls):
        return cls.MAIN.is_file() and shutil.which("node") is not None

    def __init__(self, directory=None, port=None, arguments=()):
        self.own_directory = None if directory else tempfile.mkdtemp(prefix="azurite-test-")
        self.port = port or free_port()
        self.address = ("127.0.0.1", self.port)
        self.url = f"http://127.0.0.1:{self.port}"
        options = ["--blobHost", "127.0.0.1", "--blobPort", self.port, "--inMemoryPersistence",
                   "--skipApiVersionCheck", "--disableTelemetry", "--silent", *arguments]  # fmt: skip
        super().__init__("azurite", options, directory or self.own_directory, ["node", self.MAIN])

    def __enter__(self):
        self.wait_ready()
        return self

    def __exit__(self, *_):
        self.end_at_all_costs()
        if self.own_directory:
            shutil.rmtree(self.own_directory, ignore_errors=True)

    def answers(self):
        assert self.is_running(), f"azurite ended: {self.output()[-2000:]}"
        try:
            return rawhttp.one(self.address, rawhttp.request("GET", "/?comp=list")).status == 200
        except (OSError, rawhttp.Closed):
            return False

    def wait_ready(self):
        wait_for(self.answers, "answer of azurite", 60)


class Daemon:
    """blobproxyd, ready. As a context it is stopped at the end and must then have ended with 0 and without a secret said."""

    def __init__(
        self, config="", arguments=(), is_emulated=True, port=None, backend=None, host_arguments=(), has_key=True, device=None, channel=None,
        wrapper=()
    ):
        """backend: a URL that the host executes on; there is then a host of its own. has_key: knows the development account's key.

        device: options of blobdevsim, which it then runs under, with its control socket as self.sim. channel: channel.type.
        wrapper: a command that blobproxyd is started by."""
        self.directory = tempfile.mkdtemp(prefix="blobproxy-test-")
        self.device, self.channel = device, channel or ("emulated" if device is None else "device")
        self.config, self.arguments, self.is_emulated = config, arguments, is_emulated and not backend and device is None
        self.sim = SimControl(self.directory + "/sim.sock") if device is not None else None
        self.backend, self.host_arguments, self.has_key, self.wrapper = backend, host_arguments, has_key, wrapper
        self.port, self.metrics_port = port or free_port(), free_port()
        self.address = ("127.0.0.1", self.port)
        self.unix = self.directory + "/blob.sock"
        self.programs = []
        self.wanted_exit = 0
        self.proxy = None
        self.host = None
        self._begin = time.monotonic()

    def seconds(self):
        """Since it was made."""
        return time.monotonic() - self._begin

    def __enter__(self):
        try:
            if not self.is_emulated:
                self.start_host()
            self.start()
            self.wait_ready()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(self, kind, *_):
        failures = []
        try:
            if self.proxy.is_running():
                code = self.proxy.stop()
                if code != self.wanted_exit:
                    failures.append(f"blobproxyd ended with {code}, not {self.wanted_exit}")
            failures += self.secrets_said() + self.sanitizer_reports()
        finally:
            shown = "".join(program.output()[-3000:] for program in self.programs) if kind or failures else ""
            self._end()
        for line in shown.splitlines():
            note("log: " + line)
        assert not failures or kind, "; ".join(failures)

    def _end(self):
        for program in self.programs:
            program.end_at_all_costs()
        shutil.rmtree(self.directory, ignore_errors=True)

    def start_host(self):
        self.host = Host(self.directory, backend=self.backend, arguments=self.host_arguments)
        self.programs.append(self.host)
        wait_for(lambda: os.path.exists(self.host.socket), "bus socket")

    def start(self):
        config = pathlib.Path(self.directory) / "blobproxyd.conf"
        text = self.config
        if not self.is_emulated:
            text += f"\n[channel]\ntype = {self.channel}\nsocket = {self.directory}/bus.sock\nsuffix = blob.localhost\n"
            text += f"[accounts]\ndevelopment = {'yes' if self.has_key else 'no'}\n"
        config.write_text(text)
        arguments = ["--config", config, "--listen", f"127.0.0.1:{self.port}"]
        if has_ipv6():
            arguments += ["--listen", f"[::1]:{self.port}"]
        arguments += ["--listen-unix", self.unix, "--metrics", f"127.0.0.1:{self.metrics_port}", *self.arguments]
        arguments += ["--set", f"listen.control={self.directory}/control.sock"]
        if self.is_emulated:
            arguments.append(f"--emulated={self.directory}/data")
        self.proxy = Program("blobproxyd", arguments, self.directory, self.sim_command())
        self.programs.append(self.proxy)

    def sim_command(self):
        if self.sim is None:
            return [*self.wrapper, BUILD / "blobproxyd"]
        sim = [BUILD / "tests/blobdevsim", "--bus", self.directory + "/bus.sock", "--control", self.sim.path, "--slots", "64,6"]
        return [*sim, *self.device, "--", BUILD / "blobproxyd"]

    def proxy_pid(self):
        """Of blobproxyd itself."""
        return self.proxy.pid if self.sim is None else wait_for(lambda: children(self.proxy.pid), "blobproxyd")[0]

    def lines(self, event):
        """Of blobproxyd's log."""
        return [line for line in self.proxy.output().splitlines() if re.search(rf"\b{event}\b", line)]

    def wait_ready(self):
        def is_ready():
            assert self.proxy.is_running(), f"blobproxyd ended: {self.proxy.output()[-2000:]}"
            return self.admin_status("/readyz") == 200

        wait_for(is_ready, "readiness")

    def admin(self, path, method="GET"):
        data = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".encode()
        return rawhttp.one(("127.0.0.1", self.metrics_port), data, method)

    def admin_status(self, path):
        """The status, or 0 when nobody answers."""
        try:
            return self.admin(path).status
        except (OSError, rawhttp.Closed):
            return 0

    def metrics(self):
        """{'name{labels}': value}"""
        text = self.admin("/metrics").must_be(200).body.decode()
        rows = (re.fullmatch(r"([^ #]\S*(?:\{[^}]*\})?) (\S+)", line) for line in text.splitlines())
        return {row.group(1): float(row.group(2)) for row in rows if row}

    def metric(self, name):
        return self.metrics()[name]

    def wait_idle(self):
        """No slot in use, no exchange under way."""
        names = ('blobproxy_slots_used{class="small"}', 'blobproxy_slots_used{class="large"}', "blobproxy_exchanges_in_flight",
                 "blobproxy_transfers_in_flight")

        def is_idle():
            now = self.metrics()
            return all(now[name] == 0 for name in names)

        try:
            wait_for(is_idle, "idle state")
        except AssertionError as error:
            now = self.metrics()
            raise AssertionError(f"{error}: " + ", ".join(f"{name} {now[name]:g}" for name in names)) from None

    def host_pid(self):
        """Of the blobhostd that serves: our own, or the one that blobproxyd started; None when there is none now."""
        if self.host:
            return self.host.pid
        found = children(self.proxy.pid)
        assert len(found) <= 1, found
        return found[0] if found else None

    def exchange(self, data, method="GET"):
        return rawhttp.one(self.address, data, method)

    def make_container(self, name="box"):
        self.exchange(rawhttp.request("PUT", f"/{name}?restype=container"), "PUT").must_be(201)

    def upload(self, target, data, block_bytes=4 << 20):
        """In blocks, so that no size is too much for a slot."""
        ids = [base64.b64encode(b"%08d" % number).decode() for number in range(0, len(data), block_bytes)]
        with rawhttp.Connection(self.address) as connection:
            for number, block_id in enumerate(ids):
                block = data[number * block_bytes : (number + 1) * block_bytes]
                query = f"?comp=block&blockid={urllib.parse.quote(block_id, safe='')}"
                connection.exchange(rawhttp.request("PUT", target + query, (), block), "PUT").must_be(201)
            rows = "".join(f"<Latest>{block_id}</Latest>" for block_id in ids)
            body = f"<BlockList>{rows}</BlockList>".encode()
            connection.exchange(rawhttp.request("PUT", target + "?comp=blocklist", (), body), "PUT").must_be(201)

    def must_serve(self):
        """A small write and read succeed."""
        self.exchange(rawhttp.put_blob("/box/serves", b"yes"), "PUT").must_be(201)
        equal(self.exchange(rawhttp.request("GET", "/box/serves")).must_be(200).body, b"yes")

    def secrets_said(self):
        said = []
        for program in self.programs:
            text = program.output()
            patterns = {"the key": re.escape(rawhttp.KEY[:20]), "a SAS": r"sig=(?!redacted)", "a signature": r"SharedKey \w+:[\w+/]{8}"}
            said += [f"{program.name} said {what}" for what, pattern in patterns.items() if re.search(pattern, text)]
        return said

    def sanitizer_reports(self):
        marks = ("AddressSanitizer", "ThreadSanitizer", "LeakSanitizer", "runtime error:", "Assertion")
        return [f"{program.name}: {mark}" for program in self.programs for mark in marks if mark in program.output()]
