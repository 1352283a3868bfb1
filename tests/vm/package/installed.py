# SPDX-License-Identifier: MIT
"""What the tests of the installed packages share: the units, their drop-ins, a client and a load."""

import contextlib
import pathlib
import re
import socket
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


def exposure():
    """What systemd-analyze says of the unit as it is in force."""
    said = guest.run("systemd-analyze", "security", "blobproxyd.service", "--no-pager")
    return float(re.search(r"Overall exposure level for blobproxyd.service: ([\d.]+)", said)[1])


def process_status(pid):
    """/proc/PID/status as a dictionary."""
    rows = (line.partition(":") for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines())
    return {name: value.strip() for name, _, value in rows}


SHARE = pathlib.Path("/usr/share/blobproxyd")
DROP_INS = pathlib.Path("/etc/systemd/system/blobproxyd.service.d")
PROFILE = pathlib.Path("/etc/apparmor.d/blobproxyd")


def link(name):
    """A drop-in that is shipped, as its comment says."""
    DROP_INS.mkdir(exist_ok=True)
    (DROP_INS / name).symlink_to(SHARE / name)
    guest.run("systemctl", "daemon-reload")
    restart()


def unlink(name):
    (DROP_INS / name).unlink()
    guest.run("systemctl", "daemon-reload")
    restart()


def denials():
    return [line for line in guest.run("journalctl", "-q", "-b", "-k", "-o", "cat").splitlines() if 'apparmor="DENIED"' in line]


@contextlib.contextmanager
def under_profile():
    """The AppArmor profile is loaded."""
    PROFILE.write_bytes((SHARE / "apparmor/blobproxyd").read_bytes())
    guest.run("apparmor_parser", "-r", str(PROFILE))
    try:
        yield
    finally:
        guest.run("apparmor_parser", "-R", str(PROFILE))
        PROFILE.unlink()


@contextlib.contextmanager
def under_apparmor():
    """The service has it; of what it does meanwhile the kernel denies nothing."""
    with under_profile():
        link("apparmor.conf")
        before = denials()
        try:
            yield
            denied = denials()[len(before) :]
            assert not denied, denied
        finally:
            unlink("apparmor.conf")


def keep(name, data):
    """In the service's state directory, with the commands of blobproxyd(8); returns the path that the configuration names."""
    source = pathlib.Path("/root") / name
    source.write_bytes(data)
    guest.run("sh", "-ec", f"cd /var/lib/private/blobproxyd && install -m 0600 {source} {name} && chown --reference=. {name}")
    return f"/var/lib/blobproxyd/{name}"


def is_refused(address=TCP):
    """Asks there and waits for whatever comes of it."""
    try:
        with socket.create_connection(address, timeout=5) as sock:
            sock.sendall(b"GET / HTTP/1.0\r\n\r\n")
            sock.recv(1)
    except ConnectionRefusedError:
        return True
    except OSError:
        pass
    return False


def failed_units():
    return guest.run("systemctl", "--failed", "--no-legend", "--plain").splitlines()


def as_nobody(*words):
    return subprocess.run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", *words], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True)  # fmt: skip
