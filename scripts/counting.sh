# SPDX-License-Identifier: MIT
# Runs test programs, counts what passed and shows what failed; to be sourced after "logs", a directory, is set.
# shellcheck shell=bash disable=SC2154

rows=()
skips=()
passed=0
failed=0
skipped=0

count() { # SUITE PASSED FAILED SKIPPED [SECONDS]
    local seconds=${5:-0}
    [[ ! -s $(log_of "$1").seconds ]] || seconds=$(cat "$(log_of "$1").seconds") # it ran beside
    rows+=("$(printf '%-44s %5d passed %4d failed %4d skipped %4d s' "$1" "$2" "$3" "$4" "$seconds")")
    passed=$((passed + $2))
    failed=$((failed + $3))
    skipped=$((skipped + $4))
}

show_failure() { # LOG
    if grep -q '^not ok' "$1"; then
        grep -A 14 -E '^not ok' "$1" | grep -E '^(not ok|  #|# log)' | head -n 120
    elif grep -qaE '^\[(FAIL|----)\]' "$1"; then
        grep -aE '^\[(FAIL|----|====)\]|^(WARNING|ERROR|SUMMARY):|==ERROR|runtime error' "$1" | head -n 60
    else
        tail -n 60 "$1"
    fi
}

log_of() { echo "$logs/${1//[^a-zA-Z0-9]/-}.log"; }

# single NAME COMMAND...: a command that passes or fails as a whole.
single() {
    local name=$1 log start=$SECONDS
    log=$(log_of "$name")
    shift
    say "$name"
    if "$@" >"$log" 2>&1; then
        count "$name" 1 0 0 $((SECONDS - start))
        return 0
    fi
    show_failure "$log"
    count "$name" 0 1 0 $((SECONDS - start))
    return 1
}

# counted NAME PARSER COMMAND...: a program that says how many of its tests passed.
counted() {
    local name=$1 parser=$2 status=0 log numbers start=$SECONDS
    log=$(log_of "$name")
    shift 2
    say "$name"
    timeout --kill-after=10 "${limit_s:-420}" "$@" >"$log" 2>&1 || status=$?
    numbers=$("$parser" <"$log") || numbers="0 0 0"
    read -r -a numbers <<<"$numbers"
    # It failed without a failed test, or said nothing: that is a failure too.
    if ((status != 0 && numbers[1] == 0)) || ((numbers[0] + numbers[1] + numbers[2] == 0)); then
        numbers[1]=$((numbers[1] + 1))
        echo "$name: exit status $status"
    fi
    ((numbers[1] == 0)) || show_failure "$log"
    collect_skips "$name" "$log"
    count "$name" "${numbers[@]}" $((SECONDS - start))
}

collect_skips() { # SUITE LOG
    local line
    while IFS= read -r line; do
        skips+=("$1: $line")
    done < <(sed -nE 's/^ok[ 0-9]*- (.*) # SKIP (.*)/\1: \2/p; s/^skipped: //p' "$2")
}

# shellcheck disable=SC2317 # called by name
# Criterion: [====] Synthesis: Tested: 5 | Passing: 3 | Failing: 2 | Crashing: 1
from_criterion() {
    sed -E 's/\x1b\[[0-9;]*m//g' | sed -nE 's/.*Synthesis: Tested: ([0-9]+) \| Passing: ([0-9]+) .*/\1 \2/p' | {
        read -r tested passing && echo "$passing $((tested - passing)) 0" # a crash counts as failing, too
    }
}

# shellcheck disable=SC2317
# Ours: 5 passed, 0 failed, 1 skipped
from_tap() {
    tail -n 1 | sed -nE 's/^([0-9]+) passed, ([0-9]+) failed(, ([0-9]+) skipped)?$/\1 \2 0\4/p' | {
        read -r passing failing skipping && echo "$passing $failing $((10#$skipping))"
    }
}

# shellcheck disable=SC2317
# A row for each difference, its second column the scenario, and at the end: 17 scenarios, 0 differences
from_sdk() {
    awk -F '\t' '
        NF == 5 { differing[$2] = 1 }
        / # SKIP / { skipped++ }
        { last = $0 }
        END {
            if (last !~ /^[0-9]+ scenarios, [0-9]+ differences$/) exit 1
            split(last, number, " ")
            for (name in differing) broken++
            passed = number[1] > broken ? number[1] - broken : 0
            print passed, number[3], skipped + 0
        }'
}

finish() {
    local skip
    say "summary (logs in ${logs#"$root/"})"
    printf '%s\n' "${rows[@]}"
    for skip in "${skips[@]}"; do
        echo "skipped: $skip"
    done
    if ((skipped > 0)); then
        echo "$passed passed, $failed failed, $skipped skipped"
    else
        echo "$passed passed, $failed failed"
    fi
    ((failed == 0 && passed + skipped > 0)) && exit 0
    exit 1
}
