#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The wasb:// file system of Hadoop and Spark, against the endpoint in the environment (BLOB_ENDPOINT, BLOB_SOCKET);
# HADOOP_CLASSES is the class path.
set -u
cd "$(dirname "$0")" || exit 1
# shellcheck source=SCRIPTDIR/../tap.sh
. ../tap.sh

endpoint=${BLOB_ENDPOINT:-http://127.0.0.1:10000/devstoreaccount1}
container=hadoop-$RANDOM$RANDOM$RANDOM
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

if [ -z "${HADOOP_CLASSES:-}" ]; then
    skip "Hadoop" "its classes are not installed"
    finish
    exit
fi
if [ "$endpoint" != http://127.0.0.1:10000/devstoreaccount1 ] || [ -n "${BLOB_SOCKET:-}" ]; then
    skip "Hadoop at ${BLOB_SOCKET:-$endpoint}" "for an emulated account wasb:// knows http://127.0.0.1:10000 only"
    finish
    exit
fi
echo "# $endpoint, $(tr : '\n' <<<"$HADOOP_CLASSES" | sed -n 's,.*/\(hadoop-azure-.*\)\.jar$,\1,p')"
curl --silent --fail --noproxy '*' --request PUT --header 'Content-Length: 0' \
    "$endpoint/$container?restype=container&$(../../../scripts/account-sas </dev/null)" || exit 1
exec timeout 150 java -cp "$HADOOP_CLASSES" Scenario "$container" "$work" 2>"$work/log"
