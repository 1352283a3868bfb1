# SPDX-License-Identifier: MIT
# Puts the tables of metrics.def and operation.def into the manual: awk -f metrics.awk metrics.def operation.def page.in

# Cuts the first C string out of rest and returns it without its quotes and escapes.
function take_string(    value) {
    match(rest, /"([^"\\]|\\.)*"/)
    value = substr(rest, RSTART + 1, RLENGTH - 2)
    rest = substr(rest, RSTART + RLENGTH)
    gsub(/\\"/, "\"", value)
    return value
}

# What roff would take for an escape, a macro or the end of a macro's argument.
function plain(text) {
    gsub(/\\/, "\\e", text)
    gsub(/"/, "\\(dq", text)
    return text
}

# The macros' names are callable: a lone word that is one is kept from that.
function argument(text) {
    return "\"" plain(text) "\""
}

function end_list() {
    if (has_list)
        table = table ".El\n"
    has_list = 0
}

function family(name, type, help) {
    end_list()
    table = table ".It Sy " argument(name) " Pq " type "\n" plain(help) "\n"
    previous = ""
}

# One row for each combination of labels.
function series(labels, note) {
    if (labels == "")
        return
    if (!has_list) {
        table = table ".Pp\n.Bl -tag -width 4n -compact\n"
        has_list = 1
    }
    table = table ".It Brq Li " argument(labels) "\n" (note == "" ? "" : plain(note) "\n")
}

FILENAME ~ /metrics\.def$/ && /^FAMILY\(/ {
    rest = $0
    name = take_string()
    type = rest
    sub(/^, */, "", type)
    sub(/,.*/, "", type)
    family(name, type, take_string())
}

FILENAME ~ /metrics\.def$/ && /^(VALUE|MICROS|BUCKETS)\(/ {
    rest = $0
    labels = take_string()
    series(labels, take_string())
}

FILENAME ~ /metrics\.def$/ && /^TABLE\(/ {
    rest = $0
    labels = take_string()
    gsub(/,/, ", ", labels)
    table = table "Labels: " labels ".\n"
}

FILENAME ~ /operation\.def$/ && /^X\(/ {
    rest = $0
    label = take_string()
    operations = operations ".It Li " argument(label) "\n" plain(take_string()) "\n"
}

FILENAME ~ /\.in$/ {
    end_list()
    if ($0 == "@METRICS@")
        printf "%s", table
    else if ($0 == "@OPERATIONS@")
        printf "%s", operations
    else
        print
}
