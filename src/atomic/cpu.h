/* SPDX-License-Identifier: MIT
 *
 * cpu.h - the few things about the CPU that C has no word for.
 */
#ifndef PAWL_ATOMIC_CPU_H
#define PAWL_ATOMIC_CPU_H

#include <stdbool.h>

#if defined(__x86_64__)
#    include <cpuid.h>
#endif

/* Tell the CPU that this is a spin loop: saves power, yields the other
 * hardware thread, and avoids a memory-order flush at the loop's end. */
static inline void pawl_cpu_relax(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ __volatile__("isb"); /* "yield" is a no-op on most cores */
#endif
}

static inline void pawl_cpu_relax_for(unsigned pauses)
{
    while (pauses-- > 0)
        pawl_cpu_relax();
}

/* Have the cache line at `p` brought here, to be written soon.  A hint: whatever
 * the address, no more happens. */
static inline void pawl_cpu_expect_to_write(const void *p)
{
#if defined(__x86_64__)
    __asm__ __volatile__("prefetchw %0" : : "m"(*(const char *)p));
#else
    __builtin_prefetch(p, 1);
#endif
}

/* The same, to be read. */
static inline void pawl_cpu_expect_to_read(const void *p)
{
    __builtin_prefetch(p);
}

/* Whether the operations on pairs of ops.h work here.  Asks the CPU, which in a
 * virtual machine takes microseconds. */
static inline bool pawl_cpu_has_pairs(void)
{
#if defined(__x86_64__)
    unsigned a;
    unsigned b;
    unsigned c;
    unsigned d;

    return __get_cpuid(1, &a, &b, &c, &d) != 0 && (c & bit_CMPXCHG16B) != 0;
#elif defined(__aarch64__)
    return true;
#else
    return false;
#endif
}

#endif /* PAWL_ATOMIC_CPU_H */
