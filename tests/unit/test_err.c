/* SPDX-License-Identifier: MIT */
/* Tests of the error text. */
#include "../../src/lib/err.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

Test(err, set_returns_the_code_and_replaces_the_text)
{
    struct err err = {"old"};

    cr_assert_eq(err_set(&err, -EINVAL, "bad port %d", 99999), -EINVAL);
    cr_assert_str_eq(err.text, "bad port 99999");
}

Test(err, set_may_take_its_own_text_as_an_argument)
{
    struct err err = {"bad port"};

    err_set(&err, -EINVAL, "twice: %s, %s", err.text, err.text);
    cr_assert_str_eq(err.text, "twice: bad port, bad port");
}

Test(err, set_cuts_what_is_too_long)
{
    struct err err;
    char text[2 * ERR_TEXT_BYTES];

    memset(text, 'a', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    err_set(&err, -1, "%s", text);
    cr_assert_eq(strlen(err.text), ERR_TEXT_BYTES - 1);
}

Test(err, wrap_puts_the_outer_text_in_front)
{
    struct err err = {"bad port"};

    cr_assert_eq(err_wrap(&err, -ENOENT, "conf %s:%d", "/etc/x", 12), -ENOENT);
    cr_assert_eq(err_wrap(&err, -EIO, "reload"), -EIO);
    cr_assert_str_eq(err.text, "reload: conf /etc/x:12: bad port");
}

Test(err, wrap_of_an_empty_text_leaves_no_colon_behind)
{
    struct err err = {""};

    err_wrap(&err, -1, "conf");
    cr_assert_str_eq(err.text, "conf");
}

Test(err, wrap_cuts_the_inner_end)
{
    struct err err;

    memset(err.text, 'i', sizeof(err.text) - 1);
    err.text[sizeof(err.text) - 1] = '\0';
    err_wrap(&err, -1, "outer");
    cr_assert_eq(strlen(err.text), ERR_TEXT_BYTES - 1);
    cr_assert_eq(strncmp(err.text, "outer: iii", 10), 0);
}

Test(err, null_only_hands_the_code_on)
{
    cr_assert_eq(err_set(NULL, -EINVAL, "x"), -EINVAL);
    cr_assert_eq(err_wrap(NULL, -EIO, "x"), -EIO);
}
