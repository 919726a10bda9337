/* SPDX-License-Identifier: MIT
 *
 * pawl/barrier.h - the cyclic barrier: `parties` threads wait for one another.
 *
 * A generation is `parties` arrivals.  It ends as a whole: either all of its
 * threads pass, or none does (broken).  A barrier breaks when a wait times out,
 * when the action fails, or by abort; it then refuses everybody until reset.
 * Threads of a generation that has ended are not affected by what comes after.
 * More threads than parties may use a barrier: the surplus belongs to the next
 * generation.  If such a barrier also breaks, a thread that does not run while
 * more than six generations end may be told the end of another one.
 *
 * The action is an argument of the wait, not a part of the object, because the
 * object may lie in memory that other processes map, and a function pointer
 * means nothing there.  Pass the same action in every wait: the last to arrive
 * runs its own.
 *
 * Since 0.1.
 */
#ifndef PAWL_BARRIER_H
#define PAWL_BARRIER_H

#include <pawl/base.h>
#include <pawl/time.h>

PAWL_BEGIN_DECLS

/* All zero bytes is a barrier for nobody: every call that could wait, break or
 * reset it is -EINVAL. */
typedef struct pawl_barrier {
    pawl_u64 word_;    /* generation, arrivals, marks: see barrier.c */
    uint32_t parties_; /* constant after init */
    uint32_t mode_;    /* constant after init */
    int64_t patience_; /* default timeout + 1, 0 = for ever; constant */
    pawl_u32 reason_;  /* of the latest break */
    uint32_t unused_;
} pawl_barrier;

#define PAWL_BARRIER_PARTIES_MAX 16383

/* `parties` must be 1..PAWL_BARRIER_PARTIES_MAX. */
#define PAWL_BARRIER_INIT(parties) PAWL_BARRIER_INIT_FLAGS(parties, 0)
/* The same with PAWL_SHARED as a flag. */
#define PAWL_BARRIER_INIT_FLAGS(parties, flags)                                \
    {                                                                          \
        {0}, PAWL_CAST_(uint32_t, parties), PAWL_CAST_(uint32_t, flags), 0, {0}, 0                 \
    }

/* Runs once per generation, in the last thread to arrive, before anybody
 * passes: sees all that the parties wrote before they arrived, and what it
 * writes is visible to all after they pass.  No lock is held: it may call
 * abort, reset and the queries.  A negative result breaks the barrier. */
typedef int (*pawl_barrier_fn)(uint32_t generation, void *arg);

/* Make *b an empty barrier for `parties` threads.  `timeout` is the duration in
 * nanoseconds that waits without a deadline allow; PAWL_FOREVER for no limit.
 *
 * Returns    0;  -EINVAL parties outside 1..PAWL_BARRIER_PARTIES_MAX, or
 *            unknown flags.
 */
PAWL_API int pawl_barrier_init(pawl_barrier *b, uint32_t parties,
                               int64_t timeout, unsigned flags);

/* Say that *b will not be used again.  Returns 0; -EBUSY somebody waits. */
PAWL_API int pawl_barrier_destroy(pawl_barrier *b);

/* Arrive, and wait until all parties have.
 *
 * Returns    the order of arrival, 0..parties-1, to each thread another;
 *            -ETIMEDOUT  `until` passed here; the barrier is now broken, unless
 *                        the action of the generation before was still running
 *                        and the caller could not even arrive;
 *            -ECANCELED  broken (before, or by another), or reset;
 *            -EDEADLK    called from the barrier's own action;
 *            -EINVAL     *b was never initialised;
 *            in the last to arrive, the action's negative result.
 * Order      all that any party did before it arrived is visible to every
 *            party after it has passed.
 * Progress   blocking.
 * Cost       one atomic read-modify-write, and one more around an action; a
 *            system call only to sleep, or if somebody sleeps.
 */
PAWL_API PAWL_NODISCARD int pawl_barrier_wait_action(pawl_barrier *b,
                                                     pawl_barrier_fn action,
                                                     void *arg,
                                                     pawl_deadline until);
PAWL_API PAWL_NODISCARD int pawl_barrier_wait_until(pawl_barrier *b,
                                                    pawl_deadline until);
/* With the default timeout of init. */
PAWL_API PAWL_NODISCARD int pawl_barrier_wait(pawl_barrier *b);
/* Pass if that completes the generation: parties-1, or what else a wait
 * returns.  Otherwise -EAGAIN: not arrived, nothing broken. */
PAWL_API PAWL_NODISCARD int pawl_barrier_try_wait(pawl_barrier *b);

/* Split form: arrive now, wait later.  `*ticket` is for exactly one of the
 * finish calls, in any thread.  The last to arrive runs the action in arrive.
 *
 * Returns    arrive: as wait, without the waiting, so never -ETIMEDOUT but
 *            while the action of the generation before still runs (then the
 *            caller has not arrived and nothing breaks);
 *            finish: 0 passed, -ETIMEDOUT (and broken), -ECANCELED, -EINVAL.
 */
typedef struct pawl_barrier_ticket {
    uint64_t word_;
} pawl_barrier_ticket;

PAWL_API PAWL_NODISCARD int pawl_barrier_arrive(pawl_barrier *b,
                                                pawl_barrier_fn action,
                                                void *arg, pawl_deadline until,
                                                pawl_barrier_ticket *ticket);
PAWL_API PAWL_NODISCARD int
pawl_barrier_finish_until(pawl_barrier *b, pawl_barrier_ticket ticket,
                          pawl_deadline until);
PAWL_API PAWL_NODISCARD int pawl_barrier_finish(pawl_barrier *b,
                                                pawl_barrier_ticket ticket);
/* -EAGAIN while the generation is incomplete; may be asked again. */
PAWL_API PAWL_NODISCARD int
pawl_barrier_try_finish(pawl_barrier *b, pawl_barrier_ticket ticket);

/* Break the barrier: those who wait now, and all who come before a reset, get
 * -ECANCELED.  Idempotent.  `reason` is free for the caller; others read it.
 *
 * Returns    0;  -EINVAL *b was never initialised.
 * Order      release: what was done before is visible to those who get
 *            -ECANCELED because of it, or find the barrier broken.
 */
PAWL_API int pawl_barrier_abort(pawl_barrier *b, int reason);

/* Empty and unbroken again, and usable at once: those who wait get -ECANCELED.
 * Returns and orders as abort. */
PAWL_API int pawl_barrier_reset(pawl_barrier *b);

/* Snapshots.  n_waiting is 0 as soon as a generation has ended.  The reason is
 * that of the latest break: of abort, -ETIMEDOUT, or the action's result; when
 * several break it at once, that of one of them. */
PAWL_API uint32_t pawl_barrier_parties(const pawl_barrier *b);
PAWL_API uint32_t pawl_barrier_n_waiting(const pawl_barrier *b);
PAWL_API bool pawl_barrier_broken(const pawl_barrier *b);
PAWL_API int pawl_barrier_reason(const pawl_barrier *b);
/* How many generations have ended, modulo 2^26. */
PAWL_API uint32_t pawl_barrier_generation(const pawl_barrier *b);

PAWL_END_DECLS

#endif /* PAWL_BARRIER_H */
