/* SPDX-License-Identifier: MIT
 *
 * queue.c - the blocking queue of pawl/queue.h: a ring, and three event counts.
 *
 * The ring is the truth about what is there, what fits and whether anything more
 * is accepted; whoever changes it tells the event count of those who may wait for
 * that.  All of the ring's answers are seq_cst, as the event count demands.
 *
 * Puts are not counted: the ring knows how many there have been.  Only what is
 * reported done is; so a queue whose users report nothing pays nothing.
 */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include <pawl/queue.h>
#include <pawl/ring.h>

#include "atomic/ops.h"
#include "atomic/ring_core.h"
#include "atomic/ring_self.h"
#include "base/compiler.h"
#include "futex/eventcount.h"
#include "futex/self.h"
#include "futex/spin.h"

#define MAGIC UINT32_C(0x71756575) /* "queu" */
#define LAYOUT UINT32_C(1)

enum { DEFAULT_PARTICIPANTS = 64 };

struct pawl_queue {
    pawl_u32 magic; /* written last */
    uint32_t layout;
    uint64_t bytes; /* of the memory */
    /* Who finds it empty, who finds it full. */
    pawl_eventcount not_empty __attribute__((aligned(2 * PAWL_CACHE_LINE)));
    pawl_eventcount not_full __attribute__((aligned(2 * PAWL_CACHE_LINE)));
    /* Elements that were reported done, and who waits for the others. */
    pawl_u64 done __attribute__((aligned(2 * PAWL_CACHE_LINE)));
    pawl_eventcount all_done;
} __attribute__((aligned(2 * PAWL_CACHE_LINE)));

_Static_assert(PAWL_QUEUE_ALIGN == PAWL_RING_ALIGN, "the ring lies behind it");

static inline pawl_ring *ring_of(const pawl_queue *q)
{
    return (pawl_ring *)(uintptr_t)(q + 1);
}

/* ---- making one --------------------------------------------------------- */

static uint32_t participants(const pawl_queue_options *o)
{
    return o->participants != 0 ? o->participants : DEFAULT_PARTICIPANTS;
}

int64_t pawl_queue_bytes(const pawl_queue_options *o)
{
    int64_t ring =
        pawl_ring_bytes(o->capacity, o->element_size, participants(o));

    if ((o->flags & ~(unsigned)PAWL_SHARED) != 0)
        return -EINVAL;
    if (ring < 0)
        return ring;
    if (ring > INT64_MAX - (int64_t)sizeof(pawl_queue))
        return -EOVERFLOW;
    return (int64_t)sizeof(pawl_queue) + ring;
}

int pawl_queue_init(pawl_queue **queue, void *memory, size_t bytes,
                    const pawl_queue_options *o)
{
    int64_t needs = pawl_queue_bytes(o);
    pawl_queue *q = memory;
    pawl_ring *ring;

    if (needs < 0)
        return (int)needs;
    if ((uintptr_t)memory % PAWL_QUEUE_ALIGN != 0)
        return -EINVAL;
    if (bytes < (uint64_t)needs)
        return -ENOSPC;
    pawl_store_relaxed(&q->magic, 0); /* relaxed: none yet */
    q->layout = LAYOUT;
    q->bytes = (uint64_t)needs;
    pawl_eventcount_init(&q->not_empty, o->flags);
    pawl_eventcount_init(&q->not_full, o->flags);
    pawl_eventcount_init(&q->all_done, o->flags);
    pawl_store64_relaxed(&q->done, 0); /* relaxed: before the magic */
    pawl_ring_init(&ring, q + 1, bytes - sizeof *q, o->capacity,
                   o->element_size, participants(o));
    pawl_store_release(&q->magic, MAGIC); /* pairs with attach */
    *queue = q;
    return 0;
}

int pawl_queue_attach(pawl_queue **queue, void *memory, size_t bytes)
{
    pawl_queue *q = memory;
    pawl_ring *ring;

    if ((uintptr_t)memory % PAWL_QUEUE_ALIGN != 0 || bytes < sizeof *q)
        return -EINVAL;
    /* acquire: pairs with the release in init. */
    if (pawl_load_acquire(&q->magic) != MAGIC || q->layout != LAYOUT ||
        q->bytes > bytes ||
        pawl_ring_attach(&ring, q + 1, bytes - sizeof *q) != 0)
        return -EINVAL;
    *queue = q;
    return 0;
}

int pawl_queue_create(pawl_queue **queue, const pawl_queue_options *o)
{
    int64_t bytes = pawl_queue_bytes(o);
    void *memory;

    if (bytes < 0)
        return (int)bytes;
    if (o->flags != 0)
        return -EINVAL;
    memory = aligned_alloc(PAWL_QUEUE_ALIGN, (size_t)bytes);
    if (memory == NULL)
        return -ENOMEM;
    return pawl_queue_init(queue, memory, (size_t)bytes, o);
}

void pawl_queue_free(pawl_queue *q)
{
    free(q);
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

static PAWL_COLD void identify(void)
{
    uint64_t seconds = (uint64_t)pawl_now() / 1000000000;
    uint64_t pid = (uint64_t)getpid() & ((1u << PID_BITS) - 1);
    uint64_t id = seconds << TIME_SHIFT | pid << PID_SHIFT | pawl_self_local();

    /* Without memory for it, the thread stays without an identity. */
    (void)pawl_ring_identify(id & (PAWL_RING_IDENTITIES - 1));
}

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

/* No block was left.  Others hold them within their calls, or died. */
static PAWL_COLD void wait_for_block(pawl_queue *q)
{
    if (pawl_ring_identity() == 0)
        identify();
    if (pawl_ring_recover(ring_of(q), is_dead, NULL) <= 0)
        sched_yield();
}

/* ---- put and get --------------------------------------------------------- */

/* The two ends differ in what the ring is asked, who sleeps there, and who is
 * waked at the other end. */
typedef int64_t (*attempt_fn)(pawl_ring *ring, void *elements, size_t n);

static inline int64_t push(pawl_ring *ring, void *elements, size_t n)
{
    return n == 1 ? pawl_ring_push(ring, elements)
                  : pawl_ring_push_many(ring, elements, n);
}

static inline int64_t pop(pawl_ring *ring, void *elements, size_t n)
{
    return n == 1 ? pawl_ring_pop(ring, elements)
                  : pawl_ring_pop_many(ring, elements, n);
}

/* As the ring answers, but the number of elements for success. */
static inline int64_t attempt(pawl_queue *q, attempt_fn fn, void *elements,
                              size_t n, pawl_eventcount *others)
{
    int64_t done = fn(ring_of(q), elements, n);

    if (pawl_unlikely(done < 0))
        return done;
    if (n == 1)
        done = 1;
    pawl_eventcount_signal(others, (uint32_t)done);
    return done;
}

/* The same until the deadline; -ENOMEM never comes out. */
static inline int64_t insist(pawl_queue *q, attempt_fn fn, void *elements,
                             size_t n, pawl_eventcount *others,
                             pawl_deadline until)
{
    int64_t done;

    while ((done = attempt(q, fn, elements, n, others)) == -ENOMEM) {
        if (until != PAWL_FOREVER && pawl_now() >= until)
            return -EAGAIN;
        wait_for_block(q);
    }
    return done;
}

static inline int64_t wait_here(pawl_queue *q, attempt_fn fn, void *elements,
                                size_t n, pawl_eventcount *own,
                                pawl_eventcount *others, pawl_deadline until)
{
    struct pawl_spin spin;
    int64_t done = -EAGAIN;
    int err = 0;

    if (pawl_ring_identity() == 0)
        identify();
    if (until > 0 && pawl_spin_begins(&spin, PAWL_SPIN_QUEUE)) {
        while ((done = insist(q, fn, elements, n, others, until)) == -EAGAIN &&
               pawl_spin_again(&spin))
            ;
        pawl_spin_ends(&spin, done != -EAGAIN);
    }
    while (done == -EAGAIN) {
        uint32_t key;

        if (err == -ETIMEDOUT)
            return err;
        key = pawl_eventcount_prepare(own);
        done = insist(q, fn, elements, n, others, until);
        if (done != -EAGAIN) {
            pawl_eventcount_cancel(own, key);
            break;
        }
        err = pawl_eventcount_wait_until(own, key, until);
        done = insist(q, fn, elements, n, others, until);
    }
    return done;
}

static PAWL_COLD int64_t put_slow(pawl_queue *q, const void *elements, size_t n,
                                  pawl_deadline until)
{
    return wait_here(q, push, (void *)(uintptr_t)elements, n, &q->not_full,
                     &q->not_empty, until);
}

static PAWL_COLD int64_t get_slow(pawl_queue *q, void *elements, size_t n,
                                  pawl_deadline until)
{
    return wait_here(q, pop, elements, n, &q->not_empty, &q->not_full, until);
}

static inline int64_t put(pawl_queue *q, const void *elements, size_t n)
{
    return attempt(q, push, (void *)(uintptr_t)elements, n, &q->not_empty);
}

static inline int64_t get(pawl_queue *q, void *elements, size_t n)
{
    return attempt(q, pop, elements, n, &q->not_full);
}

/* Whether to wait after that answer. */
static inline bool waits(int64_t done)
{
    return pawl_unlikely(done == -EAGAIN || done == -ENOMEM);
}

static inline int status(int64_t done)
{
    return done < 0 ? (int)done : 0;
}

int pawl_queue_try_put(pawl_queue *q, const void *element)
{
    return status(put(q, element, 1));
}

int pawl_queue_put_until(pawl_queue *q, const void *element,
                         pawl_deadline until)
{
    int64_t done;

    if (pawl_unlikely(pawl_ring_identity() == 0))
        identify();
    done = put(q, element, 1);
    return status(waits(done) ? put_slow(q, element, 1, until) : done);
}

int pawl_queue_put(pawl_queue *q, const void *element)
{
    return pawl_queue_put_until(q, element, PAWL_FOREVER);
}

int pawl_queue_try_get(pawl_queue *q, void *element)
{
    return status(get(q, element, 1));
}

int pawl_queue_get_until(pawl_queue *q, void *element, pawl_deadline until)
{
    int64_t done;

    if (pawl_unlikely(pawl_ring_identity() == 0))
        identify();
    done = get(q, element, 1);
    return status(waits(done) ? get_slow(q, element, 1, until) : done);
}

int pawl_queue_get(pawl_queue *q, void *element)
{
    return pawl_queue_get_until(q, element, PAWL_FOREVER);
}

int64_t pawl_queue_try_put_many(pawl_queue *q, const void *elements, size_t n)
{
    return n == 0 ? 0 : put(q, elements, n);
}

int64_t pawl_queue_put_many_until(pawl_queue *q, const void *elements, size_t n,
                                  pawl_deadline until)
{
    int64_t done = pawl_queue_try_put_many(q, elements, n);

    return waits(done) ? put_slow(q, elements, n, until) : done;
}

int64_t pawl_queue_put_many(pawl_queue *q, const void *elements, size_t n)
{
    return pawl_queue_put_many_until(q, elements, n, PAWL_FOREVER);
}

int64_t pawl_queue_try_get_many(pawl_queue *q, void *elements, size_t n)
{
    return n == 0 ? 0 : get(q, elements, n);
}

int64_t pawl_queue_get_many_until(pawl_queue *q, void *elements, size_t n,
                                  pawl_deadline until)
{
    int64_t done = pawl_queue_try_get_many(q, elements, n);

    return waits(done) ? get_slow(q, elements, n, until) : done;
}

int64_t pawl_queue_get_many(pawl_queue *q, void *elements, size_t n)
{
    return pawl_queue_get_many_until(q, elements, n, PAWL_FOREVER);
}

/* ---- tasks -------------------------------------------------------------- */

/* Report an element done.  Returns whether one was unfinished. */
static bool report(pawl_queue *q)
{
    uint64_t done;
    bool stored;

    do {
        /* acquire: before the ring is asked, which has had at least as many;
         * pairs with the swap below. */
        done = pawl_load64_acquire(&q->done);
        if (pawl_ring_pushed(ring_of(q)) == done)
            return false;
        /* seq_cst: pairs with load64_seq in unfinished, as the event count
         * demands; a release for the joiners. */
        stored = pawl_cas64_seq(&q->done, &done, done + 1);
    } while (!stored);
    /* If more came in between, let them have come before the report. */
    if (pawl_ring_pushed(ring_of(q)) == done + 1)
        pawl_eventcount_signal(&q->all_done, UINT32_MAX);
    return true;
}

int pawl_queue_task_done(pawl_queue *q)
{
    return report(q) ? 0 : -EOVERFLOW;
}

uint64_t pawl_queue_unfinished(const pawl_queue *q)
{
    /* seq_cst: pairs with cas64_seq in report; before the ring is asked. */
    uint64_t done = pawl_load64_seq(&q->done);

    for (;;) {
        uint64_t pushed = pawl_ring_pushed(ring_of(q));
        /* seq_cst: as above. */
        uint64_t again = pawl_load64_seq(&q->done);

        if (again == done)
            return pushed - done;
        done = again;
    }
}

int pawl_queue_join_until(pawl_queue *q, pawl_deadline until)
{
    uint32_t key;

    if (pawl_queue_unfinished(q) == 0)
        return 0;
    if (until <= 0)
        return -ETIMEDOUT;
    key = pawl_eventcount_prepare(&q->all_done);
    if (pawl_queue_unfinished(q) == 0) {
        pawl_eventcount_cancel(&q->all_done, key);
        return 0;
    }
    /* Notified only at zero, so nothing needs to be looked at again. */
    return pawl_eventcount_wait_until(&q->all_done, key, until);
}

int pawl_queue_join(pawl_queue *q)
{
    return pawl_queue_join_until(q, PAWL_FOREVER);
}

int pawl_queue_try_join(pawl_queue *q)
{
    return pawl_queue_unfinished(q) == 0 ? 0 : -EAGAIN;
}

/* ---- the end ------------------------------------------------------------- */

int pawl_queue_shutdown(pawl_queue *q)
{
    pawl_ring_close(ring_of(q));
    pawl_eventcount_signal(&q->not_empty, UINT32_MAX);
    pawl_eventcount_signal(&q->not_full, UINT32_MAX);
    return 0;
}

int64_t pawl_queue_shutdown_now(pawl_queue *q, pawl_queue_discard_fn discard,
                                void *context)
{
    pawl_ring_loan loan;
    int64_t discarded = 0;
    int err;

    pawl_queue_shutdown(q);
    while ((err = pawl_ring_borrow(ring_of(q), &loan)) != -ESHUTDOWN) {
        if (err != 0) {
            wait_for_block(q);
            continue;
        }
        if (discard != NULL)
            discard(loan.data, context);
        pawl_ring_give_back(ring_of(q), &loan);
        report(q);
        discarded++;
    }
    return discarded;
}

bool pawl_queue_is_shutdown(const pawl_queue *q)
{
    return pawl_ring_is_closed(ring_of(q));
}

/* ---- snapshots ----------------------------------------------------------- */

size_t pawl_queue_size(const pawl_queue *q)
{
    return pawl_ring_size(ring_of(q));
}

bool pawl_queue_is_empty(const pawl_queue *q)
{
    return pawl_ring_is_empty(ring_of(q));
}

bool pawl_queue_is_full(const pawl_queue *q)
{
    return pawl_ring_is_full(ring_of(q));
}

size_t pawl_queue_capacity(const pawl_queue *q)
{
    return pawl_ring_capacity(ring_of(q));
}

size_t pawl_queue_element_size(const pawl_queue *q)
{
    return pawl_ring_element_size(ring_of(q));
}
