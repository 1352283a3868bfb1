/* SPDX-License-Identifier: MIT */
/* What defaults mean on this machine, what must hold between keys, and the key files. */
#include "address.h"
#include "conf_private.h"

#include "../lib/file.h"
#include "../lib/limits.h"

#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <string.h>
#include <sys/un.h>

#define PAGE_BYTES 4096u
#define UID_MAP_BYTES_MAX 16384u     /* the kernel allows 340 lines */
#define RING_HEADER_BYTES PAGE_BYTES /* in front of a ring's data */
#define PACKET_FIXED_BYTES 88u       /* descriptor, range and the device's own request */
#define PACKET_PAGE_BYTES 8u         /* one page frame number */
#define PACKET_FOOTER_BYTES 8u
#define BUFFER_PAGES ((LIMIT_SLOT_REQUEST_BYTES + LIMIT_SLOT_RESPONSE_BYTES) / PAGE_BYTES)
#define LARGE_MAX_BYTES 32505856u /* slots.large_bytes in conf.def */

/* Large slots that each shard shall have before there is one more: a single read runs in the slots of its shard, and half of the
 * window that it would like is what a few CPUs can leave it. */
#define SHARD_SLOTS_LARGE 6u

_Static_assert(BUFFER_PAGES + LARGE_MAX_BYTES / PAGE_BYTES <= LIMIT_TRANSFER_PAGES, "the largest slot fits one transfer");

bool conf_is_usable(const struct conf *conf, enum conf_key key)
{
    return !conf->origins[key].is_bad;
}

bool conf_is_set(const struct conf *conf, enum conf_key key)
{
    return conf->origins[key].name != NULL;
}

/* Sets a default that only now is known; it counts as set by nobody. */
static void resolve_text(struct conf *conf, enum conf_key key, const char *text, const struct conf_origin *origin,
                         struct conf_problems *problems)
{
    conf_set(conf, key, (struct slice){text, strlen(text)}, origin, problems);
}

const char *conf_environment(const char *name)
{
    const char *value = getenv(name);
    return value && *value ? value : NULL;
}

void conf_join_path(char **ret_path, const char *directory, const char *rest)
{
    if (asprintf(ret_path, "%s%s", directory, rest) < 0)
        *ret_path = NULL;
}

/* Lists of several directories, as the service manager writes them, count with their first. */
static char *first_directory(const char *list)
{
    return strndup(list, strcspn(list, ":"));
}

static char *default_emulated_directory(void)
{
    const char *state = conf_environment("STATE_DIRECTORY");
    const char *xdg = conf_environment("XDG_STATE_HOME");
    const char *home = conf_environment("HOME");
    char *path = NULL;

    if (state)
        return first_directory(state);
    if (xdg)
        conf_join_path(&path, xdg, "/blobproxyd");
    else if (geteuid() == 0)
        path = strdup("/var/lib/blobproxyd");
    else if (home)
        conf_join_path(&path, home, "/.local/state/blobproxyd");
    return path;
}

static char *absolute_path(const char *path)
{
    char directory[PATH_MAX];
    char *joined = NULL;

    if (path[0] == '/')
        return strdup(path);
    if (getcwd(directory, sizeof(directory)) && asprintf(&joined, "%s/%s", directory, path) < 0)
        joined = NULL;
    return joined;
}

static void resolve_emulated(struct conf *conf, const struct conf_options *options, struct conf_problems *problems)
{
    static const struct conf_origin origin = {.name = "--emulated"};
    CLEANUP(cleanup_free) char *bus = NULL;
    CLEANUP(cleanup_free) char *socket = NULL;
    CLEANUP(cleanup_free) char *control = NULL;

    conf->emulated_directory =
        *options->emulated_directory ? absolute_path(options->emulated_directory) : default_emulated_directory();
    if (!conf->emulated_directory) {
        conf_problem(problems, &origin, NULL, "no place for its data, write --emulated=DIR");
        return;
    }
    conf_join_path(&bus, conf->emulated_directory, "/bus.sock");
    conf_join_path(&socket, conf->emulated_directory, "/blobproxyd.sock");
    conf_join_path(&control, conf->emulated_directory, "/control.sock");
    if (!bus || !socket || !control) {
        conf_problem(problems, &origin, NULL, "no memory");
        return;
    }
    conf->channel_type = CONF_CHANNEL_EMULATED; /* an option wins over the file */
    conf->origins[CONF_channel_type] = origin;
    resolve_text(conf, CONF_channel_socket, bus, &origin, problems);
    if (!conf_is_set(conf, CONF_listen_unix))
        resolve_text(conf, CONF_listen_unix, socket, &origin, problems);
    if (!conf_is_set(conf, CONF_listen_control))
        resolve_text(conf, CONF_listen_control, control, &origin, problems);
    if (!conf_is_set(conf, CONF_accounts_development))
        resolve_text(conf, CONF_accounts_development, "yes", &origin, problems);
    if (!conf->accounts_development && conf->accounts_file[0] == '\0' && conf_is_usable(conf, CONF_accounts_development))
        conf_problem(problems, &conf->origins[CONF_accounts_development], &conf_rows[CONF_accounts_development],
                     "no account is left to serve with --emulated, write yes, or a path in accounts.file");
}

/* Where a socket stands that nobody has named, for others than root. */
static void resolve_socket(struct conf *conf, enum conf_key key, const char *in_runtime, const char *in_xdg,
                           struct conf_problems *problems)
{
    const char *runtime = conf_environment("RUNTIME_DIRECTORY");
    const char *xdg = conf_environment("XDG_RUNTIME_DIR");
    CLEANUP(cleanup_free) char *directory = NULL;
    CLEANUP(cleanup_free) char *path = NULL;

    if (conf_is_set(conf, key) || geteuid() == 0)
        return;
    if (runtime || xdg) {
        directory = first_directory(runtime ? runtime : xdg);
        conf_join_path(&path, directory ? directory : "", runtime ? in_runtime : in_xdg);
    }
    resolve_text(conf, key, path ? path : "", &(struct conf_origin){0}, problems);
}

static char *program_beside(const char *name)
{
    char self[PATH_MAX];
    ssize_t len = readlink("/proc/self/exe", self, sizeof(self) - 1);
    char *path = NULL;

    if (len <= 0)
        return NULL;
    self[len] = '\0';
    *strrchr(self, '/') = '\0';
    if (asprintf(&path, "%s/%s", self, name) < 0)
        return NULL;
    if (access(path, X_OK) == 0)
        return path;
    free(path);
    return NULL;
}

static char *program_in_path(const char *name)
{
    const char *list = conf_environment("PATH");

    while (list && *list) {
        int len = (int)strcspn(list, ":");
        char *path = NULL;
        if (asprintf(&path, "%.*s/%s", len, list, name) < 0)
            return NULL;
        if (len > 0 && access(path, X_OK) == 0)
            return path;
        free(path);
        list += len + (list[len] == ':');
    }
    return NULL;
}

static void resolve_host_program(struct conf *conf, struct conf_problems *problems)
{
    conf->host_program = program_beside("blobhostd");
    if (!conf->host_program)
        conf->host_program = program_in_path("blobhostd");
    if (!conf->host_program && conf->emulated_directory)
        conf_problem(problems, &(struct conf_origin){.name = "--emulated"}, NULL,
                     "blobhostd is neither beside blobproxyd nor in PATH, install it or leave --emulated out");
}

/* The real host knows accounts by their own names. */
static void resolve_channel(struct conf *conf, struct conf_problems *problems)
{
    if (conf->channel_type != CONF_CHANNEL_EMULATED && !conf_is_set(conf, CONF_channel_suffix))
        resolve_text(conf, CONF_channel_suffix, "blob.core.windows.net", &(struct conf_origin){0}, problems);
}

void conf_resolve(struct conf *conf, const struct conf_options *options, struct conf_problems *problems)
{
    if (options->emulated_directory)
        resolve_emulated(conf, options, problems);
    resolve_channel(conf, problems);
    resolve_socket(conf, CONF_listen_unix, "/blobproxyd.sock", "/blobproxyd.sock", problems);
    conf->is_control_named = conf_is_set(conf, CONF_listen_control);
    resolve_socket(conf, CONF_listen_control, "/control.sock", "/blobproxyd-control.sock", problems);
    conf_resolve_tls(conf, problems);
    resolve_host_program(conf, problems);
}

static bool is_loopback_text(const char *text)
{
    struct address address;
    const char *problem;

    return address_parse(text, &address, &problem) == 0 && address_is_loopback(&address);
}

/* Says of two keys that do not go together the one that somebody has set, the first where both are. */
static void problem_of_two(const struct conf *conf, enum conf_key first, enum conf_key second, const char *what,
                           const char *advice, struct conf_problems *problems)
{
    enum conf_key blamed = conf_is_set(conf, first) || !conf_is_set(conf, second) ? first : second;
    const struct conf_row *other = &conf_rows[blamed == first ? second : first];

    conf_problem(problems, &conf->origins[blamed], &conf_rows[blamed], "%s is also in %s.%s, write another %s", what,
                 other->section, other->key, advice);
}

static void check_list(const struct conf *conf, enum conf_key key, const struct conf_list *list, struct conf_problems *problems)
{
    for (char *const *item = list->items; *item; item++) {
        if (!conf->listen_allow_remote && conf_is_usable(conf, CONF_listen_allow_remote) && !is_loopback_text(*item))
            conf_problem(problems, &conf->origins[key], &conf_rows[key],
                         "%s is not loopback, write 127.0.0.1 or [::1], or listen.allow_remote = yes", *item);
        if (strcmp(*item, conf->listen_metrics) == 0 && !strstr(*item, "]:0") && !strstr(*item, ".1:0"))
            problem_of_two(conf, CONF_listen_metrics, key, *item, "port", problems);
    }
}

static void check_addresses(const struct conf *conf, struct conf_problems *problems)
{
    const struct conf_origin *metrics = &conf->origins[CONF_listen_metrics];

    check_list(conf, CONF_listen_tcp, &conf->listen_tcp, problems);
    check_list(conf, CONF_listen_tls, &conf->listen_tls, problems);
    if (*conf->listen_metrics && conf_is_usable(conf, CONF_listen_metrics) && !is_loopback_text(conf->listen_metrics))
        conf_problem(problems, metrics, &conf_rows[CONF_listen_metrics],
                     "%s is not loopback and metrics never leave the machine, write 127.0.0.1:PORT or [::1]:PORT",
                     conf->listen_metrics);
}

static void check_control(const struct conf *conf, enum conf_key other, const char *path, struct conf_problems *problems)
{
    if (*conf->listen_control && conf_is_usable(conf, CONF_listen_control) && conf_is_usable(conf, other) &&
        strcmp(conf->listen_control, path) == 0)
        problem_of_two(conf, CONF_listen_control, other, path, "path", problems);
}

static void check_sockets(const struct conf *conf, struct conf_problems *problems)
{
    if (!conf->listen_tcp.items[0] && !conf->listen_tls.items[0] && !*conf->listen_unix &&
        conf_is_usable(conf, CONF_listen_tcp) && conf_is_usable(conf, CONF_listen_unix))
        conf_problem(problems, &conf->origins[CONF_listen_tcp], &conf_rows[CONF_listen_tcp],
                     "nothing to listen on, write an address here or a path in listen.unix");
    check_control(conf, CONF_listen_unix, conf->listen_unix, problems);
    check_control(conf, CONF_channel_socket, conf->channel_socket, problems);
    if (strcmp(conf->listen_unix, conf->channel_socket) == 0 && conf_is_usable(conf, CONF_channel_socket))
        problem_of_two(conf, CONF_listen_unix, CONF_channel_socket, conf->listen_unix, "path", problems);
}

static uint64_t largest_packet_bytes(uint32_t large_bytes)
{
    uint64_t pages = BUFFER_PAGES + large_bytes / PAGE_BYTES;
    return PACKET_FIXED_BYTES + PACKET_PAGE_BYTES * pages + PACKET_FOOTER_BYTES;
}

static void check_ring(const struct conf *conf, struct conf_problems *problems)
{
    const struct conf_origin *origin = &conf->origins[CONF_channel_ring_bytes];
    const struct conf_row *row = &conf_rows[CONF_channel_ring_bytes];
    uint32_t ring_bytes = conf->channel_ring_bytes;
    uint64_t packet_bytes = largest_packet_bytes(conf->slots_large_bytes);
    uint32_t enough = 2 * PAGE_BYTES;

    if (!conf_is_usable(conf, CONF_channel_ring_bytes))
        return;
    if ((ring_bytes & (ring_bytes - 1)) != 0) {
        conf_problem(problems, origin, row, "%u is not a power of two, write 128K, 256K or 512K", ring_bytes);
        return;
    }
    while (enough - RING_HEADER_BYTES <= packet_bytes)
        enough *= 2;
    if (conf_is_usable(conf, CONF_slots_large_bytes) && ring_bytes < enough)
        conf_problem(problems, origin, row, "too small for one transfer of slots.large_bytes, write at least %uK", enough / 1024);
}

static void check_slots(const struct conf *conf, struct conf_problems *problems)
{
    if (conf_is_usable(conf, CONF_slots_large_bytes) && conf->slots_large_bytes % PAGE_BYTES != 0)
        conf_problem(problems, &conf->origins[CONF_slots_large_bytes], &conf_rows[CONF_slots_large_bytes],
                     "%u is not a multiple of 4096, write it in K or M, such as 8M", conf->slots_large_bytes);
}

/* Of a figure that somebody set, its own line says that it is too small for the shards; of defaults, the line of the shards does.
 */
static void check_shards(const struct conf *conf, struct conf_problems *problems)
{
    static const enum conf_key keys[] = {CONF_slots_small, CONF_slots_large, CONF_channel_depth};
    const uint32_t counts[] = {conf->slots_small, conf->slots_large, conf->channel_depth};
    const struct conf_row *least = NULL;
    uint32_t most = UINT32_MAX;

    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]) && conf_is_usable(conf, CONF_limits_shards); i++) {
        if (!conf_is_usable(conf, keys[i]) || counts[i] >= conf->limits_shards)
            continue;
        if (conf_is_set(conf, keys[i])) {
            conf_problem(problems, &conf->origins[keys[i]], &conf_rows[keys[i]],
                         "fewer than limits.shards, write at least %u, or fewer shards", conf->limits_shards);
        } else if (counts[i] < most) {
            least = &conf_rows[keys[i]];
            most = counts[i];
        }
    }
    if (least)
        conf_problem(problems, &conf->origins[CONF_limits_shards], &conf_rows[CONF_limits_shards],
                     "more than %s.%s, write at most %u, or set that to more", least->section, least->key, most);
}

static void check_upstream(const struct conf *conf, struct conf_problems *problems)
{
    const char *path = conf->upstream_ca_file;

    if (conf->upstream_fallback != FALLBACK_OFF && *path && conf_is_usable(conf, CONF_upstream_ca_file) && access(path, R_OK) < 0)
        conf_problem(problems, &conf->origins[CONF_upstream_ca_file], &conf_rows[CONF_upstream_ca_file],
                     "cannot read %s: %s, write the path of a file that this user can read, or nothing", path, strerror(errno));
}

void conf_check(const struct conf *conf, struct conf_problems *problems)
{
    check_upstream(conf, problems);
    check_addresses(conf, problems);
    check_sockets(conf, problems);
    conf_check_tls(conf, problems);
    check_ring(conf, problems);
    check_slots(conf, problems);
    check_shards(conf, problems);
}

/* map: lines of "first-here first-outside count". */
static bool is_mapped(const char *map, unsigned long uid)
{
    unsigned long first, outside, count;

    for (; map && sscanf(map, "%lu %lu %lu", &first, &outside, &count) == 3; map = strchr(map + strspn(map, "\n"), '\n'))
        if (uid >= first && uid - first < count)
            return true;
    return false;
}

bool conf_uids_warning(const struct conf *conf, struct err *ret_warning)
{
    struct buf map CLEANUP(buf_free);

    buf_init(&map, UID_MAP_BYTES_MAX);
    if (!conf->listen_unix_trusted_uids.items[0] || file_read("/proc/self/uid_map", &map, NULL) < 0 || map.len == 0)
        return false;
    for (char *const *item = conf->listen_unix_trusted_uids.items; *item; item++) {
        if (is_mapped(map.bytes, strtoul(*item, NULL, 10)))
            continue;
        err_set(ret_warning, 0,
                "listen.unix_trusted_uids: user %s cannot be told apart in this user namespace and is not trusted: as a systemd "
                "service write PrivateUsers=no",
                *item);
        return true;
    }
    return false;
}

static unsigned usable_cpus(void)
{
    cpu_set_t cpus;
    int count = sched_getaffinity(0, sizeof(cpus), &cpus) == 0 ? CPU_COUNT(&cpus) : 1;

    return count > 0 ? (unsigned)count : 1;
}

static unsigned at_most(unsigned shards, unsigned most)
{
    return shards < most ? shards : most;
}

unsigned conf_shards(const struct conf *conf)
{
    unsigned shards = conf->limits_shards;

    if (shards == 0)
        shards = at_most(usable_cpus(), conf->slots_large / SHARD_SLOTS_LARGE);
    if (shards == 0)
        shards = 1;
    return at_most(at_most(at_most(shards, conf->slots_small), conf->slots_large), conf->channel_depth);
}

/* What is left to say behind a reason for which the key file was not taken; where the mode is wrong, that has been said. */
static const char *accounts_advice(int code)
{
    switch (code) {
    case -EPERM:
        return "";
    case -EINVAL:
    case -EEXIST:
        return ", write a line NAME BASE64KEY [BASE64KEY2] for each account";
    default:
        return ", write the path of a key file that this user can read";
    }
}

static void load_credential(struct conf *conf, struct conf_problems *problems)
{
    const char *directory = conf_environment("CREDENTIALS_DIRECTORY");
    CLEANUP(cleanup_free) char *path = NULL;
    struct err err = {0};

    if (!directory)
        return;
    conf_join_path(&path, directory, "/accounts");
    if (!path || access(path, F_OK) < 0)
        return;
    int r = accounts_load(conf->accounts, path, &err);
    if (r < 0)
        conf_problem(problems, &(struct conf_origin){.name = "credential accounts"}, NULL, "%s%s", err.text, accounts_advice(r));
}

static void load_file(struct conf *conf, struct conf_problems *problems)
{
    struct err err = {0};

    if (!*conf->accounts_file || !conf_is_usable(conf, CONF_accounts_file))
        return;
    int r = accounts_load(conf->accounts, conf->accounts_file, &err);
    if (r < 0)
        conf_problem(problems, &conf->origins[CONF_accounts_file], &conf_rows[CONF_accounts_file], "%s%s", err.text,
                     accounts_advice(r));
}

void conf_load_accounts(struct conf *conf, struct conf_problems *problems)
{
    struct err err = {0};

    conf->accounts = accounts_new();
    if (!conf->accounts) {
        conf_problem(problems, NULL, NULL, "no memory");
        return;
    }
    load_file(conf, problems);
    load_credential(conf, problems);
    if (conf->accounts_development && accounts_add_development(conf->accounts, &err) < 0)
        conf_problem(problems, &conf->origins[CONF_accounts_development], &conf_rows[CONF_accounts_development], "%s", err.text);
}
