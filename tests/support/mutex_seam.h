/* SPDX-License-Identifier: MIT
 *
 * mutex_seam.h - mutexes of all kinds, and those who come for one and stop in a
 * window (see seam.h).
 */
#ifndef PAWL_TEST_MUTEX_SEAM_H
#define PAWL_TEST_MUTEX_SEAM_H

#include <sched.h>

#include "seam.h"

#include "futex/mutex.c"

static const unsigned kinds[] = {PAWL_LOCAL, PAWL_SHARED, PAWL_OWNERLESS,
                                 PAWL_OWNERLESS | PAWL_SHARED};
enum { KINDS = 4 };

static struct stop here;  /* where the thread under test stops */
static struct stop there; /* a second place */

static inline pawl_mutex *make_mutex(unsigned flags)
{
    pawl_mutex *m = test_shared_alloc(sizeof *m);

    CHECK_OK(pawl_mutex_init(m, flags));
    stop_make(&here);
    stop_make(&there);
    return m;
}

static inline int unlock_it(void *m)
{
    return pawl_mutex_unlock(m);
}

static inline int lock_it(void *m)
{
    sleeps_soundly = true;
    return pawl_mutex_lock(m);
}

static inline int lock_stop_before(void *m)
{
    stop_before_wait = &here;
    return lock_it(m);
}

static inline int lock_stop_after(void *m)
{
    stop_after_wait = &here;
    return lock_it(m);
}

static inline int lock_stop_in_spin(void *m)
{
    stop_in_spin = &here;
    return lock_it(m);
}

/* Deadlines too short to starve. */
static inline int lock_soon(void *m)
{
    return pawl_mutex_lock_until(m, pawl_after_us(500));
}

/* With a stop: once more if the deadline has passed before it was there. */
static inline int lock_soon_stop_at(struct stop **where, void *m)
{
    int err;

    do {
        *where = &here;
        err = lock_soon(m);
    } while (err == -ETIMEDOUT && *where != NULL);
    return err;
}

static inline int lock_soon_stop_after(void *m)
{
    return lock_soon_stop_at(&stop_after_wait, m);
}

static inline int lock_soon_stop_in_spin(void *m)
{
    return lock_soon_stop_at(&stop_in_spin, m);
}

/* Those who starve: they have been counted when they really sleep. */
static inline int lock_starving(void *m)
{
    restless_on = PAWL_M_CHANNEL_WAITING;
    return pawl_mutex_lock(m);
}

static inline int lock_starving_stop_after(void *m)
{
    stop_after_wait = &here;
    return lock_starving(m);
}

static inline int lock_starving_soon_stop_after(void *m)
{
    restless_on = PAWL_M_CHANNEL_WAITING;
    stop_after_wait = &here;
    return pawl_mutex_lock_until(m, pawl_after_ms(5));
}

/* Return when the next unlock may hand over: it does so once per tick. */
static inline void await_hand_over(const pawl_mutex *m)
{
    uint64_t word = pawl_load64_relaxed(&m->word_);

    while (!is_hand_over_due(&word))
        sched_yield();
}

/* They have it one after the other, nobody stays behind, and it is as new. */
static inline void check_both_get_it(pawl_mutex *m, struct visitor *a,
                                     struct visitor *b)
{
    door_open(&a->go);
    door_open(&b->go);
    CHECK_OK(visitor_enters(a));
    CHECK_OK(visitor_enters(b));
    CHECK_OK(visitor_leaves(a));
    CHECK_OK(visitor_leaves(b));
    CHECK_OK(pawl_mutex_lock(m));
    CHECK_OK(pawl_mutex_unlock(m));
    CHECK(!pawl_mutex_is_locked(m));
}

#endif /* PAWL_TEST_MUTEX_SEAM_H */
