/* SPDX-License-Identifier: MIT
 *
 * memory_fault.c - locks and signals without memory: pawl allocates nothing for
 * an object, but the first use by a thread registers it, which asks libc for a
 * key and may need a page for the table of threads, and the first wait reads
 * how many CPUs there are, through libc's files.  None of these may fail an
 * operation.
 *
 * This program has its own malloc, calloc, realloc and mmap, which refuse what
 * they are told to refuse.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

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

/* ---- allocations ------------------------------------------------------------ */

static atomic_long asked; /* how often, since the test began to count */
static atomic_long refuse_from = -1;
static atomic_long refuse_to = -1;
static atomic_bool counting;
static atomic_bool refuses_maps; /* whatever the others say */
static atomic_long refused_maps;

#if defined(__GLIBC__) && !defined(__SANITIZE_ADDRESS__) &&                    \
    !defined(__SANITIZE_THREAD__)
#    define CAN_REFUSE 1

static bool is_refused(void)
{
    long n;

    if (!atomic_load(&counting))
        return false;
    n = atomic_fetch_add(&asked, 1);
    return n >= atomic_load(&refuse_from) && n < atomic_load(&refuse_to);
}

/* glibc's own. */
void *__libc_malloc(size_t size);           // NOLINT
void *__libc_calloc(size_t n, size_t size); // NOLINT
void *__libc_realloc(void *p, size_t size); // NOLINT

void *malloc(size_t size)
{
    if (is_refused()) {
        errno = ENOMEM;
        return NULL;
    }
    return __libc_malloc(size);
}

void *calloc(size_t n, size_t size)
{
    if (is_refused()) {
        errno = ENOMEM;
        return NULL;
    }
    return __libc_calloc(n, size);
}

void *realloc(void *p, size_t size)
{
    if (is_refused()) {
        errno = ENOMEM;
        return NULL;
    }
    return __libc_realloc(p, size);
}

void *mmap(void *at, size_t size, int protection, int flags, int fd,
           off_t offset)
{
    if (atomic_load(&refuses_maps)) {
        atomic_fetch_add(&refused_maps, 1);
        errno = ENOMEM;
        return MAP_FAILED;
    }
    if (is_refused()) {
        errno = ENOMEM;
        return MAP_FAILED;
    }
    return (void *)syscall(SYS_mmap, at, size, protection, flags, fd, offset);
}

#else
#    define CAN_REFUSE 0
#endif

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

static void begin_counting(void)
{
    atomic_store(&asked, 0);
    atomic_store(&counting, true);
}

struct run {
    long from;
    long to;
    atomic_long asked; /* in all */
};

static void play_refused(void *arg)
{
    struct run *r = arg;
    struct scene s = {.count = 0};

    atomic_store(&refuse_from, r->from);
    atomic_store(&refuse_to, r->to);
    play(&s, begin_counting);
    atomic_store(&counting, false);
    atomic_store(&r->asked, atomic_load(&asked));
}

static long play_in_child(struct run *r, long from, long to)
{
    r->from = from;
    r->to = to;
    test_wait_child(test_spawn_child(play_refused, r));
    return atomic_load(&r->asked);
}

/* Each alone, and all from there on. */
TEST(memory.any_allocation_may_fail)
{
    struct run *r = test_shared_alloc(sizeof *r);
    long n;

    TEST_TIMEOUT(120);
    if (!CAN_REFUSE)
        TEST_SKIP("the sanitizer has its own malloc");
    n = play_in_child(r, -1, -1);
    test_note("%ld allocations", n);
    CHECK(n > 2); /* else nothing is tested here */
    for (long i = 0; i < n; i++) {
        play_in_child(r, i, i + 1);
        play_in_child(r, i, 1000000);
    }
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

    if (!CAN_REFUSE)
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

    if (!CAN_REFUSE)
        TEST_SKIP("the sanitizer has its own malloc");
    CHECK_OK(pawl_latch_init(&m.all, MANY, 0));
    CHECK_EQ(pthread_attr_init(&attributes), 0);
    CHECK_EQ(pthread_attr_setstacksize(&attributes, MANY_STACK), 0);
    atomic_store(&refuses_maps, true);
    CHECK_OK(pawl_mutex_lock(&m.mutex));
    for (int i = 0; i < MANY; i++)
        CHECK_EQ(pthread_create(&threads[i], &attributes, be_one_of_many, &m),
                 0);
    CHECK_OK(pawl_mutex_unlock(&m.mutex));
    for (int i = 0; i < MANY; i++)
        CHECK_EQ(pthread_join(threads[i], NULL), 0);
    CHECK_EQ(m.count, MANY);
    test_note("%ld refusals", atomic_load(&refused_maps));
    CHECK(atomic_load(&refused_maps) > 0);
}
