# SPDX-License-Identifier: MIT
"""The typed exceptions that the SDK must raise."""

import contextlib


@contextlib.contextmanager
def raises(kind, status, code=None):
    """The block must end with this exception of the SDK, this status and this x-ms-error-code."""
    try:
        yield
    except kind as error:
        assert error.status_code == status, f"status {error.status_code}, not {status}"
        assert code is None or error.error_code == code, f"code {error.error_code}, not {code}"
        return
    raise AssertionError(f"no {kind.__name__}")
