/* SPDX-License-Identifier: MIT
 *
 * pawl/future.h - the future: the outcome of a task, which somebody sets once,
 * and for which others wait, alone or for many at once.
 *
 *     struct job {
 *         pawl_future future;              all zero bytes: pending
 *         int n;
 *     } job = {.n = 7};
 *
 *     one thread                           another
 *     if (pawl_future_begin(f) == 0)       pawl_future_result(f, &status, &v);
 *         pawl_future_set(f, 0, result);
 *
 *     state      leaves it by
 *     PENDING    begin -> RUNNING;  set -> FINISHED;  cancel -> CANCELLED
 *     RUNNING    set -> FINISHED
 *     FINISHED, CANCELLED: *done*, for good
 *
 * The code that a wait returns is about the wait.  What the task says of itself,
 * its status, comes by a pointer: a task with the status -ETIMEDOUT is a task
 * that has ended, not a wait that was too long.
 *
 *    13    8    7       6       5        4         3     2   1     0
 *   +-------+--------+------+--------+----------+--------+---+-------+
 *   | fork  | LISTED | STOP | QUEUED | SLEEPERS | LOCKED |   | state |
 *   +-------+--------+------+--------+----------+--------+---+-------+
 *
 * LOCKED guards the list of callbacks and the outcome for a few instructions; who
 * finds it so spins or, QUEUED, sleeps.  The fork count tells a holder that a
 * fork has left behind.  LISTED: there are callbacks.  While nobody waits, a set is
 * two locked instructions.
 *
 *    31             8    7     6      5        4         3   2   1     0
 *   +----------------+------+------+-----+----------+----------+-------+
 *   |    attempt     |      | STOP |     | SLEEPERS |          | state |   shared
 *   +----------------+------+------+-----+----------+----------+-------+
 *
 * Between processes nothing is locked, for who has a lock may be killed.  Each set is
 * an attempt with a number, 0: there was none; only the last one counts.
 *
 * Memory      The step that makes a future done is the last time that set and
 *   cancel touch it, or the callbacks: so it may be freed by who knows that it is
 *   done (a result or a wait has returned) and that nobody else uses it.  A
 *   callback's node is touched for the last time just before the callback is
 *   called, which may free it, and the future.
 *
 * Since 0.1.
 */
#ifndef PAWL_FUTURE_H
#define PAWL_FUTURE_H

#include <pawl/base.h>
#include <pawl/time.h>
#include <pawl/wait.h>

PAWL_BEGIN_DECLS

/* All zero bytes is a valid, pending, local future. */
typedef struct pawl_future {
    pawl_u32 word_;
    uint32_t mode_; /* constant after init */
    union {
        struct {
            void *value_;
            struct pawl_future_callback *first_; /* of a ring */
            int status_;
            uint32_t links_; /* how many at its beginning are no callbacks */
        } local_;
        pawl_u64 shared_[3]; /* the outcome: see future.c */
    } u_;
} pawl_future;

#define PAWL_FUTURE_INIT PAWL_FUTURE_INIT_FLAGS(0)
/* The same with PAWL_SHARED as a flag. */
#define PAWL_FUTURE_INIT_FLAGS(flags)                                          \
    {{0}, PAWL_CAST_(uint32_t, flags), {{NULL, NULL, 0, 0}}}

/* Of mode_: the first member of a pawl_task. */
#define PAWL_FUTURE_TASK_ 0x100u
/* Behind it lies a pointer to what its owner wants to be asked. */
#define PAWL_FUTURE_OWNED_ 0x200u

enum pawl_future_state {
    PAWL_FUTURE_PENDING,
    PAWL_FUTURE_RUNNING,
    PAWL_FUTURE_CANCELLED,
    PAWL_FUTURE_FINISHED,
};

/* Make *f a pending future.  Between processes, the value is a number, and there
 * are no callbacks.  A process that is killed or stopped inside a function of this
 * header, in a region or elsewhere, has called it or has not, and keeps nobody:
 * another one may set the future then, and who waits waits for that.
 *
 * Returns    0;  -EINVAL unknown flags.
 */
PAWL_API int pawl_future_init(pawl_future *f, unsigned flags);

/* ---- for who does the work ---------------------------------------------- */

/* Say that the work begins: from now on it cannot be cancelled.
 *
 * Returns    0;  -ECANCELED it was cancelled: do not do it;  -EALREADY it has
 *            begun, or is finished.
 * Order      acquire: sees what came before the future was handed over.
 * Progress   lock-free, but while LOCKED; so are the functions down to result.
 *            Between processes lock-free, but set, which is obstruction-free: of two
 *            that set it at the same time the later one goes first.
 * Contexts   not in signal handlers, which goes for all of this header but the
 *            queries.
 */
PAWL_API PAWL_NODISCARD int pawl_future_begin(pawl_future *f);

/* Set the outcome: release those who wait, then call the callbacks.
 *
 * status   of the task: 0, or how it failed.
 *
 * Returns    0;  -EALREADY it is finished, or cancelled: unchanged;  -EPERM it is
 *            that of a pawl_task: its pool sets it.
 * Order      release: pairs with the acquire of every wait and query.
 * Cost       two locked instructions, between processes five, and one system call
 *            if somebody sleeps.
 */
PAWL_API int pawl_future_set(pawl_future *f, int status, void *value);

/* ---- for who wants it done, or not --------------------------------------- */

/* Cancel it, unless it has begun: release those who wait, then call the
 * callbacks.
 *
 * Returns    0, also if it was cancelled before;  -EBUSY it runs;  -EALREADY it
 *            is finished.
 * Order      release, as set.
 */
PAWL_API int pawl_future_cancel(pawl_future *f);

/* Cancel it, or, if it runs, ask who does the work to stop.  The task of a pool is
 * woken, too, where it waits in a call that a stop ends: see pawl_task_fn.
 *
 * Returns    0 cancelled, or asked;  -EALREADY it is finished.
 * Order      release: pairs with the acquire of stop_requested.
 */
PAWL_API int pawl_future_request_stop(pawl_future *f);

/* For who does the work: whether to stop. */
PAWL_API bool pawl_future_stop_requested(const pawl_future *f);

/* Wait until it is done.
 *
 * status, value   the outcome, written on 0 only; each may be NULL.
 *
 * Returns    0 finished, whatever the status;  -ECANCELED cancelled;  -ETIMEDOUT
 *            (until), -EAGAIN (try) not done: nothing changes for the task.
 * Order      acquire, on 0 and on -ECANCELED.
 * Progress   blocking; try: wait-free.
 * Cost       done: one load.
 */
PAWL_API PAWL_NODISCARD int pawl_future_result_until(pawl_future *f,
                                                     int *status, void **value,
                                                     pawl_deadline until);
PAWL_API int pawl_future_result(pawl_future *f, int *status, void **value);
PAWL_API PAWL_NODISCARD int pawl_future_try_result(pawl_future *f, int *status,
                                                   void **value);

/* Queries: snapshots of what only moves forward.  Order: acquire.  Wait-free; any
 * context.  Done is finished or cancelled. */
PAWL_API enum pawl_future_state pawl_future_state(const pawl_future *f);
PAWL_API bool pawl_future_is_done(const pawl_future *f);
PAWL_API bool pawl_future_is_running(const pawl_future *f);
PAWL_API bool pawl_future_is_cancelled(const pawl_future *f);

/* In a wait set, beside events, queues and others: ready when it is done; takes
 * nothing. */
#define PAWL_WAIT_FUTURE(f) pawl_future_wait_item(f)
PAWL_API pawl_wait_item pawl_future_wait_item(pawl_future *f);

/* ---- callbacks ------------------------------------------------------------ */

typedef void (*pawl_future_fn)(pawl_future *f, void *context);

/* A place for one callback, which the caller provides until it is called or
 * removed. */
typedef struct pawl_future_callback {
    struct pawl_future_callback *next_;
    struct pawl_future_callback *prev_;
    pawl_future_fn fn_;
    void *context_;
} pawl_future_callback;

/* Have fn(f, context) called when *f is done: once, in the thread that sets or
 * cancels it, after those who wait were released, in the order in which
 * callbacks were added; or at once, by the caller, if it is done already.
 *
 * No lock is held then: a callback may call anything.  Once somebody has waited
 * for *f and freed it, a callback must not look at it.
 *
 * Returns    0: it was called, or will be;  -EOPNOTSUPP a shared future.
 * Order      sees what came before the set, and before the call here.
 * Cost       two locked instructions.
 */
PAWL_API int pawl_future_add_callback(pawl_future *f, pawl_future_callback *cb,
                                      pawl_future_fn fn, void *context);

/* Have it not called, after all: cb has been added to *f.
 *
 * Returns    0: it was not called, and will not be;  -EALREADY *f is done: it was
 *            called, is being called, or will be;  -ENOENT it has been removed.
 */
PAWL_API int pawl_future_remove_callback(pawl_future *f,
                                         pawl_future_callback *cb);

/* ---- many at once --------------------------------------------------------- */

/* One of several futures that somebody waits for.  Each wait has its own; the
 * futures stay until the wait returns. */
typedef struct pawl_future_entry {
    pawl_future *future; /* to be filled in; local */
    bool done;           /* see below */
    bool linked_;        /* into the future's list, as far as is known */
    pawl_future_callback link_;
    struct pawl_as_completed *owner_;
    struct pawl_future_entry *next_; /* of those that are done */
} pawl_future_entry;

enum pawl_future_when {
    PAWL_FUTURE_FIRST_COMPLETED, /* one is done */
    PAWL_FUTURE_FIRST_FAILED, /* one has a status other than 0, or as ALL: who
                                    was cancelled has not failed */
    PAWL_FUTURE_ALL_COMPLETED,
};

/* Wait until so many of entries[0..n) are done.  Where several entries have the
 * same future they count as one.  0 at once if n is 0.  A worker of a pool that
 * helps, waiting for tasks of that pool, runs others meanwhile; so it does in
 * as_completed_next.  In a wait set (PAWL_WAIT_FUTURE) it does not: what it waits
 * for there may be for no task to bring about.
 *
 * In each entry, `done` says whether its future is: written on 0, -ETIMEDOUT and
 * -EAGAIN.
 *
 * Returns    0;  -ETIMEDOUT (until);  -EAGAIN (try);  -EINVAL no such `when`, or
 *            an entry without a future;  -EOPNOTSUPP a shared future.
 * Order      acquire, for those that are done.
 * Progress   blocking.
 * Cost       n loads; if that is not enough, 3n locked instructions, one for each
 *            future that becomes done meanwhile, and one sleep and wake at most.
 */
PAWL_API PAWL_NODISCARD int pawl_future_wait_until(pawl_future_entry *entries,
                                                   size_t n,
                                                   enum pawl_future_when when,
                                                   pawl_deadline until);
PAWL_API int pawl_future_wait(pawl_future_entry *entries, size_t n,
                              enum pawl_future_when when);
PAWL_API PAWL_NODISCARD int pawl_future_try_wait(pawl_future_entry *entries,
                                                 size_t n,
                                                 enum pawl_future_when when);

/* Futures in the order in which they become done, for one thread at a time:
 *
 *     pawl_as_completed_begin(&c, entries, n);
 *     while (pawl_as_completed_next_until(&c, &which, until) == 0)
 *         use(entries[which].future);
 *     pawl_as_completed_end(&c);
 *
 * A deadline that was computed once bounds the whole.
 */
typedef struct pawl_as_completed {
    pawl_u64 arrived_;         /* those that became done, newest first */
    pawl_future_entry *ready_; /* taken from there, oldest first */
    pawl_future_entry *entries_;
    size_t n_;
    size_t left_; /* not yielded yet */
} pawl_as_completed;

/* Begin with the futures of entries[0..n).  *c and the entries stay where they
 * are, and each future until it was yielded, or until end.
 *
 * Returns    0;  -EINVAL an entry without a future;  -EOPNOTSUPP a shared one.
 * Cost       2n locked instructions, and up to n log n comparisons where the
 *            futures are not in order of address.
 */
PAWL_API int pawl_as_completed_begin(pawl_as_completed *c,
                                     pawl_future_entry *entries, size_t n);

/* Wait for the next one: those that were done at the beginning come first.  Each
 * future comes once, though several entries have it.
 *
 * which    its place among the entries, where `done` is set; written on 0.
 *
 * Returns    0;  -ESHUTDOWN all have come;  -ETIMEDOUT (until);  -EAGAIN (try).
 * Order      acquire.
 * Progress   blocking.
 */
PAWL_API PAWL_NODISCARD int pawl_as_completed_next_until(pawl_as_completed *c,
                                                         size_t *which,
                                                         pawl_deadline until);
PAWL_API PAWL_NODISCARD int pawl_as_completed_next(pawl_as_completed *c,
                                                   size_t *which);
PAWL_API PAWL_NODISCARD int pawl_as_completed_try_next(pawl_as_completed *c,
                                                       size_t *which);

/* End it, at any time: after this nobody touches *c and the entries any more.
 * The futures go on.  A second end does nothing.
 *
 * Progress   waits for those that are just delivering, a few instructions each.
 */
PAWL_API void pawl_as_completed_end(pawl_as_completed *c);

PAWL_END_DECLS

#endif /* PAWL_FUTURE_H */
