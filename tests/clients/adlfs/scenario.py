#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What a user does with pandas and DuckDB through adlfs, against the endpoint in the environment (BLOB_ENDPOINT, BLOB_SOCKET)."""

import importlib.util
import os
import pathlib
import sys
import tempfile
import uuid

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "system"))

from tap import equal, finish, note, skip, step  # noqa: E402

ENDPOINT = os.environ.get("BLOB_ENDPOINT", "http://127.0.0.1:10000/devstoreaccount1")
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
CONNECTION = f"DefaultEndpointsProtocol=http;AccountName=devstoreaccount1;AccountKey={KEY};BlobEndpoint={ENDPOINT};"
# The default, 50 MiB, is more than a transfer takes.
OPTIONS = {"connection_string": CONNECTION, "blocksize": 8 << 20}
CONTAINER = "adlfs-" + uuid.uuid4().hex


def why_not():
    """A reason to leave the scenario out, or None."""
    if os.environ.get("BLOB_SOCKET"):
        return "adlfs has no option for a Unix socket"
    if not ENDPOINT.startswith("http://127."):
        return "not every resolver knows *.localhost"
    missing = [name for name in ("adlfs", "duckdb", "pandas", "pyarrow") if importlib.util.find_spec(name) is None]
    return ", ".join(missing) + " not installed" if missing else None


def main():
    reason = why_not()
    if reason:
        skip("adlfs", reason)
        finish()
        return 0
    import adlfs
    import duckdb
    import pandas

    note(f"{ENDPOINT}, adlfs {adlfs.__version__}, pandas {pandas.__version__}, DuckDB {duckdb.__version__}")
    store = adlfs.AzureBlobFileSystem(**OPTIONS)
    with tempfile.TemporaryDirectory() as work:
        files(store, pathlib.Path(work))
    frames(pandas)
    queries(store, duckdb)
    with step("remove the container"):
        store.rm(CONTAINER, recursive=True)
        assert CONTAINER not in store.ls("", refresh=True)
    return finish()


def files(store, work):
    data = os.urandom(50 << 20)
    (work / "up").write_bytes(data)
    with step("make a container"):
        store.mkdir(CONTAINER)
    with step("put a file of 50 MiB"):
        store.put(str(work / "up"), f"{CONTAINER}/dir/large")
    with step("list it"):
        equal(store.find(CONTAINER), [f"{CONTAINER}/dir/large"])
        equal(store.info(f"{CONTAINER}/dir/large")["size"], len(data))
    with step("what comes back is the same"):
        store.get(f"{CONTAINER}/dir/large", str(work / "down"))
        assert (work / "down").read_bytes() == data
    with step("a range of it is the same"):
        with store.open(f"{CONTAINER}/dir/large") as stream:
            stream.seek(30_000_000)
            assert stream.read(10_000_000) == data[30_000_000:40_000_000]
    with step("delete it"):
        store.rm(f"{CONTAINER}/dir/large")
        assert not store.exists(f"{CONTAINER}/dir/large")


def frames(pandas):
    frame = pandas.DataFrame({"number": range(3_000_000), "text": ["x" * (number % 17) for number in range(3_000_000)]})
    with step("a table goes out as Parquet and comes back"):
        frame.to_parquet(f"abfs://{CONTAINER}/table.parquet", storage_options=OPTIONS)
        assert frame.equals(pandas.read_parquet(f"abfs://{CONTAINER}/table.parquet", storage_options=OPTIONS))
    with step("a table goes out as CSV, in blocks, and comes back"):
        frame.to_csv(f"az://{CONTAINER}/table.csv", index=False, storage_options=OPTIONS)
        back = pandas.read_csv(f"az://{CONTAINER}/table.csv", storage_options=OPTIONS, keep_default_na=False)
        equal(len(back), len(frame))
        equal(int(back.number.sum()), int(frame.number.sum()))


def queries(store, duckdb):
    database = duckdb.connect()
    database.register_filesystem(store)
    with step("DuckDB reads the table"):
        equal(database.execute(f"select count(*), sum(number) from 'abfs://{CONTAINER}/table.parquet'").fetchall(),
              [(3_000_000, 3_000_000 * 2_999_999 // 2)])
    with step("DuckDB writes one and reads it back"):
        target = f"abfs://{CONTAINER}/out/part.parquet"
        database.execute(f"copy (select i from range(1000000) rows(i)) to '{target}'")
        equal(database.execute(f"select sum(i) from 'abfs://{CONTAINER}/out/*.parquet'").fetchall(), [(499_999_500_000,)])


if __name__ == "__main__":
    sys.exit(main())
