#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# What a user does with azcopy, against the endpoint in the environment (BLOB_ENDPOINT, BLOB_SOCKET); AZCOPY is the program.
set -u
cd "$(dirname "$0")" || exit 1
# shellcheck source=SCRIPTDIR/../tap.sh
. ../tap.sh

endpoint=${BLOB_ENDPOINT:-http://127.0.0.1:10000/devstoreaccount1}
azcopy=${AZCOPY:-azcopy}
container=azcopy-$RANDOM$RANDOM$RANDOM
sas=$(../../../scripts/account-sas </dev/null)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export AZCOPY_LOG_LOCATION=$work/log AZCOPY_JOB_PLAN_LOCATION=$work/plan AZCOPY_DISABLE_SYSLOG=true AZCOPY_CONCURRENCY_VALUE=8
export NO_PROXY=127.0.0.1,localhost no_proxy=127.0.0.1,localhost

run() { timeout 120 "$azcopy" "$@" --skip-version-check; }
url() { echo "$endpoint/$container${1:+/$1}?$sas"; }

make_files() {
    mkdir -p "$work/up/deep/ü and + and %2F" &&
        : >"$work/up/empty" &&
        printf x >"$work/up/deep/one" &&
        printf named >"$work/up/deep/ü and + and %2F/日本語 #1.txt" &&
        head -c 52428800 /dev/urandom >"$work/up/large"
}

make_container() {
    curl --silent --fail --noproxy '*' --request PUT --header 'Content-Length: 0' "$endpoint/$container?restype=container&$sas"
}

uploads() { run copy "$work/up/*" "$(url tree)" --from-to LocalBlob --recursive --put-md5; }
lists() { [ "$(run list "$(url)" --location Blob | grep -c '^tree/.*Content Length')" = "$1" ]; }
comes_back() {
    run copy "$(url 'tree/*')" "$work/down" --from-to BlobLocal --recursive --check-md5 FailIfDifferentOrMissing &&
        diff -r "$work/up" "$work/down"
}

sync_sends_the_change() {
    local said
    printf more >>"$work/up/deep/one"
    said=$(run sync "$work/up" "$(url tree)" --from-to LocalBlob) || return
    echo "$said"
    grep -q '^Number of Copy Transfers Completed: 1$' <<<"$said" &&
        [ "$(curl --silent --fail --noproxy '*' "$(url tree/deep/one)")" = xmore ]
}

removes() { run remove "$(url tree)" --from-to BlobTrash --recursive && lists 0; }

if [ -n "${BLOB_SOCKET:-}" ]; then
    skip "azcopy through a Unix socket" "azcopy has no option for one"
    finish
    exit
fi
if ! "$azcopy" --version >/dev/null 2>&1; then
    skip "azcopy" "not installed"
    finish
    exit
fi
if ! [[ $endpoint =~ ^http://127\. ]] && ! getent hosts "$(sed -E 's,^http://([^:/]+).*,\1,' <<<"$endpoint")" >/dev/null; then
    skip "azcopy host style" "this machine's resolver does not know *.localhost"
    finish
    exit
fi

echo "# $endpoint, $("$azcopy" --version)"
step "make the files to send" make_files
step "create a container" make_container
step "copy a tree up, 50 MiB in parallel blocks" uploads
step "list it" lists 4
step "copy it down, checked by MD5" comes_back
step "sync sends only what changed" sync_sends_the_change
step "remove the tree" removes
finish
