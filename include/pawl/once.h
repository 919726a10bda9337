/* SPDX-License-Identifier: MIT
 *
 * pawl/once.h - run something exactly once.
 *
 *   state    word                 leaves it by
 *   NEW      0                    run -> RUNNING
 *   RUNNING  id [| WAITERS]       function ends -> DONE, or NEW if it failed
 *   DONE     DONE                 init
 *
 * Since 0.1.
 */
#ifndef PAWL_ONCE_H
#define PAWL_ONCE_H

#include <pawl/base.h>
#include <pawl/time.h>

PAWL_BEGIN_DECLS

/* All zero bytes is a valid local once that has not run. */
typedef struct pawl_once {
    pawl_u32 word_;
    uint32_t mode_; /* constant after init */
} pawl_once;

#define PAWL_ONCE_INIT PAWL_ONCE_INIT_FLAGS(0)
/* The same with PAWL_SHARED as a flag. */
#define PAWL_ONCE_INIT_FLAGS(flags)                                            \
    {                                                                          \
        {0}, PAWL_CAST_(uint32_t, flags)                                                 \
    }

typedef int (*pawl_once_fn)(void *arg);

/* Make *o new.  Returns 0; -EINVAL unknown flags. */
PAWL_API int pawl_once_init(pawl_once *o, unsigned flags);

/* Unless it has succeeded before, run fn(arg), or wait for the thread that is
 * running it.  A negative result of fn counts as a failure: it goes to the
 * caller that ran it, and the next caller, or one that waits, runs again; so it
 * does when the thread that runs fn ends inside it: a thread of the caller's
 * process, or, if *o lies in a region (pawl/region.h), of any, SIGKILL included.
 * fn must bear to find what such a one has begun.
 *
 * Returns    0 fn has succeeded, here or elsewhere;  fn's negative result;
 *            -ETIMEDOUT  another thread still runs it;
 *            -EDEADLK    called by fn itself;
 *            -EAGAIN, -ENOMEM  not run: *o lies in a region in which the caller
 *                        has no slot: see pawl_region_join.
 * Order      acquire: sees all that fn did.
 * Progress   blocking; wait-free once done.
 * Cost       done: one load.
 */
PAWL_API PAWL_NODISCARD int pawl_once_run_until(pawl_once *o, pawl_once_fn fn,
                                                void *arg, pawl_deadline until);
PAWL_API PAWL_NODISCARD int pawl_once_run(pawl_once *o, pawl_once_fn fn,
                                          void *arg);
/* -EAGAIN when another thread is running it. */
PAWL_API PAWL_NODISCARD int pawl_once_try_run(pawl_once *o, pawl_once_fn fn,
                                              void *arg);

/* Whether it has succeeded.  Order: acquire.  Any context. */
PAWL_API bool pawl_once_is_done(const pawl_once *o);

PAWL_END_DECLS

#endif /* PAWL_ONCE_H */
