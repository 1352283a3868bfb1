/* SPDX-License-Identifier: MIT */
/* Columns that stand below each other. */
#include "../../src/blobproxyctl/table.h"

#include <criterion/criterion.h>
#include <string.h>

static const char *const headings[] = {"<NAME", ">COUNT", "<REASON", ""};
static struct table table;
static char *printed;

static void begin(void)
{
    table_init(&table, headings);
}

static void end(void)
{
    table_free(&table);
    free(printed);
}

static void add(const char *name, int count, const char *reason)
{
    table_cell(&table, "%s", name);
    table_cell(&table, "%d", count);
    table_cell(&table, "%s", reason);
}

static const char *print(void)
{
    size_t len;
    FILE *out = open_memstream(&printed, &len);

    cr_assert_eq(table_print(&table, out), 0);
    cr_assert_eq(fclose(out), 0);
    return printed;
}

TestSuite(table, .init = begin, .fini = end);

Test(table, text_stands_to_the_left_and_numbers_to_the_right)
{
    add("a", 1, "short");
    add("longer", 123456, "a longer one");
    cr_expect_str_eq(print(), "NAME     COUNT  REASON\n"
                              "a            1  short\n"
                              "longer  123456  a longer one\n");
}

Test(table, without_rows_there_is_the_heading)
{
    cr_expect_str_eq(print(), "NAME  COUNT  REASON\n");
}

Test(table, an_empty_cell_is_a_dash_and_a_blank_one_is_nothing)
{
    add("", 1, "");
    table_cell(&table, "x");
    table_cell(&table, TABLE_BLANK);
    table_cell(&table, TABLE_BLANK);
    cr_expect_str_eq(print(), "NAME  COUNT  REASON\n"
                              "-         1  -\n"
                              "x\n");
}

Test(table, a_blank_cell_keeps_the_place_of_those_behind_it)
{
    table_cell(&table, TABLE_BLANK);
    table_cell(&table, TABLE_BLANK);
    table_cell(&table, "here");
    cr_expect_str_eq(print(), "NAME  COUNT  REASON\n"
                              "             here\n");
}

Test(table, characters_count_not_bytes)
{
    add("\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc", 1, "x");
    add("12345", 2, "y");
    cr_expect_str_eq(print(), "NAME   COUNT  REASON\n"
                              "\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc      1  x\n"
                              "12345      2  y\n");
}

Test(table, cells_are_harmless)
{
    add("\x1b[2J", 1, "two\nlines");
    cr_expect_str_eq(print(), "NAME     COUNT  REASON\n"
                              "\\x1b[2J      1  two\\x0alines\n");
}

Test(table, a_long_cell_is_cut_to_what_is_wanted)
{
    add("a", 1, "b");
    table_cell_cut(&table, 8, "12345678");
    table_cell_cut(&table, 8, "123456789");
    table_cell_cut(&table, 8, "\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc");
    cr_expect_str_eq(print(), "NAME         COUNT  REASON\n"
                              "a                1  b\n"
                              "12345678  12345...  \xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc...\n");
}

Test(table, without_any_heading_there_is_no_line_of_it)
{
    static const char *const none[] = {"<", "<", ""};

    table_init(&table, none);
    table_cell(&table, "state");
    table_cell(&table, "serving");
    cr_expect_str_eq(print(), "state  serving\n");
}
