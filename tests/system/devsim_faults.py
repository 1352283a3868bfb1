# SPDX-License-Identifier: MIT
"""Scenarios of devsim.py: waits, the device that comes and goes, faults, violations."""

import contextlib
import ctypes
import errno
import mmap
import os
import signal
import sys
import threading
import time

from azblob import PAGE, RESPONSE_BYTES, Memory, call, name
from devsim_common import (
    ABORTED,
    MIB,
    OK,
    get,
    http_status,
    in_thread,
    make_box,
    must,
    must_serve,
    opened,
    ping,
    put,
    scenario,
)
from tap import equal


@scenario
def depth(sim):
    fd = opened()
    sim("depth 3")
    sim("lose 1")
    with contextlib.ExitStack() as stack:
        for _ in range(3):
            stack.enter_context(in_thread(lambda: call(fd, ping())))
        sim.wait(lambda stats: stats["withheld"] == 3, "three in flight")
        must(fd, ping(), -errno.EAGAIN)
        sim("clear")
    must_serve(fd)


def fill_ring(sim, data_bytes, pages, fits):
    """The host is stalled. pages: of data, so that with one of request and eight of response the packet is the published one."""
    fd = opened()
    memory = Memory(data_bytes)
    results = []

    def one():
        results.append(call(fd, ping(data=memory.address, data_len=pages * PAGE)))

    threads = [threading.Thread(target=one) for _ in range(fits + 5)]
    for thread in threads:
        thread.start()
    sim.wait(lambda stats: (stats["in_ring"], stats["EAGAIN"]) == (fits, 5), f"{fits} in the ring and 5 refused")
    sim("stall off")
    for thread in threads:
        thread.join(30)
    equal(sorted(map(name, results)), ["0"] * fits + ["EAGAIN"] * 5)


@scenario
def ring_of_4_mib(sim):
    fill_ring(sim, 4 * MIB, 1024, 15)


@scenario
def ring_of_31_mib(sim):
    fill_ring(sim, 31 * MIB, 7936, 1)


@scenario
def signals_do_not_interrupt(sim):
    fd = opened()
    handled = []
    signal.signal(signal.SIGALRM, lambda *_: handled.append(time.monotonic()))
    sim("delay 300")
    signal.setitimer(signal.ITIMER_REAL, 0.05, 0.05)
    must_serve(fd)
    signal.setitimer(signal.ITIMER_REAL, 0)
    stats = sim.stats()
    equal((stats["ioctls_list"], stats["completed"], stats["vanished"]), (1, 1, 0))
    assert handled, "no signal came"


@scenario
def killed_while_waiting(sim):
    for fault in ("lose 1", "stall on", "delay 2000"):
        sim(fault)
        before = sim.stats()["vanished"]
        pid = os.fork()
        if pid == 0:
            call(opened(), ping())
            os._exit(1)
        sim.wait(lambda stats: stats["in_flight"] == 1, "one in flight")
        if fault != "stall on":
            sim.wait(lambda stats: stats["in_ring"] == 0, "the host having it")
        os.kill(pid, signal.SIGKILL)
        equal(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), -signal.SIGKILL)
        sim("clear")
        sim.wait(lambda stats: stats["in_flight"] == 0 and stats["vanished"] == before + 1, "end of the request")
        must_serve(opened())


@scenario
def removal_and_return(sim):
    fd = opened()
    sim("delay 300")
    with in_thread(lambda: call(fd, ping())) as results:
        sim.wait(lambda stats: stats["in_flight"] == 1, "one in flight")
        sim("remove")
        must(fd, ping(), -errno.ENODEV)
        try:
            opened()
            raise AssertionError("opened a removed device")
        except FileNotFoundError:
            pass
        equal(results, [])
    equal(results, [0])
    sim("clear")
    sim("return")
    must(fd, ping(), -errno.ENODEV)
    must_serve(opened())
    sim("remove")
    sim("return")
    must(fd, ping(), -errno.ENODEV)
    stats = sim.stats()
    equal((stats["removals"], stats["open_ENOENT"], stats["ENODEV"]), (2, 1, 3))


@scenario
def removal_and_return_by_themselves(sim):
    fd = opened()
    sim("return-after 200")
    sim("remove-after 2")
    must_serve(fd)
    must_serve(fd)
    must(fd, ping(), -errno.ENODEV)
    end = time.monotonic() + 10
    while True:
        try:
            must_serve(opened())
            return
        except FileNotFoundError:
            assert time.monotonic() < end
            time.sleep(0.01)


@scenario
def absent(sim):
    try:
        opened()
        raise AssertionError("there is a device")
    except FileNotFoundError:
        pass
    sim("return")
    must_serve(opened())


@scenario
def fault_delay(sim):
    fd = opened()
    sim("delay 150 250")
    begin = time.monotonic()
    must_serve(fd)
    assert 0.15 <= time.monotonic() - begin < 5
    sim("delay 0")
    must_serve(fd)


@scenario
def fault_errors(sim):
    fd = opened()
    for error in ("EAGAIN", "EACCES", "EFAULT", "EINVAL", "ENODEV", "ENOMEM"):
        sim(f"fail {error} once")
        must(fd, ping(), -getattr(errno, error))
        must_serve(fd)
        sim(f"fail {error} 3 times")
        for _ in range(3):
            must(fd, ping(), -getattr(errno, error))
        must_serve(fd)
    sim("fail EAGAIN 30%")
    for _ in range(200):
        call(fd, ping())
    refused = sim.stats()["EAGAIN"] - 4
    assert 20 < refused < 120, refused
    sim("fail EAGAIN off")
    must_serve(fd)


@scenario
def fault_eintr(sim):
    fd = opened()
    make_box(fd)
    sim("fail EINTR once")
    must(fd, put("/box/interrupted", b"abc"), -errno.EINTR)
    arguments = must(fd, get("/box/interrupted", PAGE))
    equal((http_status(arguments), arguments.data.read(3)), (200, b"abc"))


@scenario
def fault_opens(sim):
    for error in ("EACCES", "EMFILE", "ENODEV", "ENOMEM"):
        sim(f"refuse {error} once")
        try:
            opened()
            raise AssertionError(error)
        except OSError as failure:
            equal(failure.errno, getattr(errno, error))
    must_serve(opened())


@scenario
def fault_lost(sim):
    fd = opened()
    sim("lose 2")
    must_serve(fd)
    for end in ("release", "remove"):
        with in_thread(lambda: call(fd, ping())) as results:
            sim.wait(lambda stats: stats["withheld"] == 1, "a lost completion")
            must_serve(fd)  # others go on
            equal(results, [])
            sim(end)
        equal(results, [0])
    equal((sim.stats()["lost"], sim.stats()["withheld"]), (2, 0))


@scenario
def fault_replies(sim):
    fd = opened()
    true = must(fd, ping()).reply[1]
    for kind, length in (("zero", 0), ("long", RESPONSE_BYTES + 1), ("short", true - 1)):
        sim(f"reply {kind} once")
        equal(must(fd, ping()).reply, (OK, length))
    sim("reply unwritten once")
    arguments = must(fd, ping())
    equal(arguments.after, arguments.before)
    must_serve(fd)


@scenario
def fault_scribble(sim):
    fd = opened()
    make_box(fd)
    data = os.urandom(300_000)
    must(fd, put("/box/scribbled", data))
    sim("scribble on")
    sim("lose 1")
    # The body comes whole all the same; what lies behind it has changed.
    arguments = get("/box/scribbled", 400_000)
    with in_thread(lambda: call(fd, arguments)):
        sim.wait(lambda stats: stats["withheld"] == 1, "a lost completion")
        sim("release")
    equal(http_status(arguments), 200)
    assert arguments.data.read(len(data)) == data
    assert b"\xee" * 64 not in arguments.data.read(100_000, len(data))
    # What was on its way to the host is what was there at the call.
    sim("lose 0")
    other = os.urandom(300_000)
    arguments = must(fd, put("/box/scribbled", other))
    assert arguments.data.read(len(other)) != other
    sim("scribble off")
    arguments = must(fd, get("/box/scribbled", 300_000))
    assert arguments.data.read(len(other)) == other


@scenario
def control_errors(sim):
    for line in ("nonsense", "delay", "delay x", "delay 5 4", "fail EAGAIN", "fail EAGAIN 101%", "fail NOTHING once", "reply huge once",
                 "lose -1", "scribble maybe", "stats now", "fail EAGAIN 3 times more", "", "delay 99999999999999999999"):  # fmt: skip
        try:
            sim(line)
        except AssertionError:
            continue
        raise RuntimeError(f"taken: {line}")
    equal(sim("delay 0"), "ok")


@scenario
def good_memory(sim):
    fd = opened()
    kinds = {
        "private": mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS,
        "shared, never written to": mmap.MAP_SHARED | mmap.MAP_ANONYMOUS,
    }
    for kind, flags in kinds.items():
        memory = Memory(4 * MIB, "never" not in kind, flags)
        must(fd, ping(data=memory.address, data_len=memory.size))
        equal((kind, sim.stats()["violations"]), (kind, 0))
    heap = ctypes.create_string_buffer(b"x" * (3 * MIB))
    must(fd, ping(data=ctypes.addressof(heap), data_len=3 * MIB))
    # Huge pages, where the kernel gives them.
    memory = Memory(8 * MIB, written=False)
    libc = ctypes.CDLL(None)
    libc.madvise(ctypes.c_void_p(memory.address), ctypes.c_size_t(memory.size), 14)
    ctypes.memset(memory.address, 1, memory.size)
    must(fd, ping(data=memory.address, data_len=memory.size))
    # Written to again after a fork; kept from a fork.
    memory = Memory(MIB)
    kept = Memory(MIB)
    libc.madvise(ctypes.c_void_p(kept.address), ctypes.c_size_t(kept.size), 10)  # MADV_DONTFORK
    child = os.fork()
    if child == 0:
        signal.pause()
    must(fd, ping(data=kept.address, data_len=kept.size, **fresh_response()))
    ctypes.memset(memory.address, 2, memory.size)
    must(fd, ping(data=memory.address, data_len=memory.size, **fresh_response()))
    os.kill(child, signal.SIGKILL)
    equal(sim.stats()["violations"], 0)


def fresh_response():
    return {"response": Memory(RESPONSE_BYTES).address}


def violate(sim, **buffer):
    must(opened(), ping(**buffer))
    equal(sim.stats()["violations"], 1)


@scenario
def violation_never_written(sim):
    violate(sim, data=Memory(65536, written=False).address)


@scenario
def violation_only_read(sim):
    memory = Memory(RESPONSE_BYTES, written=False)
    equal(memory.read(RESPONSE_BYTES), bytes(RESPONSE_BYTES))
    violate(sim, response=memory.address)


@scenario
def violation_only_the_last_page(sim):
    memory = Memory(65536, written=False)
    memory.write(b"x" * (65536 - PAGE))
    violate(sim, data=memory.address)


@scenario
def violation_taken_away(sim):
    fd = opened()
    sim("stall on")
    arguments = ping()
    with in_thread(lambda: call(fd, arguments)):
        sim.wait(lambda stats: stats["in_ring"] == 1, "one in the ring")
        arguments.response.close(0)
        sim("stall off")
    equal(sim.stats()["violations"], 1)


@scenario
def violation_shared_by_fork(sim):
    memory = Memory(65536)
    child = os.fork()
    if child == 0:
        signal.pause()
    try:
        violate(sim, data=memory.address)
    finally:
        os.kill(child, signal.SIGKILL)


@scenario
def host_loss(sim):
    fd = opened()
    must_serve(fd)
    sim("stall on")
    arguments = [ping(), ping()]
    with contextlib.ExitStack() as stack:
        results = [stack.enter_context(in_thread(call, fd, each)) for each in arguments]
        sim.wait(lambda stats: stats["in_ring"] == 2, "two in the ring")
        print("pending", flush=True)
    equal(results, [[0], [0]])
    equal([each.reply for each in arguments], [(ABORTED, 0)] * 2)
    must(fd, ping(), -errno.ENODEV)
    try:
        opened()
        raise AssertionError("a device without a host")
    except FileNotFoundError:
        pass
    print("gone", flush=True)
    equal(sys.stdin.readline(), "back\n")
    end = time.monotonic() + 20
    while True:
        try:
            fd = opened()
            break
        except FileNotFoundError:
            assert time.monotonic() < end
            time.sleep(0.02)
    must_serve(fd)
