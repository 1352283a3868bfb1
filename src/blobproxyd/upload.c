/* SPDX-License-Identifier: MIT */
/* A Put Blob that is larger than a slot: Put Block for each slot full while the client still sends, Put Block List at the end.
 *
 * - The list carries the request's properties, metadata, tags, tier, lease and conditions; blocks carry only what they need. So
 * the blob changes once, at the end, under the client's conditions, and a client that goes away leaves nothing committed.
 * - A block list has no MD5 of its content: the body is hashed here, checked against the client's Content-MD5,
 *   x-ms-blob-content-md5 or x-ms-content-crc64, and set as x-ms-blob-content-md5, as Put Blob would have done.
 * - Blocks are refused in places where Put Blob would do: over a blob of another type, beside somebody's uncommitted blocks with
 * ids of another length, with rights to create alone. Where there is a way past the channel the first block is a small one, kept
 * here until the host has stored it; if it refuses it so, the whole Put Blob goes upstream. Otherwise the error says what to do.
 * - A block lost with its channel is sent again (the same id overwrites it), when the channel is back: what was stored
 *   there is of no use elsewhere. A lost list is not: its outcome is unknown.
 * - Any other answer than 201 to a block is the answer to the client, once its body has been read away. */
#include "digests.h"
#include "exchange_internal.h"

#include "../lib/vmbus/vsp_status.h"

#include <errno.h>
#include <inttypes.h>
#include <nettle/base64.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define UPLOAD_WINDOW 3u /* blocks being filled or at the host */
#define BLOCK_ATTEMPTS_MAX 5u
#define PROBE_BYTES 65536u    /* the first block, where it is a probe */
#define BLOCK_ID_RAW_BYTES 48 /* 64 characters of base64 without padding, as several SDKs make them */
#define BLOCK_ID_TEXT_BYTES (BASE64_ENCODE_RAW_LENGTH(BLOCK_ID_RAW_BYTES) + 1)

#define LIST_BEGIN "<?xml version=\"1.0\" encoding=\"utf-8\"?><BlockList>"
#define LIST_END "</BlockList>"
#define ENTRY_BEGIN "<Uncommitted>"
#define ENTRY_END "</Uncommitted>"
#define LIST_FRAME_BYTES (sizeof(LIST_BEGIN) + sizeof(LIST_END))
#define LIST_ENTRY_BYTES (sizeof(ENTRY_BEGIN) + sizeof(ENTRY_END) + BLOCK_ID_TEXT_BYTES)

enum block_state { BLOCK_FREE, BLOCK_FILLING, BLOCK_SLOT /* waits for one, to be sent again */, BLOCK_HOST };

struct block {
    struct upload *upload;
    enum block_state state;
    unsigned attempts;
    uint32_t number;
    uint64_t bytes;
    struct slot *slot, *old_slot;
    struct slot_waiter waiter;
    struct submission submission;
    struct body_mark mark; /* of what was handed to the host */
};

struct upload {
    struct exchange *x;
    struct block blocks[UPLOAD_WINDOW];
    struct block *filling;
    struct slot_waiter waiter; /* for the next slot to fill */
    struct block list;         /* the final transfer */
    uint32_t block_count;      /* numbered so far */
    bool is_waiting, is_finished;
    char prefix[AZURE_REQUEST_ID_BYTES]; /* of the block ids: no other upload of the blob has it */
    struct digests digests;
    char *probe; /* owned; the first block's bytes, until it is stored */
};

static void block_send(struct block *block);
static void send_list(struct upload *upload);

static void block_id(const struct upload *upload, uint32_t number, char text[BLOCK_ID_TEXT_BYTES])
{
    char raw[BLOCK_ID_RAW_BYTES + 1];

    snprintf(raw, sizeof(raw), "%s-%011" PRIu32, upload->prefix, number);
    base64_encode_raw(text, BLOCK_ID_RAW_BYTES, (const uint8_t *)raw);
    text[BLOCK_ID_TEXT_BYTES - 1] = '\0';
}

static void release_block(struct block *block)
{
    struct exchange_env *env = block->upload->x->env;

    slots_cancel(env->slots, &block->waiter);
    exchange_env_cancel(env, &block->submission);
    if (block->slot)
        slots_abandon(block->slot, env->slots);
    if (block->old_slot)
        slots_abandon(block->old_slot, env->slots);
    block->slot = block->old_slot = NULL;
    block->state = BLOCK_FREE;
}

void upload_release(struct upload *upload)
{
    if (!upload)
        return;
    slots_cancel(upload->x->env->slots, &upload->waiter);
    for (unsigned i = 0; i < UPLOAD_WINDOW; i++)
        release_block(&upload->blocks[i]);
    release_block(&upload->list);
    upload->filling = NULL;
    upload->is_waiting = false;
}

static void upload_refuse(struct upload *upload, enum azure_error error, enum metric kind, const char *why)
{
    exchange_refuse(upload->x, error, kind, "%s", why);
}

/* ---- transfers ---- */

static void upload_go_on(struct upload *upload)
{
    if (upload->is_finished)
        upload_finish(upload);
    else if (upload->is_waiting) {
        upload->is_waiting = false;
        exchange_wake(upload->x);
    }
}

static void block_slot_ready(struct slot_waiter *waiter, struct slot *slot)
{
    struct block *block = waiter->owner;

    memcpy(slot->data, block->old_slot->data, block->bytes);
    bool is_whole = body_mark_stands(&block->mark, block->old_slot->data) && body_mark_stands(&block->mark, slot->data);

    slots_put(block->old_slot, block->upload->x->env->slots);
    block->old_slot = NULL;
    block->slot = slot;
    if (is_whole)
        block_send(block);
    else
        upload_refuse(block->upload, AZURE_OperationTimedOut, METRIC_ERROR_CHANNEL_LOST,
                      "The channel to the host was lost while the host wrote its answer over a block of the upload. Nothing was "
                      "committed.");
}

/* Into a slot of the channel's present memory, and out again. */
static void block_again(struct block *block)
{
    struct upload *upload = block->upload;

    if (block->attempts >= BLOCK_ATTEMPTS_MAX) {
        upload_refuse(upload, AZURE_OperationTimedOut, METRIC_ERROR_CHANNEL_LOST,
                      "The channel to the host was lost too often during the upload. Nothing was committed.");
        return;
    }
    block->state = BLOCK_SLOT;
    block->old_slot = block->slot;
    block->slot = NULL;
    block->waiter.class = SLOT_LARGE;
    block->waiter.ready = block_slot_ready;
    block->waiter.owner = block;
    slots_wait(upload->x->env->slots, &block->waiter);
}

static void block_submit_failed(struct submission *submission)
{
    block_again((struct block *)((char *)submission - offsetof(struct block, submission)));
}

/* The host's answer to a block becomes the answer to the client. */
static void answer_with(struct block *block)
{
    struct upload *upload = block->upload;
    struct slot *slot = block->slot;

    block->slot = NULL;
    upload_release(upload);
    exchange_take_answer(upload->x, slot);
}

/* Refusals of a Put Block that say nothing of the same Put Blob. */
static const struct {
    enum azure_error error;
    const char *hint;
} not_of_put_blob[] = {
    {AZURE_InvalidBlobType,
     "There is a blob of another type, and a body larger than a slot is stored in blocks, which cannot replace "
     "it: delete it first, raise slots.large_bytes, or set upstream.fallback."},
    {AZURE_InvalidBlobOrBlock,
     "A body larger than a slot is stored in blocks, and there are uncommitted blocks with ids of another "
     "length: commit or drop them first, raise slots.large_bytes, or set upstream.fallback."},
    {AZURE_InvalidBlockId,
     "A body larger than a slot is stored in blocks, and the ids of this blob's blocks have another length: drop "
     "its uncommitted blocks, raise slots.large_bytes, or set upstream.fallback."},
    {AZURE_AuthorizationPermissionMismatch,
     "A body larger than a slot is stored in blocks, which takes the permission to write: allow "
     "it, raise slots.large_bytes, or set upstream.fallback."},
};

/* What was received is the probe: all of it goes upstream as a Put Blob. */
static void fall_back(struct upload *upload, enum metric why)
{
    struct exchange *x = upload->x;

    x->kept = TAKE_PTR(upload->probe);
    x->upload = upload_free(upload);
    if (!exchange_fall_back(x, why)) /* it was there when the probe was made */
        exchange_refuse(x, AZURE_InternalError, METRIC_ERROR_INTERNAL, "There is no way past the channel.");
}

/* The host has refused a block; its answer's head stands in x->response. */
static void block_refused(struct block *block)
{
    struct upload *upload = block->upload;
    struct slice code = head_value(&upload->x->response, "x-ms-error-code");
    size_t i = 0, count = sizeof(not_of_put_blob) / sizeof(not_of_put_blob[0]);

    while (i < count && !slice_equal(code, slice_of(azure_error_code(not_of_put_blob[i].error))))
        i++;
    if (i == count)
        answer_with(block);
    else if (upload->probe)
        fall_back(upload, METRIC_ROUTE_BLOCKS_REFUSED);
    else
        upload_refuse(upload, not_of_put_blob[i].error, METRIC_ERROR_TOO_LARGE, not_of_put_blob[i].hint);
}

static void take_completion(struct block *block, const struct transfer *transfer)
{
    struct exchange *x = block->upload->x;
    uint64_t ignored;

    if (transfer->status == VSP_STATUS_NOT_READY && block->upload->probe) {
        fall_back(block->upload, METRIC_ROUTE_HOST_NOT_READY);
        return;
    }
    if (transfer->status == VSP_STATUS_NOT_READY) {
        upload_refuse(block->upload, AZURE_ServerBusy, METRIC_ERROR_HOST_STATUS,
                      "The host cannot reach its storage. Nothing was committed.");
        return;
    }
    if (transfer->status != VSP_STATUS_OK) {
        upload_refuse(block->upload, AZURE_OperationTimedOut, METRIC_ERROR_HOST_STATUS,
                      "The host did not store a block of the upload. Nothing was committed.");
        return;
    }
    if (exchange_open_response(block->slot, &x->response_bytes, &x->response, &ignored) < 0) {
        answer_with(block);
    } else if (x->response.status != 201) {
        block_refused(block);
    } else {
        free(TAKE_PTR(block->upload->probe));
        release_block(block);
        upload_go_on(block->upload);
    }
}

static void block_completed(struct transfer *transfer, int result)
{
    struct block *block = transfer->owner;
    struct exchange_env *env = block->upload->x->env;

    exchange_transfer_ended(env, transfer, result);
    if (result < 0)
        block_again(block);
    else
        take_completion(block, transfer);
    exchange_env_pump(env);
}

static void block_send(struct block *block)
{
    struct exchange *x = block->upload->x;
    char id[BLOCK_ID_TEXT_BYTES], query[sizeof("comp=block&blockid=") + 3 * BLOCK_ID_TEXT_BYTES];

    if (!block->slot->region->is_current) { /* the channel was lost while the client was sending */
        block_again(block);
        return;
    }
    block_id(block->upload, block->number, id);
    size_t used = (size_t)snprintf(query, sizeof(query), "comp=block&blockid=");

    for (const char *c = id; *c; c++)
        used += (size_t)snprintf(query + used, sizeof(query) - used, *c == '+' || *c == '/' ? "%%%02X" : "%c", *c);
    struct exchange_shape shape = {.kind = SHAPE_BLOCK, .query = query, .body_bytes = block->bytes};

    block->state = BLOCK_HOST;
    block->attempts++;
    if (exchange_compose(x, block->slot, &shape) < 0) {
        upload_refuse(block->upload, AZURE_RequestHeadersTooLarge, METRIC_ERROR_TOO_LARGE,
                      "The request's head does not fit a transfer.");
        return;
    }
    memcpy(x->guid, block->slot->transfer.guid, sizeof(x->guid));
    block->slot->transfer.done = block_completed;
    block->slot->transfer.owner = block;
    body_mark_set(&block->mark, block->slot->data, block->bytes);
    block->submission.transfer = &block->slot->transfer;
    block->submission.failed = block_submit_failed;
    if (exchange_env_submit(x->env, &block->submission) < 0)
        block_again(block);
}

/* ---- the body ---- */

static struct block *free_block(struct upload *upload)
{
    for (unsigned i = 0; i < UPLOAD_WINDOW; i++)
        if (upload->blocks[i].state == BLOCK_FREE)
            return &upload->blocks[i];
    return NULL;
}

static void fill_next(struct upload *upload, struct slot *slot)
{
    struct block *block = free_block(upload);

    if (!block) { /* callers have looked */
        slots_put(slot, upload->x->env->slots);
        return;
    }
    if (upload->x->env->route && upload->block_count == 0)
        upload->probe = malloc(PROBE_BYTES); /* NULL: it goes without */
    *block = (struct block){.upload = upload, .state = BLOCK_FILLING, .number = upload->block_count++, .slot = slot};
    upload->filling = block;
}

static void upload_slot_ready(struct slot_waiter *waiter, struct slot *slot)
{
    struct upload *upload = waiter->owner;
    struct exchange *x = upload->x;

    exchange_env_unwatch(x->env, &x->watch);
    fill_next(upload, slot);
    if (x->state == EX_SLOT)
        exchange_move(x, EX_BODY);
    upload_go_on(upload);
}

/* A block to fill: now (0), or later (-EAGAIN) when a block has been stored or a slot is free. An upload that holds a slot
 * already takes more only while nobody waits, so uploads cannot starve each other. */
static int next_block(struct upload *upload)
{
    struct slots *slots = upload->x->env->slots;
    bool has_any = false;

    if (!free_block(upload) || (upload->probe && upload->block_count > 0)) {
        upload->is_waiting = true;
        return -EAGAIN;
    }
    for (unsigned i = 0; i < UPLOAD_WINDOW; i++)
        has_any |= upload->blocks[i].state != BLOCK_FREE;
    struct slot *slot = slots_take(slots, SLOT_LARGE);

    if (slot) {
        fill_next(upload, slot);
        return 0;
    }
    upload->is_waiting = true;
    if (has_any)
        return -EAGAIN;
    upload->waiter = (struct slot_waiter){.class = SLOT_LARGE, .ready = upload_slot_ready, .owner = upload};
    slots_wait(slots, &upload->waiter);
    if (upload->block_count == 0)
        exchange_watch_channel(upload->x);
    return -EAGAIN;
}

bool upload_take_first(struct upload *upload)
{
    if (next_block(upload) == 0)
        return true;
    exchange_move(upload->x, EX_SLOT);
    return false;
}

static void take_bytes(struct upload *upload, const char *bytes, size_t len)
{
    struct block *block = upload->filling;

    memcpy(block->slot->data + block->bytes, bytes, len);
    if (upload->probe)
        memcpy(upload->probe + block->bytes, bytes, len);
    block->bytes += len;
    digests_update(&upload->digests, bytes, len);
}

enum exchange_next upload_body(struct upload *upload, const char *bytes, size_t len, size_t *taken)
{
    struct exchange *x = upload->x;

    *taken = 0;
    if (!upload->filling && next_block(upload) < 0) {
        x->is_waiting = true;
        return EXCHANGE_WAIT;
    }
    struct block *block = upload->filling;
    uint64_t room = (upload->probe ? PROBE_BYTES : block->slot->data_capacity) - block->bytes;

    if (len > room)
        len = (size_t)room;
    take_bytes(upload, bytes, len);
    x->body_received += len;
    *taken = len;
    if (len == room) {
        upload->filling = NULL;
        block_send(block);
    }
    return exchange_next_step(x);
}

/* ---- the end ---- */

/* Put Block List answers with digests of the list; Put Blob with those of the content. */
static void dress_answer(struct upload *upload)
{
    struct head *response = &upload->x->response;
    unsigned kept = 0;

    if (response->status != 201)
        return;
    for (unsigned i = 0; i < response->field_count; i++) {
        struct slice name = response->fields[i].name;

        if (!slice_equal_nocase(name, SLICE("Content-MD5")) && !slice_equal_nocase(name, SLICE("x-ms-content-crc64")))
            response->fields[kept++] = response->fields[i];
    }
    response->field_count = (uint16_t)kept;
    int r = head_add(response, SLICE("Content-MD5"), slice_of(upload->digests.md5_text));

    if (r == 0 && head_find(&upload->x->request, "x-ms-content-crc64"))
        r = head_add(response, SLICE("x-ms-content-crc64"), slice_of(upload->digests.crc_text));

    (void)r; /* full: the answer is complete without it */
}

static void take_list_answer(struct upload *upload)
{
    struct slot *slot = upload->list.slot;

    upload->list.slot = NULL;
    exchange_take_answer(upload->x, slot);
    dress_answer(upload);
}

static void list_submit_failed(struct submission *submission)
{
    struct block *list = (struct block *)((char *)submission - offsetof(struct block, submission));

    upload_refuse(list->upload, AZURE_ServerBusy, METRIC_ERROR_CHANNEL_DOWN,
                  "The channel to the host is down; nothing was committed.");
}

static void list_completed(struct transfer *transfer, int result)
{
    struct upload *upload = transfer->owner;
    struct exchange_env *env = upload->x->env;

    exchange_transfer_ended(env, transfer, result);
    if (result == -ECANCELED)
        list_submit_failed(&upload->list.submission);
    else if (result < 0 || transfer->status != VSP_STATUS_OK)
        upload_refuse(upload, AZURE_OperationTimedOut, METRIC_ERROR_CHANNEL_LOST,
                      "The host did not answer to the end of the upload; its outcome is unknown.");
    else
        take_list_answer(upload);
    exchange_env_pump(env);
}

static int write_list(struct upload *upload, struct slot *slot, uint64_t *ret_bytes)
{
    struct buf xml CLEANUP(buf_free);
    char id[BLOCK_ID_TEXT_BYTES];

    buf_init(&xml, slot->data_capacity);
    buf_puts(&xml, LIST_BEGIN);
    for (uint32_t i = 0; i < upload->block_count; i++) {
        block_id(upload, i, id);
        buf_puts(&xml, ENTRY_BEGIN);
        buf_puts(&xml, id);
        buf_puts(&xml, ENTRY_END);
    }
    buf_puts(&xml, LIST_END);
    if (xml.failed)
        return xml.failed;
    memcpy(slot->data, xml.bytes, xml.len);
    *ret_bytes = xml.len;
    return 0;
}

static void list_slot_ready(struct slot_waiter *waiter, struct slot *slot)
{
    struct upload *upload = waiter->owner;
    struct block *list = &upload->list;
    struct exchange *x = upload->x;
    struct exchange_shape shape = {.kind = SHAPE_BLOCK_LIST, .query = "comp=blocklist", .md5 = upload->digests.md5_text};

    list->slot = slot;
    list->state = BLOCK_HOST;
    if (write_list(upload, slot, &shape.body_bytes) < 0 || exchange_compose(x, slot, &shape) < 0) {
        upload_refuse(upload, AZURE_RequestHeadersTooLarge, METRIC_ERROR_TOO_LARGE,
                      "The block list or its head does not fit a transfer.");
        return;
    }
    memcpy(x->guid, slot->transfer.guid, sizeof(x->guid));
    slot->transfer.done = list_completed;
    slot->transfer.owner = upload;
    list->submission.transfer = &slot->transfer;
    list->submission.failed = list_submit_failed;
    if (exchange_env_submit(x->env, &list->submission) < 0)
        list_submit_failed(&list->submission);
}

static void send_list(struct upload *upload)
{
    struct slots *slots = upload->x->env->slots;
    struct block *list = &upload->list;

    list->upload = upload;
    list->state = BLOCK_SLOT;
    list->waiter = (struct slot_waiter){.class = SLOT_LARGE, .ready = list_slot_ready, .owner = upload};
    struct slot *slot = slots_take(slots, SLOT_LARGE);

    if (slot)
        list_slot_ready(&list->waiter, slot);
    else
        slots_wait(slots, &list->waiter);
}

static bool has_blocks_out(const struct upload *upload)
{
    for (unsigned i = 0; i < UPLOAD_WINDOW; i++)
        if (upload->blocks[i].state != BLOCK_FREE)
            return true;
    return false;
}

/* Called when the body is complete, and again after each block that was still out. */
void upload_finish(struct upload *upload)
{
    struct exchange *x = upload->x;

    if (!upload->is_finished) {
        upload->is_finished = true;
        exchange_move(x, EX_HOST);
        digests_end(&upload->digests);
        enum azure_error error = digests_check(&upload->digests, &x->request);

        if (error != AZURE_OK) {
            upload_refuse(upload, error, METRIC_ERROR_BODY_DIGEST, "Nothing was committed.");
            return;
        }
        if (upload->filling) {
            struct block *last = upload->filling;

            upload->filling = NULL;
            block_send(last);
        }
    }
    if (x->state == EX_HOST && !has_blocks_out(upload) && upload->list.state == BLOCK_FREE)
        send_list(upload);
}

bool upload_list_fits(uint64_t body_bytes, uint32_t slot_bytes)
{
    uint64_t blocks = (body_bytes + slot_bytes - 1) / slot_bytes + 1; /* the first may be a probe */

    return blocks <= LIMIT_BLOCKS_COMMITTED && LIST_FRAME_BYTES + blocks * LIST_ENTRY_BYTES <= slot_bytes;
}

int upload_begin(struct exchange *x)
{
    struct upload *upload = calloc(1, sizeof(*upload));

    if (!upload)
        return -ENOMEM;
    upload->x = x;
    for (unsigned i = 0; i < UPLOAD_WINDOW; i++)
        upload->blocks[i].upload = upload;
    upload->list.upload = upload;
    azure_guid_text(x->guid, upload->prefix);
    digests_begin(&upload->digests, head_find(&x->request, "x-ms-content-crc64") != NULL);
    x->upload = upload;
    return 0;
}

bool upload_is_waiting(const struct upload *upload)
{
    return upload->is_waiting || upload->is_finished;
}

bool upload_is_queued(const struct upload *upload)
{
    return upload->is_waiting && upload->block_count == 0;
}

struct upload *upload_free(struct upload *upload)
{
    if (!upload)
        return NULL;
    upload_release(upload);
    free(upload->probe);
    free(upload);
    return NULL;
}
