/* SPDX-License-Identifier: MIT
 *
 * procpool_stress.c - process pools whose workers are killed at random, under load:
 * W-10, W-16, O-13, X-10, O-20.  What must hold in the end: every future is done; who has
 * status 0 has run once; who has -EOWNERDEAD has a dead worker's number and has run
 * once at most; no more have failed than workers have died.
 */
#include <pawl/thread.h>

#include "crowd.h"
#include "procpool_cases.h"

enum { TASKS = 3000, SUBMITTERS = 2 };

/* A task that says that it has run, and takes a random time. */
static int spin_and_count(pawl_proccall *call)
{
    uint64_t state;
    int i;

    memcpy(&i, call->argument, sizeof i);
    state = (uint64_t)i * 7919 + 1;
    atomic_fetch_add(&scene_->ran[i], 1);
    for (uint32_t n = test_rand_below(&state, 20000); n > 0; n--)
        (void)*(volatile int *)call->result;
    memcpy(call->result, &i, sizeof i);
    return 0;
}

/* Up to 2 ms. */
static int take_time_and_count(pawl_proccall *call)
{
    uint64_t state = (uint64_t)pawl_now();
    pawl_deadline end = pawl_after_us(test_rand_below(&state, 2000));

    while (pawl_now() < end)
        ;
    return spin_and_count(call);
}

void test_main_begins(int argc, char **argv)
{
    procpool_cases_begin();
    pawl_procpool_register("spin_and_count", spin_and_count);
    pawl_procpool_register("take_time_and_count", take_time_and_count);
    pawl_process_main(argc, argv);
}

struct storm {
    pawl_procpool *pool;
    _Atomic bool over;
    _Atomic int kills;
    _Atomic int *kills_of_all;
    int wanted;
    uint64_t seed;
    int first;
    uint32_t n;
    size_t chunk; /* 0: single tasks */
    int retries;
};

/* Handles, not numbers: these might be another process's already. */
static void kill_some(void *arg)
{
    struct storm *s = arg;
    uint64_t state = s->seed;

    while (!GOT(s->over)) {
        pawl_process *list[16];
        size_t n = pawl_process_active(list, 16);
        uint32_t victim = test_rand_below(&state, 16);

        n = n < 16 ? n : 16;
        if (victim < n) {
            bool stops = test_rand_below(&state, 4) == 0;

            if (stops)
                CHECK_OK(pawl_process_signal(list[victim], SIGSTOP));
            test_random_moment(&state, 200);
            if (stops && test_rand_below(&state, 2) == 0) {
                CHECK_OK(pawl_process_signal(list[victim], SIGCONT));
            } else {
                CHECK_OK(pawl_process_kill(list[victim]));
                atomic_fetch_add(&s->kills, 1);
            }
        }
        for (size_t i = 0; i < n; i++)
            pawl_process_free(list[i]);
        test_random_moment(&state, 500);
    }
}

static void check_one(const pawl_proctask *t, int i, int status, int out,
                      _Atomic int *deaths)
{
    int ran = GOT(scene_->ran[i]);

    if (status == 0) {
        CHECK_EQ(out, i);
        CHECK(ran >= 1 && ran <= 1 + (t != NULL ? t->retries : 0));
    } else {
        CHECK_EQ(status, -EOWNERDEAD);
        CHECK(ran <= 1 + (t != NULL ? t->retries : 0));
        CHECK(t == NULL || t->pid > 0);
        atomic_fetch_add(deaths, 1);
    }
}

static _Atomic int deaths_;

static void submit_tasks(const struct storm *s)
{
    int *in = calloc(s->n, sizeof *in);
    int *out = calloc(s->n, sizeof *out);
    pawl_proctask *t = calloc(s->n, sizeof *t);
    uint64_t state = s->seed + (uint64_t)s->first;

    for (int i = 0; i < (int)s->n; i++) {
        in[i] = s->first + i;
        pawl_proctask_init(&t[i], spin_and_count, &in[i], sizeof *in, &out[i],
                           sizeof *out);
        t[i].retries = s->retries;
        CHECK_OK(pawl_procpool_submit(s->pool, &t[i]));
        if (test_rand_below(&state, 100) == 0)
            (void)pawl_future_result(&t[i].future, NULL, NULL);
    }
    for (int i = 0; i < (int)s->n; i++) {
        int status = status_of(&t[i]);

        check_one(&t[i], in[i], status, out[i], &deaths_);
    }
    free(in);
    free(out);
    free(t);
}

static void submit_map(const struct storm *s)
{
    int *in = calloc(s->n, sizeof *in);
    int *out = calloc(s->n, sizeof *out);
    int *statuses = calloc(s->n, sizeof *statuses);

    for (int i = 0; i < (int)s->n; i++)
        in[i] = s->first + i;
    CHECK_OK(pawl_procpool_map(
        s->pool, spin_and_count, in, sizeof *in, out, sizeof *out, (size_t)s->n,
        statuses, &(pawl_procmap_options){.chunk = s->chunk}, NULL));
    for (int i = 0; i < (int)s->n; i++)
        check_one(NULL, in[i], statuses[i], out[i], &deaths_);
    free(in);
    free(out);
    free(statuses);
}

/* As often as it takes until enough have been killed. */
static void submit(void *arg)
{
    const struct storm *s = arg;

    do {
        for (int i = 0; i < (int)s->n; i++)
            atomic_store(&scene_->ran[s->first + i], 0);
        if (s->chunk > 0)
            submit_map(s);
        else
            submit_tasks(s);
    } while (GOT(*s->kills_of_all) < s->wanted);
}

static void let_it_storm(enum pawl_start_method method, int tasks, size_t chunk,
                         int retries, uint64_t tasks_max)
{
    struct scene *scene = scene_make();
    struct storm storm = {.seed = test_seed((uint64_t)method + chunk)};
    struct storm parts[SUBMITTERS];
    struct test_thread *threads[SUBMITTERS];
    struct test_thread *killer;

    (void)scene;
    atomic_store(&deaths_, 0);
    /* Its initialisers are killed as well. */
    storm.pool = pool_with(&(pawl_procpool_options){.workers = 4,
                                                    .method = method,
                                                    .tasks_max = tasks_max,
                                                    .memory = 65536,
                                                    .failures_max = 1u << 30});
    killer = test_thread(kill_some, &storm);
    for (int i = 0; i < SUBMITTERS; i++) {
        parts[i] = (struct storm){.pool = storm.pool,
                                  .seed = storm.seed,
                                  .kills_of_all = &storm.kills,
                                  .wanted = test_iterations(100),
                                  .first = i * tasks / SUBMITTERS,
                                  .n = (uint32_t)tasks / SUBMITTERS,
                                  .chunk = chunk,
                                  .retries = retries};
        threads[i] = test_thread(submit, &parts[i]);
    }
    for (int i = 0; i < SUBMITTERS; i++)
        test_join(threads[i]);
    atomic_store(&storm.over, true);
    test_join(killer);
    test_note("%s, chunks of %zu: %d killed, %d tasks died",
              method_name(method), chunk, GOT(storm.kills), GOT(deaths_));
    CHECK(GOT(deaths_) <= GOT(storm.kills));
    CHECK_EQ(applied(storm.pool, 11), 121);
    CHECK_OK(pawl_procpool_end(storm.pool));
    CHECK_EQ(pawl_process_active(NULL, 0), 0);
    scene_end();
    scene_ = NULL;
}

/* W-10, X-10. */
TEST(procpool.kill_storm_over_tasks)
{
    TEST_TIMEOUT(200);
    FOR_EACH_METHOD(method)
    let_it_storm(method, test_iterations(TASKS), 0, 0, 0);
}

TEST(procpool.kill_storm_over_maps)
{
    TEST_TIMEOUT(200);
    FOR_EACH_METHOD(method)
    let_it_storm(method, test_iterations(TASKS), 13, 0, 0);
}

/* O-20 with deaths: at the change-over, too. */
TEST(procpool.kill_storm_over_replacements)
{
    TEST_TIMEOUT(200);
    let_it_storm(PAWL_START_FORK, test_iterations(TASKS / 4), 0, 0, 5);
    let_it_storm(PAWL_START_FORK, test_iterations(TASKS / 4), 0, 2, 5);
}

/* ---- deadlines, at a random moment ---------------------------------------------- */

struct hurry {
    pawl_procpool *pool;
    uint64_t seed;
    int first, n;
    _Atomic int killed, called_off, done;
};

/* A few at a time, whose deadlines come while they wait, run, end, or are over. */
static void submit_in_a_hurry(void *arg)
{
    enum { FEW = 8 };
    struct hurry *h = arg;
    uint64_t state = h->seed + (uint64_t)h->first;

    for (int i = 0; i < h->n; i += FEW) {
        pawl_proctask t[FEW];
        int in[FEW];
        int out[FEW];

        for (int k = 0; k < FEW; k++) {
            in[k] = h->first + (i + k) % (SCENE_TASKS / SUBMITTERS);
            atomic_store(&scene_->ran[in[k]], 0);
            pawl_proctask_init(&t[k],
                               test_rand_below(&state, 4) > 0
                                   ? spin_and_count
                                   : take_time_and_count,
                               &in[k], sizeof *in, &out[k], sizeof *out);
            t[k].retries = (int)test_rand_below(&state, 2);
            if (test_rand_below(&state, 4) > 0)
                t[k].until = pawl_after_us(test_rand_below(&state, 3000));
        }
        CHECK_EQ(pawl_procpool_submit_many(h->pool, t, FEW), FEW);
        if (test_rand_below(&state, 4) == 0) {
            test_random_moment(&state, 1000);
            (void)pawl_proctask_kill(&t[test_rand_below(&state, FEW)]);
        }
        for (int k = 0; k < FEW; k++) {
            int status = 0;
            int err = pawl_future_result(&t[k].future, &status, NULL);
            int ran = GOT(scene_->ran[in[k]]);

            CHECK(err == 0 || (err == -ECANCELED && ran == 0));
            if (err == 0 && status == 0) {
                CHECK_EQ(out[k], in[k]);
                CHECK_EQ(ran, 1);
                CHECK_EQ(t[k].pid, 0);
                atomic_fetch_add(&h->done, 1);
                continue;
            }
            CHECK(err != 0 || status == -ETIMEDOUT || status == -ECANCELED);
            CHECK(ran == 0 || (ran == 1 && t[k].pid > 0));
            if (t[k].pid > 0)
                atomic_fetch_add(&h->killed, 1);
            else
                atomic_fetch_add(&h->called_off, 1);
        }
    }
}

/* W-16: whoever is killed is killed for its own task: no other fails, or runs twice, and
 * there are no more deaths than tasks that were killed. */
TEST(procpool.deadlines_hit_their_own_task)
{
    enum { WORKERS = 3 };
    struct scene *s = scene_make();
    struct hurry hurries[SUBMITTERS];
    struct test_thread *threads[SUBMITTERS];
    int n = test_iterations(1600) / 8 * 8;
    pawl_procpool *p = pool_with(&(pawl_procpool_options){
        .workers = WORKERS, .method = PAWL_START_FORK});
    int killed = 0;
    int done = 0;

    (void)s;
    TEST_TIMEOUT(200);
    for (int i = 0; i < SUBMITTERS; i++) {
        hurries[i] = (struct hurry){.pool = p,
                                    .seed = test_seed(16),
                                    .first = i * (SCENE_TASKS / SUBMITTERS),
                                    .n = n};
        threads[i] = test_thread(submit_in_a_hurry, &hurries[i]);
    }
    for (int i = 0; i < SUBMITTERS; i++) {
        test_join(threads[i]);
        killed += GOT(hurries[i].killed);
        done += GOT(hurries[i].done);
    }
    CHECK_OK(pawl_procpool_drain(p));
    CHECK(pawl_procpool_started(p) <= (uint64_t)(WORKERS + killed));
    CHECK_EQ(applied(p, 11), 121);
    test_note("%d done, %d killed, %d called off", done, killed,
              SUBMITTERS * n - done - killed);
    CHECK_OK(pawl_procpool_end(p));
    CHECK_EQ(pawl_process_active(NULL, 0), 0);
    scene_end();
    scene_ = NULL;
}

/* ---- little room, many ways ------------------------------------------------------ */

struct mix {
    pawl_procpool *pool;
    int rounds;
};

static void count_told(pawl_proctask *t, int status, void *context)
{
    (void)t;
    (void)status;
    atomic_fetch_add((_Atomic int *)context, 1);
}

static void call_with_callback(pawl_procpool *p, int x)
{
    _Atomic int told = 0;
    pawl_procpool_call_options o = {
        .done = count_told, .failed = count_told, .context = &told};
    pawl_proctask *t;

    CHECK_OK(pawl_procpool_call(p, square, &x, sizeof x, sizeof x, &o, &t));
    (void)status_of(t);
    CHECK_EQ(GOT(told), 1);
    pawl_proctask_release(t);
}

static void map_a_few(pawl_procpool *p, uint32_t n)
{
    int in[20];
    int out[20];
    int status = -1;

    for (uint32_t i = 0; i < n; i++)
        in[i] = (int)i;
    CHECK_OK(pawl_procpool_map(p, square, in, sizeof *in, out, sizeof *out, n,
                               NULL, &(pawl_procmap_options){.retries = 1000},
                               &status));
    CHECK_EQ(status, 0);
    for (uint32_t i = 0; i < n; i++)
        CHECK_EQ(out[i], (int)(i * i));
}

static void submit_large(pawl_procpool *p, uint32_t n)
{
    static const int large[4096] = {7};
    int out = 0;
    pawl_proctask t;

    pawl_proctask_init(&t, square, large, n * sizeof *large, &out, sizeof out);
    t.retries = 1000;
    CHECK_OK(pawl_procpool_submit(p, &t));
    CHECK_EQ(status_of(&t), 0);
    CHECK_EQ(out, 49);
}

static void do_anything(void *scene, int me)
{
    const struct mix *m = scene;
    uint64_t state = test_seed((uint64_t)me);

    for (int i = 0; i < m->rounds; i++) {
        uint32_t n = test_rand_below(&state, 20);
        int x = (int)n;
        int y = -1;
        int status = -1;
        int err;

        switch (test_rand_below(&state, 6)) {
        case 0:
            call_with_callback(m->pool, x);
            break;
        case 1:
            map_a_few(m->pool, n);
            break;
        case 2:
            submit_large(m->pool, 1 + n * 200);
            break;
        case 3:
            err = pawl_procpool_apply_until(m->pool, square, &x, sizeof x, &y,
                                            sizeof y, pawl_after_us(n * 20),
                                            &status);
            CHECK(err == -ETIMEDOUT ||
                  (err == 0 && (status != 0 || y == x * x)));
            break;
        default:
            CHECK_OK(pawl_procpool_apply(m->pool, square, &x, sizeof x, &y,
                                         sizeof y, &status));
            CHECK(status == -EOWNERDEAD || (status == 0 && y == x * x));
        }
    }
}

/* O-03, X-01, X-10: whoever waits, for room or for an outcome, in whatever way, comes
 * back, with and without deaths; of a pool with as little room as can be. */
TEST(procpool.little_room_keeps_nobody)
{
    TEST_TIMEOUT(200);
    for (int kills = 0; kills < 2; kills++)
        for (size_t capacity = 1; capacity <= 3; capacity += 2) {
            struct storm storm = {.seed = test_seed(capacity)};
            struct mix m = {.rounds = test_iterations(1000)};
            struct test_thread *killer = NULL;

            m.pool = storm.pool =
                pool_with(&(pawl_procpool_options){.workers = 2,
                                                   .method = PAWL_START_FORK,
                                                   .capacity = capacity,
                                                   .memory = 65536,
                                                   .failures_max = 1u << 30});
            if (kills > 0)
                killer = test_thread(kill_some, &storm);
            crowd(4, do_anything, &m);
            atomic_store(&storm.over, true);
            if (killer != NULL)
                test_join(killer);
            CHECK_OK(pawl_procpool_end(m.pool));
        }
    CHECK_EQ(pawl_process_active(NULL, 0), 0);
}

/* ---- the end, at a random moment ------------------------------------------------ */

struct ending {
    pawl_procpool *pool;
    uint64_t seed;
};

static void end_it(void *arg)
{
    struct ending *e = arg;

    test_random_moment(&e->seed, 1500);
    switch (test_rand_below(&e->seed, 3)) {
    case 0:
        CHECK_OK(pawl_procpool_close(e->pool));
        break;
    case 1:
        CHECK_OK(pawl_procpool_terminate(e->pool));
        break;
    default:
        CHECK_OK(pawl_procpool_kill(e->pool));
    }
}

static _Atomic int told_;

static void tell(pawl_proctask *t, int status, void *context)
{
    (void)t;
    (void)status;
    (void)context;
    atomic_fetch_add(&told_, 1);
}

/* O-09, O-10, W-12: every task that was accepted is done, and was told once;
 * cancelling goes on meanwhile. */
TEST(procpool.ends_at_any_moment)
{
    int rounds = test_iterations(60);

    TEST_TIMEOUT(200);
    for (int i = 0; i < rounds; i++) {
        struct scene *s = scene_make();
        struct ending e = {.seed = test_seed((uint64_t)i)};
        struct test_thread *thread;
        static pawl_proctask t[SCENE_TASKS];
        static int in[SCENE_TASKS];
        int cancelled = 0;
        int n = 0;

        atomic_store(&told_, 0);
        e.pool = pool_of(3, PAWL_START_FORK);
        thread = test_thread(end_it, &e);
        for (; n < SCENE_TASKS; n++) {
            int err;

            in[n] = n;
            pawl_proctask_init(&t[n], count, &in[n], sizeof *in, NULL, 0);
            t[n].done = tell;
            t[n].failed = tell;
            err = pawl_procpool_submit(e.pool, &t[n]);
            if (err != 0) {
                CHECK_ERR(err, -ESHUTDOWN);
                break;
            }
            if (n % 5 == 0)
                (void)pawl_future_cancel(&t[n - n % 7].future);
        }
        test_join(thread);
        CHECK_OK(pawl_procpool_join(e.pool));
        for (int k = 0; k < n; k++) {
            int status = 0;
            int err = pawl_future_try_result(&t[k].future, &status, NULL);

            CHECK(err == 0 || err == -ECANCELED);
            CHECK(GOT(s->ran[k]) == 1 || err == -ECANCELED ||
                  status == -EOWNERDEAD);
            CHECK(GOT(s->ran[k]) == 0 || err == 0);
            cancelled += err == -ECANCELED;
        }
        CHECK(GOT(told_) <= n && GOT(told_) >= n - cancelled);
        CHECK_OK(pawl_procpool_free(e.pool));
        scene_end();
        scene_ = NULL;
    }
}
