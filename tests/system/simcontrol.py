# SPDX-License-Identifier: MIT
"""The control socket of blobdevsim."""

import socket
import time

POLL_S = 0.01


class SimControl:
    """Each command over a connection of its own, so that any thread may use it."""

    def __init__(self, path):
        self.path = path

    def __call__(self, line):
        with socket.socket(socket.AF_UNIX) as stream:
            stream.settimeout(20)
            stream.connect(self.path)
            stream.sendall(line.encode() + b"\n")
            answer = b""
            while not answer.endswith(b"\n"):
                part = stream.recv(8192)
                assert part, f"{line}: no answer"
                answer += part
        text = answer.decode().strip()
        assert not text.startswith("error"), text
        return text

    def stats(self):
        return {name: int(value) for name, value in (word.split("=") for word in self("stats").split())}

    def wait(self, condition, what, deadline_s=20):
        """Asks for the counters until the condition holds of them; returns them."""
        end = time.monotonic() + deadline_s
        while True:
            stats = self.stats()
            if condition(stats):
                return stats
            assert time.monotonic() < end, f"no {what} within {deadline_s} s: {stats}"
            time.sleep(POLL_S)
