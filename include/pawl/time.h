/* SPDX-License-Identifier: MIT
 *
 * pawl/time.h - deadlines.
 *
 * A deadline is a point in time: nanoseconds on CLOCK_MONOTONIC.  A wait takes
 * a deadline rather than a duration, so that loops, signals and lost races need
 * no arithmetic.  Steps of the wall clock never affect a wait.
 *
 *   PAWL_FOREVER   never passes; nothing else means "for ever"
 *   a past value   (0 and negative values included) try once, then -ETIMEDOUT
 *
 * Since 0.1.
 */
#ifndef PAWL_TIME_H
#define PAWL_TIME_H

#include <pawl/base.h>

PAWL_BEGIN_DECLS

typedef int64_t pawl_deadline;

#define PAWL_FOREVER INT64_MAX

/* Now, on the clock of all deadlines.
 *
 * Cost       one clock_gettime through the vDSO, about 20 ns.
 * Contexts   any, signal handlers included; so are the four below.
 */
PAWL_API pawl_deadline pawl_now(void);

/* A deadline so far from now.  Saturates: a duration too long to represent
 * means PAWL_FOREVER, a negative one is already past. */
PAWL_API pawl_deadline pawl_after_ns(int64_t ns);
PAWL_API pawl_deadline pawl_after_us(int64_t us);
PAWL_API pawl_deadline pawl_after_ms(int64_t ms);
PAWL_API pawl_deadline pawl_after_s(int64_t s);

PAWL_END_DECLS

#endif /* PAWL_TIME_H */
