/* SPDX-License-Identifier: MIT
 *
 * signal_test.c - signal handlers: waits that are interrupted again and again
 * and the calls that are allowed in a handler.
 */
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <pawl/error.h>
#include <pawl/event.h>
#include <pawl/latch.h>
#include <pawl/mutex.h>
#include <pawl/once.h>
#include <pawl/rmutex.h>
#include <pawl/sem.h>

#include "visitor.h"

static atomic_int handled;

static void count(int sig)
{
    (void)sig;
    atomic_fetch_add(&handled, 1);
}

static void handle(void (*handler)(int))
{
    struct sigaction sa;

    memset(&sa, 0, sizeof sa);
    sa.sa_handler = handler; /* without SA_RESTART */
    CHECK_EQ(sigaction(SIGUSR1, &sa, NULL), 0);
}

static void send(pid_t tid)
{
    CHECK_EQ(syscall(SYS_tgkill, getpid(), tid, SIGUSR1), 0);
}

/* Signals to one thread, one after the other is handled, until told to end. */
struct storm {
    pid_t target;
    atomic_bool over;
    struct test_thread *thread;
};

static void blow(void *arg)
{
    struct storm *s = arg;

    while (!atomic_load(&s->over)) {
        int before = atomic_load(&handled);

        send(s->target);
        while (atomic_load(&handled) == before && !atomic_load(&s->over))
            sched_yield();
    }
}

static void storm_begins(struct storm *s, pid_t target)
{
    s->target = target;
    atomic_store(&s->over, false);
    s->thread = test_thread(blow, s);
}

static void storm_ends(struct storm *s)
{
    atomic_store(&s->over, true);
    test_join(s->thread);
}

/* It runs handlers only in libc calls it knows, so not in a futex wait. */
static void skip_under_tsan(void)
{
    if (test_under_tsan())
        TEST_SKIP("ThreadSanitizer holds signals back");
}

/* ---- waits in a storm (R-08) -------------------------------------------- */

struct objects {
    pawl_mutex mutex;
    pawl_mutex ownerless;
    pawl_rmutex rmutex;
    pawl_sem sem;
    pawl_once once;
    pawl_event event;
};

static int lock_until(struct objects *o, pawl_deadline until)
{
    return pawl_mutex_lock_until(&o->mutex, until);
}

static int lock_ownerless_until(struct objects *o, pawl_deadline until)
{
    return pawl_mutex_lock_until(&o->ownerless, until);
}

static int lock_rmutex_until(struct objects *o, pawl_deadline until)
{
    return pawl_rmutex_lock_until(&o->rmutex, until);
}

static int acquire_until(struct objects *o, pawl_deadline until)
{
    return pawl_sem_acquire_until(&o->sem, until);
}

static int acquire_3_until(struct objects *o, pawl_deadline until)
{
    return pawl_sem_acquire_n_until(&o->sem, 3, until);
}

static int succeed(void *arg)
{
    (void)arg;
    return 0;
}

static int run_until(struct objects *o, pawl_deadline until)
{
    return pawl_once_run_until(&o->once, succeed, NULL, until);
}

static int event_until(struct objects *o, pawl_deadline until)
{
    return pawl_event_wait_until(&o->event, until);
}

typedef int (*until_fn)(struct objects *o, pawl_deadline until);

static const until_fn waits[] = {
    lock_until,    lock_ownerless_until, lock_rmutex_until,
    acquire_until, acquire_3_until,      run_until,
    event_until,
};
enum { WAITS = sizeof waits / sizeof *waits };

/* One who has everything, and gives it all back. */
static struct door inside;
static struct door go;

static int wait_inside(void *arg)
{
    (void)arg;
    door_open(&inside);
    door_pass(&go);
    return 0;
}

static void have_everything(void *arg)
{
    struct objects *o = arg;

    CHECK_OK(pawl_mutex_lock(&o->mutex));
    CHECK_OK(pawl_mutex_lock(&o->ownerless));
    CHECK_OK(pawl_rmutex_lock(&o->rmutex));
    CHECK_OK(pawl_once_run(&o->once, wait_inside, NULL));
    CHECK_OK(pawl_mutex_unlock(&o->mutex));
    CHECK_OK(pawl_mutex_unlock(&o->ownerless));
    CHECK_OK(pawl_rmutex_unlock(&o->rmutex));
    CHECK_OK(pawl_sem_release_n(&o->sem, 3));
    pawl_event_set(&o->event);
}

static void make(struct objects *o, unsigned flags)
{
    CHECK_OK(pawl_mutex_init(&o->mutex, flags));
    CHECK_OK(pawl_mutex_init(&o->ownerless, flags | PAWL_OWNERLESS));
    CHECK_OK(pawl_rmutex_init(&o->rmutex, flags));
    CHECK_OK(pawl_sem_init(&o->sem, 0, flags));
    CHECK_OK(pawl_once_init(&o->once, flags));
    CHECK_OK(pawl_event_init(&o->event, flags));
    door_make(&inside);
    door_make(&go);
}

static const unsigned modes[] = {PAWL_LOCAL, PAWL_SHARED};

/* every wait ends with -ETIMEDOUT, and not before its deadline. */
TEST(signal.a_storm_neither_ends_a_wait_nor_moves_its_deadline)
{
    skip_under_tsan();
    handle(count);
    for (int mode = 0; mode < 2; mode++) {
        struct objects *o = test_shared_alloc(sizeof *o);
        struct test_thread *holder;
        struct storm storm;

        make(o, modes[mode]);
        holder = test_thread(have_everything, o);
        door_pass(&inside);
        storm_begins(&storm, (pid_t)syscall(SYS_gettid));
        for (int w = 0; w < WAITS; w++) {
            int before = atomic_load(&handled);

            do { /* again if the other thread did not get to run */
                pawl_deadline until = pawl_after_ms(20);

                CHECK_ERR(waits[w](o, until), -ETIMEDOUT);
                CHECK(pawl_now() >= until);
            } while (atomic_load(&handled) == before);
        }
        storm_ends(&storm);
        door_open(&go);
        test_join(holder);
    }
}

/* what is waited for arrives as usual. */
struct waiter {
    struct objects *o;
    until_fn wait;
};

static int wait_for_ever(void *arg)
{
    struct waiter *w = arg;

    return w->wait(w->o, PAWL_FOREVER);
}

static int wait_long(void *arg)
{
    struct waiter *w = arg;

    return w->wait(w->o, pawl_after_s(1000));
}

TEST(signal.a_storm_does_not_lose_what_is_waited_for)
{
    skip_under_tsan();
    handle(count);
    for (int mode = 0; mode < 2; mode++) {
        for (int w = 0; w < WAITS; w++) {
            struct objects *o = test_shared_alloc(sizeof *o);
            struct waiter waiter = {o, waits[w]};
            struct test_thread *holder;
            struct storm storm;
            struct visitor v;
            int before;

            make(o, modes[mode]);
            holder = test_thread(have_everything, o);
            door_pass(&inside);
            visitor_start_asleep(&v, w % 2 ? wait_long : wait_for_ever, NULL,
                                 &waiter);
            before = atomic_load(&handled);
            storm_begins(&storm, test_tid(v.thread));
            while (atomic_load(&handled) < before + 50)
                sched_yield();
            door_open(&go);
            CHECK_OK(visitor_enters(&v));
            storm_ends(&storm);
            visitor_leaves(&v);
            test_join(holder);
        }
    }
}

/* ---- in the handler (R-19) ---------------------------------------------- */

static pawl_sem sem;
static pawl_event event;

static void release_permit(int sig)
{
    (void)sig;
    CHECK_OK(pawl_sem_release(&sem));
}

static void set_event(int sig)
{
    (void)sig;
    pawl_event_set(&event);
}

static int acquire(void *arg)
{
    (void)arg;
    return pawl_sem_acquire(&sem);
}

static int wait_event(void *arg)
{
    (void)arg;
    return pawl_event_wait(&event);
}

/* R-19, W-04: in the very thread that waits. */
TEST(signal.a_handler_releases_the_thread_it_interrupts)
{
    skip_under_tsan();
    for (int mode = 0; mode < 2; mode++) {
        struct visitor v;

        CHECK_OK(pawl_sem_init(&sem, 0, modes[mode]));
        handle(release_permit);
        visitor_start_asleep(&v, acquire, NULL, NULL);
        send(test_tid(v.thread));
        CHECK_OK(visitor_passes(&v));
        CHECK_EQ(pawl_sem_value(&sem), 0);
        CHECK_EQ(pawl_sem_waiters(&sem), 0);

        CHECK_OK(pawl_event_init(&event, modes[mode]));
        handle(set_event);
        visitor_start_asleep(&v, wait_event, NULL, NULL);
        send(test_tid(v.thread));
        CHECK_OK(visitor_passes(&v));
        CHECK(pawl_event_is_set(&event));
    }
}

/* In another thread than the one that waits. */
TEST(signal.a_handler_releases_another_thread)
{
    struct visitor v;

    CHECK_OK(pawl_sem_init(&sem, 0, 0));
    handle(release_permit);
    visitor_start_asleep(&v, acquire, NULL, NULL);
    CHECK_EQ(raise(SIGUSR1), 0);
    CHECK_OK(visitor_passes(&v));
    CHECK_OK(pawl_event_init(&event, 0));
    handle(set_event);
    visitor_start_asleep(&v, wait_event, NULL, NULL);
    CHECK_EQ(raise(SIGUSR1), 0);
    CHECK_OK(visitor_passes(&v));
}

/* the handler comes in the middle of any call on the same semaphore.  At
 * the end: value = initial + released - taken. */
static atomic_int released;

static void release_and_count(int sig)
{
    (void)sig;
    CHECK_OK(pawl_sem_release(&sem));
    atomic_fetch_add(&released, 1);
    atomic_fetch_add(&handled, 1);
}

TEST(signal.a_handler_may_release_in_the_middle_of_any_call)
{
    int n = test_iterations(20000);
    struct storm storm;
    int taken = 0;

    skip_under_tsan();
    CHECK_OK(pawl_sem_init(&sem, 5, 0));
    handle(release_and_count);
    storm_begins(&storm, (pid_t)syscall(SYS_gettid));
    for (int i = 0; i < n; i++) {
        switch (i % 4) {
        case 0:
            taken += pawl_sem_try_acquire(&sem) == 0;
            break;
        case 1:
            CHECK_OK(pawl_sem_acquire(&sem));
            taken++;
            break;
        case 2:
            if (pawl_sem_acquire_n_until(&sem, 2, pawl_after_us(20)) == 0)
                taken += 2;
            break;
        default:
            CHECK_OK(pawl_sem_release(&sem));
            taken--;
            break;
        }
    }
    storm_ends(&storm);
    CHECK_EQ(pawl_sem_value(&sem), 5 + atomic_load(&released) - taken);
    CHECK_EQ(pawl_sem_waiters(&sem), 0);
}

/* the first call of a process that has to wake somebody is made by a
 * handler.  getenv is not for handlers; ours stands before libc's. */
static atomic_int asked;

char *getenv(const char *name)
{
    size_t length = strlen(name);

    atomic_fetch_add(&asked, 1);
    for (char **entry = environ; *entry != NULL; entry++) {
        if (strncmp(*entry, name, length) == 0 && (*entry)[length] == '=')
            return *entry + length + 1;
    }
    return NULL;
}

struct shared {
    pawl_sem sem;
    pawl_event event;
    pawl_latch latch;
} *shared;

static void wait_for_all(void *arg)
{
    (void)arg;
    CHECK_OK(pawl_sem_acquire(&shared->sem));
    CHECK_OK(pawl_event_wait(&shared->event));
    CHECK_OK(pawl_latch_wait(&shared->latch));
}

static void release_shared(int sig)
{
    (void)sig;
    CHECK_OK(pawl_sem_release(&shared->sem));
}

static void set_shared(int sig)
{
    (void)sig;
    pawl_event_set(&shared->event);
}

static void count_down_shared(int sig)
{
    (void)sig;
    CHECK_OK(pawl_latch_count_down(&shared->latch, 1));
}

TEST(signal.a_handler_that_wakes_reads_no_environment)
{
    void (*const handlers[])(int) = {release_shared, set_shared,
                                     count_down_shared};
    pid_t pid;

    atomic_store(&asked, 0);
    CHECK(getenv("PATH") != NULL);
    CHECK_EQ(atomic_load(&asked), 1);
    shared = test_shared_alloc(sizeof *shared);
    CHECK_OK(pawl_sem_init(&shared->sem, 0, PAWL_SHARED));
    CHECK_OK(pawl_event_init(&shared->event, PAWL_SHARED));
    CHECK_OK(pawl_latch_init(&shared->latch, 1, PAWL_SHARED));
    pid = test_spawn_child(wait_for_all, NULL); /* this process never waits */
    for (int i = 0; i < 3; i++) {
        handle(handlers[i]);
        test_until_asleep(pid);
        atomic_store(&asked, 0);
        CHECK_EQ(raise(SIGUSR1), 0);
        CHECK_EQ(atomic_load(&asked), 0);
    }
    test_wait_child(pid);
}

/* And time helpers. */
static pawl_deadline seen_in_handler[3];

static void ask_time(int sig)
{
    (void)sig;
    seen_in_handler[0] = pawl_now();
    seen_in_handler[1] = pawl_after_ms(1) - 1000000;
    seen_in_handler[2] = pawl_now();
}

TEST(signal.a_handler_may_compute_a_deadline)
{
    handle(ask_time);
    CHECK_EQ(raise(SIGUSR1), 0);
    CHECK(seen_in_handler[0] > 0 && seen_in_handler[0] <= seen_in_handler[1]);
    CHECK(seen_in_handler[1] <= seen_in_handler[2]);
}
