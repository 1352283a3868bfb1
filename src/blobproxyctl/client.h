/* SPDX-License-Identifier: MIT */
/* Asks the daemon over its control socket: HTTP, one request at a time, each with a deadline. The only user of libcurl here. */
#ifndef BLOBPROXYCTL_CLIENT_H
#define BLOBPROXYCTL_CLIENT_H

#include "../lib/buf.h"
#include "../lib/err.h"

#include <jansson.h>

/* The daemon answers within a second even when a shard is stuck; this is for a machine that is out of breath. */
#define CLIENT_TIMEOUT_MS 10000L
#define CLIENT_ANSWER_MAX_BYTES (64u << 20) /* 16384 exchanges of 1 KiB, four times over */

struct client;

/* socket: as place_find() takes it. Nothing is sent yet. 0 or a negative errno; err is one line that says what to do. */
int client_open(const char *socket, struct client **ret_client, struct err *err) MUST_CHECK;
struct client *client_close(struct client *client); /* NULL is fine; returns NULL */
void client_cleanup(struct client **client);

/* The path of the socket. */
const char *client_place(const struct client *client);

/* Sends a request without a body. An answer of any status but 403 is a success: body gets its text, after it was cleared.
 * Otherwise a negative errno and err: -ENOENT and -ECONNREFUSED when nobody listens, -EACCES when this user may not, -ETIMEDOUT,
 * -EMSGSIZE, -EPROTO. */
int client_ask(struct client *client, const char *method, const char *target, unsigned *ret_status, struct buf *body,
               struct err *err) MUST_CHECK;

/* GET, and the answer's JSON object, which the caller gets; a status that is not 200 is a failure, too (-EPROTO). */
int client_get_json(struct client *client, const char *target, json_t **ret_value, struct err *err) MUST_CHECK;

/* text as a JSON object; where names whence it came. 0 or -EPROTO. */
int client_parse_json(const char *where, const struct buf *text, json_t **ret_value, struct err *err) MUST_CHECK;

/* "why" for a status that was not expected: the answer's first line. Returns -EPROTO. */
int client_refused(const char *target, unsigned status, const struct buf *body, struct err *err);

/* value percent-encoded for a query; the caller frees it. NULL: no memory. */
char *client_encode(const char *value);

#endif
