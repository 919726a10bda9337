/* SPDX-License-Identifier: MIT
 *
 * pawl/wait.h - waiting for several objects at once, of different kinds, with one
 * deadline; and a file descriptor of a queue, a deque or an event, for epoll.
 *
 *     pawl_wait_item items[] = {
 *         PAWL_WAIT_READABLE(jobs),
 *         PAWL_WAIT_EVENT(&stop),
 *     };
 *     size_t which;
 *
 *     while (pawl_wait_any(items, 2, &which) == 0 && which == 0)
 *         while (pawl_queue_try_get(jobs, &job) == 0)
 *             run(&job);
 *
 *   item                    ready when                            takes
 *   PAWL_WAIT_EVENT(e)      set, or has been set during the wait  nothing
 *   PAWL_WAIT_LATCH(l)      the count is zero                     nothing
 *   PAWL_WAIT_READABLE(q)   not empty, or shut down               nothing
 *   PAWL_WAIT_WRITABLE(q)   not full, or shut down                nothing
 *   PAWL_WAIT_POPPABLE(d)   not empty, or shut down: a deque      nothing
 *   PAWL_WAIT_PUSHABLE(d)   not full, or drops, or shut down      nothing
 *   PAWL_WAIT_SEM(s)        a permit is free                      the permit
 *   PAWL_WAIT_TIMER(t)      has run or was cancelled, or did       nothing
 *                           one of them during the wait
 *   PAWL_WAIT_MUTEX(m)      nobody holds it, or its holder died   the mutex
 *   PAWL_WAIT_FD(fd, e)     poll says so: POLLIN, POLLOUT         nothing
 *   PAWL_WAIT_PIPE(p)       a message, or the end: pawl/pipe.h    nothing
 *   PAWL_WAIT_PROCESS(p)    has ended: pawl/process.h             nothing
 *   PAWL_WAIT_SHARED_READABLE(q), ..._WRITABLE(q)                 nothing
 *                           as of queues: pawl/shared_queue.h
 *
 * What takes nothing is only reported: by the time the caller acts, somebody
 * else may have been faster, so use the try form then.  What is taken is the
 * caller's: a permit to release, a mutex to unlock.
 *
 * Who waits here takes no wake from those who wait for one object by its own
 * functions, and those have precedence: a semaphore or a mutex is taken when it
 * is found free, and not handed over to who has waited for long.
 *
 * Objects may be local and shared, in any mix, and more than one thread may wait
 * for each.  Objects nobody waits for in this way pay nothing.
 *
 * Sleeping is one system call, futex_waitv (Linux 5.16), for up to 128 objects.
 * Without it, or for more, local objects still wake who waits for them, though
 * each then wakes all of these threads; shared ones that are not among the first
 * 127, or none of them without futex_waitv, are looked at now and then, at
 * intervals that grow from 50 us to 2 ms.
 *
 * With a descriptor, connection or process in the set, sleeping is one ppoll: on up
 * to 127 of these; local objects wake who waits, as above; shared ones are looked at
 * now and then.
 *
 * Since 0.1.
 */
#ifndef PAWL_WAIT_H
#define PAWL_WAIT_H

#include <pawl/base.h>
#include <pawl/deque.h>
#include <pawl/event.h>
#include <pawl/latch.h>
#include <pawl/mutex.h>
#include <pawl/queue.h>
#include <pawl/sem.h>
#include <pawl/time.h>
#include <pawl/timer.h>

PAWL_BEGIN_DECLS

/* One object of a set.  The functions below note something in it, so each thread
 * has its own; it may be used again and again, and copied. */
typedef struct pawl_wait_item {
    void *object_;
    const struct pawl_waitable *how_;
    uint64_t epoch_; /* of an event or timer, when the wait began; of a
                        descriptor: what to poll for */
    uint32_t turn_;  /* in the first item: where to begin to look, + 1 */
    uint32_t pad_;   /* of a descriptor: its number */
} pawl_wait_item;

#define PAWL_WAIT_EVENT(e) pawl_event_wait_item(e)
#define PAWL_WAIT_LATCH(l) pawl_latch_wait_item(l)
#define PAWL_WAIT_READABLE(q) pawl_queue_readable_wait_item(q)
#define PAWL_WAIT_WRITABLE(q) pawl_queue_writable_wait_item(q)
#define PAWL_WAIT_POPPABLE(d) pawl_deque_readable_wait_item(d)
#define PAWL_WAIT_PUSHABLE(d) pawl_deque_writable_wait_item(d)
#define PAWL_WAIT_SEM(s) pawl_sem_wait_item(s)
#define PAWL_WAIT_TIMER(t) pawl_timer_wait_item(t)
#define PAWL_WAIT_MUTEX(m) pawl_mutex_wait_item(m)
#define PAWL_WAIT_FD(fd, events) pawl_fd_wait_item(fd, events)

/* Items, by way of the macros above. */
PAWL_API pawl_wait_item pawl_event_wait_item(pawl_event *e);
PAWL_API pawl_wait_item pawl_latch_wait_item(pawl_latch *l);
PAWL_API pawl_wait_item pawl_queue_readable_wait_item(pawl_queue *q);
PAWL_API pawl_wait_item pawl_queue_writable_wait_item(pawl_queue *q);
PAWL_API pawl_wait_item pawl_deque_readable_wait_item(pawl_deque *d);
PAWL_API pawl_wait_item pawl_deque_writable_wait_item(pawl_deque *d);
PAWL_API pawl_wait_item pawl_sem_wait_item(pawl_sem *s);
PAWL_API pawl_wait_item pawl_timer_wait_item(pawl_timer *t);
PAWL_API pawl_wait_item pawl_mutex_wait_item(pawl_mutex *m);
PAWL_API pawl_wait_item pawl_fd_wait_item(int fd, short events);

/* ---- one of them -------------------------------------------------------- */

/* Wait until one of items[0..n) is ready, take it if it takes, and say which.
 * If several are, each has its turn: a set that is used again begins to look
 * behind the one that it found last, a new one begins anywhere.
 *
 * which    may be NULL; written only if an item ended the wait: 0, -EOWNERDEAD,
 *          -EDEADLK, -ENOTRECOVERABLE.
 *
 * Returns    0;
 *            -EOWNERDEAD       a mutex, which is held now: its holder died, see
 *                              pawl_mutex_lock_until;
 *            -ETIMEDOUT        (until) none, by the deadline;
 *            -EAGAIN           (try) none;
 *            -EDEADLK          a mutex that the caller holds; a deque, or a
 *                              queue, in whose callback the caller is;
 *            -ENOTRECOVERABLE  a mutex that was not repaired; a deque, or a
 *                              queue, within whose calls somebody died;
 *            -EINVAL           an item that no macro above has made; for ever,
 *                              and n is 0;
 *            -EBADF            a descriptor that is none, a connection or process
 *                              that was closed; and what else can be said of those.
 * Order      acquire: as the object's own wait or try.
 * Progress   blocking; the try form as the try forms of the objects.
 * Cost       ready: as many looks as it takes to find it, no system call.
 *            Otherwise one system call, and for each object one atomic
 *            read-modify-write unless somebody else waits for it already.
 * Contexts   not in signal handlers.
 */
PAWL_API PAWL_NODISCARD int pawl_wait_any_until(pawl_wait_item *items, size_t n,
                                                pawl_deadline until,
                                                size_t *which);
PAWL_API PAWL_NODISCARD int pawl_wait_any(pawl_wait_item *items, size_t n,
                                          size_t *which);
PAWL_API PAWL_NODISCARD int pawl_wait_try_any(pawl_wait_item *items, size_t n,
                                              size_t *which);

/* ---- all of them -------------------------------------------------------- */

/* Wait until all of items[0..n) are ready, and take those that take: all of them
 * or none.
 *
 * First what takes nothing is waited for; then the permits, then the mutexes are
 * taken, each kind in order of address, and held while waiting for the next:
 * threads that wait this way do not deadlock among each other (mutexes between
 * processes: if they are of one mapping).  At last all that takes nothing is
 * looked at once more; if something is not ready any more, what was taken is
 * given back, and it begins again.
 *
 * Returns    0, also if n is 0;  -EOWNERDEAD all is taken, at least one mutex
 *            after the death of its holder (pawl_mutex_is_orphaned tells which);
 *            otherwise nothing is taken:
 *            -ETIMEDOUT (until), -EAGAIN (try);
 *            -EDEADLK          a mutex that the caller holds, or something that
 *                              is to be taken twice;
 *            -ENOTRECOVERABLE, -EINVAL an item as above.
 * Order      acquire.
 * Progress   blocking.
 * Cost       as n waits, plus O(n^2) comparisons among those that take.
 * Contexts   not in signal handlers.
 */
PAWL_API PAWL_NODISCARD int pawl_wait_all_until(pawl_wait_item *items, size_t n,
                                                pawl_deadline until);
PAWL_API PAWL_NODISCARD int pawl_wait_all(pawl_wait_item *items, size_t n);
PAWL_API PAWL_NODISCARD int pawl_wait_try_all(pawl_wait_item *items, size_t n);

/* ---- as a file descriptor ----------------------------------------------- */

/* For a program that sleeps in epoll, poll or select.  The descriptor becomes
 * readable when the object becomes ready, but only for those who said that they
 * are about to poll:
 *
 *     pawl_wait_item item = PAWL_WAIT_READABLE(jobs);
 *     int fd = pawl_wait_fd(&item);
 *
 *     epoll_ctl(epoll, EPOLL_CTL_ADD, fd, ...);
 *     for (;;) {
 *         while (pawl_queue_try_get(jobs, &job) == 0)
 *             run(&job);
 *         if (pawl_wait_arm(&item) == 0)
 *             epoll_wait(epoll, ...);
 *     }
 *
 * Each arm is good for one write to the descriptor, by the first change to ready
 * that comes after it; between that and the next arm nothing is written.
 * The descriptor is for polling alone: do not read from it or write to it.
 */

/* The descriptor of an event, or of one end of a queue or deque, all local.  Made
 * by the first call; the same for all items of that object and end, and for all
 * threads.
 *
 * Returns    a descriptor >= 0, close-on-exec;  -EINVAL another kind of item;
 *            -EOPNOTSUPP the object is shared;  -EMFILE, -ENFILE, -ENOMEM.
 */
PAWL_API PAWL_NODISCARD int pawl_wait_fd(const pawl_wait_item *item);

/* Say that the caller is about to poll the descriptor.  It is not readable any
 * more after a return of 0, until the object becomes ready.  It may become so for
 * the last arm as well, when the object is not ready any more: look, and arm
 * again.  Several threads may arm and poll it, each for itself.
 *
 * Returns    0: poll;  -EALREADY: do not, the object is ready;  -EBADF no
 *            descriptor has been made;  -EINVAL, -EOPNOTSUPP as above.
 * Order      acquire, if it is ready.
 */
PAWL_API PAWL_NODISCARD int pawl_wait_arm(const pawl_wait_item *item);

/* Close the descriptor.  Nobody uses the object or the descriptor meanwhile.
 * pawl_queue_free and pawl_deque_free do it; for an event, and what is in memory
 * of the caller, do it before the memory goes.
 *
 * Returns    0;  -EBADF, -EINVAL, -EOPNOTSUPP as above.
 */
PAWL_API int pawl_wait_close(const pawl_wait_item *item);

PAWL_END_DECLS

#endif /* PAWL_WAIT_H */
