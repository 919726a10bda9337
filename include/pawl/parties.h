/* SPDX-License-Identifier: MIT
 *
 * pawl/parties.h - a barrier in a region that breaks when one of its parties dies.
 *
 *     pawl_parties *p;
 *
 *     pawl_parties_init(&p, memory, bytes, 4);     in a region, by one
 *
 *     while (pawl_parties_wait(p, region) >= 0)    four processes
 *         do_my_part();
 *
 * pawl_barrier waits for parties, whoever they are: when one is killed the others wait
 * for ever, or until a deadline.  Here a thread that waits is written down, and stays
 * it until it leaves; if it dies, wherever that is, those who wait and those who come
 * find the barrier broken, within 50 ms, for the reason -EOWNERDEAD.  Parties that have
 * not waited yet are not known: for them there is the deadline.
 *
 * Death       a process may be killed at any instruction: it has arrived or not, and is
 *   written down or not, and if it is then the barrier breaks.  One that died before
 *   it was written down has not arrived.  Who is stopped is waited for.
 * More threads than parties may use it; only as many as there are parties are known.
 *
 * Since 0.1.
 */
#ifndef PAWL_PARTIES_H
#define PAWL_PARTIES_H

#include <pawl/barrier.h>
#include <pawl/base.h>
#include <pawl/region.h>
#include <pawl/time.h>

PAWL_BEGIN_DECLS

typedef struct pawl_parties pawl_parties;

#define PAWL_PARTIES_ALIGN 128

/* The bytes of memory that a barrier for so many needs;  -EINVAL none, or more than
 * PAWL_BARRIER_PARTIES_MAX. */
PAWL_API int64_t pawl_parties_bytes(size_t parties);

/* Make a barrier that nobody knows yet, in memory of a region; find one there.  To be
 * made by one, before others attach.
 *
 * Returns    0, and the barrier in *p: it lies at `memory`;  init: -EINVAL as bytes,
 *            or not aligned to PAWL_PARTIES_ALIGN, -ENOSPC too few bytes;  attach:
 *            -EINVAL there is none of a layout that this library knows.
 */
PAWL_API int pawl_parties_init(pawl_parties **p, void *memory, size_t bytes,
                               size_t parties);
PAWL_API int pawl_parties_attach(pawl_parties **p, void *memory, size_t bytes);

/* Arrive, and wait until all parties have.
 *
 * Returns    the order of arrival, 0..parties-1, to each thread another;
 *            -ECANCELED broken, by a death, by a deadline or by abort, or reset;
 *            -ETIMEDOUT (until) it passed here: broken now;  -EAGAIN (try) others are
 *            missing: not arrived;  -ENOMEM, -EBADF as pawl_region_join, which the
 *            caller takes part by, -ENOMEM also for its -EAGAIN.
 * Order      as pawl_barrier_wait.
 */
PAWL_API PAWL_NODISCARD int pawl_parties_wait(pawl_parties *p,
                                              pawl_region *region);
PAWL_API PAWL_NODISCARD int pawl_parties_wait_until(pawl_parties *p,
                                                    pawl_region *region,
                                                    pawl_deadline until);
PAWL_API PAWL_NODISCARD int pawl_parties_try_wait(pawl_parties *p,
                                                  pawl_region *region);

/* Be a party no longer: the caller's death is nobody's concern.
 *
 * Returns    0;  -ENOENT it is none;  -ENOMEM, -EBADF as wait.
 */
PAWL_API int pawl_parties_leave(pawl_parties *p, pawl_region *region);

/* Empty and unbroken again; the dead are forgotten.  Returns and orders as
 * pawl_barrier_reset. */
PAWL_API int pawl_parties_reset(pawl_parties *p, pawl_region *region);

/* The barrier itself, for abort and the snapshots: pawl_barrier_broken,
 * pawl_barrier_reason, ... */
PAWL_API pawl_barrier *pawl_parties_barrier(pawl_parties *p);

PAWL_END_DECLS

#endif /* PAWL_PARTIES_H */
