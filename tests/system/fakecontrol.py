# SPDX-License-Identifier: MIT
"""A daemon's control socket that answers as it is told: for what a real daemon does rarely, or never."""

import contextlib
import http.server
import json
import pathlib
import shutil
import socketserver
import tempfile
import threading

STATUS = {
    "version": "9.8.7", "pid": 4194303, "uptime_seconds": 200000.5, "state": "serving", "ready": True, "reason": "",
    "listeners": ["[::1]:10000", "127.0.0.1:10000", "tls:0.0.0.0:10100", "unix:/run/blobproxyd.sock"],
    "metrics": "127.0.0.1:10080",
    "channel": {"type": "device", "ioctl": "0xc04852f0", "up": 1, "total": 2}, "fallback": "https",
    "connections": 3, "exchanges": 1, "transfers": 2, "exchanges_ended": 1234,
    "config": {"last_reload_success": True, "last_reload_timestamp": 1790000000},
    "tls_expires": 1790000000, "log_level": "notice", "accounts": ["devstoreaccount1", "second"],
}  # fmt: skip

CHANNELS = {
    "channels": [
        {
            "shard": 0, "type": "device", "state": "up", "ioctl": "0xc04852f0", "in_flight": 7, "submitted": 1000, "completed": 993,
            "lost": 1, "full": 2, "refused": 3, "protocol_errors": 4, "opens": 5, "threads": 6, "reason": "opened /dev/azure_blob",
            "since_seconds": 4000.5,
            "slots": {
                "small": {"total": 128, "used": 11, "waiting": 0}, "large": {"total": 12, "used": 9, "waiting": 8}, "quarantined": 10,
            },
        },
        {"shard": 1, "stuck": True},
    ]
}  # fmt: skip

EXCHANGES = {
    "exchanges": [
        {"shard": 0, "state": "host", "operation": "GetBlob", "method": "GET", "target": "/devstoreaccount1/c/young?sig=redacted",
         "age_ms": 12, "transfer": "0c5a9a2e-0000-4000-8000-000000000001", "route": "channel", "body_bytes": 0, "body_received": 0,
         "client_request_id": None},
        {"shard": 1, "state": "body", "operation": "PutBlock", "method": "PUT", "target": "/devstoreaccount1/c/old?comp=block",
         "age_ms": 61500.0, "transfer": None, "route": "upstream", "body_bytes": 8388608, "body_received": 1048576,
         "client_request_id": "mine"},
    ],
    "stuck": [3],
}  # fmt: skip


def exposition(begun=0, requests=0, failed=0, bytes_out=0, cpu=0.0, fast=0, slow=0):
    """Of a daemon that began at a time and has answered so much: fast within 1 ms, slow within 100 ms."""
    buckets = "".join(
        f'blobproxy_request_duration_seconds_bucket{{class="read",route="channel",le="{bound}"}} {count}\n'
        for bound, count in (("0.001", fast), ("0.01", fast), ("0.1", fast + slow), ("+Inf", fast + slow))
    )
    return f"""# HELP blobproxy_requests_total Requests.
# TYPE blobproxy_requests_total counter
blobproxy_requests_total{{operation="GetBlob",code="2xx"}} {requests}
blobproxy_requests_total{{operation="GetBlob",code="4xx"}} {failed}
blobproxy_requests_total{{operation="PutBlock",code="2xx"}} 1
blobproxy_requests_total{{operation="ListBlobs",code="2xx"}} 0
blobproxy_body_bytes_total{{direction="in"}} 0
blobproxy_body_bytes_total{{direction="out"}} {bytes_out}
blobproxy_errors_total{{kind="guard"}} {failed}
blobproxy_errors_total{{kind="internal"}} 0
blobproxy_exchanges_in_flight 5
blobproxy_slots{{class="small"}} 256
blobproxy_slots{{class="large"}} 24
blobproxy_slots_used{{class="small"}} 3
blobproxy_slots_used{{class="large"}} 4
blobproxy_channels_up 2
{buckets}process_start_time_seconds {begun}
process_cpu_seconds_total {cpu}
process_resident_memory_bytes 104857600
"""


class _Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True
    fake = None


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def address_string(self):
        return "unix"

    def log_message(self, *_):
        pass

    def _answer(self):
        fake = self.server.fake
        fake.requests.append((self.command, self.path))
        answer = fake.answers.get((self.command, self.path.partition("?")[0]), (404, "there is no such thing here\n"))
        if callable(answer):
            answer = answer()
        status, body = answer
        is_text = isinstance(body, (str, bytes))
        data = body if isinstance(body, bytes) else (body if is_text else json.dumps(body)).encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/plain" if is_text else "application/json")
        self.send_header("Content-Length", str(len(data)))
        with contextlib.suppress(BrokenPipeError):  # who does not read all of it
            self.end_headers()
            self.wfile.write(data)

    do_GET = do_POST = _answer


class FakeControl:
    """As a context: serves. answers: {(method, path): (status, text or object)}, or a function that returns that."""

    def __init__(self, answers=None):
        self.directory = tempfile.mkdtemp(prefix="blobproxy-test-")
        self.path = self.directory + "/control.sock"
        self.requests = []
        self.answers = {
            ("GET", "/status"): (200, STATUS),
            ("GET", "/channels"): (200, CHANNELS),
            ("GET", "/exchanges"): (200, EXCHANGES),
            ("GET", "/metrics"): (200, exposition()),
            ("GET", "/readyz"): (200, "ready\n"),
            ("GET", "/log-level"): (200, {"log_level": "notice"}),
            **(answers or {}),
        }
        self.server = None

    def start(self):
        self.server = _Server(self.path, _Handler)
        self.server.fake = self
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def stop(self):
        if self.server:
            self.server.shutdown()
            self.server.server_close()
            pathlib.Path(self.path).unlink(missing_ok=True)
        self.server = None

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stop()
        shutil.rmtree(self.directory, ignore_errors=True)
