# SPDX-License-Identifier: MIT
# What the scripts share: saying what is done, installing what is missing; to be sourced.
# shellcheck shell=bash disable=SC2034

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

build_packages=(autoconf automake libtool pkg-config gcc make libc6-dev libmicrohttpd-dev libevent-dev libsystemd-dev
    libcriterion-dev liblmdb-dev nettle-dev libexpat1-dev libcurl4-gnutls-dev libgnutls28-dev libjansson-dev
    zlib1g-dev)
test_packages=(apparmor curl gdal-bin mandoc openssl pgbackrest rclone restic shellcheck strace systemd)
page_packages=(chromium chromium-driver)
deb_packages=(build-essential debhelper dpkg-dev fakeroot lintian)
rpm_packages=(rpm rpmlint)
small_debian=(ca-certificates curl openssl) # what tests/package/install.py installs ours into

say() { printf '==> %s\n' "$*"; }

die() {
    printf '%s: %s\n' "${0##*/}" "$*" >&2
    exit 1
}

as_root() {
    if ((EUID == 0)); then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        die "this needs root and there is no sudo: $*"
    fi
}

is_installed() { [[ $(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null) == installed ]]; }

# install_packages NAME...: those that are missing; where there is no apt-get, only says so.
install_packages() {
    local name missing=()
    if ! command -v dpkg-query >/dev/null; then
        say "no Debian packages here; needed are: $*"
        return
    fi
    for name in "$@"; do
        is_installed "$name" || missing+=("$name")
    done
    ((${#missing[@]} > 0)) || return 0
    say "installing ${missing[*]}"
    as_root env DEBIAN_FRONTEND=noninteractive apt-get update -q
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "${missing[@]}" ||
        die "these packages could not be installed: ${missing[*]}"
}

# The sanitizers and libFuzzer, which newer releases keep in a package of their own, named after clang's version.
install_clang() {
    local major
    install_packages clang
    ! clang -fsanitize=address,fuzzer -x c -o /dev/null - <<<'int LLVMFuzzerTestOneInput(void) { return 0; }' 2>/dev/null || return 0
    major=$(clang -dumpversion)
    install_packages "libclang-rt-${major%%.*}-dev"
}

make_configure() {
    [[ ! -e $root/configure || $root/configure.ac -nt $root/configure ]] || return 0
    say "making configure"
    (cd "$root" && autoreconf --install)
}

# packages_of_libraries PROGRAM...: those that hold the shared libraries that the programs are linked with.
packages_of_libraries() {
    local library
    ldd "$@" | sed -nE 's/.* => (\/[^ ]+) .*/\1/p' | sort -u | while read -r library; do
        dpkg-query -S "$library" 2>/dev/null || dpkg-query -S "/usr$library"
    done | cut -d: -f1 | sort -u
}

has_node() { command -v node >/dev/null && command -v npm >/dev/null && (($(node -p 'process.versions.node.split(".")[0]') >= 18)); }

install_node() {
    has_node || install_packages nodejs npm
    has_node || die "Node.js 18 or later is needed, and npm"
}

# install_npm_packages DIRECTORY WHAT: those of its lock file, once for each lock file.
install_npm_packages() {
    local directory=$root/$1 stamp
    stamp=$(sha256sum "$directory/package-lock.json" | cut -d' ' -f1)
    [[ $(cat "$directory/node_modules/.installed" 2>/dev/null) != "$stamp" ]] || return 0
    say "installing $2"
    (cd "$directory" && npm ci --no-audit --no-fund --ignore-scripts --loglevel=error) || die "npm ci failed"
    echo "$stamp" >"$directory/node_modules/.installed"
}

install_js_packages() { install_npm_packages tests/clients/js "the JavaScript SDK"; }
install_azurite() { install_npm_packages tests/azurite "Azurite"; }

# Prints a Python of 3.10 or later, which the SDK needs, that can make virtual environments.
find_python() {
    local candidate
    for candidate in python3 /usr/bin/python3 python3.13 python3.12 python3.11 python3.10; do
        if "$candidate" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 10))' 2>/dev/null; then
            command -v "$candidate"
            return
        fi
    done
    return 1
}

install_python() {
    find_python >/dev/null || install_packages python3 python3-venv
    find_python >/dev/null || die "Python 3.10 or later with venv is needed"
}

# Debian's package prometheus, unpacked and not installed: installing it starts a server. Fails when it cannot be had.
prometheus_directory=$root/build-prometheus
install_prometheus() {
    local work
    [[ ! -x $prometheus_directory/prometheus || ! -x $prometheus_directory/promtool ]] || return 0
    command -v apt-get >/dev/null || return 1
    say "fetching prometheus into ${prometheus_directory#"$root/"} (unpacked there, not installed)"
    work=$(mktemp -d)
    chmod 755 "$work" # apt downloads as another user
    if (cd "$work" && { apt-get download -q prometheus || { as_root apt-get update -q && apt-get download -q prometheus; }; }) &&
        dpkg-deb -x "$work"/prometheus_*.deb "$work/unpacked" && mkdir -p "$prometheus_directory"; then
        mv "$work/unpacked/usr/bin/"{prometheus,promtool} "$prometheus_directory/"
    fi
    rm -rf "$work"
    [[ -x $prometheus_directory/prometheus ]]
}

# The Python SDK of requirements.txt in a virtual environment, once for each requirements.txt.
venv=$root/build-venv
install_python_packages() {
    local requirements=$root/tests/clients/python/requirements.txt stamp
    install_python
    stamp=$(sha256sum "$requirements" | cut -d' ' -f1)
    [[ $(cat "$venv/.installed" 2>/dev/null) != "$stamp" ]] || return 0
    say "installing the Python SDK into ${venv#"$root/"}"
    "$(find_python)" -m venv --clear "$venv" || die "no virtual environment could be made"
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes -r "$requirements" || die "pip install failed"
    echo "$stamp" >"$venv/.installed"
}

# wait_for_http URL PID SECONDS: polls until the URL answers 200, as long as the process lives.
wait_for_http() {
    local url=$1 pid=$2 end=$((SECONDS + $3))
    until curl --silent --fail --noproxy '*' --max-time 2 --output /dev/null "$url"; do
        kill -0 "$pid" 2>/dev/null || return 1
        ((SECONDS < end)) || return 1
        sleep 0.1
    done
}

is_port_free() { ! (: <"/dev/tcp/127.0.0.1/$1") 2>/dev/null && ! (: <"/dev/tcp/::1/$1") 2>/dev/null; }

# first_free_port PORT...
first_free_port() {
    local port
    for port in "$@"; do
        if is_port_free "$port"; then
            echo "$port"
            return
        fi
    done
    return 1
}

# copy_tree DIRECTORY [OPTION]...: what git ls-files names with these options; of a tree that is no checkout all but what was built there.
copy_tree() {
    local directory=$1
    shift
    if [[ $(git rev-parse --show-toplevel 2>/dev/null) == "$root" ]]; then
        git ls-files -z "$@" | tar -c --null --verbatim-files-from --ignore-failed-read -T - | tar -x -C "$directory"
        git rev-parse --short=12 HEAD >"$directory/.revision"
    else
        tar -c --exclude='./build*' --exclude=node_modules . | tar -x -C "$directory"
    fi
}

# debian_sources SUITE: lines of sources.list for that Debian, from where this machine has its own packages.
debian_sources() {
    local own
    own=$(. /etc/os-release && echo "$VERSION_CODENAME")
    # shellcheck disable=SC2016 # filled in by apt-get
    apt-get indextargets --format \
        'deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $(REPO_URI) $(RELEASE) $(COMPONENT)' \
        'Created-By: Packages' 'ORIGIN: Debian' | sed "s/ $own/ $1/"
}

# make_debian TARGET SUITE PACKAGE...: a Debian with these packages in TARGET, a directory or *.tar; once for each list of them.
# Packages of other architectures than the machine's need "architectures", a list that begins with the machine's.
make_debian() {
    local target=$1 suite=$2 stamp="${*:2}"
    shift 2
    [[ $(cat "$target.stamp" 2>/dev/null) != "$stamp" ]] || return 0
    say "making a Debian $suite"
    rm -rf --one-file-system "$target" "$target.stamp"
    mkdir -p "$(dirname "$target")"
    debian_sources "$suite" >"$target.list"
    [[ -s $target.list ]] || die "apt-get knows of no Debian packages: apt-get update"
    unshare --mount mmdebstrap --quiet --mode=root --variant=apt --include="$(IFS=, && echo "$*")" \
        ${architectures:+--architectures="$architectures"} --aptopt='APT::Install-Recommends "false"' "$suite" "$target" "$target.list" || die "no Debian $suite could be made"
    echo "$stamp" >"$target.stamp"
}
