/* SPDX-License-Identifier: MIT */
/* The [tls] section: where certificate and key come from, what must hold, loading them. */
#include "conf_private.h"
#include "tls.h"

#include "../lib/clock.h"

#include <errno.h>
#include <string.h>

#define EMULATED_ADDRESSES "127.0.0.1:10100 [::1]:10100" /* a port that SDKs know as one of path style */
#define SOON_US (14 * 86400ll * 1000000)

static void take_credential(struct conf *conf, enum conf_key key, const char *file, const char *origin,
                            struct conf_problems *problems)
{
    const char *directory = conf_environment("CREDENTIALS_DIRECTORY");
    CLEANUP(cleanup_free) char *path = NULL;

    if (!directory || conf_is_set(conf, key))
        return;
    conf_join_path(&path, directory, file);
    if (path && access(path, F_OK) == 0)
        conf_set(conf, key, (struct slice){path, strlen(path)}, &(struct conf_origin){.name = origin}, problems);
}

void conf_resolve_tls(struct conf *conf, struct conf_problems *problems)
{
    static const struct conf_origin origin = {.name = "--emulated"};

    take_credential(conf, CONF_tls_certificate, "/tls.crt", "credential tls.crt", problems);
    take_credential(conf, CONF_tls_key, "/tls.key", "credential tls.key", problems);
    if (!conf->emulated_directory || !*conf->tls_certificate || conf_is_set(conf, CONF_listen_tls))
        return;
    conf_set(conf, CONF_listen_tls, (struct slice){EMULATED_ADDRESSES, strlen(EMULATED_ADDRESSES)}, &origin, problems);
    conf->listen_tls.is_default = true;
}

static void check_is_there(const struct conf *conf, enum conf_key missing, const char *reason, enum conf_key because,
                           struct conf_problems *problems)
{
    if (conf_is_usable(conf, missing) && conf_is_usable(conf, because))
        conf_problem(problems, &conf->origins[because], &conf_rows[because], "%s", reason);
}

void conf_check_tls(const struct conf *conf, struct conf_problems *problems)
{
    bool has_certificate = *conf->tls_certificate, has_key = *conf->tls_key;

    if (has_certificate && !has_key)
        check_is_there(conf, CONF_tls_key, "its key is missing, write tls.key = FILE", CONF_tls_certificate, problems);
    else if (has_key && !has_certificate)
        check_is_there(conf, CONF_tls_certificate, "its certificate is missing, write tls.certificate = FILE", CONF_tls_key,
                       problems);
    else if (!has_certificate && conf->listen_tls.items[0])
        check_is_there(conf, CONF_tls_certificate,
                       "there is no certificate, write tls.certificate and tls.key (blobproxyd-local-ca makes both)",
                       CONF_listen_tls, problems);
    for (char *const *item = conf->listen_tls.items; *item; item++)
        for (char *const *plain = conf->listen_tcp.items; *plain; plain++)
            if (strcmp(*item, *plain) == 0 && !strstr(*item, "]:0") && !strstr(*item, ".1:0"))
                conf_problem(problems, &conf->origins[CONF_listen_tls], &conf_rows[CONF_listen_tls],
                             "%s is also in listen.tcp, write another port", *item);
}

/* The message begins with the path of the file that is at fault. */
static enum conf_key blamed_file(const struct conf *conf, const char *text)
{
    size_t len = strlen(conf->tls_certificate);

    return strncmp(text, conf->tls_certificate, len) == 0 && text[len] == ':' ? CONF_tls_certificate : CONF_tls_key;
}

/* A wrong mode says by itself what helps. */
static const char *advice(int code)
{
    return code == -EPERM                              ? ""
           : code == -EBADMSG || code == -EKEYREJECTED ? ", write the paths of a certificate and of its own key, in PEM"
                                                       : ", write the path of a file that this user can read";
}

void conf_load_tls(struct conf *conf, struct conf_problems *problems)
{
    struct err err = {""};

    if (!*conf->tls_certificate || !*conf->tls_key || !conf_is_usable(conf, CONF_tls_certificate) ||
        !conf_is_usable(conf, CONF_tls_key))
        return;
    int r = tls_identity_load(conf->tls_certificate, conf->tls_key, &conf->tls, &err);
    enum conf_key key = blamed_file(conf, err.text);
    if (r < 0)
        conf_problem(problems, &conf->origins[key], &conf_rows[key], "%s%s", err.text, advice(r));
}

bool conf_tls_warning(const struct conf *conf, int64_t now_us, struct err *ret_warning)
{
    char date[CLOCK_HTTP_DATE_BYTES];

    if (!conf->tls)
        return false;
    int64_t begins_us = tls_identity_begins_us(conf->tls), expires_us = tls_identity_expires_us(conf->tls);
    const char *what = expires_us <= now_us             ? "has expired on"
                       : begins_us > now_us             ? "is not valid before"
                       : expires_us - now_us <= SOON_US ? "expires on"
                                                        : NULL;

    if (!what)
        return false;
    clock_format_http(begins_us > now_us && expires_us > now_us ? begins_us : expires_us, date);
    err_set(ret_warning, 0, "%s: the certificate %s %s: clients refuse it then", conf->tls_certificate, what, date);
    return true;
}
