# SPDX-License-Identifier: MIT
"""Memory of the two programs, sampled while a step runs."""

import pathlib
import re
import threading

INTERVAL_S = 0.25
SLOTS_USED = ('blobproxy_slots_used{class="small"}', 'blobproxy_slots_used{class="large"}')
PROGRAMS = ("blobproxyd", "blobhostd")


def kernel_says(pid):
    """{field: bytes}"""
    text = pathlib.Path(f"/proc/{pid}/status").read_text()
    return {field: int(count) * 1024 for field, count in re.findall(r"(?m)^(\w+):\s+(\d+) kB", text)}


class Series:
    """Values of one kind since the warm-up."""

    def __init__(self):
        self.values = []

    @property
    def first(self):
        return self.values[0]

    @property
    def largest(self):
        return max(self.values)

    @property
    def growth(self):
        return self.largest - self.first


class Sampler(threading.Thread):
    """Samples until the context ends; memory counts from when is_warm() holds."""

    def __init__(self, daemon, is_warm):
        super().__init__()
        self._tested, self._is_warm = daemon, is_warm
        self._pids = {"blobproxyd": daemon.proxy.pid, "blobhostd": daemon.host_pid()}
        self.resident = {name: Series() for name in PROGRAMS}
        self.own = {name: Series() for name in PROGRAMS}  # without the memfds: these are mapped by both
        self.shared = Series()  # the memfds, slots and rings: blobproxyd has touched them all
        self.slots_used = 0
        self._is_over, self._failure = threading.Event(), None

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, kind, *_):
        self._is_over.set()
        self.join()
        if self._failure and not kind:
            raise self._failure

    def run(self):
        try:
            while not self._is_over.wait(INTERVAL_S):
                self._sample()
        except Exception as error:  # handed to the step
            self._failure = error

    def _sample(self):
        metrics = self._tested.metrics()
        self.slots_used = max(self.slots_used, int(sum(metrics[name] for name in SLOTS_USED)))
        if not self._is_warm():
            return
        for name, pid in self._pids.items():
            now = kernel_says(pid)
            self.resident[name].values.append(now["VmRSS"])
            self.own[name].values.append(now["RssAnon"] + now["RssFile"])
            if name == "blobproxyd":
                self.shared.values.append(now["RssShmem"])
