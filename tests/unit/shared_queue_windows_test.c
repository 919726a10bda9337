/* SPDX-License-Identifier: MIT
 *
 * shared_queue_windows_test.c - H-20, H-22, Q-20, Q-21: who sleeps at a queue in a
 * region is woken by those who change it.  In the library he looks by himself after
 * 50 ms, as they may be killed before they wake him; here nobody does, so that a wake
 * that is missing is one (see seam.h).
 */
#include <stdatomic.h>
#include <string.h>

#include "futex/lifeline.h"
#include "seam.h"

enum { LATE_MS = 10000 };

static atomic_int in_vain; /* sleeps that the deadline has ended */
static atomic_int wakes;

static int sound_wait(pawl_u32 *word, uint32_t expected, pawl_deadline until,
                      bool shared, uint32_t channels)
{
    int err = pawl_futex_wait(word, expected, until, shared, channels);

    if (err == -ETIMEDOUT)
        atomic_fetch_add(&in_vain, 1);
    return err;
}

static int counted_wake(pawl_u32 *word, int count, bool shared,
                        uint32_t channels)
{
    atomic_fetch_add(&wakes, 1);
    return pawl_futex_wake(word, count, shared, channels);
}

/* A wait set's, which would also end in time for a look. */
static int sound_sleep(const struct pawl_watch *watch, size_t n,
                       pawl_deadline until)
{
    int err = pawl_futex_wait_any(watch, n, pawl_after_ms(LATE_MS));

    (void)until;
    if (err == -ENOSYS)
        return pawl_participant_sleep(watch, n, until); /* it has to look */
    if (err == -ETIMEDOUT)
        atomic_fetch_add(&in_vain, 1);
    return err;
}

#undef pawl_futex_wait
#undef pawl_futex_doze
#define pawl_futex_wait sound_wait
#define pawl_futex_doze sound_wait
#define pawl_futex_wake counted_wake
#include "futex/eventcount.c"

#define pawl_participant_sleep sound_sleep
#include "futex/wait.c" // NOLINT: its own copy, as above

#include <pawl/region.h>
#include <pawl/shared_queue.h>

#include "puppet.h"

enum { SLEEPERS = 3 };

static const enum pawl_shared_queue_kind kinds[] = {
    PAWL_SHARED_FIFO, PAWL_SHARED_LIFO, PAWL_SHARED_PRIORITY,
    PAWL_SHARED_DEQUE};

enum { KINDS = sizeof kinds / sizeof *kinds };

struct scene {
    pawl_region *region;
    pawl_shared_queue *q;
    struct puppet p[SLEEPERS];
};

/* What is put. */
static const uint64_t numbers[SLEEPERS] = {1, 2, 3};

static void begin(struct scene *s, enum pawl_shared_queue_kind kind,
                  enum pawl_shared_tasks tasks, size_t capacity)
{
    CHECK_OK(pawl_region_create(
        &s->region,
        &(pawl_region_options){.heap = 1 << 16, .participants = 8}));
    CHECK_OK(pawl_shared_queue_create(
        &s->q, s->region,
        &(pawl_shared_queue_options){.capacity = capacity,
                                     .record_size = sizeof *numbers,
                                     .kind = kind,
                                     .tasks = tasks}));
    puppets_begin(s->p, SLEEPERS);
    atomic_store(&wakes, 0);
    atomic_store(&in_vain, 0);
}

static void end(struct scene *s)
{
    CHECK_EQ(atomic_load(&in_vain), 0);
    puppets_end(s->p, SLEEPERS);
    pawl_shared_queue_free(s->q);
    pawl_region_free(s->region);
}

static void put(struct scene *s)
{
    CHECK_OK(pawl_shared_queue_try_put(s->q, numbers, sizeof *numbers));
}

static void get(struct scene *s)
{
    uint64_t n;

    CHECK_EQ(pawl_shared_queue_try_get(s->q, &n, sizeof n), sizeof n);
}

static int get_until(void *q, pawl_deadline until)
{
    uint64_t n;

    return (int)pawl_shared_queue_get_until(q, &n, sizeof n, until);
}

static int put_until(void *q, pawl_deadline until)
{
    return pawl_shared_queue_put_until(q, numbers, sizeof *numbers, until);
}

static int get_many_until(void *q, pawl_deadline until)
{
    uint64_t n[SLEEPERS];

    return (int)pawl_shared_queue_get_many_until(q, n, sizeof *n, NULL, NULL, 1,
                                                 until);
}

static int put_many_until(void *q, pawl_deadline until)
{
    return (int)pawl_shared_queue_put_many_until(q, numbers, sizeof *numbers,
                                                 NULL, 1, until);
}

static int join_until(void *q, pawl_deadline until)
{
    return pawl_shared_queue_join_until(q, until);
}

static int readable(void *q, pawl_deadline until)
{
    pawl_wait_item item = PAWL_WAIT_SHARED_READABLE((pawl_shared_queue *)q);

    return pawl_wait_any_until(&item, 1, until, NULL);
}

static int writable(void *q, pawl_deadline until)
{
    pawl_wait_item item = PAWL_WAIT_SHARED_WRITABLE((pawl_shared_queue *)q);

    return pawl_wait_any_until(&item, 1, until, NULL);
}

/* So many of them call it, and sleep. */
static void send_to_sleep(struct scene *s, int n, puppet_fn fn)
{
    for (int i = 0; i < n; i++) {
        puppet_do(&s->p[i], fn, s->q, pawl_after_ms(LATE_MS));
        puppet_until_asleep(&s->p[i]);
    }
}

static void check_awake(struct scene *s, int n, int result)
{
    for (int i = 0; i < n; i++)
        CHECK_EQ(puppet_result(&s->p[i]), result);
}

static void fill(struct scene *s, int n)
{
    while (n-- > 0)
        put(s);
}

/* H-20: each put wakes one that waits for a record, each get one that waits for room,
 * by one call of the kernel; none if nobody sleeps. */
TEST(shared_queue_window.put_and_get_wake_who_sleeps)
{
    for (size_t k = 0; k < KINDS; k++) {
        struct scene s;

        begin(&s, kinds[k], PAWL_TASKS_NONE, 2);
        put(&s);
        get(&s);
        CHECK_EQ(atomic_load(&wakes), 0);
        send_to_sleep(&s, 2, get_until);
        put(&s);
        put(&s);
        check_awake(&s, 2, sizeof(uint64_t));
        CHECK_EQ(atomic_load(&wakes), 2);
        fill(&s, 2);
        send_to_sleep(&s, 2, put_until);
        get(&s);
        get(&s);
        check_awake(&s, 2, 0);
        CHECK_EQ(atomic_load(&wakes), 4);
        end(&s);
    }
}

/* a batch wakes as many as it has records, or places, for, at once. */
TEST(shared_queue_window.a_batch_is_one_wake)
{
    for (size_t k = 0; k < KINDS; k++) {
        uint64_t n[SLEEPERS];
        struct scene s;

        begin(&s, kinds[k], PAWL_TASKS_NONE, SLEEPERS);
        send_to_sleep(&s, SLEEPERS, get_many_until);
        CHECK_EQ(pawl_shared_queue_try_put_many(s.q, numbers, sizeof *n, NULL,
                                                SLEEPERS),
                 SLEEPERS);
        CHECK_EQ(atomic_load(&wakes), 1);
        check_awake(&s, SLEEPERS, 1);
        fill(&s, SLEEPERS);
        send_to_sleep(&s, SLEEPERS, put_many_until);
        CHECK_EQ(pawl_shared_queue_try_get_many(s.q, n, sizeof *n, NULL, NULL,
                                                SLEEPERS),
                 SLEEPERS);
        CHECK_EQ(atomic_load(&wakes), 2);
        check_awake(&s, SLEEPERS, 1);
        end(&s);
    }
}

/* the end wakes all, at both ends. */
TEST(shared_queue_window.shutdown_wakes_all)
{
    for (size_t k = 0; k < KINDS; k++) {
        struct scene s;

        begin(&s, kinds[k], PAWL_TASKS_NONE, 1);
        send_to_sleep(&s, SLEEPERS, get_until);
        CHECK_OK(pawl_shared_queue_shutdown(s.q));
        check_awake(&s, SLEEPERS, -ESHUTDOWN);
        end(&s);
        begin(&s, kinds[k], PAWL_TASKS_NONE, 1);
        put(&s);
        send_to_sleep(&s, SLEEPERS, put_until);
        CHECK_OK(pawl_shared_queue_shutdown(s.q));
        check_awake(&s, SLEEPERS, -ESHUTDOWN);
        end(&s);
    }
}

/* who joins is told by the last report. */
TEST(shared_queue_window.the_last_task_done_wakes_who_joins)
{
    for (size_t k = 0; k < KINDS; k++) {
        struct scene s;

        begin(&s, kinds[k], PAWL_TASKS_AGAIN, 2);
        fill(&s, 2);
        send_to_sleep(&s, SLEEPERS, join_until);
        get(&s);
        get(&s);
        CHECK_OK(pawl_shared_queue_task_done(s.q, NULL));
        CHECK_EQ(atomic_load(&wakes), 0);
        CHECK_OK(pawl_shared_queue_task_done(s.q, NULL));
        check_awake(&s, SLEEPERS, 0);
        end(&s);
    }
}

/* H-25: who takes out the rest does so too. */
TEST(shared_queue_window.shutdown_now_wakes_who_joins)
{
    struct scene s;

    begin(&s, PAWL_SHARED_FIFO, PAWL_TASKS_AGAIN, 2);
    fill(&s, 2);
    send_to_sleep(&s, SLEEPERS, join_until);
    CHECK_EQ(pawl_shared_queue_shutdown_now(s.q), 2);
    check_awake(&s, SLEEPERS, 0);
    end(&s);
}

/* so are wait sets. */
TEST(shared_queue_window.wait_sets_are_woken)
{
    for (size_t k = 0; k < KINDS; k++) {
        struct scene s;

        begin(&s, kinds[k], PAWL_TASKS_NONE, 1);
        send_to_sleep(&s, SLEEPERS, readable);
        put(&s);
        check_awake(&s, SLEEPERS, 0);
        send_to_sleep(&s, SLEEPERS, writable);
        get(&s);
        check_awake(&s, SLEEPERS, 0);
        send_to_sleep(&s, SLEEPERS, readable);
        CHECK_OK(pawl_shared_queue_shutdown(s.q));
        check_awake(&s, SLEEPERS, 0);
        end(&s);
    }
}
