#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The version of a tree, the tarball of this one, and what packages say of both. Needs git; builds nothing."""

import os
import pathlib
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "system"))
from tap import equal, finish, skip, step  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[2]
AUTHOR = {f"GIT_{role}_{what}": value for role in ("AUTHOR", "COMMITTER") for what, value in (("NAME", "test"), ("EMAIL", "test@localhost"))}
NOT_IN_TARBALL = {".gitignore"}


def run(*command, cwd=None):
    environment = {**os.environ, **AUTHOR}
    return subprocess.run(command, cwd=cwd, env=environment, check=True, capture_output=True, text=True, timeout=300).stdout


class Tree:
    """A tree with scripts/version and nothing else."""

    def __init__(self, directory):
        self.root = pathlib.Path(directory)
        (self.root / "scripts").mkdir()
        shutil.copy(ROOT / "scripts/version", self.root / "scripts")

    def git(self, *arguments):
        return run("git", *arguments, cwd=self.root)

    def commit(self):
        self.git("commit", "--quiet", "--allow-empty", "--message", "one")

    def version(self):
        return run("scripts/version", cwd=self.root)


def check_version(directory):
    tree = Tree(directory)
    versions = []

    def is_now(pattern):
        versions.append(tree.version())
        assert re.fullmatch(pattern, versions[-1]), versions[-1]

    with step("without git and tarball it has a version, too"):
        is_now(r"\d+\.\d+\.\d+~dev")
    with step("a checkout without tags counts commits"):
        tree.git("init", "--quiet")
        tree.commit()
        is_now(r"\d+\.\d+\.\d+~git1\.g[0-9a-f]+")
    with step("at a tag, annotated or not, it is the tag's"):
        tree.git("tag", "v7.1.0")
        is_now(r"7\.1\.0")
    with step("two commits later it says so"):
        tree.commit()
        tree.commit()
        is_now(r"7\.1\.0\+2\.g[0-9a-f]+")
    with step("other tags are no versions"):
        tree.git("tag", "nightly")
        is_now(r"7\.1\.0\+2\.g[0-9a-f]+")
    with step("a candidate comes before its release"):
        tree.commit()
        tree.git("tag", "--annotate", "--message", "candidate", "v7.2.0-rc1")
        is_now(r"7\.2\.0~rc1")
        tree.commit()
        is_now(r"7\.2\.0~rc1\+1\.g[0-9a-f]+")
        tree.commit()
        tree.git("tag", "v7.2.0")
        is_now(r"7\.2\.0")
    with step("dpkg sorts all of them in this order"):
        for lower, upper in zip(versions, versions[1:]):
            subprocess.run(["dpkg", "--compare-versions", lower, "le", upper], check=True)
    with step("inside of somebody else's checkout it is not theirs"):
        inner = tree.root / "inner"
        inner.mkdir()
        assert Tree(inner).version().endswith("~dev")
    with step("a tarball's is what it was made as"):
        (tree.root / ".tarball-version").write_text("5.0.1")
        equal(tree.version(), "5.0.1")


def check_tarball(directory):
    run("scripts/package", "--tarball", f"--directory={directory}", cwd=ROOT)
    (path,) = pathlib.Path(directory).glob("blobproxyd-*.tar.xz")
    version = re.fullmatch(r"blobproxyd-(.+)\.tar\.xz", path.name)[1]
    with tarfile.open(path) as tarball:
        names = {name.split("/", 1)[1] for name in tarball.getnames() if "/" in name}

        def text(name):
            return tarball.extractfile(f"blobproxyd-{version}/{name}").read().decode()

        with step("the tarball is of the version of the tree, and says it"):
            equal(version, run(ROOT / "scripts/version"))
            equal(text(".tarball-version"), version)
        with step("it has every file that git has"):
            equal(sorted(set(run("git", "ls-files", cwd=ROOT).split("\n")) - {""} - NOT_IN_TARBALL - names), [])
        with step("it has nothing that was built, installed or run"):
            equal([name for name in names if re.search(r"(^|/)(node_modules|__pycache__|build[-\w]*|.*\.(o|a|pyc))$", name)
                   and not name.endswith(("build-aux", "scripts/build"))], [])  # fmt: skip
        with step("its RPM spec is of that version"):
            assert re.search(rf"(?m)^Version: +{re.escape(version)}$", text("packaging/blobproxyd.spec"))
        with step("the changelogs of packages end with the same release"):
            debian = re.match(r"blobproxyd \(([^)]+)-1\)", text("debian/changelog"))[1]
            rpm = re.search(r"(?m)^%changelog\n\* .* - (\S+)-1$", text("packaging/blobproxyd.spec"))[1]
            equal(debian, rpm)


def main():
    with tempfile.TemporaryDirectory(prefix="blobproxyd-tree.") as directory:
        for name in ("version", "tarball"):
            os.mkdir(f"{directory}/{name}")
        check_version(f"{directory}/version")
        if (ROOT / ".git").exists():
            check_tarball(f"{directory}/tarball")
        else:
            skip("the tarball", "this is no checkout")
    return finish()


if __name__ == "__main__":
    sys.exit(main())
