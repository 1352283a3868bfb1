/* SPDX-License-Identifier: MIT */
/* What a shard tells of itself on the control socket, as JSON. On the shard's thread. */
#ifndef BLOBPROXYD_DESCRIBE_H
#define BLOBPROXYD_DESCRIBE_H

#include "exchange.h"

#include <jansson.h>

/* An object: the channel, its figures and the slots. reason: of its last change; since_us: when that was, 0: never. NULL: no
 * memory. */
json_t *describe_channel(unsigned shard, const struct exchange_env *env, const char *reason, uint64_t since_us);

/* An array of the exchanges under way, oldest first; no secret stands in it. NULL: no memory. */
json_t *describe_exchanges(unsigned shard, const struct exchange_env *env);

#endif
