/* SPDX-License-Identifier: MIT */
/* Answers /metrics, /healthz and /readyz with a small libmicrohttpd daemon on the main loop. */
#include "admin.h"
#include "front_errors.h"
#include "mhdloop.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#define CONNECTIONS_MAX 64u
#define IDLE_TIMEOUT_S 10u
#define TEXT_MAX_BYTES (4u << 20) /* an exposition has about 30 KiB */

#define TYPE_TEXT "text/plain; charset=utf-8"
#define TYPE_METRICS "text/plain; version=0.0.4; charset=utf-8"
#define HINT "There are /metrics, /healthz and /readyz here; blobs are on another port.\n"

struct admin {
    struct MHD_Daemon *daemon;
    struct mhdloop *loop;
    struct admin_callbacks callbacks;
    uint16_t port;
};

static enum MHD_Result admin_answer(struct MHD_Connection *connection, unsigned status, const char *type, const char *text,
                                    size_t len)
{
    struct MHD_Response *response = MHD_create_response_from_buffer(len, (void *)(uintptr_t)text, MHD_RESPMEM_MUST_COPY);
    enum MHD_Result result = MHD_NO;

    if (!response)
        return MHD_NO;
    if (MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type) == MHD_YES &&
        MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store") == MHD_YES &&
        (status != MHD_HTTP_METHOD_NOT_ALLOWED ||
         MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, "GET, HEAD") == MHD_YES))
        result = front_errors_queue(connection, status, response);
    MHD_destroy_response(response);
    return result;
}

static enum MHD_Result admin_answer_text(struct MHD_Connection *connection, unsigned status, const char *text)
{
    return admin_answer(connection, status, TYPE_TEXT, text, strlen(text));
}

static enum MHD_Result admin_metrics(struct admin *admin, struct MHD_Connection *connection)
{
    CLEANUP(buf_free) struct buf text;

    buf_init(&text, TEXT_MAX_BYTES);
    if (admin->callbacks.metrics(admin->callbacks.arg, &text) < 0)
        return admin_answer_text(connection, MHD_HTTP_INTERNAL_SERVER_ERROR, "the metrics could not be written\n");
    return admin_answer(connection, MHD_HTTP_OK, TYPE_METRICS, text.bytes ? text.bytes : "", text.len);
}

static enum MHD_Result admin_ready(struct admin *admin, struct MHD_Connection *connection)
{
    char reason[ADMIN_REASON_BYTES] = "not ready";
    char line[ADMIN_REASON_BYTES + 1];

    if (admin->callbacks.ready(admin->callbacks.arg, reason))
        return admin_answer_text(connection, MHD_HTTP_OK, "ready\n");
    snprintf(line, sizeof(line), "%s\n", reason);
    return admin_answer_text(connection, MHD_HTTP_SERVICE_UNAVAILABLE, line);
}

static enum MHD_Result admin_dispatch(struct admin *admin, struct MHD_Connection *connection, const char *path,
                                      const char *method)
{
    bool is_metrics = strcmp(path, "/metrics") == 0;
    bool is_health = strcmp(path, "/healthz") == 0;

    if (!is_metrics && !is_health && strcmp(path, "/readyz") != 0)
        return admin_answer_text(connection, MHD_HTTP_NOT_FOUND, HINT);
    if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 && strcmp(method, MHD_HTTP_METHOD_HEAD) != 0)
        return admin_answer_text(connection, MHD_HTTP_METHOD_NOT_ALLOWED, "Only GET and HEAD are answered here.\n");
    if (is_metrics)
        return admin_metrics(admin, connection);
    return is_health ? admin_answer_text(connection, MHD_HTTP_OK, "ok\n") : admin_ready(admin, connection);
}

/* Bodies are read and forgotten, so that the connection stays usable; a long one runs into the idle timeout or ends. */
static enum MHD_Result admin_request(void *arg, struct MHD_Connection *connection, const char *path, const char *method,
                                     const char *version, const char *body, size_t *body_bytes, void **state)
{
    static char seen;

    (void)version;
    (void)body;
    if (!*state) {
        *state = &seen;
        return MHD_YES;
    }
    if (*body_bytes > 0) {
        *body_bytes = 0;
        return MHD_YES;
    }
    return admin_dispatch(arg, connection, path, method);
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

static int admin_start(struct admin *admin, struct event_base *base, int fd)
{
    admin->port = socket_port(fd);
    if (front_errors_init() < 0)
        return -ENOSYS;
    admin->daemon = MHD_start_daemon(MHD_USE_EPOLL, 0, NULL, NULL, admin_request, admin, MHD_OPTION_LISTEN_SOCKET, fd,
                                     MHD_OPTION_CONNECTION_LIMIT, CONNECTIONS_MAX, MHD_OPTION_CONNECTION_TIMEOUT, IDLE_TIMEOUT_S,
                                     MHD_OPTION_END);
    if (!admin->daemon) {
        close(fd);
        return -ENOMEM;
    }
    return mhdloop_new(base, admin->daemon, &admin->loop); /* from here MHD closes fd */
}

int admin_new(struct event_base *base, const struct address *address, int listen_fd, const struct admin_callbacks *callbacks,
              struct admin **ret_admin, struct err *err)
{
    struct admin *admin = NULL;
    int fd = listen_fd;
    int result = fd < 0 ? address_listen(address, &fd) : 0;

    if (result < 0)
        return err_set(err, result, "cannot listen: %s", strerror(-result));
    admin = calloc(1, sizeof(*admin));
    if (!admin) {
        close(fd);
        return err_set(err, -ENOMEM, "no memory");
    }
    admin->callbacks = *callbacks;
    result = admin_start(admin, base, fd);
    if (result < 0) {
        admin_free(admin);
        return err_set(err, result, "cannot start: %s", strerror(-result));
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
    if (!admin)
        return NULL;
    mhdloop_free(admin->loop);
    if (admin->daemon)
        MHD_stop_daemon(admin->daemon);
    free(admin);
    return NULL;
}
