/* SPDX-License-Identifier: MIT
 *
 * tsan.h - what ThreadSanitizer is told, and whoever else watches locks.
 *
 * A program built with ThreadSanitizer and linked with an ordinary build of
 * pawl would see false races: the sanitizer does not see our atomics.  So the
 * hooks are declared weak and called when the program brings them.  In an
 * instrumented build of pawl the same calls add what atomics cannot tell: which
 * thread holds which lock, hence reports of lock-order inversion and of wrong
 * unlocks.
 *
 * A public function asks pawl_tsan_on() once and then takes an annotated path,
 * so that other programs pay one load and one branch per call.
 *
 * Inside the lock hooks the sanitizer ignores atomics, and what they are told
 * orders all by itself: with hooks it cannot see a memory order that is too
 * weak.  PAWL_TSAN_HOOKS=0 (the preset tsan-bare) builds without any, so that
 * nothing but the atomics orders.
 */
#ifndef PAWL_BASE_TSAN_H
#define PAWL_BASE_TSAN_H

#include <stdbool.h>
#include <stddef.h>

#include "base/compiler.h"

#ifndef PAWL_TSAN_HOOKS
#define PAWL_TSAN_HOOKS 1
#endif

/* The sanitizer's public interface, <sanitizer/tsan_interface.h>, which is
 * there only with the compiler's runtime installed. */
#define PAWL_WEAK __attribute__((weak))
PAWL_WEAK void __tsan_acquire(void *addr);
PAWL_WEAK void __tsan_release(void *addr);
PAWL_WEAK void __tsan_mutex_create(void *addr, unsigned flags);
PAWL_WEAK void __tsan_mutex_destroy(void *addr, unsigned flags);
PAWL_WEAK void __tsan_mutex_pre_lock(void *addr, unsigned flags);
PAWL_WEAK void __tsan_mutex_post_lock(void *addr, unsigned flags, int depth);
PAWL_WEAK int __tsan_mutex_pre_unlock(void *addr, unsigned flags);
PAWL_WEAK void __tsan_mutex_post_unlock(void *addr, unsigned flags);
PAWL_WEAK void __tsan_mutex_pre_signal(void *addr, unsigned flags);
PAWL_WEAK void __tsan_mutex_post_signal(void *addr, unsigned flags);

enum {
    PAWL_TSAN_READ = 1 << 3,
    PAWL_TSAN_TRY = 1 << 4,
    PAWL_TSAN_FAILED = 1 << 5,
    PAWL_TSAN_NOT_STATIC = 1 << 8,
};

/* In the child of a process with other threads that used pawl.  The sanitizer,
 * which has no word for a holder that did not come along, would report a double
 * lock; it does not look for races there anyway. */
extern bool pawl_tsan_muted_; /* written in a fork's child, when alone */

/* Not NULL: there is a sanitizer, or a watcher.  Written when alone. */
extern void (*pawl_tsan_listens_)(void *addr, unsigned flags);

static inline bool pawl_tsan_on(void)
{
    return PAWL_TSAN_HOOKS && pawl_unlikely(pawl_tsan_listens_ != NULL) &&
           !pawl_tsan_muted_;
}

/* Who else wants to know; see futex/lock_order.c. */
struct pawl_lock_watcher {
    /* The caller is going to wait for `wanted`, for ever, and holds `held`. */
    void (*wants)(void *held, void *wanted);
    /* A lock begins, or ends. */
    void (*changes)(void *lock);
};

/* NULL: nobody.  Nobody else uses locks meanwhile.  Returns whether that is
 * possible. */
bool pawl_tsan_watch(const struct pawl_lock_watcher *watcher);

/* Whether the next two do anything. */
static inline bool pawl_tsan_hears(void)
{
    return PAWL_TSAN_HOOKS && pawl_unlikely(__tsan_acquire != NULL);
}

/* A hand-over that is no lock: pairs release by address with acquire. */
static inline void pawl_tsan_acquire(const void *object)
{
    if (PAWL_TSAN_HOOKS && pawl_unlikely(__tsan_acquire != NULL))
        __tsan_acquire((void *)(size_t)object);
}

static inline void pawl_tsan_release(const void *object)
{
    if (PAWL_TSAN_HOOKS && pawl_unlikely(__tsan_release != NULL))
        __tsan_release((void *)(size_t)object);
}

/* Between these two a thread deals with the waiters of `object`.  What orders it
 * with them are atomics that they execute inside the lock hooks, where the
 * sanitizer does not look; so it must not look here either. */
static inline void pawl_tsan_signalling(void *object, bool begins)
{
    if (!PAWL_TSAN_HOOKS || pawl_likely(__tsan_mutex_pre_signal == NULL))
        return;
    if (begins)
        __tsan_mutex_pre_signal(object, 0);
    else
        __tsan_mutex_post_signal(object, 0);
}

/* A lock at `object`: all of these require pawl_tsan_on(). */
void pawl_tsan_created(void *object);
void pawl_tsan_destroyed(void *object);
void pawl_tsan_locking(void *object, unsigned flags);
/* `got` says whether it is held now. */
void pawl_tsan_locked(void *object, unsigned flags, bool got);
void pawl_tsan_unlocking(void *object, unsigned flags);
void pawl_tsan_unlocked(void *object, unsigned flags);

/* The caller releases what it does not hold: have the sanitizer report it
 * (unless report_mutex_bugs=0).  The object is as it was. */
void pawl_tsan_wrong_unlock(void *object);

/* A pthread mutex, where the caller has locked it, and where it is going to unlock
 * it: in between, the sanitizer does not count it among the locks that the caller
 * holds.  It can count 64, and ends the program that holds more. */
void pawl_tsan_hides(void *mutex);
void pawl_tsan_shows(void *mutex);

/* The calling thread ends: whatever it still holds is given up, which the next
 * holder learns as -EOWNERDEAD.  Does nothing without the sanitizer. */
void pawl_tsan_thread_ends(void);

#endif /* PAWL_BASE_TSAN_H */
