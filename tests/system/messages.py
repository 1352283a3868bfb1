#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The table of log messages (src/lib/message.def) against the sources that log, the man pages and the catalog made of it."""

import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

from harness import BUILD, ROOT, equal, finish, skip, step

PROGRAMS = ("blobproxyd", "blobhostd")
CALL = re.compile(r"\blog_(error|warning|notice|info|debug|event|record)\s*\(")
STRING = re.compile(r'"((?:[^"\\]|\\.)*)"')
# log_event(): from the second argument; "a" ? "b" : "c" is fine, a variable is not: this test could not read it.
WORDS = re.compile(r'(?:[^"?]*\?)?\s*"([a-z-]+)"(?:\s*:\s*"([a-z-]+)")?\s*')
LEVELS = ("ERROR", "WARNING", "NOTICE", "INFO", "DEBUG")
# Of the form itself; they stand around the fields.
OWN_KEYS = {"time", "level", "program", "event", "message", "message_id"}


def without_comments(text):
    return re.sub(r"/\*.*?\*/", lambda found: "\n" * found.group().count("\n"), text, flags=re.DOTALL)


def sources():
    for path in sorted((ROOT / "src").rglob("*.c")):
        if path.name != "log.c":
            yield path, without_comments(path.read_text())


def arguments(text, start):
    """The arguments of the call whose parenthesis has been opened before start."""
    found, depth, begin, at = [], 0, start, start
    while True:
        string = STRING.match(text, at)
        if string:
            at = string.end()
            continue
        if text[at] in "([{":
            depth += 1
        elif text[at] in ")]}" and depth > 0:
            depth -= 1
        elif text[at] == "," and depth == 0 or text[at] == ")":
            found.append(text[begin:at].strip())
            begin = at + 1
            if text[at] == ")":
                return found
        at += 1


def calls():
    """(place, program or None for both, level or None, word) of each event in the sources."""
    for path, text in sources():
        for call in CALL.finditer(text):
            place = f"{path.relative_to(ROOT)}:{text.count(chr(10), 0, call.start()) + 1}"
            given = arguments(text, call.end())
            is_event = call.group(1) == "event"
            level = given[0].removeprefix("LOG_LEVEL_") if is_event else call.group(1).upper()
            words = WORDS.fullmatch(given[1 if is_event else 0])
            assert words, f"{place}: the event {given[1 if is_event else 0]} is not a literal"
            program = path.parent.name if path.parent.name in PROGRAMS else None
            for word in filter(None, words.groups()):
                yield place, program, level if level in LEVELS else None, word


def table():
    """Rows of message.def: {'MESSAGE': [[argument, ...], ...], ...}, strings joined and without quotes."""
    text = without_comments((ROOT / "src/lib/message.def").read_text())
    text = "\n".join(line for line in text.splitlines() if not line.startswith("#"))
    rows = {"MESSAGE": [], "MESSAGE_PLAIN": [], "MESSAGE_FIELD": []}
    for row in re.finditer(r"^(MESSAGE\w*)\(", text, re.MULTILINE):
        given = arguments(text, row.end())
        rows[row.group(1)].append(["".join(STRING.findall(value)) if '"' in value else value for value in given])
    return rows


def check_words():
    rows, said = table(), list(calls())
    known = {(row[0], row[1]) for row in rows["MESSAGE"] + rows["MESSAGE_PLAIN"]}
    levels = {(row[0], row[1]): row[2] for row in rows["MESSAGE"]}
    with step("the table has rows, and the sources have events"):
        assert len(rows["MESSAGE"]) >= 20 and len(rows["MESSAGE_PLAIN"]) >= 10 and len(said) >= 50, (len(known), len(said))
    with step("every event of the sources is in the table of messages, or named there as one that needs no alert"):
        unknown = [f"{place}: {word}" for place, program, _, word in said
                   if not any((name, word) in known for name in ([program] if program else PROGRAMS))]  # fmt: skip
        assert not unknown, "add them to src/lib/message.def: " + "; ".join(unknown)
    with step("every row of the table is an event of that program's sources"):
        words = {(program, word) for _, program, _, word in said}
        unsaid = [row for row in sorted(known) if row not in words and (None, row[1]) not in words]
        assert not unsaid, unsaid
    with step("events are as loud as the table says"):
        wrong = [f"{place}: {word} is {level}" for place, program, level, word in said
                 if level and program and (program, word) in levels and level != levels[program, word]]  # fmt: skip
        assert not wrong, wrong
    with step("what needs no alert is no warning, but where nothing can be done about it"):
        plain = {(row[0], row[1]) for row in rows["MESSAGE_PLAIN"]} - {("blobproxyd", "listen-skipped")}
        plain -= {(program, "no-journal") for program in PROGRAMS}
        loud = [f"{place}: {word}" for place, program, level, word in said
                if (program, word) in plain and level in ("ERROR", "WARNING")]  # fmt: skip
        assert not loud, loud


def check_rows():
    rows = table()
    with step("ids are 128 random bits, each used once"):
        ids = [row[3] for row in rows["MESSAGE"]]
        wrong = [value for value in ids if not re.fullmatch(r"[0-9a-f]{12}4[0-9a-f]{3}[89ab][0-9a-f]{15}", value)]
        assert not wrong, wrong
        equal(len(set(ids)), len(ids))
    with step("words and keys are unique, and every text is there"):
        words = [(row[0], row[1]) for row in rows["MESSAGE"] + rows["MESSAGE_PLAIN"]]
        keys = [row[0] for row in rows["MESSAGE_FIELD"]]
        equal((len(set(words)), len(set(keys))), (len(words), len(keys)))
        for row in rows["MESSAGE"]:
            equal(len(row), 8)
            assert row[0] in PROGRAMS and row[2] in LEVELS and not row[4].endswith("."), row
            assert all(text.endswith(".") or text.endswith("?") for text in row[5:]), row


def check_fields():
    known = {row[0] for row in table()["MESSAGE_FIELD"]}
    used = {}
    for path, text in sources():
        for lists in re.finditer(r"struct log_field \w*(?:\[[^\]]*\])? ?= ?\{|\(struct log_field\)\{|add(?:_known)?\(&?list, ", text):
            end = text.find(";", lists.end())
            piece = text[lists.end():end]  # fmt: skip
            pairs = re.findall(r'(?:^|\{)\s*"([a-z_]+)"\s*,', piece)
            for key in pairs:
                used.setdefault(key, f"{path.relative_to(ROOT)}:{text.count(chr(10), 0, lists.start()) + 1}")
    used = {key: place for key, place in used.items() if key not in OWN_KEYS}
    with step("every field of an event is in the table"):
        assert len(used) >= 20, used
        unknown = {key: place for key, place in used.items() if key not in known}
        assert not unknown, unknown
    with step("every field of the table is one of an event"):
        equal(known - set(used), {"string_to_sign"} - set(used))


def check_reasons():
    with step("reasons for going upstream are those of the metrics"):
        metrics = (ROOT / "src/blobproxyd/metrics.def").read_text()
        rows = re.findall(r'\b(ROUTE_\w+), "route=\\"upstream\\",reason=\\"(\w+)\\"', metrics)
        said = re.findall(r'\[METRIC_(ROUTE_\w+)\] = "(\w+)"', (ROOT / "src/blobproxyd/exchange_end.c").read_text())
        assert len(rows) >= 8, rows
        equal(sorted(said), sorted(rows))


def generated(kind, program):
    done = subprocess.run([BUILD / "message_catalog", kind, program], capture_output=True, text=True, check=True)
    return done.stdout


def check_man_pages():
    for program in PROGRAMS:
        with step(f"{program}(8) has the table under LOG MESSAGES, word for word"):
            page = (ROOT / f"man/{program}.8").read_text()
            section = page[page.index(".Sh LOG MESSAGES") :]
            section = section[: section.index("\n.Sh ", 1) + 1]
            assert generated("man", program) in section, f"put what build/message_catalog man {program} prints into man/{program}.8"


def check_catalog():
    with step("the catalogs that are installed are what the table makes now"):
        for program in PROGRAMS:
            equal((BUILD / f"{program}.catalog").read_text(), generated("catalog", program))
    name = "journalctl reads the catalogs: every id has its subject and what to do"
    if not shutil.which("journalctl"):
        skip(name, "there is no journalctl")
        return
    with step(name), tempfile.TemporaryDirectory(prefix="blobproxy-catalog-") as root:
        place = pathlib.Path(root) / "usr/lib/systemd/catalog"
        place.mkdir(parents=True)
        for program in PROGRAMS:
            shutil.copy(BUILD / f"{program}.catalog", place)
        subprocess.run(["journalctl", "--update-catalog", f"--root={root}"], check=True, capture_output=True)
        listed = subprocess.run(["journalctl", "--dump-catalog", f"--root={root}"], check=True, capture_output=True, text=True).stdout
        entries = dict(re.findall(r"^-- ([0-9a-f]{32})\n(.*?)(?=^-- |\Z)", listed, re.MULTILINE | re.DOTALL))
        rows = table()["MESSAGE"]
        equal(set(entries), {row[3] for row in rows})
        for row in rows:
            entry = entries[row[3]]
            assert f"Subject: {row[4]}\n" in entry and f"Defined-By: {row[0]}\n" in entry, entry
            flat = " ".join(entry.split())
            assert row[5] in flat and "For clients: " + row[6] in flat and "What to do: " + row[7] in flat, entry


def main():
    check_words()
    check_rows()
    check_fields()
    check_reasons()
    check_man_pages()
    check_catalog()
    return finish()


if __name__ == "__main__":
    sys.exit(main())
