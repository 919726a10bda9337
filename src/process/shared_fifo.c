/* SPDX-License-Identifier: MIT
 *
 * shared_fifo.c - first in, first out: a ring whose elements are records.
 *
 *     block     7 ............ 0   8 ...
 *              +----------------+-----------------+
 *              |  bytes + 1, 0  |   the record    |
 *              +----------------+-----------------+
 *
 * The first word is 0 while the block holds no record (ring_core.h, "tasks").
 *
 * Threads are known to the ring by what they are in the region, so that those whose
 * lifeline says that they are dead are dead, and no others.
 */
#include <errno.h>
#include <string.h>

#include <pawl/ring.h>

#include "atomic/ops.h"
#include "atomic/ring_core.h"
#include "atomic/ring_self.h"
#include "process/shared_queue.h"

/* Tasks between two looks for the dead: a look costs some loads for each hand. */
enum { LOOK_EVERY = 64 };

/* ---- who takes part -------------------------------------------------------
 *
 *      61 ......... 32   31 30   29 ...... 0
 *     +---------------+---------+------------+
 *     |  of its key   |    0    |     id     |    the identity in the ring
 *     +---------------+---------+------------+
 *
 * The id is unique in the region; the key keeps the thread apart from those of other
 * regions, should a signal handler use another ring meanwhile. */
static uint64_t enter(const struct pawl_shared_call *c)
{
    uint64_t before = pawl_ring_self_.id;

    pawl_ring_self_.id =
        (pawl_participant_self_.key >> 34 << 32) | (uint64_t)c->me;
    return before;
}

static void leave(uint64_t before)
{
    pawl_ring_self_.id = before;
}

static bool is_dead(uint64_t id, void *table)
{
    return !pawl_participant_alive(table, (uint32_t)id & PAWL_ID_MASK);
}

/* Inside. */
static uint32_t recover_inside(const struct pawl_shared_call *c)
{
    uint32_t orphans = 0;

    if (!pawl_shared_has_tasks(c)) {
        pawl_ring_recover(c->store, is_dead, c->table);
        return 0;
    }
    pawl_ring_recover_tasks(c->store, is_dead, c->table,
                            c->core->tasks == PAWL_TASKS_AGAIN, &orphans);
    pawl_store_relaxed(&c->core->orphans, orphans); /* relaxed: a hint */
    return orphans;
}

static uint32_t fifo_recover(const struct pawl_shared_call *c)
{
    uint64_t before = enter(c);
    uint32_t orphans = recover_inside(c);

    leave(before);
    return orphans;
}

/* ---- making one ----------------------------------------------------------- */

static size_t element_size(const struct pawl_shared_queue_core *core)
{
    return sizeof(pawl_u64) + (size_t)core->record_size;
}

static int64_t fifo_bytes(const struct pawl_shared_queue_core *core)
{
    return pawl_ring_bytes_as(PAWL_RING_SWAP, (size_t)core->capacity,
                              element_size(core), core->hands);
}

static void fifo_init(const struct pawl_shared_queue_core *core, void *store)
{
    pawl_ring *ring;

    /* The memory is zero, and so are the first words of all blocks. */
    pawl_ring_init_as(PAWL_RING_SWAP, &ring, store, SIZE_MAX,
                      (size_t)core->capacity, element_size(core), core->hands,
                      0);
}

static bool fifo_attach(const struct pawl_shared_queue_core *core, void *store)
{
    pawl_ring *ring;

    return pawl_ring_attach(&ring, store, (size_t)core->bytes - sizeof *core) ==
           0;
}

/* ---- put ------------------------------------------------------------------ */

static int fifo_put(const struct pawl_shared_call *c,
                    enum pawl_shared_side side, const void *record,
                    size_t bytes)
{
    uint64_t before = enter(c);
    int err = pawl_ring_put_record(c->store, record, bytes);

    (void)side;
    if (pawl_unlikely(err == -ENOMEM)) {
        recover_inside(c);
        err = pawl_ring_put_record(c->store, record, bytes);
    }
    leave(before);
    return err;
}

static inline int64_t put_many_inside(const struct pawl_shared_call *c,
                                      const struct pawl_shared_put_batch *b)
{
    return pawl_ring_put_records(c->store, b->records, b->size, b->bytes, b->n);
}

static int64_t fifo_put_many(const struct pawl_shared_call *c,
                             const struct pawl_shared_put_batch *b)
{
    uint64_t before = enter(c);
    int64_t n = put_many_inside(c, b);

    if (pawl_unlikely(n == -ENOMEM)) {
        recover_inside(c);
        n = put_many_inside(c, b);
    }
    leave(before);
    return n;
}

/* ---- get ------------------------------------------------------------------ */

/* The next one, of which none has been got by this call if it is the first. */
static int take(const struct pawl_shared_call *c, bool first,
                pawl_ring_loan *loan)
{
    int err;

    /* relaxed: a hint. */
    if (pawl_load_relaxed(&c->core->orphans) != 0) {
        if (pawl_ring_adopt(c->store, loan) == 0)
            return 0;
        pawl_store_relaxed(&c->core->orphans, 0); /* relaxed: a hint */
    }
    err = pawl_ring_take(c->store, loan);
    if (err == 0) {
        if (loan->value_ % LOOK_EVERY == 0)
            recover_inside(c);
    } else if (first && recover_inside(c) > 0 &&
               pawl_ring_adopt(c->store, loan) == 0) {
        return 0;
    }
    return err;
}

static int64_t get_task(const struct pawl_shared_call *c, bool first,
                        void *record, pawl_shared_task *task)
{
    pawl_ring_loan loan;
    pawl_u64 *word;
    uint64_t bytes;
    int err = take(c, first, &loan);

    if (err != 0)
        return err;
    word = loan.data;
    /* relaxed: the swap that brought the block has acquired it. */
    bytes = pawl_load64_relaxed(word) - 1;
    memcpy(record, word + 1, bytes);
    *task = (pawl_shared_task){.number_ = loan.value_, .place_ = loan.record_};
    return (int64_t)bytes;
}

static inline int64_t get_inside(const struct pawl_shared_call *c, void *record,
                                 pawl_shared_task *task)
{
    return pawl_shared_has_tasks(c) ? get_task(c, true, record, task)
                                    : pawl_ring_get_record(c->store, record);
}

static int64_t fifo_get(const struct pawl_shared_call *c,
                        enum pawl_shared_side side, void *record,
                        pawl_shared_task *task)
{
    uint64_t before = enter(c);
    int64_t bytes = get_inside(c, record, task);

    (void)side;
    if (pawl_unlikely(bytes == -ENOMEM)) {
        recover_inside(c);
        bytes = get_inside(c, record, task);
    }
    leave(before);
    return bytes;
}

/* Each of them is a task of its own, in a hand of its own. */
static int64_t get_tasks(const struct pawl_shared_call *c,
                         const struct pawl_shared_get_batch *b)
{
    int64_t bytes = 0;
    size_t n = 0;

    while (n < b->n) {
        pawl_shared_task task;

        bytes = get_task(c, n == 0, b->records + n * b->size, &task);
        if (bytes < 0)
            break;
        pawl_shared_note(b, n++, bytes, &task);
    }
    return n > 0 ? (int64_t)n : bytes;
}

static inline int64_t get_many_inside(const struct pawl_shared_call *c,
                                      const struct pawl_shared_get_batch *b)
{
    return pawl_shared_has_tasks(c)
               ? get_tasks(c, b)
               : pawl_ring_get_records(c->store, b->records, b->size, b->bytes,
                                       b->n);
}

static int64_t fifo_get_many(const struct pawl_shared_call *c,
                             const struct pawl_shared_get_batch *b)
{
    uint64_t before = enter(c);
    int64_t n = get_many_inside(c, b);

    if (pawl_unlikely(n == -ENOMEM)) {
        recover_inside(c);
        n = get_many_inside(c, b);
    }
    leave(before);
    return n;
}

/* ---- looks ---------------------------------------------------------------- */

/* In this order: what is put before the end is found. */
static int fifo_may_get(const struct pawl_shared_call *c)
{
    return !pawl_ring_is_empty(c->store) ||
                   (pawl_shared_has_tasks(c) && fifo_recover(c) > 0) ||
                   pawl_ring_is_closed(c->store)
               ? 0
               : -EAGAIN;
}

static int fifo_may_put(const struct pawl_shared_call *c)
{
    return !pawl_ring_is_full(c->store) || pawl_ring_is_closed(c->store)
               ? 0
               : -EAGAIN;
}

/* ---- tasks ---------------------------------------------------------------- */

static bool fifo_done(const struct pawl_shared_call *c,
                      const pawl_shared_task *task)
{
    uint64_t before = enter(c);
    pawl_ring_loan loan;
    bool found;

    if (task != NULL) {
        loan.value_ = task->number_;
        loan.record_ = (uint32_t)task->place_;
    }
    found = pawl_ring_holds(c->store, task != NULL ? &loan : NULL, &loan);
    if (found)
        pawl_ring_finish(c->store, &loan);
    leave(before);
    return found;
}

/* If the ring is empty, then what was put before is in hands; what is not found
 * there afterwards is done; and if nothing was put meanwhile, all is. */
static bool fifo_is_idle(const struct pawl_shared_call *c)
{
    uint64_t pushed = pawl_ring_pushed(c->store);

    fifo_recover(c);
    return pawl_ring_is_empty(c->store) && pawl_ring_tasks(c->store) == 0 &&
           pawl_ring_pushed(c->store) == pushed;
}

static uint64_t fifo_in_hand(const struct pawl_shared_call *c)
{
    return pawl_ring_tasks(c->store);
}

/* ---- the end -------------------------------------------------------------- */

static void fifo_close(const struct pawl_shared_call *c)
{
    pawl_ring_close(c->store);
}

static bool fifo_is_closed(const struct pawl_shared_call *c)
{
    return pawl_ring_is_closed(c->store);
}

static size_t fifo_size(const struct pawl_shared_call *c)
{
    return pawl_ring_size(c->store);
}

const struct pawl_shared_store pawl_shared_fifo = {
    .bytes = fifo_bytes,
    .init = fifo_init,
    .attach = fifo_attach,
    .put = fifo_put,
    .get = fifo_get,
    .put_many = fifo_put_many,
    .get_many = fifo_get_many,
    .may_get = fifo_may_get,
    .may_put = fifo_may_put,
    .done = fifo_done,
    .is_idle = fifo_is_idle,
    .recover = fifo_recover,
    .close = fifo_close,
    .is_closed = fifo_is_closed,
    .size = fifo_size,
    .in_hand = fifo_in_hand,
};
