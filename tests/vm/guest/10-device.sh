#!/bin/bash
# SPDX-License-Identifier: MIT
# The test device itself keeps to the published ABI: what the other tests rely on.
insmod azure_blob_test.ko || exit 1
udevadm settle
./device_checks
status=$?
rmmod azure_blob_test || exit 1
exit $status
