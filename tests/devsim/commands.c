/* SPDX-License-Identifier: MIT */
/* The commands: one table that is dispatch and help. */
#include "commands.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define WORDS_MAX 4
#define LINE_BYTES 256
#define DELAY_MAX_MS 600000u
#define TRANSFERS_MAX 1000000u

/* Appends to answer only what is not "ok". -EINVAL: not such words. */
typedef int command_function(struct driver *driver, const char *const *words, struct buf *answer);

struct command {
    const char *name;
    int words_min, words_max; /* behind the name */
    command_function *run;
    const char *usage, *what;
};

static int parse_number(const char *text, uint32_t max, uint32_t *ret_number)
{
    char *end;
    unsigned long number = strtoul(text, &end, 10);

    if (*text < '0' || *text > '9' || *end != '\0' || number > max)
        return -EINVAL;
    *ret_number = (uint32_t)number;
    return 0;
}

/* "once", "3 times", "30%", "off" in the last words. */
static int parse_chance(const char *const *words, struct chance *chance)
{
    char text[64];

    (void)snprintf(text, sizeof(text), "%s%s%s", words[0], words[1] ? " " : "", words[1] ? words[1] : "");
    return chance_parse(text, chance);
}

static int run_delay(struct driver *driver, const char *const *words, struct buf *answer)
{
    struct faults *faults = driver_faults(driver);
    uint32_t min_ms, max_ms;

    (void)answer;
    if (parse_number(words[0], DELAY_MAX_MS, &min_ms) < 0)
        return -EINVAL;
    max_ms = min_ms;
    if (words[1] && (parse_number(words[1], DELAY_MAX_MS, &max_ms) < 0 || max_ms < min_ms))
        return -EINVAL;
    faults->delay_min_ms = min_ms;
    faults->delay_max_ms = max_ms;
    return 0;
}

static int run_fail(struct driver *driver, const char *const *words, struct buf *answer)
{
    enum fault_error error;

    (void)answer;
    if (fault_error_parse(words[0], &error) < 0)
        return -EINVAL;
    return parse_chance(words + 1, &driver_faults(driver)->ioctls[error]);
}

static int run_refuse(struct driver *driver, const char *const *words, struct buf *answer)
{
    enum fault_error error;

    (void)answer;
    if (fault_error_parse(words[0], &error) < 0)
        return -EINVAL;
    return parse_chance(words + 1, &driver_faults(driver)->opens[error]);
}

static int run_reply(struct driver *driver, const char *const *words, struct buf *answer)
{
    enum fault_reply reply;

    (void)answer;
    if (fault_reply_parse(words[0], &reply) < 0)
        return -EINVAL;
    return parse_chance(words + 1, &driver_faults(driver)->replies[reply]);
}

static int run_lose(struct driver *driver, const char *const *words, struct buf *answer)
{
    struct faults *faults = driver_faults(driver);

    (void)answer;
    faults->lose_count = 0;
    return parse_number(words[0], TRANSFERS_MAX, &faults->lose_every);
}

static int run_release(struct driver *driver, const char *const *words, struct buf *answer)
{
    (void)words;
    (void)answer;
    driver_release(driver);
    return 0;
}

static int parse_switch(const char *word, bool *is_on)
{
    if (strcmp(word, "on") != 0 && strcmp(word, "off") != 0)
        return -EINVAL;
    *is_on = strcmp(word, "on") == 0;
    return 0;
}

static int run_scribble(struct driver *driver, const char *const *words, struct buf *answer)
{
    (void)answer;
    return parse_switch(words[0], &driver_faults(driver)->scribbles);
}

static int run_stall(struct driver *driver, const char *const *words, struct buf *answer)
{
    int r = parse_switch(words[0], &driver_faults(driver)->is_stalled);

    (void)answer;
    driver_dispatch(driver);
    return r;
}

static int run_depth(struct driver *driver, const char *const *words, struct buf *answer)
{
    uint32_t depth;
    int r = parse_number(words[0], TRANSFERS_MAX, &depth);

    (void)answer;
    if (r == 0)
        driver_set_depth(driver, depth);
    return r;
}

static int run_remove(struct driver *driver, const char *const *words, struct buf *answer)
{
    (void)words;
    (void)answer;
    driver_remove(driver);
    return 0;
}

static int run_return(struct driver *driver, const char *const *words, struct buf *answer)
{
    (void)words;
    (void)answer;
    driver_return(driver);
    return 0;
}

static int run_remove_after(struct driver *driver, const char *const *words, struct buf *answer)
{
    uint32_t transfers;
    int r = parse_number(words[0], TRANSFERS_MAX, &transfers);

    (void)answer;
    if (r == 0)
        driver_remove_after(driver, transfers);
    return r;
}

static int run_return_after(struct driver *driver, const char *const *words, struct buf *answer)
{
    uint32_t delay_ms;
    int r = parse_number(words[0], DELAY_MAX_MS, &delay_ms);

    (void)answer;
    if (r == 0)
        driver_return_after(driver, delay_ms);
    return r;
}

static int run_clear(struct driver *driver, const char *const *words, struct buf *answer)
{
    (void)words;
    (void)answer;
    driver_clear(driver);
    return 0;
}

static int run_stats(struct driver *driver, const char *const *words, struct buf *answer)
{
    const struct counters *counters = driver_counters(driver);

    (void)words;
#define COUNTER(name, what) buf_printf(answer, #name "=%llu ", (unsigned long long)counters->name);
    COUNTERS
#undef COUNTER
    for (enum fault_error error = 0; error < FAULT_ERRORS; error++) {
        buf_printf(answer, "open_%s=%llu ", fault_error_name(error), (unsigned long long)counters->open_errors[error]);
        buf_printf(answer, "%s=%llu ", fault_error_name(error), (unsigned long long)counters->ioctl_errors[error]);
    }
    return buf_printf(answer, "in_flight=%u in_ring=%u withheld=%u", counters->in_flight, counters->in_ring, counters->withheld);
}

#define CHANCE "once|N times|N%|off"

static const struct command commands[] = {
    {"delay", 1, 2, run_delay, "delay MS [MS]", "of each completion, between the two"},
    {"fail", 2, 3, run_fail, "fail ERROR " CHANCE,
     "ioctls end with that error: EAGAIN EACCES EFAULT EINTR EINVAL ENODEV ENOMEM;\n"
     "after EINTR the host has had the request"},
    {"refuse", 2, 3, run_refuse, "refuse ERROR " CHANCE, "opens do: EACCES EMFILE ENODEV ENOENT ENOMEM ..."},
    {"reply", 2, 3, run_reply, "reply zero|long|short|unwritten " CHANCE, "a wrong response length, or nothing written back"},
    {"lose", 1, 1, run_lose, "lose N", "every Nth completion is withheld until a release or a removal; 0: none"},
    {"release", 0, 0, run_release, "release", "what is withheld completes"},
    {"scribble", 1, 1, run_scribble, "scribble on|off", "garbage in response and data buffers while the host has the request"},
    {"stall", 1, 1, run_stall, "stall on|off", "the host takes nothing out of the ring"},
    {"depth", 1, 1, run_depth, "depth N", "requests in flight; more: EAGAIN"},
    {"remove", 0, 0, run_remove, "remove", "the device goes"},
    {"remove-after", 1, 1, run_remove_after, "remove-after N", "it goes with the Nth completion from now; 0: not"},
    {"return", 0, 0, run_return, "return", "it is there again"},
    {"return-after", 1, 1, run_return_after, "return-after MS", "so long after each removal; 0: not"},
    {"clear", 0, 0, run_clear, "clear",
     "no fault any more, the depth as at the start; what is withheld completes; a removed device stays so"},
    {"stats", 0, 0, run_stats, "stats", "counters, NAME=VALUE each"},
};

#define COMMANDS (sizeof(commands) / sizeof(commands[0]))

void commands_help(struct buf *text)
{
    for (size_t i = 0; i < COMMANDS; i++) {
        buf_printf(text, "  %s\n", commands[i].usage);
        for (const char *at = commands[i].what; at;) {
            const char *end = strchr(at, '\n');
            buf_printf(text, "        %.*s\n", end ? (int)(end - at) : (int)strlen(at), at);
            at = end ? end + 1 : NULL;
        }
    }
}

static const struct command *find(const char *name)
{
    for (size_t i = 0; name && i < COMMANDS; i++) {
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
    }
    return NULL;
}

static int split(char *line, const char **words)
{
    int count = 0;
    char *rest = NULL;

    for (char *word = strtok_r(line, " \t\r\n", &rest); word; word = strtok_r(NULL, " \t\r\n", &rest)) {
        if (count == WORDS_MAX)
            return -EINVAL;
        words[count++] = word;
    }
    return count;
}

int commands_run(struct driver *driver, const char *line, struct buf *answer)
{
    char copy[LINE_BYTES];
    const char *words[WORDS_MAX + 1] = {NULL};
    size_t before = answer->len;

    (void)snprintf(copy, sizeof(copy), "%s", line);
    int count = split(copy, words);
    const struct command *command = count > 0 ? find(words[0]) : NULL;
    if (!command) {
        buf_printf(answer, "error: no such command: %s", line);
        return -EINVAL;
    }
    if (count - 1 < command->words_min || count - 1 > command->words_max || command->run(driver, words + 1, answer) < 0) {
        buf_printf(answer, "error: %s", command->usage);
        return -EINVAL;
    }
    if (answer->len == before)
        buf_puts(answer, "ok");
    return 0;
}
