/* SPDX-License-Identifier: MIT
 *
 * For the clients: src/atomic/ops.h, but for what checkers do not take: accesses to
 * half a word, and assembly.  Half a word is changed with all of it, and a futex
 * that is half a word has an address that says so; see client_look.
 */
#ifndef CLIENT_ATOMIC_OPS_H
#define CLIENT_ATOMIC_OPS_H

#define pawl_load_low_relaxed client_no_load_low_
#define pawl_load_high_relaxed client_no_load_high_
#define pawl_store_low_relaxed client_no_store_low_
#define pawl_cas_low_acquire client_no_cas_low_acquire_
#define pawl_cas_low_release client_no_cas_low_release_
#define pawl_low_half client_no_low_half_
#define pawl_high_half client_no_high_half_
#define pawl_order_for_signals client_no_order_for_signals_
#define pawl_cas_pair_seq client_no_cas_pair_

/* The counter has one of its own. */
#ifdef CLIENT_OPS
#    include CLIENT_OPS
#else
#    include "../../../../../src/atomic/ops.h"
#endif

#undef pawl_load_low_relaxed
#undef pawl_load_high_relaxed
#undef pawl_store_low_relaxed
#undef pawl_cas_low_acquire
#undef pawl_cas_low_release
#undef pawl_low_half
#undef pawl_high_half
#undef pawl_order_for_signals
#undef pawl_cas_pair_seq

#define CLIENT_LOW UINT64_C(0xffffffff)
/* In the address of a futex. */
#define CLIENT_IS_LOW ((uintptr_t)1)
#define CLIENT_IS_HIGH ((uintptr_t)2)

static inline uint32_t pawl_load_low_relaxed(const pawl_u64 *w)
{
    return (uint32_t)pawl_load64_relaxed(w);
}

static inline uint32_t pawl_load_high_relaxed(const pawl_u64 *w)
{
    return (uint32_t)(pawl_load64_relaxed(w) >> 32);
}

static inline void pawl_store_low_relaxed(pawl_u64 *w, uint32_t v)
{
    uint64_t seen = pawl_load64_relaxed(w);

    while (!pawl_cas64_relaxed(w, &seen, (seen & ~CLIENT_LOW) | v))
        ;
}

static inline bool pawl_cas_low_acquire(pawl_u64 *w, uint32_t seen, uint32_t v)
{
    uint64_t all = pawl_load64_relaxed(w);

    while ((uint32_t)all == seen)
        if (pawl_cas64_acquire(w, &all, (all & ~CLIENT_LOW) | v))
            return true;
    return false;
}

static inline bool pawl_cas_low_release(pawl_u64 *w, uint32_t seen, uint32_t v)
{
    uint64_t all = pawl_load64_relaxed(w);

    while ((uint32_t)all == seen)
        if (pawl_cas64_release(w, &all, (all & ~CLIENT_LOW) | v))
            return true;
    return false;
}

static inline pawl_u32 *pawl_low_half(const pawl_u64 *w)
{
    return (pawl_u32 *)((uintptr_t)w | CLIENT_IS_LOW);
}

static inline pawl_u32 *pawl_high_half(const pawl_u64 *w)
{
    return (pawl_u32 *)((uintptr_t)w | CLIENT_IS_HIGH);
}

static inline void pawl_order_for_signals(void)
{
}

/* Never called: pawl_cpu_has_pairs() says no. */
static inline bool pawl_cas_pair_seq(pawl_pair *p, struct pawl_pair_value seen,
                                     struct pawl_pair_value v)
{
    (void)p;
    (void)seen;
    (void)v;
    return false;
}

#endif /* CLIENT_ATOMIC_OPS_H */
