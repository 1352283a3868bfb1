# SPDX-License-Identifier: MIT
"""What the tests of the installed packages share: the units, their drop-ins, a client and a load."""

import contextlib
import pathlib
import re
import subprocess

import guest
import rawhttp

HOME = pathlib.Path(__file__).resolve().parents[1]
PACKAGES = HOME / "packages"
NAMES = ("blobproxyd", "blobhostd")
SOCKETS = ("blobproxyd.socket", "blobproxyd-metrics.socket", "blobproxyd-control.socket")
TCP, TCP6, UNIX, TLS = ("127.0.0.1", 10000), ("::1", 10000), "/run/blobproxyd.sock", ("127.0.0.1", 10100)
CONF = pathlib.Path("/etc/blobproxyd/blobproxyd.conf")
CONFIG = "[accounts]\ndevelopment = yes\n"
CONTENT = b"kept while the service is started again"


def apt(verb, *what):
    return guest.run("env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "--yes", "--no-install-recommends", verb, *what)


def install(which, *names):
    """As "apt install ./*.deb" does, without a network."""
    return apt("install", *(str(next((PACKAGES / which).glob(f"{name}_*.deb"))) for name in names or NAMES))


def ctl(*words):
    return guest.run("blobproxyctl", *words)


def is_active(unit):
    return guest.run("systemctl", "is-active", unit, check=False).strip() == "active"


def wait_active():
    """Until the service has said that it is ready; metrics and control answer before that."""
    guest.wait_for(lambda: is_active("blobproxyd.service"), "active service")


def stop():
    """The service alone: its sockets stay."""
    guest.run("systemctl", "stop", "blobproxyd.service")


def restart():
    guest.run("systemctl", "restart", "blobproxyd.service")


def exchange(data, method="GET", address=TCP, **more):
    return rawhttp.one(address, data, method, timeout=guest.DEADLINE_S, **more)


def list_containers(address=TCP):
    return exchange(rawhttp.request("GET", "/?comp=list"), address=address)


def put_blob():
    """/box/a"""
    exchange(rawhttp.request("PUT", "/box?restype=container"), "PUT").must_be((201, 409))
    exchange(rawhttp.put_blob("/box/a", CONTENT), "PUT").must_be(201)


def must_get_blob(address=TCP):
    answer = exchange(rawhttp.request("GET", "/box/a"), address=address).must_be(200)
    assert answer.body == CONTENT, answer


def configure(more="", config=CONFIG):
    CONF.write_text(config + more)


@contextlib.contextmanager
def drop_in(text, unit="blobproxyd.service", name="test.conf"):
    """In force from the next start of the unit, until the end of "with"."""
    path = pathlib.Path(f"/etc/systemd/system/{unit}.d/{name}")
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    guest.run("systemctl", "daemon-reload")
    try:
        yield
    finally:
        path.unlink()
        guest.run("systemctl", "daemon-reload")
        # A unit that was stopped by its own failures starts again when it is asked to.
        guest.run("systemctl", "reset-failed", unit, check=False)


def exposure():
    """What systemd-analyze says of the unit as it is in force."""
    said = guest.run("systemd-analyze", "security", "blobproxyd.service", "--no-pager")
    return float(re.search(r"Overall exposure level for blobproxyd.service: ([\d.]+)", said)[1])


def process_status(pid):
    """/proc/PID/status as a dictionary."""
    rows = (line.partition(":") for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines())
    return {name: value.strip() for name, _, value in rows}


def failed_units():
    return guest.run("systemctl", "--failed", "--no-legend", "--plain").splitlines()


def as_nobody(*words):
    return subprocess.run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", *words], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True)  # fmt: skip
