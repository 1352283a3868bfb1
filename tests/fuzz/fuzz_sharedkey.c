/* SPDX-License-Identifier: MIT */
/* A request head: what it is signed with must verify, in either order, and anything else must not crash. */
#include "../../src/lib/sign/sharedkey.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define DATE "Sat, 31 Jan 2026 08:49:37 GMT"
#define WALL_US 1769849377000000

static void require(bool is_true)
{
    if (!is_true)
        abort();
}

/* Puts the signature of the request into an Authorization field in front, where it is the one that counts. */
static void sign_and_verify(struct head *head, struct sharedkey_request *request, enum sharedkey_order order)
{
    static const struct account account = {.name = "acct", .keys = {[1] = {.bytes = {1, 2, 3}, .len = 3}}};
    char authorization[64] = "SharedKey acct:";
    struct buf text CLEANUP(buf_free);

    buf_init(&text, 2 * LIMIT_HEAD_BYTES);
    if (sharedkey_string_to_sign(request, order, &text) < 0)
        return;
    sharedkey_sign(&account.keys[1], text.bytes, text.len, authorization + strlen(authorization));
    head->fields[0].value = slice_of(authorization);
    require(sharedkey_verify(request, (struct slice){NULL, 0}, &account, WALL_US) == SHAREDKEY_OK);
    head->method = SLICE("");
    require(sharedkey_verify(request, (struct slice){NULL, 0}, &account, WALL_US) == SHAREDKEY_MISMATCH);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sharedkey_request request = {.account = "acct"};
    struct head parsed, head;
    const char *question;
    enum sharedkey_scheme scheme;
    struct slice account, signature;

    (void)!sharedkey_parse((struct slice){(const char *)data, size}, &scheme, &account, &signature);
    if (head_parse_request((const char *)data, size, &parsed) < 0 || parsed.field_count + 2 > LIMIT_HEAD_FIELDS)
        return 0;
    request.head = &head;
    request.path = parsed.target;
    question = memchr(parsed.target.bytes, '?', parsed.target.len);
    if (question) {
        request.path.len = (size_t)(question - parsed.target.bytes);
        request.query = (struct slice){question + 1, parsed.target.len - request.path.len - 1};
    }
    for (int order = SHAREDKEY_ORDER_CULTURE; order <= SHAREDKEY_ORDER_BYTES; order++) {
        head = (struct head){.method = parsed.method, .field_count = (uint16_t)(parsed.field_count + 2)};
        head.fields[0] = (struct head_field){SLICE("Authorization"), SLICE("")};
        head.fields[1] = (struct head_field){SLICE("x-ms-date"), SLICE(DATE)};
        memcpy(head.fields + 2, parsed.fields, parsed.field_count * sizeof(parsed.fields[0]));
        sign_and_verify(&head, &request, (enum sharedkey_order)order);
    }
    return 0;
}
