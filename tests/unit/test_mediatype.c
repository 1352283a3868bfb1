/* SPDX-License-Identifier: MIT */
/* Content-Type parameters as RFC 2045, RFC 2046 and RFC 9110 allow them. */
#include "../../src/blobproxyd/mediatype.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

struct expected {
    const char *type;
    int result;
    const char *boundary;
};

static const struct expected cases[] = {
    {"multipart/mixed; boundary=batch_1", 0, "batch_1"},
    {"multipart/mixed;boundary=batch_1", 0, "batch_1"},
    {"multipart/mixed; boundary= batch_1", 0, "batch_1"},
    {"multipart/mixed ;\tboundary\t=\tbatch_1\t", 0, "batch_1"},
    {"multipart/mixed; BOUNDARY=batch_1", 0, "batch_1"},
    {"Multipart/Mixed; charset=utf-8; Boundary=\"batch_1\"", 0, "batch_1"},
    {"multipart/mixed; boundary=batch_1; charset=\"a;boundary=b\"", 0, "batch_1"},
    {"multipart/mixed; charset=\"; boundary=b\"; boundary=a", 0, "a"},
    {"multipart/mixed; boundary=\"gc0pJq0M:08jU534c0p\"", 0, "gc0pJq0M:08jU534c0p"},
    {"multipart/mixed; boundary=\"a \\\"b\\\\\"", 0, "a \"b\\"},
    {"multipart/mixed; boundary=batch_1;", 0, "batch_1"},
    {"multipart/mixed; boundary====84209==", 0, "===84209=="}, /* an SDK's */
    {"multipart/mixed; boundary=a:b/c?(d),e; f=g", 0, "a:b/c?(d),e"},
    {"multipart/mixed; boundary=\"\"", 0, ""},
    {"multipart/mixed", -ENOENT, NULL},
    {"multipart/mixed; xboundary=a", -ENOENT, NULL},
    {"multipart/mixed; charset=\"boundary=a\"", -ENOENT, NULL},
    {"multipart/mixed; boundary=a; boundary=a", -EBADMSG, NULL},
    {"multipart/mixed; boundary=", -EBADMSG, NULL},
    {"multipart/mixed; boundary", -EBADMSG, NULL},
    {"multipart/mixed; boundary=a b", -EBADMSG, NULL},
    {"multipart/mixed; boundary=a@b", -EBADMSG, NULL},
    {"multipart/mixed; boundary=\"a", -EBADMSG, NULL},
    {"multipart/mixed; boundary=\"a\\", -EBADMSG, NULL},
    {"multipart/mixed boundary=a", -EBADMSG, NULL},
    {"multipart; boundary=a", -EBADMSG, NULL},
    {"; boundary=a", -EBADMSG, NULL},
    {"", -EBADMSG, NULL},
    {"multipart/mixed; boundary=0123456789abcdef", -ENOBUFS, NULL},
    {"multipart/mixed; boundary=\"0123456789abcdef\"", -ENOBUFS, NULL},
};

Test(mediatype, finds_a_parameter_as_the_rfcs_write_it)
{
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char value[20] = "";
        /* The short buffer is for the last two. */
        size_t bytes = cases[i].result == -ENOBUFS ? 16 : sizeof(value);
        int r = mediatype_parameter(slice_of(cases[i].type), "boundary", value, bytes);

        cr_expect_eq(r, cases[i].result, "%s: %d", cases[i].type, r);
        if (cases[i].boundary && r == 0)
            cr_expect_str_eq(value, cases[i].boundary);
    }
}
