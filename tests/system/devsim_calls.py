# SPDX-License-Identifier: MIT
"""Scenarios of devsim.py: which call is answered how, and transfers."""

import contextlib
import ctypes
import errno
import fcntl
import os
import socket
import sys

from azblob import LIST, PAGE, PATH, RESPONSE_BYTES, UNSET, VENDOR, Arguments, Memory, call, ioctl, name
from devsim_common import (
    INSUFFICIENT_BUFFER,
    INVALID_PARAMETER,
    MIB,
    OK,
    UNKNOWN,
    get,
    head,
    http_status,
    in_child,
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
def order_of_checks(sim):
    fd = opened()
    big = 32 * MIB
    equal(name(ioctl(fd, UNKNOWN, None)), "EINVAL")
    equal(name(ioctl(fd, LIST, None)), "EFAULT")
    edge = Memory(2 * PAGE, written=False)
    edge.write(b"x" * PAGE)
    edge.close(PAGE)
    equal(name(ioctl(fd, LIST, edge.address + PAGE - 63)), "EFAULT")
    for wrong in ({"request_len": 0}, {"response_len": 0}, {"data_len": 9, "data_valid": 10}, {"request_len": big + 1},
                  {"response_len": big + 1}, {"data_len": big + 1}):  # fmt: skip
        must(fd, ping(**wrong), -errno.EINVAL)
        must(fd, ping(request=16, response=16, data=16, **wrong), -errno.EINVAL)  # lengths before pages
    for buffer in ("request", "response", "data"):
        must(fd, ping(**{buffer: 16}), -errno.EFAULT)
        must(fd, ping(**{buffer: edge.address + PAGE - 8}), -errno.EFAULT)  # some of it is mapped
        must(fd, ping(**{buffer: (1 << 63) - PAGE}), -errno.EFAULT)
    sim("depth 0")
    equal(name(ioctl(fd, UNKNOWN, None)), "EINVAL")
    must(fd, ping(data=16), -errno.EFAULT)
    must(fd, ping(), -errno.EAGAIN)
    sim("remove")
    equal(name(ioctl(fd, UNKNOWN, None)), "EINVAL")
    equal(name(ioctl(fd, LIST, None)), "ENODEV")
    equal(in_child(lambda: -ioctl(fd, LIST, None)), errno.ENODEV)


@scenario
def pins_come_before_the_page_count(sim):
    fd = opened()
    memory = Memory(32 * MIB)
    # 32 MiB of data leave no page for the other two.
    must(fd, ping(data=memory.address, data_len=memory.size), -errno.EINVAL)
    must(fd, ping(data=16, data_len=32 * MIB), -errno.EFAULT)
    must(fd, ping(data=memory.address, data_len=memory.size, response=16), -errno.EFAULT)
    sim("depth 0")
    must(fd, ping(data=memory.address, data_len=memory.size), -errno.EINVAL)
    # Exactly 8192 pages pass.
    arguments = ping()
    rest = 8192 - 1 - RESPONSE_BYTES // PAGE
    for pages, result in ((rest, -errno.EAGAIN), (rest + 1, -errno.EINVAL)):
        must(fd, ping(data=memory.address, data_len=pages * PAGE), result)
    # Each buffer's pages are counted by themselves, from where it begins.
    for offset, result in ((0, -errno.EAGAIN), (1, -errno.EINVAL)):
        must(fd, ping(data=memory.address + offset, data_len=rest * PAGE), result)
    equal(len(arguments.before), 72)


@scenario
def failure_writes_nothing(sim):
    fd = opened()
    for error in ("EAGAIN", "EACCES", "EFAULT", "EINTR", "EINVAL", "ENODEV", "ENOMEM"):
        sim(f"fail {error} once")
        must(fd, ping(), -getattr(errno, error))
    arguments = must(fd, ping())
    equal(arguments.after[:64], arguments.before[:64])
    assert arguments.reply != (UNSET, UNSET)
    equal(arguments.response.read(8), b"HsRes001")
    behind = RESPONSE_BYTES - arguments.reply[1]
    equal(arguments.response.read(behind, arguments.reply[1]), b"\xee" * behind)


@scenario
def credentials_of_the_opener(sim):
    fd = opened()
    must_serve(fd)
    with in_thread(lambda: call(fd, ping())) as results:
        pass
    equal(results, [0])
    threaded = []
    with in_thread(lambda: threaded.append(opened()) or 1):
        pass
    must_serve(threaded[0])  # opened by another thread
    must_serve(os.dup(fd))

    equal(in_child(lambda: -ioctl(fd, LIST, None)), errno.EACCES)
    equal(in_child(lambda: -call(fd, ping())), errno.EACCES)
    equal(in_child(lambda: must_serve(opened()) or 0), 0)
    must_serve(fd)  # what the child did is nothing to us

    # Over exec, in the same process: whoever opened and became another program.
    script = ("import os, sys; sys.path.insert(0, os.path.dirname(sys.argv[1])); from azblob import *; "
              "fd = int(sys.argv[2]); print(name(ioctl(fd, LIST, None)), name(ioctl(os.open(PATH, os.O_RDWR), LIST, None)))")  # fmt: skip

    def open_and_become():
        inherited = os.open(PATH, os.O_RDWR)
        os.set_inheritable(inherited, True)
        with contextlib.suppress(FileNotFoundError):
            os.execv("/nonexistent", ["nonexistent"])
        assert ioctl(inherited, LIST, None) == -errno.EFAULT  # a failed exec changes nothing
        os.dup2(write_end, 1)
        os.execv(sys.executable, [sys.executable, "-c", script, __file__, str(inherited)])

    read_end, write_end = os.pipe()
    equal(in_child(open_and_become), 0)
    equal(os.read(read_end, 100), b"EACCES EFAULT\n")

    # Passed over a socket.
    ours, theirs = socket.socketpair()
    equal(in_child(lambda: socket.send_fds(theirs, [b"x"], [opened()]) and 0), 0)
    passed = socket.recv_fds(ours, 1, 1)[1][0]
    equal(name(ioctl(passed, LIST, None)), "EACCES")
    equal(name(ioctl(passed, UNKNOWN, None)), "EINVAL")
    equal(sim.stats()["EACCES"], 4)


@scenario
def credentials_after_a_change_of_user(sim):
    fd = opened()

    def change_and_call():
        own = opened()
        must_serve(own)
        os.seteuid(65534)
        first = ioctl(own, LIST, None)
        os.seteuid(0)
        second = ioctl(own, LIST, None)
        must_serve(opened())
        return 0 if (first, second) == (-errno.EACCES, -errno.EACCES) else 1

    equal(in_child(change_and_call), 0)
    must_serve(fd)
    equal(sim.stats()["EACCES"], 2)


@scenario
def works_for_another_user(_sim):
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
    must_serve(opened())


@scenario
def other_files_and_paths(sim):
    libc = ctypes.CDLL(None, use_errno=True)
    page = Memory(2 * PAGE)
    page.close(PAGE)
    path = PATH.encode() + b"\0"
    page.write(path, PAGE - len(path))
    libc.syscall.argtypes = (ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_long)
    fd = libc.syscall(257 if os.uname().machine == "x86_64" else 56, -100, page.address + PAGE - len(path), os.O_RDWR | os.O_CLOEXEC, 0)
    must_serve(fd)  # a path that ends at the end of what is mapped
    assert fcntl.fcntl(fd, fcntl.F_GETFD) & fcntl.FD_CLOEXEC
    how = Memory(PAGE)
    how.write((os.O_RDWR | os.O_CLOEXEC).to_bytes(8, "little") + bytes(16))
    fd = libc.syscall(437, -100, page.address + PAGE - len(path), how.address, 24)  # openat2
    must_serve(fd)
    assert fcntl.fcntl(fd, fcntl.F_GETFD) & fcntl.FD_CLOEXEC
    fd = libc.open(path, os.O_RDWR)
    must_serve(fd)
    assert not fcntl.fcntl(fd, fcntl.F_GETFD) & fcntl.FD_CLOEXEC
    page.write(b"/etc/passwd\0", PAGE - 12)
    fd = libc.syscall(257 if os.uname().machine == "x86_64" else 56, -100, page.address + PAGE - 12, os.O_RDONLY, 0)
    assert os.read(fd, 4) == b"root"
    for other in (PATH + "x", PATH[:-1], "azure_blob", "/dev/nothing"):
        try:
            os.open(other, os.O_RDWR)
            raise AssertionError(other)
        except FileNotFoundError:
            pass
    assert not os.path.exists(PATH)
    with open("/dev/urandom", "rb") as random:
        equal(fcntl.ioctl(random, 0x80045200, bytes(4)) != bytes(4), True)  # RNDGETENTCNT, of the type 'R' too
    equal(name(ioctl(os.open("/dev/null", os.O_RDWR), LIST, None)), "ENOTTY")
    equal(name(ioctl(999, LIST, None)), "EBADF")
    equal(name(ioctl(-1, LIST, None)), "EBADF")
    equal(sim.stats()["opens"], 3)


@scenario
def knows_one_number(sim):
    fd = opened()
    must_serve(fd)
    must(fd, ping(), -errno.EINVAL, VENDOR)
    equal(sim.stats()["ioctls_unknown"], 1)


@scenario
def knows_the_vendors_number(sim):
    fd = opened()
    equal(http_status(must(fd, ping(), 0, VENDOR)), 200)
    must(fd, ping(), -errno.ENOTTY, LIST)
    equal((sim.stats()["ioctls_unknown"], sim.stats()["ioctls_vendor"]), (1, 1))


@scenario
def sizes(sim):
    fd = opened()
    make_box(fd)
    for size in (0, 1, 4 * MIB, 31 * MIB):
        data = os.urandom(size)
        arguments = must(fd, put(f"/box/of-{size}", data))
        equal((arguments.reply[0], http_status(arguments)), (OK, 201))
        equal(arguments.data.read(size), data)
        arguments.free()
        for room in {max(size, 1), 31 * MIB}:
            arguments = must(fd, get(f"/box/of-{size}", room))
            equal((arguments.reply[0], http_status(arguments)), (OK, 200))
            assert arguments.data.read(size) == data, f"other bytes of {size}"
            rest = arguments.data.size - size
            assert arguments.data.read(rest, size) == b"\xee" * rest, "bytes behind the body were touched"
            arguments.free()
    arguments = must(fd, Arguments(head("HEAD", f"/box/of-{4 * MIB}"), data_bytes=MIB))
    assert b"Content-Length: 4194304" in arguments.head() and arguments.data.read(MIB) == b"\xee" * MIB
    arguments = must(fd, get(f"/box/of-{4 * MIB}", MIB))
    equal(arguments.reply[0], INSUFFICIENT_BUFFER)
    assert arguments.data.read(MIB) == b"\xee" * MIB
    equal(sim.stats()["in_flight"], 0)


@scenario
def odd_addresses(_sim):
    fd = opened()
    make_box(fd)
    data = os.urandom(10_000)
    memory = Memory(16 * PAGE)
    arguments = put("/box/odd", data)
    request = arguments.request.read(arguments.fields["request_len"])
    memory.write(request, 4090)
    memory.write(data, 20001)
    where = memory.address
    arguments.fields.update(request=where + 4090, response=where + 8191, response_len=2000, data=where + 20001)
    arguments.struct.write(arguments.pack())
    equal(call(fd, arguments), 0)
    equal(arguments.reply[0], OK)
    assert b" 201 " in memory.read(arguments.reply[1], 8191)
    arguments = get("/box/odd", 12_000)
    arguments.fields.update(data=where + 40_001)
    arguments.struct.write(arguments.pack())
    equal(call(fd, arguments), 0)
    equal(memory.read(10_000, 40_001), data)
    equal(memory.read(1, 40_000) + memory.read(1, 50_001), b"\xee\xee")


@scenario
def small_response_buffer(_sim):
    arguments = must(opened(), ping(response_len=40))
    equal(arguments.reply, (INSUFFICIENT_BUFFER, 0))
    equal(arguments.response.read(PAGE), b"\xee" * PAGE)


@scenario
def host_refuses_what_the_driver_takes(_sim):
    fd = opened()
    equal(must(fd, Arguments(head("GET", "/?comp=list"), data_valid=1)).reply, (INVALID_PARAMETER, 0))  # no data, and some of it valid
    long = Memory(MIB)
    equal(must(fd, ping(request=long.address, request_len=MIB)).reply, (INVALID_PARAMETER, 0))
    garbage = Memory(PAGE)
    equal(must(fd, ping(request=garbage.address, request_len=PAGE)).reply, (0x8007000D, 0))
    must_serve(fd)


@scenario
def many_threads(sim):
    fd = opened()
    make_box(fd)

    def work(number):
        for turn in range(10):
            data = os.urandom(100_000 * (number % 4) + turn)
            equal(http_status(must(fd, put(f"/box/many-{number}", data))), 201)
            arguments = must(fd, get(f"/box/many-{number}", 512 * 1024))
            if arguments.data.read(len(data)) != data:
                return f"thread {number}, turn {turn}: other bytes"
        return "good"

    with contextlib.ExitStack() as stack:
        results = [stack.enter_context(in_thread(work, number)) for number in range(16)]
    equal({result for each in results for result in each}, {"good"})
    equal(sim.stats()["completed"], 16 * 20 + 1)
