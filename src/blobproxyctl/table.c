/* SPDX-License-Identifier: MIT */
/* Gathers cells, then knows how wide each column is. */
#include "table.h"
#include "shown.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <string.h>

#define CELL_BYTES 1024
#define TEXT_MAX_BYTES (64u << 20)

void table_init(struct table *table, const char *const *headings)
{
    *table = (struct table){.headings = headings};
    buf_init(&table->text, TEXT_MAX_BYTES);
    for (; *headings[table->columns] && table->columns < TABLE_COLUMNS_MAX; table->columns++)
        table->widths[table->columns] = (unsigned)shown_columns(headings[table->columns] + 1);
}

void table_free(struct table *table)
{
    buf_free(&table->text);
}

static void add(struct table *table, const char *shown)
{
    unsigned *width = &table->widths[table->cells++ % table->columns];
    unsigned columns = (unsigned)shown_columns(shown);

    *width = columns > *width ? columns : *width;
    (void)buf_append(&table->text, shown, strlen(shown) + 1);
}

void table_cell(struct table *table, const char *format, ...)
{
    char text[CELL_BYTES], shown[SHOWN_BYTES(CELL_BYTES)];
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    add(table, *text ? shown_text(text, shown, sizeof(shown)) : "-");
}

void table_cell_cut(struct table *table, unsigned characters, const char *text)
{
    char shown[SHOWN_BYTES(CELL_BYTES)];
    size_t columns = shown_columns(shown_text(text, shown, sizeof(shown)));
    char *end = shown;

    if (columns > characters) {
        for (unsigned kept = 0; kept < characters - 3; kept += (*++end & 0xc0) != 0x80)
            continue;
        strcpy(end, "...");
    }
    add(table, *shown ? shown : "-");
}

/* Blanks are due before the next text only, so that none stand at a line's end. */
static void print_cell(const char *shown, bool is_right, unsigned width, unsigned *due, FILE *out)
{
    unsigned columns = (unsigned)shown_columns(shown);
    unsigned blanks = width > columns ? width - columns : 0;

    if (strcmp(shown, TABLE_BLANK) == 0) {
        *due += width + 2;
        return;
    }
    (void)fprintf(out, "%*s%s", (int)(*due + (is_right ? blanks : 0)), "", shown);
    *due = 2 + (is_right ? 0 : blanks);
}

static bool has_headings(const struct table *table)
{
    for (unsigned i = 0; i < table->columns; i++)
        if (table->headings[i][1])
            return true;
    return false;
}

static void print_headings(const struct table *table, FILE *out)
{
    unsigned due = 0;

    for (unsigned i = 0; i < table->columns; i++)
        print_cell(table->headings[i] + 1, table->headings[i][0] == '>', table->widths[i], &due, out);
    (void)fputc('\n', out);
}

int table_print(const struct table *table, FILE *out)
{
    const char *cell = table->text.bytes;
    unsigned due = 0;

    if (table->text.failed < 0)
        return -ENOMEM;
    if (has_headings(table))
        print_headings(table, out);
    for (unsigned i = 0; i < table->cells; i++, cell += strlen(cell) + 1) {
        unsigned column = i % table->columns;

        due = column == 0 ? 0 : due;
        print_cell(cell, table->headings[column][0] == '>', table->widths[column], &due, out);
        if (column == table->columns - 1)
            (void)fputc('\n', out);
    }
    return 0;
}

int table_print_objects(const char *const *headings, const json_t *objects,
                        void (*add_row)(struct table *table, const json_t *object), FILE *out)
{
    CLEANUP(table_free) struct table table;
    const json_t *object;
    size_t i;

    table_init(&table, headings);
    json_array_foreach(objects, i, object) add_row(&table, object);
    return table_print(&table, out);
}
