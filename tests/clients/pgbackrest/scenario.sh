#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# A repository of pgBackRest, which speaks TLS only: BLOB_TLS_PORT and BLOB_CA (a PEM file) beside BLOB_ENDPOINT and BLOB_SOCKET.
set -u
cd "$(dirname "$0")" || exit 1
# shellcheck source=SCRIPTDIR/../tap.sh
. ../tap.sh

endpoint=${BLOB_ENDPOINT:-http://127.0.0.1:10000/devstoreaccount1}
container=pgbackrest-$RANDOM$RANDOM$RANDOM
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

run() { timeout 120 pgbackrest --config="$work/pgbackrest.conf" "$@"; }

write_configuration() {
    cat >"$work/pgbackrest.conf" <<CONF
[global]
repo1-type=azure
repo1-path=/repository
repo1-azure-account=devstoreaccount1
repo1-azure-key=Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==
repo1-azure-container=$container
repo1-azure-uri-style=path
repo1-storage-host=localhost
repo1-storage-port=${BLOB_TLS_PORT:-}
repo1-storage-ca-file=${BLOB_CA:-}
io-timeout=20
log-path=$work
lock-path=$work
log-level-console=warn
CONF
}

make_files() {
    write_configuration && head -c 52428800 /dev/urandom >"$work/large" && printf 'x' >"$work/one" && : >"$work/empty"
}

make_container() {
    curl --silent --fail --noproxy '*' --request PUT --header 'Content-Length: 0' \
        "$endpoint/$container?restype=container&$(../../../scripts/account-sas </dev/null)"
}

puts() { run repo-put "dir/$1" <"$work/$1"; }
gets() { run repo-get "dir/$1" >"$work/got" && cmp "$work/$1" "$work/got"; }
lists() { [ "$(run repo-ls dir | tr '\n' ' ')" = "$1" ]; }
removes() { run repo-rm dir/one && lists "empty large " && run repo-rm --recurse dir && lists ""; }

if [ -n "${BLOB_SOCKET:-}" ] || ! [[ $endpoint =~ ^http://127\. ]]; then
    skip "pgBackRest at ${BLOB_SOCKET:-$endpoint}" "it is tried with path style over TLS"
    finish
    exit
fi
if ! command -v pgbackrest >/dev/null || [ -z "${BLOB_TLS_PORT:-}" ]; then
    skip "pgBackRest" "it is not installed, or there is no TLS listener"
    finish
    exit
fi

echo "# https://localhost:$BLOB_TLS_PORT/devstoreaccount1, $(pgbackrest version)"
step "make the files to send" make_files
step "create a container" make_container
step "put a file of 50 MiB, in blocks" puts large
step "put a file of one byte" puts one
step "put an empty file" puts empty
step "list them" lists "empty large one "
step "what comes back is the same" gets large
step "one byte comes back" gets one
step "nothing comes back" gets empty
step "remove them" removes
finish
