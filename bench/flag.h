/* SPDX-License-Identifier: MIT
 *
 * flag.h - an event and a latch as one builds them from a pthread mutex and a
 * condition, the way the manuals show: what pawl's are compared with.
 */
#ifndef PAWL_BENCH_FLAG_H
#define PAWL_BENCH_FLAG_H

#include <pthread.h>

#include "bench.h"

struct pthread_flag {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int left; /* the flag is up at 0; under lock */
};

static inline void pthread_flag_init(struct pthread_flag *f, int left)
{
    BENCH_CHECK(pthread_mutex_init(&f->lock, NULL) == 0);
    BENCH_CHECK(pthread_cond_init(&f->changed, NULL) == 0);
    f->left = left;
}

/* The broadcast comes after the unlock: under the lock it would wake threads
 * that run into it. */
static inline void pthread_flag_count_down(struct pthread_flag *f)
{
    BENCH_CHECK(pthread_mutex_lock(&f->lock) == 0);
    bool up = --f->left == 0;
    BENCH_CHECK(pthread_mutex_unlock(&f->lock) == 0);
    if (up)
        BENCH_CHECK(pthread_cond_broadcast(&f->changed) == 0);
}

static inline void pthread_flag_reset(struct pthread_flag *f, int left)
{
    BENCH_CHECK(pthread_mutex_lock(&f->lock) == 0);
    f->left = left;
    BENCH_CHECK(pthread_mutex_unlock(&f->lock) == 0);
}

static inline void pthread_flag_wait(struct pthread_flag *f)
{
    BENCH_CHECK(pthread_mutex_lock(&f->lock) == 0);
    while (f->left != 0)
        BENCH_CHECK(pthread_cond_wait(&f->changed, &f->lock) == 0);
    BENCH_CHECK(pthread_mutex_unlock(&f->lock) == 0);
}

static inline bool pthread_flag_is_up(struct pthread_flag *f)
{
    BENCH_CHECK(pthread_mutex_lock(&f->lock) == 0);
    bool up = f->left == 0;
    BENCH_CHECK(pthread_mutex_unlock(&f->lock) == 0);
    return up;
}

#endif /* PAWL_BENCH_FLAG_H */
