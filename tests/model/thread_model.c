/* SPDX-License-Identifier: MIT
 *
 * Scenarios of threads: start, join, stop, the cache of parked ones, and the list
 * of all.  T0 is the main thread; those after it are foreign ones; what is started
 * comes after them.
 */
#include <pawl/event.h>
#include <pawl/rwlock.h>
#include <pawl/sem.h>
#include <pawl/thread.h>
#include <pawl/wait.h>

#include "futex/self.h"
#include "machine.h"
#include "thread/cache.h"
#include "thread/exit.h"
#include "thread/registry.h"

enum { THREADS = 3, CARRIERS = 4, BURIED = 31, STATUS = 7 };

static struct {
    pawl_thread t[THREADS];
    pawl_thread *all[THREADS];
    pawl_event e;
    pawl_rwlock lock;
    struct pawl_carrier c[CARRIERS];
    int data[THREADS]; /* written before the start */
    int made[THREADS]; /* ... and by the thread */
    int parked[CARRIERS];
    pawl_u32 begun;    /* bits: starts that have succeeded */
    pawl_u32 is_ready; /* whoever sees it sees what came before */
    int refused;
    int stopped;
    int runs[THREADS];
    int taken[CARRIERS];
} s;

/* ---- parts ----------------------------------------------------------------- */

/* Thread i. */
static int run(void *arg)
{
    int i = (int)(intptr_t)arg;

    CHECK(MODEL_GET(s.data[i]) == 1);
    MODEL_SET(s.made[i], 1);
    CHECK(++s.runs[i] == 1);
    CHECK(pawl_thread_current() == &s.t[i]);
    return STATUS + i;
}

static void setup_with(int (*fn)(void *arg))
{
    memset(&s, 0, sizeof s);
    MODEL_NAME(s.t);
    MODEL_NAME(s.c);
    MODEL_NAME(s.e);
    MODEL_NAME(s.lock);
    MODEL_NAME(s.data);
    MODEL_NAME(s.made);
    CHECK(pawl_thread_main() == pawl_thread_current());
    for (int i = 0; i < THREADS; i++) {
        s.all[i] = &s.t[i];
        CHECK_OK(pawl_thread_init(&s.t[i], fn, (void *)(intptr_t)i, NULL));
    }
}

static void setup_cached(void)
{
    setup_with(run);
}

static void setup(void)
{
    setup_cached();
    pawl_thread_cache(0);
}

static void say_begun(int i)
{
    pawl_add_release(&s.begun, UINT32_C(1) << i);
}

static void await_start(int i)
{
    while ((pawl_load_acquire(&s.begun) & UINT32_C(1) << i) == 0)
        model_yield();
}

static void start(int i)
{
    MODEL_SET(s.data[i], 1);
    CHECK_OK(pawl_thread_start(&s.t[i]));
    say_begun(i);
}

static void has_ended(int i, int status)
{
    CHECK(status == STATUS + i);
    CHECK(MODEL_GET(s.made[i]) == 1);
    CHECK(!pawl_thread_is_alive(&s.t[i]));
}

static void join(int i)
{
    int status = -1;

    CHECK_OK(pawl_thread_join(&s.t[i], &status));
    has_ended(i, status);
}

static void join_0(void)
{
    await_start(0);
    join(0);
}

static void start_and_join(void)
{
    start(0);
    join(0);
}

/* Its memory goes at once. */
static void join_and_free(void)
{
    start_and_join();
    model_free(&s.t[0], sizeof s.t[0]);
}

/* ---- start and join ---------------------------------------------------------- */

MODEL(thread.start_and_join, .setup = setup, .threads = {start_and_join})
MODEL(thread.freed_when_joined, .setup = setup, .threads = {join_and_free})
MODEL(thread.joined_by_two, .setup = setup, .threads = {start_and_join, join_0})
MODEL(thread.joined_by_one_that_spins, .setup = setup,
      .threads = {start_and_join}, .spin = 1)

static void join_by_a_deadline(void)
{
    int status = -1;
    int err;

    start(0);
    err = pawl_thread_join_until(&s.t[0], model_soon(), &status);
    CHECK(err == 0 || err == -ETIMEDOUT);
    if (err == 0)
        has_ended(0, status);
    else
        join(0);
}

MODEL(thread.joined_by_a_deadline, .setup = setup,
      .threads = {join_by_a_deadline})

static void try_join(void)
{
    int status = -1;
    int err;

    start(0);
    err = pawl_thread_try_join(&s.t[0], &status);
    CHECK(err == 0 || err == -EAGAIN);
    if (err == 0)
        has_ended(0, status);
    join(0);
}

MODEL(thread.joined_by_a_try, .setup = setup, .threads = {try_join})

/* Each starts the thread that the other one waits for, or cannot. */
static void start_if_first(void)
{
    int err = pawl_thread_start(&s.t[0]);

    CHECK(err == 0 || err == -EALREADY);
    s.refused += err != 0;
    CHECK_OK(pawl_thread_join(&s.t[0], NULL));
}

static int only_run(void *arg)
{
    CHECK(++s.runs[(intptr_t)arg] == 1);
    return 0;
}

static void setup_plain(void)
{
    setup_with(only_run);
    pawl_thread_cache(0);
}

/* Of a process that has been forked off. */
static void setup_in_a_child(void)
{
    setup_plain();
    pawl_fork_count_ = 1;
}

static void check_one_was_refused(void)
{
    CHECK(s.refused == 1 && s.runs[0] == 1);
}

MODEL(thread.started_by_two, .setup = setup_plain,
      .threads = {start_if_first, start_if_first},
      .check = check_one_was_refused)
MODEL(thread.started_by_two_in_a_child, .setup = setup_in_a_child,
      .threads = {start_if_first, start_if_first},
      .check = check_one_was_refused)

/* Each joins the other: one of them at least is told, or comes too late. */
static int join_the_other(void *arg)
{
    int i = (int)(intptr_t)arg;
    int err;

    await_start(1 - i);
    err = pawl_thread_join(&s.t[1 - i], NULL);
    CHECK(err == 0 || err == -EDEADLK);
    s.refused += err != 0;
    return 0;
}

static void setup_cycle(void)
{
    setup_with(join_the_other);
    pawl_thread_cache(0);
}

static void start_two_and_join(void)
{
    for (int i = 0; i < 2; i++) {
        CHECK_OK(pawl_thread_start(&s.t[i]));
        say_begun(i);
    }
    for (int i = 0; i < 2; i++)
        CHECK_OK(pawl_thread_join(&s.t[i], NULL));
    CHECK(s.refused == 1);
}

MODEL(thread.that_join_each_other, .setup = setup_cycle,
      .threads = {start_two_and_join}, .bounds = {1, 1, 1}, .sampled = true)

static void start_together(void)
{
    for (int i = 0; i < 2; i++)
        MODEL_SET(s.data[i], 1);
    CHECK_OK(pawl_thread_start_many(s.all, 2));
    join(0);
    join(1);
}

MODEL(thread.started_together, .setup = setup, .threads = {start_together},
      .bounds = {2, 0, 0})

static void join_any(void)
{
    size_t which = 77;

    start(0);
    start(1);
    CHECK_OK(pawl_thread_join_any_until(s.all, 2, PAWL_FOREVER, &which));
    CHECK(which < 2);
    join((int)which);
    join(1 - (int)which);
}

MODEL(thread.any_of_two, .setup = setup, .threads = {join_any},
      .bounds = {2, 0, 0})

static int leave(void *arg)
{
    MODEL_SET(s.made[(intptr_t)arg], 1);
    CHECK_OK(pawl_thread_exit(STATUS + (int)(intptr_t)arg));
    return 0;
}

static void setup_exit(void)
{
    setup_with(leave);
}

MODEL(thread.exits, .setup = setup_exit, .threads = {start_and_join})

/* Who asks may come before the thread has said who it is. */
static void ask_id(void)
{
    uint32_t id;

    await_start(0);
    id = pawl_thread_native_id(&s.t[0]);
    CHECK(id > 1000);
    CHECK(pawl_thread_ident(&s.t[0]) != 0);
}

static void start_and_ask(void)
{
    start(0);
    ask_id();
    join(0);
}

MODEL(thread.id_asked_for, .setup = setup, .threads = {start_and_ask})
MODEL(thread.id_asked_for_by_two, .setup = setup,
      .threads = {start_and_ask, ask_id}, .bounds = {2, 0, 0})

/* ---- starts that fail ------------------------------------------------------------ */

static void setup_refused(void)
{
    setup();
    model_refuse_threads(0, 1);
}

static void be_refused(void)
{
    MODEL_SET(s.data[0], 1);
    CHECK_ERR(pawl_thread_start(&s.t[0]), -EAGAIN);
}

/* There never is such a thread, whenever one asks. */
static void join_nobody(void)
{
    CHECK_ERR(pawl_thread_join(&s.t[0], NULL), -ESRCH);
}

static void ask_for_nobody(void)
{
    CHECK(pawl_thread_native_id(&s.t[0]) == 0);
}

MODEL(thread.refused_and_joined, .setup = setup_refused,
      .threads = {be_refused, join_nobody, join_nobody})
/* Asked when it was refused already, by one who had looked before. */
static const char *const asked_late[] = {"49A8AA", NULL};

MODEL(thread.refused_and_asked, .setup = setup_refused,
      .threads = {be_refused, ask_for_nobody, ask_for_nobody},
      .regressions = asked_late)

MODEL(thread.refused_and_asked_by_three, .setup = setup_refused,
      .threads = {be_refused, ask_for_nobody, ask_for_nobody, ask_for_nobody},
      .bounds = {1, 1, 0}, .also = {2, 0, 0})

/* By the next, who sees what the first has left. */
static void say_refused(void)
{
    be_refused();
    pawl_store_relaxed(&s.is_ready, 1);
}

static void start_the_refused(void)
{
    int err;

    while (pawl_load_relaxed(&s.is_ready) == 0)
        model_yield();
    while ((err = pawl_thread_start(&s.t[0])) == -EALREADY)
        model_yield(); /* old news */
    CHECK_OK(err);
    join(0);
}

MODEL(thread.refused_and_started, .setup = setup_refused,
      .threads = {say_refused, start_the_refused})

/* All or none. */
static void setup_one_refused(void)
{
    setup();
    model_refuse_threads(1, 1);
}

static void start_none_together(void)
{
    CHECK_ERR(pawl_thread_start_many(s.all, 2), -EAGAIN);
    for (int i = 0; i < 2; i++)
        CHECK_ERR(pawl_thread_join(&s.t[i], NULL), -ESRCH);
    start_together();
}

MODEL(thread.refused_together, .setup = setup_one_refused,
      .threads = {start_none_together}, .bounds = {1, 1, 1}, .sampled = true)

/* ---- what is told of failures --------------------------------------------------- */

static void hear(pawl_thread *t, int status)
{
    CHECK(t == &s.t[0] && status == -EIO);
    CHECK(MODEL_GET(s.data[1]) == 1);
}

static void hear_nothing(pawl_thread *t, int status)
{
    CHECK(t == &s.t[0] && status == -EIO);
}

static int fail_at_once(void *arg)
{
    (void)arg;
    return -EIO;
}

static void setup_failure(void)
{
    setup_with(fail_at_once);
    pawl_thread_cache(0);
    pawl_thread_set_error_hook(hear_nothing);
}

static void start_and_hear(void)
{
    int status = 0;

    CHECK_OK(pawl_thread_start(&s.t[0]));
    CHECK_OK(pawl_thread_join(&s.t[0], &status));
    CHECK(status == -EIO);
}

static void listen(void)
{
    MODEL_SET(s.data[1], 1);
    CHECK(pawl_thread_set_error_hook(hear) == hear_nothing);
}

MODEL(thread.hook_set_while_one_fails, .setup = setup_failure,
      .threads = {start_and_hear, listen})

/* ---- the cache of parked threads ------------------------------------------------ */

static void end_parked(void)
{
    pawl_thread_cache(0);
}

/* The second one finds the first one's carrier, which was parked before the end
 * was told; unless that gives up, because nobody has wanted it for so long. */
static void start_again(void)
{
    start_and_join();
    start(1);
    join(1);
    end_parked();
}

MODEL(cache.used_again, .setup = setup_cached, .threads = {start_again},
      .bounds = {2, 1, 0})
MODEL(cache.used_again_by_one_that_spins, .setup = setup_cached,
      .threads = {start_again}, .spin = 1, .bounds = {2, 0, 0})
MODEL(cache.idle, .setup = setup_cached, .threads = {start_again},
      .bounds = {2, 0, 0})

/* Two that end, one place. */
static void end_two(void)
{
    pawl_thread_cache(1);
    start(0);
    start(1);
    join(0);
    join(1);
    start(2);
    join(2);
    end_parked();
}

MODEL(cache.one_place_for_two, .setup = setup_cached, .threads = {end_two},
      .bounds = {2, 0, 0})

/* One parked, two that want one. */
static void start_2(void)
{
    while (pawl_load_acquire(&s.is_ready) == 0)
        model_yield();
    start(2);
}

static void start_2_and_join(void)
{
    start_2();
    join(2);
}

static void start_two_in_turn(void)
{
    start_and_join();
    pawl_store_release(&s.is_ready, 1);
    start(1);
    join(1);
    await_start(2);
    join(2);
    end_parked();
}

MODEL(cache.one_for_two, .setup = setup_cached,
      .threads = {start_two_in_turn, start_2}, .bounds = {1, 1, 1},
      .sampled = true)
MODEL(cache.one_for_two_who_wait, .setup = setup_cached,
      .threads = {start_two_in_turn, start_2_and_join}, .bounds = {1, 0, 1},
      .sampled = true)

/* It is switched off while one parks. */
MODEL(cache.switched_off, .setup = setup_cached,
      .threads = {start_and_join, end_parked, end_parked}, .bounds = {2, 0, 0})

static int run_detached(void *arg)
{
    CHECK(MODEL_GET(s.data[0]) == 1);
    (void)arg;
    pawl_event_set(&s.e);
    return 0;
}

static void start_detached(void)
{
    uint64_t ident = 0;

    MODEL_SET(s.data[0], 1);
    CHECK_OK(pawl_thread_start_detached(run_detached, NULL, NULL, &ident));
    CHECK(ident != 0);
    pawl_event_wait(&s.e);
    start(1);
    join(1);
    end_parked();
}

MODEL(cache.detached, .setup = setup_cached, .threads = {start_detached},
      .bounds = {2, 0, 0})

/* Who asks for the id of one that runs on a parked thread. */
static void start_again_and_be_asked(void)
{
    start_and_join();
    start(1);
    join(1);
    end_parked();
}

static void ask_id_1(void)
{
    await_start(1);
    CHECK(pawl_thread_native_id(&s.t[1]) > 1000);
    CHECK(pawl_thread_ident(&s.t[1]) != 0);
}

/* ... while it is started. */
static void ask_id_1_early(void)
{
    uint32_t id = pawl_thread_native_id(&s.t[1]);

    CHECK(id == 0 || id > 1000);
    CHECK(id == 0 || pawl_load64_relaxed(&s.t[1].ident_) != 0);
}

MODEL(cache.id_asked_for, .setup = setup_cached,
      .threads = {start_again_and_be_asked, ask_id_1}, .no_stray = true,
      .bounds = {2, 0, 0})
MODEL(cache.id_asked_for_early, .setup = setup_cached,
      .threads = {start_again_and_be_asked, ask_id_1_early},
      .bounds = {1, 1, 0}, .also = {2, 0, 0}, .no_stray = true)

static void ask_id_1_while_started(void)
{
    while (pawl_load_acquire(&s.is_ready) == 0)
        model_yield();
    ask_id_1_early();
}

static void start_twice_and_be_asked(void)
{
    start_and_join();
    pawl_store_release(&s.is_ready, 1);
    start(1);
    join(1);
    end_parked();
}

MODEL(cache.id_asked_for_by_two, .setup = setup_cached,
      .threads = {start_twice_and_be_asked, ask_id_1_while_started,
                  ask_id_1_while_started},
      .no_stray = true, .bounds = {2, 0, 0}, .sampled = true)

/* One with a stack of another size is of no use. */
static void change_the_stack_size(void)
{
    enum { SIZE = 1 << 16 };
    size_t before = 77;

    start_and_join();
    CHECK_OK(pawl_thread_stack_size(SIZE, &before));
    CHECK(before == 0);
    start(1);
    join(1);
    CHECK_OK(pawl_thread_stack_size(0, &before));
    CHECK(before == SIZE);
    end_parked();
}

MODEL(cache.of_another_stack_size, .setup = setup_cached,
      .threads = {change_the_stack_size}, .bounds = {1, 1, 0},
      .also = {2, 0, 0})

/* -- The places alone: *c[i] stands for a parked thread. */

static void setup_places(void)
{
    setup();
    pawl_thread_cache(2);
    for (int i = 0; i < CARRIERS; i++)
        s.parked[i] = 0;
    MODEL_NAME(s.parked);
}

static void has_left(struct pawl_carrier *c)
{
    int i = (int)(c - s.c);

    CHECK(MODEL_GET(s.parked[i]) == 1);
    CHECK(++s.taken[i] == 1);
}

static void put(int i)
{
    struct pawl_carrier *surplus;

    MODEL_SET(s.parked[i], 1);
    surplus = pawl_cache_put(&s.c[i]);
    if (surplus != NULL)
        has_left(surplus);
}

static void put_two(void)
{
    put(0);
    put(1);
}

static void put_third(void)
{
    put(2);
}

static void take(void)
{
    struct pawl_carrier *c = pawl_cache_take();

    if (c != NULL)
        has_left(c);
}

static void take_two(void)
{
    take();
    take();
}

/* The one that parked last gives up. */
static void put_and_leave(void)
{
    put(3);
    if (pawl_cache_take_this(&s.c[3]))
        has_left(&s.c[3]);
}

/* What was put is in, or was taken once. */
static void check_places(void)
{
    struct pawl_carrier *c;

    while ((c = pawl_cache_take()) != NULL)
        CHECK(++s.taken[c - s.c] == 1);
    for (int i = 0; i < CARRIERS; i++)
        CHECK(s.taken[i] == s.parked[i]);
}

MODEL(cache.put_and_take, .setup = setup_places, .threads = {put_two, take_two},
      .check = check_places, .bounds = {3, 1, 1})
MODEL(cache.put_by_two, .setup = setup_places, .threads = {put_two, put_third},
      .check = check_places)
MODEL(cache.put_by_two_and_taken, .setup = setup_places,
      .threads = {put_two, put_third, take}, .check = check_places)
MODEL(cache.taken_by_itself, .setup = setup_places,
      .threads = {put_and_leave, take}, .check = check_places,
      .bounds = {3, 1, 1})
MODEL(cache.taken_by_itself_while_others_come, .setup = setup_places,
      .threads = {put_and_leave, put_two, take}, .check = check_places)

static void put_and_take_one(void)
{
    put(0);
    CHECK(pawl_cache_take() == &s.c[0]);
    s.taken[0]++;
}

static void put_and_see_last(void)
{
    put(0);
    CHECK(pawl_cache_is_last(&s.c[0]));
}

MODEL(cache.alone, .setup = setup_places, .threads = {put_and_take_one},
      .check = check_places)
MODEL(cache.last, .setup = setup_places, .threads = {put_and_see_last},
      .check = check_places)

/* ---- asking a thread to stop ------------------------------------------------------ */

static int wait_for_event(void *arg)
{
    int err = PAWL_INTERRUPTIBLE(pawl_event_wait_until(&s.e, PAWL_FOREVER));

    CHECK(err == 0 || err == -ECANCELED);
    if (err != 0) {
        CHECK(pawl_thread_stop_requested());
        CHECK(MODEL_GET(s.data[0]) == 2);
        s.stopped++;
    }
    (void)arg;
    return 0;
}

static void setup_wait(void)
{
    setup_with(wait_for_event);
    pawl_thread_cache(0);
}

static void ask_0(void)
{
    MODEL_SET(s.data[0], 2);
    CHECK_OK(pawl_thread_request_stop(&s.t[0]));
}

static void start_and_stop(void)
{
    CHECK_OK(pawl_thread_start(&s.t[0]));
    ask_0();
    CHECK_OK(pawl_thread_join(&s.t[0], NULL));
}

static void check_stopped(void)
{
    CHECK(s.stopped == 1);
}

MODEL(stop.while_it_waits, .setup = setup_wait, .threads = {start_and_stop},
      .check = check_stopped)
MODEL(stop.while_it_waits_without_waitv, .setup = setup_wait,
      .threads = {start_and_stop}, .check = check_stopped,
      .waitv = MODEL_WAITV_MISSES)
MODEL(stop.while_it_waits_and_waitv_fails, .setup = setup_wait,
      .threads = {start_and_stop}, .check = check_stopped,
      .waitv = MODEL_WAITV_FAILS)

/* What it waits for may come first. */
static void set_event(void)
{
    pawl_event_set(&s.e);
}

MODEL(stop.or_what_it_waits_for, .setup = setup_wait,
      .threads = {start_and_stop, set_event})
MODEL(stop.or_what_it_waits_for_without_waitv, .setup = setup_wait,
      .threads = {start_and_stop, set_event}, .waitv = MODEL_WAITV_MISSES)

/* Sleepers on one of several channels cannot listen at the same time. */
static int wait_for_lock(void *arg)
{
    int err = PAWL_INTERRUPTIBLE(pawl_rwlock_write_lock(&s.lock));

    CHECK(err == -ECANCELED);
    s.stopped++;
    (void)arg;
    return 0;
}

static void setup_lock(void)
{
    setup_with(wait_for_lock);
    pawl_thread_cache(0);
}

static void lock_and_stop(void)
{
    CHECK_OK(pawl_rwlock_write_lock(&s.lock));
    start_and_stop();
    CHECK_OK(pawl_rwlock_write_unlock(&s.lock));
}

MODEL(stop.while_it_waits_for_a_lock, .setup = setup_lock,
      .threads = {lock_and_stop}, .check = check_stopped)

/* In a wait set. */
static int wait_for_stop(void *arg)
{
    pawl_wait_item items[2] = {PAWL_WAIT_STOP(), PAWL_WAIT_EVENT(&s.e)};
    size_t which = 77;

    CHECK_OK(pawl_wait_any(items, 2, &which));
    CHECK(which == 0);
    CHECK(MODEL_GET(s.data[0]) == 2);
    s.stopped++;
    (void)arg;
    return 0;
}

static void setup_set(void)
{
    setup_with(wait_for_stop);
    pawl_thread_cache(0);
}

MODEL(stop.in_a_wait_set, .setup = setup_set, .threads = {start_and_stop},
      .check = check_stopped)
MODEL(stop.in_a_wait_set_without_waitv, .setup = setup_set,
      .threads = {start_and_stop}, .check = check_stopped,
      .waitv = MODEL_WAITV_MISSES)

/* A call that waits for several. */
static int wait_for_two(void *arg)
{
    pawl_wait_item items[2] = {PAWL_WAIT_EVENT(&s.e), PAWL_WAIT_EVENT(&s.e)};
    int err = PAWL_INTERRUPTIBLE(pawl_wait_any(items, 2, NULL));

    CHECK(err == -ECANCELED);
    CHECK(MODEL_GET(s.data[0]) == 2);
    s.stopped++;
    (void)arg;
    return 0;
}

static void setup_two(void)
{
    setup_with(wait_for_two);
    pawl_thread_cache(0);
}

MODEL(stop.while_it_waits_for_two, .setup = setup_two,
      .threads = {start_and_stop}, .check = check_stopped)

/* By polling. */
static int poll_stop(void *arg)
{
    while (!pawl_thread_stop_requested())
        model_yield();
    CHECK(MODEL_GET(s.data[0]) == 2);
    s.stopped++;
    (void)arg;
    return 0;
}

static void setup_poll(void)
{
    setup_with(poll_stop);
    pawl_thread_cache(0);
}

MODEL(stop.polled, .setup = setup_poll, .threads = {start_and_stop},
      .check = check_stopped)

/* A request that comes late must not reach the next thread there. */
static int must_not_be_stopped(void *arg)
{
    int i = (int)(intptr_t)arg;

    s.runs[i]++;
    CHECK(i == 0 || !pawl_thread_stop_requested());
    return 0;
}

static void setup_next(void)
{
    setup_with(must_not_be_stopped);
}

static void run_one_after_the_other(void)
{
    CHECK_OK(pawl_thread_start(&s.t[0]));
    say_begun(0);
    CHECK_OK(pawl_thread_join(&s.t[0], NULL));
    CHECK_OK(pawl_thread_start(&s.t[1]));
    CHECK_OK(pawl_thread_join(&s.t[1], NULL));
    end_parked();
}

static void stop_0(void)
{
    await_start(0);
    CHECK_OK(pawl_thread_request_stop(&s.t[0]));
}

MODEL(stop.of_the_one_before, .setup = setup_next,
      .threads = {run_one_after_the_other, stop_0}, .no_stray = true,
      .bounds = {2, 0, 0})

/* ... nor touch a carrier that is gone. */
static void setup_full(int (*fn)(void *arg))
{
    setup_with(fn);
    pawl_thread_cache(0);
    for (int i = 0; i < BURIED; i++) {
        struct pawl_carrier *c = model_calloc(1, sizeof *c);

        pawl_registry_add(c);
        pawl_registry_remove(c);
    }
}

static void setup_full_next(void)
{
    setup_full(must_not_be_stopped);
}

static void run_one(void)
{
    CHECK_OK(pawl_thread_start(&s.t[0]));
    say_begun(0);
    CHECK_OK(pawl_thread_join(&s.t[0], NULL));
}

MODEL(stop.of_one_that_is_gone, .setup = setup_full_next,
      .threads = {run_one, stop_0}, .no_stray = true)

/* ---- all threads --------------------------------------------------------------------- */

static void setup_list(void)
{
    setup_full(only_run);
}

static void enumerate(void)
{
    pawl_thread_info infos[4];
    size_t n;

    memset(infos, 0, sizeof infos);
    n = pawl_thread_enumerate(infos, 4);
    CHECK(n == 1 || n == 2);
    for (size_t i = 0; i < n; i++) {
        CHECK(infos[i].thread == pawl_thread_main() ||
              infos[i].thread == &s.t[0]);
        CHECK(strcmp(infos[i].name,
                     infos[i].thread == &s.t[0] ? "somebody" : "MainThread") ==
              0);
    }
}

static void setup_named_list(void)
{
    setup_list();
    CHECK_OK(pawl_thread_set_name(&s.t[0], "somebody"));
}

MODEL(registry.enumerated, .setup = setup_named_list,
      .threads = {run_one, enumerate}, .no_stray = true, .bounds = {1, 1, 0},
      .also = {2, 0, 0})

static struct pawl_carrier *fresh(int mark)
{
    struct pawl_carrier *c = model_calloc(1, sizeof *c);

    MODEL_SET(c->status, mark);
    return c;
}

/* -- The list alone. */

static void add_and_remove(void)
{
    struct pawl_carrier *c = fresh(1);

    pawl_registry_add(c);
    pawl_registry_remove(c);
}

static void add_two_and_remove(void)
{
    struct pawl_carrier *c = fresh(1);
    struct pawl_carrier *d = fresh(1);

    pawl_registry_add(c);
    pawl_registry_add(d);
    pawl_registry_remove(c);
    pawl_registry_remove(d);
}

/* What is found stays as long as the look at it. */
static void look_at_all(void)
{
    const struct pawl_carrier *c = NULL;

    pawl_registry_enter();
    while ((c = pawl_registry_next(c)) != NULL)
        CHECK(MODEL_GET(c->status) == (c == pawl_carrier_main() ? 0 : 1));
    pawl_registry_leave();
}

MODEL(registry.read_while_one_goes, .setup = setup_list,
      .threads = {add_and_remove, look_at_all})
MODEL(registry.read_while_two_go, .setup = setup_list,
      .threads = {add_two_and_remove, look_at_all})
MODEL(registry.read_by_two, .setup = setup_list,
      .threads = {add_and_remove, look_at_all, look_at_all})
MODEL(registry.changed_by_two, .setup = setup_list,
      .threads = {add_and_remove, add_and_remove, look_at_all},
      .bounds = {2, 0, 0})

/* ---- the end of the program -------------------------------------------------------- */

static void start_and_end(void)
{
    start(0);
    pawl_exit_run();
    CHECK(MODEL_GET(s.made[0]) == 1);
}

MODEL(exit.awaits_a_thread, .setup = setup, .threads = {start_and_end},
      .services = true, .ends = true)
MODEL(exit.awaits_a_thread_that_parks, .setup = setup_cached,
      .threads = {start_and_end}, .services = true, .ends = true)

/* ... and what that has started. */
static int run_and_start(void *arg)
{
    int i = (int)(intptr_t)arg;

    if (i == 0)
        start(1);
    return run(arg);
}

static void setup_chain(void)
{
    setup_with(run_and_start);
    pawl_thread_cache(0);
}

static void start_two_and_end(void)
{
    start_and_end();
    CHECK(MODEL_GET(s.made[1]) == 1);
}

/* Started, and its starter gone, while the list of all is read. */
static const char *const passed_by[] = {"19A", NULL};

MODEL(exit.awaits_what_is_started_meanwhile, .setup = setup_chain,
      .threads = {start_two_and_end}, .services = true, .ends = true,
      .bounds = {1, 1, 0}, .also = {2, 0, 0}, .regressions = passed_by)

/* What has begun before a change that was seen is seen. */
MODEL(exit.awaits_what_is_started_in_any_order, .setup = setup_chain,
      .threads = {start_two_and_end}, .services = true, .ends = true,
      .free_seq = true, .bounds = {1, 1, 0})

/* Nobody waits for a daemon, and it does not go on. */
static void start_a_daemon_and_end(void)
{
    CHECK_OK(pawl_thread_set_daemon(&s.t[0], true));
    start(0);
    pawl_exit_run();
    CHECK_ERR(pawl_thread_start(&s.t[1]), -ESHUTDOWN);
}

MODEL(exit.awaits_no_daemon, .setup = setup,
      .threads = {start_a_daemon_and_end}, .services = true, .ends = true)

/* What begins to need it meanwhile is known, or not yet. */
static bool needs_no_time(pawl_deadline until)
{
    (void)until;
    CHECK(MODEL_GET(s.data[0]) == 1);
    return false;
}

static struct pawl_exit_hook late = {.run = needs_no_time,
                                     .phase = PAWL_EXIT_TIMERS};

static void add_late(void)
{
    MODEL_SET(s.data[0], 1);
    CHECK_OK(pawl_exit_add(&late));
}

static void end_program(void)
{
    pawl_exit_run();
}

MODEL(exit.hook_added_meanwhile, .setup = setup,
      .threads = {add_late, end_program}, .services = true, .ends = true)
