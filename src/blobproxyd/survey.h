/* SPDX-License-Identifier: MIT */
/* A question to every shard, whose answers come together on the main thread; a shard that stands still holds up nobody for long.
 */
#ifndef BLOBPROXYD_SURVEY_H
#define BLOBPROXYD_SURVEY_H

#include "../lib/cleanup.h"

#include <event2/event.h>
#include <jansson.h>
#include <stdint.h>

enum survey_topic { SURVEY_CHANNELS, SURVEY_EXCHANGES };

struct survey;

/* answers[i] is that of shard i, NULL where none came in time; they are the survey's. On the main thread, once. */
typedef void (*survey_done)(void *arg, json_t *const *answers, unsigned count);

/* Main thread. The caller then asks each of the shards, which all call survey_answer(); or fewer do, then the time runs out. 0 or
 * -ENOMEM. base must have been made for several threads (evthread_use_pthreads). */
int survey_begin(struct event_base *base, unsigned count, uint32_t timeout_ms, survey_done done, void *arg,
                 struct survey **ret_survey) MUST_CHECK;

/* Any thread, at most once for each shard; takes the answer over (NULL: none). Its count of the survey ends with it. */
void survey_answer(struct survey *survey, unsigned shard, json_t *answer);

/* The shard could not be asked. */
void survey_miss(struct survey *survey);

/* Main thread: done will not be called any more. */
void survey_cancel(struct survey *survey);

#endif
