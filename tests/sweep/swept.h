/* SPDX-License-Identifier: MIT
 *
 * tests/sweep/swept.h - tables of sweeps.
 *
 * Freezing must pass always: it is what "lock-free" means.  Killing must pass
 * unless the line names a gap, which must then exist.
 */
#ifndef PAWL_SWEEP_SWEPT_H
#define PAWL_SWEEP_SWEPT_H

#include <stdlib.h>

#include <pawl/error.h>
#include <pawl/mutex.h>
#include <pawl/sem.h>

#include "sweep.h"

enum { KILLED = 1, FROZEN = 2, THAWED = 4, ALL_WAYS = 7 };

struct swept {
    struct sweep_case c;
    unsigned ways;
    const char *gap; /* when killed */
};

static bool in_gap_;

/* The deadline of a wait of the others: generous, but at the bad points of
 * a known gap, which would take their time. */
static inline pawl_deadline soon(void)
{
    return pawl_after_ms(in_gap_ ? 30 : 10000);
}

static inline void sweep_table(const struct swept *table, int n)
{
    for (int i = 0; i < n; i++) {
        const struct swept *s = &table[i];

        if ((s->ways & FROZEN) != 0)
            sweep(&s->c, SWEEP_FREEZE);
        if ((s->ways & THAWED) != 0)
            sweep(&s->c, SWEEP_THAW);
        if ((s->ways & KILLED) != 0 && s->gap == NULL)
            sweep(&s->c, SWEEP_KILL);
        if ((s->ways & KILLED) != 0 && s->gap != NULL) {
            in_gap_ = true;
            sweep_known_gap(&s->c, SWEEP_KILL, s->gap);
            in_gap_ = false;
        }
    }
}

#define SWEEP_TABLE(table) sweep_table(table, sizeof(table) / sizeof *(table))

/* Have this process, and those it forks, spin for so many nanoseconds.  A first
 * wait finds out what that means in pauses: not in a victim. */
static inline void spin_for(const char *ns)
{
    pawl_sem sem = PAWL_SEM_INIT(0);

    setenv("PAWL_SPIN", ns, 1);
    CHECK_ERR(pawl_sem_acquire_until(&sem, pawl_after_us(1)), -ETIMEDOUT);
}

/* A victim's ids: what a first lock of each sort allocates. */
static inline void take_ids(void *object)
{
    pawl_mutex local = PAWL_MUTEX_INIT;
    pawl_mutex shared = PAWL_MUTEX_INIT_FLAGS(PAWL_SHARED);

    (void)object;
    CHECK_OK(pawl_mutex_lock(&local));
    CHECK_OK(pawl_mutex_unlock(&local));
    CHECK_OK(pawl_mutex_lock(&shared));
    CHECK_OK(pawl_mutex_unlock(&shared));
}

/* One of the others that sleeps, until a later function joins it. */
static struct test_thread *sleeper_;

static inline void sleeper_start(sweep_fn fn, void *object)
{
    sleeper_ = test_thread(fn, object);
    test_until_asleep(test_tid(sleeper_));
}

static inline void sleeper_join(void)
{
    test_join(sleeper_);
}

#endif /* PAWL_SWEEP_SWEPT_H */
