/* SPDX-License-Identifier: MIT
 *
 * Scenarios of the blocking queue, the same for all its kinds; and of the
 * segments of the unbounded ones.
 */
#include <pawl/queue.h>

#include "linear.h"
#include "made.h"

enum { PRODUCERS = 4, EACH = 4, ITEMS = PRODUCERS * EACH };

/* The largest: one fills a segment. */
enum { LARGE = 4072, HALF = 2032 };

union element {
    uint64_t id; /* EACH * producer + number; the key of a PRIORITY queue */
    char bytes[LARGE];
};

static struct {
    pawl_queue *q;
    pawl_queue_options options;
    int checking;
    int data[ITEMS]; /* written before the put */
    int put[ITEMS];
    int got[ITEMS];
    int discarded[ITEMS];
    int last[MODEL_THREADS + 1][PRODUCERS]; /* by consumer */
    int reports;
    int work;
} s;

/* ---- parts ----------------------------------------------------------------- */

static bool is_unbounded(void)
{
    return (s.options.flags & PAWL_UNBOUNDED) != 0;
}

/* What these kinds say of themselves without their lock may be of an instant
 * before the call. */
static void answers(struct linear_op *op, enum linear_kind kind, int value)
{
    if (s.options.kind == PAWL_QUEUE_PRIORITY ||
        (s.options.kind == PAWL_QUEUE_LIFO && is_unbounded()))
        op->begin = 0;
    linear_ends(op, kind, value);
}

static void make(enum pawl_queue_kind kind, size_t capacity,
                 size_t element_size)
{
    memset(&s, 0, sizeof s);
    s.options =
        (pawl_queue_options){.kind = kind,
                             .capacity = capacity,
                             .element_size = element_size,
                             .participants = 3,
                             .flags = capacity == 0 ? PAWL_UNBOUNDED : 0u};
    CHECK_OK(pawl_queue_create(&s.q, &s.options));
    model_name(s.q, 1 << 14, "q");
    MODEL_NAME(s.data);
    MODEL_NAME(s.work);
    linear_begin(kind == PAWL_QUEUE_FIFO   ? LINEAR_FIFO
                 : kind == PAWL_QUEUE_LIFO ? LINEAR_LIFO
                                           : LINEAR_PRIORITY,
                 capacity);
}

static void will_put(int item, union element *e)
{
    MODEL_SET(s.data[item], item);
    e->id = (uint64_t)item;
}

/* Returns the item. */
static int has_got(const union element *e)
{
    int item = (int)e->id;
    int *last;

    CHECK(item >= 0 && item < ITEMS);
    CHECK(MODEL_GET(s.data[item]) == item);
    s.got[item]++;
    last = &s.last[s.checking ? MODEL_THREADS : model_self()][item / EACH];
    CHECK(s.options.kind == PAWL_QUEUE_LIFO || item % EACH >= *last);
    *last = item % EACH + 1;
    return item;
}

static int put_until(int item, pawl_deadline until)
{
    struct linear_op *op = linear_begins();
    union element e;
    int err;

    will_put(item, &e);
    err = pawl_queue_put_until(s.q, &e, until);
    s.put[item] += err == 0;
    linear_ends(op,
                err == 0            ? LINEAR_PUT
                : err == -ESHUTDOWN ? LINEAR_PUT_CLOSED
                                    : LINEAR_FULL,
                item);
    return err;
}

static int get_until(pawl_deadline until)
{
    struct linear_op *op = linear_begins();
    union element e;
    int err = pawl_queue_get_until(s.q, &e, until);

    if (err == 0)
        linear_ends(op, LINEAR_GET, has_got(&e));
    else
        linear_ends(op, err == -ESHUTDOWN ? LINEAR_GET_CLOSED : LINEAR_EMPTY,
                    0);
    return err;
}

static int own(int number)
{
    return EACH * model_self() + number;
}

static int report(void)
{
    struct linear_op *op = linear_begins();
    int err = pawl_queue_task_done(s.q);

    s.reports += err == 0;
    if (err == 0)
        linear_ends(op, LINEAR_REPORT, 0);
    else
        answers(op, LINEAR_OVERFLOW, 0);
    return err;
}

static void discard(void *element, void *context)
{
    const union element *e = element;

    (void)context;
    s.discarded[e->id]++;
}

/* ---- what is true afterwards --------------------------------------------------- */

static void whole(void)
{
    bool closed = pawl_queue_is_shutdown(s.q);
    size_t inside = 0;
    size_t puts = 0;
    size_t discards = 0;

    s.checking = 1;
    CHECK(linear_is_possible());
    linear_.used = 0;
    memset(s.last[MODEL_THREADS], 0, sizeof s.last[MODEL_THREADS]);
    for (int i = 0; i < ITEMS; i++) {
        int left = s.put[i] - s.got[i] - s.discarded[i];

        CHECK(left == 0 || left == 1);
        inside += (size_t)left;
        puts += (size_t)s.put[i];
        discards += (size_t)s.discarded[i];
    }
    CHECK(pawl_queue_size(s.q) == inside);
    CHECK(pawl_queue_unfinished(s.q) == puts - (size_t)s.reports - discards);
    for (; inside > 0; inside--)
        CHECK_OK(get_until(0));
    CHECK(pawl_queue_is_empty(s.q));
    CHECK_ERR(get_until(0), closed ? -ESHUTDOWN : -ETIMEDOUT);
    for (int i = 0; i < ITEMS; i++)
        CHECK(s.put[i] == s.got[i] + s.discarded[i] && s.put[i] <= 1);
    linear_.used = 0;
    for (puts = 0; put_until((int)puts, 0) == 0 && puts < 3;)
        puts++;
    CHECK(puts == (closed ? 0 : is_unbounded() ? 3 : s.options.capacity));
    pawl_queue_free(s.q);
    CHECK(model_heap_live() == 0);
}

/* Nothing is left, and all is done. */
static void whole_and_done(void)
{
    CHECK_OK(pawl_queue_try_join(s.q));
    whole();
}

static void whole_and_closed(void)
{
    CHECK(pawl_queue_is_shutdown(s.q));
    whole();
}

/* ---- threads -------------------------------------------------------------------- */

static void put_one(void)
{
    CHECK_OK(put_until(own(0), PAWL_FOREVER));
}

static void put_two(void)
{
    CHECK_OK(put_until(own(0), PAWL_FOREVER));
    CHECK_OK(put_until(own(1), PAWL_FOREVER));
}

static void put_three(void)
{
    put_two();
    CHECK_OK(put_until(own(2), PAWL_FOREVER));
}

/* With one wake-up for both; there is room. */
static void put_both(void)
{
    struct linear_op *op = linear_begins();
    uint64_t ids[2] = {(uint64_t)own(0), (uint64_t)own(1)};

    MODEL_SET(s.data[own(0)], own(0));
    MODEL_SET(s.data[own(1)], own(1));
    CHECK(pawl_queue_put_many(s.q, ids, 2) == 2);
    s.put[own(0)]++;
    s.put[own(1)]++;
    linear_ends(op, LINEAR_PUT, own(0));
    linear_also(op, LINEAR_PUT, own(1));
}

static void get_one(void)
{
    CHECK_OK(get_until(PAWL_FOREVER));
}

static void get_two(void)
{
    get_one();
    get_one();
}

static void get_three(void)
{
    get_two();
    get_one();
}

static void get_or_give_up(void)
{
    int err = get_until(model_soon());

    CHECK(err == 0 || err == -ETIMEDOUT);
}

static void put_or_give_up(void)
{
    int err = put_until(own(0), model_soon());

    CHECK(err == 0 || err == -ETIMEDOUT);
}

static void try_both(void)
{
    int err = get_until(0);

    CHECK(err == 0 || err == -ETIMEDOUT);
    err = put_until(own(0), 0);
    CHECK(err == 0 || err == -ETIMEDOUT);
}

static void look_at_the_end(void)
{
    struct linear_op *op = linear_begins();

    answers(op, LINEAR_IS_CLOSED, pawl_queue_is_shutdown(s.q));
}

static void look_at_the_size(void)
{
    struct linear_op *op = linear_begins();

    answers(op, LINEAR_SIZE, (int)pawl_queue_size(s.q));
    op = linear_begins();
    if (pawl_queue_is_empty(s.q))
        answers(op, LINEAR_SIZE, 0);
    op = linear_begins();
    if (pawl_queue_is_full(s.q)) {
        CHECK(!is_unbounded());
        answers(op, LINEAR_FULL, 0);
    }
}

static void count_the_unfinished(void)
{
    for (int i = 0; i < 2; i++) {
        struct linear_op *op = linear_begins();

        answers(op, LINEAR_UNFINISHED, (int)pawl_queue_unfinished(s.q));
    }
}

static void put_or_shutdown(void)
{
    int err = put_until(own(0), PAWL_FOREVER);

    CHECK(err == 0 || err == -ESHUTDOWN);
    if (err != 0)
        CHECK_ERR(put_until(own(0), PAWL_FOREVER), -ESHUTDOWN);
}

static void put_two_or_shutdown(void)
{
    for (int i = 0; i < 2; i++) {
        int err = put_until(own(i), PAWL_FOREVER);

        CHECK(err == 0 || err == -ESHUTDOWN);
    }
}

static void must_not_put(void)
{
    CHECK_ERR(put_until(own(0), PAWL_FOREVER), -ESHUTDOWN);
}

static void get_until_shutdown(void)
{
    int err;

    while ((err = get_until(PAWL_FOREVER)) == 0)
        ;
    CHECK_ERR(err, -ESHUTDOWN);
    CHECK_ERR(get_until(PAWL_FOREVER), -ESHUTDOWN);
}

static void shut_down(void)
{
    struct linear_op *op = linear_begins();

    CHECK_OK(pawl_queue_shutdown(s.q));
    linear_ends(op, LINEAR_CLOSE, 0);
    CHECK(pawl_queue_is_shutdown(s.q));
    CHECK_ERR(put_until(own(0), PAWL_FOREVER), -ESHUTDOWN);
}

/* What is discarded is taken, and then done. */
static void shut_down_now(void)
{
    struct linear_op *op = linear_begins();
    int64_t n = pawl_queue_shutdown_now(s.q, discard, NULL);

    linear_ends(op, LINEAR_CLOSE, 0);
    for (int i = 0; i < ITEMS; i++) {
        if (s.discarded[i] == 0)
            continue;
        CHECK(s.discarded[i] == 1);
        linear_also(op, LINEAR_GET, i);
        linear_also(op, LINEAR_REPORT, 0);
        n--;
    }
    CHECK(n == 0);
    CHECK_ERR(get_until(PAWL_FOREVER), -ESHUTDOWN);
}

static int join_until(pawl_deadline until)
{
    struct linear_op *op = linear_begins();
    int err = pawl_queue_join_until(s.q, until);

    if (err == 0) {
        answers(op, LINEAR_UNFINISHED, 0);
        CHECK(MODEL_GET(s.work) == 1);
    }
    return err;
}

static void join(void)
{
    CHECK_OK(join_until(PAWL_FOREVER));
}

static void join_or_give_up(void)
{
    int err = join_until(model_soon());

    CHECK(err == 0 || err == -ETIMEDOUT);
}

/* The one that is there from the beginning. */
static void get_and_report(void)
{
    get_one();
    MODEL_SET(s.work, 1);
    CHECK_OK(report());
}

static void get_then_report(void)
{
    get_one();
    CHECK_OK(report());
}

/* What it has put itself is done after its join. */
static void put_and_join(void)
{
    put_one();
    CHECK_OK(pawl_queue_join(s.q));
    CHECK(pawl_queue_unfinished(s.q) == 0);
}

static void put_get_and_report(void)
{
    put_one();
    if (get_until(0) == 0)
        CHECK_OK(report());
}

static void report_if_any(void)
{
    int err = report();

    CHECK(err == 0 || err == -EOVERFLOW);
}

static void one_was_reported(void)
{
    CHECK(s.reports == 1);
    whole();
}

/* ---- all kinds --------------------------------------------------------------------- */

/* With one element inside. */
static void with_one(void)
{
    CHECK_OK(put_until(ITEMS - EACH, 0));
}

#define SETUPS(name, kind, capacity_1, capacity_2)                             \
    static void name##_1(void)                                                 \
    {                                                                          \
        make(kind, capacity_1, 8);                                             \
    }                                                                          \
    static void name##_2(void)                                                 \
    {                                                                          \
        make(kind, capacity_2, 8);                                             \
    }                                                                          \
    static void name##_1_inside(void)                                          \
    {                                                                          \
        name##_1();                                                            \
        with_one();                                                            \
    }                                                                          \
    static void name##_1_of_2(void)                                            \
    {                                                                          \
        name##_2();                                                            \
        with_one();                                                            \
    }

SETUPS(fifo, PAWL_QUEUE_FIFO, 1, 2)
SETUPS(lifo, PAWL_QUEUE_LIFO, 1, 2)
SETUPS(priority, PAWL_QUEUE_PRIORITY, 1, 2)
SETUPS(unbounded_fifo, PAWL_QUEUE_FIFO, 0, 0)
SETUPS(unbounded_lifo, PAWL_QUEUE_LIFO, 0, 0)

#define QUEUE(kind, what, capacity, ...)                                       \
    MODEL_AT__("queue_" #kind "." #what, kind##_##what,                        \
               .setup = kind##_##capacity, __VA_ARGS__)
#define THREADS(...) .threads = {__VA_ARGS__}
#define WITHIN(...) .bounds = {__VA_ARGS__}

/* Bounds: `two` for two threads, `three` for three. */
#define ALL_KINDS(kind, two, three)                                            \
    QUEUE(kind, hand_over, 1, THREADS(get_one, put_one), .check = whole, two)  \
    QUEUE(kind, hand_over_spinning, 1, THREADS(get_one, put_one),              \
          .check = whole, .spin = 2, two)                                      \
    QUEUE(kind, two_handed_over, 2, THREADS(get_one, get_one, put_two),        \
          .check = whole, three)                                               \
    QUEUE(kind, batch_reaches_two, 2, THREADS(get_one, get_one, put_both),     \
          .check = whole, three)                                               \
    QUEUE(kind, one_after_the_other, 2, THREADS(put_two, get_two),             \
          .check = whole, two)                                                 \
    QUEUE(kind, giving_up_takes_no_element, 2,                                 \
          THREADS(get_or_give_up, get_one, put_two), .check = whole, three)    \
    QUEUE(kind, size, 1, THREADS(try_both, try_both, look_at_the_size),        \
          .check = whole, three)                                               \
    QUEUE(kind, size_beside_each_end, 2,                                       \
          THREADS(put_two, get_one, look_at_the_size), .check = whole, three)  \
    QUEUE(kind, size_beside_shutdown_now, 1_of_2,                              \
          THREADS(shut_down_now, look_at_the_size), .check = whole_and_closed, \
          two)                                                                 \
    QUEUE(kind, end, 1, THREADS(shut_down, look_at_the_end),                   \
          .check = whole_and_closed, two)                                      \
    QUEUE(kind, unfinished, 1_inside,                                          \
          THREADS(get_and_report, put_one, count_the_unfinished),              \
          .check = whole, three)                                               \
    QUEUE(kind, shutdown_releases_getters, 1,                                  \
          THREADS(get_until_shutdown, get_until_shutdown, shut_down),          \
          .check = whole_and_closed, three)                                    \
    QUEUE(kind, shutdown_beside_put_and_get, 1,                                \
          THREADS(put_or_shutdown, get_until_shutdown, shut_down),             \
          .check = whole_and_closed, three)                                    \
    QUEUE(kind, shutdown_now_beside_put, 1_inside,                             \
          THREADS(put_or_shutdown, shut_down_now), .check = whole_and_closed,  \
          two)                                                                 \
    QUEUE(kind, shutdown_now_beside_get, 1_of_2,                               \
          THREADS(get_until_shutdown, put_or_shutdown, shut_down_now),         \
          .check = whole_and_closed, three)                                    \
    QUEUE(kind, join, 1_inside, THREADS(join, get_and_report),                 \
          .check = whole_and_done, two)                                        \
    QUEUE(kind, two_join, 1_inside, THREADS(join, join, get_and_report),       \
          .check = whole_and_done, three)                                      \
    QUEUE(kind, join_beside_more, 1_of_2,                                      \
          THREADS(join, get_and_report, put_get_and_report), .check = whole,   \
          three)                                                               \
    QUEUE(kind, join_of_what_came_after, 1_of_2,                               \
          THREADS(get_then_report, get_then_report, put_and_join),             \
          .check = whole_and_done, three)                                      \
    QUEUE(kind, join_until, 1_inside,                                          \
          THREADS(join_or_give_up, join, get_and_report), .check = whole,      \
          three)                                                               \
    QUEUE(kind, reported_once, 1_inside,                                       \
          THREADS(report_if_any, report_if_any), .check = one_was_reported,    \
          two)

#define BOUNDED_KINDS(kind, two, three)                                        \
    ALL_KINDS(kind, WITHIN two, WITHIN three)                                  \
    QUEUE(kind, full, 1, THREADS(put_three, get_three), .check = whole,        \
          WITHIN three)                                                        \
    QUEUE(kind, full_for_two, 1, THREADS(put_one, put_one, get_two),           \
          .check = whole, WITHIN three)                                        \
    QUEUE(kind, giving_up_takes_no_room, 1_inside,                             \
          THREADS(put_or_give_up, put_one, get_two), .check = whole,           \
          WITHIN three)                                                        \
    QUEUE(kind, shutdown_releases_putters, 1_inside,                           \
          THREADS(must_not_put, must_not_put, shut_down),                      \
          .check = whole_and_closed, WITHIN three)                             \
    QUEUE(kind, shutdown_beside_a_full_one, 1,                                 \
          THREADS(put_two_or_shutdown, get_until_shutdown, shut_down),         \
          .check = whole_and_closed, WITHIN three)

BOUNDED_KINDS(fifo, (2, 1, 1), (2, 1, 0))
BOUNDED_KINDS(lifo, (2, 1, 1), (2, 1, 0))
BOUNDED_KINDS(priority, (2, 1, 0), (2, 0, 0))
ALL_KINDS(unbounded_fifo, WITHIN(2, 1, 1), WITHIN(2, 0, 0))
ALL_KINDS(unbounded_lifo, WITHIN(2, 1, 0), WITHIN(2, 0, 0))

/* ---- segments ------------------------------------------------------------------------ */

/* One element fills a segment: every put needs a new one, every get gives one
 * back. */
static void segment_each(void)
{
    make(PAWL_QUEUE_FIFO, 0, LARGE);
}

static void segment_for_two(void)
{
    make(PAWL_QUEUE_FIFO, 0, HALF);
}

static void pile_of_segments(void)
{
    make(PAWL_QUEUE_LIFO, 0, LARGE);
}

static void get_three_or_none(void)
{
    for (int i = 0; i < 3; i++) {
        int err = get_until(0);

        CHECK(err == 0 || err == -ETIMEDOUT || err == -ESHUTDOWN);
    }
}

static void put_get_three(void)
{
    for (int i = 0; i < 3; i++) {
        CHECK_OK(put_until(own(i), PAWL_FOREVER));
        CHECK_OK(get_until(PAWL_FOREVER));
    }
}

MODEL(queue_segments.from_one_to_one, .setup = segment_each,
      .threads = {put_three, get_three}, .check = whole)
MODEL(queue_segments.from_one_to_one_in_pairs, .setup = segment_for_two,
      .threads = {put_three, get_three}, .check = whole)
MODEL(queue_segments.used_again, .setup = segment_each,
      .threads = {put_get_three, put_get_three}, .check = whole,
      .bounds = {2, 0, 0})
MODEL(queue_segments.two_producers, .setup = segment_each,
      .threads = {put_two, put_two, get_three}, .check = whole,
      .bounds = {2, 0, 0})
MODEL(queue_segments.two_consumers, .setup = segment_each,
      .threads = {put_three, get_three_or_none, get_three_or_none},
      .check = whole, .bounds = {2, 0, 0})
MODEL(queue_segments.shutdown_now, .setup = segment_each,
      .threads = {put_two_or_shutdown, shut_down_now, get_three_or_none},
      .check = whole_and_closed, .bounds = {2, 0, 0})
MODEL(queue_segments.pile, .setup = pile_of_segments,
      .threads = {put_get_three, put_get_three}, .check = whole,
      .bounds = {2, 0, 0})

/* ---- made by one, found by another ------------------------------------------ */

static void make_and_put(void)
{
    uint64_t item = 7;
    pawl_queue *q;

    CHECK_OK(pawl_queue_init(&q, made.memory, MADE_BYTES,
                             &(pawl_queue_options){.kind = PAWL_QUEUE_PRIORITY,
                                                   .capacity = 2,
                                                   .element_size = 8,
                                                   .participants = 2}));
    CHECK_OK(pawl_queue_try_put(q, &item));
}

static void attach_and_get(void)
{
    uint64_t item;
    pawl_queue *q = NULL;
    int err;

    MADE_AWAIT(pawl_queue_attach, &q);
    CHECK(pawl_queue_size(q) <= 1);
    CHECK(pawl_queue_unfinished(q) <= 1);
    err = pawl_queue_try_get(q, &item);
    CHECK(err == -EAGAIN || (err == 0 && item == 7));
}

MODEL(queue.made_by_another, .setup = made_begin,
      .threads = {make_and_put, attach_and_get})
