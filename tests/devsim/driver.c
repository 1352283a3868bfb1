/* SPDX-License-Identifier: MIT */
/* The driver's checks, and its device as it comes and goes. */
#include "driver.h"

#include "openings.h"
#include "pages.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#define VIOLATIONS_TOLD 20u

struct driver {
    struct driver_config config;
    struct faults faults;
    struct counters counters;
    struct openings *openings;
    struct pending *pending;
    int listener;
    uint32_t depth;
    bool has_host, had_host;
    bool is_removed;       /* by command */
    unsigned generation;   /* of the device: each removal begins another */
    uint32_t remove_after; /* transfers to go; 0: not counted */
    uint32_t return_after_ms;
    struct event *return_timer;
};

static bool is_present(const struct driver *driver)
{
    return driver->has_host && !driver->is_removed;
}

/* Called with the facts already changed. */
static void presence_changed(struct driver *driver, bool was_present)
{
    if (is_present(driver) == was_present)
        return;
    pending_set_removed(driver->pending, was_present);
    if (!was_present)
        return;
    driver->generation++;
    driver->counters.removals++;
    driver->faults.is_stalled = false;
    pending_dispatch(driver->pending);
}

void driver_remove(struct driver *driver)
{
    bool was_present = is_present(driver);
    struct timeval delay = {driver->return_after_ms / 1000, driver->return_after_ms % 1000 * 1000};

    driver->is_removed = true;
    driver->remove_after = 0;
    if (driver->return_after_ms > 0)
        (void)event_add(driver->return_timer, &delay);
    presence_changed(driver, was_present);
}

void driver_return(struct driver *driver)
{
    bool was_present = is_present(driver);

    driver->is_removed = false;
    (void)event_del(driver->return_timer);
    presence_changed(driver, was_present);
}

static void on_return_timer(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    driver_return(arg);
}

static void on_host_changed(void *owner, bool is_up, const char *reason)
{
    struct driver *driver = owner;
    bool was_present = is_present(driver);

    driver->has_host = is_up;
    (void)fprintf(stderr, "blobdevsim: host %s: %s\n", is_up ? "there" : "gone", reason);
    presence_changed(driver, was_present);
    if (is_up && !driver->had_host) {
        driver->had_host = true;
        driver->config.ready(driver->config.owner);
    }
}

static void on_completed(void *owner)
{
    struct driver *driver = owner;

    if (driver->remove_after > 0 && --driver->remove_after == 0)
        driver_remove(driver);
}

static void refuse_open(struct driver *driver, const struct trap_call *call, enum fault_error error)
{
    driver->counters.open_errors[error]++;
    (void)trap_answer(driver->listener, call->id, fault_error_number(error));
}

static uint64_t flags_of(const struct trap_call *call)
{
    uint64_t flags = call->open.flags;

    if (call->open.how != 0 && trap_read(call->tid, call->open.how, &flags, sizeof(flags)) < 0)
        flags = 0;
    return flags;
}

static void admit(struct driver *driver, const struct trap_call *call)
{
    CLEANUP(cleanup_fd) int fd = -1;
    uint64_t flags = flags_of(call);
    int r = openings_add(driver->openings, call->tid, driver->generation, &fd);

    if (r < 0)
        (void)fprintf(stderr, "blobdevsim: thread %d: cannot be looked into: %s\n", (int)call->tid, strerror(-r));
    else if (trap_is_waiting(driver->listener, call->id))
        r = trap_answer_fd(driver->listener, call->id, fd, (flags & O_CLOEXEC) != 0);
    else
        r = -ENOENT;
    if (r < 0)
        (void)trap_answer(driver->listener, call->id, r);
    else
        driver->counters.opens++;
}

static void handle_open(struct driver *driver, const struct trap_call *call)
{
    if (!trap_string_is(call->tid, call->open.path, driver->config.path)) {
        trap_let_through(driver->listener, call->id);
        return;
    }
    if (!is_present(driver)) {
        refuse_open(driver, call, FAULT_ENOENT);
        return;
    }
    for (enum fault_error error = 0; error < FAULT_ERRORS; error++) {
        if (faults_strike(&driver->faults, &driver->faults.opens[error])) {
            refuse_open(driver, call, error);
            return;
        }
    }
    admit(driver, call);
}

static bool strikes(struct driver *driver, enum fault_error error)
{
    return faults_strike(&driver->faults, &driver->faults.ioctls[error]);
}

static bool is_known(struct driver *driver, uint32_t command)
{
    if (command == AZBLOB_COMMAND_LIST && driver->config.knows_list) {
        driver->counters.ioctls_list++;
        return true;
    }
    if (command == AZBLOB_COMMAND_VENDOR && driver->config.knows_vendor) {
        driver->counters.ioctls_vendor++;
        return true;
    }
    driver->counters.ioctls_unknown++;
    return false;
}

static bool has_valid_lengths(const struct azblob_request *request)
{
    if (request->request_len == 0 || request->response_len == 0)
        return false;
    if (request->data_len != 0 && request->data_len < request->data_valid)
        return false;
    return request->request_len <= AZBLOB_LENGTH_MAX && request->response_len <= AZBLOB_LENGTH_MAX &&
           request->data_len <= AZBLOB_LENGTH_MAX;
}

static void violation(struct driver *driver, const struct trap_call *call, uint32_t response_pages, uint32_t data_pages)
{
    if (++driver->counters.violations > VIOLATIONS_TOLD)
        return;
    (void)fprintf(
        stderr,
        "blobdevsim: violation: thread %d: %u pages of the response buffer and %u of the data buffer were never written "
        "to, or are shared since a fork\n",
        (int)call->tid, response_pages, data_pages);
}

static int pin(struct driver *driver, const struct trap_call *call, int pagemap, const struct azblob_request *request)
{
    uint32_t unused, response_pages, data_pages = 0;
    int r = pages_pin(pagemap, call->tid, request->request_buffer, request->request_len, &unused);

    if (r == 0)
        r = pages_pin(pagemap, call->tid, request->response_buffer, request->response_len, &response_pages);
    if (r == 0)
        r = pages_pin(pagemap, call->tid, request->data_buffer, request->data_len, &data_pages);
    if (r == 0 && response_pages + data_pages > 0)
        violation(driver, call, response_pages, data_pages);
    return r;
}

static uint32_t pages_of(const struct azblob_request *request)
{
    return pages_count(request->request_buffer, request->request_len) +
           pages_count(request->response_buffer, request->response_len) + pages_count(request->data_buffer, request->data_len);
}

/* The order is the published driver's. FAULT_ERRORS: accepted. */
static enum fault_error accept_request(struct driver *driver, const struct trap_call *call, struct opening *opening)
{
    struct azblob_request request;

    if (!is_present(driver) || opening->generation != driver->generation)
        return FAULT_ENODEV;
    if (strikes(driver, FAULT_EACCES) || !opening_is_of(opening, call->tid))
        return FAULT_EACCES;
    if (trap_read(call->tid, call->ioctl.argument, &request, sizeof(request)) < 0)
        return FAULT_EFAULT;
    if (strikes(driver, FAULT_EINVAL) || !has_valid_lengths(&request))
        return FAULT_EINVAL;
    if (strikes(driver, FAULT_ENOMEM))
        return FAULT_ENOMEM;
    if (strikes(driver, FAULT_EFAULT) || pin(driver, call, opening->pagemap, &request) < 0)
        return FAULT_EFAULT;
    if (pages_of(&request) > AZBLOB_PAGES_MAX)
        return FAULT_EINVAL;
    if (strikes(driver, FAULT_EAGAIN) || driver->counters.in_flight >= driver->depth)
        return FAULT_EAGAIN;
    if (strikes(driver, FAULT_ENODEV))
        return FAULT_ENODEV;
    int r = trap_is_waiting(driver->listener, call->id) ? pending_add(driver->pending, call, &request) : 0;
    return r == 0 ? FAULT_ERRORS : r == -EAGAIN ? FAULT_EAGAIN : FAULT_ENOMEM;
}

static void handle_ioctl(struct driver *driver, const struct trap_call *call)
{
    struct opening *opening = openings_find(driver->openings, call->tid, call->ioctl.fd);

    if (!opening) {
        trap_let_through(driver->listener, call->id);
        return;
    }
    if (!is_known(driver, call->ioctl.command)) {
        (void)trap_answer(driver->listener, call->id, driver->config.unknown_errno);
        return;
    }
    enum fault_error error = accept_request(driver, call, opening);
    if (error == FAULT_ERRORS)
        return;
    driver->counters.ioctl_errors[error]++;
    (void)trap_answer(driver->listener, call->id, fault_error_number(error));
}

void driver_handle(struct driver *driver, const struct trap_call *call)
{
    switch (call->kind) {
    case TRAP_OPEN:
        handle_open(driver, call);
        break;
    case TRAP_IOCTL:
        handle_ioctl(driver, call);
        break;
    case TRAP_CREDENTIALS:
        openings_credentials_changed(driver->openings, call->tid);
        trap_let_through(driver->listener, call->id);
        break;
    }
}

static int open_pending(struct driver *driver)
{
    struct pending_config config = {
        .base = driver->config.base,
        .link = driver->config.link,
        .faults = &driver->faults,
        .counters = &driver->counters,
        .ring_bytes = driver->config.ring_bytes,
        .host_changed = on_host_changed,
        .completed = on_completed,
        .owner = driver,
    };

    return pending_new(&config, &driver->pending);
}

int driver_new(const struct driver_config *config, struct driver **ret_driver)
{
    struct driver *driver = calloc(1, sizeof(*driver));

    if (!driver)
        return -ENOMEM;
    driver->config = *config;
    driver->depth = config->depth;
    driver->is_removed = config->is_removed;
    driver->listener = -1;
    faults_init(&driver->faults);
    driver->openings = openings_new();
    driver->return_timer = evtimer_new(config->base, on_return_timer, driver);
    int r = driver->openings && driver->return_timer ? open_pending(driver) : -ENOMEM;
    if (r < 0) {
        driver_free(driver);
        return r;
    }
    *ret_driver = driver;
    return 0;
}

struct driver *driver_free(struct driver *driver)
{
    if (!driver)
        return NULL;
    driver->remove_after = 0;
    pending_free(driver->pending);
    openings_free(driver->openings);
    if (driver->return_timer)
        event_free(driver->return_timer);
    free(driver);
    return NULL;
}

void driver_set_listener(struct driver *driver, int listener)
{
    driver->listener = listener;
    pending_set_listener(driver->pending, listener);
}

void driver_clear(struct driver *driver)
{
    faults_init(&driver->faults);
    driver->depth = driver->config.depth;
    driver->remove_after = driver->return_after_ms = 0;
    pending_release(driver->pending);
    pending_dispatch(driver->pending);
}

struct faults *driver_faults(struct driver *driver)
{
    return &driver->faults;
}

const struct counters *driver_counters(const struct driver *driver)
{
    return &driver->counters;
}

void driver_set_depth(struct driver *driver, uint32_t depth)
{
    driver->depth = depth;
}

void driver_dispatch(struct driver *driver)
{
    pending_dispatch(driver->pending);
}

void driver_release(struct driver *driver)
{
    pending_release(driver->pending);
}

void driver_remove_after(struct driver *driver, uint32_t transfers)
{
    driver->remove_after = transfers;
}

void driver_return_after(struct driver *driver, uint32_t delay_ms)
{
    driver->return_after_ms = delay_ms;
}
