/* SPDX-License-Identifier: MIT
 *
 * tsan.c - the lock hooks of base/tsan.h.
 *
 * Both who listens need the locks that a thread holds: the watcher to compare them
 * with the next one, the sanitizer for this reason.
 *
 * The sanitizer has no word for "the holder died and somebody else holds it
 * now"; it would report a double lock.  So under the sanitizer each thread
 * remembers the locks it holds, and gives them up in its own name when it ends.
 */
#include "base/tsan.h"

#include <stdint.h>

bool pawl_tsan_muted_;

#ifdef PAWL_LOCK_ORDER
extern const struct pawl_lock_watcher pawl_lock_order_; /* lock_order.c */
static const struct pawl_lock_watcher *watcher = &pawl_lock_order_;
void (*pawl_tsan_listens_)(void *, unsigned) = pawl_tsan_locking;
#else
static const struct pawl_lock_watcher *watcher;
void (*pawl_tsan_listens_)(void *, unsigned) = __tsan_mutex_pre_lock;
#endif
static unsigned watchers; /* there have been so far */

/* More locks at once than a thread holds in earnest; one that does holds the
 * surplus unremembered, and only the case above is then misreported. */
#define HELD_MAX 64

static _Thread_local struct {
    void *object[HELD_MAX];
    unsigned flags[HELD_MAX];
    int count;
    unsigned watchers; /* when the first of these was taken */
} held;

static bool has_sanitizer(void)
{
    return __tsan_mutex_pre_lock != NULL;
}

/* What was held when nobody listened was not noticed, nor that it was released. */
static void refresh(void)
{
    if (held.watchers != watchers && !has_sanitizer())
        held.count = 0;
    held.watchers = watchers;
}

static void remember(void *object, unsigned flags)
{
    if (held.count == HELD_MAX)
        return;
    held.object[held.count] = object;
    held.flags[held.count] = flags & PAWL_TSAN_READ;
    held.count++;
}

static void forget(void *object)
{
    for (int i = held.count - 1; i >= 0; i--) {
        if (held.object[i] == object) {
            held.count--;
            held.object[i] = held.object[held.count];
            held.flags[i] = held.flags[held.count];
            return;
        }
    }
}

static void tell_change(void *object)
{
    if (watcher != NULL)
        watcher->changes(object);
}

void pawl_tsan_created(void *object)
{
    tell_change(object);
    if (has_sanitizer())
        __tsan_mutex_create(object, PAWL_TSAN_NOT_STATIC);
}

void pawl_tsan_destroyed(void *object)
{
    tell_change(object);
    if (has_sanitizer())
        __tsan_mutex_destroy(object, PAWL_TSAN_NOT_STATIC);
}

void pawl_tsan_locking(void *object, unsigned flags)
{
    refresh();
    if (watcher != NULL && (flags & PAWL_TSAN_TRY) == 0)
        for (int i = 0; i < held.count; i++)
            watcher->wants(held.object[i], object);
    if (has_sanitizer())
        __tsan_mutex_pre_lock(object, flags);
}

void pawl_tsan_locked(void *object, unsigned flags, bool got)
{
    if (got)
        remember(object, flags);
    if (has_sanitizer())
        __tsan_mutex_post_lock(object, got ? flags : flags | PAWL_TSAN_FAILED,
                               0);
}

void pawl_tsan_unlocking(void *object, unsigned flags)
{
    forget(object);
    if (has_sanitizer())
        __tsan_mutex_pre_unlock(object, flags);
}

void pawl_tsan_unlocked(void *object, unsigned flags)
{
    if (has_sanitizer())
        __tsan_mutex_post_unlock(object, flags);
}

void pawl_tsan_wrong_unlock(void *object)
{
    if (!has_sanitizer())
        return;
    /* As a writer: the sanitizer does not count readers. */
    __tsan_mutex_pre_unlock(object, 0);
    __tsan_mutex_post_unlock(object, 0);
}

void pawl_tsan_hides(void *mutex)
{
    if (!PAWL_TSAN_HOOKS || !has_sanitizer())
        return;
    __tsan_mutex_pre_unlock(mutex, 0);
    __tsan_mutex_post_unlock(mutex, 0);
}

void pawl_tsan_shows(void *mutex)
{
    if (!PAWL_TSAN_HOOKS || !has_sanitizer())
        return;
    __tsan_mutex_pre_lock(mutex, PAWL_TSAN_TRY);
    __tsan_mutex_post_lock(mutex, PAWL_TSAN_TRY, 0);
}

bool pawl_tsan_watch(const struct pawl_lock_watcher *w)
{
    watcher = w;
    watchers++;
    pawl_tsan_listens_ = w != NULL ? pawl_tsan_locking : __tsan_mutex_pre_lock;
    return PAWL_TSAN_HOOKS;
}

void pawl_tsan_thread_ends(void)
{
    if (!pawl_tsan_on())
        return;
    while (held.count > 0) {
        void *object = held.object[held.count - 1];
        unsigned flags = held.flags[held.count - 1];

        pawl_tsan_unlocking(object, flags);
        pawl_tsan_unlocked(object, flags);
    }
}
