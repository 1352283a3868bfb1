# SPDX-License-Identifier: MIT
"""Load that does not stop for anything, and remembers whatever went wrong."""

import threading

from rawhttp import Closed, Connection, request


class SteadyClient(threading.Thread):
    """Gets one blob all the time, as an HTTP client does: on one connection until that is closed by an answer that says so."""

    def __init__(self, address, target, content, stop):
        """stop: the threading.Event that ends it."""
        super().__init__()
        self.address, self.target, self.content, self.stop = address, target, content, stop
        self.answers, self.failures = 0, []

    def run(self):
        connection = None
        while not self.stop.is_set():
            try:
                connection = connection or Connection(self.address, timeout=60)
                answer = connection.exchange(request("GET", self.target))
            except (Closed, OSError) as error:
                self.failures.append(repr(error))
                connection = connection and connection.close()
                continue
            self.answers += 1
            if answer.status != 200 or answer.body != self.content:
                self.failures.append(repr(answer))
            if (answer.header("Connection") or "").lower() == "close":
                connection = connection.close()
        if connection:
            connection.close()


class SteadyLoad:
    """A client for each of these addresses, inside of "with"."""

    def __init__(self, addresses, target, content):
        self.stop = threading.Event()
        self.clients = [SteadyClient(address, target, content, self.stop) for address in addresses]

    def __enter__(self):
        for client in self.clients:
            client.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        for client in self.clients:
            client.join()

    def answers(self):
        return sum(client.answers for client in self.clients)

    def failures(self):
        return [failure for client in self.clients for failure in client.failures]
