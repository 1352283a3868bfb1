# SPDX-License-Identifier: MIT
"""The endpoint under test, from the environment, and the way the SDK is made to reach it.

BLOB_ENDPOINT  http://127.0.0.1:10000/devstoreaccount1 (path style) or http://devstoreaccount1.blob.localhost:10000 (host style)
BLOB_SOCKET    path of a Unix socket that every connection goes to instead, whatever host the URL names
BLOB_ACCOUNT, BLOB_KEY  default: the published development account
"""

import base64
import os
import socket
import urllib.parse

import requests
import requests.adapters
import urllib3
from azure.core.pipeline.transport import RequestsTransport
from azure.storage.blob import BlobServiceClient

ACCOUNT = os.environ.get("BLOB_ACCOUNT", "devstoreaccount1")
KEY = os.environ.get("BLOB_KEY", "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==")
ENDPOINT = os.environ.get("BLOB_ENDPOINT", "http://127.0.0.1:10000/devstoreaccount1")
SOCKET = os.environ.get("BLOB_SOCKET")


class _Connection(urllib3.connection.HTTPConnection):
    """Goes to the Unix socket, or to the loopback whatever the host's name: not every resolver knows *.localhost."""

    def _new_conn(self):
        if not SOCKET:
            return socket.create_connection(("127.0.0.1", self.port), timeout=20)
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.settimeout(20)
        connection.connect(SOCKET)
        return connection


class _Pool(urllib3.HTTPConnectionPool):
    ConnectionCls = _Connection


class _Adapter(requests.adapters.HTTPAdapter):
    def init_poolmanager(self, *args, **kwargs):
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": _Pool}


def _transport():
    session = requests.Session()
    session.trust_env = False
    session.mount("http://", _Adapter(pool_maxsize=16))
    return RequestsTransport(session=session)


def options():
    """One try per request: a failure must show, not be repaired by a retry."""
    return {"retry_total": 0, "transport": _transport(), "max_block_size": 4 << 20}


def service(credential=KEY, **more):
    if credential is KEY:
        credential = {"account_name": ACCOUNT, "account_key": KEY}
    return BlobServiceClient(ENDPOINT, credential=credential, **{**options(), **more})


def service_with_wrong_key():
    return service({"account_name": ACCOUNT, "account_key": base64.b64encode(bytes(64)).decode()})


def service_from_connection_string():
    text = f"DefaultEndpointsProtocol=http;AccountName={ACCOUNT};AccountKey={KEY};BlobEndpoint={ENDPOINT};"
    return BlobServiceClient.from_connection_string(text, **options())


def is_path_style():
    return urllib.parse.urlsplit(ENDPOINT).path.strip("/") != ""
