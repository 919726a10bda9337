/* SPDX-License-Identifier: MIT
 *
 * bench_sem.c - the semaphore; its twin is POSIX's sem_t.
 */
#include <errno.h>
#include <semaphore.h>

#include <pawl/sem.h>

#include "bench.h"

#define OBJECT sem

typedef pawl_sem signal_sem_pawl;

static inline void signal_init_sem_pawl(signal_sem_pawl *s)
{
    BENCH_CHECK(pawl_sem_init(s, 0, PAWL_LOCAL) == 0);
}

static inline void signal_send_sem_pawl(signal_sem_pawl *s)
{
    BENCH_CHECK(pawl_sem_release(s) == 0);
}

static inline void signal_await_sem_pawl(signal_sem_pawl *s)
{
    BENCH_CHECK(pawl_sem_acquire(s) == 0);
}

/* An acquire takes the permit away. */
static inline void signal_clear_sem_pawl(signal_sem_pawl *s)
{
    (void)s;
}

#define IMPL pawl
#include "signal_cases.h"

#include "sem_cases.h"
#undef IMPL

typedef sem_t signal_sem_sem_t;

static inline void signal_init_sem_sem_t(signal_sem_sem_t *s)
{
    BENCH_CHECK(sem_init(s, 0, 0) == 0);
}

static inline void signal_send_sem_sem_t(signal_sem_sem_t *s)
{
    BENCH_CHECK(sem_post(s) == 0);
}

static inline void signal_await_sem_sem_t(signal_sem_sem_t *s)
{
    BENCH_CHECK(sem_wait(s) == 0);
}

static inline void signal_clear_sem_sem_t(signal_sem_sem_t *s)
{
    (void)s;
}

#define IMPL sem_t
#include "signal_cases.h"

#include "sem_cases.h"
#undef IMPL

void bench_sem(void)
{
    add_sem_pawl();
    add_sem_sem_t();
}
