/* SPDX-License-Identifier: MIT
 *
 * compiler.h - attributes and hints that only the library uses.
 */
#ifndef PAWL_BASE_COMPILER_H
#define PAWL_BASE_COMPILER_H

#include <stdint.h>

#define pawl_likely(x) __builtin_expect(!!(x), 1)
#define pawl_unlikely(x) __builtin_expect(!!(x), 0)

/* A slow path: kept out of line and away from the fast one, which then needs
 * no stack frame (about 1 ns of a lock and unlock). */
#define PAWL_COLD __attribute__((cold, noinline))

/* Not slow, but would cost the fast path a stack frame. */
#define PAWL_NOINLINE __attribute__((noinline))

/* Part of a fast path in each place, also where the compiler counts too many: what it
 * passes by address stays in registers then. */
#define PAWL_ALWAYS_INLINE static inline __attribute__((always_inline))

#define PAWL_CACHE_LINE 64

/* The struct that contains `member` at address `p`. */
#define pawl_container_of(p, type, member)                                     \
    ((type *)(void *)((char *)(p)-offsetof(type, member)))

#endif /* PAWL_BASE_COMPILER_H */
