# SPDX-License-Identifier: MIT
"""Prometheus and promtool, as scripts/test fetches them, or those of this machine; and what a text exposition says."""

import os
import re
import shutil
import subprocess

from harness import ROOT

MISSING = "there is no Debian package prometheus to be had (scripts/lib.sh: install_prometheus)"


def find(name):
    """The path of prometheus or promtool; None where it is missing."""
    return shutil.which(name, path=f"{ROOT}/build-prometheus{os.pathsep}{os.environ.get('PATH', '')}")


def promtool(*arguments, text=None):
    """Runs it; must end with 0 and complain about nothing. Returns what it printed."""
    done = subprocess.run([find("promtool"), *map(str, arguments)], input=text, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"promtool {' '.join(map(str, arguments))}: {done.returncode}\n{done.stdout}{done.stderr}"
    assert not done.stderr.strip(), done.stderr
    return done.stdout


class Exposition:
    """Families with type and help, and the labels of their series without le."""

    def __init__(self, text):
        self.types, self.helps, self.series = {}, {}, {}
        self.lines = [line for line in text.splitlines() if not line.startswith("#")]
        for kind, name, rest in re.findall(r"^# (HELP|TYPE) (\S+) (.*)$", text, re.M):
            (self.types if kind == "TYPE" else self.helps)[name] = rest
        for line in self.lines:
            self._take(line)

    def family(self, name):
        """Of a series."""
        if name in self.types:
            return name
        base = re.sub(r"_(bucket|sum|count)$", "", name)
        assert self.types.get(base) == "histogram", f"{name} has no TYPE"
        return base

    def _take(self, line):
        name, labels = re.fullmatch(r"([a-z0-9_]+)(?:\{(.*)\})? \S+", line).groups()
        pairs = [pair for pair in re.findall(r'[a-z_0-9]+="[^"]*"', labels or "") if not pair.startswith("le=")]
        self.series.setdefault(self.family(name), set()).add(",".join(pairs))

    def names(self):
        """Whatever an expression may name."""
        suffixes = ("_bucket", "_sum", "_count")
        histograms = [name for name, kind in self.types.items() if kind == "histogram"]
        return (set(self.types) - set(histograms)) | {name + suffix for name in histograms for suffix in suffixes}
