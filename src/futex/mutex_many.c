/* SPDX-License-Identifier: MIT
 *
 * mutex_many.c - several mutexes at once, in order of address.
 *
 * The order is found by looking for the next greater address each time: no
 * memory to allocate, and cheaper than sorting for the handful it is meant for.
 */
#include "futex/mutex_core.h"

/* How many of the entries at ms[0..i) name the same mutex as ms[i]. */
static size_t earlier_twins(pawl_mutex *const *ms, size_t i)
{
    size_t twins = 0;

    for (size_t k = 0; k < i; k++)
        twins += ms[k] == ms[i];
    return twins;
}

/* The r-th entry in order of address, equal ones in order of position. */
static pawl_mutex *ranked(pawl_mutex *const *ms, size_t n, size_t r)
{
    for (size_t i = 0; i < n; i++) {
        size_t rank = earlier_twins(ms, i);

        for (size_t k = 0; k < n; k++)
            rank += (uintptr_t)ms[k] < (uintptr_t)ms[i];
        if (rank == r)
            return ms[i];
    }
    return NULL;
}

void pawl_mutex_put_back(pawl_mutex *m)
{
    if (pawl_mutex_is_orphaned(m))
        pawl_mutex_unlock_unrepaired(m);
    else
        pawl_mutex_unlock(m);
}

static int take_all(pawl_mutex *const *ms, size_t n, pawl_deadline until,
                    bool try_only)
{
    int result = 0;

    for (size_t r = 0; r < n; r++) {
        pawl_mutex *m = ranked(ms, n, r);
        int err = try_only ? pawl_mutex_try_lock(m)
                           : pawl_mutex_lock_until(m, until);

        if (err == -EOWNERDEAD) {
            result = err;
        } else if (err < 0) {
            while (r-- > 0)
                pawl_mutex_put_back(ranked(ms, n, r));
            return err;
        }
    }
    return result;
}

int pawl_mutex_lock_many_until(pawl_mutex *const *ms, size_t n,
                               pawl_deadline until)
{
    /* An ownerless one would not notice. */
    for (size_t i = 0; i < n; i++) {
        if (earlier_twins(ms, i) != 0)
            return -EDEADLK;
    }
    return take_all(ms, n, until, false);
}

int pawl_mutex_lock_many(pawl_mutex *const *ms, size_t n)
{
    return pawl_mutex_lock_many_until(ms, n, PAWL_FOREVER);
}

int pawl_mutex_try_lock_many(pawl_mutex *const *ms, size_t n)
{
    return take_all(ms, n, 0, true);
}

static bool may_unlock(const pawl_mutex *m)
{
    /* relaxed: our own store, if we hold it; ownerless: a snapshot. */
    return pawl_mutex_is_held(m, pawl_load64_relaxed(&m->word_));
}

int pawl_mutex_unlock_many(pawl_mutex *const *ms, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (!may_unlock(ms[i]) || earlier_twins(ms, i) != 0)
            return -EPERM;
    }
    for (size_t i = 0; i < n; i++)
        pawl_mutex_unlock(ms[i]);
    return 0;
}
