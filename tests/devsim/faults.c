/* SPDX-License-Identifier: MIT */
/* Faults and their chances. */
#include "faults.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

static const struct {
    const char *name;
    int number;
} errors[FAULT_ERRORS] = {
    [FAULT_EACCES] = {"EACCES", EACCES}, [FAULT_EAGAIN] = {"EAGAIN", EAGAIN}, [FAULT_EFAULT] = {"EFAULT", EFAULT},
    [FAULT_EINTR] = {"EINTR", EINTR},    [FAULT_EINVAL] = {"EINVAL", EINVAL}, [FAULT_EMFILE] = {"EMFILE", EMFILE},
    [FAULT_ENODEV] = {"ENODEV", ENODEV}, [FAULT_ENOENT] = {"ENOENT", ENOENT}, [FAULT_ENOMEM] = {"ENOMEM", ENOMEM},
};

static const char *const replies[FAULT_REPLIES] = {
    [FAULT_REPLY_ZERO] = "zero",
    [FAULT_REPLY_LONG] = "long",
    [FAULT_REPLY_SHORT] = "short",
    [FAULT_REPLY_UNWRITTEN] = "unwritten",
};

void faults_init(struct faults *faults)
{
    *faults = (struct faults){.random = 0x9E3779B97F4A7C15u};
}

/* xorshift64 */
uint32_t faults_random(struct faults *faults, uint32_t below)
{
    uint64_t x = faults->random;

    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    faults->random = x;
    return (uint32_t)((x >> 32) % below);
}

bool faults_strike(struct faults *faults, struct chance *chance)
{
    if (chance->next > 0) {
        chance->next--;
        return true;
    }
    return chance->percent > 0 && faults_random(faults, 100) < chance->percent;
}

bool faults_lose(struct faults *faults)
{
    if (faults->lose_every == 0 || ++faults->lose_count < faults->lose_every)
        return false;
    faults->lose_count = 0;
    return true;
}

int fault_error_parse(const char *name, enum fault_error *ret_error)
{
    for (size_t i = 0; i < COUNT_OF(errors); i++) {
        if (strcmp(errors[i].name, name) == 0) {
            *ret_error = (enum fault_error)i;
            return 0;
        }
    }
    return -EINVAL;
}

int fault_reply_parse(const char *name, enum fault_reply *ret_reply)
{
    for (size_t i = 0; i < COUNT_OF(replies); i++) {
        if (strcmp(replies[i], name) == 0) {
            *ret_reply = (enum fault_reply)i;
            return 0;
        }
    }
    return -EINVAL;
}

const char *fault_error_name(enum fault_error error)
{
    return errors[error].name;
}

int fault_error_number(enum fault_error error)
{
    return -errors[error].number;
}

int chance_parse(const char *text, struct chance *ret_chance)
{
    unsigned number;
    char end;

    if (strcmp(text, "off") == 0)
        *ret_chance = (struct chance){0, 0};
    else if (strcmp(text, "once") == 0)
        *ret_chance = (struct chance){.next = 1};
    else if (sscanf(text, "%6u time%c", &number, &end) == 2 && end == 's')
        *ret_chance = (struct chance){.next = number};
    else if (sscanf(text, "%3u%c", &number, &end) == 2 && end == '%' && number <= 100)
        *ret_chance = (struct chance){.percent = number};
    else
        return -EINVAL;
    return 0;
}
