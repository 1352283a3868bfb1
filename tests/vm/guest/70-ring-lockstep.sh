#!/bin/bash
# SPDX-License-Identifier: MIT
# The project's ring and the running kernel's, in lockstep. The latter is built from the kernel's source into a module of its own,
# since the kernel's driver does not start without Hyper-V.
# shellcheck source=SCRIPTDIR/../../clients/tap.sh
. ./tap.sh

drivers=/lib/modules/$(uname -r)/kernel/drivers/hv
functions=(hv_ringbuffer_init hv_ringbuffer_write hv_ringbuffer_read hv_pkt_iter_first __hv_pkt_iter_next hv_pkt_iter_close
    hv_copyto_ringbuffer.isra.0)
code="its machine code is that of the kernel's driver"

is_of_the_running_kernel() { uname -v | grep -F " Debian $(modinfo -F ring_source ./ring_lockstep.ko) "; }
kernel_errors() { dmesg --level=emerg,alert,crit,err; }
is_quiet_kernel() { kernel_errors && [[ $(kernel_errors) == "$errors_before" ]]; }
is_same_code() { echo "$message" && ((status == 0)); }

errors_before=$(kernel_errors)
step "the ring's source is of the version of the running kernel" is_of_the_running_kernel
message=$(python3 same_code.py "$drivers/hv_vmbus.ko" ring_lockstep.ko "${functions[@]}" 2>&1)
status=$?
if ((status == 77)); then
    skip "$code" "$message"
else
    step "$code" is_same_code
fi
step "the module is loaded" insmod ./ring_lockstep.ko
# Its lines are counted as they come.
./ring_lockstep
step "all of the lockstep was well" test $? = 0
step "the module is removed" rmmod ring_lockstep
step "the kernel has reported no error meanwhile" is_quiet_kernel
finish
