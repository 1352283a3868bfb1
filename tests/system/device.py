#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""channel = device: blobproxyd under blobdevsim, which answers as the published driver does, and each fault of it under load.

usage: device.py [PART]...: all parts, or these functions of it."""

import os
import re
import signal
import sys

from fallback import upstream, upstream_section
from harness import Daemon, equal, finish, note, step, wait_for
from load import Load
from rawhttp import Closed, Connection, put_blob, request

MIB = 1 << 20
SHARDS = 2
BASE = f"[limits]\nshards = {SHARDS}\nslot_timeout = 5s\n[slots]\nlarge = 12\n"


def up(daemon):
    return daemon.metric("blobproxy_channels_up")


def wait_up(daemon, count=SHARDS):
    wait_for(lambda: up(daemon) == count, f"{count} channels")


def grows(load, by=15):
    begin = load.successes()
    wait_for(lambda: load.successes() >= begin + by, f"{by} more successes", 60)


def answered(load, by=15):
    """So many more answers, of whatever kind."""
    begin = sum(load.statuses.values())
    wait_for(lambda: sum(load.statuses.values()) >= begin + by, f"{by} more answers", 60)


def causes(daemon, event):
    """{cause: lines in the log}, whatever shard said it and whatever number of pages or bytes it names."""
    found = {}
    for line in daemon.lines(event):
        cause = re.sub(r"\d+ (pages|response bytes in a buffer of \d+)", r"N \1", line.split("message=", 1)[1].split('" shard=')[0])
        found[cause] = found.get(cause, 0) + 1
    return found


# ---- it serves ----


def bodies():
    with Daemon(BASE + "large_bytes = 32505856\n", device=()) as daemon:
        daemon.make_container()
        wait_up(daemon)
        with step("bodies of 0 B to 31 MiB, each in one transfer, there and back"):
            for size in (0, 1, 65536, 65537, 4 * MIB, 31 * MIB):
                data = os.urandom(size)
                daemon.exchange(put_blob("/box/b", data), "PUT").must_be(201)
                assert daemon.exchange(request("GET", "/box/b")).must_be(200).body == data, f"{size} bytes"
        with step("a body that is split, there and back"):
            data = os.urandom(70 * MIB)
            daemon.exchange(put_blob("/box/s", data), "PUT").must_be(201)
            assert daemon.exchange(request("GET", "/box/s")).must_be(200).body == data
        with step("every thread of it has called, through its own opening, and nothing was wrong with its buffers"):
            stats = daemon.sim.stats()
            equal((stats["opens"], stats["violations"], stats["EACCES"], stats["EINVAL"]), (SHARDS, 0, 0, 0))
            equal(stats["completed"], stats["ioctls_list"] - stats["EFAULT"])
            equal(stats["EFAULT"], SHARDS)  # the question which number the driver knows
            equal(daemon.metric('blobproxy_channels_up_by_kind{kind="device",ioctl="0xc04852f0"}'), SHARDS)
        with step("nothing is left busy"):
            daemon.wait_idle()


def numbers():
    known = {"list": "0xc04852f0", "vendor": "0xc048520a"}
    for knows, unknown in (("list", "EINVAL"), ("vendor", "EINVAL"), ("vendor", "ENOTTY"), ("vendor", "EIO")):
        with step(f"a driver that knows the {knows} number and says {unknown} to others"):
            with Daemon(BASE, device=("--knows", knows, "--unknown-errno", unknown)) as daemon:
                daemon.make_container()
                wait_up(daemon)
                daemon.must_serve()
                equal(daemon.metric(f'blobproxy_channels_up_by_kind{{kind="device",ioctl="{known[knows]}"}}'), SHARDS)


# ---- faults under load ----


def after_a_fault(daemon, load):
    daemon.sim("clear")
    wait_up(daemon)
    grows(load)


# command, what happens, counter that must grow, answers that clients may get besides success, whether a channel is lost by it
FAULTS = (
    ("delay 20 60", "late completions", "completed", set()),
    ("fail EAGAIN 30%", "a full ring now and then", "EAGAIN", set()),
    ("depth 2", "a full table of requests", "EAGAIN", set()),
    ("fail ENOMEM 20%", "no memory for pinning now and then", "ENOMEM", set()),
    ("fail EFAULT 10%", "pages that cannot be pinned", "EFAULT", {500, 503}),
    ("fail EINVAL 10%", "transfers that are refused", "EINVAL", {500, 503}),
    ("fail EINTR 10%", "interrupted waits", "EINTR", {500, 503}),
    ("fail EACCES 5%", "descriptors that are refused", "EACCES", {500, 503}),
    ("fail ENODEV 5%", "rescinded channels", "ENODEV", {500, 503}),
    ("reply zero 10%", "empty responses", "completed", {500, 503}),
    ("reply long 10%", "response lengths beyond the buffer", "completed", {500, 503}),
    ("reply short 10%", "response lengths that are too short", "completed", {500, 503}),
    ("reply unwritten 10%", "replies that are not written", "completed", {500, 503}),
    ("scribble on", "buffers that change while the host has them", "completed", set()),
)


def one_fault(daemon, load, command, title, counter, allowed):
    with step(f"under load: {title}"):
        load.take_refusals()
        before = daemon.sim.stats()[counter]
        daemon.sim(command)
        answered(load, 40)
        assert daemon.sim.stats()[counter] > before, f"no {counter}"
        after_a_fault(daemon, load)
        for answer in load.take_refusals():
            answer.must_be_azure_error(allowed)


def lost_and_found(daemon, load):
    with step("under load: lost completions, until they are released"):
        daemon.sim("lose 5")
        daemon.sim.wait(lambda stats: stats["withheld"] >= 4, "four lost")
        daemon.sim("lose 0")
        grows(load)  # the others go on
        after_a_fault(daemon, load)


def stalled(daemon, load):
    with step("under load: a host that takes nothing out of the ring, for a while"):
        before = daemon.sim.stats()["EAGAIN"]
        daemon.sim("stall on")
        daemon.sim.wait(lambda stats: stats["in_ring"] >= 6, "six in the ring")
        after_a_fault(daemon, load)
        note(f"EAGAIN {daemon.sim.stats()['EAGAIN'] - before} times")


def removed(daemon, load):
    for turn in (1, 2, 3):
        with step(f"under load: removal and return ({turn})"):
            before = causes(daemon, "channel-lost")
            daemon.sim("remove")
            wait_for(lambda: up(daemon) == 0, "end of the channels")
            answered(load, 6)
            for cause, count in causes(daemon, "channel-lost").items():
                assert count <= before.get(cause, 0) + SHARDS, f"{count} times: {cause}"
            daemon.sim("return")
            wait_up(daemon)
            grows(load)
    with step("under load: removal with lost completions, and a return by itself"):
        daemon.sim("lose 3")
        daemon.sim.wait(lambda stats: stats["withheld"] >= 3, "three lost")
        daemon.sim("return-after 300")
        daemon.sim("remove")
        daemon.sim.wait(lambda stats: stats["withheld"] == 0, "release by the removal")
        daemon.sim("return-after 0")
        after_a_fault(daemon, load)
    with step("under load: the host dies, and another comes"):
        daemon.host.stop(signal.SIGKILL)
        wait_for(lambda: up(daemon) == 0, "end of the channels")
        answered(load, 6)
        os.unlink(daemon.host.socket)
        daemon.start_host()
        wait_up(daemon)
        grows(load)


def everything_at_once(daemon, load):
    with step("under load: everything at once"):
        for command in ("delay 0 20", "fail EAGAIN 20%", "fail ENOMEM 5%", "fail EINTR 3%", "fail ENODEV 1%", "fail EFAULT 2%",
                        "reply short 2%", "reply long 2%", "reply zero 2%", "scribble on"):  # fmt: skip
            daemon.sim(command)
        for _ in range(3):
            answered(load, 30)
            daemon.sim("remove")
            daemon.sim("return")
        after_a_fault(daemon, load)


def faults_under_load():
    with Daemon(BASE, device=()) as daemon:
        daemon.make_container()
        wait_up(daemon)
        with Load(daemon.address) as load:
            with step("load runs"):
                grows(load)
            for fault in FAULTS:
                one_fault(daemon, load, *fault)
            for fault in (lost_and_found, stalled, removed, everything_at_once):
                fault(daemon, load)
        with step("no client saw a wrong byte, no acknowledged write is lost"):
            note(f"{load.verify()} blobs verified, answers {load.statuses}")
            equal(load.wrong, [])
        with step("what was refused was refused as Azure does"):
            for answer in load.take_refusals():
                answer.must_be_azure_error((500, 503))
        with step("nothing is left busy, at the device neither"):
            daemon.wait_idle()
            equal(daemon.metric("blobproxy_slots_quarantined"), 0)
            stats = daemon.sim.stats()
            equal((stats["in_flight"], stats["violations"], stats["vanished"]), (0, 0, 0))
        with step("each cause has one line in the log"):
            found = causes(daemon, "channel-trouble")
            note(f"{sum(found.values())} lines of {len(found)} causes")
            assert len(found) >= 5, found
            # Of each shard once a minute.
            minutes = 1 + int(daemon.seconds() // 60)
            for cause, count in found.items():
                assert count <= SHARDS * minutes, f"{count} times: {cause}"


# ---- lost for longer than clients wait ----


def late_host():
    config = BASE + "[channel]\ntimeout = 1s\n[limits]\nexchange_timeout = 2s\n"
    with Daemon(config, device=()) as daemon:
        daemon.make_container()
        wait_up(daemon)
        daemon.must_serve()
        with step("a host that is late: clients get their answer, and the slots are quarantined"):
            daemon.sim("lose 1")
            for data, method in ((request("GET", "/box/serves"), "GET"), (put_blob("/box/late", bytes(100_000)), "PUT")):
                answer = daemon.exchange(data, method).must_be_azure_error((500, 503))
                assert answer.code in ("OperationTimedOut", "ServerBusy"), answer
            wait_for(lambda: daemon.metric("blobproxy_slots_quarantined") >= 2, "quarantine")
        with step("others are served meanwhile"):
            daemon.sim("lose 0")
            daemon.must_serve()
        with step("when the host has answered after all, the slots are back"):
            daemon.sim("release")
            daemon.wait_idle()
            equal(daemon.metric("blobproxy_slots_quarantined"), 0)


# ---- the device comes and goes ----


def removal_seen_by_clients():
    with Daemon("[limits]\nshards = 1\nslot_timeout = 500ms\n", device=()) as daemon:
        daemon.make_container()
        daemon.must_serve()
        with step("without the device requests get 503 ServerBusy with Retry-After"):
            daemon.sim("remove")
            daemon.exchange(request("GET", "/box/serves")).must_be_azure_error(503, "ServerBusy")
            wait_for(lambda: up(daemon) == 0, "end of the channel")
            for data, method in ((request("GET", "/box/serves"), "GET"), (put_blob("/box/x", bytes(1000)), "PUT")):
                answer = daemon.exchange(data, method).must_be_azure_error(503, "ServerBusy")
                assert int(answer.header("Retry-After")) > 0
            daemon.wait_idle()
        with step("it is opened again when it is back, and nothing was done meanwhile"):
            daemon.sim("return")
            wait_up(daemon, 1)
            equal(daemon.exchange(request("GET", "/box/serves")).must_be(200).body, b"yes")
            daemon.exchange(request("GET", "/box/x")).must_be(404)
        with step("a device that may not be opened is waited for"):
            daemon.sim("refuse EACCES 100%")
            daemon.sim("remove")
            daemon.sim("return")
            daemon.exchange(request("GET", "/box/serves")).must_be_azure_error(503, "ServerBusy")
            wait_for(lambda: daemon.sim.stats()["open_EACCES"] >= 2, "two attempts")
            wait_for(lambda: [line for line in daemon.lines("channel-(lost|waiting)") if "Permission denied" in line], "its line")
            daemon.sim("refuse EACCES off")
            wait_up(daemon, 1)
            daemon.must_serve()


class WithoutDevice(Daemon):
    """It is not ready for requests, but runs."""

    def wait_ready(self):
        wait_for(lambda: self.admin_status("/healthz") == 200, "answer of blobproxyd")


def never_there():
    with WithoutDevice("[limits]\nshards = 1\nslot_timeout = 500ms\n", device=("--absent",)) as daemon:
        with step("a device that is not there at the start is taken when it comes"):
            equal(up(daemon), 0)
            daemon.exchange(request("GET", "/box/x")).must_be_azure_error(503, "ServerBusy")
            daemon.sim("return")
            wait_up(daemon, 1)
            daemon.make_container()
            daemon.must_serve()


def auto():
    with step("channel.type = auto takes a device that is there"):
        with Daemon("[limits]\nshards = 1\n", device=(), channel="auto") as daemon:
            daemon.make_container()
            daemon.must_serve()
            assert daemon.metrics()['blobproxy_channels_up_by_kind{kind="device",ioctl="0xc04852f0"}'] == 1
    with step("channel.type = auto without a device and without fallback ends at once and says why"):
        daemon = Daemon("[limits]\nshards = 1\n", device=("--absent",), channel="auto")
        try:
            daemon.start_host()
            daemon.start()
            assert daemon.proxy.wait(20) not in (0, 97)
            assert re.search(r"/dev/azure_blob.*upstream\.fallback", daemon.proxy.output()), daemon.proxy.output()
        finally:
            daemon._end()
    with upstream() as server, Daemon(upstream_section(server) + "[limits]\nshards = 1\n", device=("--absent",), channel="auto") as daemon:
        with step("channel.type = auto without a device goes upstream"):
            daemon.exchange(put_blob("/box/small", b"hello"), "PUT").must_be(201)
            equal(daemon.sim.stats()["completed"], 0)
        with step("and takes the device when it comes, and upstream again when it goes"):
            daemon.sim("return")
            wait_up(daemon, 1)
            daemon.make_container()
            daemon.must_serve()
            assert daemon.sim.stats()["completed"] > 0
            daemon.sim("remove")
            wait_for(lambda: up(daemon) == 0 or not daemon.exchange(put_blob("/box/small", b"again"), "PUT"), "end of the channel")
            daemon.exchange(put_blob("/box/small", b"again"), "PUT").must_be(201)


# ---- the end ----


def stopped_while_lost():
    with Daemon("[limits]\nshards = 1\ndrain_timeout = 1s\n", device=()) as daemon:
        daemon.make_container()
        daemon.must_serve()
        daemon.sim("lose 1")
        with Connection(daemon.address) as connection:
            connection.send(request("GET", "/box/serves"))
            daemon.sim.wait(lambda stats: stats["withheld"] == 1, "a lost completion")
            with step("a stop waits for what the host still has, after its clients were cut off"):
                daemon.proxy.process.send_signal(signal.SIGTERM)
                try:
                    connection.read_answer().must_be((500, 503))
                except Closed:
                    pass
                assert daemon.proxy.is_running()
                equal(daemon.sim.stats()["withheld"], 1)
            with step("and ends with 0 as soon as the host has answered"):
                daemon.sim("release")
                equal(daemon.proxy.wait(20), 0)


def stopped_under_load():
    with Daemon(BASE, device=("--fault", "delay 5 50", "--fault", "fail EAGAIN 20%")) as daemon:
        daemon.make_container()
        with Load(daemon.address, sizes=(1000, 200_000, 3_000_000)) as load:
            wait_for(lambda: load.successes() >= 30, "30 successes")
            with step("a stop under load ends with 0"):
                equal(daemon.proxy.stop(), 0)
        with step("whoever got an answer got the right one"):
            equal(load.wrong, [])
        daemon.start()
        daemon.wait_ready()
        with step("every acknowledged write is there after a start"):
            assert load.verify() > 0
            equal(load.wrong, [])


def killed_in_flight():
    with Daemon(BASE, device=()) as daemon:
        daemon.make_container()
        daemon.must_serve()
        with step("killed with transfers in flight: the device is free, and a new daemon serves"):
            daemon.sim("lose 1")
            with Connection(daemon.address) as connection:
                connection.send(request("GET", "/box/serves"))
                daemon.sim.wait(lambda stats: stats["withheld"] == 1, "a lost completion")
                os.kill(daemon.proxy_pid(), signal.SIGKILL)
                equal(daemon.proxy.wait(20), 128 + signal.SIGKILL)
            daemon.start()
            daemon.wait_ready()
            wait_up(daemon)
            daemon.must_serve()


def main():
    parts = (bodies, numbers, faults_under_load, late_host, removal_seen_by_clients, never_there, auto, stopped_while_lost,
             stopped_under_load, killed_in_flight)  # fmt: skip
    for part in parts:
        if len(sys.argv) == 1 or part.__name__ in sys.argv[1:]:
            part()
    return finish()


if __name__ == "__main__":
    sys.exit(main())
