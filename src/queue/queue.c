/* SPDX-License-Identifier: MIT
 *
 * queue.c - the blocking queue of pawl/queue.h: a store, and three event counts.
 *
 * The store is the truth about what is there, what fits and whether anything more
 * is accepted; whoever changes it tells the event count of those who may wait for
 * that.
 *
 * Puts are not counted: the store knows how many there have been.  Only what is
 * reported done is; so a queue whose users report nothing pays nothing.
 */
#include <errno.h>
#include <stdlib.h>

#include <pawl/queue.h>
#include <pawl/ring.h>

#include "atomic/ops.h"
#include "atomic/ring_core.h"
#include "atomic/ring_self.h"
#include "base/compiler.h"
#include "base/place.h"
#include "futex/eventcount.h"
#include "futex/waitable.h"
#include "queue/end.h"
#include "queue/store.h"
#include "queue/wait.h"

#define MAGIC UINT32_C(0x71756575) /* "queu" */
#define LAYOUT UINT32_C(1)

/* By number, for what is in shared memory names it. */
enum { FIFO, LIFO, PRIORITY, UNBOUNDED_FIFO, UNBOUNDED_LIFO, STORES };

static const struct pawl_store *const stores[STORES] = {
    [FIFO] = &pawl_store_fifo,
    [LIFO] = &pawl_store_lifo,
    [PRIORITY] = &pawl_store_prio,
    [UNBOUNDED_FIFO] = &pawl_store_unbounded_fifo,
    [UNBOUNDED_LIFO] = &pawl_store_unbounded_lifo,
};

struct pawl_queue {
    pawl_u32 magic; /* written last; all before the event counts is constant */
    uint32_t layout;
    uint64_t bytes; /* of the memory */
    uint64_t store; /* which of them */
    uint64_t capacity;
    uint64_t element_size;
    /* Who finds it empty, who finds it full. */
    struct pawl_end not_empty __attribute__((aligned(2 * PAWL_CACHE_LINE)));
    struct pawl_end not_full __attribute__((aligned(2 * PAWL_CACHE_LINE)));
    /* Elements that were reported done; how many of them there were when last
     * nothing was unfinished; and who waits for that. */
    pawl_u64 done __attribute__((aligned(2 * PAWL_CACHE_LINE)));
    pawl_u64 zero;
    pawl_eventcount all_done;
} __attribute__((aligned(2 * PAWL_CACHE_LINE)));

_Static_assert(PAWL_QUEUE_ALIGN == PAWL_RING_ALIGN, "the store lies behind it");

static inline void *at(const pawl_queue *q)
{
    return (void *)(uintptr_t)(q + 1);
}

static inline const struct pawl_store *store_of(const pawl_queue *q)
{
    return stores[q->store];
}

/* ---- making one --------------------------------------------------------- */

static bool is_unbounded(const pawl_queue_options *o)
{
    return (o->flags & PAWL_UNBOUNDED) != 0;
}

static bool are_legal(const pawl_queue_options *o)
{
    unsigned flags = PAWL_SHARED | PAWL_UNBOUNDED;

    if (o->kind == PAWL_QUEUE_PRIORITY)
        flags |= PAWL_QUEUE_SIGNED | PAWL_QUEUE_MAX_FIRST;
    else if (o->key_offset != 0 || o->compare != NULL)
        return false;
    if ((o->flags & ~flags) != 0 || o->element_size == 0 ||
        o->element_size > PAWL_QUEUE_ELEMENT_MAX)
        return false;
    if (is_unbounded(o))
        return o->capacity == 0 && (o->flags & PAWL_SHARED) == 0;
    return o->capacity > 0 && o->capacity <= PAWL_QUEUE_CAPACITY_MAX;
}

/* Which store serves these options, or -EINVAL. */
static int choose(const pawl_queue_options *o)
{
    if (!are_legal(o))
        return -EINVAL;
    switch (o->kind) {
    case PAWL_QUEUE_FIFO:
        return is_unbounded(o) ? UNBOUNDED_FIFO : FIFO;
    case PAWL_QUEUE_LIFO:
        return is_unbounded(o) ? UNBOUNDED_LIFO : LIFO;
    case PAWL_QUEUE_PRIORITY:
        return PRIORITY;
    default:
        return -EINVAL;
    }
}

static int64_t bytes_of(const pawl_queue_options *o)
{
    int store = choose(o);
    int64_t bytes;

    if (store < 0)
        return store;
    bytes = stores[store]->bytes(o);
    if (bytes < 0)
        return bytes;
    if (bytes > INT64_MAX - (int64_t)sizeof(pawl_queue) - PAWL_QUEUE_ALIGN)
        return -EOVERFLOW;
    return (int64_t)pawl_round_up(sizeof(pawl_queue) + (uint64_t)bytes,
                                  PAWL_QUEUE_ALIGN);
}

/* `needs` is of bytes_of, and there are so many. */
static pawl_queue *make(void *memory, int64_t needs,
                        const pawl_queue_options *o)
{
    pawl_queue *q = memory;
    unsigned flags = o->flags & PAWL_SHARED;

    pawl_store_relaxed(&q->magic, 0); /* relaxed: none yet */
    q->layout = LAYOUT;
    q->bytes = (uint64_t)needs;
    q->store = (uint64_t)choose(o);
    q->capacity = o->capacity;
    q->element_size = o->element_size;
    pawl_end_init(&q->not_empty, flags);
    pawl_end_init(&q->not_full, flags);
    pawl_eventcount_init(&q->all_done, flags);
    pawl_store64_relaxed(&q->done, 0); /* relaxed: before the magic */
    pawl_store64_relaxed(&q->zero, 0); /* relaxed: as above */
    store_of(q)->init(at(q), (size_t)needs - sizeof *q, o);
    pawl_store_release(&q->magic, MAGIC); /* pairs with attach */
    return q;
}

int64_t pawl_queue_bytes(const pawl_queue_options *o)
{
    return is_unbounded(o) ? -EINVAL : bytes_of(o);
}

int pawl_queue_init(pawl_queue **queue, void *memory, size_t bytes,
                    const pawl_queue_options *o)
{
    int64_t needs = pawl_queue_bytes(o);
    int err = pawl_check_place(memory, PAWL_QUEUE_ALIGN, bytes, needs);

    if (err != 0)
        return err;
    *queue = make(memory, needs, o);
    return 0;
}

int pawl_queue_attach(pawl_queue **queue, void *memory, size_t bytes)
{
    pawl_queue *q = memory;

    if (!pawl_is_place(memory, PAWL_QUEUE_ALIGN, bytes, sizeof *q))
        return -EINVAL;
    /* acquire: pairs with the release in make. */
    if (pawl_load_acquire(&q->magic) != MAGIC || q->layout != LAYOUT ||
        q->bytes > bytes || q->store >= STORES)
        return -EINVAL;
    if (store_of(q)->attach != NULL &&
        !store_of(q)->attach(at(q), bytes - sizeof *q))
        return -EINVAL;
    *queue = q;
    return 0;
}

int pawl_queue_create(pawl_queue **queue, const pawl_queue_options *o)
{
    int64_t bytes = bytes_of(o);
    void *memory;

    if (bytes < 0)
        return (int)bytes;
    if (o->flags & PAWL_SHARED)
        return -EINVAL;
    memory = aligned_alloc(PAWL_QUEUE_ALIGN, (size_t)bytes);
    if (memory == NULL)
        return -ENOMEM;
    *queue = make(memory, bytes, o);
    return 0;
}

void pawl_queue_free(pawl_queue *q)
{
    if (q != NULL) {
        pawl_end_destroy(&q->not_empty);
        pawl_end_destroy(&q->not_full);
        if (store_of(q)->destroy != NULL)
            store_of(q)->destroy(at(q));
    }
    free(q);
}

/* ---- put and get --------------------------------------------------------- */

/* How many were put, or taken, or an error. */
typedef int64_t (*attempt_fn)(pawl_queue *q, void *elements, size_t n);

static inline int64_t push(pawl_queue *q, void *elements, size_t n)
{
    int err;

    if (pawl_unlikely(q->store != FIFO))
        return store_of(q)->push(at(q), elements, n);
    if (n != 1)
        return pawl_ring_push_many(at(q), elements, n);
    err = pawl_ring_push(at(q), elements);
    return pawl_likely(err == 0) ? 1 : err;
}

static inline int64_t pop(pawl_queue *q, void *elements, size_t n)
{
    int err;

    if (pawl_unlikely(q->store != FIFO))
        return store_of(q)->pop(at(q), elements, n);
    if (n != 1)
        return pawl_ring_pop_many(at(q), elements, n);
    err = pawl_ring_pop(at(q), elements);
    return pawl_likely(err == 0) ? 1 : err;
}

/* The two ends differ in what the store is asked, who sleeps there, and who is
 * waked at the other end. */
static inline int64_t attempt(pawl_queue *q, attempt_fn fn, void *elements,
                              size_t n, struct pawl_end *others)
{
    int64_t done = fn(q, elements, n);

    if (pawl_likely(done > 0))
        pawl_end_tell(others, done < UINT32_MAX ? (uint32_t)done : UINT32_MAX);
    return done;
}

struct call {
    pawl_queue *q;
    attempt_fn fn;
    void *elements;
    size_t n;
    struct pawl_end *others;
    pawl_deadline until;
};

/* Attempt until the deadline, for as long as blocks are short; those of the dead
 * are taken back even if it has passed. */
static int64_t insist(void *call)
{
    const struct call *c = call;
    void (*relieve)(void *store) = store_of(c->q)->relieve;
    int64_t done;
    bool late = false;

    while ((done = attempt(c->q, c->fn, c->elements, c->n, c->others)) ==
               -ENOMEM &&
           relieve != NULL && !late) {
        late = c->until != PAWL_FOREVER && pawl_now() >= c->until;
        relieve(at(c->q));
    }
    return done == -ENOMEM && relieve != NULL ? -EAGAIN : done;
}

static PAWL_COLD int64_t put_slow(pawl_queue *q, const void *elements, size_t n,
                                  pawl_deadline until)
{
    struct call c = {.q = q,
                     .fn = push,
                     .elements = (void *)(uintptr_t)elements,
                     .n = n,
                     .others = &q->not_empty,
                     .until = until};

    if (pawl_ring_identity() == 0)
        pawl_store_identify();
    return pawl_wait_for(insist, &c, &q->not_full, until);
}

static PAWL_COLD int64_t get_slow(pawl_queue *q, void *elements, size_t n,
                                  pawl_deadline until)
{
    struct call c = {.q = q,
                     .fn = pop,
                     .elements = elements,
                     .n = n,
                     .others = &q->not_full,
                     .until = until};

    if (pawl_ring_identity() == 0)
        pawl_store_identify();
    return pawl_wait_for(insist, &c, &q->not_empty, until);
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
        pawl_store_identify();
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
        pawl_store_identify();
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

/* What has been put, less `done`. */
static inline uint64_t unfinished(const pawl_queue *q, uint64_t done)
{
    if (pawl_unlikely(q->store != FIFO))
        return store_of(q)->unfinished(at(q), done);
    return pawl_ring_pushed(at(q)) - done;
}

/* Nothing was unfinished when so many were done. */
static void tell_joiners(pawl_queue *q, uint64_t done)
{
    uint64_t seen =
        pawl_load64_relaxed(&q->zero); /* relaxed: the CAS decides */

    /* seq_cst: pairs with load64_seq in join, as the event count demands; a
     * release for the joiners. */
    while (seen < done && !pawl_cas64_seq(&q->zero, &seen, done))
        ;
    pawl_eventcount_signal(&q->all_done, UINT32_MAX);
}

/* Report an element done.  Returns whether one was unfinished. */
static bool report(pawl_queue *q)
{
    uint64_t done;
    bool stored;

    do {
        /* acquire: before the store is asked, which has had at least as many;
         * pairs with the swap below. */
        done = pawl_load64_acquire(&q->done);
        if (unfinished(q, done) == 0)
            return false;
        /* seq_cst: pairs with load64_seq in left_of; a release for the
         * joiners. */
        stored = pawl_cas64_seq(&q->done, &done, done + 1);
    } while (!stored);
    /* If more came in between, let them have come before the report. */
    if (unfinished(q, done + 1) == 0)
        tell_joiners(q, done + 1);
    return true;
}

int pawl_queue_task_done(pawl_queue *q)
{
    return report(q) ? 0 : -EOVERFLOW;
}

/* How many are unfinished at an instant within the call, when *done were done. */
static uint64_t left_of(const pawl_queue *q, uint64_t *done)
{
    /* seq_cst: pairs with cas64_seq in report; before the store is asked. */
    *done = pawl_load64_seq(&q->done);

    for (;;) {
        uint64_t left = unfinished(q, *done);
        /* seq_cst: as above. */
        uint64_t again = pawl_load64_seq(&q->done);

        if (again == *done)
            return left;
        *done = again;
    }
}

uint64_t pawl_queue_unfinished(const pawl_queue *q)
{
    uint64_t done;

    return left_of(q, &done);
}

/* Whether nothing has been unfinished since `target` had been put. */
static bool has_been_zero(const pawl_queue *q, uint64_t target)
{
    /* seq_cst: pairs with cas64_seq in tell_joiners. */
    return pawl_load64_seq(&q->zero) >= target || pawl_queue_unfinished(q) == 0;
}

/* Who is woken may have come after the zero that it is told of, and wait for what
 * has been put since: at each zero that is meant for it, at least as many are
 * done as had been put when it came. */
int pawl_queue_join_until(pawl_queue *q, pawl_deadline until)
{
    uint64_t done;
    uint64_t left = left_of(q, &done);
    int err = 0;

    if (left == 0)
        return 0;
    if (until <= 0)
        return -ETIMEDOUT;
    for (;;) {
        uint32_t key = pawl_eventcount_prepare(&q->all_done);
        bool zero = has_been_zero(q, done + left);

        if (zero || err != 0) {
            pawl_eventcount_cancel(&q->all_done, key);
            return zero ? 0 : err;
        }
        err = pawl_eventcount_wait_until(&q->all_done, key, until);
    }
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
    int err = store_of(q)->close(at(q));

    if (err != 0)
        return err;
    pawl_end_tell(&q->not_empty, UINT32_MAX);
    pawl_end_tell(&q->not_full, UINT32_MAX);
    return 0;
}

struct disposal {
    pawl_queue *q;
    pawl_queue_discard_fn discard;
    void *context;
    int64_t count;
};

static void dispose(void *element, void *context)
{
    struct disposal *d = context;

    if (d->discard != NULL)
        d->discard(element, d->context);
    report(d->q);
    d->count++;
}

int64_t pawl_queue_shutdown_now(pawl_queue *q, pawl_queue_discard_fn discard,
                                void *context)
{
    struct disposal d = {.q = q, .discard = discard, .context = context};
    int err = pawl_queue_shutdown(q);

    if (err != 0)
        return err;
    store_of(q)->drain(at(q), dispose, &d);
    return d.count;
}

int pawl_queue_visit(pawl_queue *q, pawl_queue_visit_fn visitor, void *context)
{
    const struct pawl_store *store = store_of(q);

    return store->visit != NULL ? store->visit(at(q), visitor, context)
                                : -EOPNOTSUPP;
}

bool pawl_queue_is_shutdown(const pawl_queue *q)
{
    return store_of(q)->is_closed(at(q));
}

/* ---- snapshots ----------------------------------------------------------- */

size_t pawl_queue_size(const pawl_queue *q)
{
    return store_of(q)->size(at(q));
}

bool pawl_queue_is_empty(const pawl_queue *q)
{
    return q->store == FIFO ? pawl_ring_is_empty(at(q))
                            : pawl_queue_size(q) == 0;
}

bool pawl_queue_is_full(const pawl_queue *q)
{
    return q->store == FIFO
               ? pawl_ring_is_full(at(q))
               : pawl_queue_size(q) == q->capacity && q->capacity != 0;
}

size_t pawl_queue_capacity(const pawl_queue *q)
{
    return q->capacity;
}

size_t pawl_queue_element_size(const pawl_queue *q)
{
    return q->element_size;
}

/* ---- in a wait set -------------------------------------------------------- */

/* Whether a put, or a get, would have to wait. */
typedef bool (*blocks_fn)(const pawl_queue *q);

/* In this order: what is put before the shutdown is found. */
static bool goes_on(const pawl_queue *q, blocks_fn blocks)
{
    return !blocks(q) || pawl_queue_is_shutdown(q);
}

static int look(const pawl_queue *q, blocks_fn blocks)
{
    int err = -EAGAIN;

    if (goes_on(q, blocks))
        return 0;
    if (store_of(q)->settle != NULL) {
        err = store_of(q)->settle(at(q));
        if (err == 0 && !goes_on(q, blocks))
            err = -EAGAIN;
    }
    return err;
}

static int may_get(pawl_wait_item *item, bool first)
{
    (void)first;
    return look(pawl_container_of(item->object_, pawl_queue, not_empty),
                pawl_queue_is_empty);
}

static int may_put(pawl_wait_item *item, bool first)
{
    (void)first;
    return look(pawl_container_of(item->object_, pawl_queue, not_full),
                pawl_queue_is_full);
}

pawl_wait_item pawl_queue_readable_wait_item(pawl_queue *q)
{
    static const struct pawl_waitable how = PAWL_END_WAITABLE(may_get);

    return pawl_waitable_item(&q->not_empty, &how);
}

pawl_wait_item pawl_queue_writable_wait_item(pawl_queue *q)
{
    static const struct pawl_waitable how = PAWL_END_WAITABLE(may_put);

    return pawl_waitable_item(&q->not_full, &how);
}
