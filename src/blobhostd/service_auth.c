/* SPDX-License-Identifier: MIT */
/* Verdicts of the signature checks, turned into the documented errors. */
#include "service_auth.h"

#include "../lib/log.h"
#include "../lib/sign/sas.h"
#include "../lib/sign/sharedkey.h"
#include "service_condition.h"

#include <string.h>
#include <strings.h>

#define STRING_TO_SIGN_BYTES 65536u

static const char unverifiable[] = "needs the real service: run blobhostd --backend URL.";

static void log_string_to_sign(const struct call *call, const struct sharedkey_request *request)
{
    CLEANUP(buf_free) struct buf text = {.max_bytes = STRING_TO_SIGN_BYTES};

    if (!log_enabled(LOG_LEVEL_DEBUG))
        return;
    if (sharedkey_string_to_sign(request, SHAREDKEY_ORDER_CULTURE, &text) == 0) {
        CLEANUP(buf_free) struct buf shown = {.max_bytes = STRING_TO_SIGN_BYTES};

        sharedkey_redact(&text, &shown);
        char client_request_id[CALL_CLIENT_ID_BYTES];

        call_client_request_id(call, client_request_id);
        const struct log_field fields[] = {{"request_id", call->request_id},
                                           {"client_request_id", client_request_id},
                                           {"string_to_sign", shown.bytes ? shown.bytes : ""}};

        log_event(LOG_LEVEL_DEBUG, "signature-mismatch", fields, 3, "the signature of a request does not fit");
    }
}

static enum azure_error refuse_mismatch(struct call *call, struct slice named)
{
    if (!slice_equal(named, slice_of(call->target.account)))
        return call_refuse(call, AZURE_AuthenticationFailed, "Authorization names the account %.*s, the request goes to %s.",
                           named.len > 64 ? 64 : (int)named.len, named.bytes, call->target.account);
    return call_refuse(call, AZURE_AuthenticationFailed,
                       "The signature is not the one that any key of %s gives for %.*s %.*s in host style: a signed field, the "
                       "path, the query or the key differs. blobhostd logs its string to sign at log level debug.",
                       call->target.account, (int)call->head->method.len, call->head->method.bytes,
                       call->target.path.len > 128 ? 128 : (int)call->target.path.len, call->target.path.bytes);
}

static enum azure_error check_shared_key(struct call *call, struct slice authorization, const struct account *account)
{
    struct sharedkey_request request = {
        .head = call->head, .account = account->name, .path = call->target.path, .query = call->target.query};
    enum sharedkey_scheme scheme;
    struct slice named, signature;

    if (sharedkey_parse(authorization, &scheme, &named, &signature) < 0)
        return call_refuse(call, AZURE_InvalidAuthenticationInfo, "The form is \"SharedKey ACCOUNT:SIGNATURE\".");
    switch (sharedkey_verify(&request, (struct slice){NULL, 0}, account, call->now_us)) {
    case SHAREDKEY_OK:
        call->proof = PROOF_KEY;
        return AZURE_OK;
    case SHAREDKEY_MALFORMED:
        return call_refuse(call, AZURE_AuthenticationFailed, "x-ms-date or Date is absent or is not a date.");
    case SHAREDKEY_SKEWED:
        return call_refuse(call, AZURE_AuthenticationFailed,
                           "x-ms-date or Date differs by more than 15 minutes from this host's clock.");
    default:
        log_string_to_sign(call, &request);
        return refuse_mismatch(call, named);
    }
}

static enum azure_error sas_error(struct call *call, enum sas_verdict verdict, enum sas_kind kind)
{
    switch (verdict) {
    case SAS_OK:
        return AZURE_OK;
    case SAS_MALFORMED:
        return call_refuse(call, AZURE_AuthenticationFailed, "A field of the SAS is missing or cannot be read.");
    case SAS_NOT_YET:
        return call_refuse(call, AZURE_AuthenticationFailed, "Signature not valid in the specified time frame: st is to come.");
    case SAS_EXPIRED:
        return call_refuse(call, AZURE_AuthenticationFailed, "Signature not valid in the specified time frame: se has passed.");
    case SAS_PROTOCOL:
        return AZURE_AuthorizationProtocolMismatch;
    case SAS_SOURCE_IP:
        return AZURE_AuthorizationSourceIPMismatch;
    case SAS_PERMISSION:
        return AZURE_AuthorizationPermissionMismatch;
    case SAS_RESOURCE:
        return kind == SAS_ACCOUNT ? AZURE_AuthorizationResourceTypeMismatch : AZURE_AuthorizationFailure;
    case SAS_UNSUPPORTED:
        return call_refuse(call, AZURE_AuthenticationFailed, "A user delegation SAS or a stored access policy %s", unverifiable);
    default:
        return call_refuse(call, AZURE_AuthenticationFailed, "Signature did not match: no key of the account gives it.");
    }
}

static enum azure_error check_sas(struct call *call, const struct account *account, const struct auth_need *need)
{
    enum sas_kind kind = sas_kind(call->target.query);
    struct sas_request request = {.account = account->name,
                                  .container = call->container,
                                  .blob = call->blob,
                                  .query = call->target.query,
                                  .is_https = true, /* the channel never leaves the machine */
                                  .need = {.permissions = need->letters, .resource = need->resource}};
    enum sas_verdict verdict;

    if (kind == SAS_SERVICE && need->is_account_only)
        return AZURE_AuthorizationPermissionMismatch;
    verdict = sas_verify(&request, account, call->now_us);
    if (verdict == SAS_PERMISSION && need->can_create) {
        request.need.permissions = "c";
        verdict = sas_verify(&request, account, call->now_us);
        call->is_create_only = verdict == SAS_OK;
    }
    if (verdict == SAS_OK)
        call->proof = PROOF_SAS;
    return sas_error(call, verdict, kind);
}

/* Least of the two first: what is public for whole containers is public for their blobs, too. */
static bool access_suffices(char given, char needed)
{
    return needed != 0 && (given == 'c' || given == needed);
}

static enum azure_error check_public(struct call *call, const struct store_name *name, char needed)
{
    struct store_container container = {.etag = 0};
    enum azure_error error = store_get_container(call->store, name, &container);
    bool suffices;

    if (error == AZURE_ContainerNotFound)
        return AZURE_ResourceNotFound;
    if (error)
        return error;
    suffices = access_suffices(container.public_access, needed);
    store_container_done(&container);
    return suffices ? AZURE_OK : AZURE_ResourceNotFound;
}

static bool scheme_is(struct slice authorization, const char *scheme)
{
    size_t len = strlen(scheme);

    return authorization.len > len && authorization.bytes[len] == ' ' && strncasecmp(authorization.bytes, scheme, len) == 0;
}

enum azure_error auth_check(struct call *call, const struct auth_need *need)
{
    const struct account *account = accounts_find(call->accounts, call->target.account);
    struct slice authorization;

    if (!account)
        return call_refuse(call, AZURE_InvalidHost, "The account is %s.", call->target.account);
    if (call_field(call, "Authorization", &authorization)) {
        if (scheme_is(authorization, "Bearer"))
            return call_refuse(call, AZURE_AuthenticationFailed, "The embedded store cannot verify tokens; a bearer token %s",
                               unverifiable);
        return check_shared_key(call, authorization, account);
    }
    if (sas_kind(call->target.query) != SAS_NONE)
        return check_sas(call, account, need);
    if (need->public_access == 0)
        return AZURE_NoAuthenticationInformation;
    return check_public(call, &call->name, need->public_access);
}

enum azure_error auth_check_source(struct call *call, const struct store_name *source, struct slice query)
{
    const struct account *account = accounts_find(call->accounts, source->account);
    struct sas_request request = {.account = source->account,
                                  .container = source->container,
                                  .blob = source->blob,
                                  .query = query,
                                  .is_https = true,
                                  .need = {.permissions = "r", .resource = 'o'}};

    if (!account)
        return AZURE_CopySourceTooFar;
    if (sas_kind(query) != SAS_NONE) {
        if (sas_verify(&request, account, call->now_us) == SAS_OK)
            return AZURE_OK;
        return call_refuse(call, AZURE_CopySourceForbidden, "The SAS of the source does not let it be read.");
    }
    if (call->proof == PROOF_KEY && strcmp(source->account, call->target.account) == 0)
        return AZURE_OK;
    if (check_public(call, source, 'b') == AZURE_OK)
        return AZURE_OK;
    return call_refuse(call, AZURE_CannotVerifyCopySource, "The source is not public and its URL carries no SAS.");
}
