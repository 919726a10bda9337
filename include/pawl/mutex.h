/* SPDX-License-Identifier: MIT
 *
 * pawl/mutex.h - mutual exclusion between threads and between processes.
 *
 * Two kinds.  The owned mutex (the default) knows its holder: only the holder
 * releases it, taking it twice is an error instead of a hang, and the death of
 * the holder is reported to the next one.  The ownerless mutex (PAWL_OWNERLESS)
 * may be released by any thread, as Python's Lock; it can serve as a signal.
 *
 * The lock is one 64-bit word.  The low half is what sleepers sleep on, laid
 * out as the kernel expects of a robust futex:
 *
 *    31        30     29                                            0
 *   +---------+------+-----------------------------------------------+
 *   | WAITERS | DIED |  id of the holder, 0 when nobody holds it     |
 *   +---------+------+-----------------------------------------------+
 *
 * The high half holds the mode, which init fixes, and what contenders leave
 * for the holder:
 *
 *    63   54 53    48 47      38   37      36         35      34          32
 *   +-------+--------+----------+-------+----------+---------+--------------+
 *   | tick  |  fork  | STARVING | NAMED | SPINNING | WATCHED | mode (flags) |
 *   +-------+--------+----------+-------+----------+---------+--------------+
 *
 *   WATCHED   wait sets (pawl/wait.h) wait for it too
 *   SPINNING  a waiter watches: it needs no wake
 *   STARVING  how many waiters have slept for a millisecond
 *   fork      which process, in a line of forks, these two belong to
 *   NAMED     in a region: bits 38 to 53 name the thread that spins, or starves
 *   tick      when the lock was last handed over
 *
 *   state       low half             leaves it by
 *   FREE        0 [| WAITERS]        lock -> HELD
 *   HELD        id [| WAITERS]       unlock -> FREE or RESERVED
 *   RESERVED    RESERVED | WAITERS   a starving waiter takes it -> HELD
 *   ORPHANED    id of a dead thread  lock -> REPAIR, returns -EOWNERDEAD
 *   REPAIR      id | DIED            consistent -> HELD; unlock -> LOST
 *   LOST        LOST                 init
 *
 * Fairness: a running thread may overtake a sleeping one, since waking a
 * sleeper costs hundreds of cache misses; but to waiters that have slept for a
 * millisecond the lock is handed over, one every quarter of a millisecond.
 *
 * Death: local mutexes report the end of a thread that held them.  Shared ones do so,
 * of processes too and however they end, in a region (pawl/region.h), where each
 * thread takes a slot when it first locks something; waiters are woken by the death
 * itself.  Shared mutexes in other memory do not notice deaths.
 *
 * Memory: the last thing unlock does to *m is the atomic operation that frees
 * it, so the next holder may free the memory at once.
 *
 * Since 0.1, unless a function says otherwise.
 */
#ifndef PAWL_MUTEX_H
#define PAWL_MUTEX_H

#include <pawl/base.h>
#include <pawl/time.h>

PAWL_BEGIN_DECLS

/* All zero bytes is a valid, free, local, owned mutex. */
typedef struct PAWL_CAPABILITY_("mutex") pawl_mutex {
    pawl_u64 word_;
} pawl_mutex;

#define PAWL_MUTEX_INIT PAWL_MUTEX_INIT_FLAGS(0)
/* The same with PAWL_SHARED and PAWL_OWNERLESS as flags. */
#define PAWL_MUTEX_INIT_FLAGS(flags)                                           \
    {                                                                          \
        {                                                                      \
            PAWL_CAST_(uint64_t, flags) << 32                                            \
        }                                                                      \
    }

/* Make *m a free mutex.  Also the way out of LOST.
 *
 * Returns    0, or -EINVAL for unknown flags.
 * Contexts   nobody uses *m.
 */
PAWL_API int pawl_mutex_init(pawl_mutex *m, unsigned flags);

/* Say that *m will not be used again.  Frees nothing; optional.
 *
 * Returns    0, or -EBUSY while it is held or somebody sleeps on it.
 */
PAWL_API int pawl_mutex_destroy(pawl_mutex *m);

/* Acquire *m, waiting no later than `until`.  A free mutex is taken even if
 * `until` has passed.
 *
 * Returns    0                 acquired.
 *            -EOWNERDEAD       acquired; the last holder ended while it held
 *                              *m, so what it guards may be half changed.
 *                              Repair that and call pawl_mutex_consistent.
 *            -ETIMEDOUT        not acquired: `until` has passed.
 *            -EDEADLK          not acquired: the caller holds it already; or the
 *                              wait would be for ever, for its holder waits for
 *                              the caller, directly or not: see pawl/deadlock.h.
 *            -ENOTRECOVERABLE  not acquired: it was not repaired.
 *            -EAGAIN, -ENOMEM  not acquired: *m lies in a region in which the
 *                              caller has no slot: see pawl_region_join.
 * Order      acquire: sees all that was done before the unlock it follows.
 * Progress   blocking.
 * Cost       free: one atomic read-modify-write.  Contended: a spin of about
 *            the cost of a sleep, then one futex wait per attempt.
 * Contexts   not in signal handlers.
 */
PAWL_API PAWL_NODISCARD int pawl_mutex_lock_until(pawl_mutex *m,
                                                  pawl_deadline until)
    PAWL_ACQUIRE_IF_ZERO_(*m);

/* pawl_mutex_lock_until(m, PAWL_FOREVER): all but -ETIMEDOUT. */
PAWL_API PAWL_NODISCARD int pawl_mutex_lock(pawl_mutex *m)
    PAWL_ACQUIRE_IF_ZERO_(*m);

/* Acquire *m if that needs no waiting.
 *
 * Returns    0, -EOWNERDEAD or -ENOTRECOVERABLE as above;
 *            -EAGAIN  somebody holds it, be it the caller;
 *            -EAGAIN, -ENOMEM also as above, for want of a slot.
 * Progress   wait-free but for lost races, each of which somebody else won.
 */
PAWL_API PAWL_NODISCARD int pawl_mutex_try_lock(pawl_mutex *m)
    PAWL_ACQUIRE_IF_ZERO_(*m);

/* Release *m.  The caller must not touch *m again unless it knows by other
 * means that it still exists.  Released between -EOWNERDEAD and consistent, it
 * becomes LOST.
 *
 * Returns    0       released.
 *            -EPERM  not held by the caller (ownerless: not held); unchanged.
 * Order      release: pairs with the acquire of the lock that follows.
 * Progress   lock-free, but for one futex wake if somebody sleeps.
 * Cost       one atomic read-modify-write; a system call only if somebody
 *            sleeps and nobody spins.
 */
PAWL_API int pawl_mutex_unlock(pawl_mutex *m) PAWL_RELEASE_(*m);

/* Declare the data repaired after -EOWNERDEAD.
 *
 * Returns    0;  -EPERM the caller does not hold it;  -EINVAL nothing to
 *            repair.
 */
PAWL_API int pawl_mutex_consistent(pawl_mutex *m);

/* Acquire all of ms[0..n), or none of them, by `until`, in order of address:
 * threads that lock sets this way cannot deadlock among each other.  Between
 * processes that holds for mutexes of one mapping.
 *
 * Returns    0 all acquired;  -EOWNERDEAD all acquired, at least one after
 *            the death of its holder (ask pawl_mutex_is_orphaned);
 *            otherwise none is held: -ETIMEDOUT, -ENOTRECOVERABLE, -EAGAIN,
 *            -ENOMEM, or -EDEADLK as above or when the set names one twice.
 * Cost       as n locks, plus O(n^2) comparisons; n is meant to be small.
 */
PAWL_API PAWL_NODISCARD int pawl_mutex_lock_many_until(pawl_mutex *const *ms,
                                                       size_t n,
                                                       pawl_deadline until);
PAWL_API PAWL_NODISCARD int pawl_mutex_lock_many(pawl_mutex *const *ms,
                                                 size_t n);
/* -EAGAIN if any of them is held. */
PAWL_API PAWL_NODISCARD int pawl_mutex_try_lock_many(pawl_mutex *const *ms,
                                                     size_t n);

/* Release all of ms[0..n).
 *
 * Returns    0;  -EPERM if the caller does not hold every one; then none is
 *            released.
 */
PAWL_API int pawl_mutex_unlock_many(pawl_mutex *const *ms, size_t n);

/* Snapshots, right for any holder: whether somebody holds it (also one that has
 * ended since; nobody holds a LOST one), whether the caller does (never true of
 * an ownerless mutex), whether the caller holds it after -EOWNERDEAD and has not
 * yet called consistent. */
PAWL_API bool pawl_mutex_is_locked(const pawl_mutex *m);
PAWL_API bool pawl_mutex_is_mine(const pawl_mutex *m);
PAWL_API bool pawl_mutex_is_orphaned(const pawl_mutex *m);

/* The holder's kernel thread id, for diagnostics; 0 when nobody holds it or the
 * holder cannot be named (ownerless, or its thread has ended). */
PAWL_API int pawl_mutex_owner(const pawl_mutex *m);

/* Scope guard: holds *m until the end of the block, however it is left.
 *
 *     PAWL_MUTEX_GUARD(held, &m);
 *     if (held.err < 0) ...            0 or -EOWNERDEAD mean held
 */
typedef struct pawl_mutex_guard {
    pawl_mutex *mutex; /* NULL when not held */
    int err;           /* what the lock returned */
} pawl_mutex_guard;

PAWL_API pawl_mutex_guard pawl_mutex_guard_make(pawl_mutex *m,
                                                pawl_deadline until)
    PAWL_NO_TSA_;
PAWL_API void pawl_mutex_guard_end(pawl_mutex_guard *g) PAWL_NO_TSA_;

#define PAWL_MUTEX_GUARD(name, m) PAWL_MUTEX_GUARD_UNTIL(name, m, PAWL_FOREVER)
#define PAWL_MUTEX_GUARD_UNTIL(name, m, until)                                 \
    __attribute__((cleanup(pawl_mutex_guard_end), unused)) pawl_mutex_guard name =     \
        pawl_mutex_guard_make((m), (until))

PAWL_END_DECLS

#endif /* PAWL_MUTEX_H */
