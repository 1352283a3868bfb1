/* SPDX-License-Identifier: MIT */
/* Coverage as a table with counters. */
#include "coverage.h"

#include "../../../src/lib/vmbus/packet.h"

#include <stdio.h>

static const char *const rows[COVERAGES] = {
#define COVERAGE(name, what) what,
#include "coverage.def"
#undef COVERAGE
};

static struct {
    unsigned ring_bytes;
    unsigned long counts[COVERAGES];
} columns[COVERAGE_COLUMNS];

static unsigned column_count;

void coverage_begin(unsigned ring_bytes)
{
    columns[column_count++].ring_bytes = ring_bytes;
}

void coverage_count(enum coverage coverage, bool happened)
{
    if (column_count > 0)
        columns[column_count - 1].counts[coverage] += happened;
}

/* Into a ring that is larger than the length field allows packets to be, every packet fits; and with the few and large packets of
 * such a ring it is luck to end at just that byte. */
static bool must_happen(int row, unsigned ring_bytes)
{
    bool is_luck = row == COVERAGE_FULL_EXACT || row == COVERAGE_FIT_EXACT ||
                   (row >= COVERAGE_WRAP_DESCRIPTOR && row <= COVERAGE_WRAP_EXACT);

    return ring_bytes < 2 * PACKET_BYTES_MAX || (row != COVERAGE_NEVER_FITS && !is_luck);
}

static bool report_row(int row)
{
    bool is_complete = true;

    for (unsigned i = 0; i < column_count; i++) {
        printf("%8lu", columns[i].counts[row]);
        is_complete = is_complete && (columns[i].counts[row] > 0 || !must_happen(row, columns[i].ring_bytes));
    }
    printf("  %s\n", rows[row]);
    return is_complete;
}

bool coverage_report(void)
{
    bool is_complete = column_count > 0;

    puts("What the steps came across, by the size of the ring (ours to ours; in the other worlds the same):");
    for (unsigned i = 0; i < column_count; i++)
        printf("%8u", columns[i].ring_bytes);
    puts("  bytes");
    for (int i = 0; i < COVERAGES; i++)
        is_complete = report_row(i) && is_complete;
    return is_complete;
}
