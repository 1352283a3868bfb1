/* SPDX-License-Identifier: MIT */
/* How a request proves its rights, and what the proxy may therefore do with it. The proxy never adds rights. */
#include "exchange_internal.h"

#include "../lib/clock.h"
#include "../lib/sign/sas.h"
#include "../lib/sign/sharedkey.h"
#include "batch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

void exchange_set_caller(struct exchange *x, const struct caller *caller)
{
    x->caller = *caller;
}

/* Path style signs the path with the account in it: the raw target up to '?'. */
static struct slice signed_path(const struct exchange *x)
{
    const char *mark = memchr(x->raw_target, '?', x->raw_target_bytes);

    return (struct slice){x->raw_target, mark ? (size_t)(mark - x->raw_target) : x->raw_target_bytes};
}

/* Some clients sign the secondary's path without "-secondary". */
static struct slice alternative_path(const struct exchange *x, struct slice path, struct buf *scratch)
{
    static const char suffix[] = "-secondary";
    size_t account_len = strlen(x->target.account);

    if (!x->target.is_secondary || x->target.style != TARGET_PATH_STYLE)
        return (struct slice){NULL, 0};
    buf_clear(scratch);
    buf_append(scratch, path.bytes, 1 + account_len);
    size_t rest = 1 + account_len + sizeof(suffix) - 1;

    buf_append(scratch, path.bytes + rest, path.len - rest);
    return scratch->failed ? (struct slice){NULL, 0} : (struct slice){scratch->bytes, scratch->len};
}

static enum sharedkey_verdict verify(struct exchange *x)
{
    struct slice path = signed_path(x);
    struct sharedkey_request request = {&x->request, x->target.account, path, x->target.query};

    return sharedkey_verify(&request, alternative_path(x, path, &x->env->sign_text), x->account, clock_wall_us());
}

/* The string to sign helps whoever debugs a client. Signatures, keys and tokens in it stay out of every log. */
static void log_string_to_sign(struct exchange *x)
{
    struct sharedkey_request request = {&x->request, x->target.account, signed_path(x), x->target.query};
    struct buf *text = &x->env->sign_text, *shown = &x->env->head_text;

    if (!log_enabled(LOG_LEVEL_DEBUG))
        return;
    buf_clear(text);
    if (sharedkey_string_to_sign(&request, SHAREDKEY_ORDER_CULTURE, text) < 0)
        return;
    sharedkey_redact(text, shown);
    char client_request_id[ACCESS_ID_BYTES];

    exchange_client_request_id(x, client_request_id);
    struct log_field fields[] = {{"client_request_id", client_request_id}, {"string_to_sign", shown->bytes ? shown->bytes : ""}};

    log_event(LOG_LEVEL_DEBUG, "signature-mismatch", fields, sizeof(fields) / sizeof(fields[0]),
              "the string to sign as seen here");
}

static int refuse_verdict(struct exchange *x, enum sharedkey_verdict verdict)
{
    switch (verdict) {
    case SHAREDKEY_OK:
        return 0;
    case SHAREDKEY_SKEWED:
        exchange_refuse(x, AZURE_AuthenticationFailed, METRIC_ERROR_AUTHORIZATION,
                        "The date of the request is more than 15 minutes away from this machine's clock.");
        return -EACCES;
    case SHAREDKEY_MALFORMED:
        exchange_refuse(x, AZURE_InvalidAuthenticationInfo, METRIC_ERROR_AUTHORIZATION,
                        "The Authorization or date header cannot be read.");
        return -EACCES;
    case SHAREDKEY_MISMATCH:
        break;
    }
    log_string_to_sign(x);
    exchange_refuse(x, AZURE_AuthenticationFailed, METRIC_ERROR_AUTHORIZATION,
                    "The signature does not match; the account key is wrong, or something between client and proxy changed the "
                    "request. log.level = debug shows the string to sign.");
    return -EACCES;
}

int exchange_allow_account(struct exchange *x, const char *account)
{
    char *const *allowed = x->conf->accounts_allow.items;

    if (!*allowed)
        return 0;
    for (; *allowed; allowed++)
        if (strcmp(*allowed, account) == 0)
            return 0;
    exchange_refuse(x, AZURE_AuthorizationFailure, METRIC_ERROR_AUTHORIZATION,
                    "The account '%s' is not among those that may be reached (accounts.allow).", account);
    return -EACCES;
}

/* What a SAS says of its way is judged where the way is known. */
static int check_sas(struct exchange *x)
{
    const char *suffix = x->conf->channel_suffix, *local = ".localhost";
    size_t len = strlen(suffix), local_len = strlen(local);
    bool is_host_local = len > local_len && strcmp(suffix + len - local_len, local) == 0;
    bool is_protected = x->caller.kind != CALLER_TCP || (x->caller.is_loopback && x->conf->listen_sas_https_over_loopback);

    switch (sas_judge_way(x->target.query, is_protected, is_host_local)) {
    case SAS_PROTOCOL:
        exchange_refuse(x, AZURE_AuthorizationProtocolMismatch, METRIC_ERROR_AUTHORIZATION,
                        "The SAS asks for HTTPS (spr=https): use the TLS listener or the Unix socket, or see "
                        "listen.sas_https_over_loopback.");
        return -EACCES;
    case SAS_SOURCE_IP:
        exchange_refuse(x, AZURE_AuthorizationSourceIPMismatch, METRIC_ERROR_AUTHORIZATION,
                        "The SAS is bound to addresses (sip) that no request can come from. The storage service sees the address "
                        "of the machine's host, not this machine's.");
        return -EACCES;
    default:
        return 0;
    }
}

static unsigned count_authorizations(const struct exchange *x)
{
    unsigned count = 0;

    for (unsigned i = 0; i < x->request.field_count; i++)
        count += slice_equal_nocase(x->request.fields[i].name, SLICE("Authorization"));
    return count;
}

/* The configuration lists few, and only requests without any authorization come here. */
static bool is_trusted(const struct exchange *x)
{
    char *const *item = x->conf->listen_unix_trusted_uids.items;

    if (x->caller.kind != CALLER_UNIX || !x->caller.has_uid)
        return false;
    for (; *item; item++)
        if (strtoul(*item, NULL, 10) == x->caller.uid)
            return true;
    return false;
}

/* Without Authorization: a SAS, an anonymous read, or somebody who is trusted. A preflight is never authorized. */
static int authorize_without_field(struct exchange *x)
{
    bool is_anonymous = sas_kind(x->target.query) == SAS_NONE && x->operation != OPERATION_Preflight;

    x->rights = is_anonymous && x->account && is_trusted(x) ? RIGHTS_SIGN : RIGHTS_PASS;
    return check_sas(x);
}

static int authorize_path_style(struct exchange *x)
{
    if (!x->account) {
        exchange_refuse(x, AZURE_AuthenticationFailed, METRIC_ERROR_AUTHORIZATION,
                        "No key of account '%s' is configured (accounts.file), so a path-style SharedKey signature cannot be "
                        "verified. Use host style, or a SAS.",
                        x->target.account);
        return -EACCES;
    }
    int r = refuse_verdict(x, verify(x));

    if (r == 0)
        x->rights = RIGHTS_SIGN;
    return r;
}

static int authorize(struct exchange *x)
{
    struct slice value = head_value(&x->request, "Authorization");
    unsigned count = count_authorizations(x);

    x->account = accounts_find(x->conf->accounts, x->target.account);
    if (count == 0)
        return authorize_without_field(x);
    if (count > 1) { /* two readers could take different ones */
        exchange_refuse(x, AZURE_InvalidAuthenticationInfo, METRIC_ERROR_AUTHORIZATION, "There is more than one Authorization.");
        return -EACCES;
    }
    x->rights = RIGHTS_PASS;
    if (value.len < 9 || strncasecmp(value.bytes, "SharedKey", 9) != 0)
        return check_sas(x);
    x->rights = RIGHTS_SEALED;
    return x->target.style == TARGET_HOST_STYLE ? 0 : authorize_path_style(x);
}

static int check_batch(struct exchange *x)
{
    if (!exchange_is_path_style_batch(x) || x->body_bytes <= BATCH_BYTES_MAX)
        return 0;
    exchange_refuse(x, AZURE_RequestBodyTooLarge, METRIC_ERROR_TOO_LARGE, "A batch may have 4 MiB.");
    return -EACCES;
}

int exchange_authorize(struct exchange *x)
{
    int r = exchange_allow_account(x, x->target.account);

    if (r == 0)
        r = authorize(x);
    if (r == 0)
        r = check_batch(x);
    return r == 0 ? exchange_rewrite_urls(x) : r;
}

bool exchange_may_change(struct exchange *x)
{
    if (x->rights == RIGHTS_PASS)
        return !sas_signs_request(x->target.query) &&
               !(x->operation == OPERATION_PutBlockBlob && sas_is_create_only(x->target.query));
    if (x->rights == RIGHTS_SIGN)
        return true;
    if (!x->account || verify(x) != SHAREDKEY_OK)
        return false;
    x->rights = RIGHTS_SIGN;
    return true;
}
