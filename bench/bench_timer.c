/* SPDX-License-Identifier: MIT
 *
 * bench_timer.c - timers; the twin is what one would write: a heap under a mutex,
 * and a thread that waits for the first of it on a condition.  The kernel's own
 * (timerfd, and a thread that reads it) costs a system call and a descriptor for
 * each.
 */
#include <pthread.h>
#include <semaphore.h>
#include <string.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <pawl/time.h>
#include <pawl/timer.h>

#include "bench.h"

#define OBJECT timer

static sem_t timer_fires;
static int64_t timer_fired_at; /* before the post */

static int64_t timer_now(void)
{
    return pawl_now(); /* the same for all */
}

static void timer_fired(void)
{
    timer_fired_at = timer_now();
    BENCH_CHECK(sem_post(&timer_fires) == 0);
}

/* -- pawl ------------------------------------------------------------------- */

typedef pawl_timer timer_timer_pawl;

static void fired_pawl(pawl_timer *t, void *context)
{
    (void)t;
    (void)context;
    timer_fired();
}

static void init_timer_pawl(timer_timer_pawl *t)
{
    BENCH_CHECK(pawl_timer_init(t, fired_pawl, NULL) == 0);
    BENCH_CHECK(pawl_timer_set_daemon(t, true) == 0);
}

static inline void arm_timer_pawl(timer_timer_pawl *t, int64_t when)
{
    BENCH_CHECK(pawl_timer_restart(t, when) == 0);
}

static inline void cancel_timer_pawl(timer_timer_pawl *t)
{
    BENCH_CHECK(pawl_timer_cancel(t) == 0);
}

static void end_timer_pawl(timer_timer_pawl *t)
{
    pawl_timer_cancel_wait(t);
}

#define IMPL pawl
#include "timer_cases.h"
#undef IMPL

/* -- pthread ----------------------------------------------------------------- */

typedef struct {
    int64_t when;
    size_t place; /* in the heap, + 1; 0: not in it */
    void (*fn)(void);
} timer_timer_pthread;

static struct {
    pthread_mutex_t lock;
    pthread_cond_t earlier; /* the first has changed */
    timer_timer_pthread **heap;
    size_t size, room;
} wheel = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void heap_set(size_t i, timer_timer_pthread *t)
{
    wheel.heap[i] = t;
    t->place = i + 1;
}

static void heap_up(size_t i, timer_timer_pthread *t)
{
    for (; i > 0 && wheel.heap[(i - 1) / 2]->when > t->when; i = (i - 1) / 2)
        heap_set(i, wheel.heap[(i - 1) / 2]);
    heap_set(i, t);
}

static void heap_down(size_t i, timer_timer_pthread *t)
{
    for (;;) {
        size_t child = 2 * i + 1;
        if (child + 1 < wheel.size &&
            wheel.heap[child + 1]->when < wheel.heap[child]->when)
            child++;
        if (child >= wheel.size || wheel.heap[child]->when >= t->when)
            break;
        heap_set(i, wheel.heap[child]);
        i = child;
    }
    heap_set(i, t);
}

static void heap_insert(timer_timer_pthread *t)
{
    if (wheel.size == wheel.room) {
        wheel.room = wheel.room == 0 ? 1024 : 2 * wheel.room;
        wheel.heap = realloc(wheel.heap, wheel.room * sizeof(*wheel.heap));
        BENCH_CHECK(wheel.heap != NULL);
    }
    heap_up(wheel.size++, t);
}

static void heap_remove(timer_timer_pthread *t)
{
    size_t i = t->place - 1;
    timer_timer_pthread *last = wheel.heap[--wheel.size];
    t->place = 0;
    if (last == t)
        return;
    if (i > 0 && wheel.heap[(i - 1) / 2]->when > last->when)
        heap_up(i, last);
    else
        heap_down(i, last);
}

static void *serve(void *arg)
{
    BENCH_CHECK(pthread_mutex_lock(&wheel.lock) == 0);
    for (;;) {
        timer_timer_pthread *t = wheel.size > 0 ? wheel.heap[0] : NULL;
        if (t == NULL) {
            pthread_cond_wait(&wheel.earlier, &wheel.lock);
        } else if (t->when > timer_now()) {
            struct timespec until = {t->when / 1000000000,
                                     t->when % 1000000000};
            pthread_cond_timedwait(&wheel.earlier, &wheel.lock, &until);
        } else {
            heap_remove(t);
            pthread_mutex_unlock(&wheel.lock);
            t->fn();
            pthread_mutex_lock(&wheel.lock);
        }
    }
    return arg;
}

static void start_serving(void)
{
    pthread_condattr_t monotonic;
    pthread_t thread;
    BENCH_CHECK(pthread_condattr_init(&monotonic) == 0);
    BENCH_CHECK(pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC) == 0);
    BENCH_CHECK(pthread_cond_init(&wheel.earlier, &monotonic) == 0);
    BENCH_CHECK(pthread_create(&thread, NULL, serve, NULL) == 0);
    BENCH_CHECK(pthread_detach(thread) == 0);
}

static void init_timer_pthread(timer_timer_pthread *t)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    BENCH_CHECK(pthread_once(&once, start_serving) == 0);
    t->place = 0;
    t->fn = timer_fired;
}

static inline void arm_timer_pthread(timer_timer_pthread *t, int64_t when)
{
    BENCH_CHECK(pthread_mutex_lock(&wheel.lock) == 0);
    if (t->place != 0)
        heap_remove(t);
    t->when = when;
    heap_insert(t);
    if (t->place == 1)
        BENCH_CHECK(pthread_cond_signal(&wheel.earlier) == 0);
    BENCH_CHECK(pthread_mutex_unlock(&wheel.lock) == 0);
}

static inline void cancel_timer_pthread(timer_timer_pthread *t)
{
    BENCH_CHECK(pthread_mutex_lock(&wheel.lock) == 0);
    if (t->place != 0)
        heap_remove(t);
    BENCH_CHECK(pthread_mutex_unlock(&wheel.lock) == 0);
}

static void end_timer_pthread(timer_timer_pthread *t)
{
    cancel_timer_pthread(t);
}

#define IMPL pthread
#include "timer_cases.h"
#undef IMPL

/* -- the kernel's -------------------------------------------------------------- */

typedef struct {
    int fd;
} timer_timer_timerfd;

static void *read_timer(void *fd)
{
    uint64_t times;
    while (read((int)(intptr_t)fd, &times, sizeof(times)) == sizeof(times))
        timer_fired();
    return NULL;
}

static void init_timer_timerfd(timer_timer_timerfd *t)
{
    pthread_t thread;
    t->fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
    BENCH_CHECK(t->fd >= 0);
    BENCH_CHECK(pthread_create(&thread, NULL, read_timer,
                               (void *)(intptr_t)t->fd) == 0);
    BENCH_CHECK(pthread_detach(thread) == 0);
}

static inline void arm_timer_timerfd(timer_timer_timerfd *t, int64_t when)
{
    struct itimerspec spec = {
        .it_value = {when / 1000000000, when % 1000000000}};
    BENCH_CHECK(timerfd_settime(t->fd, TFD_TIMER_ABSTIME, &spec, NULL) == 0);
}

static inline void cancel_timer_timerfd(timer_timer_timerfd *t)
{
    struct itimerspec spec = {.it_value = {0, 0}};
    BENCH_CHECK(timerfd_settime(t->fd, 0, &spec, NULL) == 0);
}

/* Its thread sleeps in read for ever, so the descriptor stays too. */
static void end_timer_timerfd(timer_timer_timerfd *t)
{
    cancel_timer_timerfd(t);
}

#define IMPL timerfd
#include "timer_cases.h"
#undef IMPL

void bench_timer(void)
{
    static const unsigned thousands[] = {0, 1, TIMER_PENDING_MOST / 1000};
    BENCH_CHECK(sem_init(&timer_fires, 0, 0) == 0);
    for (unsigned i = 0; i < 3; i++) {
        add_timer_pawl(thousands[i]);
        add_timer_pthread(thousands[i]);
    }
    add_timer_timerfd(0);
}
