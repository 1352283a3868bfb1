# SPDX-License-Identifier: MIT
"""Counts the steps of a test program and prints them in the Test Anything Protocol."""

import contextlib
import re
import traceback

_passed = 0
_failed = 0
_skipped = 0


def _number():
    return _passed + _failed + _skipped


def redacted(text):
    return re.sub(r"sig=[^&\s]*", "sig=...", text)


@contextlib.contextmanager
def step(name):
    """One step; a failure is printed and counted, and the program goes on."""
    global _passed, _failed
    try:
        yield
    except Exception:  # whatever went wrong, the step failed
        _failed += 1
        print(f"not ok {_number()} - {name}", flush=True)
        for line in traceback.format_exc().splitlines()[-14:]:
            print("  # " + redacted(line), flush=True)
    else:
        _passed += 1
        print(f"ok {_number()} - {name}", flush=True)


def skip(name, reason):
    global _skipped
    _skipped += 1
    print(f"ok {_number()} - {name} # SKIP {reason}", flush=True)


def equal(got, want):
    assert got == want, f"got {got!r:.300}, want {want!r:.300}"


def note(text):
    print(f"# {text}", flush=True)


def finish():
    """Prints the plan and the summary; returns the exit status."""
    print(f"1..{_number()}")
    print(f"{_passed} passed, {_failed} failed" + (f", {_skipped} skipped" if _skipped else ""))
    return 0 if _passed and not _failed else 1
