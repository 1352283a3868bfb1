/* SPDX-License-Identifier: MIT */
/* Tests of the forms of the log besides text, of what is collected, and of counts that are told when an event has stopped. */
#include "../../src/lib/log.h"
#include "../../src/lib/clock.h"
#include "../../src/lib/message.h"
#include "log_fixture.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define HEAD "{\"time\":\"" STAMP "\",\"level\":\"info\",\"program\":\"test\",\"event\":\"odd\",\"message\":"

TestSuite(log_forms, .init = capture_stderr);

/* ---- JSON ---- */

Test(log_forms, json_is_an_object_a_line)
{
    const struct log_field fields[] = {{"code", "ServerBusy"}, {"empty", ""}, {"none", NULL}};

    cr_assert_eq(log_set_format(LOG_FORMAT_JSON), 0);
    log_event(LOG_LEVEL_INFO, "odd", fields, 3, "m %d", 1);
    cr_assert_str_eq(captured_text(), HEAD "\"m 1\",\"code\":\"ServerBusy\",\"empty\":\"\",\"none\":\"\"}\n");
}

Test(log_forms, json_has_numbers_where_the_table_says_so_and_the_value_is_one)
{
    const struct log_field fields[] = {{"status", "404"},        {"duration_us", "0"}, {"bytes_in", "12345678901234567890123"},
                                       {"bytes_out", "007"},     {"shard", "-1"},      {"peer_uid", "1e3"},
                                       {"account", "123456789"}, {"sample", ""}};

    cr_assert_eq(log_set_format(LOG_FORMAT_JSON), 0);
    log_event(LOG_LEVEL_INFO, "odd", fields, 8, "m");
    cr_assert_str_eq(captured_text(), HEAD "\"m\",\"status\":404,\"duration_us\":0,\"bytes_in\":\"12345678901234567890123\","
                                           "\"bytes_out\":\"007\",\"shard\":\"-1\",\"peer_uid\":\"1e3\","
                                           "\"account\":\"123456789\",\"sample\":\"\"}\n");
}

Test(log_forms, json_escapes_what_it_must_and_holds_valid_utf8_only)
{
    const struct log_field fields[] = {{"a", "q\"b\\"},
                                       {"b", "l\nr\rt\t"},
                                       {"c", "\x01\x1F\x7F"},
                                       {"d", "caf\xC3\xA9 \xE2\x82\xAC \xF0\x9F\x98\x80"},
                                       {"e", "\xFFx\xC3"},
                                       {"f", "\xC0\xAFy\xC2\x9B"},
                                       {"g", "\xED\xA0\x80\xF4\x90"},
                                       {"h", "\xE0\x80\x80\xF0\x80z"}};
#define BAD "\xEF\xBF\xBD"

    cr_assert_eq(log_set_format(LOG_FORMAT_JSON), 0);
    log_event(LOG_LEVEL_INFO, "odd", fields, 8, "m");
    cr_assert_str_eq(captured_text(),
                     HEAD "\"m\",\"a\":\"q\\\"b\\\\\",\"b\":\"l\\nr\\rt\\t\",\"c\":\"\\u0001\\u001f\\u007f\","
                          "\"d\":\"caf\xC3\xA9 \xE2\x82\xAC \xF0\x9F\x98\x80\",\"e\":\"" BAD "x" BAD "\",\"f\":\"" BAD BAD
                          "y" BAD BAD "\",\"g\":\"" BAD BAD BAD BAD BAD "\",\"h\":\"" BAD BAD BAD BAD BAD "z\"}\n");
}

Test(log_forms, json_names_the_message_id)
{
    char wanted[64];

    cr_assert_eq(log_set_format(LOG_FORMAT_JSON), 0);
    (void)snprintf(wanted, sizeof(wanted), "\"message_id\":\"%s\"", message_id("channel-lost"));
    log_warning("channel-lost", "x");
    cr_assert_not_null(strstr(captured_text(), wanted));
}

/* Nothing but whole objects, whatever the length of a value that may be cut in the middle of a character or of an escape. */
Test(log_forms, json_stays_whole_however_long_a_value_is)
{
    static char value[9000];

    cr_assert_eq(log_set_format(LOG_FORMAT_JSON), 0);
    for (size_t len = 3950; len < 4060; len++) {
        const struct log_field fields[] = {{"long", value}, {"after", "x"}};

        for (size_t i = 0; i + 1 < len; i += 2)
            memcpy(value + i, len % 3 == 0 ? "\xC3\xA9" : len % 3 == 1 ? "\"\"" : "vv", 2);
        value[len] = '\0';
        cr_assert_eq(ftruncate(captured_fd(), 0), 0);
        cr_assert_eq(lseek(captured_fd(), 0, SEEK_SET), 0);
        log_event(LOG_LEVEL_DEBUG, "odd", fields, 2, "m");
        const char *text = captured_text();
        size_t text_len = strlen(text);

        cr_assert_leq(text_len, 4096u);
        cr_assert(strcmp(text + text_len - 3, "\"}\n") == 0, "length %zu ends %s", len, text + text_len - 10);
        bool is_cut = strstr(text, "...\"}\n") != NULL;
        bool has_after = strstr(text, "\"after\":\"x\"") != NULL;
        cr_assert_not(is_cut && has_after, "length %zu", len);
        cr_assert(has_after || len > 3970 || len % 3 == 1, "length %zu", len); /* quotes take twice the room */
        if (is_cut) { /* the byte before the dots ends a character, and no escape is open */
            const char *dots = strstr(text, "...\"}\n");
            cr_assert(len % 3 != 0 || (unsigned char)dots[-1] == 0xA9 || dots[-1] == '"', "length %zu", len);
            cr_assert(len % 3 != 1 || dots[-1] == '"', "length %zu", len);
        }
    }
}

Test(log_forms, an_object_of_fields_fits_its_room_or_is_cut)
{
    const struct log_field fields[] = {{"a", "12345"}, {"status", "200"}, {"b", "67890"}};
    const char *whole = "{\"a\":\"12345\",\"status\":200,\"b\":\"67890\"}";
    char text[64];

    cr_assert_eq(log_format_object(fields, 3, text, sizeof(text)), strlen(whole));
    cr_assert_str_eq(text, whole);
    for (size_t bytes = 8; bytes < strlen(whole) + 8; bytes++) {
        size_t len = log_format_object(fields, 3, text, bytes);

        cr_assert_lt(len, bytes);
        cr_assert_eq(len, strlen(text));
        cr_assert_eq(text[0], '{');
        cr_assert_eq(text[len - 1], '}');
    }
    cr_assert_eq(log_format_object(NULL, 0, text, sizeof(text)), 2u);
    cr_assert_str_eq(text, "{}");
}

/* ---- where to ---- */

Test(log_forms, below_a_service_manager_a_pipe_gets_priorities)
{
    int ends[2];
    char line[256];

    cr_assert_eq(pipe(ends), 0);
    cr_assert_eq(setenv("JOURNAL_STREAM", "1:2", 1), 0);
    log_to(ends[1]);
    log_warning("odd", "x");
    log_debug("odd", "x");
    ssize_t len = read(ends[0], line, sizeof(line) - 1);

    cr_assert_gt(len, 0);
    line[len] = '\0';
    cr_assert_str_eq(line, "<4>" STAMP " warning odd message=x\n<7>" STAMP " debug odd message=x\n");
}

Test(log_forms, a_pipe_of_nobody_in_particular_gets_plain_text)
{
    int ends[2];
    char line[256];

    cr_assert_eq(pipe(ends), 0);
    log_to(ends[1]);
    log_warning("odd", "x");
    ssize_t len = read(ends[0], line, sizeof(line) - 1);

    cr_assert_gt(len, 0);
    line[len] = '\0';
    cr_assert_str_eq(line, STAMP " warning odd message=x\n");
}

Test(log_forms, without_a_journal_its_format_says_so_and_writes_text)
{
    if (access("/run/systemd/journal/socket", F_OK) == 0)
        cr_skip_test("there is a journal here");
    cr_assert_eq(log_set_format(LOG_FORMAT_JOURNAL), -ENOENT);
    log_warning("odd", "x");
    cr_assert_str_eq(captured_text(), STAMP " warning odd message=x\n");
}

Test(log_forms, words_for_formats_are_parsed_and_others_refused)
{
    static const char *const words[] = {"auto", "text", "json", "journal"};
    static const char *const bad[] = {"", "JSON", "json ", "syslog"};
    enum log_format format = LOG_FORMAT_TEXT;

    for (unsigned i = 0; i < 4; i++) {
        cr_assert_eq(log_format_parse(words[i], &format), 0);
        cr_assert_eq(format, (enum log_format)i);
        cr_assert_str_eq(log_format_name(format), words[i]);
        cr_assert_eq(log_format_parse(bad[i], &format), -EINVAL);
    }
}

/* ---- text ---- */

Test(log_forms, text_escapes_bytes_that_are_no_utf8_or_control_a_terminal)
{
    const struct log_field fields[] = {{"a", "x\x9B"}, {"b", "\xC2\x9B"}, {"c", "\xE2\x82\xAC"}};

    log_event(LOG_LEVEL_INFO, "odd", fields, 3, "m");
    cr_assert_str_eq(captured_text(), STAMP " info odd message=m a=\"x\\x9b\" b=\"\\xc2\\x9b\" c=\xE2\x82\xAC\n");
}

/* ---- records ---- */

Test(log_forms, records_pass_the_level_and_have_no_limit)
{
    log_set_level(LOG_LEVEL_ERROR);
    for (int i = 0; i < 100; i++)
        log_record("access", NULL, 0, "x");
    log_flush();
    cr_assert_eq(captured_lines(), 100);
}

Test(log_forms, records_are_collected_until_a_flush_or_a_pipe_of_them_is_there)
{
    const struct log_field field = {"f", "x"};

    log_record("access", &field, 1, "x");
    cr_assert_str_eq(captured_text(), "");
    log_flush();
    cr_assert_str_eq(captured_text(), STAMP " info access message=x f=x\n");
    size_t each = strlen(captured_text());

    for (size_t i = 0; i < 4096 / each; i++)
        log_record("access", &field, 1, "x");
    cr_assert_eq(captured_lines(), 1);
    log_record("access", &field, 1, "x");
    cr_assert_eq(captured_lines(), 1 + 4096 / each);
    log_flush();
    log_flush();
    cr_assert_eq(captured_lines(), 2 + 4096 / each);
}

Test(log_forms, an_event_comes_behind_the_records_before_it)
{
    log_record("access", NULL, 0, "first");
    log_warning("odd", "second");
    cr_assert_str_eq(captured_text(), STAMP " info access message=first\n" STAMP " warning odd message=second\n");
}

static void *record_many(void *arg)
{
    for (int i = 0; i < 500; i++) {
        log_record("access", NULL, 0, arg);
        if (i % 50 == 0)
            log_debug("odd", "a message with blanks");
    }
    log_flush();
    return NULL;
}

Test(log_forms, threads_collect_for_themselves)
{
    pthread_t threads[4];
    static char words[4][8] = {"zero", "one", "two", "three"};
    FILE *file = tmpfile();

    cr_assert_not_null(file);
    log_to(dup(fileno(file)));
    for (int i = 0; i < 4; i++)
        cr_assert_eq(pthread_create(&threads[i], NULL, record_many, words[i]), 0);
    for (int i = 0; i < 4; i++)
        cr_assert_eq(pthread_join(threads[i], NULL), 0);
    static char text[4 * 510 * 80];
    ssize_t len = pread(captured_fd(), text, sizeof(text) - 1, 0);
    size_t lines = 0;

    cr_assert_gt(len, 0);
    text[len] = '\0';
    for (const char *at = text; *at != '\0'; at = strchr(at, '\n') + 1, lines++)
        cr_assert_eq(strncmp(at, STAMP " ", strlen(STAMP " ")), 0);
    cr_assert_eq(lines, 4 * 510);
}

/* ---- what was not written ---- */

Test(log_forms, a_count_is_told_when_its_window_is_over_though_nothing_follows)
{
    for (int i = 0; i < 25; i++)
        log_warning("flood", "number %d", i);
    log_tell_suppressed();
    cr_assert_eq(captured_lines(), 20, "the window is not over");
    clock_fake(START_US + WINDOW_US, 0);
    log_tell_suppressed();
    cr_assert_eq(captured_lines(), 21);
    cr_assert_not_null(
        strstr(captured_text(), " warning flood message=\"more of these came and were not written\" suppressed=5\n"));
    log_tell_suppressed();
    log_warning("flood", "again");
    cr_assert_eq(captured_lines(), 22, "told once");
    cr_assert_null(strstr(captured_text(), "again suppressed"));
}

Test(log_forms, at_most_four_counts_are_told_at_once_and_the_rest_the_next_time)
{
    static const char *const words[] = {"one", "two", "three", "four", "five", "six"};

    for (int i = 0; i < 6; i++)
        for (int j = 0; j < 21; j++)
            log_info(words[i], "x");
    clock_fake(START_US + WINDOW_US, 0);
    log_tell_suppressed();
    cr_assert_eq(captured_lines(), 6 * 20 + 4);
    log_tell_suppressed();
    cr_assert_eq(captured_lines(), 6 * 20 + 6);
}

Test(log_forms, the_end_tells_all_counts)
{
    for (int j = 0; j < 23; j++)
        log_info("one", "x");
    log_close();
    cr_assert_eq(captured_lines(), 21);
    cr_assert_not_null(strstr(captured_text(), "suppressed=3\n"));
    log_close();
    cr_assert_eq(captured_lines(), 21);
}

/* ---- foreign text ---- */

struct copy_row {
    const char *from, *expected;
};

Test(log_forms, foreign_text_becomes_printable_and_keeps_no_signature)
{
    static const struct copy_row rows[] = {
        {"", ""},
        {"01234567-89ab", "01234567-89ab"},
        {"azsdk-net/1 (Linux; \xC3\xA9)", "azsdk-net/1 (Linux; %C3%A9)"},
        {"a\x1B[2Jb\r\nc\x7F", "a%1B[2Jb%0D%0Ac%7F"},
        {"see https://h/c?sv=1&sig=abc%3D&x=\x01", "see https://h/c?sv=1&sig=redacted&x=%01"},
        {"SIG=abc", "SIG=redacted"},
        {"ss=1;s%69g=abc", "ss=1;s%69g=redacted"},
        {"s", "s"},
        {"?s%", "?s%"},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char text[128];

        log_copy_foreign(rows[i].from, strlen(rows[i].from), text, sizeof(text));
        cr_assert_str_eq(text, rows[i].expected);
    }
}

Test(log_forms, long_foreign_text_is_cut_with_dots)
{
    char from[300], text[16];

    memset(from, 'x', sizeof(from));
    log_copy_foreign(from, sizeof(from), text, sizeof(text));
    cr_assert_str_eq(text, "xxxxxxxxxxxx...");
    memset(from, 1, sizeof(from));
    log_copy_foreign(from, sizeof(from), text, sizeof(text));
    cr_assert_str_eq(text, "%01%01%01%01...");
}

Test(log_forms, what_others_write_has_a_priority_where_the_journal_reads_it)
{
    char stream[64];
    struct stat status;
    int ends[2];

    cr_assert_eq(pipe(ends), 0);
    log_to(ends[1]);
    cr_expect_str_eq(log_priority_prefix(LOG_LEVEL_ERROR), "");
    setenv("JOURNAL_STREAM", "1:2", 1); /* that of whoever started the shell; nobody takes the prefix off a pipe */
    cr_expect_str_eq(log_priority_prefix(LOG_LEVEL_ERROR), "");
    cr_assert_eq(fstat(STDERR_FILENO, &status), 0);
    snprintf(stream, sizeof(stream), "%ju:%ju", (uintmax_t)status.st_dev, (uintmax_t)status.st_ino);
    setenv("JOURNAL_STREAM", stream, 1);
    cr_expect_str_eq(log_priority_prefix(LOG_LEVEL_ERROR), "<3>");
    cr_expect_str_eq(log_priority_prefix(LOG_LEVEL_DEBUG), "<7>");
}
