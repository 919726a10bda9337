/* SPDX-License-Identifier: MIT
 *
 * memory_fault.c - locks and signals without memory: pawl allocates nothing for
 * an object, but the first use by a thread registers it, which asks libc for a
 * key and may need a page for the table of threads, and the first wait reads
 * how many CPUs there are, through libc's files.  None of these may fail an
 * operation.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <sys/resource.h>

#include <pawl/barrier.h>
#include <pawl/cond.h>
#include <pawl/error.h>
#include <pawl/event.h>
#include <pawl/latch.h>
#include <pawl/mutex.h>
#include <pawl/once.h>
#include <pawl/rmutex.h>
#include <pawl/rwlock.h>
#include <pawl/sem.h>

#include "crowd.h"
#include "exhausted.h"

/* ---- a scene for many threads ------------------------------------------------- */

/* With the main thread, one more than the table of threads has room for at
 * first. */
enum { THREADS = CROWD_MAX, KEYS = 40 };

struct scene {
    pawl_mutex mutex;
    pawl_rmutex recursive;
    pawl_rwlock rwlock;
    pawl_sem sem;
    pawl_cond cond;
    pawl_event event;
    pawl_latch latch;
    pawl_barrier barrier;
    pawl_once once;
    int count; /* under the mutex */
    int runs;
    atomic_int ready;
    atomic_bool go;
};

static int count_run(void *arg)
{
    ((struct scene *)arg)->runs++;
    return 0;
}

static void use_all(void *arg, int me)
{
    struct scene *s = arg;
    int err;

    atomic_fetch_add(&s->ready, 1);
    while (!atomic_load(&s->go)) /* without a lock, which would register it */
        sched_yield();
    CHECK_OK(pawl_once_run(&s->once, count_run, s));
    for (int i = 0; i < 3; i++) {
        CHECK_OK(pawl_mutex_lock(&s->mutex));
        s->count++;
        CHECK_OK(pawl_mutex_unlock(&s->mutex));
        CHECK_OK(pawl_rmutex_lock(&s->recursive));
        CHECK_OK(pawl_rmutex_lock(&s->recursive));
        CHECK_OK(pawl_rmutex_unlock(&s->recursive));
        CHECK_OK(pawl_rmutex_unlock(&s->recursive));
        CHECK_ERR(pawl_rmutex_unlock(&s->recursive), -EPERM);
        CHECK_OK(pawl_rwlock_read_lock(&s->rwlock));
        CHECK_OK(pawl_rwlock_read_unlock(&s->rwlock));
        CHECK_OK(pawl_rwlock_write_lock(&s->rwlock));
        CHECK_ERR(pawl_rwlock_write_lock(&s->rwlock), -EDEADLK);
        CHECK_OK(pawl_rwlock_write_unlock(&s->rwlock));
        CHECK_OK(pawl_sem_acquire(&s->sem));
        CHECK_OK(pawl_sem_release(&s->sem));
    }
    /* Everybody waits for the last one, and is notified by it. */
    CHECK_OK(pawl_mutex_lock(&s->mutex));
    CHECK_ERR(pawl_mutex_lock(&s->mutex), -EDEADLK);
    if (s->count == 3 * THREADS)
        CHECK_OK(pawl_cond_notify_all(&s->cond, &s->mutex));
    PAWL_COND_WAIT_WHILE(err, &s->cond, &s->mutex, PAWL_FOREVER,
                         s->count < 3 * THREADS);
    CHECK_OK(err);
    CHECK_OK(pawl_mutex_unlock(&s->mutex));
    CHECK(pawl_barrier_wait(&s->barrier) >= 0);
    CHECK_OK(pawl_latch_count_down(&s->latch, 1));
    CHECK_OK(pawl_latch_wait(&s->latch));
    if (me == 0)
        pawl_event_set(&s->event);
    CHECK_OK(pawl_event_wait(&s->event));
}

/* Keys of others, so that pawl's is one that libc allocates memory for. */
static void use_up_keys(void)
{
    pthread_key_t key;

    for (int i = 0; i < KEYS; i++)
        CHECK_EQ(pthread_key_create(&key, NULL), 0);
}

static void play(struct scene *s, void (*shortage)(void))
{
    static struct crowd c;

    use_up_keys();
    CHECK_OK(pawl_sem_init(&s->sem, 2, 0));
    CHECK_OK(pawl_latch_init(&s->latch, THREADS, 0));
    CHECK_OK(pawl_barrier_init(&s->barrier, THREADS, PAWL_FOREVER, 0));
    crowd_begins(&c, THREADS, use_all, s);
    while (atomic_load(&s->ready) < THREADS)
        sched_yield();
    shortage();
    CHECK_OK(pawl_mutex_lock(&s->mutex));
    CHECK_OK(pawl_mutex_unlock(&s->mutex));
    atomic_store(&s->go, true);
    crowd_ends(&c);
    CHECK_EQ(s->count, 3 * THREADS);
    CHECK_EQ(s->runs, 1);
    CHECK_EQ(pawl_sem_value(&s->sem), 2);
}

/* ---- the n-th allocation fails --------------------------------------------------- */

static void play_refused(void *arg)
{
    struct scene s = {.count = 0};

    (void)arg;
    play(&s, exhausted_begins);
    exhausted_end();
}

/* Each alone, and all from there on. */
TEST(memory.any_allocation_may_fail)
{
    TEST_TIMEOUT(120);
    exhausted_of(EXHAUSTED_MEMORY | EXHAUSTED_MAPS);
    exhausted_each(play_refused, NULL, 3);
}

/* ---- no memory at all --------------------------------------------------------------- */

/* Address space: not a page more than there is. */
static void use_up_memory(void)
{
    struct rlimit limit = {0, 0};

    CHECK_EQ(setrlimit(RLIMIT_AS, &limit), 0);
    CHECK((void *)syscall(SYS_mmap, NULL, 4096, PROT_READ,
                          MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED);
}

TEST(memory.may_be_full)
{
    struct scene s = {.count = 0};

    if (!EXHAUSTED_WORKS)
        TEST_SKIP("the sanitizer needs memory itself");
    play(&s, use_up_memory);
}

/* ---- more threads than the table has room for ----------------------------------------- */

enum { MANY = 1100, MANY_STACK = 65536 };

struct many {
    pawl_mutex mutex;
    pawl_latch all;
    int count; /* under the mutex */
};

/* All are alive at once. */
static void *be_one_of_many(void *arg)
{
    struct many *m = arg;

    CHECK_OK(pawl_mutex_lock(&m->mutex));
    CHECK(pawl_mutex_is_mine(&m->mutex));
    CHECK_ERR(pawl_mutex_lock(&m->mutex), -EDEADLK);
    m->count++;
    CHECK_OK(pawl_mutex_unlock(&m->mutex));
    CHECK_ERR(pawl_mutex_unlock(&m->mutex), -EPERM);
    CHECK_OK(pawl_latch_arrive_and_wait(&m->all, PAWL_FOREVER));
    return NULL;
}

TEST(memory.for_the_table_of_threads_may_be_refused)
{
    static pthread_t threads[MANY];
    static struct many m;
    pthread_attr_t attributes;
    long refusals;

    if (!EXHAUSTED_WORKS)
        TEST_SKIP("the sanitizer has its own malloc");
    CHECK_OK(pawl_latch_init(&m.all, MANY, 0));
    CHECK_EQ(pthread_attr_init(&attributes), 0);
    CHECK_EQ(pthread_attr_setstacksize(&attributes, MANY_STACK), 0);
    exhausted_of(EXHAUSTED_MAPS);
    exhausted_after(0);
    CHECK_OK(pawl_mutex_lock(&m.mutex));
    for (int i = 0; i < MANY; i++)
        CHECK_EQ(pthread_create(&threads[i], &attributes, be_one_of_many, &m),
                 0);
    CHECK_OK(pawl_mutex_unlock(&m.mutex));
    for (int i = 0; i < MANY; i++)
        CHECK_EQ(pthread_join(threads[i], NULL), 0);
    CHECK_EQ(m.count, MANY);
    refusals = exhausted_end();
    test_note("%ld refusals", refusals);
    CHECK(refusals > 0);
}
