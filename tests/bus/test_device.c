/* SPDX-License-Identifier: MIT */
/* The channel over a device whose driver the test plays: each ioctl blocks in a worker's thread until the test lets it go. */
#include "../../src/lib/channel/channel.h"
#include "../../src/lib/channel/device_workers.h"
#include "../../src/lib/clock.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define CALLS_MAX 64
#define SLOTS 8
#define TOLD_MAX 16
#define SCRIPT_MAX 32
#define TIMEOUT_MS 60000u

static const struct slot_geometry geometry = {.count = {6, 2}, .data_bytes = {8192, 262144}};

/* An ioctl that waits in a worker's thread. The layout is written down here once more. */
struct argument {
    uint8_t guid[16];
    uint32_t timeout_ms, request_len, response_len, data_len, data_valid, padding;
    uint64_t request, response, data;
    uint32_t status, reply_len;
};

struct call {
    struct argument *argument;
    int fd;
    bool is_over;
    int error;
};

static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct call calls[CALLS_MAX];
    unsigned call_count;
    int script[SCRIPT_MAX]; /* errors of the next transfers, given at once; 0: blocks */
    unsigned script_count;
    int open_error; /* 0: opens */
    int known[2];   /* what a probe of 0xc04852f0 and 0xc048520a gives */
    unsigned attempts, opens, closes;
} driver;

static struct event_base *base;
static struct slots *slots;
static struct channel *channel;
static struct {
    enum channel_state state;
    char reason[ERR_TEXT_BYTES];
} told[TOLD_MAX];
static unsigned told_count, trouble_count;
static char trouble[ERR_TEXT_BYTES];
static bool is_inside_submit;

struct outcome {
    unsigned done;
    int result;
};

#define UNTIL(fact)                                                                                                              \
    while (!(fact))                                                                                                              \
    cr_assert_geq(event_base_loop(base, EVLOOP_ONCE), 0)

/* A fact of another thread's, which does not wake the loop. */
#define UNTIL_THERE(fact)                                                                                                        \
    while (!(fact)) {                                                                                                            \
        cr_assert_geq(event_base_loop(base, EVLOOP_NONBLOCK), 0);                                                                \
        sched_yield();                                                                                                           \
    }

static void settle(void)
{
    for (int i = 0; i < 5; i++)
        event_base_loop(base, EVLOOP_NONBLOCK);
}

/* ---- the driver ---- */

static int driver_open(const char *path)
{
    int fd = open("/dev/null", O_RDWR | O_CLOEXEC);

    (void)path;
    pthread_mutex_lock(&driver.lock);
    int error = driver.open_error;
    driver.attempts++;
    driver.opens += error == 0;
    pthread_mutex_unlock(&driver.lock);
    if (error < 0)
        close(fd);
    return error < 0 ? error : fd;
}

static int driver_transfer(int fd, struct argument *argument)
{
    pthread_mutex_lock(&driver.lock);
    if (driver.script_count > 0) {
        int error = driver.script[0];

        memmove(driver.script, driver.script + 1, --driver.script_count * sizeof(driver.script[0]));
        if (error < 0) {
            pthread_mutex_unlock(&driver.lock);
            return error;
        }
    }
    struct call *call = &driver.calls[driver.call_count++];

    *call = (struct call){.argument = argument, .fd = fd};
    pthread_cond_broadcast(&driver.changed);
    while (!call->is_over)
        pthread_cond_wait(&driver.changed, &driver.lock);
    int error = call->error;

    pthread_mutex_unlock(&driver.lock);
    return error;
}

static int driver_ioctl(int fd, unsigned long number, void *argument)
{
    if (!argument)
        return driver.known[number == 0xC04852F0u ? 0 : 1];
    return driver_transfer(fd, argument);
}

static int driver_close(int fd)
{
    pthread_mutex_lock(&driver.lock);
    driver.closes++;
    pthread_cond_broadcast(&driver.changed);
    pthread_mutex_unlock(&driver.lock);
    return close(fd);
}

static long driver_page_bytes(void)
{
    return DEVICE_PAGE_BYTES;
}

static const struct device_calls driver_calls = {driver_open, driver_ioctl, driver_close, driver_page_bytes};

static unsigned driver_figure(const unsigned *figure)
{
    pthread_mutex_lock(&driver.lock);
    unsigned value = *figure;

    pthread_mutex_unlock(&driver.lock);
    return value;
}

static void driver_set_open_error(int error)
{
    pthread_mutex_lock(&driver.lock);
    driver.open_error = error;
    pthread_mutex_unlock(&driver.lock);
}

/* Waits until the call of that number is in the kernel. */
static struct call *driver_has(unsigned number)
{
    pthread_mutex_lock(&driver.lock);
    while (driver.call_count <= number)
        pthread_cond_wait(&driver.changed, &driver.lock);
    pthread_mutex_unlock(&driver.lock);
    return &driver.calls[number];
}

static void driver_end(unsigned number, int error)
{
    struct call *call = driver_has(number);

    pthread_mutex_lock(&driver.lock);
    call->error = error;
    call->is_over = true;
    pthread_cond_broadcast(&driver.changed);
    pthread_mutex_unlock(&driver.lock);
}

static void driver_complete(unsigned number, uint32_t status, uint32_t reply_len)
{
    struct call *call = driver_has(number);

    call->argument->status = status;
    call->argument->reply_len = reply_len;
    driver_end(number, 0);
}

static void driver_await_close(void)
{
    pthread_mutex_lock(&driver.lock);
    while (driver.closes == 0)
        pthread_cond_wait(&driver.changed, &driver.lock);
    pthread_mutex_unlock(&driver.lock);
}

static void driver_says(int error, unsigned times)
{
    pthread_mutex_lock(&driver.lock);
    while (times-- > 0)
        driver.script[driver.script_count++] = error;
    pthread_mutex_unlock(&driver.lock);
}

/* ---- the channel ---- */

static void on_changed(void *owner, enum channel_state state, const char *reason)
{
    cr_assert_eq(owner, &channel);
    cr_assert_lt(told_count, TOLD_MAX);
    cr_assert_not(is_inside_submit);
    told[told_count].state = state;
    snprintf(told[told_count++].reason, sizeof(told[0].reason), "%s", reason);
}

static void on_trouble(void *owner, const char *text)
{
    cr_assert_eq(owner, &channel);
    trouble_count++;
    snprintf(trouble, sizeof(trouble), "%s", text);
}

static int open_channel(const char *path, uint32_t depth, uint32_t reopen_ms)
{
    struct channel_device_config config = {.path = path,
                                           .geometry = geometry,
                                           .depth = depth,
                                           .reopen_min_ms = reopen_ms,
                                           .reopen_max_ms = reopen_ms,
                                           .calls = &driver_calls};
    struct channel_listener listener = {on_changed, on_trouble, &channel};

    return channel_device_open(base, &config, slots, &listener, &channel);
}

static void set_up(void)
{
    pthread_mutex_init(&driver.lock, NULL);
    pthread_cond_init(&driver.changed, NULL);
    driver.known[0] = -EFAULT;
    driver.known[1] = -EINVAL;
    base = event_base_new();
    cr_assert_eq(slots_new(base, &geometry, &slots), 0);
}

static void set_up_open(void)
{
    set_up();
    cr_assert_eq(open_channel("/nowhere/azure_blob", 4, 1), 0);
    UNTIL(told_count == 1);
    cr_assert_eq(told[0].state, CHANNEL_UP);
}

static void tear_down(void)
{
    channel_close(channel);
    slots_free(slots);
    event_base_free(base);
}

static void on_done(struct transfer *transfer, int result)
{
    struct outcome *outcome = transfer->owner;

    cr_assert_not(is_inside_submit);
    cr_assert_eq(transfer->transaction_id, 0u);
    outcome->done++;
    outcome->result = result;
}

static struct slot *prepare(struct outcome *outcome, uint32_t timeout_ms)
{
    struct slot *slot = slots_take(slots, SLOT_SMALL);

    cr_assert_not_null(slot);
    memcpy(slot->transfer.guid, "0123456789abcdef", 16);
    slot->transfer.timeout_ms = timeout_ms;
    slot->transfer.request_bytes = 100;
    slot->transfer.data_bytes = 5000;
    slot->transfer.data_valid_bytes = 3;
    slot->transfer.done = on_done;
    slot->transfer.owner = outcome;
    return slot;
}

static int submit(struct slot *slot)
{
    is_inside_submit = true;
    int r = channel_submit(channel, &slot->transfer);

    is_inside_submit = false;
    return r;
}

static struct slot *submitted(struct outcome *outcome, uint32_t timeout_ms)
{
    struct slot *slot = prepare(outcome, timeout_ms);

    cr_assert_eq(submit(slot), 0);
    return slot;
}

/* ---- opening ---- */

Test(device, opens_and_says_which_ioctl_the_driver_knows, .init = set_up_open, .fini = tear_down)
{
    cr_expect_str_eq(told[0].reason, "opened /nowhere/azure_blob, ioctl 0xc04852f0");
    cr_expect_eq(channel->command, 0xC04852F0u);
    cr_expect_eq(channel->counters.opens, 1u);
}

Test(device, takes_the_vendors_ioctl_where_the_lists_is_unknown, .init = set_up, .fini = tear_down)
{
    driver.known[0] = -ENOTTY;
    driver.known[1] = -EFAULT;
    cr_assert_eq(open_channel("/nowhere/azure_blob", 4, 1), 0);
    UNTIL(told_count == 1);
    cr_expect_eq(told[0].state, CHANNEL_UP);
    cr_expect_eq(channel->command, 0xC048520Au);
}

Test(device, stays_down_when_the_driver_knows_neither_ioctl, .init = set_up, .fini = tear_down)
{
    driver.known[0] = driver.known[1] = -ENOTTY;
    cr_assert_eq(open_channel("/nowhere/azure_blob", 4, 1), 0);
    UNTIL_THERE(driver_figure(&driver.opens) >= 3);
    settle();
    cr_expect_eq(told_count, 1u, "the same reason is told once");
    cr_expect_str_eq(told[0].reason, "/nowhere/azure_blob: the driver knows neither ioctl 0xc04852f0 (Inappropriate ioctl for "
                                     "device) nor 0xc048520a (Inappropriate ioctl for device)");
    cr_expect_eq(channel->state, CHANNEL_DOWN);
    cr_expect_eq(driver.opens, driver.closes);
}

Test(device, a_device_that_appears_is_opened_at_once, .init = set_up, .fini = tear_down)
{
    char directory[] = "/tmp/device-test-XXXXXX", path[64];

    cr_assert_not_null(mkdtemp(directory));
    snprintf(path, sizeof(path), "%s/azure_blob", directory);
    driver_set_open_error(-ENOENT);
    cr_assert_eq(open_channel(path, 4, 3600000), 0);
    UNTIL(told_count == 1);
    cr_expect_eq(told[0].state, CHANNEL_DOWN);
    driver_set_open_error(0);
    cr_assert_eq(mknod(path, S_IFREG | 0600, 0), 0);
    UNTIL(told_count == 2);
    cr_expect_eq(told[1].state, CHANNEL_UP);
    unlink(path);
    rmdir(directory);
}

Test(device, a_device_whose_node_goes_is_down_without_a_transfer, .init = set_up, .fini = tear_down)
{
    char directory[] = "/tmp/device-test-XXXXXX", path[64];

    cr_assert_not_null(mkdtemp(directory));
    snprintf(path, sizeof(path), "%s/azure_blob", directory);
    cr_assert_eq(mknod(path, S_IFREG | 0600, 0), 0);
    cr_assert_eq(open_channel(path, 4, 3600000), 0);
    UNTIL(told_count == 1);
    cr_expect_eq(told[0].state, CHANNEL_UP);
    driver_set_open_error(-ENOENT);
    unlink(path);
    UNTIL(told_count >= 2);
    cr_expect_eq(told[1].state, CHANNEL_DOWN);
    cr_expect_not_null(strstr(told[1].reason, "the device has been removed"));
    rmdir(directory);
}

Test(device, slots_that_no_transfer_can_carry_are_refused, .init = set_up)
{
    struct channel_device_config config = {
        .path = "/x", .geometry = {{1, 1}, {8192, (LIMIT_TRANSFER_PAGES - 24) * 4096}}, .depth = 1};
    struct channel_listener listener = {on_changed, on_trouble, &channel};
    struct channel *refused;

    cr_expect_eq(channel_device_open(base, &config, slots, &listener, &refused), -EINVAL);
    config.geometry.data_bytes[SLOT_LARGE] = 8192;
    config.depth = 0;
    cr_expect_eq(channel_device_open(base, &config, slots, &listener, &refused), -EINVAL);
    config.depth = DEVICE_DEPTH_MAX + 1;
    cr_expect_eq(channel_device_open(base, &config, slots, &listener, &refused), -EINVAL);
}

/* ---- transfers ---- */

Test(device, a_transfer_reaches_the_driver_as_published_and_its_answer_comes_back, .init = set_up_open, .fini = tear_down)
{
    struct outcome outcome = {0};
    struct slot *slot = submitted(&outcome, TIMEOUT_MS);
    struct argument *argument = driver_has(0)->argument;

    cr_expect_arr_eq(argument->guid, "0123456789abcdef", 16);
    cr_expect_leq(argument->timeout_ms, TIMEOUT_MS);
    cr_expect_gt(argument->timeout_ms, TIMEOUT_MS - 10000);
    cr_expect_eq(argument->request_len, 100u);
    cr_expect_eq(argument->response_len, LIMIT_SLOT_RESPONSE_BYTES);
    cr_expect_eq(argument->data_len, 5000u);
    cr_expect_eq(argument->data_valid, 3u);
    cr_expect_eq(argument->request, (uintptr_t)slot->request);
    cr_expect_eq(argument->response, (uintptr_t)slot->response);
    cr_expect_eq(argument->data, (uintptr_t)slot->data);
    cr_expect_eq(argument->data % 4096, 0u);
    memcpy(slot->data, "the answer", 10);
    driver_complete(0, 0x80070102u, 77);
    UNTIL(outcome.done);
    cr_expect_eq(outcome.result, 0);
    cr_expect_eq(slot->transfer.status, 0x80070102u);
    cr_expect_eq(slot->transfer.response_bytes, 77u);
    cr_expect_eq(channel->counters.completed, 1u);
    cr_expect_eq(channel->counters.in_flight, 0u);
    slots_put(slot, slots);
}

Test(device, without_data_the_driver_gets_no_buffer, .init = set_up_open, .fini = tear_down)
{
    struct outcome outcome = {0};
    struct slot *slot = prepare(&outcome, TIMEOUT_MS);

    slot->transfer.data_bytes = slot->transfer.data_valid_bytes = 0;
    cr_assert_eq(submit(slot), 0);
    cr_expect_eq(driver_has(0)->argument->data, 0u);
    driver_complete(0, 0, 40);
    UNTIL(outcome.done);
    slots_put(slot, slots);
}

Test(device, threads_are_made_only_when_they_are_needed, .init = set_up_open, .fini = tear_down)
{
    struct outcome outcome = {0};

    cr_expect_eq(channel_threads(channel), 0u);
    for (unsigned i = 0; i < 3; i++) {
        struct slot *slot = submitted(&outcome, TIMEOUT_MS);

        driver_complete(i, 0, 40);
        UNTIL(outcome.done == i + 1);
        slots_put(slot, slots);
    }
    cr_expect_leq(channel_threads(channel), 2u, "one may still be on its way back when the next transfer comes");
    struct slot *held[3];
    for (unsigned i = 0; i < 3; i++)
        held[i] = submitted(&outcome, TIMEOUT_MS);
    driver_has(5);
    cr_expect_geq(channel_threads(channel), 3u);
    for (unsigned i = 0; i < 3; i++)
        driver_complete(3 + i, 0, 40);
    UNTIL(outcome.done == 6);
    for (unsigned i = 0; i < 3; i++)
        slots_put(held[i], slots);
}

Test(device, more_than_its_depth_is_not_taken, .init = set_up_open, .fini = tear_down)
{
    struct outcome outcome = {0};
    struct slot *held[5];

    for (unsigned i = 0; i < 4; i++)
        held[i] = submitted(&outcome, TIMEOUT_MS);
    held[4] = prepare(&outcome, TIMEOUT_MS);
    cr_expect_eq(submit(held[4]), -EAGAIN);
    for (unsigned i = 0; i < 4; i++)
        driver_complete(i, 0, 40);
    UNTIL(outcome.done == 4);
    cr_expect_eq(submit(held[4]), 0);
    driver_complete(4, 0, 40);
    UNTIL(outcome.done == 5);
    for (unsigned i = 0; i < 5; i++)
        slots_put(held[i], slots);
}

Test(device, sizes_that_the_slot_does_not_have_are_refused, .init = set_up_open, .fini = tear_down)
{
    struct outcome outcome = {0};
    struct slot *slot = prepare(&outcome, TIMEOUT_MS);

    slot->transfer.data_bytes = slot->data_capacity + 1;
    cr_expect_eq(submit(slot), -EINVAL);
    slot->transfer.data_bytes = 0;
    cr_expect_eq(submit(slot), -EINVAL, "more valid bytes than bytes");
    slot->transfer.data_valid_bytes = 0;
    slot->transfer.request_bytes = slot->request_capacity + 1;
    cr_expect_eq(submit(slot), -EINVAL);
    slot->transfer.request_bytes = 0;
    cr_expect_eq(submit(slot), -EINVAL);
    slots_put(slot, slots);
}

/* ---- what a driver may answer ---- */

Test(device, a_full_ring_is_tried_again_until_there_is_room, .init = set_up_open, .fini = tear_down)
{
    struct outcome outcome = {0}, later = {0};

    driver_says(-EAGAIN, 5);
    struct slot *slot = submitted(&outcome, TIMEOUT_MS);
    UNTIL(channel->counters.ring_full >= 1);
    struct slot *behind = prepare(&later, TIMEOUT_MS);
    cr_expect_eq(submit(behind), -EAGAIN, "nothing overtakes what waits");
    UNTIL_THERE(driver_figure(&driver.call_count) == 1);
    driver_complete(0, 0, 40);
    UNTIL(outcome.done);
    cr_expect_eq(outcome.result, 0);
    cr_expect_eq(outcome.done, 1u);
    cr_expect_eq(channel->counters.submitted, 1u);
    cr_expect_eq(trouble_count, 0u, "a full ring is no trouble");
    slots_put(slot, slots);
    slots_put(behind, slots);
}

Test(device, a_ring_that_stays_full_ends_the_transfer_at_its_deadline, .init = set_up_open, .fini = tear_down)
{
    struct outcome outcome = {0};

    driver_says(-EAGAIN, SCRIPT_MAX);
    uint64_t begin_us = clock_mono_us();
    struct slot *slot = submitted(&outcome, 50);
    UNTIL(outcome.done);
    cr_expect_eq(outcome.result, -ECANCELED);
    cr_expect_geq(clock_mono_us() - begin_us, 50000u);
    slots_put(slot, slots);
}

Test(device, what_is_left_of_the_timeout_goes_to_the_host, .init = set_up_open, .fini = tear_down)
{
    struct outcome outcome = {0};

    driver_says(-EAGAIN, 6); /* 1 + 2 + 4 + 8 + 16 + 32 ms */
    struct slot *slot = submitted(&outcome, TIMEOUT_MS);
    UNTIL_THERE(driver_figure(&driver.call_count) == 1);
    cr_expect_leq(driver_has(0)->argument->timeout_ms, TIMEOUT_MS - 63);
    driver_complete(0, 0, 40);
    UNTIL(outcome.done);
    slots_put(slot, slots);
}

Test(device, pages_that_cannot_be_pinned_are_tried_again_and_told_once, .init = set_up_open, .fini = tear_down)
{
    struct outcome outcome = {0};

    driver_says(-ENOMEM, 4);
    struct slot *slot = submitted(&outcome, TIMEOUT_MS);
    UNTIL_THERE(driver_figure(&driver.call_count) == 1);
    driver_complete(0, 0, 40);
    UNTIL(outcome.done);
    cr_expect_eq(outcome.result, 0);
    cr_expect_eq(trouble_count, 1u);
    cr_expect_not_null(strstr(trouble, "no memory to pin"));
    slots_put(slot, slots);
}

Test(device, a_removed_device_ends_the_transfer_unexecuted_and_is_opened_again, .init = set_up_open, .fini = tear_down)
{
    struct outcome outcome = {0}, held = {0};
    struct slot *at_host = submitted(&held, TIMEOUT_MS);

    driver_has(0);
    driver_set_open_error(-ENOENT);
    driver_says(-ENODEV, 1);
    struct slot *slot = submitted(&outcome, TIMEOUT_MS);
    UNTIL(outcome.done);
    cr_expect_eq(outcome.result, -ECANCELED);
    cr_expect_eq(channel->state, CHANNEL_DOWN);
    cr_expect_str_eq(told[1].reason, "/nowhere/azure_blob: the device has been removed");
    cr_expect_eq(submit(slot), -ENODEV);
    slots_put(slot, slots);
    cr_expect_eq(held.done, 0u, "what the kernel has is not called back");
    UNTIL_THERE(driver_figure(&driver.attempts) >= 3);
    settle();
    cr_expect_eq(told_count, 2u, "that it is not there either is no news");
    driver_set_open_error(0);
    UNTIL(told[told_count - 1].state == CHANNEL_UP);
    cr_expect_eq(driver_figure(&driver.closes), 0u, "the old descriptor is still in use");
    memcpy(at_host->data, "late", 5);
    driver_complete(0, 0, 40);
    UNTIL(held.done);
    cr_expect_eq(held.result, 0, "it was removed after this one had been sent");
    cr_expect_eq(driver_figure(&driver.closes), 1u);
    cr_expect_str_eq((char *)at_host->data, "late");
    slots_put(at_host, slots);
    slot = submitted(&outcome, TIMEOUT_MS);
    driver_complete(1, 0, 40);
    UNTIL(outcome.done == 2);
    cr_expect_eq(outcome.result, 0);
    slots_put(slot, slots);
}

Test(device, what_waits_for_room_ends_unexecuted_when_the_device_is_removed, .init = set_up_open, .fini = tear_down)
{
    struct outcome waiting = {0};
    int script[] = {-EAGAIN, -EAGAIN, -ENODEV};

    for (unsigned i = 0; i < 3; i++)
        driver_says(script[i], 1);
    struct slot *slot = submitted(&waiting, TIMEOUT_MS);
    UNTIL(waiting.done);
    cr_expect_eq(waiting.result, -ECANCELED);
    slots_put(slot, slots);
}

Test(device, another_processes_descriptor_is_replaced_by_one_of_its_own, .init = set_up_open, .fini = tear_down)
{
    struct outcome outcome = {0};

    driver_says(-EACCES, 1);
    struct slot *slot = submitted(&outcome, TIMEOUT_MS);
    UNTIL(outcome.done);
    cr_expect_eq(outcome.result, -ECANCELED);
    UNTIL(channel->state == CHANNEL_UP);
    cr_expect_not_null(strstr(told[1].reason, "no longer belongs to this process"));
    cr_expect_eq(driver_figure(&driver.opens), 2u);
    slots_put(slot, slots);
}

Test(device, what_the_driver_refuses_is_not_tried_again, .init = set_up_open, .fini = tear_down)
{
    struct outcome outcome = {0};
    int errors[] = {-EINVAL, -EFAULT, -EPERM};

    for (unsigned i = 0; i < 3; i++) {
        driver_says(errors[i], 1);
        struct slot *slot = submitted(&outcome, TIMEOUT_MS);
        UNTIL(outcome.done == i + 1);
        cr_expect_eq(outcome.result, -EINVAL);
        slots_put(slot, slots);
    }
    cr_expect_eq(trouble_count, 1u, "the same trouble once a minute");
    cr_expect_str_eq(trouble, "/nowhere/azure_blob: the driver refuses a transfer of 11 pages: Invalid argument");
    cr_expect_eq(channel->counters.refused, 3u);
    cr_expect_eq(channel->state, CHANNEL_UP);
}

Test(device, an_interrupted_transfer_has_an_unknown_outcome, .init = set_up_open, .fini = tear_down)
{
    struct outcome outcome = {0};

    driver_says(-EINTR, 1);
    struct slot *slot = submitted(&outcome, TIMEOUT_MS);
    UNTIL(outcome.done);
    cr_expect_eq(outcome.result, -EINTR);
    cr_expect_eq(trouble_count, 1u);
    slots_put(slot, slots);
}

Test(device, a_reply_that_cannot_be_has_an_unknown_outcome, .init = set_up_open, .fini = tear_down)
{
    static const struct {
        uint32_t status, reply_len;
        const char *says;
    } replies[] = {
        {DEVICE_STATUS_UNSET, DEVICE_STATUS_UNSET, "answered without a status"},
        {0, LIMIT_SLOT_RESPONSE_BYTES + 1, "claims 32769 response bytes in a buffer of 32768"},
        {0, 0, "success with an empty response"},
    };
    struct outcome outcome = {0};

    for (unsigned i = 0; i < 3; i++) {
        struct slot *slot = submitted(&outcome, TIMEOUT_MS);

        driver_complete(i, replies[i].status, replies[i].reply_len);
        UNTIL(outcome.done == i + 1);
        cr_expect_eq(outcome.result, -EPROTO);
        cr_expect_not_null(strstr(trouble, replies[i].says), "%s", trouble);
        slots_put(slot, slots);
    }
    cr_expect_eq(trouble_count, 3u);
    cr_expect_eq(channel->counters.protocol_errors, 3u);
}

Test(device, a_failure_without_a_response_is_an_answer, .init = set_up_open, .fini = tear_down)
{
    struct outcome outcome = {0};
    struct slot *slot = submitted(&outcome, TIMEOUT_MS);

    driver_complete(0, 0x80070102u, 0);
    UNTIL(outcome.done);
    cr_expect_eq(outcome.result, 0);
    slots_put(slot, slots);
}

/* ---- the end ---- */

Test(device, what_the_kernel_has_outlives_the_channel, .init = set_up_open)
{
    struct outcome outcome = {0};
    struct slot *slot = submitted(&outcome, TIMEOUT_MS);
    uint8_t *data = slot->data;

    driver_has(0);
    slots_abandon(slot, slots);
    cr_expect_eq(slots_figures(slots).quarantined, 1u);
    channel_close(channel);
    cr_expect_eq(outcome.done, 0u, "nobody waits for it any more");
    cr_expect_eq(slots_figures(slots).quarantined, 0u);
    slots_free(slots);
    memset(data, 0xEE, 8192); /* the host writes there: it is still mapped */
    cr_expect_eq(driver_figure(&driver.closes), 0u);
    driver_end(0, 0);
    driver_await_close();
    event_base_free(base);
}

Test(device, whoever_still_waits_at_the_end_is_told_that_the_outcome_is_unknown, .init = set_up_open)
{
    struct outcome outcome = {0};
    struct slot *slot = submitted(&outcome, TIMEOUT_MS);

    driver_has(0);
    channel_close(channel);
    cr_expect_eq(outcome.result, -ENODEV);
    cr_expect_eq(outcome.done, 1u);
    slots_put(slot, slots);
    slots_free(slots);
    driver_end(0, 0);
    driver_await_close();
    event_base_free(base);
}
