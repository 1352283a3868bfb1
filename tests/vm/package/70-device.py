#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The installed package on a kernel device: its udev rule and group, its unit, sockets that systemd holds."""

import grp
import json
import stat
import sys

import guest
import installed
from tap import equal, finish, step

SIZES = (0, 1, 4096, 1 << 20)

with step("the device that comes belongs to the group of the package"):
    guest.load_module()
    state = guest.DEVICE.stat()
    equal((stat.filemode(state.st_mode), grp.getgrgid(state.st_gid).gr_name), ("crw-rw----", "azblob"))

with installed.under_apparmor():
    with step("the service takes it as channel.type = auto, under the AppArmor profile"):
        guest.run("systemctl", "start", "guest-relay")
        installed.configure(config=guest.CONFIG.replace("type = device", "type = auto"))
        installed.restart()
        guest.wait_channels()
        assert "device, ioctl 0x" in guest.status_text(), guest.status_text()
        report = json.loads(installed.ctl("probe", "--json"))
        equal(report["verdict"]["usable"], True)

    for size in SIZES:
        with step(f"{size} bytes go and come"):
            guest.put_container()
            guest.must_come_back(size)

with step("nothing is left pinned, and it stops"):
    guest.must_be_idle()
    guest.stop_all()
    equal(guest.unit("Result"), "success")

with step("the emulated host again"):
    installed.configure()
    installed.must_get_blob()

sys.exit(finish())
