# SPDX-License-Identifier: MIT
"""A CA and a certificate of 127.0.0.1 for one run, and a token such as only Azurite accepts."""

import base64
import json
import pathlib
import shutil
import subprocess
import tempfile
import time


def _openssl(*arguments):
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)


class Identity:
    """Files in a folder of their own; as a context they are removed at the end."""

    def __init__(self):
        self._directory = tempfile.mkdtemp(prefix="sdk-identity-")
        base = pathlib.Path(self._directory)
        self.ca, self.certificate, self.key = base / "ca.pem", base / "server.pem", base / "server.key"

    def __enter__(self):
        base = pathlib.Path(self._directory)
        ca_key, request, extensions = base / "ca.key", base / "server.csr", base / "extensions"
        new = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
        ca_fields = ("-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign,cRLSign")
        _openssl("req", "-x509", *new, "-keyout", ca_key, "-out", self.ca, "-days", 2, "-subj", "/CN=SDK matrix CA",
                 "-config", "/dev/null", *ca_fields)  # fmt: skip
        _openssl("req", *new, "-keyout", self.key, "-out", request, "-subj", "/CN=127.0.0.1", "-config", "/dev/null")
        extensions.write_text(
            "subjectAltName=IP:127.0.0.1,DNS:localhost\nbasicConstraints=critical,CA:FALSE\n"
            "keyUsage=critical,digitalSignature\nextendedKeyUsage=serverAuth\n"
        )
        _openssl("x509", "-req", "-in", request, "-CA", self.ca, "-CAkey", ca_key, "-CAcreateserial", "-days", 2,
                 "-out", self.certificate, "-extfile", extensions)  # fmt: skip
        self.key.chmod(0o600)
        return self

    def __exit__(self, *_):
        shutil.rmtree(self._directory, ignore_errors=True)


def _part(value):
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def token():
    """A JWT for storage, signed by nobody."""
    now = int(time.time())
    claims = {
        "aud": "https://storage.azure.com", "iss": "https://sts.windows.net/00000000-0000-0000-0000-000000000001/",
        "iat": now - 60, "nbf": now - 60, "exp": now + 86400, "oid": "00000000-0000-0000-0000-000000000002",
        "tid": "00000000-0000-0000-0000-000000000001",
    }  # fmt: skip
    return f"{_part({'alg': 'RS256', 'typ': 'JWT'})}.{_part(claims)}.c2lnbmF0dXJl"
