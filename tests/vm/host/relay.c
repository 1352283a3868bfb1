/* SPDX-License-Identifier: MIT */
/* Plays the host of the kernel's test device: takes its requests and has them executed by a blobhostd.
 * relay DEVICE BUS_SOCKET. Ends at SIGTERM; what it has of the device's is then aborted. */
#include "../../devsim/hostlink.h"

#include "../../../src/lib/vmbus/vsp_status.h"
#include "../module/host_abi.h"

#include <err.h>
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#define SLOTS_SMALL 16u
#define SLOTS_LARGE 6u
#define SMALL_BYTES 65536u

struct relay {
    struct event_base *base;
    struct hostlink *link;
    int device;
    struct event *requests; /* readable: armed while a request could be started */
};

struct job {
    struct hostlink_job job;
    struct relay *relay;
    struct azb_host_request request;
};

static struct job *job_of(struct hostlink_job *job)
{
    return (struct job *)(void *)((char *)job - offsetof(struct job, job));
}

/* The kernel's word on a buffer of a request that is ours is never an error. */
static void read_area(const struct job *job, enum azb_area area, void *to, uint32_t bytes)
{
    if (bytes > 0 && pread(job->relay->device, to, bytes, AZB_HOST_OFFSET(job->request.id, area, 0)) != (ssize_t)bytes)
        err(EXIT_FAILURE, "reading %u bytes of area %d", bytes, (int)area);
}

static void write_area(const struct job *job, enum azb_area area, const void *from, uint32_t bytes)
{
    if (bytes > 0 && pwrite(job->relay->device, from, bytes, AZB_HOST_OFFSET(job->request.id, area, 0)) != (ssize_t)bytes)
        err(EXIT_FAILURE, "writing %u bytes of area %d", bytes, (int)area);
}

static void job_end(struct job *job, uint32_t status, uint32_t response_bytes)
{
    struct azb_host_completion completion = {job->request.id, status, response_bytes};

    hostlink_put(&job->job);
    if (pwrite(job->relay->device, &completion, sizeof(completion), 0) != (ssize_t)sizeof(completion))
        err(EXIT_FAILURE, "completing request %llu", (unsigned long long)completion.id);
    free(job);
}

static void on_done(struct hostlink_job *link_job, int result, uint32_t status, uint32_t response_bytes)
{
    struct job *job = job_of(link_job);

    if (result == 0) {
        write_area(job, AZB_AREA_RESPONSE, link_job->slot->response, response_bytes);
        write_area(job, AZB_AREA_DATA, link_job->slot->data, hostlink_body_bytes(link_job, status, response_bytes));
    }
    job_end(job, status, response_bytes);
}

/* It has a slot. */
static void job_start(struct job *job)
{
    if (job->request.request_len > job->job.slot->request_capacity || job->request.data_valid > job->request.data_len) {
        job_end(job, VSP_STATUS_INVALID_PARAMETER, 0);
        return;
    }
    read_area(job, AZB_AREA_REQUEST, job->job.slot->request, job->request.request_len);
    read_area(job, AZB_AREA_DATA, job->job.slot->data, job->request.data_valid);
    if (hostlink_submit(&job->job) < 0)
        job_end(job, HOSTLINK_STATUS_ABORTED, 0);
}

static void arm(struct relay *relay)
{
    if (hostlink_is_up(relay->link) && event_add(relay->requests, NULL) < 0)
        errx(EXIT_FAILURE, "event_add failed");
}

static void on_ready(struct hostlink_job *link_job, int result)
{
    struct job *job = job_of(link_job);

    arm(job->relay);
    if (result < 0)
        job_end(job, HOSTLINK_STATUS_ABORTED, 0);
    else
        job_start(job);
}

static struct job *job_new(struct relay *relay, const struct azb_host_request *request)
{
    struct job *job = calloc(1, sizeof(*job));

    if (!job)
        err(EXIT_FAILURE, "a request");
    *job = (struct job){
        .relay = relay,
        .request = *request,
        .job = {.data_bytes = request->data_len,
                .ready = on_ready,
                .timeout_ms = request->timeout_ms,
                .request_bytes = request->request_len,
                .data_valid_bytes = request->data_valid,
                .response_capacity = request->response_len,
                .done = on_done},
    };
    memcpy(job->job.guid, request->guid, sizeof(job->job.guid));
    return job;
}

static void on_request(evutil_socket_t fd, short what, void *arg)
{
    struct relay *relay = arg;
    struct azb_host_request request;

    (void)what;
    if (read(fd, &request, sizeof(request)) != (ssize_t)sizeof(request)) {
        if (errno != EAGAIN)
            err(EXIT_FAILURE, "reading a request");
        return;
    }
    struct job *job = job_new(relay, &request);
    int r = hostlink_take(relay->link, &job->job);
    if (r == 0)
        job_start(job);
    else if (r == -EAGAIN)
        event_del(relay->requests); /* until it has its slot */
    else
        job_end(job, r == -EMSGSIZE ? VSP_STATUS_OUT_OF_MEMORY : HOSTLINK_STATUS_ABORTED, 0);
}

/* Without the host nothing is taken from the device. */
static void on_changed(void *owner, bool is_up, const char *reason)
{
    struct relay *relay = owner;

    (void)reason;
    if (is_up) {
        arm(relay);
        sd_notify(0, "READY=1");
    } else {
        event_del(relay->requests);
    }
}

static void on_signal(evutil_socket_t number, short what, void *arg)
{
    struct relay *relay = arg;

    (void)number;
    (void)what;
    event_base_loopbreak(relay->base);
}

static void relay_open(struct relay *relay, const char *device, const char *bus_socket)
{
    struct hostlink_config config = {
        .bus_socket = bus_socket,
        .slots_small = SLOTS_SMALL,
        .slots_large = SLOTS_LARGE,
        .small_bytes = SMALL_BYTES,
        .large_bytes = HOSTLINK_DATA_BYTES_MAX,
        .changed = on_changed,
        .owner = relay,
    };

    relay->device = open(device, O_RDWR | O_CLOEXEC | O_NONBLOCK);
    if (relay->device < 0)
        err(EXIT_FAILURE, "%s", device);
    relay->base = event_base_new();
    if (!relay->base)
        errx(EXIT_FAILURE, "no event loop");
    relay->requests = event_new(relay->base, relay->device, EV_READ | EV_PERSIST, on_request, relay);
    if (!relay->requests)
        errx(EXIT_FAILURE, "no event");
    int r = hostlink_open(relay->base, &config, &relay->link);
    if (r < 0)
        errx(EXIT_FAILURE, "%s: %s", bus_socket, strerror(-r));
}

int main(int argc, char **argv)
{
    struct relay relay = {.device = -1};

    if (argc != 3)
        errx(2, "Usage: host_relay DEVICE BUS_SOCKET");
    relay_open(&relay, argv[1], argv[2]);
    struct event *stop = evsignal_new(relay.base, SIGTERM, on_signal, &relay);
    if (!stop || event_add(stop, NULL) < 0)
        errx(EXIT_FAILURE, "no event for SIGTERM");
    event_base_dispatch(relay.base);
    event_del(relay.requests);
    hostlink_close(relay.link);
    event_free(stop);
    event_free(relay.requests);
    event_base_free(relay.base);
    close(relay.device);
    return EXIT_SUCCESS;
}
