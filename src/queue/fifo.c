/* SPDX-License-Identifier: MIT
 *
 * fifo.c - first in, first out: a ring.
 */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <unistd.h>

#include <pawl/ring.h>

#include "atomic/ring_self.h"
#include "futex/self.h"
#include "queue/store.h"

static int64_t fifo_bytes(const pawl_queue_options *o)
{
    return pawl_ring_bytes(o->capacity, o->element_size,
                           pawl_store_participants(o));
}

static void fifo_init(void *store, size_t bytes, const pawl_queue_options *o)
{
    pawl_ring *ring;

    pawl_ring_init(&ring, store, bytes, o->capacity, o->element_size,
                   pawl_store_participants(o));
}

static bool fifo_attach(void *store, size_t bytes)
{
    pawl_ring *ring;

    return pawl_ring_attach(&ring, store, bytes) == 0;
}

/* ---- who takes part ------------------------------------------------------ */

/* The identity of a thread at its rings:
 *
 *      61 ... 52   51 ........... 30   29 ........... 0
 *     +-----------+-------------------+----------------+
 *     |   time    |    process id     |    local id    |
 *     +-----------+-------------------+----------------+
 *
 * The time, in seconds, keeps a process apart from one before it that had the
 * same id. */
#define PID_SHIFT PAWL_ID_BITS
#define PID_BITS 22
#define TIME_SHIFT (PID_SHIFT + PID_BITS)

void pawl_store_identify(void)
{
    uint64_t seconds = (uint64_t)pawl_now() / 1000000000;
    uint64_t pid = (uint64_t)getpid() & ((1u << PID_BITS) - 1);
    uint64_t id = seconds << TIME_SHIFT | pid << PID_SHIFT | pawl_self_local();

    /* Without memory for it, the thread stays without an identity. */
    (void)pawl_ring_identify(id & (PAWL_RING_IDENTITIES - 1));
}

/* Errs on one side: one that nobody has waited for, or whose number another process
 * has by now, is taken for alive.  Its block comes back when that has ended; queues in
 * a region (pawl_shared_queue) have lifelines, and know at once. */
static bool is_dead(uint64_t id, void *context)
{
    pid_t pid = (pid_t)(id >> PID_SHIFT & ((1u << PID_BITS) - 1));
    int saved = errno; /* pawl never changes errno */
    bool dead;

    (void)context;
    if (pid == getpid())
        return !pawl_thread_alive((uint32_t)id & PAWL_ID_MASK);
    dead = kill(pid, 0) != 0 && errno == ESRCH;
    errno = saved;
    return dead;
}

static void fifo_relieve(void *store)
{
    if (pawl_ring_identity() == 0)
        pawl_store_identify();
    if (pawl_ring_recover(store, is_dead, NULL) <= 0)
        sched_yield();
}

/* ---- the end ------------------------------------------------------------- */

static int fifo_close(void *store)
{
    return pawl_ring_close(store);
}

static bool fifo_is_closed(const void *store)
{
    return pawl_ring_is_closed(store);
}

static void fifo_drain(void *store, pawl_queue_discard_fn dispose,
                       void *context)
{
    pawl_ring_loan loan;
    int err;

    while ((err = pawl_ring_borrow(store, &loan)) != -ESHUTDOWN) {
        if (err != 0) {
            fifo_relieve(store);
            continue;
        }
        dispose(loan.data, context);
        pawl_ring_give_back(store, &loan);
    }
}

static size_t fifo_size(const void *store)
{
    return pawl_ring_size(store);
}

/* push, pop and unfinished are in queue.c, which calls the ring directly. */
const struct pawl_store pawl_store_fifo = {
    .bytes = fifo_bytes,
    .init = fifo_init,
    .attach = fifo_attach,
    .relieve = fifo_relieve,
    .close = fifo_close,
    .is_closed = fifo_is_closed,
    .drain = fifo_drain,
    .size = fifo_size,
};
