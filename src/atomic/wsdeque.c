/* SPDX-License-Identifier: MIT
 *
 * wsdeque.c - the work-stealing deque of pawl/wsdeque.h.
 *
 * Words lie at the positions top .. bottom - 1, modulo the capacity.  Thieves
 * move top up, the owner moves bottom.
 *
 *   owner pops                        thief
 *   bottom = bottom - 1   (A)         reads top          (C)
 *   reads top             (B)         reads bottom       (D)
 *
 * A, B, C, D are seq_cst.  If two or more words are there, owner and thief take
 * different ones: for the thief to take the owner's it must have read top (C) as
 * the owner's position, which B, if it comes after, sees, and bottom (D) from
 * before A, so that B does come after C.  For the last word both swap top, and
 * one wins.
 */
#include <errno.h>

#include <pawl/wsdeque.h>

#include "atomic/ops.h"
#include "base/compiler.h"
#include "base/place.h"
#include "base/tsan.h"

struct pawl_wsdeque {
    uint64_t capacity; /* constant */
    pawl_u64 top __attribute__((aligned(2 * PAWL_CACHE_LINE)));
    /* The owner's. */
    pawl_u64 bottom __attribute__((aligned(2 * PAWL_CACHE_LINE)));
    uint64_t top_seen; /* a top of the past */
    pawl_u64 words[] __attribute__((aligned(2 * PAWL_CACHE_LINE)));
} __attribute__((aligned(2 * PAWL_CACHE_LINE)));

static inline pawl_u64 *word_at(pawl_wsdeque *d, uint64_t position)
{
    return &d->words[position & (d->capacity - 1)];
}

int64_t pawl_wsdeque_bytes(size_t capacity)
{
    if (capacity == 0 || capacity > PAWL_WSDEQUE_CAPACITY_MAX ||
        (capacity & (capacity - 1)) != 0)
        return -EINVAL;
    return (int64_t)(sizeof(pawl_wsdeque) +
                     pawl_round_up(capacity * sizeof(pawl_u64),
                                   PAWL_WSDEQUE_ALIGN));
}

int pawl_wsdeque_init(pawl_wsdeque **deque, void *memory, size_t bytes,
                      size_t capacity)
{
    int64_t needs = pawl_wsdeque_bytes(capacity);
    int err = pawl_check_place(memory, PAWL_WSDEQUE_ALIGN, bytes, needs);
    pawl_wsdeque *d = memory;

    if (err != 0)
        return err;
    d->capacity = capacity;
    d->top_seen = 0;
    pawl_store64_relaxed(&d->top, 0);    /* relaxed: nobody uses it yet */
    pawl_store64_relaxed(&d->bottom, 0); /* relaxed: nobody uses it yet */
    *deque = d;
    return 0;
}

int pawl_wsdeque_push(pawl_wsdeque *d, uint64_t word)
{
    uint64_t bottom = pawl_load64_relaxed(&d->bottom); /* relaxed: our own */

    if (pawl_unlikely(bottom - d->top_seen >= d->capacity)) {
        /* acquire: pairs with the swap of steal: the word there has been read. */
        d->top_seen = pawl_load64_acquire(&d->top);
        if (bottom - d->top_seen >= d->capacity)
            return -EAGAIN;
    }
    /* relaxed: published by bottom. */
    pawl_store64_relaxed(word_at(d, bottom), word);
    pawl_tsan_release(d);
    /* release: pairs with the load of bottom in steal. */
    pawl_store64_release(&d->bottom, bottom + 1);
    return 0;
}

int pawl_wsdeque_pop(pawl_wsdeque *d, uint64_t *word)
{
    uint64_t bottom = pawl_load64_relaxed(&d->bottom); /* relaxed: our own */
    uint64_t top;
    bool won = true;

    /* Nothing can come back: thieves only take. */
    if (bottom == d->top_seen)
        return -EAGAIN;
    bottom--;
    /* seq_cst: A and B, pairs with C and D in steal. */
    pawl_store64_seq(&d->bottom, bottom);
    top = pawl_load64_seq(&d->top);
    d->top_seen = top;
    if (pawl_likely(top < bottom)) {
        *word = pawl_load64_relaxed(word_at(d, bottom)); /* relaxed: our own */
        return 0;
    }
    if (top == bottom) {
        /* relaxed: our own. */
        uint64_t last = pawl_load64_relaxed(word_at(d, bottom));

        /* seq_cst: pairs with the swap in steal. */
        won = pawl_cas64_seq(&d->top, &top, bottom + 1);
        if (won)
            *word = last;
        d->top_seen = bottom + 1;
    } else {
        won = false;
    }
    /* release: pairs with the load of bottom in steal, which must find the words
     * before it written. */
    pawl_store64_release(&d->bottom, bottom + 1);
    return won ? 0 : -EAGAIN;
}

int pawl_wsdeque_steal(pawl_wsdeque *d, uint64_t *word)
{
    for (;;) {
        /* seq_cst: C and D, pairs with A and B in pop; acquire: pairs with the
         * release in push. */
        uint64_t top = pawl_load64_seq(&d->top);
        uint64_t bottom = pawl_load64_seq(&d->bottom);
        uint64_t seen;

        if ((int64_t)(bottom - top) <= 0)
            return -EAGAIN;
        /* relaxed: ordered by the load of bottom; the owner writes there again
         * only after it has seen top beyond it, and then the swap fails. */
        seen = pawl_load64_relaxed(word_at(d, top));
        /* seq_cst: pairs with pop; release: pairs with the acquire in push. */
        if (pawl_cas64_seq(&d->top, &top, top + 1)) {
            pawl_tsan_acquire(d);
            *word = seen;
            return 0;
        }
    }
}

size_t pawl_wsdeque_size(const pawl_wsdeque *d)
{
    /* acquire: before bottom, which is then not below it by more than one. */
    uint64_t top = pawl_load64_acquire(&d->top);
    uint64_t bottom = pawl_load64_relaxed(&d->bottom); /* relaxed: a snapshot */
    int64_t n = (int64_t)(bottom - top);

    if (n <= 0)
        return 0;
    return n < (int64_t)d->capacity ? (size_t)n : d->capacity;
}

size_t pawl_wsdeque_capacity(const pawl_wsdeque *d)
{
    return d->capacity;
}
