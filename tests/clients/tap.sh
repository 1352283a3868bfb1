# SPDX-License-Identifier: MIT
# Counts the steps of a scenario and prints them in the Test Anything Protocol; to be sourced.
# shellcheck shell=bash

tap_passed=0
tap_failed=0
tap_skipped=0

# step NAME COMMAND...: runs the command; a failure is printed and counted, and the scenario goes on.
step() {
    local name=$1 output number=$((tap_passed + tap_failed + tap_skipped + 1))
    shift
    if output=$("$@" 2>&1); then
        tap_passed=$((tap_passed + 1))
        echo "ok $number - $name"
    else
        tap_failed=$((tap_failed + 1))
        echo "not ok $number - $name"
        printf '%s\n' "$output" | tail -n 12 | sed -E 's/sig=[^& ]*/sig=.../g; s/^/  # /'
    fi
}

# skip NAME REASON
skip() {
    tap_skipped=$((tap_skipped + 1))
    echo "ok $((tap_passed + tap_failed + tap_skipped)) - $1 # SKIP $2"
}

# Prints the plan and the summary; its status is the scenario's.
finish() {
    local more=
    ((tap_skipped == 0)) || more=", $tap_skipped skipped"
    echo "1..$((tap_passed + tap_failed + tap_skipped))"
    echo "$tap_passed passed, $tap_failed failed$more"
    ((tap_failed == 0 && tap_passed + tap_skipped > 0))
}
