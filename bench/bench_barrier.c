/* SPDX-License-Identifier: MIT
 *
 * bench_barrier.c - the barrier: as many parties as CPUs, and more.
 */
#include <pthread.h>

#include <pawl/barrier.h>

#include "bench.h"

#define OBJECT barrier

typedef pawl_barrier gate_barrier_pawl;

static inline void gate_init_barrier_pawl(gate_barrier_pawl *g, unsigned n)
{
    BENCH_CHECK(pawl_barrier_init(g, n, PAWL_FOREVER, PAWL_LOCAL) == 0);
}

static inline void gate_pass_barrier_pawl(gate_barrier_pawl *g)
{
    BENCH_CHECK(pawl_barrier_wait(g) >= 0);
}

static inline void gate_end_barrier_pawl(gate_barrier_pawl *g)
{
    BENCH_CHECK(pawl_barrier_destroy(g) == 0);
}

#define IMPL pawl
#include "barrier_cases.h"
#undef IMPL

typedef pthread_barrier_t gate_barrier_pthread;

static inline void gate_init_barrier_pthread(gate_barrier_pthread *g,
                                             unsigned n)
{
    BENCH_CHECK(pthread_barrier_init(g, NULL, n) == 0);
}

static inline void gate_pass_barrier_pthread(gate_barrier_pthread *g)
{
    int err = pthread_barrier_wait(g);
    BENCH_CHECK(err == 0 || err == PTHREAD_BARRIER_SERIAL_THREAD);
}

static inline void gate_end_barrier_pthread(gate_barrier_pthread *g)
{
    BENCH_CHECK(pthread_barrier_destroy(g) == 0);
}

#define IMPL pthread
#include "barrier_cases.h"
#undef IMPL

void bench_barrier(void)
{
    add_barrier_pawl();
    add_barrier_pthread();
}
