/* SPDX-License-Identifier: MIT
 *
 * The explorer's place of src/atomic/ops.h: the same names, for its machine.
 *
 * Each line makes an operation in every order, whether the library uses it or
 * not, so that tests/model/mutate can put one order in the place of another.
 * A new kind of operation in src/atomic/ops.h is a new line here.
 */
#ifndef PAWL_ATOMIC_OPS_H
#define PAWL_ATOMIC_OPS_H

#include <stdbool.h>
#include <stdint.h>

#include <pawl/base.h>

#include "seam.h"

#define LOAD(name, word, value, part, order)                                   \
    static inline value name(const word *w)                                    \
    {                                                                          \
        return (value)model_load(w, part, order, #name);                       \
    }
#define STORE(name, word, value, part, order)                                  \
    static inline void name(word *w, value v)                                  \
    {                                                                          \
        model_store(w, part, v, order, #name);                                 \
    }
#define CHANGE(name, word, value, part, order, how)                            \
    static inline value name(word *w, value v)                                 \
    {                                                                          \
        return (value)how(w, part, v, order, #name);                           \
    }
#define CAS(name, word, value, part, order)                                    \
    static inline bool name(word *w, value *seen, value v)                     \
    {                                                                          \
        model_value s = *seen;                                                 \
        bool stored = model_cas(w, part, &s, v, order, #name);                 \
                                                                               \
        *seen = (value)s;                                                      \
        return stored;                                                         \
    }
/* Of a half: what was seen is not told. */
#define CAS_BLIND(name, word, value, part, order)                              \
    static inline bool name(word *w, value seen, value v)                      \
    {                                                                          \
        model_value s = seen;                                                  \
                                                                               \
        return model_cas(w, part, &s, v, order, #name);                        \
    }

#define LOADS(stem, word, value, part)                                         \
    LOAD(stem##_relaxed, word, value, part, MODEL_RELAXED)                     \
    LOAD(stem##_acquire, word, value, part, MODEL_ACQUIRE)                     \
    LOAD(stem##_seq, word, value, part, MODEL_SEQ)
#define STORES(stem, word, value, part)                                        \
    STORE(stem##_relaxed, word, value, part, MODEL_RELAXED)                    \
    STORE(stem##_release, word, value, part, MODEL_RELEASE)                    \
    STORE(stem##_seq, word, value, part, MODEL_SEQ)
#define CHANGES(stem, word, value, part, how)                                  \
    CHANGE(stem##_relaxed, word, value, part, MODEL_RELAXED, how)              \
    CHANGE(stem##_acquire, word, value, part, MODEL_ACQUIRE, how)              \
    CHANGE(stem##_release, word, value, part, MODEL_RELEASE, how)              \
    CHANGE(stem##_acq_rel, word, value, part, MODEL_ACQ_REL, how)              \
    CHANGE(stem##_seq, word, value, part, MODEL_SEQ, how)
#define CASES(stem, word, value, part, cas)                                    \
    cas(stem##_relaxed, word, value, part, MODEL_RELAXED)                      \
        cas(stem##_acquire, word, value, part, MODEL_ACQUIRE)                  \
            cas(stem##_release, word, value, part, MODEL_RELEASE)              \
                cas(stem##_acq_rel, word, value, part, MODEL_ACQ_REL)          \
                    cas(stem##_seq, word, value, part, MODEL_SEQ)

/* clang-format off */
LOADS(pawl_load, pawl_u32, uint32_t, MODEL_WORD_32)
STORES(pawl_store, pawl_u32, uint32_t, MODEL_WORD_32)
CHANGES(pawl_swap, pawl_u32, uint32_t, MODEL_WORD_32, model_swap)
CHANGES(pawl_add, pawl_u32, uint32_t, MODEL_WORD_32, model_add)
CASES(pawl_cas, pawl_u32, uint32_t, MODEL_WORD_32, CAS)
CAS(pawl_cas_seq_always, pawl_u32, uint32_t, MODEL_WORD_32, MODEL_SEQ_ALWAYS)

LOADS(pawl_load64, pawl_u64, uint64_t, MODEL_WORD_64)
STORES(pawl_store64, pawl_u64, uint64_t, MODEL_WORD_64)
CHANGES(pawl_swap64, pawl_u64, uint64_t, MODEL_WORD_64, model_swap)
CHANGES(pawl_add64, pawl_u64, uint64_t, MODEL_WORD_64, model_add)
CASES(pawl_cas64, pawl_u64, uint64_t, MODEL_WORD_64, CAS)
CAS(pawl_cas64_seq_always, pawl_u64, uint64_t, MODEL_WORD_64, MODEL_SEQ_ALWAYS)

LOADS(pawl_load_low, pawl_u64, uint32_t, MODEL_LOW_32)
LOADS(pawl_load_high, pawl_u64, uint32_t, MODEL_HIGH_32)
STORES(pawl_store_low, pawl_u64, uint32_t, MODEL_LOW_32)
CASES(pawl_cas_low, pawl_u64, uint32_t, MODEL_LOW_32, CAS_BLIND)
/* clang-format on */

typedef struct pawl_pair {
    pawl_u64 first;
    pawl_u64 second;
} __attribute__((aligned(16))) pawl_pair;

struct pawl_pair_value {
    uint64_t first;
    uint64_t second;
};

static inline bool pawl_cas_pair_seq(pawl_pair *p, struct pawl_pair_value seen,
                                     struct pawl_pair_value v)
{
    const model_value from[2] = {seen.first, seen.second};
    const model_value to[2] = {v.first, v.second};

    return model_cas_pair(&p->first, &p->second, from, to, "pawl_cas_pair_seq");
}

/* A coroutine is not interrupted by signal handlers. */
static inline void pawl_order_for_signals(void)
{
}

/* The futexes. */
static inline pawl_u32 *pawl_high_half(const pawl_u64 *w)
{
    return (pawl_u32 *)(uintptr_t)w + 1;
}

static inline pawl_u32 *pawl_low_half(const pawl_u64 *w)
{
    return (pawl_u32 *)(uintptr_t)w;
}

#endif /* PAWL_ATOMIC_OPS_H */
