/* SPDX-License-Identifier: MIT
 *
 * pipe.c - the ends of connections: handles, and what they are made of.
 *
 * A connection is a region without a name, in whose buffer lies a channel: the two
 * streams of pipe_lane.h, and their rings; and a pair of sockets, the link, of which
 * each end has one.  Nothing is said on the link: it tells when an end is closed,
 * and wakes who polls it.
 *
 *   uses of a handle   31       30                              0
 *                     +--------+---------------------------------+
 *                     | CLOSED | calls that are under way        |
 *                     +--------+---------------------------------+
 *
 * I1  What the handle consists of goes when CLOSED is there and the calls have come
 *     to 0; nobody begins another one then.
 */
#include "process/pipe.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "atomic/ops.h"
#include "base/place.h"
#include "futex/sys.h"
#include "futex/waitable.h"
#include "process/link.h"
#include "process/pipe_lane.h"
#include "process/record.h"
#include "process/region.h"

#define CLOSED PAWL_PIPE_CLOSED
#define MAGIC UINT64_C(0x657069706c776170) /* "pawlpipe" */
#define LAYOUT 1
/* 256 KiB: two threads stream 64 KiB messages twice as fast as through 64 KiB, which
 * holds no whole one, and no slower than through more.  bench_pipe, stream64k. */
#define CAPACITY 262144
#define CAPACITY_MOST (UINT64_C(1) << 30)
#define FLAGS (PAWL_PIPE_ONE_WAY | PAWL_PIPE_FDS)

/* In shared memory.  All constant but the streams; stream[i] leads to side i. */
struct channel {
    uint64_t magic;
    uint32_t layout;
    uint32_t flags;
    uint64_t capacity;
    struct pawl_stream stream[2];
};

#define RINGS pawl_round_up(sizeof(struct channel), PAWL_REGION_PAGE)

struct pawl_pipe {
    pawl_u32 uses;
    uint32_t side;
    bool sends;
    bool receives;
    pawl_region *region;
    struct channel *channel;
    struct pawl_lane in;
    struct pawl_lane out;
    int link;
    int fd_link; /* -1: none */
    pawl_pipe *next;
    pawl_pipe **here;
};

/* ---- all of this process ------------------------------------------------------- */

static struct {
    pawl_mutex lock; /* held while this process forks: see process.c */
    pawl_pipe *first;
} pipes;

static void enlist(pawl_pipe *p)
{
    pawl_process_lock(&pipes.lock);
    p->next = pipes.first;
    p->here = &pipes.first;
    if (p->next != NULL)
        p->next->here = &p->next;
    pipes.first = p;
    pawl_process_unlock(&pipes.lock);
}

/* Out of the list, and the descriptors with it: a child that is forked has them in
 * the list, or not at all. */
static void delist(pawl_pipe *p)
{
    pawl_process_lock(&pipes.lock);
    *p->here = p->next;
    if (p->next != NULL)
        p->next->here = p->here;
    close(p->link);
    if (p->fd_link >= 0)
        close(p->fd_link);
    pawl_process_unlock(&pipes.lock);
}

void pawl_pipes_before_fork(void)
{
    pawl_process_lock(&pipes.lock);
}

void pawl_pipes_after_fork(bool child)
{
    /* The calls under way are those of threads that are not here. */
    for (pawl_pipe *p = pipes.first; child && p != NULL; p = p->next)
        pawl_store_relaxed(&p->uses, 0); /* relaxed: alone */
    pawl_process_unlock(&pipes.lock);
}

/* ---- calls ---------------------------------------------------------------------- */

static void leave(pawl_pipe *p)
{
    /* seq_cst: release, for what the call did; see close_it. */
    if (pawl_unlikely(pawl_add_seq(&p->uses, (uint32_t)-1) == (CLOSED | 1)))
        pawl_futex_wake(&p->uses, PAWL_WAKE_ALL, false, PAWL_CHANNEL_ANY);
}

/* Begin a call.  -EBADF: there is nothing to leave. */
static int enter(pawl_pipe *p)
{
    /* acquire: pairs with the release that gave the handle to this thread;
     * seq_cst in leave. */
    if (pawl_likely((pawl_add_acq_rel(&p->uses, 1) & CLOSED) == 0))
        return 0;
    leave(p);
    return -EBADF;
}

/* Who the caller is, and that it is there. */
static int use(pawl_pipe *p, struct pawl_lane *l)
{
    int me = pawl_region_me(p->region);

    if (pawl_likely(me > 0))
        pawl_lane_use(l, (uint32_t)me);
    return me;
}

/* Begin a call of one direction: the caller's id, or why not. */
static int begin(pawl_pipe *p, bool may, struct pawl_lane *l)
{
    int err = enter(p);

    if (err == 0) {
        err = may ? use(p, l) : -EPERM;
        if (err < 0)
            leave(p);
    }
    return err;
}

static int or_again(int err)
{
    return err == -ETIMEDOUT ? -EAGAIN : err;
}

/* ---- making one ------------------------------------------------------------------- */

static size_t buffer_bytes(uint64_t capacity, unsigned flags)
{
    return RINGS + ((flags & PAWL_PIPE_ONE_WAY) != 0 ? 1 : 2) * capacity;
}

static uint64_t capacity_of(const pawl_pipe_options *o)
{
    uint64_t capacity = PAWL_LANE_LEAST;

    if (o->capacity == 0)
        return CAPACITY;
    while (capacity < o->capacity)
        capacity *= 2;
    return capacity;
}

static int make_region(pawl_region **region, const pawl_pipe_options *o)
{
    uint64_t capacity = capacity_of(o);
    struct channel *c;
    int err = pawl_region_create(
        region,
        &(pawl_region_options){.buffer = buffer_bytes(capacity, o->flags),
                               .participants = o->threads,
                               .names = 1});

    if (err != 0)
        return err;
    c = pawl_region_buffer(*region, NULL);
    c->magic = MAGIC;
    c->layout = LAYOUT;
    c->flags = o->flags;
    c->capacity = capacity;
    pawl_stream_init(&c->stream[0]);
    pawl_stream_init(&c->stream[1]);
    return 0;
}

/* Whether such a channel is in the region. */
static bool has_channel(pawl_region *r)
{
    size_t bytes;
    const struct channel *c = pawl_region_buffer(r, &bytes);

    return c != NULL && bytes >= sizeof *c && c->magic == MAGIC &&
           c->layout == LAYOUT && (c->flags & ~(unsigned)(FLAGS)) == 0 &&
           c->capacity >= PAWL_LANE_LEAST && c->capacity <= CAPACITY_MOST &&
           (c->capacity & (c->capacity - 1)) == 0 &&
           bytes == buffer_bytes(c->capacity, c->flags);
}

/* The direction that leads to `side`; `self` is the caller's user. */
static void lay(struct pawl_lane *l, pawl_pipe *p, uint32_t side,
                struct pawl_user *self)
{
    struct channel *c = p->channel;
    bool one_way = (c->flags & PAWL_PIPE_ONE_WAY) != 0;

    *l = (struct pawl_lane){
        .s = &c->stream[side],
        .ring = (unsigned char *)c + RINGS + side * c->capacity,
        .capacity = c->capacity,
        .table = p->region->table,
        .link = p->link,
        .uses = &p->uses,
        .self = self,
        .peers = {&c->stream[p->side].sender, &c->stream[1 - p->side].receiver},
    };
    if (one_way)
        l->peers[0] = l->peers[1] =
            p->side == 0 ? &c->stream[0].sender : &c->stream[0].receiver;
}

static int check_link(int fd, int type)
{
    int is;
    socklen_t n = sizeof is;

    if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &is, &n) != 0)
        return errno == ENOTSOCK ? -EINVAL : -errno;
    return is == type ? 0 : -EINVAL;
}

/* Takes over the region and the descriptors if it succeeds. */
static int make_handle(pawl_pipe **made, pawl_region *region, uint32_t side,
                       int link, int fd_link)
{
    struct channel *c = pawl_region_buffer(region, NULL);
    bool one_way = (c->flags & PAWL_PIPE_ONE_WAY) != 0;
    pawl_pipe *p = malloc(sizeof *p);
    int me;

    if (p == NULL)
        return -ENOMEM;
    *p = (pawl_pipe){.side = side,
                     .sends = !one_way || side == 1,
                     .receives = !one_way || side == 0,
                     .region = region,
                     .channel = c,
                     .link = link,
                     .fd_link = fd_link};
    lay(&p->in, p, side, &c->stream[side].receiver);
    lay(&p->out, p, 1 - side, &c->stream[1 - side].sender);
    me = use(p, p->receives ? &p->in : &p->out);
    if (me < 0 && me != -EAGAIN) { /* with no slot free, nobody is known yet */
        free(p);
        return me;
    }
    enlist(p);
    *made = p;
    return 0;
}

static void close_fds(const int *fds, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (fds[i] >= 0)
            close(fds[i]);
}

/* What both ends are made of, or nothing. */
struct parts {
    pawl_region *region[2];
    int link[2];
    int fd_link[2];
};

static void drop_parts(struct parts *x)
{
    pawl_region_free(x->region[0]);
    pawl_region_free(x->region[1]);
    close_fds(x->link, 2);
    close_fds(x->fd_link, 2);
}

static int make_parts(struct parts *x, const pawl_pipe_options *o)
{
    int err = make_region(&x->region[0], o);

    if (err == 0)
        err =
            pawl_region_attach_fd(&x->region[1], pawl_region_fd(x->region[0]));
    if (err == 0)
        err = pawl_link_make(x->link);
    if (err == 0 && (o->flags & PAWL_PIPE_FDS) != 0)
        err = pawl_link_make_packets(x->fd_link);
    return err;
}

int pawl_pipe_create(pawl_pipe *ends[2], const pawl_pipe_options *options)
{
    static const pawl_pipe_options defaults;
    const pawl_pipe_options *o = options != NULL ? options : &defaults;
    struct parts x = {.link = {-1, -1}, .fd_link = {-1, -1}};
    pawl_pipe *made[2] = {NULL, NULL};
    int saved = errno;
    int err;

    if ((o->flags & ~(unsigned)(FLAGS)) != 0 || o->capacity > CAPACITY_MOST ||
        o->threads > PAWL_SLOTS_MAX)
        return -EINVAL;
    err = pawl_children_watch();
    if (err == 0)
        err = make_parts(&x, o);
    for (uint32_t i = 0; i < 2 && err == 0; i++) {
        err = make_handle(&made[i], x.region[i], i, x.link[i], x.fd_link[i]);
        if (err == 0) {
            x.region[i] = NULL;
            x.link[i] = x.fd_link[i] = -1;
        }
    }
    if (err == 0) {
        ends[0] = made[0];
        ends[1] = made[1];
    } else {
        pawl_pipe_free(made[0]);
        drop_parts(&x);
    }
    errno = saved;
    return err;
}

int pawl_pipe_export(const pawl_pipe *p, struct pawl_pipe_ticket *ticket,
                     int fds[PAWL_PIPE_DESCRIPTORS])
{
    if (p == NULL || pawl_pipe_is_closed(p))
        return -EBADF;
    fds[0] = pawl_region_fd(p->region);
    fds[1] = p->link;
    fds[2] = p->fd_link;
    *ticket = (struct pawl_pipe_ticket){p->side, p->fd_link >= 0 ? 3 : 2};
    return 0;
}

int pawl_pipe_import(pawl_pipe **made, const struct pawl_pipe_ticket *ticket,
                     const int fds[PAWL_PIPE_DESCRIPTORS])
{
    int link = fds[1];
    int fd_link = ticket->n_fds == 3 ? fds[2] : -1;
    pawl_region *region = NULL;
    int err = pawl_children_watch();

    if (err == 0)
        err = pawl_region_attach_fd(&region, fds[0]);
    if (err == 0 && (!has_channel(region) || ticket->side > 1))
        err = -EINVAL;
    if (err == 0)
        err = check_link(link, SOCK_STREAM);
    if (err == 0 && fd_link >= 0)
        err = check_link(fd_link, SOCK_SEQPACKET);
    if (err == 0)
        err = make_handle(made, region, ticket->side, link, fd_link);
    if (err != 0) {
        pawl_region_free(region);
        close_fds(&link, 1);
        close_fds(&fd_link, 1);
    }
    close_fds(fds, 1);
    return err;
}

int pawl_pipe_dup(pawl_pipe **copy, pawl_pipe *p)
{
    struct pawl_pipe_ticket ticket;
    int fds[PAWL_PIPE_DESCRIPTORS];
    int copies[PAWL_PIPE_DESCRIPTORS] = {-1, -1, -1};
    int saved = errno;
    int err = enter(p);

    if (err != 0)
        return err;
    err = pawl_pipe_export(p, &ticket, fds);
    for (uint32_t i = 0; err == 0 && i < ticket.n_fds; i++) {
        copies[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
        if (copies[i] < 0)
            err = -errno;
    }
    if (err == 0)
        err = pawl_pipe_import(copy, &ticket, copies);
    else
        close_fds(copies, PAWL_PIPE_DESCRIPTORS);
    leave(p);
    errno = saved;
    return err;
}

/* ---- the end -------------------------------------------------------------------- */

/* Nobody is to sleep on the lifeline of a thread because it has used this end,
 * when its process does not have it any more. */
static void forget_user(pawl_pipe *p, struct pawl_user *u)
{
    const struct pawl_participants *t = p->region->table;
    /* relaxed: of our own process, which does not use it any more; or not. */
    uint32_t id = pawl_load_relaxed(&u->id);
    uint32_t slot = id & PAWL_SLOT_MASK;

    /* relaxed: as above. */
    if (id != 0 && slot < t->slots &&
        pawl_load_relaxed(&t->slot[slot].pid) == (uint32_t)getpid())
        pawl_cas_relaxed(&u->id, &id, 0); /* relaxed: as above */
}

static void take_apart(pawl_pipe *p)
{
    pawl_lane_forget_part(&p->in);
    forget_user(p, p->in.self);
    forget_user(p, p->out.self);
    delist(p);
    /* Now it can be seen to be closed. */
    pawl_stream_wake_all(&p->channel->stream[0]);
    pawl_stream_wake_all(&p->channel->stream[1]);
    pawl_region_free(p->region);
}

/* The calls under way end. */
static void await_calls(pawl_pipe *p)
{
    uint32_t calm = pawl_uninterruptible_begin();
    uint32_t seen;

    /* acquire: pairs with add_seq in leave. */
    while ((seen = pawl_load_acquire(&p->uses)) != CLOSED)
        pawl_futex_wait(&p->uses, seen, PAWL_FOREVER, false, PAWL_CHANNEL_ANY);
    pawl_uninterruptible_end(calm);
}

int pawl_pipe_close(pawl_pipe *p)
{
    int saved = errno;

    /* seq_cst: C of the drawing in pipe_lane.c. */
    if ((pawl_or_seq(&p->uses, CLOSED) & CLOSED) != 0)
        return 0;
    pawl_stream_wake_all(&p->channel->stream[0]);
    pawl_stream_wake_all(&p->channel->stream[1]);
    pawl_watchers_wake(&p->uses, false);
    await_calls(p);
    take_apart(p);
    errno = saved;
    return 0;
}

void pawl_pipe_free(pawl_pipe *p)
{
    if (p == NULL)
        return;
    pawl_pipe_close(p);
    free(p);
}

void pawl_pipe_guard_end(pawl_pipe **p)
{
    if (*p != NULL)
        pawl_pipe_close(*p);
}

void pawl_pipes_keep(pawl_pipe *const *kept, size_t n)
{
    pawl_pipe *next;

    for (pawl_pipe *p = pipes.first; p != NULL; p = next) {
        size_t i = 0;

        next = p->next;
        while (i < n && kept[i] != p)
            i++;
        if (i == n)
            pawl_pipe_close(p);
        else
            (void)use(p, p->receives ? &p->in : &p->out);
    }
}

/* ---- messages -------------------------------------------------------------------- */

static int send_parcel(pawl_pipe *p, const struct pawl_parcel *parcel,
                       pawl_deadline until)
{
    int me = begin(p, p->sends, &p->out);
    int saved = errno;
    int err;

    if (me < 0)
        return me;
    err = pawl_lane_send(&p->out, (uint32_t)me, parcel, until);
    leave(p);
    errno = saved;
    return err;
}

int pawl_pipe_send_until(pawl_pipe *p, const void *bytes, size_t n,
                         pawl_deadline until)
{
    const struct pawl_parcel parcel = {.bytes = bytes, .n = n};

    return send_parcel(p, &parcel, until);
}

int pawl_pipe_send(pawl_pipe *p, const void *bytes, size_t n)
{
    return pawl_pipe_send_until(p, bytes, n, PAWL_FOREVER);
}

int pawl_pipe_try_send(pawl_pipe *p, const void *bytes, size_t n)
{
    return or_again(pawl_pipe_send_until(p, bytes, n, 0));
}

int pawl_pipe_send_fds_until(pawl_pipe *p, const void *bytes, size_t n,
                             const int *fds, size_t n_fds, pawl_deadline until)
{
    const struct pawl_parcel parcel = {.bytes = bytes,
                                       .n = n,
                                       .fds = fds,
                                       .n_fds = (uint32_t)n_fds,
                                       .fd_link = p->fd_link};

    if (p->fd_link < 0)
        return -EOPNOTSUPP;
    if (n > PAWL_PIPE_FDS_BYTES_MAX || n_fds > PAWL_PIPE_FDS_MAX)
        return -EMSGSIZE;
    return send_parcel(p, &parcel, until);
}

static int receive(pawl_pipe *p, struct pawl_crate *crate, pawl_deadline until)
{
    int me = begin(p, p->receives, &p->in);
    int saved = errno;
    int err;

    if (me < 0)
        return me;
    crate->fd_link = p->fd_link;
    err = pawl_lane_receive(&p->in, (uint32_t)me, crate, until);
    leave(p);
    errno = saved;
    return err;
}

static bool has_size(int err)
{
    return err == 0 || err == -EMSGSIZE;
}

int pawl_pipe_recv_until(pawl_pipe *p, void *buffer, size_t room, size_t *size,
                         pawl_deadline until)
{
    struct pawl_crate crate = {.bytes = buffer, .room = room};
    int err = receive(p, &crate, until);

    if (size != NULL && has_size(err))
        *size = crate.n;
    return err;
}

int pawl_pipe_recv(pawl_pipe *p, void *buffer, size_t room, size_t *size)
{
    return pawl_pipe_recv_until(p, buffer, room, size, PAWL_FOREVER);
}

int pawl_pipe_try_recv(pawl_pipe *p, void *buffer, size_t room, size_t *size)
{
    return or_again(pawl_pipe_recv_until(p, buffer, room, size, 0));
}

int pawl_pipe_recv_fds_until(pawl_pipe *p, void *buffer, size_t room,
                             size_t *size, int *fds, size_t *n_fds,
                             pawl_deadline until)
{
    int none;
    struct pawl_crate crate = {.bytes = buffer,
                               .room = room,
                               .fds = *n_fds > 0 ? fds : &none,
                               .fd_room = (uint32_t)*n_fds};
    int err;

    if (p->fd_link < 0)
        return -EOPNOTSUPP;
    err = receive(p, &crate, until);
    if (has_size(err)) {
        *n_fds = crate.n_fds;
        if (size != NULL)
            *size = crate.n;
    }
    return err;
}

int pawl_pipe_try_size(pawl_pipe *p, size_t *size)
{
    struct pawl_crate crate = {.measures = true};
    int err = or_again(receive(p, &crate, 0));

    if (err == 0)
        *size = crate.n;
    return err;
}

int pawl_pipe_poll_until(pawl_pipe *p, pawl_deadline until)
{
    int me = begin(p, p->receives, &p->in);
    int saved = errno;
    int err;

    if (me < 0)
        return me;
    err = pawl_lane_await(&p->in, (uint32_t)me, until);
    leave(p);
    errno = saved;
    return err;
}

int pawl_pipe_poll(pawl_pipe *p)
{
    return pawl_pipe_poll_until(p, PAWL_FOREVER);
}

int pawl_pipe_try_poll(pawl_pipe *p)
{
    return or_again(pawl_pipe_poll_until(p, 0));
}

/* ---- what it is ---------------------------------------------------------------------- */

bool pawl_pipe_is_closed(const pawl_pipe *p)
{
    /* relaxed: a snapshot. */
    return (pawl_load_relaxed(&p->uses) & CLOSED) != 0;
}

bool pawl_pipe_can_send(const pawl_pipe *p)
{
    return p->sends;
}

bool pawl_pipe_can_recv(const pawl_pipe *p)
{
    return p->receives;
}

/* ---- among others --------------------------------------------------------------------- */

static int look(pawl_wait_item *item, bool first)
{
    (void)first;
    return pawl_pipe_try_poll(item->object_);
}

/* Begins a call, which ends in leave_bed: the descriptor is not closed meanwhile. */
static enum pawl_bed make_bed(const pawl_wait_item *item, struct pollfd *poll)
{
    pawl_pipe *p = item->object_;
    int me = begin(p, p->receives, &p->in);

    if (me < 0)
        return PAWL_BED_NONE;
    if (pawl_lane_arm(&p->in, (uint32_t)me) != 0) {
        leave(p);
        return PAWL_BED_NONE;
    }
    *poll = (struct pollfd){.fd = p->link, .events = POLLIN};
    return PAWL_BED_EXACT;
}

static void leave_bed(const pawl_wait_item *item)
{
    leave(item->object_);
}

static int own_fd(const pawl_wait_item *item)
{
    const pawl_pipe *p = item->object_;

    return pawl_pipe_is_closed(p) ? -EBADF : p->receives ? p->link : -EPERM;
}

static int arm(const pawl_wait_item *item)
{
    pawl_pipe *p = item->object_;
    int me = begin(p, p->receives, &p->in);
    int err;

    if (me < 0)
        return me;
    err = pawl_lane_arm(&p->in, (uint32_t)me);
    leave(p);
    return err;
}

pawl_wait_item pawl_pipe_wait_item(pawl_pipe *p)
{
    static const struct pawl_waitable how = {.look = look,
                                             .bed = make_bed,
                                             .leave_bed = leave_bed,
                                             .own_fd = own_fd,
                                             .arm_own_fd = arm};

    return pawl_waitable_item(p, &how);
}
