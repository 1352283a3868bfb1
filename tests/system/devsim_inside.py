# SPDX-License-Identifier: MIT
"""What devsim.py runs under blobdevsim: devsim_inside.py SCENARIO CONTROL-SOCKET. Ends with 0, or says what is wrong."""

import contextlib
import ctypes
import errno
import fcntl
import mmap
import os
import signal
import socket
import sys
import threading
import time

import rawhttp
from azblob import LIST, PAGE, PATH, RESPONSE_BYTES, UNSET, VENDOR, Arguments, Memory, call, ioctl, name
from simcontrol import SimControl
from tap import equal

HOST = "devstoreaccount1.blob.localhost"
MIB = 1 << 20
OK, INVALID_PARAMETER, INSUFFICIENT_BUFFER, ABORTED = 0, 0x80070057, 0x8007007A, 0x800703E3
UNKNOWN = 0xC04852F1
SCENARIOS = {}


def scenario(function):
    SCENARIOS[function.__name__] = function
    return function


def head(method, target, length=0, headers=()):
    """A request head for the host."""
    message = rawhttp.request(method, target, headers, length=length if method == "PUT" else None, host=HOST)
    return message.split(b"\r\n\r\n")[0] + b"\r\n\r\n"


def put(target, data):
    return Arguments(head("PUT", target, len(data), [("x-ms-blob-type", "BlockBlob")]), data)


def get(target, data_bytes):
    return Arguments(head("GET", target), data_bytes=data_bytes)


def ping(**wrong):
    """A small request that the host answers."""
    return Arguments(head("GET", "/?comp=list"), data_bytes=65536, **wrong)


def http_status(arguments):
    return int(arguments.head().split()[1])


def opened():
    return os.open(PATH, os.O_RDWR | os.O_CLOEXEC)


def must(fd, arguments, result=0, number=LIST):
    """Calls; the result is as said, and a failure has written nothing."""
    got = call(fd, arguments, number)
    equal(name(got), name(result))
    if result < 0:
        equal(arguments.after, arguments.before)
    return arguments


def must_serve(fd):
    arguments = must(fd, ping())
    equal((arguments.reply[0], http_status(arguments)), (OK, 200))
    arguments.free()


def make_box(fd):
    arguments = must(fd, Arguments(head("PUT", "/box?restype=container"), data_bytes=PAGE))
    assert http_status(arguments) in (201, 409), arguments.head()


@contextlib.contextmanager
def in_thread(function, *arguments):
    """Runs it beside the block, which may ask the yielded list whether it has ended (then it holds the result)."""
    results = []
    thread = threading.Thread(target=lambda: results.append(function(*arguments)))
    thread.start()
    yield results
    thread.join(30)
    assert results, "the call did not end"


def in_child(function):
    """What the function returns in a forked process, a number up to 255."""
    pid = os.fork()
    if pid == 0:
        with contextlib.suppress(BaseException):
            os._exit(function())
        os._exit(255)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


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


if __name__ == "__main__":
    SCENARIOS[sys.argv[1]](SimControl(sys.argv[2]))
