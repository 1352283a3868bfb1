/* SPDX-License-Identifier: MIT */
/* blobproxyctl connection-string: what an SDK is given. */
#include "arguments.h"
#include "endpoint.h"
#include "shown.h"

#include <errno.h>

struct wanted {
    const char *account;
    bool is_tls, is_unix;
};

static void tell_key(const struct ctl *ctl, const struct endpoint *endpoint)
{
    if (!endpoint->has_key)
        ctl_note(ctl, "put the key of %s in place of %s, or use a SAS; blobproxyd tells nobody a key", endpoint->account,
                 endpoint->key);
}

static enum ctl_exit show_tcp(const struct ctl *ctl, const struct endpoint *endpoint)
{
    char text[2 * ENDPOINT_BYTES], shown[SHOWN_BYTES(sizeof(text))];

    endpoint_connection_string(endpoint, text, sizeof(text));
    tell_key(ctl, endpoint);
    if (ctl->is_json)
        return ctl_print_json(ctl, json_pack("{s:s, s:s, s:b, s:s}", "account", endpoint->account, "endpoint", endpoint->url,
                                             "has_key", endpoint->has_key, "connection_string", text));
    (void)fprintf(ctl->out, "%s\n", shown_text(text, shown, sizeof(shown)));
    return CTL_EXIT_OK;
}

static enum ctl_exit show_unix(const struct ctl *ctl, const struct endpoint *endpoint)
{
    tell_key(ctl, endpoint);
    if (ctl->is_json)
        return ctl_print_json(ctl, json_pack("{s:s, s:s, s:b, s:s, s:s}", "account", endpoint->account, "endpoint", endpoint->url,
                                             "has_key", endpoint->has_key, "key", endpoint->key, "socket", endpoint->socket));
    endpoint_print_unix(endpoint, ctl->out);
    return CTL_EXIT_OK;
}

static enum ctl_exit show(const struct ctl *ctl, const struct wanted *wanted)
{
    json_auto_t *status = NULL;
    struct endpoint endpoint;
    struct err err = {0};
    enum ctl_exit result = ctl_get(ctl, "/status", &status);

    if (result != CTL_EXIT_OK)
        return result;
    int r = wanted->is_unix ? endpoint_of_unix(status, wanted->account, &endpoint, &err)
                            : endpoint_of_tcp(status, wanted->account, wanted->is_tls, &endpoint, &err);

    if (r == -EINVAL)
        return ctl_refuse(ctl, "%s", err.text);
    if (r < 0)
        return ctl_fail(ctl, "%s", err.text);
    return wanted->is_unix ? show_unix(ctl, &endpoint) : show_tcp(ctl, &endpoint);
}

enum ctl_exit verb_connection_string(struct ctl *ctl, int argc, char **argv)
{
    struct wanted wanted = {0};
    const struct argument arguments[] = {
        {.name = "account", .text = &wanted.account},
        {.name = "tls", .flag = &wanted.is_tls},
        {.name = "unix", .flag = &wanted.is_unix},
        {0},
    };
    enum ctl_exit result = arguments_read(ctl, argc, argv, arguments, NULL);

    if (result != CTL_EXIT_OK)
        return result;
    if (wanted.is_tls && wanted.is_unix)
        return ctl_refuse(ctl, "--tls and --unix exclude each other");
    return show(ctl, &wanted);
}
