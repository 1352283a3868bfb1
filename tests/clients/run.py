#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs every client's scenario against blobproxyd: path style, host style and through the Unix socket.

run.py [--backend=azurite]: with the host's own store, or with Azurite behind the host.

CLIENT_PYTHON  a Python that has the Python SDK (default: this one)
"""

import argparse
import contextlib
import os
import pathlib
import re
import shutil
import socket
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "system"))

from harness import Azurite  # noqa: E402
from tls import TlsDaemon  # noqa: E402

PYTHON = os.environ.get("CLIENT_PYTHON", sys.executable)
LIMIT_S = 240
AZURITE_REFUSAL = "AuthorizationFailure|AuthenticationFailed"  # its code, and the proxy's own where that verifies a signature


def can(*command):
    return shutil.which(command[0]) is not None and subprocess.run(command, capture_output=True, check=False).returncode == 0


def says(text, *command):
    return can(*command) and text in subprocess.run(command, capture_output=True, text=True, check=False).stdout


def clients():
    """(name, command or None, why not)"""
    has_js = can("node", "-e", "") and (HERE / "js/node_modules/@azure/storage-blob").is_dir()
    has_python = can(PYTHON, "-c", "import azure.storage.blob")
    return [
        ("JavaScript SDK", ["node", HERE / "js/scenario.mjs"] if has_js else None, "node or its packages are missing"),
        ("Python SDK", [PYTHON, HERE / "python/scenario.py"] if has_python else None, "the azure-storage-blob package is missing"),
        ("curl", [HERE / "curl/scenario.sh"], ""),
        ("rclone", [HERE / "rclone/scenario.sh"], ""),
        ("restic", [HERE / "restic/scenario.sh"] if says("azure.", "restic", "options") else None, "this restic was built without Azure"),
        ("GDAL", [HERE / "gdal/scenario.sh"], ""),
        ("pgBackRest", [HERE / "pgbackrest/scenario.sh"], ""),
    ]


def ways(daemon):
    """(name, environment)"""
    account = "devstoreaccount1"
    path_style = f"http://127.0.0.1:{daemon.port}/{account}"
    return [
        ("path style", {"BLOB_ENDPOINT": path_style, "BLOB_TLS_PORT": str(daemon.tls_port), "BLOB_CA": str(daemon.ca / "ca.crt")}),
        ("host style", {"BLOB_ENDPOINT": f"http://{account}.blob.localhost:{daemon.port}"}),
        ("Unix socket", {"BLOB_ENDPOINT": path_style, "BLOB_SOCKET": daemon.unix}),
    ]


def run(command, environment):
    """(passed, failed, skipped)"""
    try:
        result = subprocess.run(
            command, env={**os.environ, "PYTHON": PYTHON, **environment}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            timeout=LIMIT_S, check=False,
        )  # fmt: skip
        output, code = result.stdout, result.returncode
    except subprocess.TimeoutExpired as error:
        output, code = (error.stdout or b"").decode(errors="replace") + f"\nnot ok - it did not end within {LIMIT_S} s\n", 1
    print(output, end="", flush=True)
    found = re.search(r"^(\d+) passed, (\d+) failed(?:, (\d+) skipped)?\s*\Z", output, re.MULTILINE)
    if not found:
        return 0, 1, 0
    passed, failed, skipped = (int(number or 0) for number in found.groups())
    return passed, failed + (code != 0 and failed == 0), skipped


def port():
    """10000 when nobody has it, because connection strings for development mean that port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", 10000))
        except OSError:
            return None
    return 10000


@contextlib.contextmanager
def served(backend):
    """A daemon with that behind it."""
    if not backend:
        with TlsDaemon(port=port()) as daemon:
            yield daemon
        return
    with Azurite() as azurite, TlsDaemon(port=port(), backend=azurite.url) as daemon:
        yield daemon


def run_all(rows):
    """Runs each of clients() in each of the ways, and prints the summary; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backend", choices=["azurite"], help="what the host executes on, instead of its store")
    arguments = parser.parse_args()
    if arguments.backend and not Azurite.is_installed():
        print("ok - clients, Azurite behind the host # SKIP node or tests/azurite/node_modules is missing\n0 passed, 0 failed, 1 skipped")
        return 0
    totals = [0, 0, 0]
    with served(arguments.backend) as daemon:
        for client, command, reason in rows:
            for way, environment in ways(daemon):
                print(f"## {client}, {way}", flush=True)
                if command:
                    counts = run(command, {**environment, **({"BLOB_REFUSAL": AZURITE_REFUSAL} if arguments.backend else {})})
                else:
                    counts = 0, 0, 1
                    print(f"ok - {client}, {way} # SKIP {reason}")
                totals = [total + count for total, count in zip(totals, counts)]
        try:
            daemon.wait_idle()
            totals[0] += 1
            print("ok - no client left anything busy")
        except AssertionError as error:
            totals[1] += 1
            print(f"not ok - no client left anything busy: {error}")
    print(f"{totals[0]} passed, {totals[1]} failed" + (f", {totals[2]} skipped" if totals[2] else ""))
    return 1 if totals[1] or not totals[0] else 0


if __name__ == "__main__":
    sys.exit(run_all(clients()))
