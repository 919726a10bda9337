/* SPDX-License-Identifier: MIT
 *
 * time.c - deadlines of pawl/time.h.
 */
#include <pawl/time.h>

#include <time.h>

#define NS_PER_S INT64_C(1000000000)

pawl_deadline pawl_now(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts); /* cannot fail for this clock */
    return (int64_t)ts.tv_sec * NS_PER_S + ts.tv_nsec;
}

/* Now plus `count` units of `unit` nanoseconds, saturated at both ends. */
static pawl_deadline after(int64_t count, int64_t unit)
{
    int64_t ns;
    int64_t when;

    if (count < 0)
        return 0; /* already past, and never mistaken for PAWL_FOREVER */
    if (__builtin_mul_overflow(count, unit, &ns) ||
        __builtin_add_overflow(pawl_now(), ns, &when))
        return PAWL_FOREVER;
    return when;
}

pawl_deadline pawl_after_ns(int64_t ns)
{
    return after(ns, 1);
}

pawl_deadline pawl_after_us(int64_t us)
{
    return after(us, 1000);
}

pawl_deadline pawl_after_ms(int64_t ms)
{
    return after(ms, 1000000);
}

pawl_deadline pawl_after_s(int64_t s)
{
    return after(s, NS_PER_S);
}
