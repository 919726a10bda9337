/* SPDX-License-Identifier: MIT
 *
 * shared_queue_test.c - H-20 to H-26, Q-01 to Q-12 for queues in regions, by the
 * threads of one process.
 */
#include <string.h>

#include <pawl/error.h>
#include <pawl/memory.h>
#include <pawl/object.h>
#include <pawl/queue.h>
#include <pawl/region.h>
#include <pawl/shared_queue.h>
#include <pawl/wait.h>

#include "process/shared_queue.h"
#include "test.h"

#define OPTIONS(...) (&(pawl_shared_queue_options){__VA_ARGS__})

enum { SIZE = 40 };

static pawl_region *region;

static pawl_shared_queue *make(const pawl_shared_queue_options *o)
{
    pawl_shared_queue *q;

    if (region == NULL)
        CHECK_OK(pawl_region_create(
            &region,
            &(pawl_region_options){.heap = 1 << 20, .participants = 4}));
    CHECK_OK(pawl_shared_queue_create(&q, region, o));
    return q;
}

static void put(pawl_shared_queue *q, const char *text)
{
    CHECK_OK(pawl_shared_queue_try_put(q, text, strlen(text) + 1));
}

static void get(pawl_shared_queue *q, const char *text)
{
    char buffer[SIZE];

    CHECK_EQ(pawl_shared_queue_try_get(q, buffer, SIZE), strlen(text) + 1);
    CHECK(strcmp(buffer, text) == 0);
}

static void get_nothing(pawl_shared_queue *q, int err)
{
    char buffer[SIZE];

    CHECK_ERR((int)pawl_shared_queue_try_get(q, buffer, SIZE), err);
}

/* H-20, H-23, H-24: put and get without waiting, and how many there are. */
TEST(shared_queue.holds_records_of_any_size_up_to_its_own)
{
    pawl_shared_queue *q = make(OPTIONS(.capacity = 3, .record_size = SIZE));
    char big[SIZE + 1] = {1, 2, 3};
    char out[SIZE];

    CHECK_OK(pawl_shared_queue_try_put(q, big, 0));
    put(q, "one");
    CHECK_OK(pawl_shared_queue_try_put(q, big, SIZE));
    CHECK_EQ(pawl_shared_queue_size(q), 3);
    CHECK_ERR(pawl_shared_queue_try_put(q, big, 1), -EAGAIN);
    CHECK_ERR(pawl_shared_queue_put_until(q, big, 1, 0), -ETIMEDOUT);
    CHECK_ERR(pawl_shared_queue_try_put(q, big, SIZE + 1),
              -EMSGSIZE); /* H-26 */
    CHECK_ERR((int)pawl_shared_queue_try_get(q, out, SIZE - 1), -EMSGSIZE);
    CHECK_EQ(pawl_shared_queue_size(q), 3);
    CHECK_EQ(pawl_shared_queue_try_get(q, out, SIZE), 0);
    get(q, "one");
    CHECK_EQ(pawl_shared_queue_get(q, out, SIZE), SIZE);
    CHECK(memcmp(out, big, SIZE) == 0);
    get_nothing(q, -EAGAIN);
    CHECK_ERR((int)pawl_shared_queue_get_until(q, out, SIZE, 0), -ETIMEDOUT);
    CHECK_EQ(pawl_shared_queue_capacity(q), 3);
    CHECK_EQ(pawl_shared_queue_record_size(q), SIZE);
    pawl_shared_queue_free(q);
}

TEST(shared_queue.is_found_by_its_name)
{
    pawl_shared_queue *q =
        make(OPTIONS(.name = "q", .capacity = 2, .record_size = SIZE));
    pawl_shared_queue *again;
    void *at;
    pawl_object other = {.name = "o", .type = 7, .version = 1, .bytes = 8};

    put(q, "x");
    CHECK_ERR(pawl_shared_queue_create(
                  &again, region,
                  OPTIONS(.name = "q", .capacity = 2, .record_size = SIZE)),
              -EEXIST);
    CHECK_ERR(pawl_shared_queue_open(
                  &again, region,
                  OPTIONS(.name = "q", .capacity = 9, .record_size = 9)),
              0);
    CHECK_EQ(pawl_shared_queue_capacity(again), 2);
    get(again, "x");
    pawl_shared_queue_free(again);
    CHECK_OK(pawl_shared_queue_find(&again, region, "q"));
    pawl_shared_queue_free(again);
    pawl_shared_queue_free(q);
    CHECK_OK(pawl_shared_queue_remove(region, "q"));
    CHECK_ERR(pawl_shared_queue_find(&again, region, "q"), -ENOENT);
    CHECK_ERR(pawl_shared_queue_open(
                  &again, region,
                  OPTIONS(.name = "q", .capacity = 9, .record_size = 9)),
              1);
    pawl_shared_queue_free(again);
    CHECK_OK(pawl_object_create(region, &other, NULL, NULL, &at));
    CHECK_ERR(pawl_shared_queue_find(&again, region, "o"), -EINVAL);
}

TEST(shared_queue.without_a_name_is_a_block_of_the_callers)
{
    pawl_shared_queue *q = make(OPTIONS(.capacity = 2, .record_size = SIZE));
    pawl_offset at = pawl_shared_queue_offset(q);
    pawl_shared_queue *again;
    pawl_memory_stats s;

    put(q, "x");
    CHECK_OK(pawl_shared_queue_at(&again, region, at));
    get(again, "x");
    pawl_shared_queue_free(again);
    pawl_shared_queue_free(q);
    CHECK_OK(pawl_memory_get_stats(region, &s));
    CHECK_EQ(s.owned, 1);
    CHECK_OK(pawl_memory_free(region, at));
    CHECK_ERR(pawl_shared_queue_at(&again, region, at), -EINVAL);
    CHECK_ERR(pawl_shared_queue_at(&again, region, at + 1), -EINVAL);
}

TEST(shared_queue.refuses_what_cannot_be)
{
    pawl_shared_queue *q = make(OPTIONS(.capacity = 1, .record_size = 1));
    pawl_shared_queue *none;

    pawl_shared_queue_free(q);
#define REFUSED(...)                                                           \
    CHECK_ERR(pawl_shared_queue_create(&none, region, OPTIONS(__VA_ARGS__)),   \
              -EINVAL)
    REFUSED(.capacity = 0, .record_size = 1);
    REFUSED(.capacity = 1, .record_size = 0);
    REFUSED(.capacity = (size_t)PAWL_SHARED_QUEUE_CAPACITY_MAX + 1,
            .record_size = 1);
    REFUSED(.capacity = 1, .record_size = 1, .flags = 1);
    REFUSED(.capacity = 1, .record_size = 1, .key_offset = 1);
    REFUSED(.capacity = 1, .record_size = 1, .in_hand = 1);
    REFUSED(.capacity = 1, .record_size = 7, .kind = PAWL_SHARED_PRIORITY);
    REFUSED(.capacity = 1, .record_size = 1, .tasks = PAWL_TASKS_AGAIN,
            .in_hand = 4093);
    CHECK_ERR(pawl_shared_queue_create(
                  &none, region,
                  OPTIONS(.capacity = 1 << 20, .record_size = 1 << 20)),
              -ENOSPC);
}

/* The bar for bad input: what is there is none, is of another layout, or is cut off. */
TEST(shared_queue.is_not_found_in_garbage)
{
    uint64_t random = test_seed(0);
    pawl_shared_queue *q = make(OPTIONS(.capacity = 2, .record_size = SIZE));
    pawl_offset at = pawl_shared_queue_offset(q);
    struct pawl_shared_queue_core *core = pawl_region_at(region, at);
    size_t bytes = (size_t)pawl_memory_size(region, at);
    pawl_shared_queue *none = NULL;
    unsigned char *p;
    pawl_offset other;

    core->layout++;
    CHECK_ERR(pawl_shared_queue_at(&none, region, at), -EINVAL);
    core->layout--;
    core->bytes += bytes;
    CHECK_ERR(pawl_shared_queue_at(&none, region, at), -EINVAL);
    core->bytes -= bytes;
    CHECK_OK(pawl_shared_queue_at(&none, region, at));
    pawl_shared_queue_free(none);
    none = NULL;
    q = make(OPTIONS(.capacity = 2, .record_size = SIZE,
                     .kind = PAWL_SHARED_DEQUE));
    at = pawl_shared_queue_offset(q);
    core = pawl_region_at(region, at);
    core->kind++; /* what all but a FIFO have, and no kind */
    CHECK_ERR(pawl_shared_queue_at(&none, region, at), -EINVAL);
    core->kind--;
    CHECK_OK(pawl_memory_alloc(region, bytes, PAWL_OBJECT_ALIGN,
                               PAWL_MEMORY_ZERO, &other));
    CHECK_ERR(pawl_shared_queue_at(&none, region, other), -EINVAL);
    p = pawl_region_at(region, other);
    for (int i = 0; i < 100; i++) {
        for (size_t k = 0; k < bytes; k++)
            p[k] = (unsigned char)test_rand(&random);
        CHECK_ERR(pawl_shared_queue_at(&none, region, other), -EINVAL);
    }
    CHECK(none == NULL);
    CHECK_OK(pawl_shared_queue_at(&none, region, at));
}

TEST(shared_queue.of_a_closed_region)
{
    pawl_shared_queue *q =
        make(OPTIONS(.name = "q", .capacity = 2, .record_size = SIZE,
                     .tasks = PAWL_TASKS_AGAIN));
    pawl_offset at = pawl_shared_queue_offset(q);
    pawl_shared_queue *none = NULL;
    pawl_wait_item item = PAWL_WAIT_SHARED_READABLE(q);

    CHECK_ERR(pawl_shared_queue_find(&none, region, NULL), -EINVAL);
    CHECK_ERR(pawl_shared_queue_find(&none, region, ""), -EINVAL);
    CHECK_ERR(pawl_shared_queue_remove(region, "x"), -ENOENT);
    CHECK_ERR(pawl_shared_queue_open(
                  &none, region, OPTIONS(.capacity = 1, .record_size = 1)),
              -EINVAL);
    CHECK_OK(pawl_region_close(region));
    CHECK_ERR(
        pawl_shared_queue_create(&none, region,
                                 OPTIONS(.capacity = 1, .record_size = 1)),
        -EBADF);
    CHECK_ERR(pawl_shared_queue_open(&none, region,
                                     OPTIONS(.name = "q", .capacity = 1,
                                             .record_size = 1)),
              -EBADF);
    CHECK_ERR(pawl_shared_queue_find(&none, region, "q"), -EBADF);
    CHECK_ERR(pawl_shared_queue_at(&none, region, at), -EBADF);
    CHECK_ERR(pawl_shared_queue_remove(region, "q"), -EBADF);
    CHECK_ERR(pawl_shared_queue_put(q, "x", 2), -EBADF);
    CHECK_ERR(pawl_shared_queue_task_done(q, NULL), -EBADF);
    CHECK_ERR(pawl_shared_queue_join(q), -EBADF);
    CHECK_ERR(pawl_shared_queue_shutdown(q), -EBADF);
    CHECK_ERR((int)pawl_shared_queue_shutdown_now(q), -EBADF);
    CHECK_ERR(pawl_shared_queue_recover(q), -EBADF);
    CHECK_ERR(pawl_wait_try_any(&item, 1, NULL), -EBADF);
    CHECK(!pawl_shared_queue_is_shutdown(q));
    CHECK_EQ(pawl_shared_queue_size(q), 0);
    CHECK_EQ(pawl_shared_queue_unfinished(q), 0);
    CHECK(none == NULL);
    pawl_shared_queue_free(q);
    pawl_region_free(region);
}

TEST(shared_queue.close_is_the_callers_only)
{
    pawl_shared_queue *q =
        make(OPTIONS(.name = "q", .capacity = 2, .record_size = SIZE));
    pawl_shared_queue *other;

    CHECK_OK(pawl_shared_queue_find(&other, region, "q"));
    put(q, "x");
    CHECK_OK(pawl_shared_queue_close(q));
    CHECK_OK(pawl_shared_queue_close(q)); /* H-21: idempotent */
    get_nothing(q, -EBADF);
    CHECK_ERR(pawl_shared_queue_try_put(q, "y", 2), -EBADF);
    CHECK_ERR(pawl_shared_queue_shutdown(q), -EBADF);
    get(other, "x");
    put(other, "z");
    CHECK_OK(pawl_region_close(region));
    get_nothing(other, -EBADF);
    pawl_shared_queue_free(q);
    pawl_shared_queue_free(other);
    pawl_region_free(region);
}

static void wait_for_one(void *q)
{
    char buffer[SIZE];

    CHECK_ERR((int)pawl_shared_queue_get(q, buffer, SIZE), -EBADF);
    CHECK_OK(pawl_region_leave(region));
}

TEST(shared_queue.close_ends_the_waits_of_this_handle)
{
    pawl_shared_queue *q = make(OPTIONS(.capacity = 2, .record_size = SIZE));
    struct test_thread *t = test_thread(wait_for_one, q);

    test_until_asleep(test_tid(t));
    CHECK_OK(pawl_shared_queue_close(q));
    test_join(t);
}

TEST(shared_queue.shutdown_delivers_what_is_there)
{
    pawl_shared_queue *q = make(OPTIONS(.capacity = 3, .record_size = SIZE));

    put(q, "a");
    CHECK(!pawl_shared_queue_is_shutdown(q));
    CHECK_OK(pawl_shared_queue_shutdown(q));
    CHECK_OK(pawl_shared_queue_shutdown(q));
    CHECK(pawl_shared_queue_is_shutdown(q));
    CHECK_ERR(pawl_shared_queue_try_put(q, "b", 2), -ESHUTDOWN);
    CHECK_ERR(pawl_shared_queue_put(q, "b", 2), -ESHUTDOWN);
    get(q, "a");
    get_nothing(q, -ESHUTDOWN);
}

static void put_into_full(void *q)
{
    CHECK_OK(pawl_shared_queue_put(q, "3", 2));
}

TEST(shared_queue.put_waits_for_room)
{
    pawl_shared_queue *q = make(OPTIONS(.capacity = 2, .record_size = SIZE));
    struct test_thread *t;

    put(q, "1");
    put(q, "2");
    t = test_thread(put_into_full, q);
    test_until_asleep(test_tid(t));
    get(q, "1");
    test_join(t);
    get(q, "2");
    get(q, "3");
}

static void put_nine(void *q)
{
    CHECK_OK(pawl_shared_queue_put(q, "33333333", 9));
}

/* at another address it is the same: what is there, who sleeps, and who holds
 * a task. */
static void check_mappings(enum pawl_shared_queue_kind kind)
{
    pawl_shared_queue *q =
        make(OPTIONS(.name = "q", .capacity = 2, .record_size = SIZE,
                     .kind = kind, .tasks = PAWL_TASKS_AGAIN));
    pawl_region *again;
    pawl_shared_queue *there;
    pawl_shared_task task;
    char buffer[SIZE];
    struct test_thread *t;

    CHECK_OK(pawl_region_attach_fd(&again, pawl_region_fd(region)));
    CHECK(pawl_region_base(again) != pawl_region_base(region));
    CHECK_OK(pawl_shared_queue_find(&there, again, "q"));
    CHECK_EQ(pawl_shared_queue_offset(q), pawl_shared_queue_offset(there));
    put(q, "11111111");
    put(there, "22222222");
    CHECK_EQ(pawl_shared_queue_size(q), 2);
    t = test_thread(put_nine, q);
    test_until_asleep(test_tid(t));
    CHECK_EQ(pawl_shared_queue_try_get_task(there, buffer, SIZE, &task), 9);
    test_join(t);
    CHECK_EQ(pawl_shared_queue_unfinished(q), 3);
    CHECK_OK(pawl_shared_queue_task_done(q, &task));
    CHECK_ERR(pawl_shared_queue_task_done(there, &task), -EOVERFLOW);
    CHECK_OK(pawl_shared_queue_shutdown(there));
    CHECK_EQ(pawl_shared_queue_shutdown_now(q), 2);
    pawl_shared_queue_free(q);
    pawl_shared_queue_free(there);
    CHECK_OK(pawl_shared_queue_remove(again, "q"));
    pawl_region_free(again);
}

TEST(shared_queue.is_the_same_at_every_address)
{
    check_mappings(PAWL_SHARED_FIFO);
    check_mappings(PAWL_SHARED_LIFO);
    check_mappings(PAWL_SHARED_DEQUE);
    check_mappings(PAWL_SHARED_PRIORITY);
}

/* ---- tasks -------------------------------------------------------------------- */

static pawl_shared_queue *with_tasks(enum pawl_shared_tasks tasks)
{
    return make(OPTIONS(.capacity = 3, .record_size = SIZE, .tasks = tasks,
                        .in_hand = 2));
}

TEST(shared_queue.tasks_are_counted_until_done)
{
    pawl_shared_queue *q = with_tasks(PAWL_TASKS_GONE);

    CHECK_OK(pawl_shared_queue_try_join(q)); /* nothing was put */
    CHECK_ERR(pawl_shared_queue_task_done(q, NULL), -EOVERFLOW);
    put(q, "a");
    put(q, "b");
    CHECK_ERR(pawl_shared_queue_task_done(q, NULL), -EOVERFLOW);
    CHECK_ERR(pawl_shared_queue_try_join(q), -EAGAIN);
    get(q, "a");
    get(q, "b");
    CHECK_EQ(pawl_shared_queue_unfinished(q), 2);
    CHECK_ERR(pawl_shared_queue_join_until(q, 0), -ETIMEDOUT);
    CHECK_OK(pawl_shared_queue_task_done(q, NULL));
    CHECK_ERR(pawl_shared_queue_try_join(q), -EAGAIN);
    CHECK_OK(pawl_shared_queue_task_done(q, NULL));
    CHECK_OK(pawl_shared_queue_join(q));
    CHECK_ERR(pawl_shared_queue_task_done(q, NULL), -EOVERFLOW); /* H-25 */
    CHECK_EQ(pawl_shared_queue_unfinished(q), 0);
}

static void check_tickets(pawl_shared_queue *q)
{
    char buffer[SIZE];
    pawl_shared_task one;
    pawl_shared_task two;

    put(q, "a");
    put(q, "b");
    put(q, "c");
    CHECK_EQ(pawl_shared_queue_try_get_task(q, buffer, SIZE, &one), 2);
    CHECK_EQ(pawl_shared_queue_get_task(q, buffer, SIZE, &two), 2);
    CHECK_OK(pawl_shared_queue_task_done(q, &one));
    CHECK_ERR(pawl_shared_queue_task_done(q, &one), -EOVERFLOW); /* W-48 */
    put(q, "d");
    get(q, "c");
    get(q, "d");
    CHECK_ERR(pawl_shared_queue_task_done(q, &one), -EOVERFLOW);
    CHECK_OK(pawl_shared_queue_task_done(q, &two));
    CHECK_OK(pawl_shared_queue_task_done(q, NULL));
    CHECK_OK(pawl_shared_queue_task_done(q, NULL));
    CHECK_OK(pawl_shared_queue_try_join(q));
}

TEST(shared_queue.a_task_is_done_once)
{
    check_tickets(with_tasks(PAWL_TASKS_AGAIN));
    check_tickets(
        make(OPTIONS(.capacity = 3, .record_size = SIZE,
                     .kind = PAWL_SHARED_DEQUE, .tasks = PAWL_TASKS_AGAIN)));
}

TEST(shared_queue.without_tasks_has_none)
{
    pawl_shared_queue *q = make(OPTIONS(.capacity = 3, .record_size = SIZE));

    put(q, "a");
    get(q, "a");
    CHECK_ERR(pawl_shared_queue_task_done(q, NULL), -EINVAL);
    CHECK_ERR(pawl_shared_queue_join(q), -EINVAL);
    CHECK_EQ(pawl_shared_queue_unfinished(q), 0);
}

static void join_it(void *q)
{
    CHECK_OK(pawl_shared_queue_join(q));
}

TEST(shared_queue.join_waits_for_the_last)
{
    pawl_shared_queue *q = with_tasks(PAWL_TASKS_AGAIN);
    struct test_thread *t;

    put(q, "a");
    t = test_thread(join_it, q);
    test_until_asleep(test_tid(t));
    get(q, "a");
    CHECK_OK(pawl_shared_queue_task_done(q, NULL));
    test_join(t);
}

TEST(shared_queue.shutdown_now_counts_what_is_there_as_done)
{
    pawl_shared_queue *q = with_tasks(PAWL_TASKS_AGAIN);

    put(q, "a");
    put(q, "b");
    put(q, "c");
    get(q, "a");
    CHECK_EQ(pawl_shared_queue_shutdown_now(q), 2);
    CHECK_ERR(pawl_shared_queue_try_join(q), -EAGAIN); /* one in hand */
    CHECK_OK(pawl_shared_queue_task_done(q, NULL));
    CHECK_OK(pawl_shared_queue_try_join(q));
    CHECK_EQ(pawl_shared_queue_shutdown_now(q), 0);
}

/* What is there can be taken out as long as it can be held. */
static void check_full_hands(enum pawl_shared_queue_kind kind, size_t hands)
{
    enum { MOST = 8 };
    pawl_shared_queue *q = make(OPTIONS(.capacity = 2 * MOST, .record_size = 8,
                                        .kind = kind,
                                        .tasks = PAWL_TASKS_AGAIN));
    uint64_t n[2 * MOST] = {0};

    CHECK_EQ(pawl_shared_queue_try_put_many(q, n, 8, NULL, hands + 3),
             hands + 3);
    CHECK_EQ(pawl_shared_queue_try_get_many(q, n, 8, NULL, NULL, hands + 3),
             hands);
    CHECK_EQ(pawl_shared_queue_shutdown_now(q), -ENOMEM);
    CHECK(pawl_shared_queue_is_shutdown(q));
    CHECK_EQ(pawl_shared_queue_size(q), 3);
    CHECK_OK(pawl_shared_queue_task_done(q, NULL));
    CHECK_EQ(pawl_shared_queue_shutdown_now(q), 3);
    CHECK_EQ(pawl_shared_queue_unfinished(q), hands - 1);
}

TEST(shared_queue.shutdown_now_waits_for_no_hands)
{
    check_full_hands(PAWL_SHARED_FIFO, 4 + 4); /* participants, and spare ones */
    check_full_hands(PAWL_SHARED_LIFO, 4);
}

static void get_and_end(void *q)
{
    get(q, "a");
}

TEST(shared_queue.tasks_of_the_dead_are_done_or_come_again)
{
    pawl_shared_queue *q = with_tasks(PAWL_TASKS_AGAIN);

    put(q, "a");
    put(q, "b");
    test_join(test_thread(get_and_end, q));
    CHECK_EQ(pawl_shared_queue_unfinished(q), 2);
    CHECK_EQ(pawl_shared_queue_recover(q), 1);
    get(q, "a"); /* before the others */
    CHECK_OK(pawl_shared_queue_task_done(q, NULL));
    get(q, "b");
    CHECK_OK(pawl_shared_queue_task_done(q, NULL));
    put(q, "a");
    test_join(test_thread(get_and_end, q));
    CHECK_OK(pawl_shared_queue_shutdown(q));
    get(q, "a"); /* still delivered */
    get_nothing(q, -ESHUTDOWN);
    CHECK_OK(pawl_shared_queue_task_done(q, NULL));
    CHECK_OK(pawl_shared_queue_try_join(q));

    q = with_tasks(PAWL_TASKS_GONE);
    put(q, "a");
    test_join(test_thread(get_and_end, q));
    CHECK_OK(pawl_shared_queue_join(q));
    get_nothing(q, -EAGAIN);
}

/* More die with a task than there are hands: none is lost. */
TEST(shared_queue.hands_of_the_dead_come_back)
{
    pawl_shared_queue *q = with_tasks(PAWL_TASKS_AGAIN);

    put(q, "a");
    for (int i = 0; i < 100; i++)
        test_join(test_thread(get_and_end, q));
    get(q, "a");
    get_nothing(q, -EAGAIN);
    CHECK_OK(pawl_shared_queue_task_done(q, NULL));
    CHECK_OK(pawl_shared_queue_try_join(q));
    put(q, "1");
    put(q, "2");
    put(q, "3");
    CHECK_ERR(pawl_shared_queue_try_put(q, "4", 2), -EAGAIN);
}

static void try_to_take_part(void *q)
{
    CHECK_ERR(pawl_shared_queue_try_put(q, "x", 2), -ENOMEM);
}

static void stay(void *arg)
{
    CHECK(pawl_region_join(region) > 0);
    if (--*(int *)arg > 0)
        test_join(test_thread(stay, arg));
    else
        test_join(test_thread(try_to_take_part, *(void **)((char *)arg + 8)));
}

TEST(shared_queue.says_when_too_many_take_part)
{
    struct {
        int n;
        int unused;
        void *q;
    } arg = {.n = 3}; /* with this thread, 4 */

    arg.q = make(OPTIONS(.capacity = 3, .record_size = SIZE));
    CHECK(pawl_region_join(region) > 0);
    test_join(test_thread(stay, &arg));
}

/* ---- many at once: Q-21, H-26 ------------------------------------------------------- */

enum { MANY = 5 };

struct batch {
    char records[MANY][SIZE];
    size_t bytes[MANY];
};

static void fill_batch(struct batch *b, const char *texts)
{
    memset(b, 0, sizeof *b);
    for (int i = 0; i < MANY; i++) {
        b->bytes[i] = (size_t)(texts[i] - '0') * 8;
        memset(b->records[i], texts[i], b->bytes[i]);
    }
}

static int64_t try_put_many(pawl_shared_queue *q, const struct batch *b,
                            size_t n)
{
    return pawl_shared_queue_try_put_many(q, b->records, SIZE, b->bytes, n);
}

/* The next ones, of up to n asked for, are those of such lengths. */
static void get_many(pawl_shared_queue *q, size_t n, const char *texts)
{
    struct batch b;
    int64_t got;

    memset(&b, '#', sizeof b);
    got = pawl_shared_queue_try_get_many(q, b.records, SIZE, b.bytes, NULL, n);
    CHECK_EQ(got, strlen(texts));
    for (int64_t i = 0; i < got; i++) {
        struct batch expected;

        fill_batch(&expected, "00000");
        memset(expected.records[0], texts[i], (size_t)(texts[i] - '0') * 8);
        CHECK_EQ(b.bytes[i], (size_t)(texts[i] - '0') * 8);
        CHECK(memcmp(b.records[i], expected.records[0], b.bytes[i]) == 0);
        if (b.bytes[i] < SIZE)
            CHECK_EQ(b.records[i][b.bytes[i]], '#');
    }
}

static void check_many(enum pawl_shared_queue_kind kind,
                       enum pawl_shared_tasks tasks)
{
    bool lifo = kind == PAWL_SHARED_LIFO;
    pawl_shared_queue *q =
        make(OPTIONS(.capacity = 4, .record_size = SIZE, .kind = kind,
                     .tasks = tasks, .in_hand = tasks ? MANY : 0));
    struct batch b;

    for (int round = 0; round < 5; round++) {
        fill_batch(&b, "12345");
        CHECK_EQ(try_put_many(q, &b, 3), 3);
        CHECK_EQ(try_put_many(q, &b, MANY), 1); /* what fits */
        CHECK_ERR((int)try_put_many(q, &b, MANY), -EAGAIN);
        CHECK_EQ(pawl_shared_queue_size(q), 4);
        get_many(q, 2,
                 lifo                           ? "13"
                 : kind == PAWL_SHARED_PRIORITY ? "11"
                                                : "12");
        fill_batch(&b, "54321");
        CHECK_EQ(try_put_many(q, &b, 1), 1);
        if (lifo)
            get_many(q, MANY, "521");
        else
            get_many(q, MANY, kind == PAWL_SHARED_PRIORITY ? "235" : "315");
        CHECK_ERR((int)pawl_shared_queue_try_get_many(q, b.records, SIZE,
                                                      b.bytes, NULL, MANY),
                  -EAGAIN);
        if (tasks == PAWL_TASKS_NONE)
            continue;
        CHECK_EQ(pawl_shared_queue_unfinished(q), MANY);
        for (int i = 0; i < MANY; i++)
            CHECK_OK(pawl_shared_queue_task_done(q, NULL));
        CHECK_ERR(pawl_shared_queue_task_done(q, NULL), -EOVERFLOW);
        CHECK_OK(pawl_shared_queue_try_join(q));
    }
}

TEST(shared_queue.many_are_put_and_got_at_once)
{
    check_many(PAWL_SHARED_FIFO, PAWL_TASKS_NONE);
    check_many(PAWL_SHARED_FIFO, PAWL_TASKS_AGAIN);
    check_many(PAWL_SHARED_LIFO, PAWL_TASKS_NONE);
    check_many(PAWL_SHARED_PRIORITY, PAWL_TASKS_AGAIN);
    check_many(PAWL_SHARED_DEQUE, PAWL_TASKS_AGAIN);
}

/* Without lengths they are as long as they are apart, and not told. */
TEST(shared_queue.many_of_one_length_need_no_lengths)
{
    pawl_shared_queue *q = make(OPTIONS(.capacity = 4, .record_size = SIZE));
    uint64_t in[3] = {1, 2, 3};
    char out[3][SIZE];

    CHECK_EQ(pawl_shared_queue_put_many(q, in, sizeof *in, NULL, 3), 3);
    CHECK_EQ(pawl_shared_queue_get_many(q, out, SIZE, NULL, NULL, 3), 3);
    for (int i = 0; i < 3; i++)
        CHECK(memcmp(out[i], &in[i], sizeof *in) == 0);
}

static void check_refusals(enum pawl_shared_queue_kind kind)
{
    pawl_shared_queue *q =
        make(OPTIONS(.capacity = 4, .record_size = SIZE, .kind = kind));
    struct batch b;

    fill_batch(&b, "12345");
    CHECK_EQ(try_put_many(q, &b, 0), 0);
    CHECK_EQ(
        pawl_shared_queue_try_get_many(q, b.records, SIZE, b.bytes, NULL, 0),
        0);
    b.bytes[2] = SIZE + 1;
    CHECK_ERR((int)try_put_many(q, &b, 3), -EMSGSIZE);
    CHECK_EQ(pawl_shared_queue_size(q), 0); /* none of them */
    b.bytes[2] = 9;
    CHECK_ERR((int)pawl_shared_queue_try_put_many(q, b.records, 8, b.bytes, 3),
              -EMSGSIZE);
    CHECK_ERR(
        (int)pawl_shared_queue_try_put_many(q, b.records, SIZE + 1, NULL, 3),
        -EMSGSIZE);
    CHECK_ERR((int)pawl_shared_queue_try_get_many(q, b.records, SIZE - 1,
                                                  b.bytes, NULL, 1),
              -EMSGSIZE);
    CHECK_ERR((int)pawl_shared_queue_get_many_until(q, b.records, SIZE, b.bytes,
                                                    NULL, 1, 0),
              -ETIMEDOUT);
    if (kind == PAWL_SHARED_PRIORITY) {
        b.bytes[2] = 7;
        CHECK_ERR((int)try_put_many(q, &b, 3), -EINVAL);
        CHECK_EQ(pawl_shared_queue_size(q), 0);
    }
    b.bytes[2] = 8;
    CHECK_EQ(
        pawl_shared_queue_put_many_until(q, b.records, SIZE, b.bytes, MANY, 0),
        4);
    CHECK_ERR((int)pawl_shared_queue_put_many_until(q, b.records, SIZE, b.bytes,
                                                    1, 0),
              -ETIMEDOUT);
    CHECK_OK(pawl_shared_queue_shutdown(q));
    CHECK_ERR((int)try_put_many(q, &b, 1), -ESHUTDOWN);
    CHECK_EQ(
        pawl_shared_queue_get_many(q, b.records, SIZE, b.bytes, NULL, MANY), 4);
    CHECK_ERR(
        (int)pawl_shared_queue_get_many(q, b.records, SIZE, b.bytes, NULL, 1),
        -ESHUTDOWN);
    fill_batch(&b, "12345");
    CHECK_ERR((int)pawl_shared_queue_put_many(q, b.records, SIZE, b.bytes, 1),
              -ESHUTDOWN);
    CHECK_OK(pawl_shared_queue_close(q));
    CHECK_ERR((int)try_put_many(q, &b, 1), -EBADF);
    CHECK_ERR((int)pawl_shared_queue_try_get_many(q, b.records, SIZE, b.bytes,
                                                  NULL, 1),
              -EBADF);
}

/* all errors; one that fails has put none. */
TEST(shared_queue.many_are_refused_together)
{
    check_refusals(PAWL_SHARED_FIFO);
    check_refusals(PAWL_SHARED_LIFO);
    check_refusals(PAWL_SHARED_PRIORITY);
}

/* As many as can be held; then those who wait do so until hands are free. */
TEST(shared_queue.many_are_got_as_far_as_hands_go)
{
    enum { HANDS = 4 + 4 }; /* participants, and the spare ones of a FIFO */
    pawl_shared_queue *q = make(OPTIONS(.capacity = 2 * HANDS, .record_size = 8,
                                        .tasks = PAWL_TASKS_AGAIN));
    uint64_t n[2 * HANDS] = {0};
    pawl_shared_task tasks[2 * HANDS];

    CHECK_EQ(pawl_shared_queue_try_put_many(q, n, 8, NULL, 2 * HANDS),
             2 * HANDS);
    CHECK_EQ(pawl_shared_queue_try_get_many(q, n, 8, NULL, tasks, 2 * HANDS),
             HANDS);
    CHECK_ERR((int)pawl_shared_queue_try_get_many(q, n, 8, NULL, NULL, 1),
              -ENOMEM);
    CHECK_ERR((int)pawl_shared_queue_get_many_until(q, n, 8, NULL, NULL, 1, 0),
              -ETIMEDOUT);
    for (int i = 0; i < HANDS; i++)
        CHECK_OK(pawl_shared_queue_task_done(q, &tasks[i]));
    CHECK_ERR(pawl_shared_queue_task_done(q, tasks), -EOVERFLOW);
    CHECK_EQ(pawl_shared_queue_get_many(q, n, 8, NULL, NULL, 2 * HANDS), HANDS);
}

static void get_many_and_end(void *q)
{
    get_many(q, 3, "123");
}

/* H-25, Q-23: all that a dead one held come again, or are done. */
TEST(shared_queue.many_tasks_of_the_dead_are_done_or_come_again)
{
    pawl_shared_queue *q = with_tasks(PAWL_TASKS_AGAIN);
    char seen[MANY][SIZE];
    size_t bytes[MANY];
    size_t sum = 0;
    struct batch b;

    fill_batch(&b, "12345");
    CHECK_EQ(try_put_many(q, &b, 3), 3);
    test_join(test_thread(get_many_and_end, q));
    CHECK_EQ(pawl_shared_queue_recover(q), 3);
    CHECK_EQ(pawl_shared_queue_try_get_many(q, seen, SIZE, bytes, NULL, MANY),
             3);
    for (int i = 0; i < 3; i++)
        sum += bytes[i];
    CHECK_EQ(sum, 8 + 16 + 24);
    for (int i = 0; i < 3; i++)
        CHECK_OK(pawl_shared_queue_task_done(q, NULL));
    CHECK_OK(pawl_shared_queue_try_join(q));

    q = with_tasks(PAWL_TASKS_GONE);
    CHECK_EQ(try_put_many(q, &b, 3), 3);
    test_join(test_thread(get_many_and_end, q));
    CHECK_OK(pawl_shared_queue_join(q));
}

/* ---- in a wait set: Q-20, W-14 ------------------------------------------------------ */

static int try_readable(pawl_shared_queue *q)
{
    pawl_wait_item item = PAWL_WAIT_SHARED_READABLE(q);

    return pawl_wait_try_any(&item, 1, NULL);
}

static int try_writable(pawl_shared_queue *q)
{
    pawl_wait_item item = PAWL_WAIT_SHARED_WRITABLE(q);

    return pawl_wait_try_any(&item, 1, NULL);
}

static void check_ready(enum pawl_shared_queue_kind kind)
{
    pawl_shared_queue *q =
        make(OPTIONS(.capacity = 2, .record_size = SIZE, .kind = kind));
    pawl_wait_item item = PAWL_WAIT_SHARED_READABLE(q);
    char buffer[SIZE];

    CHECK_ERR(try_readable(q), -EAGAIN);
    CHECK_OK(try_writable(q));
    put(q, "12345678");
    CHECK_OK(try_readable(q));
    CHECK_OK(try_readable(q)); /* it takes nothing */
    CHECK_OK(try_writable(q));
    put(q, "12345678");
    CHECK_ERR(try_writable(q), -EAGAIN);
    CHECK_ERR(pawl_wait_fd(&item), -EOPNOTSUPP);
    CHECK_OK(pawl_shared_queue_shutdown(q));
    CHECK_OK(try_writable(q));
    CHECK(pawl_shared_queue_get(q, buffer, SIZE) > 0);
    CHECK(pawl_shared_queue_get(q, buffer, SIZE) > 0);
    CHECK_OK(try_readable(q));
    get_nothing(q, -ESHUTDOWN);
    CHECK_OK(pawl_shared_queue_close(q));
    CHECK_ERR(try_readable(q), -EBADF);
    CHECK_ERR(try_writable(q), -EBADF);
}

TEST(shared_queue.is_ready_for_a_wait_set)
{
    check_ready(PAWL_SHARED_FIFO);
    check_ready(PAWL_SHARED_LIFO);
    check_ready(PAWL_SHARED_PRIORITY);
    check_ready(PAWL_SHARED_DEQUE);
}

struct watch {
    pawl_wait_item item;
    int answer;
};

static void wait_for_two(void *arg)
{
    struct watch *w = arg;
    pawl_shared_queue *never =
        make(OPTIONS(.capacity = 2, .record_size = SIZE));
    pawl_wait_item items[] = {PAWL_WAIT_SHARED_READABLE(never), w->item};
    size_t which = 2;

    w->answer = pawl_wait_any_until(items, 2, pawl_after_ms(20000), &which);
    if (w->answer == 0)
        CHECK_EQ(which, 1);
    CHECK_OK(pawl_region_leave(region));
}

static void check_woken(enum pawl_shared_queue_kind kind)
{
    pawl_shared_queue *q =
        make(OPTIONS(.capacity = 1, .record_size = SIZE, .kind = kind));
    struct watch w = {.item = PAWL_WAIT_SHARED_READABLE(q)};
    struct test_thread *t = test_thread(wait_for_two, &w);

    test_until_asleep(test_tid(t));
    put(q, "12345678");
    test_join(t);
    CHECK_OK(w.answer);
    w.item = PAWL_WAIT_SHARED_WRITABLE(q);
    t = test_thread(wait_for_two, &w);
    test_until_asleep(test_tid(t));
    get(q, "12345678");
    test_join(t);
    CHECK_OK(w.answer);
    w.item = PAWL_WAIT_SHARED_READABLE(q);
    t = test_thread(wait_for_two, &w);
    test_until_asleep(test_tid(t));
    CHECK_OK(pawl_shared_queue_shutdown(q));
    test_join(t);
    CHECK_OK(w.answer);
}

TEST(shared_queue.wakes_a_wait_set)
{
    check_woken(PAWL_SHARED_FIFO);
    check_woken(PAWL_SHARED_LIFO);
    check_woken(PAWL_SHARED_PRIORITY);
    check_woken(PAWL_SHARED_DEQUE);
}

TEST(shared_queue.close_ends_a_wait_in_a_set)
{
    pawl_shared_queue *q = make(OPTIONS(.capacity = 1, .record_size = SIZE));
    struct watch w = {.item = PAWL_WAIT_SHARED_READABLE(q)};
    struct test_thread *t = test_thread(wait_for_two, &w);

    test_until_asleep(test_tid(t));
    CHECK_OK(pawl_shared_queue_close(q));
    test_join(t);
    CHECK_ERR(w.answer, -EBADF);
}

TEST(shared_queue.a_task_of_the_dead_is_ready_for_a_wait_set)
{
    pawl_shared_queue *q = with_tasks(PAWL_TASKS_AGAIN);

    put(q, "a");
    test_join(test_thread(get_and_end, q));
    CHECK_OK(try_readable(q));
    get(q, "a");
    CHECK_ERR(try_readable(q), -EAGAIN); /* in a living hand */
    q = with_tasks(PAWL_TASKS_GONE);
    put(q, "a");
    test_join(test_thread(get_and_end, q));
    CHECK_ERR(try_readable(q), -EAGAIN);
}

/* ---- the other kinds ------------------------------------------------------------ */

TEST(shared_queue.lifo_is_last_in_first_out)
{
    pawl_shared_queue *q = make(
        OPTIONS(.capacity = 3, .record_size = SIZE, .kind = PAWL_SHARED_LIFO));

    for (int round = 0; round < 5; round++) {
        put(q, "a");
        put(q, "b");
        get(q, "b");
        put(q, "c");
        put(q, "d");
        CHECK_ERR(pawl_shared_queue_try_put(q, "e", 2), -EAGAIN);
        get(q, "d");
        get(q, "c");
        get(q, "a");
        get_nothing(q, -EAGAIN);
    }
    CHECK_ERR(pawl_shared_queue_try_put_front(q, "e", 2), -EINVAL);
}

struct job {
    char name[8];
    int64_t key;
};

static void put_job(pawl_shared_queue *q, const char *name, int64_t key)
{
    struct job j = {.key = key};

    strcpy(j.name, name);
    CHECK_OK(pawl_shared_queue_try_put(q, &j, sizeof j));
}

static void get_job(pawl_shared_queue *q, const char *name)
{
    struct job j;

    CHECK_EQ(pawl_shared_queue_try_get(q, &j, sizeof j), sizeof j);
    CHECK(strcmp(j.name, name) == 0);
}

static pawl_shared_queue *prio(unsigned flags, enum pawl_shared_tasks tasks)
{
    return make(OPTIONS(.capacity = 9, .record_size = sizeof(struct job),
                        .kind = PAWL_SHARED_PRIORITY, .tasks = tasks,
                        .key_offset = offsetof(struct job, key),
                        .flags = flags));
}

static void get_least_and_end(void *q)
{
    get_job(q, "b");
}

TEST(shared_queue.priority_keeps_the_order_of_equals)
{
    pawl_shared_queue *q = prio(PAWL_QUEUE_SIGNED, PAWL_TASKS_NONE);

    put_job(q, "c", 0);
    put_job(q, "a", -2);
    put_job(q, "d", 0);
    put_job(q, "g", 7);
    put_job(q, "e", 0);
    put_job(q, "b", -1);
    put_job(q, "f", 0);
    get_job(q, "a");
    get_job(q, "b");
    get_job(q, "c");
    get_job(q, "d");
    get_job(q, "e");
    get_job(q, "f");
    get_job(q, "g");
    CHECK_ERR(pawl_shared_queue_try_put(q, "too short", 10), -EINVAL);
    q = prio(PAWL_QUEUE_MAX_FIRST, PAWL_TASKS_NONE);
    put_job(q, "1", 1);
    put_job(q, "-1", -1); /* a great number, unsigned */
    get_job(q, "-1");
    get_job(q, "1");
}

TEST(shared_queue.priority_takes_tasks_of_the_dead_back_to_their_places)
{
    pawl_shared_queue *q = prio(0, PAWL_TASKS_AGAIN);

    put_job(q, "c", 2);
    put_job(q, "b", 1);
    put_job(q, "b2", 1);
    test_join(test_thread(get_least_and_end, q));
    put_job(q, "a", 0);
    CHECK_EQ(pawl_shared_queue_recover(q), 1);
    get_job(q, "a");
    get_job(q, "b");
    get_job(q, "b2");
    get_job(q, "c");
    for (int i = 0; i < 4; i++)
        CHECK_OK(pawl_shared_queue_task_done(q, NULL));
    CHECK_ERR(pawl_shared_queue_task_done(q, NULL), -EOVERFLOW);
    CHECK_OK(pawl_shared_queue_try_join(q));
}

static void get_back(pawl_shared_queue *q, const char *text)
{
    char buffer[SIZE];

    CHECK_EQ(pawl_shared_queue_try_get_back(q, buffer, SIZE), strlen(text) + 1);
    CHECK(strcmp(buffer, text) == 0);
}

TEST(shared_queue.deque_has_two_ends)
{
    pawl_shared_queue *q =
        make(OPTIONS(.capacity = 3, .record_size = SIZE,
                     .kind = PAWL_SHARED_DEQUE, .tasks = PAWL_TASKS_AGAIN));

    for (int round = 0; round < 5; round++) {
        put(q, "b");
        CHECK_OK(pawl_shared_queue_put_front(q, "a", 2));
        CHECK_OK(pawl_shared_queue_put_front_until(q, "z", 2, 0));
        CHECK_ERR(pawl_shared_queue_try_put_front(q, "x", 2), -EAGAIN);
        get_back(q, "b");
        get(q, "z");
        CHECK_OK(pawl_shared_queue_task_done(q, NULL));
        put(q, "c");
        get(q, "a");
        get(q, "c");
        CHECK_EQ(pawl_shared_queue_unfinished(q), 3);
        for (int i = 0; i < 3; i++)
            CHECK_OK(pawl_shared_queue_task_done(q, NULL));
        CHECK_OK(pawl_shared_queue_try_join(q));
    }
    test_join(test_thread(put_into_full, q));
    CHECK_OK(pawl_shared_queue_put_front(q, "a", 2));
    test_join(test_thread(get_and_end, q));
    CHECK_EQ(pawl_shared_queue_recover(q), 1);
    CHECK_OK(pawl_shared_queue_shutdown(q));
    get(q, "a");
    get_back(q, "3");
    get_nothing(q, -ESHUTDOWN);
}
