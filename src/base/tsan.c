/* SPDX-License-Identifier: MIT
 *
 * tsan.c - the lock hooks of base/tsan.h.
 *
 * The sanitizer has no word for "the holder died and somebody else holds it
 * now"; it would report a double lock.  So under the sanitizer each thread
 * remembers the locks it holds, and gives them up in its own name when it ends.
 */
#include "base/tsan.h"

#include <stdint.h>

bool pawl_tsan_muted_;

/* More locks at once than a thread holds in earnest; one that does holds the
 * surplus unremembered, and only the case above is then misreported. */
#define HELD_MAX 64

static _Thread_local struct {
    void *object[HELD_MAX];
    unsigned flags[HELD_MAX];
    int count;
} held;

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

void pawl_tsan_created(void *object)
{
    __tsan_mutex_create(object, PAWL_TSAN_NOT_STATIC);
}

void pawl_tsan_destroyed(void *object)
{
    __tsan_mutex_destroy(object, PAWL_TSAN_NOT_STATIC);
}

void pawl_tsan_locking(void *object, unsigned flags)
{
    __tsan_mutex_pre_lock(object, flags);
}

void pawl_tsan_locked(void *object, unsigned flags, bool got)
{
    if (got)
        remember(object, flags);
    __tsan_mutex_post_lock(object, got ? flags : flags | PAWL_TSAN_FAILED, 0);
}

void pawl_tsan_unlocking(void *object, unsigned flags)
{
    forget(object);
    __tsan_mutex_pre_unlock(object, flags);
}

void pawl_tsan_unlocked(void *object, unsigned flags)
{
    __tsan_mutex_post_unlock(object, flags);
}

void pawl_tsan_wrong_unlock(void *object)
{
    /* As a writer: the sanitizer does not count readers. */
    __tsan_mutex_pre_unlock(object, 0);
    __tsan_mutex_post_unlock(object, 0);
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
