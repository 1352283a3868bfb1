#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# A backup with restic and back, against the endpoint in the environment (BLOB_ENDPOINT, BLOB_SOCKET).
set -u
cd "$(dirname "$0")" || exit 1
# shellcheck source=SCRIPTDIR/../tap.sh
. ../tap.sh

endpoint=${BLOB_ENDPOINT:-http://127.0.0.1:10000/devstoreaccount1}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export AZURE_ACCOUNT_NAME=devstoreaccount1 RESTIC_PASSWORD=only-for-tests RESTIC_CACHE_DIR=$work/cache
export AZURE_ACCOUNT_KEY=Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==
export RESTIC_REPOSITORY=azure:restic-$RANDOM$RANDOM$RANDOM:/repository
export NO_PROXY=127.0.0.1,localhost no_proxy=127.0.0.1,localhost

run() { timeout 120 restic --quiet "$@"; }

make_files() {
    mkdir -p "$work/source/deep/ü and + and %2F" &&
        : >"$work/source/empty" &&
        printf x >"$work/source/one" &&
        head -c 52428800 /dev/urandom >"$work/source/deep/large" &&
        printf named >"$work/source/deep/ü and + and %2F/日本語 🦀 #1?.txt"
}

# Packs of 16 MiB: each is a Put Blob that is larger than one transfer.
backs_up() { (cd "$work/source" && run backup --pack-size 16 --host tester .); }
has_snapshots() { [ "$(run snapshots --json | grep -o '"short_id"' | wc -l)" = "$1" ]; }
is_listed() { run ls latest | grep -q "^/deep/large\$"; }
restores() { run restore latest --target "$work/restored" && diff -r "$work/source" "$work/restored"; }
dumps() { run dump latest /deep/large | cmp - "$work/source/deep/large"; }
has_no_locks() { [ -z "$(run list locks --no-lock)" ]; }

second_is_small() {
    printf more >>"$work/source/one"
    backs_up && has_snapshots 2
}

forgets() { run forget --keep-last 1 --prune && has_snapshots 1; }

if [ -n "${BLOB_SOCKET:-}" ]; then
    skip "restic through a Unix socket" "restic has no option for one"
    finish
    exit
fi
if ! command -v restic >/dev/null; then
    skip "restic" "not installed"
    finish
    exit
fi
if [ "$endpoint" != http://127.0.0.1:10000/devstoreaccount1 ]; then
    skip "restic at $endpoint" "for the development account restic knows http://127.0.0.1:10000 only, for others https"
    finish
    exit
fi

echo "# $endpoint, $(restic version | head -n 1)"
step "make the files to send" make_files
step "make a repository" run init
step "back up 50 MiB" backs_up
step "the snapshot is listed" has_snapshots 1
step "its files are listed" is_listed
step "what is restored is the same" restores
step "one file read through the repository is the same" dumps
step "a second backup adds a snapshot" second_is_small
step "every byte in the repository is checked" run check --read-data
step "forget and prune delete what is not needed" forgets
step "what is restored then is the same" restores
step "no lock is left" has_no_locks
finish
