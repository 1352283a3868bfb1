# SPDX-License-Identifier: MIT
"""What a program printed, and its normal form: what differs from one run to the next by its nature is replaced by a {word}."""

import json
import re

# Fields of one connection, not of the answer.
HOP_BY_HOP = ("connection", "keep-alive", "transfer-encoding")

# (what a text is searched for, what stands there instead), in this order.
_TEXTS = [
    (re.compile(r"(?i)(?<![0-9a-f-])[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}(?![0-9a-f-])"), "{uuid}"),
    (re.compile(r"\b(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d (?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) \d{4} \d\d:\d\d:\d\d GMT\b"), "{date}"),
    (re.compile(r"\b\d{4}-\d\d-\d\d(?:T|%20| )\d\d(?::|%3[aA])\d\d(?::|%3[aA])\d\d(?:\.\d+)?(?:Z|\+00:00|%2[bB]00(?::|%3[aA])00)?"), "{time}"),
    (re.compile(r"\b0x[0-9A-F]{8,}\b"), "{etag}"),
]  # fmt: skip

# Query parameters of a SAS that hold a time, a key's identity or the signature, and the SDKs' own block ids.
_QUERY = re.compile(r"(?<=[?&])(sig|st|se|skt|ske|skoid|sktid|blockid)=([^&]*)")

# Fields whose whole value is made anew for each request.
_FIELDS = {"x-ms-request-id": "{request-id}", "x-ms-client-request-id": "{client-request-id}", "date": "{date}"}


def _order(response):
    """The order of requests is not kept; of those that look the same, the fields decide, but for one that may be on one side alone."""
    fields = [field for field in response["headers"].items() if field[0] != "content-length"]
    return response["method"], response["url"], response["status"], fields


class Normaliser:
    """Knows the names under which a run's endpoint could be seen."""

    def __init__(self, endpoints):
        """endpoints: {text: word}, longer texts are looked for first"""
        self._endpoints = sorted(endpoints.items(), key=lambda item: -len(item[0]))

    def text(self, text):
        for endpoint, word in self._endpoints:
            text = re.sub(re.escape(endpoint) + r"(?![\w.:-])", lambda _, word=word: word, text)
        text = _QUERY.sub(r"\1={\1}", text)
        for pattern, word in _TEXTS:
            text = pattern.sub(word, text)
        return text

    def value(self, value):
        """Any JSON value, with every text in it in its normal form."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, list):
            return [self.value(item) for item in value]
        if isinstance(value, dict):
            return {self.text(key): self.value(item) for key, item in value.items()}
        return value

    def field(self, name, value):
        if name in _FIELDS and value:
            return _FIELDS[name]
        if name == "x-ms-lease-time" and value not in ("", "0"):
            return "{seconds}"
        return self.text(value)

    def response(self, response):
        """Hop-by-hop fields go; whether the body was chunked is kept beside the fields."""
        fields = {name.lower(): str(value) for name, value in response["headers"].items()}
        if "comp=blocklist" in response["url"] and "content-md5" in fields:
            fields["content-md5"] = "{md5}"  # of the request, in which the SDK's own block ids stand
        return {
            "method": response["method"],
            "url": self.text(response["url"]),
            "status": response["status"],
            "is_chunked": "chunked" in fields.get("transfer-encoding", "").lower(),
            "headers": {name: self.field(name, value) for name, value in sorted(fields.items()) if name not in HOP_BY_HOP},
        }

    def scenario(self, line):
        responses = [self.response(response) for response in line.get("responses", [])]
        responses.sort(key=_order)
        return {"responses": responses, "results": self.value(line.get("results", {})), "error": line.get("error")}


def read(output):
    """{scenario: line} of what a program printed; a line that is no scenario is an error of the program."""
    lines = {}
    for text in output.splitlines():
        if not text.strip():
            continue
        line = json.loads(text)
        if line["scenario"] in lines:
            raise ValueError(f"scenario {line['scenario']} was printed twice")
        lines[line["scenario"]] = line
    return lines
