#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# What a user does with rclone, step by step, against the endpoint in the environment (BLOB_ENDPOINT, BLOB_SOCKET).
set -u
cd "$(dirname "$0")" || exit 1
# shellcheck source=SCRIPTDIR/../tap.sh
. ../tap.sh

endpoint=${BLOB_ENDPOINT:-http://127.0.0.1:10000/devstoreaccount1}
container=rclone-$RANDOM$RANDOM$RANDOM
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export RCLONE_CONFIG=$work/rclone.conf RCLONE_LOW_LEVEL_RETRIES=1 RCLONE_RETRIES=1
export NO_PROXY=127.0.0.1,localhost no_proxy=127.0.0.1,localhost

# With use_emulator rclone always takes the development account and key, so a wrong key can't be tried.
cat >"$RCLONE_CONFIG" <<CONF
[blob]
type = azureblob
use_emulator = true
endpoint = $endpoint
CONF

run() { timeout 120 rclone --contimeout 5s --timeout 60s "$@"; }

make_files() {
    mkdir -p "$work/up/deep/er" "$work/up/deep/er/ü and + and %2F" &&
        : >"$work/up/empty" &&
        printf x >"$work/up/one" &&
        head -c 1048576 /dev/urandom >"$work/up/deep/mebi" &&
        head -c 41943040 /dev/urandom >"$work/up/deep/er/large" &&
        printf named >"$work/up/deep/er/ü and + and %2F/日本語 🦀 #1?.txt" &&
        printf dots >"$work/up/trailing..."
}

# Every file of the first tree is in the second with the same bytes, and nothing else.
same_trees() { diff -r "$1" "$2"; }

names_are() { # REMOTE EXPECTED-LINES
    local got
    got=$(run lsf -R --files-only "$1" | LC_ALL=C sort) || return
    [ "$got" = "$2" ] || { echo "$got"; false; }
}

ranged_cat() {
    run cat --offset 4194300 --count 10 "blob:$container/up/deep/er/large" >"$work/part" &&
        tail -c +4194301 "$work/up/deep/er/large" | head -c 10 | cmp - "$work/part"
}

fails_with() { # PATTERN COMMAND...
    local pattern=$1 output
    shift
    if output=$("$@" 2>&1); then
        echo "it succeeded"
        return 1
    fi
    grep -q "$pattern" <<<"$output" || { echo "$output"; false; }
}

copied_inside() {
    run copyto "blob:$container/up/deep/mebi" "blob:$container/copy/mebi" -vv >"$work/log" 2>&1 &&
        grep -q "server-side copy" "$work/log" && run cat "blob:$container/copy/mebi" | cmp - "$work/up/deep/mebi"
}

container_is_gone() { ! run lsd blob: | grep -q "$container"; }

if [ -n "${BLOB_SOCKET:-}" ]; then
    skip "rclone through a Unix socket" "rclone has no option for one"
    finish
    exit
fi
if ! command -v rclone >/dev/null; then
    skip "rclone" "not installed"
    finish
    exit
fi
if ! [[ $endpoint =~ ^http://127\. ]] && ! getent hosts "$(sed -E 's,^http://([^:/]+).*,\1,' <<<"$endpoint")" >/dev/null; then
    skip "rclone host style" "this machine's resolver does not know *.localhost, and rclone takes no other"
    finish
    exit
fi

echo "# $endpoint, $(rclone version | head -n 1)"
step "make the files to send" make_files
step "create a container" run mkdir "blob:$container"
step "copy a tree up, 40 MiB in parallel blocks" run copy "$work/up" "blob:$container/up"
step "check compares sizes and MD5" run check "$work/up" "blob:$container/up"
step "list recursively" names_are "blob:$container/up" "$(cd "$work/up" && find . -type f -printf '%P\n' | LC_ALL=C sort)"
step "list in small pages" names_are "blob,list_chunk=2:$container/up" "$(cd "$work/up" && find . -type f -printf '%P\n' | LC_ALL=C sort)"
step "copy the tree down" run copy "blob:$container/up" "$work/down"
step "what came down is the same" same_trees "$work/up" "$work/down"
step "a range is the same" ranged_cat
step "copy inside the store" copied_inside
step "a missing blob is an error" fails_with "doesn't exist" run deletefile "blob:$container/missing"
step "delete a blob" run deletefile "blob:$container/up/one"
step "delete the container" run purge "blob:$container"
step "the container is gone" container_is_gone
finish
