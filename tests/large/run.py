#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Bodies of many GiB through blobproxyd and its embedded store: right, with flat memory, and nothing left of broken ones.

usage: run.py [--divide N] [--directory DIRECTORY]
  --divide N             bodies of an Nth of the size: a quick look
  --directory DIRECTORY  where the store is made, and removed at the end (default: /var/tmp)

BLOBPROXY_BUILD  where the programs were built
"""

import argparse
import functools
import pathlib
import shutil
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "system"))
sys.path.insert(0, str(HERE))

import streams  # noqa: E402
from harness import Daemon, equal, finish, note, step  # noqa: E402
from memory import PROGRAMS, Sampler  # noqa: E402
from rawhttp import request  # noqa: E402

MIB = streams.MIB
GIB = 1024 * MIB
WARM_UP = 256 * MIB  # moved before memory counts: every slot of the window was in use by then
SAMPLES_MIN = 3
# The slots are touched at the start, and what else the programs have does not grow with a body: room for what allocators keep and
# for pages of the store's index, as much as one large slot. blobhostd's RSS includes each slot from when it first saw it.
OWN_GROWTH_MAX = 8 * MIB
SHARED_GROWTH_MAX = 1 * MIB
DISK_FACTOR = 1.25
CONFIG = "[log]\nlevel = notice\n"


class Large:
    """The tests' daemon, and the rows of the table."""

    def __init__(self, daemon, divisor):
        self.daemon, self.divisor, self.rows = daemon, divisor, []

    def body(self, gib, seed):
        return streams.Body(gib * GIB // self.divisor, seed)

    def sampled(self, what, count, calls):
        """Runs the calls (each is given the progress) at once while memory is watched; returns what they returned."""
        progress = streams.Progress()
        with Sampler(self.daemon, lambda: progress.bytes >= min(WARM_UP, count // 4)) as sampler:
            results = streams.at_once(*(functools.partial(call, progress) for call in calls))
            seconds = progress.seconds()
        self.rows.append((what, count, seconds, sampler))
        return results

    def memory_is_flat(self):
        """In the step that was run last."""
        sampler = self.rows[-1][3]
        for name in PROGRAMS:
            own, resident = sampler.own[name], sampler.resident[name]
            assert len(own.values) >= SAMPLES_MIN, f"only {len(own.values)} samples of {name}"
            assert own.growth <= OWN_GROWTH_MAX, f"{name} grew by {own.growth / MIB:.1f} MiB beside the slots"
            assert resident.growth <= sampler.shared.largest, f"{name} grew by {resident.growth / MIB:.1f} MiB"
        grown = sampler.shared.growth
        assert grown <= SHARED_GROWTH_MAX, f"slots and rings grew by {grown / MIB:.1f} MiB"
        budget = self.daemon.metric('blobproxy_slots{class="small"}') + self.daemon.metric('blobproxy_slots{class="large"}')
        assert 0 < sampler.slots_used <= budget, f"{sampler.slots_used} slots used, {budget} in the budget"

    def put(self, target, body, progress):
        return streams.put(self.daemon.address, target, body, progress)

    def must_be(self, target, body, progress):
        """The blob's content, read with one GET, is the body."""
        answer, count, digest = streams.get(self.daemon.address, target, progress)
        answer.must_be(200)
        equal((count, digest), (body.count, body.sha256()))

    def delete(self, target):
        self.daemon.exchange(request("DELETE", target), "DELETE").must_be(202)

    def print_table(self):
        """Memory in MiB: at the end of the warm-up, the most since then; and how much of the growth is not slots."""
        print(f"# {'':<14}{'':>6} {'':>6} {'':>6} |{'blobproxyd RSS':^24}|{'blobhostd RSS':^24}|{'slots, rings':^16}| slots")
        columns = f" |{'warm':>7} {'most':>7} {'grown':>7} " * 2
        print(f"# {'step':<14}{'MiB':>6} {'s':>6} {'MiB/s':>6}{columns}|{'most':>7} {'grown':>8} | used")
        for what, count, seconds, sampler in self.rows:
            cells = [f"# {what:<14}{count / MIB:>6.0f} {seconds:>6.1f} {count / MIB / seconds:>6.0f} "]
            for name in PROGRAMS:
                resident, own = sampler.resident[name], sampler.own[name]
                if own.values:
                    cells.append(f"{resident.first / MIB:>7.1f} {resident.largest / MIB:>7.1f} {own.growth / MIB:>7.1f} ")
            if sampler.shared.values:
                cells.append(f"{sampler.shared.largest / MIB:>7.1f} {sampler.shared.growth / MIB:>8.1f}")
            print("|".join(cells) + f" | {sampler.slots_used:>4}")


def test_single_put(large):
    body = large.body(5, seed=1)
    with step(f"a single PUT of {body.count} bytes"):
        (answer,) = large.sampled("PUT", body.count, [functools.partial(large.put, "/box/single", body)])
        answer.must_be(201)
        large.memory_is_flat()
        large.daemon.wait_idle()
    with step("its content is what was sent"):
        large.sampled("GET of the same", body.count, [functools.partial(large.must_be, "/box/single", body)])
        large.memory_is_flat()
    large.delete("/box/single")


def test_get_of_blocks(large):
    body = large.body(8, seed=2)
    with step(f"{body.count} bytes in blocks"):
        call = functools.partial(streams.put_in_blocks, large.daemon.address, "/box/blocks", body)
        (answer,) = large.sampled("PUT in blocks", body.count, [call])
        answer.must_be(201)
        large.memory_is_flat()
    with step(f"a GET of {body.count} bytes"):
        large.sampled("GET", body.count, [functools.partial(large.must_be, "/box/blocks", body)])
        large.memory_is_flat()
        large.daemon.wait_idle()
    return body


def test_client_leaves_get(large, body):
    """Of the blob of the test before."""
    with step("a client that leaves in the middle of a GET leaves no busy slot"):
        streams.leave_get(large.daemon.address, "/box/blocks", body.count // 16)
        large.daemon.wait_idle()
        large.daemon.must_serve()
    large.delete("/box/blocks")


def test_four_at_once(large):
    bodies = {f"/box/stream-{number}": large.body(1, seed=10 + number) for number in range(4)}
    count = sum(body.count for body in bodies.values())
    with step(f"4 PUTs at once, {count} bytes together"):
        answers = large.sampled("4 PUTs", count, [functools.partial(large.put, *row) for row in bodies.items()])
        for answer in answers:
            answer.must_be(201)
        large.memory_is_flat()
        large.daemon.wait_idle()
    with step("4 GETs of them at once"):
        large.sampled("4 GETs", count, [functools.partial(large.must_be, *row) for row in bodies.items()])
        large.memory_is_flat()
        large.daemon.wait_idle()
    for target in bodies:
        large.delete(target)


def test_client_leaves_put(large):
    body = large.body(1, seed=20)
    with step("a client that leaves in the middle of a PUT leaves no blob and no busy slot"):
        streams.leave_put(large.daemon.address, "/box/left", body, body.count // 2)
        large.daemon.wait_idle()
        large.daemon.exchange(request("GET", "/box/left")).must_be(404, "BlobNotFound")
        listed = large.daemon.exchange(request("GET", "/box?restype=container&comp=list")).must_be(200).body
        assert b"<Name>left</Name>" not in listed, listed
        large.daemon.must_serve()
    with step("and takes nothing from a blob that is there"):
        large.daemon.upload("/box/kept", b"as it was")
        streams.leave_put(large.daemon.address, "/box/kept", body, body.count // 2)
        large.daemon.wait_idle()
        equal(large.daemon.exchange(request("GET", "/box/kept")).must_be(200).body, b"as it was")


def run(large):
    large.daemon.make_container()
    test_single_put(large)
    body = test_get_of_blocks(large)
    test_client_leaves_get(large, body)
    test_four_at_once(large)
    test_client_leaves_put(large)


def main():
    parser = argparse.ArgumentParser(usage=__doc__.split("usage: ")[1])
    parser.add_argument("--divide", type=int, default=1)
    parser.add_argument("--directory", default="/var/tmp")
    options = parser.parse_args()
    needed, free = int(8 * GIB * DISK_FACTOR) // options.divide, shutil.disk_usage(options.directory).free
    if free < needed:
        sys.exit(f"{options.directory} has {free / GIB:.1f} GiB free, {needed / GIB:.1f} GiB are needed; see --directory")
    tempfile.tempdir = options.directory  # where the harness makes the daemon's own directory
    with Daemon(CONFIG) as daemon:
        large = Large(daemon, options.divide)
        try:
            run(large)
        finally:
            large.print_table()
    note("the store is removed")
    return finish()


if __name__ == "__main__":
    sys.exit(main())
