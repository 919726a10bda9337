/* SPDX-License-Identifier: MIT
 *
 * Algorithms with a mistake in them, each the size of a page, which every
 * strategy must find: so the explorer bites.  Those marked weak_only are right
 * where memory is sequentially consistent, and so must not be found there.
 */
#include "model.h"

#include <pawl/mutex.h>
#include <pawl/sem.h>

#include "atomic/ops.h"
#include "futex/sys.h"

static struct {
    pawl_u32 word;
    pawl_u32 other;
    pawl_u32 epoch;
    pawl_u32 waiters;
    pawl_u32 item;
    pawl_mutex m[2];
    pawl_sem sem;
    int n;
} s;

static void setup(void)
{
    memset(&s, 0, sizeof s);
    MODEL_NAME(s.word);
    MODEL_NAME(s.other);
    MODEL_NAME(s.epoch);
    MODEL_NAME(s.waiters);
    MODEL_NAME(s.item);
    MODEL_NAME(s.m);
    MODEL_NAME(s.sem);
    MODEL_NAME(s.n);
}

static void section(void)
{
    int n = MODEL_GET(s.n);

    model_point();
    MODEL_SET(s.n, n + 1);
}

/* -- A mutex of three states: 0 free, 1 held, 2 held and somebody sleeps ------- */

struct lock {
    uint32_t after_wait; /* 2 */
    bool (*cas)(pawl_u32 *, uint32_t *, uint32_t);
    uint32_t (*swap)(pawl_u32 *, uint32_t);
    uint32_t (*release)(pawl_u32 *, uint32_t);
    bool wakes;
    bool old_value; /* sleeps if the word is what it was before it was marked */
};

static const struct lock right = {
    2, pawl_cas_acquire, pawl_swap_acquire, pawl_swap_release, true, false};

static void lock_and_add(const struct lock *how)
{
    uint32_t seen = 0;

    if (!how->cas(&s.word, &seen, 1)) {
        uint32_t next = 2;

        while (how->swap(&s.word, next) != 0) {
            pawl_futex_wait(&s.word, how->old_value ? 1 : 2, PAWL_FOREVER,
                            false, PAWL_CHANNEL_ANY);
            next = how->after_wait;
        }
    }
    section();
    if (how->release(&s.word, 0) == 2 && how->wakes)
        pawl_futex_wake(&s.word, 1, false, PAWL_CHANNEL_ANY);
}

#define LOCK(name, change, failure, ...)                                       \
    static void lock_##name(void)                                              \
    {                                                                          \
        struct lock how = right;                                               \
                                                                               \
        change;                                                                \
        lock_and_add(&how);                                                    \
    }                                                                          \
    MODEL(seeded.mutex_##name, .setup = setup,                                 \
          .threads = {lock_##name, lock_##name, lock_##name},                  \
          .must_fail = failure, __VA_ARGS__)

LOCK(right, (void)0, NULL, .spin = 0)
/* Spins or sleeps for ever. */
LOCK(held_instead_of_contended_after_a_wait, how.after_wait = 1, "", .spin = 0)
LOCK(relaxed_unlock, how.release = pawl_swap_relaxed, "data race", .spin = 0)
LOCK(relaxed_fast_lock, how.cas = pawl_cas_relaxed, "data race", .spin = 0)
LOCK(relaxed_slow_lock, how.swap = pawl_swap_relaxed, "data race", .spin = 0)
LOCK(no_wake, how.wakes = false, "deadlock", .spin = 0)
/* The same. */
LOCK(sleeps_on_the_old_value, how.old_value = true, "", .no_stray = true)

/* -- An event count ------------------------------------------------------------ */

struct count {
    uint32_t (*enter)(pawl_u32 *, uint32_t);
    uint32_t (*look)(const pawl_u32 *);
    uint32_t (*publish)(pawl_u32 *, uint32_t);
    uint32_t (*waiters)(const pawl_u32 *);
    bool looks_again;
    bool epoch_first;
};

static const struct count right_count = {
    pawl_add_seq, pawl_load_seq, pawl_swap_seq, pawl_load_seq, true, true};

static void await_item(const struct count *how)
{
    while (pawl_load_acquire(&s.item) == 0) {
        uint32_t epoch = 0;

        pawl_add_relaxed(&s.other, 1);
        if (how->epoch_first)
            epoch = pawl_load_acquire(&s.epoch);
        how->enter(&s.waiters, 1);
        if (!how->epoch_first)
            epoch = pawl_load_acquire(&s.epoch);
        if (!how->looks_again || how->look(&s.item) == 0)
            pawl_futex_wait(&s.epoch, epoch, PAWL_FOREVER, false,
                            PAWL_CHANNEL_ANY);
        pawl_add_relaxed(&s.waiters, UINT32_MAX);
    }
}

static void make_item(const struct count *how)
{
    how->publish(&s.item, 1);
    if (how->waiters(&s.waiters) != 0) {
        pawl_add_release(&s.epoch, 1);
        pawl_futex_wake(&s.epoch, PAWL_WAKE_ALL, false, PAWL_CHANNEL_ANY);
    }
}

#define COUNT(name, change, failure, ...)                                      \
    static void await_##name(void)                                             \
    {                                                                          \
        struct count how = right_count;                                        \
                                                                               \
        change;                                                                \
        await_item(&how);                                                      \
    }                                                                          \
    static void make_##name(void)                                              \
    {                                                                          \
        struct count how = right_count;                                        \
                                                                               \
        change;                                                                \
        make_item(&how);                                                       \
    }                                                                          \
    MODEL(seeded.eventcount_##name, .setup = setup,                            \
          .threads = {await_##name, make_##name}, .must_fail = failure,        \
          __VA_ARGS__)

COUNT(right, (void)0, NULL, .no_stray = true)
COUNT(notifier_acq_rel, how.publish = pawl_swap_acq_rel, "deadlock",
      .weak_only = true, .no_stray = true)
COUNT(notifier_acquire, how.waiters = pawl_load_acquire, "deadlock",
      .weak_only = true, .no_stray = true)
COUNT(waiter_acq_rel, how.enter = pawl_add_acq_rel, "deadlock",
      .weak_only = true, .no_stray = true)
COUNT(waiter_acquire, how.look = pawl_load_acquire, "deadlock",
      .weak_only = true, .no_stray = true)
COUNT(no_second_look, how.looks_again = false, "deadlock", .no_stray = true)
COUNT(right_with_the_epoch_later, how.epoch_first = false, NULL,
      .no_stray = true)

/* -- What else ends a run --------------------------------------------------------- */

/* Nobody holds an ownerless one who could be told. */
static void setup_ownerless(void)
{
    setup();
    for (int i = 0; i < 2; i++)
        CHECK_OK(pawl_mutex_init(&s.m[i], PAWL_OWNERLESS));
}

static void take_0_1(void)
{
    CHECK_OK(pawl_mutex_lock(&s.m[0]));
    CHECK_OK(pawl_mutex_lock(&s.m[1]));
    CHECK_OK(pawl_mutex_unlock(&s.m[1]));
    CHECK_OK(pawl_mutex_unlock(&s.m[0]));
}

static void take_1_0(void)
{
    CHECK_OK(pawl_mutex_lock(&s.m[1]));
    CHECK_OK(pawl_mutex_lock(&s.m[0]));
    CHECK_OK(pawl_mutex_unlock(&s.m[0]));
    CHECK_OK(pawl_mutex_unlock(&s.m[1]));
}

MODEL(seeded.two_locks_in_both_orders, .setup = setup_ownerless,
      .threads = {take_0_1, take_1_0}, .must_fail = "deadlock")

static void spin_for_item(void)
{
    while (pawl_load_acquire(&s.item) == 0)
        model_yield();
}

static void make_after_word(void)
{
    uint32_t seen = 0;

    if (pawl_cas_acquire(&s.word, &seen, 1))
        pawl_store_release(&s.item, 1);
}

static void take_word(void)
{
    uint32_t seen = 0;

    pawl_cas_acquire(&s.word, &seen, 1);
}

MODEL(seeded.spins_for_ever, .setup = setup,
      .threads = {make_after_word, spin_for_item, take_word},
      .must_fail = "livelock")

static void add_without_lock(void)
{
    section();
}

MODEL(seeded.increment_without_a_lock, .setup = setup,
      .threads = {add_without_lock, lock_right}, .must_fail = "data race")

static void wait_told_and_free(void)
{
    CHECK_OK(pawl_sem_acquire(&s.sem));
    while (pawl_load_relaxed(&s.item) == 0)
        model_yield();
    model_free(&s.sem, sizeof s.sem);
}

static void release_look_and_tell(void)
{
    CHECK_OK(pawl_sem_release(&s.sem));
    pawl_sem_value(&s.sem);
    pawl_store_release(&s.item, 1);
}

MODEL(seeded.memory_freed_without_order, .setup = setup,
      .threads = {wait_told_and_free, release_look_and_tell},
      .must_fail = "T0 frees s.sem")

static void wait_free_and_tell(void)
{
    CHECK_OK(pawl_sem_acquire(&s.sem));
    model_free(&s.sem, sizeof s.sem);
    pawl_store_release(&s.item, 1);
}

static void release_and_look_later(void)
{
    CHECK_OK(pawl_sem_release(&s.sem));
    spin_for_item();
    pawl_sem_value(&s.sem);
}

MODEL(seeded.semaphore_looked_at_after_release, .setup = setup,
      .threads = {wait_free_and_tell, release_and_look_later},
      .must_fail = "use of freed memory")

/* Both see no ticket drawn, where the order of one location would tell them. */
static void draw_ticket(void)
{
    uint32_t ticket = pawl_load_relaxed(&s.word);

    pawl_store_relaxed(&s.word, ticket + 1);
    CHECK(MODEL_GET(s.n) >= 0);
    pawl_add_relaxed(&s.other, 1);
}

static void all_tickets(void)
{
    CHECK(s.word.v_ == s.other.v_);
}

MODEL(seeded.ticket_without_read_modify_write, .setup = setup,
      .threads = {draw_ticket, draw_ticket}, .check = all_tickets,
      .must_fail = "check")
