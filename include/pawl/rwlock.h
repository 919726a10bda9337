/* SPDX-License-Identifier: MIT
 *
 * pawl/rwlock.h - the reader/writer lock: many readers or one writer.
 *
 * Policy: phase-fair (Brandenburg and Anderson, 2010).  Readers share until a
 * writer waits; then newcomers wait too.  The end of a write admits all readers
 * that wait at that moment, as one phase, before the next writer.  So a reader
 * waits for one writer at most, and a writer for one phase of readers plus the
 * writers before it.  Among writers the rule of pawl/mutex.h holds: a running
 * one may overtake, but one that has slept for a millisecond is handed the
 * lock.
 *
 * A thread that holds a read lock must not ask for another one, or for the
 * write lock: with a writer waiting in between, it would wait for itself.  The
 * lock knows its writer, not its readers, so it reports -EDEADLK only to the
 * writer; in a region it knows both.
 *
 * Death: a writer that ends is reported to the next holder, as by a mutex: see
 * pawl/mutex.h.  In a region the lock also forgets readers and waiters that end; a
 * thread may hold 16 locks of one region for reading.
 *
 * Since 0.1.
 */
#ifndef PAWL_RWLOCK_H
#define PAWL_RWLOCK_H

#include <pawl/base.h>
#include <pawl/time.h>

PAWL_BEGIN_DECLS

/* All zero bytes is a valid free local lock. */
typedef struct PAWL_CAPABILITY_("rwlock") pawl_rwlock {
    pawl_u64 word_;   /* readers, waiters, phase, marks: see rwlock.c */
    pawl_u32 writer_; /* id of the thread that holds it for writing, if any */
    uint32_t mode_;   /* constant after init */
} pawl_rwlock;

#define PAWL_RWLOCK_INIT PAWL_RWLOCK_INIT_FLAGS(0)
/* The same with PAWL_SHARED as a flag. */
#define PAWL_RWLOCK_INIT_FLAGS(flags)                                          \
    {                                                                          \
        {0}, {0}, PAWL_CAST_(uint32_t, flags)                                            \
    }

/* Limits on threads that hold or wait at the same time; -EOVERFLOW beyond. */
#define PAWL_RWLOCK_READERS_MAX 16383
#define PAWL_RWLOCK_WRITERS_MAX 4095

/* Make *rw a free lock.  Returns 0; -EINVAL unknown flags. */
PAWL_API int pawl_rwlock_init(pawl_rwlock *rw, unsigned flags);

/* Say that *rw will not be used again.  Returns 0; -EBUSY held or waited on. */
PAWL_API int pawl_rwlock_destroy(pawl_rwlock *rw);

/* Acquire *rw for reading, waiting no later than `until`.
 *
 * Returns    0                 acquired.
 *            -EOWNERDEAD       acquired for *writing*: the last writer ended
 *                              inside, and repair needs exclusion.  Repair,
 *                              call consistent, then write_unlock or
 *                              downgrade.
 *            -ETIMEDOUT        not acquired.
 *            -EDEADLK          not acquired: the caller is the writer; or the writer
 *                              waits for the caller, directly or not: see
 *                              pawl/deadlock.h.
 *            -ENOTRECOVERABLE  not acquired: it was not repaired.
 *            -EOVERFLOW        not acquired: too many readers, or locks read.
 *            -EAGAIN, -ENOMEM  not acquired: *rw lies in a region in which the
 *                              caller has no slot: see pawl_region_join.
 * Order      acquire: sees what every earlier writer did.
 * Progress   blocking.
 * Cost       no writer: one atomic read-modify-write.
 */
PAWL_API PAWL_NODISCARD int pawl_rwlock_read_lock_until(pawl_rwlock *rw,
                                                        pawl_deadline until)
    PAWL_ACQUIRE_SHARED_IF_ZERO_(*rw);
PAWL_API PAWL_NODISCARD int pawl_rwlock_read_lock(pawl_rwlock *rw)
    PAWL_ACQUIRE_SHARED_IF_ZERO_(*rw);
/* -EAGAIN when a writer holds it or waits, be it the caller. */
PAWL_API PAWL_NODISCARD int pawl_rwlock_try_read_lock(pawl_rwlock *rw)
    PAWL_ACQUIRE_SHARED_IF_ZERO_(*rw);

/* Release a read lock of the calling thread.  Outside a region the lock does not
 * know its readers, and cannot tell if another one's is released.
 *
 * Returns    0;  -EPERM nobody holds it for reading, or (in a region) the caller
 *            does not; unchanged.
 * Order      release.
 */
PAWL_API int pawl_rwlock_read_unlock(pawl_rwlock *rw)
    PAWL_RELEASE_SHARED_(*rw);

/* Acquire *rw for writing.  Returns as read_lock_until; after -EOWNERDEAD the
 * caller is the writer here too;  -EDEADLK: also for who reads it, in a region. */
PAWL_API PAWL_NODISCARD int pawl_rwlock_write_lock_until(pawl_rwlock *rw,
                                                         pawl_deadline until)
    PAWL_ACQUIRE_IF_ZERO_(*rw);
PAWL_API PAWL_NODISCARD int pawl_rwlock_write_lock(pawl_rwlock *rw)
    PAWL_ACQUIRE_IF_ZERO_(*rw);
/* -EAGAIN when anybody holds it. */
PAWL_API PAWL_NODISCARD int pawl_rwlock_try_write_lock(pawl_rwlock *rw)
    PAWL_ACQUIRE_IF_ZERO_(*rw);

/* Release the write lock.
 *
 * Returns    0;  -EPERM the caller is not the writer; unchanged.
 * Order      release.
 */
PAWL_API int pawl_rwlock_write_unlock(pawl_rwlock *rw) PAWL_RELEASE_(*rw);

/* Turn the write lock into a read lock, in one step: no writer gets between.
 * Readers that wait are admitted.
 *
 * Returns    0;  -EPERM the caller is not the writer, or has not yet called
 *            consistent after -EOWNERDEAD;  -EOVERFLOW too many readers.
 */
PAWL_API int pawl_rwlock_downgrade(pawl_rwlock *rw) PAWL_NO_TSA_;

/* As pawl_mutex_consistent, for the writer. */
PAWL_API int pawl_rwlock_consistent(pawl_rwlock *rw);

/* Snapshots: who holds it, those included that have ended and were not yet missed. */
PAWL_API uint32_t pawl_rwlock_readers(const pawl_rwlock *rw);
PAWL_API bool pawl_rwlock_is_write_locked(const pawl_rwlock *rw);
PAWL_API bool pawl_rwlock_is_mine(const pawl_rwlock *rw); /* for writing */

/* Scope guards, as PAWL_MUTEX_GUARD.  The read guard releases whatever it got:
 * the write lock, if err is -EOWNERDEAD. */
typedef struct pawl_rwlock_guard {
    pawl_rwlock *rwlock; /* NULL when not held */
    int err;
    bool writing;
} pawl_rwlock_guard;

PAWL_API pawl_rwlock_guard pawl_rwlock_guard_read(pawl_rwlock *rw,
                                                  pawl_deadline until)
    PAWL_NO_TSA_;
PAWL_API pawl_rwlock_guard pawl_rwlock_guard_write(pawl_rwlock *rw,
                                                   pawl_deadline until)
    PAWL_NO_TSA_;
PAWL_API void pawl_rwlock_guard_end(pawl_rwlock_guard *g) PAWL_NO_TSA_;

#define PAWL_READ_GUARD(name, rw) PAWL_READ_GUARD_UNTIL(name, rw, PAWL_FOREVER)
#define PAWL_READ_GUARD_UNTIL(name, rw, until)                                 \
    __attribute__((cleanup(pawl_rwlock_guard_end), unused)) pawl_rwlock_guard name =   \
        pawl_rwlock_guard_read((rw), (until))
#define PAWL_WRITE_GUARD(name, rw)                                             \
    PAWL_WRITE_GUARD_UNTIL(name, rw, PAWL_FOREVER)
#define PAWL_WRITE_GUARD_UNTIL(name, rw, until)                                \
    __attribute__((cleanup(pawl_rwlock_guard_end), unused)) pawl_rwlock_guard name =   \
        pawl_rwlock_guard_write((rw), (until))

PAWL_END_DECLS

#endif /* PAWL_RWLOCK_H */
