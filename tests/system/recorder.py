# SPDX-License-Identifier: MIT
"""An HTTP endpoint that keeps every byte of the requests it gets and answers the bytes it was told to."""

import queue
import re
import socket
import threading

DEADLINE_S = 20


class Recorded:
    """A request as it arrived."""

    def __init__(self, head, body):
        self.head, self.body = head, body
        lines = head.decode("latin-1").split("\r\n")
        self.line = lines[0]
        self.method, self.target, self.version = lines[0].split(" ")
        self.fields = [tuple(line.split(": ", 1)) if ": " in line else (line.rstrip(":"), "") for line in lines[1:]]

    def field(self, name):
        values = [value for field, value in self.fields if field.lower() == name.lower()]
        return values[0] if values else None


class Recorder:
    """One thread for each connection; answers are taken in the order they were given."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        self.requests, self.answers, self.connections = queue.Queue(), queue.Queue(), []
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for end in (self.listener, *self.connections):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            end.close()

    def answer(self, data):
        self.answers.put(data)

    def next_request(self):
        return self.requests.get(timeout=DEADLINE_S)

    def must_be_silent(self):
        assert self.requests.empty(), f"there is another request: {self.requests.get().line}"

    def _accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.connections.append(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        pending = b""
        try:
            while True:
                while b"\r\n\r\n" not in pending:
                    data = connection.recv(1 << 16)
                    if not data:
                        return
                    pending += data
                head, pending = pending.split(b"\r\n\r\n", 1)
                found = re.search(rb"\r\ncontent-length: *(\d+)", head, re.IGNORECASE)
                size = int(found.group(1)) if found else 0
                while len(pending) < size:
                    data = connection.recv(1 << 16)
                    if not data:
                        return
                    pending += data
                self.requests.put(Recorded(head, pending[:size]))
                pending = pending[size:]
                connection.sendall(self.answers.get(timeout=DEADLINE_S))
        except (OSError, queue.Empty):
            return
