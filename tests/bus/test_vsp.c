/* SPDX-License-Identifier: MIT */
/* The host's end of the bus, seen by guests that behave. */
#include "../../src/blobhostd/vsp.h"

#include "../../src/lib/clock.h"
#include "../../src/lib/envelope.h"
#include "../../src/lib/vmbus/vsp_status.h"
#include "fake.h"
#include "guest.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <event2/event.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#define RING_BYTES 65536u
#define SMALL_RING_BYTES RING_BYTES_MIN
#define HEAD "GET /c/b HTTP/1.1\r\nHost: acct.blob.local\r\n\r\n"

static char directory[] = "/tmp/test_vsp_XXXXXX";
static char path[64];
static struct fake fake;
static struct vsp *vsp;
static struct guest guest, other;
static struct err err;

static void set_up(void)
{
    cr_assert_not_null(mkdtemp(directory));
    snprintf(path, sizeof(path), "%s/bus.sock", directory);
    fake_init(&fake);
    cr_assert_eq(vsp_start(path, &fake.executor, NULL, &vsp, &err), 0, "%s", err.text);
}

static void tear_down(void)
{
    vsp_stop(vsp);
    cr_assert_eq(rmdir(directory), 0, "the socket file must be gone: %s", strerror(errno));
}

TestSuite(vsp, .init = set_up, .fini = tear_down, .timeout = 60);

static void start(struct guest *started, uint32_t ring_bytes)
{
    cr_assert_eq(guest_start(started, path, ring_bytes, &err), 0, "%s", err.text);
}

static struct vsp_reply expect_reply(struct guest *from, uint64_t id)
{
    struct vsp_reply reply = {0};
    uint64_t got_id = 0;
    const int rc = guest_complete(from, &got_id, &reply);

    cr_assert_eq(rc, 0, "%s", strerror(-rc));
    cr_assert_eq(got_id, id, "completion of %lu where %lu was due", (unsigned long)got_id, (unsigned long)id);
    return reply;
}

static struct vsp_reply exchange(struct guest *with, const struct guest_transfer *transfer)
{
    cr_assert_eq(guest_submit(with, transfer, true), 0);
    return expect_reply(with, transfer->id);
}

/* The head that lies in the transfer's response buffer. */
static struct head expect_head(struct guest *from, const struct guest_transfer *transfer, const struct vsp_reply *reply)
{
    const uint8_t *message = from->pages + (size_t)transfer->response_page * BUS_PAGE_BYTES;
    struct envelope envelope;
    struct head head;

    cr_assert_eq(envelope_open(ENVELOPE_RESPONSE, message, reply->response_bytes, &envelope), 0);
    cr_assert_eq(envelope.format, ENVELOPE_FORMAT_HTTP);
    cr_assert_eq(head_parse_response(envelope.payload, envelope.payload_bytes, &head), 0);
    return head;
}

Test(vsp, offers_the_blob_class_with_an_instance_of_its_own)
{
    struct bus_offer first, second;

    cr_assert_eq(guest_connect(&guest, path, &first, &err), 0, "%s", err.text);
    cr_assert_eq(guest_connect(&other, path, &second, &err), 0, "%s", err.text);
    cr_assert_eq(memcmp(first.class_guid, bus_blob_class, 16), 0);
    cr_assert_eq(first.max_pages, 8192u);
    cr_assert_neq(memcmp(first.instance_guid, second.instance_guid, 16), 0);
    guest_stop(&guest);
    guest_stop(&other);
}

Test(vsp, executes_a_request_and_brings_its_answer_back)
{
    start(&guest, RING_BYTES);
    struct guest_transfer transfer = guest_simple(&guest, 77, HEAD);
    const struct vsp_reply reply = exchange(&guest, &transfer);
    const struct head head = expect_head(&guest, &transfer, &reply);

    cr_assert_eq(reply.status, VSP_STATUS_OK);
    cr_assert_eq(head.status, 200);
    cr_assert(slice_equal(head_value(&head, "x-target"), slice_of("/c/b")));
    fake_wait_executed(&fake, 1);
    cr_assert_eq(fake.last_guid[0], 77);
    cr_assert_eq(fake.last_guid[1], 0xab);
    guest_stop(&guest);
}

Test(vsp, executes_on_the_guests_own_data_pages)
{
    start(&guest, RING_BYTES);
    struct guest_transfer transfer = guest_simple(&guest, 1, HEAD);
    transfer.data_page = 16;
    transfer.data_offset = 4000; /* crosses pages, begins and ends within one */
    transfer.data_bytes = 9000;
    transfer.data_valid_bytes = 8501;
    uint8_t *data = guest.pages + 16 * BUS_PAGE_BYTES + 4000;
    for (uint32_t i = 0; i < 9000; i++)
        data[i] = (uint8_t)(i * 7 + i / 256);
    const struct vsp_reply reply = exchange(&guest, &transfer);

    cr_assert_eq(reply.status, VSP_STATUS_OK);
    for (uint32_t i = 0; i < 9000; i++) {
        const uint32_t from = i < 8501 ? 8500 - i : i;
        cr_assert_eq(data[i], (uint8_t)(from * 7 + from / 256), "byte %u", i);
    }
    guest_stop(&guest);
}

static void answer_at_barrier(struct fake *self, const struct host_request *request, struct host_response *response,
                              void (*done)(void *arg, uint32_t status), void *done_arg)
{
    pthread_barrier_wait(self->owner);
    fake_answer_reversed(request, response);
    done(done_arg, 0);
}

Test(vsp, executes_for_two_guests_at_the_same_time)
{
    static pthread_barrier_t both; /* a thread may still leave it when this function has returned */

    pthread_barrier_init(&both, NULL, 2);
    fake.owner = &both;
    fake.answer = answer_at_barrier;
    start(&guest, RING_BYTES);
    start(&other, RING_BYTES);
    const struct guest_transfer first = guest_simple(&guest, 5, HEAD), second = guest_simple(&other, 6, HEAD);
    cr_assert_eq(guest_submit(&guest, &first, true), 0);
    cr_assert_eq(guest_submit(&other, &second, true), 0);
    cr_assert_eq(expect_reply(&guest, 5).status, VSP_STATUS_OK);
    cr_assert_eq(expect_reply(&other, 6).status, VSP_STATUS_OK);
    guest_stop(&guest);
    guest_stop(&other);
}

Test(vsp, leaves_the_response_buffer_alone_when_the_head_does_not_fit)
{
    start(&guest, RING_BYTES);
    struct guest_transfer transfer = guest_simple(&guest, 1, HEAD);
    transfer.response_bytes = 64;
    memset(guest.pages + BUS_PAGE_BYTES, 0x5a, BUS_PAGE_BYTES);
    const struct vsp_reply reply = exchange(&guest, &transfer);

    cr_assert_eq(reply.status, VSP_STATUS_INSUFFICIENT_BUFFER);
    cr_assert_eq(reply.response_bytes, 0);
    for (size_t i = 0; i < BUS_PAGE_BYTES; i++)
        cr_assert_eq(guest.pages[BUS_PAGE_BYTES + i], 0x5a, "byte %zu", i);
    guest_stop(&guest);
}

static void answer_too_small(struct fake *self, const struct host_request *request, struct host_response *response,
                             void (*done)(void *arg, uint32_t status), void *done_arg)
{
    (void)self;
    (void)request;
    buf_puts(&response->head, "HTTP/1.1 200 OK\r\nContent-Length: 123456\r\nETag: \"0x1\"\r\n\r\n");
    response->is_too_small = true;
    done(done_arg, 0);
}

Test(vsp, tells_the_size_needed_when_the_body_does_not_fit)
{
    uint64_t content_length = 0;

    fake.answer = answer_too_small;
    start(&guest, RING_BYTES);
    const struct guest_transfer transfer = guest_simple(&guest, 1, HEAD);
    const struct vsp_reply reply = exchange(&guest, &transfer);
    const struct head head = expect_head(&guest, &transfer, &reply);

    cr_assert_eq(reply.status, VSP_STATUS_INSUFFICIENT_BUFFER);
    cr_assert_eq(head_content_length(&head, &content_length), 0);
    cr_assert_eq(content_length, 123456u);
    cr_assert(slice_equal(head_value(&head, "etag"), slice_of("\"0x1\"")));
    guest_stop(&guest);
}

static void answer_once_too_small(struct fake *self, const struct host_request *request, struct host_response *response,
                                  void (*done)(void *arg, uint32_t status), void *done_arg)
{
    self->answer = NULL;
    answer_too_small(self, request, response, done, done_arg);
}

Test(vsp, carries_nothing_over_from_one_answer_to_the_next)
{
    fake.answer = answer_once_too_small;
    start(&guest, RING_BYTES);
    struct guest_transfer transfer = guest_simple(&guest, 1, HEAD);
    cr_assert_eq(exchange(&guest, &transfer).status, VSP_STATUS_INSUFFICIENT_BUFFER);
    transfer.id = 2;
    const struct vsp_reply reply = exchange(&guest, &transfer);
    const struct head head = expect_head(&guest, &transfer, &reply);

    cr_assert_eq(reply.status, VSP_STATUS_OK);
    cr_assert_null(head_find(&head, "etag"));
    guest_stop(&guest);
}

static void answer_nothing(struct fake *self, const struct host_request *request, struct host_response *response,
                           void (*done)(void *arg, uint32_t status), void *done_arg)
{
    (void)self;
    (void)request;
    (void)response;
    done(done_arg, 0);
}

Test(vsp, never_reports_success_without_a_head)
{
    fake.answer = answer_nothing;
    start(&guest, RING_BYTES);
    const struct guest_transfer transfer = guest_simple(&guest, 1, HEAD);
    const struct vsp_reply reply = exchange(&guest, &transfer);

    cr_assert_eq(reply.status, VSP_STATUS_INTERNAL);
    cr_assert_eq(reply.response_bytes, 0);
    guest_stop(&guest);
}

/* A message that must not be executed: its status, and the channel still works. */
static void expect_refusal(const struct guest_transfer *transfer, uint32_t status)
{
    struct vsp_reply reply = exchange(&guest, transfer);

    cr_assert_eq(reply.status, status, "status %#x", reply.status);
    cr_assert_eq(reply.response_bytes, 0);
    const struct guest_transfer good = guest_simple(&guest, 1000, HEAD);
    cr_assert_eq(exchange(&guest, &good).status, VSP_STATUS_OK);
    fake_wait_executed(&fake, 1);
    cr_assert_eq(fake.executed_count, 1, "the refused one was executed");
    guest_stop(&guest);
}

Test(vsp, refuses_an_envelope_with_a_wrong_checksum)
{
    start(&guest, RING_BYTES);
    const struct guest_transfer transfer = guest_simple(&guest, 1, HEAD);
    guest.pages[ENVELOPE_HEADER_BYTES + 1] ^= 1;
    expect_refusal(&transfer, VSP_STATUS_CRC);
}

Test(vsp, refuses_an_envelope_of_the_published_format_1)
{
    start(&guest, RING_BYTES);
    struct guest_transfer transfer = guest_simple(&guest, 1, HEAD);
    transfer.request_bytes = guest_put_message(&guest, 0, ENVELOPE_FORMAT_JSON, "{}");
    expect_refusal(&transfer, VSP_STATUS_NOT_SUPPORTED);
}

Test(vsp, refuses_bytes_that_are_no_envelope)
{
    start(&guest, RING_BYTES);
    const struct guest_transfer transfer = guest_simple(&guest, 1, HEAD);
    guest.pages[0] = 'X';
    expect_refusal(&transfer, VSP_STATUS_INVALID_DATA);
}

Test(vsp, refuses_a_request_that_is_no_http_head)
{
    start(&guest, RING_BYTES);
    const struct guest_transfer transfer = guest_simple(&guest, 1, "GET /c/b HTTP/1.1\r\nHost : acct\r\n\r\n");
    expect_refusal(&transfer, VSP_STATUS_INVALID_DATA);
}

Test(vsp, refuses_a_message_longer_than_any_head)
{
    start(&guest, RING_BYTES);
    struct guest_transfer transfer = guest_simple(&guest, 1, HEAD);
    transfer.request_page = 20;
    transfer.request_bytes = LIMIT_HEAD_BYTES + ENVELOPE_HEADER_BYTES + 1;
    expect_refusal(&transfer, VSP_STATUS_INVALID_PARAMETER);
}

/* Fills the ring of completions many times over without reading one. */
Test(vsp, resumes_completions_in_order_once_the_guest_reads)
{
    enum { COUNT = 400 };

    start(&guest, SMALL_RING_BYTES);
    struct guest_transfer transfer = guest_simple(&guest, 0, HEAD);
    for (unsigned id = 1; id <= COUNT; id++) {
        transfer.id = id;
        while (guest_submit(&guest, &transfer, true) == -EAGAIN)
            fake_wait_executed(&fake, id - 1);
    }
    fake_wait_executed(&fake, COUNT);
    for (unsigned id = 1; id <= COUNT; id++)
        cr_assert_eq(expect_reply(&guest, id).status, VSP_STATUS_OK);
    guest_stop(&guest);
}

/* A completion takes 40 bytes of a ring, of which one page is data and 8 bytes stay free. */
#define UNREAD_MAX ((4096 - 8) / 40)

/* The host stops taking transfers at its limit, and goes on when the guest reads. */
Test(vsp, resumes_at_its_limit_of_transfers)
{
    enum { TAKEN_MAX = 1024 + UNREAD_MAX };
    unsigned submitted = 0;

    start(&guest, SMALL_RING_BYTES);
    struct guest_transfer transfer = guest_simple(&guest, 0, HEAD);
    for (;;) {
        transfer.id = submitted + 1;
        if (guest_submit(&guest, &transfer, true) == 0)
            submitted++;
        else if (submitted <= TAKEN_MAX) /* the ring is full until the host has taken these */
            fake_wait_executed(&fake, submitted);
        else
            break;
    }
    cr_assert_gt(submitted, TAKEN_MAX);
    for (unsigned id = 1; id <= submitted; id++)
        cr_assert_eq(expect_reply(&guest, id).status, VSP_STATUS_OK);
    guest_stop(&guest);
}

struct gate {
    sem_t entered, leave;
};

/* The first request waits at the gate; each one takes a second of the fake clock. */
static void answer_slowly(struct fake *self, const struct host_request *request, struct host_response *response,
                          void (*done)(void *arg, uint32_t status), void *done_arg)
{
    struct gate *gate = self->owner;

    if (request->guid[0] == 1) {
        sem_post(&gate->entered);
        sem_wait(&gate->leave);
    }
    clock_fake(clock_mono_us() + 1000000, 0);
    fake_answer_reversed(request, response);
    done(done_arg, 0);
}

Test(vsp, does_not_start_what_is_past_its_deadline)
{
    static struct gate gate;

    sem_init(&gate.entered, 0, 0);
    sem_init(&gate.leave, 0, 0);
    clock_fake(1000, 0);
    fake.owner = &gate;
    fake.answer = answer_slowly;
    start(&guest, RING_BYTES);
    struct guest_transfer transfer = guest_simple(&guest, 1, HEAD);
    cr_assert_eq(guest_submit(&guest, &transfer, true), 0);
    sem_wait(&gate.entered);
    const uint32_t timeouts_ms[] = {0, 2001, 2000, 0};
    for (unsigned i = 0; i < 4; i++) { /* these arrive together; the third is due just when the first two have run */
        transfer.id = 2 + i;
        transfer.timeout_ms = timeouts_ms[i];
        cr_assert_eq(guest_submit(&guest, &transfer, true), 0);
    }
    sem_post(&gate.leave);
    const uint32_t statuses[] = {VSP_STATUS_OK, VSP_STATUS_OK, VSP_STATUS_OK, VSP_STATUS_TIMEOUT, VSP_STATUS_OK};
    for (unsigned i = 0; i < 5; i++)
        cr_assert_eq(expect_reply(&guest, 1 + i).status, statuses[i], "transfer %u", 1 + i);
    fake_wait_executed(&fake, 4);
    cr_assert_eq(fake.executed_count, 4);
    guest_stop(&guest);
}

/* More arrives at once than the host takes, and nothing that comes later wakes it. */
Test(vsp, comes_back_for_what_its_limit_left_in_the_ring)
{
    enum { COUNT = 1024 + 100 };
    static struct gate gate;

    sem_init(&gate.entered, 0, 0);
    sem_init(&gate.leave, 0, 0);
    fake.owner = &gate;
    fake.answer = answer_slowly;
    start(&guest, 4 * RING_BYTES);
    struct guest_transfer transfer = guest_simple(&guest, 0, HEAD);
    transfer.id = 1;
    cr_assert_eq(guest_submit(&guest, &transfer, true), 0);
    sem_wait(&gate.entered);
    fake.answer = NULL; /* for all but the first, which is in it already */
    for (unsigned id = 2; id <= COUNT; id++) {
        transfer.id = id;
        cr_assert_eq(guest_submit(&guest, &transfer, true), 0);
    }
    sem_post(&gate.leave);
    for (unsigned id = 1; id <= COUNT; id++)
        cr_assert_eq(expect_reply(&guest, id).status, VSP_STATUS_OK);
    guest_stop(&guest);
}

/* Answers that come later, from the channel's loop, when the test says so. */
struct later {
    int trigger; /* eventfd */
    struct event *event;
    const struct host_request *request;
    struct host_response *response;
    void (*done)(void *arg, uint32_t status);
    void *done_arg;
    sem_t accepted;
    atomic_bool has_answered;
};

static void later_answer(evutil_socket_t fd, short what, void *arg)
{
    struct later *later = arg;

    (void)fd;
    (void)what;
    event_free(later->event);
    fake_answer_reversed(later->request, later->response); /* writes to the guest's pages */
    atomic_store(&later->has_answered, true);
    later->done(later->done_arg, 0);
}

static void answer_later(struct fake *self, const struct host_request *request, struct host_response *response,
                         void (*done)(void *arg, uint32_t status), void *done_arg)
{
    struct later *later = self->owner;

    later->request = request;
    later->response = response;
    later->done = done;
    later->done_arg = done_arg;
    later->event = event_new(vsp_thread_base(), later->trigger, EV_READ, later_answer, later);
    event_add(later->event, NULL);
    sem_post(&later->accepted);
}

/* A guest whose transfer of one data page has been taken by the executor and not answered. */
static void start_later(struct later *later)
{
    memset(later, 0, sizeof(*later));
    later->trigger = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    sem_init(&later->accepted, 0, 0);
    fake.owner = later;
    fake.answer = answer_later;
    start(&guest, RING_BYTES);
    struct guest_transfer transfer = guest_simple(&guest, 9, HEAD);
    transfer.data_page = 30;
    transfer.data_bytes = transfer.data_valid_bytes = BUS_PAGE_BYTES;
    cr_assert_eq(guest_submit(&guest, &transfer, true), 0);
    sem_wait(&later->accepted);
}

static void trigger(const struct later *later)
{
    const uint64_t one = 1;

    cr_assert_eq(write(later->trigger, &one, sizeof(one)), (ssize_t)sizeof(one));
}

Test(vsp, takes_answers_that_come_later)
{
    static struct later later;

    start_later(&later);
    memcpy(guest.pages + 30 * BUS_PAGE_BYTES, "first", 5);
    trigger(&later);
    cr_assert_eq(expect_reply(&guest, 9).status, VSP_STATUS_OK);
    cr_assert_eq(memcmp(guest.pages + 31 * BUS_PAGE_BYTES - 5, "tsrif", 5), 0);
    guest_stop(&guest);
    vsp = vsp_stop(vsp);
    close(later.trigger);
}

Test(vsp, keeps_the_memory_of_a_guest_that_died_until_the_answer)
{
    static struct later later;

    start_later(&later);
    cr_assert_eq(shutdown(guest.socket, SHUT_WR), 0);
    cr_assert_eq(guest_wait_closed(&guest), 0); /* the host has noticed */
    guest_stop(&guest);
    trigger(&later);
    vsp = vsp_stop(vsp);
    cr_assert(atomic_load(&later.has_answered));
    close(later.trigger);
}

static void *stop(void *arg)
{
    vsp = vsp_stop(vsp);
    return arg;
}

Test(vsp, waits_for_outstanding_answers_when_stopped)
{
    static struct later later;
    pthread_t stopper;

    start_later(&later);
    cr_assert_eq(pthread_create(&stopper, NULL, stop, NULL), 0);
    cr_assert_eq(guest_wait_closed(&guest), 0); /* rescinded at once ... */
    trigger(&later);
    pthread_join(stopper, NULL);
    cr_assert(atomic_load(&later.has_answered)); /* ... and still answered before the end */
    guest_stop(&guest);
    close(later.trigger);
}

Test(vsp, rescinds_open_channels_when_stopped)
{
    start(&guest, RING_BYTES);
    vsp = vsp_stop(vsp);
    cr_assert_eq(guest_wait_closed(&guest), 0);
    guest_stop(&guest);
}
