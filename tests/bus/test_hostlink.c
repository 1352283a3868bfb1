/* SPDX-License-Identifier: MIT */
/* The link that stand-ins of the device forward transfers over, against the host's end of the bus. */
#include "../devsim/hostlink.h"

#include "../../src/blobhostd/vsp.h"
#include "../../src/lib/envelope.h"
#include "../../src/lib/vmbus/vsp_status.h"
#include "fake.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <event2/event.h>
#include <semaphore.h>
#include <stdio.h>
#include <string.h>

#define HEAD "PUT /c/b HTTP/1.1\r\nHost: acct.blob.local\r\n\r\n"
#define SMALL_BYTES 4096u

static char directory[] = "/tmp/test_hostlink_XXXXXX";
static char path[64];
static struct fake fake;
static struct vsp *vsp;
static struct event_base *base;
static struct hostlink *link_;
static struct err err;

/* What a job has seen. */
struct seen {
    unsigned done, ready;
    int result;
    uint32_t status, response_bytes;
};

#define UNTIL(fact)                                                                                                              \
    while (!(fact))                                                                                                              \
    cr_assert_eq(event_base_loop(base, EVLOOP_ONCE), 0)

static void start_host(void)
{
    cr_assert_eq(vsp_start(path, &fake.executor, NULL, &vsp, &err), 0, "%s", err.text);
}

static void set_up(void)
{
    cr_assert_not_null(mkdtemp(directory));
    snprintf(path, sizeof(path), "%s/bus.sock", directory);
    fake_init(&fake);
    base = event_base_new();
    struct hostlink_config config = {path, 1, 1, SMALL_BYTES, HOSTLINK_DATA_BYTES_MAX, NULL, NULL};
    cr_assert_eq(hostlink_open(base, &config, &link_), 0);
}

static void tear_down(void)
{
    hostlink_close(link_);
    event_base_free(base);
    vsp_stop(vsp);
    rmdir(directory);
}

TestSuite(hostlink, .init = set_up, .fini = tear_down, .timeout = 60);

static void on_done(struct hostlink_job *job, int result, uint32_t status, uint32_t response_bytes)
{
    struct seen *seen = job->owner;

    seen->done++;
    seen->result = result;
    seen->status = status;
    seen->response_bytes = response_bytes;
    if (result < 0)
        hostlink_put(job);
}

static void on_ready(struct hostlink_job *job, int result)
{
    struct seen *seen = job->owner;

    seen->ready++;
    seen->result = result;
}

static struct hostlink_job job_of(uint32_t data_bytes, struct seen *seen)
{
    return (struct hostlink_job){
        .data_bytes = data_bytes,
        .data_valid_bytes = data_bytes,
        .response_capacity = LIMIT_SLOT_RESPONSE_BYTES,
        .ready = on_ready,
        .done = on_done,
        .owner = seen,
    };
}

static void put_request(struct hostlink_job *job)
{
    memcpy(job->slot->request + ENVELOPE_HEADER_BYTES, HEAD, strlen(HEAD));
    envelope_seal(ENVELOPE_REQUEST, ENVELOPE_FORMAT_HTTP, 0, job->slot->request, strlen(HEAD));
    job->request_bytes = (uint32_t)(ENVELOPE_HEADER_BYTES + strlen(HEAD));
}

static void take_and_submit(struct hostlink_job *job)
{
    cr_assert_eq(hostlink_take(link_, job), 0);
    put_request(job);
    cr_assert_eq(hostlink_submit(job), 0);
}

Test(hostlink, carries_data_of_a_whole_transfer_there_and_back)
{
    struct seen seen = {0};
    struct hostlink_job job = job_of(HOSTLINK_DATA_BYTES_MAX, &seen);

    start_host();
    UNTIL(hostlink_is_up(link_));
    cr_assert_eq(hostlink_take(link_, &job), 0);
    put_request(&job);
    for (uint32_t i = 0; i < job.data_bytes; i++)
        job.slot->data[i] = (uint8_t)(i ^ i >> 8 ^ i >> 16);
    job.guid[15] = 7;
    cr_assert_eq(hostlink_submit(&job), 0);
    UNTIL(seen.done);
    cr_assert_eq(seen.result, 0);
    cr_assert_eq(seen.status, VSP_STATUS_OK);
    cr_assert_gt(seen.response_bytes, ENVELOPE_HEADER_BYTES);
    for (uint32_t i = 0; i < job.data_bytes; i++) {
        const uint32_t from = job.data_bytes - 1 - i;
        cr_assert_eq(job.slot->data[i], (uint8_t)(from ^ from >> 8 ^ from >> 16), "byte %u", i);
    }
    fake_wait_executed(&fake, 1);
    cr_assert_eq(fake.last_guid[15], 7);
    hostlink_put(&job);
}

Test(hostlink, answers_that_exceed_the_callers_room_are_what_a_host_says_of_them)
{
    struct seen seen = {0};
    struct hostlink_job job = job_of(0, &seen);

    start_host();
    UNTIL(hostlink_is_up(link_));
    job.response_capacity = ENVELOPE_HEADER_BYTES + 1;
    take_and_submit(&job);
    UNTIL(seen.done);
    cr_assert_eq(seen.result, 0);
    cr_assert_eq(seen.status, VSP_STATUS_INSUFFICIENT_BUFFER);
    cr_assert_eq(seen.response_bytes, 0u);
    hostlink_put(&job);
}

Test(hostlink, a_job_waits_for_the_slot_of_another)
{
    struct seen seen[2] = {{0}};
    struct hostlink_job jobs[2] = {job_of(SMALL_BYTES + 1, &seen[0]), job_of(SMALL_BYTES + 1, &seen[1])};

    start_host();
    UNTIL(hostlink_is_up(link_));
    take_and_submit(&jobs[0]);
    cr_assert_eq(hostlink_take(link_, &jobs[1]), -EAGAIN);
    UNTIL(seen[0].done);
    cr_assert_eq(seen[1].ready, 0u);
    hostlink_put(&jobs[0]);
    UNTIL(seen[1].ready);
    cr_assert_eq(seen[1].result, 0);
    put_request(&jobs[1]);
    cr_assert_eq(hostlink_submit(&jobs[1]), 0);
    UNTIL(seen[1].done);
    hostlink_put(&jobs[1]);
}

Test(hostlink, refuses_more_data_than_a_slot_has_and_takes_nothing_without_a_host)
{
    struct seen seen = {0};
    struct hostlink_job job = job_of(HOSTLINK_DATA_BYTES_MAX + 1, &seen);

    cr_assert_eq(hostlink_take(link_, &job), -EMSGSIZE);
    job.data_bytes = 1;
    cr_assert_eq(hostlink_take(link_, &job), -ENODEV);
    cr_assert_not(hostlink_is_up(link_));
}

/* Outlives the test's function: the host may come to its request after that. */
static sem_t may_answer;

/* Answers when the test says so. */
static void answer_later(struct fake *self, const struct host_request *request, struct host_response *response,
                         void (*done)(void *arg, uint32_t status), void *done_arg)
{
    (void)self;
    sem_wait(&may_answer);
    fake_answer_reversed(request, response);
    done(done_arg, 0);
}

Test(hostlink, a_loss_ends_what_is_in_flight_and_what_waits)
{
    struct seen seen[2] = {{0}};
    struct hostlink_job jobs[2] = {job_of(SMALL_BYTES + 1, &seen[0]), job_of(SMALL_BYTES + 1, &seen[1])};

    sem_init(&may_answer, 0, 0);
    fake.answer = answer_later;
    start_host();
    UNTIL(hostlink_is_up(link_));
    take_and_submit(&jobs[0]);
    cr_assert_eq(hostlink_take(link_, &jobs[1]), -EAGAIN);
    hostlink_close(TAKE_PTR(link_));
    sem_post(&may_answer);
    cr_assert_eq(seen[0].done, 1u);
    cr_assert_eq(seen[0].result, -ENODEV);
    cr_assert_eq(seen[0].status, HOSTLINK_STATUS_ABORTED);
    cr_assert_eq(seen[1].ready, 1u);
    cr_assert_eq(seen[1].result, -ENODEV);
}
