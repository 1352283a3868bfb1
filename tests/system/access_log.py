#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The access log of a running daemon: who gets a line and what is in it, in text and JSON; reloads; counts of what was left out."""

import json
import os
import pathlib
import re
import signal
import socket
import sys

import rawhttp
from harness import Daemon, equal, finish, freeze, step, wait_for

LINE = re.compile(r'(\S+Z) (\w+) ([a-z-]+) message=("(?:[^"\\]|\\.)*"|\S+)((?: [a-z_]+=(?:"(?:[^"\\]|\\.)*"|[^\s"]+))*)')
PAIR = re.compile(r' ([a-z_]+)=("(?:[^"\\]|\\.)*"|[^\s"]+)')


def unquoted(value):
    return re.sub(r"\\(.)", r"\1", value[1:-1]) if value.startswith('"') else value


def text_rows(daemon, event="access"):
    """Fields of the text lines of an event; every line must be one of the form."""
    rows = []
    for line in daemon.proxy.output().splitlines():
        found = LINE.fullmatch(line)
        assert found, f"no line of the log: {line}"
        if found.group(3) == event:
            rows.append({"level": found.group(2), "message": unquoted(found.group(4))}
                        | {key: unquoted(value) for key, value in PAIR.findall(found.group(5))})  # fmt: skip
    return rows


def json_rows(daemon, event="access"):
    rows = [json.loads(line) for line in daemon.proxy.output().splitlines()]
    return [row for row in rows if row["event"] == event]


def wait_rows(rows, daemon, count, event="access"):
    return wait_for(lambda: (found := rows(daemon, event)) and len(found) >= count and found, f"{count} lines of {event}")


def ask(daemon, client_request_id, target="/box/blob", method="GET", address=None, **more):
    headers = [("x-ms-client-request-id", client_request_id)]
    return rawhttp.one(address or daemon.address, rawhttp.request(method, target, headers, **more), method)


def check_text():
    with Daemon("[log]\naccess = all\n") as daemon:
        daemon.make_container()
        daemon.exchange(rawhttp.put_blob("/box/blob", b"x" * 100), "PUT").must_be(201)
        with step("a read, and by whom"):
            ask(daemon, "one").must_be(200)
            row = next(row for row in wait_rows(text_rows, daemon, 3) if row.get("client_request_id") == "one")
            wanted = {"level": "info", "message": "GetBlob 200", "operation": "GetBlob", "status": "200", "bytes_in": "0",
                      "bytes_out": "100", "route": "channel", "account": rawhttp.ACCOUNT, "container": "box", "method": "GET",
                      "target": f"/{rawhttp.ACCOUNT}/box/blob", "peer": "tcp-loopback"}  # fmt: skip
            equal({key: row.get(key) for key in wanted}, wanted)
            assert "delivered" not in row and "problem" not in row and "sample" not in row, row
        with step("over the Unix socket the user is named"):
            ask(daemon, "two", address=daemon.unix).must_be(200)
            row = wait_rows(text_rows, daemon, 4)[-1]
            equal((row["client_request_id"], row["peer"], row["peer_uid"]), ("two", "unix", str(os.getuid())))
        with step("HEAD has no body, whatever length it names"):
            ask(daemon, "three", method="HEAD").must_be(200)
            equal(wait_rows(text_rows, daemon, 5)[-1]["bytes_out"], "0")
        with step("an error of the service has its code, the proxy's own what it told the client"):
            ask(daemon, "four", "/box/none").must_be(404)
            ask(daemon, "five", key="bm90IHRoZSBrZXk=").must_be(403)
            # Of two shards, so in either order.
            rows = {row["client_request_id"]: row for row in wait_rows(text_rows, daemon, 7)[-2:]}
            missing, refused = rows["four"], rows["five"]
            equal((missing["code"], missing["route"], "problem" in missing), ("BlobNotFound", "channel", False))
            equal((refused["code"], refused["route"]), ("AuthenticationFailed", "none"))
            assert "The signature does not match" in refused["problem"] and "transfer" not in refused, refused
        with step("a head that is refused before it is parsed has what is known of it"):
            daemon.exchange(b"GET / HTTP/1.1\r\nbad\r\n\r\n").must_be(400)
            row = wait_rows(text_rows, daemon, 8)[-1]
            equal((row["operation"], row["status"], row["peer"]), ("Unknown", "400", "tcp-loopback"))
        with step("what a client writes into its id makes no second line and no other field"):
            ask(daemon, 'six" status=999 \\ é').must_be(200)
            row = wait_rows(text_rows, daemon, 9)[-1]
            equal((row["client_request_id"], row["status"]), ('six" status=999 \\ %C3%A9', "200"))


def check_left_clients():
    with Daemon("[log]\naccess = errors\n[limits]\nbody_grace = 300ms\n") as daemon:
        daemon.make_container()
        with step("a client that leaves before its answer"):
            freeze(daemon.host_pid())
            client = socket.create_connection(daemon.address)
            client.sendall(rawhttp.request("GET", "/box/blob", [("x-ms-client-request-id", "left")]))
            wait_for(lambda: daemon.metric("blobproxy_transfers_in_flight") == 1, "transfer at the host")
            client.close()
            row = wait_rows(text_rows, daemon, 1)[0]
            os.kill(daemon.host_pid(), signal.SIGCONT)
            equal((row["client_request_id"], row["delivered"], row["problem"]), ("left", "no", "the client has left"))
        with step("a client that sends its body too slowly is cut off, and the line says so"):
            client = socket.create_connection(daemon.address)
            client.sendall(rawhttp.request("PUT", "/box/slow", [("x-ms-blob-type", "BlockBlob")], length=1 << 20))
            row = wait_rows(text_rows, daemon, 2)[1]
            client.close()
            equal((row["delivered"], row["problem"]), ("no", "cut off: the body of the request came too slowly"))
        with step("what succeeded has no line"):
            equal([row for row in text_rows(daemon) if row["status"].startswith("2")], [])


def check_json():
    with Daemon("[log]\nformat = json\naccess = all\naccess_sample = 10\n") as daemon:
        daemon.make_container()
        with step("one in ten of what succeeds, each failure, numbers as numbers"):
            for _ in range(40):
                daemon.exchange(rawhttp.request("GET", "/box?restype=container&comp=list")).must_be(200)
            for number in range(3):
                ask(daemon, f"miss-{number}", "/box/none").must_be(404)
            shards = int(daemon.metric("blobproxy_channels_up"))
            rows = wait_rows(json_rows, daemon, 3 + 41 // 10 - (shards - 1))  # each shard counts for itself
            kept = [row for row in rows if row["status"] < 300]
            equal(len(rows) - len(kept), 3)
            assert len(kept) <= 4, f"{len(kept)} of 41"
            assert all(row["sample"] == 10 for row in kept) and all("sample" not in row for row in rows if row["status"] == 404)
            assert all(isinstance(row[key], int) for row in rows for key in ("status", "duration_us", "bytes_in", "bytes_out"))
        with step("every line of the log is an object with time, level, program and event"):
            rows = [json.loads(line) for line in daemon.proxy.output().splitlines()]
            assert all({"time", "level", "program", "event", "message"} <= set(row) for row in rows), rows
            equal({row["program"] for row in rows}, {"blobproxyd", "blobhostd"})


def reload(daemon, text):
    pathlib.Path(daemon.directory, "blobproxyd.conf").write_text(text)
    before = daemon.proxy.output().count("reloaded")
    os.kill(daemon.proxy.pid, signal.SIGHUP)
    wait_for(lambda: daemon.proxy.output().count("reloaded") > before, "reload")


def check_reload():
    with Daemon() as daemon:
        with step("without an access log a request is silent"):
            daemon.make_container()
            ask(daemon, "silent", "/box/none").must_be(404)
        with step("a reload begins it, another one ends it"):
            reload(daemon, "[log]\naccess = errors\n")
            ask(daemon, "told", "/box/none").must_be(404)
            wait_rows(text_rows, daemon, 1)
            reload(daemon, "[log]\naccess = none\n")
            ask(daemon, "silent", "/box/none").must_be(404)
            reload(daemon, "[log]\naccess = errors\n")
            ask(daemon, "last", "/box/none").must_be(404)
            equal([row["client_request_id"] for row in wait_rows(text_rows, daemon, 2)], ["told", "last"])


def check_counts():
    with Daemon("[log]\nlevel = info\n") as daemon:
        with step("what was left out because there was too much of it is told at the end"):
            for _ in range(33):
                ask(daemon, "again", key="bm90IHRoZSBrZXk=").must_be(403)
            equal(len(text_rows(daemon, "exchange-refused")), 20)
            equal(daemon.proxy.stop(), 0)
            row = text_rows(daemon, "exchange-refused")[20]
            equal((row["suppressed"], row["level"]), ("13", "info"))


def main():
    check_text()
    check_left_clients()
    check_json()
    check_reload()
    check_counts()
    return finish()


if __name__ == "__main__":
    sys.exit(main())
