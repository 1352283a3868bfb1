# SPDX-License-Identifier: MIT
"""Shared access signatures and the other ways to prove a right, made by hand from their documentation."""

import base64
import datetime
import hashlib
import hmac
import urllib.parse

from rawhttp import ACCOUNT, KEY, http_date

SAS_VERSION = "2021-12-02"


def iso_time(hours):
    moment = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(hours=hours)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def hmac_text(text, key=KEY):
    return base64.b64encode(hmac.new(base64.b64decode(key), text.encode(), hashlib.sha256).digest()).decode()


def _query(fields, text, key):
    sent = {name: value for name, value in fields.items() if value}
    return urllib.parse.urlencode({**sent, "sig": hmac_text(text, key)}, quote_via=urllib.parse.quote)


def account_sas(permissions="rwdlacu", types="sco", *, hours=1, start="", ip="", protocol="", key=KEY, account=ACCOUNT):
    expiry = iso_time(hours)
    lines = [account, permissions, "b", types, start, expiry, ip, protocol, SAS_VERSION, ""]
    fields = {"sv": SAS_VERSION, "ss": "b", "srt": types, "sp": permissions, "st": start, "se": expiry, "sip": ip, "spr": protocol}
    return _query(fields, "".join(line + "\n" for line in lines), key)


def service_sas(container, blob="", permissions="r", *, hours=1, protocol="", overrides=None, key=KEY, account=ACCOUNT):
    """overrides: rscc, rscd, rsce, rscl, rsct."""
    expiry, resource = iso_time(hours), "b" if blob else "c"
    name = f"/blob/{account}/{container}" + (f"/{blob}" if blob else "")
    override = [(overrides or {}).get(field, "") for field in ("rscc", "rscd", "rsce", "rscl", "rsct")]
    lines = [permissions, "", expiry, name, "", "", protocol, SAS_VERSION, resource, "", "", *override]
    fields = {"sv": SAS_VERSION, "sr": resource, "sp": permissions, "se": expiry, "spr": protocol, **(overrides or {})}
    return _query(fields, "\n".join(lines), key)


def plain(method, target, headers=(), body=b"", *, host="127.0.0.1", version="2021-12-02"):
    """A request without authorization; the target is sent as it is given."""
    fields = [("Host", host), ("x-ms-version", version), *headers]
    if method in ("PUT", "POST") and not any(name.lower() == "content-length" for name, _ in fields):
        fields.append(("Content-Length", str(len(body))))
    head = f"{method} {target} HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in fields) + "\r\n"
    return head.encode() + body


def lite(method, target, *, host="127.0.0.1", key=KEY, account=ACCOUNT, uses_date=False):
    """SharedKeyLite over the target as it is given."""
    path, _, query = target.partition("?")
    comp = urllib.parse.parse_qs(query).get("comp", [None])[0]
    date = http_date()
    fields = [("Date" if uses_date else "x-ms-date", date)]
    text = f"{method}\n\n\n{date if uses_date else ''}\n"
    text += "" if uses_date else f"x-ms-date:{date}\n"
    text += f"x-ms-version:2021-12-02\n/{account}{path}" + (f"?comp={comp}" if comp else "")
    return plain(method, target, [*fields, ("Authorization", f"SharedKeyLite {account}:{hmac_text(text, key)}")], host=host)
