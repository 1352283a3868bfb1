# SPDX-License-Identifier: MIT
"""What the scenarios of devsim.py share: small requests, calls that must end so and so, threads and children."""

import contextlib
import os
import threading

import rawhttp
from azblob import LIST, PAGE, PATH, Arguments, call, name
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
