# SPDX-License-Identifier: MIT
"""A journald of the test's own: the real one, in a mount namespace where nothing of this machine's journal is seen."""

import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

from harness import BUILD, DEADLINE_S, wait_for

JOURNALD = "/lib/systemd/systemd-journald"
MARK = "BLOBPROXY_TEST_HAS_NAMESPACE"
# What journald, journalctl and their catalog write to, each made empty.
PLACES = ("/run", "/var/log", "/var/lib/systemd")
SOCKET = pathlib.Path("/run/systemd/journal/socket")


def reason_to_skip():
    """Why there can be no journal of one's own here, or None."""
    for tool in ("unshare", "journalctl", "systemd-cat"):
        if not shutil.which(tool):
            return f"there is no {tool}"
    if not os.access(JOURNALD, os.X_OK):
        return "there is no systemd-journald"
    if os.geteuid() != 0:
        return "a mount namespace takes root"
    if subprocess.run(["unshare", "-m", "mount", "-t", "tmpfs", "tmpfs", "/run"], capture_output=True, check=False).returncode != 0:
        return "mounting in a namespace of one's own is not permitted here"
    return None


def enter_namespace():
    """Runs this program again in a mount namespace of its own; returns there."""
    if os.environ.get(MARK):
        for place in PLACES:
            if os.path.isdir(place):
                subprocess.run(["mount", "-t", "tmpfs", "tmpfs", place], check=True)
        return
    os.environ[MARK] = "1"
    sys.stdout.flush()
    os.execvp("unshare", ["unshare", "-m", sys.executable, *sys.argv])


class Journal:
    """As a context: journald runs, and journalctl knows the catalogs of the build."""

    def __enter__(self):
        for directory in ("/run/systemd", "/run/log/journal"):
            os.makedirs(directory, exist_ok=True)
        self.process = subprocess.Popen([JOURNALD], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_for(lambda: SOCKET.is_socket() and pathlib.Path("/run/systemd/journal/stdout").is_socket(), "socket of journald")
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(DEADLINE_S)

    def entries(self, **matches):
        """Of the programs under test, oldest first."""
        done = subprocess.run(
            ["journalctl", "--output=json", "--all", "--no-pager", *(f"{name}={value}" for name, value in matches.items())],
            capture_output=True, text=True, check=True)  # fmt: skip
        rows = [json.loads(line) for line in done.stdout.splitlines()]
        return [row for row in rows if row.get("SYSLOG_IDENTIFIER") in ("blobproxyd", "blobhostd")]

    def wait_entries(self, **matches):
        return wait_for(lambda: self.entries(**matches), f"entry with {matches}")

    def explained(self, **matches):
        """What journalctl -x prints, the catalogs of the build installed."""
        place = pathlib.Path("/run/catalog/usr/lib/systemd/catalog")
        place.mkdir(parents=True, exist_ok=True)
        for catalog in BUILD.glob("*.catalog"):
            shutil.copy(catalog, place)
        os.makedirs("/var/lib/systemd/catalog", exist_ok=True)
        subprocess.run(["journalctl", "--update-catalog", "--root=/run/catalog"], check=True, capture_output=True)
        shutil.copy("/run/catalog/var/lib/systemd/catalog/database", "/var/lib/systemd/catalog/database")
        done = subprocess.run(
            ["journalctl", "-x", "--no-pager", *(f"{name}={value}" for name, value in matches.items())],
            capture_output=True, text=True, check=True)  # fmt: skip
        return done.stdout


def message_id(word):
    text = pathlib.Path(__file__).resolve().parents[2].joinpath("src/lib/message.def").read_text()
    return re.search(rf'^MESSAGE\(\w+, "{word}", \w+, "([0-9a-f]{{32}})"', text, re.MULTILINE).group(1)
