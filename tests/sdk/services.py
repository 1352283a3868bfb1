# SPDX-License-Identifier: MIT
"""The two ways to the same account: Azurite directly, and Azurite behind blobproxyd and blobhostd --backend."""

import base64
import contextlib
import datetime
import hashlib
import hmac
import os
import pathlib
import sys
import urllib.parse

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "system"))

from azurite import Azurite  # noqa: E402
from forwarder import Forwarder  # noqa: E402
from harness import Daemon, free_port  # noqa: E402
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
    names = {environment["SDK_FLAKY_ENDPOINT"]: "{flaky}", environment["SDK_TLS_ENDPOINT"]: "{tls}", f"http://{ACCOUNT}.blob.localhost": "{endpoint}"}
    for port in ports:
        names[f"http://127.0.0.1:{port}/{ACCOUNT}"] = "{endpoint}"
        names[f"http://{ACCOUNT}.blob.localhost:{port}"] = "{endpoint}"
    return names


@contextlib.contextmanager
def direct(change=None):
    """(environment, names of the endpoint); with change() everything goes through a forwarder that changes the answers' heads."""
    with contextlib.ExitStack() as stack:
        azurite = stack.enter_context(Azurite())
        target = ("127.0.0.1", azurite.port)
        port = stack.enter_context(Forwarder(target, change, is_flaky=False)).port if change else azurite.port
        flaky = stack.enter_context(Forwarder(target))
        identity = stack.enter_context(Identity())
        secure = stack.enter_context(Azurite(identity))
        environment = {**_environment(port, flaky.port), **_tls(secure.port, identity)}
        yield environment, _names(environment, port, azurite.port)


def _daemon(stack, backend, identity=None):
    """A proxy before this Azurite; with an identity it speaks HTTPS, too, and the host behind it as well."""
    if not identity:
        return stack.enter_context(Daemon(backend=f"http://127.0.0.1:{backend.port}"))
    config = f"[tls]\ncertificate = {identity.certificate}\nkey = {identity.key}\n"
    arguments = ["--listen-tls", f"127.0.0.1:{free_port()}"]
    return stack.enter_context(Daemon(config, arguments, backend=f"https://127.0.0.1:{backend.port}", backend_ca=identity.ca))


@contextlib.contextmanager
def proxied():
    with contextlib.ExitStack() as stack:
        azurite = stack.enter_context(Azurite())
        daemon = _daemon(stack, azurite)
        flaky = stack.enter_context(Forwarder(daemon.address))
        environment = _environment(daemon.port, flaky.port)
        yield environment, _names(environment, daemon.port, azurite.port)
        daemon.wait_idle()


def has_azurite():
    return Azurite.program() is not None


def environment_of(run):
    """What a program sees besides its own settings: no HTTP proxy in between."""
    return {**os.environ, "NO_PROXY": "127.0.0.1,localhost", "no_proxy": "127.0.0.1,localhost", **run}
