# SPDX-License-Identifier: MIT
"""The typed exceptions that the SDK must raise."""

import contextlib
import re


@contextlib.contextmanager
def raises(kind, status, code=None):
    """The block must end with this exception of the SDK, this status and an x-ms-error-code that this expression matches."""
    try:
        yield
    except kind as error:
        assert error.status_code == status, f"status {error.status_code}, not {status}"
        assert code is None or re.fullmatch(code, error.error_code or ""), f"code {error.error_code}, not {code}"
        return
    raise AssertionError(f"no {kind.__name__}")
