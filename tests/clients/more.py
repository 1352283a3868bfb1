#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs the clients that scripts/check-clients installs, as run.py does the others.

AZ, AZCOPY         the programs
ADLFS_PYTHON       a Python that has adlfs, pandas and DuckDB
HADOOP_CLASSES     a class path with tests/clients/hadoop's class and what it needs
"""

import os
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from run import can, run_all  # noqa: E402


def clients():
    python = os.environ.get("ADLFS_PYTHON", sys.executable)
    has_adlfs = can(python, "-c", "import adlfs, pandas, duckdb")
    return [
        ("Azure CLI", [HERE / "az/scenario.sh"], ""),
        ("azcopy", [HERE / "azcopy/scenario.sh"], ""),
        ("adlfs", [python, HERE / "adlfs/scenario.py"] if has_adlfs else None, "adlfs, pandas or DuckDB is missing"),
        ("Hadoop WASB", [HERE / "hadoop/scenario.sh"], ""),
    ]


if __name__ == "__main__":
    sys.exit(run_all(clients()))
