/* SPDX-License-Identifier: MIT */
/* The configuration: INI files, the environment and options on top, one table of keys (conf.def). Immutable once loaded, and
 * counted: who needs it for longer than a call takes a count of its own. */
#ifndef BLOBPROXYD_CONF_H
#define BLOBPROXYD_CONF_H

#include "../lib/buf.h"
#include "../lib/err.h"
#include "../lib/log.h"
#include "../lib/sign/accounts.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define CONF_LIST_MAX 16 /* entries in a list value */

struct tls_identity;
struct conf_name;

struct conf_list {
    char *items[CONF_LIST_MAX + 1]; /* NULL-terminated, owned */
    bool is_default;                /* nobody set it: what cannot be had is passed over with a warning */
};

enum conf_channel { CONF_CHANNEL_EMULATED, CONF_CHANNEL_DEVICE, CONF_CHANNEL_AUTO };

enum conf_fallback { FALLBACK_OFF, FALLBACK_HTTPS };

enum conf_access { CONF_ACCESS_NONE, CONF_ACCESS_ERRORS, CONF_ACCESS_ALL };

#define CONF_URL_ACCOUNT "{account}" /* stands in upstream.url for the account's name */

/* One member per row of conf.def, in its order. Durations in milliseconds, sizes in bytes. */
struct conf {
    struct conf_list listen_tcp; /* "127.0.0.1:10000 [::1]:10000"; only loopback unless listen.allow_remote */
    struct conf_list listen_tls; /* "": none; with --emulated and a certificate 127.0.0.1:10100 [::1]:10100 */
    bool listen_allow_remote;
    char *listen_unix;                         /* path, or "" for none; default: /run/blobproxyd.sock as root, else
                                                * $RUNTIME_DIRECTORY/blobproxyd.sock, $XDG_RUNTIME_DIR/blobproxyd.sock, else none */
    unsigned listen_unix_mode;                 /* octal; 0660 */
    char *listen_metrics;                      /* "127.0.0.1:10080", or "" for none; loopback only, always */
    char *listen_control;                      /* path, or "" for none; defaults as for listen_unix */
    char *listen_control_group;                /* a group's name, or "" */
    struct conf_list listen_hosts;             /* further host names that are path style */
    struct conf_list listen_account_suffixes;  /* "blob.localhost": <account>.<suffix> is host style */
    bool listen_sas_https_over_loopback;       /* yes: spr=https of a SAS is met by loopback TCP */
    struct conf_list listen_unix_trusted_uids; /* decimal; their requests without authorization are signed */

    char *tls_certificate; /* PEM file, or ""; default: the systemd credential "tls.crt" */
    char *tls_key;         /* likewise, "tls.key" */

    enum conf_channel channel_type; /* emulated */
    char *channel_device;           /* "/dev/azure_blob" */
    uint32_t channel_depth;         /* 64, over all shards: transfers that the device may have at a time */
    char *channel_socket;           /* blobhostd's bus socket: /run/blobhostd/bus.sock */
    uint32_t channel_ring_bytes;    /* 256K */
    uint64_t channel_timeout_ms;    /* given to the host with every transfer: 60s */
    char *channel_suffix;           /* "blob.localhost": the Host of a transfer is <account>.<suffix> */

    enum conf_fallback upstream_fallback; /* off */
    char *upstream_url;                   /* "https://{account}.blob.core.windows.net" */
    char *upstream_ca_file;               /* PEM, or "" for the system's */
    uint64_t upstream_connect_timeout_ms; /* 5s */
    uint32_t upstream_connections;        /* 64, over all shards */
    uint32_t upstream_breaker_failures;   /* 5 */
    uint64_t upstream_breaker_time_ms;    /* 10s */

    uint32_t slots_small;       /* 256, over all shards */
    uint32_t slots_large;       /* 24 */
    uint32_t slots_large_bytes; /* 8M; at most 31M */
    uint32_t slots_read_window; /* 12 */

    uint32_t limits_connections;          /* 16384 */
    uint32_t limits_shards;               /* 0: one per CPU this process may use */
    uint64_t limits_header_timeout_ms;    /* 20s */
    uint64_t limits_keepalive_timeout_ms; /* 300s */
    uint64_t limits_slot_timeout_ms;      /* 20s: wait for a slot or the channel, then 503 */
    uint64_t limits_exchange_timeout_ms;  /* 120s from the end of the request to the beginning of the answer */
    uint64_t limits_body_grace_ms;        /* 10s */
    uint32_t limits_body_rate;            /* 16K bytes/s: a body of N bytes, either way, has grace + N / rate */
    uint64_t limits_drain_grace_ms;       /* 1s */
    uint64_t limits_drain_timeout_ms;     /* 30s */

    char *accounts_file;               /* key file, or "" */
    struct conf_list accounts_allow;   /* names; empty: every account */
    struct conf_list accounts_domains; /* "HOST=ACCOUNT" */
    char *accounts_endpoint;           /* "https://{account}.blob.core.windows.net", or "" for that of channel.suffix */
    bool accounts_development;         /* devstoreaccount1 and its published key: yes with --emulated, else no */

    enum log_level log_level;    /* notice */
    enum log_format log_format;  /* auto */
    enum conf_access log_access; /* none */
    uint32_t log_access_sample;  /* 1 */

    /* Not from the file. */
    bool is_control_named;       /* somebody has set listen.control: it must be had */
    char *emulated_directory;    /* --emulated: data of the blobhostd it starts; NULL: do not start one */
    char *host_program;          /* blobhostd beside this program, else from PATH */
    struct accounts *accounts;   /* loaded from accounts_file, the systemd credential "accounts", the development account */
    struct tls_identity *tls;    /* loaded from tls.certificate and tls.key; NULL: none */
    struct conf_origin *origins; /* where each key was set, for messages; owned */
    struct conf_name *names;     /* what origins name; owned */
    int argc;                    /* the command line, to be read again by a reload; borrowed */
    char **argv;
    atomic_uint count;
};

enum conf_action { CONF_RUN, CONF_EXIT_OK, CONF_EXIT_USAGE /* 2 */ };

/* Reads argv, the file that it names (or the default one, when that exists), the files of conf.d beside it in the order of their
 * names, and the variables BLOBPROXYD_SECTION_KEY; later ones win, and options over all. Checks everything that can be checked
 * without acting. --help, --version, --check-config and --dump-config print on out; errors print as one line each
 * "blobproxyd: PATH:LINE: section.key: what is wrong, what to write" on err_out, all of them, not only the first.
 * On CONF_RUN *ret_conf is set. */
enum conf_action conf_load(int argc, char **argv, FILE *out, FILE *err_out, struct conf **ret_conf);

struct conf *conf_ref(const struct conf *conf);  /* one count more; any thread */
struct conf *conf_free(const struct conf *conf); /* one count less; the last wipes secrets and frees. Returns NULL */

/* Reads everything anew as conf_load() did for running, with which it shares nothing. Keys that take effect only at a start keep
 * their running values; those that differ are named in ret_kept, "listen.tcp slots.small". 0, -EINVAL or -ENOMEM: then err says
 * in one line why, and running is what stays. */
int conf_reload(const struct conf *running, struct conf **ret_conf, struct buf *ret_kept, struct err *err) MUST_CHECK;

/* Appends conf as a configuration file that means the same; above each key a comment says where its value comes from and whether
 * a reload or a restart takes another one. No value is a secret. Any thread. A failure is that of the buf. */
void conf_dump(const struct conf *conf, struct buf *out);

/* Is there something to say about the certificate that is no mistake? It has expired, is about to, or is not valid yet. */
bool conf_tls_warning(const struct conf *conf, int64_t now_us, struct err *ret_warning);

/* Is there a user in listen.unix_trusted_uids whom the kernel does not tell apart from others in this user namespace? */
bool conf_uids_warning(const struct conf *conf, struct err *ret_warning);

/* Shards to run: limits.shards, or the CPUs that this process may use as far as each shard gets six large slots; at most as many
 * as there are slots of either class. */
unsigned conf_shards(const struct conf *conf);

/* All defaults of conf.def, nothing resolved, no accounts. NULL: no memory. */
struct conf *conf_new(void);

/* The parser alone, for tests and fuzzing: text is the file's contents, name stands in messages and must outlive conf. Checks
 * each value by itself. Returns the number of errors written to errors, one line each, without the program's name. */
unsigned conf_parse_text(struct conf *conf, const char *name, const char *text, size_t len, struct buf *errors);

#endif
