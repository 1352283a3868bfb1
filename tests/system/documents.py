#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What is written against what is there: links, options, commands, keys, metrics, bytes and states that the documents name."""

import pathlib
import re
import subprocess
import sys

from harness import BUILD, ROOT, equal, finish, step

PAGES = sorted(path for path in [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("bench/*.md"), *ROOT.glob("tests/*/*.md")])
MANUALS = sorted([*ROOT.glob("man/*.[1-8]"), *ROOT.glob("man/*.[1-8].in")])
FILE_ENDINGS = ("c", "conf", "crt", "def", "h", "key", "sock")
OPTION = r"--[a-z][a-z0-9-]*"


def help_of(program, *arguments):
    return subprocess.run([BUILD / program, *arguments, "--help"], capture_output=True, text=True, timeout=30, check=True).stdout


def prose(page):
    """Without the blocks and quoted pieces of code."""
    text = re.sub(r"(?ms)^```.*?^```", "", page.read_text())
    return re.sub(r"(?m)^    .*$", "", text)


def anchors(page):
    """The names by which a heading is linked to."""
    headings = re.findall(r"(?m)^#+ (.+)$", page.read_text())
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def check_links():
    for page in PAGES:
        links = re.findall(r"\]\(([^)\s]+)\)", prose(page))
        if not links:
            continue
        with step(f"{page.relative_to(ROOT)}: what its links lead to is there"):
            for link in links:
                assert "://" not in link, f"{link} leads out of the tree"
                name, _, anchor = link.partition("#")
                target = page.parent / name if name else page
                assert target.exists(), link
                assert not anchor or anchor in anchors(target), link


def check_files():
    """Paths of the tree in quoted pieces of code."""
    makefile = (ROOT / "Makefile.am").read_text().split()
    roots = {path.name for path in ROOT.iterdir() if path.is_dir() and not path.name.startswith("build")}
    for page in PAGES:
        with step(f"{page.relative_to(ROOT)}: the files that it names are there"):
            for name in re.findall(r"`([\w.-]+/[\w./-]*[\w/])`", page.read_text()):
                if name.split("/")[0] in roots - {"debian"}:
                    assert (ROOT / name).exists() or list(ROOT.glob(name)) or name in makefile, name


def check_references():
    names = {path.name.removesuffix(".in") for path in (ROOT / "man").glob("*.[1-8]*")}

    for page in MANUALS:
        with step(f"{page.name}: the manuals of ours that it refers to are there"):
            for name, section in re.findall(r"\.Xr (blob[\w.-]*) (\d)", page.read_text()):
                assert f"{name}.{section}" in names, f"{name}({section})"
    with step("blobproxyd(8) leads to all others"):
        others = re.findall(r"\.Xr (blob[\w.-]*) (\d)", (ROOT / "man/blobproxyd.8").read_text().split(".Sh SEE ALSO")[1])
        equal(sorted(f"{name}.{section}" for name, section in others), sorted(names - {"blobproxyd.8"}))
    with step("manuals that documents name are there"):
        for page in PAGES:
            for name, section in re.findall(r"\b(blob[\w.-]*)\((\d)\)", page.read_text()):
                assert f"{name}.{section}" in names, f"{page.name}: {name}({section})"


# ---- options ----

def options_in_manual(name):
    """Those that have an entry: .It Fl -config Ns = Ns Ar file."""
    lines = re.findall(r"(?m)^\.It (.*\bFl -.*)$", (ROOT / "man" / name).read_text())
    return {f"-{option}" for line in lines for option in re.findall(r"(?:Fl |, )(-[a-z][a-z0-9-]*)", line)}


def options_in_synopsis(name):
    synopsis = (ROOT / "man" / name).read_text().split(".Sh SYNOPSIS")[1].split(".Sh ")[0]
    return {f"-{option}" for option in re.findall(r"Fl (-[a-z][a-z0-9-]*)", synopsis)}


def options_in_help(program):
    """Those at the beginning of a line and, of verbs, in brackets."""
    return set(re.findall(rf"(?m)^  ({OPTION})", help_of(program))) | set(re.findall(rf"\[({OPTION})", help_of(program)))


def check_options():
    for program, manual in (("blobproxyd", "blobproxyd.8"), ("blobhostd", "blobhostd.8"), ("blobproxyctl", "blobproxyctl.1"),
                            ("blobproxyd-local-ca", "blobproxyd-local-ca.1")):  # fmt: skip
        with step(f"{program}: manual and --help have the same options"):
            equal(sorted(options_in_manual(manual)), sorted(options_in_help(program)))
        with step(f"{program}: the synopsis has no other, and none is missing"):
            equal(sorted(options_in_synopsis(manual)), sorted(options_in_help(program)))
    with step("blobproxyctl: each verb has a section of the manual, and each section is a verb"):
        verbs = re.findall(r"(?m)^  ([a-z][a-z-]*)(?: |$)", help_of("blobproxyctl"))
        sections = re.findall(r"(?m)^\.Ss ([a-z][a-z-]*)$", (ROOT / "man/blobproxyctl.1").read_text())
        assert verbs
        equal(sorted(sections), sorted(verbs))


# ---- commands ----

def commands():
    """(page, command) of every line of a block of code, and of every quoted piece."""
    for page in PAGES:
        text = page.read_text()
        blocks = re.findall(r"(?ms)^```(?:sh)?\n(.*?)^```", text) + ["\n".join(re.findall(r"(?m)^    (.*)$", text))]
        for piece in "\n".join(blocks).splitlines() + re.findall(r"`([^`\n]+)`", text):
            yield page.relative_to(ROOT), piece.split(" # ")[0].strip()


def targets():
    return set(re.findall(r"(?m)^([a-z][\w-]*):(?!=)", (ROOT / "Makefile.am").read_text())) | {"check", "dist", "distcheck", "install"}


def check_commands():
    programs = {"blobproxyd", "blobhostd", "blobproxyd-local-ca"}
    scripts = {f"scripts/{path.name}" for path in (ROOT / "scripts").iterdir()}
    found = 0

    with step("scripts and programs that are called are there, and take the options that they are given"):
        for page, command in commands():
            for word, rest in re.findall(r"(?:^|[\s&;|(])((?:scripts|build)/[\w-]+|blobproxyd|blobhostd|blobproxyd-local-ca)((?: [^\s|&;<>]+)*)",
                                         command):  # fmt: skip
                name = word.split("/")[-1]
                assert word in scripts or not word.startswith("scripts/"), f"{page}: {command}"
                text = help_of(name) if name in programs else (ROOT / word).read_text() if word in scripts else ""
                found += 1
                for option in re.findall(rf"(?:^| )({OPTION})", rest):
                    assert not text or option in text, f"{page}: {command}: {option}"
    with step("what make is asked for has a rule"):
        for page, command in commands():
            for target in re.findall(r"^make (?:-C \S+ )?([a-z][\w-]*)$", command):
                found += 1
                assert target in targets(), f"{page}: {command}"
    with step("verbs of blobproxyctl are verbs"):
        verbs = set(re.findall(r"(?m)^  ([a-z][a-z-]*)(?: |$)", help_of("blobproxyctl")))
        for page, command in commands():
            for verb in re.findall(r"blobproxyctl ([a-z][a-z-]*)", command):
                found += 1
                assert verb in verbs, f"{page}: {command}"
    with step("there were commands to check"):
        assert found > 20, found


# ---- keys, metrics, bytes, states ----

def keys():
    found, section = set(), ""
    for line in help_of("blobproxyd").splitlines():
        heading = re.fullmatch(r"\[(\w+)\]", line)
        section = heading[1] if heading else section
        key = re.match(r"  (\w+) = ?", line)
        if section and key:
            found.add(f"{section}.{key[1]}")
    return found


def check_names():
    known = keys()
    sections = {key.split(".")[0] for key in known}
    metrics = (ROOT / "src/blobproxyd/metrics.def").read_text()

    with step("keys of the configuration that documents and manuals name are keys"):
        assert len(known) > 40, known
        for page in [*PAGES, *MANUALS]:
            for section, key in re.findall(r"(?:`|\.Cm )([a-z]+)\.([a-z_]+)\b(?!\.)", page.read_text()):
                if section in sections and key not in FILE_ENDINGS:
                    assert f"{section}.{key}" in known or f"{section}.{key}".rstrip("_") in known, f"{page.name}: {section}.{key}"
    with step("metrics that documents and manuals name are metrics"):
        for page in [*PAGES, *MANUALS]:
            for name in re.findall(r"\bblobproxy_[a-z_]+[a-z]\b(?!\*)", page.read_text()):
                family = re.sub(r"_(bucket|sum|count)$", "", name)
                assert f'"{family}"' in metrics or f'"{name}"' in metrics or name.endswith("upstream_"), f"{page.name}: {name}"


def check_envelope():
    with step("the example of blobproxyd-envelope(7) is that of the test vectors"):
        lines = (ROOT / "tests/vectors/envelope.txt").read_text().splitlines()
        wanted = [lines[lines.index(f"# {title}") + 1].split()[-1]
                  for title in ("format 2 request: a Put Block head", "format 2 response: a 201 head")]  # fmt: skip
        shown = []
        for block in re.findall(r"(?ms)^\.Bd -literal\n(.*?)^\.Ed", (ROOT / "man/blobproxyd-envelope.7").read_text()):
            rows = re.findall(r"(?m)^([0-9a-f]{4})  (.{47})  (.*)$", block)
            equal([int(row[0], 16) for row in rows], list(range(0, 16 * len(rows), 16)))
            shown.append("".join(row[1].replace(" ", "") for row in rows))
            text = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in bytes.fromhex(shown[-1]))
            equal("".join(row[2].replace("\\e", "\\") for row in rows), text)
        equal(shown, wanted)
    with step("its status codes are those of the source"):
        codes = re.findall(r"(?m)^#define VSP_STATUS_\w+ (0x8\w+)u$", (ROOT / "src/lib/vmbus/vsp_status.h").read_text())
        shown = re.findall(r"(?m)^\.It (0x8\w+)$", (ROOT / "man/blobproxyd-envelope.7").read_text())
        equal(sorted(shown), sorted(codes))


def check_states():
    with step("the states of an exchange in docs/architecture.md are those of the source"):
        source = (ROOT / "src/blobproxyd/exchange.c").read_text()
        wanted = {name: {step.lower() for step in re.findall(r"BIT\(EX_(\w+)\)", steps)}
                  for name, steps in re.findall(r'(?s)\[EX_\w+\] = \{"(\w+)", (.*?)\},', source)}  # fmt: skip
        rows = re.findall(r"(?m)^\| (\w+) \| .* \| ([a-z, ]*)\|$", (ROOT / "docs/architecture.md").read_text())
        shown = {name: set(re.findall(r"\w+", steps)) for name, steps in rows if name in wanted}
        assert len(wanted) >= 8
        equal(shown, wanted)


def check_modules():
    with step("docs/architecture.md names every module"):
        words = set(re.findall(r"[a-z0-9]+", (ROOT / "docs/architecture.md").read_text()))
        folders = ("src/blobproxyd", "src/lib")
        modules = {path.stem.split("_")[0] for folder in folders for path in (ROOT / folder).glob("*.c")}
        modules |= {path.name for path in (ROOT / "src/lib").iterdir() if path.is_dir()}
        equal(sorted(modules - words), [])


def main():
    check_links()
    check_files()
    check_references()
    check_options()
    check_commands()
    check_names()
    check_envelope()
    check_states()
    check_modules()
    return finish()


if __name__ == "__main__":
    sys.exit(main())
