/* SPDX-License-Identifier: MIT */
/* Reading metrics in Prometheus' text format. */
#include "../../src/blobproxyctl/exposition.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static struct exposition exposition;

static void read_text(const char *text)
{
    struct err err = {0};

    exposition_free(&exposition);
    cr_assert_eq(exposition_read(text, strlen(text), &exposition, &err), 0, "%s", err.text);
}

static void end(void)
{
    exposition_free(&exposition);
}

TestSuite(exposition, .fini = end);

Test(exposition, samples_have_name_labels_and_value)
{
    read_text("# HELP a_total Some.\n# TYPE a_total counter\na_total 12\n\nb{x=\"1\",le=\"+Inf\"} 0.25\nc +Inf");
    cr_assert_eq(exposition.count, 3u);
    cr_expect_str_eq(exposition.samples[0].name, "a_total");
    cr_expect_str_eq(exposition.samples[0].labels, "");
    cr_expect_eq(exposition.samples[0].value, 12.0);
    cr_expect_str_eq(exposition.samples[1].labels, "x=\"1\",le=\"+Inf\"");
    cr_expect_eq(exposition.samples[1].value, 0.25);
    cr_expect(isinf(exposition.samples[2].value));
}

Test(exposition, labels_are_found_by_their_whole_name)
{
    char value[EXPOSITION_LABEL_BYTES];

    read_text("a{other=\"name\",name=\"other\",empty=\"\"} 1\n");
    cr_expect(exposition_label(&exposition.samples[0], "name", value));
    cr_expect_str_eq(value, "other");
    cr_expect(exposition_label(&exposition.samples[0], "empty", value));
    cr_expect_str_eq(value, "");
    cr_expect_not(exposition_label(&exposition.samples[0], "nam", value));
    cr_expect_not(exposition_label(&exposition.samples[0], "names", value));
}

Test(exposition, quoted_braces_quotes_and_commas_are_the_values_own)
{
    char value[EXPOSITION_LABEL_BYTES];

    read_text("a{x=\"}\\\" 9 ,y=\\\\\",y=\"b\\nc\"} 7\n");
    cr_assert_eq(exposition.count, 1u);
    cr_expect_eq(exposition.samples[0].value, 7.0);
    cr_expect(exposition_label(&exposition.samples[0], "x", value));
    cr_expect_str_eq(value, "}\" 9 ,y=\\");
    cr_expect(exposition_label(&exposition.samples[0], "y", value));
    cr_expect_str_eq(value, "b\nc");
}

Test(exposition, a_long_label_is_cut)
{
    char text[256], value[EXPOSITION_LABEL_BYTES];

    (void)snprintf(text, sizeof(text), "a{x=\"%0100d\",y=\"1\"} 1\n", 7);
    read_text(text);
    cr_expect(exposition_label(&exposition.samples[0], "x", value));
    cr_expect_eq(strlen(value), EXPOSITION_LABEL_BYTES - 1u);
    cr_expect(exposition_label(&exposition.samples[0], "y", value));
    cr_expect_str_eq(value, "1");
}

Test(exposition, sums_are_over_all_or_over_those_with_the_label)
{
    read_text("a{k=\"x\",r=\"1\"} 1\na{k=\"x\",r=\"2\"} 2\na{k=\"y\"} 4\nab{k=\"x\"} 8\n");
    cr_expect_eq(exposition_sum(&exposition, "a", NULL, NULL), 7.0);
    cr_expect_eq(exposition_sum(&exposition, "a", "k", "x"), 3.0);
    cr_expect_eq(exposition_sum(&exposition, "a", "r", "2"), 2.0);
    cr_expect_eq(exposition_sum(&exposition, "a", "k", "z"), 0.0);
    cr_expect_eq(exposition_sum(&exposition, "nothing", NULL, NULL), 0.0);
}

Test(exposition, nothing_is_an_exposition_of_nothing)
{
    read_text("");
    cr_expect_eq(exposition.count, 0u);
    read_text("# only a comment");
    cr_expect_eq(exposition.count, 0u);
}

Test(exposition, a_line_that_is_none_is_told_with_its_number)
{
    static const char *const lines[] = {
        "a",           "a ",         "a x",         "a 1 2",    "a  1x", "{k=\"v\"} 1",
        "a{k=\"v\" 1", "a{k=\"v\"}", "a{k=\"v\"}1", "a{k=\"\\", " a 1",  "<html> 1",
    };

    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        char text[64];
        struct err err = {0};

        (void)snprintf(text, sizeof(text), "# one\ngood 1\n%s\n", lines[i]);
        cr_expect_eq(exposition_read(text, strlen(text), &exposition, &err), -EINVAL, "%s", lines[i]);
        cr_expect_str_eq(err.text, "line 3 of the metrics is none");
        cr_expect_null(exposition.samples);
    }
}
