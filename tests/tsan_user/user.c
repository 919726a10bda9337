/* SPDX-License-Identifier: MIT
 *
 * user.c - a program that is built with ThreadSanitizer and linked with a pawl
 * that is not.
 *
 *   user clean   hands plain data over through every object: no report
 *   user race    forgets a lock: must be reported, pawl hides nothing
 *   user order   takes two locks in both orders: must be reported
 */
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

#include <pawl.h>

static void must(int err)
{
    if (err < 0)
        fprintf(stderr, "unexpected: %s\n", pawl_errname(err));
}

/* ---- clean ------------------------------------------------------------- */

enum { ROUNDS = 200 };

static pawl_mutex mutex = PAWL_MUTEX_INIT;
static pawl_mutex ownerless = PAWL_MUTEX_INIT_FLAGS(PAWL_OWNERLESS);
static pawl_rmutex rmutex = PAWL_RMUTEX_INIT;
static pawl_rwlock rwlock = PAWL_RWLOCK_INIT;
static pawl_cond cond = PAWL_COND_INIT;
static pawl_sem filled = PAWL_SEM_INIT(0);
static pawl_sem emptied = PAWL_SEM_INIT(1);
static pawl_event event = PAWL_EVENT_INIT;
static pawl_barrier barrier = PAWL_BARRIER_INIT(2);
static pawl_once once = PAWL_ONCE_INIT;
static pawl_latch latch = PAWL_LATCH_INIT(1);

/* Plain data, each guarded by the object of that name. */
static struct {
    int mutex, ownerless, rmutex, rwlock, cond, sem, event, barrier, once, latch;
} data;

static int set_once(void *arg)
{
    (void)arg;
    data.once = 1;
    return 0;
}

static void both(void)
{
    for (int i = 0; i < ROUNDS; i++) {
        must(pawl_mutex_lock(&mutex));
        data.mutex++;
        must(pawl_mutex_unlock(&mutex));
        must(pawl_mutex_lock(&ownerless));
        data.ownerless++;
        must(pawl_mutex_unlock(&ownerless));
        must(pawl_rmutex_lock(&rmutex));
        must(pawl_rmutex_lock(&rmutex));
        data.rmutex++;
        must(pawl_rmutex_unlock(&rmutex));
        must(pawl_rmutex_unlock(&rmutex));
        must(pawl_rwlock_write_lock(&rwlock));
        data.rwlock++;
        must(pawl_rwlock_downgrade(&rwlock));
        must(data.rwlock > 0 ? 0 : -EINVAL);
        must(pawl_rwlock_read_unlock(&rwlock));
        must(pawl_rwlock_read_lock(&rwlock));
        must(data.rwlock > 0 ? 0 : -EINVAL);
        must(pawl_rwlock_read_unlock(&rwlock));
    }
    must(pawl_once_run(&once, set_once, NULL));
    must(data.once == 1 ? 0 : -EINVAL);
    for (int i = 0; i < ROUNDS; i++) {
        int index = pawl_barrier_wait(&barrier);

        must(index);
        if (index == 0) /* only one of them, between two barriers */
            data.barrier++;
        must(pawl_barrier_wait(&barrier));
    }
}

static void *consume(void *arg)
{
    int err;

    both();
    for (int i = 0; i < ROUNDS; i++) {
        must(pawl_sem_acquire(&filled));
        data.sem--;
        must(pawl_sem_release(&emptied));
    }
    must(pawl_event_wait(&event));
    data.event++;
    must(pawl_latch_wait(&latch));
    data.latch++;
    must(pawl_mutex_lock(&mutex));
    PAWL_COND_WAIT_WHILE(err, &cond, &mutex, PAWL_FOREVER, data.cond == 0);
    must(err);
    data.cond++;
    must(pawl_mutex_unlock(&mutex));
    return arg;
}

static int clean(void)
{
    pthread_t other;

    pthread_create(&other, NULL, consume, NULL);
    both();
    for (int i = 0; i < ROUNDS; i++) {
        must(pawl_sem_acquire(&emptied));
        data.sem++;
        must(pawl_sem_release(&filled));
    }
    data.event = 1;
    pawl_event_set(&event);
    data.latch = 1;
    must(pawl_latch_count_down(&latch, 1));
    must(pawl_mutex_lock(&mutex));
    data.cond = 1;
    must(pawl_cond_notify(&cond, &mutex, 1));
    must(pawl_mutex_unlock(&mutex));
    pthread_join(other, NULL);
    return data.mutex == 2 * ROUNDS && data.cond == 2 ? 0 : 1;
}

/* ---- race -------------------------------------------------------------- */

static int turn; /* relaxed: orders the accesses in time, and nothing else */

static void *forget(void *arg)
{
    while (__atomic_load_n(&turn, __ATOMIC_RELAXED) == 0)
        sched_yield();
    data.mutex++;
    return arg;
}

static int race(void)
{
    pthread_t other;

    pthread_create(&other, NULL, forget, NULL);
    must(pawl_mutex_lock(&mutex));
    data.mutex++;
    must(pawl_mutex_unlock(&mutex));
    __atomic_store_n(&turn, 1, __ATOMIC_RELAXED);
    pthread_join(other, NULL);
    return 0;
}

/* ---- order ------------------------------------------------------------- */

static int order(void)
{
    static pawl_mutex a = PAWL_MUTEX_INIT;
    static pawl_mutex b = PAWL_MUTEX_INIT;

    must(pawl_mutex_lock(&a));
    must(pawl_mutex_lock(&b));
    must(pawl_mutex_unlock(&b));
    must(pawl_mutex_unlock(&a));
    must(pawl_mutex_lock(&b));
    must(pawl_mutex_lock(&a));
    must(pawl_mutex_unlock(&a));
    must(pawl_mutex_unlock(&b));
    return 0;
}

int main(int argc, char **argv)
{
    const char *what = argc == 2 ? argv[1] : "";

    if (strcmp(what, "clean") == 0)
        return clean();
    if (strcmp(what, "race") == 0)
        return race();
    if (strcmp(what, "order") == 0)
        return order();
    fprintf(stderr, "usage: user clean|race|order\n");
    return 2;
}
