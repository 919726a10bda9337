/* SPDX-License-Identifier: MIT
 *
 * fork_sweep.c - a process forks while one of its threads stands at any
 * instruction of an operation: the child, which does not have that thread, can
 * use the lock (K-02 to K-04), and regions.
 *
 * The thread steps itself: with the processor's trap flag set it gets a SIGTRAP
 * after each instruction, counts, and stays in the handler at the k-th.
 */
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <ucontext.h>

#include <pawl/cond.h>
#include <pawl/error.h>
#include <pawl/event.h>
#include <pawl/latch.h>
#include <pawl/memory.h>
#include <pawl/mutex.h>
#include <pawl/once.h>
#include <pawl/region.h>
#include <pawl/rmutex.h>
#include <pawl/rwlock.h>
#include <pawl/sem.h>

#include "swept.h"
#include "visitor.h"

struct scene {
    pawl_mutex mutex;
    pawl_mutex ownerless;
    pawl_rmutex recursive;
    pawl_rwlock rwlock;
    pawl_sem sem;
    pawl_event event;
    pawl_latch latch;
    pawl_cond cond;
    pawl_once once;
};

static struct scene scene;

static void renew(void)
{
    scene = (struct scene){.sem = PAWL_SEM_INIT(1),
                           .latch = PAWL_LATCH_INIT(3),
                           .ownerless = PAWL_MUTEX_INIT_FLAGS(PAWL_OWNERLESS)};
}

/* ---- a thread that stops at the k-th instruction --------------------------------- */

static struct door order;  /* to the thread */
static struct door report; /* from it: it stands, or it has finished */
static struct door go_on;
static atomic_long steps_left;
static atomic_bool stands;
static atomic_bool ends;
static sweep_fn operation;

#if defined(__x86_64__)
#    define CAN_STEP 1
#    define TRAP_FLAG 0x100

static void trapped(int sig, siginfo_t *info, void *context)
{
    ucontext_t *c = context;
    int saved = errno;

    (void)sig;
    (void)info;
    if (atomic_fetch_sub(&steps_left, 1) == 1) {
        c->uc_mcontext.gregs[REG_EFL] &= ~TRAP_FLAG; /* no more */
        atomic_store(&stands, true);
        door_open(&report);
        door_pass(&go_on);
    }
    errno = saved;
}

/* What is pushed must not overwrite the red zone. */
static inline void step_on(void)
{
    __asm__ volatile("leaq -128(%%rsp), %%rsp\n\t"
                     "pushfq\n\t"
                     "orq %0, (%%rsp)\n\t"
                     "popfq\n\t"
                     "leaq 128(%%rsp), %%rsp" ::"i"(TRAP_FLAG)
                     : "memory", "cc");
}

static inline void step_off(void)
{
    __asm__ volatile("leaq -128(%%rsp), %%rsp\n\t"
                     "pushfq\n\t"
                     "andq %0, (%%rsp)\n\t"
                     "popfq\n\t"
                     "leaq 128(%%rsp), %%rsp" ::"i"(~TRAP_FLAG)
                     : "memory", "cc");
}

static void listen(void)
{
    struct sigaction action = {.sa_flags = SA_SIGINFO};

    action.sa_sigaction = trapped;
    CHECK_EQ(sigaction(SIGTRAP, &action, NULL), 0);
}

#else
#    define CAN_STEP 0

static void step_on(void)
{
}

static void step_off(void)
{
}

static void listen(void)
{
    TEST_SKIP("no trap flag here: nothing was swept");
}
#endif

static void step_thread(void *arg)
{
    (void)arg;
    for (;;) {
        door_pass(&order);
        if (atomic_load(&ends))
            return;
        step_on();
        operation(&scene);
        step_off();
        atomic_store(&stands, false);
        door_open(&report);
    }
}

/* Not every instruction after so many, but in long runs. */
static long next_point(long k, int all)
{
    return test_iterations(1) > 1 ? k + 1 : k + 1 + k / all;
}

/* ---- the sweep -------------------------------------------------------------------- */

struct forked {
    const char *name;
    sweep_fn fn;
    sweep_fn check; /* in the child */
    int all;        /* the first points that are all tried */
};

static void sweep_forks(const struct forked *f)
{
    struct test_thread *t;
    long points = 0;
    bool reached = true;

    listen();
    door_make(&order);
    door_make(&report);
    door_make(&go_on);
    renew();
    take_ids(NULL);
    operation = f->fn;
    t = test_thread(step_thread, NULL);
    atomic_store(&steps_left, -1); /* the first time, warm up */
    for (long k = 0; reached; k = next_point(k, f->all)) {
        renew();
        door_open(&order);
        door_pass(&report);
        reached = atomic_load(&stands) || k == 0;
        if (atomic_load(&stands)) {
            test_wait_child(test_spawn_child(f->check, &scene));
            points++;
            door_open(&go_on);
            door_pass(&report);
        }
        atomic_store(&steps_left, next_point(k, f->all));
    }
    atomic_store(&ends, true);
    door_open(&order);
    test_join(t);
    test_note("%s: forks at %ld points", f->name, points);
    CHECK(points > 10);
}

/* ---- operations, and what the child finds --------------------------------------------- */

static bool is_held(int err)
{
    CHECK(err == 0 || err == -EOWNERDEAD);
    return err == 0;
}

static void use_mutex(void *object)
{
    struct scene *s = object;

    CHECK_OK(pawl_mutex_lock(&s->mutex));
    CHECK_OK(pawl_mutex_unlock(&s->mutex));
    CHECK_OK(pawl_mutex_try_lock(&s->mutex));
    CHECK_OK(pawl_mutex_unlock(&s->mutex));
}

static void check_mutex(void *object)
{
    struct scene *s = object;

    if (!is_held(pawl_mutex_lock_until(&s->mutex, pawl_after_s(10))))
        CHECK_OK(pawl_mutex_consistent(&s->mutex));
    CHECK_OK(pawl_mutex_unlock(&s->mutex));
    use_mutex(s);
    CHECK_OK(pawl_mutex_destroy(&s->mutex));
}

static void wait_for_mutex(void *object)
{
    struct scene *s = object;

    CHECK_OK(pawl_mutex_lock(&s->ownerless));
    CHECK_ERR(pawl_mutex_lock_until(&s->ownerless, pawl_after_us(100)),
              -ETIMEDOUT);
    CHECK_OK(pawl_mutex_unlock(&s->ownerless));
}

/* It may have been held by nobody knows whom; anybody may release it. */
static void check_ownerless(void *object)
{
    struct scene *s = object;

    (void)!pawl_mutex_try_lock(&s->ownerless);
    CHECK_OK(pawl_mutex_unlock(&s->ownerless));
    wait_for_mutex(s);
    CHECK_OK(pawl_mutex_destroy(&s->ownerless));
}

static void use_rmutex(void *object)
{
    struct scene *s = object;

    CHECK_OK(pawl_rmutex_lock(&s->recursive));
    CHECK_OK(pawl_rmutex_lock(&s->recursive));
    CHECK_OK(pawl_rmutex_unlock(&s->recursive));
    CHECK_OK(pawl_rmutex_unlock(&s->recursive));
}

static void check_rmutex(void *object)
{
    struct scene *s = object;

    if (!is_held(pawl_rmutex_lock_until(&s->recursive, pawl_after_s(10))))
        CHECK_OK(pawl_rmutex_consistent(&s->recursive));
    CHECK_EQ(pawl_rmutex_depth(&s->recursive), 1);
    CHECK_OK(pawl_rmutex_unlock(&s->recursive));
    use_rmutex(s);
    CHECK_OK(pawl_rmutex_destroy(&s->recursive));
}

static void write_rwlock(void *object)
{
    struct scene *s = object;

    CHECK_OK(pawl_rwlock_write_lock(&s->rwlock));
    CHECK_OK(pawl_rwlock_write_unlock(&s->rwlock));
    CHECK_OK(pawl_rwlock_try_write_lock(&s->rwlock));
    CHECK_OK(pawl_rwlock_write_unlock(&s->rwlock));
}

static void check_rwlock(void *object)
{
    struct scene *s = object;

    if (!is_held(pawl_rwlock_write_lock_until(&s->rwlock, pawl_after_s(10))))
        CHECK_OK(pawl_rwlock_consistent(&s->rwlock));
    CHECK_OK(pawl_rwlock_write_unlock(&s->rwlock));
    CHECK_OK(pawl_rwlock_read_lock(&s->rwlock));
    CHECK_OK(pawl_rwlock_read_unlock(&s->rwlock));
    write_rwlock(s);
    CHECK_OK(pawl_rwlock_destroy(&s->rwlock));
}

static void use_sem(void *object)
{
    struct scene *s = object;

    CHECK_OK(pawl_sem_acquire(&s->sem));
    CHECK_ERR(pawl_sem_acquire_until(&s->sem, pawl_after_us(100)), -ETIMEDOUT);
    CHECK_OK(pawl_sem_release(&s->sem));
}

static void check_sem(void *object)
{
    struct scene *s = object;

    CHECK_EQ(pawl_sem_waiters(&s->sem), 0);
    if (pawl_sem_value(&s->sem) == 0) /* taken by the thread that is not here */
        CHECK_OK(pawl_sem_release(&s->sem));
    use_sem(s);
    CHECK_EQ(pawl_sem_value(&s->sem), 1);
    CHECK_OK(pawl_sem_destroy(&s->sem));
}

static void use_event(void *object)
{
    struct scene *s = object;

    pawl_event_set(&s->event);
    CHECK_OK(pawl_event_wait(&s->event));
    pawl_event_clear(&s->event);
    CHECK_ERR(pawl_event_wait_until(&s->event, pawl_after_us(50)), -ETIMEDOUT);
}

static void use_latch(void *object)
{
    struct scene *s = object;

    CHECK_OK(pawl_latch_count_down(&s->latch, 1));
    CHECK_ERR(pawl_latch_wait_until(&s->latch, pawl_after_us(50)), -ETIMEDOUT);
}

static void check_latch(void *object)
{
    struct scene *s = object;
    int left = pawl_latch_count(&s->latch);

    CHECK(left == 3 || left == 2);
    CHECK_OK(pawl_latch_count_down(&s->latch, left));
    CHECK_OK(pawl_latch_wait(&s->latch));
}

static void use_cond(void *object)
{
    struct scene *s = object;

    CHECK_OK(pawl_mutex_lock(&s->mutex));
    CHECK_OK(pawl_cond_notify_all(&s->cond, &s->mutex));
    CHECK_ERR(pawl_cond_wait_until(&s->cond, &s->mutex, pawl_after_us(100)),
              -ETIMEDOUT);
    CHECK_OK(pawl_mutex_unlock(&s->mutex));
}

static void check_cond(void *object)
{
    struct scene *s = object;

    if (!is_held(pawl_mutex_lock_until(&s->mutex, pawl_after_s(10))))
        CHECK_OK(pawl_mutex_consistent(&s->mutex));
    CHECK_OK(pawl_cond_notify_all(&s->cond, &s->mutex));
    CHECK_OK(pawl_mutex_unlock(&s->mutex));
    use_cond(s);
}

static int do_nothing(void *arg)
{
    (void)arg;
    return 0;
}

static void use_once(void *object)
{
    struct scene *s = object;

    CHECK_OK(pawl_once_run(&s->once, do_nothing, NULL));
}

static void check_once(void *object)
{
    struct scene *s = object;

    CHECK_OK(pawl_once_run_until(&s->once, do_nothing, NULL, pawl_after_s(10)));
    CHECK(pawl_once_is_done(&s->once));
}

static pawl_region *inherited; /* nobody takes part for long */

/* Come, take part, and leave nothing: what is kept for a thread that stays in a region
 * is allocated, and a fork waits for who stands in malloc. */
static void visit_region(void *object)
{
    pawl_region *r;
    pawl_offset o;

    (void)object;
    CHECK_OK(pawl_region_attach_fd(&r, pawl_region_fd(inherited)));
    CHECK(pawl_region_join(r) > 0);
    CHECK_OK(pawl_memory_alloc(r, 100, 0, 0, &o));
    CHECK_OK(pawl_memory_free(r, o));
    CHECK_OK(pawl_region_leave(r));
    pawl_region_free(r);
}

static void check_region(void *object)
{
    pawl_region *r;
    pawl_mutex *m;

    visit_region(object);
    CHECK_OK(pawl_region_create(
        &r, &(pawl_region_options){.participants = 1, .buffer = 64}));
    m = pawl_region_buffer(r, NULL);
    CHECK_OK(pawl_mutex_init(m, PAWL_SHARED));
    CHECK_OK(pawl_mutex_lock(m));
    CHECK_OK(pawl_mutex_unlock(m));
    pawl_region_free(r);
    pawl_region_free(inherited);
}

static void run_all_first(const char *name, sweep_fn fn, sweep_fn check,
                          int all)
{
    struct forked f = {name, fn, check, all};

    TEST_TIMEOUT(300);
    spin_for("0");
    sweep_forks(&f);
}

static void run(const char *name, sweep_fn fn, sweep_fn check)
{
    run_all_first(name, fn, check, 256);
}

TEST(fork.at_any_instruction_of_a_mutex)
{
    run("mutex", use_mutex, check_mutex);
}

TEST(fork.at_any_instruction_of_a_wait_for_a_mutex)
{
    run("ownerless mutex", wait_for_mutex, check_ownerless);
}

TEST(fork.at_any_instruction_of_a_recursive_mutex)
{
    run("recursive mutex", use_rmutex, check_rmutex);
}

TEST(fork.at_any_instruction_of_a_write)
{
    run("rwlock", write_rwlock, check_rwlock);
}

TEST(fork.at_any_instruction_of_a_semaphore)
{
    run("semaphore", use_sem, check_sem);
}

TEST(fork.at_any_instruction_of_an_event)
{
    run("event", use_event, use_event);
}

TEST(fork.at_any_instruction_of_a_latch)
{
    run("latch", use_latch, check_latch);
}

TEST(fork.at_any_instruction_of_a_condition)
{
    run("condition", use_cond, check_cond);
}

TEST(fork.at_any_instruction_of_a_once)
{
    run("once", use_once, check_once);
}

TEST(fork.at_any_instruction_of_a_visit_to_a_region)
{
    CHECK_OK(pawl_region_create(
        &inherited, &(pawl_region_options){.participants = 4, .heap = 8192}));
    visit_region(NULL);
    run_all_first("region", visit_region, check_region, 32);
    pawl_region_free(inherited);
}
