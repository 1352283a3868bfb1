#!/bin/bash
# SPDX-License-Identifier: MIT
# The guest itself is as the other tests expect it.
# shellcheck source=SCRIPTDIR/../../clients/tap.sh
. ./tap.sh

has_no_failed_unit() { systemctl --failed --no-legend --plain | tee /dev/stderr | wc -l | grep -qx 0; }
has_only_loopback() { [[ $(cd /sys/class/net && echo *) == lo ]]; }
is_quiet_kernel() { ! dmesg --level=emerg,alert,crit,err | grep .; }

step "systemd is process 1" grep -qx systemd /proc/1/comm
step "no unit has failed" has_no_failed_unit
step "the only network is the loopback" has_only_loopback
step "the kernel has reported no error" is_quiet_kernel
finish
