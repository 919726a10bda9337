/* SPDX-License-Identifier: MIT
 *
 * pawl/rmutex.h - the recursive mutex: its holder may take it again.
 *
 * A pawl_mutex with a depth beside it.  The depth is written by the holder
 * only, so a nested lock or unlock is a load and a store.  Pass `&r->base` to
 * the functions of pawl/cond.h; a wait releases all levels and restores them.
 * Never pass it to lock or unlock functions of pawl/mutex.h; the queries
 * (is_locked, is_mine, is_orphaned, owner) are fine.
 *
 * Since 0.1.
 */
#ifndef PAWL_RMUTEX_H
#define PAWL_RMUTEX_H

#include <pawl/mutex.h>

PAWL_BEGIN_DECLS

/* All zero bytes is a valid free local recursive mutex. */
typedef struct PAWL_CAPABILITY_("rmutex") pawl_rmutex {
    pawl_mutex base;
    pawl_u32 holder_; /* the holder's id while it holds, else 0 */
    uint32_t depth_;  /* levels held; by the holder only */
} pawl_rmutex;

#define PAWL_RMUTEX_INIT PAWL_RMUTEX_INIT_FLAGS(0)
/* The same with PAWL_SHARED as a flag. */
#define PAWL_RMUTEX_INIT_FLAGS(flags)                                          \
    {                                                                          \
        PAWL_MUTEX_INIT_FLAGS(flags), {0}, 0                                     \
    }

/* Deepest nesting. */
#define PAWL_RMUTEX_DEPTH_MAX INT32_MAX

/* Make *r a free recursive mutex.  Returns 0, or -EINVAL for unknown flags;
 * PAWL_OWNERLESS is one of them, for recursion needs an owner. */
PAWL_API int pawl_rmutex_init(pawl_rmutex *r, unsigned flags);

/* As pawl_mutex_destroy. */
PAWL_API int pawl_rmutex_destroy(pawl_rmutex *r);

/* Acquire *r one level (deeper), waiting no later than `until`.
 *
 * Returns    as pawl_mutex_lock_until, but the holder gets 0 instead of
 *            -EDEADLK; -EOVERFLOW at PAWL_RMUTEX_DEPTH_MAX, depth unchanged.
 *            After the death of a holder the depth is 1.
 * Order      acquire, on the first level.
 * Progress   blocking; wait-free for the holder.
 * Cost       nested: no atomic read-modify-write.
 */
PAWL_API PAWL_NODISCARD int pawl_rmutex_lock_until(pawl_rmutex *r,
                                                   pawl_deadline until);
PAWL_API PAWL_NODISCARD int pawl_rmutex_lock(pawl_rmutex *r);
/* -EAGAIN when another thread holds it. */
PAWL_API PAWL_NODISCARD int pawl_rmutex_try_lock(pawl_rmutex *r);

/* Give back one level; the last one frees *r.
 *
 * Returns    0, or -EPERM if the caller does not hold it; unchanged then.
 * Order      release, on the last level.
 */
PAWL_API int pawl_rmutex_unlock(pawl_rmutex *r);

/* As pawl_mutex_consistent. */
PAWL_API int pawl_rmutex_consistent(pawl_rmutex *r);

/* Levels the calling thread holds; 0 if it is not the holder. */
PAWL_API uint32_t pawl_rmutex_depth(const pawl_rmutex *r);

/* Scope guard, as PAWL_MUTEX_GUARD. */
typedef struct pawl_rmutex_guard {
    pawl_rmutex *rmutex;
    int err;
} pawl_rmutex_guard;

PAWL_API pawl_rmutex_guard pawl_rmutex_guard_make(pawl_rmutex *r,
                                                  pawl_deadline until);
PAWL_API void pawl_rmutex_guard_end(pawl_rmutex_guard *g);

#define PAWL_RMUTEX_GUARD(name, r)                                             \
    PAWL_RMUTEX_GUARD_UNTIL(name, r, PAWL_FOREVER)
#define PAWL_RMUTEX_GUARD_UNTIL(name, r, until)                                \
    __attribute__((cleanup(pawl_rmutex_guard_end), unused)) pawl_rmutex_guard name =   \
        pawl_rmutex_guard_make((r), (until))

PAWL_END_DECLS

#endif /* PAWL_RMUTEX_H */
