/* SPDX-License-Identifier: MIT */
/* If-Match and its kin, for the blob itself and for the source of a copy. */
#include "service_condition.h"

#include "service_answer.h"

#include <string.h>

#define SECOND_US 1000000

/* The field names of one side. */
struct names {
    const char *match, *none_match, *modified_since, *unmodified_since, *tags, *lease;
};

static const struct names own_names = {
    "If-Match", "If-None-Match", "If-Modified-Since", "If-Unmodified-Since", "x-ms-if-tags", "x-ms-lease-id",
};
static const struct names source_names = {
    "x-ms-source-if-match", "x-ms-source-if-none-match", "x-ms-source-if-modified-since", "x-ms-source-if-unmodified-since",
    "x-ms-source-if-tags",  "x-ms-source-lease-id",
};

static enum azure_error parse_date(struct call *call, const char *name, bool *ret_has, int64_t *ret_us)
{
    char text[64];
    struct slice value;

    if (!call_field(call, name, &value))
        return AZURE_OK;
    if (value.len >= sizeof(text))
        return call_refuse(call, AZURE_InvalidHeaderValue, "%s is not a date.", name);
    memcpy(text, value.bytes, value.len);
    text[value.len] = '\0';
    if (clock_parse_http(text, ret_us) < 0)
        return call_refuse(call, AZURE_InvalidHeaderValue, "%s is not a date.", name);
    *ret_has = true;
    return AZURE_OK;
}

static enum azure_error parse_lease(struct condition *condition, const char *name)
{
    struct slice value;

    condition->has_lease = call_field(condition->call, name, &value);
    if (condition->has_lease && !lease_id_parse(value, condition->lease_id))
        return call_refuse(condition->call, AZURE_InvalidHeaderValue, "%s is not a GUID.", name);
    return AZURE_OK;
}

enum azure_error condition_parse(struct condition *condition, struct call *call, enum condition_side side)
{
    const struct names *names = side == CONDITION_SOURCE ? &source_names : &own_names;
    enum azure_error error;

    *condition =
        (struct condition){.call = call, .side = side, .must_have_lease = side != CONDITION_READ && side != CONDITION_SOURCE};
    if (head_find(call->head, names->tags))
        return call_refuse(call, AZURE_NotImplemented, "The embedded store evaluates no %s; blobhostd --backend URL does.",
                           names->tags);
    (void)call_field(call, names->match, &condition->match);
    (void)call_field(call, names->none_match, &condition->none_match);
    error = parse_lease(condition, names->lease);
    if (error)
        return error;
    error = parse_date(call, names->modified_since, &condition->has_modified_since, &condition->modified_since_us);
    if (error)
        return error;
    return parse_date(call, names->unmodified_since, &condition->has_unmodified_since, &condition->unmodified_since_us);
}

void condition_waive_lease(struct condition *condition)
{
    condition->must_have_lease = false;
}

void condition_ignore_lease(struct condition *condition)
{
    condition->has_lease = condition->must_have_lease = false;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* Is etag (without quotes) in a list of entity tags? Tags may come unquoted, as the service allows. */
static bool list_has_etag(struct slice list, const char *etag, size_t etag_len)
{
    while (list.len > 0) {
        const char *comma = memchr(list.bytes, ',', list.len);
        size_t len = comma ? (size_t)(comma - list.bytes) : list.len;
        struct slice item = {list.bytes, len};

        list = (struct slice){list.bytes + len + (comma ? 1 : 0), list.len - len - (comma ? 1 : 0)};
        while (item.len > 0 && is_blank(item.bytes[0]))
            item = (struct slice){item.bytes + 1, item.len - 1};
        while (item.len > 0 && is_blank(item.bytes[item.len - 1]))
            item.len--;
        if (item.len >= 2 && item.bytes[0] == '"' && item.bytes[item.len - 1] == '"')
            item = (struct slice){item.bytes + 1, item.len - 2};
        if (slice_equal(item, (struct slice){etag, etag_len}))
            return true;
    }
    return false;
}

/* What is judged. */
struct state {
    bool exists;
    uint64_t etag;
    int64_t modified_us;
};

static bool state_matches(const struct state *state, struct slice list)
{
    char text[ETAG_BYTES];
    size_t len;

    if (!state->exists)
        return false;
    if (slice_equal(list, SLICE("*")))
        return true;
    len = etag_text(state->etag, text);
    return list_has_etag(list, text, len);
}

/* Clients know whole seconds. */
static bool state_is_newer(const struct state *state, int64_t since_us)
{
    return state->modified_us / SECOND_US > since_us / SECOND_US;
}

static enum azure_error failed(const struct condition *condition)
{
    switch (condition->side) {
    case CONDITION_SOURCE:
        return AZURE_SourceConditionNotMet;
    case CONDITION_TARGET:
        return AZURE_TargetConditionNotMet;
    default:
        return AZURE_ConditionNotMet;
    }
}

/* "If-None-Match" and "If-Modified-Since" mean "not changed" to a reader. */
static enum azure_error failed_as_unchanged(const struct condition *condition)
{
    bool is_creating = condition->side == CONDITION_CREATE || condition->side == CONDITION_TARGET;

    if (condition->side == CONDITION_READ)
        return AZURE_NotModified;
    if (is_creating && slice_equal(condition->none_match, SLICE("*")))
        return AZURE_BlobAlreadyExists;
    return failed(condition);
}

static enum azure_error judge(const struct condition *condition, const struct state *state)
{
    if (condition->match.bytes) {
        if (!state_matches(state, condition->match))
            return failed(condition);
    } else if (condition->has_unmodified_since && state->exists && state_is_newer(state, condition->unmodified_since_us)) {
        return failed(condition);
    }
    if (condition->none_match.bytes) {
        if (state_matches(state, condition->none_match))
            return failed_as_unchanged(condition);
    } else if (condition->has_modified_since && state->exists && !state_is_newer(state, condition->modified_since_us)) {
        return failed_as_unchanged(condition);
    }
    return AZURE_OK;
}

/* The lease is NULL when there is nothing that could have one. */
static enum lease_verdict judge_lease(const struct condition *condition, const struct lease *lease)
{
    const char *id = condition->has_lease ? condition->lease_id : NULL;

    if (!lease)
        return id ? LEASE_IS_NONE : LEASE_FITS;
    return lease_judge(lease, condition->call->now_us, id, condition->must_have_lease);
}

enum azure_error condition_check_blob(const struct condition *condition, const struct store_blob *blob)
{
    static const enum azure_error lease_errors[] = {[LEASE_FITS] = AZURE_OK,
                                                    [LEASE_IS_MISSING] = AZURE_LeaseIdMissing,
                                                    [LEASE_IS_OTHER] = AZURE_LeaseIdMismatchWithBlobOperation,
                                                    [LEASE_IS_LOST] = AZURE_LeaseLost,
                                                    [LEASE_IS_NONE] = AZURE_LeaseNotPresentWithBlobOperation};
    struct state state = {.exists = blob != NULL};
    enum azure_error error;

    if (blob) {
        state.etag = blob->etag;
        state.modified_us = blob->modified_us;
        if (condition->side == CONDITION_READ) {
            condition->call->has_seen_blob = true;
            condition->call->seen_etag = blob->etag;
            condition->call->seen_bytes = blob->length;
        }
    }
    error = lease_errors[judge_lease(condition, blob ? &blob->lease : NULL)];
    return error ? error : judge(condition, &state);
}

enum azure_error condition_check_container(const struct condition *condition, const struct store_container *container)
{
    static const enum azure_error lease_errors[] = {[LEASE_FITS] = AZURE_OK,
                                                    [LEASE_IS_MISSING] = AZURE_LeaseIdMissing,
                                                    [LEASE_IS_OTHER] = AZURE_LeaseIdMismatchWithContainerOperation,
                                                    [LEASE_IS_LOST] = AZURE_LeaseLost,
                                                    [LEASE_IS_NONE] = AZURE_LeaseNotPresentWithContainerOperation};
    struct state state = {.exists = container != NULL};
    enum azure_error error = lease_errors[judge_lease(condition, container ? &container->lease : NULL)];

    if (error)
        return error;
    if (container) {
        state.etag = container->etag;
        state.modified_us = container->modified_us;
    }
    return judge(condition, &state);
}

enum azure_error condition_blob_guard(void *arg, const struct store_blob *current)
{
    const struct condition *condition = arg;
    enum azure_error error = condition_check_blob(condition, current);

    if (error == AZURE_OK && current && condition->call->is_create_only && condition->side != CONDITION_SOURCE)
        return AZURE_UnauthorizedBlobOverwrite;
    return error;
}

enum azure_error condition_container_guard(void *arg, const struct store_container *current)
{
    return condition_check_container(arg, current);
}
