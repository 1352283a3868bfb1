/* SPDX-License-Identifier: MIT */
/* Two rings behind a lock, and what readers make of several of them. */
#include "failures.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct ring {
    struct access *entries;
    size_t room, count, next;
};

struct failures {
    pthread_mutex_t lock;
    struct ring ordinary, others;
    struct access entries[FAILURES_MAX];
};

struct failures *failures_new(void)
{
    struct failures *failures = calloc(1, sizeof(*failures));

    if (!failures)
        return NULL;
    pthread_mutex_init(&failures->lock, NULL);
    failures->ordinary = (struct ring){.entries = failures->entries, .room = FAILURES_ORDINARY};
    failures->others = (struct ring){.entries = failures->entries + FAILURES_ORDINARY, .room = FAILURES_MAX - FAILURES_ORDINARY};
    return failures;
}

struct failures *failures_free(struct failures *failures)
{
    if (failures)
        pthread_mutex_destroy(&failures->lock);
    free(failures);
    return NULL;
}

static bool is_ordinary(const struct access *access)
{
    unsigned status = access->status;

    return access->is_delivered && (status == 404 || status == 409 || status == 412 || status == 416);
}

void failures_add(struct failures *failures, const struct access *access)
{
    if (!failures)
        return;
    struct ring *ring = is_ordinary(access) ? &failures->ordinary : &failures->others;

    pthread_mutex_lock(&failures->lock);
    ring->entries[ring->next] = *access;
    ring->next = (ring->next + 1) % ring->room;
    ring->count += ring->count < ring->room;
    pthread_mutex_unlock(&failures->lock);
}

/* At most FAILURES_MAX. */
static size_t copy_all(struct failures *failures, struct access *entries)
{
    pthread_mutex_lock(&failures->lock);
    size_t ordinary = failures->ordinary.count, others = failures->others.count;

    memcpy(entries, failures->ordinary.entries, ordinary * sizeof(*entries));
    memcpy(entries + ordinary, failures->others.entries, others * sizeof(*entries));
    pthread_mutex_unlock(&failures->lock);
    return ordinary + others;
}

static int newest_first(const void *left, const void *right)
{
    const struct access *a = left, *b = right;

    return (a->ended_us < b->ended_us) - (a->ended_us > b->ended_us);
}

size_t failures_read(struct failures *const *lists, size_t list_count, struct access *entries, size_t max)
{
    size_t count = 0;

    for (size_t i = 0; i < list_count; i++) {
        if (!lists[i])
            continue;
        count += copy_all(lists[i], entries + count);
        qsort(entries, count, sizeof(*entries), newest_first);
        count = count < max ? count : max;
    }
    return count;
}

int failures_write(struct failures *const *lists, size_t list_count, size_t max, struct buf *text)
{
    struct access *entries = malloc((max + FAILURES_MAX) * sizeof(*entries));
    char object[ACCESS_TEXT_BYTES];

    if (!entries)
        return -ENOMEM;
    size_t count = failures_read(lists, list_count, entries, max);

    buf_puts(text, "[");
    for (size_t i = 0; i < count; i++) {
        size_t len = access_format(&entries[i], object);

        buf_puts(text, i > 0 ? ",\n" : "");
        buf_append(text, object, len);
    }
    buf_puts(text, "]\n");
    free(entries);
    return text->failed;
}
