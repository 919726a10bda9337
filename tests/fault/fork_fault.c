/* SPDX-License-Identifier: MIT
 *
 * fork_fault.c - forks at random moments of a program whose threads use locks, or
 * regions, connections and processes, all the time: the child can use every one of
 * them at once, as documented (K-02 to K-04), whatever the threads that it has not
 * were in the middle of.  (Queues, threads, timers, pools: fork_stress.)
 *
 * fork_test.c lays these moments down one by one; here they come as they come.
 */
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <pawl/barrier.h>
#include <pawl/cond.h>
#include <pawl/error.h>
#include <pawl/event.h>
#include <pawl/latch.h>
#include <pawl/memory.h>
#include <pawl/mutex.h>
#include <pawl/once.h>
#include <pawl/pipe.h>
#include <pawl/process.h>
#include <pawl/region.h>
#include <pawl/rmutex.h>
#include <pawl/rwlock.h>
#include <pawl/sem.h>
#include <pawl/shared_queue.h>

#include "crowd.h"

enum { THREADS = 4 };

struct scene {
    pawl_mutex mutex;
    pawl_mutex ownerless;
    pawl_rmutex recursive;
    pawl_rwlock written; /* by all: readers stay counted in a child */
    pawl_sem sem;
    pawl_cond cond;
    pawl_event event;
    pawl_mutex of_cond;
    atomic_bool ends;
    atomic_bool company; /* for the next child */
};

static void held(int err)
{
    CHECK(err == 0 || err == -ETIMEDOUT);
}

/* Long enough that others come and wait. */
static void linger(uint64_t *random)
{
    if (test_rand_below(random, 4) == 0)
        sched_yield();
}

/* Short waits too: their ends are moments of their own. */
static void use_all(void *arg, int me)
{
    struct scene *s = arg;
    uint64_t random = test_seed((uint64_t)me);

    while (!atomic_load(&s->ends)) {
        pawl_deadline until = pawl_after_us(test_rand_below(&random, 2000));
        int err;

        CHECK_OK(pawl_mutex_lock(&s->mutex));
        linger(&random);
        CHECK_OK(pawl_mutex_unlock(&s->mutex));
        CHECK_OK(pawl_mutex_lock(&s->ownerless));
        linger(&random);
        CHECK_OK(pawl_mutex_unlock(&s->ownerless));
        CHECK_OK(pawl_rmutex_lock(&s->recursive));
        CHECK_OK(pawl_rmutex_lock(&s->recursive));
        linger(&random);
        CHECK_OK(pawl_rmutex_unlock(&s->recursive));
        CHECK_OK(pawl_rmutex_unlock(&s->recursive));
        err = pawl_rwlock_write_lock_until(&s->written, until);
        held(err);
        linger(&random);
        if (err == 0)
            CHECK_OK(pawl_rwlock_write_unlock(&s->written));
        err = pawl_sem_acquire_until(&s->sem, until);
        held(err);
        if (err == 0) {
            linger(&random);
            CHECK_OK(pawl_sem_release(&s->sem));
        }
        held(pawl_event_wait_until(&s->event, pawl_after_us(20)));
        CHECK_OK(pawl_mutex_lock(&s->of_cond));
        if (me % 2 == 0)
            held(pawl_cond_wait_until(&s->cond, &s->of_cond, until));
        else
            CHECK_OK(pawl_cond_notify_all(&s->cond, &s->of_cond));
        CHECK_OK(pawl_mutex_unlock(&s->of_cond));
    }
}

/* Had, or had after the death of one who held it; then it is as new. */
static void repair_mutex(pawl_mutex *m)
{
    int err = pawl_mutex_lock_until(m, pawl_after_s(20));

    CHECK(err == 0 || err == -EOWNERDEAD);
    if (err == -EOWNERDEAD)
        CHECK_OK(pawl_mutex_consistent(m));
    CHECK_OK(pawl_mutex_unlock(m));
    CHECK_OK(pawl_mutex_try_lock(m));
    CHECK_OK(pawl_mutex_unlock(m));
}

static void repair_rmutex(pawl_rmutex *r)
{
    int err = pawl_rmutex_lock_until(r, pawl_after_s(20));

    CHECK(err == 0 || err == -EOWNERDEAD);
    CHECK_EQ(pawl_rmutex_depth(r), 1);
    if (err == -EOWNERDEAD)
        CHECK_OK(pawl_rmutex_consistent(r));
    CHECK_OK(pawl_rmutex_unlock(r));
}

static void repair_rwlock(pawl_rwlock *rw)
{
    int err = pawl_rwlock_write_lock_until(rw, pawl_after_s(20));

    CHECK(err == 0 || err == -EOWNERDEAD);
    if (err == -EOWNERDEAD)
        CHECK_OK(pawl_rwlock_consistent(rw));
    CHECK_OK(pawl_rwlock_write_unlock(rw));
    CHECK_OK(pawl_rwlock_try_read_lock(rw));
    CHECK_OK(pawl_rwlock_read_unlock(rw));
}

static void use_as_child(void *arg)
{
    struct scene *s = arg;

    repair_mutex(&s->mutex);
    repair_rmutex(&s->recursive);
    repair_rwlock(&s->written);
    repair_mutex(&s->of_cond);
    /* Nobody owns it, so it may be held for ever; anybody may release it. */
    (void)!pawl_mutex_try_lock(&s->ownerless);
    CHECK_OK(pawl_mutex_unlock(&s->ownerless));
    CHECK_OK(pawl_mutex_lock_until(&s->ownerless, pawl_after_s(20)));
    CHECK_OK(pawl_mutex_unlock(&s->ownerless));

    CHECK_EQ(pawl_sem_waiters(&s->sem), 0);
    CHECK_OK(pawl_sem_release(&s->sem));
    CHECK_OK(pawl_sem_try_acquire(&s->sem));
    CHECK_ERR(pawl_sem_acquire_n_until(&s->sem, 100, pawl_after_us(10)),
              -ETIMEDOUT);
    pawl_event_set(&s->event);
    CHECK_OK(pawl_event_wait(&s->event));

    CHECK_OK(pawl_mutex_lock(&s->of_cond));
    CHECK_OK(pawl_cond_notify_all(&s->cond, &s->of_cond));
    CHECK_ERR(pawl_cond_wait_until(&s->cond, &s->of_cond, pawl_after_us(10)),
              -ETIMEDOUT);
    CHECK_OK(pawl_mutex_unlock(&s->of_cond));
}

static void lock_in_company(void *arg, int me)
{
    struct scene *s = arg;
    uint64_t random = test_seed((uint64_t)me);

    for (int i = 0; i < 50; i++) {
        CHECK_OK(pawl_mutex_lock(&s->mutex));
        linger(&random);
        CHECK_OK(pawl_mutex_unlock(&s->mutex));
        CHECK_OK(pawl_sem_acquire(&s->sem));
        linger(&random);
        CHECK_OK(pawl_sem_release(&s->sem));
    }
}

/* Now and then with threads of its own. */
static void be_child(void *arg)
{
    struct scene *s = arg;

    use_as_child(s);
    if (atomic_load(&s->company)) {
        if (pawl_sem_value(&s->sem) == 0) /* a thread had it that is no more */
            CHECK_OK(pawl_sem_release(&s->sem));
        crowd(3, lock_in_company, s);
        use_as_child(s);
    }
}

TEST(fork.at_any_moment_leaves_the_child_usable_locks)
{
    static struct scene s;
    static struct crowd c;
    uint64_t random = test_seed(99);
    int forks = test_iterations(3000);

    TEST_TIMEOUT(120);
    CHECK_OK(pawl_mutex_init(&s.ownerless, PAWL_OWNERLESS));
    CHECK_OK(pawl_sem_init(&s.sem, 1, 0));
    crowd_begins(&c, THREADS, use_all, &s);
    for (int i = 0; i < forks; i++) {
        atomic_store(&s.company, i % 8 == 0);
        test_wait_child(test_spawn_child(be_child, &s));
        for (uint32_t n = test_rand_below(&random, 300); n > 0; n--)
            __asm__ volatile("" ::: "memory");
    }
    atomic_store(&s.ends, true);
    crowd_ends(&c);
    use_as_child(&s); /* and nothing has happened to the parent's */
    test_note("%d forks", forks);
}

/* ---- between processes --------------------------------------------------------------- */

struct shared {
    pawl_region *region;
    pawl_shared_queue *queue;
    atomic_bool ends;
};

static void use_heap(struct shared *s)
{
    uint64_t record = 7;
    pawl_offset block;

    CHECK_OK(pawl_memory_alloc(s->region, 100, 0, 0, &block));
    CHECK_OK(pawl_memory_free(s->region, block));
    /* Others may have filled or emptied it. */
    (void)!pawl_shared_queue_try_put(s->queue, &record, sizeof record);
    if (pawl_shared_queue_try_get(s->queue, &record, sizeof record) >= 0)
        CHECK_EQ(record, 7);
}

static void use_own(void)
{
    pawl_region *r;
    pawl_pipe *ends[2];
    char got;
    size_t n;

    CHECK_OK(pawl_region_create(&r, &(pawl_region_options){.buffer = 1}));
    CHECK(pawl_region_join(r) > 0);
    pawl_region_free(r);
    CHECK_OK(pawl_pipe_create(ends, &(pawl_pipe_options){.capacity = 4096}));
    CHECK_OK(pawl_pipe_send(ends[0], "x", 1));
    CHECK_OK(pawl_pipe_recv(ends[1], &got, 1, &n));
    CHECK(n == 1 && got == 'x');
    pawl_pipe_free(ends[0]);
    pawl_pipe_free(ends[1]);
}

static int end_at_once(void *arg)
{
    (void)arg;
    return 7;
}

static void use_process(void)
{
    const pawl_process_options fork = {.method = PAWL_START_FORK};
    pawl_process *p;
    int code;

    CHECK_OK(pawl_process_create(&p, end_at_once, NULL, &fork));
    CHECK_OK(pawl_process_start(p));
    CHECK_OK(pawl_process_join(p, &code));
    CHECK_EQ(code, 7);
    pawl_process_free(p);
}

static void share(void *arg, int me)
{
    struct shared *s = arg;

    while (!atomic_load(&s->ends)) {
        if (me == 0)
            use_own();
        else if (me == 1)
            use_process();
        else
            use_heap(s);
    }
}

static void share_as_child(void *arg)
{
    struct shared *s = arg;

    use_heap(s);
    use_own();
    use_process();
    CHECK(pawl_region_recover(s->region) >= 0);
}

TEST(fork.at_any_moment_leaves_the_child_usable_regions)
{
    static struct shared s;
    static struct crowd c;
    uint64_t random = test_seed(98);
    int forks = test_iterations(300);

    TEST_TIMEOUT(120);
    CHECK_OK(pawl_region_create(
        &s.region,
        &(pawl_region_options){.heap = 1 << 20, .participants = 64}));
    CHECK_OK(pawl_shared_queue_create(
        &s.queue, s.region,
        &(pawl_shared_queue_options){
            .capacity = 4, .record_size = 8, .kind = PAWL_SHARED_FIFO}));
    crowd_begins(&c, THREADS, share, &s);
    for (int i = 0; i < forks; i++) {
        test_wait_child(test_spawn_child(share_as_child, &s));
        test_random_moment(&random, 300);
    }
    atomic_store(&s.ends, true);
    crowd_ends(&c);
    share_as_child(&s);
    test_note("%d forks", forks);
}
