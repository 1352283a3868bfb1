#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# What a user does with the Azure CLI, against the endpoint in the environment (BLOB_ENDPOINT, BLOB_SOCKET); AZ is the program.
set -u
cd "$(dirname "$0")" || exit 1
# shellcheck source=SCRIPTDIR/../tap.sh
. ../tap.sh

endpoint=${BLOB_ENDPOINT:-http://127.0.0.1:10000/devstoreaccount1}
az=${AZ:-az}
key=Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==
container=az-$RANDOM$RANDOM$RANDOM
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export AZURE_STORAGE_CONNECTION_STRING="DefaultEndpointsProtocol=http;AccountName=devstoreaccount1;AccountKey=$key;BlobEndpoint=$endpoint;"
export AZURE_CONFIG_DIR=$work/config AZURE_CORE_COLLECT_TELEMETRY=no AZURE_CORE_ONLY_SHOW_ERRORS=yes
export NO_PROXY=127.0.0.1,localhost no_proxy=127.0.0.1,localhost

run() { timeout 120 "$az" storage "$@"; }

make_files() {
    mkdir -p "$work/up/deep/ü and + and %2F" &&
        : >"$work/up/empty" &&
        printf x >"$work/up/deep/one" &&
        printf named >"$work/up/deep/ü and + and %2F/日本語 #1?.txt" &&
        head -c 73400320 /dev/urandom >"$work/large"
}

prints() { # WANTED COMMAND...
    local wanted=$1 got
    shift
    got=$("$@" --output tsv) || return
    echo "$got"
    [ "$got" = "$wanted" ]
}

uploads_checked() { run blob upload --container-name "$container" --file "$work/up/deep/one" --name checked --validate-content --no-progress; }
downloads() { # NAME FILE
    run blob download --container-name "$container" --name "$1" --file "$work/got" --no-progress --output none && cmp "$work/got" "$2"
}

tree_comes_back() {
    mkdir -p "$work/down" &&
        run blob download-batch --source "$container" --pattern 'tree/*' --destination "$work/down" --no-progress --output none &&
        diff -r "$work/up" "$work/down/tree"
}

sas_reads() {
    local url
    url=$(run blob generate-sas --container-name "$container" --name large --permissions r --expiry 2099-01-01T00:00Z --full-uri --output tsv) &&
        curl --silent --fail --noproxy '*' --max-time 60 "$url" | cmp - "$work/large"
}

snapshot_stays() {
    local time
    time=$(run blob snapshot --container-name "$container" --name checked --query snapshot --output tsv) &&
        run blob metadata update --container-name "$container" --name checked --metadata a=b &&
        prints 0 run blob show --container-name "$container" --name checked --snapshot "$time" --query 'length(metadata)' &&
        prints b run blob show --container-name "$container" --name checked --query metadata.a
}

lease_protects() {
    local lease
    lease=$(run blob lease acquire --container-name "$container" --blob-name checked --lease-duration 15 --output tsv) || return
    if run blob delete --container-name "$container" --name checked; then
        echo "deleted without the lease"
        return 1
    fi
    prints leased run blob show --container-name "$container" --name checked --query properties.lease.state &&
        run blob lease release --container-name "$container" --blob-name checked --lease-id "$lease"
}

deletes() { run blob delete --container-name "$container" --name "$1" && prints False run blob exists --container-name "$container" --name "$1"; }

if [ -n "${BLOB_SOCKET:-}" ]; then
    skip "az through a Unix socket" "az has no option for one"
    finish
    exit
fi
if ! command -v "$az" >/dev/null; then
    skip "az" "not installed"
    finish
    exit
fi
if ! [[ $endpoint =~ ^http://127\. ]] && ! getent hosts "$(sed -E 's,^http://([^:/]+).*,\1,' <<<"$endpoint")" >/dev/null; then
    skip "az host style" "this machine's resolver does not know *.localhost"
    finish
    exit
fi

echo "# $endpoint, azure-cli $("$az" version --query '"azure-cli"' --output tsv)"
step "make the files to send" make_files
step "create a container" prints True run container create --name "$container"
step "upload 70 MiB, in blocks" run blob upload --container-name "$container" --file "$work/large" --name large --no-progress
step "it comes back the same" downloads large "$work/large"
step "upload with an MD5 of the content" uploads_checked
step "upload a tree" run blob upload-batch --source "$work/up" --destination "$container" --destination-path tree --no-progress
step "list with a prefix" prints 3 run blob list --container-name "$container" --prefix tree/ --query 'length(@)'
step "the tree comes back the same" tree_comes_back
step "a SAS that az made lets curl read" sas_reads
step "a snapshot stays as it was" snapshot_stays
step "copy inside the store" run blob copy start --source-container "$container" --source-blob large --destination-container "$container" --destination-blob copy
step "the copy is the same" downloads copy "$work/large"
step "a lease protects a blob" lease_protects
step "delete a blob" deletes large
step "delete the container" run container delete --name "$container"
finish
