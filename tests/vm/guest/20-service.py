#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The installed service, started by systemctl before there is a device."""

import grp
import json
import stat
import sys

import guest
from tap import equal, finish, step

journal = guest.Journal()
guest.settle_installation()
guest.configure()

with step("systemctl start returns, the service is active, although there is no device"):
    guest.run("systemctl", "start", "blobproxyd")
    equal(guest.unit("ActiveState"), "active")
    equal((guest.admin("/healthz").status, guest.admin("/readyz").status), (200, 503))

with step("requests get 503 meanwhile"):
    guest.exchange(b"GET /devstoreaccount1/?comp=list HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n").must_be_azure_error(503)

started = guest.pid()
with step("the device appears: root's and the group's"):
    guest.load_module()
    state = guest.DEVICE.stat()
    equal(stat.filemode(state.st_mode), "crw-rw----")
    equal(grp.getgrgid(state.st_gid).gr_name, "azblob")

with step("the service takes it without a restart, under all its confinement"):
    guest.wait_channels()
    equal(guest.admin("/readyz").status, 200)
    equal(guest.pid(), started)

with step("a container and a blob go and come"):
    guest.run("systemctl", "start", "guest-relay")
    guest.put_container()
    guest.must_come_back(100000)

with step("systemctl status tells the channel and the number of its ioctl"):
    guest.wait_for(lambda: "device, ioctl 0xc04852f0" in guest.status_text(), "status text")

with step("blobproxyctl probe finds the device"):
    report = json.loads(guest.run("blobproxyctl", "probe", "--json"))
    equal((report["verdict"]["channel"], report["verdict"]["usable"]), ("device", True))

with step("nothing of it is an error in the journal"):
    journal.must_have_no_error()

with step("it stops, and the module can go"):
    guest.stop_all()
    equal(guest.unit("Result"), "success")

sys.exit(finish())
