/* SPDX-License-Identifier: MIT
 *
 * start_fault.c - no more threads (T-04, T-16, T-32, X-01, R-01): each start of one
 * is refused, alone, and all from there on; and what the kernel itself says when it
 * refuses.  This program has its own pthread_create, which refuses what it is told
 * to refuse.
 */
#include <dlfcn.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include <pawl/error.h>
#include <pawl/event.h>
#include <pawl/pool.h>
#include <pawl/thread.h>
#include <pawl/timer.h>

#include "test.h"

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
#    define CAN_REFUSE 0
#elif defined(__has_feature)
#    if __has_feature(thread_sanitizer) || __has_feature(address_sanitizer)
#        define CAN_REFUSE 0
#    endif
#endif
#ifndef CAN_REFUSE
#    define CAN_REFUSE 1
#endif

static atomic_long asked;
static atomic_long refuse_from;
static atomic_long refuse_to;

#if CAN_REFUSE

int pthread_create(pthread_t *thread, const pthread_attr_t *attr,
                   void *(*start)(void *), void *arg)
{
    static int (*real)(pthread_t *, const pthread_attr_t *, void *(*)(void *),
                       void *);
    long n = atomic_fetch_add(&asked, 1);

    if (n >= atomic_load(&refuse_from) && n < atomic_load(&refuse_to))
        return EAGAIN;
    if (real == NULL) {
        void *found = dlsym(RTLD_NEXT, "pthread_create");

        memcpy(&real, &found, sizeof real);
    }
    return real(thread, attr, start, arg);
}

#endif

/* -- What is done ------------------------------------------------------------- */

static atomic_int ran;
static pawl_event go;

static int count(void *unused)
{
    (void)unused;
    atomic_fetch_add(&ran, 1);
    return 3;
}

static int wait_and_count(void *unused)
{
    (void)pawl_event_wait(&go);
    return count(unused);
}

static int count_task(pawl_task *t, void *unused)
{
    (void)t;
    return count(unused);
}

static void count_timer(pawl_timer *t, void *unused)
{
    (void)t;
    (void)count(unused);
}

static int count_part(size_t begin, size_t end, void *unused)
{
    (void)unused;
    atomic_fetch_add(&ran, (int)(end - begin));
    return 0;
}

static int count_element(size_t index, void **value, void *unused)
{
    *value = (void *)(index + 1);
    (void)count(unused);
    return 0;
}

/* Either it has happened, or it has not, for want of a thread. */
static bool has_happened(int err)
{
    CHECK(err == 0 || err == -EAGAIN);
    return err == 0;
}

static void come_to(int n)
{
    while (atomic_load(&ran) < n)
        sched_yield();
}

/* Each waits, so that each has an OS thread of its own. */
static void start_one_by_one(void)
{
    pawl_thread t[3];
    int status = 0;
    int started = 0;

    pawl_event_clear(&go);
    for (int i = 0; i < 3; i++) {
        CHECK_OK(PAWL_THREAD_INIT(&t[i], wait_and_count, NULL));
        if (has_happened(pawl_thread_start(&t[i]))) {
            started++;
            continue;
        }
        /* As before the start, which may be tried again. */
        CHECK(!pawl_thread_is_alive(&t[i]));
        CHECK_EQ(pawl_thread_serial(&t[i]), 0);
        CHECK_ERR(pawl_thread_try_join(&t[i], NULL), -ESRCH);
        started += has_happened(pawl_thread_start(&t[i]));
    }
    CHECK_EQ(pawl_thread_active_count(), (size_t)started + 1);
    pawl_event_set(&go);
    for (int i = 0; i < 3; i++) {
        int err = pawl_thread_join(&t[i], &status);

        CHECK(err == 0 ? status == 3 : err == -ESRCH);
        CHECK_OK(pawl_thread_destroy(&t[i]));
    }
    CHECK_EQ(atomic_exchange(&ran, 0), started);
}

/* All, or none. */
static void start_many(void)
{
    pawl_thread t[4];
    pawl_thread *all[4];

    for (int i = 0; i < 4; i++) {
        CHECK_OK(PAWL_THREAD_INIT(&t[i], count, NULL));
        all[i] = &t[i];
    }
    if (has_happened(pawl_thread_start_many(all, 4))) {
        CHECK_OK(pawl_thread_join_all_until(all, 4, PAWL_FOREVER));
        CHECK_EQ(atomic_exchange(&ran, 0), 4);
        return;
    }
    CHECK_EQ(atomic_load(&ran), 0);
    for (int i = 0; i < 4; i++) {
        CHECK_ERR(pawl_thread_try_join(&t[i], NULL), -ESRCH);
        if (has_happened(pawl_thread_start(&t[i]))) {
            CHECK_OK(pawl_thread_join(&t[i], NULL));
            CHECK_EQ(atomic_exchange(&ran, 0), 1);
        }
    }
}

static void start_detached(void)
{
    if (has_happened(pawl_thread_start_detached(count, NULL, NULL, NULL)))
        come_to(1);
    CHECK_EQ(atomic_exchange(&ran, 0) & ~1, 0);
    while (pawl_thread_active_count() > 1)
        sched_yield(); /* its end is near */
}

/* They share one thread, which the first one starts that can. */
static void start_timers(void)
{
    pawl_timer t[3];
    int started = 0;

    for (int i = 0; i < 3; i++) {
        CHECK_OK(pawl_timer_init(&t[i], count_timer, NULL));
        if (!has_happened(pawl_timer_start(&t[i], 0))) {
            CHECK_ERR(pawl_timer_join(&t[i]), -ESRCH); /* as new */
            if (!has_happened(pawl_timer_restart(&t[i], 0)))
                continue;
        }
        CHECK_OK(pawl_timer_join(&t[i]));
        started++;
    }
    CHECK_EQ(atomic_exchange(&ran, 0), started);
    for (int i = 0; i < 3; i++)
        CHECK_OK(pawl_timer_destroy(&t[i]));
}

/* Tasks that were accepted are run by as many workers as could be started, one at
 * least. */
static void use_a_pool(int prestart)
{
    pawl_pool_options o = {.max_workers = 3, .prestart = prestart};
    pawl_pool *pool = NULL;
    pawl_map *map = NULL;
    pawl_task t[6];
    int accepted = 0;

    if (!has_happened(pawl_pool_create(&pool, &o)))
        return;
    for (int i = 0; i < 6; i++) {
        pawl_task_init(&t[i], count_task, NULL);
        accepted += has_happened(pawl_pool_submit(pool, &t[i]));
    }
    accepted += has_happened(pawl_pool_call(pool, count_task, NULL, NULL));
    CHECK_OK(pawl_pool_drain(pool));
    CHECK_EQ(atomic_exchange(&ran, 0), accepted);

    /* If need be the caller does it all. */
    CHECK_OK(pawl_pool_for(pool, 0, 30, 1, count_part, NULL, NULL));
    CHECK_EQ(atomic_exchange(&ran, 0), 30);
    if (has_happened(pawl_map_create(&map, pool, 5, count_element, NULL, NULL))) {
        for (size_t i = 0; i < 5; i++) {
            void *value = NULL;

            CHECK_OK(pawl_map_next(map, NULL, &value));
            CHECK_EQ((size_t)value, i + 1);
        }
        CHECK_EQ(atomic_load(&ran), 5);
    }
    pawl_map_free(map);
    atomic_store(&ran, 0);
    CHECK_OK(pawl_pool_end(pool));
    for (int i = 0; i < 6; i++)
        CHECK_OK(pawl_task_settle(&t[i]));
}

static void do_all(void)
{
    start_one_by_one();
    start_many();
    start_detached();
    start_timers();
    use_a_pool(0);
    use_a_pool(2);
}

/* -- Refusals --------------------------------------------------------------------- */

struct run {
    long from, to;
    atomic_long asked;
};

static void do_all_refused(void *arg)
{
    struct run *r = arg;

    /* No OS thread is used twice, so that there are as many starts as can be. */
    (void)pawl_thread_cache(0);
    atomic_store(&asked, 0);
    atomic_store(&refuse_from, r->from);
    atomic_store(&refuse_to, r->to);
    do_all();
    atomic_store(&r->asked, atomic_load(&asked));
    /* When there are threads again, all is as it should be. */
    atomic_store(&refuse_to, 0);
    do_all();
}

static long do_in_child(struct run *r, long from, long to)
{
    r->from = from;
    r->to = to;
    test_wait_child(test_spawn_child(do_all_refused, r));
    return atomic_load(&r->asked);
}

TEST(start_fault.any_start_may_be_refused)
{
    struct run *r = test_shared_alloc(sizeof *r);
    long n;

    if (!CAN_REFUSE)
        TEST_SKIP("pthread_create is the sanitizer's");
    n = do_in_child(r, 0, 0);
    CHECK(n > 12); /* else nothing is tested here */
    for (long k = 0; k < n; k++) {
        do_in_child(r, k, k + 1);
        do_in_child(r, k, n + 1000);
    }
}

/* clone3 is not known here, and clone makes processes, but no thread. */
static void refuse_threads(void *err)
{
    enum { NR_CLONE3 = 435, MAKES_A_THREAD = 0x10000 };
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, NR_CLONE3, 4, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone, 0, 2),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
                 offsetof(struct seccomp_data, args[0])),
        BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, MAKES_A_THREAD, 2, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | *(const uint32_t *)err),
    };
    struct sock_fprog filter = {.len = sizeof code / sizeof *code,
                                .filter = code};
    pawl_thread t;
    pawl_pool *pool;

    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) != 0)
        TEST_SKIP("no seccomp here");
    (void)pawl_thread_cache(0);
    CHECK_OK(PAWL_THREAD_INIT(&t, count, NULL));
    CHECK_ERR(pawl_thread_start(&t), -EAGAIN);
    CHECK_ERR(pawl_pool_create(&pool, &(pawl_pool_options){.prestart = 1}),
              -EAGAIN);
    do_all();
    CHECK_EQ(pawl_thread_active_count(), 1);
}

/* libc tells EAGAIN for both. */
TEST(start_fault.kernel_says_that_there_are_too_many)
{
    static uint32_t errors[] = {EAGAIN, ENOMEM};

    if (!CAN_REFUSE)
        TEST_SKIP("the sanitizer has threads of its own");
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++)
        test_wait_child(test_spawn_child(refuse_threads, &errors[i]));
}
