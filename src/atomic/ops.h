/* SPDX-License-Identifier: MIT
 *
 * ops.h - everything the library ever does to shared memory.
 *
 * The name of an operation carries its memory order, and only combinations in
 * use exist.  This header and futex/sys.h are the seam at which a model checker
 * or a deterministic scheduler replaces the machine.
 *
 * There are no fences: ThreadSanitizer does not model them.  Where a store must
 * not pass a later load, both are seq_cst operations, and a drawing beside them
 * shows what that forbids.
 *
 * A compare-and-swap returns whether it stored; if not, `*seen` is refreshed by
 * a relaxed load.
 */
#ifndef PAWL_ATOMIC_OPS_H
#define PAWL_ATOMIC_OPS_H

#include <stdbool.h>
#include <stdint.h>

#include <pawl/base.h>

static inline uint32_t pawl_load_relaxed(const pawl_u32 *w)
{
    return __atomic_load_n(&w->v_, __ATOMIC_RELAXED);
}

static inline uint32_t pawl_load_acquire(const pawl_u32 *w)
{
    return __atomic_load_n(&w->v_, __ATOMIC_ACQUIRE);
}

static inline uint32_t pawl_load_seq(const pawl_u32 *w)
{
    return __atomic_load_n(&w->v_, __ATOMIC_SEQ_CST);
}

static inline void pawl_store_relaxed(pawl_u32 *w, uint32_t v)
{
    __atomic_store_n(&w->v_, v, __ATOMIC_RELAXED);
}

static inline void pawl_store_release(pawl_u32 *w, uint32_t v)
{
    __atomic_store_n(&w->v_, v, __ATOMIC_RELEASE);
}

static inline uint32_t pawl_swap_release(pawl_u32 *w, uint32_t v)
{
    return __atomic_exchange_n(&w->v_, v, __ATOMIC_RELEASE);
}

static inline uint32_t pawl_swap_seq(pawl_u32 *w, uint32_t v)
{
    return __atomic_exchange_n(&w->v_, v, __ATOMIC_SEQ_CST);
}

static inline void pawl_store_seq(pawl_u32 *w, uint32_t v)
{
    __atomic_store_n(&w->v_, v, __ATOMIC_SEQ_CST);
}

static inline uint32_t pawl_add_seq(pawl_u32 *w, uint32_t v)
{
    return __atomic_fetch_add(&w->v_, v, __ATOMIC_SEQ_CST);
}

static inline uint32_t pawl_and_seq(pawl_u32 *w, uint32_t v)
{
    return __atomic_fetch_and(&w->v_, v, __ATOMIC_SEQ_CST);
}

static inline uint32_t pawl_or_seq(pawl_u32 *w, uint32_t v)
{
    return __atomic_fetch_or(&w->v_, v, __ATOMIC_SEQ_CST);
}

static inline uint32_t pawl_xor_seq(pawl_u32 *w, uint32_t v)
{
    return __atomic_fetch_xor(&w->v_, v, __ATOMIC_SEQ_CST);
}

static inline uint32_t pawl_add_relaxed(pawl_u32 *w, uint32_t v)
{
    return __atomic_fetch_add(&w->v_, v, __ATOMIC_RELAXED);
}

static inline uint32_t pawl_add_release(pawl_u32 *w, uint32_t v)
{
    return __atomic_fetch_add(&w->v_, v, __ATOMIC_RELEASE);
}

static inline uint32_t pawl_add_acq_rel(pawl_u32 *w, uint32_t v)
{
    return __atomic_fetch_add(&w->v_, v, __ATOMIC_ACQ_REL);
}

static inline bool pawl_cas_relaxed(pawl_u32 *w, uint32_t *seen, uint32_t v)
{
    return __atomic_compare_exchange_n(&w->v_, seen, v, false, __ATOMIC_RELAXED,
                                       __ATOMIC_RELAXED);
}

static inline bool pawl_cas_acquire(pawl_u32 *w, uint32_t *seen, uint32_t v)
{
    return __atomic_compare_exchange_n(&w->v_, seen, v, false, __ATOMIC_ACQUIRE,
                                       __ATOMIC_RELAXED);
}

static inline bool pawl_cas_release(pawl_u32 *w, uint32_t *seen, uint32_t v)
{
    return __atomic_compare_exchange_n(&w->v_, seen, v, false, __ATOMIC_RELEASE,
                                       __ATOMIC_RELAXED);
}

static inline bool pawl_cas_seq(pawl_u32 *w, uint32_t *seen, uint32_t v)
{
    return __atomic_compare_exchange_n(&w->v_, seen, v, false, __ATOMIC_SEQ_CST,
                                       __ATOMIC_RELAXED);
}

/* seq_cst also when it fails. */
static inline bool pawl_cas_seq_always(pawl_u32 *w, uint32_t *seen, uint32_t v)
{
    return __atomic_compare_exchange_n(&w->v_, seen, v, false, __ATOMIC_SEQ_CST,
                                       __ATOMIC_SEQ_CST);
}

static inline bool pawl_cas_acq_rel(pawl_u32 *w, uint32_t *seen, uint32_t v)
{
    return __atomic_compare_exchange_n(&w->v_, seen, v, false, __ATOMIC_ACQ_REL,
                                       __ATOMIC_RELAXED);
}

static inline uint64_t pawl_load64_relaxed(const pawl_u64 *w)
{
    return __atomic_load_n(&w->v_, __ATOMIC_RELAXED);
}

static inline uint64_t pawl_load64_acquire(const pawl_u64 *w)
{
    return __atomic_load_n(&w->v_, __ATOMIC_ACQUIRE);
}

static inline uint64_t pawl_load64_seq(const pawl_u64 *w)
{
    return __atomic_load_n(&w->v_, __ATOMIC_SEQ_CST);
}

static inline void pawl_store64_relaxed(pawl_u64 *w, uint64_t v)
{
    __atomic_store_n(&w->v_, v, __ATOMIC_RELAXED);
}

static inline void pawl_store64_release(pawl_u64 *w, uint64_t v)
{
    __atomic_store_n(&w->v_, v, __ATOMIC_RELEASE);
}

static inline void pawl_store64_seq(pawl_u64 *w, uint64_t v)
{
    __atomic_store_n(&w->v_, v, __ATOMIC_SEQ_CST);
}

static inline uint64_t pawl_swap64_seq(pawl_u64 *w, uint64_t v)
{
    return __atomic_exchange_n(&w->v_, v, __ATOMIC_SEQ_CST);
}

static inline uint64_t pawl_add64_relaxed(pawl_u64 *w, uint64_t v)
{
    return __atomic_fetch_add(&w->v_, v, __ATOMIC_RELAXED);
}

static inline uint64_t pawl_add64_seq(pawl_u64 *w, uint64_t v)
{
    return __atomic_fetch_add(&w->v_, v, __ATOMIC_SEQ_CST);
}

static inline uint64_t pawl_and64_seq(pawl_u64 *w, uint64_t v)
{
    return __atomic_fetch_and(&w->v_, v, __ATOMIC_SEQ_CST);
}

static inline uint64_t pawl_or64_seq(pawl_u64 *w, uint64_t v)
{
    return __atomic_fetch_or(&w->v_, v, __ATOMIC_SEQ_CST);
}

static inline uint64_t pawl_xor64_seq(pawl_u64 *w, uint64_t v)
{
    return __atomic_fetch_xor(&w->v_, v, __ATOMIC_SEQ_CST);
}

static inline bool pawl_cas64_relaxed(pawl_u64 *w, uint64_t *seen, uint64_t v)
{
    return __atomic_compare_exchange_n(&w->v_, seen, v, false, __ATOMIC_RELAXED,
                                       __ATOMIC_RELAXED);
}

static inline bool pawl_cas64_acquire(pawl_u64 *w, uint64_t *seen, uint64_t v)
{
    return __atomic_compare_exchange_n(&w->v_, seen, v, false, __ATOMIC_ACQUIRE,
                                       __ATOMIC_RELAXED);
}

static inline bool pawl_cas64_release(pawl_u64 *w, uint64_t *seen, uint64_t v)
{
    return __atomic_compare_exchange_n(&w->v_, seen, v, false, __ATOMIC_RELEASE,
                                       __ATOMIC_RELAXED);
}

static inline bool pawl_cas64_acq_rel(pawl_u64 *w, uint64_t *seen, uint64_t v)
{
    return __atomic_compare_exchange_n(&w->v_, seen, v, false, __ATOMIC_ACQ_REL,
                                       __ATOMIC_RELAXED);
}

static inline bool pawl_cas64_seq(pawl_u64 *w, uint64_t *seen, uint64_t v)
{
    return __atomic_compare_exchange_n(&w->v_, seen, v, false, __ATOMIC_SEQ_CST,
                                       __ATOMIC_RELAXED);
}

/* seq_cst also when it fails. */
static inline bool pawl_cas64_seq_always(pawl_u64 *w, uint64_t *seen, uint64_t v)
{
    return __atomic_compare_exchange_n(&w->v_, seen, v, false, __ATOMIC_SEQ_CST,
                                       __ATOMIC_SEQ_CST);
}

/* -- 16 bits: where many small states lie side by side ------------------------ */

typedef struct pawl_u16 {
    uint16_t v_;
} pawl_u16;

static inline uint16_t pawl_load16_relaxed(const pawl_u16 *w)
{
    return __atomic_load_n(&w->v_, __ATOMIC_RELAXED);
}

static inline uint16_t pawl_load16_acquire(const pawl_u16 *w)
{
    return __atomic_load_n(&w->v_, __ATOMIC_ACQUIRE);
}

static inline void pawl_store16_release(pawl_u16 *w, uint16_t v)
{
    __atomic_store_n(&w->v_, v, __ATOMIC_RELEASE);
}

static inline bool pawl_cas16_acq_rel(pawl_u16 *w, uint16_t seen, uint16_t v)
{
    return __atomic_compare_exchange_n(&w->v_, &seen, v, false,
                                       __ATOMIC_ACQ_REL, __ATOMIC_RELAXED);
}

/* -- Pairs: 16 bytes at once --------------------------------------------------
 *
 * Two 64-bit words that are compared and swapped together.  Each of them may
 * also be loaded, or compared and swapped, alone: an ordinary 8-byte access to
 * one cache line, which such CPUs keep in one order with the 16-byte ones.
 *
 * By assembly, for gcc calls libatomic otherwise (1.2 ns more), and the runtime
 * of ThreadSanitizer emulates 16 bytes under a lock, which the 8-byte accesses
 * and other processes do not respect.  The sanitizer does not see assembly; so
 * in builds with it, additions of 0 to the first word do what it has to know:
 * what comes before is released there, and what others released is acquired. */

#if defined(__SANITIZE_THREAD__)
#    define PAWL_SHOW_PAIRS_ 1
#elif defined(__has_feature)
#    if __has_feature(thread_sanitizer)
#        define PAWL_SHOW_PAIRS_ 1
#    endif
#endif

typedef struct pawl_pair {
    pawl_u64 first;
    pawl_u64 second;
} __attribute__((aligned(16))) pawl_pair;

/* What a pair holds, or should. */
struct pawl_pair_value {
    uint64_t first;
    uint64_t second;
};

static inline void pawl_show_pair_(pawl_pair *p)
{
#if defined(PAWL_SHOW_PAIRS_)
    __atomic_fetch_add(&p->first.v_, 0, __ATOMIC_SEQ_CST);
#else
    (void)p;
#endif
}

static inline bool pawl_cas_pair_seq(pawl_pair *p, struct pawl_pair_value seen,
                                     struct pawl_pair_value v)
{
    bool stored = false;

    pawl_show_pair_(p);
#if defined(__x86_64__)
    __asm__ __volatile__("lock cmpxchg16b %1"
                         : "=@ccz"(stored), "+m"(*p), "+a"(seen.first),
                           "+d"(seen.second)
                         : "b"(v.first), "c"(v.second)
                         : "memory");
#elif defined(__aarch64__)
    /* A seq_cst read-modify-write without LSE, as compilers make it of 8 bytes;
     * in one piece, for nothing may come between the exclusive accesses. */
    uint64_t first;
    uint64_t second;
    uint32_t state;

    __asm__ __volatile__("1: ldaxp %0, %1, %3\n"
                         "   cmp %0, %4\n"
                         "   ccmp %1, %5, #0, eq\n"
                         "   b.ne 2f\n"
                         "   stlxp %w2, %6, %7, %3\n"
                         "   cbnz %w2, 1b\n"
                         "2: cset %w2, eq\n"
                         : "=&r"(first), "=&r"(second), "=&r"(state), "+Q"(*p)
                         : "r"(seen.first), "r"(seen.second), "r"(v.first),
                           "r"(v.second)
                         : "memory", "cc");
    stored = state != 0;
#else
    /* Never called: pawl_cpu_has_pairs() says no. */
    (void)seen;
    (void)v;
#endif
    pawl_show_pair_(p);
    return stored;
}

/* Keep the accesses of a thread in program order as seen by a signal handler of
 * that same thread: says something to the compiler, nothing to the CPU. */
static inline void pawl_order_for_signals(void)
{
    __asm__ __volatile__("" : : : "memory");
}

/* -- Halves of a 64-bit word ------------------------------------------------
 *
 * All of pawl's platforms store the low half first.  An operation on one half
 * is an operation on the whole word that leaves the other half alone; mixing
 * both sizes on one word is sound where each is a single access to one cache
 * line, as it is here.  It is worth doing on fast paths: a load that overlaps
 * the locked instruction before it waits for it (3 ns of 16). */

typedef uint32_t __attribute__((may_alias)) pawl_half_;

static inline const pawl_half_ *pawl_halves_(const pawl_u64 *w)
{
    return (const pawl_half_ *)&w->v_;
}

static inline uint32_t pawl_load_low_relaxed(const pawl_u64 *w)
{
    return __atomic_load_n(pawl_halves_(w), __ATOMIC_RELAXED);
}

static inline uint32_t pawl_load_high_relaxed(const pawl_u64 *w)
{
    return __atomic_load_n(pawl_halves_(w) + 1, __ATOMIC_RELAXED);
}

static inline void pawl_store_low_relaxed(pawl_u64 *w, uint32_t v)
{
    __atomic_store_n((pawl_half_ *)&w->v_, v, __ATOMIC_RELAXED);
}

static inline bool pawl_cas_low_acquire(pawl_u64 *w, uint32_t seen, uint32_t v)
{
    return __atomic_compare_exchange_n((pawl_half_ *)&w->v_, &seen, v, false,
                                       __ATOMIC_ACQUIRE, __ATOMIC_RELAXED);
}

static inline bool pawl_cas_low_release(pawl_u64 *w, uint32_t seen, uint32_t v)
{
    return __atomic_compare_exchange_n((pawl_half_ *)&w->v_, &seen, v, false,
                                       __ATOMIC_RELEASE, __ATOMIC_RELAXED);
}

/* The futexes: the kernel compares one half and sleeps on it. */
static inline pawl_u32 *pawl_high_half(const pawl_u64 *w)
{
    return (pawl_u32 *)(uintptr_t)w + 1;
}

static inline pawl_u32 *pawl_low_half(const pawl_u64 *w)
{
    return (pawl_u32 *)(uintptr_t)w;
}

#endif /* PAWL_ATOMIC_OPS_H */
