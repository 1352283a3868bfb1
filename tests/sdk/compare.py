# SPDX-License-Identifier: MIT
"""Compares two runs in normal form; a difference is a (scenario, what, direct, proxied)."""

ABSENT = "(none)"


def _label(response):
    return f"{response['method']} {response['url']} {response['status']}"


def _by_label(responses):
    found = {}
    for response in responses:
        found.setdefault(_label(response), []).append(response)
    return found


def _fields(label, direct, proxied):
    """Content-Length may be missing only where the other side was chunked."""
    for name in sorted(direct["headers"].keys() | proxied["headers"].keys()):
        if name == "content-length" and direct["is_chunked"] != proxied["is_chunked"]:
            continue
        one, other = (side["headers"].get(name, ABSENT) for side in (direct, proxied))
        if one != other:
            yield f"{label}: {name}", one, other


def responses(direct, proxied):
    """Those with the same method, URL and status are compared in order; the rest is on one side alone."""
    ours, theirs = _by_label(direct), _by_label(proxied)
    for label in sorted(ours.keys() | theirs.keys()):
        one, other = ours.get(label, []), theirs.get(label, [])
        if len(one) != len(other):
            yield f"{label}: responses", str(len(one)), str(len(other))
        for pair in zip(one, other):
            yield from _fields(label, *pair)


def values(path, direct, proxied):
    """Differences inside two JSON values, each with its path."""
    if isinstance(direct, dict) and isinstance(proxied, dict):
        for key in sorted(direct.keys() | proxied.keys()):
            yield from values(f"{path}.{key}", direct.get(key, ABSENT), proxied.get(key, ABSENT))
    elif isinstance(direct, list) and isinstance(proxied, list) and len(direct) == len(proxied):
        for index, pair in enumerate(zip(direct, proxied)):
            yield from values(f"{path}[{index}]", *pair)
    elif direct != proxied or type(direct) is not type(proxied):
        yield path, direct, proxied


def _errors(direct, proxied):
    """A scenario that broke is a difference, even when it broke the same way twice."""
    if direct["error"] or proxied["error"]:
        yield "error", direct["error"] or ABSENT, proxied["error"] or ABSENT


def scenario(direct, proxied):
    yield from _errors(direct, proxied)
    yield from values("results", direct["results"], proxied["results"])
    yield from responses(direct["responses"], proxied["responses"])


def runs(direct, proxied):
    """Two {scenario: normal form}."""
    for name in [*direct, *(name for name in proxied if name not in direct)]:
        if name not in direct or name not in proxied:
            yield name, "scenario", *("run" if name in side else ABSENT for side in (direct, proxied))
            continue
        for what, one, other in scenario(direct[name], proxied[name]):
            yield name, what, one, other
