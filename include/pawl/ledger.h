/* SPDX-License-Identifier: MIT
 *
 * pawl/ledger.h - permits that know who holds them: a semaphore in a region whose
 * permits come back when their holder dies.
 *
 *     pawl_ledger *l;
 *
 *     pawl_ledger_init(&l, memory, bytes, 3);       in a region, by one
 *
 *     pawl_ledger_acquire(l, region);               at most three at a time
 *     use_one_of_three();
 *     pawl_ledger_release(l, region);
 *
 * pawl_sem counts, and a permit that dies with a process is lost.  Here each permit is
 * a word that holds the id of the thread that has it, or 0: taking it and giving it
 * back are one compare-and-swap, so there is no instant at which a killed process
 * leaves one neither free nor its own; and who needs one takes that of a dead thread.
 * For few permits: an acquire looks at them one by one.
 *
 * Death       a process may be killed at any instruction.  Its permits are free for who
 *   acquires next, by -EOWNERDEAD; who waits finds out within 50 ms.  Who is stopped
 *   keeps its own.
 * Progress    try forms and release: lock-free, but for one futex wake if somebody
 *   sleeps.  Not fair.
 * Memory      128 bytes, and 4 for each permit, rounded up to 128.
 *
 * Since 0.1.
 */
#ifndef PAWL_LEDGER_H
#define PAWL_LEDGER_H

#include <pawl/base.h>
#include <pawl/region.h>
#include <pawl/time.h>

PAWL_BEGIN_DECLS

typedef struct pawl_ledger pawl_ledger;

#define PAWL_LEDGER_PERMITS_MAX 65536
#define PAWL_LEDGER_ALIGN 128

/* The bytes of memory that a ledger needs;  -EINVAL no permits, or more than
 * PAWL_LEDGER_PERMITS_MAX. */
PAWL_API int64_t pawl_ledger_bytes(size_t permits);

/* Make a ledger with all permits free, in memory of a region; find one there.  To be
 * made by one, before others attach.
 *
 * Returns    0, and the ledger in *ledger: it lies at `memory`;  init: -EINVAL as
 *            bytes, or not aligned to PAWL_LEDGER_ALIGN, -ENOSPC too few bytes;
 *            attach: -EINVAL there is none of a layout that this library knows.
 */
PAWL_API int pawl_ledger_init(pawl_ledger **ledger, void *memory, size_t bytes,
                              size_t permits);
PAWL_API int pawl_ledger_attach(pawl_ledger **ledger, void *memory,
                                size_t bytes);

/* Take a permit; wait while all are held by the living.
 *
 * Returns    0;  -EOWNERDEAD taken too: its holder died with it, so look at what it
 *            stands for;  -EAGAIN (try), -ETIMEDOUT (until) none was free;  -ENOMEM,
 *            -EBADF as pawl_region_join, which the caller takes part by, -ENOMEM
 *            also for its -EAGAIN.
 * Order      acquire.
 * Cost       one locked instruction if the first one it looks at is free.
 */
PAWL_API PAWL_NODISCARD int pawl_ledger_acquire(pawl_ledger *ledger,
                                                pawl_region *region);
PAWL_API PAWL_NODISCARD int pawl_ledger_try_acquire(pawl_ledger *ledger,
                                                    pawl_region *region);
PAWL_API PAWL_NODISCARD int pawl_ledger_acquire_until(pawl_ledger *ledger,
                                                      pawl_region *region,
                                                      pawl_deadline until);

/* Give one of the calling thread's permits back.
 *
 * Returns    0;  -EPERM it has none: unchanged;  -ENOMEM, -EBADF as acquire.
 * Order      release.
 */
PAWL_API int pawl_ledger_release(pawl_ledger *ledger, pawl_region *region);

/* How many permits are not held by the living: a snapshot. */
PAWL_API uint32_t pawl_ledger_value(const pawl_ledger *ledger,
                                    pawl_region *region);
/* How many there are. */
PAWL_API uint32_t pawl_ledger_permits(const pawl_ledger *ledger);
/* How many the calling thread holds. */
PAWL_API uint32_t pawl_ledger_held(const pawl_ledger *ledger,
                                   pawl_region *region);

PAWL_END_DECLS

#endif /* PAWL_LEDGER_H */
