#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs the scenarios of every SDK against Azurite directly and behind blobproxyd; what the SDK saw must be the same.

usage: run.py [--direct | --device] [--self-test] [--scenario NAME]... [--keep DIRECTORY] [LANGUAGE]...
  --direct         the second run is direct, too: any difference is one of the program's own or of the comparison
  --self-test      the same, and a run in which one field of the answers is changed must differ in just this
  --device         the proxy's channel is the device, played by blobdevsim
  --scenario NAME  only this one
  --keep DIRECTORY the programs' output and the normal forms are left there

BLOBPROXY_BUILD  where the programs were built
"""

import argparse
import json
import pathlib
import re
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import allowed  # noqa: E402
import compare  # noqa: E402
import record  # noqa: E402
import services  # noqa: E402

# {name: (folder, more environment)}
LANGUAGES = {
    "js": ("js", {}),
    "python": ("python", {}),
    "python-async": ("python", {"SDK_ASYNC": "1"}),
    "go": ("go", {}),
    "java": ("java", {}),
    "rust": ("rust", {}),
}
MISSING = 77  # exit status of a program whose toolchain is missing
LIMIT_S = 1500  # of a run: the first one installs and builds what the program needs


class Skip(Exception):
    pass


def shown(value):
    """On one line of a table, without secrets."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    text = re.sub(r"sig=[^&\s{]+", "sig=...", text)
    text = re.sub(r"[\r\n\t]+", " ", text)
    return text if len(text) <= 160 else text[:157] + "..."


class Program:
    def __init__(self, language, scenarios, keep):
        folder, self._more = LANGUAGES[language]
        self.language, self._scenarios, self._keep = language, scenarios, keep
        self._script = HERE / folder / "run"

    def _call(self, environment):
        """(standard output, standard error, exit status)"""
        if not self._script.exists():
            raise Skip("there is no program")
        try:
            result = subprocess.run(
                [self._script, *self._scenarios], env=services.environment_of({**environment, **self._more}),
                stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=LIMIT_S, check=False,
            )  # fmt: skip
        except subprocess.TimeoutExpired as late:
            return *((text or b"").decode(errors="replace") for text in (late.stdout, late.stderr)), f"none within {LIMIT_S} s"
        if result.returncode == MISSING:
            raise Skip((result.stderr.strip() or "its toolchain is missing").splitlines()[-1])
        return result.stdout, result.stderr, result.returncode

    def run(self, way, label):
        """({scenario: normal form}, complaints): what it recorded against this way to the account."""
        with way as (environment, names):
            begin = time.monotonic()
            output, errors, code = self._call(environment)
            print(f"# {self.language} {label}: {time.monotonic() - begin:.1f} s", flush=True)
        normal = record.Normaliser(names)
        runs = {name: normal.scenario(line) for name, line in record.read(output).items()}
        self._save(label, output, errors, runs)
        complaints = []
        if code != 0:
            complaints.append(f"exit {code}: {errors.strip()[-400:]}")
        return runs, complaints

    def _save(self, label, output, errors, runs):
        if self._keep:
            base = pathlib.Path(self._keep)
            base.mkdir(parents=True, exist_ok=True)
            (base / f"{self.language}-{label}.jsonl").write_text(output)
            (base / f"{self.language}-{label}.err").write_text(errors)
            text = json.dumps(runs, indent=1, sort_keys=True, ensure_ascii=False)
            (base / f"{self.language}-{label}.json").write_text(text)


def differences(program, second, label):
    """(scenarios, [(scenario, what, direct, proxied)])"""
    one, complaints = program.run(services.direct(), "direct")
    other, more = program.run(second, label)
    found = [("program", "end", text, compare.ABSENT) for text in complaints]
    found += [("program", "end", compare.ABSENT, text) for text in more]
    found += compare.runs(one, other)
    if not one:
        found.append(("program", "scenarios", "none", str(len(other))))
    return len(one), found


def print_table(language, found):
    for row in found:
        print("\t".join([language, *map(shown, row)]), flush=True)


def tampered(head):
    """One field has another value in every answer that has it."""
    return re.sub(rb"(?i)(\r\nServer: [^\r]*)", rb"\1 changed", head)


def self_test(program):
    """Direct against direct differs in nothing, and a change in every answer of one field in just that field."""
    count, found = differences(program, services.direct(), "direct-again")
    print_table(program.language, found)
    number, changed = differences(program, services.direct(tampered), "tampered")
    stray = [row for row in changed if not row[1].endswith(": server") or not str(row[3]).endswith(" changed")]
    print_table(program.language, stray)
    if not changed:
        stray.append(("program", "change", "not seen", compare.ABSENT))
        print_table(program.language, stray)
    print(f"# {program.language}: the changed field was seen {len(changed) - len(stray)} times", flush=True)
    return count + number, found + stray


def second_way(options):
    """(the way, the word for it)"""
    if options.direct:
        return services.direct(), "direct-again"
    if options.device:
        return services.proxied(device=()), "device"
    return services.proxied(), "proxied"


def check(language, options):
    program = Program(language, options.scenario, options.keep)
    if options.self_test:
        return self_test(program)
    count, found = differences(program, *second_way(options))
    found, counts = allowed.split(found)
    for reason, number in counts.items():
        print(f"# {language}: {number} times: {reason}", flush=True)
    print_table(language, found)
    return count, found


def main():
    parser = argparse.ArgumentParser(add_help=True)
    parser.add_argument("--direct", action="store_true")
    parser.add_argument("--device", action="store_true")
    parser.add_argument("--self-test", action="store_true")
    parser.add_argument("--scenario", action="append", default=[])
    parser.add_argument("--keep")
    parser.add_argument("languages", nargs="*", metavar="LANGUAGE")
    options = parser.parse_args()
    unknown = set(options.languages) - set(LANGUAGES)
    if unknown:
        parser.error(f"no such language: {', '.join(sorted(unknown))}; there are {', '.join(LANGUAGES)}")
    scenarios = differing = 0
    for language in options.languages or LANGUAGES:
        try:
            if not services.has_azurite():
                raise Skip("Azurite is not installed")
            count, found = check(language, options)
        except Skip as why:
            print(f"ok - sdk {language} # SKIP {why}", flush=True)
            continue
        except (AssertionError, OSError, RuntimeError, ValueError) as error:
            print(f"{language}\trunner\terror\t{shown(str(error))}\t{compare.ABSENT}", flush=True)
            count, found = 0, [error]
        scenarios += count
        differing += len(found)
    print(f"{scenarios} scenarios, {differing} differences")
    is_nothing = scenarios == 0 and not options.languages
    return 1 if differing or is_nothing else 0


if __name__ == "__main__":
    sys.exit(main())
