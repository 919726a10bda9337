/* SPDX-License-Identifier: MIT
 *
 * mutex_core.h - the mutex without its annotations, for what is built on it.
 */
#ifndef PAWL_FUTEX_MUTEX_CORE_H
#define PAWL_FUTEX_MUTEX_CORE_H

#include <pawl/error.h>
#include <pawl/mutex.h>

#include "atomic/ops.h"
#include "base/compiler.h"
#include "base/single.h"
#include "futex/realm.h"
#include "futex/self.h"
#include "futex/sys.h"

/* The word, drawn in pawl/mutex.h. */
#define PAWL_M_ID ((uint64_t)PAWL_ID_MASK)
#define PAWL_M_DIED (UINT64_C(1) << 30)
#define PAWL_M_WAITERS (UINT64_C(1) << 31)
#define PAWL_M_SHARED ((uint64_t)PAWL_SHARED << 32)
#define PAWL_M_OWNERLESS ((uint64_t)PAWL_OWNERLESS << 32)
#define PAWL_M_RECURSIVE (UINT64_C(4) << 32)
#define PAWL_M_WATCHED (UINT64_C(1) << 35)
#define PAWL_M_SPINNING (UINT64_C(1) << 36)
#define PAWL_M_NAMED (UINT64_C(1) << 37)
#define PAWL_M_STARVING (UINT64_C(1) << 38) /* one of them */
#define PAWL_M_STARVERS (UINT64_C(0x3ff) << 38)
#define PAWL_M_NAME_SHIFT 38
#define PAWL_M_NAME (UINT64_C(0xffff) << PAWL_M_NAME_SHIFT)
#define PAWL_M_FORK_SHIFT 48
#define PAWL_M_FORK ((uint64_t)PAWL_FORK_MASK << PAWL_M_FORK_SHIFT)
#define PAWL_M_TICK_SHIFT 54
#define PAWL_M_TICK (UINT64_C(0x3ff) << PAWL_M_TICK_SHIFT)

/* Values of the id field that name nobody. */
#define PAWL_M_RESERVED ((uint64_t)PAWL_ID_SPECIAL + 15)
#define PAWL_M_LOST ((uint64_t)PAWL_ID_SPECIAL + 14)
#define PAWL_M_ANYBODY ((uint64_t)PAWL_ID_SPECIAL + 13) /* ownerless, held */

/* Sleepers on the word; waiters of conditions, who may be moved there, use
 * PAWL_M_WAITING too. */
#define PAWL_M_CHANNEL_WAITING 1u
#define PAWL_M_CHANNEL_STARVING 2u

static inline bool pawl_mutex_is_shared(uint64_t word)
{
    return (word & PAWL_M_SHARED) != 0;
}

/* What the caller writes into the id field of *m, in the mode of `word`; 0 if it
 * has never locked anything there. */
static inline uint64_t pawl_mutex_my_id(const pawl_mutex *m, uint64_t word)
{
    if (pawl_unlikely((word & PAWL_M_OWNERLESS) != 0))
        return PAWL_M_ANYBODY;
    return pawl_mutex_is_shared(word) ? pawl_realm_me(m) : pawl_self_local();
}

/* Whether the caller may release it: for an ownerless mutex, whether it is held. */
static inline bool pawl_mutex_is_held(const pawl_mutex *m, uint64_t word)
{
    uint64_t holder = word & PAWL_M_ID;

    return holder != 0 && holder == pawl_mutex_my_id(m, word);
}

/* Whether the caller is the holder: false for an ownerless mutex. */
static inline bool pawl_mutex_held_by_me(const pawl_mutex *m, uint64_t word)
{
    return (word & PAWL_M_OWNERLESS) == 0 && pawl_mutex_is_held(m, word);
}

/* The fast paths touch the low half alone: it is 0 only if the lock is free and
 * nobody sleeps, and the holder's bare id only if nobody sleeps either, for a
 * starving waiter sets WAITERS too.  SPINNING, in the high half, does not
 * matter to them: the spinner watches. */

/* Take a free lock as `id`; 0 if it is not known yet, which fails. */
static inline bool pawl_mutex_take_free(pawl_mutex *m, uint32_t id)
{
    /* acquire: pairs with the release in pawl_mutex_give_back and in
     * release_slow. */
    return pawl_likely(id != 0) &&
           pawl_likely(pawl_cas_low_acquire(&m->word_, 0, id));
}

/* Free a lock that `id` holds and nobody sleeps for. */
static inline bool pawl_mutex_give_back(pawl_mutex *m, uint32_t id)
{
    /* release: pairs with the acquire in pawl_mutex_take_free and in
     * attempt.  Our last
     * access to *m. */
    return pawl_likely(id != 0) &&
           pawl_likely(pawl_cas_low_release(&m->word_, id, 0));
}

/* The same for the only thread of a process: replace `from` by `to`. */
static inline bool pawl_mutex_change_alone(pawl_mutex *m, uint32_t from, uint32_t to)
{
    if (pawl_load_low_relaxed(&m->word_) != from) /* relaxed: alone */
        return false;
    pawl_store_low_relaxed(&m->word_, to); /* relaxed: alone */
    return true;
}

static inline bool pawl_mutex_acquire_fast(pawl_mutex *m)
{
    /* relaxed: the mode is constant. */
    uint32_t mode = pawl_load_high_relaxed(&m->word_);

    if (pawl_likely((mode & (PAWL_SHARED | PAWL_OWNERLESS)) == 0)) {
        uint32_t id = pawl_self_.local_id;

        return pawl_single_threaded() ? id != 0 && pawl_mutex_change_alone(m, 0, id)
                                      : pawl_mutex_take_free(m, id);
    }
    if ((mode & PAWL_OWNERLESS) != 0)
        return pawl_mutex_take_free(m, (uint32_t)PAWL_M_ANYBODY);
    return pawl_mutex_take_free(m, pawl_realm_known_id(m));
}

static inline bool pawl_mutex_release_fast(pawl_mutex *m)
{
    /* relaxed: the mode is constant. */
    uint32_t mode = pawl_load_high_relaxed(&m->word_);

    if (pawl_likely((mode & (PAWL_SHARED | PAWL_OWNERLESS)) == 0)) {
        uint32_t id = pawl_self_.local_id;

        return pawl_single_threaded() ? id != 0 && pawl_mutex_change_alone(m, id, 0)
                                      : pawl_mutex_give_back(m, id);
    }
    if ((mode & PAWL_OWNERLESS) != 0)
        return pawl_mutex_give_back(m, (uint32_t)PAWL_M_ANYBODY);
    return pawl_mutex_give_back(m, pawl_realm_known_id(m));
}

/* pawl_mutex_lock_until, pawl_mutex_try_lock and pawl_mutex_unlock without
 * what ThreadSanitizer is told. */
int pawl_mutex_acquire(pawl_mutex *m, pawl_deadline until);
int pawl_mutex_try_acquire(pawl_mutex *m);
int pawl_mutex_release(pawl_mutex *m);

/* Release a mutex held after -EOWNERDEAD so that the next holder is told too,
 * as if this one had not been.  The second form is annotated. */
int pawl_mutex_release_unrepaired(pawl_mutex *m);
int pawl_mutex_unlock_unrepaired(pawl_mutex *m);

/* Undo a lock: one found orphaned must look so to the next holder too. */
void pawl_mutex_put_back(pawl_mutex *m);

/* Acquire for ever, after a wait on a condition.  One that slept may have been
 * moved to the queue of *m and woken from there: it must see to it that the
 * next sleeper is woken too. */
int pawl_mutex_reacquire(pawl_mutex *m, bool slept);

/* A pawl_bury_fn: if `dead_id` holds the mutex, make the sleepers look. */
void pawl_mutex_bury(void *mutex, uint32_t dead_id);

/* Make the release that the caller, the holder, is going to do look for
 * `self->deferred`. */
void pawl_mutex_mark_waiters(pawl_mutex *m);

#endif /* PAWL_FUTEX_MUTEX_CORE_H */
