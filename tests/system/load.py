# SPDX-License-Identifier: MIT
"""Clients that write and read all the time and know what they must see."""

import hashlib
import os
import random
import threading
import time

from rawhttp import Client, Closed, Connection, put_blob, request

SIZES = (1000, 200_000, 3_000_000, 7_000_000)


class Load:
    """Each thread writes blobs of its own and reads them again. As a context it runs as long as the block."""

    def __init__(self, address, threads=6, sizes=SIZES):
        self.address, self.sizes = address, sizes
        self.wrong = []  # whatever must never be seen
        self.statuses = {}  # status or "broken": how often
        self.refusals = []  # answers other than success
        self.written = {}  # target: digest, of every write that was acknowledged last
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._run, args=(number,)) for number in range(threads)]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def count(self, status):
        with self._lock:
            return self.statuses.get(status, 0)

    def successes(self):
        return self.count(200) + self.count(201)

    def take_refusals(self):
        """Those since it was last called."""
        with self._lock:
            taken, self.refusals = self.refusals, []
        return taken

    def _note(self, status, answer=None):
        with self._lock:
            self.statuses[status] = self.statuses.get(status, 0) + 1
            if answer and answer.status >= 300:
                self.refusals.append(answer)

    def _run(self, number):
        choice = random.Random(number)
        client = Client(self.address)
        while not self._stop.is_set():
            try:
                self._round(client, f"/box/load-{number}-{choice.randrange(4)}", choice.choice(self.sizes))
            except (Closed, OSError):
                self._note("broken")
                client.close()
                time.sleep(0.05)  # as a client backs off
        client.close()

    def _round(self, client, target, size):
        data = os.urandom(size)
        digest = hashlib.sha256(data).digest()
        before = self.written.pop(target, None)  # neither the old nor the new, until the answer is there
        try:
            answer = client.exchange(put_blob(target, data), "PUT")
        except ConnectionRefusedError:  # nothing was sent
            if before:
                self.written[target] = before
            raise
        self._note(answer.status, answer)
        if answer.status != 201:
            return
        self.written[target] = digest
        answer = client.exchange(request("GET", target))
        self._note(answer.status, answer)
        if answer.status == 200 and hashlib.sha256(answer.body).digest() != digest:
            self.wrong.append(f"{target}: other bytes than written" + (" (the old ones)" * (before is not None)))
        if answer.status == 404:
            self.wrong.append(f"{target}: acknowledged and then missing")

    def verify(self):
        """Every acknowledged write that was the last on its blob can be read; returns how many there are."""
        for target, digest in self.written.items():
            with Connection(self.address) as connection:
                answer = connection.exchange(request("GET", target))
            if answer.status != 200 or hashlib.sha256(answer.body).digest() != digest:
                self.wrong.append(f"{target}: {answer.status} afterwards, or other bytes")
        return len(self.written)
