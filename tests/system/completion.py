#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What bash completes for blobproxyctl, against what the program's own help says."""

import os
import pathlib
import re
import subprocess
import sys
import tempfile

from harness import BUILD, ROOT, equal, finish, step

SCRIPT = ROOT / "conf/bash-completion/blobproxyctl"


def offered(*words):
    """The completions of the last word."""
    program = f"""
        source '{SCRIPT}'
        COMP_WORDS=(blobproxyctl "$@"); COMP_CWORD=$#
        _blobproxyctl
        printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    environment = {**os.environ, "PATH": f"{BUILD}:{os.environ['PATH']}"}
    command = ["bash", "--norc", "-c", program, "bash", *words]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=30, check=True)
    equal(result.stderr, "")
    return result.stdout.split()


def main():
    help_text = subprocess.run([BUILD / "blobproxyctl", "--help"], capture_output=True, text=True, check=True).stdout
    verbs = dict(re.findall(r"^  ([a-z-]+)(?: (.*))?\n      \S", help_text, re.M))
    options = re.findall(r"^  (--[a-z-]+)", help_text, re.M)

    with step("the help has verbs and options to compare with"):
        assert "probe" in verbs and "--json" in options, help_text

    with step("every verb and option of the help is offered, and nothing else"):
        equal(sorted(offered("")), sorted([*verbs, *options]))

    for verb, arguments in verbs.items():
        with step(f"behind {verb} its options are, and the words that it takes"):
            words = [word.split()[0] for piece in re.findall(r"\[([^]]+)\]", arguments) for word in piece.split("|")]
            equal(sorted(offered(verb, "")), sorted(words))

    with step("what is begun is completed"):
        equal(offered("pro"), ["probe"])
        equal(sorted(offered("sta")), ["stats", "status"])
        equal(offered("--v"), ["--version"])
        equal(offered("--json", "pro"), ["probe"])
        equal(offered("probe", "--d"), ["--device"])
        equal(offered("log-level", "de"), ["debug"])
        equal(offered("nothing-like-it"), [])

    with step("a value that is a path is one of the files"):
        with tempfile.TemporaryDirectory() as directory:
            pathlib.Path(directory, "azure_blob").touch()
            equal(offered("probe", "--device", directory + "/az"), [directory + "/azure_blob"])
            equal(offered("--socket", directory + "/az"), [directory + "/azure_blob"])

    with step("a value is no verb, and nothing is known of other values"):
        equal(offered("--socket", "/run/x.sock", "pro"), ["probe"])
        equal(offered("--socket", "status", "log-level", "de"), ["debug"])
        equal(offered("stats", "--count", ""), [])
        equal(offered("connection-string", "--account", "--t"), [])
        equal(offered("connection-string", "--account", "mine", "--t"), ["--tls"])

    return finish()


if __name__ == "__main__":
    sys.exit(main())
