/* SPDX-License-Identifier: MIT */
/* The host's end of the bus: the thread that offers channels and collects those that have finished. */
#include "vsp.h"

#include "../lib/log.h"
#include "vsp_channel.h"
#include "vsp_socket.h"

#include <errno.h>
#include <event2/event.h>
#include <pthread.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#define OPEN_TIMEOUT_MS 5000u

/* Pause of accepting when descriptors or memory have run out. */
#define ACCEPT_PAUSE_MS 100

struct vsp {
    struct vsp_socket socket;
    struct executor *executor;
    unsigned open_timeout_ms;
    int stop_fd;     /* written once, never read: every loop sees it */
    int finished_fd; /* counts channels that finished */
    pthread_t thread;
    bool is_running; /* the thread exists */
    struct event_base *base;
    struct event *on_accept;
    struct event *on_resume;
    struct event *on_finished;
    struct event *on_stop;
    struct vsp_channel *channels[VSP_MAX_CHANNELS]; /* the thread's, and vsp_stop()'s after it */
    unsigned channel_count;
    unsigned last_number;
};

struct event_base *vsp_thread_base(void)
{
    return vsp_channel_thread_base();
}

static void vsp_start_channel(struct vsp *vsp, int fd)
{
    const struct vsp_channel_config config = {
        .socket = fd,
        .executor = vsp->executor,
        .open_timeout_ms = vsp->open_timeout_ms,
        .stop_fd = vsp->stop_fd,
        .finished_fd = vsp->finished_fd,
        .number = ++vsp->last_number,
    };
    int rc = -EUSERS;

    if (vsp->channel_count < VSP_MAX_CHANNELS)
        rc = vsp_channel_start(&config, &vsp->channels[vsp->channel_count]);
    if (rc < 0) {
        log_warning("guest-refused", "no channel for a guest: %s (%u are open)", strerror(-rc), vsp->channel_count);
        close(fd);
        return;
    }
    vsp->channel_count++;
}

static void vsp_on_accept(evutil_socket_t fd, short what, void *arg)
{
    struct vsp *vsp = arg;
    uid_t uid = (uid_t)-1;

    (void)what;
    const int guest = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (guest < 0) {
        if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
            const struct timeval pause = {0, ACCEPT_PAUSE_MS * 1000};

            log_warning("accept-paused", "cannot accept a guest: %s", strerror(errno));
            event_del(vsp->on_accept);
            event_add(vsp->on_resume, &pause);
        }
        return;
    }
    const int rc = vsp_socket_check_peer(guest, &uid);
    if (rc < 0) {
        log_warning("guest-refused", "refused a peer with uid %ld: only uid %ld and root may open channels", (long)(int)uid,
                    (long)geteuid());
        close(guest);
        return;
    }
    vsp_start_channel(vsp, guest);
}

static void vsp_on_resume(evutil_socket_t fd, short what, void *arg)
{
    struct vsp *vsp = arg;

    (void)fd;
    (void)what;
    event_add(vsp->on_accept, NULL);
}

static void vsp_on_finished(evutil_socket_t fd, short what, void *arg)
{
    struct vsp *vsp = arg;
    uint64_t count;

    (void)what;
    (void)!read(fd, &count, sizeof(count));
    for (unsigned i = 0; i < vsp->channel_count;) {
        if (vsp_channel_is_finished(vsp->channels[i])) {
            vsp_channel_join(vsp->channels[i]);
            vsp->channels[i] = vsp->channels[--vsp->channel_count];
        } else {
            i++;
        }
    }
}

static void vsp_on_stop(evutil_socket_t fd, short what, void *arg)
{
    struct vsp *vsp = arg;

    (void)fd;
    (void)what;
    event_base_loopbreak(vsp->base);
}

static void *vsp_run(void *arg)
{
    struct vsp *vsp = arg;

    event_base_dispatch(vsp->base);
    return NULL;
}

static int vsp_prepare(struct vsp *vsp)
{
    vsp->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    vsp->finished_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (vsp->stop_fd < 0 || vsp->finished_fd < 0)
        return -errno;
    vsp->base = event_base_new();
    if (!vsp->base)
        return -ENOMEM;
    vsp->on_accept = event_new(vsp->base, vsp->socket.fd, EV_READ | EV_PERSIST, vsp_on_accept, vsp);
    vsp->on_resume = evtimer_new(vsp->base, vsp_on_resume, vsp);
    vsp->on_finished = event_new(vsp->base, vsp->finished_fd, EV_READ | EV_PERSIST, vsp_on_finished, vsp);
    vsp->on_stop = event_new(vsp->base, vsp->stop_fd, EV_READ, vsp_on_stop, vsp);
    if (!vsp->on_accept || !vsp->on_resume || !vsp->on_finished || !vsp->on_stop)
        return -ENOMEM;
    if (event_add(vsp->on_accept, NULL) < 0 || event_add(vsp->on_finished, NULL) < 0 || event_add(vsp->on_stop, NULL) < 0)
        return -ENOMEM;
    return 0;
}

static void vsp_free(struct vsp *vsp)
{
    struct event *const events[] = {vsp->on_accept, vsp->on_resume, vsp->on_finished, vsp->on_stop};

    for (size_t i = 0; i < sizeof(events) / sizeof(events[0]); i++) {
        if (events[i])
            event_free(events[i]);
    }
    if (vsp->base)
        event_base_free(vsp->base);
    cleanup_fd(&vsp->stop_fd);
    cleanup_fd(&vsp->finished_fd);
    free(vsp);
}

int vsp_start(const char *path, struct executor *executor, const struct vsp_options *options, struct vsp **ret_vsp,
              struct err *err)
{
    struct vsp *vsp = calloc(1, sizeof(*vsp));

    if (!vsp)
        return err_set(err, -ENOMEM, "out of memory");
    vsp->executor = executor;
    vsp->open_timeout_ms = options && options->open_timeout_ms ? options->open_timeout_ms : OPEN_TIMEOUT_MS;
    vsp->socket.fd = vsp->stop_fd = vsp->finished_fd = -1;
    int rc = vsp_socket_open(path, &vsp->socket, err);
    if (rc < 0) {
        vsp_free(vsp);
        return rc;
    }
    rc = vsp_prepare(vsp);
    if (rc == 0)
        rc = -pthread_create(&vsp->thread, NULL, vsp_run, vsp);
    vsp->is_running = rc == 0;
    if (rc < 0) {
        vsp_stop(vsp);
        return err_set(err, rc, "cannot start the bus: %s", strerror(-rc));
    }
    *ret_vsp = vsp;
    return 0;
}

struct vsp *vsp_stop(struct vsp *vsp)
{
    const uint64_t one = 1;

    if (!vsp)
        return NULL;
    if (vsp->is_running) {
        (void)!write(vsp->stop_fd, &one, sizeof(one));
        (void)pthread_join(vsp->thread, NULL);
    }
    vsp_socket_close(&vsp->socket);
    for (unsigned i = 0; i < vsp->channel_count; i++)
        vsp_channel_join(vsp->channels[i]);
    vsp_free(vsp);
    return NULL;
}
