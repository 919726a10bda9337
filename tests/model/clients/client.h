/* SPDX-License-Identifier: MIT
 *
 * client.h - the library's sources for a model checker of C11 programs.
 *
 * A client is one C file: this header, the source under test, two or three threads
 * of one or two operations each, and assertions.  It is also an ordinary program,
 * which prints how many executions a checker should find if it was compiled with
 * CLIENT_PRINTS.  In the place of the system are: a futex with a bucket lock, a
 * comparison under it and a flag for each waiter; threads that never end, named by
 * number; a clock that stands still.  README.md says how to use them.
 */
#ifndef PAWL_CLIENT_H
#define PAWL_CLIENT_H

#undef NDEBUG
#include <assert.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#ifdef CLIENT_PRINTS
#    include <stdio.h>
#endif

#include <pawl/error.h>
#include <pawl/time.h>

#include "atomic/ops.h"
#include "futex/cond_core.h"
#include "futex/deadlock.h"
#include "futex/lock_names.h"
#include "futex/realm.h"
#include "futex/self.h"
#include "futex/sys.h"
#include "futex/waitable.h"

#include "no_lifelines.c"

#define CLIENT_THREADS 5 /* with main */

/* In a loop that awaits a value, and does nothing else. */
#ifndef CLIENT_PAUSE
#    define CLIENT_PAUSE() ((void)0)
#endif

/* How many executions the client has, as count_main.c counts. */
extern const unsigned long long client_executions;
#define CLIENT_EXECUTIONS(n) const unsigned long long client_executions = (n)

#ifdef main /* renamed */
int main(void);
#endif

/* -- The futex ----------------------------------------------------------------- */

struct client_waiter {
    const pawl_u32 *word;
    uint32_t channels;
    pawl_u32 woken;
};

static pthread_mutex_t client_bucket = PTHREAD_MUTEX_INITIALIZER;
static struct client_waiter client_waiters[CLIENT_THREADS]; /* under the lock */

_Thread_local struct pawl_self pawl_self_;
uint32_t pawl_fork_count_;

/* There are no regions. */
pawl_u32 pawl_realm_changes_;

struct pawl_participants *pawl_realm_find(const void *object)
{
    (void)object;
    return NULL;
}

uint32_t pawl_realm_find_me(const void *object)
{
    (void)object;
    return pawl_self_.shared_id;
}

int pawl_realm_join(const void *object, struct pawl_participants **table,
                    uint32_t *id)
{
    *table = NULL;
    *id = pawl_realm_find_me(object);
    return 0;
}

static inline uint32_t client_look(const pawl_u32 *futex)
{
    uintptr_t address = (uintptr_t)futex;

    if ((address & CLIENT_IS_LOW) != 0)
        return pawl_load_low_relaxed((pawl_u64 *)(address - CLIENT_IS_LOW));
    if ((address & CLIENT_IS_HIGH) != 0)
        return pawl_load_high_relaxed((pawl_u64 *)(address - CLIENT_IS_HIGH));
    return pawl_load_relaxed(futex);
}

/* Thread n has the id n, which is its place among the waiters, plus one. */
int pawl_futex_wait(pawl_u32 *word, uint32_t expected, pawl_deadline until,
                    bool shared, uint32_t channels)
{
    struct client_waiter *w = &client_waiters[pawl_self_.local_id - 1];

    (void)until;
    (void)shared;
    pthread_mutex_lock(&client_bucket);
    if (client_look(word) != expected) {
        pthread_mutex_unlock(&client_bucket);
        return -EAGAIN;
    }
    w->word = word;
    w->channels = channels;
    pawl_store_relaxed(&w->woken, 0);
    pthread_mutex_unlock(&client_bucket);
    while (pawl_load_relaxed(&w->woken) == 0)
        CLIENT_PAUSE();
    return 0;
}

bool pawl_futex_is_stopped(void)
{
    return false;
}

int pawl_futex_wake(pawl_u32 *word, int count, bool shared, uint32_t channels)
{
    int woken = 0;

    (void)shared;
    pthread_mutex_lock(&client_bucket);
    for (int i = 0; i < CLIENT_THREADS && woken < count; i++) {
        struct client_waiter *w = &client_waiters[i];

        if (w->word != word || (w->channels & channels) == 0)
            continue;
        w->word = NULL;
        pawl_store_relaxed(&w->woken, 1);
        woken++;
    }
    pthread_mutex_unlock(&client_bucket);
    return woken;
}

/* Events and latches wake by it, watched or not.  No client has wait sets: there
 * is no bell to ring, and nothing to poll. */
void pawl_watchers_wake(pawl_u32 *word, bool shared)
{
    pawl_futex_wake(word, PAWL_WAKE_ALL, shared, PAWL_CHANNEL_ANY);
}

void pawl_fd_write(uint32_t fd_plus_1)
{
    (void)fd_plus_1;
    assert(false && "nobody polls");
}

void pawl_fd_close(pawl_u32 *place)
{
    (void)place;
}

/* -- Threads -------------------------------------------------------------------- */

uint32_t pawl_self_register_local(void)
{
    assert(false && "registered by client_run");
    return 0;
}

uint32_t pawl_self_register_shared(void)
{
    return pawl_self_register_local();
}

bool pawl_thread_alive(uint32_t local_id)
{
    (void)local_id;
    return true;
}

bool pawl_thread_is_here(uint32_t local_id)
{
    (void)local_id;
    return false;
}

uint32_t pawl_thread_tid(uint32_t local_id)
{
    return local_id;
}

void pawl_wait_begins(void *object, pawl_bury_fn bury)
{
    (void)object;
    (void)bury;
}

void pawl_wait_ends(void)
{
}

int pawl_lock_wait_begins(void *lock, const struct pawl_lock_kind *kind,
                          uint32_t holder, pawl_deadline until)
{
    (void)lock;
    (void)kind;
    (void)holder;
    (void)until;
    return 0;
}

/* Nothing has a name. */
pawl_u32 pawl_lock_names_;

void pawl_lock_forget_name(const void *lock)
{
    (void)lock;
}

#ifndef CLIENT_CONDITIONS
/* Nothing is deferred. */
bool pawl_cond_wake_deferred(const struct pawl_deferred_wake *d, bool shared)
{
    (void)d;
    (void)shared;
    assert(false && "nothing is deferred");
    return false;
}
#endif

pawl_deadline pawl_now(void)
{
    return 1;
}

pawl_deadline pawl_after_ms(int64_t ms)
{
    return pawl_now() + ms * 1000000;
}

pawl_deadline pawl_after_ns(int64_t ns)
{
    return 1 + ns;
}

struct client_thread {
    pthread_t thread;
    uint32_t id;
    void (*function)(void);
};

static void *client_thread_begins(void *argument)
{
    struct client_thread *t = argument;

    pawl_self_.local_id = pawl_self_.shared_id = t->id;
    t->function();
    return NULL;
}

/* Run these functions, each in a thread of its own, and wait for them. */
static inline void client_run(void (*const *functions)(void), int n)
{
    struct client_thread threads[CLIENT_THREADS];

    pawl_self_.local_id = pawl_self_.shared_id = CLIENT_THREADS;
    assert(n < CLIENT_THREADS);
    for (int i = 0; i < n; i++) {
        threads[i].id = (uint32_t)i + 1;
        threads[i].function = functions[i];
        pthread_create(&threads[i].thread, NULL, client_thread_begins,
                       &threads[i]);
    }
    for (int i = 0; i < n; i++)
        pthread_join(threads[i].thread, NULL);
#ifdef CLIENT_PRINTS
    printf("executions: %llu\n", client_executions);
#endif
}

#define CLIENT_RUN(...)                                                        \
    client_run((void (*const[])(void)){__VA_ARGS__},                           \
               sizeof((void (*const[])(void)){__VA_ARGS__}) / sizeof(void *))

#endif /* PAWL_CLIENT_H */
