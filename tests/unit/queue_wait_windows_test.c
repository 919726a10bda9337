/* SPDX-License-Identifier: MIT
 *
 * queue_wait_windows_test.c - what happens between the two ends of a wait in a
 * queue: threads are held at the door of the kernel (see seam.h).
 */
#include "seam.h"

/* What the waits of this thread were told. */
struct notes {
    pawl_deadline until[2];
    int waits;
};
static _Thread_local struct notes *notes;
static int wakes;

static int noting_wait(pawl_u32 *word, uint32_t expected, pawl_deadline until,
                       bool shared, uint32_t channels)
{
    if (notes != NULL && notes->waits < 2)
        notes->until[notes->waits++] = until;
    return seam_wait(word, expected, until, shared, channels);
}

static int noting_wake(pawl_u32 *word, int count, bool shared,
                       uint32_t channels)
{
    wakes++;
    return pawl_futex_wake(word, count, shared, channels);
}

#undef pawl_futex_wait
#undef pawl_futex_doze
#define pawl_futex_wait noting_wait
#define pawl_futex_doze noting_wait
#define pawl_futex_wake noting_wake
#include "futex/eventcount.c"

static _Thread_local struct stop *stop_before_signal;

static void stopping_signal(pawl_eventcount *ec, uint32_t n)
{
    stop_here(&stop_before_signal);
    pawl_eventcount_signal(ec, n);
}

#define pawl_eventcount_signal stopping_signal
#include "queue/queue.c" // NOLINT: its own copy, with the stop

#include "puppet.h"

static struct stop here;

struct getter {
    struct visitor visitor;
    pawl_queue *q;
    pawl_deadline until;
    struct notes notes;
    int value;
};

static pawl_queue *make_ints(void)
{
    pawl_queue *q = NULL;

    stop_make(&here);
    CHECK_OK(pawl_queue_create(
        &q, &(pawl_queue_options){.capacity = 4, .element_size = sizeof(int)}));
    return q;
}

static int get_stop_after(void *object)
{
    struct getter *g = object;

    stop_after_wait = &here;
    notes = &g->notes;
    return pawl_queue_get_until(g->q, &g->value, g->until);
}

static int leave(void *object)
{
    (void)object;
    return 0;
}

/* who was woken, and finds that somebody else was faster, sleeps on until
 * the deadline that it came with. */
TEST(queue_wait_window.overtaken_keeps_its_deadline)
{
    enum { PATIENCE_MAX_MS = 10000 };
    struct getter g = {.notes.waits = 0};
    int v = 7;

    /* It may be late before it is overtaken. */
    for (int ms = 50; g.notes.waits < 2 && ms < PATIENCE_MAX_MS; ms *= 2) {
        g = (struct getter){.q = make_ints(), .until = pawl_after_ms(ms)};
        visitor_start_asleep(&g.visitor, get_stop_after, leave, &g);
        CHECK_OK(pawl_queue_try_put(g.q, &v));
        stop_await(&here);
        CHECK_OK(pawl_queue_try_get(g.q, &v));
        stop_release(&here);
        CHECK_ERR(visitor_passes(&g.visitor), -ETIMEDOUT);
        CHECK(pawl_now() >= g.until);
        CHECK_EQ(g.value, 0);
        pawl_queue_free(g.q);
    }
    CHECK_EQ(g.notes.waits, 2);
    CHECK_EQ(g.notes.until[0], g.until);
    CHECK_EQ(g.notes.until[1], g.until);
}

/* what came while the deadline passed is taken. */
TEST(queue_wait_window.ready_at_the_deadline_is_taken)
{
    struct getter g = {.q = make_ints(), .until = pawl_after_ms(5)};
    int v = 7;

    visitor_start(&g.visitor, get_stop_after, leave, &g);
    stop_await(&here);
    CHECK_OK(pawl_queue_try_put(g.q, &v));
    stop_release(&here);
    CHECK_OK(visitor_passes(&g.visitor));
    CHECK_EQ(g.value, 7);
    pawl_queue_free(g.q);
}

static int get_until(void *object, pawl_deadline until)
{
    int v;

    return pawl_queue_get_until(object, &v, until);
}

/* a batch is one wake-up, however many it serves; and none if nobody
 * sleeps. */
TEST(queue_wait_window.batch_is_one_wake)
{
    pawl_queue *q = make_ints();
    const int in[3] = {1, 2, 3};
    struct puppet p[3];

    puppets_begin(p, 3);
    for (int i = 0; i < 3; i++) {
        puppet_do(&p[i], get_until, q, PAWL_FOREVER);
        puppet_until_asleep(&p[i]);
    }
    CHECK_EQ(wakes, 0);
    CHECK_EQ(pawl_queue_try_put_many(q, in, 3), 3);
    CHECK_EQ(wakes, 1);
    for (int i = 0; i < 3; i++)
        CHECK_OK(puppet_result(&p[i]));
    CHECK_EQ(pawl_queue_try_put_many(q, in, 3), 3);
    CHECK_EQ(wakes, 1);
    puppets_end(p, 3);
    pawl_queue_free(q);
}

static int report_stop_before_signal(void *q)
{
    stop_before_signal = &here;
    return pawl_queue_task_done(q);
}

static int join_soon(void *q)
{
    return pawl_queue_join_until(q, pawl_after_ms(20));
}

/* who joins after something was put again is not released by those who
 * were late to say that all before was done. */
TEST(queue_wait_window.late_word_of_the_end_releases_no_newcomer)
{
    struct visitor reporter;
    struct visitor joiner;
    pawl_queue *q = make_ints();
    int v = 1;

    CHECK_OK(pawl_queue_try_put(q, &v));
    visitor_start(&reporter, report_stop_before_signal, leave, q);
    stop_await(&here);
    CHECK_OK(pawl_queue_try_put(q, &v));
    visitor_start_asleep(&joiner, join_soon, leave, q);
    stop_release(&here);
    CHECK_OK(visitor_passes(&reporter));
    CHECK_ERR(visitor_passes(&joiner), -ETIMEDOUT);
    CHECK_OK(pawl_queue_task_done(q));
    CHECK_OK(pawl_queue_join(q));
    pawl_queue_free(q);
}
