/* SPDX-License-Identifier: MIT
 *
 * pipe_lane.c - one direction of a connection, drawn in pipe_lane.h.
 *
 *   who waits                          who changes something
 *   counts itself         (A)          stores tail, head, or lock  (C)
 *   looks at it           (B)          reads the count             (D)
 *   sleeps
 *
 * A, B, C, D are seq_cst, as eventcount.c demands: B misses C and D misses A can
 * not both be.  Everybody who waits is woken: one who is killed takes no wake from
 * the others.  One who is killed between C and the wake is missed by those who do
 * not sleep on his lifeline; so every sleep ends after LOOK_AGAIN_MS.
 */
#include "process/pipe_lane.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/place.h"
#include "futex/eventcount.h"
#include "futex/spin.h"
#include "process/link.h"

#define BEGUN UINT64_C(1)

/* The first word of a chunk; its low half is how many bytes follow. */
#define FIRST (UINT64_C(1) << 32)
#define LAST (UINT64_C(1) << 33)
#define CUT (UINT64_C(1) << 34)
#define DROPPED (UINT64_C(1) << 35)
#define FDS_SHIFT 48 /* and above: descriptors that come with the message */
#define WORD sizeof(uint64_t)

/* A longer message is put in pieces, so that the receiver copies one while the
 * sender copies the next. */
#define PIECE_MOST 16384

#define LOOK_AGAIN_MS 50
/* The same where nothing tells of a death: the first time, and at most. */
#define PAUSE_FIRST_NS 50000
#define PAUSE_MOST_NS 2000000

void pawl_stream_init(struct pawl_stream *s)
{
    pawl_eventcount_init(&s->data, PAWL_SHARED);
    pawl_eventcount_init(&s->room, PAWL_SHARED);
    pawl_eventcount_init(&s->reader_turn, PAWL_SHARED);
    pawl_eventcount_init(&s->writer_turn, PAWL_SHARED);
}

static uint64_t position(uint64_t word)
{
    return word & ~BEGUN;
}

static bool is_closed(const struct pawl_lane *l)
{
    /* seq_cst: with the close of the handle in place of C, above. */
    return (pawl_load_seq(l->uses) & PAWL_PIPE_CLOSED) != 0;
}

/* -- Waking -------------------------------------------------------------------- */

static void wake(pawl_eventcount *ec)
{
    pawl_eventcount_signal(ec, UINT32_MAX);
}

/* Make the link readable at the other end, for those who have armed it since that
 * was done last. */
static PAWL_COLD void ring_link(struct pawl_lane *l, uint32_t armed)
{
    int saved = errno; /* pawl never changes errno */

    /* Fails if it is full: then it is readable. */
    (void)send(l->link, "", 1, MSG_DONTWAIT | MSG_NOSIGNAL);
    errno = saved;
    /* relaxed: told to those who ring next; if we are killed before, or another is
     * faster, it is rung once more. */
    pawl_store_relaxed(&l->s->rung, armed);
}

static void tell_receivers(struct pawl_lane *l)
{
    /* seq_cst: D, pairs with pawl_add_seq in pawl_lane_arm. */
    uint32_t armed = pawl_load_seq(&l->s->armed);

    wake(&l->s->data);
    /* relaxed: see ring_link. */
    if (pawl_unlikely(armed != pawl_load_relaxed(&l->s->rung)))
        ring_link(l, armed);
}

static void tell_sender(struct pawl_lane *l, uint64_t head)
{
    uint64_t seen;

    /* relaxed: stored before the sender is counted, which we have seen. */
    if (pawl_unlikely(pawl_eventcount_is_heeded(&l->s->room, &seen)) &&
        (int64_t)(position(head) - pawl_load64_relaxed(&l->s->wanted)) >= 0)
        pawl_eventcount_wake(&l->s->room, seen, UINT32_MAX);
}

void pawl_stream_wake_all(struct pawl_stream *s)
{
    wake(&s->data);
    wake(&s->room);
    wake(&s->reader_turn);
    wake(&s->writer_turn);
}

/* -- Waiting --------------------------------------------------------------------- */

/* For what, and whose death ends it. */
struct wait {
    pawl_eventcount *ec;
    bool (*is_over)(const struct pawl_lane *l, uint64_t arg);
    uint64_t arg;
    const pawl_u32 *holder; /* of a lock */
    bool peers; /* if nobody has it: the users of the other end */
};

static bool is_alive(const struct pawl_lane *l, uint32_t id)
{
    return id != 0 && pawl_participant_alive(l->table, id);
}

/* A live user of the other end, or 0. */
static uint32_t live_peer(const struct pawl_lane *l)
{
    for (int i = 0; i < 2; i++) {
        /* acquire: pairs with the release in pawl_lane_use. */
        uint32_t id = pawl_load_acquire(&l->peers[i]->id);

        if (is_alive(l, id))
            return id;
    }
    return 0;
}

/* Whether the kernel has closed the other end. */
static bool is_link_down(const struct pawl_lane *l)
{
    struct pollfd p = {.fd = l->link};

    return pawl_poll_until(&p, 1, 0) > 0 &&
           (p.revents & (POLLHUP | POLLERR | POLLNVAL)) != 0;
}

static bool is_gone(const struct pawl_lane *l)
{
    return live_peer(l) == 0 && is_link_down(l);
}

/* Returns  0 it is over;  -EAGAIN not yet, and *id is on whose lifeline to sleep, or
 *          0;  -EBADF;  -EOWNERDEAD the holder is dead;  -EPIPE the other end is
 *          closed. */
static int look(const struct pawl_lane *l, const struct wait *w, uint32_t *id)
{
    if (is_closed(l))
        return -EBADF;
    if (w->is_over(l, w->arg))
        return 0;
    /* acquire: pairs with the CAS in lock. */
    *id = w->holder != NULL ? pawl_load_acquire(w->holder) : 0;
    if (*id != 0)
        return is_alive(l, *id) ? -EAGAIN : -EOWNERDEAD;
    if (!w->peers)
        return -EAGAIN;
    *id = live_peer(l);
    if (*id != 0 || !is_link_down(l))
        return -EAGAIN;
    return w->is_over(l, w->arg) ? 0 : -EPIPE;
}

/* Sleep until *ec is notified, `id` dies, or it is time to look. */
static int nap(const struct pawl_lane *l, pawl_eventcount *ec, uint32_t key,
               uint32_t id, int64_t *pause, pawl_deadline until)
{
    struct pawl_watch watch[2] = {
        {.word = pawl_low_half(&ec->word_), .expected = key, .shared = true}};
    bool exact = id != 0 && pawl_futex_can_wait_any();
    pawl_deadline end = pawl_after_ms(LOOK_AGAIN_MS);
    int err;

    if (id != 0 && pawl_participant_watch(l->table, id, &watch[1]) != 0)
        return 0;
    if (!exact) {
        end = pawl_after_ns(*pause);
        *pause = 2 * *pause < PAUSE_MOST_NS ? 2 * *pause : PAUSE_MOST_NS;
    }
    if (end > until)
        end = until;
    if (exact)
        err = pawl_futex_wait_any(watch, 2, end);
    else
        err = pawl_futex_wait(watch[0].word, key, end, true, PAWL_CHANNEL_ANY);
    if (id != 0 && !is_alive(l, id))
        pawl_participant_buried(l->table, id);
    return err == -ETIMEDOUT && end != until && !pawl_self_.interrupted ? 0
                                                                        : err;
}

/* Whether to spin: if the other end is on another CPU. */
static bool spin_begins(const struct pawl_lane *l, struct pawl_spin *spin)
{
    uint32_t here = (uint32_t)sched_getcpu() + 1;
    bool elsewhere = false;

    /* relaxed: hints, here and below. */
    if (pawl_load_relaxed(&l->self->cpu) != here)
        pawl_store_relaxed(&l->self->cpu, here);
    for (int i = 0; i < 2; i++) {
        uint32_t cpu = pawl_load_relaxed(&l->peers[i]->cpu); /* relaxed: hint */

        elsewhere = elsewhere || (cpu != 0 && cpu != here);
    }
    return elsewhere ? pawl_spin_begins_beside(spin, PAWL_SPIN_PIPE)
                     : pawl_spin_begins(spin, PAWL_SPIN_PIPE);
}

/* Spinning, one looks at no lifelines. */
static void spin_for(const struct pawl_lane *l, const struct wait *w)
{
    struct pawl_spin spin;
    bool paid;

    if (!spin_begins(l, &spin))
        return;
    while (!(paid = is_closed(l) || w->is_over(l, w->arg)) &&
           pawl_spin_again(&spin))
        ;
    pawl_spin_ends(&spin, paid);
}

/* Returns as look, but for -EAGAIN;  -ETIMEDOUT. */
static PAWL_COLD int await(const struct pawl_lane *l, const struct wait *w,
                           pawl_deadline until)
{
    int64_t pause = PAUSE_FIRST_NS;
    uint32_t id = 0;
    int slept = 0;
    int err;

    if (until > 0)
        spin_for(l, w);
    err = look(l, w, &id);
    while (err == -EAGAIN && until > 0 && slept != -ETIMEDOUT) {
        uint32_t key = pawl_eventcount_prepare(w->ec);

        err = look(l, w, &id);
        if (err == -EAGAIN)
            slept = nap(l, w->ec, key, id, &pause, until);
        pawl_eventcount_cancel(w->ec, key);
        if (slept == -ETIMEDOUT)
            err = look(l, w, &id);
    }
    return err == -EAGAIN ? -ETIMEDOUT : err;
}

/* -- Locks ------------------------------------------------------------------------ */

/* Which lock, and where those sleep who want it. */
struct lock {
    pawl_u32 *word;
    pawl_eventcount *turn;
};

static struct lock writer_of(struct pawl_lane *l)
{
    return (struct lock){&l->s->writer, &l->s->writer_turn};
}

static struct lock reader_of(struct pawl_lane *l)
{
    return (struct lock){&l->s->reader, &l->s->reader_turn};
}

static bool is_writer_free(const struct pawl_lane *l, uint64_t unused)
{
    (void)unused;
    return pawl_load_seq(&l->s->writer) == 0; /* seq_cst: B */
}

static bool is_reader_free(const struct pawl_lane *l, uint64_t unused)
{
    (void)unused;
    return pawl_load_seq(&l->s->reader) == 0; /* seq_cst: B */
}

/* Take it if it is free, or the dead have it. */
static bool try_lock(const struct pawl_lane *l, struct lock k, uint32_t me)
{
    uint32_t seen = 0;

    /* acquire: pairs with store_seq in unlock. */
    if (pawl_likely(pawl_cas_acquire(k.word, &seen, me)))
        return true;
    if (is_alive(l, seen))
        return false;
    /* acquire: what the dead have done is ordered by that they are dead. */
    if (!pawl_cas_acquire(k.word, &seen, me))
        return false;
    pawl_participant_buried(l->table, seen);
    return true;
}

/* 0, -EBADF, -ETIMEDOUT. */
static int lock(const struct pawl_lane *l, struct lock k, uint32_t me,
                pawl_deadline until)
{
    const struct wait w = {.ec = k.turn,
                           .is_over = k.word == &l->s->writer ? is_writer_free
                                                              : is_reader_free,
                           .holder = k.word};

    while (pawl_unlikely(!try_lock(l, k, me))) {
        int err = await(l, &w, until);

        if (err != 0 && err != -EOWNERDEAD)
            return err;
    }
    return 0;
}

static void unlock(struct lock k)
{
    pawl_store_seq(k.word, 0); /* seq_cst: C, and release for the next */
    wake(k.turn);
}

/* -- The ring ---------------------------------------------------------------------- */

static uint64_t *word_at(const struct pawl_lane *l, uint64_t at)
{
    return (uint64_t *)(void *)(l->ring + (at & (l->capacity - 1)));
}

static void copy_in(const struct pawl_lane *l, uint64_t at,
                    const unsigned char *from, uint64_t n)
{
    uint64_t offset = at & (l->capacity - 1);
    uint64_t part = n < l->capacity - offset ? n : l->capacity - offset;

    if (part > 0) /* `from` may be NULL */
        memcpy(l->ring + offset, from, part);
    if (n > part)
        memcpy(l->ring, from + part, n - part);
}

static void copy_out(const struct pawl_lane *l, uint64_t at, unsigned char *to,
                     uint64_t n)
{
    uint64_t offset = at & (l->capacity - 1);
    uint64_t part = n < l->capacity - offset ? n : l->capacity - offset;

    if (part > 0)
        memcpy(to, l->ring + offset, part);
    if (n > part)
        memcpy(to + part, l->ring, n - part);
}

static uint64_t padded(uint64_t n)
{
    return pawl_round_up(n, WORD);
}

/* -- Sending ----------------------------------------------------------------------- */

static uint64_t piece_of(const struct pawl_lane *l)
{
    return l->capacity / 4 < PIECE_MOST ? l->capacity / 4 : PIECE_MOST;
}

static uint64_t tail_of(const struct pawl_lane *l)
{
    return pawl_load64_relaxed(&l->s->tail); /* relaxed: ours (I1) */
}

static void publish(struct pawl_lane *l, uint64_t tail)
{
    pawl_store64_seq(&l->s->tail, tail); /* seq_cst: C */
    tell_receivers(l);
}

/* End a message that has begun. */
static void end_with(struct pawl_lane *l, uint64_t mark)
{
    uint64_t tail = position(tail_of(l));

    *word_at(l, tail) = mark;
    publish(l, tail + WORD);
}

/* The writer's place was taken, maybe from a dead one: I2. */
static void cut_what_has_begun(struct pawl_lane *l)
{
    if (pawl_unlikely((tail_of(l) & BEGUN) != 0))
        end_with(l, CUT);
}

/* If whoever sends is dead, end its message. */
static void bury_writer(struct pawl_lane *l, uint32_t me)
{
    /* acquire: pairs with the CAS in try_lock. */
    uint32_t id = pawl_load_acquire(&l->s->writer);

    if (id == 0 || is_alive(l, id) || !try_lock(l, writer_of(l), me))
        return;
    cut_what_has_begun(l);
    unlock(writer_of(l));
}

/* Whether there is room from the tail up to that position. */
static bool has_room(const struct pawl_lane *l, uint64_t end)
{
    uint64_t head = pawl_load64_seq(&l->s->head); /* seq_cst: B */

    /* relaxed: ours (I1). */
    pawl_store64_relaxed(&l->s->head_seen, position(head));
    return end - position(head) <= l->capacity;
}

/* Wait for room for so many bytes and the end of the message; `more` will be
 * needed soon. */
static int await_room(struct pawl_lane *l, uint64_t bytes, uint64_t more,
                      pawl_deadline until)
{
    uint64_t end = position(tail_of(l)) + bytes + WORD;
    const struct wait w = {
        .ec = &l->s->room, .is_over = has_room, .arg = end, .peers = true};

    /* relaxed: ours (I1). */
    if (pawl_likely(end - pawl_load64_relaxed(&l->s->head_seen) <=
                    l->capacity) ||
        has_room(l, end))
        return 0;
    if (more > l->capacity / 2)
        more = l->capacity / 2;
    if (more > bytes)
        end += more - bytes;
    /* relaxed: seen by whoever sees that we are counted. */
    pawl_store64_relaxed(&l->s->wanted, end - l->capacity);
    return await(l, &w, until);
}

/* The room that a message takes. */
static uint64_t room_for(uint64_t n, uint64_t piece)
{
    uint64_t pieces = n <= piece ? 1 : (n + piece - 1) / piece;

    return padded(n) + pieces * WORD + (pieces > 1 ? WORD : 0);
}

static int put_whole(struct pawl_lane *l, const struct pawl_parcel *p,
                     pawl_deadline until)
{
    uint64_t size = WORD + padded(p->n);
    int err = await_room(l, size, size, until);
    uint64_t tail = tail_of(l);

    if (err != 0)
        return err;
    *word_at(l, tail) = p->n | FIRST | LAST | (uint64_t)p->n_fds << FDS_SHIFT;
    copy_in(l, tail + WORD, p->bytes, p->n);
    publish(l, tail + size);
    return 0;
}

/* As much as fits waits for room before it begins; the rest begins at once. */
static int put_in_pieces(struct pawl_lane *l, const struct pawl_parcel *p,
                         pawl_deadline until)
{
    uint64_t piece = piece_of(l);
    uint64_t size = room_for(p->n, piece);
    const unsigned char *bytes = p->bytes;
    uint64_t tail = tail_of(l);
    uint64_t at = 0;
    int err = 0;

    if (size + WORD > l->capacity && until <= 0)
        return -EMSGSIZE;
    if (size <= l->capacity / 2 || until <= 0)
        err = await_room(l, size, size, until);
    while (err == 0 && at < p->n) {
        uint64_t n = p->n - at < piece ? p->n - at : piece;
        uint64_t header = at == 0 ? 2 * WORD : WORD;

        err = await_room(l, header + padded(n), room_for(p->n - at, piece),
                         until);
        if (err != 0)
            break;
        *word_at(l, tail) =
            n | (at == 0 ? FIRST : 0) | (at + n == p->n ? LAST : 0);
        if (at == 0)
            *word_at(l, tail + WORD) = p->n;
        copy_in(l, tail + header, bytes + at, n);
        tail += header + padded(n);
        at += n;
        publish(l, at < p->n ? tail | BEGUN : tail);
    }
    if (err != 0 && at > 0)
        end_with(l, DROPPED);
    return err;
}

/* Descriptors go before the message, in a packet that names its position: one
 * whose message never came is told by that.  There is room for the message: if it
 * were given up now, they would stay in the socket, open and in the way. */
static int put_fds(struct pawl_lane *l, const struct pawl_parcel *p,
                   pawl_deadline until)
{
    uint64_t tail = tail_of(l);

    for (;;) {
        struct pollfd room = {.fd = p->fd_link, .events = POLLOUT};
        pawl_deadline end = pawl_after_ms(LOOK_AGAIN_MS);
        int err = pawl_link_send_packet(p->fd_link, &tail, sizeof tail, p->fds,
                                        p->n_fds);

        if (err == -ECONNRESET) /* closed, with packets that nobody has read */
            return -EPIPE;
        if (err != -EAGAIN)
            return err;
        if (is_closed(l))
            return -EBADF;
        if (until <= 0 || until <= pawl_now())
            return -ETIMEDOUT;
        err = pawl_poll_until(&room, 1, end < until ? end : until);
        if (err < 0)
            return err;
    }
}

static int put_with_fds(struct pawl_lane *l, const struct pawl_parcel *p,
                        pawl_deadline until)
{
    uint64_t size = WORD + padded(p->n);
    int err = await_room(l, size, size, until);

    if (err == 0)
        err = put_fds(l, p, until);
    return err != 0 ? err : put_whole(l, p, until);
}

int pawl_lane_send(struct pawl_lane *l, uint32_t me,
                   const struct pawl_parcel *p, pawl_deadline until)
{
    int err;

    if (is_gone(l))
        return -EPIPE;
    err = lock(l, writer_of(l), me, until);
    if (err != 0)
        return err;
    cut_what_has_begun(l);
    if (p->n_fds > 0)
        err = put_with_fds(l, p, until);
    else
        err = p->n <= piece_of(l) ? put_whole(l, p, until)
                                  : put_in_pieces(l, p, until);
    unlock(writer_of(l));
    return err;
}

/* -- Receiving ---------------------------------------------------------------------- */

static bool has_data(const struct pawl_lane *l, uint64_t unused)
{
    (void)unused;
    /* seq_cst: B.  The head only grows: it cannot seem to be before a tail that
     * was seen later, but for what has come. */
    return position(pawl_load64_seq(&l->s->head)) !=
           position(pawl_load64_seq(&l->s->tail));
}

static uint64_t head_of(const struct pawl_lane *l)
{
    return pawl_load64_relaxed(&l->s->head); /* relaxed: ours (I1) */
}

static void advance(struct pawl_lane *l, uint64_t head)
{
    pawl_store64_seq(&l->s->head, head); /* seq_cst: C */
    tell_sender(l, head);
}

/* Wait for a chunk: 0, -EBADF, -ETIMEDOUT, -EPIPE.  Of a message whose sender has
 * died, the chunk is CUT. */
static int await_chunk(struct pawl_lane *l, uint32_t me, pawl_deadline until)
{
    for (;;) {
        /* Whoever sends may be in the middle of a message. */
        const struct wait w = {.ec = &l->s->data,
                               .is_over = has_data,
                               .holder = &l->s->writer,
                               .peers = true};
        int err;

        if (has_data(l, 0))
            return 0;
        err = await(l, &w, until);
        /* seq_cst: B; the dead may have begun. */
        if (err == -EOWNERDEAD ||
            (err == -EPIPE && (pawl_load64_seq(&l->s->tail) & BEGUN) != 0))
            bury_writer(l, me);
        else
            return err;
    }
}

static void drop_part(struct pawl_part *part)
{
    free(part->bytes);
    *part = (struct pawl_part){0};
}

/* Whether the rest of a message is ours to take: then its first part is in
 * l->part, or nobody has it any more (and it is void).  False: somebody has. */
static bool claim_rest(struct pawl_lane *l, uint32_t me)
{
    /* relaxed: under the lock. */
    uint32_t keeper = pawl_load_relaxed(&l->s->keeper);

    if (l->part.bytes != NULL && l->part.head == head_of(l) &&
        l->part.fork == pawl_fork_count_)
        return true;
    drop_part(&l->part);
    return keeper == me || !is_alive(l, keeper);
}

/* A message that is being taken. */
struct taking {
    unsigned char *to;
    uint64_t total;
    uint64_t got;
    bool skips; /* nobody will have it */
};

/* What has come so far stays with this handle. */
static int keep_part(struct pawl_lane *l, uint32_t me, const struct taking *t,
                     int err)
{
    if (t->skips || (head_of(l) & BEGUN) == 0)
        return err;
    if (l->part.bytes == NULL && err == -ETIMEDOUT) {
        l->part.bytes = malloc(t->total);
        if (l->part.bytes != NULL)
            memcpy(l->part.bytes, t->to, t->got);
        else
            err = -ENOMEM; /* the message is lost */
    }
    if (l->part.bytes != NULL) {
        l->part.total = t->total;
        l->part.got = t->got;
        l->part.head = head_of(l);
        l->part.fork = pawl_fork_count_;
    }
    /* relaxed: under the lock. */
    pawl_store_relaxed(&l->s->keeper, l->part.bytes != NULL ? me : 0);
    return err;
}

/* The descriptors of the message that begins at `start`.  False: a receiver that
 * was killed has taken them. */
static bool take_fds(struct pawl_crate *c, uint64_t start)
{
    for (;;) {
        uint64_t tag = 0;
        size_t n = c->fds != NULL ? c->fd_room : 0;

        if (pawl_link_peek_packet(c->fd_link, &tag, sizeof tag) != 0 ||
            (int64_t)(tag - start) > 0)
            return false;
        if (tag != start)
            n = 0; /* its message never came */
        (void)pawl_link_take_packet(c->fd_link, &tag, sizeof tag, c->fds, &n);
        c->n_fds = (uint32_t)n;
        if (tag == start)
            return true;
    }
}

/* Take chunks up to the end of the message.
 *
 * Returns    0;  -EAGAIN it is no message any more;  -ECONNRESET;  and what
 *            await_chunk returns. */
static int take_chunks(struct pawl_lane *l, uint32_t me, struct taking *t,
                       pawl_deadline until)
{
    for (;;) {
        uint64_t head = head_of(l);
        int err = await_chunk(l, me, until);
        uint64_t word;
        uint64_t header;
        uint32_t n;

        if (err != 0)
            return keep_part(l, me, t, err);
        head = position(head);
        word = *word_at(l, head);
        if ((word & (CUT | DROPPED)) != 0) {
            advance(l, head + WORD);
            return (word & CUT) != 0 ? -ECONNRESET : -EAGAIN;
        }
        n = (uint32_t)word;
        header = (word & (FIRST | LAST)) == FIRST ? 2 * WORD : WORD;
        if (!t->skips)
            copy_out(l, head + header, t->to + t->got, n);
        t->got += n;
        head += header + padded(n);
        if ((word & LAST) != 0) {
            advance(l, head);
            return t->skips ? -EAGAIN : 0;
        }
        /* relaxed: under the lock; if we die, nobody has the part. */
        pawl_store_relaxed(&l->s->keeper, me);
        advance(l, head | BEGUN);
    }
}

static int take_all(struct pawl_lane *l, uint32_t me, struct pawl_crate *c,
                    struct taking *t, pawl_deadline until)
{
    int err = take_chunks(l, me, t, until);

    if (err == 0 && t->to != c->bytes)
        memcpy(c->bytes, t->to, t->total);
    return err;
}

/* Go on with a message of which something was taken before. */
static int take_rest(struct pawl_lane *l, uint32_t me, struct pawl_crate *c,
                     pawl_deadline until)
{
    struct taking t = {.to = l->part.bytes,
                       .total = l->part.total,
                       .got = l->part.got,
                       .skips = l->part.bytes == NULL};

    c->n = t.total;
    c->n_fds = 0;
    if (c->measures && !t.skips)
        return 0;
    if (c->n > c->room)
        return -EMSGSIZE;
    return take_all(l, me, c, &t, until);
}

/* Take the message that begins at the head. */
static int take_new(struct pawl_lane *l, uint32_t me, struct pawl_crate *c,
                    pawl_deadline until)
{
    uint64_t head = head_of(l);
    uint64_t word = *word_at(l, head);
    bool whole = (word & LAST) != 0;
    struct taking t = {.to = c->bytes};

    t.total = whole ? (uint32_t)word : *word_at(l, head + WORD);
    c->n = t.total;
    c->n_fds = (uint32_t)(word >> FDS_SHIFT);
    if (c->measures)
        return 0;
    if (c->n > c->room || (c->fds != NULL && c->n_fds > c->fd_room))
        return -EMSGSIZE;
    if (c->n_fds > 0)
        t.skips = !take_fds(c, head);
    /* Before anything is taken that may have to be kept.  acquire: pairs with
     * store64_seq in publish. */
    if (!whole && until != PAWL_FOREVER &&
        (pawl_load64_acquire(&l->s->tail) & BEGUN) != 0) {
        t.to = l->part.bytes = malloc(t.total);
        if (t.to == NULL)
            return -ENOMEM;
    }
    return take_all(l, me, c, &t, until);
}

/* Under the lock, and something is there.  -EAGAIN: look again; -EBUSY: another
 * handle has begun. */
static int take(struct pawl_lane *l, uint32_t me, struct pawl_crate *c,
                pawl_deadline until)
{
    bool rest = (head_of(l) & BEGUN) != 0;
    int err;

    if (rest && !claim_rest(l, me))
        return -EBUSY;
    if (!rest && !has_data(l, 0))
        return -EAGAIN; /* somebody was faster */
    err = rest ? take_rest(l, me, c, until) : take_new(l, me, c, until);
    if ((head_of(l) & BEGUN) == 0) {
        if (l->part.bytes != NULL)
            drop_part(&l->part);
        if (rest)
            wake(&l->s->data); /* those who were told -EBUSY */
    }
    return err;
}

static bool has_moved(const struct pawl_lane *l, uint64_t head)
{
    return pawl_load64_seq(&l->s->head) != head; /* seq_cst: B */
}

/* Until another handle has taken the rest of a message, or its process is dead. */
static int await_keeper(struct pawl_lane *l, pawl_deadline until)
{
    /* seq_cst: B. */
    uint64_t head = pawl_load64_seq(&l->s->head);
    const struct wait w = {.ec = &l->s->data,
                           .is_over = has_moved,
                           .arg = head,
                           .holder = &l->s->keeper};
    int err = (head & BEGUN) != 0 ? await(l, &w, until) : 0;

    return err == -EOWNERDEAD ? 0 : err;
}

int pawl_lane_receive(struct pawl_lane *l, uint32_t me, struct pawl_crate *c,
                      pawl_deadline until)
{
    for (;;) {
        int err = await_chunk(l, me, until);

        if (err != 0)
            return err == -EPIPE ? -ESHUTDOWN : err;
        err = lock(l, reader_of(l), me, until);
        if (err != 0)
            return err;
        err = take(l, me, c, until);
        unlock(reader_of(l));
        if (err == -EBUSY)
            err = await_keeper(l, until);
        else if (err != -EAGAIN)
            return err;
        if (err != 0 && err != -EAGAIN)
            return err;
    }
}

int pawl_lane_await(struct pawl_lane *l, uint32_t me, pawl_deadline until)
{
    int err = await_chunk(l, me, until);

    return err == -EPIPE ? 0 : err;
}

int pawl_lane_arm(struct pawl_lane *l, uint32_t me)
{
    int saved = errno;
    char bells[64];
    int err = pawl_lane_await(l, me, 0);

    if (err == -ETIMEDOUT) {
        /* seq_cst: A, pairs with the load in tell_receivers. */
        pawl_add_seq(&l->s->armed, 1);
        while (recv(l->link, bells, sizeof bells, MSG_DONTWAIT) > 0)
            ;
        err = pawl_lane_await(l, me, 0);
        /* What we have emptied others have yet to see: let the next change tell
         * them.  seq_cst: as above. */
        if (err == 0)
            pawl_add_seq(&l->s->armed, 1);
    }
    errno = saved;
    return err == -ETIMEDOUT ? 0 : err == 0 ? -EALREADY : err;
}

void pawl_lane_forget_part(struct pawl_lane *l)
{
    if (l->part.bytes == NULL)
        return;
    /* relaxed: who takes the rest sees at worst that we live; then it looks again
     * later. */
    if (l->part.fork == pawl_fork_count_ && l->part.head == head_of(l))
        pawl_store_relaxed(&l->s->keeper, 0);
    drop_part(&l->part);
}
