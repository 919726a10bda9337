/* SPDX-License-Identifier: MIT
 *
 * robust_test.c - R-10: the lock of src/futex/robust.h, which survives its holder.
 */
#include <pawl/error.h>

#include "atomic/ops.h"
#include "crowd.h"
#include "futex/robust.h"
#include "participants.h"
#include "puppet.h"

#define WAITERS (UINT32_C(1) << 31)

struct scene {
    participants *table;
    pawl_u32 word;
    _Atomic uint32_t id; /* of who locked last */
};

static struct scene scene_of(uint32_t slots)
{
    return (struct scene){.table = participants_make(slots)};
}

static int lock(void *arg, pawl_deadline never)
{
    struct scene *s = arg;
    uint32_t me = joined(s->table);

    (void)never;
    atomic_store(&s->id, me);
    return pawl_robust_lock(s->table, &s->word, me);
}

static int unlock(void *arg, pawl_deadline never)
{
    struct scene *s = arg;

    (void)never;
    pawl_robust_unlock(&s->word);
    return 0;
}

static void lock_and_end(void *arg)
{
    CHECK_OK(lock(arg, 0));
}

TEST(robust.names_its_holder_and_nobody_when_free)
{
    struct scene s = scene_of(2);
    uint32_t me = joined(s.table);

    for (int i = 0; i < 3; i++) {
        CHECK_OK(pawl_robust_lock(s.table, &s.word, me));
        CHECK_EQ(pawl_load_relaxed(&s.word), me);
        CHECK_ERR(pawl_robust_lock(s.table, &s.word, me), -EDEADLK);
        CHECK_EQ(pawl_load_relaxed(&s.word), me);
        pawl_robust_unlock(&s.word);
        CHECK_EQ(pawl_load_relaxed(&s.word), 0);
    }
}

TEST(robust.the_next_is_told_of_a_dead_holder_once)
{
    struct scene s = scene_of(2);

    for (int i = 0; i < 3; i++) {
        test_join(test_thread(lock_and_end, &s));
        CHECK_ERR(lock(&s, 0), -EOWNERDEAD);
        CHECK_ERR(lock(&s, 0), -EDEADLK);
        CHECK_OK(unlock(&s, 0));
        CHECK_OK(lock(&s, 0));
        CHECK_OK(unlock(&s, 0));
    }
}

static void lock_unlock_and_end(void *arg)
{
    CHECK_OK(lock(arg, 0));
    CHECK_OK(unlock(arg, 0));
}

TEST(robust.who_dies_after_the_unlock_held_nothing)
{
    struct scene s = scene_of(2);

    test_join(test_thread(lock_unlock_and_end, &s));
    CHECK_OK(lock(&s, 0));
}

static void take_over_and_end(void *arg)
{
    CHECK_ERR(lock(arg, 0), -EOWNERDEAD);
}

/* Who repairs may die as well. */
TEST(robust.of_the_one_that_repairs_the_next_is_told_again)
{
    struct scene s = scene_of(2);

    test_join(test_thread(lock_and_end, &s));
    test_join(test_thread(take_over_and_end, &s));
    test_join(test_thread(take_over_and_end, &s));
    CHECK_ERR(lock(&s, 0), -EOWNERDEAD);
}

/* The slot of the dead holder is another's by then. */
TEST(robust.a_dead_holder_is_known_when_its_slot_is_used_again)
{
    struct scene s = scene_of(2);
    struct participant other;

    joined(s.table);
    test_join(test_thread(lock_and_end, &s));
    participant_begins(&other, s.table);
    CHECK_EQ((uint32_t)other.id & PAWL_SLOT_MASK,
             atomic_load(&s.id) & PAWL_SLOT_MASK);
    CHECK_ERR(lock(&s, 0), -EOWNERDEAD);
    participant_ends(&other);
}

/* ---- those who wait -------------------------------------------------------- */

static void sleep_on_word(void *arg)
{
    struct scene *s = arg;

    CHECK_OK(pawl_futex_wait(&s->word, pawl_load_relaxed(&s->word),
                             PAWL_FOREVER, true, PAWL_CHANNEL_ANY));
}

/* The sleep of a waiter ends by itself after a while; this one does not. */
TEST(robust.unlock_wakes_if_somebody_waits)
{
    struct scene s = scene_of(2);
    struct test_thread *t;

    s.word.v_ = joined(s.table) | WAITERS;
    t = test_thread(sleep_on_word, &s);
    test_until_asleep(test_tid(t));
    CHECK_OK(unlock(&s, 0));
    test_join(t);
}

/* I1: a woken one cannot know whether it was the last. */
TEST(robust.who_has_slept_looks_after_those_who_sleep)
{
    struct scene s = scene_of(3);
    struct puppet p;

    puppet_begin(&p);
    CHECK_OK(lock(&s, 0));
    puppet_do(&p, lock, &s, PAWL_FOREVER);
    puppet_until_asleep(&p);
    CHECK_EQ(pawl_load_relaxed(&s.word), joined(s.table) | WAITERS);
    CHECK_OK(unlock(&s, 0));
    CHECK_OK(puppet_result(&p));
    CHECK_EQ(pawl_load_relaxed(&s.word), atomic_load(&s.id) | WAITERS);
    CHECK_OK(puppet_call(&p, unlock, &s));
    CHECK_EQ(pawl_load_relaxed(&s.word), 0);
    puppet_end(&p);
}

TEST(robust.who_takes_over_looks_after_those_who_sleep)
{
    struct scene s = scene_of(2);

    test_join(test_thread(lock_and_end, &s));
    s.word.v_ |= WAITERS;
    CHECK_ERR(lock(&s, 0), -EOWNERDEAD);
    CHECK_EQ(pawl_load_relaxed(&s.word), joined(s.table) | WAITERS);
}

/* As if the holder were killed between its store and its wake. */
TEST(robust.a_lost_wake_is_made_up_for)
{
    struct scene s = scene_of(2);
    struct puppet p;

    puppet_begin(&p);
    CHECK_OK(lock(&s, 0));
    puppet_do(&p, lock, &s, PAWL_FOREVER);
    puppet_until_asleep(&p);
    pawl_store_release(&s.word, 0);
    CHECK_OK(puppet_result(&p));
    puppet_end(&p);
}

TEST(robust.the_end_of_the_holder_is_told_to_one_of_those_who_wait)
{
    enum { WAITING = 3 };
    struct scene s = scene_of(WAITING + 2);
    struct puppet holder;
    struct puppet p[WAITING];
    int told = 0;

    puppet_begin(&holder);
    puppets_begin(p, WAITING);
    CHECK_OK(puppet_call(&holder, lock, &s));
    for (int i = 0; i < WAITING; i++) {
        puppet_do(&p[i], lock, &s, PAWL_FOREVER);
        puppet_until_asleep(&p[i]);
    }
    puppet_end(&holder);
    for (int n = WAITING; n > 0; n--) {
        int i = puppets_first(p, WAITING);
        int err = puppet_result(&p[i]);

        CHECK(err == 0 || err == -EOWNERDEAD);
        CHECK((err == -EOWNERDEAD) == (n == WAITING));
        told += err != 0;
        CHECK_OK(puppet_call(&p[i], unlock, &s));
    }
    CHECK_EQ(told, 1);
    puppets_end(p, WAITING);
}

/* ---- many ---------------------------------------------------------------------- */

struct tally {
    struct scene s;
    long n; /* plain: guarded */
};

static void count(void *arg, int me)
{
    struct tally *t = arg;

    (void)me;
    for (int i = 0; i < test_iterations(5000); i++) {
        CHECK_OK(lock(&t->s, 0));
        t->n++;
        CHECK_OK(unlock(&t->s, 0));
    }
}

TEST(robust.is_held_by_one_at_a_time)
{
    struct tally t = {.s = scene_of(4)};

    crowd(4, count, &t);
    CHECK_EQ(t.n, 4L * test_iterations(5000));
    CHECK_EQ(pawl_load_relaxed(&t.s.word) & ~WAITERS, 0);
}
