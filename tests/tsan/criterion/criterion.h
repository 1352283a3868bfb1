/* SPDX-License-Identifier: MIT */
/* The part of Criterion's interface that the tests use, for builds under ThreadSanitizer: Criterion's own runner maps memory
 * where the sanitizer keeps its shadow and does not start there. Each test runs in a child process; the last line is Criterion's.
 */
#ifndef TSAN_CRITERION_H
#define TSAN_CRITERION_H

#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct tsan_options {
    int timeout; /* seconds; 0: 120 */
    void (*init)(void);
    void (*fini)(void);
    int signal, exit_code;
    bool disabled;
    const char *description;
    int placeholder; /* so that an empty list of options is no empty initialiser */
};

struct tsan_test {
    const char *suite, *name;
    void (*run)(void);
    struct tsan_options options;
    struct tsan_test *next;
};

void tsan_register(struct tsan_test *test);
void tsan_register_suite(const char *suite, struct tsan_options options);
void tsan_failed(const char *file, int line, const char *condition, bool is_fatal, const char *format, ...)
    __attribute__((format(printf, 5, 6)));

#define TestSuite(suite_name, ...)                                                                                               \
    __attribute__((constructor(1000))) static void tsan_suite_##suite_name(void)                                                 \
    {                                                                                                                            \
        tsan_register_suite(#suite_name, (struct tsan_options){.placeholder = 1, ##__VA_ARGS__});                                \
    }                                                                                                                            \
    struct tsan_options

#define Test(suite_name, test_name, ...)                                                                                         \
    static void suite_name##_##test_name##_body(void);                                                                           \
    static struct tsan_test suite_name##_##test_name##_entry = {                                                                 \
        #suite_name, #test_name, suite_name##_##test_name##_body, {.placeholder = 1, ##__VA_ARGS__}, NULL};                      \
    __attribute__((constructor(2000))) static void suite_name##_##test_name##_register(void)                                     \
    {                                                                                                                            \
        tsan_register(&suite_name##_##test_name##_entry);                                                                        \
    }                                                                                                                            \
    static void suite_name##_##test_name##_body(void)

/* The message, if any, begins with a literal. */
#define TSAN_CHECK(condition, fatal, ...)                                                                                        \
    ((condition) ? (void)0 : tsan_failed(__FILE__, __LINE__, #condition, fatal, " " __VA_ARGS__))

#define cr_assert(condition, ...) TSAN_CHECK(condition, true, ##__VA_ARGS__)
#define cr_assert_not(condition, ...) TSAN_CHECK(!(condition), true, ##__VA_ARGS__)
#define cr_assert_fail(...) TSAN_CHECK(false, true, ##__VA_ARGS__)
#define cr_assert_eq(a, b, ...) TSAN_CHECK((a) == (b), true, ##__VA_ARGS__)
#define cr_assert_neq(a, b, ...) TSAN_CHECK((a) != (b), true, ##__VA_ARGS__)
#define cr_assert_lt(a, b, ...) TSAN_CHECK((a) < (b), true, ##__VA_ARGS__)
#define cr_assert_leq(a, b, ...) TSAN_CHECK((a) <= (b), true, ##__VA_ARGS__)
#define cr_assert_gt(a, b, ...) TSAN_CHECK((a) > (b), true, ##__VA_ARGS__)
#define cr_assert_geq(a, b, ...) TSAN_CHECK((a) >= (b), true, ##__VA_ARGS__)
#define cr_assert_null(a, ...) TSAN_CHECK((a) == NULL, true, ##__VA_ARGS__)
#define cr_assert_not_null(a, ...) TSAN_CHECK((a) != NULL, true, ##__VA_ARGS__)
#define cr_assert_str_eq(a, b, ...) TSAN_CHECK(strcmp(a, b) == 0, true, ##__VA_ARGS__)
#define cr_assert_str_neq(a, b, ...) TSAN_CHECK(strcmp(a, b) != 0, true, ##__VA_ARGS__)
#define cr_assert_arr_eq(a, b, len, ...) TSAN_CHECK(memcmp(a, b, len) == 0, true, ##__VA_ARGS__)
#define cr_expect(condition, ...) TSAN_CHECK(condition, false, ##__VA_ARGS__)
#define cr_expect_not(condition, ...) TSAN_CHECK(!(condition), false, ##__VA_ARGS__)
#define cr_expect_eq(a, b, ...) TSAN_CHECK((a) == (b), false, ##__VA_ARGS__)
#define cr_expect_neq(a, b, ...) TSAN_CHECK((a) != (b), false, ##__VA_ARGS__)
#define cr_expect_lt(a, b, ...) TSAN_CHECK((a) < (b), false, ##__VA_ARGS__)
#define cr_expect_leq(a, b, ...) TSAN_CHECK((a) <= (b), false, ##__VA_ARGS__)
#define cr_expect_gt(a, b, ...) TSAN_CHECK((a) > (b), false, ##__VA_ARGS__)
#define cr_expect_geq(a, b, ...) TSAN_CHECK((a) >= (b), false, ##__VA_ARGS__)
#define cr_expect_null(a, ...) TSAN_CHECK((a) == NULL, false, ##__VA_ARGS__)
#define cr_expect_not_null(a, ...) TSAN_CHECK((a) != NULL, false, ##__VA_ARGS__)
#define cr_expect_str_eq(a, b, ...) TSAN_CHECK(strcmp(a, b) == 0, false, ##__VA_ARGS__)
#define cr_expect_str_neq(a, b, ...) TSAN_CHECK(strcmp(a, b) != 0, false, ##__VA_ARGS__)
#define cr_expect_arr_eq(a, b, len, ...) TSAN_CHECK(memcmp(a, b, len) == 0, false, ##__VA_ARGS__)
#define cr_expect_float_eq(a, b, epsilon, ...) TSAN_CHECK((a) - (b) <= (epsilon) && (b) - (a) <= (epsilon), false, ##__VA_ARGS__)
#define cr_expect_fail(...) TSAN_CHECK(false, false, ##__VA_ARGS__)
#define cr_fail(...) TSAN_CHECK(false, false, ##__VA_ARGS__)
#define cr_fatal(...) TSAN_CHECK(false, true, ##__VA_ARGS__)
#define cr_skip_test(...) exit(0)
#define cr_skip(...) exit(0)
#define cr_log_info(...) ((void)0)
#define cr_log_warn(...) ((void)0)

#endif
