/* SPDX-License-Identifier: MIT
 *
 * What the counter counts, shown by programs so small that their execution graphs
 * can be counted by hand.  Each is counted in both ways, and with both orders of
 * seq_cst.
 */
#include "client.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "count.h"

static pawl_u32 x;
static pawl_u32 y;
static pawl_u32 z;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int plain;

#define THREAD(name, ...)                                                      \
    static void name(void)                                                     \
    {                                                                          \
        __VA_ARGS__                                                            \
    }
#define LITMUS(name, ...)                                                      \
    static int name(void)                                                      \
    {                                                                          \
        CLIENT_RUN(__VA_ARGS__);                                               \
        return 0;                                                              \
    }

/* Store buffering: each load reads one of two stores. */
#define SB(name, store, load)                                                  \
    THREAD(sb_x_##name, store(&x, 1); load(&y);)                               \
    THREAD(sb_y_##name, store(&y, 1); load(&x);)                               \
    LITMUS(sb_##name, sb_x_##name, sb_y_##name)
SB(relaxed, pawl_store_relaxed, pawl_load_relaxed)
SB(release_acquire, pawl_store_release, pawl_load_acquire)
SB(seq, pawl_store_seq, pawl_load_seq)
SB(half_seq, pawl_store_seq, pawl_load_acquire)

/* Message passing: of four one is forbidden. */
#define MP(name, store, load)                                                  \
    THREAD(mp_put_##name, pawl_store_relaxed(&x, 1); store(&y, 1);)            \
    THREAD(mp_get_##name, load(&y); pawl_load_relaxed(&x);)                    \
    LITMUS(mp_##name, mp_put_##name, mp_get_##name)
MP(relaxed, pawl_store_relaxed, pawl_load_relaxed)
MP(release_acquire, pawl_store_release, pawl_load_acquire)
MP(release_relaxed, pawl_store_release, pawl_load_relaxed)
MP(seq, pawl_store_seq, pawl_load_seq)

/* An acquire of a read-modify-write, which has read a release, or has not: then the
 * loads have 2 + 1 + 1 ways, or 2 + 1 + 2. */
THREAD(mp_add, pawl_add_relaxed(&y, 1);)
LITMUS(mp_chain, mp_put_release_acquire, mp_add, mp_get_release_acquire)

/* Load buffering: RC11 forbids that both read the other's store. */
THREAD(lb_x, pawl_load_relaxed(&x); pawl_store_relaxed(&y, 1);)
THREAD(lb_y, pawl_load_relaxed(&y); pawl_store_relaxed(&x, 1);)
LITMUS(lb, lb_x, lb_y)

/* Two stores by each of two: two places, two orders each. */
#define W22(name, store)                                                       \
    THREAD(w22_a_##name, store(&x, 1); store(&y, 2);)                          \
    THREAD(w22_b_##name, store(&y, 1); store(&x, 2);)                          \
    LITMUS(w22_##name, w22_a_##name, w22_b_##name)
W22(relaxed, pawl_store_relaxed)
W22(release, pawl_store_release)
W22(seq, pawl_store_seq)

/* Coherence: the second load reads no older store than the first. */
THREAD(store_x, pawl_store_relaxed(&x, 1);)
THREAD(load_twice, pawl_load_relaxed(&x); pawl_load_relaxed(&x);)
LITMUS(corr, store_x, load_twice)
THREAD(store_twice, pawl_store_relaxed(&x, 2); pawl_store_relaxed(&x, 3);)
LITMUS(corr_two_stores, store_twice, load_twice)
THREAD(store_and_load, pawl_store_relaxed(&x, 2); pawl_load_relaxed(&x);)
LITMUS(cowr, store_x, store_and_load)
THREAD(load_and_store, pawl_load_relaxed(&x); pawl_store_relaxed(&x, 2);)
LITMUS(corw, store_x, load_and_store)

/* n stores to one place: n! orders. */
LITMUS(stores_3, store_x, store_x, store_x)
LITMUS(stores_2_1, store_twice, store_x)     /* 3: where the third comes */
LITMUS(stores_2_2, store_twice, store_twice) /* 6: 4 over 2 */

/* Two threads that store and load: 2 orders, in each of which the load of one has its
 * own store to read or the other's. */
LITMUS(store_load_twice, store_and_load, store_and_load)

/* Independent reads of independent writes: 16, and 15 in one order. */
#define IRIW(name, store, load)                                                \
    THREAD(iriw_x_##name, store(&x, 1);)                                       \
    THREAD(iriw_y_##name, store(&y, 1);)                                       \
    THREAD(iriw_xy_##name, load(&x); load(&y);)                                \
    THREAD(iriw_yx_##name, load(&y); load(&x);)                                \
    LITMUS(iriw_##name, iriw_x_##name, iriw_y_##name, iriw_xy_##name,          \
           iriw_yx_##name)
IRIW(acquire, pawl_store_release, pawl_load_acquire)
IRIW(seq, pawl_store_seq, pawl_load_seq)

/* Causality over three: of 8 one. */
THREAD(wrc_b, pawl_load_acquire(&x); pawl_store_release(&y, 1);)
THREAD(wrc_c, pawl_load_acquire(&y); pawl_load_acquire(&x);)
THREAD(store_x_release, pawl_store_release(&x, 1);)
LITMUS(wrc, store_x_release, wrc_b, wrc_c)

/* n additions: n! orders; two each of two threads: 4 over 2; and a load beside:
 * that reads one of n + 1. */
THREAD(add, pawl_add_relaxed(&x, 1);)
THREAD(add_twice, pawl_add_relaxed(&x, 1); pawl_add_relaxed(&x, 1);)
THREAD(load_x, pawl_load_relaxed(&x);)
LITMUS(add_2, add, add)
LITMUS(add_3, add, add, add)
LITMUS(add_4, add, add, add, add)
LITMUS(add_2_2, add_twice, add_twice)
LITMUS(add_2_2_2, add_twice, add_twice, add_twice)
LITMUS(add_2_load, add, add, load_x)
/* The store comes first, between, or last. */
LITMUS(add_2_store, add, add, store_x)

/* One compare-and-swap of n succeeds, and all others read what it has stored:
 * n; or what was there, and they would succeed. */
THREAD(cas, uint32_t seen = 0; pawl_cas_relaxed(&x, &seen, 1);)
LITMUS(cas_2, cas, cas)
LITMUS(cas_3, cas, cas, cas)
/* A counter by compare-and-swap: each of the n! orders of those that succeed; one
 * that fails reads an older value, and tries again.  Of two: the second one has
 * loaded the first value and failed, or not: 2 * 2. */
THREAD(cas_add, uint32_t seen = pawl_load_relaxed(&x);
       while (!pawl_cas_relaxed(&x, &seen, seen + 1));)
LITMUS(cas_add_2, cas_add, cas_add)

/* A lock: n! orders, whatever is done in it. */
THREAD(locked, pthread_mutex_lock(&lock); plain++; pthread_mutex_unlock(&lock);)
LITMUS(lock_2, locked, locked)
LITMUS(lock_3, locked, locked, locked)
LITMUS(lock_4, locked, locked, locked, locked)

/* A loop that awaits something counts once, with what it has come for. */
THREAD(await, while (pawl_load_acquire(&y) == 0) CLIENT_PAUSE();
       pawl_load_relaxed(&x);)
LITMUS(await_put, mp_put_release_acquire, await)
LITMUS(await_twice, await, mp_put_release_acquire, await)

/* seq_cst is ordered with seq_cst, also on a third place, and through threads that
 * use none: only x = 1, then y = 1 is seen, and not x. */
THREAD(rwc_b, pawl_load_seq(&x); pawl_load_seq(&y);)
THREAD(rwc_c, pawl_store_seq(&y, 1); pawl_load_seq(&x);)
THREAD(rwc_a, pawl_store_seq(&x, 1);)
LITMUS(rwc, rwc_a, rwc_b, rwc_c)
/* Z6.U: six orders of the stores to y, in which the load of it has 3, 3, 2, 2, 1 and 1
 * stores to read; and that of x reads 0 or 1: 24.  The acquire orders the first thread
 * before the second, but as the two accesses there are of one place, not in the order
 * of seq_cst.  If it did, x = 0 were not possible if the second stores between the
 * others: two less. */
THREAD(z6u_a, pawl_store_seq(&x, 1); pawl_store_release(&y, 1);)
THREAD(z6u_b, pawl_add_seq(&y, 1); pawl_load_relaxed(&y);)
THREAD(z6u_c, pawl_store_seq(&y, 3); pawl_load_seq(&x);)
LITMUS(z6u, z6u_a, z6u_b, z6u_c)

/* What must not happen. */
THREAD(forgets, pthread_mutex_lock(&lock);)
LITMUS(lock_kept, locked, forgets)
THREAD(await_z, while (pawl_load_relaxed(&z) == 0) CLIENT_PAUSE();)
LITMUS(await_nothing, store_x, await_z)
THREAD(set_and_store, plain = 1; pawl_store_relaxed(&x, 1);)
THREAD(load_and_get, if (pawl_load_acquire(&x) == 1) assert(plain == 1);)
LITMUS(race, set_and_store, load_and_get)
THREAD(expect_old, assert(pawl_load_relaxed(&x) == 0);)
LITMUS(assertion, store_x, expect_old)

static const struct test {
    const char *name;
    int (*litmus)(void);
    uint64_t executions[2]; /* by enum graph_psc */
    const char *failure;
} tests[] = {
#define COUNTS(name, n) {#name, name, {n, n}, NULL}
#define DIFFERS(name, paper, genmc) {#name, name, {paper, genmc}, NULL}
#define FAILS(name, why) {#name, name, {0}, why}
    COUNTS(sb_relaxed, 4),
    COUNTS(sb_release_acquire, 4),
    COUNTS(sb_seq, 3),
    COUNTS(sb_half_seq, 4),
    COUNTS(mp_relaxed, 4),
    COUNTS(mp_release_acquire, 3),
    COUNTS(mp_release_relaxed, 4),
    COUNTS(mp_seq, 3),
    COUNTS(lb, 3),
    COUNTS(w22_relaxed, 4),
    COUNTS(w22_release, 4),
    COUNTS(w22_seq, 3),
    COUNTS(corr, 3),
    COUNTS(corr_two_stores, 6),
    COUNTS(cowr, 3),
    COUNTS(corw, 3),
    COUNTS(stores_3, 6),
    COUNTS(stores_2_1, 3),
    COUNTS(stores_2_2, 6),
    COUNTS(store_load_twice, 4),
    COUNTS(iriw_acquire, 16),
    COUNTS(iriw_seq, 15),
    COUNTS(wrc, 7),
    COUNTS(add_2, 2),
    COUNTS(add_3, 6),
    COUNTS(add_4, 24),
    COUNTS(add_2_2, 6),
    COUNTS(add_2_2_2, 90),
    COUNTS(add_2_load, 6),
    COUNTS(add_2_store, 6),
    COUNTS(cas_2, 2),
    COUNTS(cas_3, 3),
    COUNTS(cas_add_2, 4),
    COUNTS(lock_2, 2),
    COUNTS(lock_3, 6),
    COUNTS(lock_4, 24),
    COUNTS(await_put, 1),
    COUNTS(await_twice, 1),
    COUNTS(rwc, 7),
    COUNTS(mp_chain, 9),
    DIFFERS(z6u, 24, 22),
    FAILS(lock_kept, "some wait for ever"),
    FAILS(await_nothing, "some wait for ever"),
    FAILS(race, "T1: data race"),
    FAILS(assertion, "T1: assertion"),
};

static bool holds(const struct test *t, enum count_way way, enum graph_psc psc)
{
    const struct count_options options = {
        .way = way, .psc = psc, .quiet = true};
    struct count c;
    bool good;

    count_executions(t->litmus, &options, &c);
    good = t->failure != NULL
               ? strncmp(c.failure, t->failure, strlen(t->failure)) == 0
               : c.failure[0] == '\0' && c.complete == t->executions[psc] &&
                     c.twice == 0;
    if (!good)
        printf("%s: %llu executions (not %llu), %llu twice  %s\n", t->name,
               (unsigned long long)c.complete,
               (unsigned long long)t->executions[psc],
               (unsigned long long)c.twice, c.failure);
    return good;
}

int main(void)
{
    unsigned wrong = 0;

    for (size_t i = 0; i < sizeof tests / sizeof *tests; i++)
        for (int way = 0; way < 2; way++)
            for (int psc = 0; psc < 2; psc++)
                wrong +=
                    !holds(&tests[i], (enum count_way)way, (enum graph_psc)psc);
    printf("%zu litmus tests, %u wrong\n", sizeof tests / sizeof *tests, wrong);
    return wrong != 0;
}
