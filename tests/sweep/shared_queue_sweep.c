/* SPDX-License-Identifier: MIT
 *
 * shared_queue_sweep.c - Q-23, H-20, H-22, H-25: a process killed, or stopped, at any
 * instruction of using a queue in a region.  What was put is delivered once, in order;
 * of the record in the dead one's hand, what the queue promises; the capacity and
 * all hands come back; FIFO: nobody waits for who is stopped.
 */
#include <stdio.h>

#include <pawl/error.h>
#include <pawl/queue.h>
#include <pawl/shared_queue.h>
#include <pawl/wait.h>

#include "swept.h"
#include "swept_region.h"

enum {
    PAGE = PAWL_REGION_PAGE,
    PAGES = 3,
    BYTES = (6 + PAGES) * PAGE,
    CAPACITY = 3,
    PARTICIPANTS = 3,
    FIFO_SPARE = 4,
    MANY = 2, /* that a victim puts, or gets, at once */
};

struct scene {
    _Alignas(PAWL_REGION_PAGE) unsigned char memory[BYTES];
    pawl_offset at;
    pawl_shared_task task;
    bool has_victim; /* the next one is its heir */
    /* volatile: `returned` is not written before the answer. */
    volatile int64_t answer;
    volatile bool returned;
};

enum what {
    PUT,
    GET,
    PUT_MANY,
    GET_MANY,
    DONE,
    GET_ORPHAN,
    RECOVER,
    CLOSE,
    WATCH,
    FORMS,
    CLOSE_NOW
};

/* What is swept: set before the fork of those who need it. */
static struct {
    enum pawl_shared_queue_kind kind;
    enum pawl_shared_tasks tasks;
    enum what what;
    uint64_t fill; /* records 1, 2, ... in the queue when the victim begins */
    bool watched;  /* another waits for a record, in a set */
    sweep_fn heir; /* who comes after a dead one, and dies as well */
} plan;

/* The handle of this process, made anew for each scene. */
static pawl_shared_queue *q;

static void put(uint64_t n)
{
    CHECK_OK(pawl_shared_queue_try_put(q, &n, sizeof n));
}

/* The next record, or 0. */
static uint64_t get(void)
{
    uint64_t n;
    int64_t bytes = pawl_shared_queue_try_get(q, &n, sizeof n);

    if (bytes == -EAGAIN || bytes == -ESHUTDOWN)
        return 0;
    CHECK_EQ(bytes, sizeof n);
    if (plan.tasks != PAWL_TASKS_NONE)
        CHECK_OK(pawl_shared_queue_task_done(q, NULL));
    return n;
}

static void fill(void)
{
    for (uint64_t n = 1; n <= plan.fill; n++)
        put(n);
}

/* A participant that ends with a task in its hand. */
static void get_and_end(void *unused)
{
    uint64_t n;

    (void)unused;
    CHECK_EQ(pawl_shared_queue_try_get(q, &n, sizeof n), sizeof n);
}

static int watch(void)
{
    pawl_wait_item items[] = {PAWL_WAIT_SHARED_READABLE(q),
                              PAWL_WAIT_SHARED_WRITABLE(q)};

    return pawl_wait_any(items, plan.fill > 0 ? 2 : 1, NULL);
}

static void hold(struct scene *s)
{
    pawl_shared_queue_free(q);
    CHECK_OK(pawl_shared_queue_at(&q, region_of(s), s->at));
}

static void prepare(void *object)
{
    struct scene *s = object;
    const struct pawl_region_plan p = {
        .participants = PARTICIPANTS, .heap_pages = PAGES, .names = 1};

    region_make(s, BYTES, &p);
    pawl_shared_queue_free(q);
    CHECK_OK(pawl_shared_queue_create(
        &q, region_of(s),
        &(pawl_shared_queue_options){.capacity = CAPACITY,
                                     .record_size = sizeof(uint64_t),
                                     .kind = plan.kind,
                                     .tasks = plan.tasks}));
    s->at = pawl_shared_queue_offset(q);
    CHECK_OK(pawl_memory_keep(region_of(s), s->at));
    if (plan.what != GET && plan.what != GET_MANY)
        fill();
    if (plan.what == GET_ORPHAN || plan.what == RECOVER)
        test_join(test_thread(get_and_end, NULL));
}

/* The victim's: it takes part, and has its hand. */
static void warm(void *object)
{
    struct scene *s = object;
    uint64_t n = 99;

    hold(s);
    if (s->has_victim) {
        CHECK_ERR(pawl_shared_queue_try_put(q, &n, sizeof n + 1), -EMSGSIZE);
        return;
    }
    s->has_victim = true;
    switch (plan.what) {
    case GET:
    case GET_MANY:
        /* What it had in its hand before is no longer there: a record that is done,
         * and one that was refused. */
        put(n);
        CHECK_EQ(get(), n);
        fill();
        if (plan.fill == CAPACITY)
            CHECK_ERR(pawl_shared_queue_try_put(q, &n, sizeof n), -EAGAIN);
        break;
    case DONE:
        CHECK_EQ(pawl_shared_queue_try_get_task(q, &n, sizeof n, &s->task),
                 sizeof n);
        break;
    default:
        CHECK_ERR(pawl_shared_queue_try_put(q, &n, sizeof n + 1), -EMSGSIZE);
    }
}

/* The other forms of put and get, and what looks, one after the other; at the end the
 * queue is as it was. */
static void go_through_forms(void)
{
    pawl_shared_task task[MANY];
    uint64_t many[MANY] = {5, 6};
    uint64_t n = 4;

    CHECK_OK(pawl_shared_queue_put(q, &n, sizeof n));
    CHECK_EQ(pawl_shared_queue_get(q, &n, sizeof n), sizeof n);
    CHECK_OK(pawl_shared_queue_task_done(q, NULL));
    CHECK_OK(pawl_shared_queue_put_until(q, &n, sizeof n, soon()));
    CHECK_EQ(pawl_shared_queue_get_until(q, &n, sizeof n, soon()), sizeof n);
    CHECK_OK(pawl_shared_queue_task_done(q, NULL));
    CHECK_EQ(pawl_shared_queue_put_many(q, many, sizeof n, NULL, MANY), MANY);
    CHECK_EQ(pawl_shared_queue_get_many(q, many, sizeof n, NULL, task, MANY),
             MANY);
    for (int i = 0; i < MANY; i++)
        CHECK_OK(pawl_shared_queue_task_done(q, &task[i]));
    if (plan.kind == PAWL_SHARED_DEQUE) {
        CHECK_OK(pawl_shared_queue_put_front(q, &n, sizeof n));
        CHECK_EQ(pawl_shared_queue_get_back(q, &n, sizeof n), sizeof n);
        CHECK_OK(pawl_shared_queue_task_done(q, NULL));
        CHECK_OK(pawl_shared_queue_try_put_front(q, &n, sizeof n));
        CHECK_EQ(pawl_shared_queue_try_get_back(q, &n, sizeof n), sizeof n);
    } else {
        CHECK_OK(pawl_shared_queue_try_put(q, &n, sizeof n));
        CHECK_EQ(pawl_shared_queue_get_task(q, &n, sizeof n, task), sizeof n);
    }
    CHECK(pawl_shared_queue_unfinished(q) > 0);
    (void)pawl_shared_queue_size(q);
    CHECK_OK(pawl_shared_queue_task_done(q, NULL));
    CHECK_ERR(pawl_shared_queue_try_join(q), plan.fill > 0 ? -EAGAIN : 0);
    CHECK(!pawl_shared_queue_is_shutdown(q));
    if (plan.fill == 0)
        CHECK_OK(pawl_shared_queue_join(q));
}

static void victim(void *object)
{
    struct scene *s = object;
    uint64_t n = plan.fill + 1;
    uint64_t many[MANY] = {n, n + 1};

    switch (plan.what) {
    case PUT:
        s->answer = pawl_shared_queue_try_put(q, &n, sizeof n);
        break;
    case PUT_MANY:
        s->answer =
            pawl_shared_queue_try_put_many(q, many, sizeof n, NULL, MANY);
        break;
    case GET_MANY:
        s->answer =
            pawl_shared_queue_try_get_many(q, many, sizeof n, NULL, NULL, MANY);
        break;
    case GET:
    case GET_ORPHAN:
        s->answer = pawl_shared_queue_try_get(q, &n, sizeof n);
        break;
    case DONE:
        s->answer = pawl_shared_queue_task_done(q, &s->task);
        break;
    case RECOVER:
        s->answer = pawl_shared_queue_recover(q);
        break;
    case CLOSE:
        s->answer = pawl_shared_queue_shutdown(q);
        break;
    case CLOSE_NOW:
        s->answer = pawl_shared_queue_shutdown_now(q);
        break;
    case FORMS:
        go_through_forms();
        break;
    case WATCH:
        s->answer = watch();
    }
    s->returned = true;
}

static void heir_gets(void *object)
{
    uint64_t n;

    (void)object;
    CHECK(pawl_shared_queue_try_get(q, &n, sizeof n) > 0);
}

static void heir_recovers(void *object)
{
    (void)object;
    CHECK(pawl_shared_queue_recover(q) >= 0);
}

/* ---- what the others find ------------------------------------------------------- */

/* The record that the victim puts or has in its hand; 0: none. */
static uint64_t in_hand(void)
{
    bool newest = plan.kind == PAWL_SHARED_LIFO;

    switch (plan.what) {
    case PUT:
        return plan.fill + 1;
    case GET:
    case DONE:
    case GET_ORPHAN:
    case RECOVER:
        return plan.fill == 0 ? 0 : newest ? plan.fill : 1;
    case PUT_MANY:
    case GET_MANY:
    case CLOSE:
    case CLOSE_NOW:
    case FORMS:
    case WATCH:
        break;
    }
    return 0;
}

/* How often it must come: at least, at most. */
static void expect(const struct scene *s, bool dead, int *least, int *most)
{
    bool again = plan.tasks == PAWL_TASKS_AGAIN;

    *least = 0;
    *most = 1;
    if (plan.what == PUT) {
        *least = s->returned && s->answer == 0;
        *most = !s->returned || s->answer == 0;
    } else if (plan.what == GET && s->returned) {
        *least = *most = again && dead;
    } else if (plan.what == GET && again && dead) {
        *least = 1;
    } else if (plan.what == DONE && s->returned) {
        *most = 0;
    } else if (plan.what == GET_ORPHAN || plan.what == RECOVER) {
        /* The one that it belonged to is dead. */
        *least = again && dead;
        *most = again;
    }
}

/* Drain after a batch: the first of those that it puts are there, or the first of those
 * that it gets are not, as many as it has answered; and all once, in order, but that
 * those of a dead hand may come before the others. */
static void check_batch(const struct scene *s, bool dead)
{
    bool again =
        plan.what == GET_MANY && plan.tasks == PAWL_TASKS_AGAIN && dead;
    bool newest = plan.kind == PAWL_SHARED_LIFO;
    uint64_t most = plan.fill + (plan.what == PUT_MANY ? MANY : 0);
    uint64_t moved = s->answer > 0 ? (uint64_t)s->answer : 0;
    int seen[CAPACITY + 1] = {0};
    uint64_t count = 0;
    uint64_t first = 0;
    uint64_t last = 0;
    uint64_t n;

    for (; (n = get()) != 0; last = n, count++) {
        CHECK(n <= most && n <= CAPACITY);
        CHECK_EQ(seen[n]++, 0);
        CHECK(again || last == 0 || (newest ? n == last - 1 : n == last + 1));
        first = first == 0 ? n : first;
    }
    if (again) {
        CHECK_EQ(count, plan.fill);
    } else if (plan.what == PUT_MANY) {
        CHECK(count >= plan.fill && count <= most);
        CHECK(count == plan.fill + moved || !s->returned);
        CHECK(count == 0 || (newest ? last : first) == 1);
    } else {
        CHECK(count <= plan.fill && plan.fill - count <= MANY);
        CHECK(count == plan.fill - moved || !s->returned);
        CHECK(count == 0 || last == (newest ? 1 : plan.fill));
    }
}

/* Drain, and see that each other record comes once, in order, with the one in the
 * victim's hand anywhere: it may come before the others. */
static void check_records(const struct scene *s, bool dead)
{
    uint64_t hand = in_hand();
    uint64_t last = 0;
    uint64_t count = 0;
    uint64_t seen = 0;
    int least;
    int most;
    uint64_t n;

    if (plan.what == PUT_MANY || plan.what == GET_MANY) {
        check_batch(s, dead);
        return;
    }
    while ((n = get()) != 0) {
        if (n == hand) {
            seen++;
            continue;
        }
        CHECK(n <= plan.fill);
        CHECK(last == 0 ||
              (plan.kind == PAWL_SHARED_LIFO ? n < last : n > last));
        last = n;
        count++;
    }
    CHECK_EQ(count, plan.fill - (hand != 0 && hand <= plan.fill));
    if (hand == 0)
        return;
    expect(s, dead, &least, &most);
    CHECK(seen >= (uint64_t)least && seen <= (uint64_t)most);
}

/* Everything is back: the capacity, and as many hands as there should be. */
static void check_capacity(void)
{
    uint64_t n = 0;
    uint64_t hands = PARTICIPANTS;
    uint64_t taken = 0;

    if (plan.kind == PAWL_SHARED_FIFO)
        hands += FIFO_SPARE;
    for (n = 1; n <= CAPACITY; n++)
        put(n);
    CHECK_ERR(pawl_shared_queue_try_put(q, &n, sizeof n), -EAGAIN);
    if (plan.tasks == PAWL_TASKS_NONE) {
        for (n = 1; n <= CAPACITY; n++)
            CHECK(get() != 0);
        CHECK_EQ(get(), 0);
        return;
    }
    /* Hold as many as can be held; one is needed to put. */
    while (taken < hands) {
        CHECK_EQ(pawl_shared_queue_try_get(q, &n, sizeof n), sizeof n);
        taken++;
        if (taken < hands && pawl_shared_queue_size(q) == 0)
            put(1);
    }
    CHECK_EQ(pawl_shared_queue_unfinished(q),
             hands + pawl_shared_queue_size(q));
    while (taken-- > 0)
        CHECK_OK(pawl_shared_queue_task_done(q, NULL));
    while (get() != 0)
        ;
    CHECK_ERR(pawl_shared_queue_task_done(q, NULL), -EOVERFLOW);
    CHECK_OK(pawl_shared_queue_join_until(q, pawl_after_ms(10000)));
}

static void after_a_kill(void *object)
{
    struct scene *s = object;

    hold(s);
    CHECK(!s->returned || plan.what == PUT || plan.what == PUT_MANY ||
          s->answer >= 0 || plan.fill == 0 || plan.tasks == PAWL_TASKS_GONE);
    check_records(s, true);
    if (plan.what == CLOSE) {
        uint64_t n = 1;
        int err = pawl_shared_queue_try_put(q, &n, sizeof n);

        CHECK(err == -ESHUTDOWN || (err == 0 && !s->returned));
        return;
    }
    check_capacity();
}

/* Two are dead, and what they had in their hands comes again: each record once, but for
 * one that was not put to the end, in any order. */
static void after_two_kills(void *object)
{
    struct scene *s = object;
    bool puts = plan.what == PUT || plan.what == PUT_MANY; /* room for one */
    int seen[CAPACITY + 2] = {0};
    uint64_t n;

    hold(s);
    while ((n = get()) != 0) {
        CHECK(n <= plan.fill + puts);
        seen[n]++;
    }
    for (n = 1; n <= plan.fill; n++)
        CHECK_EQ(seen[n], plan.what == DONE && n == in_hand() ? seen[n] : 1);
    if (puts)
        CHECK(seen[n] <= 1 && (seen[n] == 1 || !s->returned));
    if (plan.what == DONE)
        CHECK(seen[in_hand()] <= !s->returned);
    check_capacity();
}

/* Whatever it was in the middle of, what is inside comes to an end, and all room and all
 * hands are back. */
static void after_forms(void *object)
{
    hold(object);
    while (get() != 0)
        ;
    check_capacity();
}

/* It is shut down, or as it was. */
static void after_the_end(void *object)
{
    struct scene *s = object;
    uint64_t n = 0;

    hold(object);
    while (get() != 0)
        n++;
    CHECK(n <= (s->returned ? 0 : plan.fill));
    if (pawl_shared_queue_is_shutdown(q))
        CHECK_ERR(pawl_shared_queue_try_put(q, &n, sizeof n), -ESHUTDOWN);
    else
        check_capacity();
}

/* The victim is stopped, and holds what it gets at most: the others put and get what
 * they like. */
static void beside_a_frozen_one(void *object)
{
    struct scene *s = object;

    hold(s);
    check_records(s, false);
    if (plan.what != CLOSE) {
        uint64_t n = 8;

        for (uint64_t i = 0; i < CAPACITY; i++)
            put(n);
        CHECK_ERR(pawl_shared_queue_try_put(q, &n, sizeof n), -EAGAIN);
        for (uint64_t i = 0; i < CAPACITY; i++)
            CHECK_EQ(get(), n);
    }
    CHECK_EQ(get(), 0);
}

/* one that waits in a set is told, or finds out. */
static void watch_it(void *scene)
{
    (void)scene;
    CHECK_OK(watch());
}

static void begin_to_watch(void *object)
{
    hold(object);
    sleeper_start(watch_it, object);
}

static void end_the_watch(void *object)
{
    const struct scene *s = object;

    if (pawl_shared_queue_size(q) == 0) {
        CHECK(!s->returned);
        put(1);
    }
    sleeper_join();
    CHECK_EQ(get(), 1);
}

static void run(const char *name, enum sweep_mode mode)
{
    struct sweep_case c = {
        .name = name,
        .size = sizeof(struct scene),
        .prepare = prepare,
        .warm = warm,
        .victim = victim,
        .armed = plan.watched ? begin_to_watch : NULL,
        .second = plan.heir,
        .others = plan.watched             ? end_the_watch
                  : plan.heir != NULL      ? after_two_kills
                  : plan.what == FORMS     ? after_forms
                  : plan.what == CLOSE_NOW ? after_the_end
                  : mode == SWEEP_KILL     ? after_a_kill
                                           : beside_a_frozen_one,
        .leftovers = true,
        .budget = 15000,
    };

    TEST_TIMEOUT(300);
    sweep(&c, mode);
}

static void sweep_kind(enum pawl_shared_queue_kind kind, const char *name)
{
    static const struct {
        enum what what;
        enum pawl_shared_tasks tasks;
        uint64_t fill;
        const char *name;
    } cases[] = {
        {PUT, PAWL_TASKS_NONE, 0, "put"},
        {PUT, PAWL_TASKS_AGAIN, 2, "put, tasks"},
        {PUT, PAWL_TASKS_AGAIN, 3, "put into a full one"},
        {GET, PAWL_TASKS_NONE, 2, "get"},
        {GET, PAWL_TASKS_GONE, 2, "get, gone"},
        {GET, PAWL_TASKS_AGAIN, 2, "get, again"},
        {GET, PAWL_TASKS_AGAIN, 3, "get, again, after a refusal"},
        {GET, PAWL_TASKS_AGAIN, 0, "get from an empty one"},
        {PUT_MANY, PAWL_TASKS_NONE, 0, "put many"},
        {PUT_MANY, PAWL_TASKS_AGAIN, 1, "put many, tasks"},
        {PUT_MANY, PAWL_TASKS_AGAIN, 2, "put more than there is room for"},
        {GET_MANY, PAWL_TASKS_NONE, 3, "get many"},
        {GET_MANY, PAWL_TASKS_GONE, 3, "get many, gone"},
        {GET_MANY, PAWL_TASKS_AGAIN, 3, "get many, again"},
        {GET_MANY, PAWL_TASKS_AGAIN, 1, "get more than there are"},
        {DONE, PAWL_TASKS_AGAIN, 2, "task done"},
        {GET_ORPHAN, PAWL_TASKS_AGAIN, 1, "get of a dead one's"},
        {RECOVER, PAWL_TASKS_AGAIN, 2, "recover"},
        {RECOVER, PAWL_TASKS_GONE, 2, "recover, gone"},
        {CLOSE, PAWL_TASKS_NONE, 2, "shutdown"},
        {CLOSE_NOW, PAWL_TASKS_AGAIN, 2, "shutdown_now"},
        {FORMS, PAWL_TASKS_AGAIN, 0, "other forms"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char full[64];

        plan.kind = kind;
        plan.what = cases[i].what;
        plan.tasks = cases[i].tasks;
        plan.fill = cases[i].fill;
        snprintf(full, sizeof full, "%s %s", name, cases[i].name);
        run(full, SWEEP_KILL);
        if (kind == PAWL_SHARED_FIFO && plan.what < FORMS &&
            plan.what != RECOVER)
            run(full, SWEEP_FREEZE);
    }
}

static void sweep_two_victims(enum pawl_shared_queue_kind kind,
                              const char *name)
{
    static const struct {
        enum what what;
        sweep_fn heir;
        const char *name;
    } cases[] = {
        {PUT, heir_gets, "put and get"},
        {GET, heir_gets, "get and get"},
        {GET, heir_recovers, "get and recover"},
        {PUT_MANY, heir_gets, "put many and get"},
        {GET_MANY, heir_gets, "get many and get"},
        {GET_MANY, heir_recovers, "get many and recover"},
        {DONE, heir_recovers, "task done and recover"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char full[64];

        plan.kind = kind;
        plan.what = cases[i].what;
        plan.heir = cases[i].heir;
        plan.tasks = PAWL_TASKS_AGAIN;
        plan.fill = 2;
        snprintf(full, sizeof full, "%s %s, two victims", name, cases[i].name);
        run(full, SWEEP_KILL);
    }
}

TEST(shared_queue.two_killed_anywhere)
{
    sweep_two_victims(PAWL_SHARED_FIFO, "fifo");
    sweep_two_victims(PAWL_SHARED_LIFO, "lifo");
    if (!sweep_is_long())
        return; /* the lock, and what is repaired, are the same */
    sweep_two_victims(PAWL_SHARED_DEQUE, "deque");
    sweep_two_victims(PAWL_SHARED_PRIORITY, "priority");
}

TEST(shared_queue.fifo_killed_or_frozen_anywhere)
{
    sweep_kind(PAWL_SHARED_FIFO, "fifo");
}

TEST(shared_queue.lifo_killed_anywhere)
{
    sweep_kind(PAWL_SHARED_LIFO, "lifo");
}

TEST(shared_queue.deque_killed_anywhere)
{
    sweep_kind(PAWL_SHARED_DEQUE, "deque");
}

TEST(shared_queue.priority_killed_anywhere)
{
    sweep_kind(PAWL_SHARED_PRIORITY, "priority");
}

/* ---- in a wait set --------------------------------------------------------------- */

static void sweep_watch(enum pawl_shared_queue_kind kind)
{
    spin_for("0");
    plan.kind = kind;
    plan.tasks = PAWL_TASKS_NONE;
    plan.what = WATCH;
    plan.fill = 2;
    run("wait in a set, ready", SWEEP_KILL);
    plan.fill = 0;
    run("wait in a set", SWEEP_KILL);
    plan.what = PUT;
    plan.watched = true;
    run("put, others wait in a set", SWEEP_KILL);
}

TEST(shared_queue.fifo_watched_and_killed_anywhere)
{
    sweep_watch(PAWL_SHARED_FIFO);
}

TEST(shared_queue.lifo_watched_and_killed_anywhere)
{
    sweep_watch(PAWL_SHARED_LIFO);
}
