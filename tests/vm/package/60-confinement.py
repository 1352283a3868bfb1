#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What the process may not do: as shipped, with no-fallback.conf, and under the AppArmor profile."""

import os
import pathlib
import subprocess
import sys

import guest
import installed
from steadyclient import SteadyLoad
from tap import equal, finish, note, step

SHARE = pathlib.Path("/usr/share/blobproxyd")
DROP_INS = pathlib.Path("/etc/systemd/system/blobproxyd.service.d")
PROFILE = pathlib.Path("/etc/apparmor.d/blobproxyd")


def must_serve_everything():
    """Blobs on each socket, metrics, control, and a reload."""
    installed.put_blob()
    for address in (installed.TCP, installed.TCP6, installed.UNIX):
        installed.must_get_blob(address)
    for path in ("/metrics", "/status", "/healthz", "/readyz", "/"):
        guest.admin(path).must_be(200)
    pid = guest.pid()
    for verb in ("status", "channels", "exchanges", "errors", "connection-string", "log-level"):
        installed.ctl(verb)
    guest.run("systemctl", "reload", "blobproxyd")
    equal((guest.pid(), guest.unit("ActiveState")), (pid, "active"))
    installed.must_get_blob()


def denials():
    return [line for line in guest.run("journalctl", "-q", "-b", "-k", "-o", "cat").splitlines() if 'apparmor="DENIED"' in line]


def confinement(pid):
    return pathlib.Path(f"/proc/{pid}/attr/apparmor/current").read_text().strip()


def namespace(pid):
    return os.readlink(f"/proc/{pid}/ns/net")


def link(name):
    """As the comment of the drop-in says."""
    DROP_INS.mkdir(exist_ok=True)
    (DROP_INS / name).symlink_to(SHARE / name)
    guest.run("systemctl", "daemon-reload")
    installed.restart()


def unlink(name):
    (DROP_INS / name).unlink()
    guest.run("systemctl", "daemon-reload")
    installed.restart()


installed.configure()
installed.restart()

with step("the process is a user of its own without capabilities, behind a filter of system calls"):
    status = installed.process_status(guest.pid())
    assert all(uid != "0" for uid in status["Uid"].split()), status["Uid"]
    for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        equal((name, int(status[name], 16)), (name, 0))
    equal((status["NoNewPrivs"], status["Seccomp"]), ("1", "2"))

with step("systemd-analyze security: 1.5 or less of the running unit"):
    note(f"exposure {installed.exposure()}")
    assert installed.exposure() <= 1.5

with step("everything works like that"):
    must_serve_everything()

with step("with no-fallback.conf, linked as its comment says, it is 0.6 or less and has no network but its sockets"):
    link("no-fallback.conf")
    note(f"exposure {installed.exposure()}")
    assert installed.exposure() <= 0.6
    assert namespace(guest.pid()) != namespace(1)

with step("everything works like that, too"):
    must_serve_everything()

with step("and is restarted under load without a refused or a failed request"):
    with SteadyLoad([installed.TCP, installed.TCP6, installed.UNIX], "/box/a", installed.CONTENT) as load:
        guest.wait_for(lambda: load.answers() >= 200, "requests before the restart")
        installed.restart()
        guest.wait_for(lambda: load.answers() >= 500, "requests after the restart")
    equal(load.failures(), [])

with step("the AppArmor profile is loaded and enforced, by the kernel's word"):
    PROFILE.write_bytes((SHARE / "apparmor/blobproxyd").read_bytes())
    guest.run("apparmor_parser", "-r", str(PROFILE))
    link("apparmor.conf")
    equal(confinement(guest.pid()), "blobproxyd (enforce)")

with step("under it and the drop-in everything works, and the kernel has denied nothing"):
    must_serve_everything()
    equal(denials(), [])

with step("without the drop-in, too"):
    unlink("no-fallback.conf")
    equal(confinement(guest.pid()), "blobproxyd (enforce)")
    must_serve_everything()
    equal(denials(), [])

with step("what the profile does not name is denied: a configuration elsewhere"):
    elsewhere = pathlib.Path("/var/tmp/elsewhere.conf")
    elsewhere.write_text(installed.CONFIG)
    done = subprocess.run(["aa-exec", "-p", "blobproxyd", "--", "blobproxyd", "--check-config", "--config", elsewhere], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    equal(done.returncode, 2)
    assert "Permission denied" in done.stdout, done.stdout
    guest.wait_for(denials, "denial in the journal")

with step("what is started by hand is not confined"):
    done = subprocess.run(["blobproxyd", "--check-config", "--config", elsewhere], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    equal((done.returncode, done.stdout), (0, f"configuration ok: {elsewhere}\n"))

unlink("apparmor.conf")
guest.run("apparmor_parser", "-R", str(PROFILE))
PROFILE.unlink()

with step("without it again, nothing has failed"):
    equal(installed.failed_units(), [])
    installed.put_blob()
    installed.must_get_blob()

sys.exit(finish())
