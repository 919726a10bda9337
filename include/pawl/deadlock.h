/* SPDX-License-Identifier: MIT
 *
 * pawl/deadlock.h - threads that wait for each other: who, and for what.
 *
 * Detection is always on.  A thread that is going to sleep for ever on a local
 * mutex, recursive mutex or reader/writer lock, whose holder sleeps for ever on
 * another one, and so on, until one that the first thread holds, gets -EDEADLK
 * instead, and what it holds stays held.  Of each such circle one thread is told;
 * it should release what the others wait for.  There are no false reports, and
 * none is missed among
 *
 *   - waits for ever: one that has a deadline, or that a stop may end
 *     (PAWL_INTERRUPTIBLE), is no deadlock;
 *   - locks that know their holder: not ownerless or shared ones, semaphores, or
 *     a reader/writer lock that is held by readers;
 *   - the first 32,768 threads.
 *
 * The wait of a condition for its mutex counts, but is not what fails: another
 * thread of the circle is told.  If there is none, they all wait for ever.
 *
 * What takes a free lock does nothing for all this, and what sleeps looks at one
 * word more.
 *
 * Since 0.1.
 */
#ifndef PAWL_DEADLOCK_H
#define PAWL_DEADLOCK_H

#include <pawl/base.h>

PAWL_BEGIN_DECLS

/* ---- names of locks ------------------------------------------------------- */

/* Bytes of a name, the 0 at its end included; and how many there are at most. */
#define PAWL_LOCK_NAME_SIZE 32
#define PAWL_LOCK_NAMES_MAX 1024

/* Name a lock for the reports, for as long as it is not destroyed (the pawl_..._
 * destroy of the lock, or its init) or renamed: any local mutex, recursive mutex
 * or reader/writer lock, by its address.
 *
 * name       copied, and cut if it is too long;  NULL: no name any more.
 * Returns    0;  -ENOMEM so many locks have names already.
 */
PAWL_API int pawl_lock_set_name(const void *lock, const char *name);

/* Returns name, filled: with "" if it has none. */
PAWL_API const char *pawl_lock_name(const void *lock,
                                    char name[PAWL_LOCK_NAME_SIZE]);

/* ---- deadlocks ------------------------------------------------------------ */

/* A thread of the circle, what it waits for, and the thread that holds that: the
 * kernel's thread ids. */
typedef struct pawl_deadlock_wait {
    const void *lock; /* compare it, no more */
    char name[PAWL_LOCK_NAME_SIZE];
    uint32_t waiter;
    uint32_t holder;
} pawl_deadlock_wait;

/* So many are shown at most. */
#define PAWL_DEADLOCK_SHOWN 16

/* Called in the thread that is told, before its call returns -EDEADLK: waits[0]
 * is its own, and so on around the circle.
 *
 * n          how many are shown;  all: how many there are. */
typedef void (*pawl_deadlock_fn)(const pawl_deadlock_wait *waits, size_t n,
                                 size_t all);

/* NULL, as it is at the beginning: nothing is called.
 *
 * Returns    the one before. */
PAWL_API pawl_deadlock_fn pawl_deadlock_set_hook(pawl_deadlock_fn fn);

PAWL_END_DECLS

#endif /* PAWL_DEADLOCK_H */
