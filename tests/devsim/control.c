/* SPDX-License-Identifier: MIT */
/* The control socket. */
#include "control.h"

#include "commands.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/listener.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <sys/un.h>

#define LINE_BYTES_MAX 256u
#define ANSWER_BYTES_MAX 4096u

struct client {
    struct control *control;
    struct bufferevent *stream;
    LIST_ENTRY(client) link;
};

struct control {
    struct event_base *base;
    struct driver *driver;
    struct evconnlistener *listener;
    struct sockaddr_un address;
    LIST_HEAD(, client) clients;
};

static void client_free(struct client *client)
{
    LIST_REMOVE(client, link);
    bufferevent_free(client->stream);
    free(client);
}

static void answer_line(struct client *client, const char *line)
{
    struct buf answer;

    buf_init(&answer, ANSWER_BYTES_MAX);
    (void)!commands_run(client->control->driver, line, &answer);
    buf_puts(&answer, "\n");
    (void)bufferevent_write(client->stream, answer.bytes, answer.len);
    buf_free(&answer);
}

static void on_readable(struct bufferevent *stream, void *arg)
{
    struct evbuffer *input = bufferevent_get_input(stream);
    char *line;

    while ((line = evbuffer_readln(input, NULL, EVBUFFER_EOL_LF))) {
        answer_line(arg, line);
        free(line);
    }
    if (evbuffer_get_length(input) > LINE_BYTES_MAX)
        client_free(arg);
}

static void on_end(struct bufferevent *stream, short what, void *arg)
{
    (void)stream;
    (void)what;
    client_free(arg);
}

static void on_connection(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *address, int length, void *arg)
{
    struct control *control = arg;
    struct client *client = calloc(1, sizeof(*client));

    (void)listener;
    (void)address;
    (void)length;
    if (client)
        client->stream = bufferevent_socket_new(control->base, fd, BEV_OPT_CLOSE_ON_FREE);
    if (!client || !client->stream) {
        free(client);
        (void)close(fd);
        return;
    }
    client->control = control;
    LIST_INSERT_HEAD(&control->clients, client, link);
    bufferevent_setcb(client->stream, on_readable, NULL, on_end, client);
    (void)bufferevent_enable(client->stream, EV_READ | EV_WRITE);
}

int control_open(struct event_base *base, const char *path, struct driver *driver, struct control **ret_control, struct err *err)
{
    CLEANUP(cleanup_free) struct control *control = calloc(1, sizeof(*control));

    if (!control)
        return err_set(err, -ENOMEM, "out of memory");
    if (strlen(path) >= sizeof(control->address.sun_path))
        return err_set(err, -EINVAL, "--control %s: too long for a socket", path);
    *control = (struct control){.base = base, .driver = driver, .address.sun_family = AF_UNIX};
    LIST_INIT(&control->clients);
    memcpy(control->address.sun_path, path, strlen(path));
    (void)unlink(path);
    control->listener = evconnlistener_new_bind(base, on_connection, control, LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, 8,
                                                (struct sockaddr *)&control->address, sizeof(control->address));
    if (!control->listener)
        return err_set(err, -errno, "--control %s: %s", path, strerror(errno));
    *ret_control = TAKE_PTR(control);
    return 0;
}

struct control *control_close(struct control *control)
{
    struct client *client;

    if (!control)
        return NULL;
    while ((client = LIST_FIRST(&control->clients)))
        client_free(client);
    evconnlistener_free(control->listener);
    (void)unlink(control->address.sun_path);
    free(control);
    return NULL;
}
