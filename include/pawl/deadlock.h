/* SPDX-License-Identifier: MIT
 *
 * pawl/deadlock.h - threads that wait for each other: who, for what, and in which
 * order locks are taken.
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
 * The lock-order checker is another matter: a tool for tests, off until it is
 * wanted.  It remembers which locks were taken while which others were held, and
 * reports the first order that another one contradicts, though nobody waits.
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

/* ---- the order of locks --------------------------------------------------- */

/* `second` is being taken while `first` is held; but `second`, or something that
 * was taken while it was held, and so on, was held when `first` was taken. */
typedef struct pawl_lock_inversion {
    const void *first;
    const void *second;
    char first_name[PAWL_LOCK_NAME_SIZE];
    char second_name[PAWL_LOCK_NAME_SIZE];
    uint32_t thread; /* the kernel's id of the caller */
} pawl_lock_inversion;

/* Called in the thread that is going to take `second`, which goes on. */
typedef void (*pawl_lock_order_fn)(const pawl_lock_inversion *inversion);

/* Begin to check, or end, in the whole process.  Every pair of locks is reported
 * once.  Attempts, and waits with a deadline or that a stop may end, contradict no
 * order: they come to an end by themselves.  Shared locks count, by their
 * address; ownerless ones do not.  A lock that is neither destroyed nor made anew
 * by init leaves its order to the next one at its address.  Nothing is checked in
 * the child of a fork.
 *
 * What was taken before is not known: begin before the first lock, or build pawl
 * with -DPAWL_LOCK_ORDER=ON, which begins by itself.
 *
 * Returns    0;  -EOPNOTSUPP pawl was built with -DPAWL_TSAN_HOOKS=OFF.
 * Contexts   no other thread uses locks of pawl's meanwhile.
 * Cost       off: nothing.  On: some 20 ns a lock, and a look-up in one table for
 *            each lock that is held already.
 */
PAWL_API int pawl_lock_order_check(bool on);

/* NULL, as it is at the beginning: one line to stderr.
 *
 * Returns    the one before. */
PAWL_API pawl_lock_order_fn pawl_lock_order_set_hook(pawl_lock_order_fn fn);

PAWL_END_DECLS

#endif /* PAWL_DEADLOCK_H */
