# SPDX-License-Identifier: MIT
"""One scenario's recording: the responses next to the wire, and what the application got."""

import base64
import datetime
import enum
import hashlib
import inspect
import os

import azure.storage.blob as sync_sdk
import azure.storage.blob.aio as async_sdk
from azure.core.exceptions import HttpResponseError
from azure.core.pipeline.transport import AioHttpTransport, RequestsTransport

ACCOUNT, KEY = os.environ["SDK_ACCOUNT"], os.environ["SDK_KEY"]
ENDPOINT, FLAKY_ENDPOINT = os.environ["SDK_ENDPOINT"], os.environ["SDK_FLAKY_ENDPOINT"]
TLS_ENDPOINT, CA_FILE = os.environ.get("SDK_TLS_ENDPOINT"), os.environ.get("SDK_CA_FILE")
IS_ASYNC = os.environ.get("SDK_ASYNC") == "1"
MIB = 1 << 20

sdk = async_sdk if IS_ASYNC else sync_sdk
SHARED_KEY = {"account_name": ACCOUNT, "account_key": KEY}


def body(size, seed=0):
    """Byte i is (i * 7 + seed) % 251."""
    period = bytes((i * 7 + seed) % 251 for i in range(251))
    return (period * (size // 251 + 1))[:size]


def digest(data):
    return hashlib.sha256(data).hexdigest()


async def done(value):
    """What a client's method gives, waited for where it must be."""
    return await value if inspect.isawaitable(value) else value


async def items(pages):
    if hasattr(pages, "__aiter__"):
        return [item async for item in pages]
    return list(pages)


async def pages_of(paged, pick):
    """[what pick finds in each item] of each page."""
    return [[pick(item) for item in await items(page)] for page in await items(paged.by_page())]


async def read(blob, *arguments, **settings):
    stream = await done(blob.download_blob(*arguments, **settings))
    return await done(stream.readall())


def plain(value):
    """What the application can see of an answer or an item."""
    if isinstance(value, (bytes, bytearray)):
        return base64.b64encode(value).decode()
    if isinstance(value, datetime.datetime):
        return value.isoformat()
    if isinstance(value, enum.Enum):
        return value.value
    if value is None or isinstance(value, (str, int, float)):
        return value
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    fields = value if isinstance(value, dict) else vars(value)
    return {str(name): plain(item) for name, item in fields.items() if not str(name).startswith("_")}


class Run:
    """A scenario; as a context it closes its connections at the end."""

    def __init__(self, scenario):
        self.responses, self.results = [], {}
        self.container_name = os.environ["SDK_PREFIX"] + scenario.replace("_", "-")
        self._services = []

    async def __aenter__(self):
        return self

    async def __aexit__(self, *_):
        for client in self._services:
            await done(client.close())

    def _record(self, request, response):
        headers = {name.lower(): value for name, value in response.headers.items()}
        self.responses.append({"method": request.method, "url": request.url, "status": response.status_code, "headers": headers})
        return response

    def transport(self, **settings):
        """The SDK's own transport, which keeps each response: every attempt passes here."""
        record = self._record

        class Recording(RequestsTransport):
            def send(self, request, **more):
                return record(request, super().send(request, **more))

        class AsyncRecording(AioHttpTransport):
            async def send(self, request, **more):
                return record(request, await super().send(request, **more))

        return (AsyncRecording if IS_ASYNC else Recording)(**settings)

    def service(self, credential=SHARED_KEY, endpoint=ENDPOINT, **settings):
        settings.setdefault("transport", self.transport())
        client = sdk.BlobServiceClient(endpoint, credential=credential, **settings)
        self._services.append(client)
        return client

    def container(self, suffix="", **settings):
        return self.service(**settings).get_container_client(self.container_name + suffix)

    async def new_container(self, **settings):
        container = self.container(**settings)
        await done(container.create_container())
        return container

    def guest(self, kind, url, **settings):
        """A client without a key; the URL may hold a SAS."""
        settings.setdefault("transport", self.transport())
        client = getattr(sdk, kind)
        client = (client.from_blob_url if kind == "BlobClient" else client.from_container_url)(url, **settings)
        self._services.append(client)
        return client

    async def keep(self, name, value):
        """Keeps what the call answers."""
        value = await done(value)
        self.results[name] = plain(value)
        return value

    async def fails(self, name, status, call):
        """The call must fail, with this status; the kind of error is kept."""
        seen = None
        try:
            await done(call())
        except HttpResponseError as error:
            code = getattr(error, "error_code", None)
            seen = {"type": type(error).__name__, "status": error.status_code, "code": plain(code)}
        self.results[name] = seen or "no error"
        assert seen and seen["status"] == status, f"{name}: {seen}, not {status}"
