/* SPDX-License-Identifier: MIT */
/* libcurl over a Unix socket, and its failures in the operator's words. */
#include "../lib/curlcompat.h"
#include "client.h"
#include "place.h"

#include <ctype.h>
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <string.h>
#include <sys/stat.h>

#define CONNECT_TIMEOUT_MS 5000L
#define HOST "http://blobproxyd" /* the socket is the address; a Host field has to be there */

struct client {
    CURL *curl;
    char place[PLACE_BYTES];
    char why[CURL_ERROR_SIZE]; /* libcurl's own words for the last failure */
};

static size_t take_body(char *bytes, size_t size, size_t count, void *arg)
{
    (void)size; /* always 1 */
    return buf_append(arg, bytes, count) < 0 ? 0 : count;
}

static bool configure(struct client *client)
{
    CURL *curl = client->curl;

    return curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, client->place) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, client->why) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_NOPROXY, "*") == CURLE_OK && curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
           curlcompat_allow(curl, false) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_TIMEOUT_MS) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, CLIENT_TIMEOUT_MS) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_body) == CURLE_OK;
}

int client_open(const char *socket, struct client **ret_client, struct err *err)
{
    CLEANUP(client_cleanup) struct client *client = calloc(1, sizeof(*client));
    int r = client ? place_find(socket, client->place, err) : err_set(err, -ENOMEM, "no memory");

    if (r < 0)
        return r;
    client->curl = curl_easy_init();
    if (!client->curl || !configure(client))
        return err_set(err, -ENOMEM, "libcurl does not start");
    *ret_client = TAKE_PTR(client);
    return 0;
}

struct client *client_close(struct client *client)
{
    if (client)
        curl_easy_cleanup(client->curl);
    free(client);
    return NULL;
}

void client_cleanup(struct client **client)
{
    *client = client_close(*client);
}

const char *client_place(const struct client *client)
{
    return client->place;
}

/* Who may: the names of the socket's owner and group, as far as this user can see them. */
static int explain_denied(const char *place, struct err *err)
{
    struct stat status;

    if (stat(place, &status) < 0)
        return err_set(err, -EACCES, "%s: permission denied: run it as root", place);
    const struct passwd *user = getpwuid(status.st_uid);
    const char *owner = user ? user->pw_name : "its owner";
    const struct group *group = getgrgid(status.st_gid);

    if (status.st_mode & S_IWGRP && group)
        return err_set(err, -EACCES, "%s: permission denied: run it as %s, or as a member of the group %s", place, owner,
                       group->gr_name);
    return err_set(err, -EACCES, "%s: permission denied: run it as %s; listen.control_group lets a group in", place, owner);
}

static int explain_connect(const struct client *client, long code, struct err *err)
{
    switch (code) {
    case EACCES:
    case EPERM:
        return explain_denied(client->place, err);
    case ENOENT:
        return err_set(err, -ENOENT, "%s: there is no such socket: blobproxyd does not run, or listen.control names another",
                       client->place);
    case ECONNREFUSED:
        return err_set(err, -ECONNREFUSED, "%s: nobody listens there: blobproxyd has ended; start it again", client->place);
    default:
        return err_set(err, code > 0 ? (int)-code : -EIO, "%s: cannot connect: %s", client->place,
                       code > 0 ? strerror((int)code) : client->why);
    }
}

static int explain(struct client *client, CURLcode code, const struct buf *body, struct err *err)
{
    long system_code = 0;

    (void)curl_easy_getinfo(client->curl, CURLINFO_OS_ERRNO, &system_code);
    if (code == CURLE_COULDNT_CONNECT)
        return explain_connect(client, system_code, err);
    if (code == CURLE_OPERATION_TIMEDOUT)
        return err_set(err, -ETIMEDOUT, "%s: no answer within %ld s: blobproxyd hangs, or the machine does; see its log",
                       client->place, CLIENT_TIMEOUT_MS / 1000);
    if (code == CURLE_WRITE_ERROR)
        return err_set(err, body->failed == -ENOMEM ? -ENOMEM : -EMSGSIZE, "%s: the answer is too large", client->place);
    return err_set(err, -EPROTO, "%s: %s", client->place, client->why[0] ? client->why : curl_easy_strerror(code));
}

int client_ask(struct client *client, const char *method, const char *target, unsigned *ret_status, struct buf *body,
               struct err *err)
{
    CURL *curl = client->curl;
    char url[512];
    long status = 0;

    if (snprintf(url, sizeof(url), "%s%s", HOST, target) >= (int)sizeof(url))
        return err_set(err, -EINVAL, "%s: too long", target);
    buf_clear(body);
    client->why[0] = '\0';
    if (curl_easy_setopt(curl, CURLOPT_URL, url) != CURLE_OK ||
        curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method) != CURLE_OK ||
        curl_easy_setopt(curl, CURLOPT_WRITEDATA, body) != CURLE_OK)
        return err_set(err, -ENOMEM, "no memory");
    CURLcode code = curl_easy_perform(curl);

    if (code != CURLE_OK)
        return explain(client, code, body, err);
    (void)curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    if (status == 403)
        return err_set(err, -EACCES,
                       "%s: blobproxyd does not serve this user: run it as root, as blobproxyd's user, or as a member of "
                       "listen.control_group",
                       client->place);
    *ret_status = (unsigned)status;
    return 0;
}

int client_refused(const char *target, unsigned status, const struct buf *body, struct err *err)
{
    const char *text = body->bytes ? body->bytes : "";

    return err_set(err, -EPROTO, "blobproxyd answers %u to %s: %.*s", status, target, (int)strcspn(text, "\r\n"), text);
}

int client_parse_json(const char *where, const struct buf *text, json_t **ret_value, struct err *err)
{
    json_error_t why;
    json_t *value = json_loadb(text->bytes ? text->bytes : "", text->len, JSON_REJECT_DUPLICATES, &why);

    if (!json_is_object(value)) {
        json_decref(value);
        return err_set(err, -EPROTO, "%s: blobproxyd's answer is no JSON object", where);
    }
    *ret_value = value;
    return 0;
}

int client_get_json(struct client *client, const char *target, json_t **ret_value, struct err *err)
{
    CLEANUP(buf_free) struct buf body;
    unsigned status;

    buf_init(&body, CLIENT_ANSWER_MAX_BYTES);
    int r = client_ask(client, "GET", target, &status, &body, err);

    if (r < 0)
        return r;
    return status == 200 ? client_parse_json(target, &body, ret_value, err) : client_refused(target, status, &body, err);
}

/* By hand, since what libcurl allocates is freed by libcurl only. */
char *client_encode(const char *value)
{
    char *encoded = malloc(3 * strlen(value) + 1), *end = encoded;

    if (!encoded)
        return NULL;
    for (; *value; value++)
        end += snprintf(end, 4, isalnum((unsigned char)*value) ? "%c" : "%%%02X", (unsigned char)*value);
    *end = '\0';
    return encoded;
}
