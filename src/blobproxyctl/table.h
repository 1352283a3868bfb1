/* SPDX-License-Identifier: MIT */
/* Aligned columns for people: a heading, then rows. */
#ifndef BLOBPROXYCTL_TABLE_H
#define BLOBPROXYCTL_TABLE_H

#include "../lib/buf.h"

#include <jansson.h>
#include <stdio.h>

#define TABLE_COLUMNS_MAX 20

/* Headings begin with '<' (text, to the left) or '>' (numbers, to the right), which is not shown; "" ends them. There is no
 * line of them where all are empty. */
struct table {
    const char *const *headings;
    unsigned columns;
    unsigned cells;                     /* given so far */
    unsigned widths[TABLE_COLUMNS_MAX]; /* characters of the longest cell */
    struct buf text;                    /* the cells, each with its NUL */
};

#define TABLE_BLANK " " /* a cell where nothing belongs */

void table_init(struct table *table, const char *const *headings);
void table_free(struct table *table);

/* The next cell, row by row. The text is made harmless for terminals; an empty one is shown as "-", so that columns can be
 * counted. At most about 1 KiB of it is kept. A failure is told by table_print(). */
void table_cell(struct table *table, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The same, of at most this many characters, the last of them "..." when it was longer. */
void table_cell_cut(struct table *table, unsigned characters, const char *text);

/* Prints heading and rows, each line without blanks at its end. 0 or -ENOMEM. */
int table_print(const struct table *table, FILE *out) MUST_CHECK;

/* A whole table of these objects, for each of which add_row gives a row. 0 or -ENOMEM. */
int table_print_objects(const char *const *headings, const json_t *objects,
                        void (*add_row)(struct table *table, const json_t *object), FILE *out) MUST_CHECK;

#endif
