/* SPDX-License-Identifier: MIT */
/* Where the control socket is looked for. */
#include "../../src/blobproxyctl/place.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static char directory[64], path[PLACE_BYTES];
static struct err err;

static void begin(void)
{
    (void)snprintf(directory, sizeof(directory), "/tmp/place-test-XXXXXX");
    cr_assert_not_null(mkdtemp(directory));
    unsetenv("BLOBPROXYD_CONTROL");
    unsetenv("RUNTIME_DIRECTORY");
    unsetenv("XDG_RUNTIME_DIR");
}

static const char *in_directory(const char *name)
{
    static char text[128];

    (void)snprintf(text, sizeof(text), "%s/%s", directory, name);
    return text;
}

static void make_file(const char *name)
{
    int fd = open(in_directory(name), O_CREAT | O_WRONLY | O_CLOEXEC, 0600);

    cr_assert_geq(fd, 0);
    close(fd);
}

static void end(void)
{
    (void)unlink(in_directory("control.sock"));
    (void)unlink(in_directory("blobproxyd-control.sock"));
    (void)rmdir(directory);
}

TestSuite(place, .init = begin, .fini = end);

Test(place, what_is_named_is_taken_whether_it_is_there_or_not)
{
    setenv("BLOBPROXYD_CONTROL", "/from/environment", 1);
    cr_assert_eq(place_find("/from/option", path, &err), 0);
    cr_expect_str_eq(path, "/from/option");
    cr_assert_eq(place_find(NULL, path, &err), 0);
    cr_expect_str_eq(path, "/from/environment");
}

Test(place, the_first_that_exists_is_taken)
{
    make_file("blobproxyd-control.sock");
    setenv("XDG_RUNTIME_DIR", directory, 1);
    setenv("RUNTIME_DIRECTORY", directory, 1);
    cr_assert_eq(place_find(NULL, path, &err), 0, "%s", err.text);
    cr_expect_str_eq(path, in_directory("blobproxyd-control.sock"));
    make_file("control.sock");
    cr_assert_eq(place_find(NULL, path, &err), 0, "%s", err.text);
    cr_expect_str_eq(path, in_directory("control.sock"));
}

Test(place, of_several_runtime_directories_the_first_counts)
{
    char several[128];

    make_file("control.sock");
    (void)snprintf(several, sizeof(several), "%s:/nowhere", directory);
    setenv("RUNTIME_DIRECTORY", several, 1);
    cr_assert_eq(place_find(NULL, path, &err), 0, "%s", err.text);
    cr_expect_str_eq(path, in_directory("control.sock"));
}

Test(place, all_places_are_named_when_there_is_none)
{
    if (access("/run/blobproxyd-control.sock", F_OK) == 0 || access("/run/blobproxyd/control.sock", F_OK) == 0)
        cr_skip_test("a daemon of this machine is there");
    setenv("XDG_RUNTIME_DIR", directory, 1);
    setenv("RUNTIME_DIRECTORY", "relative", 1); /* names no place */
    setenv("BLOBPROXYD_CONTROL", "", 1);        /* neither */
    cr_expect_eq(place_find(NULL, path, &err), -ENOENT);
    cr_expect(strstr(err.text, in_directory("blobproxyd-control.sock")), "%s", err.text);
    cr_expect(strstr(err.text, "/run/blobproxyd-control.sock"), "%s", err.text);
    cr_expect(strstr(err.text, "/run/blobproxyd/control.sock"), "%s", err.text);
    cr_expect(strstr(err.text, "--socket"), "%s", err.text);
    cr_expect_not(strstr(err.text, "relative"), "%s", err.text);
}

Test(place, a_path_that_no_socket_can_have_is_refused)
{
    char longer[PLACE_BYTES + 1];

    memset(longer, 'x', sizeof(longer) - 1);
    longer[sizeof(longer) - 1] = '\0';
    cr_expect_eq(place_find(longer, path, &err), -ENAMETOOLONG);
    cr_expect(strstr(err.text, "--socket"), "%s", err.text);
    longer[PLACE_BYTES - 1] = '\0';
    cr_expect_eq(place_find(longer, path, &err), 0);
}
