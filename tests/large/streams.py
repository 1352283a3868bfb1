# SPDX-License-Identifier: MIT
"""Bodies of many GiB that exist nowhere as a whole: sent and received piece by piece, known by their digest."""

import base64
import hashlib
import random
import socket
import struct
import threading
import time
import urllib.parse

from rawhttp import Connection, put_blob, request

MIB = 1 << 20
PIECE = 4 * MIB
BLOCK = 8 * MIB - 4096  # of blobs made in blocks: not the size of a slot, so that reads cross the blocks' borders
PERIOD = 16 * MIB - 3  # odd: no two pieces of a body that begin at multiples of a slot or a block are the same
TIMEOUT_S = 120


class Body:
    """Bytes that repeat after PERIOD; seeds make different ones."""

    def __init__(self, count, seed):
        self.count = count
        once = random.Random(seed).randbytes(PERIOD)
        self._twice = memoryview(once + once[: max(PIECE, BLOCK)])
        self._sha256 = None

    def at(self, first, count):
        """Up to PIECE or BLOCK bytes from this place on, without a copy."""
        begin = first % PERIOD
        return self._twice[begin : begin + min(count, self.count - first)]

    def pieces(self, end=None, count=PIECE):
        end = self.count if end is None else end
        for first in range(0, end, count):
            yield self.at(first, min(count, end - first))

    def sha256(self):
        if not self._sha256:
            digest = hashlib.sha256()
            for piece in self.pieces():
                digest.update(piece)
            self._sha256 = digest.hexdigest()
        return self._sha256


class Progress:
    """Bytes moved by all clients of one step."""

    def __init__(self):
        self._lock = threading.Lock()
        self.bytes = 0
        self.begin = time.monotonic()

    def add(self, count):
        with self._lock:
            self.bytes += count

    def seconds(self):
        return time.monotonic() - self.begin


def put(address, target, body, progress):
    """One Put Blob."""
    with Connection(address, timeout=TIMEOUT_S) as connection:
        connection.send(put_blob(target, b"", length=body.count))
        for piece in body.pieces():
            connection.send(piece)
            progress.add(len(piece))
        return connection.read_answer("PUT")


def put_in_blocks(address, target, body, progress):
    """Put Block for each block, Put Block List."""
    ids = []
    with Connection(address, timeout=TIMEOUT_S) as connection:
        for number, piece in enumerate(body.pieces(count=BLOCK)):
            ids.append(base64.b64encode(b"%08d" % number).decode())
            query = f"?comp=block&blockid={urllib.parse.quote(ids[-1], safe='')}"
            connection.send(request("PUT", target + query, length=len(piece))).send(piece).read_answer("PUT").must_be(201)
            progress.add(len(piece))
        rows = "".join(f"<Latest>{block_id}</Latest>" for block_id in ids)
        text = f"<BlockList>{rows}</BlockList>".encode()
        return connection.exchange(request("PUT", target + "?comp=blocklist", (), text), "PUT")


def get(address, target, progress):
    """(head of the answer, bytes, SHA-256): the body goes through one buffer."""
    buffer, digest, count = memoryview(bytearray(PIECE)), hashlib.sha256(), 0
    with Connection(address, timeout=TIMEOUT_S) as connection:
        answer = connection.send(request("GET", target)).read_head()
        length = int(answer.header("Content-Length") or 0)
        digest.update(connection.pending)
        count += len(connection.pending)
        while count < length:
            received = connection.socket.recv_into(buffer)
            assert received, f"the body ended after {count} of {length} bytes"
            digest.update(buffer[:received])
            count += received
            progress.add(received)
    return answer, count, digest.hexdigest()


def leave_put(address, target, body, count):
    """Sends the head of a Put Blob and a part of its body, then resets the connection."""
    connection = Connection(address, timeout=TIMEOUT_S)
    connection.send(put_blob(target, b"", length=body.count))
    for piece in body.pieces(count):
        connection.send(piece)
    connection.reset()


def leave_get(address, target, count):
    """Reads the head of an answer and a part of its body, then resets the connection."""
    connection = Connection(address, timeout=TIMEOUT_S)
    answer = connection.send(request("GET", target)).read_head()
    answer.must_be(200)
    while count > 0:
        received = len(connection.socket.recv(min(count, MIB)))
        assert received, "the body ended"
        count -= received
    connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def at_once(*calls):
    """Runs each on a thread of its own; returns what they returned, in order, or raises the first failure."""
    results, failures = [None] * len(calls), []

    def run(index):
        try:
            results[index] = calls[index]()
        except Exception as error:  # handed to the step
            failures.append(error)

    threads = [threading.Thread(target=run, args=(index,)) for index in range(len(calls))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
    return results
