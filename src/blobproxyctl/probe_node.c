/* SPDX-License-Identifier: MIT */
/* The facts about the device nodes: who may open them, and which numbers the driver behind them knows. */
#include "probe.h"

#include "tree.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>

static void look_at(const char *path, struct probe_node *node)
{
    struct stat status;

    node->status = stat(path, &status) < 0 ? -errno : 0;
    if (node->status < 0)
        return;
    node->is_device = S_ISCHR(status.st_mode);
    node->owner = status.st_uid;
    node->group = status.st_gid;
    node->mode = status.st_mode & 07777u;
    node->major = major(status.st_rdev);
    node->minor = minor(status.st_rdev);
}

/* The driver compares credentials, and a child has its own: so a child asks, over the descriptor that it was born with. */
static int ask_in_child(const struct device_calls *calls, int fd, uint32_t number)
{
    int answer, ends[2];

    if (pipe(ends) < 0)
        return -errno;
    pid_t child = fork();

    if (child == 0) {
        answer = device_probe_number(calls, fd, number);
        _exit(write(ends[1], &answer, sizeof(answer)) == sizeof(answer) ? 0 : 1);
    }
    int saved = child < 0 ? -errno : 0;

    (void)close(ends[1]);
    if (child > 0 && read(ends[0], &answer, sizeof(answer)) != sizeof(answer))
        saved = -EIO;
    (void)close(ends[0]);
    while (child > 0 && waitpid(child, NULL, 0) < 0 && errno == EINTR)
        ;
    return saved < 0 ? saved : answer;
}

static void ask(const struct device_calls *calls, int fd, struct probe_node *node)
{
    int known = -1;

    for (unsigned i = 0; i < PROBE_NUMBERS; i++) {
        node->numbers[i] = device_probe_number(calls, fd, probe_number(i));
        if (node->numbers[i] == 0 && known < 0)
            known = (int)i;
    }
    if (known >= 0)
        node->inherited = ask_in_child(calls, fd, probe_number((unsigned)known));
}

static void examine(const struct probe_source *source, struct probe_node *node)
{
    char path[TREE_PATH_BYTES];

    node->status = tree_path(path, source->root, "%s", node->path);
    if (node->status < 0)
        return;
    look_at(path, node);
    if (node->status == 0 && !node->is_device)
        return; /* a file, or a pipe that would wait */
    int fd = device_open(source->calls, path);

    node->opened = fd < 0 ? fd : 0;
    if (fd < 0)
        return;
    ask(source->calls, fd, node);
    (void)source->calls->close(fd);
}

static void examine_uio(const struct probe_source *source, struct probe_node *node)
{
    char path[TREE_PATH_BYTES];

    node->is_uio = true;
    node->status = tree_path(path, source->root, "%s", node->path);
    if (node->status == 0)
        look_at(path, node);
    node->opened = node->status < 0 ? node->status : access(path, R_OK | W_OK) < 0 ? -errno : 0;
}

static struct probe_node *add(struct probe_facts *facts, const char *path)
{
    struct probe_node *node = &facts->nodes[facts->node_count++];

    (void)snprintf(node->path, sizeof(node->path), "%s", path);
    node->opened = node->inherited = PROBE_NOT_ASKED;
    for (unsigned i = 0; i < PROBE_NUMBERS; i++)
        node->numbers[i] = PROBE_NOT_ASKED;
    return node;
}

static void add_uio(const struct probe_source *source, const char *name, struct probe_facts *facts)
{
    char path[PROBE_NAME_BYTES + sizeof("/dev/")];

    if (name[0] == '\0')
        return;
    (void)snprintf(path, sizeof(path), "/dev/%s", name);
    examine_uio(source, add(facts, path));
}

void probe_nodes(const struct probe_source *source, const char *device, struct probe_facts *facts)
{
    if (device) {
        examine(source, add(facts, device));
    } else {
        examine(source, add(facts, DEVICE_PATH));
        examine(source, add(facts, DEVICE_V1_PATH));
    }
    for (unsigned i = 0; i < facts->device_count; i++)
        add_uio(source, facts->devices[i].uio, facts);
}
