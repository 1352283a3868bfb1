# SPDX-License-Identifier: MIT
"""Load that does not stop for anything, and remembers whatever went wrong."""

import threading

from rawhttp import Client, Closed, request


class SteadyClient(threading.Thread):
    """Gets one blob all the time."""

    def __init__(self, address, target, content, stop):
        """stop: the threading.Event that ends it."""
        super().__init__()
        self.address, self.target, self.content, self.stop = address, target, content, stop
        self.answers, self.failures = 0, []

    def run(self):
        client = Client(self.address)
        while not self.stop.is_set():
            try:
                answer = client.exchange(request("GET", self.target))
            except (Closed, OSError) as error:
                self.failures.append(repr(error))
                client.close()
                continue
            self.answers += 1
            if answer.status != 200 or answer.body != self.content:
                self.failures.append(repr(answer))
        client.close()


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
