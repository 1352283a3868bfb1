#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""blobproxyctl against a control socket that answers as it is told: the text, the JSON, and what it says when something is wrong."""

import json
import os
import pty
import re
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

import fakecontrol
from fakecontrol import FakeControl, exposition
from harness import BUILD, equal, finish, skip, step

PROGRAM = str(BUILD / "blobproxyctl")
NOBODY = 65534
VERBS = ("status", "stats", "connection-string", "channels", "exchanges", "drain", "log-level", "reload", "wait-ready")
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="


def run(*arguments, environment=None, timeout_s=30, **more):
    return subprocess.run(
        [PROGRAM, *map(str, arguments)], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout_s, check=False,
        env={**os.environ, "LC_ALL": "C.UTF-8", **(environment or {})}, **more,
    )  # fmt: skip


def ask(fake, *arguments, exit_code=0, said=""):
    """The standard output; said is what the one line on the standard error has in it, "" for none."""
    result = run("--socket", fake.path, *arguments)
    assert result.returncode == exit_code, f"exit status {result.returncode}: {result.stdout}{result.stderr}"
    one_line(result, said)
    return result.stdout


def one_line(result, said):
    if not said:
        return equal(result.stderr, "")
    equal(result.stderr.count("\n"), 1)
    assert result.stderr.startswith("blobproxyctl: ") and said in result.stderr, result.stderr


def ask_json(fake, *arguments, **more):
    return json.loads(ask(fake, *arguments, "--json", **more))


def rows_of(text):
    """[[cell, ...], ...]: cells have two blanks or more between them."""
    return [re.split(r"  +", line.strip()) for line in text.splitlines() if line.strip()]


def texts():
    with FakeControl() as fake:
        with step("status shows what a person asks for first"):
            text = ask(fake, "status")
            for words in ("state +serving, ready", "version +9.8.7, process 4194303, up 2 d 07 h",
                          "channel +device, ioctl 0xc04852f0, 1 of 2 up", "fallback +https", r"listening +\[::1\]:10000\n +127.0.0.1:10000",
                          "connections 3, exchanges 1, transfers at the host 2, exchanges ended 1234", "HAS EXPIRED 2026-09-21 14:13:20 UTC",
                          "accounts +devstoreaccount1\n +second", "log level +notice"):  # fmt: skip
                assert re.search(words, text), (words, text)

        with step("a daemon that drains, after a reload that was refused, is shown as that"):
            state = {**fakecontrol.STATUS, "state": "draining", "ready": False, "reason": "draining", "tls_expires": None, "metrics": None}
            state["config"] = {"last_reload_success": False, "last_reload_timestamp": 1790000000}
            fake.answers["GET", "/status"] = (200, state)
            text = ask(fake, "status")
            for words in ("state +draining, not ready: draining", "configuration +REFUSED, the one before is kept", "metrics +-"):
                assert re.search(words, text), (words, text)
            assert "certificate" not in text, text
            fake.answers["GET", "/status"] = (200, fakecontrol.STATUS)

        with step("channels has a row for each shard, also for one that is stuck, and the slots"):
            rows = rows_of(ask(fake, "channels"))
            equal(rows[0][:5], ["SHARD", "TYPE", "STATE", "IOCTL", "IN FLIGHT"])
            equal(rows[1], "0|device|up|0xc04852f0|7|6|1000|993|1|2|3|4|5|1 h 06 min|opened /dev/azure_blob".split("|"))
            equal(rows[2][:4], ["1", "-", "STUCK", "-"])
            equal(rows[4], "0 11 128 0 9 12 8 10".split())
            equal(rows[5], "1 - - - - - - -".split())

        with step("exchanges has the oldest first, and tells which shards are not in the list"):
            rows = rows_of(ask(fake, "exchanges", said="shard 3 does not answer"))
            equal(rows[0], "AGE S|SHARD|STATE|ROUTE|OPERATION|MIB RECEIVED|MIB OF BODY|TRANSFER|CLIENT REQUEST ID|METHOD|TARGET".split("|"))
            equal(rows[1], "61.500|1|body|upstream|PutBlock|1.00|8.00|-|mine|PUT|/devstoreaccount1/c/old?comp=block".split("|"))
            equal(rows[2][:5], "0.012|0|host|channel|GetBlob".split("|"))
            equal(rows[2][7], "0c5a9a2e-0000-4000-8000-000000000001")

        with step("log-level tells the level, and sets one"):
            equal(ask(fake, "log-level"), "notice\n")
            fake.answers["POST", "/log-level"] = (200, {"log_level": "debug"})
            equal(ask(fake, "log-level", "debug"), "debug\n")
            equal(fake.requests[-1], ("POST", "/log-level?level=debug"))
            fake.answers["POST", "/log-level"] = (400, "a level is one of error, warning, notice, info, debug\n")
            ask(fake, "log-level", "x&y=z", exit_code=1, said="a level is one of error")
            equal(fake.requests[-1], ("POST", "/log-level?level=x%26y%3Dz"))

        with step("reload tells what is kept until a restart, and why a configuration was refused"):
            fake.answers["POST", "/reload"] = (200, {"ok": True, "kept": ""})
            equal(ask(fake, "reload"), "the configuration was read again and is in use\n")
            fake.answers["POST", "/reload"] = (200, {"ok": True, "kept": "listen.tcp slots.small"})
            ask(fake, "reload", said="kept as they were until a restart: listen.tcp slots.small")
            fake.answers["POST", "/reload"] = (409, {"ok": False, "error": "conf /etc/x:3: log.level: loud is none"})
            equal(ask(fake, "reload", exit_code=1, said="refused, the configuration before is kept: conf /etc/x:3: log.level"), "")
            equal(ask_json(fake, "reload", exit_code=1, said="refused")["ok"], False)


def connection_strings():
    with FakeControl() as fake:
        with step("connection-string is complete for the development account"):
            want = f"DefaultEndpointsProtocol=http;AccountName=devstoreaccount1;AccountKey={KEY};BlobEndpoint=http://127.0.0.1:10000/devstoreaccount1;"
            equal(ask(fake, "connection-string"), want + "\n")
            equal(ask_json(fake, "connection-string", "--tls")["endpoint"], "https://127.0.0.1:10100/devstoreaccount1")

        with step("for another account the key is left to the user, who is told so"):
            text = ask(fake, "connection-string", "--account", "second", said="put the key of second in place of PUT-THE-KEY-HERE")
            assert "AccountName=second;AccountKey=PUT-THE-KEY-HERE;" in text, text
            equal(ask_json(fake, "connection-string", "--account", "second", said="PUT-THE-KEY-HERE")["has_key"], False)

        with step("--unix shows what to do instead of a string that names a socket"):
            text = ask(fake, "connection-string", "--unix")
            assert "curl --unix-socket /run/blobproxyd.sock" in text and 'socketPath: "/run/blobproxyd.sock"' in text, text
            equal(ask_json(fake, "connection-string", "--unix")["socket"], "/run/blobproxyd.sock")

        with step("what is not served is told with the key that helps"):
            fake.answers["GET", "/status"] = (200, {**fakecontrol.STATUS, "listeners": [], "accounts": ["one1", "two2"]})
            ask(fake, "connection-string", "--account", "one1", exit_code=1, said="listen.tcp")
            ask(fake, "connection-string", "--account", "one1", "--tls", exit_code=1, said="listen.tls")
            ask(fake, "connection-string", "--account", "one1", "--unix", exit_code=1, said="listen.unix")
            ask(fake, "connection-string", exit_code=1, said="--account NAME")


def stats():
    with FakeControl() as fake:
        readings = iter([exposition(requests=100, fast=100), exposition(requests=300, failed=20, bytes_out=100 << 20, cpu=0.5, fast=280, slow=40)])
        fake.answers["GET", "/metrics"] = lambda: (200, next(readings))

        with step("stats has rates and quantiles of the time between two readings"):
            figures = ask_json(fake, "stats", "--count", "1", "--interval", "0.5")
            seconds = figures["seconds"]
            assert 0.5 <= seconds < 5, seconds
            for name, change in (("requests", 220), ("errors", 20), ("body_bytes_out", 100 << 20), ("body_bytes_in", 0), ("cpu_seconds", 0.5)):
                assert abs(figures["per_second"][name] * seconds - change) < change / 1000 + 1e-6, (name, figures["per_second"][name])
            get = figures["operations"]["GetBlob"]
            assert abs(get["status_4xx_per_second"] * seconds - 20) < 0.1 and get["total"] == 320, get
            assert "ListBlobs" not in figures["operations"] and "internal" not in figures["errors"], figures
            # 220 of them: 180 within 1 ms, 40 between 10 and 100 ms.
            read = figures["latency"]["read"]
            assert abs(read["p50_seconds"] - 0.001 * 110 / 180) < 1e-6, read
            assert abs(read["p95_seconds"] - (0.01 + 0.09 * (209 - 180) / 40)) < 1e-6, read
            equal(figures["latency"]["write"]["p99_seconds"], None)
            equal(figures["slots"], {"small": {"total": 256, "used": 3}, "large": {"total": 24, "used": 4}, "waiting": 0, "quarantined": 0})
            equal(figures["status"]["version"], "9.8.7")

        fake.answers["GET", "/metrics"] = (200, exposition(requests=1000, fast=10))
        with step("stats --once is about the time since the daemon's start, and does not wait"):
            begin = time.monotonic()
            figures = ask_json(fake, "stats", "--once", "--interval", "60")
            assert time.monotonic() - begin < 20
            equal((figures["from_start"], figures["seconds"]), (True, 200000.5))
            text = ask(fake, "stats", "--once")
            for words in ("^blobproxyd 9.8.7  serving  up 2 d 07 h  device 1/2 up  since the start", r"GetBlob +0\.0 +0\.0 +0\.0 +1000", r"all +0\.0 +0\.50 +0\.95"):
                assert re.search(words, text, re.M), (words, text)

        with step("elsewhere than on a terminal there is nothing that controls one, and each text is apart from the next"):
            text = ask(fake, "stats", "--count", "2", "--interval", "0.1")
            assert "\x1b" not in text, text
            equal(len(re.findall(r"(?:^|\n\n)blobproxyd 9.8.7", text)), 2)

        with step("JSON is one object a line"):
            lines = ask(fake, "stats", "--count", "3", "--interval", "0.1", "--json").splitlines()
            equal([json.loads(line)["from_start"] for line in lines], [False] * 3)

        with step("metrics that are none are a failure, in one line"):
            fake.answers["GET", "/metrics"] = (200, "good 1\n<html>\n")
            ask(fake, "stats", "--once", exit_code=1, said="line 2 of the metrics is none")
            fake.answers["GET", "/metrics"] = (500, "the metrics could not be written\n")
            ask(fake, "stats", "--once", exit_code=1, said="500 to /metrics: the metrics could not be written")


class Terminal:
    """blobproxyctl on a terminal of its own."""

    def __init__(self, *arguments):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.execve(PROGRAM, [PROGRAM, *arguments], {**os.environ, "TERM": "xterm"})
        self.text = ""

    def resize(self, rows, columns):
        import fcntl
        import struct
        import termios

        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def read_until(self, words, deadline_s=20):
        end = time.monotonic() + deadline_s
        while words not in self.text:
            assert time.monotonic() < end, f"no {words!r} in {self.text[-2000:]!r}"
            if select.select([self.fd], [], [], 0.1)[0]:
                try:
                    self.text += os.read(self.fd, 65536).decode()
                except OSError:  # it has ended
                    assert words in self.text, self.text[-2000:]

    def end(self):
        """The exit status."""
        try:
            while select.select([self.fd], [], [], 20)[0]:
                self.text += os.read(self.fd, 65536).decode()
        except OSError:
            pass
        status = os.waitpid(self.pid, 0)[1]
        os.close(self.fd)
        return os.waitstatus_to_exitcode(status)


def terminals():
    with FakeControl() as fake:
        for name, leave in (("q", lambda terminal: os.write(terminal.fd, b"q")), ("Ctrl-C", lambda terminal: os.write(terminal.fd, b"\x03")),
                            ("SIGTERM", lambda terminal: os.kill(terminal.pid, signal.SIGTERM))):  # fmt: skip
            with step(f"on a terminal stats shows figures in place until {name}, and leaves the terminal as it was"):
                terminal = Terminal("--socket", fake.path, "stats", "--interval", "0.1")
                terminal.read_until("over 0.1")
                assert terminal.text.startswith("\x1b[?25l"), terminal.text[:50]
                leave(terminal)
                equal(terminal.end(), 0)
                assert terminal.text.count("\x1b[H") >= 2 and terminal.text.endswith("\x1b[?25h"), terminal.text[-50:]

        with step("lines are cut to the terminal's width, and at most as many as fit are shown"):
            terminal = Terminal("--socket", fake.path, "stats", "--interval", "0.1")
            terminal.resize(8, 40)
            terminal.text = ""
            for _ in range(3):  # the second and third were drawn after the change
                terminal.read_until("\x1b[J\x1b[H")
                terminal.text = terminal.text.rpartition("\x1b[H")[1] + terminal.text.rpartition("\x1b[H")[2]
            terminal.read_until("\x1b[J")
            shown = re.findall(r"\x1b\[H(.*?)\x1b\[J", terminal.text, re.S)
            os.write(terminal.fd, b"q")
            equal(terminal.end(), 0)
            lines = shown[-1].replace("\x1b[K", "").split("\r\n")
            equal(len(lines), 8)
            assert all(len(line) <= 40 for line in lines), lines

        with step("a daemon that goes away is waited for, and is there again when it returns"):
            terminal = Terminal("--socket", fake.path, "stats", "--interval", "0.1")
            terminal.read_until("over 0.1")
            fake.stop()
            terminal.read_until("there is no such socket")
            terminal.text = ""
            fake.start()
            terminal.read_until("since the start")
            terminal.read_until("over 0.1")
            os.write(terminal.fd, b"q")
            equal(terminal.end(), 0)

        with step("in a pipe it ends when the daemon goes away"):
            program = subprocess.Popen([PROGRAM, "--socket", fake.path, "stats", "--interval", "0.1"], stdin=subprocess.DEVNULL,
                                       stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)  # fmt: skip
            assert program.stdout.readline().startswith("blobproxyd 9.8.7")
            fake.stop()
            _, said = program.communicate(timeout=20)
            equal(program.returncode, 1)
            assert "there is no such socket" in said, said
            fake.start()


def harmless():
    evil = "\x1b]0;owned\x07\x1b[2J\u202egpj.exe\u009b31m"
    nasty = {
        **fakecontrol.STATUS, "version": evil, "state": evil, "reason": evil, "listeners": [evil], "accounts": [evil], "log_level": evil,
        "channel": {"type": evil, "ioctl": evil, "up": 1, "total": 2}, "metrics": evil, "fallback": evil,
        "config": {"last_reload_success": True, "last_reload_timestamp": 2**62},
    }  # fmt: skip
    channel = {**fakecontrol.CHANNELS["channels"][0], "reason": evil, "type": evil, "state": evil, "ioctl": evil}
    exchange = {key: evil if isinstance(value, str) else value for key, value in fakecontrol.EXCHANGES["exchanges"][0].items()}
    answers = {
        ("GET", "/status"): (200, nasty),
        ("GET", "/channels"): (200, {"channels": [channel]}),
        ("GET", "/exchanges"): (200, {"exchanges": [{**exchange, "client_request_id": evil}]}),
        ("GET", "/log-level"): (200, {"log_level": "\x1b[2J"}),
        ("POST", "/log-level"): (400, evil + "\n"),
        ("POST", "/reload"): (409, {"ok": False, "error": evil}),
        ("POST", "/drain"): (500, evil),
        ("GET", "/metrics"): (200, 'blobproxy_requests_total{operation="\x1b[2J",code="2xx"} 1\nblobproxy_errors_total{kind="\x1b[2J"} 1\n'),
        ("GET", "/readyz"): (503, evil),
    }
    with FakeControl(answers) as fake:
        for words in (["status"], ["channels"], ["exchanges"], ["log-level"], ["log-level", "x"], ["reload"], ["drain"], ["stats", "--once"],
                      ["connection-string", "--account", "abc"], ["connection-string", "--account", "abc", "--unix"],
                      ["wait-ready", "--timeout", "0"]):  # fmt: skip
            with step(f"what the daemon says does nothing to a terminal: {' '.join(words)}"):
                for more in ([], ["--json"]):
                    result = run("--socket", fake.path, *words, *more)
                    shown = result.stdout + result.stderr
                    assert shown and result.returncode in (0, 1), result
                    bad = re.findall(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e]", shown)
                    equal(bad, [])

    shapes = ({}, {"channels": 7}, {"exchanges": "x"}, {"channels": [None, 3, []]}, {"exchanges": [{"age_ms": "x"}, None]}, {"stuck": {}})
    with FakeControl() as fake:
        for shape in shapes:
            with step(f"an answer of another shape is no crash: {json.dumps(shape)}"):
                for path in ("/status", "/channels", "/exchanges", "/log-level"):
                    fake.answers["GET", path] = (200, shape)
                for verb in ("status", "channels", "exchanges", "log-level", "connection-string"):
                    assert run("--socket", fake.path, verb).returncode in (0, 1), verb
        for name, body in (("no JSON", "<html>"), ("a list", "[]"), ("cut", '{"version": "1'), ("bad UTF-8", b'{"version": "\xff"}'), ("empty", "")):
            with step(f"an answer that is no object is refused in one line: {name}"):
                fake.answers["GET", "/status"] = (200, body)
                ask(fake, "status", exit_code=1, said="/status: blobproxyd's answer is no JSON object")


def drains():
    with FakeControl() as fake:
        with step("drain waits until the daemon's process has ended"):
            victim = subprocess.Popen(["sleep", "600"])
            began = threading.Event()

            def drain():
                began.set()
                return 202, {"ok": True}

            fake.answers["GET", "/status"] = (200, {**fakecontrol.STATUS, "pid": victim.pid})
            fake.answers["POST", "/drain"] = drain
            program = subprocess.Popen([PROGRAM, "--socket", fake.path, "drain"], stdout=subprocess.PIPE, text=True)
            assert began.wait(20)
            try:
                program.wait(0.3)
                raise AssertionError("it did not wait")
            except subprocess.TimeoutExpired:
                pass
            victim.kill()
            victim.wait()
            equal(program.communicate(timeout=20)[0], "blobproxyd has ended\n")
            equal(program.returncode, 0)

        with step("drain --timeout gives up, and says how to go on"):
            fake.answers["GET", "/status"] = (200, {**fakecontrol.STATUS, "pid": os.getpid()})
            ask(fake, "drain", "--timeout", "0.2", exit_code=1, said="still drains after 0.2 s: see blobproxyctl exchanges")

        with step("drain --no-wait only gives the order"):
            equal(ask_json(fake, "drain", "--no-wait"), {"draining": True, "ended": False, "pid": os.getpid()})
            equal(fake.requests[-1], ("POST", "/drain"))

        with step("a process that cannot be seen is told"):
            fake.answers["GET", "/status"] = (200, fakecontrol.STATUS)
            ask(fake, "drain", exit_code=1, said="cannot be watched from here")


def readiness():
    with FakeControl() as fake:
        with step("wait-ready is done at once when the daemon is ready"):
            equal(ask(fake, "wait-ready"), "ready\n")
            equal(ask_json(fake, "wait-ready")["ready"], True)

        with step("wait-ready waits until the daemon says so"):
            answers = iter([(503, "no channel\n")] * 3 + [(200, "ready\n")])
            fake.answers["GET", "/readyz"] = lambda: next(answers)
            fake.requests.clear()
            equal(ask(fake, "wait-ready"), "ready\n")
            equal(len(fake.requests), 4)

        with step("wait-ready gives up in time and tells the last reason"):
            fake.answers["GET", "/readyz"] = (503, "no channel\n")
            ask(fake, "wait-ready", "--timeout", "0.2", exit_code=1, said="not within 0.2 s: blobproxyd is not ready: no channel")

        with step("wait-ready waits for a daemon that is not there yet"):
            fake.answers["GET", "/readyz"] = (200, "ready\n")
            fake.stop()
            program = subprocess.Popen([PROGRAM, "--socket", fake.path, "wait-ready"], stdout=subprocess.PIPE, text=True)
            fake.start()
            equal(program.communicate(timeout=20)[0], "ready\n")

        with step("without a daemon it tells that"):
            fake.stop()
            ask(fake, "wait-ready", "--timeout", "0.1", exit_code=1, said="there is no such socket")


def troubles():
    with tempfile.TemporaryDirectory() as directory:
        nowhere = {"XDG_RUNTIME_DIR": directory, "RUNTIME_DIRECTORY": "", "BLOBPROXYD_CONTROL": ""}
        name = "without a socket every verb says in one line where it looked"
        if os.path.exists("/run/blobproxyd-control.sock") or os.path.exists("/run/blobproxyd/control.sock"):
            skip(name, "a daemon of this machine has one")
        else:
            with step(name):
                for verb in VERBS:
                    result = run(verb, *(["--timeout", "0"] if verb == "wait-ready" else []), environment=nowhere)
                    equal(result.returncode, 1)
                    for place in (directory + "/blobproxyd-control.sock", "/run/blobproxyd-control.sock", "/run/blobproxyd/control.sock"):
                        one_line(result, place)
                    one_line(result, "--socket")

        with step("the variable and the runtime directory lead to the socket"):
            with FakeControl() as fake:
                equal(run("log-level", environment={**nowhere, "BLOBPROXYD_CONTROL": fake.path}).stdout, "notice\n")
                equal(run("log-level", environment={**nowhere, "RUNTIME_DIRECTORY": fake.directory}).stdout, "notice\n")

        with step("a socket that nobody listens on, and a file that is none"):
            stale = directory + "/stale.sock"
            with socket.socket(socket.AF_UNIX) as listener:
                listener.bind(stale)
            one_line(run("--socket", stale, "status"), "stale.sock: nobody listens there: blobproxyd has ended")
            one_line(run("--socket", directory + "/none", "status"), "there is no such socket")
            one_line(run("--socket", "/" + "x" * 120, "status"), "--socket: no path of a socket")

    with FakeControl() as fake:
        with step("a user whom the socket does not admit is told who may"):
            if os.geteuid() != 0:
                skip("the same by another user", "needs root")
            else:
                os.chmod(fake.directory, 0o755)
                for mode, said in ((0o600, "run it as root; listen.control_group lets a group in"), (0o660, "run it as root, or as a member of the group root")):
                    os.chmod(fake.path, mode)
                    result = run("--socket", fake.path, "status", user=NOBODY, group=NOBODY, extra_groups=[])
                    equal(result.returncode, 1)
                    one_line(result, said)
                os.chmod(fake.directory, 0o700)
                one_line(run("--socket", fake.path, "status", user=NOBODY, group=NOBODY, extra_groups=[]), "permission denied")

        with step("a user whom the daemon does not serve is told who is"):
            fake.answers["GET", "/status"] = (403, "uid 1000 is not served\n")
            ask(fake, "status", exit_code=1, said="as a member of listen.control_group")

        with step("a proxy in the environment is not asked"):
            fake.answers["GET", "/status"] = (200, fakecontrol.STATUS)
            equal(run("--socket", fake.path, "status", environment={"http_proxy": "http://127.0.0.1:1", "ALL_PROXY": "http://127.0.0.1:1"}).returncode, 0)

        with step("an answer without an end is cut off"):
            fake.answers["GET", "/status"] = (200, b" " * (65 << 20))
            ask(fake, "status", exit_code=1, said="the answer is too large")

    with tempfile.TemporaryDirectory() as directory, socket.socket(socket.AF_UNIX) as silent:
        with step("a daemon that does not answer is given up on after ten seconds"):
            silent.bind(directory + "/control.sock")
            silent.listen()
            begin = time.monotonic()
            result = run("--socket", directory + "/control.sock", "status")
            equal(result.returncode, 1)
            one_line(result, "no answer within 10 s")
            assert 9 < time.monotonic() - begin < 25

        with step("one that hangs up is told"):
            def hang_up():
                for _ in range(2):  # the first is the one that was given up on
                    silent.accept()[0].close()

            thread = threading.Thread(target=hang_up)
            thread.start()
            result = run("--socket", directory + "/control.sock", "status")
            thread.join()
            equal(result.returncode, 1)
            one_line(result, "control.sock: ")


def command_lines():
    table = (
        (("status", "now"), "status takes options only"),
        (("status", "--socket"), "--socket needs a value"),
        (("--socket",), "--socket needs a value"),
        (("stats", "--count", "0"), "--count 0: give a whole number from 1"),
        (("stats", "--count", "1.5"), "--count 1.5"),
        (("stats", "--count", "-1"), "--count -1"),
        (("stats", "--interval", "0"), "--interval 0: give seconds from 0.1"),
        (("stats", "--interval", "nan"), "--interval nan"),
        (("stats", "--interval", "1s"), "--interval 1s"),
        (("stats", "--once", "--count", "2"), "exclude each other"),
        (("connection-string", "--tls", "--unix"), "exclude each other"),
        (("connection-string", "devstoreaccount1"), "takes options only"),
        (("drain", "--timeout", "-1"), "--timeout -1"),
        (("wait-ready", "--timeout", "soon"), "--timeout soon"),
        (("log-level", "debug", "info"), "info: one word too many for log-level"),
        (("reload", "--force"), "--force"),
        (("status", "--\x1b[2J"), "\\x1b[2J"),
    )
    for words, said in table:
        with step(f"a wrong command line is refused in one line: {ascii(' '.join(words))}"):
            result = run(*words)
            equal((result.returncode, result.stdout), (2, ""))
            one_line(result, said)
            assert result.stderr.endswith(": see blobproxyctl --help\n"), result.stderr

    with FakeControl() as fake:
        with step("what is no account's name is a wrong command line"):
            for name in ("a", "Abc", "a;b=c"):
                ask(fake, "connection-string", "--account", name, exit_code=2, said="--account")

        with step("--json and --socket may stand on both sides of the verb"):
            for words in (["--json", "--socket", fake.path, "status"], ["status", "--json", "--socket", fake.path], ["--socket=" + fake.path, "status", "--json"]):
                equal(json.loads(run(*words).stdout)["version"], "9.8.7")

        with step("output that cannot be written is a failure"):
            with open("/dev/full", "w", encoding="ascii") as full:
                for verb in ("status", "channels", "exchanges", "connection-string"):
                    for more in ([], ["--json"]):
                        command = [PROGRAM, "--socket", fake.path, verb, *more]
                        equal(subprocess.run(command, stdout=full, stderr=subprocess.DEVNULL, check=False, timeout=30).returncode, 1)


def main():
    texts()
    connection_strings()
    stats()
    terminals()
    harmless()
    drains()
    readiness()
    troubles()
    command_lines()
    return finish()


if __name__ == "__main__":
    sys.exit(main())
