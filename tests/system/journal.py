#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Logs in the journal: what the real journald has of blobproxyd and blobhostd, and what is written where there is none."""

import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile

import journald
import rawhttp
from harness import BUILD, Daemon, equal, finish, skip, step, wait_for

UUID = r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}"
# stderr stays the harness's file, and the environment says that the journal reads it.
AS_SERVICE = ["sh", "-c", 'JOURNAL_STREAM=$(stat -Lc %d:%i /proc/self/fd/2) exec "$0" "$@"']
OTHER_STREAM = ["sh", "-c", 'JOURNAL_STREAM=1:2 exec "$0" "$@"']
TO_JOURNAL = ["systemd-cat", "--identifier=blobproxyd", *AS_SERVICE]
PRIORITIES = {"error": "3", "warning": "4", "notice": "5", "info": "6"}


def refuse_wrong_signature(daemon, client_request_id):
    data = rawhttp.request("GET", "/box/blob", [("x-ms-client-request-id", client_request_id)], key="bm90IHRoZSBrZXk=")
    return daemon.exchange(data).must_be(403)


def check_fields(journal):
    with Daemon("[log]\naccess = all\nlevel = debug\n", wrapper=AS_SERVICE) as daemon:
        with step("events are entries with native fields"):
            entry = journal.wait_entries(SYSLOG_IDENTIFIER="blobproxyd", BLOBPROXY_EVENT="listening")[0]
            equal((entry["PRIORITY"], entry["_TRANSPORT"]), (PRIORITIES["notice"], "journal"))
            assert f"listens on 127.0.0.1:{daemon.port}" in entry["MESSAGE"] and "MESSAGE_ID" not in entry, entry
            equal(entry["_PID"], str(daemon.proxy.pid))
        with step("the emulated host that it starts does the same, under its own name"):
            entry = journal.wait_entries(SYSLOG_IDENTIFIER="blobhostd", BLOBPROXY_EVENT="host-started")[0]
            assert "serving 1 account" in entry["MESSAGE"], entry
        with step("an event that is worth an alert has its MESSAGE_ID and its fields"):
            entries = journal.wait_entries(MESSAGE_ID=journald.message_id("channel-up"))
            equal({entry["BLOBPROXY_EVENT"] for entry in entries}, {"channel-up"})
            assert entries[0]["BLOBPROXY_SHARD"].isdigit(), entries[0]
        with step("journalctl -x explains it"):
            text = " ".join(journal.explained(MESSAGE_ID=journald.message_id("channel-up")).split())
            assert "Subject: A channel to the host is open" in text and "What to do: Nothing; it ends an alert" in text, text
        with step("a line of the access log is an entry, and the client's id finds it"):
            daemon.make_container()
            more = [("x-ms-client-request-id", "id-of-client"), ("User-Agent", 'agent/1 ("quoted"; é)')]
            daemon.exchange(rawhttp.put_blob("/box/blob", b"12345", more), "PUT").must_be(201)
            entry = journal.wait_entries(BLOBPROXY_CLIENT_REQUEST_ID="id-of-client")[0]
            wanted = {"MESSAGE": "PutBlockBlob 201", "PRIORITY": PRIORITIES["info"], "BLOBPROXY_EVENT": "access",
                      "BLOBPROXY_OPERATION": "PutBlockBlob", "BLOBPROXY_STATUS": "201", "BLOBPROXY_BYTES_IN": "5",
                      "BLOBPROXY_BYTES_OUT": "0", "BLOBPROXY_ROUTE": "channel", "BLOBPROXY_ACCOUNT": rawhttp.ACCOUNT,
                      "BLOBPROXY_CONTAINER": "box", "BLOBPROXY_METHOD": "PUT", "BLOBPROXY_PEER": "tcp-loopback",
                      "BLOBPROXY_TARGET": f"/{rawhttp.ACCOUNT}/box/blob", "BLOBPROXY_USER_AGENT": 'agent/1 ("quoted"; %C3%A9)'}  # fmt: skip
            equal({name: entry.get(name) for name in wanted}, wanted)
            assert int(entry["BLOBPROXY_DURATION_US"]) > 0 and "MESSAGE_ID" not in entry, entry
            assert re.fullmatch(UUID, entry["BLOBPROXY_TRANSFER"]) and entry["BLOBPROXY_REQUEST_ID"], entry
        with step("every line about a refused request has the client's id, one value of several lines stays whole"):
            answer = refuse_wrong_signature(daemon, "id-of-refused")
            entries = {entry["BLOBPROXY_EVENT"]: entry for entry in journal.wait_entries(BLOBPROXY_CLIENT_REQUEST_ID="id-of-refused",
                                                                                         BLOBPROXY_EVENT="access")}  # fmt: skip
            entries |= {entry["BLOBPROXY_EVENT"]: entry for entry in journal.entries(BLOBPROXY_CLIENT_REQUEST_ID="id-of-refused")}
            equal(set(entries), {"signature-mismatch", "exchange-refused", "access"})
            equal(entries["access"]["BLOBPROXY_CODE"], "AuthenticationFailed")
            equal(entries["access"]["BLOBPROXY_REQUEST_ID"], answer.header("x-ms-request-id"))
            equal(entries["exchange-refused"]["MESSAGE_ID"], journald.message_id("exchange-refused"))
            lines = entries["signature-mismatch"]["BLOBPROXY_STRING_TO_SIGN"].split("\n")
            equal((lines[0], lines[-1]), ("GET", f"/{rawhttp.ACCOUNT}/{rawhttp.ACCOUNT}/box/blob"))
            assert "x-ms-client-request-id:id-of-refused" in lines, lines
        with step("nothing of it is on stderr"):
            equal(daemon.proxy.output(), "")
        with step("a host that is killed is a warning, with the ids of both events"):
            os.kill(daemon.host_pid(), signal.SIGKILL)
            for word in ("host-ended", "channel-lost"):
                entry = journal.wait_entries(MESSAGE_ID=journald.message_id(word))[0]
                equal((entry["BLOBPROXY_EVENT"], entry["PRIORITY"]), (word, PRIORITIES["warning"]))
            daemon.wait_ready()


def check_formats(journal):
    with Daemon("[log]\nformat = journal\n") as daemon:
        with step("format = journal reaches the journal, whatever stderr is"):
            entries = journal.wait_entries(_PID=daemon.proxy.pid, BLOBPROXY_EVENT="listening")
            equal(len(entries), 1)
            equal(daemon.proxy.output(), "")
        with step("the host that it starts follows"):
            assert journal.wait_entries(_PID=daemon.host_pid(), BLOBPROXY_EVENT="host-started")
        with step("a reload takes another format"):
            config = pathlib.Path(daemon.directory) / "blobproxyd.conf"
            config.write_text("[log]\nformat = json\n")
            os.kill(daemon.proxy.pid, signal.SIGHUP)
            wait_for(lambda: '"event":"reloaded"' in daemon.proxy.output(), "a line of JSON")
    with Daemon("[log]\nformat = text\n", wrapper=TO_JOURNAL) as daemon:
        with step("text that journald reads has the priority that journald takes off"):
            entry = journal.wait_entries(_TRANSPORT="stdout", _PID=daemon.proxy.pid)[0]
            equal(entry["PRIORITY"], PRIORITIES["notice"])
            assert re.fullmatch(r"\S+Z notice listening message=.*", entry["MESSAGE"]), entry
    with Daemon(wrapper=TO_JOURNAL) as daemon:
        with step("auto writes native fields where stderr is a stream of the journal"):
            assert journal.wait_entries(_TRANSPORT="journal", _PID=daemon.proxy.pid, BLOBPROXY_EVENT="ready")
            equal(journal.entries(_TRANSPORT="stdout", _PID=daemon.proxy.pid), [])
    with Daemon(wrapper=OTHER_STREAM) as daemon:
        with step("a stream that is not stderr is nobody's business: text"):
            wait_for(lambda: re.search(r"^\S+Z notice listening ", daemon.proxy.output(), re.MULTILINE), "a line of text")
            equal(journal.entries(_PID=daemon.proxy.pid), [])
    with Daemon(is_emulated=False, host_arguments=["--log-format=journal"]) as daemon:
        with step("blobhostd --log-format=journal"):
            assert journal.wait_entries(_PID=daemon.host.pid, BLOBPROXY_EVENT="host-started")
            equal(daemon.host.output(), "")


def check_mistakes(journal):
    with step("mistakes that --check-config finds are errors to the journal, too"):
        with tempfile.NamedTemporaryFile("w", suffix=".conf") as config:
            config.write("[log]\nlevl = info\n")
            config.flush()
            done = subprocess.run([*TO_JOURNAL, BUILD / "blobproxyd", "--check-config", "--config", config.name], check=False)
        equal(done.returncode, 2)
        entry = journal.wait_entries(_TRANSPORT="stdout", SYSLOG_IDENTIFIER="blobproxyd", PRIORITY=PRIORITIES["error"])[0]
        assert entry["MESSAGE"].startswith("blobproxyd: ") and 'did you mean' in entry["MESSAGE"] and "levl" in entry["MESSAGE"], entry


def check_without():
    with Daemon(wrapper=AS_SERVICE) as daemon, step("without a journal nothing is lost: lines with priorities on stderr"):
        wait_for(lambda: re.search(r"^<5>\S+Z notice listening ", daemon.proxy.output(), re.MULTILINE), "a line with a priority")
    with Daemon("[log]\nformat = journal\n") as daemon, step("and format = journal says so"):
        wait_for(lambda: re.search(r"^\S+Z warning no-journal ", daemon.proxy.output(), re.MULTILINE), "a warning")
        assert " notice listening " in daemon.proxy.output()


def main():
    reason = journald.reason_to_skip()
    if reason:
        skip("logs in the journal", reason)
        finish()
        return 0
    journald.enter_namespace()
    check_without()
    with journald.Journal() as journal:
        check_fields(journal)
        check_formats(journal)
        check_mistakes(journal)
    return finish()


if __name__ == "__main__":
    sys.exit(main())
