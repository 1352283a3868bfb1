#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""blobdevsim is the driver that was published: its checks in their order, each error, what it writes back; and each of its faults.

Each scenario is a function in devsim_calls.py or devsim_faults.py, run as the command of a blobdevsim of its own, against one blobhostd."""

import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile

from harness import BUILD, Host, equal, finish, note, skip, step, wait_for
from simcontrol import SimControl

INSIDE = pathlib.Path(__file__).with_name("devsim_inside.py")
VIOLATIONS = 97


class Place:
    """A directory with a host in it."""

    def __init__(self, directory):
        self.directory = pathlib.Path(directory)
        self.control = SimControl(str(self.directory / "control.sock"))
        self.host = None

    def start_host(self):
        self.host = Host(self.directory)
        wait_for(lambda: os.path.exists(self.host.socket), "bus socket")

    def command(self, *command, options=()):
        sim = [BUILD / "tests/blobdevsim", "--bus", self.directory / "bus.sock", "--control", self.control.path, "--slots", "32,3"]
        return [*map(str, sim), *map(str, options), "--", *map(str, command)]

    def run(self, *command, options=(), timeout_s=60):
        return subprocess.run(
            self.command(*command, options=options), stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout_s
        )

    def scenario(self, name, title, *options, exit_code=0):
        with step(title):
            result = self.run(sys.executable, INSIDE, name, self.control.path, options=options)
            assert result.returncode == exit_code, f"exit status {result.returncode}: {(result.stdout + result.stderr)[-3000:]}"
            if exit_code == 0:
                assert "violation" not in result.stderr, result.stderr


def call_steps(place):
    run = place.scenario
    run("order_of_checks", "the checks come in the driver's order")
    run("pins_come_before_the_page_count", "the buffers are pinned one after the other, and then the pages are counted")
    run("failure_writes_nothing", "a failed ioctl writes nothing back, a good one only status and response length")
    run("credentials_of_the_opener", "threads of the opener may call; after fork or exec, or passed on, it is EACCES")
    run("other_files_and_paths", "other files, paths and ioctls are left alone")
    run("knows_one_number", "a driver that knows the list's number only", "--knows", "list")
    run("knows_the_vendors_number", "a driver that knows the vendor's number only", "--knows", "vendor", "--unknown-errno", "ENOTTY")
    if os.geteuid() == 0:
        run("credentials_after_a_change_of_user", "a change of user, even there and back, ends the opening")
        run("works_for_another_user", "a command of another user")


def transfer_steps(place):
    run = place.scenario
    run("sizes", "bodies of 0 B, 1 B, 4 MiB and 31 MiB there and back, byte for byte, and nothing behind them is touched")
    run("odd_addresses", "buffers that begin and end anywhere in their pages")
    run("small_response_buffer", "an answer that does not fit the caller's buffer")
    run("host_refuses_what_the_driver_takes", "what passes the driver and not the host has a status")
    run("many_threads", "many threads at a time")


def wait_steps(place):
    run = place.scenario
    run("depth", "EAGAIN at a set depth")
    run("ring_of_4_mib", "the ring holds 15 transfers of 4 MiB", "--fault", "stall on")
    run("ring_of_31_mib", "the ring holds one transfer of 31 MiB", "--fault", "stall on")
    run("signals_do_not_interrupt", "signals do not interrupt a call, and it is made once")
    run("killed_while_waiting", "a process killed during its call leaves nothing behind")
    run("removal_and_return", "removal: what is pending completes, then ENODEV and no device; descriptors stay dead after its return")
    run("removal_and_return_by_themselves", "removal after so many transfers and return after a time")
    run("absent", "no device at the start, then it comes", "--absent")


def fault_steps(place):
    run = place.scenario
    run("fault_delay", "fault: delayed completions")
    run("fault_errors", "fault: each error once, often, and at its rate")
    run("fault_eintr", "fault: EINTR leaves a request that was executed")
    run("fault_opens", "fault: opens fail")
    run("fault_lost", "fault: a completion is lost until it is released, or the device removed")
    run("fault_replies", "fault: wrong response lengths, and nothing written back")
    run("fault_scribble", "fault: the buffers change while the host has them")
    run("control_errors", "commands that are none are refused")


def violation_steps(place):
    run = place.scenario
    run("good_memory", "memory that has been written to, of whatever kind, is no violation")
    for kind in ("never_written", "only_read", "shared_by_fork", "only_the_last_page", "taken_away"):
        run("violation_" + kind, f"a violation: {kind.replace('_', ' ')}", exit_code=VIOLATIONS)


def exit_steps(place):
    with step("the exit status is the command's"):
        equal(place.run("sh", "-c", "exit 42").returncode, 42)
        equal(place.run("sh", "-c", "kill -9 $$").returncode, 128 + 9)
        equal(place.run("/nonexistent/program").returncode, 127)
    with step("violations do not change it when they are allowed"):
        command = (sys.executable, INSIDE, "violation_never_written", place.control.path)
        result = place.run(*command, options=["--allow-violations"])
        equal(result.returncode, 0)
        assert "1 violations" in result.stderr, result.stderr
    with step("signals go on to the command"):
        script = "trap 'exit 7' TERM; trap 'echo hup' HUP; echo ready; while :; do sleep 0.02; done"
        with subprocess.Popen(place.command("sh", "-c", script), stdout=subprocess.PIPE, text=True) as process:
            equal(process.stdout.readline(), "ready\n")
            process.send_signal(signal.SIGHUP)
            equal(process.stdout.readline(), "hup\n")
            process.terminate()
            equal(process.wait(20), 7)
    with step("a killed blobdevsim takes the command with it"):
        script = "import os, time; print(os.getpid(), flush=True); time.sleep(600)"
        with subprocess.Popen(place.command(sys.executable, "-c", script), stdout=subprocess.PIPE, text=True) as process:
            pid = int(process.stdout.readline())
            process.kill()
        wait_for(lambda: not pathlib.Path(f"/proc/{pid}").exists(), "end of the command")
    with step("wrong command lines have exit status 2 and one line"):
        for line in (["--bus"], ["--bus", "x"], ["--", "true"], ["--bus", "x", "--depth", "0", "--", "true"],
                     ["--bus", "x", "--knows", "all", "--", "true"], ["--no-such"]):  # fmt: skip
            result = subprocess.run([BUILD / "tests/blobdevsim", *line], capture_output=True, text=True, timeout=20)
            equal((result.returncode, result.stdout, result.stderr.count("\n")), (2, "", 1))
    with step("a wrong fault is refused at the start"):
        result = place.run("true", options=["--fault", "fail EWHAT once"])
        equal(result.returncode, 126)
        assert "fail ERROR" in result.stderr, result.stderr
    with step("without a host the command is not started"):
        result = subprocess.run([BUILD / "tests/blobdevsim", "--bus", place.directory / "none.sock", "--wait", "1", "--", "echo", "no"],
                                capture_output=True, text=True, timeout=20)  # fmt: skip
        equal((result.returncode, result.stdout), (126, ""))


NOBODY = {"user": 65534, "group": 65534, "extra_groups": []}


def python_for_nobody():
    """An interpreter that others may run, too; None: there is none."""
    for candidate in (os.path.realpath(sys.executable), "/usr/bin/python3"):
        try:
            subprocess.run([candidate, "-c", ""], cwd="/", check=True, **NOBODY)
            return candidate
        except (OSError, subprocess.CalledProcessError):
            pass
    return None


def rightless_steps(_place):
    """The same as a user who may do nothing, with copies that he can read."""
    if os.geteuid() != 0:
        return
    python = python_for_nobody()
    if not python:
        skip("it needs no rights", "no Python here that others may run")
        return
    with step("it needs no rights"), tempfile.TemporaryDirectory(prefix="blobdevsim-test-") as directory:
        os.chmod(directory, 0o777)
        for file in (BUILD / "tests/blobdevsim", BUILD / "blobhostd", *INSIDE.parent.glob("*.py")):
            shutil.copy(file, directory)
        host = [f"{directory}/blobhostd", "--socket", f"{directory}/bus.sock", "--store", f"{directory}/store"]
        with subprocess.Popen(host, cwd=directory, stderr=subprocess.DEVNULL, **NOBODY) as process:
            try:
                for name in ("sizes", "credentials_of_the_opener", "killed_while_waiting", "removal_and_return", "good_memory"):
                    sim = [f"{directory}/blobdevsim", "--bus", f"{directory}/bus.sock", "--control", f"{directory}/c.sock", "--slots", "32,3"]
                    command = [*sim, "--", python, "-B", f"{directory}/{INSIDE.name}", name, f"{directory}/c.sock"]
                    result = subprocess.run(command, cwd=directory, capture_output=True, text=True, timeout=60, **NOBODY)
                    assert result.returncode == 0, f"{name}: exit status {result.returncode}: {result.stdout + result.stderr[-3000:]}"
            finally:
                process.terminate()


def host_loss_steps(place):
    """The host is killed; to be run last."""
    with step("a host that goes takes the device with it, and brings it back"):
        command = place.command(sys.executable, INSIDE, "host_loss", place.control.path)
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
            equal(process.stdout.readline(), "pending\n")
            place.host.stop(signal.SIGKILL)
            equal(process.stdout.readline(), "gone\n")
            place.start_host()
            process.stdin.write("back\n")
            process.stdin.close()
            output = process.stdout.read()
            assert process.wait(30) == 0, output


def main():
    directory = tempfile.mkdtemp(prefix="blobdevsim-test-")
    os.chmod(directory, 0o755)
    place = Place(directory)
    try:
        place.start_host()
        for steps in (call_steps, transfer_steps, wait_steps, fault_steps, violation_steps, exit_steps, rightless_steps,
                      host_loss_steps):
            steps(place)
    finally:
        place.host.end_at_all_costs()
        for line in place.host.output().splitlines()[-5:]:
            note("log: " + line)
        shutil.rmtree(directory, ignore_errors=True)
    return finish()


if __name__ == "__main__":
    sys.exit(main())
