/* SPDX-License-Identifier: MIT
 *
 * rmutex.c - recursion on top of the mutex.
 *
 * I1  base is held  =>  depth_ is read and written by its holder only, and is
 *     the number of levels, at least 1 between two public calls.
 * I2  holder_ is the caller's id  <=>  the caller holds base.  It repeats what
 *     the word of base says, because a load of that word right after the locked
 *     instruction that stored it waits for it (3 ns).
 */
#include <pawl/rmutex.h>

#include "base/tsan.h"
#include "futex/mutex_core.h"

/* The caller's id in the mode of *r; 0: it has none in that region yet. */
static uint32_t my_id(const pawl_rmutex *r)
{
    /* relaxed: the mode is constant. */
    bool shared = (pawl_load_high_relaxed(&r->base.word_) & PAWL_SHARED) != 0;

    return shared ? pawl_realm_me(&r->base) : pawl_self_local();
}

static bool is_held_by(const pawl_rmutex *r, uint32_t id)
{
    /* relaxed: our own store, if it is ours. */
    return pawl_load_relaxed(&r->holder_) == id && id != 0;
}

static bool is_mine(const pawl_rmutex *r)
{
    return is_held_by(r, my_id(r));
}

/* Tell the condition that a depth lies behind the mutex. */
static PAWL_COLD void mark_recursive(pawl_rmutex *r)
{
    /* relaxed: only the holder sets it, and only the holder asks. */
    uint64_t seen = pawl_load64_relaxed(&r->base.word_);

    /* relaxed: as above. */
    while (!pawl_cas64_relaxed(&r->base.word_, &seen, seen | PAWL_M_RECURSIVE))
        ;
}

/* The first level is ours. */
static void first_level(pawl_rmutex *r, uint32_t id)
{
    /* relaxed: set by a holder before us; all-zero memory does not have it. */
    uint32_t mode = pawl_load_high_relaxed(&r->base.word_);

    if (pawl_unlikely((mode & (PAWL_M_RECURSIVE >> 32)) == 0))
        mark_recursive(r);
    pawl_store_relaxed(&r->holder_, id); /* relaxed: I2 */
    r->depth_ = 1;
}

static int deeper(pawl_rmutex *r)
{
    if (r->depth_ == PAWL_RMUTEX_DEPTH_MAX)
        return -EOVERFLOW;
    r->depth_++;
    return 0;
}

int pawl_rmutex_init(pawl_rmutex *r, unsigned flags)
{
    if ((flags & ~(unsigned)PAWL_SHARED) != 0)
        return -EINVAL;
    r->depth_ = 0;
    pawl_store_relaxed(&r->holder_, 0); /* relaxed: nobody uses it yet */
    return pawl_mutex_init(&r->base, flags);
}

int pawl_rmutex_destroy(pawl_rmutex *r)
{
    return pawl_mutex_destroy(&r->base);
}

static PAWL_COLD int lock_slow(pawl_rmutex *r, pawl_deadline until)
{
    int err = pawl_mutex_lock_until(&r->base, until);

    if (err == 0 || err == -EOWNERDEAD)
        first_level(r, my_id(r));
    return err;
}

int pawl_rmutex_lock_until(pawl_rmutex *r, pawl_deadline until)
{
    uint32_t id = my_id(r);

    if (is_held_by(r, id))
        return deeper(r);
    if (pawl_tsan_on() || !pawl_mutex_acquire_fast(&r->base))
        return lock_slow(r, until);
    first_level(r, id);
    return 0;
}

int pawl_rmutex_lock(pawl_rmutex *r)
{
    return pawl_rmutex_lock_until(r, PAWL_FOREVER);
}

int pawl_rmutex_try_lock(pawl_rmutex *r)
{
    int err;

    if (is_mine(r))
        return deeper(r);
    err = pawl_mutex_try_lock(&r->base);
    if (err == 0 || err == -EOWNERDEAD)
        first_level(r, my_id(r));
    return err;
}

int pawl_rmutex_unlock(pawl_rmutex *r)
{
    if (!is_mine(r)) {
        if (pawl_tsan_on())
            pawl_tsan_wrong_unlock(&r->base);
        return -EPERM;
    }
    if (--r->depth_ > 0)
        return 0;
    pawl_store_relaxed(&r->holder_, 0); /* relaxed: I2 */
    if (!pawl_tsan_on() && pawl_mutex_release_fast(&r->base))
        return 0;
    return pawl_mutex_unlock(&r->base);
}

int pawl_rmutex_consistent(pawl_rmutex *r)
{
    return pawl_mutex_consistent(&r->base);
}

uint32_t pawl_rmutex_depth(const pawl_rmutex *r)
{
    return is_mine(r) ? r->depth_ : 0;
}

pawl_rmutex_guard pawl_rmutex_guard_make(pawl_rmutex *r, pawl_deadline until)
{
    pawl_rmutex_guard g = {r, pawl_rmutex_lock_until(r, until)};

    if (g.err < 0 && g.err != -EOWNERDEAD)
        g.rmutex = NULL;
    return g;
}

void pawl_rmutex_guard_end(pawl_rmutex_guard *g)
{
    if (g->rmutex != NULL)
        pawl_rmutex_unlock(g->rmutex);
    g->rmutex = NULL;
}
