/* SPDX-License-Identifier: MIT
 *
 * pawl/timer.h - a function to be called at a point in time, once or again and
 * again.
 *
 * One thread of the library, which the first start starts, calls the functions of
 * all timers of a process, one after the other; of timers that one thread has made,
 * in the order of their deadlines.  So a timer costs no thread, no system call and
 * no allocation; but a function that takes long delays the others, and one that
 * blocks blocks them.  Work that may do that belongs elsewhere: have the function
 * put it into a queue or a pool.
 *
 *     static void beat(pawl_timer *timer, void *context) { ... }
 *
 *     static pawl_timer heart = PAWL_TIMER_INIT(beat, NULL);
 *
 *     pawl_timer_start(&heart, pawl_after_ms(20));            once
 *     pawl_timer_restart_every(&heart, 0, 1000000);           now, and every ms
 *     pawl_timer_cancel_wait(&heart);              it does not run any more
 *
 * A timer is never early.  It is late by what the kernel needs to wake a thread,
 * and by the functions before it.  The clock is that of all deadlines: steps of
 * the wall clock do nothing.
 *
 * One word:
 *
 *    31   9  8   6    5         4          3         2         1       0
 *   +-------+-------+--------+----------+-----------+---------+---------+-------+
 *   | rests | shard | DAEMON | SLEEPERS | CANCELLED | STARTED | RUNNING | ARMED |
 *   +-------+-------+--------+----------+-----------+---------+---------+-------+
 *
 *   state       word                   leaves it by
 *   NEW         0                      start -> ARMED;  cancel -> CANCELLED
 *   ARMED       ARMED                  deadline -> RUNNING;  cancel -> CANCELLED
 *   RUNNING     RUNNING                return of the function -> FIRED;
 *                                      restart, also in the function -> both
 *   both        ARMED | RUNNING        return -> ARMED;  cancel -> RUNNING, to
 *                                      become CANCELLED
 *   FIRED       STARTED                restart -> ARMED
 *   CANCELLED   CANCELLED              restart -> ARMED
 *
 * A periodic timer goes from RUNNING to ARMED.  FIRED and CANCELLED are rests,
 * which are counted; they, and NEW, are when the memory may go or be used for
 * something else.  SLEEPERS may be set without a sleeper, but is never clear with
 * one.
 *
 * Timers that one thread has made (by pawl_timer_init) share a lock, those of
 * several threads usually do not; static ones share one.
 *
 * A timer is pending while it is ARMED or RUNNING.  One that is and that is no
 * daemon keeps the program alive when main returns.
 *
 * Fork: in the child nothing fires.  A timer that was pending at the fork is
 * -ECHILD there for all that would start, end or await it, until pawl_timer_init;
 * others work, on a thread of the child's own.  A function that forks ends the child
 * itself, by exit or exec.
 *
 * Since 0.1.
 */
#ifndef PAWL_TIMER_H
#define PAWL_TIMER_H

#include <pawl/base.h>
#include <pawl/time.h>

PAWL_BEGIN_DECLS

typedef struct pawl_timer pawl_timer;

/* What a timer does.  Called with no lock held, so it may do anything with any
 * timer, its own included, but wait for one; -EDEADLK then.  It has to return. */
typedef void (*pawl_timer_fn)(pawl_timer *timer, void *context);

struct pawl_timer_link_ {
    struct pawl_timer_link_ *next_;
    struct pawl_timer_link_ *prev_;
};

/* Local: for the threads of one process.  All zero bytes is a timer without a
 * function, which cannot be started. */
struct pawl_timer {
    struct pawl_timer_link_
        link_; /* this and `when_` under the lock of its shard */
    pawl_deadline when_;
    pawl_u32 word_;    /* written under the lock of its shard */
    uint32_t fork_;    /* in which process it was armed last */
    int64_t period_;   /* 0: once */
    pawl_timer_fn fn_; /* constant after init, as the rest */
    void *context_;
    const char *name_;
    uint64_t missed_; /* under the lock of its shard */
};

#define PAWL_TIMER_INIT(fn, context) {{0, 0}, 0, {0}, 0, 0, fn, context, 0, 0}

/* Make *t a new timer, whatever was in that memory.
 *
 * Returns    0;  -EINVAL no function.
 */
PAWL_API int pawl_timer_init(pawl_timer *t, pawl_timer_fn fn, void *context);

/* Done with it; there is nothing to free, but it finds mistakes.  In its own
 * function it is legal too: then the function may free the memory.
 *
 * Returns    0: now it is as after init;  -EBUSY it is pending (in its own
 *            function: started again), or somebody waits for it;  -ECHILD.
 */
PAWL_API int pawl_timer_destroy(pawl_timer *t);

/* ---- starting ----------------------------------------------------------- */

/* Call the function at `when`; at once, if that has passed: pawl_after_ms(-1),
 * or 0, count as now.  PAWL_FOREVER never comes.  A timer is started once, see restart; one
 * that was cancelled before is considered started, and does nothing.
 *
 * Returns    0;  -EALREADY it has been started;  -EINVAL no function;  -EAGAIN,
 *            -ENOMEM no thread to be had, which only the first can meet;
 *            -ESHUTDOWN the program has ended;  -ECHILD.
 * Order      release: what was done before is visible in the function.
 * Progress   blocking, for some dozen instructions of others.
 * Cost       one lock, O(1) whatever is pending; one futex wake if it comes
 *            before all that is pending.
 * Contexts   not in signal handlers.
 */
PAWL_API int pawl_timer_start(pawl_timer *t, pawl_deadline when);

/* The same, and again `period` nanoseconds after that, and so on; if `first` has
 * passed, it is now.  A point in time that has passed before the function could be
 * called for the one before it is missed: it is counted, and never made up for.
 *
 * Returns    as above;  -EINVAL period < 1.
 */
PAWL_API int pawl_timer_start_every(pawl_timer *t, pawl_deadline first,
                                    int64_t period);

/* The same, whatever the timer has been through: what it was armed for does not
 * happen any more.  If its function runs, it goes on, and is called again.
 *
 * Returns    as above, but not -EALREADY.
 */
PAWL_API int pawl_timer_restart(pawl_timer *t, pawl_deadline when);
PAWL_API int pawl_timer_restart_every(pawl_timer *t, pawl_deadline first,
                                      int64_t period);

/* ---- cancelling --------------------------------------------------------- */

/* Call it off, all periods included.  Does not wait.
 *
 * Returns    0          its function does not run, and will not;
 *            -EBUSY     its function runs now, and will not again;
 *            -EALREADY  its function has run;
 *            -ECHILD.
 * Order      acquire, unless -EBUSY: as join.
 * Progress   blocking, for some dozen instructions of others.
 * Cost       one lock, O(1) whatever is pending, no system call unless somebody
 *            waits for the timer.
 * Contexts   not in signal handlers.
 */
PAWL_API int pawl_timer_cancel(pawl_timer *t);

/* Call it off, and wait until its function has returned: after 0 or -EALREADY the
 * memory may go.
 *
 * Returns    0, -EALREADY, -ECHILD as above;  -EDEADLK called from its own
 *            function: nothing is cancelled;  -ETIMEDOUT (until): cancelled, but
 *            its function still runs.
 * Progress   blocking.
 */
PAWL_API PAWL_NODISCARD int pawl_timer_cancel_wait_until(pawl_timer *t,
                                                         pawl_deadline until);
PAWL_API int pawl_timer_cancel_wait(pawl_timer *t);

/* ---- waiting ------------------------------------------------------------ */

/* Wait until it is not pending, or has not been for a moment; a periodic timer is
 * pending until it is cancelled.  Any number of threads may.
 *
 * Returns    0          its function has run, and has returned;
 *            -ECANCELED it was called off;
 *            -ESRCH     it was not started;
 *            -EDEADLK   called by the function of a timer, which all others wait
 *                       for;
 *            -ETIMEDOUT (until), -EAGAIN (try) it is pending;
 *            -ECHILD.
 * Order      acquire: what the function has done is visible.
 * Progress   blocking.
 */
PAWL_API PAWL_NODISCARD int pawl_timer_join_until(pawl_timer *t,
                                                  pawl_deadline until);
PAWL_API int pawl_timer_join(pawl_timer *t);
PAWL_API PAWL_NODISCARD int pawl_timer_try_join(pawl_timer *t);

/* ---- properties --------------------------------------------------------- */

/* Whether it keeps the program alive while it is pending; new timers do.
 *
 * Returns    0;  -EBUSY it has been started.
 */
PAWL_API int pawl_timer_set_daemon(pawl_timer *t, bool daemon);
PAWL_API bool pawl_timer_is_daemon(const pawl_timer *t);

/* A text of the caller's, which is not copied; "" at first.  Not while another
 * thread asks for it.  Returns 0;  -EINVAL NULL. */
PAWL_API int pawl_timer_set_name(pawl_timer *t, const char *name);
PAWL_API const char *pawl_timer_name(const pawl_timer *t);

/* Snapshots.  Pending: ARMED or RUNNING, Python's is_alive. */
PAWL_API bool pawl_timer_is_pending(const pawl_timer *t);
PAWL_API bool pawl_timer_is_running(const pawl_timer *t);
/* How many points in time a periodic timer has missed since init. */
PAWL_API uint64_t pawl_timer_missed(const pawl_timer *t);
/* What it is armed for; if it is not, what it was armed for last.  Instead of a time
 * in the past it may be a later one. */
PAWL_API pawl_deadline pawl_timer_deadline(const pawl_timer *t);

PAWL_END_DECLS

#endif /* PAWL_TIMER_H */
