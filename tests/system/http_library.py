#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""libmicrohttpd as distributions link it: with its calls to itself open to other definitions (Debian, Fedora) or bound to itself
(-Bsymbolic-functions, Ubuntu). Every error that a client gets is Azure's with either."""

import os
import pathlib
import re
import shutil
import struct
import subprocess
import sys
import tempfile

from bad_input import LONG, MALFORMED
from harness import BUILD, Daemon, equal, finish, step
from rawhttp import Closed, Connection, put_blob, request

DT_NULL, DT_FLAGS, DF_SYMBOLIC = 0, 30, 2
DYNAMIC, SECTION_SIZE = 6, 64


def linked_library():
    """The file that the daemon is linked with."""
    text = subprocess.run(["ldd", BUILD / "blobproxyd"], capture_output=True, text=True, check=True).stdout
    return pathlib.Path(re.search(r"libmicrohttpd\.so\S* => (\S+)", text).group(1))


def bind_to_itself(path):
    """What the linker's -Bsymbolic does, for an ELF file of 64 bits that is there already: sets DF_SYMBOLIC."""
    data = bytearray(path.read_bytes())
    sections, = struct.unpack_from("<Q", data, 40)
    count, = struct.unpack_from("<H", data, 60)
    for number in range(count):
        kind, = struct.unpack_from("<I", data, sections + number * SECTION_SIZE + 4)
        begin, size = struct.unpack_from("<QQ", data, sections + number * SECTION_SIZE + 24)
        if kind != DYNAMIC:
            continue
        for at in range(begin, begin + size - 16, 16):
            tag, value = struct.unpack_from("<QQ", data, at)
            if tag in (DT_NULL, DT_FLAGS):
                struct.pack_into("<QQ", data, at, DT_FLAGS, value | DF_SYMBOLIC)
                path.write_bytes(data)
                return
    raise AssertionError(f"{path} has no room for DF_SYMBOLIC")


def must_be_azure_errors(daemon):
    for name, data, statuses, code in MALFORMED + LONG:
        for is_kept in (False, True):
            with Connection(daemon.address) as connection:
                if is_kept:
                    connection.exchange(request("GET", "/box/serves")).must_be(200)
                connection.send_what_goes(data)
                try:
                    connection.read_answer(data.split(b" ", 1)[0].decode("latin-1")).must_be_azure_error(statuses, code)
                except AssertionError as error:
                    raise AssertionError(f"{name}, {'kept' if is_kept else 'new'}: {error}") from error
                connection.must_close()


def unseen_step(daemon, label):
    """The library may have read such a head together with the end of the body, and then it has the word."""
    with step(f"{label}: behind a body of 1 MiB a malformed request gets an error or nothing, and is never executed"):
        for name, data, _, _ in MALFORMED:
            with Connection(daemon.address) as connection:
                connection.send_what_goes(put_blob("/box/long", bytes(1 << 20)) + data)
                connection.read_answer("PUT").must_be(201)
                try:
                    answer = connection.read_answer(data.split(b" ", 1)[0].decode("latin-1"))
                    assert 400 <= answer.status < 600, f"{name}: {answer!r}"
                except Closed:
                    pass
                connection.read_to_end()
            daemon.must_serve()


def library_steps(label, directory=None):
    with Daemon(wrapper=["env", f"LD_LIBRARY_PATH={directory}"] if directory else ()) as daemon:
        with step(f"{label}: that library is loaded"):
            maps = pathlib.Path(f"/proc/{daemon.proxy.pid}/maps").read_text()
            equal(f"{directory or linked_library().parent.resolve()}/" in maps, True)
        daemon.make_container()
        daemon.must_serve()
        with step(f"{label}: malformed requests get Azure's errors, first or later ones of a connection"):
            must_be_azure_errors(daemon)
        unseen_step(daemon, label)
        with step(f"{label}: nothing is left busy"):
            daemon.wait_idle()


def main():
    library_steps("as installed")
    with tempfile.TemporaryDirectory() as directory:
        os.chmod(directory, 0o755)
        copy = pathlib.Path(directory) / linked_library().name
        shutil.copyfile(linked_library(), copy)
        bind_to_itself(copy)
        library_steps("bound to itself", directory)
    return finish()


if __name__ == "__main__":
    sys.exit(main())
