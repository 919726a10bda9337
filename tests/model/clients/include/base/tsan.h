/* SPDX-License-Identifier: MIT
 *
 * For the clients: no sanitizer, and no weak symbols.
 */
#ifndef PAWL_BASE_TSAN_H
#define PAWL_BASE_TSAN_H

#include <stdbool.h>
#include <stddef.h>

enum { PAWL_TSAN_READ = 1, PAWL_TSAN_TRY = 2 };

static inline bool pawl_tsan_on(void)
{
    return false;
}

static inline bool pawl_tsan_hears(void)
{
    return false;
}

static inline void pawl_tsan_acquire(const void *object)
{
    (void)object;
}

static inline void pawl_tsan_release(const void *object)
{
    (void)object;
}

static inline void pawl_tsan_created(void *object)
{
    (void)object;
}

static inline void pawl_tsan_destroyed(void *object)
{
    (void)object;
}

static inline void pawl_tsan_locking(void *object, unsigned flags)
{
    (void)object;
    (void)flags;
}

static inline void pawl_tsan_unlocking(void *object, unsigned flags)
{
    (void)object;
    (void)flags;
}

static inline void pawl_tsan_wrong_unlock(void *object)
{
    (void)object;
}

static inline void pawl_tsan_unlocked(void *object, unsigned flags)
{
    (void)object;
    (void)flags;
}

static inline void pawl_tsan_locked(void *object, unsigned flags, bool got)
{
    (void)object;
    (void)flags;
    (void)got;
}

#endif /* PAWL_BASE_TSAN_H */
