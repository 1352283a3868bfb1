/* SPDX-License-Identifier: MIT */
/* What the exchanges of a shard share: the queue for room in the ring, scratch buffers. */
#include "exchange_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void exchange_env_init(struct exchange_env *env)
{
    memset(env, 0, sizeof(*env));
    TAILQ_INIT(&env->submissions);
    TAILQ_INIT(&env->watches);
    TAILQ_INIT(&env->live);
    buf_init(&env->target_text, LIMIT_HEAD_BYTES);
    buf_init(&env->head_text, LIMIT_HEAD_BYTES);
    buf_init(&env->sign_text, 2 * LIMIT_HEAD_BYTES);
    env->failures = failures_new();
}

void exchange_env_set_conf(struct exchange_env *env, const struct conf *conf)
{
    env->conf = conf;
    env->hosts.account_suffixes = (const char *const *)conf->listen_account_suffixes.items;
    env->hosts.extra_names = (const char *const *)conf->listen_hosts.items;
    env->hosts.domains = (const char *const *)conf->accounts_domains.items;
}

void exchange_env_done(struct exchange_env *env)
{
    while (env->spare) {
        struct exchange *x = env->spare;

        env->spare = x->next_spare;
        buf_free(&x->response_bytes);
        free(x);
    }
    buf_free(&env->target_text);
    buf_free(&env->head_text);
    buf_wipe(&env->sign_text);
    env->failures = failures_free(env->failures);
}

void exchange_transfer_begun(struct exchange_env *env)
{
    metrics_add(env->metrics, METRIC_TRANSFERS_SUBMITTED, 1);
}

void exchange_transfer_ended(struct exchange_env *env, const struct transfer *transfer, int result)
{
    if (result == 0)
        metrics_observe(env->metrics, HISTOGRAM_TRANSFER, transfer->completed_us - transfer->submitted_us);
}

int exchange_env_submit(struct exchange_env *env, struct submission *submission)
{
    int r = TAILQ_EMPTY(&env->submissions) ? channel_submit(env->channel, submission->transfer) : -EAGAIN;

    if (r == -EAGAIN) {
        metrics_add(env->metrics, METRIC_RING_FULL, 1);
        submission->is_queued = true;
        TAILQ_INSERT_TAIL(&env->submissions, submission, link);
        return 0;
    }
    if (r == 0)
        exchange_transfer_begun(env);
    return r;
}

void exchange_env_cancel(struct exchange_env *env, struct submission *submission)
{
    if (!submission->is_queued)
        return;
    submission->is_queued = false;
    TAILQ_REMOVE(&env->submissions, submission, link);
}

void exchange_env_pump(struct exchange_env *env)
{
    struct submission *submission;

    while ((submission = TAILQ_FIRST(&env->submissions))) {
        int r = channel_submit(env->channel, submission->transfer);

        if (r == -EAGAIN)
            return;
        exchange_env_cancel(env, submission);
        if (r == 0)
            exchange_transfer_begun(env);
        else
            submission->failed(submission);
    }
}

void exchange_env_watch(struct exchange_env *env, struct channel_watch *watch)
{
    watch->is_listed = true;
    TAILQ_INSERT_TAIL(&env->watches, watch, link);
}

void exchange_env_unwatch(struct exchange_env *env, struct channel_watch *watch)
{
    if (!watch->is_listed)
        return;
    watch->is_listed = false;
    TAILQ_REMOVE(&env->watches, watch, link);
}

void exchange_env_channel_down(struct exchange_env *env)
{
    struct channel_watch *watch;
    unsigned left = 0;

    exchange_env_pump(env);
    /* As many as there are now: lost() may watch again. */
    TAILQ_FOREACH(watch, &env->watches, link)
    left++;
    for (; left > 0 && (watch = TAILQ_FIRST(&env->watches)); left--) {
        exchange_env_unwatch(env, watch);
        watch->lost(watch);
    }
}
