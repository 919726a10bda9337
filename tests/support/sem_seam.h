/* SPDX-License-Identifier: MIT
 *
 * sem_seam.h - semaphores, local and shared, and those who come for permits and
 * stop in a window (see seam.h).
 */
#ifndef PAWL_TEST_SEM_SEAM_H
#define PAWL_TEST_SEM_SEAM_H

#include "seam.h"

#include "futex/sem.c"

static const unsigned kinds[] = {PAWL_LOCAL, PAWL_SHARED};

static struct stop here;
static struct stop there;

static inline pawl_sem *make_sem(int value, unsigned flags)
{
    pawl_sem *s = test_shared_alloc(sizeof *s);

    CHECK_OK(pawl_sem_init(s, value, flags));
    stop_make(&here);
    stop_make(&there);
    return s;
}

static inline int get(void *s)
{
    return pawl_sem_acquire(s);
}

static inline int get_stop_before(void *s)
{
    stop_before_wait = &here;
    return pawl_sem_acquire(s);
}

static inline int get_stop_before_there(void *s)
{
    stop_before_wait = &there;
    return pawl_sem_acquire(s);
}

static inline int get_stop_after(void *s)
{
    stop_after_wait = &here;
    return pawl_sem_acquire(s);
}

/* Once more if the deadline has passed before the stop. */
static inline int get_soon_stop_after(void *s)
{
    int err;

    do {
        stop_after_wait = &here;
        err = pawl_sem_acquire_until(s, pawl_after_us(500));
    } while (err == -ETIMEDOUT && stop_after_wait != NULL);
    return err;
}

static inline int get_3_stop_after(void *s)
{
    stop_after_wait = &here;
    return pawl_sem_acquire_n(s, 3);
}

/* Those who starve: they have claimed the permits when they really sleep. */
static inline int claim_2(void *s)
{
    restless_on = CHANNEL_WAITING;
    return pawl_sem_acquire_n(s, 2);
}

static inline int claim_3(void *s)
{
    restless_on = CHANNEL_WAITING;
    return pawl_sem_acquire_n(s, 3);
}

static inline int claim_2_soon_stop_after(void *s)
{
    restless_on = CHANNEL_WAITING;
    stop_after_wait = &here;
    return pawl_sem_acquire_n_until(s, 2, pawl_after_ms(5));
}

static inline void check_is_empty(const pawl_sem *s)
{
    CHECK_EQ(pawl_sem_value(s), 0);
    CHECK_EQ(pawl_sem_waiters(s), 0);
}

#endif /* PAWL_TEST_SEM_SEAM_H */
