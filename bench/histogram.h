/* SPDX-License-Identifier: MIT
 *
 * histogram.h - a log-linear histogram of durations.
 *
 * 64 powers of two, each cut into 32 equal parts: any 64-bit value is kept with
 * an error below 1/32, and below 32 exactly.  One per thread, merged at the
 * end, so that recording needs neither atomics nor a lock: a shift, a count of
 * leading zeros and an increment.
 */
#ifndef PAWL_BENCH_HISTOGRAM_H
#define PAWL_BENCH_HISTOGRAM_H

#include <stdint.h>

#define HISTOGRAM_MAJORS 64u
#define HISTOGRAM_MINORS 32u
#define HISTOGRAM_MINOR_BITS 5u

/* All zero bytes is an empty histogram. */
struct histogram {
    uint64_t total; /* how many values */
    uint64_t max;   /* the greatest of them, exactly */
    uint32_t bucket[HISTOGRAM_MAJORS * HISTOGRAM_MINORS];
};

static inline unsigned histogram_index(uint64_t value)
{
    if (value < HISTOGRAM_MINORS)
        return (unsigned)value;
    unsigned top = 63u - (unsigned)__builtin_clzll(value);
    unsigned shift = top - HISTOGRAM_MINOR_BITS;
    unsigned minor = (unsigned)(value >> shift) & (HISTOGRAM_MINORS - 1);
    return (shift + 1) * HISTOGRAM_MINORS + minor;
}

/* The middle of what a bucket holds. */
static inline double histogram_value(unsigned index)
{
    if (index < HISTOGRAM_MINORS)
        return (double)index;
    unsigned shift = index / HISTOGRAM_MINORS - 1;
    uint64_t minor = HISTOGRAM_MINORS + index % HISTOGRAM_MINORS;
    return ((double)minor + 0.5) * (double)(UINT64_C(1) << shift);
}

static inline void histogram_add(struct histogram *h, uint64_t value)
{
    h->bucket[histogram_index(value)]++;
    h->total++;
    if (value > h->max)
        h->max = value;
}

static inline void histogram_merge(struct histogram *into,
                                   const struct histogram *from)
{
    for (unsigned i = 0; i < HISTOGRAM_MAJORS * HISTOGRAM_MINORS; i++)
        into->bucket[i] += from->bucket[i];
    into->total += from->total;
    if (from->max > into->max)
        into->max = from->max;
}

/* The value that a share `q` (0..1) of all values does not exceed; 0 if the
 * histogram is empty.  Never more than the exact maximum. */
static inline double histogram_percentile(const struct histogram *h, double q)
{
    double rank = q * (double)h->total;
    uint64_t seen = 0;
    for (unsigned i = 0; i < HISTOGRAM_MAJORS * HISTOGRAM_MINORS; i++) {
        seen += h->bucket[i];
        if (seen != 0 && (double)seen >= rank) {
            double value = histogram_value(i);
            return value < (double)h->max ? value : (double)h->max;
        }
    }
    return (double)h->max;
}

#endif /* PAWL_BENCH_HISTOGRAM_H */
