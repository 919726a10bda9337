/* SPDX-License-Identifier: MIT
 *
 * cpu.h - the one instruction that C has no word for.
 */
#ifndef PAWL_ATOMIC_CPU_H
#define PAWL_ATOMIC_CPU_H

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

#endif /* PAWL_ATOMIC_CPU_H */
