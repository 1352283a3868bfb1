/* SPDX-License-Identifier: MIT */
/* The policy that confines the page. */
#include "../../src/blobproxyd/statuspage.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

static struct buf text;

static void begin(void)
{
    buf_init(&text, 1024);
}

static void end(void)
{
    buf_free(&text);
}

TestSuite(statuspage, .init = begin, .fini = end);

Test(statuspage, style_and_script_are_let_in_by_their_digests)
{
    static const char page[] = "<html><style>a{}</style><script>alert('Hello, world.');</script></html>";

    cr_assert_eq(statuspage_policy(page, strlen(page), &text), 0);
    /* printf a{} | openssl dgst -sha256 -binary | base64; the other is the standard's own example. */
    cr_expect(strstr(text.bytes, "style-src 'sha256-X1RutGBrXCt9KkSaXMK7tHftWiRscFHOhxsS8tv8hBk='; "), "%s", text.bytes);
    cr_expect(strstr(text.bytes, "script-src 'sha256-qznLcsROx4GACP2dm0UCKCzCG+HiZ1guq6ZZDob/Tng='; "), "%s", text.bytes);
    cr_expect_eq(strncmp(text.bytes, "default-src 'none'; ", 20), 0, "%s", text.bytes);
}

Test(statuspage, a_page_without_either_has_no_policy)
{
    static const char *const pages[] = {"", "<style>a{}</style>", "<script>1</script>", "<style>a{}<script>1</script>",
                                        "<style>a{}</style><script>1"};

    for (size_t i = 0; i < sizeof(pages) / sizeof(pages[0]); i++)
        cr_expect_eq(statuspage_policy(pages[i], strlen(pages[i]), &text), -EINVAL, "%s", pages[i]);
}

Test(statuspage, a_policy_that_finds_no_room_is_told)
{
    static const char page[] = "<style>a{}</style><script>1</script>";
    struct buf small;

    buf_init(&small, 100);
    cr_expect_eq(statuspage_policy(page, strlen(page), &small), -ENOBUFS);
    buf_free(&small);
}
