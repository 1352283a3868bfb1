#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A stop under load: what is under way ends well, nothing new begins, the exit code is 0."""

import os
import signal
import sys

from harness import Daemon, equal, finish, note, step, wait_for
from load import Load
from rawhttp import Closed, Connection, put_blob, request

MIB = 1 << 20


def transfers_end_well():
    data = os.urandom(20 * MIB)
    with Daemon() as daemon:
        daemon.make_container()
        daemon.upload("/box/large", data)
        daemon.exchange(put_blob("/box/small", b"yes"), "PUT").must_be(201)
        reader = Connection(daemon.address)
        reader.send(request("GET", "/box/large")).read_head().must_be(200)
        writer = Connection(daemon.address)
        whole = put_blob("/box/written", data[: 6 * MIB])
        writer.send(whole[: len(whole) // 2])
        idle = [Connection(daemon.address) for _ in range(50)]
        for connection in idle[:25]:
            connection.exchange(request("GET", "/box/small")).must_be(200)
        wait_for(lambda: daemon.metric("blobproxy_exchanges_in_flight") >= 2, "both exchanges")
        daemon.proxy.process.send_signal(signal.SIGTERM)
        with step("a daemon that stops is not ready any more"):
            wait_for(lambda: daemon.admin_status("/readyz") != 200, "end of readiness")
            assert daemon.proxy.is_running()
        with step("a download under way is finished"):
            equal(reader.read_exactly(len(data)) == data, True)
        with step("an upload under way is finished"):
            writer.send(whole[len(whole) // 2 :]).read_answer("PUT").must_be(201)
        with step("then it ends with 0, whatever is idle"):
            equal(daemon.proxy.wait(20), 0)
        with step("new connections are refused"):
            try:
                Connection(daemon.address).close()
                raise AssertionError("somebody listens")
            except ConnectionRefusedError:
                pass


def stop_under_load(number, name):
    with Daemon() as daemon:
        daemon.make_container()
        with Load(daemon.address, sizes=(1000, 200_000, 3_000_000)) as load:
            wait_for(lambda: load.successes() >= 50, "50 successes")
            with step(f"{name} under load ends with 0"):
                equal(daemon.proxy.stop(number), 0)
        with step(f"{name}: whoever got an answer got the right one"):
            note(f"answers {load.statuses}")
            equal(load.wrong, [])
            for answer in load.refusals:
                answer.must_be_azure_error(503, "ServerBusy")
        daemon.start()
        daemon.wait_ready()
        with step(f"{name}: every acknowledged write is there after a start"):
            assert load.verify() > 0
            equal(load.wrong, [])


def stuck_client():
    with Daemon("[limits]\ndrain_timeout = 1s\n") as daemon:
        daemon.make_container()
        with step("a client that stands still is cut at the drain deadline"):
            connection = Connection(daemon.address)
            connection.send(put_blob("/box/stuck", b"", length=6 * MIB) + bytes(1000))
            wait_for(lambda: daemon.metric("blobproxy_exchanges_in_flight") == 1, "exchange")
            equal(daemon.proxy.stop(), 0)
            try:
                connection.read_answer("PUT").must_be((408, 500, 503))
            except Closed:
                pass


def second_signal():
    with Daemon() as daemon:
        daemon.make_container()
        with step("a second SIGTERM ends the wait"):
            connection = Connection(daemon.address)
            connection.send(put_blob("/box/stuck", b"", length=6 * MIB) + bytes(1000))
            wait_for(lambda: daemon.metric("blobproxy_exchanges_in_flight") == 1, "exchange")
            daemon.proxy.process.send_signal(signal.SIGTERM)
            wait_for(lambda: daemon.admin_status("/readyz") != 200, "end of readiness")
            daemon.proxy.process.send_signal(signal.SIGTERM)
            daemon.proxy.wait(20)
            daemon.wanted_exit = daemon.proxy.process.returncode
            assert daemon.wanted_exit >= 0, f"killed by signal {-daemon.wanted_exit}"


def main():
    transfers_end_well()
    stop_under_load(signal.SIGTERM, "SIGTERM")
    stop_under_load(signal.SIGINT, "SIGINT")
    stuck_client()
    second_signal()
    return finish()


if __name__ == "__main__":
    sys.exit(main())
