#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Operating it: options, checking the configuration, health, metrics, and what is never said in a log."""

import collections
import pathlib
import re
import subprocess
import sys
import tempfile

from harness import BUILD, Daemon, equal, finish, step
from rawhttp import KEY, one, put_blob, request

DEBUG = "[log]\nlevel = debug\n"


def run(*arguments, program="blobproxyd"):
    return subprocess.run([BUILD / program, *arguments], capture_output=True, text=True, timeout=20)


def option_steps():
    for program in ("blobproxyd", "blobhostd"):
        with step(f"{program} --help"):
            result = run("--help", program=program)
            equal((result.returncode, result.stderr), (0, ""))
            assert result.stdout.startswith(f"Usage: {program}") and "--version" in result.stdout
        with step(f"{program} --version"):
            result = run("--version", program=program)
            equal((result.returncode, result.stderr), (0, ""))
            assert re.search(r"\d+\.\d+\.\d+", result.stdout), result.stdout
        with step(f"{program} refuses an unknown option with 2"):
            result = run("--no-such-option", program=program)
            equal((result.returncode, result.stdout), (2, ""))
            assert "--no-such-option" in result.stderr


def check_config(text):
    with tempfile.TemporaryDirectory() as directory:
        path = pathlib.Path(directory) / "x.conf"
        path.write_text(text)
        return run("--config", path, "--check-config"), str(path)


def config_steps():
    with step("--check-config passes a good file"):
        result, _ = check_config("[listen]\ntcp = 127.0.0.1:10000\n[slots]\nsmall = 8\n")
        equal(result.returncode, 0)
    with step("--check-config names every error with file and line"):
        result, path = check_config("[listen]\ntcp = 127.0.0.1:99999\n[slots]\nsmal = 8\n[nonsense]\n")
        assert result.returncode != 0
        for line in (2, 4, 5):
            assert f"{path}:{line}" in result.stderr, result.stderr
        assert "small" in result.stderr, "no suggestion"
    with step("a listener for everybody is refused without allow_remote"):
        assert check_config("[listen]\ntcp = 0.0.0.0:10000\n")[0].returncode != 0
        equal(check_config("[listen]\ntcp = 0.0.0.0:10000\nallow_remote = yes\n")[0].returncode, 0)
    with step("a missing file is an error"):
        assert run("--config", "/nonexistent/x.conf", "--check-config").returncode != 0
    with step("a key file that others can read is refused, and its key not said"):
        with tempfile.TemporaryDirectory() as directory:
            keys = pathlib.Path(directory) / "keys"
            keys.write_text(f"someaccount {KEY}\n")
            keys.chmod(0o644)
            result, _ = check_config(f"[accounts]\nfile = {keys}\n")
            assert result.returncode != 0 and KEY[:20] not in result.stderr + result.stdout, result.stderr
            keys.chmod(0o600)
            equal(check_config(f"[accounts]\nfile = {keys}\n")[0].returncode, 0)


def health_steps(daemon):
    with step("/healthz and /readyz answer 200"):
        daemon.admin("/healthz").must_be(200)
        daemon.admin("/readyz").must_be(200)
        daemon.admin("/readyz", "HEAD").must_be(200)
    with step("unknown paths are 404, other methods 405"):
        daemon.admin("/devstoreaccount1/box").must_be(404)
        daemon.admin("/metrics", "DELETE").must_be(405)
    with step("metrics and health have no place on the blob port"):
        for path in ("metrics", "healthz", "readyz"):
            answer = daemon.exchange(f"GET /{path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
            assert answer.status >= 400 and answer.code, answer


def metric_steps(daemon):
    answer = daemon.admin("/metrics").must_be(200)
    lines = answer.body.decode().splitlines()
    with step("the exposition is Prometheus text 0.0.4, each name described once"):
        assert "version=0.0.4" in answer.header("Content-Type")
        kinds = collections.Counter(line.split()[2] for line in lines if line.startswith("# TYPE "))
        helps = collections.Counter(line.split()[2] for line in lines if line.startswith("# HELP "))
        equal(set(kinds.values()) | set(helps.values()), {1})
        samples = [line for line in lines if line and not line.startswith("#")]
        for line in samples:
            assert re.fullmatch(r'[a-z_]+(\{[a-z_]+="[^"]*"(,[a-z_]+="[^"]*")*\})? [-+0-9.eE]+(Inf|NaN)?', line), line
        names = {re.sub(r"_(bucket|sum|count)$", "", re.split(r"[ {]", line)[0]) for line in samples}
        assert {name for name in names if name.startswith("blobproxy")} <= {re.sub(r"_(sum|count)$", "", kind) for kind in kinds}
        equal(len(set(line.rsplit(" ", 1)[0] for line in samples)), len(samples))
    with step("requests, bytes and refusals are counted"):
        before = daemon.metrics()
        daemon.exchange(put_blob("/box/counted", bytes(10000)), "PUT").must_be(201)
        daemon.exchange(request("GET", "/box/counted")).must_be(200)
        daemon.exchange(request("GET", "/box/counted", key="AAAA" * 21 + "AA==")).must_be(403)
        after = daemon.metrics()
        grown = {name: after[name] - before.get(name, 0) for name in after if after[name] != before.get(name, 0)}
        assert grown['blobproxy_body_bytes_total{direction="in"}'] >= 10000, grown
        assert grown['blobproxy_body_bytes_total{direction="out"}'] >= 10000, grown
        assert grown['blobproxy_connections_accepted_total{listener="tcp"}'] >= 3, grown
        assert grown["blobproxy_transfers_total"] >= 2, grown
        assert any("PutBlockBlob" in name for name in grown) and any("GetBlob" in name for name in grown), sorted(grown)
        assert grown.get('blobproxy_errors_total{kind="authorization"}', 0) >= 1 or any("403" in name for name in grown), sorted(grown)
    with step("the process is described"):
        assert after["process_resident_memory_bytes"] > 0 and after["process_open_fds"] > 0
        assert any(name.startswith("blobproxy_build_info{") for name in after)


def secret_steps(daemon):
    with step("no log line has a signature, a key or a token, whatever fails"):
        daemon.exchange(b"GET /devstoreaccount1/box/b?sv=2021-12-02&sp=r&sig=c2VjcmV0 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        daemon.exchange(b"GET /devstoreaccount1/box/b?sig=%ZZ HTTP/1.1\r\nHost: other.example.net\r\n\r\n")
        daemon.exchange(b"GET /devstoreaccount1/box/b HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer c2VjcmV0dG9rZW4\r\n\r\n")
        one(daemon.unix, request("GET", "/box/b", key="AAAA" * 21 + "AA==", host="localhost")).must_be(403)
        equal(daemon.secrets_said(), [])
        said = "".join(program.output() for program in daemon.programs)
        assert "c2VjcmV0" not in said, "a token was said"
        assert said, "nothing at all was said at debug level"


def main():
    option_steps()
    config_steps()
    with Daemon(DEBUG) as daemon:
        daemon.make_container()
        daemon.must_serve()
        health_steps(daemon)
        metric_steps(daemon)
        secret_steps(daemon)
    with step("a port that is taken is a clear error"):
        with Daemon() as first:
            arguments = [f"--listen=127.0.0.1:{first.port}", "--listen-unix=", "--metrics=", f"--emulated={first.directory}/other"]
            result = run(*arguments)
            assert result.returncode > 0 and str(first.port) in result.stderr, result.stderr
    return finish()


if __name__ == "__main__":
    sys.exit(main())
