/* SPDX-License-Identifier: MIT
 *
 * pawl/fork.h - fork, from programs that have threads.
 *
 * In the child only the thread that forked exists, and it is the main thread
 * there.  Handles of the others say that they are not alive, and to join them is
 * -ECHILD.  Local locks that they held are found ownerless: -EOWNERDEAD.
 *
 * The library learns of a fork from libc.  A child made by the system call alone
 * (clone, or _Fork) is not to use it, but to exec or to _exit.
 *
 * Since 0.1.
 */
#ifndef PAWL_FORK_H
#define PAWL_FORK_H

#include <sys/types.h>

#include <pawl/base.h>
#include <pawl/mutex.h>

PAWL_BEGIN_DECLS

typedef void (*pawl_fork_fn)(void *context);

/* Have these called around every fork of this process, by pawl_fork or not:
 * before, in reverse order of registration; after it, in order, in the parent and
 * in the child.  Each may be NULL.  There is no way back.
 *
 * Returns    0;  -ENOMEM. */
PAWL_API int pawl_at_fork(pawl_fork_fn before, pawl_fork_fn in_parent,
                          pawl_fork_fn in_child, void *context);

/* Guard what *m protects: from now on every fork takes *m before, and both sides
 * release it afterwards, so that the child finds it free, and what it protects
 * whole, whichever thread was inside.  Several are taken in reverse order of their
 * registration.  A thread that forks while it holds *m keeps it, on both sides.
 *
 * There is no way back: *m is to stay.
 *
 * Returns    0;  -EINVAL *m is shared, so it stays the parent's, or ownerless;
 *            -ENOMEM. */
PAWL_API int pawl_fork_guard(pawl_mutex *m);

/* Fork, when what stdout and stderr have buffered is written: otherwise it would
 * be written twice.  Flush other streams before, if they need it: here they are
 * left alone, because a stream that another thread reads from is locked until
 * its next line comes.
 *
 * Returns    in the parent, the id of the child;  in the child, 0;
 *            -EAGAIN, -ENOMEM;  a hook has been called around those too. */
PAWL_API pid_t pawl_fork(void);

/* Called by pawl_fork, before everything else, if the process has more threads
 * than the one that forks: `n` that pawl knows of.  NULL: not at all.
 *
 * Returns    the one before. */
typedef void (*pawl_fork_warning_fn)(size_t n);
PAWL_API pawl_fork_warning_fn pawl_fork_set_warning(pawl_fork_warning_fn fn);

PAWL_END_DECLS

#endif /* PAWL_FORK_H */
