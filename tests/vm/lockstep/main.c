/* SPDX-License-Identifier: MIT */
/* ring_lockstep: this project's ring and the running kernel's, driven by the same random steps. Needs /dev/ring_lockstep. Prints
 * one "ok" or "not ok" line per check and a table of the known differences; exit code 0: all ok. */
#include "coverage.h"
#include "race.h"
#include "session.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define SESSION_STEPS 2000u
/* So often is every byte of memory compared, not just the header and what lies near what a step wrote. */
#define COMPARE_STEPS_SMALL 16u
#define COMPARE_STEPS_LARGE 500u
#define SMALL_RING_BYTES 16384u
#define STEPS_DEFAULT 300000u
#define RACE_PACKETS_DEFAULT 20000u

struct options {
    uint64_t steps, seed, race_packets;
    uint32_t ring_bytes; /* 0: all sizes */
};

/* Ring sizes and their share of the steps, in percent: small ones wrap often, large ones cost time. */
static const struct {
    uint32_t ring_bytes, share;
} sizes[] = {{8192, 46}, {12288, 15}, {16384, 15}, {65536, 10}, {131072, 12}, {2u << 20, 2}};

#define SIZES (sizeof(sizes) / sizeof(*sizes))

static unsigned failures;

static bool check(bool is_ok, const char *format, ...) __attribute__((format(printf, 2, 3)));

static bool check(bool is_ok, const char *format, ...)
{
    va_list arguments;

    fputs(is_ok ? "ok - ring lockstep: " : "not ok - ring lockstep: ", stdout);
    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
    putchar('\n');
    fflush(stdout);
    failures += !is_ok;
    return is_ok;
}

static void report_divergence(const struct session *session, uint32_t ring_bytes, uint64_t seed)
{
    printf("# diverged: %s: %s\n# in step %" PRIu64 " (%s by the %s); again: ring_lockstep --ring=%u --seed=%" PRIu64
           " --steps=%u\n",
           session->divergence.field, session->divergence.text, session->steps, step_name(session->last.kind),
           session->last.side == LOCKSTEP_GUEST ? "guest" : "host", ring_bytes, seed, SESSION_STEPS);
}

static bool run_steps(struct session *session, uint64_t steps, uint32_t compare_steps)
{
    for (uint64_t i = 0; i < steps; i++) {
        struct step step = session_choose(session);
        if (!session_step(session, &step) || (session->steps % compare_steps == 0 && !session_agree(session)))
            return false;
    }
    return session_agree(session);
}

/* A session ends with a misdeed; which one goes with the seed. */
static bool misbehave(struct session *session, uint32_t ring_bytes, uint64_t seed)
{
    uint32_t first = DIFFERENCE_BAD_LENGTH;

    /* Only large rings have room for a packet that is too long for its length field. */
    if (ring_bytes > 2 * PACKET_BYTES_MAX && seed % 2 == 0)
        return session_misbehave(session, DIFFERENCE_LENGTH_FIELD);
    return session_misbehave(session, first + (uint32_t)(seed / 2 % (DIFFERENCES - first)));
}

static bool run_session(uint32_t ring_bytes, uint64_t seed, uint64_t steps)
{
    static struct session session;
    uint32_t compare_steps = ring_bytes <= SMALL_RING_BYTES ? COMPARE_STEPS_SMALL : COMPARE_STEPS_LARGE;
    bool is_ok = session_open(&session, ring_bytes, seed);

    if (is_ok) {
        is_ok = run_steps(&session, steps, compare_steps) && misbehave(&session, ring_bytes, seed);
        if (!is_ok)
            report_divergence(&session, ring_bytes, seed);
    }
    session_close(&session);
    return is_ok;
}

static bool run_size(uint32_t ring_bytes, uint64_t seed, uint64_t steps)
{
    uint64_t done = 0;

    coverage_begin(ring_bytes);
    for (; done < steps; done += SESSION_STEPS) {
        if (!run_session(ring_bytes, seed + done / SESSION_STEPS, SESSION_STEPS))
            return check(false, "rings of %u bytes", ring_bytes);
    }
    return check(true, "rings of %u bytes: %" PRIu64 " steps, 4 worlds, every index, byte and signal the same", ring_bytes, done);
}

/* What each wrong decision must be found as. */
static const struct {
    const char *what, *field;
} injections[INJECTIONS] = {
    [INJECTION_SIGNAL] = {"a flipped signal decision", "signal"},
    [INJECTION_RESULT] = {"a wrong result", "result"},
    [INJECTION_RECEIVED_BYTE] = {"a wrong byte received", "received byte"},
    [INJECTION_WRITTEN_BYTE] = {"a wrong byte in the footer", "data byte"},
    [INJECTION_STRAY_BYTE] = {"a byte written far from the packet", "data byte"},
    [INJECTION_INDEX] = {"a wrong read index", "read index"},
    [INJECTION_MASK] = {"a flipped interrupt mask", "interrupt mask"},
    [INJECTION_RESERVED] = {"a reserved field that was written", "reserved field"},
};

static bool is_found(enum injection injection, uint64_t seed)
{
    static struct session session;
    bool is_ok = session_open(&session, sizes[0].ring_bytes, seed) && run_steps(&session, SESSION_STEPS / 4, 1);

    session.injection = injection;
    is_ok = is_ok && !run_steps(&session, SESSION_STEPS / 4, 1) && session.injection == INJECTION_NONE &&
            strcmp(session.divergence.field, injections[injection].field) == 0;
    session_close(&session);
    return is_ok;
}

static void run_self_test(uint64_t seed)
{
    for (enum injection i = INJECTION_NONE + 1; i < INJECTIONS; i++)
        check(is_found(i, seed + i), "self-test: %s is found", injections[i].what);

    char text[256];
    bool is_missed = race_run(0, RACE_PACKETS_DEFAULT, 10, text, sizeof(text));
    check(!is_missed && strstr(text, "nobody woke"), "self-test: signals that are not given are missed: %s", text);
}

static void run_races(uint64_t packets)
{
    for (unsigned i = 0; i < RACES; i++) {
        char text[256];
        bool is_ok = race_run(i, packets, UINT64_MAX, text, sizeof(text));
        check(is_ok, "two threads, asleep unless signalled: %s", text);
    }
}

static void run_all(const struct options *options)
{
    run_self_test(options->seed);
    for (size_t i = 0; i < SIZES && failures == 0; i++)
        run_size(sizes[i].ring_bytes, options->seed + 1000000 * i, options->steps * sizes[i].share / 100);
    run_races(options->race_packets);
    check(coverage_report(), "everything in the table above happened");
    check(difference_report(), "nothing differs but what the table above says, and all of that was met");
}

static bool parse_number(const char *text, uint64_t *ret_number)
{
    char *end;

    errno = 0;
    uint64_t number = strtoull(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0')
        return false;
    *ret_number = number;
    return true;
}

static bool parse_options(int argc, char **argv, struct options *options)
{
    static const struct option names[] = {{"steps", required_argument, NULL, 's'},
                                          {"seed", required_argument, NULL, 'S'},
                                          {"ring", required_argument, NULL, 'r'},
                                          {"race-packets", required_argument, NULL, 'p'},
                                          {0}};
    uint64_t ring_bytes = 0;
    bool is_ok = true;

    for (int c; is_ok && (c = getopt_long(argc, argv, "", names, NULL)) != -1;) {
        uint64_t *number = c == 's'   ? &options->steps
                           : c == 'S' ? &options->seed
                           : c == 'r' ? &ring_bytes
                                      : &options->race_packets;
        is_ok = c != '?' && parse_number(optarg, number);
    }
    options->ring_bytes = (uint32_t)ring_bytes;
    return is_ok && optind == argc && ring_bytes <= LOCKSTEP_RING_BYTES_MAX;
}

int main(int argc, char **argv)
{
    struct options options = {.steps = STEPS_DEFAULT, .race_packets = RACE_PACKETS_DEFAULT};
    uint32_t seed;

    if (getrandom(&seed, sizeof(seed), 0) == sizeof(seed))
        options.seed = seed;
    if (!parse_options(argc, argv, &options)) {
        fputs("usage: ring_lockstep [--steps=N] [--seed=N] [--ring=BYTES] [--race-packets=N]\n", stderr);
        return 2;
    }
    printf("# ring_lockstep --seed=%" PRIu64 " --steps=%" PRIu64 "\n", options.seed, options.steps);
    if (options.ring_bytes)
        run_size(options.ring_bytes, options.seed, options.steps);
    else
        run_all(&options);
    return failures ? 1 : 0;
}
