/* SPDX-License-Identifier: MIT */
/* A scripted executor. */
#include "fake.h"

#include <string.h>

static uint8_t *body_byte(const struct host_request *request, uint64_t at)
{
    for (int i = 0; i < request->data_iov_count; i++) {
        if (at < request->data[i].iov_len)
            return (uint8_t *)request->data[i].iov_base + at;
        at -= request->data[i].iov_len;
    }
    return NULL;
}

void fake_answer_reversed(const struct host_request *request, struct host_response *response)
{
    for (uint64_t i = 0; i < request->body_bytes / 2; i++) {
        uint8_t *a = body_byte(request, i), *b = body_byte(request, request->body_bytes - 1 - i);
        const uint8_t kept = *a;
        *a = *b;
        *b = kept;
    }
    head_write_status_line(&response->head, 200, slice_of("OK"));
    head_write_field(&response->head, slice_of("x-target"), request->head->target);
    buf_printf(&response->head, "Content-Length: %llu\r\n", (unsigned long long)request->body_bytes);
    head_write_end(&response->head);
    response->body_bytes = request->body_bytes;
}

static void fake_execute(struct executor *self, const struct host_request *request, struct host_response *response,
                         void (*done)(void *arg, uint32_t status), void *done_arg)
{
    struct fake *fake = (struct fake *)self;

    pthread_mutex_lock(&fake->lock);
    memcpy(fake->last_guid, request->guid, sizeof(fake->last_guid));
    pthread_mutex_unlock(&fake->lock);
    if (fake->answer) {
        fake->answer(fake, request, response, done, done_arg);
    } else {
        fake_answer_reversed(request, response);
        done(done_arg, 0);
    }
    pthread_mutex_lock(&fake->lock);
    fake->executed_count++;
    pthread_cond_broadcast(&fake->changed);
    pthread_mutex_unlock(&fake->lock);
}

void fake_init(struct fake *fake)
{
    memset(fake, 0, sizeof(*fake));
    fake->executor.execute = fake_execute;
    pthread_mutex_init(&fake->lock, NULL);
    pthread_cond_init(&fake->changed, NULL);
}

void fake_wait_executed(struct fake *fake, unsigned count)
{
    pthread_mutex_lock(&fake->lock);
    while (fake->executed_count < count)
        pthread_cond_wait(&fake->changed, &fake->lock);
    pthread_mutex_unlock(&fake->lock);
}
