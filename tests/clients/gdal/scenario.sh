#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# What a user does with GDAL's command-line programs and /vsiaz/, against the endpoint in the environment (BLOB_ENDPOINT,
# BLOB_SOCKET).
set -u
cd "$(dirname "$0")" || exit 1
# shellcheck source=SCRIPTDIR/../tap.sh
. ../tap.sh

endpoint=${BLOB_ENDPOINT:-http://127.0.0.1:10000/devstoreaccount1}
key=Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==
container=gdal-$RANDOM$RANDOM$RANDOM
remote=/vsiaz/$container/maps/ü+%2F
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export AZURE_STORAGE_CONNECTION_STRING="DefaultEndpointsProtocol=http;AccountName=devstoreaccount1;AccountKey=$key;BlobEndpoint=$endpoint;"
# A GeoTIFF is not written front to back; without this GDAL refuses to write one to a store.
export CPL_VSIL_USE_TEMP_FILE_FOR_RANDOM_WRITE=YES CPL_TMPDIR=$work
export NO_PROXY=127.0.0.1,localhost no_proxy=127.0.0.1,localhost

run() { timeout 120 "$@"; }

# 48 MiB of noise, so that no two parts of the file are alike.
make_raster() {
    printf 'P6\n4096 4096\n255\n' >"$work/noise.ppm" &&
        head -c 50331648 /dev/urandom >>"$work/noise.ppm" &&
        run gdal_translate -q -of GTiff "$work/noise.ppm" "$work/map.tif"
}

checksums() { run gdalinfo -checksum "$1" | grep Checksum; }

has_same_pixels() { # FILE
    local wanted got
    wanted=$(checksums "$work/map.tif") && got=$(checksums "$1") || return
    echo "$got"
    [ "$got" = "$wanted" ]
}

make_container() {
    run curl --silent --fail --noproxy '*' --request PUT --header 'Content-Length: 0' \
        "$endpoint/$container?restype=container&$(../../../scripts/account-sas </dev/null)"
}

window_is_the_same() {
    run gdal_translate -q -srcwin 4000 4000 64 64 "$remote/map.tif" "$work/window.tif" &&
        run gdal_translate -q -srcwin 4000 4000 64 64 "$work/map.tif" "$work/wanted.tif" &&
        cmp "$work/window.tif" "$work/wanted.tif"
}

comes_back() { run gdal_translate -q "$remote/map.tif" "$work/back.tif" && has_same_pixels "$work/back.tif"; }

is_gone() { ! run gdalinfo "$remote/map.tif"; }

if [ -n "${BLOB_SOCKET:-}" ]; then
    skip "GDAL through a Unix socket" "GDAL has no option for one"
    finish
    exit
fi
if ! command -v gdal_translate >/dev/null; then
    skip "GDAL" "gdal-bin is not installed"
    finish
    exit
fi

echo "# $endpoint, $(gdalinfo --version)"
step "make a raster of 48 MiB" make_raster
step "create a container" make_container
step "write it to the store, in appended blocks" run gdal_translate -q -of GTiff "$work/map.tif" "$remote/map.tif"
step "every pixel there is the same" has_same_pixels "$remote/map.tif"
step "a window of it is the same" window_is_the_same
step "a copy of it on disk is the same" comes_back
step "rename it" run gdalmanage rename "$remote/map.tif" "$remote/renamed.tif"
step "under its new name it is the same" has_same_pixels "$remote/renamed.tif"
step "its old name is gone" is_gone
step "delete it" run gdalmanage delete "$remote/renamed.tif"
finish
