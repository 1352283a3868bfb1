/* SPDX-License-Identifier: MIT */
/* Shared access signatures: reading the query, composing the string to sign, and judging what the token allows. */
#include "sas.h"

#include "../azure/target.h"
#include "../clock.h"
#include "signtext.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* Canonical name and response overrides come from one target. */
#define TEXT_BYTES_MAX (2u * LIMIT_HEAD_BYTES)

/* Longest of the fields that are looked at: two IPv4 addresses, or a time with seven digits and an offset. */
#define FIELD_TEXT_BYTES 64

enum field {
    FIELD_SV,
    FIELD_SS,
    FIELD_SRT,
    FIELD_SP,
    FIELD_ST,
    FIELD_SE,
    FIELD_SIP,
    FIELD_SPR,
    FIELD_SR,
    FIELD_SDD,
    FIELD_LOOKED_AT, /* the ones above are decoded; those below are only signed */
    FIELD_SI = FIELD_LOOKED_AT,
    FIELD_SES,
    FIELD_SNAPSHOT,
    FIELD_VERSIONID,
    FIELD_RSCC,
    FIELD_RSCD,
    FIELD_RSCE,
    FIELD_RSCL,
    FIELD_RSCT,
    FIELD_SIG,
    FIELD_COUNT
};

static const char *const field_names[FIELD_COUNT] = {
    [FIELD_SV] = "sv",
    [FIELD_SS] = "ss",
    [FIELD_SRT] = "srt",
    [FIELD_SP] = "sp",
    [FIELD_ST] = "st",
    [FIELD_SE] = "se",
    [FIELD_SIP] = "sip",
    [FIELD_SPR] = "spr",
    [FIELD_SR] = "sr",
    [FIELD_SDD] = "sdd",
    [FIELD_SI] = "si",
    [FIELD_SES] = "ses",
    [FIELD_RSCC] = "rscc",
    [FIELD_RSCD] = "rscd",
    [FIELD_RSCE] = "rsce",
    [FIELD_RSCL] = "rscl",
    [FIELD_RSCT] = "rsct",
    [FIELD_SIG] = "sig",
    [FIELD_SNAPSHOT] = "snapshot",
    [FIELD_VERSIONID] = "versionid",
};

/* What a token says, in three steps: as sent, decoded, understood. */
struct token {
    enum sas_kind kind;
    struct slice raw[FIELD_COUNT];
    char text[FIELD_LOOKED_AT][FIELD_TEXT_BYTES];
    int64_t start_us, expiry_us; /* start: INT64_MIN when absent */
    size_t blob_len;             /* service SAS: how much of the blob's name is signed */
};

enum sas_kind sas_kind(struct slice query)
{
    if (!target_query(query, "sig").bytes)
        return SAS_NONE;
    if (target_query(query, "skoid").bytes)
        return SAS_USER_DELEGATION;
    return target_query(query, "ss").bytes || target_query(query, "srt").bytes ? SAS_ACCOUNT : SAS_SERVICE;
}

static bool has(const struct token *token, enum field field)
{
    return token->raw[field].len > 0;
}

static bool is(const struct token *token, enum field field, const char *word)
{
    return strcmp(token->text[field], word) == 0;
}

/* Versions are dates in ISO form: their text orders them. */
static bool is_since(const struct token *token, const char *version)
{
    return strcmp(token->text[FIELD_SV], version) >= 0;
}

static bool version_is_valid(const char *version)
{
    static const char form[] = "dddd-dd-dd";

    for (size_t i = 0; i < sizeof(form); i++) {
        bool is_digit = version[i] >= '0' && version[i] <= '9';

        if (form[i] == 'd' ? !is_digit : version[i] != form[i])
            return false;
    }
    return true;
}

static int read_time(const struct token *token, enum field field, int64_t *ret_wall_us)
{
    return clock_parse_iso(token->text[field], strlen(token->text[field]), ret_wall_us);
}

static int read_fields(struct slice query, struct token *token)
{
    for (size_t i = 0; i < FIELD_COUNT; i++)
        token->raw[i] = target_query(query, field_names[i]);
    for (size_t i = 0; i < FIELD_LOOKED_AT; i++) {
        if (target_decode(token->raw[i], token->text[i], sizeof(token->text[i])) < 0)
            return -EBADMSG;
        if (strchr(token->text[i], '\n')) /* it would pass for two fields in the string to sign */
            return -EBADMSG;
    }
    return 0;
}

/* The first sdd segments of the name; -EBADMSG when sdd is no count, or the name has fewer. */
static int signed_directory(const struct token *token, const char *blob, size_t *ret_len)
{
    char *end = NULL;
    unsigned long depth = strtoul(token->text[FIELD_SDD], &end, 10);
    size_t len = 0;

    if (token->text[FIELD_SDD][0] < '0' || token->text[FIELD_SDD][0] > '9' || *end || depth == 0 || depth > LIMIT_BLOB_NAME_CHARS)
        return -EBADMSG;
    for (; depth > 0; depth--) {
        if (blob[len] == '\0')
            return -EBADMSG;
        len += strcspn(blob + len, "/");
        if (depth > 1 && blob[len] == '/')
            len++;
    }
    *ret_len = len;
    return 0;
}

/* Which part of the request's name the service SAS names; SAS_RESOURCE when it cannot be the one requested. */
static enum sas_verdict read_service_resource(const struct sas_request *request, struct token *token)
{
    bool is_blob = request->blob[0] != '\0';

    /* A '/' in the container would read as container and blob in the string to sign. */
    if (request->container[0] == '\0' || strchr(request->container, '/'))
        return SAS_RESOURCE;
    token->blob_len = strlen(request->blob);
    if (is(token, FIELD_SR, "c")) {
        token->blob_len = 0;
        return SAS_OK;
    }
    if (is(token, FIELD_SR, "b"))
        return is_blob ? SAS_OK : SAS_RESOURCE;
    /* Before these versions sr was not signed, or did not know the word: a client could widen its own token. */
    if (!is_since(token, is(token, FIELD_SR, "d") ? "2020-02-10" : "2018-11-09"))
        return SAS_MALFORMED;
    if (is(token, FIELD_SR, "bs"))
        return is_blob && has(token, FIELD_SNAPSHOT) ? SAS_OK : SAS_RESOURCE;
    if (is(token, FIELD_SR, "bv"))
        return is_blob && has(token, FIELD_VERSIONID) ? SAS_OK : SAS_RESOURCE;
    if (!is(token, FIELD_SR, "d") || !has(token, FIELD_SDD))
        return SAS_MALFORMED;
    return signed_directory(token, request->blob, &token->blob_len) < 0 ? SAS_RESOURCE : SAS_OK;
}

static enum sas_verdict read_token(const struct sas_request *request, struct token *token)
{
    token->kind = sas_kind(request->query);
    if (token->kind == SAS_USER_DELEGATION)
        return SAS_UNSUPPORTED;
    if (token->kind == SAS_NONE || read_fields(request->query, token) < 0 || !version_is_valid(token->text[FIELD_SV]))
        return SAS_MALFORMED;
    if (has(token, FIELD_SI) || !is_since(token, "2015-04-05"))
        return SAS_UNSUPPORTED;
    if (!has(token, FIELD_SP) || !has(token, FIELD_SE) || !has(token, FIELD_SIG))
        return SAS_MALFORMED;
    if (has(token, FIELD_SPR) && !is(token, FIELD_SPR, "https") && !is(token, FIELD_SPR, "https,http") &&
        !is(token, FIELD_SPR, "http,https"))
        return SAS_MALFORMED;
    token->start_us = INT64_MIN;
    if (read_time(token, FIELD_SE, &token->expiry_us) < 0)
        return SAS_MALFORMED;
    if (has(token, FIELD_ST) && read_time(token, FIELD_ST, &token->start_us) < 0)
        return SAS_MALFORMED;
    if (token->kind == SAS_ACCOUNT)
        return has(token, FIELD_SS) && has(token, FIELD_SRT) ? SAS_OK : SAS_MALFORMED;
    return read_service_resource(request, token);
}

static int put_fields(struct buf *text, const struct token *token, const enum field *fields, size_t count,
                      enum signtext_plus plus)
{
    for (size_t i = 0; i < count; i++) {
        int r = signtext_put_decoded(text, token->raw[fields[i]], plus);

        if (r < 0)
            return r;
        (void)buf_append(text, "\n", 1);
    }
    return text->failed;
}

#define PUT(text, token, plus, ...)                                                                                              \
    put_fields(text, token, (const enum field[]){__VA_ARGS__}, sizeof((enum field[]){__VA_ARGS__}) / sizeof(enum field), plus)

static int put_account_text(struct buf *text, const struct sas_request *request, const struct token *token,
                            enum signtext_plus plus)
{
    int r;

    (void)buf_printf(text, "%s\n", request->account);
    r = PUT(text, token, plus, FIELD_SP, FIELD_SS, FIELD_SRT, FIELD_ST, FIELD_SE, FIELD_SIP, FIELD_SPR, FIELD_SV);
    if (r == 0 && is_since(token, "2020-12-06"))
        r = PUT(text, token, plus, FIELD_SES);
    return r;
}

static int put_service_text(struct buf *text, const struct sas_request *request, const struct token *token,
                            enum signtext_plus plus)
{
    int r = PUT(text, token, plus, FIELD_SP, FIELD_ST, FIELD_SE);

    (void)buf_printf(text, "/blob/%s/%s", request->account, request->container);
    if (token->blob_len > 0) {
        (void)buf_append(text, "/", 1);
        (void)buf_append(text, request->blob, token->blob_len);
    }
    (void)buf_append(text, "\n", 1);
    if (r == 0)
        r = PUT(text, token, plus, FIELD_SI, FIELD_SIP, FIELD_SPR, FIELD_SV);
    if (r == 0 && is_since(token, "2018-11-09")) {
        r = PUT(text, token, plus, FIELD_SR);
        if (r == 0 && is(token, FIELD_SR, "bs"))
            r = signtext_put_decoded(text, token->raw[FIELD_SNAPSHOT], plus);
        if (r == 0 && is(token, FIELD_SR, "bv"))
            r = signtext_put_decoded(text, token->raw[FIELD_VERSIONID], plus);
        (void)buf_append(text, "\n", 1);
    }
    if (r == 0 && is_since(token, "2020-12-06"))
        r = PUT(text, token, plus, FIELD_SES);
    if (r == 0)
        r = PUT(text, token, plus, FIELD_RSCC, FIELD_RSCD, FIELD_RSCE, FIELD_RSCL, FIELD_RSCT);
    if (r == 0)
        text->len--; /* the last field has no newline behind it */
    return r;
}

/* A '+' that a form decoder turned into a blank on its way is a '+' again: base64 has no blanks. */
static ssize_t read_signature(const struct token *token, char *signature, size_t signature_bytes)
{
    ssize_t len = target_decode(token->raw[FIELD_SIG], signature, signature_bytes);

    for (ssize_t i = 0; i < len; i++)
        if (signature[i] == ' ')
            signature[i] = '+';
    return len;
}

static bool signature_matches(const struct sas_request *request, const struct token *token, const struct account *account)
{
    static const enum signtext_plus pluses[] = {SIGNTEXT_PLUS_LITERAL, SIGNTEXT_PLUS_BLANK};
    bool has_plus = memchr(request->query.bytes, '+', request->query.len);
    struct buf text CLEANUP(buf_free);
    char signature[FIELD_TEXT_BYTES];
    ssize_t len = read_signature(token, signature, sizeof(signature));

    buf_init(&text, TEXT_BYTES_MAX);
    for (size_t i = 0; len > 0 && i < (has_plus ? 2u : 1u); i++) {
        int r;

        buf_clear(&text);
        r = token->kind == SAS_ACCOUNT ? put_account_text(&text, request, token, pluses[i])
                                       : put_service_text(&text, request, token, pluses[i]);
        if (r == 0 && text.failed == 0 && signtext_matches(account, &text, (struct slice){signature, (size_t)len}))
            return true;
    }
    return false;
}

static int parse_ipv4(const char *text, uint32_t *ret_address)
{
    struct in_addr address;

    if (inet_pton(AF_INET, text, &address) != 1)
        return -EINVAL;
    *ret_address = ntohl(address.s_addr);
    return 0;
}

/* "address" or "first-last", IPv4; a single IPv6 address has is_v6. */
struct source_range {
    bool is_v6, is_v6_loopback;
    uint32_t first, last;
};

static int read_source_range(const char *sip, struct source_range *ret_range)
{
    char text[FIELD_TEXT_BYTES];
    struct in6_addr v6;
    char *dash;

    snprintf(text, sizeof(text), "%s", sip);
    if (inet_pton(AF_INET6, text, &v6) == 1) {
        *ret_range = (struct source_range){.is_v6 = true, .is_v6_loopback = IN6_IS_ADDR_LOOPBACK(&v6)};
        return 0;
    }
    *ret_range = (struct source_range){.is_v6 = false};
    dash = strchr(text, '-');
    if (dash)
        *dash++ = '\0';
    if (parse_ipv4(text, &ret_range->first) < 0 || parse_ipv4(dash ? dash : text, &ret_range->last) < 0)
        return -EINVAL;
    return ret_range->first > ret_range->last ? -EINVAL : 0;
}

/* The client's address is always one of the loopback. */
static enum sas_verdict judge_source_ip(const struct token *token)
{
    struct source_range range;
    bool has_loopback;

    if (read_source_range(token->text[FIELD_SIP], &range) < 0)
        return SAS_MALFORMED;
    has_loopback = range.is_v6 ? range.is_v6_loopback : range.first <= 0x7fffffff && range.last >= 0x7f000000;
    return has_loopback ? SAS_OK : SAS_SOURCE_IP;
}

static bool is_never_a_source(const struct source_range *range)
{
    static const struct {
        uint32_t first, last;
    } blocks[] = {{0x00000000, 0x00ffffff}, {0x7f000000, 0x7fffffff}, {0xa9fe0000, 0xa9feffff}, {0xe0000000, 0xffffffff}};

    if (range->is_v6)
        return range->is_v6_loopback;
    for (size_t i = 0; i < sizeof(blocks) / sizeof(blocks[0]); i++)
        if (range->first >= blocks[i].first && range->last <= blocks[i].last)
            return true;
    return false;
}

enum sas_verdict sas_judge_way(struct slice query, bool is_protected, bool is_host_local)
{
    struct slice raw_protocol = target_query(query, "spr"), raw_source = target_query(query, "sip");
    char protocol[FIELD_TEXT_BYTES], source[FIELD_TEXT_BYTES];
    struct source_range range;

    if (sas_kind(query) == SAS_NONE)
        return SAS_OK;
    if (!is_protected && raw_protocol.len > 0 &&
        (target_decode(raw_protocol, protocol, sizeof(protocol)) < 0 || strcasecmp(protocol, "https") == 0))
        return SAS_PROTOCOL;
    if (raw_source.len == 0)
        return SAS_OK;
    if (target_decode(raw_source, source, sizeof(source)) < 0 || read_source_range(source, &range) < 0)
        return SAS_SOURCE_IP;
    return !is_host_local && is_never_a_source(&range) ? SAS_SOURCE_IP : SAS_OK;
}

bool sas_signs_request(struct slice query)
{
    return sas_kind(query) != SAS_NONE && (target_query(query, "srh").len > 0 || target_query(query, "srq").len > 0);
}

bool sas_is_create_only(struct slice query)
{
    struct slice raw = target_query(query, "sp");
    char letters[FIELD_TEXT_BYTES];

    return sas_kind(query) != SAS_NONE && raw.len > 0 && target_decode(raw, letters, sizeof(letters)) > 0 &&
           !strchr(letters, 'w');
}

static bool any_letter(const char *granted, const char *wanted)
{
    return strpbrk(granted, wanted) != NULL;
}

static enum sas_verdict judge_account_rights(const struct sas_need *need, const struct token *token)
{
    char only[2] = {need->account_permission, '\0'};

    if (!strchr(token->text[FIELD_SS], 'b') || need->resource == '\0')
        return SAS_RESOURCE;
    if (need->resource == SAS_ANY_RESOURCE)
        return SAS_OK;
    if (!strchr(token->text[FIELD_SRT], need->resource))
        return SAS_RESOURCE;
    return any_letter(token->text[FIELD_SP], only[0] ? only : need->permissions) ? SAS_OK : SAS_PERMISSION;
}

static enum sas_verdict judge_service_rights(const struct sas_need *need, const struct token *token)
{
    static const char container_letters[] = "lf";

    if (need->resource == 'o')
        return any_letter(token->text[FIELD_SP], need->permissions) ? SAS_OK : SAS_PERMISSION;
    if (need->resource != 'c' || token->blob_len > 0 || !any_letter(need->permissions, container_letters))
        return SAS_RESOURCE;
    for (const char *letter = container_letters; *letter; letter++)
        if (strchr(need->permissions, *letter) && strchr(token->text[FIELD_SP], *letter))
            return SAS_OK;
    return SAS_PERMISSION;
}

enum sas_verdict sas_verify(const struct sas_request *request, const struct account *account, int64_t wall_us)
{
    struct token token;
    enum sas_verdict verdict = read_token(request, &token);

    if (verdict != SAS_OK)
        return verdict;
    if (!account || strcmp(account->name, request->account) != 0 || !signature_matches(request, &token, account))
        return SAS_MISMATCH;
    if (token.start_us > wall_us)
        return SAS_NOT_YET;
    if (token.expiry_us <= wall_us)
        return SAS_EXPIRED;
    if (is(&token, FIELD_SPR, "https") && !request->is_https)
        return SAS_PROTOCOL;
    if (has(&token, FIELD_SIP)) {
        verdict = judge_source_ip(&token);
        if (verdict != SAS_OK)
            return verdict;
    }
    return token.kind == SAS_ACCOUNT ? judge_account_rights(&request->need, &token)
                                     : judge_service_rights(&request->need, &token);
}
