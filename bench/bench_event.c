/* SPDX-License-Identifier: MIT
 *
 * bench_event.c - the event: how long from the set until the waiter runs.
 */
#include <errno.h>
#include <semaphore.h>

#include <pawl/event.h>

#include "flag.h"

#define OBJECT event

typedef pawl_event signal_event_pawl;

static inline void signal_init_event_pawl(signal_event_pawl *e)
{
    BENCH_CHECK(pawl_event_init(e, PAWL_LOCAL) == 0);
}

static inline void signal_send_event_pawl(signal_event_pawl *e)
{
    pawl_event_set(e);
}

static inline void signal_await_event_pawl(signal_event_pawl *e)
{
    BENCH_CHECK(pawl_event_wait(e) == 0);
}

static inline void signal_clear_event_pawl(signal_event_pawl *e)
{
    pawl_event_clear(e);
}

static inline bool signal_is_up_event_pawl(signal_event_pawl *e)
{
    return pawl_event_is_set(e);
}

#define IMPL pawl
#include "signal_cases.h"

#include "flag_cases.h"
#undef IMPL

typedef struct pthread_flag signal_event_pthread;

static inline void signal_init_event_pthread(signal_event_pthread *e)
{
    pthread_flag_init(e, 1);
}

static inline void signal_clear_event_pthread(signal_event_pthread *e)
{
    pthread_flag_reset(e, 1);
}

/* Setting a flag that is up leaves it up, as for any event. */
static inline void signal_send_event_pthread(signal_event_pthread *e)
{
    BENCH_CHECK(pthread_mutex_lock(&e->lock) == 0);
    e->left = 0;
    BENCH_CHECK(pthread_mutex_unlock(&e->lock) == 0);
    BENCH_CHECK(pthread_cond_broadcast(&e->changed) == 0);
}

#define signal_await_event_pthread pthread_flag_wait
#define signal_is_up_event_pthread pthread_flag_is_up

#define IMPL pthread
#include "signal_cases.h"

#include "flag_cases.h"
#undef IMPL

/* A semaphore as an event for one waiter. */
typedef sem_t signal_event_sem_t;

static inline void signal_init_event_sem_t(signal_event_sem_t *e)
{
    BENCH_CHECK(sem_init(e, 0, 0) == 0);
}

static inline void signal_send_event_sem_t(signal_event_sem_t *e)
{
    BENCH_CHECK(sem_post(e) == 0);
}

static inline void signal_await_event_sem_t(signal_event_sem_t *e)
{
    BENCH_CHECK(sem_wait(e) == 0);
}

static inline void signal_clear_event_sem_t(signal_event_sem_t *e)
{
    (void)e;
}

#define IMPL sem_t
#include "signal_cases.h"
#undef IMPL

void bench_event(void)
{
    add_event_pawl();
    add_event_pthread();
    add_signal_event_sem_t(SIGNAL_ALL);
}
