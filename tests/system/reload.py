#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Reading the configuration again: keys that rotate under load, what a reload changes, keeps and refuses, and what systemd hears."""

import base64
import os
import pathlib
import signal
import socket
import sys
import threading

import rawhttp
from harness import Daemon, Host, Program, equal, finish, step, wait_for
from rawhttp import Connection, put_blob, request

ACCOUNT = "rotating"
KEYS = [base64.b64encode(os.urandom(64)).decode() for _ in range(3)]


class RotatingHost(Host):
    """Knows both keys for all its life, as the service does while a key is in use."""

    def __init__(self, directory, keys):
        self.socket = str(pathlib.Path(directory) / "bus.sock")
        arguments = ["--socket", self.socket, "--store", pathlib.Path(directory) / "store", "--accounts", keys]
        Program.__init__(self, "blobhostd", arguments, directory)


class ReloadDaemon(Daemon):
    def __init__(self, more=""):
        super().__init__(is_emulated=False)
        self.more = more
        self.keys = pathlib.Path(self.directory) / "keys"
        self.write_keys(0, 1)

    def write_keys(self, *numbers):
        path = self.keys.with_name("new")
        path.write_text(f"{ACCOUNT} {' '.join(KEYS[number] for number in numbers)}\n")
        path.chmod(0o600)
        path.rename(self.keys)

    def start_host(self):
        host_keys = pathlib.Path(self.directory) / "host-keys"
        host_keys.write_text(f"{ACCOUNT} {KEYS[0]} {KEYS[1]}\n")
        host_keys.chmod(0o600)
        self.host = RotatingHost(self.directory, host_keys)
        self.programs.append(self.host)
        wait_for(lambda: os.path.exists(self.host.socket), "bus socket")

    def start(self):
        self.config = self.text(self.more)
        self.is_emulated = True  # the file says everything itself
        arguments, self.arguments = self.arguments, [*self.arguments]
        super_start(self)
        self.arguments = arguments

    def text(self, more):
        return f"[channel]\nsocket = {self.directory}/bus.sock\n[accounts]\nfile = {self.keys}\n{more}"

    def write_drop_in(self, name, text):
        path = pathlib.Path(self.directory) / "conf.d" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        return path

    def write(self, more):
        (pathlib.Path(self.directory) / "blobproxyd.conf").write_text(self.text(more))

    def reload(self, event="reloaded"):
        """Until it has ended, well or not; returns the last line of the log of that event."""
        name = f'blobproxy_config_reloads_total{{result="{"failed" if event == "reload-failed" else "done"}"}}'
        before = self.metric(name)
        self.proxy.process.send_signal(signal.SIGHUP)
        wait_for(lambda: self.metric(name) > before, event)
        return [line for line in self.proxy.output().splitlines() if f" {event} " in line][-1]

    def secrets_said(self):
        said = [f"{program.name} said a key" for program in self.programs for key in KEYS if key[:20] in program.output()]
        return super().secrets_said() + said


def super_start(daemon):
    """As Daemon.start(), but for the lines that it adds and for --emulated."""
    config = pathlib.Path(daemon.directory) / "blobproxyd.conf"
    config.write_text(daemon.config)
    arguments = ["--config", config, "--listen", f"127.0.0.1:{daemon.port}", "--listen-unix", daemon.unix]
    arguments += ["--metrics", f"127.0.0.1:{daemon.metrics_port}", *daemon.arguments]
    daemon.proxy = Program("blobproxyd", arguments, daemon.directory)
    daemon.programs.append(daemon.proxy)


def signed(method, target, key, headers=(), body=b"", **more):
    return request(method, target, headers, body, key=KEYS[key], account=ACCOUNT, **more)


class Load:
    """Clients that write and read without a pause, signing with a key that can be changed; every failure is kept."""

    def __init__(self, daemon, clients=4):
        self.daemon, self.key, self.stopped, self.failures, self.done = daemon, 0, threading.Event(), [], [0] * clients
        self.threads = [threading.Thread(target=self.run, args=(number,)) for number in range(clients)]

    def run(self, number):
        try:
            with Connection(self.daemon.address) as connection:
                while not self.stopped.is_set():
                    body = b"%d" % self.done[number]
                    headers = [("x-ms-blob-type", "BlockBlob")]
                    connection.exchange(signed("PUT", f"/box/load{number}", self.key, headers, body), "PUT").must_be(201)
                    equal(connection.exchange(signed("GET", f"/box/load{number}", self.key)).must_be(200).body, body)
                    self.done[number] += 1
        except Exception as error:
            self.failures.append(repr(error))

    def wait_more(self):
        """Every client has gone round twice, so all that began before has ended."""
        goals = [done + 2 for done in self.done]
        wait_for(lambda: self.failures or all(done >= goal for done, goal in zip(self.done, goals)), "requests")

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        self.wait_more()
        return self

    def __exit__(self, *_):
        self.stopped.set()
        for thread in self.threads:
            thread.join()


def rotation_steps(daemon):
    with step("the keys of an account rotate under load, without one failed request"):
        with Load(daemon) as load:
            for numbers, key in (((1, 0), 1), ((1,), 1), ((1, 0), 0), ((0, 1), 0)):
                daemon.write_keys(*numbers)
                daemon.reload()
                load.wait_more()
                load.key = key
                load.wait_more()
        equal(load.failures, [])
    with step("a key that has gone is refused, the other one serves"):
        daemon.write_keys(1)
        daemon.reload()
        daemon.exchange(signed("GET", "/box/load0", 0)).must_be_azure_error(403, "AuthenticationFailed")
        daemon.exchange(signed("GET", "/box/load0", 1)).must_be(200)
    with step("a request keeps the key that it began with"):
        daemon.write_keys(0, 1)
        daemon.reload()
        body = os.urandom(20 << 20)
        with Connection(daemon.address, timeout=60) as connection:
            data = signed("PUT", "/box/kept", 0, [("x-ms-blob-type", "BlockBlob")], length=len(body))
            before = daemon.metric("blobproxy_transfers_total")
            connection.send(data).send(body[: 10 << 20])
            wait_for(lambda: daemon.metric("blobproxy_transfers_total") > before, "first block")
            for numbers in ((1,), (1, 2), (1,)):
                daemon.write_keys(*numbers)
                daemon.reload()
            connection.send_what_goes(body[10 << 20 :]).read_answer("PUT").must_be(201)
            connection.exchange(signed("GET", "/box/kept", 0)).must_be(403)
        equal(daemon.exchange(signed("GET", "/box/kept", 1)).must_be(200).body, body)
    with step("fifty reloads in a row under load"):
        daemon.write_keys(0, 1)
        daemon.reload()
        with Load(daemon) as load:
            for _ in range(50):
                daemon.reload()
        equal(load.failures, [])


def change_steps(daemon):
    get = signed("GET", "/box/load0", 0, host="blobs.example")
    with step("listen.hosts changes for the next request, on an open connection too"):
        with Connection(daemon.address) as connection:
            connection.exchange(signed("GET", "/box/load0", 0)).must_be(200)
            assert daemon.exchange(get).status >= 400
            daemon.write("[listen]\nhosts = blobs.example\n")
            daemon.reload()
            connection.exchange(get).must_be(200)
            daemon.write("")
            daemon.reload()
            assert connection.exchange(get).status >= 400
    with step("log.level changes"):
        daemon.exchange(signed("GET", "/box/load0", 0)).must_be(200)
        assert " access " not in daemon.proxy.output()
        daemon.write("[log]\nlevel = debug\n")
        daemon.reload()
        daemon.exchange(signed("GET", "/box/load0", 0)).must_be(200)
        wait_for(lambda: " access " in daemon.proxy.output(), "a line for the request")
    with step("limits.header_timeout changes for the next connection"):
        daemon.write("[limits]\nheader_timeout = 200ms\n")
        daemon.reload()
        with Connection(daemon.address) as connection:
            connection.send(b"GET / HTTP/1.1\r\n").must_close()
    with step("keys that need a restart are named in one line, and stay as they run"):
        daemon.write("[slots]\nsmall = 8\nlarge_bytes = 1M\n[limits]\nconnections = 100\nslot_timeout = 5s\n")
        line = daemon.reload("restart-needed")
        for key in ("slots.small", "slots.large_bytes", "limits.connections"):
            assert key in line, line
        assert "slot_timeout" not in line and "listen" not in line, line
        equal(daemon.metric('blobproxy_slots{class="small"}'), 256)
        body = os.urandom(3 << 20)
        daemon.exchange(signed("PUT", "/box/sized", 0, [("x-ms-blob-type", "BlockBlob")], body), "PUT").must_be(201)
        equal(daemon.exchange(signed("GET", "/box/sized", 0)).must_be(200).body, body)


def refusal_steps(daemon):
    with step("a configuration with mistakes is refused in one line that names the first, and nothing changes"):
        daemon.write("[limits]\nheader_timeout = never\nbananas = 1\n")
        line = daemon.reload("reload-failed")
        assert "blobproxyd.conf:6" in line and "1 more" in line, line
        equal(daemon.metric("blobproxy_config_last_reload_success"), 0)
        equal(daemon.admin_status("/readyz"), 200)
        daemon.exchange(signed("GET", "/box/load0", 0)).must_be(200)
    with step("a key file that others can read is refused, the keys stay"):
        daemon.write("")
        daemon.keys.chmod(0o644)
        assert "chmod 0600" in daemon.reload("reload-failed")
        daemon.exchange(signed("GET", "/box/load0", 0)).must_be(200)
    with step("what was right again is taken"):
        daemon.keys.chmod(0o600)
        daemon.reload()
        equal(daemon.metric("blobproxy_config_last_reload_success"), 1)
        assert daemon.metric("blobproxy_config_last_reload_timestamp_seconds") > 0


def drop_in_steps(daemon):
    get = signed("GET", "/box/load0", 0, host="blobs.example")
    with step("a drop-in that appears is read at the reload, and wins over the file"):
        daemon.write("[listen]\nhosts = others.example\n")
        daemon.reload()
        assert daemon.exchange(get).status >= 400
        path = daemon.write_drop_in("50-hosts.conf", "[listen]\nhosts = blobs.example\n")
        daemon.reload()
        daemon.exchange(get).must_be(200)
    with step("the last one by name wins, and one that has gone sets nothing any more"):
        later = daemon.write_drop_in("60-hosts.conf", "[listen]\nhosts = others.example\n")
        daemon.reload()
        assert daemon.exchange(get).status >= 400
        later.unlink()
        daemon.reload()
        daemon.exchange(get).must_be(200)
    with step("a mistake in a drop-in is told with its file and line, and everything stays"):
        broken = daemon.write_drop_in("70-broken.conf", "[listen]\nhosts = others.example\n[limits]\nshards = many\n")
        line = daemon.reload("reload-failed")
        assert f"{broken}:4: limits.shards:" in line and "stays as it was" in line and "write" in line, line
        equal(daemon.metric("blobproxy_config_last_reload_success"), 0)
        daemon.exchange(get).must_be(200)
    with step("so is a drop-in that cannot be read"):
        broken.unlink()
        broken.mkdir()
        line = daemon.reload("reload-failed")
        assert f"{broken}: cannot read it: Is a directory" in line, line
        daemon.exchange(get).must_be(200)
        broken.rmdir()
    with step("a key in a drop-in that needs a restart is named, the others are taken"):
        path.write_text("[slots]\nlarge = 7\n[limits]\nslot_timeout = 3s\n")
        line = daemon.reload("restart-needed")
        assert "slots.large" in line and "slot_timeout" not in line and "hosts" not in line, line
        assert daemon.exchange(get).status >= 400
        path.unlink()
        daemon.write("")
        daemon.reload()


def environment_steps():
    """Variables are those of the start: a reload reads the files anew under them."""
    os.environ.update(BLOBPROXYD_LISTEN_HOSTS="blobs.example", BLOBPROXYD_LIMITS_CONNECTIONS="50")
    try:
        with Daemon(config="[listen]\nhosts = others.example\n") as daemon:
            config = pathlib.Path(daemon.directory) / "blobproxyd.conf"
            get = request("GET", "/?comp=list", host="blobs.example")

            def reload(event):
                before = daemon.proxy.output().count(f" {event} ")
                daemon.proxy.process.send_signal(signal.SIGHUP)
                wait_for(lambda: daemon.proxy.output().count(f" {event} ") > before, event)

            with step("a variable wins over the file at the start and after a reload"):
                daemon.exchange(get).must_be(200)
                config.write_text("[listen]\nhosts = third.example\n[limits]\nconnections = 60\nslot_timeout = 3s\n")
                reload("reloaded")
                daemon.exchange(get).must_be(200)
                assert "restart-needed" not in daemon.proxy.output(), "the variable's value has not changed"
            with step("a mistake in the file is one, though the variable wins; and nothing changes"):
                config.write_text("[listen]\nhosts = A\n")
                reload("reload-failed")
                assert f"{config}:2: listen.hosts:" in daemon.proxy.output(), daemon.proxy.output()
                daemon.exchange(get).must_be(200)
    finally:
        for name in ("BLOBPROXYD_LISTEN_HOSTS", "BLOBPROXYD_LIMITS_CONNECTIONS"):
            del os.environ[name]


def notify_steps():
    directory = pathlib.Path(os.environ.get("TMPDIR", "/tmp")) / f"blobproxy-notify-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as service_manager:
        service_manager.settimeout(20)
        service_manager.bind(str(directory))
        os.environ["NOTIFY_SOCKET"] = str(directory)
        try:
            with Daemon() as daemon:
                del os.environ["NOTIFY_SOCKET"]

                def heard_until(word):
                    lines = []
                    while word not in lines:
                        lines += service_manager.recv(4096).decode().splitlines()
                    return lines

                heard_until("READY=1")
                for event in ("reloaded", "reload-failed"):
                    with step(f"systemd hears of a reload and of its end: {event}"):
                        if event != "reloaded":
                            (pathlib.Path(daemon.directory) / "blobproxyd.conf").write_text("nonsense\n")
                        daemon.proxy.process.send_signal(signal.SIGHUP)
                        lines = heard_until("RELOADING=1")
                        lines += [] if any(line.startswith("MONOTONIC_USEC=") for line in lines) else heard_until("READY=1")
                        assert any(line.startswith("MONOTONIC_USEC=") for line in lines), lines
                        heard_until("READY=1")
                        wait_for(lambda: f" {event} " in daemon.proxy.output(), event)
        finally:
            os.environ.pop("NOTIFY_SOCKET", None)
            directory.unlink()


def main():
    with ReloadDaemon() as daemon:
        daemon.exchange(signed("PUT", "/box?restype=container", 0), "PUT").must_be(201)
        for steps in (rotation_steps, change_steps, refusal_steps, drop_in_steps):
            steps(daemon)
    environment_steps()
    notify_steps()
    return finish()


if __name__ == "__main__":
    sys.exit(main())
