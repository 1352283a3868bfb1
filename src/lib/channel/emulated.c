/* SPDX-License-Identifier: MIT */
/* The emulated channel: the VMBus ring over memory shared with blobhostd, which offers it on a Unix socket. */
#include "channel.h"

#include "../clock.h"
#include "../pages.h"
#include "../vmbus/bus.h"
#include "vsc.h"

#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/un.h>

#define OPEN_TIMEOUT_MS 5000u
#define DRAIN_BUDGET 128u /* completions in a row before other events of the loop get theirs */

enum emulated_phase {
    EMULATED_WAITING, /* for the timer: connect */
    EMULATED_OFFER,   /* connected; for the host's offer */
    EMULATED_OPENING, /* memory sent; for the host's "opened" */
    EMULATED_UP,
    EMULATED_CLOSING, /* up, but nothing may be submitted any more */
};

/* One mapping: guest->host half, host->guest half, slots. Lives until the channel and the last slot have let go of it, and is
 * never used for a second opening: the host may still write to it. */
struct emulated_memory {
    struct slot_region region;
    uint8_t *map;
    size_t bytes;
};

struct emulated {
    struct channel channel; /* first: channel_ops get a pointer to it */
    struct ring_port port;
    struct event_base *base;
    struct slots *slots;
    struct sockaddr_un address;
    uint32_t ring_bytes;
    struct slot_geometry geometry;
    uint32_t reconnect_min_ms, reconnect_max_ms, open_timeout_ms;

    enum emulated_phase phase;
    uint32_t delay_ms;      /* before the next attempt */
    struct event *timer;    /* next attempt, or deadline of this one */
    struct event *doorbell; /* signals the host, once for all that a turn of the loop has submitted */
    struct event *kick;     /* goes on draining, or gives up what a submit found broken */
    struct err told;        /* the last reason told since it was up */
    struct err broken;      /* what a submit found */

    /* Of one opening. */
    int socket, signal_host, signal_guest;
    struct event *socket_event, *bell;
    struct emulated_memory *memory;
    struct vsc *vsc;
    uint64_t up_since_us;
};

static void arm(struct event *event, uint32_t delay_ms)
{
    struct timeval delay = {delay_ms / 1000, (suseconds_t)(delay_ms % 1000 * 1000)};

    if (event_add(event, &delay) < 0)
        event_active(event, EV_TIMEOUT, 0);
}

static void memory_release(struct slot_region *region)
{
    struct emulated_memory *memory = (struct emulated_memory *)(void *)region;

    (void)munmap(memory->map, memory->bytes);
    free(memory);
}

/* The host may still have it mapped: what it writes there now comes back as new pages, and nobody reads them. */
static void memory_discard(struct slot_region *region, void *address, size_t bytes)
{
    struct page_span span = pages_inside(address, bytes, (size_t)sysconf(_SC_PAGESIZE));

    (void)region;
    (void)madvise(span.start, span.bytes, MADV_REMOVE);
}

_Static_assert(offsetof(struct emulated_memory, region) == 0, "memory_release casts");

static int memory_new(const struct emulated *emulated, int *ret_memfd, struct emulated_memory **ret_memory, struct err *err)
{
    size_t rings_bytes = 2 * (size_t)emulated->ring_bytes;
    CLEANUP(cleanup_fd) int memfd = -1;
    CLEANUP(cleanup_free) struct emulated_memory *memory = calloc(1, sizeof(*memory));

    if (!memory)
        return err_set(err, -ENOMEM, "out of memory");
    memory->bytes = rings_bytes + slots_region_bytes(&emulated->geometry);
    int r = bus_memfd("blobproxy-channel", memory->bytes, &memfd, err);
    if (r < 0)
        return r;
    void *map = mmap(NULL, memory->bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, memfd, 0);
    if (map == MAP_FAILED)
        return err_set(err, -errno, "map %zu bytes: %s", memory->bytes, strerror(errno));
    memory->map = map;
    memory->region.base = memory->map + rings_bytes;
    memory->region.release = memory_release;
    memory->region.discard = memory_discard;
    *ret_memfd = TAKE_FD(memfd);
    *ret_memory = TAKE_PTR(memory);
    return 0;
}

static struct emulated *emulated_of(struct ring_port *port)
{
    return (struct emulated *)(void *)((char *)port - offsetof(struct emulated, port));
}

static void port_signal(struct ring_port *port)
{
    event_active(emulated_of(port)->doorbell, EV_TIMEOUT, 0);
}

static void on_doorbell(evutil_socket_t fd, short what, void *arg)
{
    struct emulated *emulated = arg;
    uint64_t one = 1;

    (void)fd;
    (void)what;
    if (emulated->signal_host < 0)
        return;
    /* Fails only when the counter is full, and then the host is being told anyway. */
    ssize_t written = write(emulated->signal_host, &one, sizeof(one));
    (void)written;
}

/* A page's number is its place in the memfd, so whatever is adjacent here is adjacent for the host. */
static struct page_run port_page_run(struct ring_port *port, const void *address, uint32_t max_pages)
{
    const struct emulated_memory *memory = emulated_of(port)->memory;

    return (struct page_run){(uint64_t)((const uint8_t *)address - memory->map) / BUS_PAGE_BYTES, max_pages};
}

static bool port_is_closed(struct ring_port *port)
{
    return emulated_of(port)->phase != EMULATED_UP;
}

static struct event *event_drop(struct event *event)
{
    if (event)
        event_free(event);
    return NULL;
}

static void close_descriptors(struct emulated *emulated)
{
    emulated->socket_event = event_drop(emulated->socket_event);
    emulated->bell = event_drop(emulated->bell);
    cleanup_fd(&emulated->socket);
    cleanup_fd(&emulated->signal_host);
    cleanup_fd(&emulated->signal_guest);
    emulated->socket = emulated->signal_host = emulated->signal_guest = -1;
}

/* After the slots have let go of the memory: the transfers' outcome is unknown. */
static void abort_transfers(struct emulated *emulated)
{
    if (emulated->vsc)
        vsc_abort(emulated->vsc);
    emulated->vsc = vsc_free(emulated->vsc);
}

static void let_go_of_memory(struct emulated *emulated)
{
    if (!emulated->memory)
        return;
    if (emulated->memory->region.slots)
        slots_detach(emulated->slots);
    else
        memory_release(&emulated->memory->region);
    emulated->memory = NULL;
}

static void tell(struct emulated *emulated, const char *reason)
{
    emulated->channel.listener.changed(emulated->channel.listener.owner, emulated->channel.state, reason);
}

/* Between half the delay and all of it, so that the shards do not come back all at once. */
static uint32_t next_delay_ms(struct emulated *emulated)
{
    uint32_t delay_ms = emulated->delay_ms;
    uint32_t random = 0;

    emulated->delay_ms = delay_ms > emulated->reconnect_max_ms / 2 ? emulated->reconnect_max_ms : delay_ms * 2;
    (void)!getrandom(&random, sizeof(random), GRND_NONBLOCK);
    return delay_ms - random % (delay_ms / 2 + 1);
}

/* The only way down but for closing: whatever the phase, ends the attempt or the open channel and plans the next attempt. */
static void emulated_fail(struct emulated *emulated, int code, const struct err *reason)
{
    bool was_up = emulated->channel.state == CHANNEL_UP;
    bool is_news = was_up || strcmp(reason->text, emulated->told.text) != 0;

    if (code == -EPROTO || code == -EPROTONOSUPPORT)
        emulated->channel.counters.protocol_errors++;
    if (was_up && clock_mono_us() - emulated->up_since_us >= emulated->reconnect_max_ms * (uint64_t)1000)
        emulated->delay_ms = emulated->reconnect_min_ms;
    emulated->channel.state = CHANNEL_DOWN;
    emulated->phase = EMULATED_WAITING;
    emulated->told = *reason;
    event_del(emulated->kick);
    event_del(emulated->doorbell);
    close_descriptors(emulated);
    let_go_of_memory(emulated);
    arm(emulated->timer, next_delay_ms(emulated));
    if (is_news)
        tell(emulated, emulated->told.text);
    abort_transfers(emulated);
}

static void drain(struct emulated *emulated)
{
    struct err err = {0};
    int r = vsc_drain(emulated->vsc, DRAIN_BUDGET, &err);

    if (r == -EAGAIN)
        arm(emulated->kick, 0);
    else if (r < 0)
        emulated_fail(emulated, r, &err);
}

static void on_bell(evutil_socket_t fd, short what, void *arg)
{
    struct emulated *emulated = arg;
    uint64_t count;

    (void)what;
    ssize_t got = read(fd, &count, sizeof(count));
    (void)got;
    if (emulated->phase == EMULATED_UP)
        drain(emulated);
}

static void on_kick(evutil_socket_t fd, short what, void *arg)
{
    struct emulated *emulated = arg;

    (void)fd;
    (void)what;
    if (emulated->phase == EMULATED_CLOSING) {
        struct err reason = emulated->broken;
        emulated_fail(emulated, -EPROTO, &reason);
    } else if (emulated->phase == EMULATED_UP) {
        drain(emulated);
    }
}

/* What the host completed before it closed counts. */
static void on_rescind(struct emulated *emulated, int code, struct err *reason)
{
    struct err garbage = {0};

    emulated->phase = EMULATED_CLOSING;
    int r = vsc_drain(emulated->vsc, emulated->channel.counters.in_flight + 1, &garbage);
    if (r < 0 && r != -EAGAIN)
        emulated_fail(emulated, r, &garbage);
    else
        emulated_fail(emulated, code, reason);
}

static int check_offer(const struct emulated *emulated, const struct bus_offer *offer, struct err *err)
{
    uint32_t pages = 0;

    if (memcmp(offer->class_guid, bus_blob_class, sizeof(offer->class_guid)) != 0)
        return err_set(err, -EPROTO, "bus: the host offers a device that is not the Azure Blob device");
    for (enum slot_class class = 0; class < SLOT_CLASSES; class ++) {
        uint32_t of_slot =
            (LIMIT_SLOT_REQUEST_BYTES + LIMIT_SLOT_RESPONSE_BYTES + emulated->geometry.data_bytes[class]) / BUS_PAGE_BYTES;
        if (emulated->geometry.count[class] > 0 && of_slot > pages)
            pages = of_slot;
    }
    if (pages > offer->max_pages)
        return err_set(err, -ENOTSUP, "bus: the host takes %u pages in a transfer, the largest slot has %u", offer->max_pages,
                       pages);
    return 0;
}

static int watch(struct emulated *emulated, int fd, event_callback_fn callback, struct event **event, struct err *err)
{
    *event = event_new(emulated->base, fd, EV_READ | EV_PERSIST, callback, emulated);
    if (!*event || event_add(*event, NULL) < 0)
        return err_set(err, -ENOMEM, "out of memory");
    return 0;
}

static int make_signals(struct emulated *emulated, struct err *err)
{
    emulated->signal_host = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    emulated->signal_guest = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (emulated->signal_host < 0 || emulated->signal_guest < 0)
        return err_set(err, -errno, "eventfd: %s", strerror(errno));
    return watch(emulated, emulated->signal_guest, on_bell, &emulated->bell, err);
}

static int make_memory(struct emulated *emulated, int *ret_memfd, struct err *err)
{
    const struct slot_geometry *geometry = &emulated->geometry;
    int r = memory_new(emulated, ret_memfd, &emulated->memory, err);

    if (r < 0)
        return r;
    r = vsc_new(&emulated->port, emulated->memory->map, emulated->ring_bytes,
                geometry->count[SLOT_SMALL] + geometry->count[SLOT_LARGE], &emulated->channel.counters, &emulated->vsc);
    return r < 0 ? err_set(err, r, "ring: %s", strerror(-r)) : 0;
}

static int on_offer(struct emulated *emulated, struct err *err)
{
    CLEANUP(cleanup_fd) int memfd = -1;
    struct bus_offer offer;
    int r = bus_receive_offer(emulated->socket, &offer, err);

    if (r == 0)
        r = check_offer(emulated, &offer, err);
    if (r == 0)
        r = make_memory(emulated, &memfd, err);
    if (r == 0)
        r = make_signals(emulated, err);
    if (r < 0)
        return r;
    struct bus_memory memory = {
        .memfd = memfd,
        .signal_host = emulated->signal_host,
        .signal_guest = emulated->signal_guest,
        .memory_bytes = emulated->memory->bytes,
        .ring_bytes = emulated->ring_bytes,
    };
    r = bus_send_open(emulated->socket, &memory, err);
    if (r < 0)
        return r == -EAGAIN ? -EIO : r; /* the first message fits any socket */
    emulated->phase = EMULATED_OPENING;
    return 0;
}

static int on_opened(struct emulated *emulated, struct err *err)
{
    uint32_t status = UINT32_MAX;
    int r = bus_receive_opened(emulated->socket, &status, err);

    if (r < 0)
        return r;
    if (status != 0)
        return err_set(err, -ECONNREFUSED, "bus: the host refused to open the channel: status %#x", status);
    r = slots_attach(emulated->slots, &emulated->memory->region);
    if (r < 0)
        return err_set(err, r, "slots: %s", strerror(-r));
    event_del(emulated->timer);
    emulated->phase = EMULATED_UP;
    emulated->up_since_us = clock_mono_us();
    emulated->channel.state = CHANNEL_UP;
    emulated->channel.counters.opens++;
    emulated->told = (struct err){0};
    tell(emulated, "opened");
    return 0;
}

/* Once the channel is open only the rings speak. */
static int on_message_while_up(struct emulated *emulated, struct err *err)
{
    uint32_t status;
    int r = bus_receive_opened(emulated->socket, &status, err);

    return r == 0 ? err_set(err, -EPROTO, "bus: the host sent a message on an open channel") : r;
}

static void on_socket(evutil_socket_t fd, short what, void *arg)
{
    struct emulated *emulated = arg;
    struct err err = {0};
    int r;

    (void)fd;
    (void)what;
    if (emulated->phase == EMULATED_OFFER)
        r = on_offer(emulated, &err);
    else if (emulated->phase == EMULATED_OPENING)
        r = on_opened(emulated, &err);
    else
        r = on_message_while_up(emulated, &err);
    if (r == 0 || r == -EAGAIN)
        return;
    if (emulated->phase == EMULATED_UP)
        on_rescind(emulated, r, &err);
    else
        emulated_fail(emulated, r, &err);
}

static int check_peer(int socket, struct err *err)
{
    struct ucred peer;
    socklen_t peer_bytes = sizeof(peer);

    if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &peer_bytes) < 0)
        return err_set(err, -errno, "bus: peer: %s", strerror(errno));
    if (peer.uid != 0 && peer.uid != geteuid())
        return err_set(err, -EACCES, "bus: the socket belongs to a process of uid %u, neither root nor this user",
                       (unsigned)peer.uid);
    return 0;
}

/* Connecting to a Unix socket never is "in progress": with the listener's backlog full it fails, and is tried again. */
static int emulated_connect(struct emulated *emulated, struct err *err)
{
    const struct sockaddr_un *address = &emulated->address;

    emulated->socket = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (emulated->socket < 0)
        return err_set(err, -errno, "bus: socket: %s", strerror(errno));
    if (connect(emulated->socket, (const struct sockaddr *)address, sizeof(*address)) < 0)
        return err_set(err, errno == EAGAIN ? -EBUSY : -errno, "bus: connect %s: %s", address->sun_path, strerror(errno));
    int r = check_peer(emulated->socket, err);
    return r < 0 ? r : watch(emulated, emulated->socket, on_socket, &emulated->socket_event, err);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    struct emulated *emulated = arg;
    struct err err = {0};

    (void)fd;
    (void)what;
    if (emulated->phase != EMULATED_WAITING) {
        err_set(&err, -ETIMEDOUT, "bus: the host did not %s the channel within %u ms",
                emulated->phase == EMULATED_OFFER ? "offer" : "open", emulated->open_timeout_ms);
        emulated_fail(emulated, -ETIMEDOUT, &err);
        return;
    }
    int r = emulated_connect(emulated, &err);
    if (r < 0) {
        emulated_fail(emulated, r, &err);
        return;
    }
    emulated->phase = EMULATED_OFFER;
    arm(emulated->timer, emulated->open_timeout_ms);
}

static int emulated_submit(struct channel *channel, struct transfer *transfer)
{
    struct emulated *emulated = (struct emulated *)(void *)channel;

    if (emulated->phase != EMULATED_UP)
        return -ENODEV;
    int r = vsc_submit(emulated->vsc, transfer, &emulated->broken);
    if (r != -EPROTO)
        return r;
    /* Giving up runs callbacks, so it waits for the loop. */
    emulated->phase = EMULATED_CLOSING;
    event_active(emulated->kick, EV_TIMEOUT, 0);
    return -ENODEV;
}

static void emulated_free(struct emulated *emulated)
{
    event_drop(emulated->timer);
    event_drop(emulated->kick);
    event_drop(emulated->doorbell);
    free(emulated);
}

static void emulated_close(struct channel *channel)
{
    struct emulated *emulated = (struct emulated *)(void *)channel;

    channel->state = CHANNEL_DOWN;
    emulated->phase = EMULATED_CLOSING;
    close_descriptors(emulated);
    let_go_of_memory(emulated);
    abort_transfers(emulated);
    emulated_free(emulated);
}

static const struct channel_ops emulated_ops = {.name = "emulated", .submit = emulated_submit, .close = emulated_close};

/* Does the packet of the largest slot fit the device's limit and an empty ring? */
static bool is_carried(const struct channel_emulated_config *config)
{
    for (enum slot_class class = 0; class < SLOT_CLASSES; class ++) {
        uint64_t pages = ((uint64_t)LIMIT_SLOT_REQUEST_BYTES + LIMIT_SLOT_RESPONSE_BYTES + config->geometry.data_bytes[class]) /
                         BUS_PAGE_BYTES;
        if (config->geometry.count[class] == 0)
            continue;
        if (pages > LIMIT_TRANSFER_PAGES ||
            PACKET_REQUEST_BYTES(pages) + PACKET_FOOTER_BYTES >= config->ring_bytes - RING_HEADER_BYTES)
            return false;
    }
    return true;
}

static bool is_valid(const struct channel_emulated_config *config)
{
    return strlen(config->socket_path) < sizeof(((struct sockaddr_un *)NULL)->sun_path) && config->ring_bytes >= RING_BYTES_MIN &&
           config->ring_bytes <= RING_BYTES_MAX && config->ring_bytes % BUS_PAGE_BYTES == 0 && is_carried(config);
}

int channel_emulated_open(struct event_base *base, const struct channel_emulated_config *config, struct slots *slots,
                          const struct channel_listener *listener, struct channel **ret_channel)
{
    if (!is_valid(config))
        return -EINVAL;
    struct emulated *emulated = calloc(1, sizeof(*emulated));
    if (!emulated)
        return -ENOMEM;
    *emulated = (struct emulated){
        .channel = {.ops = &emulated_ops, .state = CHANNEL_DOWN, .listener = *listener},
        .port = {.signal = port_signal, .page_run = port_page_run, .is_closed = port_is_closed},
        .base = base,
        .slots = slots,
        .address.sun_family = AF_UNIX,
        .ring_bytes = config->ring_bytes,
        .geometry = config->geometry,
        .reconnect_min_ms = config->reconnect_min_ms ? config->reconnect_min_ms : 1,
        .open_timeout_ms = config->open_timeout_ms ? config->open_timeout_ms : OPEN_TIMEOUT_MS,
        .socket = -1,
        .signal_host = -1,
        .signal_guest = -1,
    };
    emulated->reconnect_max_ms =
        config->reconnect_max_ms > emulated->reconnect_min_ms ? config->reconnect_max_ms : emulated->reconnect_min_ms;
    emulated->delay_ms = emulated->reconnect_min_ms;
    memcpy(emulated->address.sun_path, config->socket_path, strlen(config->socket_path));
    emulated->timer = evtimer_new(base, on_timer, emulated);
    emulated->kick = evtimer_new(base, on_kick, emulated);
    emulated->doorbell = evtimer_new(base, on_doorbell, emulated);
    if (!emulated->timer || !emulated->kick || !emulated->doorbell) {
        emulated_free(emulated);
        return -ENOMEM;
    }
    arm(emulated->timer, 0);
    *ret_channel = &emulated->channel;
    return 0;
}
