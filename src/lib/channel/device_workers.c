/* SPDX-License-Identifier: MIT */
/* Threads that wait in the kernel. The one lock is around the two queues. */
#include "device_workers.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/eventfd.h>

struct device_opening {
    const struct device_calls *calls;
    int fd;
    enum device_command command;
    struct device_memory *memory; /* counted */
    atomic_uint users;
};

struct workers {
    unsigned depth;
    int fd;
    pthread_mutex_t lock;
    pthread_cond_t has_job, has_left;
    /* Rings of depth places: no more than that are under way. */
    struct worker_job *jobs;
    struct worker_result *results;
    unsigned first_job, job_count, first_result, result_count;
    unsigned threads, idle;
    unsigned in_kernel;       /* of the threads, those with a job */
    bool is_closing, is_left; /* is_left: by its owner; the last thread frees it */
};

struct device_opening *device_opening_new(const struct device_calls *calls, int fd, enum device_command command,
                                          struct device_memory *memory)
{
    struct device_opening *opening = malloc(sizeof(*opening));

    if (!opening) {
        (void)calls->close(fd);
        return NULL;
    }
    device_memory_ref(memory);
    *opening = (struct device_opening){.calls = calls, .fd = fd, .command = command, .memory = memory, .users = 1};
    return opening;
}

struct device_opening *device_opening_ref(struct device_opening *opening)
{
    atomic_fetch_add(&opening->users, 1);
    return opening;
}

struct device_opening *device_opening_unref(struct device_opening *opening)
{
    if (opening && atomic_fetch_sub(&opening->users, 1) == 1) {
        (void)opening->calls->close(opening->fd);
        device_memory_unref(opening->memory);
        free(opening);
    }
    return NULL;
}

static void workers_free(struct workers *workers)
{
    pthread_cond_destroy(&workers->has_left);
    pthread_cond_destroy(&workers->has_job);
    pthread_mutex_destroy(&workers->lock);
    cleanup_fd(&workers->fd);
    free(workers->jobs);
    free(workers->results);
    free(workers);
}

int workers_new(unsigned depth, struct workers **ret_workers)
{
    struct workers *workers = calloc(1, sizeof(*workers));

    if (!workers)
        return -ENOMEM;
    pthread_mutex_init(&workers->lock, NULL);
    pthread_cond_init(&workers->has_job, NULL);
    pthread_cond_init(&workers->has_left, NULL);
    workers->depth = depth;
    workers->jobs = calloc(depth, sizeof(*workers->jobs));
    workers->results = calloc(depth, sizeof(*workers->results));
    workers->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    int r = workers->fd < 0 ? -errno : workers->jobs && workers->results ? 0 : -ENOMEM;

    if (r < 0) {
        workers_free(workers);
        return r;
    }
    *ret_workers = workers;
    return 0;
}

int workers_fd(const struct workers *workers)
{
    return workers->fd;
}

/* ---- on a worker's thread, with the lock ---- */

static void put_result(struct workers *workers, const struct worker_result *result)
{
    workers->results[(workers->first_result + workers->result_count) % workers->depth] = *result;
    if (workers->result_count++ == 0)
        (void)eventfd_write(workers->fd, 1);
}

static struct worker_job take_job(struct workers *workers)
{
    struct worker_job job = workers->jobs[workers->first_job];

    workers->first_job = (workers->first_job + 1) % workers->depth;
    workers->job_count--;
    return job;
}

static struct worker_result run_job(const struct worker_job *job)
{
    struct device_opening *opening = job->opening;
    struct worker_result result = {.tag = job->tag};

    result.error = device_request(opening->calls, opening->fd, opening->command, &job->request, &result.reply);
    device_opening_unref(opening);
    return result;
}

/* Returns with the lock given back. */
static void worker_leave(struct workers *workers)
{
    bool is_last = --workers->threads == 0 && workers->is_left;

    pthread_cond_signal(&workers->has_left);
    pthread_mutex_unlock(&workers->lock);
    if (is_last)
        workers_free(workers);
}

static void *worker_main(void *arg)
{
    struct workers *workers = arg;

    pthread_mutex_lock(&workers->lock);
    while (!workers->is_closing) {
        if (workers->job_count == 0) {
            workers->idle++;
            pthread_cond_wait(&workers->has_job, &workers->lock);
            workers->idle--;
            continue;
        }
        struct worker_job job = take_job(workers);

        workers->in_kernel++;
        pthread_mutex_unlock(&workers->lock);
        struct worker_result result = run_job(&job);

        pthread_mutex_lock(&workers->lock);
        workers->in_kernel--;
        if (!workers->is_closing)
            put_result(workers, &result);
    }
    worker_leave(workers);
    return NULL;
}

/* ---- on the owner's thread ---- */

/* Signals are the main thread's: none may end a wait of these. */
static int start_worker(struct workers *workers)
{
    size_t stack_bytes = DEVICE_WORKER_STACK_BYTES > PTHREAD_STACK_MIN ? DEVICE_WORKER_STACK_BYTES : (size_t)PTHREAD_STACK_MIN;
    pthread_attr_t attributes;
    sigset_t all, before;
    pthread_t thread;

    sigfillset(&all);
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, stack_bytes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int r = -pthread_create(&thread, &attributes, worker_main, workers);

    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    return r;
}

int workers_submit(struct workers *workers, const struct worker_job *job, int *ret_cause)
{
    int r = 0;

    pthread_mutex_lock(&workers->lock);
    /* The jobs that lie there have woken as many of the idle. */
    if (workers->idle <= workers->job_count && workers->threads < workers->depth) {
        r = start_worker(workers);
        workers->threads += r == 0;
    }
    if (workers->threads > 0) {
        assert(workers->job_count < workers->depth);
        workers->jobs[(workers->first_job + workers->job_count++) % workers->depth] = *job;
        device_opening_ref(job->opening);
        pthread_cond_signal(&workers->has_job);
        r = 0;
    }
    pthread_mutex_unlock(&workers->lock);
    if (r < 0)
        *ret_cause = r;
    return r < 0 ? -EAGAIN : 0;
}

unsigned workers_collect(struct workers *workers, struct worker_result *results, unsigned max)
{
    unsigned count = 0;
    eventfd_t ignored;

    pthread_mutex_lock(&workers->lock);
    for (; count < max && workers->result_count > 0; count++, workers->result_count--) {
        results[count] = workers->results[workers->first_result];
        workers->first_result = (workers->first_result + 1) % workers->depth;
    }
    if (workers->result_count == 0)
        (void)eventfd_read(workers->fd, &ignored);
    pthread_mutex_unlock(&workers->lock);
    return count;
}

unsigned workers_threads(const struct workers *workers)
{
    return workers->threads;
}

unsigned workers_close(struct workers *workers)
{
    pthread_mutex_lock(&workers->lock);
    workers->is_closing = true;
    while (workers->job_count > 0)
        device_opening_unref(take_job(workers).opening);
    pthread_cond_broadcast(&workers->has_job);
    while (workers->threads > workers->in_kernel)
        pthread_cond_wait(&workers->has_left, &workers->lock);
    unsigned left = workers->threads;

    workers->is_left = true;
    pthread_mutex_unlock(&workers->lock);
    if (left == 0)
        workers_free(workers);
    return left;
}
