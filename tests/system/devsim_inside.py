# SPDX-License-Identifier: MIT
"""What devsim.py runs under blobdevsim: devsim_inside.py SCENARIO CONTROL-SOCKET. Ends with 0, or says what is wrong."""

import sys

import devsim_calls  # noqa: F401 - it registers its scenarios
import devsim_faults  # noqa: F401
from devsim_common import SCENARIOS
from simcontrol import SimControl

SCENARIOS[sys.argv[1]](SimControl(sys.argv[2]))
