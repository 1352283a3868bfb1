/* SPDX-License-Identifier: MIT */
/* A small HTTP server on the main loop, for what operators and their programs ask: few connections, short requests without bodies
 * that matter, answers now or later. All calls and callbacks on the thread of the event base. */
#ifndef BLOBPROXYD_ADMINHTTP_H
#define BLOBPROXYD_ADMINHTTP_H

#include "../lib/cleanup.h"

#include <event2/event.h>
#include <stdbool.h>
#include <stddef.h>

struct adminhttp;
struct adminhttp_call; /* one request; lives until it is answered and the answer is gone */

/* Answers the call, inside or later, exactly once. */
typedef void (*adminhttp_handler)(void *arg, struct adminhttp_call *call);

/* Serves a listening socket, which it then owns (closed on failure, too). At most 64 connections, each closed after 10 idle
 * seconds. 0, -ENOMEM, -ENOSYS. */
int adminhttp_new(struct event_base *base, int fd, adminhttp_handler handler, void *arg, struct adminhttp **ret_http) MUST_CHECK;

/* Every call must have been answered. NULL is fine; returns NULL. */
struct adminhttp *adminhttp_free(struct adminhttp *http);

const char *adminhttp_path(const struct adminhttp_call *call);
bool adminhttp_is(const struct adminhttp_call *call, const char *method);
const char *adminhttp_argument(const struct adminhttp_call *call, const char *name); /* of the query; NULL: none */
const char *adminhttp_field(const struct adminhttp_call *call, const char *name);    /* of the head; NULL: none */
int adminhttp_socket(const struct adminhttp_call *call);

/* text is copied. */
void adminhttp_answer(struct adminhttp_call *call, unsigned status, const char *type, const char *text, size_t len);
void adminhttp_answer_text(struct adminhttp_call *call, unsigned status, const char *text);

/* One more header field of the answer that was just given. */
void adminhttp_add_field(struct adminhttp_call *call, const char *name, const char *value);

/* The method is one of these; otherwise the call is answered with 405. second may be NULL. */
bool adminhttp_must_be(struct adminhttp_call *call, const char *first, const char *second) MUST_CHECK;

#define ADMINHTTP_TYPE_TEXT "text/plain; charset=utf-8"
#define ADMINHTTP_TYPE_JSON "application/json"

#endif
