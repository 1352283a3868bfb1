/* SPDX-License-Identifier: MIT */
/* Holds answers back until their time has come. */
#include "limiter.h"

#include "../lib/clock.h"
#include "../lib/vmbus/vsp_status.h"

#include <errno.h>
#include <event2/event.h>

struct limiter {
    struct executor executor;
    struct executor *inner;
    struct limiter_options options;
};

/* A transfer that is executed, or whose answer waits. */
struct limited {
    struct limiter *limiter;
    const struct host_request *request;
    const struct host_response *response;
    void (*done)(void *arg, uint32_t status);
    void *done_arg;
    uint64_t begun_us;
    uint32_t status;
    struct event *on_due;
};

static void limited_on_due(evutil_socket_t fd, short what, void *arg)
{
    struct limited *limited = arg;

    (void)fd;
    (void)what;
    limited->done(limited->done_arg, limited->status);
    event_free(limited->on_due);
    free(limited);
}

static uint64_t limited_due_us(const struct limited *limited)
{
    const struct limiter_options *options = &limited->limiter->options;
    const uint64_t bytes = limited->request->body_bytes + limited->response->body_bytes;
    const uint64_t transfer_us = options->bytes_per_second ? bytes * 1000000 / options->bytes_per_second : 0;

    return limited->begun_us + (uint64_t)options->latency_ms * 1000 + transfer_us;
}

/* Always through the loop, so that the answer never comes inside the guest's own turn. */
static void limited_executed(void *arg, uint32_t status)
{
    struct limited *limited = arg;
    const uint64_t now = clock_mono_us();
    const uint64_t due = limited_due_us(limited);
    const uint64_t wait_us = due > now ? due - now : 0;
    const struct timeval wait = {(time_t)(wait_us / 1000000), (suseconds_t)(wait_us % 1000000)};

    limited->status = status;
    evtimer_add(limited->on_due, &wait);
}

static void limiter_execute(struct executor *self, const struct host_request *request, struct host_response *response,
                            void (*done)(void *arg, uint32_t status), void *done_arg)
{
    struct limiter *limiter = (struct limiter *)self;
    struct limited *limited = calloc(1, sizeof(*limited));

    if (limited)
        limited->on_due = evtimer_new(limiter->options.thread_base(), limited_on_due, limited);
    if (!limited || !limited->on_due) {
        free(limited);
        done(done_arg, VSP_STATUS_OUT_OF_MEMORY);
        return;
    }
    limited->limiter = limiter;
    limited->request = request;
    limited->response = response;
    limited->done = done;
    limited->done_arg = done_arg;
    limited->begun_us = clock_mono_us();
    limiter->inner->execute(limiter->inner, request, response, limited_executed, limited);
}

static void limiter_thread_end(struct executor *self)
{
    struct executor *inner = ((struct limiter *)self)->inner;

    if (inner->thread_end)
        inner->thread_end(inner);
}

int limiter_new(struct executor *inner, const struct limiter_options *options, struct limiter **ret_limiter)
{
    struct limiter *limiter = calloc(1, sizeof(*limiter));

    if (!limiter)
        return -ENOMEM;
    limiter->executor.execute = limiter_execute;
    limiter->executor.thread_end = limiter_thread_end;
    limiter->inner = inner;
    limiter->options = *options;
    *ret_limiter = limiter;
    return 0;
}

struct limiter *limiter_free(struct limiter *limiter)
{
    free(limiter);
    return NULL;
}

struct executor *limiter_executor(struct limiter *limiter)
{
    return &limiter->executor;
}
