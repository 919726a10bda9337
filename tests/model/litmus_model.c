/* SPDX-License-Identifier: MIT
 *
 * What the machine's memory does, shown by litmus tests: the outcomes named
 * here are reached, each of them, and no other.  A name ends with what is
 * written and read in which order; "relaxed" and so on stand for all of it.
 *
 * Outcomes are the registers in the order of the threads, then final values.
 */
#include "model.h"

#include "atomic/ops.h"

static struct {
    pawl_u32 x;
    pawl_u32 y;
    pawl_u32 z;
    pawl_u64 wide;
    pawl_pair pair;
    unsigned r[4];
} s;

static void setup(void)
{
    memset(&s, 0, sizeof s);
    MODEL_NAME(s.x);
    MODEL_NAME(s.y);
    MODEL_NAME(s.z);
    MODEL_NAME(s.wide);
    MODEL_NAME(s.pair);
}

static void two_registers(void)
{
    model_observe("%u%u", s.r[0], s.r[1]);
}

static void four_registers(void)
{
    model_observe("%u%u%u%u", s.r[0], s.r[1], s.r[2], s.r[3]);
}

static void final_xy(void)
{
    model_observe("%u%u", s.x.v_, s.y.v_);
}

#define UNLIMITED .bounds = {99, 99, 99}
#define THREAD(name, ...)                                                      \
    static void name(void)                                                     \
    {                                                                          \
        __VA_ARGS__                                                            \
    }
#define LITMUS(name, observe, list, ...)                                       \
    MODEL(litmus.name, .setup = setup, .threads = {__VA_ARGS__},               \
          .check = observe, .outcomes = list, UNLIMITED)

/* Store buffering: does a store pass a later load? */
#define SB(name, store, load)                                                  \
    THREAD(sb_x_##name, store(&s.x, 1); s.r[0] = load(&s.y);)                  \
    THREAD(sb_y_##name, store(&s.y, 1); s.r[1] = load(&s.x);)
SB(relaxed, pawl_store_relaxed, pawl_load_relaxed)
SB(release, pawl_store_release, pawl_load_acquire)
SB(seq, pawl_store_seq, pawl_load_seq)
SB(swap_acq_rel, pawl_swap_acq_rel, pawl_load_acquire)
SB(swap_seq, pawl_swap_seq, pawl_load_seq)
SB(seq_acquire, pawl_store_seq, pawl_load_acquire)
SB(release_seq, pawl_store_release, pawl_load_seq)
LITMUS(sb_relaxed, two_registers, "00 01 10 11", sb_x_relaxed, sb_y_relaxed)
LITMUS(sb_release_acquire, two_registers, "00 01 10 11", sb_x_release,
       sb_y_release)
LITMUS(sb_seq, two_registers, "01 10 11", sb_x_seq, sb_y_seq)
LITMUS(sb_swap_acq_rel, two_registers, "00 01 10 11", sb_x_swap_acq_rel,
       sb_y_swap_acq_rel)
LITMUS(sb_swap_seq, two_registers, "01 10 11", sb_x_swap_seq, sb_y_swap_seq)
LITMUS(sb_half_seq, two_registers, "00 01 10 11", sb_x_seq, sb_y_swap_acq_rel)
LITMUS(sb_store_seq_load_acquire, two_registers, "00 01 10 11",
       sb_x_seq_acquire, sb_y_seq_acquire)
LITMUS(sb_store_release_load_seq, two_registers, "00 01 10 11",
       sb_x_release_seq, sb_y_release_seq)

/* seq_cst on a third location is no fence; a chain of read-modify-writes is. */
#define SB_VIA(name, third)                                                    \
    THREAD(sb_via_x_##name, pawl_store_relaxed(&s.x, 1); third;                \
           s.r[0] = pawl_load_relaxed(&s.y);)                                  \
    THREAD(sb_via_y_##name, pawl_store_relaxed(&s.y, 1); third;                \
           s.r[1] = pawl_load_relaxed(&s.x);)
SB_VIA(store, pawl_store_seq(&s.z, 1))
SB_VIA(swap, pawl_swap_acq_rel(&s.z, 1))
LITMUS(sb_beside_seq_stores, two_registers, "00 01 10 11", sb_via_x_store,
       sb_via_y_store)
LITMUS(sb_beside_swaps_acq_rel, two_registers, "01 10 11", sb_via_x_swap,
       sb_via_y_swap)

/* Message passing. */
#define MP(name, store, load)                                                  \
    THREAD(mp_put_##name, pawl_store_relaxed(&s.x, 1); store(&s.y, 1);)        \
    THREAD(mp_get_##name, s.r[0] = load(&s.y);                                 \
           s.r[1] = pawl_load_relaxed(&s.x);)
MP(relaxed, pawl_store_relaxed, pawl_load_relaxed)
MP(release, pawl_store_release, pawl_load_acquire)
MP(seq, pawl_store_seq, pawl_load_seq)
LITMUS(mp_relaxed, two_registers, "00 01 10 11", mp_put_relaxed, mp_get_relaxed)
LITMUS(mp_release_acquire, two_registers, "00 01 11", mp_put_release,
       mp_get_release)
LITMUS(mp_seq, two_registers, "00 01 11", mp_put_seq, mp_get_seq)
LITMUS(mp_release_relaxed, two_registers, "00 01 10 11", mp_put_release,
       mp_get_relaxed)
LITMUS(mp_relaxed_acquire, two_registers, "00 01 10 11", mp_put_relaxed,
       mp_get_release)

/* A release sequence is continued by read-modify-writes, not by stores. */
THREAD(rs_add, pawl_add_relaxed(&s.y, 1);)
THREAD(rs_store, pawl_store_relaxed(&s.y, 2);)
LITMUS(release_sequence_add, two_registers, "00 01 10 11 21", mp_put_release,
       rs_add, mp_get_release)
LITMUS(release_sequence_store, two_registers, "00 01 11 20 21", mp_put_release,
       rs_store, mp_get_release)

/* Causality over three threads. */
#define WRC(name, store, load)                                                 \
    THREAD(wrc_a_##name, store(&s.x, 1);)                                      \
    THREAD(wrc_b_##name, s.r[0] = load(&s.x); store(&s.y, 1);)                 \
    THREAD(wrc_c_##name, s.r[1] = load(&s.y); s.r[2] = load(&s.x);)
WRC(relaxed, pawl_store_relaxed, pawl_load_relaxed)
WRC(release, pawl_store_release, pawl_load_acquire)
static void wrc(void)
{
    model_observe("%u%u%u", s.r[0], s.r[1], s.r[2]);
}
LITMUS(wrc_relaxed, wrc, "000 001 010 011 100 101 110 111", wrc_a_relaxed,
       wrc_b_relaxed, wrc_c_relaxed)
LITMUS(wrc_release_acquire, wrc, "000 001 010 011 100 101 111", wrc_a_release,
       wrc_b_release, wrc_c_release)

/* Do two readers agree on the order of two independent writes? */
#define IRIW(name, store, load)                                                \
    THREAD(iriw_x_##name, store(&s.x, 1);)                                     \
    THREAD(iriw_y_##name, store(&s.y, 1);)                                     \
    THREAD(iriw_xy_##name, s.r[0] = load(&s.x); s.r[1] = load(&s.y);)          \
    THREAD(iriw_yx_##name, s.r[2] = load(&s.y); s.r[3] = load(&s.x);)
IRIW(release, pawl_store_release, pawl_load_acquire)
IRIW(seq, pawl_store_seq, pawl_load_seq)
LITMUS(iriw_release_acquire, four_registers,
       "0000 0001 0010 0011 0100 0101 0110 0111 1000 1001 1010 1011 1100 1101 "
       "1110 1111",
       iriw_x_release, iriw_y_release, iriw_xy_release, iriw_yx_release)
LITMUS(iriw_seq, four_registers,
       "0000 0001 0010 0011 0100 0101 0110 0111 1000 1001 1011 1100 1101 1110 "
       "1111",
       iriw_x_seq, iriw_y_seq, iriw_xy_seq, iriw_yx_seq)

/* Two threads, two writes each: is the order of stores that of execution? */
#define W22(name, store)                                                       \
    THREAD(w22_a_##name, store(&s.x, 1); store(&s.y, 2);)                      \
    THREAD(w22_b_##name, store(&s.y, 1); store(&s.x, 2);)
W22(relaxed, pawl_store_relaxed)
W22(release, pawl_store_release)
W22(seq, pawl_store_seq)
LITMUS(w22_relaxed, final_xy, "11 12 21 22", w22_a_relaxed, w22_b_relaxed)
LITMUS(w22_release, final_xy, "11 12 21 22", w22_a_release, w22_b_release)
LITMUS(w22_seq, final_xy, "12 21 22", w22_a_seq, w22_b_seq)

/* R: a store after a store, against a load after a store. */
#define R(name, store, load)                                                   \
    THREAD(r_a_##name, store(&s.x, 1); store(&s.y, 1);)                        \
    THREAD(r_b_##name, store(&s.y, 2); s.r[0] = load(&s.x);)
R(release, pawl_store_release, pawl_load_acquire)
R(seq, pawl_store_seq, pawl_load_seq)
static void final_y(void)
{
    model_observe("%u%u", s.r[0], s.y.v_);
}
LITMUS(r_release_acquire, final_y, "01 02 11 12", r_a_release, r_b_release)
LITMUS(r_seq, final_y, "01 11 12", r_a_seq, r_b_seq)

/* S: a store that must come after what was read. */
#define S(name, store, load)                                                   \
    THREAD(s_a_##name, pawl_store_relaxed(&s.x, 2); store(&s.y, 1);)           \
    THREAD(s_b_##name, s.r[0] = load(&s.y); pawl_store_relaxed(&s.x, 1);)
S(relaxed, pawl_store_relaxed, pawl_load_relaxed)
S(release, pawl_store_release, pawl_load_acquire)
static void final_x(void)
{
    model_observe("%u%u", s.r[0], s.x.v_);
}
LITMUS(s_relaxed, final_x, "01 02 11 12", s_a_relaxed, s_b_relaxed)
LITMUS(s_release_acquire, final_x, "01 02 11", s_a_release, s_b_release)

/* Coherence: one location is in order whatever the orders are. */
THREAD(co_store, pawl_store_relaxed(&s.x, 1);)
THREAD(co_read_twice, s.r[0] = pawl_load_relaxed(&s.x);
       s.r[1] = pawl_load_relaxed(&s.x);)
LITMUS(coherence_read_read, two_registers, "00 01 11", co_store, co_read_twice)
THREAD(co_write_read, pawl_store_relaxed(&s.x, 2);
       s.r[0] = pawl_load_relaxed(&s.x);)
LITMUS(coherence_write_read, final_x, "11 21 22", co_store, co_write_read)
THREAD(co_read_write, s.r[0] = pawl_load_relaxed(&s.x);
       pawl_store_relaxed(&s.x, 2);)
LITMUS(coherence_read_write, final_x, "01 02 12", co_store, co_read_write)

/* Nothing comes between the two halves of a read-modify-write. */
THREAD(rmw_0, s.r[0] = pawl_add_relaxed(&s.x, 1);)
THREAD(rmw_1, s.r[1] = pawl_add_relaxed(&s.x, 1);)
LITMUS(add_add, two_registers, "01 10", rmw_0, rmw_1)
THREAD(rmw_cas_0, uint32_t seen = 0;
       s.r[0] = pawl_cas_relaxed(&s.x, &seen, 1) ? 9 : seen;)
THREAD(rmw_cas_1, uint32_t seen = 0;
       s.r[1] = pawl_cas_relaxed(&s.x, &seen, 2) ? 9 : seen;)
LITMUS(cas_cas, two_registers, "91 29", rmw_cas_0, rmw_cas_1)

/* Load buffering is not modelled: 11 would be legal with relaxed orders. */
THREAD(lb_a, s.r[0] = pawl_load_relaxed(&s.x); pawl_store_relaxed(&s.y, 1);)
THREAD(lb_b, s.r[1] = pawl_load_relaxed(&s.y); pawl_store_relaxed(&s.x, 1);)
LITMUS(load_buffering_is_not_modelled, two_registers, "00 01 10", lb_a, lb_b)

/* Halves are parts of one word. */
THREAD(half_low, pawl_store_low_relaxed(&s.wide, 1);)
THREAD(half_high, uint64_t seen = 0;
       while (!pawl_cas64_relaxed(&s.wide, &seen, seen | UINT64_C(1) << 32));)
THREAD(half_read, s.r[0] = pawl_load_low_relaxed(&s.wide);
       s.r[1] = pawl_load_high_relaxed(&s.wide);)
static void halves(void)
{
    CHECK(s.wide.v_ == (UINT64_C(1) << 32 | 1));
    model_observe("%u%u", s.r[0], s.r[1]);
}
LITMUS(halves_of_a_word, halves, "00 01 10 11", half_low, half_high, half_read)

/* Two words, read one by one, changed at once. */
THREAD(pair_swap, const struct pawl_pair_value seen = {0, 0};
       const struct pawl_pair_value one = {1, 1};
       pawl_cas_pair_seq(&s.pair, seen, one);)
THREAD(pair_read, s.r[0] = (unsigned)pawl_load64_acquire(&s.pair.first);
       s.r[1] = (unsigned)pawl_load64_relaxed(&s.pair.second);)
LITMUS(halves_of_a_pair, two_registers, "00 01 11", pair_swap, pair_read)

/* -- The order of seq_cst operations is free: that of execution is one of many ---- */

#define FREELY(name, observe, list, ...)                                       \
    MODEL(litmus.name, .setup = setup, .threads = {__VA_ARGS__},               \
          .check = observe, .outcomes = list, .free_seq = true, UNLIMITED)

FREELY(freely_sb, two_registers, "01 10 11", sb_x_seq, sb_y_seq)
FREELY(freely_sb_swap, two_registers, "01 10 11", sb_x_swap_seq, sb_y_swap_seq)
FREELY(freely_sb_half, two_registers, "00 01 10 11", sb_x_seq,
       sb_y_swap_acq_rel)
FREELY(freely_sb_via_store, two_registers, "00 01 10 11", sb_via_x_store,
       sb_via_y_store)
FREELY(freely_mp, two_registers, "00 01 11", mp_put_seq, mp_get_seq)
FREELY(freely_iriw, four_registers,
       "0000 0001 0010 0011 0100 0101 0110 0111 1000 1001 1011 1100 1101 1110 "
       "1111",
       iriw_x_seq, iriw_y_seq, iriw_xy_seq, iriw_yx_seq)
FREELY(freely_w22, final_xy, "12 21 22", w22_a_seq, w22_b_seq)
FREELY(freely_r, final_y, "01 11 12", r_a_seq, r_b_seq)

/* What comes later in a thread, and is relaxed, may be seen before it. */
THREAD(early_put, pawl_store_seq(&s.x, 1); pawl_store_relaxed(&s.y, 1);)
THREAD(early_put_release, pawl_store_seq(&s.x, 1); pawl_store_release(&s.y, 1);)
THREAD(early_get, s.r[0] = pawl_load_acquire(&s.y);
       s.r[1] = pawl_load_seq(&s.x);)
LITMUS(seen_before_a_seq_store, two_registers, "00 01 11", early_put, early_get)
FREELY(freely_seen_before_a_seq_store, two_registers, "00 01 10 11", early_put,
       early_get)
FREELY(freely_seen_after_a_seq_store, two_registers, "00 01 11",
       early_put_release, early_get)

/* Z6.U: 24 executions, as the counter of clients/litmus.c finds; the outcomes tell them
 * apart. */
THREAD(z6u_a, pawl_store_seq(&s.x, 1); pawl_store_release(&s.y, 1);)
THREAD(z6u_b, s.r[0] = pawl_add_seq(&s.y, 4); s.r[1] = pawl_load_relaxed(&s.y);)
THREAD(z6u_c, pawl_store_seq(&s.y, 3); s.r[2] = pawl_load_seq(&s.x);)
static void z6u(void)
{
    model_observe("%u%u%u%u", s.r[0], s.r[1], s.r[2], s.y.v_);
}
FREELY(freely_z6u, z6u,
       "0101 0103 0111 0113 0301 0303 0311 0313 0401 0403 0411 0413 "
       "1303 1313 1503 1505 1513 1515 3101 3111 3701 3707 3711 3717",
       z6u_a, z6u_b, z6u_c)
