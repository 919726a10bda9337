/* SPDX-License-Identifier: MIT
 *
 * value.c - numbers of pawl/value.h.
 *
 * ThreadSanitizer is told of each, for it does not see them in an ordinary build
 * of the library, and users hand data over by them.
 */
#include <pawl/value.h>

#include <string.h>

#include "atomic/ops.h"
#include "base/tsan.h"

#define READ_AND_CHANGE(name, change, word, number)                            \
    number name(word *v, number operand)                                       \
    {                                                                          \
        number was;                                                            \
                                                                               \
        pawl_tsan_release(v);                                                  \
        was = change(v, operand);                                              \
        pawl_tsan_acquire(v);                                                  \
        return was;                                                            \
    }

uint32_t pawl_u32_load(const pawl_u32 *v)
{
    uint32_t was;

    was = pawl_load_seq(v); /* seq_cst: pairs with the others */
    pawl_tsan_acquire(v);
    return was;
}

void pawl_u32_store(pawl_u32 *v, uint32_t to)
{
    pawl_tsan_release(v);
    pawl_store_seq(v, to); /* seq_cst: pairs with the others */
}

/* seq_cst: each pairs with the others. */
READ_AND_CHANGE(pawl_u32_exchange, pawl_swap_seq, pawl_u32, uint32_t)
READ_AND_CHANGE(pawl_u32_add, pawl_add_seq, pawl_u32, uint32_t)
READ_AND_CHANGE(pawl_u32_and, pawl_and_seq, pawl_u32, uint32_t)
READ_AND_CHANGE(pawl_u32_or, pawl_or_seq, pawl_u32, uint32_t)
READ_AND_CHANGE(pawl_u32_xor, pawl_xor_seq, pawl_u32, uint32_t)

bool pawl_u32_compare_exchange(pawl_u32 *v, uint32_t *seen, uint32_t to)
{
    bool done;

    pawl_tsan_release(v);
    done = pawl_cas_seq_always(v, seen, to); /* seq_cst: pairs with the others */
    pawl_tsan_acquire(v);
    return done;
}

uint64_t pawl_u64_load(const pawl_u64 *v)
{
    uint64_t was;

    was = pawl_load64_seq(v); /* seq_cst: pairs with the others */
    pawl_tsan_acquire(v);
    return was;
}

void pawl_u64_store(pawl_u64 *v, uint64_t to)
{
    pawl_tsan_release(v);
    pawl_store64_seq(v, to); /* seq_cst: pairs with the others */
}

/* seq_cst: each pairs with the others. */
READ_AND_CHANGE(pawl_u64_exchange, pawl_swap64_seq, pawl_u64, uint64_t)
READ_AND_CHANGE(pawl_u64_add, pawl_add64_seq, pawl_u64, uint64_t)
READ_AND_CHANGE(pawl_u64_and, pawl_and64_seq, pawl_u64, uint64_t)
READ_AND_CHANGE(pawl_u64_or, pawl_or64_seq, pawl_u64, uint64_t)
READ_AND_CHANGE(pawl_u64_xor, pawl_xor64_seq, pawl_u64, uint64_t)

bool pawl_u64_compare_exchange(pawl_u64 *v, uint64_t *seen, uint64_t to)
{
    bool done;

    pawl_tsan_release(v);
    done = pawl_cas64_seq_always(v, seen, to); /* seq_cst: pairs with the others */
    pawl_tsan_acquire(v);
    return done;
}

/* ---- doubles --------------------------------------------------------------- */

static uint64_t bits_of(double d)
{
    uint64_t bits;

    memcpy(&bits, &d, sizeof bits);
    return bits;
}

static double of_bits(uint64_t bits)
{
    double d;

    memcpy(&d, &bits, sizeof d);
    return d;
}

double pawl_f64_load(const pawl_f64 *v)
{
    return of_bits(pawl_u64_load(&v->bits_));
}

void pawl_f64_store(pawl_f64 *v, double to)
{
    pawl_u64_store(&v->bits_, bits_of(to));
}

double pawl_f64_exchange(pawl_f64 *v, double to)
{
    return of_bits(pawl_u64_exchange(&v->bits_, bits_of(to)));
}

double pawl_f64_add(pawl_f64 *v, double n)
{
    uint64_t seen =
        pawl_load64_relaxed(&v->bits_); /* relaxed: the CAS decides */

    pawl_tsan_release(v);
    /* seq_cst: pairs with the others. */
    while (!pawl_cas64_seq(&v->bits_, &seen, bits_of(of_bits(seen) + n)))
        ;
    pawl_tsan_acquire(v);
    return of_bits(seen);
}

bool pawl_f64_compare_exchange(pawl_f64 *v, double *seen, double to)
{
    uint64_t bits = bits_of(*seen);
    bool done = pawl_u64_compare_exchange(&v->bits_, &bits, bits_of(to));

    *seen = of_bits(bits);
    return done;
}
