/* SPDX-License-Identifier: MIT */
/* How a request proves its rights, and what the proxy may therefore do with it. The proxy never adds rights. */
#include "exchange_internal.h"

#include "../lib/clock.h"
#include "../lib/sign/sharedkey.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

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

/* The string to sign helps whoever debugs a client, and is no secret; the signature stays out of every log. */
static void log_string_to_sign(struct exchange *x)
{
    struct sharedkey_request request = {&x->request, x->target.account, signed_path(x), x->target.query};
    struct buf *text = &x->env->sign_text;

    if (!log_enabled(LOG_LEVEL_DEBUG))
        return;
    buf_clear(text);
    if (sharedkey_string_to_sign(&request, SHAREDKEY_ORDER_CULTURE, text) < 0)
        return;
    struct log_field field = {"string_to_sign", text->bytes};

    log_event(LOG_LEVEL_DEBUG, "signature-mismatch", &field, 1, "the string to sign as seen here");
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

int exchange_authorize(struct exchange *x)
{
    struct slice value = head_value(&x->request, "Authorization");

    x->account = accounts_find(x->conf->accounts, x->target.account);
    x->rights = RIGHTS_PASS;
    if (!value.bytes || value.len < 9 || strncasecmp(value.bytes, "SharedKey", 9) != 0)
        return 0;
    x->rights = RIGHTS_SEALED;
    if (x->target.style == TARGET_HOST_STYLE)
        return 0;
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

bool exchange_may_change(struct exchange *x)
{
    if (x->rights != RIGHTS_SEALED)
        return true;
    if (!x->account || verify(x) != SHAREDKEY_OK)
        return false;
    x->rights = RIGHTS_SIGN;
    return true;
}
