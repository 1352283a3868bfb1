#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Clients that go away in mid-transfer leave nothing behind: no busy slot, no half-written blob."""

import os
import sys

from harness import Daemon, equal, finish, step, wait_for
from rawhttp import Connection, put_blob, request

MIB = 1 << 20
CLIENTS = 40


def leave(connection, is_reset):
    if is_reset:
        connection.reset()
    else:
        connection.close()


def upload_steps(daemon, is_reset, how):
    for size in (64 * 1024, 7 * MIB, 20 * MIB):
        with step(f"{CLIENTS} clients {how} in the middle of an upload of {size} B"):
            for number in range(CLIENTS):
                connection = Connection(daemon.address)
                connection.send_what_goes(put_blob(f"/box/partial-{number}", b"", length=size) + bytes(size // 2))
                leave(connection, is_reset)
            daemon.wait_idle()
            for number in range(CLIENTS):
                daemon.exchange(request("HEAD", f"/box/partial-{number}"), "HEAD").must_be(404)


def download_steps(daemon, is_reset, how, data):
    for size, content in data.items():
        with step(f"{CLIENTS} clients {how} in the middle of a download of {size} B"):
            for _ in range(CLIENTS):
                connection = Connection(daemon.address)
                connection.send(request("GET", f"/box/b{size}")).read_head().must_be(200)
                leave(connection, is_reset)
            daemon.wait_idle()
            equal(daemon.exchange(request("GET", f"/box/b{size}")).must_be(200).body == content, True)


def request_steps(daemon, is_reset, how):
    with step(f"{CLIENTS} clients {how} right behind their request"):
        for number in range(CLIENTS):
            connection = Connection(daemon.address)
            connection.send(request("GET", f"/box/b{4 * MIB}") if number % 2 else put_blob(f"/box/gone-{number}", bytes(1000)))
            leave(connection, is_reset)
        daemon.wait_idle()
    with step(f"{CLIENTS} clients {how} in the middle of a head"):
        for _ in range(CLIENTS):
            connection = Connection(daemon.address)
            connection.send(request("GET", "/box/serves")[:40])
            leave(connection, is_reset)
        daemon.wait_idle()


def main():
    with Daemon() as daemon:
        daemon.make_container()
        daemon.must_serve()
        data = {size: os.urandom(size) for size in (64 * 1024, 4 * MIB, 20 * MIB)}
        for size, content in data.items():
            daemon.upload(f"/box/b{size}", content)
        for is_reset, how in ((False, "close"), (True, "reset")):
            upload_steps(daemon, is_reset, how)
            download_steps(daemon, is_reset, how, data)
            request_steps(daemon, is_reset, how)
        with step("their connections are gone too"):
            wait_for(lambda: daemon.metric("blobproxy_connections") == 0, "end of the last connection")
        with step("it still serves"):
            daemon.must_serve()
    return finish()


if __name__ == "__main__":
    sys.exit(main())
