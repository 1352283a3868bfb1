# SPDX-License-Identifier: MIT
"""The two ways to the same account: Azurite directly, and Azurite behind blobproxyd and blobhostd --backend."""

import base64
import contextlib
import datetime
import hashlib
import hmac
import os
import pathlib
import shutil
import socket
import ssl
import subprocess
import sys
import urllib.parse

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "system"))

from forwarder import Forwarder  # noqa: E402
from harness import BUILD, Azurite, Daemon, free_port  # noqa: E402
from identity import Identity, token  # noqa: E402

ACCOUNT = "devstoreaccount1"
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="


def account_sas():
    """An account SAS of all services, resources and permissions for a day."""
    fields = {"sv": "2021-12-02", "ss": "bfqt", "srt": "sco", "sp": "rwdxylacuptfi"}
    now = datetime.datetime.now(datetime.timezone.utc)
    fields["st"], fields["se"] = ((now + datetime.timedelta(hours=hours)).strftime("%Y-%m-%dT%H:%M:%SZ") for hours in (-1, 24))
    names = ("sp", "ss", "srt", "st", "se", "sip", "spr", "sv", "ses")
    text = "\n".join([ACCOUNT, *(fields.get(name, "") for name in names), ""])
    fields["sig"] = base64.b64encode(hmac.new(base64.b64decode(KEY), text.encode(), hashlib.sha256).digest()).decode()
    return urllib.parse.urlencode(fields)


class SecureAzurite(Azurite):
    """It speaks HTTPS and takes tokens."""

    def __init__(self, identity):
        self._context = ssl.create_default_context(cafile=identity.ca)
        super().__init__(arguments=["--cert", identity.certificate, "--key", identity.key, "--oauth", "basic"])
        self.url = f"https://127.0.0.1:{self.port}"

    def answers(self):
        assert self.is_running(), f"azurite ended: {self.output()[-2000:]}"
        try:
            with socket.create_connection(self.address) as plain:
                self._context.wrap_socket(plain, server_hostname="127.0.0.1").close()
        except OSError:
            return False
        return True


def _tls(port, identity):
    return {
        "SDK_TLS_ENDPOINT": f"https://127.0.0.1:{port}/{ACCOUNT}",
        "SDK_CA_FILE": str(identity.ca),
        "SDK_TOKEN": token(),
    }


def _environment(port, flaky_port):
    return {
        "SDK_ENDPOINT": f"http://127.0.0.1:{port}/{ACCOUNT}",
        "SDK_FLAKY_ENDPOINT": f"http://127.0.0.1:{flaky_port}/{ACCOUNT}",
        "SDK_ACCOUNT": ACCOUNT,
        "SDK_KEY": KEY,
        "SDK_SAS": account_sas(),
        "SDK_PREFIX": "sdk-",
    }


def _names(environment, *ports):
    """{what an answer may call the endpoint: the word for it}: the ports are those of all services behind it."""
    host = f"{ACCOUNT}.blob.localhost"
    origins = [f"http://{host}", f"https://{host}", *(f"http://{host}:{port}" for port in ports)]
    texts = [f"http://127.0.0.1:{port}/{ACCOUNT}" for port in ports]
    texts += origins + [f"{origin}/{ACCOUNT}" for origin in origins]  # Azurite's ServiceEndpoint doubles the account of host style
    names = {text: "{endpoint}" for text in texts}
    names[environment["SDK_FLAKY_ENDPOINT"]] = "{flaky}"
    if "SDK_TLS_ENDPOINT" in environment:
        names[environment["SDK_TLS_ENDPOINT"]] = "{tls}"
    return names


@contextlib.contextmanager
def direct(change=None):
    """(environment, names of the endpoint); with change() everything goes through a forwarder that changes the answers' heads."""
    with contextlib.ExitStack() as stack:
        azurite = stack.enter_context(Azurite())
        port = stack.enter_context(Forwarder(azurite.address, change, is_flaky=False)).port if change else azurite.port
        flaky = stack.enter_context(Forwarder(azurite.address))
        environment = _environment(port, flaky.port)
        identity = stack.enter_context(Identity())
        environment.update(_tls(stack.enter_context(SecureAzurite(identity)).port, identity))
        yield environment, _names(environment, port, azurite.port)


@contextlib.contextmanager
def _node_options(options):
    """For what is started inside the context."""
    before = os.environ.get("NODE_OPTIONS")
    os.environ["NODE_OPTIONS"] = options
    try:
        yield
    finally:
        del os.environ["NODE_OPTIONS"]
        if before is not None:
            os.environ["NODE_OPTIONS"] = before


def _start_secure(stack, device):
    """The environment of another proxy, which speaks HTTPS, as does the service behind it."""
    identity = stack.enter_context(Identity())
    azurite = stack.enter_context(SecureAzurite(identity))
    port = free_port()
    config = f"[tls]\ncertificate = {identity.certificate}\nkey = {identity.key}\n"
    arguments, host_arguments = ("--listen-tls", f"127.0.0.1:{port}"), ("--backend-ca", identity.ca)
    stack.enter_context(Daemon(config, arguments, backend=azurite.url, host_arguments=host_arguments, device=device))
    return _tls(port, identity)


def _start_host_style(stack, device):
    """(Azurite, a proxy before it): the host calls it by the account's name, so that it can read a copy source of that name."""
    with _node_options(f"--require={HERE / 'loopback.cjs'}"):
        azurite = Azurite()
    stack.enter_context(azurite)
    url = f"http://{{account}}.blob.localhost:{azurite.port}"
    return azurite, stack.enter_context(Daemon(f"[accounts]\nendpoint = {url}\n", backend=url, device=device))


@contextlib.contextmanager
def proxied(device=None):
    """device: options of blobdevsim, which blobproxyd then runs under, with channel = device."""
    with contextlib.ExitStack() as stack:
        azurite, daemon = _start_host_style(stack, device)
        flaky = stack.enter_context(Forwarder(daemon.address))
        environment = _environment(daemon.port, flaky.port)
        environment.update(_start_secure(stack, device))
        yield environment, _names(environment, daemon.port, azurite.port)
        daemon.wait_idle()
        assert device is None or daemon.sim.stats()["completed"] > 0, "nothing went over the device"


def has_azurite():
    """Installs it from its lock file if it is not there yet."""
    if not Azurite.is_installed() and shutil.which("npm") and shutil.which("node"):
        command = ["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"]
        subprocess.run(command, cwd=HERE.parent / "azurite", stdin=subprocess.DEVNULL, stdout=sys.stderr, check=False)
    return Azurite.is_installed()


def environment_of(run):
    """What a program sees besides its own settings: no HTTP proxy in between."""
    return {**os.environ, "NO_PROXY": "127.0.0.1,localhost", "no_proxy": "127.0.0.1,localhost", **run}
