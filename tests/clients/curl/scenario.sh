#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# What a user does with curl and an account SAS, against the endpoint in the environment (BLOB_ENDPOINT, BLOB_SOCKET).
set -u
cd "$(dirname "$0")" || exit 1
# shellcheck source=SCRIPTDIR/../tap.sh
. ../tap.sh

endpoint=${BLOB_ENDPOINT:-http://127.0.0.1:10000/devstoreaccount1}
container=curl-$RANDOM$RANDOM$RANDOM
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
sas=$("${PYTHON:-python3}" ../../../scripts/account-sas "${BLOB_ACCOUNT:-devstoreaccount1}" <<<"${BLOB_KEY:-}") || exit 1

options=(--silent --show-error --noproxy '*' --max-time 60 --path-as-is --globoff -H 'x-ms-version: 2021-12-02')
host=$(sed -E 's,^http://([^/]+).*,\1,' <<<"$endpoint")
if [ -n "${BLOB_SOCKET:-}" ]; then
    options+=(--unix-socket "$BLOB_SOCKET")
elif ! [[ $host =~ ^127\. ]]; then
    options+=(--resolve "$host:127.0.0.1")
fi

# status_is STATUS PATH [QUERY [CURL-OPTION...]]: the body goes to $work/body, the head to $work/head.
status_is() {
    local want=$1 path=$2 query=${3:-} got
    shift $(($# > 3 ? 3 : $#))
    got=$(curl "${options[@]}" -o "$work/body" -D "$work/head" -w '%{http_code}' "$@" "$endpoint/$path?$query${query:+&}$sas") ||
        return
    [ "$got" = "$want" ] || { echo "status $got, not $want"; head -c 600 "$work/body"; false; }
}

error_is() { # STATUS CODE PATH [...]
    local status=$1 code=$2
    shift 2
    status_is "$status" "$@" && grep -qi "^x-ms-error-code: $code" "$work/head" && grep -q "<Code>$code</Code>" "$work/body"
}

put_and_get() { # FILE NAME
    status_is 201 "$container/$2" "" -T "$1" -H 'x-ms-blob-type: BlockBlob' -H 'Expect: 100-continue' &&
        status_is 200 "$container/$2" && cmp "$1" "$work/body"
}

ranged() {
    status_is 206 "$container/large" "" -r 1000000-1000099 &&
        tail -c +1000001 "$work/large" | head -c 100 | cmp - "$work/body" &&
        grep -qi "^content-range: bytes 1000000-1000099/41943040" "$work/head"
}

head_only() { status_is 200 "$container/large" "" -I && grep -qi '^content-length: 41943040' "$work/head"; }
lists() { status_is 200 "$container" "restype=container&comp=list&prefix=la" && grep -q "<Name>large</Name>" "$work/body"; }
not_modified() {
    local etag
    status_is 200 "$container/one" "" -I && etag=$(sed -nE 's/^[Ee][Tt]ag: ([^\r]*).*/\1/p' "$work/head") && [ -n "$etag" ] &&
        status_is 304 "$container/one" "" -H "If-None-Match: $etag"
}

head -c 41943040 /dev/urandom >"$work/large"
printf x >"$work/one"
: >"$work/empty"
echo "# $endpoint${BLOB_SOCKET:+ through a Unix socket}, $(curl --version | head -n 1 | cut -d' ' -f1-2)"
step "create a container" status_is 201 "$container" restype=container -X PUT -H 'Content-Length: 0'
step "put and get 0 B" put_and_get "$work/empty" empty
step "put and get 1 B" put_and_get "$work/one" one
step "put and get 40 MiB" put_and_get "$work/large" large
step "put and get a name with escapes" put_and_get "$work/one" "a%2Bb%20c/%252F/%C3%BC//..%252e/end."
step "ranged get" ranged
step "head" head_only
step "list" lists
step "If-None-Match with the same ETag is 304" not_modified
step "If-None-Match: * is 409 BlobAlreadyExists" error_is 409 BlobAlreadyExists "$container/one" "" -T "$work/one" \
    -H 'x-ms-blob-type: BlockBlob' -H 'If-None-Match: *'
step "missing blob is 404 BlobNotFound" error_is 404 BlobNotFound "$container/missing"
step "delete a blob" status_is 202 "$container/one" "" -X DELETE
step "delete the container" status_is 202 "$container" restype=container -X DELETE
finish
