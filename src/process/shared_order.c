/* SPDX-License-Identifier: MIT
 *
 * shared_order.c - last in first out, both ends, smallest key first: records in cells,
 * under one lock.
 *
 *     cell      state  63 ... 34   33   32   31 ...... 0
 *                     +----------+----------+-----------+
 *                     |    0     |   kind   |    id     |
 *                     +----------+----------+-----------+
 *
 *   kind      id     leaves it by
 *   FREE      0      put -> QUEUED
 *   QUEUED    0      get -> FREE, or TAKEN with tasks
 *   TAKEN     getter task_done -> FREE;  its death -> FREE, or QUEUED
 *
 * I1  The cells are the truth: what is queued, in which order, and what is in whose
 *     hand.  Each step is one store of a state, after all that belongs to it.
 * I2  The rest is derived from them, so that nobody has to search: which cells are
 *     queued, in the order in which they leave, and which are free.  Who gets the
 *     lock of a dead holder derives it anew.
 *
 * So a put, a get or a task_done whose caller is killed has happened or not, and there
 * is nothing to undo.  What a killed getter had not taken is still queued: the
 * getter's copy died with it.
 *
 * In sequences (LIFO, DEQUE) the queued ones bear consecutive numbers: both ends put and
 * take.  In a PRIORITY the number tells which of equals came first.
 */
#include <errno.h>
#include <string.h>

#include <pawl/queue.h>

#include "atomic/ops.h"
#include "base/place.h"
#include "futex/robust.h"
#include "futex/spin.h"
#include "process/shared_queue.h"

enum kind { FREE, QUEUED, TAKEN };

struct cell {
    pawl_u64 state;
    uint64_t number; /* in the order of the queue */
    uint64_t turn;   /* how often it was taken */
    uint64_t bytes;
    unsigned char record[];
};

/* Constants, the truth about the end, and what is derived. */
struct order {
    uint32_t cells;
    uint32_t sequence; /* or a heap */
    uint64_t stride;
    uint64_t spare_at; /* offsets from here */
    uint64_t last_at;
    uint64_t cells_at;
    pawl_u32 lock __attribute__((aligned(2 * PAWL_CACHE_LINE)));
    pawl_u32 closed;
    pawl_u32 queued;
    uint32_t spares;
    uint64_t first; /* the number of the first one queued, in a sequence */
    uint64_t next;  /* of the next one at the back */
    /* The queued cells: that of number n at n modulo `cells`, or a binary heap.  Then
     * the free cells, and the cell that each participant has taken last, a hint. */
    uint32_t place[];
};

/* Sequences grow to both sides. */
#define NUMBER_FIRST (UINT64_C(1) << 63)

static struct order *order_of(const struct pawl_shared_call *c)
{
    return c->store;
}

static uint32_t *spare_of(struct order *o)
{
    return (uint32_t *)(void *)((char *)o + o->spare_at);
}

static uint32_t *last_of(struct order *o, uint32_t me)
{
    return (uint32_t *)(void *)((char *)o + o->last_at) + (me & PAWL_SLOT_MASK);
}

static struct cell *cell_at(const struct order *o, uint32_t i)
{
    return (struct cell *)(void *)((char *)(uintptr_t)o + o->cells_at +
                                   i * o->stride);
}

static uint64_t word(enum kind kind, uint32_t id)
{
    return (uint64_t)kind << 32 | id;
}

static uint64_t state_of(const struct cell *cell)
{
    /* relaxed: under the lock; what the dead did is ordered by the lock, or by the
     * answer that they are dead. */
    return pawl_load64_relaxed(&cell->state);
}

static enum kind kind_of(uint64_t state)
{
    return (enum kind)(state >> 32);
}

static void set_state(struct cell *cell, enum kind kind, uint32_t id)
{
    /* release: to one who comes after our death: what belongs to it is there. */
    pawl_store64_release(&cell->state, word(kind, id));
}

static uint32_t queued_of(const struct order *o)
{
    /* relaxed: under the lock, or a snapshot. */
    return pawl_load_relaxed(&o->queued);
}

static void set_queued(struct order *o, uint32_t n)
{
    pawl_store_relaxed(&o->queued, n); /* relaxed: as above */
}

/* ---- making one ----------------------------------------------------------- */

/* The constants.  0 or -EOVERFLOW. */
static int64_t design(const struct pawl_shared_queue_core *core,
                      struct order *o)
{
    uint64_t cells = core->capacity + core->hands;
    uint64_t bytes;

    *o = (struct order){
        .cells = (uint32_t)cells,
        .sequence = core->kind != PAWL_SHARED_PRIORITY,
        .stride = pawl_round_up(sizeof(struct cell) + core->record_size, 16),
        .spare_at = sizeof *o + cells * sizeof(uint32_t),
    };
    o->last_at = o->spare_at + cells * sizeof(uint32_t);
    o->cells_at = pawl_round_up(o->last_at + core->hands * sizeof(uint32_t),
                                PAWL_CACHE_LINE);
    /* At most 2^21 cells of 2^31 bytes. */
    bytes = o->cells_at + cells * o->stride;
    return (int64_t)pawl_round_up(bytes, PAWL_CACHE_LINE);
}

static int64_t order_bytes(const struct pawl_shared_queue_core *core)
{
    struct order o;

    return design(core, &o);
}

static void derive(const struct pawl_shared_call *c);

static void order_init(const struct pawl_shared_queue_core *core, void *store)
{
    struct pawl_shared_call c = {.store = store};
    struct order *o = store;

    /* The memory is zero, and so all cells are FREE. */
    design(core, o);
    o->next = o->first = NUMBER_FIRST;
    c.core = (struct pawl_shared_queue_core *)(uintptr_t)core;
    derive(&c);
}

static bool order_attach(const struct pawl_shared_queue_core *core, void *store)
{
    const struct order *o = store;

    return o->cells == core->capacity + core->hands;
}

/* ---- what is derived ------------------------------------------------------ */

/* The key, as a number whose smallest comes first. */
static uint64_t key_of(const struct pawl_shared_call *c,
                       const struct cell *cell)
{
    uint64_t key;

    memcpy(&key, cell->record + c->core->key_offset, sizeof key);
    if (c->core->flags & PAWL_QUEUE_SIGNED)
        key ^= UINT64_C(1) << 63;
    return c->core->flags & PAWL_QUEUE_MAX_FIRST ? ~key : key;
}

static bool is_before(const struct pawl_shared_call *c, uint32_t a, uint32_t b)
{
    const struct cell *x = cell_at(order_of(c), a);
    const struct cell *y = cell_at(order_of(c), b);
    uint64_t kx = key_of(c, x);
    uint64_t ky = key_of(c, y);

    return kx != ky ? kx < ky : x->number < y->number;
}

static void swap(uint32_t *a, uint32_t *b)
{
    uint32_t t = *a;

    *a = *b;
    *b = t;
}

static void sift_up(const struct pawl_shared_call *c, uint32_t at)
{
    uint32_t *heap = order_of(c)->place;

    while (at > 0 && is_before(c, heap[at], heap[(at - 1) / 2])) {
        swap(&heap[at], &heap[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
}

static void sift_down(const struct pawl_shared_call *c, uint32_t size)
{
    uint32_t *heap = order_of(c)->place;
    uint32_t at = 0;

    for (;;) {
        uint32_t least = at;

        for (uint32_t k = 2 * at + 1; k <= 2 * at + 2 && k < size; k++)
            if (is_before(c, heap[k], heap[least]))
                least = k;
        if (least == at)
            return;
        swap(&heap[at], &heap[least]);
        at = least;
    }
}

static uint32_t *place_of(struct order *o, uint64_t number)
{
    return &o->place[number % o->cells];
}

/* Where a new one's number is, at that side. */
static uint64_t number_at(const struct order *o, enum pawl_shared_side side)
{
    return side == PAWL_SIDE_FRONT ? o->first - 1 : o->next;
}

/* A cell has become QUEUED. */
static void enqueue(const struct pawl_shared_call *c, uint32_t i)
{
    struct order *o = order_of(c);
    uint64_t number = cell_at(o, i)->number;
    uint32_t queued = queued_of(o);

    set_queued(o, queued + 1);
    if (o->sequence) {
        *place_of(o, number) = i;
        if (queued == 0 || number < o->first)
            o->first = number;
        if (queued == 0 || number >= o->next)
            o->next = number + 1;
    } else {
        o->place[queued] = i;
        sift_up(c, queued);
        if (number >= o->next)
            o->next = number + 1;
    }
}

/* The cell that leaves next at that side, of at least one. */
static uint32_t first_at(struct order *o, enum pawl_shared_side side)
{
    if (!o->sequence)
        return o->place[0];
    return *place_of(o, side == PAWL_SIDE_FRONT ? o->first : o->next - 1);
}

/* That cell is no longer QUEUED. */
static void dequeue(const struct pawl_shared_call *c,
                    enum pawl_shared_side side)
{
    struct order *o = order_of(c);
    uint32_t queued = queued_of(o) - 1;

    set_queued(o, queued);
    if (!o->sequence) {
        o->place[0] = o->place[queued];
        sift_down(c, queued);
    } else if (side == PAWL_SIDE_FRONT) {
        o->first++;
    } else {
        o->next--;
    }
}

static void add_spare(struct order *o, uint32_t i)
{
    spare_of(o)[o->spares++] = i;
}

/* All of it, from the cells. */
static void derive(const struct pawl_shared_call *c)
{
    struct order *o = order_of(c);

    set_queued(o, 0);
    o->spares = 0;
    for (uint32_t i = 0; i < o->cells; i++) {
        enum kind kind = kind_of(state_of(cell_at(o, i)));

        if (kind == QUEUED)
            enqueue(c, i);
        else if (kind == FREE)
            add_spare(o, i);
    }
}

/* ---- the lock ------------------------------------------------------------- */

/* 0 or -EDEADLK. */
static int lock(const struct pawl_shared_call *c)
{
    struct order *o = order_of(c);
    struct pawl_spin spin;
    int err;

    /* relaxed: a look; the lock decides. */
    if (pawl_load_relaxed(&o->lock) != 0 &&
        pawl_spin_begins(&spin, PAWL_SPIN_QUEUE)) {
        bool paid;

        /* relaxed: as above. */
        while (!(paid = pawl_load_relaxed(&o->lock) == 0) &&
               pawl_spin_again(&spin))
            ;
        pawl_spin_ends(&spin, paid);
    }
    err = pawl_robust_lock(c->table, &o->lock, c->me);
    if (err == -EOWNERDEAD) {
        derive(c);
        err = 0;
    }
    return err;
}

static void unlock(const struct pawl_shared_call *c)
{
    pawl_robust_unlock(&order_of(c)->lock);
}

/* ---- tasks of the dead ---------------------------------------------------- */

static bool is_orphan(const struct pawl_shared_call *c, const struct cell *cell)
{
    uint64_t state = state_of(cell);

    return kind_of(state) == TAKEN &&
           !pawl_participant_alive(c->table, (uint32_t)state & PAWL_ID_MASK);
}

/* Back to where it is the next to leave. */
static void put_back(const struct pawl_shared_call *c, uint32_t i)
{
    struct order *o = order_of(c);
    struct cell *cell = cell_at(o, i);

    if (o->sequence)
        cell->number =
            number_at(o, c->core->kind == PAWL_SHARED_LIFO ? PAWL_SIDE_BACK
                                                           : PAWL_SIDE_FRONT);
    set_state(cell, QUEUED, 0);
    enqueue(c, i);
}

/* Under the lock.  Returns how many are queued again. */
static uint32_t recover_locked(const struct pawl_shared_call *c)
{
    struct order *o = order_of(c);
    uint32_t n = 0;

    if (o->spares + queued_of(o) == o->cells)
        return 0;
    for (uint32_t i = 0; i < o->cells; i++) {
        struct cell *cell = cell_at(o, i);

        if (!is_orphan(c, cell))
            continue;
        if (c->core->tasks == PAWL_TASKS_AGAIN) {
            put_back(c, i);
            n++;
        } else {
            set_state(cell, FREE, 0);
            add_spare(o, i);
        }
    }
    return n;
}

static uint32_t order_recover(const struct pawl_shared_call *c)
{
    uint32_t n = 0;

    if (lock(c) == 0) {
        n = recover_locked(c);
        unlock(c);
    }
    if (n > 0)
        pawl_end_tell(&c->core->not_empty, n);
    return n;
}

/* ---- put and get ---------------------------------------------------------- */

static bool is_closed(const struct order *o)
{
    /* acquire: pairs with order_close. */
    return pawl_load_acquire(&o->closed) != 0;
}

static int put_locked(const struct pawl_shared_call *c,
                      enum pawl_shared_side side, const void *record,
                      size_t bytes)
{
    struct order *o = order_of(c);
    struct cell *cell;
    uint32_t i;

    if (is_closed(o))
        return -ESHUTDOWN;
    if (queued_of(o) >= c->core->capacity)
        return -EAGAIN;
    if (o->spares == 0)
        recover_locked(c);
    if (o->spares == 0 || queued_of(o) >= c->core->capacity)
        return o->spares == 0 ? -ENOMEM : -EAGAIN;
    i = spare_of(o)[o->spares - 1];
    cell = cell_at(o, i);
    memcpy(cell->record, record, bytes);
    cell->bytes = bytes;
    cell->number = number_at(o, side);
    set_state(cell, QUEUED, 0);
    o->spares--;
    enqueue(c, i);
    return 0;
}

static int order_put(const struct pawl_shared_call *c,
                     enum pawl_shared_side side, const void *record,
                     size_t bytes)
{
    int err = lock(c);

    if (err != 0)
        return err;
    err = put_locked(c, side, record, bytes);
    unlock(c);
    return err;
}

static int64_t order_put_many(const struct pawl_shared_call *c,
                              const struct pawl_shared_put_batch *b)
{
    int err = lock(c);
    size_t n = 0;

    if (err != 0)
        return err;
    while (n < b->n && err == 0) {
        err = put_locked(c, PAWL_SIDE_BACK, b->records + n * b->size,
                         b->bytes != NULL ? b->bytes[n] : b->size);
        n += err == 0;
    }
    unlock(c);
    return n > 0 ? (int64_t)n : err;
}

static int64_t get_locked(const struct pawl_shared_call *c,
                          enum pawl_shared_side side, void *record,
                          pawl_shared_task *task)
{
    struct order *o = order_of(c);
    struct cell *cell;
    uint32_t i;

    if (c->core->kind == PAWL_SHARED_LIFO)
        side = PAWL_SIDE_BACK;
    if (queued_of(o) == 0 && recover_locked(c) == 0)
        return is_closed(o) ? -ESHUTDOWN : -EAGAIN;
    if (pawl_shared_has_tasks(c) &&
        o->cells - o->spares - queued_of(o) >= c->core->hands &&
        recover_locked(c) == 0)
        return -ENOMEM;
    i = first_at(o, side);
    cell = cell_at(o, i);
    memcpy(record, cell->record, cell->bytes);
    if (pawl_shared_has_tasks(c)) {
        cell->turn++;
        set_state(cell, TAKEN, c->me);
        *last_of(o, c->me) = i;
    } else {
        set_state(cell, FREE, 0);
        add_spare(o, i);
    }
    dequeue(c, side);
    *task = (pawl_shared_task){.number_ = cell->turn, .place_ = i};
    return (int64_t)cell->bytes;
}

static int64_t order_get(const struct pawl_shared_call *c,
                         enum pawl_shared_side side, void *record,
                         pawl_shared_task *task)
{
    int64_t bytes = lock(c);

    if (bytes != 0)
        return bytes;
    bytes = get_locked(c, side, record, task);
    unlock(c);
    return bytes;
}

static int64_t order_get_many(const struct pawl_shared_call *c,
                              const struct pawl_shared_get_batch *b)
{
    int64_t bytes = lock(c);
    size_t n = 0;

    if (bytes != 0)
        return bytes;
    while (n < b->n && bytes >= 0) {
        pawl_shared_task task;

        bytes = get_locked(c, PAWL_SIDE_FRONT, b->records + n * b->size, &task);
        if (bytes >= 0)
            pawl_shared_note(b, n++, bytes, &task);
    }
    unlock(c);
    return n > 0 ? (int64_t)n : bytes;
}

/* Under the lock, so that who changes the answer afterwards finds who looks. */
static int order_may_get(const struct pawl_shared_call *c)
{
    const struct order *o = order_of(c);
    int err = lock(c);

    if (err != 0)
        return err;
    if (queued_of(o) == 0 && recover_locked(c) == 0 && !is_closed(o))
        err = -EAGAIN;
    unlock(c);
    return err;
}

static int order_may_put(const struct pawl_shared_call *c)
{
    const struct order *o = order_of(c);
    int err = lock(c);

    if (err != 0)
        return err;
    if (queued_of(o) >= c->core->capacity && !is_closed(o))
        err = -EAGAIN;
    unlock(c);
    return err;
}

/* ---- tasks ---------------------------------------------------------------- */

static bool is_mine(const struct pawl_shared_call *c, uint32_t i)
{
    return state_of(cell_at(order_of(c), i)) == word(TAKEN, c->me);
}

static bool done_locked(const struct pawl_shared_call *c,
                        const pawl_shared_task *task)
{
    struct order *o = order_of(c);
    uint32_t i = *last_of(o, c->me);

    if (task != NULL) {
        i = (uint32_t)task->place_;
        if (i >= o->cells || cell_at(o, i)->turn != task->number_ ||
            !is_mine(c, i))
            return false;
    } else if (!is_mine(c, i)) {
        i = 0;
        while (i < o->cells && !is_mine(c, i))
            i++;
        if (i == o->cells)
            return false;
    }
    set_state(cell_at(o, i), FREE, 0);
    add_spare(o, i);
    return true;
}

static bool order_done(const struct pawl_shared_call *c,
                       const pawl_shared_task *task)
{
    bool found;

    if (lock(c) != 0)
        return false;
    found = done_locked(c, task);
    unlock(c);
    return found;
}

static bool order_is_idle(const struct pawl_shared_call *c)
{
    struct order *o = order_of(c);
    bool idle;

    if (lock(c) != 0)
        return false;
    recover_locked(c);
    idle = o->spares == o->cells;
    unlock(c);
    return idle;
}

static uint64_t order_in_hand(const struct pawl_shared_call *c)
{
    struct order *o = order_of(c);
    uint64_t n = 0;

    if (lock(c) == 0) {
        n = o->cells - o->spares - queued_of(o);
        unlock(c);
    }
    return n;
}

/* ---- the end -------------------------------------------------------------- */

static void order_close(const struct pawl_shared_call *c)
{
    if (lock(c) == 0) {
        /* release: pairs with is_closed. */
        pawl_store_release(&order_of(c)->closed, 1);
        unlock(c);
    }
}

static bool order_is_closed(const struct pawl_shared_call *c)
{
    return is_closed(order_of(c));
}

static size_t order_size(const struct pawl_shared_call *c)
{
    uint32_t n = 0;

    if (lock(c) == 0) {
        n = queued_of(order_of(c));
        unlock(c);
    }
    return n < c->core->capacity ? n : (size_t)c->core->capacity;
}

const struct pawl_shared_store pawl_shared_order = {
    .bytes = order_bytes,
    .init = order_init,
    .attach = order_attach,
    .put = order_put,
    .get = order_get,
    .put_many = order_put_many,
    .get_many = order_get_many,
    .may_get = order_may_get,
    .may_put = order_may_put,
    .done = order_done,
    .is_idle = order_is_idle,
    .recover = order_recover,
    .close = order_close,
    .is_closed = order_is_closed,
    .size = order_size,
    .in_hand = order_in_hand,
};
