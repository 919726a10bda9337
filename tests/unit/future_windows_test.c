/* SPDX-License-Identifier: MIT
 *
 * future_windows_test.c - what happens between two instructions of a future:
 * threads are held where a wake-up could be lost, or memory touched too late
 * (see seam.h).
 */
#include <sched.h>
#include <string.h>

#include <pawl/pool.h>

#include "seam.h"

#include "futex/waitable.h"

/* Who completes a future stops after that, before it tells anybody. */
static _Thread_local struct stop *stop_before_telling;

static inline void seam_watchers_wake(pawl_u32 *word, bool shared)
{
    stop_here(&stop_before_telling);
    pawl_watchers_wake(word, shared);
}

/* How often this thread has gone to sleep. */
static _Thread_local int sleeps;

static inline int counted_wait(pawl_u32 *word, uint32_t expected,
                               pawl_deadline until, bool shared,
                               uint32_t channels)
{
    sleeps++;
    return seam_wait(word, expected, until, shared, channels);
}

#undef pawl_futex_wait
#define pawl_futex_wait counted_wait
#define pawl_watchers_wake seam_watchers_wake

#include "thread/future.c"
#undef LOCKED
#undef STOP
#include "thread/future_many.c"

#include "puppet.h"

static struct stop here;

static int result(void *f)
{
    int status = 0;
    int err = pawl_future_result(f, &status, NULL);

    return err != 0 ? err : status;
}

static int result_stop_before(void *f)
{
    stop_before_wait = &here;
    return result(f);
}

static int result_soon_stop_after(void *f)
{
    stop_after_wait = &here;
    return pawl_future_result_until(f, NULL, NULL, pawl_after_us(500));
}

static int nothing(void *f)
{
    (void)f;
    return 0;
}

/* The end comes between the mark and the sleep. */
TEST(future_window.set_before_the_sleep_is_not_missed)
{
    struct visitor v;
    pawl_future f = PAWL_FUTURE_INIT;

    stop_make(&here);
    visitor_start(&v, result_stop_before, nothing, &f);
    stop_await(&here);
    CHECK_OK(pawl_future_set(&f, 4, NULL));
    stop_release(&here);
    CHECK_EQ(visitor_passes(&v), 4);
}

/* The end comes between the time-out and the last look. */
TEST(future_window.late_waiter_looks_once_more)
{
    struct visitor v;
    pawl_future f = PAWL_FUTURE_INIT;

    stop_make(&here);
    visitor_start(&v, result_soon_stop_after, nothing, &f);
    stop_await(&here);
    CHECK_OK(pawl_future_set(&f, 0, NULL));
    stop_release(&here);
    CHECK_OK(visitor_passes(&v));
}

/* ---- the lock ------------------------------------------------------------------ */

static int set_1(void *f)
{
    return pawl_future_set(f, 1, NULL);
}

static int cancel(void *f)
{
    return pawl_future_cancel(f);
}

static int begin(void *f)
{
    return pawl_future_begin(f);
}

static void count_call(pawl_future *f, void *context)
{
    (void)f;
    ++*(int *)context;
}

static int called;
static pawl_future_callback queued_cb;

static int add(void *f)
{
    return pawl_future_add_callback(f, &queued_cb, count_call, &called);
}

enum { CHANGES = 4 };
static const visitor_fn changes[CHANGES] = {set_1, cancel, begin, add};

/* Who changes a future sleeps while somebody else does; who waits for it is not
 * woken by the end of that. */
TEST(future_window.changes_queue_for_the_lock)
{
    for (int i = 0; i < CHANGES; i++) {
        struct visitor waiter;
        struct visitor v[2];
        pawl_future f = PAWL_FUTURE_INIT;

        CHECK(!is_done(lock(&f)));
        CHECK_EQ(pawl_future_state(&f), PAWL_FUTURE_PENDING);
        CHECK_ERR(pawl_future_try_result(&f, NULL, NULL), -EAGAIN);
        visitor_start_asleep(&waiter, result, nothing, &f);
        visitor_start_asleep(&v[0], changes[i], nothing, &f);
        visitor_start_asleep(&v[1], begin, nothing, &f);
        CHECK_EQ(pawl_future_state(&f), PAWL_FUTURE_PENDING);
        unlock(&f);
        visitor_passes(&v[0]);
        visitor_passes(&v[1]);
        if (!pawl_future_is_done(&f)) {
            test_until_asleep(test_tid(waiter.thread));
            CHECK_OK(pawl_future_set(&f, 1, NULL));
        }
        visitor_passes(&waiter);
    }
}

/* The end gives up the lock too, and wakes those who queue for it. */
TEST(future_window.end_releases_who_queues_for_the_lock)
{
    static const int want[CHANGES] = {-EALREADY, -EALREADY, -EALREADY, 0};
    struct visitor v[CHANGES];
    pawl_future f = PAWL_FUTURE_INIT;

    called = 0;
    CHECK(!is_done(lock(&f)));
    for (int i = 0; i < CHANGES; i++)
        visitor_start_asleep(&v[i], changes[i], nothing, &f);
    f.u_.local_.status_ = 6;
    finish(&f, PAWL_FUTURE_FINISHED);
    for (int i = 0; i < CHANGES; i++)
        CHECK_ERR(visitor_passes(&v[i]), want[i]);
    CHECK_EQ(result(&f), 6);
    CHECK_EQ(called, 1);
}

static int set_as_a_pool(void *f)
{
    pawl_future_call(f, pawl_future_set_task(f, 1, NULL));
    return 0;
}

/* A pool sets the outcome without the lock, but not while somebody has it. */
TEST(future_window.pool_queues_for_the_lock)
{
    struct visitor v;
    pawl_future f = PAWL_FUTURE_INIT_FLAGS(PAWL_FUTURE_TASK_);

    called = 0;
    CHECK_OK(pawl_future_begin(&f));
    CHECK(!is_done(lock(&f)));
    visitor_start_asleep(&v, set_as_a_pool, nothing, &f);
    CHECK(pawl_future_is_running(&f));
    unlock(&f);
    CHECK_OK(visitor_passes(&v));
    CHECK_ERR(pawl_future_set(&f, 2, NULL), -EPERM);
    CHECK_EQ(result(&f), 1);
}

static pawl_u32 steps; /* of wait_to_be_let_go and who watches it */

static int wait_to_be_let_go(pawl_task *t, void *arg)
{
    (void)t;
    (void)arg;
    pawl_store_release(&steps, 1);
    while (pawl_load_acquire(&steps) == 1)
        sched_yield();
    return 0;
}

/* -EBUSY: it came back too early. */
static int settle(void *f)
{
    int err = pawl_task_settle(f); /* the first member of a task */

    return err == 0 && !pawl_future_is_done(f) ? -EBUSY : err;
}

/* its pool has let go of it, and is kept from setting it: it has not
 * settled. */
TEST(future_window.task_settles_when_it_is_set)
{
    struct visitor v;
    pawl_pool *pool;
    pawl_task task = PAWL_TASK_INIT(wait_to_be_let_go, NULL);
    pawl_future *f = &task.future;

    pawl_store_release(&steps, 0);
    CHECK_OK(pawl_pool_create(&pool, NULL));
    CHECK_OK(pawl_pool_submit(pool, &task));
    while (pawl_load_acquire(&steps) == 0)
        sched_yield();
    CHECK(!is_done(lock(f)));
    pawl_store_release(&steps, 2);
    while ((pawl_load_acquire(&f->word_) & QUEUED) == 0)
        sched_yield();
    visitor_start_asleep(&v, settle, nothing, f);
    unlock(f);
    CHECK_OK(visitor_passes(&v));
    CHECK_OK(pawl_pool_end(pool));
}

static void find_it_locked_by_nobody(void *arg)
{
    pawl_future *f = arg;

    CHECK_EQ(pawl_future_state(f), PAWL_FUTURE_PENDING);
    CHECK_OK(pawl_future_begin(f));
    CHECK_OK(add(f));
    CHECK_OK(pawl_future_set(f, 0, NULL));
    CHECK_EQ(called, 1);
}

/* K-04: who held the lock at a fork does not exist in the child; what it did to
 * the list is not looked at. */
TEST(future_window.child_of_a_fork_finds_it_free)
{
    pawl_future f = PAWL_FUTURE_INIT;
    pawl_future_callback cb;
    int called_here = 0;

    called = 0;
    CHECK_OK(pawl_future_add_callback(&f, &cb, count_call, &called_here));
    (void)pawl_self_local(); /* installs the handlers */
    CHECK(!is_done(lock(&f)));
    cb.next_ = cb.prev_ = NULL; /* half a list */
    test_wait_child(test_spawn_child(find_it_locked_by_nobody, &f));
    cb.next_ = cb.prev_ = &cb;
    unlock(&f);
    CHECK_OK(pawl_future_set(&f, 0, NULL));
    CHECK_EQ(called_here, 1);
}

/* ---- deliveries to those who wait for many --------------------------------------- */

enum { N = 3 };

struct scene {
    pawl_future f[N];
    pawl_future_entry e[N];
    pawl_as_completed c;
    enum pawl_future_when when;
};

static int set_stop_before_telling(void *f)
{
    stop_before_telling = &here;
    return pawl_future_set(f, -EIO, NULL);
}

static void scene_make(struct scene *s)
{
    uint32_t as;

    stop_make(&here);
    memset(s, 0, sizeof *s);
    for (int i = 0; i < N; i++)
        s->e[i].future = &s->f[i];
    CHECK(mark(&s->f[1], &as)); /* somebody sleeps, so the end tells */
}

static int end(void *scene)
{
    struct scene *s = scene;

    pawl_as_completed_end(&s->c);
    memset(s, 0xa5, sizeof *s);
    return 0;
}

/* F-11: an early end waits for who is about to deliver. */
TEST(future_window.as_completed_ends_after_the_delivery)
{
    struct visitor deliverer;
    struct visitor ender;
    struct scene s;

    scene_make(&s);
    CHECK_OK(pawl_as_completed_begin(&s.c, s.e, N));
    visitor_start(&deliverer, set_stop_before_telling, nothing, &s.f[1]);
    stop_await(&here);
    CHECK(pawl_future_is_done(&s.f[1]));
    visitor_start_asleep(&ender, end, nothing, &s);
    stop_release(&here);
    CHECK_OK(visitor_passes(&ender));
    CHECK_OK(visitor_passes(&deliverer));
}

static struct stop late;

static int wait_soon(void *scene)
{
    struct scene *s = scene;
    int err;

    stop_after_wait = &late;
    err = pawl_future_wait_until(s->e, N, s->when, pawl_after_us(500));
    CHECK(!s->e[0].done && s->e[1].done && !s->e[2].done);
    memset(s->e, 0xa5, sizeof s->e);
    return err;
}

/* F-08: so does a wait whose time is up; and its answer is the newest. */
TEST(future_window.late_wait_ends_after_the_delivery)
{
    static const struct {
        enum pawl_future_when when;
        int want;
    } cases[] = {{PAWL_FUTURE_ALL_COMPLETED, -ETIMEDOUT},
                 {PAWL_FUTURE_FIRST_FAILED, 0},
                 {PAWL_FUTURE_FIRST_COMPLETED, 0}};

    for (size_t i = 0; i < 3; i++) {
        struct visitor deliverer;
        struct visitor waiter;
        struct scene s;

        scene_make(&s);
        stop_make(&late);
        s.when = cases[i].when;
        visitor_start(&waiter, wait_soon, nothing, &s);
        stop_await(&late);
        visitor_start(&deliverer, set_stop_before_telling, nothing, &s.f[1]);
        stop_await(&here);
        stop_release(&late);
        test_until_asleep(test_tid(waiter.thread));
        stop_release(&here);
        CHECK_ERR(visitor_passes(&waiter), cases[i].want);
        CHECK_OK(visitor_passes(&deliverer));
    }
}

static int wait_stop_before(void *scene)
{
    struct scene *s = scene;

    stop_before_wait = &late;
    return pawl_future_wait(s->e, N, s->when);
}

/* The last delivery comes between the mark and the sleep. */
TEST(future_window.delivery_before_the_sleep_is_not_missed)
{
    struct visitor waiter;
    struct scene s;

    scene_make(&s);
    stop_make(&late);
    s.when = PAWL_FUTURE_ALL_COMPLETED;
    visitor_start(&waiter, wait_stop_before, nothing, &s);
    stop_await(&late);
    for (int i = 0; i < N; i++)
        CHECK_OK(pawl_future_set(&s.f[i], 0, NULL));
    stop_release(&late);
    CHECK_OK(visitor_passes(&waiter));
}

static int next_stop_before(void *scene)
{
    struct scene *s = scene;
    size_t which = 99;

    stop_before_wait = &late;
    CHECK_OK(pawl_as_completed_next(&s->c, &which));
    return (int)which;
}

TEST(future_window.arrival_before_the_sleep_is_not_missed)
{
    struct visitor waiter;
    struct scene s;

    scene_make(&s);
    stop_make(&late);
    CHECK_OK(pawl_as_completed_begin(&s.c, s.e, N));
    visitor_start(&waiter, next_stop_before, nothing, &s);
    stop_await(&late);
    CHECK_OK(pawl_future_set(&s.f[2], 0, NULL));
    stop_release(&late);
    CHECK_EQ(visitor_passes(&waiter), 2);
    pawl_as_completed_end(&s.c);
}

static int wait_and_count(void *scene)
{
    struct scene *s = scene;

    CHECK_OK(pawl_future_wait(s->e, N, s->when));
    return sleeps;
}

/* F-08: who waits for all is woken once, whatever fails before. */
TEST(future_window.wait_for_all_is_one_wake)
{
    struct visitor waiter;
    struct scene s;

    scene_make(&s);
    s.when = PAWL_FUTURE_ALL_COMPLETED;
    visitor_start_asleep(&waiter, wait_and_count, nothing, &s);
    for (int i = 0; i < N; i++) {
        test_until_asleep(test_tid(waiter.thread));
        CHECK_OK(pawl_future_set(&s.f[i], -EIO, NULL));
    }
    CHECK_EQ(visitor_passes(&waiter), 1);
}

/* ---- between processes ------------------------------------------------------ */

/* The first steps of a set, whose process is killed or slow then; its number. */
static uint32_t set_halfway(pawl_future *f, int parts)
{
    uint32_t seen = word_of(f);
    uint32_t mine = (seen & ATTEMPT) + (UINT32_C(1) << ATTEMPT_SHIFT);

    CHECK(pawl_cas_relaxed(&f->word_, &seen, (seen & ~ATTEMPT) | mine));
    for (int i = 0; i < parts; i++)
        CHECK(write_part(f, mine, i, 77));
    return mine;
}

enum { PARTS = 3 };

static void is_whole(pawl_future *f)
{
    void *value = NULL;
    int status = 0;

    CHECK_OK(pawl_future_try_result(f, &status, &value));
    CHECK_EQ(status, -6);
    CHECK(value == (void *)(uintptr_t)UINT64_C(0x500000004));
}

/* F-08, R-09: who comes next sets it, and what the slow one still writes counts for
 * nothing, before the end and after. */
TEST(future_window.what_is_set_halfway_keeps_nobody)
{
    for (int parts = 0; parts <= PARTS; parts++) {
        pawl_future f = PAWL_FUTURE_INIT_FLAGS(PAWL_SHARED);
        uint32_t slow = set_halfway(&f, parts);
        struct visitor waiter;

        CHECK_OK(pawl_future_begin(&f));
        CHECK_OK(pawl_future_request_stop(&f));
        CHECK(pawl_future_stop_requested(&f));
        CHECK_ERR(pawl_future_try_result(&f, NULL, NULL), -EAGAIN);
        visitor_start_asleep(&waiter, result, nothing, &f);
        set_halfway(&f, 1);
        CHECK(!write_part(&f, slow, 0, 77));
        CHECK_OK(
            pawl_future_set(&f, -6, (void *)(uintptr_t)UINT64_C(0x500000004)));
        CHECK_ERR(visitor_passes(&waiter), -6);
        for (int i = 0; i < PARTS; i++)
            CHECK(!write_part(&f, slow, i, 77));
        CHECK_ERR(pawl_future_set(&f, 1, NULL), -EALREADY);
        is_whole(&f);
    }
}

TEST(future_window.what_is_set_halfway_can_be_cancelled)
{
    for (int parts = 0; parts <= PARTS; parts++) {
        pawl_future f = PAWL_FUTURE_INIT_FLAGS(PAWL_SHARED);

        set_halfway(&f, parts);
        CHECK_OK(parts % 2 != 0 ? pawl_future_cancel(&f)
                                : pawl_future_request_stop(&f));
        CHECK(pawl_future_is_cancelled(&f));
        CHECK_ERR(pawl_future_set(&f, 1, NULL), -EALREADY);
    }
}

/* The number of an attempt is never 0, which is that of none, and of one that is
 * done. */
TEST(future_window.numbers_of_attempts_go_round)
{
    pawl_future f = PAWL_FUTURE_INIT_FLAGS(PAWL_SHARED);

    pawl_store_relaxed(&f.word_, ATTEMPT | PAWL_FUTURE_RUNNING);
    CHECK_OK(pawl_future_set(&f, -6, (void *)(uintptr_t)UINT64_C(0x500000004)));
    is_whole(&f);
    for (int i = 0; i < PARTS; i++)
        CHECK_EQ(pawl_load64_relaxed(&f.u_.shared_[i]) >> 32,
                 UINT32_C(1) << ATTEMPT_SHIFT);
}
