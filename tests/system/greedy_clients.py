#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Clients that ask for much, send nonsense fast, stall or vanish while they wait: the others are served, nothing stays taken."""

import os
import signal
import sys
import threading

from harness import Daemon, equal, finish, freeze, step, wait_for
from rawhttp import Connection, put_blob, request

MIB = 1 << 20
ONE_SHARD = "[limits]\nshards = 1\nbody_grace = 1s\nexchange_timeout = 3s\nslot_timeout = 1s\n[slots]\nsmall = 32\nlarge = 4\n"


def refused_large_upload(daemon):
    with step("an upload of 80 MiB to a container that is not there is answered, and the shard serves on"):
        with Connection(daemon.address, timeout=60) as connection:
            connection.send_what_goes(put_blob("/nowhere/big", b"", length=80 * MIB))
            for _ in range(80):
                connection.send_what_goes(bytes(MIB))
            connection.read_answer("PUT").must_be_azure_error(404, "ContainerNotFound")
        daemon.must_serve()
        daemon.wait_idle()


def flood_of_refusals(daemon):
    bad = request("GET", "/box/serves", key="AAAA")
    stop = threading.Event()

    def flood():
        with Connection(daemon.address) as connection:
            reader = threading.Thread(target=swallow, args=(connection,))
            reader.start()
            while not stop.is_set():
                connection.send_what_goes(bad * 20)
            connection.end_sending()
            reader.join()

    def swallow(connection):
        try:
            while connection.socket.recv(1 << 18):
                pass
        except OSError:
            pass

    with step("two clients that pipeline refused requests without a pause leave the others served"):
        threads = [threading.Thread(target=flood) for _ in range(2)]
        for thread in threads:
            thread.start()
        try:
            for _ in range(30):
                daemon.must_serve()
        finally:
            stop.set()
            for thread in threads:
                thread.join()
        daemon.wait_idle()


def late_host(daemon):
    with step("an upload that the host is late with is 500, never 201, and commits nothing"):
        host = daemon.host_pid()
        with Connection(daemon.address, timeout=60) as connection:
            connection.send_what_goes(put_blob("/box/late", b"", length=40 * MIB))
            try:
                freeze(host)
                sender = threading.Thread(target=connection.send_what_goes, args=(bytes(40 * MIB),))
                sender.start()
                wait_for(lambda: daemon.metric('blobproxy_errors_total{kind="exchange_deadline"}') > 0, "deadline")
            finally:
                os.kill(host, signal.SIGCONT)
            answer = connection.read_answer("PUT")
            sender.join()
            answer.must_be_azure_error(500, "OperationTimedOut")
        daemon.wait_idle()
        daemon.exchange(request("HEAD", "/box/late"), "HEAD").must_be(404)
        daemon.must_serve()


def stalled(daemon):
    data = os.urandom(8 * MIB)
    daemon.upload("/box/stalled", data)
    with step("uploads that stall, behind 100-continue or in the middle, lose their slots"):
        waiting = []
        for _ in range(4):
            connection = Connection(daemon.address)
            connection.send(put_blob("/box/x", b"", [("Expect", "100-continue")], length=7 * MIB))
            waiting.append(connection)
        for _ in range(4):
            connection = Connection(daemon.address)
            connection.send(put_blob("/box/y", b"", length=7 * MIB) + bytes(8192))
            waiting.append(connection)
        daemon.wait_idle()
        for connection in waiting:
            connection.close()
        equal(daemon.exchange(request("GET", "/box/stalled")).must_be(200).body == data, True)
    with step("readers that do not read lose their slots"):
        waiting = []
        for _ in range(6):
            connection = Connection(daemon.address)
            connection.send(request("GET", "/box/stalled"))
            waiting.append(connection)
        daemon.wait_idle()
        for connection in waiting:
            connection.close()
        equal(daemon.exchange(request("GET", "/box/stalled")).must_be(200).body == data, True)


def reset_while_waiting(daemon):
    with step("clients that reset or close while the host works are noticed at once"):
        host = daemon.host_pid()
        try:
            freeze(host)
            before = daemon.metric('blobproxy_errors_total{kind="client_gone"}')
            for number in range(20):
                connection = Connection(daemon.address)
                connection.send(request("GET", "/box/serves"))
                wait_for(lambda: daemon.metric("blobproxy_exchanges_in_flight") > 0, "the request")
                if number % 2:
                    connection.reset()
                else:
                    connection.close()
                wait_for(lambda: daemon.metric("blobproxy_exchanges_in_flight") == 0, "the client gone", 2)
            equal(daemon.metric('blobproxy_errors_total{kind="client_gone"}') - before, 20)
        finally:
            os.kill(host, signal.SIGCONT)
        daemon.wait_idle()


def empty_values(daemon):
    with step("metadata with an empty value comes back"):
        daemon.exchange(put_blob("/box/empty", b"x", [("x-ms-meta-empty", ""), ("x-ms-meta-full", "v")]), "PUT").must_be(201)
        answer = daemon.exchange(request("HEAD", "/box/empty"), "HEAD").must_be(200)
        equal((answer.header("x-ms-meta-empty"), answer.header("x-ms-meta-full")), ("", "v"))


def main():
    with Daemon(ONE_SHARD) as daemon:
        daemon.make_container()
        daemon.must_serve()
        empty_values(daemon)
        refused_large_upload(daemon)
        flood_of_refusals(daemon)
        stalled(daemon)
        reset_while_waiting(daemon)
        late_host(daemon)
        with step("it still serves"):
            daemon.must_serve()
    return finish()


if __name__ == "__main__":
    sys.exit(main())
