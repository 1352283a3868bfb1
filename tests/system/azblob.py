# SPDX-License-Identifier: MIT
"""The device as a program calls it: ioctl on /dev/azure_blob with ctypes, envelopes of HTTP around heads, all by the published facts."""

import ctypes
import errno
import mmap
import os
import struct

PATH = "/dev/azure_blob"
LIST, VENDOR = 0xC04852F0, 0xC048520A
UNSET = 0x0ACE0ACE
PAGE = mmap.PAGESIZE
RESPONSE_BYTES = 32768
GUID = bytes(range(16))

_libc = ctypes.CDLL(None, use_errno=True)
_libc.ioctl.argtypes = (ctypes.c_int, ctypes.c_ulong, ctypes.c_void_p)
_libc.mmap.restype = ctypes.c_void_p
_libc.mmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long)
_libc.munmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t)
_libc.mprotect.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)


class Memory:
    """Pages of the process. written: each page is written to, as a driver needs it."""

    def __init__(self, size, written=True, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS):
        self.size = -(-size // PAGE) * PAGE
        self.address = _libc.mmap(None, self.size, mmap.PROT_READ | mmap.PROT_WRITE, flags, -1, 0)
        assert self.address not in (None, ctypes.c_void_p(-1).value), os.strerror(ctypes.get_errno())
        if written:
            ctypes.memset(self.address, 0xEE, self.size)

    def write(self, data, at=0):
        ctypes.memmove(self.address + at, data, len(data))

    def read(self, size, at=0):
        return ctypes.string_at(self.address + at, size)

    def close(self, at):
        """From there on nobody may touch it (unmapped, it would be dealt again)."""
        assert _libc.mprotect(self.address + at, self.size - at, 0) == 0

    def free(self):
        assert _libc.munmap(self.address, self.size) == 0


def _crc_table():
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (0x9A6C9329AC4BC9B5 if byte & 1 else 0)
        yield byte


_TABLE = list(_crc_table())


def crc64(data):
    crc = (1 << 64) - 1
    for byte in data:
        crc = _TABLE[(crc ^ byte) & 0xFF] ^ crc >> 8
    return crc ^ (1 << 64) - 1


def seal(head):
    """The envelope of a request."""
    bare = b"HsReq001" + struct.pack("<IIQQ", 2, 0, 0, 0) + head
    return bare[:16] + struct.pack("<Q", crc64(bare)) + bare[24:]


def unseal(message):
    """The head in the envelope of a response."""
    bare = message[:16] + bytes(8) + message[24:]
    assert message[:8] == b"HsRes001" and message[16:24] == struct.pack("<Q", crc64(bare)), message[:100]
    return message[32:]


class Arguments:
    """The struct of one call and its buffers; what is not given has a sound value."""

    def __init__(self, head=b"", body=b"", data_bytes=None, response_bytes=RESPONSE_BYTES, guid=GUID, timeout_ms=30000, **wrong):
        """wrong: fields to say otherwise, by the names below."""
        request = seal(head)
        data_bytes = len(body) if data_bytes is None else data_bytes
        self.request, self.response, self.data = Memory(len(request)), Memory(max(response_bytes, 1)), Memory(max(data_bytes, 1))
        self.request.write(request)
        self.data.write(body)
        self.fields = {
            "guid": guid, "timeout_ms": timeout_ms, "request_len": len(request), "response_len": response_bytes,
            "data_len": data_bytes, "data_valid": len(body), "request": self.request.address, "response": self.response.address,
            "data": self.data.address if data_bytes else 0,
        }  # fmt: skip
        assert set(wrong) <= set(self.fields), wrong
        self.fields.update(wrong)
        self.struct = Memory(72)
        self.before = self.pack()
        self.struct.write(self.before)

    def pack(self):
        f = self.fields
        lengths = (f["timeout_ms"], f["request_len"], f["response_len"], f["data_len"], f["data_valid"], 0)
        return struct.pack("<16s6I3Q2I", f["guid"], *lengths, f["request"], f["response"], f["data"], UNSET, UNSET)

    @property
    def after(self):
        return self.struct.read(72)

    @property
    def reply(self):
        """(status, response length) as written back."""
        return struct.unpack("<II", self.struct.read(8, 64))

    def head(self):
        return unseal(self.response.read(self.reply[1]))

    def free(self):
        for memory in (self.request, self.response, self.data, self.struct):
            memory.free()


def ioctl(fd, number, address):
    """0 or a negative errno."""
    return 0 if _libc.ioctl(fd, number, address) == 0 else -ctypes.get_errno()


def call(fd, arguments, number=LIST):
    return ioctl(fd, number, arguments.struct.address)


def name(result):
    """"EAGAIN"; "0"."""
    return errno.errorcode[-result] if result < 0 else str(result)
