/* SPDX-License-Identifier: MIT
 *
 * bench_limits.c - what the machine itself takes, measured in the same run as
 * everything that is built on it.
 */
#include <linux/futex.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "bench.h"

/* -- one thread ----------------------------------------------------------- */

static void empty_loop(bench_state *b, const struct bench_spec *spec)
{
    (void)spec;
    while (bench_batch(b, BENCH_BATCH)) {
        for (int i = 0; i < BENCH_BATCH; i++)
            BENCH_KEEP(i);
    }
}

static void locked_rmw(bench_state *b, const struct bench_spec *spec)
{
    BENCH_ALIGNED uint32_t word = 0;
    (void)spec;
    while (bench_batch(b, BENCH_BATCH)) {
        for (int i = 0; i < BENCH_BATCH; i++)
            BENCH_KEEP(__atomic_fetch_add(&word, 1, __ATOMIC_SEQ_CST));
    }
}

/* What lock and unlock of the usual kind cannot do without. */
static void two_locked_rmw(bench_state *b, const struct bench_spec *spec)
{
    BENCH_ALIGNED uint32_t word = 0;
    (void)spec;
    while (bench_batch(b, BENCH_BATCH)) {
        for (int i = 0; i < BENCH_BATCH; i++) {
            uint32_t free_word = 0;
            BENCH_CHECK(__atomic_compare_exchange_n(&word, &free_word, 1, false,
                                                    __ATOMIC_ACQUIRE,
                                                    __ATOMIC_RELAXED));
            BENCH_CHECK(__atomic_exchange_n(&word, 0, __ATOMIC_RELEASE) == 1);
        }
    }
}

/* What an item on its way through a queue of many cannot do without: a look at
 * its slot and the swap that follows from it, on each end. */
static void two_swaps(bench_state *b, const struct bench_spec *spec)
{
    BENCH_ALIGNED uint64_t slots[64] = {0};
    (void)spec;
    while (bench_batch(b, BENCH_BATCH)) {
        for (int i = 0; i < BENCH_BATCH; i++) {
            for (int end = 0; end < 2; end++) {
                uint64_t seen =
                    __atomic_load_n(&slots[i % 64], __ATOMIC_SEQ_CST);
                BENCH_CHECK(__atomic_compare_exchange_n(
                    &slots[i % 64], &seen, seen + 1, false, __ATOMIC_SEQ_CST,
                    __ATOMIC_RELAXED));
            }
        }
    }
}

static void pause_loop(bench_state *b, const struct bench_spec *spec)
{
    (void)spec;
    while (bench_batch(b, BENCH_BATCH)) {
        for (int i = 0; i < BENCH_BATCH; i++)
            bench_pause();
    }
}

static void clock_loop(bench_state *b, const struct bench_spec *spec)
{
    struct timespec now;
    (void)spec;
    while (bench_batch(b, BENCH_BATCH)) {
        for (int i = 0; i < BENCH_BATCH; i++) {
            clock_gettime(CLOCK_MONOTONIC, &now);
            BENCH_KEEP(now.tv_nsec);
        }
    }
}

static void ticks_loop(bench_state *b, const struct bench_spec *spec)
{
    (void)spec;
    while (bench_batch(b, BENCH_BATCH)) {
        for (int i = 0; i < BENCH_BATCH; i++)
            BENCH_KEEP(bench_ticks());
    }
}

/* What a section that is said to take 1000 ns does take. */
static void section_loop(bench_state *b, const struct bench_spec *spec)
{
    uint64_t turns = bench_turns(1000);
    (void)spec;
    while (bench_batch(b, 1))
        bench_work(turns);
}

static void work_section(struct worker *w)
{
    uint64_t turns = bench_turns(1000);
    while (worker_goes_on(w)) {
        bench_work(turns);
        w->ops++;
    }
}

/* The same while the other CPU works too: where it takes longer, the two share
 * a core or its frequency. */
static void section_pair(bench_state *b, const struct bench_spec *spec)
{
    struct crew c;
    crew_init(&c, work_section, NULL);
    if (!crew_run(&c, b, spec))
        return;
    c.ops /= spec->threads;
    crew_report(&c, b);
    crew_free(&c);
}

static long futex(uint32_t *word, int op, uint32_t value)
{
    return syscall(SYS_futex, word, op | FUTEX_PRIVATE_FLAG, value, NULL, NULL,
                   0);
}

static void wake_nobody(bench_state *b, const struct bench_spec *spec)
{
    BENCH_ALIGNED uint32_t word = 0;
    (void)spec;
    while (bench_batch(b, BENCH_BATCH)) {
        for (int i = 0; i < BENCH_BATCH; i++)
            BENCH_CHECK(futex(&word, FUTEX_WAKE, 1) == 0);
    }
}

static void yield_loop(bench_state *b, const struct bench_spec *spec)
{
    (void)spec;
    while (bench_batch(b, BENCH_BATCH)) {
        for (int i = 0; i < BENCH_BATCH; i++)
            BENCH_CHECK(sched_yield() == 0);
    }
}

/* -- two threads: a cache line, and a bare futex --------------------------- */

#define OBJECT limits

typedef uint32_t signal_limits_line;

static inline void signal_clear_limits_line(signal_limits_line *s)
{
    __atomic_store_n(s, 0, __ATOMIC_RELAXED);
}

static inline void signal_send_limits_line(signal_limits_line *s)
{
    __atomic_store_n(s, 1, __ATOMIC_RELEASE);
}

static inline void signal_await_limits_line(signal_limits_line *s)
{
    while (__atomic_load_n(s, __ATOMIC_ACQUIRE) == 0)
        bench_pause();
}

#define signal_init_limits_line signal_clear_limits_line

#define IMPL line
#include "signal_cases.h"
#undef IMPL

typedef uint32_t signal_limits_futex;

#define signal_init_limits_futex signal_clear_limits_line
#define signal_clear_limits_futex signal_clear_limits_line

static inline void signal_send_limits_futex(signal_limits_futex *s)
{
    __atomic_store_n(s, 1, __ATOMIC_RELEASE);
    futex(s, FUTEX_WAKE, 1);
}

static inline void signal_await_limits_futex(signal_limits_futex *s)
{
    while (__atomic_load_n(s, __ATOMIC_ACQUIRE) == 0)
        futex(s, FUTEX_WAIT, 0);
}

#define IMPL futex
#include "signal_cases.h"
#undef IMPL

/* -- rows ----------------------------------------------------------------- */

static void add_loop(const char *scenario, bench_fn *fn)
{
    struct bench_spec s = bench_row("limits", scenario, "machine", fn);
    bench_add(&s);
}

/* Two threads that spin make sense on two CPUs only. */
static void add_pinned(const char *scenario, const char *impl, bench_fn *fn,
                       unsigned delay_ns)
{
    struct bench_spec s = bench_row("limits", scenario, impl, fn);
    s.flags = BENCH_CELL;
    s.threads = 2;
    s.place = PLACE_SPREAD;
    s.nc_ns = delay_ns;
    bench_add(&s);
}

void bench_limits(void)
{
    add_loop("empty_loop", empty_loop);
    add_loop("locked_rmw", locked_rmw);
    add_loop("two_locked_rmw", two_locked_rmw);
    add_loop("two_swaps", two_swaps);
    add_loop("pause", pause_loop);
    add_loop("clock_gettime", clock_loop);
    add_loop("ticks", ticks_loop);
    add_loop("section1000", section_loop);
    add_loop("futex_wake_nobody", wake_nobody);
    add_loop("sched_yield", yield_loop);
    add_pinned("section1000", "machine", section_pair, 0);
    add_pinned("pingpong_pinned", "line", ping_limits_line, 0);
    add_pinned("wake_fresh", "line", wake_limits_line, SIGNAL_FRESH_NS);
    add_signal_limits_futex(SIGNAL_ALL);
}
