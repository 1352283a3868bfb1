#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Installs, upgrades, uses, removes and purges Debian's packages in a Debian of its own: install.py LOWER UPPER BASE.TAR, the first
two directories of packages. As root; the daemon runs in a network of its own."""

import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "system"))
from tap import equal, finish, step  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[2]
NAMES = ("blobproxyd", "blobhostd")
KEPT_BY_DPKG = ("/etc/blobproxyd/", "/var/lib/dpkg/", "/var/cache/", "/var/log/", "/var/lib/apt/", "/tmp/", "/run/", "/etc/ld.so.cache")


class System:
    """A Debian in a directory."""

    def __init__(self, base, directory):
        self.root = pathlib.Path(directory)
        subprocess.run(["tar", "-x", "-C", directory, "-f", base], check=True)
        shutil.copy("/etc/resolv.conf", self.root / "etc/resolv.conf")

    def run(self, *command, network=True, check=True):
        """Runs it there and returns what it said on both outputs."""
        # A process tree of its own: whatever the command leaves behind ends with it.
        unshare = ["unshare", "--mount", "--pid", "--fork", "--kill-child", f"--mount-proc={self.root}/proc"]
        inside = ["chroot", self.root, *command]
        if not network:
            unshare.append("--net")
            inside = ["sh", "-c", 'ip link set lo up && exec "$@"', "sh", *inside]
        environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive", "HOME": "/root"}
        done = subprocess.run([*unshare, *inside], env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, timeout=600)  # fmt: skip
        assert not check or done.returncode == 0, f"{command}: status {done.returncode}\n{done.stdout[-3000:]}"
        return done.stdout

    def apt(self, verb, *what):
        return self.run("apt-get", "--yes", "--no-install-recommends", verb, *what)

    def install(self, directory):
        """As "apt install ./*.deb" does."""
        places = []
        for name in NAMES:
            (package,) = pathlib.Path(directory).glob(f"{name}_*.deb")
            shutil.copy(package, self.root / "tmp")
            places.append(f"./tmp/{package.name}")
        return self.apt("install", *places)

    def version(self, name):
        return self.run("dpkg-query", "-W", "-f", "${Version}", name)

    def files(self):
        """Everything there but what changes by itself."""
        found = set()
        for directory, directories, names in os.walk(self.root):
            place = "/" + os.path.relpath(directory, self.root) if directory != str(self.root) else ""
            if place in ("/proc", "/sys", "/dev"):
                directories.clear()
                continue
            found.update(f"{place}/{name}" for name in directories + names)
        return found

    def mode(self, path):
        return oct((self.root / path.lstrip("/")).stat().st_mode & 0o7777)


def versions_of(directory):
    return [re.fullmatch(r"[^_]+_([^_]+)_[^_]+\.deb", next(pathlib.Path(directory).glob(f"{name}_*.deb")).name)[1] for name in NAMES]


def check_install(system, lower):
    with step("the lower version is installed with what it depends on, from its files alone"):
        system.apt("update")
        system.install(lower)
        equal([system.version(name) for name in NAMES], versions_of(lower))
    with step("the program says the version that the package has"):
        equal(system.run("blobproxyd", "--version").strip() + "-1", "blobproxyd " + versions_of(lower)[0])
    with step("nothing is enabled and nothing runs by being installed"):
        wanted = list((system.root / "etc/systemd/system").rglob("blob*"))
        equal(wanted, [])
    with step("its configuration is a conffile, readable, and found right by the program"):
        assert "/etc/blobproxyd/blobproxyd.conf" in system.run("dpkg-query", "-W", "-f", "${Conffiles}", "blobproxyd")
        assert "configuration ok" in system.run("blobproxyd", "--check-config")
    with step("the group of the device is there"):
        assert system.run("getent", "group", "azblob").startswith("azblob:")
    with step("an administrator changes it and adds a key file"):
        conf = system.root / "etc/blobproxyd/blobproxyd.conf"
        conf.write_text(conf.read_text().replace("#level = notice", "level = info"))
        (system.root / "etc/blobproxyd/accounts").write_text("# none\n")


def check_upgrade(system, upper):
    with step("an upgrade keeps the changed configuration and the key file"):
        system.install(upper)
        equal([system.version(name) for name in NAMES], versions_of(upper))
        assert "level = info" in (system.root / "etc/blobproxyd/blobproxyd.conf").read_text()
        assert (system.root / "etc/blobproxyd/accounts").exists()
    with step("the program says the version of the upgrade"):
        equal(system.run("blobproxyd", "--version").strip() + "-1", "blobproxyd " + versions_of(upper)[0])


def check_files(system):
    installed = {name: [line for line in system.run("dpkg-query", "-L", name).splitlines() if line.startswith("/")] for name in NAMES}

    with step("each program and unit has its man page, and each unit its program"):
        for name in NAMES:
            for path in installed[name]:
                program = re.fullmatch(r"/usr/bin/(.+)", path)
                if program:
                    assert any(re.search(rf"/man/man\d/{program[1]}\.\d\.gz$", page) for page in sum(installed.values(), [])), path
                if path.endswith(".service"):
                    for start in re.findall(r"^Exec\w+=(\S+)", (system.root / path.lstrip("/")).read_text(), re.M):
                        assert (system.root / start.lstrip("/")).exists() or not start.startswith("/usr/bin/blob"), start
    with step("what it installs belongs to root, and nobody else may write it"):
        for path in sum(installed.values(), []):
            status = (system.root / path.lstrip("/")).lstat()
            equal((path, status.st_uid, status.st_gid), (path, 0, 0))
            assert status.st_mode & 0o022 == 0 or (system.root / path.lstrip("/")).is_symlink(), path
            assert status.st_mode & 0o6000 == 0, path
    with step("systemd finds nothing to say against the units"):
        verify_units(system, [path for path in sum(installed.values(), []) if re.search(r"\.(service|socket)$", path)])
    with step("conf.d is there for the administrator, and empty"):
        equal(list((system.root / "etc/blobproxyd/conf.d").iterdir()), [])
    with step("dpkg finds every file as it was installed, but the one that was changed"):
        equal(system.run("dpkg", "--verify", *NAMES, check=False).split(), ["??5??????", "c", "/etc/blobproxyd/blobproxyd.conf"])


def verify_units(system, units):
    """With the tool of this machine, over the tree: the small Debian has no systemd."""
    assert units
    done = subprocess.run(["systemd-analyze", "verify", f"--root={system.root}", "--recursive-errors=no", "--man=no",
                           *(os.path.basename(unit) for unit in units)],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120)  # fmt: skip
    assert done.returncode == 0 and not done.stdout, done.stdout


def check_symbols(system, upper):
    for name in NAMES:
        with step(f"the package of debugging symbols of {name} belongs to its program"):
            notes = subprocess.run(["readelf", "--notes", system.root / "usr/bin" / name], check=True, capture_output=True, text=True).stdout
            build_id = re.search(r"Build ID: ([0-9a-f]+)", notes)[1]
            (package,) = pathlib.Path(upper).glob(f"{name}-dbgsym_*.deb")
            contents = subprocess.run(["dpkg-deb", "--contents", package], check=True, capture_output=True, text=True).stdout
            assert f"/.build-id/{build_id[:2]}/{build_id[2:]}.debug" in contents, build_id


def check_use(system):
    with step("the installed daemon carries requests to an emulated host"):
        shutil.copy(ROOT / "debian/tests/emulated", system.root / "tmp/emulated")
        said = system.run("/tmp/emulated", network=False)
        assert "carried, counted and stopped" in said, said
    with step("started by root without a directory it keeps its data where a purge looks"):
        (system.root / "tmp/brief").write_text(
            "#!/bin/sh\nblobproxyd --emulated & daemon=$!\n"
            "curl --silent --fail --retry 60 --retry-all-errors --retry-delay 1 -o /dev/null http://127.0.0.1:10080/readyz || exit 1\n"
            "kill $daemon; wait $daemon\n")
        (system.root / "tmp/brief").chmod(0o755)
        system.run("/tmp/brief", network=False)
        assert (system.root / "var/lib/blobproxyd").exists()


def check_purge(system, before):
    with step("removed, it leaves its configuration and its data"):
        system.apt("remove", *NAMES)
        assert (system.root / "etc/blobproxyd/blobproxyd.conf").exists()
        assert (system.root / "var/lib/blobproxyd").exists()
        assert not (system.root / "usr/bin/blobproxyd").exists()
    with step("purged, it leaves nothing but the key file that is not its own"):
        system.apt("purge", *NAMES)
        system.apt("autoremove")
        left = {path for path in system.files() - before if "blob" in path and not path.startswith(KEPT_BY_DPKG[1:])}
        equal(left, {"/etc/blobproxyd", "/etc/blobproxyd/accounts"})
    with step("dpkg has no memory of it"):
        equal(system.run("sh", "-c", "dpkg-query -W 'blob*' 2>/dev/null || true").strip(), "")


def main(lower, upper, base):
    with tempfile.TemporaryDirectory(prefix="blobproxyd-install.") as directory:
        os.chmod(directory, 0o755)
        system = System(base, directory)
        before = system.files()
        check_install(system, lower)
        check_upgrade(system, upper)
        check_files(system)
        check_symbols(system, upper)
        check_use(system)
        check_purge(system, before)
    return finish()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
