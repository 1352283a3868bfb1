# SPDX-License-Identifier: MIT
"""Starts Azurite on a free port of the loopback, with an empty store in memory."""

import os
import pathlib
import shutil
import socket
import subprocess
import tempfile

from harness import ROOT, free_port, wait_for


class Azurite:
    """As a context it has answered before the context begins, and is stopped at its end."""

    @staticmethod
    def program():
        """The script that node runs, or None when it is not installed. AZURITE names another."""
        path = pathlib.Path(os.environ.get("AZURITE", ROOT / "tests/azurite/node_modules/.bin/azurite-blob"))
        return path if path.exists() and shutil.which("node") else None

    def __init__(self, identity=None):
        """With an identity (its .certificate and .key) it speaks HTTPS and takes tokens."""
        self.arguments = ["--cert", identity.certificate, "--key", identity.key, "--oauth", "basic"] if identity else []
        self.port = free_port()
        self.directory = tempfile.mkdtemp(prefix="azurite-test-")
        self.process = None

    def _answers(self):
        assert self.process.poll() is None, "Azurite ended: " + pathlib.Path(self.directory, "log").read_text(errors="replace")[-2000:]
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
        except OSError:
            return False
        return True

    def __enter__(self):
        command = ["node", self.program(), "--inMemoryPersistence", "--blobHost", "127.0.0.1", "--blobPort", str(self.port)]
        with open(os.path.join(self.directory, "log"), "wb") as log:
            self.process = subprocess.Popen(
                [*map(str, command + self.arguments), "--skipApiVersionCheck", "--disableTelemetry", "--silent"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.directory,
            )  # fmt: skip
        try:
            wait_for(self._answers, "Azurite")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self.process.kill()  # it keeps nothing, so there is nothing to end in good order
        self.process.wait()
        shutil.rmtree(self.directory, ignore_errors=True)
