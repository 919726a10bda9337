/* SPDX-License-Identifier: MIT
 *
 * pawl/event.h - the manual-reset event: a flag that threads wait for.
 *
 * Everybody who waits at the moment of a set is released, even if the event is
 * cleared before they run (a pulse).  Waiters leave nothing behind that set
 * depends on, so a killed waiter harms nobody.
 *
 * One word:
 *
 *    63                                    3      2        1       0
 *   +---------------------------------------+--------+----------+-----+
 *   |  epoch: how often it went clear->set  | POLLED | SLEEPERS | SET |
 *   +---------------------------------------+--------+----------+-----+
 *
 * A waiter that finds another epoch was released, whatever the flag says now.
 * SLEEPERS may be set without a sleeper, but is never clear with one.  POLLED:
 * the next set writes to the fd of pawl/wait.h.
 *
 * Since 0.1.
 */
#ifndef PAWL_EVENT_H
#define PAWL_EVENT_H

#include <pawl/base.h>
#include <pawl/time.h>

PAWL_BEGIN_DECLS

/* All zero bytes is a valid, clear, local event. */
typedef struct pawl_event {
    pawl_u64 word_;
    uint32_t mode_; /* constant after init */
    pawl_u32 fd_;   /* of pawl/wait.h, + 1; 0: none */
} pawl_event;

#define PAWL_EVENT_INIT PAWL_EVENT_INIT_FLAGS(0)
/* The same with PAWL_SHARED as a flag. */
#define PAWL_EVENT_INIT_FLAGS(flags)                                           \
    {                                                                          \
        {0}, PAWL_CAST_(uint32_t, flags), {0}                                            \
    }

/* Make *e a clear event.  Returns 0; -EINVAL unknown flags. */
PAWL_API int pawl_event_init(pawl_event *e, unsigned flags);

/* Set the flag and release everybody who waits.  Idempotent.
 *
 * Order      release: pairs with the acquire of every wait and is_set that
 *            finds the event set.
 * Progress   lock-free, but for one futex wake if somebody sleeps.
 * Contexts   any, signal handlers included.
 */
PAWL_API void pawl_event_set(pawl_event *e);

/* Clear the flag.  Those whom a set has released stay released.
 *
 * Contexts   any, signal handlers included.
 */
PAWL_API void pawl_event_clear(pawl_event *e);

/* Whether the flag is set.  Order: acquire.  Wait-free; any context. */
PAWL_API bool pawl_event_is_set(const pawl_event *e);

/* Wait until the flag is set, or has been set during the wait.
 *
 * Returns    0;  -ETIMEDOUT.
 * Order      acquire.
 * Progress   blocking.
 * Cost       set: one load.
 */
PAWL_API PAWL_NODISCARD int pawl_event_wait_until(pawl_event *e,
                                                  pawl_deadline until);
PAWL_API int pawl_event_wait(pawl_event *e);
/* -EAGAIN when it is clear. */
PAWL_API PAWL_NODISCARD int pawl_event_try_wait(pawl_event *e);

PAWL_END_DECLS

#endif /* PAWL_EVENT_H */
