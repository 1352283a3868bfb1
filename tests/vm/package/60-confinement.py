#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What the process may not do: as shipped, with no-fallback.conf, and under the AppArmor profile."""

import os
import pathlib
import subprocess
import sys

import guest
import installed
import rawhttp
from steadyclient import SteadyLoad
from tap import equal, finish, note, step


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


def confinement(pid):
    return pathlib.Path(f"/proc/{pid}/attr/apparmor/current").read_text().strip()


def namespace(pid):
    return os.readlink(f"/proc/{pid}/ns/net")


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
    installed.link("no-fallback.conf")
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

with installed.under_apparmor():
    with step("the AppArmor profile is loaded and enforced, by the kernel's word"):
        equal(confinement(guest.pid()), "blobproxyd (enforce)")

    with step("under it and the drop-in everything works, and the kernel has denied nothing"):
        must_serve_everything()
        equal(installed.denials(), [])

    with step("without the drop-in, too, and with keys in a file that is read again"):
        installed.unlink("no-fallback.conf")
        equal(confinement(guest.pid()), "blobproxyd (enforce)")
        path = installed.keep("accounts", f"{rawhttp.ACCOUNT} {rawhttp.KEY}\n".encode())
        installed.configure(config=f"[accounts]\nfile = {path}\n")
        guest.run("systemctl", "reload", "blobproxyd")
        must_serve_everything()
        equal(installed.denials(), [])

with step("what the profile does not name is denied, what is started by hand is not confined"):
    elsewhere = pathlib.Path("/var/tmp/elsewhere.conf")
    elsewhere.write_text(installed.CONFIG)
    check = ["blobproxyd", "--check-config", "--config", str(elsewhere)]
    equal(guest.run(*check), f"configuration ok: {elsewhere}\n")
    with installed.under_profile():
        equal(guest.run(*check), f"configuration ok: {elsewhere}\n")
        done = subprocess.run(["aa-exec", "-p", "blobproxyd", "--", *check], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    equal(done.returncode, 2)
    assert "Permission denied" in done.stdout, done.stdout
    guest.wait_for(installed.denials, "denial in the journal")

with step("without it again, nothing has failed"):
    installed.configure()
    installed.restart()
    equal(installed.failed_units(), [])
    installed.put_blob()
    installed.must_get_blob()

sys.exit(finish())
