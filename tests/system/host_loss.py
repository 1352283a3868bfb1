#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The host is killed, the proxy is killed: what clients see meanwhile, and that everything comes back by itself."""

import os
import pathlib
import signal
import sys

from harness import Daemon, equal, finish, note, step, wait_for
from load import Load
from rawhttp import put_blob, request

SHORT_WAIT = "[limits]\nslot_timeout = 500ms\n"


def grows(load, by=20):
    begin = load.successes()
    wait_for(lambda: load.successes() >= begin + by, f"{by} more successes", 60)


def check_refusals(load):
    for answer in load.refusals:
        answer.must_be_azure_error((500, 503))
        if answer.status == 503:
            equal(answer.code, "ServerBusy")
            assert int(answer.header("Retry-After")) > 0
        else:
            assert answer.code in ("OperationTimedOut", "InternalError"), answer


def has_ended(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except FileNotFoundError:
        return True


def killed_under_load():
    with Daemon(SHORT_WAIT) as daemon:
        daemon.make_container()
        with Load(daemon.address) as load:
            with step("load runs"):
                grows(load)
            for turn in (1, 2, 3):
                with step(f"blobhostd is killed under load and comes back by itself ({turn})"):
                    victim = daemon.host_pid()
                    os.kill(victim, signal.SIGKILL)
                    wait_for(lambda: daemon.host_pid() not in (None, victim), "new host")
                    wait_for(lambda: daemon.metric("blobproxy_channels_up") > 0, "channel")
                    grows(load)
        with step("no client saw a wrong byte, no acknowledged write is lost"):
            daemon.wait_ready()  # every shard's channel is back, not only the first
            note(f"{load.verify()} blobs verified, answers {load.statuses}")
            equal(load.wrong, [])
        with step("what was refused was refused as Azure does"):
            check_refusals(load)
        with step("nothing is left busy"):
            daemon.wait_idle()
            daemon.must_serve()


def away_for_a_while():
    with Daemon(SHORT_WAIT, is_emulated=False) as daemon:
        daemon.make_container()
        daemon.must_serve()
        with step("without a host requests get 503 ServerBusy with Retry-After"):
            daemon.host.stop(signal.SIGKILL)
            wait_for(lambda: daemon.metric("blobproxy_channels_up") == 0, "loss of the channel")
            for data, method in ((request("GET", "/box/serves"), "GET"), (put_blob("/box/x", bytes(1000)), "PUT")):
                answer = daemon.exchange(data, method).must_be_azure_error(503, "ServerBusy")
                assert int(answer.header("Retry-After")) > 0
        with step("without a host nothing is left busy"):
            daemon.wait_idle()
        with step("a new host is found by itself and has the old data"):
            os.unlink(daemon.host.socket)
            daemon.start_host()
            daemon.wait_ready()  # the channels of all shards
            equal(daemon.exchange(request("GET", "/box/serves")).must_be(200).body, b"yes")
            daemon.exchange(request("GET", "/box/x")).must_be(404)


def proxy_killed():
    with Daemon(is_emulated=False) as daemon:
        daemon.make_container()
        with Load(daemon.address) as load:
            with step("load runs before the proxy is killed"):
                grows(load)
            with step("blobproxyd is killed; its host survives and serves a new one"):
                equal(daemon.proxy.stop(signal.SIGKILL), -signal.SIGKILL)
                daemon.start()
                daemon.wait_ready()
                assert daemon.host.is_running()
                grows(load)
        with step("no wrong byte over the change of proxies"):
            note(f"{load.verify()} blobs verified, answers {load.statuses}")
            equal(load.wrong, [])
        with step("the host ends with 0 when asked"):
            daemon.proxy.stop()
            equal(daemon.host.stop(), 0)


def host_of_its_own_dies_with_it():
    with Daemon() as daemon:
        with step("a blobhostd of --emulated does not outlive a killed blobproxyd"):
            pid = daemon.host_pid()
            daemon.wanted_exit = -signal.SIGKILL
            daemon.proxy.stop(signal.SIGKILL)
            wait_for(lambda: has_ended(pid), "end of blobhostd")


def main():
    killed_under_load()
    away_for_a_while()
    proxy_killed()
    host_of_its_own_dies_with_it()
    return finish()


if __name__ == "__main__":
    sys.exit(main())
