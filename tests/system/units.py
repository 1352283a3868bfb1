#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The unit files as systemd reads them: valid, and as closed as the manual says. AppArmor's parser reads the profile."""

import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

from harness import BUILD, ROOT, equal, finish, note, skip, step

UNITS = ROOT / "systemd"
SECURITY = {"blobproxyd.service": 1.5, "blobhostd.service": 1.5}
STRICT = 0.6


def run(*command):
    return subprocess.run([*map(str, command)], capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)


def exposure(unit):
    result = run("systemd-analyze", "security", "--offline=yes", "--no-pager", unit)
    return float(re.search(r"exposure level for \S+ ([\d.]+)", result.stdout.replace(":", "")).group(1))


def with_drop_in(unit, drop_in, directory):
    """What systemd makes of both: later lines win or add."""
    service = drop_in.read_text().split("[Service]")[1]
    head, mark, tail = unit.read_text().partition("[Install]")
    merged = pathlib.Path(directory) / unit.name
    merged.write_text(head + service + "\n" + mark + tail)
    return merged


def valid_units(directory):
    for unit in sorted([*UNITS.glob("*.service"), *UNITS.glob("*.socket")]):
        (pathlib.Path(directory) / unit.name).write_text(unit.read_text().replace("/usr/bin/", f"{BUILD}/"))
        if unit.suffix == ".socket":
            with step(f"{unit.name} has a name that blobproxyd knows"):
                name = re.search(r"^FileDescriptorName=(\S+)$", unit.read_text(), re.MULTILINE).group(1)
                assert name in ("blob", "tls", "metrics", "control"), name
    for unit in sorted(pathlib.Path(directory).glob("*.s*")):
        with step(f"systemd has nothing to say about {unit.name}"):
            result = run("systemd-analyze", "verify", "--man=no", "--recursive-errors=no", unit)
            lines = [line for line in result.stderr.splitlines() if unit.name in line]
            equal(lines, [])


def unexplained(unit):
    """Settings that systemd-analyze still counts and that no comment of the unit names, nor stands right above."""
    said = run("systemd-analyze", "security", "--offline=yes", "--no-pager", unit).stdout
    counted = {match.group(1) for match in re.finditer(r"^✗ (\w+)=", said, re.MULTILINE)}
    assert counted, said
    text = unit.read_text()
    comments = "\n".join(line for line in text.splitlines() if line.startswith("#"))
    return sorted(name for name in counted if f"{name}=" not in comments and not re.search(rf"^#.*\n{name}=", text, re.MULTILINE))


def security():
    for name, limit in SECURITY.items():
        with step(f"each point that is left of {name} has its reason in a comment"):
            equal(unexplained(UNITS / name), [])
        with step(f"{name} is at {limit} or lower"):
            level = exposure(UNITS / name)
            note(f"{name}: {level}")
            assert level <= limit, level
    with tempfile.TemporaryDirectory() as directory, step(f"with no-fallback.conf blobproxyd.service is at {STRICT} or lower"):
        level = exposure(with_drop_in(UNITS / "blobproxyd.service", UNITS / "no-fallback.conf", directory))
        note(f"strict: {level}")
        assert level <= STRICT, level


def apparmor():
    parser = shutil.which("apparmor_parser", path="/usr/sbin:/sbin:/usr/bin:/bin")
    if not parser:
        skip("the AppArmor profile is valid", "apparmor_parser is not installed")
        return
    with step("the AppArmor profile is valid"):
        result = run(parser, "--skip-kernel-load", "--skip-cache", "--debug", ROOT / "conf/apparmor/blobproxyd")
        equal(result.returncode, 0)


def main():
    if not shutil.which("systemd-analyze"):
        skip("unit files", "systemd-analyze is not installed")
        return finish()
    with tempfile.TemporaryDirectory() as directory:
        valid_units(directory)
    security()
    apparmor()
    return finish()


if __name__ == "__main__":
    sys.exit(main())
