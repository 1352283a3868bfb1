#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""blobproxyctl probe: on this machine, on devices that are none, and under blobdevsim, which counts what is sent."""

import json
import os
import pathlib
import re
import stat
import subprocess
import sys
import tempfile

from harness import BUILD, ROOT, Host, equal, finish, skip, step, wait_for
from simcontrol import SimControl

PROGRAM = BUILD / "blobproxyctl"
NO_DEVICE = "/dev/no-such-device"
NOBODY = 65534
NUMBERS = ("0xc04852f0", "0xc048520a", "0xc040520a")


def run(*arguments, **more):
    return subprocess.run(
        [PROGRAM, *map(str, arguments)], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30, check=False, **more
    )


def report(*arguments, exit_code=1):
    result = run("probe", "--json", *arguments)
    equal(result.returncode, exit_code)
    equal(result.stderr, "")
    return json.loads(result.stdout)


def must_refuse(*arguments):
    """Exit code 2, nothing on the standard output, one line that begins with the program's name and names the culprit."""
    result = run(*arguments)
    equal(result.returncode, 2)
    equal(result.stdout, "")
    equal(result.stderr.count("\n"), 1)
    assert result.stderr.startswith("blobproxyctl: "), result.stderr
    assert result.stderr.endswith(": see blobproxyctl --help\n"), result.stderr
    return result.stderr


def command_line():
    with step("--help names the verb and all options, and the verb's own help says the same"):
        result = run("--help")
        equal(result.returncode, 0)
        for word in ("probe [--json] [--device PATH]", "--json", "--help", "--version"):
            assert word in result.stdout, word
        equal(run("probe", "--help").stdout.splitlines()[0], "Usage: blobproxyctl probe [--json] [--device PATH]")

    with step("--version is that of the daemon"):
        daemon = subprocess.run([BUILD / "blobproxyd", "--version"], capture_output=True, text=True, check=True).stdout.split()[-1]
        equal(run("--version").stdout, f"blobproxyctl {daemon}\n")

    table = (
        ((), "say what to do"),
        (("prob",), "prob"),
        (("--foo",), "--foo"),
        (("-x",), "-x"),
        (("-xy", "probe"), "-x"),
        (("--json=yes", "probe"), "--json=yes"),
        (("probe", "--foo"), "--foo"),
        (("probe", "-j"), "-j"),
        (("probe", "/dev/azure_blob"), "/dev/azure_blob"),
        (("probe", "--device"), "--device needs a value"),
        (("probe", "--device", ""), "a whole path"),
        (("probe", "--device", "azure_blob"), "a whole path"),
        (("probe", "--device", "/" + "x" * 127), "a whole path"),
    )
    for arguments, culprit in table:
        with step(f"a wrong command line is refused in one line: {' '.join(arguments)[:40]}"):
            said = must_refuse(*arguments)
            assert culprit in said, said

    with step("a report that cannot be written is a failure"):
        with open("/dev/full", "w", encoding="ascii") as full:
            for arguments in (("probe",), ("probe", "--json"), ("--help",)):
                result = subprocess.run([PROGRAM, *arguments], stdout=full, stderr=subprocess.PIPE, text=True, check=False, timeout=30)
                equal(result.returncode, 1)
                assert "cannot write" in result.stderr, result.stderr


def without_a_device():
    with step("without a device: exit 1, a mark for each row, and the verdict last"):
        result = run("probe", "--device", NO_DEVICE)
        equal(result.returncode, 1)
        equal(result.stderr, "")
        table, _, end = result.stdout.partition("\n\n")
        for line in table.splitlines():
            assert re.match(r"(ok|NO|! |- )  \S| {20}", line), line
        assert re.search(rf"^NO  {NO_DEVICE} +not there +no driver has made it$", table, re.M), table
        assert re.fullmatch(r"verdict: (emulated|upstream): .*\.\n   next: .*\n", end), end

    with step("the JSON is one object with the same rows and verdict"):
        found = report("--device", NO_DEVICE)
        text = run("--json", "probe", "--device", NO_DEVICE).stdout
        equal(json.loads(text)["verdict"], found["verdict"])
        equal(found["verdict"]["usable"], False)
        equal(found["kernel"]["release"], os.uname().release)
        equal(found["kernel"]["page_bytes"], os.sysconf("SC_PAGESIZE"))
        equal([node["path"] for node in found["nodes"]], [NO_DEVICE])
        equal(found["nodes"][0]["open"], "ENOENT")
        table = run("probe", "--device", NO_DEVICE).stdout
        for row in found["facts"]:
            assert row["fact"] in table and row["value"] in table, row

    with step("the published paths are looked at when none is named"):
        found = json.loads(run("probe", "--json").stdout)
        equal([node["path"] for node in found["nodes"] if not node["is_uio"]], ["/dev/azure_blob", "/dev/azure_xs_fastpath"])

    with step("every fact is in the man page"):
        page = (ROOT / "man/blobproxyctl.1").read_text()
        for row in report("--device", NO_DEVICE)["facts"]:
            name = row["fact"].removesuffix(NO_DEVICE).split(" 0x")[0]
            name = "module" if name.startswith("module ") else name
            assert name in page, row


def devices_that_are_none():
    with step("a device of another driver knows no number"):
        found = report("--device", "/dev/null")
        node = found["nodes"][0]
        equal(node["ioctls"], {number: "ENOTTY" for number in NUMBERS})
        equal(node["inherited"], None)
        equal((node["file"]["major"], node["file"]["minor"]), (1, 3))
        equal(found["verdict"]["channel"], "upstream")
        assert "none of the published numbers" in found["verdict"]["why"], found["verdict"]

    with tempfile.TemporaryDirectory() as directory:
        with step("a file, a directory and a pipe are not opened"):
            file, pipe = directory + "/file", directory + "/pipe"
            pathlib.Path(file).write_text("x")
            os.mkfifo(pipe)
            for path in (file, directory, pipe):
                node = report("--device", path)["nodes"][0]
                equal((node["open"], node["file"]["is_device"]), (None, False))

        name = "a device that is not this user's"
        node = directory + "/device"
        try:
            os.mknod(node, 0o600 | stat.S_IFCHR, os.makedev(1, 3))
            os.chmod(directory, 0o755)
        except PermissionError:
            skip(name, "takes root")
            return
        with step(name):
            result = run("probe", "--json", "--device", node, user=NOBODY, group=NOBODY, extra_groups=[])
            found = json.loads(result.stdout)
            equal(result.returncode, 1)
            equal(found["nodes"][0]["open"], "EACCES")
            assert "sudo" in found["verdict"]["next"], found["verdict"]


class Sim:
    """A host, and blobdevsim runs of the probe; after each the command waits until the counters have been read."""

    def __init__(self, directory):
        self.directory = pathlib.Path(directory)
        self.control = SimControl(str(self.directory / "control.sock"))
        self.host = Host(directory)
        wait_for(lambda: os.path.exists(self.host.socket), "bus socket")

    def probe(self, *options, arguments=()):
        """(report, exit status of the probe, counters)"""
        words = " ".join(map(str, (PROGRAM, "probe", "--json", *arguments)))
        command = ["sh", "-c", f"{words}; code=$?; echo; echo $code; exec cat >/dev/null"]
        sim = [BUILD / "tests/blobdevsim", "--bus", self.host.socket, "--control", self.control.path, *options, "--", *command]
        with subprocess.Popen(
            list(map(str, sim)), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as process:
            try:
                text = ""
                while not re.search(r"\n\n\d+\n$", text):
                    line = process.stdout.readline()
                    assert line, f"blobdevsim ended: {process.stderr.read()}"
                    text += line
                stats = self.control.stats()
                process.stdin.close()
                equal(process.wait(30), 0)
            finally:
                process.kill()
        text, _, code = text.rstrip("\n").rpartition("\n")
        return json.loads(text), int(code), stats


def must_have_sent_nothing(stats):
    """Each ioctl that the driver knows ended before it could read what to send: at the credentials, or at the argument."""
    for name in ("completed", "lost", "aborted", "vanished", "in_flight", "violations"):
        equal(stats[name], 0)
    equal(stats["EFAULT"] + stats["EACCES"], stats["ioctls_list"] + stats["ioctls_vendor"])
    equal(stats["EACCES"], 1)


def under_the_stand_in():
    if not (BUILD / "tests/blobdevsim").exists():
        skip("the probe under blobdevsim", "it is not built")
        return
    with tempfile.TemporaryDirectory() as directory:
        sim = Sim(directory)
        try:
            stand_in_steps(sim)
        finally:
            sim.host.stop()


def stand_in_steps(sim):
    with step("the device is usable, both numbers are known, and nothing was sent"):
        found, code, stats = sim.probe()
        equal(code, 0)
        equal((found["verdict"]["usable"], found["verdict"]["channel"]), (True, "device"))
        node = found["nodes"][0]
        equal(node["ioctls"], dict(zip(NUMBERS, ("ok", "ok", "EINVAL"))))
        equal(node["inherited"], "EACCES")
        equal((stats["ioctls_list"], stats["ioctls_vendor"], stats["ioctls_unknown"]), (2, 1, 1))
        must_have_sent_nothing(stats)

    for knows, want in (("list", ("ok", "ENOTTY", "ENOTTY")), ("vendor", ("ENOTTY", "ok", "ENOTTY"))):
        with step(f"a driver that knows the number of one origin: {knows}"):
            found, code, stats = sim.probe("--knows", knows, "--unknown-errno", "ENOTTY")
            equal(code, 0)
            equal(found["nodes"][0]["ioctls"], dict(zip(NUMBERS, want)))
            equal(found["nodes"][0]["inherited"], "EACCES")
            must_have_sent_nothing(stats)

    with step("a device of another name"):
        found, code, _ = sim.probe("--device", "/dev/other", arguments=("--device", "/dev/other"))
        equal((code, found["verdict"]["channel"]), (0, "device"))
        assert "channel.device = /dev/other" in found["verdict"]["next"], found["verdict"]

    with step("a device that is not there"):
        found, code, _ = sim.probe("--absent")
        equal((code, found["verdict"]["usable"], found["nodes"][0]["open"]), (1, False, "ENOENT"))

    with step("a device that may not be opened"):
        found, code, _ = sim.probe("--fault", "refuse EACCES 100 times")
        equal((code, found["nodes"][0]["open"]), (1, "EACCES"))
        assert "may not be opened" in found["verdict"]["why"], found["verdict"]


def main():
    command_line()
    without_a_device()
    devices_that_are_none()
    under_the_stand_in()
    return finish()


if __name__ == "__main__":
    sys.exit(main())
