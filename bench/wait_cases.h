/* SPDX-License-Identifier: MIT
 *
 * wait_cases.h - a board of WIDTH flags as one signal: each send raises another
 * one, and who awaits finds out which.  Included once for each width, with OBJECT
 * and WIDTH defined.
 */
#define IMPL pawl

typedef struct {
    pawl_event flag[WIDTH];
    BENCH_ALIGNED unsigned next; /* the sender's */
    BENCH_ALIGNED pawl_wait_item items[WIDTH]; /* the waiter's */
    size_t which;
} NAME(signal);

static inline void NAME(signal_init)(NAME(signal) * s)
{
    s->next = 0;
    for (int i = 0; i < WIDTH; i++) {
        BENCH_CHECK(pawl_event_init(&s->flag[i], PAWL_LOCAL) == 0);
        s->items[i] = PAWL_WAIT_EVENT(&s->flag[i]);
    }
}

static inline void NAME(signal_send)(NAME(signal) * s)
{
    pawl_event_set(&s->flag[s->next++ % WIDTH]);
}

static inline void NAME(signal_await)(NAME(signal) * s)
{
    BENCH_CHECK(pawl_wait_any(s->items, WIDTH, &s->which) == 0);
}

static inline void NAME(signal_clear)(NAME(signal) * s)
{
    pawl_event_clear(&s->flag[s->which]);
}

#include "signal_cases.h"

#include "pass_cases.h"

#undef IMPL
#define IMPL pthread

/* One mutex and one condition for all of them. */
typedef struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool up[WIDTH]; /* under lock */
    unsigned next;
    size_t which;
} NAME(signal);

static inline void NAME(signal_init)(NAME(signal) * s)
{
    BENCH_CHECK(pthread_mutex_init(&s->lock, NULL) == 0);
    BENCH_CHECK(pthread_cond_init(&s->changed, NULL) == 0);
    s->next = 0;
    s->which = 0;
    for (int i = 0; i < WIDTH; i++)
        s->up[i] = false;
}

static inline void NAME(signal_send)(NAME(signal) * s)
{
    BENCH_CHECK(pthread_mutex_lock(&s->lock) == 0);
    s->up[s->next++ % WIDTH] = true;
    BENCH_CHECK(pthread_mutex_unlock(&s->lock) == 0);
    BENCH_CHECK(pthread_cond_broadcast(&s->changed) == 0);
}

/* As fair: it begins behind the one found last. */
static inline bool NAME(look)(NAME(signal) * s)
{
    for (size_t k = 1; k <= WIDTH; k++) {
        size_t i = (s->which + k) % WIDTH;
        if (s->up[i]) {
            s->which = i;
            return true;
        }
    }
    return false;
}

static inline void NAME(signal_await)(NAME(signal) * s)
{
    BENCH_CHECK(pthread_mutex_lock(&s->lock) == 0);
    while (!NAME(look)(s))
        BENCH_CHECK(pthread_cond_wait(&s->changed, &s->lock) == 0);
    BENCH_CHECK(pthread_mutex_unlock(&s->lock) == 0);
}

static inline void NAME(signal_clear)(NAME(signal) * s)
{
    BENCH_CHECK(pthread_mutex_lock(&s->lock) == 0);
    s->up[s->which] = false;
    BENCH_CHECK(pthread_mutex_unlock(&s->lock) == 0);
}

#include "signal_cases.h"

#include "pass_cases.h"

#undef IMPL
