/* SPDX-License-Identifier: MIT */
/* A shard: listen -> shard -> admission -> front -> exchange -> channel, and back, all on one thread. */
#include "shard.h"

#include "admission.h"
#include "describe.h"
#include "exchange.h"
#include "front.h"
#include "tunnel.h"

#include "../lib/clock.h"
#include "../lib/log.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

#define SWEEP_MS 250
#define RECONNECT_MIN_MS 20u
#define RECONNECT_MAX_MS 1000u

/* What other threads ask of a shard: the only lock is around this list. */
enum order_kind { ORDER_CONNECTION, ORDER_CONF, ORDER_DRAIN, ORDER_CUT, ORDER_SURVEY, ORDER_STOP };

struct order {
    enum order_kind kind;
    int socket;
    bool is_tls;
    struct conf *conf;     /* of ORDER_CONF; counted */
    struct survey *survey; /* of ORDER_SURVEY */
    enum survey_topic topic;
    struct sockaddr_storage address;
    socklen_t address_len;
    STAILQ_ENTRY(order) link;
};

struct shard {
    struct shard_config config;
    pthread_t thread;
    struct event_base *base;
    struct event *inbox_event, *sweep_event;
    struct exchange_env env;
    struct front *front;
    struct admission *admission;
    struct tunnels *tunnels;
    struct conf *conf; /* what env has; counted */
    bool is_draining;
    uint64_t grace_until_us; /* draining: until then clients that had been about to send still may */
    unsigned cut;
    struct err reason;   /* of the channel's last change */
    uint64_t changed_us; /* when that was */

    pthread_mutex_t inbox_lock;
    STAILQ_HEAD(, order) inbox;
    int inbox_fd;

    atomic_bool is_channel_up, is_drained;
    atomic_uint connections, transfers;
    _Atomic uint32_t command;
    _Atomic uint64_t swept_us, exchanges_ended;
    atomic_uint exchanges;
};

/* ---- connections ---- */

static void connection_closed(void *arg)
{
    struct shard *shard = arg;

    atomic_fetch_sub_explicit(&shard->connections, 1, memory_order_relaxed);
}

static void connection_broken(void *arg, int socket)
{
    struct shard *shard = arg;

    tunnels_break(shard->tunnels, socket);
}

static void tunnel_enters(void *arg, int socket, const struct sockaddr *address, socklen_t address_len)
{
    struct shard *shard = arg;

    if (admission_add(shard->admission, socket, true, address, address_len) < 0) {
        (void)close(socket);
        connection_closed(shard);
    }
}

static bool grace_is_over(const struct shard *shard)
{
    return shard->is_draining && clock_mono_us() >= shard->grace_until_us;
}

static void take_connection(struct shard *shard, const struct order *order)
{
    const struct sockaddr *address = (const struct sockaddr *)&order->address;
    int r = grace_is_over(shard) ? -ECANCELED
            : order->is_tls      ? tunnels_add(shard->tunnels, order->socket, address, order->address_len)
                                 : admission_add(shard->admission, order->socket, false, address, order->address_len);

    if (r < 0) {
        (void)close(order->socket);
        connection_closed(shard);
    }
}

/* ---- orders ---- */

static void publish_drained(struct shard *shard)
{
    const struct channel *channel = shard->env.channel;
    bool is_held = channel->ops->is_uninterruptible && channel->counters.in_flight > 0;
    bool has_clients = shard->front && (front_exchanges(shard->front) > 0 || tunnels_unsent(shard->tunnels) > 0 ||
                                        (!grace_is_over(shard) && atomic_load(&shard->connections) > 0));
    bool is_drained = shard->is_draining && !has_clients && !is_held;

    if (is_drained && !atomic_exchange(&shard->is_drained, true))
        shard->config.changed(shard->config.arg);
}

/* Whatever clients still wait for: they are cut off, and what the host has is quarantined. */
static void cut_clients(struct shard *shard)
{
    if (shard->front)
        shard->cut += front_free(shard->front);
    shard->front = NULL;
    shard->admission = admission_free(shard->admission);
    shard->tunnels = tunnels_free(shard->tunnels);
}

/* Takes the count over. */
static void use_conf(struct shard *shard, struct conf *conf)
{
    exchange_env_set_conf(&shard->env, conf);
    conf_free(shard->conf);
    shard->conf = conf;
}

static void begin_drain(struct shard *shard)
{
    uint64_t grace_ms = shard->conf->limits_drain_grace_ms;

    shard->is_draining = true;
    shard->grace_until_us = clock_mono_us() + grace_ms * 1000;
    front_drain(shard->front);
    publish_drained(shard);
}

static void end_grace(struct shard *shard)
{
    tunnels_drain(shard->tunnels);
    admission_drain(shard->admission);
}

static void obey(struct shard *shard, const struct order *order)
{
    switch (order->kind) {
    case ORDER_CONNECTION:
        take_connection(shard, order);
        break;
    case ORDER_CONF:
        use_conf(shard, order->conf);
        break;
    case ORDER_DRAIN:
        begin_drain(shard);
        break;
    case ORDER_SURVEY:
        survey_answer(order->survey, shard->config.number,
                      order->topic == SURVEY_CHANNELS
                          ? describe_channel(shard->config.number, &shard->env, shard->reason.text, shard->changed_us)
                          : describe_exchanges(shard->config.number, &shard->env));
        break;
    case ORDER_CUT:
        cut_clients(shard);
        publish_drained(shard);
        break;
    case ORDER_STOP:
        event_base_loopbreak(shard->base);
        break;
    }
}

static void inbox_readable(evutil_socket_t fd, short what, void *arg)
{
    struct shard *shard = arg;
    eventfd_t count;
    STAILQ_HEAD(, order) orders = STAILQ_HEAD_INITIALIZER(orders);

    (void)what;
    (void)eventfd_read(fd, &count);
    pthread_mutex_lock(&shard->inbox_lock);
    STAILQ_CONCAT(&orders, &shard->inbox);
    pthread_mutex_unlock(&shard->inbox_lock);
    while (!STAILQ_EMPTY(&orders)) {
        struct order *order = STAILQ_FIRST(&orders);

        STAILQ_REMOVE_HEAD(&orders, link);
        obey(shard, order);
        free(order);
    }
}

static int shard_order(struct shard *shard, const struct order *order)
{
    struct order *copy = malloc(sizeof(*copy));

    if (!copy)
        return -ENOMEM;
    *copy = *order;
    pthread_mutex_lock(&shard->inbox_lock);
    STAILQ_INSERT_TAIL(&shard->inbox, copy, link);
    pthread_mutex_unlock(&shard->inbox_lock);
    (void)eventfd_write(shard->inbox_fd, 1);
    return 0;
}

/* ---- channel and sweep ---- */

static void publish_channel(struct shard *shard, bool is_up)
{
    struct metrics_shard *metrics = shard->config.metrics;
    uint32_t command = atomic_load(&shard->command);
    bool is_device = shard->conf->channel_type != CONF_CHANNEL_EMULATED;

    metrics_set(metrics, METRIC_CHANNEL_UP, is_up);
    metrics_set(metrics, METRIC_CHANNELS_EMULATED, is_up && !is_device);
    metrics_set(metrics, METRIC_CHANNELS_LIST, is_up && is_device && command == device_command_number(DEVICE_COMMAND_LIST));
    metrics_set(metrics, METRIC_CHANNELS_VENDOR, is_up && is_device && command == device_command_number(DEVICE_COMMAND_VENDOR));
}

static void channel_changed(void *owner, enum channel_state state, const char *reason)
{
    struct shard *shard = owner;
    char number[12];
    struct log_field field = {"shard", number};

    snprintf(number, sizeof(number), "%u", shard->config.number);
    if (shard->env.channel) /* NULL: inside open */
        atomic_store(&shard->command, shard->env.channel->command);
    atomic_store(&shard->is_channel_up, state == CHANNEL_UP);
    publish_channel(shard, state == CHANNEL_UP);
    err_set(&shard->reason, 0, "%s", reason);
    shard->changed_us = clock_mono_us();
    if (state == CHANNEL_UP)
        log_event(LOG_LEVEL_NOTICE, "channel-up", &field, 1, "the channel to the host is open (%s)", reason);
    else if (shard->env.channel && shard->env.channel->counters.opens > 0)
        log_event(LOG_LEVEL_WARNING, "channel-lost", &field, 1, "%s; trying again", reason);
    else /* the host may still be starting */
        log_event(LOG_LEVEL_INFO, "channel-waiting", &field, 1, "%s; trying again", reason);
    if (shard->env.route)
        route_channel_changed(shard->env.route, state == CHANNEL_UP);
    if (state == CHANNEL_DOWN)
        exchange_env_channel_down(&shard->env);
    shard->config.changed(shard->config.arg);
}

static void channel_trouble(void *owner, const char *text)
{
    const struct shard *shard = owner;
    char number[12];
    struct log_field field = {"shard", number};

    snprintf(number, sizeof(number), "%u", shard->config.number);
    log_event(LOG_LEVEL_WARNING, "channel-trouble", &field, 1, "%s", text);
}

static void publish_figures(struct shard *shard)
{
    struct metrics_shard *metrics = shard->config.metrics;
    struct slots_figures figures = slots_figures(shard->env.slots);
    const struct channel_counters *counters = &shard->env.channel->counters;

    metrics_set(metrics, METRIC_SLOTS_SMALL, figures.total[SLOT_SMALL]);
    metrics_set(metrics, METRIC_SLOTS_LARGE, figures.total[SLOT_LARGE]);
    metrics_set(metrics, METRIC_SLOTS_SMALL_USED, figures.used[SLOT_SMALL]);
    metrics_set(metrics, METRIC_SLOTS_LARGE_USED, figures.used[SLOT_LARGE]);
    metrics_set(metrics, METRIC_SLOTS_QUARANTINED, figures.quarantined);
    metrics_set(metrics, METRIC_SLOT_BYTES, figures.bytes);
    metrics_set(metrics, METRIC_SLOTS_WAITING, figures.waiting[SLOT_SMALL] + figures.waiting[SLOT_LARGE]);
    metrics_set(metrics, METRIC_TRANSFERS, counters->in_flight);
    atomic_store_explicit(&shard->transfers, counters->in_flight, memory_order_relaxed);
    atomic_store_explicit(&shard->exchanges, shard->env.exchanges, memory_order_relaxed);
    atomic_store_explicit(&shard->exchanges_ended, shard->env.exchanges_ended, memory_order_relaxed);
    metrics_set(metrics, METRIC_CHANNEL_THREADS, channel_threads(shard->env.channel));
    metrics_set(metrics, METRIC_CHANNEL_FULL, counters->ring_full);
    metrics_set(metrics, METRIC_CHANNEL_REFUSED, counters->refused);
    metrics_set(metrics, METRIC_CHANNEL_OPENS, counters->opens);
    metrics_set(metrics, METRIC_ERROR_CHANNEL_PROTOCOL, counters->protocol_errors);
    metrics_set(metrics, METRIC_CONNECTIONS_OPEN, atomic_load_explicit(&shard->connections, memory_order_relaxed));
}

/* How late this sweep is tells what everything on this loop waited for the thread. */
static void publish_lag(struct shard *shard, uint64_t now_us)
{
    uint64_t planned_us = atomic_load_explicit(&shard->swept_us, memory_order_relaxed) + SWEEP_MS * 1000;

    metrics_observe(shard->config.metrics, HISTOGRAM_LOOP_LAG, now_us > planned_us ? now_us - planned_us : 0);
}

static void sweep(evutil_socket_t fd, short what, void *arg)
{
    struct shard *shard = arg;
    uint64_t now_us = clock_mono_us();

    (void)fd;
    (void)what;
    publish_lag(shard, now_us);
    log_flush();
    log_tell_suppressed();
    exchange_env_pump(&shard->env);
    if (shard->front && grace_is_over(shard))
        end_grace(shard);
    if (shard->front) {
        tunnels_sweep(shard->tunnels, now_us);
        admission_sweep(shard->admission, now_us);
        front_sweep(shard->front, now_us);
    }
    publish_figures(shard);
    publish_drained(shard);
    atomic_store_explicit(&shard->swept_us, now_us, memory_order_relaxed);
}

/* ---- life ---- */

static uint32_t share_of(uint32_t total, const struct shard_config *config)
{
    return total / config->count + (config->number < total % config->count);
}

static int open_emulated(struct shard *shard, const struct slot_geometry *geometry, const struct channel_listener *listener)
{
    struct channel_emulated_config config = {
        .socket_path = shard->conf->channel_socket,
        .ring_bytes = shard->conf->channel_ring_bytes,
        .geometry = *geometry,
        .reconnect_min_ms = RECONNECT_MIN_MS,
        .reconnect_max_ms = RECONNECT_MAX_MS,
    };

    return channel_emulated_open(shard->base, &config, shard->env.slots, listener, &shard->env.channel);
}

static int open_device(struct shard *shard, const struct slot_geometry *geometry, const struct channel_listener *listener)
{
    struct channel_device_config config = {
        .path = shard->conf->channel_device,
        .geometry = *geometry,
        .depth = share_of(shard->conf->channel_depth, &shard->config),
        .reopen_min_ms = RECONNECT_MIN_MS,
        .reopen_max_ms = RECONNECT_MAX_MS,
    };

    return channel_device_open(shard->base, &config, shard->env.slots, listener, &shard->env.channel);
}

static int open_channel(struct shard *shard)
{
    const struct conf *conf = shard->conf;
    struct slot_geometry geometry = {
        .count = {share_of(conf->slots_small, &shard->config), share_of(conf->slots_large, &shard->config)},
        .data_bytes = {SLOT_SMALL_DATA_BYTES, conf->slots_large_bytes}};
    struct channel_listener listener = {channel_changed, channel_trouble, shard};
    int r = slots_new(shard->base, &geometry, &shard->env.slots);

    if (r < 0)
        return r;
    return conf->channel_type == CONF_CHANNEL_EMULATED ? open_emulated(shard, &geometry, &listener)
                                                       : open_device(shard, &geometry, &listener);
}

static int open_route(struct shard *shard, struct err *err)
{
    const struct conf *conf = shard->env.conf;
    uint32_t seats = share_of(conf->upstream_connections, &shard->config);

    if (conf->upstream_fallback == FALLBACK_OFF)
        return 0;
    return route_new(shard->base, conf, seats > 0 ? seats : 1, shard->config.metrics, &shard->env.route, err);
}

static int open_front(struct shard *shard)
{
    struct front_hooks front_hooks = {connection_closed, connection_broken, shard};
    struct tunnels_hooks tunnels_hooks = {tunnel_enters, connection_closed, shard};
    int r = front_new(shard->base, &shard->env, &front_hooks, &shard->front);

    struct admission_hooks admission_hooks = {front_open, front_proceed, front_end, connection_closed, shard->front, shard};
    if (r == 0)
        r = admission_new(shard->base, &shard->env, &admission_hooks, &shard->admission);
    return r < 0 ? r : tunnels_new(shard->base, &shard->env, &tunnels_hooks, &shard->tunnels);
}

static int open_loop(struct shard *shard)
{
    struct timeval period = {0, SWEEP_MS * 1000};

    shard->inbox_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    shard->base = event_base_new();
    if (shard->inbox_fd < 0 || !shard->base)
        return -ENOMEM;
    shard->inbox_event = event_new(shard->base, shard->inbox_fd, EV_READ | EV_PERSIST, inbox_readable, shard);
    shard->sweep_event = event_new(shard->base, -1, EV_PERSIST, sweep, shard);
    if (!shard->inbox_event || !shard->sweep_event || event_add(shard->inbox_event, NULL) < 0 ||
        event_add(shard->sweep_event, &period) < 0)
        return -ENOMEM;
    return 0;
}

static void shard_close(struct shard *shard)
{
    cut_clients(shard);
    shard->env.route = route_free(shard->env.route);
    if (shard->env.channel)
        channel_close(shard->env.channel);
    if (shard->env.slots)
        slots_free(shard->env.slots);
    exchange_env_done(&shard->env);
    while (!STAILQ_EMPTY(&shard->inbox)) {
        struct order *order = STAILQ_FIRST(&shard->inbox);

        STAILQ_REMOVE_HEAD(&shard->inbox, link);
        if (order->kind == ORDER_CONNECTION)
            (void)close(order->socket);
        if (order->kind == ORDER_SURVEY)
            survey_miss(order->survey);
        conf_free(order->conf);
        free(order);
    }
    conf_free(shard->conf);
    if (shard->inbox_event)
        event_free(shard->inbox_event);
    if (shard->sweep_event)
        event_free(shard->sweep_event);
    if (shard->base)
        event_base_free(shard->base);
    if (shard->inbox_fd >= 0)
        (void)close(shard->inbox_fd);
}

static void *shard_main(void *arg)
{
    struct shard *shard = arg;
    char name[16]; /* as long as the kernel keeps them */

    snprintf(name, sizeof(name), "shard-%u", shard->config.number);
    (void)pthread_setname_np(pthread_self(), name);
    event_base_dispatch(shard->base);
    shard_close(shard);
    log_flush();
    return NULL;
}

int shard_start(const struct shard_config *config, struct shard **ret_shard, struct err *err)
{
    struct shard *shard = calloc(1, sizeof(*shard));

    if (!shard)
        return err_set(err, -ENOMEM, "shard %u: no memory", config->number);
    shard->config = *config;
    pthread_mutex_init(&shard->inbox_lock, NULL);
    STAILQ_INIT(&shard->inbox);
    exchange_env_init(&shard->env);
    shard->env.metrics = config->metrics;
    use_conf(shard, conf_ref(config->conf));
    shard->config.conf = NULL;
    struct err cause = {""};
    int r = open_loop(shard);

    if (r == 0)
        r = open_route(shard, &cause);
    if (r == 0)
        r = open_channel(shard);
    if (r == 0)
        r = open_front(shard);
    atomic_store(&shard->swept_us, clock_mono_us());
    if (r == 0)
        r = -pthread_create(&shard->thread, NULL, shard_main, shard);
    if (r < 0) {
        shard_close(shard);
        free(shard);
        return err_set(err, r, "shard %u cannot start: %s", config->number, *cause.text ? cause.text : strerror(-r));
    }
    *ret_shard = shard;
    return 0;
}

int shard_give(struct shard *shard, int socket, bool is_tls, const struct sockaddr *address, socklen_t address_len)
{
    struct order order = {.kind = ORDER_CONNECTION, .socket = socket, .is_tls = is_tls, .address_len = address_len};

    memcpy(&order.address, address, address_len < sizeof(order.address) ? address_len : sizeof(order.address));
    atomic_fetch_add_explicit(&shard->connections, 1, memory_order_relaxed);
    int r = shard_order(shard, &order);

    if (r < 0)
        connection_closed(shard);
    return r;
}

int shard_reconfigure(struct shard *shard, const struct conf *conf)
{
    struct order order = {.kind = ORDER_CONF, .conf = conf_ref(conf)};
    int r = shard_order(shard, &order);

    if (r < 0)
        conf_free(order.conf);
    return r;
}

void shard_drain(struct shard *shard)
{
    struct order order = {.kind = ORDER_DRAIN};

    if (shard_order(shard, &order) < 0)
        log_error("no-memory", "shard %u cannot be asked to drain", shard->config.number);
}

int shard_survey(struct shard *shard, struct survey *survey, enum survey_topic topic)
{
    struct order order = {.kind = ORDER_SURVEY, .survey = survey, .topic = topic};
    int r = shard_order(shard, &order);

    if (r < 0)
        survey_miss(survey);
    return r;
}

void shard_cut(struct shard *shard)
{
    struct order order = {.kind = ORDER_CUT};

    if (shard_order(shard, &order) < 0)
        log_error("no-memory", "shard %u cannot be asked to cut its clients off", shard->config.number);
}

struct shard_state shard_state(const struct shard *shard)
{
    return (struct shard_state){
        .is_channel_up = atomic_load(&shard->is_channel_up),
        .is_drained = atomic_load(&shard->is_drained),
        .connections = atomic_load_explicit(&shard->connections, memory_order_relaxed),
        .transfers = atomic_load_explicit(&shard->transfers, memory_order_relaxed),
        .command = atomic_load(&shard->command),
        .swept_us = atomic_load_explicit(&shard->swept_us, memory_order_relaxed),
        .exchanges_ended = atomic_load_explicit(&shard->exchanges_ended, memory_order_relaxed),
        .exchanges = atomic_load_explicit(&shard->exchanges, memory_order_relaxed),
    };
}

struct failures *shard_failures(const struct shard *shard)
{
    return shard->env.failures;
}

unsigned shard_stop(struct shard *shard)
{
    struct order order = {.kind = ORDER_STOP};

    if (!shard)
        return 0;
    while (shard_order(shard, &order) < 0)
        ;
    pthread_join(shard->thread, NULL);
    unsigned cut = shard->cut;

    pthread_mutex_destroy(&shard->inbox_lock);
    free(shard);
    return cut;
}
