/* SPDX-License-Identifier: MIT
 *
 * storm_fault.c - threads, timers, queues, pools, processes, connections and queues in
 * regions, while a signal interrupts every system call of this process again and again:
 * no call fails or does half of what it should.  (Locks and signals: signal_test.)
 */
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/time.h>

#include <pawl/error.h>
#include <pawl/event.h>
#include <pawl/pipe.h>
#include <pawl/pool.h>
#include <pawl/process.h>
#include <pawl/procpool.h>
#include <pawl/queue.h>
#include <pawl/region.h>
#include <pawl/shared_queue.h>
#include <pawl/thread.h>
#include <pawl/timer.h>
#include <pawl/wait.h>

#include "test.h"

enum { LONG = 100000, PERIOD_US = 150 };

static atomic_long signals;

static void count(int sig)
{
    (void)sig;
    atomic_fetch_add(&signals, 1);
}

/* Without SA_RESTART; not inherited by forked children. */
static void storm_begins(void)
{
    const struct itimerval often = {{0, PERIOD_US}, {0, PERIOD_US}};
    struct sigaction action = {.sa_handler = count};

    CHECK_EQ(sigaction(SIGALRM, &action, NULL), 0);
    CHECK_EQ(setitimer(ITIMER_REAL, &often, NULL), 0);
}

static void storm_ends(void)
{
    const struct itimerval never = {{0, 0}, {0, 0}};

    CHECK_EQ(setitimer(ITIMER_REAL, &never, NULL), 0);
    test_note("%ld signals", atomic_load(&signals));
    CHECK(atomic_load(&signals) > 0);
}

/* ---- threads ----------------------------------------------------------------------- */

enum { ITEMS = 20 };

static int put_all(void *queue)
{
    for (int i = 0; i < ITEMS; i++)
        CHECK_OK(pawl_queue_put(queue, &i));
    return 7;
}

static int put_all_as_task(pawl_task *t, void *queue)
{
    (void)t;
    return put_all(queue);
}

static void set_event(pawl_timer *t, void *event)
{
    (void)t;
    pawl_event_set(event);
}

static void get_all(pawl_queue *q)
{
    for (int i = 0; i < ITEMS; i++) {
        int got;

        CHECK_OK(pawl_queue_get(q, &got));
        CHECK_EQ(got, i);
    }
}

static void wait_for_a_timer(void)
{
    pawl_event event = PAWL_EVENT_INIT;
    pawl_timer timer = PAWL_TIMER_INIT(set_event, &event);
    pawl_event never = PAWL_EVENT_INIT;
    pawl_wait_item items[] = {PAWL_WAIT_EVENT(&never), PAWL_WAIT_EVENT(&event)};
    pawl_deadline until = pawl_after_us(700);
    size_t which = 0;

    CHECK_ERR(pawl_wait_any_until(items, 2, until, NULL), -ETIMEDOUT);
    CHECK(pawl_now() >= until);
    CHECK_OK(pawl_timer_start(&timer, pawl_after_us(700)));
    CHECK_OK(pawl_wait_any(items, 2, &which));
    CHECK_EQ(which, 1);
    CHECK_OK(pawl_timer_join(&timer));
}

TEST(storm.threads_timers_and_queues_do_not_notice)
{
    int rounds = test_iterations(200);
    pawl_queue *q;
    pawl_pool *pool;

    CHECK_OK(pawl_queue_create(
        &q, &(pawl_queue_options){.capacity = 1, .element_size = sizeof(int)}));
    storm_begins();
    CHECK_OK(pawl_pool_create(&pool, &(pawl_pool_options){.max_workers = 1}));
    for (int i = 0; i < rounds; i++) {
        pawl_thread t;
        pawl_task task;
        int status;

        CHECK_OK(pawl_thread_init(&t, put_all, q, NULL));
        CHECK_OK(pawl_thread_start(&t));
        get_all(q);
        CHECK_OK(pawl_thread_join(&t, &status));
        CHECK_EQ(status, 7);
        pawl_task_init(&task, put_all_as_task, q);
        CHECK_OK(pawl_pool_submit(pool, &task));
        get_all(q);
        CHECK_OK(pawl_future_result(&task.future, &status, NULL));
        CHECK_EQ(status, 7);
        wait_for_a_timer();
    }
    CHECK_OK(pawl_pool_end(pool));
    storm_ends();
    pawl_queue_free(q);
}

/* ---- a connection with a process --------------------------------------------------- */

/* Whatever comes goes back, until nothing comes. */
static int echo(void *connection)
{
    static char bytes[LONG];
    size_t n;
    int err;

    while ((err = pawl_pipe_recv(connection, bytes, sizeof bytes, &n)) == 0)
        CHECK_OK(pawl_pipe_send(connection, bytes, n));
    CHECK_ERR(err, -ESHUTDOWN);
    return 7;
}

static void send_and_receive(pawl_pipe *end, size_t bytes)
{
    static char sent[LONG];
    static char got[LONG];
    size_t n;

    memset(sent, (int)(bytes % 251), bytes);
    CHECK_OK(pawl_pipe_send(end, sent, bytes));
    CHECK_OK(pawl_pipe_poll(end));
    CHECK_OK(pawl_pipe_recv(end, got, sizeof got, &n));
    CHECK_EQ(n, bytes);
    CHECK_EQ(memcmp(sent, got, n), 0);
}

TEST(storm.processes_and_connections_do_not_notice)
{
    int rounds = test_iterations(30);

    storm_begins();
    for (int i = 0; i < rounds; i++) {
        pawl_process *p;
        pawl_pipe *ends[2];
        int code;

        CHECK_OK(
            pawl_pipe_create(ends, &(pawl_pipe_options){.capacity = 4096}));
        CHECK_OK(pawl_process_create(
            &p, echo, ends[1],
            &(pawl_process_options){
                .method = PAWL_START_FORK, .pipes = &ends[1], .n_pipes = 1}));
        CHECK_OK(pawl_process_start(p));
        for (size_t bytes = 1; bytes <= LONG; bytes *= 10)
            send_and_receive(ends[0], bytes);
        pawl_pipe_free(ends[0]);
        pawl_pipe_free(ends[1]);
        CHECK_OK(pawl_process_join(p, &code));
        CHECK_EQ(code, 7);
        pawl_process_free(p);
    }
    storm_ends();
}

/* ---- queues in a region -------------------------------------------------------------- */

struct queues {
    pawl_region *region;
    pawl_shared_queue *there, *back;
};

static void send_back(void *arg)
{
    struct queues *q = arg;
    uint64_t n;

    do {
        CHECK_EQ(pawl_shared_queue_get(q->there, &n, sizeof n), sizeof n);
        CHECK_OK(pawl_shared_queue_put(q->back, &n, sizeof n));
    } while (n != 0);
}

TEST(storm.queues_in_a_region_do_not_notice)
{
    const pawl_shared_queue_options o = {
        .capacity = 2, .record_size = 8, .kind = PAWL_SHARED_FIFO};
    uint64_t n = (uint64_t)test_iterations(20000);
    struct queues q;
    pid_t child;

    CHECK_OK(pawl_region_create(
        &q.region, &(pawl_region_options){.heap = 65536, .participants = 8}));
    CHECK_OK(pawl_shared_queue_create(&q.there, q.region, &o));
    CHECK_OK(pawl_shared_queue_create(&q.back, q.region, &o));
    child = test_spawn_child(send_back, &q);
    storm_begins();
    for (uint64_t i = n; i-- > 0;) {
        uint64_t got;

        CHECK_OK(pawl_shared_queue_put(q.there, &i, sizeof i));
        CHECK_EQ(pawl_shared_queue_get(q.back, &got, sizeof got), sizeof got);
        CHECK_EQ(got, i);
    }
    CHECK(pawl_region_recover(q.region) >= 0);
    storm_ends();
    test_wait_child(child);
    pawl_shared_queue_free(q.there);
    pawl_shared_queue_free(q.back);
    pawl_region_free(q.region);
}

/* ---- the process pool ------------------------------------------------------------------ */

static int add_one(pawl_proccall *call)
{
    *(int *)call->result = *(const int *)call->argument + 1;
    return 0;
}

TEST(storm.process_pool_does_not_notice)
{
    enum { TASKS = 20 };
    static int in[TASKS];
    static int out[TASKS];
    static int statuses[TASKS];
    int rounds = test_iterations(1000);
    pawl_procpool *pool;

    for (int i = 0; i < TASKS; i++)
        in[i] = i;
    storm_begins();
    CHECK_OK(pawl_procpool_create(
        &pool,
        &(pawl_procpool_options){.workers = 2, .method = PAWL_START_FORK}));
    for (int round = 0; round < rounds; round++) {
        memset(out, 0, sizeof out);
        CHECK_OK(pawl_procpool_map(pool, add_one, in, sizeof *in, out,
                                   sizeof *out, TASKS, statuses, NULL, NULL));
        for (int i = 0; i < TASKS; i++) {
            CHECK_OK(statuses[i]);
            CHECK_EQ(out[i], i + 1);
        }
    }
    CHECK_OK(pawl_procpool_end(pool));
    storm_ends();
    CHECK_EQ(pawl_process_active(NULL, 0), 0);
}
