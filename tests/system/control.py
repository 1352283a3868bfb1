#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""blobproxyctl and a real daemon: every verb, who may, and what is left when a shard stands still."""

import grp
import importlib.util
import json
import os
import pathlib
import pwd
import re
import signal
import subprocess
import sys
import tempfile
import time
import uuid

from harness import BUILD, Daemon, Program, equal, finish, free_port, freeze, skip, step, wait_for
from load import Load
from heldthread import HeldThread, thread_of
from rawhttp import ACCOUNT, Connection, put_blob, request
from tokens import account_sas, plain

PROGRAM = str(BUILD / "blobproxyctl")
NOBODY = 65534
MIB = 1 << 20


def run(path, *arguments, timeout_s=60, **more):
    return subprocess.run([PROGRAM, *(["--socket", path] if path else []), *map(str, arguments)], stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=timeout_s, check=False, **more)  # fmt: skip


class Control:
    """blobproxyctl for one daemon."""

    def __init__(self, daemon):
        self.path = daemon.directory + "/control.sock"

    def text(self, *arguments, exit_code=0, said=""):
        result = run(self.path, *arguments)
        assert result.returncode == exit_code, f"exit status {result.returncode}: {result.stdout}{result.stderr}"
        assert said in result.stderr and result.stderr.count("\n") == bool(said), result.stderr
        return result.stdout

    def json(self, *arguments, **more):
        return json.loads(self.text(*arguments, "--json", **more))

    def exchanges(self):
        return self.json("exchanges")["exchanges"]


def looks():
    with Daemon() as daemon:
        control = Control(daemon)
        daemon.make_container()
        daemon.must_serve()

        with step("status says the same in text, in JSON and on the metrics listener"):
            # A thread publishes what it has counted after its answers have gone.
            wait_for(lambda: control.json("status")["exchanges_ended"] == 3, "end of the three exchanges until here")
            status = control.json("status")
            other = json.loads(daemon.admin("/status").must_be(200).body)
            equal(set(status), set(other))
            for name in set(status) - {"uptime_seconds", "connections"}:
                equal((name, status[name]), (name, other[name]))
            equal((status["pid"], status["state"], status["ready"]), (daemon.proxy.pid, "serving", True))
            assert f"127.0.0.1:{daemon.port}" in status["listeners"] and f"unix:{daemon.unix}" in status["listeners"], status
            equal(status["metrics"], f"127.0.0.1:{daemon.metrics_port}")
            text = control.text("status")
            for words in (f"serving, ready\nversion +{re.escape(status['version'])}, process {daemon.proxy.pid}", "emulated, 2 of 2 up|emulated, 1 of 1 up",
                          f"127.0.0.1:{daemon.port}", "configuration +read 20", f"accounts +{ACCOUNT}"):  # fmt: skip
                assert re.search(words, text), (words, text)

        with step("stats counts what the metrics count"):
            with Connection(daemon.address) as connection:
                for _ in range(50):
                    connection.exchange(request("GET", "/box/serves")).must_be(200)
                connection.exchange(request("GET", "/box/none")).must_be(404)
            wait_for(lambda: daemon.metric('blobproxy_requests_total{operation="GetBlob",code="4xx"}') == 1, "count")
            figures, metrics = control.json("stats", "--once"), daemon.metrics()
            equal(figures["from_start"], True)
            equal(figures["operations"]["GetBlob"]["total"], 52)
            uptime = figures["seconds"]
            for name, want in (("requests", sum(value for key, value in metrics.items() if key.startswith("blobproxy_requests_total"))),
                               ("body_bytes_out", metrics['blobproxy_body_bytes_total{direction="out"}'])):  # fmt: skip
                assert abs(figures["per_second"][name] * uptime - want) < 0.01, (name, figures["per_second"], want)
            read = figures["latency"]["read"]
            assert 0 < read["p50_seconds"] <= read["p95_seconds"] <= read["p99_seconds"] < 60, read
            equal(figures["slots"]["large"], {"total": 24, "used": 0})

        with step("stats follows a load, in rates"):
            with Load(daemon.address, threads=2, sizes=(1000, 200_000)) as load:
                wait_for(lambda: load.successes() > 20, "load")
                before, begin = load.successes(), time.monotonic()
                lines = control.text("stats", "--count", "2", "--interval", "1", "--json").splitlines()
                real = (load.successes() - before) / (time.monotonic() - begin)
            figures = [json.loads(line) for line in lines]
            equal(len(figures), 2)
            for one in figures:
                assert real / 4 < one["per_second"]["requests"] < real * 4, (real, one["per_second"])
                assert one["per_second"]["body_bytes_in"] > 0 and one["latency"]["all"]["p99_seconds"] > 0, one

        with step("channels has each shard's channel and its slots"):
            rows = control.json("channels")["channels"]
            equal([row["shard"] for row in rows], list(range(len(rows))))
            equal({(row["type"], row["state"]) for row in rows}, {("emulated", "up")})
            equal(sum(row["slots"]["large"]["total"] for row in rows), 24)
            equal(sum(row["submitted"] for row in rows), daemon.metric("blobproxy_transfers_total"))
            text = control.text("channels")
            equal(len(re.findall(r"^ +\d+  emulated  up ", text, re.M)), len(rows))


def failed():
    with Daemon() as daemon:
        control = Control(daemon)
        daemon.make_container()
        for number in range(3):
            get = request("GET", "/box/missing", (("x-ms-client-request-id", f"asked-{number}"),))
            daemon.exchange(get).must_be(404)
            daemon.wait_idle()  # it ends after its response has been read, and the next one may be on another shard
        with step("errors shows the last requests that failed, the newest first, without anything having been switched on"):
            rows = control.json("errors")["errors"]
            equal([row["client_request_id"] for row in rows], ["asked-2", "asked-1", "asked-0"])
            equal({(row["operation"], row["status"], row["code"]) for row in rows}, {("GetBlob", 404, "BlobNotFound")})
            text = control.text("errors")
            assert text.index("asked-2") < text.index("asked-0") and "BlobNotFound" in text, text
        with step("errors --count takes so many"):
            equal(len(control.json("errors", "--count", "2")["errors"]), 2)


def under_way():
    with Daemon() as daemon:
        control = Control(daemon)
        daemon.make_container()
        daemon.must_serve()
        equal(control.exchanges(), [])
        wanted = str(uuid.uuid4())
        sas = account_sas()
        signature = re.search(r"sig=([^&]+)", sas).group(1)
        host = daemon.host_pid()
        reader, writer = Connection(daemon.address), Connection(daemon.address)
        freeze(host)
        try:
            reader.send(plain("GET", f"/{ACCOUNT}/box/serves?{sas}", [("x-ms-client-request-id", wanted)]))
            writer.send(request("PUT", "/box/slow", [("x-ms-blob-type", "BlockBlob")], b"x" * 8192, length=5 * MIB))
            with step("exchanges shows what the host has: since when, which transfer, for whom, without its signature"):
                wait_for(lambda: any(row["state"] == "host" for row in control.exchanges()), "exchange at the host")
                row = next(row for row in control.exchanges() if row["operation"] == "GetBlob")
                equal((row["method"], row["route"], row["client_request_id"]), ("GET", "channel", wanted))
                assert uuid.UUID(row["transfer"]), row
                assert row["target"].startswith(f"/{ACCOUNT}/box/serves?") and "sig=redacted" in row["target"], row
                text = control.text("exchanges")
                assert row["transfer"] in text and wanted in text, text
                assert signature not in text + json.dumps(control.json("exchanges")), text
                later = next(row for row in control.exchanges() if row["operation"] == "GetBlob")
                assert later["age_ms"] >= row["age_ms"] and later["transfer"] == row["transfer"], (row, later)

            with step("exchanges shows an upload whose body is still coming"):
                def upload():
                    return next(row for row in control.exchanges() if row["operation"] == "PutBlockBlob")

                wait_for(lambda: upload()["body_received"] == 8192, "body's first part")
                equal((upload()["body_bytes"], upload()["method"]), (5 * MIB, "PUT"))

            with step("channels shows the transfer at the host"):
                at_host = sum(row["in_flight"] for row in control.json("channels")["channels"])
                # The gauge is as of the last sweep.
                wait_for(lambda: daemon.metric("blobproxy_transfers_in_flight") == at_host, f"{at_host} transfers in the metrics")
                assert daemon.metric("blobproxy_transfers_in_flight") >= 1
        finally:
            os.kill(host, signal.SIGCONT)
        with step("what has ended is not in the list any more"):
            reader.read_answer().must_be(200)
            writer.close()
            wait_for(lambda: control.exchanges() == [], "empty list")
        reader.close()


def strings():
    with Daemon() as daemon:
        control = Control(daemon)
        daemon.make_container()
        daemon.must_serve()
        with step("an SDK reads a blob with what connection-string printed"):
            text = control.text("connection-string").strip()
            assert f"BlobEndpoint=http://127.0.0.1:{daemon.port}/{ACCOUNT};" in text, text
            if importlib.util.find_spec("azure") is None:
                skip("the same by the Python SDK", "it is not installed")
            else:
                from azure.storage.blob import BlobServiceClient

                with BlobServiceClient.from_connection_string(text) as service:
                    equal(service.get_blob_client("box", "serves").download_blob().readall(), b"yes")

        with step("the socket that --unix names serves the URL that it names"):
            found = control.json("connection-string", "--unix")
            equal(found["socket"], daemon.unix)
            command = ["curl", "--silent", "--fail", "--unix-socket", found["socket"], f"{found['endpoint']}/box/serves?{account_sas()}"]
            equal(subprocess.run(command, capture_output=True, check=True, timeout=30).stdout, b"yes")

        with step("without a TLS listener there is no string for one"):
            control.text("connection-string", "--tls", exit_code=1, said="listen.tls")


def orders():
    with Daemon() as daemon:
        control = Control(daemon)
        config = pathlib.Path(daemon.directory, "blobproxyd.conf")
        with step("log-level changes what is logged, until a reload"):
            equal(control.text("log-level"), "notice\n")
            equal(control.text("log-level", "debug"), "debug\n")
            equal(control.json("status")["log_level"], "debug")
            control.text("log-level", "loud", exit_code=1, said="error, warning, notice, info or debug")
            equal(control.text("log-level"), "debug\n")
            control.text("reload")
            equal(control.text("log-level"), "notice\n")

        with step("a wrong configuration is refused with its line, and the one before is kept"):
            config.write_text("[log]\nlevel = loud\n")
            control.text("reload", exit_code=1, said="refused, the configuration before is kept: ")
            result = run(control.path, "reload")
            assert f"{config}:2" in result.stderr and "log.level" in result.stderr, result.stderr
            assert "REFUSED" in control.text("status")
            equal(control.json("status")["config"]["last_reload_success"], False)
            equal(daemon.metric("blobproxy_config_last_reload_success"), 0)

        with step("a good one is taken, and what it cannot change is named"):
            config.write_text("[log]\nlevel = info\n[slots]\nsmall = 300\n")
            control.text("reload", said="kept as they were until a restart: slots.small")
            equal(control.json("reload", said="slots.small")["ok"], True)
            equal(control.text("log-level"), "info\n")
            assert "REFUSED" not in control.text("status")


def drains():
    with Daemon() as daemon:
        control = Control(daemon)
        daemon.make_container()
        writer = Connection(daemon.address)
        whole = put_blob("/box/written", b"x" * (2 * MIB))
        writer.send(whole[:MIB])
        wait_for(lambda: daemon.metric("blobproxy_exchanges_in_flight") == 1, "exchange")
        program = subprocess.Popen([PROGRAM, "--socket", control.path, "drain"], stdout=subprocess.PIPE, text=True)
        with step("drain waits for what is under way, and status says so meanwhile"):
            wait_for(lambda: control.json("status")["state"] == "draining", "draining")
            assert "draining, not ready: draining" in control.text("status")
            equal(program.poll(), None)
            equal(len(control.exchanges()), 1)
            control.text("wait-ready", "--timeout", "0", exit_code=1, said="is not ready: draining")
        with step("the exchange ends well, then the daemon does, with 0, and then drain does"):
            writer.send(whole[MIB:]).read_answer("PUT").must_be(201)
            equal(program.communicate(timeout=40)[0], "blobproxyd has ended\n")
            equal((program.returncode, daemon.proxy.wait(5)), (0, 0))
        writer.close()
        with step("afterwards nobody is there"):
            control.text("status", exit_code=1, said="no such socket")

    with Daemon() as daemon:
        control = Control(daemon)
        daemon.make_container()
        writer = Connection(daemon.address)
        writer.send(put_blob("/box/written", b"x" * (2 * MIB))[:MIB])
        wait_for(lambda: daemon.metric("blobproxy_exchanges_in_flight") == 1, "exchange")
        with step("a second drain ends it at once"):
            equal(control.json("drain", "--no-wait"), {"draining": True, "ended": False, "pid": daemon.proxy.pid})
            equal(daemon.proxy.is_running(), True)
            equal(control.text("drain", "--timeout", "20"), "blobproxyd has ended\n")
            daemon.wanted_exit = daemon.proxy.wait(5)
        writer.close()


def peers():
    if os.geteuid() != 0:
        return skip("other users are refused", "needs root")
    group = grp.getgrgid(pwd.getpwuid(NOBODY).pw_gid)
    other = {"user": NOBODY, "group": NOBODY - 1, "extra_groups": []}
    member = {**other, "extra_groups": [group.gr_gid]}
    with Daemon() as daemon:
        control = Control(daemon)
        os.chmod(daemon.directory, 0o755)
        with step("without a group the socket is its owner's alone"):
            equal(os.stat(control.path).st_mode & 0o777, 0o600)
            result = run(control.path, "status", **other)
            equal((result.returncode, result.stderr.count("\n")), (1, 1))
            assert "permission denied: run it as root" in result.stderr, result.stderr
        with step("whoever gets to the socket in spite of that is refused by the daemon, for every verb"):
            os.chmod(control.path, 0o666)
            for words in (["status"], ["stats", "--once"], ["channels"], ["exchanges"], ["log-level"], ["log-level", "debug"], ["reload"],
                          ["drain"], ["wait-ready"], ["connection-string"]):  # fmt: skip
                result = run(control.path, *words, **other)
                equal((result.returncode, result.stdout), (1, ""))
                assert "as a member of listen.control_group" in result.stderr, result.stderr
            equal(control.text("log-level"), "notice\n")
            equal(daemon.proxy.is_running(), True)
    with Daemon(config=f"[listen]\ncontrol_group = {group.gr_name}\n") as daemon:
        control = Control(daemon)
        os.chmod(daemon.directory, 0o755)
        with step("members of listen.control_group are served, others are not"):
            equal(run(control.path, "log-level", **member).stdout, "notice\n")
            result = run(control.path, "status", **other)
            equal(result.returncode, 1)
            assert f"or as a member of the group {group.gr_name}" in result.stderr, result.stderr


def stuck():
    with Daemon() as daemon:
        control = Control(daemon)
        shards = daemon.metric("blobproxy_shards")
        if shards < 2:
            return skip("one shard stands still", "there is only one")
        daemon.make_container()
        with HeldThread(thread_of(daemon.proxy.pid, "shard-1")):
            with step("channels and exchanges answer without the shard that stands still, and name it"):
                begin = time.monotonic()
                rows = control.json("channels")["channels"]
                equal(rows[1], {"shard": 1, "stuck": True})
                equal((rows[0]["shard"], rows[0]["state"], len(rows)), (0, "up", shards))
                equal(control.json("exchanges")["stuck"], [1])
                assert time.monotonic() - begin < 8
                assert re.search(r"^ +1  - +STUCK ", control.text("channels"), re.M)
                control.text("exchanges", said="shard 1 does not answer")
            with step("the verbs that need no shard go on as ever"):
                begin = time.monotonic()
                assert "serving" in control.text("status")
                equal(control.json("stats", "--once")["now"]["channels_up"], shards)
                equal(control.text("log-level", "info"), "info\n")
                assert control.text("connection-string").startswith("DefaultEndpointsProtocol=")
                assert time.monotonic() - begin < 8
        with step("it is back in the list when it moves again"):
            wait_for(lambda: "stuck" not in control.json("channels")["channels"][1], "shard 1")
            equal(control.json("exchanges")["stuck"], [])


def defaults():
    if os.geteuid() != 0:
        return skip("an ordinary user's daemon is found by itself", "needs root to become that user")
    with tempfile.TemporaryDirectory(prefix="blobproxy-test-") as directory:
        os.chown(directory, NOBODY, NOBODY)
        environment = {**os.environ, "XDG_RUNTIME_DIR": directory}
        for name in ("RUNTIME_DIRECTORY", "BLOBPROXYD_CONTROL"):
            environment.pop(name, None)
        config = pathlib.Path(directory, "blobproxyd.conf")
        config.touch()
        arguments = ["--config", config, "--listen", f"127.0.0.1:{free_port()}", "--metrics", "", "--set", f"channel.socket={directory}/none"]
        command = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", BUILD / "blobproxyd"]
        daemon = Program("blobproxyd", arguments, directory, command, environment)
        try:
            with step("an ordinary user's daemon is found without a word about where it is"):
                wait_for(lambda: os.path.exists(directory + "/blobproxyd-control.sock"), f"socket: {daemon.output()}")
                result = run(None, "status", "--json", user=NOBODY, group=NOBODY, extra_groups=[], env=environment)
                equal((result.returncode, result.stderr), (0, ""))
                equal(json.loads(result.stdout)["pid"], daemon.pid)
                equal(daemon.stop(), 0)
        finally:
            daemon.end_at_all_costs()


def main():
    looks()
    failed()
    under_way()
    strings()
    orders()
    drains()
    peers()
    stuck()
    defaults()
    return finish()


if __name__ == "__main__":
    sys.exit(main())
