/* SPDX-License-Identifier: MIT
 *
 * wheel.h - pending timers, ordered by their deadlines as far as it matters: a
 * hierarchical timing wheel (Varghese and Lauck 1987).  No thread, no lock, no
 * clock: who has them passes what they say.
 *
 * Level 0 has slots of 4 us, each level above slots 64 times as wide; each is a
 * ring of 256 slots, so that it reaches four slots of the next level ahead.
 *
 *   level   0      1       2        3       4       5      6      7      8
 *   slot    4 us   262 us  17 ms    1 s     69 s    73 min 3 d    208 d  37 y
 *   reach   1 ms   67 ms   4.3 s    5 min   4.9 h   13 d   2.3 y  146 y  all
 *
 * A timer is put into the lowest level that reaches it, and moves down as its
 * deadline comes nearer.  Unlike in a wheel with ticks, the deadline itself is
 * kept, and each slot knows a lower bound of those in it: so whoever serves the
 * wheel sleeps exactly until the next deadline, and a timer is neither early nor
 * late by a part of a slot.
 *
 * What moves down does so in pieces, and a slot with many timers begins to be
 * emptied before its time comes: no call does more than some microseconds of work,
 * and nothing is late because a million others had to be moved first.
 *
 * I1  Every timer lies in a slot that ends after `base` (one whose deadline came
 *     before `base` did: in the slot of `base` at level 0).
 * I2  slot->least <= the deadline of each timer in it.
 * I3  A slot is occupied if and only if its bit is set; else its fields mean
 *     nothing.
 */
#ifndef PAWL_THREAD_WHEEL_H
#define PAWL_THREAD_WHEEL_H

#include <stdbool.h>
#include <stdint.h>

#include <pawl/timer.h>

#define PAWL_WHEEL_LEVELS 9
#define PAWL_WHEEL_SLOTS 256

struct pawl_wheel_slot {
    struct pawl_timer_link_ timers; /* a ring with this as its head */
    pawl_deadline least;
    uint64_t came; /* how many have been put here since it was empty */
};

/* All zero bytes is an empty wheel. */
struct pawl_wheel {
    pawl_deadline base; /* never goes back */
    uint64_t occupied[PAWL_WHEEL_LEVELS][PAWL_WHEEL_SLOTS / 64];
    uint32_t levels; /* bit n: level n has an occupied slot */
    struct pawl_wheel_slot slots[PAWL_WHEEL_LEVELS * PAWL_WHEEL_SLOTS];
};

/* Empty it, and have it begin at `base`, which is not negative. */
void pawl_wheel_reset(struct pawl_wheel *w, pawl_deadline base);

/* Put in a timer, by its `when_`.
 *
 * Returns  when pawl_wheel_take has to be called because of it, at the latest. */
pawl_deadline pawl_wheel_put(struct pawl_wheel *w, pawl_timer *t);

/* Take out a timer that is in. */
void pawl_wheel_remove(struct pawl_wheel *w, pawl_timer *t);

/* Take out a timer whose deadline is not after `now`; the earliest, unless more
 * than some dozen have theirs in the same 4 us.
 *
 * Returns  NULL if there is none: then *next is when to call again, which is no
 *          later than any deadline; if it is `now`, there is work left to do, and
 *          others may have their turn before that. */
pawl_timer *pawl_wheel_take(struct pawl_wheel *w, pawl_deadline now,
                            pawl_deadline *next);

#endif /* PAWL_THREAD_WHEEL_H */
