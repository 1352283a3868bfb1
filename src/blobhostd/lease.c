/* SPDX-License-Identifier: MIT */
/* The states of a lease. */
#include "lease.h"

#include <string.h>

#define SECOND_US 1000000

enum lease_state lease_state(const struct lease *lease, int64_t now_us)
{
    switch ((enum lease_state)lease->kept) {
    case LEASE_LEASED:
        return lease->duration_s == LEASE_INFINITE || now_us < lease->until_us ? LEASE_LEASED : LEASE_EXPIRED;
    case LEASE_BREAKING:
        return now_us < lease->until_us ? LEASE_BREAKING : LEASE_BROKEN;
    default:
        return (enum lease_state)lease->kept;
    }
}

bool lease_is_active(const struct lease *lease, int64_t now_us)
{
    enum lease_state state = lease_state(lease, now_us);

    return state == LEASE_LEASED || state == LEASE_BREAKING;
}

const char *lease_state_text(enum lease_state state)
{
    static const char *const texts[] = {[LEASE_AVAILABLE] = "available",
                                        [LEASE_LEASED] = "leased",
                                        [LEASE_BREAKING] = "breaking",
                                        [LEASE_BROKEN] = "broken",
                                        [LEASE_EXPIRED] = "expired"};

    return texts[state];
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c;
    if (c >= 'a' && c <= 'f')
        return c;
    return c >= 'A' && c <= 'F' ? c - 'A' + 'a' : -1;
}

/* With braces or parentheses, with hyphens or without. */
bool lease_id_parse(struct slice text, char id[LEASE_ID_BYTES])
{
    bool has_hyphens;
    size_t at = 0;

    if (text.len == 38 && ((text.bytes[0] == '{' && text.bytes[37] == '}') || (text.bytes[0] == '(' && text.bytes[37] == ')')))
        text = (struct slice){text.bytes + 1, 36};
    has_hyphens = text.len == 36;
    if (!has_hyphens && text.len != 32)
        return false;
    for (size_t to = 0; to < 36; to++) {
        bool is_hyphen = to == 8 || to == 13 || to == 18 || to == 23;
        int c = '-';

        if (!is_hyphen || has_hyphens) {
            c = is_hyphen ? text.bytes[at] : hex_digit(text.bytes[at]);
            at++;
        }
        if (c < 0 || (is_hyphen && c != '-'))
            return false;
        id[to] = (char)c;
    }
    id[36] = '\0';
    return true;
}

static bool lease_has_id(const struct lease *lease, const char *id)
{
    return strcmp(lease->id, id) == 0;
}

static void lease_begin(struct lease *lease, int64_t now_us, const char *id, int32_t duration_s)
{
    lease->kept = LEASE_LEASED;
    lease->duration_s = duration_s;
    lease->until_us = 0;
    if (lease->id != id)
        memcpy(lease->id, id, sizeof(lease->id));
    if (duration_s != LEASE_INFINITE)
        lease->until_us = now_us + (int64_t)duration_s * SECOND_US;
}

enum azure_error lease_acquire(struct lease *lease, int64_t now_us, const char *id, int32_t duration_s)
{
    enum lease_state state = lease_state(lease, now_us);

    if (state == LEASE_LEASED && !lease_has_id(lease, id))
        return AZURE_LeaseAlreadyPresent;
    if (state == LEASE_BREAKING)
        return lease_has_id(lease, id) ? AZURE_LeaseIsBreakingAndCannotBeAcquired : AZURE_LeaseAlreadyPresent;
    lease_begin(lease, now_us, id, duration_s);
    return AZURE_OK;
}

enum azure_error lease_renew(struct lease *lease, int64_t now_us, const char *id)
{
    enum lease_state state = lease_state(lease, now_us);

    if (state == LEASE_AVAILABLE || !lease_has_id(lease, id))
        return AZURE_LeaseIdMismatchWithLeaseOperation;
    if (state == LEASE_BREAKING || state == LEASE_BROKEN)
        return AZURE_LeaseIsBrokenAndCannotBeRenewed;
    lease_begin(lease, now_us, lease->id, lease->duration_s);
    return AZURE_OK;
}

enum azure_error lease_change(struct lease *lease, int64_t now_us, const char *id, const char *new_id)
{
    enum lease_state state = lease_state(lease, now_us);

    if (state != LEASE_LEASED && state != LEASE_BREAKING)
        return AZURE_LeaseNotPresentWithLeaseOperation;
    if (!lease_has_id(lease, id) && !lease_has_id(lease, new_id)) /* the latter: the change was made before */
        return AZURE_LeaseIdMismatchWithLeaseOperation;
    if (state == LEASE_BREAKING)
        return AZURE_LeaseIsBreakingAndCannotBeChanged;
    memcpy(lease->id, new_id, sizeof(lease->id));
    return AZURE_OK;
}

enum azure_error lease_release(struct lease *lease, int64_t now_us, const char *id)
{
    if (lease_state(lease, now_us) == LEASE_AVAILABLE || !lease_has_id(lease, id))
        return AZURE_LeaseIdMismatchWithLeaseOperation;
    *lease = (struct lease){.kept = LEASE_AVAILABLE};
    return AZURE_OK;
}

/* Without a period a lease without end is broken at once, another one when it would have ended. */
enum azure_error lease_break(struct lease *lease, int64_t now_us, int64_t period_s, uint64_t *ret_left_s)
{
    enum lease_state state = lease_state(lease, now_us);
    bool has_end = state == LEASE_BREAKING || lease->duration_s != LEASE_INFINITE;
    int64_t end_us = has_end ? lease->until_us : INT64_MAX;

    if (state == LEASE_AVAILABLE)
        return AZURE_LeaseNotPresentWithLeaseOperation;
    if (period_s < 0 && !has_end)
        period_s = 0;
    if (period_s >= 0 && now_us + period_s * SECOND_US < end_us)
        end_us = now_us + period_s * SECOND_US;
    if ((state != LEASE_LEASED && state != LEASE_BREAKING) || end_us < now_us)
        end_us = now_us;
    lease->kept = LEASE_BREAKING;
    lease->until_us = end_us;
    *ret_left_s = (uint64_t)(end_us - now_us + SECOND_US - 1) / SECOND_US;
    return AZURE_OK;
}

void lease_settle(struct lease *lease, int64_t now_us)
{
    if (!lease_is_active(lease, now_us))
        *lease = (struct lease){.kept = LEASE_AVAILABLE};
}

enum lease_verdict lease_judge(const struct lease *lease, int64_t now_us, const char *id, bool is_needed)
{
    enum lease_state state = lease_state(lease, now_us);

    if (!id)
        return is_needed && lease_is_active(lease, now_us) ? LEASE_IS_MISSING : LEASE_FITS;
    if (state == LEASE_AVAILABLE)
        return LEASE_IS_NONE;
    if (!lease_has_id(lease, id))
        return LEASE_IS_OTHER;
    return lease_is_active(lease, now_us) ? LEASE_FITS : LEASE_IS_LOST;
}
