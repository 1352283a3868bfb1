# SPDX-License-Identifier: MIT
"""Where Azurite is not like Azure, so that a proxy which is cannot be like Azurite. What is allowed here is counted and shown."""

import re

from compare import ABSENT

WRONG_KEY = "a wrong signature is AuthenticationFailed, as documented; Azurite has AuthorizationFailure, and the proxy refuses by itself"
BLOCK_LIST = "after Put Blob Azurite tells a time of tier change and encryption, after a block list, which a large Put Blob becomes, it does not"
NO_LENGTH = "a 304, or the refusal of a HEAD, that names no length: the HTTP library of the proxy writes Content-Length: 0, and cannot be told not to"

# What a refusal has beside its code that tells who refused. Azure echoes the client's id in every response, Azurite not in these.
_REFUSER = ("type", "server", "x-ms-version", "x-ms-client-request-id")
_TIER_TIME = re.compile(r"(access|blob)[-_]?tier[-_]?change", re.IGNORECASE)
_ENCRYPTED = re.compile(r"server[-_]?encrypted$", re.IGNORECASE)
_NOTHING = (None, "", ABSENT)


def _owner_and_name(what):
    """The response or result that a difference is in, and the name of the field that differs."""
    return what.rsplit(": ", 1) if ": " in what else what.rpartition(".")[::2]


def _is_wrong_key(row, refusals):
    scenario, what, direct, proxied = row
    owner, name = _owner_and_name(what)
    if scenario != "errors":
        return False
    return (direct, proxied) == ("AuthorizationFailure", "AuthenticationFailed") or (name in _REFUSER and owner in refusals)


def _is_block_list(row):
    scenario, what, direct, proxied = row
    if scenario not in ("parallel_upload", "downloads") or proxied not in _NOTHING:
        return False
    name = _owner_and_name(what)[1]
    return (_TIER_TIME.search(name) and direct in ("{date}", "{time}")) or (_ENCRYPTED.search(name) and direct is True)


def _is_no_length(row):
    _, what, direct, proxied = row
    owner, name = _owner_and_name(what)
    return name == "content-length" and direct == ABSENT and proxied == "0" and bool(re.search(r" 304$|^HEAD .* [45]\d\d$", owner))


def _reason(row, refusals):
    if _is_wrong_key(row, refusals):
        return WRONG_KEY
    if _is_block_list(row):
        return BLOCK_LIST
    return NO_LENGTH if _is_no_length(row) else None


def split(rows):
    """(differences, {reason: how many})"""
    codes = [what for scenario, what, *values in rows if scenario == "errors" and values == ["AuthorizationFailure", "AuthenticationFailed"]]
    refusals = {_owner_and_name(what)[0] for what in codes}
    left, counts = [], {}
    for row in rows:
        reason = _reason(row, refusals)
        if reason:
            counts[reason] = counts.get(reason, 0) + 1
        else:
            left.append(row)
    return left, counts
