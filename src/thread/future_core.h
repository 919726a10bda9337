/* SPDX-License-Identifier: MIT
 *
 * future_core.h - what those who wait for many futures need of one.
 */
#ifndef PAWL_THREAD_FUTURE_CORE_H
#define PAWL_THREAD_FUTURE_CORE_H

#include <pawl/future.h>

/* As pawl_future_add_callback, before all callbacks that are there, and of a
 * local future.  fn has to come to its end soon: it calls nothing of the user.
 *
 * Returns    false: *f is done, and nothing was called.  Order: acquire then. */
bool pawl_future_link(pawl_future *f, pawl_future_callback *cb,
                      pawl_future_fn fn, void *context);

static inline bool pawl_future_is_shared(const pawl_future *f)
{
    return (f->mode_ & PAWL_SHARED) != 0;
}

/* Of a future that is done.  Who was cancelled has not failed. */
static inline bool pawl_future_has_failed(const pawl_future *f)
{
    return !pawl_future_is_cancelled(f) && f->status_ != 0;
}

#endif /* PAWL_THREAD_FUTURE_CORE_H */
