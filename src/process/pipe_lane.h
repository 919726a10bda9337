/* SPDX-License-Identifier: MIT
 *
 * pipe_lane.h - one direction of a connection: messages in a ring that processes
 * share.
 *
 * The ring holds chunks.  What lies between head and tail is whole chunks, always:
 * a chunk is there when the tail has passed it, by one store.
 *
 *   chunk      bytes | FIRST | LAST      then the bytes, up to a multiple of 8
 *              bytes | FIRST, total      the first of several
 *              bytes [| LAST]            those that follow
 *              CUT                       instead of the rest: the sender died
 *              DROPPED                   instead of the rest: it gave up
 *
 *   tail, head       63 ................................ 3   2   1   0
 *                   +--------------------------------------+---+---+-------+
 *                   | position: bytes since the beginning  | 0 | 0 | BEGUN |
 *                   +--------------------------------------+---+---+-------+
 *
 * In the tail, BEGUN: the message before it goes on.  In the head: what begins
 * there is the rest of a message, the first part of which somebody has taken.
 *
 * I1  Who holds `writer` changes the tail and what is beyond it; who holds `reader`
 *     changes the head.  Both words name a participant; what a dead one holds is
 *     anybody's, as it is, for every store of a tail or head is a whole step.
 * I2  The tail has BEGUN  =>  `writer` is held by whoever sends the message, or by
 *     one who has found that one dead and will put CUT.
 * I3  There is room for CUT or DROPPED behind a tail with BEGUN.
 * I4  A user's id names a thread of a process that has the end open, or one that is
 *     dead, or nobody; who closes an end takes the names of its process away,
 *     then closes the link, then wakes all.
 *
 * Sleeping.  Who waits sleeps on an event count and on a lifeline (lifeline.h):
 * that of who holds the lock, of who is in the middle of the message, or else of
 * any live user of the other end.  As long as that one lives, the other end is
 * not closed.  Whether it is, with nobody alive that is known, says the link: a
 * socket, of which the kernel counts the descriptors.
 */
#ifndef PAWL_PROCESS_PIPE_LANE_H
#define PAWL_PROCESS_PIPE_LANE_H

#include <pawl/eventcount.h>
#include <pawl/time.h>

#include "atomic/ops.h"
#include "futex/lifeline.h"

#define PAWL_LANE_LINE __attribute__((aligned(2 * PAWL_CACHE_LINE)))

struct pawl_user {
    pawl_u32 id;  /* see I4 */
    pawl_u32 cpu; /* + 1: where it last began to wait; a hint */
};

/* In shared memory, zeroed. */
struct pawl_stream {
    PAWL_LANE_LINE pawl_u64 tail;

    PAWL_LANE_LINE pawl_u32 writer; /* a lock: see I1 */
    pawl_u64 head_seen;             /* under writer */

    PAWL_LANE_LINE pawl_u64 head;

    PAWL_LANE_LINE pawl_u32 reader; /* a lock */
    pawl_u32 keeper; /* who has the first part, if the head has BEGUN */

    PAWL_LANE_LINE pawl_eventcount data; /* the tail has moved */
    pawl_eventcount reader_turn;         /* reader is free */
    pawl_u32 armed; /* times that somebody was about to poll the link */
    pawl_u32 rung;  /* `armed`, when the link was last rung */
    struct pawl_user sender;
    struct pawl_user receiver;

    PAWL_LANE_LINE pawl_eventcount room; /* the head has moved far enough */
    pawl_eventcount writer_turn;         /* writer is free */
    pawl_u64 wanted;                     /* position the head has to reach */
};

void pawl_stream_init(struct pawl_stream *s);

/* The first part of a message, which whoever receives could not wait for. */
struct pawl_part {
    unsigned char *bytes; /* NULL: none */
    uint64_t total;
    uint64_t got;
    uint64_t head; /* where it goes on; anything else there: it is void */
    uint32_t fork; /* in which process: pawl_fork_count_ */
};

/* A process's view of one direction, at one end. */
struct pawl_lane {
    struct pawl_stream *s;
    unsigned char *ring;
    uint64_t capacity; /* a power of 2, at least PAWL_LANE_LEAST */
    struct pawl_participants *table;
    int link;
    const pawl_u32 *uses; /* PAWL_PIPE_CLOSED: calls give up */
    struct pawl_user *self;
    const struct pawl_user *peers[2]; /* of the other end; may be the same */
    struct pawl_part part;            /* receiving; under reader */
};

#define PAWL_PIPE_CLOSED (UINT32_C(1) << 31)
#define PAWL_LANE_LEAST 4096

/* A message with descriptors has so many bytes at most. */
#define PAWL_LANE_WITH_FDS 1024

/* A message to be sent, and one received. */
struct pawl_parcel {
    const void *bytes;
    uint64_t n;
    const int *fds; /* over fd_link */
    uint32_t n_fds;
    int fd_link;
};

struct pawl_crate {
    void *bytes;
    uint64_t room;
    uint64_t n; /* out: also with -EMSGSIZE */
    int *fds;
    uint32_t fd_room;
    uint32_t n_fds; /* out */
    int fd_link;
    bool measures; /* take nothing: n is all */
};

/* The caller, who is `me` in the table, uses this end. */
static inline void pawl_lane_use(struct pawl_lane *l, uint32_t me)
{
    /* release: pairs with load_acquire in live_peer: who sees the id sees that its
     * slot is taken.  relaxed: most often it is ours. */
    if (pawl_unlikely(pawl_load_relaxed(&l->self->id) != me))
        pawl_store_release(&l->self->id, me);
}

/* Send.  `me` is the caller's id in the table.
 *
 * Returns    0;  -EPIPE, -EBADF, -ETIMEDOUT;  -EMSGSIZE `until` has passed already,
 *            and the message is longer than the ring;  what sendmsg says, for
 *            descriptors. */
int pawl_lane_send(struct pawl_lane *l, uint32_t me,
                   const struct pawl_parcel *p, pawl_deadline until);

/* Returns    0;  -EMSGSIZE, -ESHUTDOWN, -ECONNRESET, -EBADF, -ETIMEDOUT, -ENOMEM. */
int pawl_lane_receive(struct pawl_lane *l, uint32_t me, struct pawl_crate *c,
                      pawl_deadline until);

/* Wait until receive has something to say.
 * Returns    0, -EBADF, -ETIMEDOUT. */
int pawl_lane_await(struct pawl_lane *l, uint32_t me, pawl_deadline until);

/* The same by polling the link: 0: poll it;  -EALREADY receive has something to
 * say, or may have;  -EBADF. */
int pawl_lane_arm(struct pawl_lane *l, uint32_t me);

/* The handle is closed.  Nobody else uses it. */
void pawl_lane_forget_part(struct pawl_lane *l);

/* Wake all who sleep, of either end. */
void pawl_stream_wake_all(struct pawl_stream *s);

#endif /* PAWL_PROCESS_PIPE_LANE_H */
