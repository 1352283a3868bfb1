/* SPDX-License-Identifier: MIT */
/* Answers /metrics, /status, /healthz and /readyz, and shows a page. */
#include "admin.h"
#include "adminhttp.h"
#include "statuspage.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_MAX_BYTES (4u << 20) /* an exposition has about 50 KiB */

#define TYPE_METRICS "text/plain; version=0.0.4; charset=utf-8"
#define FOREIGN "This listener is not known by that host name. Use 127.0.0.1 or localhost, or add the name to listen.hosts.\n"
#define HINT "There are / for people, /metrics, /status, /healthz and /readyz here; blobs are on another port.\n"

struct admin {
    struct adminhttp *http;
    struct admin_callbacks callbacks;
    uint16_t port;
};

static void answer_with(const struct admin_callbacks *callbacks, struct adminhttp_call *call,
                        int (*write)(void *arg, struct buf *text), const char *type)
{
    CLEANUP(buf_free) struct buf text;

    buf_init(&text, TEXT_MAX_BYTES);
    if (write(callbacks->arg, &text) < 0)
        adminhttp_answer_text(call, 500, "this could not be written\n");
    else
        adminhttp_answer(call, 200, type, text.bytes ? text.bytes : "", text.len);
}

static void answer_ready(const struct admin_callbacks *callbacks, struct adminhttp_call *call)
{
    char reason[ADMIN_REASON_BYTES] = "not ready";
    char line[ADMIN_REASON_BYTES + 1];

    if (callbacks->ready(callbacks->arg, reason)) {
        adminhttp_answer_text(call, 200, "ready\n");
        return;
    }
    snprintf(line, sizeof(line), "%s\n", reason);
    adminhttp_answer_text(call, 503, line);
}

void admin_answer(const struct admin_callbacks *callbacks, struct adminhttp_call *call)
{
    const char *path = adminhttp_path(call);
    bool is_metrics = strcmp(path, "/metrics") == 0, is_status = strcmp(path, "/status") == 0;
    bool is_health = strcmp(path, "/healthz") == 0, is_ready = strcmp(path, "/readyz") == 0;
    bool is_page = strcmp(path, "/") == 0;

    if (!is_page && !is_metrics && !is_status && !is_health && !is_ready)
        adminhttp_answer_text(call, 404, HINT);
    else if (!adminhttp_must_be(call, "GET", "HEAD"))
        return;
    else if (is_page)
        statuspage_answer(call);
    else if (is_metrics)
        answer_with(callbacks, call, callbacks->metrics, TYPE_METRICS);
    else if (is_status)
        answer_with(callbacks, call, callbacks->status, ADMINHTTP_TYPE_JSON);
    else if (is_health)
        adminhttp_answer_text(call, 200, "ok\n");
    else
        answer_ready(callbacks, call);
}

static void on_call(void *arg, struct adminhttp_call *call)
{
    const struct admin_callbacks *callbacks = &((const struct admin *)arg)->callbacks;
    const char *host = adminhttp_field(call, "Host"); /* HTTP/1.0 has none, and no browser speaks that */

    if (host && callbacks->is_own_host && !callbacks->is_own_host(callbacks->arg, host))
        adminhttp_answer_text(call, 421, FOREIGN);
    else
        admin_answer(callbacks, call);
}

static uint16_t socket_port(int fd)
{
    struct sockaddr_storage name = {0};
    socklen_t name_bytes = sizeof(name);

    if (getsockname(fd, (struct sockaddr *)&name, &name_bytes) < 0)
        return 0;
    if (name.ss_family == AF_INET)
        return ntohs(((struct sockaddr_in *)&name)->sin_port);
    return name.ss_family == AF_INET6 ? ntohs(((struct sockaddr_in6 *)&name)->sin6_port) : 0;
}

int admin_new(struct event_base *base, const struct address *address, int listen_fd, const struct admin_callbacks *callbacks,
              struct admin **ret_admin, struct err *err)
{
    CLEANUP(cleanup_fd) int fd = listen_fd;
    int r = fd < 0 ? address_listen(address, &fd) : 0;

    if (r < 0)
        return err_set(err, r, "cannot listen: %s", strerror(-r));
    struct admin *admin = calloc(1, sizeof(*admin));
    if (!admin)
        return err_set(err, -ENOMEM, "no memory");
    admin->callbacks = *callbacks;
    admin->port = socket_port(fd);
    r = adminhttp_new(base, TAKE_FD(fd), on_call, admin, &admin->http);
    if (r < 0) {
        free(admin);
        return err_set(err, r, "cannot start: %s", strerror(-r));
    }
    *ret_admin = admin;
    return 0;
}

uint16_t admin_port(const struct admin *admin)
{
    return admin->port;
}

struct admin *admin_free(struct admin *admin)
{
    if (admin)
        adminhttp_free(admin->http);
    free(admin);
    return NULL;
}
