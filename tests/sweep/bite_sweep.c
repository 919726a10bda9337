/* SPDX-License-Identifier: MIT
 *
 * bite_sweep.c - that the sweeps find what they are for: three structures that
 * everybody believes to be lock-free, of which one is.
 *
 *   a spinlock              stops everybody in its critical section
 *   a ring with one         (Vyukov 2010) an index is claimed first and its
 *   sequence number         slot published later: in between, those behind
 *   per slot                it wait
 *   a stack by one          (Treiber 1986) one compare-and-swap does it all
 *   compare-and-swap
 */
#include <stdatomic.h>
#include <stdlib.h>

#include "sweep.h"

/* ---- a spinlock --------------------------------------------------------- */

struct spinlock {
    atomic_int held;
    int guarded;
};

static void spin_and_add(void *object)
{
    struct spinlock *l = object;

    while (atomic_exchange(&l->held, 1) != 0)
        ;
    l->guarded++;
    atomic_store(&l->held, 0);
}

static const struct sweep_case spinlock = {
    .name = "spinlock",
    .size = sizeof(struct spinlock),
    .victim = spin_and_add,
    .others = spin_and_add,
    .patience = SWEEP_PATIENCE_BAD_MS,
};

TEST(sweep.finds_that_a_spinlock_stops_the_others)
{
    struct sweep_report r = sweep_run(&spinlock, SWEEP_FREEZE);

    CHECK(r.stuck > 0 && r.stuck < r.points);
    CHECK_EQ(r.wrong, 0);
}

/* Thawed, it gives the lock back; the others must not wait for that. */
static void do_nothing(void *object)
{
    (void)object;
}

static const struct sweep_case patient_spinlock = {
    .name = "spinlock, nobody else in a hurry",
    .size = sizeof(struct spinlock),
    .victim = spin_and_add,
    .others = do_nothing,
    .after = spin_and_add,
};

TEST(sweep.lets_the_thawed_finish)
{
    sweep(&patient_spinlock, SWEEP_THAW);
}

/* ---- a ring with one sequence number per slot --------------------------- */

enum { SLOTS = 4 };

struct ring {
    atomic_ulong head;
    atomic_ulong tail;
    struct {
        atomic_ulong sequence;
        long value;
    } slot[SLOTS];
};

static void ring_init(void *object)
{
    struct ring *r = object;

    for (unsigned long i = 0; i < SLOTS; i++)
        atomic_store(&r->slot[i].sequence, i);
}

static bool ring_put(struct ring *r, long value)
{
    unsigned long at = atomic_load(&r->tail);

    for (;;) {
        unsigned long sequence = atomic_load(&r->slot[at % SLOTS].sequence);

        if (sequence == at) {
            if (atomic_compare_exchange_strong(&r->tail, &at, at + 1))
                break;
        } else if ((long)(sequence - at) < 0) {
            return false;
        } else {
            at = atomic_load(&r->tail);
        }
    }
    r->slot[at % SLOTS].value = value;
    atomic_store(&r->slot[at % SLOTS].sequence, at + 1);
    return true;
}

static bool ring_get(struct ring *r, long *value)
{
    unsigned long at = atomic_load(&r->head);

    for (;;) {
        unsigned long sequence = atomic_load(&r->slot[at % SLOTS].sequence);

        if (sequence == at + 1) {
            if (atomic_compare_exchange_strong(&r->head, &at, at + 1))
                break;
        } else if ((long)(sequence - (at + 1)) < 0) {
            return false;
        } else {
            at = atomic_load(&r->head);
        }
    }
    *value = r->slot[at % SLOTS].value;
    atomic_store(&r->slot[at % SLOTS].sequence, at + SLOTS);
    return true;
}

static void put_one(void *object)
{
    CHECK(ring_put(object, 1));
}

static void get_one(void *object)
{
    long value;

    CHECK(ring_get(object, &value));
}

static void ring_init_with_one(void *object)
{
    ring_init(object);
    put_one(object);
}

/* Some laps; what was there before may come first. */
static void put_and_get(void *object)
{
    long value;

    for (int i = 0; i < 3 * SLOTS; i++) {
        CHECK(ring_put(object, 2));
        CHECK(ring_get(object, &value));
    }
}

static const struct sweep_case ring_puts = {
    .name = "put into a ring with one sequence number per slot",
    .size = sizeof(struct ring),
    .prepare = ring_init,
    .victim = put_one,
    .others = put_and_get,
};

static const struct sweep_case ring_gets = {
    .name = "get from a ring with one sequence number per slot",
    .size = sizeof(struct ring),
    .prepare = ring_init_with_one,
    .victim = get_one,
    .others = put_and_get,
};

TEST(sweep.finds_that_one_sequence_number_per_slot_is_not_lock_free)
{
    static const struct sweep_case *const cases[] = {&ring_puts, &ring_gets};

    for (int i = 0; i < 2; i++) {
        for (int mode = SWEEP_KILL; mode <= SWEEP_FREEZE; mode++) {
            struct sweep_report r = sweep_run(cases[i], (enum sweep_mode)mode);

            CHECK(r.wrong > 0 && r.wrong < r.points);
            CHECK_EQ(r.stuck, 0); /* it answers "empty" or "full" */
        }
    }
}

/* ---- a stack by one compare-and-swap ------------------------------------ */

enum { NODES = 8 };

/* The top carries a count against ABA; nodes are never reused here. */
struct stack {
    atomic_ulong top; /* count << 8 | index + 1 */
    atomic_int used;
    struct {
        unsigned long next;
        long value;
    } node[NODES];
};

static void push(struct stack *s, long value)
{
    unsigned long index = (unsigned long)atomic_fetch_add(&s->used, 1);
    unsigned long top = atomic_load(&s->top);

    CHECK(index < NODES);
    s->node[index].value = value;
    do
        s->node[index].next = top & 255;
    while (!atomic_compare_exchange_weak(&s->top, &top,
                                         ((top >> 8) + 1) << 8 | (index + 1)));
}

static long pop(struct stack *s)
{
    unsigned long top = atomic_load(&s->top);

    do {
        if ((top & 255) == 0)
            return 0;
    } while (!atomic_compare_exchange_weak(
        &s->top, &top, ((top >> 8) + 1) << 8 | s->node[(top & 255) - 1].next));
    return s->node[(top & 255) - 1].value;
}

static void push_and_pop(void *object)
{
    push(object, 1);
    pop(object);
}

static void push_and_pop_two(void *object)
{
    push(object, 2);
    push(object, 3);
    CHECK_EQ(pop(object), 3);
    CHECK_EQ(pop(object), 2);
}

static const struct sweep_case stack = {
    .name = "stack by one compare-and-swap",
    .size = sizeof(struct stack),
    .victim = push_and_pop,
    .others = push_and_pop_two,
    .after = push_and_pop_two,
};

TEST(sweep.passes_what_is_lock_free)
{
    for (int mode = SWEEP_KILL; mode <= SWEEP_THAW; mode++)
        sweep(&stack, (enum sweep_mode)mode);
}

static const struct sweep_case two_stacks = {
    .name = "stack by one compare-and-swap, two victims",
    .size = sizeof(struct stack),
    .victim = push_and_pop,
    .second = push_and_pop,
    .others = push_and_pop_two,
    .after = push_and_pop_two,
    .budget = 100000,
};

TEST(sweep.passes_what_is_lock_free_with_two_victims)
{
    for (int mode = SWEEP_KILL; mode <= SWEEP_THAW; mode++)
        sweep(&two_stacks, (enum sweep_mode)mode);
}
