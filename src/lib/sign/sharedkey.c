/* SPDX-License-Identifier: MIT */
/* SharedKey and SharedKeyLite: composing the string to sign, signing it, and verifying what a client signed. */
#include "sharedkey.h"

#include "../azure/target.h"
#include "../clock.h"
#include "../log.h"
#include "signtext.h"

#include <errno.h>
#include <nettle/base64.h>
#include <nettle/hmac.h>
#include <string.h>
#include <strings.h>

/* Documented requests have fewer than 20; what has more is refused instead of sorted. */
#define QUERY_PARAMETERS_MAX 128

/* A head's worth of fields and a path that may be signed with an account in front. */
#define TEXT_BYTES_MAX (2u * LIMIT_HEAD_BYTES)

/* Of one line in the log; longer ones are cut. */
#define REDACTED_LINE_BYTES 2048u

/* One allocation serves the usual request. */
#define TEXT_BYTES_USUAL 1024u

struct reading {
    enum sharedkey_scheme scheme;
    enum sharedkey_order order;
    enum signtext_plus plus;
};

struct parameter {
    struct slice name, value;
};

struct parameters {
    struct parameter rows[QUERY_PARAMETERS_MAX];
    size_t count;
    enum signtext_plus plus;
};

static unsigned char ascii_lower(char c)
{
    return (unsigned char)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
}

/* Place of a character in the culture's order; 0 for the two that count only when all else is equal. */
static unsigned culture_weight(char c)
{
    static const char punctuation[] = "!#$%&*.^_`|~+"; /* what a field name may hold, as en-US sorts it: before digits */
    const char *found;

    if (c == '-' || c == '\'')
        return 0;
    if (c >= '0' && c <= '9')
        return 32u + (unsigned)(c - '0');
    c = (char)ascii_lower(c);
    if (c >= 'a' && c <= 'z')
        return 64u + (unsigned)(c - 'a');
    found = memchr(punctuation, c, sizeof(punctuation) - 1);
    return found ? 1u + (unsigned)(found - punctuation) : 128u + (unsigned char)c;
}

/* Weight of the next character that counts; 0 at the end. */
static unsigned culture_next(struct slice *rest)
{
    while (rest->len > 0) {
        unsigned weight = culture_weight(*rest->bytes);

        rest->bytes++;
        rest->len--;
        if (weight > 0)
            return weight;
    }
    return 0;
}

static int culture_ignorable_rank(struct slice name, size_t i)
{
    if (i >= name.len)
        return 0;
    return name.bytes[i] == '-' ? 2 : name.bytes[i] == '\'' ? 1 : 0;
}

int sharedkey_compare_names(struct slice a, struct slice b)
{
    struct slice rest_a = a, rest_b = b;
    unsigned weight_a, weight_b;

    do {
        weight_a = culture_next(&rest_a);
        weight_b = culture_next(&rest_b);
        if (weight_a != weight_b)
            return weight_a < weight_b ? -1 : 1;
    } while (weight_a > 0);
    /* Equal but for '-' and '\'': the name where one comes earlier is the later name, and '\'' goes before '-'. */
    for (size_t i = 0; i < a.len || i < b.len; i++) {
        int difference = culture_ignorable_rank(a, i) - culture_ignorable_rank(b, i);

        if (difference != 0)
            return difference < 0 ? -1 : 1;
    }
    return 0;
}

static int compare_bytes_nocase(struct slice a, struct slice b)
{
    int r = strncasecmp(a.bytes, b.bytes, a.len < b.len ? a.len : b.len);

    return r != 0 ? r : (a.len > b.len) - (a.len < b.len);
}

static int compare_decoded(struct slice a, struct slice b, enum signtext_plus plus, bool is_any_case)
{
    while (a.len > 0 && b.len > 0) {
        int byte_a = signtext_next_byte(&a, plus);
        int byte_b = signtext_next_byte(&b, plus);

        if (is_any_case && byte_a >= 0 && byte_b >= 0) {
            byte_a = ascii_lower((char)byte_a);
            byte_b = ascii_lower((char)byte_b);
        }
        if (byte_a != byte_b)
            return byte_a < byte_b ? -1 : 1;
    }
    return (a.len > 0) - (b.len > 0);
}

struct field_sort {
    const struct head *head;
    enum sharedkey_order order;
};

static int compare_fields(const void *left, const void *right, void *arg)
{
    const struct field_sort *sort = arg;
    uint16_t l = *(const uint16_t *)left, r = *(const uint16_t *)right;
    struct slice a = sort->head->fields[l].name, b = sort->head->fields[r].name;
    int result = sort->order == SHAREDKEY_ORDER_CULTURE ? sharedkey_compare_names(a, b) : compare_bytes_nocase(a, b);

    return result != 0 ? result : (l > r) - (l < r);
}

static int put_lower(struct buf *text, struct slice bytes)
{
    int r = buf_reserve(text, bytes.len);

    if (r < 0)
        return r;
    for (size_t i = 0; i < bytes.len; i++)
        text->bytes[text->len++] = (char)ascii_lower(bytes.bytes[i]);
    text->bytes[text->len] = '\0';
    return 0;
}

static int put_field_value(struct buf *text, const struct head *head, const char *name)
{
    struct slice value = head_value(head, name);

    (void)buf_append(text, value.bytes ? value.bytes : "", value.len);
    return buf_append(text, "\n", 1);
}

/* Nothing for a length of 0, but "0" in the versions before 2015-02-21. */
static int put_content_length(struct buf *text, const struct head *head)
{
    struct slice value = head_value(head, "Content-Length");
    struct slice version = head_value(head, "x-ms-version");
    bool is_old = version.len == 10 && memcmp(version.bytes, "2015-02-21", 10) < 0;

    if (!is_old && value.len == 1 && value.bytes[0] == '0')
        return buf_append(text, "\n", 1);
    return put_field_value(text, head, "Content-Length");
}

static void put_date(struct buf *text, const struct head *head)
{
    if (head_find(head, "x-ms-date"))
        (void)buf_append(text, "\n", 1);
    else
        (void)put_field_value(text, head, "Date");
}

static void put_lite_fields(struct buf *text, const struct head *head)
{
    (void)buf_append(text, head->method.bytes, head->method.len);
    (void)buf_append(text, "\n", 1);
    (void)put_field_value(text, head, "Content-MD5");
    (void)put_field_value(text, head, "Content-Type");
    put_date(text, head);
}

static void put_standard_fields(struct buf *text, const struct head *head)
{
    static const char *const conditions[] = {"If-Modified-Since", "If-Match", "If-None-Match", "If-Unmodified-Since", "Range"};

    (void)buf_append(text, head->method.bytes, head->method.len);
    (void)buf_append(text, "\n", 1);
    (void)put_field_value(text, head, "Content-Encoding");
    (void)put_field_value(text, head, "Content-Language");
    (void)put_content_length(text, head);
    (void)put_field_value(text, head, "Content-MD5");
    (void)put_field_value(text, head, "Content-Type");
    put_date(text, head);
    for (size_t i = 0; i < sizeof(conditions) / sizeof(conditions[0]); i++)
        (void)put_field_value(text, head, conditions[i]);
}

static size_t collect_ms_fields(const struct head *head, uint16_t indices[LIMIT_HEAD_FIELDS])
{
    size_t count = 0;

    for (uint16_t i = 0; i < head->field_count; i++) {
        struct slice name = head->fields[i].name;

        if (name.len >= 5 && strncasecmp(name.bytes, "x-ms-", 5) == 0)
            indices[count++] = i;
    }
    return count;
}

/* Repeats of a field become one line, as HTTP lets any hop combine them. */
static void put_ms_fields(struct buf *text, const struct head *head, enum sharedkey_order order)
{
    struct field_sort sort = {head, order};
    uint16_t indices[LIMIT_HEAD_FIELDS];
    size_t count = collect_ms_fields(head, indices);

    qsort_r(indices, count, sizeof(indices[0]), compare_fields, &sort);
    for (size_t i = 0; i < count; i++) {
        const struct head_field *field = &head->fields[indices[i]];
        bool is_repeat = i > 0 && slice_equal_nocase(field->name, head->fields[indices[i - 1]].name);

        if (i > 0 && !is_repeat)
            (void)buf_append(text, "\n", 1);
        if (!is_repeat)
            (void)put_lower(text, field->name);
        (void)buf_append(text, is_repeat ? "," : ":", 1);
        (void)buf_append(text, field->value.bytes, field->value.len);
    }
    if (count > 0)
        (void)buf_append(text, "\n", 1);
}

static int compare_parameters(const void *left, const void *right, void *arg)
{
    const struct parameters *parameters = arg;
    const struct parameter *a = &parameters->rows[*(const uint8_t *)left];
    const struct parameter *b = &parameters->rows[*(const uint8_t *)right];
    int r = compare_decoded(a->name, b->name, SIGNTEXT_PLUS_LITERAL, true);

    return r != 0 ? r : compare_decoded(a->value, b->value, parameters->plus, false);
}

static int put_parameter_name(struct buf *text, struct slice name)
{
    size_t start = text->len;
    int r = signtext_put_decoded(text, name, SIGNTEXT_PLUS_LITERAL);

    for (size_t i = start; i < text->len; i++)
        text->bytes[i] = (char)ascii_lower(text->bytes[i]);
    return r;
}

static int put_query(struct buf *text, struct slice query, enum signtext_plus plus)
{
    struct parameters parameters;
    uint8_t indices[QUERY_PARAMETERS_MAX];
    struct parameter row;
    int r = 0;

    parameters.count = 0;
    parameters.plus = plus;
    while (target_next_query(&query, &row.name, &row.value)) {
        if (parameters.count == QUERY_PARAMETERS_MAX)
            return -ENOBUFS;
        indices[parameters.count] = (uint8_t)parameters.count;
        parameters.rows[parameters.count++] = row;
    }
    qsort_r(indices, parameters.count, sizeof(indices[0]), compare_parameters, &parameters);
    for (size_t i = 0; i < parameters.count && r == 0; i++) {
        const struct parameter *now = &parameters.rows[indices[i]];
        const struct parameter *before = i > 0 ? &parameters.rows[indices[i - 1]] : NULL;

        if (before && compare_decoded(now->name, before->name, SIGNTEXT_PLUS_LITERAL, true) == 0) {
            (void)buf_append(text, ",", 1);
        } else {
            (void)buf_append(text, "\n", 1);
            r = put_parameter_name(text, now->name);
            (void)buf_append(text, ":", 1);
        }
        if (r == 0)
            r = signtext_put_decoded(text, now->value, plus);
    }
    return r;
}

/* Of the query SharedKeyLite signs comp alone. */
static int put_comp(struct buf *text, struct slice query, enum signtext_plus plus)
{
    struct slice comp = target_query(query, "comp");

    if (!comp.bytes)
        return 0;
    (void)buf_puts(text, "?comp=");
    return signtext_put_decoded(text, comp, plus);
}

static int compose(const struct sharedkey_request *request, struct slice path, struct reading reading, struct buf *text)
{
    int r;

    buf_clear(text);
    (void)buf_reserve(text, TEXT_BYTES_USUAL);
    if (reading.scheme == SHAREDKEY_LITE)
        put_lite_fields(text, request->head);
    else
        put_standard_fields(text, request->head);
    put_ms_fields(text, request->head, reading.order);
    (void)buf_append(text, "/", 1);
    (void)buf_puts(text, request->account);
    (void)buf_append(text, path.len > 0 ? path.bytes : "/", path.len > 0 ? path.len : 1);
    if (request->query.len > 0) {
        r = reading.scheme == SHAREDKEY_LITE ? put_comp(text, request->query, reading.plus)
                                             : put_query(text, request->query, reading.plus);
        if (r < 0)
            return r;
    }
    return text->failed;
}

int sharedkey_string_to_sign(const struct sharedkey_request *request, enum sharedkey_order order, struct buf *ret_text)
{
    return compose(request, request->path, (struct reading){SHAREDKEY_FULL, order, SIGNTEXT_PLUS_BLANK}, ret_text);
}

void sharedkey_sign(const struct account_key *key, const char *text, size_t len, char signature[SHAREDKEY_SIGNATURE_BYTES])
{
    struct hmac_sha256_ctx hmac;
    uint8_t digest[SHA256_DIGEST_SIZE];

    hmac_sha256_set_key(&hmac, key->len, key->bytes);
    hmac_sha256_update(&hmac, len, (const uint8_t *)text);
    hmac_sha256_digest(&hmac, sizeof(digest), digest);
    base64_encode_raw(signature, sizeof(digest), digest);
    signature[SHAREDKEY_SIGNATURE_BYTES - 1] = '\0';
    explicit_bzero(&hmac, sizeof(hmac));
    explicit_bzero(digest, sizeof(digest));
}

static size_t scheme_span(struct slice value, const char *scheme)
{
    size_t len = strlen(scheme);

    return value.len > len && strncasecmp(value.bytes, scheme, len) == 0 ? len : 0;
}

int sharedkey_parse(struct slice value, enum sharedkey_scheme *ret_scheme, struct slice *ret_account, struct slice *ret_signature)
{
    size_t full = scheme_span(value, "SharedKey "), lite = scheme_span(value, "SharedKeyLite ");
    struct slice rest;
    const char *colon;

    if (full + lite == 0)
        return -EINVAL;
    rest = (struct slice){value.bytes + full + lite, value.len - full - lite};
    while (rest.len > 0 && *rest.bytes == ' ')
        rest = (struct slice){rest.bytes + 1, rest.len - 1};
    colon = rest.len > 0 ? memchr(rest.bytes, ':', rest.len) : NULL;
    if (!colon || colon == rest.bytes || colon + 1 == rest.bytes + rest.len)
        return -EINVAL;
    *ret_scheme = lite > 0 ? SHAREDKEY_LITE : SHAREDKEY_FULL;
    *ret_account = (struct slice){rest.bytes, (size_t)(colon - rest.bytes)};
    *ret_signature = (struct slice){colon + 1, rest.len - ret_account->len - 1};
    return 0;
}

static int read_date(const struct head *head, int64_t *ret_wall_us)
{
    struct slice value = head_value(head, "x-ms-date");
    char text[64];

    if (!value.bytes)
        value = head_value(head, "Date");
    if (value.len == 0 || value.len >= sizeof(text))
        return -EINVAL;
    memcpy(text, value.bytes, value.len);
    text[value.len] = '\0';
    return clock_parse_http(text, ret_wall_us);
}

/* What the client claims in Authorization. */
struct claim {
    enum sharedkey_scheme scheme;
    struct slice account, signature;
};

/* One path of the resource in both orders and both readings of '+', the likelier first. */
static bool path_matches(const struct sharedkey_request *request, struct slice path, const struct account *account,
                         const struct claim *claim, struct buf *text)
{
    static const struct {
        enum sharedkey_order order;
        enum signtext_plus plus;
    } readings[] = {
        {SHAREDKEY_ORDER_CULTURE, SIGNTEXT_PLUS_BLANK},
        {SHAREDKEY_ORDER_BYTES, SIGNTEXT_PLUS_BLANK},
        {SHAREDKEY_ORDER_CULTURE, SIGNTEXT_PLUS_LITERAL},
        {SHAREDKEY_ORDER_BYTES, SIGNTEXT_PLUS_LITERAL},
    };
    bool has_plus = request->query.len > 0 && memchr(request->query.bytes, '+', request->query.len);

    for (size_t i = 0; i < (has_plus ? 4u : 2u); i++) {
        struct reading reading = {claim->scheme, readings[i].order, readings[i].plus};

        if (compose(request, path, reading, text) == 0 && signtext_matches(account, text, claim->signature))
            return true;
    }
    return false;
}

enum sharedkey_verdict sharedkey_verify(const struct sharedkey_request *request, struct slice alternative_path,
                                        const struct account *account, int64_t wall_us)
{
    const int64_t skew_us = (int64_t)LIMIT_SIGNATURE_SKEW_S * 1000000;
    struct slice authorization = head_value(request->head, "Authorization");
    struct claim claim;
    struct buf text CLEANUP(buf_free);
    int64_t date_us;
    bool is_match;

    buf_init(&text, TEXT_BYTES_MAX);
    if (sharedkey_parse(authorization, &claim.scheme, &claim.account, &claim.signature) < 0 ||
        read_date(request->head, &date_us) < 0)
        return SHAREDKEY_MALFORMED;
    if (date_us < wall_us - skew_us || date_us > wall_us + skew_us)
        return SHAREDKEY_SKEWED;
    if (!account || !slice_equal(claim.account, slice_of(account->name)) || strcmp(request->account, account->name) != 0)
        return SHAREDKEY_MISMATCH;
    is_match = path_matches(request, request->path, account, &claim, &text) ||
               (alternative_path.len > 0 && path_matches(request, alternative_path, account, &claim, &text));
    return is_match ? SHAREDKEY_OK : SHAREDKEY_MISMATCH;
}

/* Signed fields whose value is a secret. */
static size_t secret_span(struct slice line)
{
    static const char *const names[] = {"x-ms-encryption-key:", "x-ms-source-encryption-key:", "x-ms-copy-source-authorization:"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        size_t len = strlen(names[i]);

        if (line.len >= len && memcmp(line.bytes, names[i], len) == 0)
            return len;
    }
    return 0;
}

void sharedkey_redact(const struct buf *text, struct buf *ret_text)
{
    static const char mark[] = "redacted";
    char clean[REDACTED_LINE_BYTES];

    buf_clear(ret_text);
    for (size_t at = 0; at < text->len;) {
        const char *end = memchr(text->bytes + at, '\n', text->len - at);
        struct slice line = {text->bytes + at, end ? (size_t)(end - text->bytes) - at : text->len - at};
        size_t kept = secret_span(line);

        if (kept > 0) {
            (void)buf_append(ret_text, line.bytes, kept);
            (void)buf_puts(ret_text, mark);
        } else if (line.len > 0) {
            log_redact_target(line.bytes, line.len, clean, sizeof(clean)); /* SAS: in URLs of copy sources, beside a SharedKey */
            (void)buf_puts(ret_text, clean);
        }
        if (end)
            (void)buf_append(ret_text, "\n", 1);
        at += line.len + 1;
    }
}
