/* SPDX-License-Identifier: MIT
 *
 * fork_stress.c - K-01 to K-04, W-24, invariant 11: a program whose threads are in the
 * middle of everything forks, thousands of times, and the child can use all of it as
 * it is documented: locks of threads that it has not are found dead, signals and queues
 * go on, threads, timers and pools can be made anew.
 */
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include <pawl.h>

#include "crowd.h"

enum { THREADS = 4, PERMITS = 1 };

struct scene {
    pawl_mutex mutex;
    pawl_rmutex recursive;
    pawl_rwlock rwlock;
    pawl_mutex cond_mutex;
    pawl_cond cond;
    pawl_sem sem;
    pawl_event event;
    pawl_queue *queue;
    pawl_pool *pool;
    atomic_bool over;
};

static int do_nothing(void *arg)
{
    (void)arg;
    return 7;
}

static int run_nothing(pawl_task *task, void *arg)
{
    (void)task;
    return do_nothing(arg);
}

static void set_event(pawl_timer *t, void *event)
{
    (void)t;
    pawl_event_set(event);
}

/* ---- what both do ----------------------------------------------------------------- */

static void use_queue(struct scene *s)
{
    uint64_t item = 1;

    CHECK_OK(pawl_queue_put(s->queue, &item));
    CHECK_OK(pawl_queue_get(s->queue, &item));
}

static void use_thread(void)
{
    pawl_thread t;
    int status = 0;

    CHECK_OK(pawl_thread_init(&t, do_nothing, NULL, NULL));
    CHECK_OK(pawl_thread_start(&t));
    CHECK_OK(pawl_thread_join(&t, &status));
    CHECK_EQ(status, 7);
}

static void use_timer(void)
{
    pawl_event fired = PAWL_EVENT_INIT;
    pawl_timer t;

    pawl_timer_init(&t, set_event, &fired);
    CHECK_OK(pawl_timer_start(&t, pawl_after_us(10)));
    CHECK_OK(pawl_event_wait(&fired));
    CHECK_OK(pawl_timer_join(&t));
}

static void use_pool(pawl_pool *pool)
{
    pawl_task t;
    int status = 0;

    pawl_task_init(&t, run_nothing, NULL);
    CHECK_OK(pawl_pool_submit(pool, &t));
    CHECK_OK(pawl_future_result(&t.future, &status, NULL));
    CHECK_EQ(status, 7);
}

/* ---- the parent's threads ------------------------------------------------------------ */

static void be_busy(void *scene, int me)
{
    struct scene *s = scene;
    uint64_t random = test_seed((uint64_t)me);

    while (!atomic_load(&s->over)) {
        void *memory = malloc(test_rand_below(&random, 5000));

        switch (test_rand_below(&random, 10)) {
        case 0:
            CHECK_OK(pawl_mutex_lock(&s->mutex));
            CHECK_OK(pawl_mutex_unlock(&s->mutex));
            break;
        case 1:
            CHECK_OK(pawl_rmutex_lock(&s->recursive));
            CHECK_OK(pawl_rmutex_lock(&s->recursive));
            CHECK_OK(pawl_rmutex_unlock(&s->recursive));
            CHECK_OK(pawl_rmutex_unlock(&s->recursive));
            break;
        case 2:
            CHECK_OK(pawl_rwlock_write_lock(&s->rwlock));
            CHECK_OK(pawl_rwlock_write_unlock(&s->rwlock));
            break;
        case 3:
            CHECK_OK(pawl_mutex_lock(&s->cond_mutex));
            CHECK_OK(pawl_cond_notify(&s->cond, &s->cond_mutex, 1));
            (void)!pawl_cond_wait_until(&s->cond, &s->cond_mutex,
                                        pawl_after_us(100));
            CHECK_OK(pawl_mutex_unlock(&s->cond_mutex));
            break;
        case 4:
            CHECK_OK(pawl_sem_acquire(&s->sem));
            sched_yield(); /* others wait */
            CHECK_OK(pawl_sem_release(&s->sem));
            break;
        case 5:
            pawl_event_set(&s->event);
            pawl_event_clear(&s->event);
            (void)!pawl_event_wait_until(&s->event, pawl_after_us(50));
            break;
        case 6:
            use_thread();
            break;
        case 7:
            use_timer();
            break;
        case 8:
            use_pool(s->pool);
            break;
        default:
            use_queue(s);
        }
        free(memory);
    }
}

/* ---- the child ------------------------------------------------------------------------ */

/* Held now: by one who is not here, if it says so. */
static bool is_left(int err)
{
    CHECK(err == 0 || err == -EOWNERDEAD);
    return err != 0;
}

static void take_locks(struct scene *s)
{
    pawl_deadline until = pawl_after_s(20);

    if (is_left(pawl_mutex_lock_until(&s->mutex, until)))
        CHECK_OK(pawl_mutex_consistent(&s->mutex));
    CHECK_OK(pawl_mutex_unlock(&s->mutex));
    CHECK_OK(pawl_mutex_try_lock(&s->mutex));
    CHECK_OK(pawl_mutex_unlock(&s->mutex));

    if (is_left(pawl_rmutex_lock_until(&s->recursive, until)))
        CHECK_OK(pawl_rmutex_consistent(&s->recursive));
    CHECK_EQ(pawl_rmutex_depth(&s->recursive), 1);
    CHECK_OK(pawl_rmutex_unlock(&s->recursive));

    if (is_left(pawl_rwlock_write_lock_until(&s->rwlock, until)))
        CHECK_OK(pawl_rwlock_consistent(&s->rwlock));
    CHECK_OK(pawl_rwlock_write_unlock(&s->rwlock));
    CHECK_OK(pawl_rwlock_try_read_lock(&s->rwlock));
    CHECK_OK(pawl_rwlock_read_unlock(&s->rwlock));

    if (is_left(pawl_mutex_lock_until(&s->cond_mutex, until)))
        CHECK_OK(pawl_mutex_consistent(&s->cond_mutex));
    CHECK_OK(pawl_cond_notify_all(&s->cond, &s->cond_mutex));
    CHECK_ERR(pawl_cond_wait_until(&s->cond, &s->cond_mutex, pawl_after_us(10)),
              -ETIMEDOUT);
    CHECK_OK(pawl_mutex_unlock(&s->cond_mutex));
}

static void use_signals(struct scene *s)
{
    CHECK_EQ(pawl_sem_waiters(&s->sem), 0);
    CHECK(pawl_sem_value(&s->sem) >= 0 && pawl_sem_value(&s->sem) <= PERMITS);
    CHECK_OK(pawl_sem_release(&s->sem)); /* others may have had them all */
    CHECK_OK(pawl_sem_acquire(&s->sem));
    pawl_event_set(&s->event);
    CHECK_OK(pawl_event_wait(&s->event));
    pawl_event_clear(&s->event);
    CHECK_ERR(pawl_event_wait_until(&s->event, pawl_after_us(10)), -ETIMEDOUT);
}

static _Noreturn void be_child(struct scene *s)
{
    pawl_task refused;
    pawl_pool *pool;

    take_locks(s);
    use_signals(s);
    use_queue(s);
    free(malloc(1000));
    CHECK_EQ(pawl_thread_active_count(), 1);
    pawl_task_init(&refused, run_nothing, NULL);
    CHECK_ERR(pawl_pool_submit(s->pool, &refused), -ECHILD);
    CHECK_OK(pawl_pool_free(s->pool));
    use_thread();
    use_timer();
    CHECK_OK(pawl_pool_create(&pool, NULL));
    use_pool(pool);
    CHECK_OK(pawl_pool_end(pool));
    _exit(0);
}

TEST(fork_stress.children_of_a_busy_program_can_use_everything)
{
    struct scene s = {.mutex = PAWL_MUTEX_INIT};
    struct crowd c;
    int forks = test_iterations(3000);

    if (test_under_tsan())
        TEST_SKIP("ThreadSanitizer allows no threads in such a child");
    TEST_TIMEOUT(200);
    CHECK_OK(pawl_sem_init(&s.sem, PERMITS, 0));
    CHECK_OK(pawl_queue_create(
        &s.queue, &(pawl_queue_options){.capacity = 64, .element_size = 8}));
    CHECK_OK(pawl_pool_create(&s.pool, NULL));
    crowd_begins(&c, THREADS, be_busy, &s);
    for (int i = 0; i < forks; i++) {
        pid_t pid = i % 2 == 0 ? fork() : pawl_fork();

        CHECK(pid >= 0);
        if (pid == 0)
            be_child(&s);
        test_wait_child(pid);
    }
    atomic_store(&s.over, true);
    crowd_ends(&c);
    test_note("%d forks", forks);
    CHECK_EQ(pawl_sem_value(&s.sem), PERMITS);
    CHECK_OK(pawl_pool_end(s.pool));
    pawl_queue_free(s.queue);
}
