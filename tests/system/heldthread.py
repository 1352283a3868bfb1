# SPDX-License-Identifier: MIT
"""One thread of another process that stands still for a while."""

import contextlib
import ctypes
import os
import pathlib

PTRACE_DETACH, PTRACE_SEIZE, PTRACE_INTERRUPT = 17, 0x4206, 0x4207
WALL = 0x40000000


def thread_of(pid, name):
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        if (task / "comm").read_text().strip() == name:
            return int(task.name)
    raise AssertionError(f"no thread {name}")


class HeldThread:
    """Stands still inside of "with"; at its end it goes on, unless its process has been killed meanwhile."""

    def __init__(self, tid):
        self.tid = tid
        self.libc = ctypes.CDLL(None, use_errno=True)
        self.libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]

    def _call(self, what):
        if self.libc.ptrace(what, self.tid, None, None) < 0:
            raise OSError(ctypes.get_errno(), "ptrace")

    def __enter__(self):
        self._call(PTRACE_SEIZE)
        self._call(PTRACE_INTERRUPT)
        os.waitpid(self.tid, WALL)
        return self

    def reap(self):
        """If it was killed meanwhile: takes note of that, without which its process cannot end."""
        with contextlib.suppress(ChildProcessError):
            os.waitpid(self.tid, WALL | os.WNOHANG)

    def __exit__(self, *_):
        self.reap()
        if os.path.exists(f"/proc/{self.tid}"):
            self._call(PTRACE_DETACH)
