/* SPDX-License-Identifier: MIT
 *
 * queue_sweep.c - Q-03, Q-23: a process killed, stopped, or stopped and let go on, at
 * every instruction of using a shared queue.  The kinds that are lock-free, outside a
 * region: the others put and get, what is inside comes once and in order, the capacity
 * is exact.  Those with a lock, and the deque, in a region, where the death is seen:
 * the others go on, or are told that it cannot be repaired, and none of them hangs.
 */
#include <stdio.h>

#include <pawl/deque.h>
#include <pawl/eventcount.h>
#include <pawl/queue.h>

#include "swept_robust.h"

enum { BYTES = 16384, CAPACITY = 3, PARTICIPANTS = 4 };

/* The victim's elements are numbered from here. */
enum { FOREIGN = 1000000 };

struct scene {
    _Alignas(PAWL_QUEUE_ALIGN) unsigned char memory[BYTES];
    pawl_eventcount ec;
    volatile uint64_t put;     /* others': elements, numbered from 1 */
    volatile uint64_t got;     /* of these, by the others */
    volatile uint64_t foreign; /* the victim's, by the others */
    volatile int64_t answer;   /* the victim's */
    volatile bool returned;
    bool closed;
};

/* What is swept: set before the fork of those who need it. */
static struct {
    enum pawl_queue_kind kind;
    size_t words; /* of an element */
    uint64_t fill;
    uint64_t puts; /* by the victim, at most */
    uint64_t gets;
    enum sweep_mode mode;
} plan;

static pawl_queue *queue_of(struct scene *s)
{
    return (pawl_queue *)(void *)s->memory;
}

static pawl_queue_options options(void)
{
    return (pawl_queue_options){.capacity = CAPACITY,
                                .element_size = 8 * plan.words,
                                .flags = PAWL_SHARED,
                                .participants = PARTICIPANTS,
                                .kind = plan.kind};
}

static void returns(struct scene *s, int64_t answer)
{
    s->answer = answer;
    s->returned = true;
}

/* ---- the others ------------------------------------------------------------ */

static int put_next(struct scene *s)
{
    const uint64_t element[3] = {s->put + 1, 0, s->put + 1};
    int err = pawl_queue_try_put(queue_of(s), element);

    s->put += err == 0;
    return err;
}

/* 0, or the number of the next. */
static uint64_t get_next(struct scene *s)
{
    uint64_t element[3] = {0};
    int err = pawl_queue_try_get(queue_of(s), element);

    if (err != 0) {
        CHECK_ERR(err, s->closed ? -ESHUTDOWN : -EAGAIN);
        return 0;
    }
    if (plan.words == 3)
        CHECK_EQ(element[2], element[0]);
    if (element[0] >= FOREIGN)
        s->foreign++;
    else
        s->got++;
    return element[0];
}

static void get_all(struct scene *s)
{
    uint64_t last = 0;
    uint64_t n;

    while ((n = get_next(s)) != 0) {
        if (n >= FOREIGN)
            continue;
        CHECK(last == 0 ||
              (plan.kind == PAWL_QUEUE_LIFO ? n < last : n > last));
        last = n;
    }
    CHECK_EQ(pawl_queue_size(queue_of(s)), 0);
    CHECK(s->foreign <= plan.puts);
    CHECK(s->put - s->got <= plan.gets);
}

static void fill(struct scene *s, uint64_t n)
{
    while (n-- > 0)
        CHECK_OK(put_next(s));
}

static void prepare(void *object)
{
    struct scene *s = object;
    pawl_queue_options o = options();
    pawl_queue *made;

    CHECK(pawl_queue_bytes(&o) <= BYTES);
    CHECK_OK(pawl_queue_init(&made, s->memory, BYTES, &o));
    fill(s, plan.fill);
}

static void others(void *object)
{
    struct scene *s = object;

    s->closed = pawl_queue_is_shutdown(queue_of(s));
    get_all(s);
    if (s->closed) {
        CHECK_ERR(put_next(s), -ESHUTDOWN);
        return;
    }
    for (int lap = 0; lap < 2; lap++) {
        fill(s, CAPACITY);
        CHECK(pawl_queue_is_full(queue_of(s)));
        CHECK_ERR(put_next(s), -EAGAIN);
        get_all(s);
    }
    /* Something for one that waits, and room. */
    fill(s, CAPACITY - 1);
}

static void after(void *object)
{
    struct scene *s = object;
    uint64_t done;

    CHECK(s->returned);
    done = s->answer > 0 ? (uint64_t)s->answer : 0;
    s->closed = pawl_queue_is_shutdown(queue_of(s));
    get_all(s);
    CHECK_EQ(s->foreign, plan.puts > 0 ? done : 0);
    CHECK_EQ(s->put - s->got, plan.gets > 0 ? done : 0);
}

/* ---- victims --------------------------------------------------------------- */

/* The linker shall have found what is called, and the ring knows who this is. */
static void warm(void *object)
{
    static _Alignas(PAWL_QUEUE_ALIGN) unsigned char memory[BYTES];
    pawl_queue_options o = options();
    uint64_t elements[9] = {0};
    pawl_queue *other;

    take_ids(object);
    CHECK_OK(pawl_queue_init(&other, memory, BYTES, &o));
    CHECK_EQ(pawl_queue_try_put_many(other, elements, 2), 2);
    CHECK_EQ(pawl_queue_try_get_many(other, elements, 2), 2);
    CHECK_ERR(pawl_queue_get_until(other, elements, pawl_after_us(1)),
              -ETIMEDOUT);
    CHECK_OK(pawl_queue_task_done(other));
    CHECK_ERR(pawl_queue_join_until(other, pawl_after_us(1)), -ETIMEDOUT);
    CHECK_OK(pawl_queue_shutdown(other));
}

static void make(uint64_t *elements)
{
    for (uint64_t i = 0; i < 2; i++)
        for (uint64_t w = 0; w < plan.words; w++)
            elements[i * plan.words + w] = FOREIGN + i;
}

static int64_t one_if_done(int err)
{
    return err == 0 ? 1 : err;
}

static void victim_put(void *object)
{
    struct scene *s = object;
    uint64_t elements[6];

    make(elements);
    returns(s, one_if_done(pawl_queue_put(queue_of(s), elements)));
}

static void victim_get(void *object)
{
    struct scene *s = object;
    uint64_t element[3];

    returns(s, one_if_done(pawl_queue_get(queue_of(s), element)));
}

static void victim_try_put(void *object)
{
    struct scene *s = object;
    uint64_t elements[6];

    make(elements);
    returns(s, one_if_done(pawl_queue_try_put(queue_of(s), elements)));
}

static void victim_try_get(void *object)
{
    struct scene *s = object;
    uint64_t element[3];

    returns(s, one_if_done(pawl_queue_try_get(queue_of(s), element)));
}

static void victim_put_many(void *object)
{
    struct scene *s = object;
    uint64_t elements[6];

    make(elements);
    returns(s, pawl_queue_put_many(queue_of(s), elements, 2));
}

static void victim_get_many(void *object)
{
    struct scene *s = object;
    uint64_t elements[6];

    returns(s, pawl_queue_get_many(queue_of(s), elements, 2));
}

static void victim_shutdown(void *object)
{
    struct scene *s = object;

    returns(s, pawl_queue_shutdown(queue_of(s)));
}

/* What it discards is counted as what it has got. */
static void victim_shutdown_now(void *object)
{
    struct scene *s = object;

    returns(s, pawl_queue_shutdown_now(queue_of(s), NULL, NULL));
}

static void let_it_put(void *object)
{
    CHECK(get_next(object) != 0);
}

static void let_it_get(void *object)
{
    CHECK_OK(put_next(object));
}

static void run(const char *name, sweep_fn victim, sweep_fn asleep,
                uint64_t inside)
{
    static const char *const kinds[] = {"fifo", "lifo", "priority"};
    char full[64];
    struct sweep_case c = {
        .name = full,
        .size = sizeof(struct scene),
        .prepare = prepare,
        .warm = warm,
        .victim = victim,
        .asleep = asleep,
        .others = others,
        .after = after,
        .budget = 5000,
    };

    snprintf(full, sizeof full, "queue, %s%s, %s, %d inside", kinds[plan.kind],
             plan.words > 1 ? " of blocks" : "", name, (int)inside);
    plan.fill = inside;
    sweep(&c, SWEEP_KILL);
    sweep(&c, SWEEP_THAW); /* it stands still meanwhile, as when frozen */
}

static void sweep_kind(enum pawl_queue_kind kind, size_t words)
{
    TEST_TIMEOUT(300);
    spin_for("0");
    plan.kind = kind;
    plan.words = words;
    plan.gets = 0;
    plan.puts = 1;
    run("try_put", victim_try_put, NULL, 1);
    run("try_put", victim_try_put, NULL, CAPACITY);
    run("put", victim_put, let_it_put, CAPACITY);
    plan.puts = 2;
    run("put_many", victim_put_many, let_it_put, 1);
    plan.puts = 0;
    plan.gets = 1;
    run("try_get", victim_try_get, NULL, 0);
    run("try_get", victim_try_get, NULL, 2);
    run("get", victim_get, let_it_get, 0);
    plan.gets = 2;
    run("get_many", victim_get_many, let_it_get, 2);
    plan.gets = 0;
    run("shutdown", victim_shutdown, NULL, 2);
    plan.gets = CAPACITY;
    run("shutdown_now", victim_shutdown_now, NULL, 2);
}

TEST(queue.fifo_of_words_stopped_anywhere)
{
    sweep_kind(PAWL_QUEUE_FIFO, 1);
}

TEST(queue.fifo_of_blocks_stopped_anywhere)
{
    sweep_kind(PAWL_QUEUE_FIFO, 3);
}

TEST(queue.lifo_stopped_anywhere)
{
    sweep_kind(PAWL_QUEUE_LIFO, 3);
}

/* ---- others that sleep -------------------------------------------------------- */

static void sleep_for_one(void *object)
{
    struct scene *s = object;
    uint64_t element[3];
    int err = pawl_queue_get_until(queue_of(s), element, soon());

    CHECK(err == 0 || (err == -ESHUTDOWN && s->closed));
}

static void one_sleeps(void *object)
{
    sleeper_start(sleep_for_one, object);
}

static void put_and_join(void *object)
{
    CHECK_OK(put_next(object));
    sleeper_join();
}

static void warm_to_close(void *object)
{
    struct scene *s = object;

    s->closed = true;
    warm(object);
}

static void shut_down_and_join(void *object)
{
    struct scene *s = object;

    CHECK_OK(pawl_queue_shutdown(queue_of(s)));
    sleeper_join();
}

/* Until nothing is unfinished. */
static void sleep_for_all(void *object)
{
    struct scene *s = object;

    CHECK_OK(pawl_queue_join_until(queue_of(s), soon()));
}

static void one_joins(void *object)
{
    get_all(object);
    sleeper_start(sleep_for_all, object);
}

static void victim_is_done(void *object)
{
    struct scene *s = object;

    returns(s, pawl_queue_task_done(queue_of(s)));
}

static void all_done_and_join(void *object)
{
    struct scene *s = object;

    CHECK(pawl_queue_unfinished(queue_of(s)) + s->returned <= 1);
    while (pawl_queue_unfinished(queue_of(s)) > 0)
        CHECK_OK(pawl_queue_task_done(queue_of(s)));
    sleeper_join();
}

static void victim_joins(void *object)
{
    struct scene *s = object;

    returns(s, pawl_queue_join(queue_of(s)));
}

static void all_done(void *object)
{
    struct scene *s = object;

    while (pawl_queue_unfinished(queue_of(s)) > 0)
        CHECK_OK(pawl_queue_task_done(queue_of(s)));
    CHECK_OK(pawl_queue_try_join(queue_of(s)));
}

static void nothing(void *object)
{
    (void)object;
}

static void run_with_sleeper(const char *name, struct sweep_case c)
{
    c.name = name;
    c.size = sizeof(struct scene);
    c.prepare = prepare;
    c.after = c.after != NULL ? c.after : nothing;
    c.leftovers = true;
    c.budget = 5000;
    sweep(&c, SWEEP_KILL);
    sweep(&c, SWEEP_THAW);
}

static void sweep_with_sleepers(enum pawl_queue_kind kind)
{
    TEST_TIMEOUT(300);
    spin_for("0");
    plan.kind = kind;
    plan.words = 1;
    plan.puts = 1;
    plan.gets = CAPACITY;
    plan.fill = 0;
    run_with_sleeper("queue put, one sleeps",
                     (struct sweep_case){.warm = warm,
                                         .armed = one_sleeps,
                                         .victim = victim_try_put,
                                         .others = put_and_join});
    run_with_sleeper("queue shutdown, one sleeps",
                     (struct sweep_case){.warm = warm_to_close,
                                         .armed = one_sleeps,
                                         .victim = victim_shutdown,
                                         .others = shut_down_and_join});
    plan.fill = 1;
    run_with_sleeper("queue task_done, one joins",
                     (struct sweep_case){.warm = warm,
                                         .armed = one_joins,
                                         .victim = victim_is_done,
                                         .others = all_done_and_join});
    run_with_sleeper("queue join", (struct sweep_case){.warm = warm,
                                                       .victim = victim_joins,
                                                       .asleep = all_done,
                                                       .others = all_done});
}

TEST(queue.fifo_stopped_anywhere_while_one_sleeps)
{
    sweep_with_sleepers(PAWL_QUEUE_FIFO);
}

TEST(queue.lifo_stopped_anywhere_while_one_sleeps)
{
    sweep_with_sleepers(PAWL_QUEUE_LIFO);
}

/* ---- with a lock, in a region ---------------------------------------------------- */

/* Whether this call was not refused on account of a death. */
static bool goes_on(int64_t err)
{
    CHECK(err >= 0 || err == -EAGAIN || err == -ENOTRECOVERABLE);
    return err != -ENOTRECOVERABLE;
}

/* Either all that was before the victim, and its own call as a whole, or an end. */
static void priority_use(void *object)
{
    struct scene *s = object;
    uint64_t element[3];
    uint64_t last = 0;
    uint64_t count = 0;
    int err;

    while ((err = pawl_queue_try_get(queue_of(s), element)) == 0) {
        CHECK(element[0] > last);
        last = element[0];
        count++;
    }
    if (!goes_on(err)) {
        CHECK_ERR(pawl_queue_try_put(queue_of(s), element), -ENOTRECOVERABLE);
        CHECK_ERR(pawl_queue_get_until(queue_of(s), element, soon()),
                  -ENOTRECOVERABLE);
        return;
    }
    CHECK(count + plan.gets >= plan.fill && count <= plan.fill + plan.puts);
    fill(s, CAPACITY);
    CHECK_ERR(put_next(s), -EAGAIN);
    for (int i = 0; i < CAPACITY; i++)
        CHECK(get_next(s) != 0);
}

static void sleep_for_a_change(void *object)
{
    struct scene *s = object;
    uint64_t element[3];
    int err = pawl_queue_get_until(queue_of(s), element, soon());

    CHECK(err == 0 || err == -ENOTRECOVERABLE);
}

static void one_sleeps_for_a_change(void *object)
{
    sleeper_start(sleep_for_a_change, object);
}

/* It sleeps until something is put; or finds out by itself, if nothing can be. */
static void priority_put_and_join(void *object)
{
    struct scene *s = object;

    (void)goes_on(put_next(s));
    sleeper_join();
}

static void warm_in_region(void *object)
{
    warm_robust(object);
    warm(object);
}

TEST(queue.priority_in_a_region_killed_anywhere)
{
    static const struct {
        const char *name;
        sweep_fn victim;
        uint64_t fill, puts, gets;
        sweep_fn armed;
        sweep_fn others;
    } cases[] = {
        {"priority queue, put", victim_try_put, 2, 1, 0, NULL, priority_use},
        {"priority queue, get", victim_try_get, 3, 0, 1, NULL, priority_use},
        {"priority queue, put, one sleeps", victim_try_put, 0, 1, 0,
         one_sleeps_for_a_change, priority_put_and_join},
    };

    put_all_in_a_region();
    plan.kind = PAWL_QUEUE_PRIORITY;
    plan.words = 1;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct sweep_case c = {
            .name = cases[i].name,
            .size = sizeof(struct scene),
            .prepare = prepare,
            .warm = warm_in_region,
            .armed = cases[i].armed,
            .victim = cases[i].victim,
            .others = cases[i].others,
            .leftovers = true,
            .budget = 5000,
        };

        plan.fill = cases[i].fill;
        plan.puts = cases[i].puts;
        plan.gets = cases[i].gets;
        sweep(&c, SWEEP_KILL);
    }
}

/* ---- the deque, in a region ------------------------------------------------------ */

static pawl_deque *deque_of(void *object)
{
    return (pawl_deque *)object;
}

static void deque_prepare(void *object)
{
    pawl_deque *made;

    CHECK_OK(pawl_deque_init(&made, object, BYTES,
                             &(pawl_deque_options){.capacity = 4,
                                                   .element_size = 8,
                                                   .flags = PAWL_SHARED}));
    for (uint64_t n = 1; n <= 2; n++)
        CHECK_OK(pawl_deque_try_push_back(made, &n));
}

static bool is_one(const void *element, const void *what)
{
    (void)what;
    return *(const uint64_t *)element == 1;
}

static enum pawl_deque_verdict keep(void *element, void *context)
{
    (void)element;
    (void)context;
    return PAWL_DEQUE_KEEP;
}

/* All that changes it, but the end, one after the other. */
static void deque_victim(void *object)
{
    pawl_deque *d = deque_of(object);
    uint64_t n[2] = {3, 4};

    CHECK_OK(pawl_deque_push_back(d, n));
    CHECK_OK(pawl_deque_push_front(d, n + 1));
    CHECK_OK(pawl_deque_pop_front(d, n + 1));
    CHECK_OK(pawl_deque_pop_back(d, n));
    CHECK_OK(pawl_deque_extend_back(d, n, 2));
    CHECK_OK(pawl_deque_remove_at(d, 2, NULL));
    CHECK_OK(pawl_deque_insert(d, 1, n));
    CHECK_EQ(pawl_deque_push_back_dropping(d, n, n), 1);
    CHECK_EQ(pawl_deque_push_front_dropping(d, n, n), 1);
    CHECK_EQ(pawl_deque_clear(d, NULL, NULL), 4);
    n[0] = n[1] = 2;
    CHECK_OK(pawl_deque_extend_front(d, n, 2));
    CHECK_OK(pawl_deque_get(d, 0, n));
    n[0] = 1;
    CHECK_OK(pawl_deque_set(d, 0, n));
    CHECK_OK(pawl_deque_rotate(d, 1));
    CHECK_OK(pawl_deque_reverse(d));
    CHECK_EQ(pawl_deque_index(d, is_one, NULL, 0, 2), 0);
    CHECK_EQ(pawl_deque_count(d, is_one, NULL), 1);
    CHECK_EQ(pawl_deque_visit(d, keep, NULL), 0);
    CHECK_OK(pawl_deque_remove(d, is_one, NULL, NULL));
}

static void deque_victim_ends_it(void *object)
{
    CHECK_OK(pawl_deque_shutdown(deque_of(object)));
    CHECK_EQ(pawl_deque_shutdown_now(deque_of(object), NULL, NULL), 2);
}

static void deque_use(void *object)
{
    pawl_deque *d = deque_of(object);
    bool ended = pawl_deque_is_shutdown(d);
    int count = 0;
    uint64_t n = 5;
    int err;

    while ((err = pawl_deque_try_pop_front(d, &n)) == 0) {
        CHECK(n >= 1 && n <= 4);
        count++;
    }
    CHECK(count <= 4);
    if (err == -ESHUTDOWN || !goes_on(err)) {
        CHECK(err != -ESHUTDOWN || ended || pawl_deque_is_shutdown(d));
        CHECK_ERR(pawl_deque_try_push_back(d, &n), err);
        CHECK_ERR(pawl_deque_pop_back_until(d, &n, soon()), err);
        return;
    }
    for (int i = 0; i < 4; i++)
        CHECK_OK(pawl_deque_try_push_front(d, &n));
    CHECK_ERR(pawl_deque_try_push_front(d, &n), -EAGAIN);
    CHECK_EQ(pawl_deque_clear(d, NULL, NULL), 4);
}

static void deque_sleep(void *object)
{
    pawl_deque *d = deque_of(object);
    uint64_t n;
    int err = 0;

    while (err == 0)
        err = pawl_deque_pop_back_until(d, &n, soon());
    CHECK(err == -ESHUTDOWN || err == -ENOTRECOVERABLE);
}

static void deque_one_sleeps(void *object)
{
    sleeper_start(deque_sleep, object);
}

static void deque_end_and_join(void *object)
{
    int err = pawl_deque_shutdown(deque_of(object));

    CHECK(err == 0 || err == -ENOTRECOVERABLE);
    sleeper_join();
}

static void deque_victim_pushes(void *object)
{
    uint64_t n = 3;

    CHECK_OK(pawl_deque_push_back(deque_of(object), &n));
}

static void deque_warm(void *object)
{
    static _Alignas(PAWL_QUEUE_ALIGN) unsigned char memory[BYTES];

    warm_robust(object);
    deque_prepare(memory);
    deque_victim(memory);
}

TEST(deque.in_a_region_killed_anywhere)
{
    struct sweep_case c = {
        .name = "deque, all changes",
        .size = sizeof(struct scene),
        .prepare = deque_prepare,
        .warm = deque_warm,
        .victim = deque_victim,
        .others = deque_use,
        .leftovers = true,
    };

    put_all_in_a_region();
    sweep(&c, SWEEP_KILL);
    c.name = "deque, shutdown";
    c.victim = deque_victim_ends_it;
    sweep(&c, SWEEP_KILL);
    c.name = "deque, push, one sleeps";
    c.armed = deque_one_sleeps;
    c.victim = deque_victim_pushes;
    c.others = deque_end_and_join;
    sweep(&c, SWEEP_KILL);
}

/* ---- the event count ---------------------------------------------------------------- */

static void ec_prepare(void *object)
{
    struct scene *s = object;

    CHECK_OK(pawl_eventcount_init(&s->ec, PAWL_SHARED));
}

/* Whatever another one is in the middle of, who notifies after a prepare ends that
 * one's wait. */
static void ec_use(void *object)
{
    struct scene *s = object;
    uint32_t key;

    for (int i = 0; i < 2; i++) {
        key = pawl_eventcount_prepare(&s->ec);
        pawl_eventcount_cancel(&s->ec, key);
        key = pawl_eventcount_prepare(&s->ec);
        pawl_eventcount_notify(&s->ec, 1);
        pawl_eventcount_notify_all(&s->ec);
        CHECK_OK(pawl_eventcount_wait_until(&s->ec, key, soon()));
    }
}

static void ec_wait(void *object)
{
    struct scene *s = object;

    CHECK_OK(pawl_eventcount_wait(&s->ec, pawl_eventcount_prepare(&s->ec)));
}

static void ec_cancel(void *object)
{
    struct scene *s = object;

    pawl_eventcount_cancel(&s->ec, pawl_eventcount_prepare(&s->ec));
}

static void ec_notify(void *object)
{
    struct scene *s = object;

    pawl_eventcount_notify(&s->ec, 1);
}

static void ec_notify_all(void *object)
{
    struct scene *s = object;

    pawl_eventcount_notify_all(&s->ec);
}

static void ec_sleeper(void *object)
{
    ec_prepare(object);
    sleeper_start(ec_wait, object);
}

/* Woken, or awake by itself after a while. */
static void ec_use_and_join(void *object)
{
    ec_use(object);
    sleeper_join();
}

#define EC(text, ...)                                                          \
    {                                                                          \
        {.name = text,                                                         \
         .size = sizeof(struct scene),                                         \
         .warm = take_ids,                                                     \
         __VA_ARGS__},                                                         \
            ALL_WAYS, NULL                                                     \
    }

/* By the victim, or by itself after a while. */
static void ec_join(void *object)
{
    (void)object;
    sleeper_join();
}

static const struct swept eventcounts[] = {
    {{.name = "eventcount notify, one sleeps, and nobody else notifies",
      .size = sizeof(struct scene),
      .prepare = ec_sleeper,
      .warm = take_ids,
      .victim = ec_notify,
      .others = ec_join,
      .leftovers = true},
     KILLED,
     NULL},
    EC("eventcount prepare and cancel", .prepare = ec_prepare,
       .victim = ec_cancel, .others = ec_use, .after = ec_use),
    EC("eventcount wait", .prepare = ec_prepare, .victim = ec_wait,
       .asleep = ec_notify_all, .others = ec_use, .after = ec_use),
    EC("eventcount notify, one sleeps", .prepare = ec_sleeper,
       .victim = ec_notify, .others = ec_use_and_join, .after = ec_use,
       .leftovers = true),
    EC("eventcount notify all, one sleeps", .prepare = ec_sleeper,
       .victim = ec_notify_all, .others = ec_use_and_join, .after = ec_use,
       .leftovers = true),
};

TEST(eventcount.survives_sweeps)
{
    TEST_TIMEOUT(300);
    spin_for("0");
    SWEEP_TABLE(eventcounts);
}
