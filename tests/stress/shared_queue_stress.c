/* SPDX-License-Identifier: MIT
 *
 * shared_queue_stress.c - Q-23, H-20, H-25: processes put and get records of a queue in
 * a region while some of them are killed at random moments.  At the end each record is
 * accounted for, one by one, and so are the capacity and the tasks.
 */
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <pawl/error.h>
#include <pawl/region.h>
#include <pawl/shared_queue.h>
#include <pawl/wait.h>

#include "test.h"

enum { PRODUCERS = 2, CONSUMERS = 2, CAPACITY = 7, RECORDS = 1 << 20 };
enum { BATCH = 5 };

struct scene {
    pawl_shared_queue *q;
    enum pawl_shared_tasks tasks;
    bool in_sets;                    /* all wait in sets */
    bool in_batches;                 /* all put and get several at once */
    atomic_uint next;                /* the number of the next record */
    atomic_uint made;                /* what consumers have marked */
    atomic_uchar put[RECORDS];       /* its put has returned */
    atomic_uchar delivered[RECORDS]; /* how often */
};

struct record {
    uint32_t number;
    uint32_t length;
    uint32_t filler[14]; /* of which `length` are sent, each the number */
};

static size_t size_of(uint32_t length)
{
    return (2 + length) * sizeof(uint32_t);
}

static int put(const struct scene *s, const struct record *r)
{
    pawl_wait_item item = PAWL_WAIT_SHARED_WRITABLE(s->q);
    int err = -EAGAIN;

    if (!s->in_sets)
        return pawl_shared_queue_put(s->q, r, size_of(r->length));
    while (err == -EAGAIN) {
        CHECK_OK(pawl_wait_any(&item, 1, NULL));
        err = pawl_shared_queue_try_put(s->q, r, size_of(r->length));
    }
    return err;
}

static int64_t get(const struct scene *s, struct record *r)
{
    pawl_wait_item item = PAWL_WAIT_SHARED_READABLE(s->q);
    int64_t bytes = -EAGAIN;

    if (!s->in_sets)
        return pawl_shared_queue_get(s->q, r, sizeof *r);
    while (bytes == -EAGAIN) {
        CHECK_OK(pawl_wait_any(&item, 1, NULL));
        bytes = pawl_shared_queue_try_get(s->q, r, sizeof *r);
    }
    return bytes;
}

/* The next record to be put.  False: there are none any more. */
static bool make(struct scene *s, struct record *r)
{
    *r = (struct record){.number = atomic_fetch_add(&s->next, 1)};
    r->length = r->number % 14;
    for (uint32_t i = 0; i < r->length; i++)
        r->filler[i] = r->number;
    return r->number < RECORDS;
}

/* A batch at a time, of which what does not fit at once comes in the next one. */
static void produce_batches(struct scene *s)
{
    struct record r[BATCH];
    size_t bytes[BATCH];
    size_t n = 0;

    for (;;) {
        int64_t done;

        while (n < BATCH && make(s, &r[n])) {
            bytes[n] = size_of(r[n].length);
            n++;
        }
        if (n == 0)
            return;
        done = pawl_shared_queue_put_many(s->q, r, sizeof *r, bytes, n);
        if (done == -ESHUTDOWN)
            return;
        CHECK(done > 0 && done <= (int64_t)n);
        for (int64_t i = 0; i < done; i++)
            atomic_store(&s->put[r[i].number], 1);
        n -= (size_t)done;
        memmove(r, r + done, n * sizeof *r);
        memmove(bytes, bytes + done, n * sizeof *bytes);
    }
}

static void produce(void *arg)
{
    struct scene *s = arg;
    struct record r;

    if (s->in_batches) {
        produce_batches(s);
        return;
    }
    while (make(s, &r)) {
        int err = put(s, &r);

        if (err == -ESHUTDOWN)
            return;
        CHECK_OK(err);
        atomic_store(&s->put[r.number], 1);
    }
}

static void mark(struct scene *s, const struct record *r, int64_t bytes)
{
    CHECK_EQ(bytes, size_of(r->length));
    CHECK_EQ(r->length, r->number % 14);
    for (uint32_t i = 0; i < r->length; i++)
        CHECK_EQ(r->filler[i], r->number);
    CHECK(r->number < RECORDS);
    atomic_fetch_add(&s->delivered[r->number], 1);
    atomic_fetch_add(&s->made, 1);
}

static void consume_batches(struct scene *s)
{
    struct record r[BATCH];
    size_t bytes[BATCH];
    pawl_shared_task tasks[BATCH];
    int64_t n;

    while ((n = pawl_shared_queue_get_many(s->q, r, sizeof *r, bytes, tasks,
                                           BATCH)) != -ESHUTDOWN) {
        CHECK(n > 0 && n <= BATCH);
        for (int64_t i = 0; i < n; i++) {
            mark(s, &r[i], (int64_t)bytes[i]);
            if (s->tasks != PAWL_TASKS_NONE)
                CHECK_OK(pawl_shared_queue_task_done(s->q, &tasks[i]));
        }
    }
}

static void consume(void *arg)
{
    struct scene *s = arg;
    struct record r;
    int64_t bytes;

    if (s->in_batches) {
        consume_batches(s);
        return;
    }
    while ((bytes = get(s, &r)) != -ESHUTDOWN) {
        CHECK(bytes >= 0);
        mark(s, &r, bytes);
        if (s->tasks != PAWL_TASKS_NONE)
            CHECK_OK(pawl_shared_queue_task_done(s->q, NULL));
    }
}

/* ---- the account ----------------------------------------------------------------- */

/* So many at most was a consumer getting, or had in its hand. */
static uint32_t most_of(const struct scene *s)
{
    return s->in_batches ? BATCH : 1;
}

static void check_account(struct scene *s, uint32_t consumers_killed)
{
    uint32_t in_hands = consumers_killed * most_of(s);
    uint32_t records = atomic_load(&s->next);
    uint32_t lost = 0;
    uint32_t again = 0;
    uint32_t sent = 0;

    if (records > RECORDS)
        records = RECORDS;
    for (uint32_t i = 0; i < records; i++) {
        uint32_t n = atomic_load(&s->delivered[i]);

        sent += atomic_load(&s->put[i]);
        lost += n == 0 && atomic_load(&s->put[i]);
        again += n > 1 ? n - 1 : 0;
    }
    test_note("%u sent, %u consumers killed, %u lost, %u delivered again", sent,
              consumers_killed, lost, again);
    CHECK(sent > 0);
    if (s->tasks == PAWL_TASKS_AGAIN) {
        CHECK_EQ(lost, 0);
        CHECK(again <= in_hands);
    } else {
        CHECK_EQ(again, 0);
        CHECK(lost <= in_hands);
    }
}

/* Nobody else is there any more. */
static void check_capacity(struct scene *s)
{
    struct record r = {0};

    for (int i = 0; i < CAPACITY; i++)
        CHECK_OK(pawl_shared_queue_try_put(s->q, &r, size_of(0)));
    CHECK_ERR(pawl_shared_queue_try_put(s->q, &r, size_of(0)), -EAGAIN);
}

enum way { SINGLY, IN_SETS, IN_BATCHES };

static void storm_of(enum pawl_shared_queue_kind kind,
                     enum pawl_shared_tasks tasks, enum way way)
{
    struct scene *s = test_shared_alloc(sizeof *s);
    pid_t pid[PRODUCERS + CONSUMERS];
    uint64_t random = test_seed(kind * 8 + tasks);
    uint32_t killed = 0;
    pawl_region *region;
    struct record r;
    int64_t bytes;

    /* The slots of the dead may be under repair. */
    CHECK_OK(pawl_region_create(
        &region, &(pawl_region_options){.heap = 1 << 20, .participants = 16}));
    CHECK_OK(pawl_shared_queue_create(
        &s->q, region,
        &(pawl_shared_queue_options){.capacity = CAPACITY,
                                     .record_size = sizeof r,
                                     .kind = kind,
                                     .tasks = tasks}));
    s->tasks = tasks;
    s->in_sets = way == IN_SETS;
    s->in_batches = way == IN_BATCHES;
    for (int i = 0; i < PRODUCERS + CONSUMERS; i++)
        pid[i] = test_spawn_child(i < PRODUCERS ? produce : consume, s);
    for (int n = test_iterations(40); n > 0; n--) {
        int i = (int)test_rand_below(&random, PRODUCERS + CONSUMERS);
        uint32_t before = atomic_load(&s->made);

        /* Those who are left, and the new one, go on. */
        while (atomic_load(&s->made) == before &&
               atomic_load(&s->next) < RECORDS)
            test_random_moment(&random, 100);
        test_random_moment(&random, 2000);
        kill(pid[i], SIGKILL);
        killed += WIFSIGNALED(test_reap_child(pid[i])) && i >= PRODUCERS;
        pid[i] = test_spawn_child(i < PRODUCERS ? produce : consume, s);
    }
    for (int i = 0; i < PRODUCERS; i++) {
        kill(pid[i], SIGKILL);
        test_reap_child(pid[i]);
    }
    /* Consumers end in order: what was put is delivered. */
    CHECK_EQ(pawl_shared_queue_recover(s->q) >= 0, 1);
    if (tasks != PAWL_TASKS_NONE)
        CHECK_OK(pawl_shared_queue_join(s->q));
    for (int i = PRODUCERS; i < PRODUCERS + CONSUMERS; i++) {
        kill(pid[i], SIGKILL);
        test_reap_child(pid[i]);
        killed++;
    }
    while ((bytes = pawl_shared_queue_try_get(s->q, &r, sizeof r)) >= 0) {
        mark(s, &r, bytes);
        if (tasks != PAWL_TASKS_NONE)
            CHECK_OK(pawl_shared_queue_task_done(s->q, NULL));
    }
    CHECK_ERR((int)bytes, -EAGAIN);
    check_account(s, killed);
    check_capacity(s);
    pawl_shared_queue_free(s->q);
    pawl_region_free(region);
}

static void storm(enum pawl_shared_queue_kind kind,
                  enum pawl_shared_tasks tasks)
{
    storm_of(kind, tasks, SINGLY);
}

TEST(shared_queue.fifo_loses_nothing_when_processes_are_killed)
{
    storm(PAWL_SHARED_FIFO, PAWL_TASKS_NONE);
    storm(PAWL_SHARED_FIFO, PAWL_TASKS_GONE);
    storm(PAWL_SHARED_FIFO, PAWL_TASKS_AGAIN);
}

TEST(shared_queue.lifo_loses_nothing_when_processes_are_killed)
{
    storm(PAWL_SHARED_LIFO, PAWL_TASKS_NONE);
    storm(PAWL_SHARED_LIFO, PAWL_TASKS_AGAIN);
}

TEST(shared_queue.deque_loses_nothing_when_processes_are_killed)
{
    storm(PAWL_SHARED_DEQUE, PAWL_TASKS_GONE);
    storm(PAWL_SHARED_DEQUE, PAWL_TASKS_AGAIN);
}

/* all put and get several at once. */
TEST(shared_queue.batches_lose_nothing_when_processes_are_killed)
{
    storm_of(PAWL_SHARED_FIFO, PAWL_TASKS_NONE, IN_BATCHES);
    storm_of(PAWL_SHARED_FIFO, PAWL_TASKS_GONE, IN_BATCHES);
    storm_of(PAWL_SHARED_FIFO, PAWL_TASKS_AGAIN, IN_BATCHES);
    storm_of(PAWL_SHARED_LIFO, PAWL_TASKS_AGAIN, IN_BATCHES);
}

/* all of them wait in sets. */
TEST(shared_queue.sets_miss_nothing_when_processes_are_killed)
{
    storm_of(PAWL_SHARED_FIFO, PAWL_TASKS_NONE, IN_SETS);
    storm_of(PAWL_SHARED_FIFO, PAWL_TASKS_AGAIN, IN_SETS);
    storm_of(PAWL_SHARED_DEQUE, PAWL_TASKS_AGAIN, IN_SETS);
}
