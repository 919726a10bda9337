/* SPDX-License-Identifier: MIT
 *
 * future_core.h - what those who wait for many futures need of one.
 */
#ifndef PAWL_THREAD_FUTURE_CORE_H
#define PAWL_THREAD_FUTURE_CORE_H

#include <pawl/future.h>

#include "futex/sys.h"

/* As pawl_future_add_callback, before all callbacks that are there, and of a
 * local future.  fn has to come to its end soon: it calls nothing of the user.
 *
 * Returns    false: *f is done, and nothing was called.  Order: acquire then. */
bool pawl_future_link(pawl_future *f, pawl_future_callback *cb,
                      pawl_future_fn fn, void *context);
/* Returns    false: *f is done; fn was called, or is about to be. */
bool pawl_future_unlink(pawl_future *f, pawl_future_callback *cb);

/* For who has begun it: set the outcome of a pawl_task's future.  Its callbacks,
 * of which the first is returned, or NULL, are left to the caller, who gives them
 * to pawl_future_call. */
pawl_future_callback *pawl_future_set_task(pawl_future *f, int status,
                                           void *value);
void pawl_future_call(pawl_future *f, pawl_future_callback *callbacks);

/* For its owner: it is called off, whether it had begun or not. */
void pawl_future_call_off(pawl_future *f);

/* The first member of a pawl_task. */
static inline bool pawl_future_is_task(const pawl_future *f)
{
    return (f->mode_ & PAWL_FUTURE_TASK_) != 0;
}

/* Somebody is about to sleep until such a one is done.
 *
 * spins    made false if spinning would keep its workers from their CPUs.
 *
 * Returns    0: sleep;  -EDEADLK, -ECHILD: it would be for ever. */
int pawl_task_wait_begins(const pawl_future *f, bool *spins);

/* The worker that the calling thread is, if it runs other tasks while it waits for
 * *f: it is one of the pool that has *f, and that pool helps.  NULL: no. */
struct pawl_worker *pawl_task_helper(const pawl_future *f);
/* Whether that can be, for any future. */
bool pawl_task_may_help(void);
/* Instead of a sleep on *w until then: run a task, or sleep until there is one, or
 * that.
 *
 * Returns    as pawl_futex_wait. */
int pawl_help(struct pawl_worker *helper, const struct pawl_watch *w,
              pawl_deadline until);
void pawl_help_ends(struct pawl_worker *helper);

/* It runs, and has been asked to stop. */
void pawl_task_stop(pawl_future *f);

/* What the owner of a future is asked, who alone sets it.  The future is followed by
 * a pointer to these; NULL: none yet. */
struct pawl_future_owner {
    /* It is to be cancelled.  0: it does not run, and will not;  -EBUSY. */
    int (*call_off)(pawl_future *f);
    /* If its work has begun, tell it so: pawl_future_begin. */
    void (*look)(pawl_future *f);
    /* It runs, and is to stop. */
    void (*stop)(pawl_future *f);
    /* As pawl_task_wait_begins. */
    int (*wait_begins)(pawl_future *f, bool *spins);
};

static inline bool pawl_future_is_owned(const pawl_future *f)
{
    return (f->mode_ & PAWL_FUTURE_OWNED_) != 0;
}

static inline const struct pawl_future_owner *
pawl_future_owner_of(const pawl_future *f)
{
    return pawl_future_is_owned(f)
               ? *(const struct pawl_future_owner *const *)(const void *)(f + 1)
               : NULL;
}

static inline bool pawl_future_is_shared(const pawl_future *f)
{
    return (f->mode_ & PAWL_SHARED) != 0;
}

/* Of a local future that is done.  Who was cancelled has not failed. */
static inline bool pawl_future_has_failed(const pawl_future *f)
{
    return !pawl_future_is_cancelled(f) && f->u_.local_.status_ != 0;
}

#endif /* PAWL_THREAD_FUTURE_CORE_H */
