#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Wrong configurations and the real program: one line each with file, line, key and what to write, exit code 2, nothing opened."""

import contextlib
import os
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import tempfile

from harness import BUILD, ROOT, equal, finish, free_port, step, wait_for
from rawhttp import KEY

ADVICE = re.compile(r"\b(write|did you mean|remove|chmod|chown|name one|it has to be|see blobproxyd --help)\b")
NO_SECRETS = "account keys are never taken from here, write them into a file of mode 0600"
LONG = "/" + 107 * "x"

# What stands in the file, the line that is told, the key, and what to write instead. {} is a directory with files of all kinds.
WRONG = [
    ("[lisen]\ntcp = 127.0.0.1:1", 1, "[lisen]", "did you mean [listen]?"),
    ("[network]", 1, "[network]", "write [listen], [tls], [channel]"),
    ("[Log]\nlevel = info", 1, "[Log]", "did you mean [log]?"),
    ("[log", 1, "", "section without its end, write [name] alone on the line"),
    ("[]", 1, "[]", "write [listen]"),
    ("level = info", 1, "level", "key outside of a section, write [section] above it"),
    ("[log]\nlevel", 2, "", "write [section] or key = value"),
    ("[log]\n= info", 2, "", "no key before '=', write key = value"),
    ("[log]\nlevel: info", 2, "", "write [section] or key = value"),
    ("[log]\n\n# why\nlevel = info # because", 4, "", "comment behind a value, write it on a line of its own"),
    ("[log]\nlevel = info\x00", 2, "", "control byte in the line, write plain text"),
    ("[log]\nlevel = info\nlevel = info", 3, "log.level", "set twice, remove this line or line 2"),
    ("[log]\nlvel = info", 2, "log.lvel", "did you mean level?"),
    ("[log]\nLEVEL = info", 2, "log.LEVEL", "did you mean level?"),
    ("[log]\ntcp = 127.0.0.1:1", 2, "log.tcp", "write it under [listen]"),
    ("[log]\nlarge_byte = 8M", 2, "log.large_byte", "did you mean large_bytes under [slots]?"),
    ("[log]\ncolour = red", 2, "log.colour", "see blobproxyd --help"),
    ('[log]\nlevel = "info"', 2, "log.level", "write error, warning, notice, info or debug"),
    ("[listen]\ntcp = 10000", 2, "listen.tcp", "write ADDRESS:PORT, for example 127.0.0.1:10000"),
    ("[listen]\ntcp = localhost:10000", 2, "listen.tcp", "write one such as 127.0.0.1:10000"),
    ("[listen]\ntcp = ::1:10000", 2, "listen.tcp", "write [ADDRESS]:PORT"),
    ("[listen]\ntcp = 127.0.0.1:100000", 2, "listen.tcp", "write 0 to 65535"),
    ("[listen]\ntcp = 127.0.0.1:1,127.0.0.1:2", 2, "listen.tcp", "write"),
    ("[listen]\ntcp = 0.0.0.0:1", 2, "listen.tcp", "write 127.0.0.1 or [::1], or listen.allow_remote = yes"),
    ("[listen]\ntcp =\nunix =", 2, "listen.tcp", "write an address here or a path in listen.unix"),
    ("[listen]\nallow_remote = on", 2, "listen.allow_remote", "write yes or no"),
    ("[listen]\nallow_remote = yes\nmetrics = 0.0.0.0:1", 3, "listen.metrics", "write 127.0.0.1:PORT or [::1]:PORT"),
    ("[listen]\ntcp = 127.0.0.1:1\nmetrics = 127.0.0.1:1", 3, "listen.metrics", "also in listen.tcp, write another port"),
    ("[listen]\nunix = run/x.sock", 2, "listen.unix", "write one that begins with /"),
    (f"[listen]\nunix = {LONG}", 2, "listen.unix", "108 bytes, write one of at most 107"),
    ("[listen]\nunix = /a\n[channel]\nsocket = /a", 2, "listen.unix", "also in channel.socket, write another path"),
    ("[listen]\ncontrol = x.sock", 2, "listen.control", "write one that begins with /"),
    ("[listen]\nunix = /run/blobproxyd-control.sock\ncontrol = /run/blobproxyd-control.sock", 3, "listen.control", "write another path"),
    ("[listen]\ncontrol_group = no such group", 2, "listen.control_group", "write"),
    ("[listen]\nunix_mode = rw", 2, "listen.unix_mode", "write octal digits such as 0660"),
    ("[listen]\nhosts = a b a", 2, "listen.hosts", "a stands twice, write it once"),
    ("[listen]\nhosts = " + " ".join(map(str, range(17))), 2, "listen.hosts", "more than 16 entries, write fewer"),
    ("[listen]\nhosts = box.example:10000", 2, "listen.hosts", "write lower-case letters, digits, - and . and no port"),
    ("[listen]\nunix_trusted_uids = root", 2, "listen.unix_trusted_uids", "write its number"),
    ("[listen]\ntls = 127.0.0.1:1", 2, "listen.tls", "write tls.certificate and tls.key"),
    ("[tls]\ncertificate = {}/tls.crt", 2, "tls.certificate", "its key is missing, write tls.key = FILE"),
    ("[tls]\nkey = {}/tls.key", 2, "tls.key", "its certificate is missing, write tls.certificate = FILE"),
    ("[tls]\ncertificate = {}/none\nkey = {}/tls.key", 2, "tls.certificate", "No such file or directory, write the path"),
    ("[tls]\ncertificate = {}/tls.crt\nkey = {}/none", 3, "tls.key", "No such file or directory, write the path"),
    ("[tls]\ncertificate = {}/tls.crt\nkey = {}/other.key", 3, "tls.key", "not the key of the certificate"),
    ("[tls]\ncertificate = {}/tls.crt\nkey = {}/open.key", 3, "tls.key", "chmod 0600 {}/open.key"),
    ("[tls]\ncertificate = {}/keys\nkey = {}/tls.key", 2, "tls.certificate", "holds no certificate in PEM, write"),
    ("[channel]\ntype = vmbus", 2, "channel.type", "write emulated, device or auto"),
    ("[channel]\ndepth = 65K", 2, "channel.depth", "write digits alone"),
    ("[channel]\nring_bytes = 300K", 2, "channel.ring_bytes", "write 128K, 256K or 512K"),
    ("[channel]\nring_bytes = 16K", 2, "channel.ring_bytes", "write at least 32K"),
    ("[channel]\ntimeout = 60", 2, "channel.timeout", "write a number and ms, s, m or h"),
    ("[channel]\ntimeout = 1 h", 2, "channel.timeout", "write a number and ms, s, m or h"),
    ("[channel]\ntimeout = 11m", 2, "channel.timeout", "write 1s to 10m"),
    ("[channel]\nsuffix = Blob.localhost", 2, "channel.suffix", "write lower-case letters"),
    ("[upstream]\nfallback = yes", 2, "upstream.fallback", "write off or https"),
    ("[upstream]\nurl = {{account}}.blob.core.windows.net", 2, "upstream.url", "write one that begins with https://"),
    ("[upstream]\nurl = https://a.example/b", 2, "upstream.url", "write https://HOST or https://HOST:PORT without a path"),
    ("[upstream]\nurl = https://a.example:99999", 2, "upstream.url", "write https://HOST or https://HOST:PORT without a path"),
    ("[upstream]\nurl = http://a.example", 2, "upstream.url", "plain HTTP, write https://"),
    ("[upstream]\nfallback = https\nca_file = {}/none", 3, "upstream.ca_file", "write the path of a file that this user can read"),
    ("[slots]\nlarge_bytes = 8MB", 2, "slots.large_bytes", "write a number of bytes or one with K, M or G"),
    ("[slots]\nlarge_bytes = 64M", 2, "slots.large_bytes", "write 64K to 31M"),
    ("[slots]\nlarge_bytes = 100000", 2, "slots.large_bytes", "not a multiple of 4096, write it in K or M"),
    ("[slots]\nsmall = 2\n[limits]\nshards = 4", 2, "slots.small", "write at least 4, or fewer shards"),
    ("[limits]\nshards = 100", 2, "limits.shards", "more than slots.large, write at most 24"),
    ("[limits]\nconnections = -1", 2, "limits.connections", "write digits alone"),
    ("[limits]\nconnections = 0", 2, "limits.connections", "write 1 to 1000000"),
    ("[limits]\nkeepalive_timeout = 300", 2, "limits.keepalive_timeout", "write a number and ms, s, m or h"),
    ("[limits]\nbody_rate = 99999999999999999999", 2, "limits.body_rate", "write 1 to 1G"),
    ("[accounts]\nfile = keys", 2, "accounts.file", "write one that begins with /"),
    ("[accounts]\nfile = {}/none", 2, "accounts.file", "write the path of a key file"),
    ("[accounts]\nfile = {}", 2, "accounts.file", "not a regular file, name one"),
    ("[accounts]\nfile = {}/open.keys", 2, "accounts.file", "chmod 0600 {}/open.keys"),
    ("[accounts]\nfile = {}/wrong.keys", 2, "accounts.file", "{}/wrong.keys:2: a line is an account name and one or"),
    (f"[accounts]\nkey = {KEY}", 2, "accounts.key", NO_SECRETS),
    (f"[accounts]\nmyaccount {KEY}", 2, "accounts.?", NO_SECRETS),
    (f"[accounts]\nfile = {KEY}", 2, "accounts.file", "not shown since it may be a secret, is not an absolute path, write"),
    ("[accounts]\nallow = My_Account", 2, "accounts.allow", "write 3 to 24 lower-case letters and digits"),
    ("[accounts]\ndomains = files.example", 2, "accounts.domains", "write HOST=ACCOUNT"),
    ("[accounts]\nendpoint = https://a.example", 2, "accounts.endpoint", "write for example https://{{account}}.blob.core"),
    ("[accounts]\nendpoint = https://{{account}}.a b", 2, "accounts.endpoint", "write for example https://{{account}}.blob.core"),
    ("[accounts]\ndevelopment = 1", 2, "accounts.development", "write yes or no"),
]  # fmt: skip

VARIABLES = [
    ("BLOBPROXYD_LISTEN_TPC", "x", "unknown variable, did you mean BLOBPROXYD_LISTEN_TCP?"),
    ("BLOBPROXYD_VERBOSE", "1", "unknown variable, write BLOBPROXYD_SECTION_KEY, see blobproxyd --help"),
    ("BLOBPROXYD_LIMITS_SHARDS", "all", 'limits.shards: "all" is not a number, write digits alone'),
    ("BLOBPROXYD_LISTEN_TCP", "0.0.0.0:1", "listen.tcp: 0.0.0.0:1 is not loopback, write 127.0.0.1 or [::1]"),
    ("BLOBPROXYD_LISTEN_UNIX", "/a\nb", "listen.unix: control byte in the value, write plain text"),
    ("BLOBPROXYD_ACCOUNTS_KEY", KEY, NO_SECRETS),
]

OPTIONS = [
    ("--set=listen.tpc=1", "--set: listen.tpc: unknown key, did you mean tcp?"),
    ("--set=lisen.tcp=1", "--set: [lisen]: unknown section, did you mean [listen]?"),
    ("--set=tcp=1", "--set: tcp: no section, write --set=SECTION.KEY=VALUE"),
    ("--set=limits.shards", "--set: limits.shards: no value, write --set=SECTION.KEY=VALUE"),
    ("--set=limits.shards=all", '--set: limits.shards: "all" is not a number, write digits alone'),
    (f"--set=accounts.key={KEY}", f"--set: accounts.key: {NO_SECRETS}"),
    ("--log-level=loud", '--log-level: log.level: "loud" is not a level, write error'),
    ("--dump-confg", "--dump-confg: unknown option, did you mean --dump-config?"),
    (f"--key={KEY}", "--key: unknown option, see blobproxyd --help"),
    ("blobproxyd.conf", "blobproxyd.conf: not an option, see blobproxyd --help"),
]


class Place:
    """A directory with files to name, a configuration that is right, and everything in it that could be opened already taken."""

    def __init__(self):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="blobproxy-test-"))
        self.right = self.directory / "blobproxyd.conf"
        self.drop_in = self.directory / "conf.d/50-wrong.conf"
        self.alone = self.directory / "alone/wrong.conf"
        self.unix = [self.directory / name for name in ("control.sock", "taken.sock")]
        self.sockets = []
        for path in (self.drop_in, self.alone):
            path.parent.mkdir()
        self.make_files()
        self.take_all()

    def make_files(self):
        ca = [ROOT / "scripts/local-ca", self.directory / "ca"]
        subprocess.run(ca, check=True, capture_output=True, timeout=60)
        pairs = [(name, (self.directory / "ca" / name).read_text()) for name in ("tls.crt", "tls.key")]
        pairs += [("other.key", (self.directory / "ca/ca.key").read_text()), ("open.key", pairs[1][1])]
        pairs += [("keys", f"myaccount {KEY}\n"), ("open.keys", f"myaccount {KEY}\n"), ("wrong.keys", "# keys\nmyaccount\n")]
        for name, text in pairs:
            (self.directory / name).write_text(text)
            (self.directory / name).chmod(0o644 if name.startswith("open.") else 0o600)

    def take_all(self):
        ports = [free_port(), free_port()]
        for address in (("127.0.0.1", ports[0]), ("127.0.0.1", ports[1]), *map(str, self.unix)):
            taken = socket.socket(socket.AF_UNIX if isinstance(address, str) else socket.AF_INET)
            taken.bind(address)
            taken.listen()
            self.sockets.append(taken)
        text = f"[listen]\ntcp = 127.0.0.1:{ports[0]}\nmetrics = 127.0.0.1:{ports[1]}\ncontrol = {self.unix[0]}\nunix = {self.unix[1]}\n"
        self.right.write_text(text)

    def files(self):
        return {path for path in self.directory.rglob("*")}

    def must_be_ours(self):
        """The Unix sockets are still those that this test listens on."""
        for path, taken in zip(self.unix, self.sockets[-2:]):
            with socket.socket(socket.AF_UNIX) as client:
                client.connect(str(path))
                taken.accept()[0].close()

    def close(self):
        for taken in self.sockets:
            taken.close()
        shutil.rmtree(self.directory)


def run(*arguments, environment=()):
    """Ends by itself, and leaves nobody behind who holds its output open."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("BLOBPROXYD_")}
    command = [BUILD / "blobproxyd", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=20, env={**own, **dict(environment)})


def must_refuse(place, arguments, words, environment=()):
    """Checked or started: the same single line, and nothing that was there before has changed."""
    before = place.files()
    checked = run("--check-config", *arguments, environment=environment)
    data = place.directory / "data"
    results = [checked, run(*arguments, environment=environment)]
    if "channel.socket" not in words[1]:  # which --emulated replaces
        results.append(run(f"--emulated={data}", *arguments, environment=environment))
    for result in results:
        equal((result.returncode, result.stdout), (2, ""))
        equal(result.stderr.count("\n"), 1)
        equal(result.stderr, checked.stderr)
    line = checked.stderr
    assert line.startswith(words[0]), line
    assert words[1] in line and ADVICE.search(line), line
    assert KEY[:20] not in line and "PRIVATE" not in line, line
    equal(place.files(), before)
    place.must_be_ours()


def table_steps(place):
    for text, line, key, advice in WRONG:
        text, advice = text.format(*[place.directory] * 2), advice.format(place.directory)
        with step(f"{text!r:.90}"):
            start = f"{line}: {key}: " if key else f"{line}: "
            place.alone.write_text(text + "\n")
            checked = run("--config", place.alone, "--check-config")
            equal((checked.returncode, checked.stdout, checked.stderr.count("\n")), (2, "", 1))
            assert checked.stderr.startswith(f"blobproxyd: {place.alone}:{start}") and advice in checked.stderr, checked.stderr
            place.drop_in.write_text(text + "\n")
            must_refuse(place, ["--config", place.right], (f"blobproxyd: {place.drop_in}:{start}", advice))
    place.drop_in.unlink()


def keys():
    """Every (section, key) of conf.def."""
    rows = re.findall(r"^CONF_KEY(?:_AT_START)?\((\w+), (\w+),", (ROOT / "src/blobproxyd/conf.def").read_text(), re.MULTILINE)
    assert len(rows) > 40, rows
    return rows


def key_steps(place):
    """A quote is no value of any key, and no key ends with an x."""
    for section, key in keys():
        with step(f"{section}.{key} = \", its variable, its option, and its name misspelt"):
            place.alone.write_text(f'[{section}]\n{key} = "\n')
            variable = f"BLOBPROXYD_{section}_{key}".upper()
            for result, where in (
                (run("--check-config", "--config", place.alone), f"{place.alone}:2: "),
                (run("--check-config", "--config", place.right, environment={variable: '"'}), f"{variable}: "),
                (run("--check-config", "--config", place.right, f'--set={section}.{key}="'), "--set: "),
            ):
                equal((result.returncode, result.stdout, result.stderr.count("\n")), (2, "", 1))
                assert result.stderr.startswith(f"blobproxyd: {where}{section}.{key}: ") and ADVICE.search(result.stderr), result
            place.alone.write_text(f"[{section}]\n{key}x = 1\n")
            result = run("--check-config", "--config", place.alone)
            line = f"blobproxyd: {place.alone}:2: {section}.{key}x: unknown key, did you mean {key}?\n"
            equal((result.returncode, result.stderr), (2, line))
            result = run("--check-config", "--config", place.right, environment={variable + "X": "1"})
            equal((result.returncode, result.stderr), (2, f"blobproxyd: {variable}X: unknown variable, did you mean {variable}?\n"))


def other_steps(place):
    for name, value, words in VARIABLES:
        with step(f"{name}={value!r:.20} in the environment"):
            must_refuse(place, ["--config", place.right], (f"blobproxyd: {name}: ", words), environment={name: value})
    for option, words in OPTIONS:
        with step(f"{option:.40}"):
            must_refuse(place, ["--config", place.right, option], ("blobproxyd: -" if option[0] == "-" else "blobproxyd: ", words))


def file_steps(place):
    unreadable = "it has to be one that this user can read"
    none = place.directory / "none.conf"
    for path, words in ((none, "No such file"), (place.directory, "Is a directory"), ("/dev/null", "Invalid argument")):
        with step(f"--config names no regular file: {words}"):
            must_refuse(place, ["--config", path], (f"blobproxyd: {path}: cannot read it: {words}", unreadable))
    with step("a file that is too large"):
        place.alone.write_text("#\n" * (1 << 20))
        must_refuse(place, ["--config", place.alone], (f"blobproxyd: {place.alone}: cannot read it: File too large", unreadable))
    for make, words in ((pathlib.Path.mkdir, "Is a directory"), (lambda path: path.symlink_to("/nonexistent/x"), "No such file")):
        with step(f"a drop-in that cannot be read: {words}"):
            make(place.drop_in)
            must_refuse(place, ["--config", place.right], (f"blobproxyd: {place.drop_in}: cannot read it: {words}", unreadable))
            place.drop_in.unlink() if place.drop_in.is_symlink() else place.drop_in.rmdir()
    with step("too many drop-ins"):
        paths = [place.drop_in.with_name(f"{number}.conf") for number in range(257)]
        for path in paths:
            path.touch()
        must_refuse(place, ["--config", place.right], (f"blobproxyd: {place.drop_in.parent}: has 257 files", "write at most 256"))
        for path in paths:
            path.unlink()
    with step("a key file of the service manager's that is none"):
        (place.directory / "accounts").write_text(f"My-Account {KEY}\n")
        (place.directory / "accounts").chmod(0o600)
        environment = {"CREDENTIALS_DIRECTORY": str(place.directory)}
        words = (f"blobproxyd: credential accounts: {place.directory}/accounts:1: ", "write a line NAME BASE64KEY")
        must_refuse(place, ["--config", place.right], words, environment=environment)


def several_steps(place):
    with step("all mistakes of all places are told at once, each in a line of its own"):
        place.alone.write_text("[log]\nlevel = x\n[slots]\nsmal = 1\n")
        drop_in = place.alone.parent / "conf.d/a.conf"
        drop_in.parent.mkdir()
        drop_in.write_text("[limits]\nshards = x\n")
        result = run("--check-config", "--config", place.alone, "--set=listen.x=1", environment={"BLOBPROXYD_X": "1"})
        equal((result.returncode, result.stdout, result.stderr.count("\n")), (2, "", 5))
        files = [f"{place.alone}:2: log.level", f"{place.alone}:4: slots.smal:", f"{drop_in}:2: limits.shards"]
        for words in (*files, "--set:", "BLOBPROXYD_X:"):
            assert words in result.stderr, result.stderr
        shutil.rmtree(drop_in.parent)


def half_started_steps(place):
    with step("what this test holds would have been noticed: a right configuration fails to bind it, with 1, and leaves nothing"):
        before = place.files()
        result = run("--config", place.right)
        equal(result.returncode, 1)
        assert "Address already in use" in result.stderr, result.stderr
        equal(place.files(), before)
        place.must_be_ours()
    with step("the last listener that cannot be had: those before it are given back, and no host stays behind"):
        unix, data = place.directory / "own.sock", place.directory / "data"
        arguments = ["--config", place.right, f"--listen=127.0.0.1:{free_port()}", f"--listen-unix={unix}", f"--emulated={data}"]
        result = run(*arguments)
        equal(result.returncode, 1)
        assert "Address already in use" in result.stderr, result.stderr
        assert not unix.exists(), "the Unix socket was left"
        wait_for(lambda: not holders(data), "end of the host")


def holders(directory):
    """Processes whose command line names the directory."""
    found = []
    for entry in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if str(directory).encode() in entry.read_bytes():
                found.append(entry.parent.name)
    return found


def main():
    place = Place()
    try:
        for steps in (half_started_steps, table_steps, key_steps, other_steps, several_steps, file_steps):
            steps(place)
    finally:
        place.close()
    return finish()


if __name__ == "__main__":
    sys.exit(main())
