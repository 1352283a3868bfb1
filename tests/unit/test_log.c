/* SPDX-License-Identifier: MIT */
/* Tests of what appears on stderr and of what must not appear in a log. */
#include "../../src/lib/log.h"
#include "../../src/lib/clock.h"
#include "log_fixture.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

TestSuite(log, .init = capture_stderr);

Test(log, an_event_is_one_line_of_time_level_word_and_pairs)
{
    const struct log_field fields[] = {{"guid", "ab-12"}, {"status", "503"}};

    log_event(LOG_LEVEL_WARNING, "channel-lost", fields, 2, "after %d tries", 3);
    cr_assert_str_eq(captured_text(), STAMP " warning channel-lost message=\"after 3 tries\" guid=ab-12 status=503\n");
}

Test(log, values_that_could_be_mistaken_are_quoted_and_escaped)
{
    const struct log_field fields[] = {{"a", "x y"},        {"b", ""},           {"c", "q\"\\"},
                                       {"d", "l1\nl2\r\t"}, {"e", "\x1B[m\x7F"}, {"f", "caf\xC3\xA9"},
                                       {"g", "k=v"},        {"h", NULL}};

    log_event(LOG_LEVEL_INFO, "odd", fields, 8, "m");
    cr_assert_str_eq(captured_text(), STAMP " info odd message=m a=\"x y\" b=\"\" c=\"q\\\"\\\\\" d=\"l1\\nl2\\r\\t\" "
                                            "e=\"\\x1b[m\\x7f\" f=caf\xC3\xA9 g=\"k=v\" h=\"\"\n");
}

Test(log, a_line_feed_in_the_message_does_not_make_a_second_line)
{
    log_error("evil", "%s", "x\n1994-11-06T08:49:37.0000000Z info forged message=y");
    cr_assert_eq(captured_lines(), 1);
}

Test(log, lines_are_counted_by_level_and_repeats_that_were_not_written_by_themselves)
{
    for (unsigned i = 0; i < 25; i++)
        log_warning("again", "and again");
    log_error("once", "m");
    log_debug("debug", "m");
    struct log_figures figures = log_figures();

    cr_expect_eq(figures.lines[LOG_LEVEL_WARNING], 20);
    cr_expect_eq(figures.lines[LOG_LEVEL_ERROR], 1);
    cr_expect_eq(figures.lines[LOG_LEVEL_DEBUG], 1);
    cr_expect_eq(figures.lines[LOG_LEVEL_INFO], 0);
    cr_expect_eq(figures.suppressed, 5);
}

Test(log, what_is_too_long_is_cut_and_still_one_line)
{
    static char value[20000];
    const struct log_field fields[] = {{"long", value}, {"after", "x"}};

    memset(value, 'v', sizeof(value) - 1);
    log_event(LOG_LEVEL_INFO, "long", fields, 2, "m");
    cr_assert_eq(captured_lines(), 1);
    cr_assert_leq(strlen(captured_text()), 4096);
    cr_assert_not_null(strstr(captured_text(), "...\n"));
}

Test(log, levels_above_the_one_set_are_silent)
{
    log_set_level(LOG_LEVEL_WARNING);
    log_notice("quiet", "x");
    log_debug("quiet", "x");
    log_warning("heard", "x");
    log_error("heard", "x");
    cr_assert_eq(captured_lines(), 2);
    cr_assert_null(strstr(captured_text(), "quiet"));
    cr_assert(log_enabled(LOG_LEVEL_ERROR));
    cr_assert_not(log_enabled(LOG_LEVEL_NOTICE));
}

Test(log, level_words_are_parsed_and_others_refused)
{
    static const char *const words[] = {"error", "warning", "notice", "info", "debug"};
    static const char *const bad[] = {"", "Error", "warn", "debug ", "0"};
    enum log_level level = LOG_LEVEL_NOTICE;

    for (unsigned i = 0; i < 5; i++) {
        cr_assert_eq(log_level_parse(words[i], &level), 0);
        cr_assert_eq(level, (enum log_level)i);
    }
    for (unsigned i = 0; i < 5; i++)
        cr_assert_eq(log_level_parse(bad[i], &level), -EINVAL, "%s", bad[i]);
    cr_assert_eq(level, LOG_LEVEL_DEBUG);
}

Test(log, repeats_above_twenty_in_ten_seconds_are_counted_and_told_later)
{
    for (int i = 0; i < 50; i++)
        log_warning("flood", "number %d", i);
    cr_assert_eq(captured_lines(), 20);
    clock_fake(START_US + WINDOW_US - 1, 0);
    log_warning("flood", "still inside");
    cr_assert_eq(captured_lines(), 20);
    clock_fake(START_US + WINDOW_US, 0);
    log_warning("flood", "again");
    log_warning("flood", "once more");
    cr_assert_eq(captured_lines(), 22);
    cr_assert_not_null(strstr(captured_text(), "message=again suppressed=31\n"));
    cr_assert_not_null(strstr(captured_text(), "message=\"once more\"\n"));
}

Test(log, one_event_does_not_use_up_the_rate_of_another)
{
    for (int i = 0; i < 30; i++)
        log_warning("flood", "x");
    log_warning("floods", "x");
    cr_assert_eq(captured_lines(), 21);
}

Test(log, debug_is_never_limited)
{
    for (int i = 0; i < 100; i++)
        log_debug("detail", "x");
    cr_assert_eq(captured_lines(), 100);
}

Test(log, what_the_level_silences_does_not_count)
{
    log_set_level(LOG_LEVEL_ERROR);
    for (int i = 0; i < 100; i++)
        log_info("word", "x");
    log_error("word", "x");
    cr_assert_eq(captured_lines(), 1);
    cr_assert_null(strstr(captured_text(), "suppressed"));
}

Test(log, more_event_words_than_the_table_holds_are_all_written)
{
    char word[32];

    for (int i = 0; i < 200; i++) {
        (void)snprintf(word, sizeof(word), "word-%d", i);
        log_info(word, "x");
    }
    cr_assert_eq(captured_lines(), 200);
}

Test(log, errno_is_kept)
{
    (void)close(STDERR_FILENO);
    errno = EXDEV;
    log_error("any", "x");
    cr_assert_eq(errno, EXDEV);
}

Test(log, what_the_journal_takes_does_not_go_to_stderr)
{
    struct stat status;
    char stream[64];

    cr_assert_eq(fstat(STDERR_FILENO, &status), 0);
    (void)snprintf(stream, sizeof(stream), "%ju:%ju", (uintmax_t)status.st_dev, (uintmax_t)status.st_ino);
    cr_assert_eq(setenv("JOURNAL_STREAM", stream, 1), 0);
    log_open("test", LOG_LEVEL_INFO);
    log_info("journal", "x");
    if (access("/run/systemd/journal/socket", W_OK) == 0)
        cr_assert_str_eq(captured_text(), "");
    else
        cr_assert_str_eq(captured_text(), "<6>" STAMP " info journal message=x\n");
}

Test(log, a_journal_stream_that_is_not_stderr_is_not_used)
{
    struct stat status;
    char stream[64];

    cr_assert_eq(fstat(STDERR_FILENO, &status), 0);
    (void)snprintf(stream, sizeof(stream), "%ju:%ju", (uintmax_t)status.st_dev, (uintmax_t)status.st_ino + 1);
    cr_assert_eq(setenv("JOURNAL_STREAM", stream, 1), 0);
    log_open("test", LOG_LEVEL_INFO);
    log_info("journal", "x");
    cr_assert_eq(captured_lines(), 1);
}

static void *log_many(void *word)
{
    for (int i = 0; i < 100; i++) {
        log_debug(word, "a message with blanks");
        log_info("shared", "x");
    }
    return NULL;
}

Test(log, threads_do_not_mix_lines_and_share_one_rate)
{
    pthread_t threads[4];
    static char words[4][8] = {"zero", "one", "two", "three"};

    cr_assert_eq(fcntl(captured_fd(), F_SETFL, O_APPEND), 0);
    for (int i = 0; i < 4; i++)
        cr_assert_eq(pthread_create(&threads[i], NULL, log_many, words[i]), 0);
    for (int i = 0; i < 4; i++)
        cr_assert_eq(pthread_join(threads[i], NULL), 0);
    cr_assert_eq(captured_lines(), 4 * 100 + 20);
    for (const char *at = captured_text(); *at != '\0'; at = strchr(at, '\n') + 1)
        cr_assert_eq(strncmp(at, STAMP, strlen(STAMP)), 0);
}

struct redact_row {
    const char *target;
    const char *expected;
};

static void check_redacted(const struct redact_row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        char text[512];
        log_redact_target(rows[i].target, strlen(rows[i].target), text, sizeof(text));
        cr_assert_str_eq(text, rows[i].expected);
    }
}

Test(log, targets_without_a_secret_stay_as_they_are)
{
    static const struct redact_row rows[] = {
        {"", ""},
        {"/", "/"},
        {"*", "*"},
        {"/c/b%20c?comp=block&blockid=QUFB", "/c/b%20c?comp=block&blockid=QUFB"},
        {"/c/sig/b?sv=1", "/c/sig/b?sv=1"},
        {"/c?signed=1&design=2&sigx=3&assig=4", "/c?signed=1&design=2&sigx=3&assig=4"},
        {"/c?sig", "/c?sig"},
        {"/c?sig+", "/c?sig+"},
        {"/c?sig+a=b", "/c?sig+a=b"},
        {"/c?%", "/c?%"},
        {"/c?%4", "/c?%4"},
        {"/c?%zz=%%", "/c?%zz=%%"},
    };

    check_redacted(rows, sizeof(rows) / sizeof(rows[0]));
}

Test(log, the_signature_is_redacted_however_it_is_written)
{
    static const struct redact_row rows[] = {
        {"/c/b?sv=1&sig=abc%3D&se=2", "/c/b?sv=1&sig=redacted&se=2"},
        {"/c/b?sig=abc", "/c/b?sig=redacted"},
        {"/c/b?sig=", "/c/b?sig=redacted"},
        {"sig=abc", "sig=redacted"},
        {"/c/b?SIG=abc&Sig=def&sIg=ghi", "/c/b?SIG=redacted&Sig=redacted&sIg=redacted"},
        {"/c/b?s%69g=abc", "/c/b?s%69g=redacted"},
        {"/c/b?%73%69%67=abc&x=y", "/c/b?%73%69%67=redacted&x=y"},
        {"/c/b?%53%49%47=abc", "/c/b?%53%49%47=redacted"},
        {"/c/b?s%2569g=abc", "/c/b?s%2569g=redacted"},
        {"/c/b?sig=a=b=c", "/c/b?sig=redacted"},
        {"/c/b?sig=a/b?c+d;e#f", "/c/b?sig=redacted"},
        {"/c/b?&&sig=abc&&", "/c/b?&&sig=redacted&&"},
        {"/c/b?x;sig=abc", "/c/b?x;sig=redacted"},
        {"/c/b?%20sig=abc", "/c/b?%20sig=redacted"},
        {"/c/b?%%73ig=abc", "/c/b?%%73ig=redacted"},
        {"/c/b?sig%3Dabc", "/c/b?sig%3Dredacted"},
        {"sig:abc", "sig:redacted"},
        {"%73ig:abc", "%73ig:redacted"},
        {"/c/b?sig%20=abc&x=y", "/c/b?sig%20=redacted&x=y"},
        {"/c/b?sig+%00=abc", "/c/b?sig+%00=redacted"},
        {"/c/b?sig+=", "/c/b?sig+=redacted"},
    };

    check_redacted(rows, sizeof(rows) / sizeof(rows[0]));
}

Test(log, the_signature_of_a_url_inside_a_parameter_is_redacted)
{
    static const struct redact_row rows[] = {
        {"/c?u=https%3A%2F%2Fh%2Fb%3Fsv%3D1%26sig%3Dabc%26se%3D2&x=y", "/c?u=https%3A%2F%2Fh%2Fb%3Fsv%3D1%26sig%3Dredacted&x=y"},
        {"/c?u=h%3fSIG%3dabc", "/c?u=h%3fSIG%3dredacted"},
        {"/c?u=h%253Fsig%253Dabc", "/c?u=h%253Fsig%253Dredacted"},
        {"/c?u=h%3Fs%2569g%3Dabc&sig=def", "/c?u=h%3Fs%2569g%3Dredacted&sig=redacted"},
        {"/c?u=https://h/b?sig=abc&x=y", "/c?u=https://h/b?sig=redacted&x=y"},
    };

    check_redacted(rows, sizeof(rows) / sizeof(rows[0]));
}

Test(log, redacting_minds_the_length_given_and_not_a_nul)
{
    char text[64];

    log_redact_target("/c?sig=abcNOT", 10, text, sizeof(text));
    cr_assert_str_eq(text, "/c?sig=redacted");
    log_redact_target("/c?sig=abcNOT", 3, text, sizeof(text));
    cr_assert_str_eq(text, "/c?");
}

Test(log, a_longer_target_is_cut_with_dots_and_never_shows_a_part_of_the_secret)
{
    const char *target = "/container?sig=SECRETSECRET&after=1";

    for (size_t text_bytes = 1; text_bytes < 40; text_bytes++) {
        char *text = malloc(text_bytes);
        log_redact_target(target, strlen(target), text, text_bytes);
        size_t len = strlen(text);
        cr_assert_lt(len, text_bytes);
        cr_assert_null(strstr(text, "S"));
        if (text_bytes >= 4 && text_bytes < strlen("/container?sig=redacted&after=1") + 1)
            cr_assert_str_eq(text + len - 3, "...");
        free(text);
    }
}

Test(log, redacting_into_no_room_writes_nothing)
{
    char text[1] = {'x'};

    log_redact_target("/a", 2, text, 0);
    cr_assert_eq(text[0], 'x');
}
