/* SPDX-License-Identifier: MIT
 *
 * region_full_test.c - R-01, R-10: a region in which others have all the places.  What
 * needs one says so, and has done nothing; what needs none works; and when a place is
 * free, all goes.
 */
#include <string.h>

#include <pawl/error.h>
#include <pawl/event.h>
#include <pawl/ledger.h>
#include <pawl/list.h>
#include <pawl/memory.h>
#include <pawl/mutex.h>
#include <pawl/object.h>
#include <pawl/once.h>
#include <pawl/parties.h>
#include <pawl/region.h>
#include <pawl/rwlock.h>
#include <pawl/shared_queue.h>
#include <pawl/value.h>
#include <pawl/wait.h>

#include "test.h"

struct stayer {
    pawl_event has_it;
    pawl_event may_end;
    struct test_thread *thread;
};

static pawl_region *region;
static struct stayer other;
static char *buffer;

static void make(void)
{
    CHECK_OK(pawl_region_create(
        &region, &(pawl_region_options){
                     .participants = 1, .heap = 1 << 17, .buffer = 4096}));
    buffer = pawl_region_buffer(region, NULL);
    CHECK(pawl_region_join(region) > 0);
}

static void stay(void *unused)
{
    (void)unused;
    CHECK(pawl_region_join(region) > 0);
    pawl_event_set(&other.has_it);
    CHECK_OK(pawl_event_wait(&other.may_end));
}

/* Another thread has the place that we had. */
static void fill(void)
{
    CHECK_OK(pawl_region_leave(region));
    other.thread = test_thread(stay, NULL);
    CHECK_OK(pawl_event_wait(&other.has_it));
    CHECK_ERR(pawl_region_join(region), -EAGAIN);
    CHECK_ERR(pawl_region_leave(region), -ENOENT);
    CHECK_EQ(pawl_region_recover(region), 0);
    CHECK_EQ(pawl_region_participants(region), 1);
}

static void make_room(void)
{
    pawl_event_set(&other.may_end);
    test_join(other.thread);
}

TEST(region_full.memory)
{
    pawl_offset *where;
    pawl_offset block;
    pawl_offset o = 7;
    pawl_memory_stats before;
    pawl_memory_stats after;

    make();
    where = (pawl_offset *)(void *)buffer;
    CHECK_OK(pawl_memory_alloc(region, 40, 0, PAWL_MEMORY_KEPT, &block));
    fill();
    *where = block;
    CHECK_OK(pawl_memory_get_stats(region, &before));
    CHECK_ERR(pawl_memory_alloc(region, 40, 0, 0, &o), -EAGAIN);
    CHECK_ERR(pawl_memory_publish(region, block, where), -EAGAIN);
    CHECK_ERR(pawl_memory_keep(region, block), -EAGAIN);
    CHECK_ERR(pawl_memory_free(region, block), -EAGAIN);
    CHECK_ERR(pawl_memory_free_at(region, where), -EAGAIN);
    CHECK_EQ(o, 7);
    CHECK_EQ(*where, block);
    CHECK_OK(pawl_memory_get_stats(region, &after));
    CHECK(memcmp(&before, &after, sizeof before) == 0);
    CHECK_EQ(pawl_memory_size(region, block), 48);
    make_room();
    CHECK_OK(pawl_memory_free_at(region, where));
}

TEST(region_full.objects)
{
    pawl_object o = {.name = "there", .bytes = 8};
    pawl_object none = {.name = "none", .bytes = 8};
    void *p;
    void *q = NULL;

    make();
    CHECK_OK(pawl_object_create(region, &o, NULL, NULL, &p));
    fill();
    CHECK_ERR(pawl_object_create(region, &none, NULL, NULL, &q), -EAGAIN);
    CHECK_ERR(pawl_object_open(region, &none, NULL, NULL, &q), -EAGAIN);
    CHECK_ERR(pawl_object_remove(region, "there"), -EAGAIN);
    CHECK_ERR(pawl_object_find(region, &none, &q), -ENOENT);
    CHECK(q == NULL);
    CHECK_OK(pawl_object_find(region, &o, &q));
    CHECK_OK(pawl_object_open(region, &o, NULL, NULL, &q));
    CHECK(p == q);
    make_room();
    CHECK_OK(pawl_object_remove(region, "there"));
}

TEST(region_full.lists_and_arrays)
{
    const pawl_item one = {.kind = PAWL_ITEM_INTEGER, .integer = 1};
    pawl_item x;
    pawl_list *l;
    pawl_array *a;
    int n = 1;

    make();
    CHECK_OK(pawl_list_init(&l, buffer, 1024, 1, NULL));
    CHECK_OK(pawl_array_init(&a, buffer + 1024, 1024, 5, 1, PAWL_SHARED));
    fill();
    CHECK_ERR(pawl_list_set(region, l, 0, &one), -EAGAIN);
    CHECK_OK(pawl_list_get(l, 0, &x, NULL, 0));
    CHECK_EQ(x.kind, PAWL_ITEM_NONE);
    CHECK_ERR(pawl_array_set(a, 0, "x"), -EAGAIN);
    CHECK_ERR(pawl_array_get(a, 0, &n), -EAGAIN);
    CHECK_ERR(pawl_array_set_text(a, "x"), -EAGAIN);
    CHECK_ERR((int)pawl_array_get_text(a, (char *)&n, 4), -EAGAIN);
    CHECK_EQ(n, 1);
    CHECK_EQ(*(char *)pawl_array_at(a, 0), 0);
    make_room();
    CHECK_OK(pawl_list_set(region, l, 0, &one));
    CHECK_OK(pawl_array_set_text(a, "x"));
}

static int never(void *arg)
{
    (void)arg;
    CHECK(false);
    return 0;
}

static int nothing(void *arg)
{
    (void)arg;
    return 0;
}

struct locks {
    pawl_mutex mutex[2];
    pawl_rwlock rwlock;
    pawl_once once;
};

TEST(region_full.locks)
{
    struct locks *k;
    pawl_mutex *both[2];

    make();
    k = (struct locks *)(void *)buffer;
    for (int i = 0; i < 2; i++) {
        CHECK_OK(pawl_mutex_init(&k->mutex[i], PAWL_SHARED));
        both[i] = &k->mutex[i];
    }
    CHECK_OK(pawl_rwlock_init(&k->rwlock, PAWL_SHARED));
    CHECK_OK(pawl_once_init(&k->once, PAWL_SHARED));
    fill();
    CHECK_ERR(pawl_mutex_lock_until(both[0], 0), -EAGAIN);
    CHECK_ERR(pawl_mutex_lock_many(both, 2), -EAGAIN);
    CHECK_ERR(pawl_mutex_try_lock_many(both, 2), -EAGAIN);
    CHECK_ERR(pawl_mutex_unlock_many(both, 2), -EPERM);
    CHECK(!pawl_mutex_is_locked(both[0]) && !pawl_mutex_is_locked(both[1]));
    CHECK_ERR(pawl_rwlock_try_read_lock(&k->rwlock), -EAGAIN);
    CHECK_ERR(pawl_rwlock_try_write_lock(&k->rwlock), -EAGAIN);
    CHECK_EQ(pawl_rwlock_readers(&k->rwlock), 0);
    CHECK_ERR(pawl_once_run(&k->once, never, NULL), -EAGAIN);
    CHECK_ERR(pawl_once_try_run(&k->once, never, NULL), -EAGAIN);
    CHECK(!pawl_once_is_done(&k->once));
    make_room();
    CHECK_OK(pawl_mutex_lock_many(both, 2));
    CHECK_OK(pawl_mutex_unlock_many(both, 2));
    CHECK_OK(pawl_once_run(&k->once, nothing, NULL));
}

TEST(region_full.permits_and_parties)
{
    pawl_ledger *l;
    pawl_parties *p;

    make();
    CHECK_OK(pawl_ledger_init(&l, buffer, 1024, 2));
    CHECK_OK(pawl_parties_init(&p, buffer + 1024, 1024, 2));
    fill();
    CHECK_ERR(pawl_ledger_acquire(l, region), -ENOMEM);
    CHECK_ERR(pawl_ledger_try_acquire(l, region), -ENOMEM);
    CHECK_ERR(pawl_ledger_acquire_until(l, region, 0), -ENOMEM);
    CHECK_ERR(pawl_ledger_release(l, region), -ENOMEM);
    CHECK_EQ(pawl_ledger_held(l, region), 0);
    CHECK_EQ(pawl_ledger_value(l, region), 2);
    CHECK_ERR(pawl_parties_wait(p, region), -ENOMEM);
    CHECK_ERR(pawl_parties_wait_until(p, region, 0), -ENOMEM);
    CHECK_ERR(pawl_parties_try_wait(p, region), -ENOMEM);
    CHECK_ERR(pawl_parties_leave(p, region), -ENOMEM);
    CHECK_ERR(pawl_parties_reset(p, region), -ENOMEM);
    CHECK(!pawl_barrier_broken(pawl_parties_barrier(p)));
    CHECK_EQ(pawl_barrier_n_waiting(pawl_parties_barrier(p)), 0);
    make_room();
    CHECK_OK(pawl_ledger_acquire(l, region));
    CHECK_ERR(pawl_parties_wait_until(p, region, 0), -ETIMEDOUT);
}

static void check_queue(enum pawl_shared_queue_kind kind)
{
    pawl_shared_queue_options o = {.name = "queue",
                                   .capacity = 2,
                                   .record_size = 8,
                                   .kind = kind,
                                   .tasks = PAWL_TASKS_AGAIN};
    pawl_shared_queue *none = NULL;
    pawl_shared_queue *q;
    pawl_wait_item ends[2];
    uint64_t n = 5;

    make();
    CHECK_OK(pawl_shared_queue_create(&q, region, &o));
    CHECK_OK(pawl_shared_queue_put(q, &n, sizeof n));
    fill();
    o.name = "another";
    CHECK_ERR(pawl_shared_queue_create(&none, region, &o), -EAGAIN);
    CHECK_ERR(pawl_shared_queue_open(&none, region, &o), -EAGAIN);
    o.name = NULL;
    CHECK_ERR(pawl_shared_queue_create(&none, region, &o), -EAGAIN);
    CHECK_ERR(pawl_shared_queue_remove(region, "queue"), -EAGAIN);
    CHECK_ERR(pawl_shared_queue_find(&none, region, "another"), -ENOENT);
    CHECK(none == NULL);
    CHECK_OK(pawl_shared_queue_find(&none, region, "queue"));
    pawl_shared_queue_free(none);

    CHECK_ERR(pawl_shared_queue_put(q, &n, sizeof n), -ENOMEM);
    CHECK_ERR(pawl_shared_queue_try_put(q, &n, sizeof n), -ENOMEM);
    CHECK_ERR(pawl_shared_queue_put_front(q, &n, sizeof n), -ENOMEM);
    CHECK_ERR((int)pawl_shared_queue_put_many(q, &n, sizeof n, NULL, 1),
              -ENOMEM);
    CHECK_ERR((int)pawl_shared_queue_get(q, &n, sizeof n), -ENOMEM);
    CHECK_ERR((int)pawl_shared_queue_try_get(q, &n, sizeof n), -ENOMEM);
    CHECK_ERR((int)pawl_shared_queue_get_back(q, &n, sizeof n), -ENOMEM);
    CHECK_ERR((int)pawl_shared_queue_get_many(q, &n, sizeof n, NULL, NULL, 1),
              -ENOMEM);
    CHECK_ERR(pawl_shared_queue_task_done(q, NULL), -ENOMEM);
    CHECK_ERR(pawl_shared_queue_join(q), -ENOMEM);
    CHECK_ERR(pawl_shared_queue_try_join(q), -ENOMEM);
    CHECK_ERR(pawl_shared_queue_recover(q), -ENOMEM);
    CHECK_ERR(pawl_shared_queue_shutdown(q), -ENOMEM);
    CHECK_ERR((int)pawl_shared_queue_shutdown_now(q), -ENOMEM);
    ends[0] = PAWL_WAIT_SHARED_READABLE(q);
    ends[1] = PAWL_WAIT_SHARED_WRITABLE(q);
    for (int i = 0; i < 2; i++)
        CHECK_ERR(pawl_wait_try_any(&ends[i], 1, NULL), -ENOMEM);
    CHECK(!pawl_shared_queue_is_shutdown(q));

    make_room();
    CHECK_EQ(pawl_shared_queue_unfinished(q), 1);
    CHECK_EQ(pawl_shared_queue_get(q, &n, sizeof n), sizeof n);
    CHECK_EQ(n, 5);
    CHECK_OK(pawl_shared_queue_shutdown(q));
    CHECK(pawl_shared_queue_is_shutdown(q));
    memset(&other, 0, sizeof other);
    fill();
    CHECK(pawl_shared_queue_is_shutdown(q)); /* never false again */
    make_room();
    pawl_shared_queue_free(q);
    pawl_region_free(region);
    memset(&other, 0, sizeof other);
}

TEST(region_full.queues)
{
    check_queue(PAWL_SHARED_FIFO);
    check_queue(PAWL_SHARED_LIFO);
}
