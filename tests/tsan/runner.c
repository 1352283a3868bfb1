/* SPDX-License-Identifier: MIT */
/* Runs the registered tests one after the other, each in a child process with a time limit. */
#include <criterion/criterion.h>

#include <stdarg.h>
#include <sys/wait.h>
#include <unistd.h>

#define SUITES_MAX 64
#define TIMEOUT_S 120

static struct tsan_test *tests;
static struct {
    const char *name;
    struct tsan_options options;
} suites[SUITES_MAX];
static unsigned suite_count;
static int failures; /* of the test in this process */

void tsan_register(struct tsan_test *test)
{
    test->next = tests;
    tests = test;
}

void tsan_register_suite(const char *suite, struct tsan_options options)
{
    if (suite_count == SUITES_MAX)
        abort();
    suites[suite_count].name = suite;
    suites[suite_count++].options = options;
}

void tsan_failed(const char *file, int line, const char *condition, bool is_fatal, const char *format, ...)
{
    char message[512];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(message, sizeof(message), format, arguments);
    va_end(arguments);
    fprintf(stderr, "%s:%d: %s%s\n", file, line, condition, message);
    __atomic_add_fetch(&failures, 1, __ATOMIC_RELAXED);
    if (is_fatal)
        _exit(1);
}

static const struct tsan_options *suite_options(const char *suite)
{
    static const struct tsan_options none;

    for (unsigned i = 0; i < suite_count; i++)
        if (strcmp(suites[i].name, suite) == 0)
            return &suites[i].options;
    return &none;
}

static void run_child(const struct tsan_test *test)
{
    const struct tsan_options *suite = suite_options(test->suite);
    void (*init)(void) = test->options.init ? test->options.init : suite->init;
    void (*fini)(void) = test->options.fini ? test->options.fini : suite->fini;
    int timeout = test->options.timeout ? test->options.timeout : suite->timeout;

    alarm((unsigned)(timeout > TIMEOUT_S ? timeout : TIMEOUT_S));
    if (init)
        init();
    test->run();
    if (fini)
        fini();
    exit(__atomic_load_n(&failures, __ATOMIC_RELAXED) != 0);
}

static bool run(const struct tsan_test *test)
{
    int status = 0;

    fflush(NULL);
    pid_t child = fork();

    if (child == 0)
        run_child(test);
    if (child < 0 || waitpid(child, &status, 0) != child)
        return false;
    if (test->options.signal != 0)
        return WIFSIGNALED(status) && WTERMSIG(status) == test->options.signal;
    return WIFEXITED(status) && WEXITSTATUS(status) == test->options.exit_code;
}

static bool is_wanted(const struct tsan_test *test, int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], test->suite) == 0)
            return true;
    return argc < 2;
}

/* Arguments: names of suites; none: all. */
int main(int argc, char **argv)
{
    unsigned passed = 0, failed = 0;

    for (const struct tsan_test *test = tests; test; test = test->next) {
        if (!is_wanted(test, argc, argv))
            continue;
        bool is_good = run(test);

        printf("[%s] %s::%s\n", is_good ? "PASS" : "FAIL", test->suite, test->name);
        passed += is_good;
        failed += !is_good;
    }
    printf("[====] Synthesis: Tested: %u | Passing: %u | Failing: %u | Crashing: 0\n", passed + failed, passed, failed);
    return failed > 0;
}
