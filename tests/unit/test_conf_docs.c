/* SPDX-License-Identifier: MIT */
/* What is written about the keys, in the help text, the sample and the manual, against the table of keys. */
#include "conf_fixture.h"

#include "../../src/blobproxyd/conf_private.h"

#include <criterion/criterion.h>
#include <string.h>

#define LINE_BYTES 256

TestSuite(conf_docs, .init = conf_fixture_begin, .fini = conf_fixture_end);

Test(conf_docs, help_names_every_option_and_key)
{
    LOAD(loaded, NULL, "--help");
    static const char *const words[] = {"--emulated[=DIR]",        "--listen=ADDR:PORT", "--check-config", "--dump-config",
                                        "--set=SECTION.KEY=VALUE", "BLOBPROXYD_",        "[limits]"};
    char line[LINE_BYTES];

    cr_expect_eq(loaded.action, CONF_EXIT_OK);
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        cr_expect(strstr(loaded.out, words[i]), "%s is not in the help", words[i]);
    for (size_t key = 0; key < CONF_KEY_COUNT; key++) {
        snprintf(line, sizeof(line), "  %s = %s\n      %s\n", conf_rows[key].key, conf_rows[key].fallback, conf_rows[key].why);
        cr_expect(strstr(loaded.out, line), "%s is not in the help", line);
    }
}

/* The text from the line that is heading to the next line that begins with next; to be freed. NULL: no such heading. */
static char *part_of(const char *text, const char *heading, const char *next)
{
    char line[LINE_BYTES], after[LINE_BYTES];

    snprintf(line, sizeof(line), "\n%s\n", heading);
    snprintf(after, sizeof(after), "\n%s", next);
    const char *start = strstr(text, line);
    if (!start)
        return NULL;
    start += strlen(line) - 1;
    const char *end = strstr(start, after);
    return strndup(start, end ? (size_t)(end - start) + 1 : strlen(start));
}

static unsigned occurrences(const char *text, const char *words)
{
    unsigned count = 0;

    for (const char *at = text; (at = strstr(at, words)); at++)
        count++;
    return count;
}

/* Is there prose above the line at? */
static bool has_comment_above(const char *text, const char *at)
{
    const char *line = at;

    while (line > text && line[-1] != '\n')
        line--;
    return strncmp(line, "# ", 2) == 0;
}

Test(conf_docs, the_sample_names_every_key_once_with_its_default_and_says_what_for)
{
    CLEANUP(cleanup_free) char *text = conf_fixture_source("conf/blobproxyd.conf");

    for (size_t key = 0; key < CONF_KEY_COUNT; key++) {
        const struct conf_row *row = &conf_rows[key];
        char heading[64], line[LINE_BYTES];
        snprintf(heading, sizeof(heading), "[%s]", row->section);
        snprintf(line, sizeof(line), "\n#%s =%s%s\n", row->key, *row->fallback ? " " : "", row->fallback);
        CLEANUP(cleanup_free) char *section = part_of(text, heading, "[");

        cr_assert_not_null(section, "%s is missing", heading);
        cr_expect_eq(occurrences(section, line), 1u, "%s has \"%s\" not once", heading, line + 1);
        const char *at = strstr(section, line);
        cr_expect(at && has_comment_above(section, at), "%s.%s is not explained", row->section, row->key);
    }
}

/* Takes "#key = value" for "key = value"; prose in comments has a blank behind the sign. */
static void uncomment(char *text)
{
    for (char *line = text; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (line[0] == '#' && line[1] >= 'a' && line[1] <= 'z')
            line[0] = ' ';
        else if (!*line)
            break;
    }
}

Test(conf_docs, the_sample_without_its_comment_signs_sets_every_key_to_its_default)
{
    CLEANUP(cleanup_free) char *text = conf_fixture_source("conf/blobproxyd.conf");
    CLEANUP(buf_free) struct buf errors;
    struct conf *parsed = conf_new(), *fresh = conf_new();

    buf_init(&errors, 65536);
    cr_expect_eq(conf_parse_text(parsed, "sample", text, strlen(text), &errors), 0u, "%s", errors.bytes ? errors.bytes : "");
    for (size_t key = 0; key < CONF_KEY_COUNT; key++)
        cr_expect_null(parsed->origins[key].name, "%s is set in the sample", conf_rows[key].key);
    uncomment(text);
    cr_expect_eq(conf_parse_text(parsed, "sample", text, strlen(text), &errors), 0u, "%s", errors.bytes ? errors.bytes : "");
    for (size_t key = 0; key < CONF_KEY_COUNT; key++) {
        cr_expect_not_null(parsed->origins[key].name, "%s is not in the sample", conf_rows[key].key);
        cr_expect(conf_value_equals(parsed, fresh, &conf_rows[key]), "%s has another default", conf_rows[key].key);
    }
    conf_free(parsed);
    conf_free(fresh);
}

static unsigned described_keys(const char *manual)
{
    static const char item[] = "\n.It Cm ";
    unsigned count = 0;

    for (const char *at = manual; (at = strstr(at, item)); at++)
        count += memmem(at + 1, strcspn(at + 1, "\n"), " No = ", 6) != NULL;
    return count;
}

Test(conf_docs, the_manual_describes_every_key_with_its_default_and_no_other)
{
    CLEANUP(cleanup_free) char *text = conf_fixture_source("man/blobproxyd.conf.5");

    for (size_t key = 0; key < CONF_KEY_COUNT; key++) {
        const struct conf_row *row = &conf_rows[key];
        char heading[64], item[LINE_BYTES], value[LINE_BYTES];
        snprintf(heading, sizeof(heading), ".Ss Section %s", row->section);
        snprintf(item, sizeof(item), "\n.It Cm %s No = ", row->key);
        snprintf(value, sizeof(value), *row->fallback ? "Default:\n.Ql %s" : "Default: none.%s", row->fallback);
        CLEANUP(cleanup_free) char *section = part_of(text, heading, ".Ss ");

        cr_assert_not_null(section, "%s is missing", heading);
        cr_expect_eq(occurrences(section, item), 1u, "%s.%s is described not once", row->section, row->key);
        char *start = strstr(section, item);
        cr_assert_not_null(start);
        char *end = strstr(start + 1, "\n.It Cm ");
        while (end && !memmem(end + 1, strcspn(end + 1, "\n"), " No = ", 6)) /* of a list inside */
            end = strstr(end + 1, "\n.It Cm ");
        if (end)
            *end = '\0';
        cr_expect(strstr(start, value), "%s.%s lacks \"%s\"", row->section, row->key, value);
    }
    cr_expect_eq(described_keys(text), (unsigned)CONF_KEY_COUNT);
}

/* The word by itself in a list ", a , b ," of the manual. */
static bool has_word(const char *text, const char *word)
{
    size_t len = strlen(word);

    for (const char *at = text; (at = strstr(at, word)); at++) {
        if ((at == text || strchr(" \n", at[-1])) && strchr(" ,\n", at[len]))
            return true;
    }
    return false;
}

Test(conf_docs, the_manual_names_the_keys_that_a_reload_does_not_take_and_no_others)
{
    CLEANUP(cleanup_free) char *text = conf_fixture_source("man/blobproxyd.conf.5");
    CLEANUP(cleanup_free) char *part = part_of(text, ".Ss Reload", ".Ss ");

    cr_assert_not_null(part);
    for (size_t key = 0; key < CONF_KEY_COUNT; key++) {
        const struct conf_row *row = &conf_rows[key];
        char heading[64];
        snprintf(heading, sizeof(heading), ".It Bq %s", row->section);
        CLEANUP(cleanup_free) char *item = part_of(part, heading, ".It");
        bool is_named = item && has_word(item, row->key);

        cr_expect_eq(is_named, row->is_at_start, "%s.%s is %snamed", row->section, row->key, is_named ? "" : "not ");
    }
}
