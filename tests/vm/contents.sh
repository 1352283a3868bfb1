# SPDX-License-Identifier: MIT
# What the guest of scripts/check-vm holds, all in one place; to be sourced. Paths are those of the source tree.
# shellcheck shell=bash disable=SC2034

# On the machine that runs the guest. The kernel is that of the headers.
vm_packages=(bc bison cpio e2fsprogs flex kmod linux-headers-cloud-amd64 make mmdebstrap python3 qemu-system-x86 xz-utils)

# Debian packages of the image. Those of the libraries that the installed programs need come by themselves.
guest_packages=(apparmor curl init-system-helpers kmod libnss-systemd openssl procps python3 systemd-sysv udev)

# Kernel modules: directories with a Makefile for kbuild, built out of the source tree. An executable "prepare" there runs first,
# in the copy that is built, with the kernel's version as its argument.
guest_modules=(tests/vm/lockstep/ring_lockstep tests/vm/module)

# Programs: targets of the Makefile; they go to /usr/lib/blobproxyd-tests in the guest, where the tests run.
guest_programs=(tests/vm/device_checks tests/vm/host_relay tests/vm/ring_lockstep)

# Further files for the same place, under their own name or another one.
guest_files=(scripts/account-sas:account_sas.py tests/clients/tap.sh tests/system/heldthread.py tests/system/load.py
    tests/system/rawhttp.py tests/system/steadyclient.py tests/system/tap.py tests/vm/guest.py tests/vm/lockstep/same_code.py)

# Of the modules and programs those that the tests of the packages want.
package_modules=(tests/vm/module)
package_programs=(tests/vm/host_relay)
