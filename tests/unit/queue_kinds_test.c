/* SPDX-License-Identifier: MIT
 *
 * queue_kinds_test.c - what all kinds of queues have in common, and what each has
 * for itself; the bounded FIFO has queue_test.c.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <pawl/error.h>
#include <pawl/queue.h>
#include <pawl/stack.h>

#include "exhausted.h"
#include "puppet.h"
#include "test.h"

struct element {
    int64_t key;
    int32_t id;
    char rest[12]; /* none of the sizes that have a format of their own */
};

static int by_key(const void *a, const void *b, void *context)
{
    int64_t x = ((const struct element *)a)->key;
    int64_t y = ((const struct element *)b)->key;

    ++*(int *)context;
    return (x > y) - (x < y);
}

static int comparisons;

#define ELEMENT .element_size = sizeof(struct element)

static const pawl_queue_options bounded[] = {
    {.capacity = 5, ELEMENT},
    {.capacity = 5, ELEMENT, .kind = PAWL_QUEUE_LIFO},
    {.capacity = 5,
     ELEMENT,
     .kind = PAWL_QUEUE_PRIORITY,
     .flags = PAWL_QUEUE_SIGNED},
    {.capacity = 5,
     ELEMENT,
     .kind = PAWL_QUEUE_PRIORITY,
     .compare = by_key,
     .context = &comparisons},
};
enum { BOUNDED = sizeof bounded / sizeof bounded[0] };

static const pawl_queue_options unbounded[] = {
    {ELEMENT, .flags = PAWL_UNBOUNDED},
    {ELEMENT, .flags = PAWL_UNBOUNDED, .kind = PAWL_QUEUE_LIFO},
    {ELEMENT, .flags = PAWL_UNBOUNDED | PAWL_QUEUE_SIGNED,
     .kind = PAWL_QUEUE_PRIORITY},
    {ELEMENT, .flags = PAWL_UNBOUNDED, .kind = PAWL_QUEUE_PRIORITY,
     .compare = by_key, .context = &comparisons},
};
enum { UNBOUNDED = sizeof unbounded / sizeof unbounded[0] };
enum { ALL = BOUNDED + UNBOUNDED };

static const pawl_queue_options *options(int i)
{
    return i < BOUNDED ? &bounded[i] : &unbounded[i - BOUNDED];
}

static pawl_queue *make(const pawl_queue_options *o)
{
    pawl_queue *q = NULL;

    CHECK_OK(pawl_queue_create(&q, o));
    CHECK_EQ(pawl_queue_capacity(q), o->capacity);
    CHECK_EQ(pawl_queue_element_size(q), o->element_size);
    return q;
}

static struct element element(int64_t key, int id)
{
    struct element e = {.key = key, .id = id};

    memset(e.rest, id, sizeof e.rest);
    return e;
}

static void put(pawl_queue *q, int64_t key, int id)
{
    struct element e = element(key, id);

    CHECK_OK(pawl_queue_try_put(q, &e));
}

static int get(pawl_queue *q)
{
    struct element e;
    struct element want;

    CHECK_OK(pawl_queue_try_get(q, &e));
    want = element(e.key, e.id);
    CHECK_EQ(memcmp(&e, &want, sizeof e.rest + 12), 0);
    return e.id;
}

/* Which of n elements, put in order with key 0, comes as the i-th. */
static int nth(const pawl_queue_options *o, int i, int n)
{
    return o->kind == PAWL_QUEUE_LIFO ? n - 1 - i : i;
}

/* ---- making one ----------------------------------------------------------- */

static void refuse(const pawl_queue_options *o)
{
    pawl_queue *q = (pawl_queue *)&q;
    pawl_queue *before = q;

    CHECK_EQ(pawl_queue_bytes(o), -EINVAL);
    CHECK_ERR(pawl_queue_create(&q, o), -EINVAL);
    CHECK(q == before);
}

/* options that are out of bounds, or of another kind. */
TEST(queue_kinds.create_refuses_bad_options)
{
    for (int i = 0; i < BOUNDED; i++) {
        pawl_queue_options o = bounded[i];

        o.capacity = 0;
        refuse(&o);
        o.capacity = (size_t)PAWL_QUEUE_CAPACITY_MAX + 1;
        refuse(&o);
        o.capacity = 5;
        o.element_size = 0;
        refuse(&o);
        o.element_size = (size_t)PAWL_QUEUE_ELEMENT_MAX + 1;
        refuse(&o);
        o.element_size = 24;
        o.flags |= PAWL_OWNERLESS;
        refuse(&o);
        o.flags = PAWL_UNBOUNDED; /* and a capacity */
        refuse(&o);
        o.flags = PAWL_UNBOUNDED | PAWL_SHARED;
        o.capacity = 0;
        refuse(&o);
    }
    for (int kind = PAWL_QUEUE_FIFO; kind <= PAWL_QUEUE_LIFO; kind++) {
        pawl_queue_options o = {.capacity = 1,
                                .element_size = 24,
                                .kind = (enum pawl_queue_kind)kind};

        o.flags = PAWL_QUEUE_SIGNED;
        refuse(&o);
        o.flags = PAWL_QUEUE_MAX_FIRST;
        refuse(&o);
        o.flags = 0;
        o.key_offset = 8;
        refuse(&o);
        o.key_offset = 0;
        o.compare = by_key;
        refuse(&o);
    }
    refuse(&(pawl_queue_options){
        .capacity = 1, .element_size = 8, .kind = (enum pawl_queue_kind)3});
    refuse(
        &(pawl_queue_options){.capacity = 1,
                              .element_size = 8,
                              .participants = PAWL_STACK_PARTICIPANTS_MAX + 1,
                              .kind = PAWL_QUEUE_LIFO});
}

/* the key lies within the element; a comparator has no key, and is not
 * shared. */
TEST(queue_kinds.priority_refuses_a_bad_key)
{
    pawl_queue_options o = {
        .capacity = 1, .element_size = 7, .kind = PAWL_QUEUE_PRIORITY};

    refuse(&o);
    o.element_size = 8;
    o.key_offset = 1;
    refuse(&o);
    o.key_offset = SIZE_MAX;
    refuse(&o);
    o.element_size = 17;
    o.key_offset = 9;
    pawl_queue_free(make(&o));
    o.key_offset = 0;
    o.compare = by_key;
    o.flags = PAWL_QUEUE_SIGNED;
    refuse(&o);
    o.flags = 0;
    o.key_offset = 8;
    refuse(&o);
    o.key_offset = 0;
    o.flags = PAWL_SHARED;
    CHECK_EQ(pawl_queue_bytes(&o), -EINVAL);
    o.flags = PAWL_QUEUE_MAX_FIRST;
    o.element_size = 1;
    pawl_queue_free(make(&o));
}

/* bounded ones lie where they are told, and are found there. */
TEST(queue_kinds.init_and_attach_check_the_memory)
{
    for (int i = 0; i < BOUNDED; i++) {
        const pawl_queue_options *o = &bounded[i];
        int64_t bytes = pawl_queue_bytes(o);
        char *memory = aligned_alloc(PAWL_QUEUE_ALIGN, (size_t)bytes);
        pawl_queue *q = NULL;

        CHECK(memory != NULL);
        memset(memory, 0xff, (size_t)bytes);
        CHECK_ERR(pawl_queue_attach(&q, memory, (size_t)bytes), -EINVAL);
        CHECK_ERR(pawl_queue_init(&q, memory + 8, (size_t)bytes - 8, o),
                  -EINVAL);
        CHECK_ERR(pawl_queue_init(&q, memory, (size_t)bytes - 1, o), -ENOSPC);
        CHECK(q == NULL);
        CHECK_OK(pawl_queue_init(&q, memory, (size_t)bytes, o));
        CHECK((char *)q == memory);
        q = NULL;
        CHECK_ERR(pawl_queue_attach(&q, memory, (size_t)bytes - 1), -EINVAL);
        CHECK(q == NULL);
        CHECK_OK(pawl_queue_attach(&q, memory, (size_t)bytes));
        CHECK_EQ(pawl_queue_capacity(q), o->capacity);
        for (int round = 0; round < 3; round++) {
            for (int k = 0; k < 5; k++)
                put(q, 0, k);
            for (int k = 0; k < 5; k++)
                CHECK_EQ(get(q), nth(o, k, 5));
        }
        free(memory);
    }
    for (int i = 0; i < UNBOUNDED; i++) {
        pawl_queue *q = NULL;
        char memory[1];

        CHECK_EQ(pawl_queue_bytes(&unbounded[i]), -EINVAL);
        CHECK_ERR(pawl_queue_init(&q, memory, 0, &unbounded[i]), -EINVAL);
    }
}

/* ---- the state table ------------------------------------------------------ */

/* */
TEST(queue_kinds.holds_its_capacity_in_its_order)
{
    for (int i = 0; i < BOUNDED; i++) {
        pawl_queue *q = make(&bounded[i]);
        struct element e = element(0, 99);

        for (int round = 0; round < 5; round++) {
            CHECK(pawl_queue_is_empty(q) && !pawl_queue_is_full(q));
            CHECK_ERR(pawl_queue_try_get(q, &e), -EAGAIN);
            CHECK_ERR(pawl_queue_get_until(q, &e, 0), -ETIMEDOUT);
            CHECK_EQ(e.id, 99);
            for (int k = 0; k < 5; k++) {
                put(q, 0, k);
                CHECK_EQ(pawl_queue_size(q), k + 1);
                CHECK(!pawl_queue_is_empty(q));
            }
            CHECK(pawl_queue_is_full(q));
            CHECK_ERR(pawl_queue_try_put(q, &e), -EAGAIN);
            CHECK_ERR(pawl_queue_put_until(q, &e, 0), -ETIMEDOUT);
            CHECK_EQ(pawl_queue_size(q), 5);
            for (int k = 0; k < 5; k++) {
                CHECK_EQ(get(q), nth(&bounded[i], k, 5));
                CHECK_EQ(pawl_queue_size(q), 4 - k);
                CHECK(!pawl_queue_is_full(q));
            }
        }
        pawl_queue_free(q);
    }
}

/* never full, whatever the deadline. */
TEST(queue_kinds.unbounded_never_blocks_a_put)
{
    enum { MANY = 5000 };

    for (int i = 0; i < UNBOUNDED; i++) {
        pawl_queue *q = make(&unbounded[i]);
        struct element e = element(0, 99);

        for (int round = 0; round < 3; round++) {
            for (int k = 0; k < MANY; k++) {
                e = element(0, k);
                CHECK_OK(pawl_queue_put_until(q, &e, -1));
                CHECK(!pawl_queue_is_full(q));
            }
            CHECK_EQ(pawl_queue_size(q), MANY);
            for (int k = 0; k < MANY; k++)
                CHECK_EQ(get(q), nth(&unbounded[i], k, MANY));
            CHECK_ERR(pawl_queue_try_get(q, &e), -EAGAIN);
            CHECK_ERR(pawl_queue_get_until(q, &e, 0), -ETIMEDOUT);
        }
        /* up and down, not only in a row. */
        for (int k = 0; k < MANY; k++) {
            for (int n = 0; n < 3; n++)
                put(q, 0, 3 * k + n);
            for (int n = 0; n < 2; n++)
                get(q);
            CHECK_EQ(pawl_queue_size(q), k + 1);
        }
        pawl_queue_free(q); /* with all that is in it */
    }
}

/* */
TEST(queue_kinds.batches_take_what_fits)
{
    for (int i = 0; i < ALL; i++) {
        bool ends = i < BOUNDED;
        pawl_queue *q = make(options(i));
        struct element in[7];
        struct element out[7];

        for (int k = 0; k < 7; k++)
            in[k] = element(0, k);
        CHECK_EQ(pawl_queue_try_put_many(q, in, 0), 0);
        CHECK_EQ(pawl_queue_try_get_many(q, out, 0), 0);
        CHECK_EQ(pawl_queue_try_get_many(q, out, 7), -EAGAIN);
        CHECK_EQ(pawl_queue_get_many_until(q, out, 7, 0), -ETIMEDOUT);
        CHECK_EQ(pawl_queue_put_many(q, in, 3), 3);
        CHECK_EQ(pawl_queue_put_many(q, in + 3, 4), ends ? 2 : 4);
        if (ends) {
            CHECK_EQ(pawl_queue_try_put_many(q, in, 1), -EAGAIN);
            CHECK_EQ(pawl_queue_put_many_until(q, in, 2, 0), -ETIMEDOUT);
        }
        CHECK_EQ(pawl_queue_get_many(q, out, 2), 2);
        CHECK_EQ(pawl_queue_get_many(q, out + 2, 5), ends ? 3 : 5);
        for (int k = 0; k < (ends ? 5 : 7); k++)
            CHECK_EQ(out[k].id, nth(options(i), k, ends ? 5 : 7));
        pawl_queue_free(q);
    }
}

struct scene {
    pawl_queue *q;
    struct element e;
};

static int put_until(void *object, pawl_deadline until)
{
    struct scene *s = object;

    return pawl_queue_put_until(s->q, &s->e, until);
}

static int get_until(void *object, pawl_deadline until)
{
    struct scene *s = object;

    return pawl_queue_get_until(s->q, &s->e, until);
}

static int join_until(void *object, pawl_deadline until)
{
    return pawl_queue_join_until(object, until);
}

/* a put wakes who waits to get, a get who waits to put. */
TEST(queue_kinds.each_end_wakes_the_other)
{
    struct puppet p[2];

    puppets_begin(p, 2);
    for (int i = 0; i < ALL; i++) {
        pawl_queue *q = make(options(i));
        struct scene s[2];

        for (int k = 0; k < 2; k++) {
            s[k] = (struct scene){.q = q};
            puppet_do(&p[k], get_until, &s[k], PAWL_FOREVER);
            puppet_until_asleep(&p[k]);
        }
        for (int k = 0; k < 2; k++) {
            put(q, 0, 7 + k);
            CHECK_OK(puppet_result(&p[k]));
            CHECK_EQ(s[k].e.id, 7 + k);
        }
        for (int k = 0; k < 5; k++)
            put(q, 0, k);
        for (int k = 0; k < 2 && i < BOUNDED; k++) {
            s[k].e = element(0, 5);
            puppet_do(&p[k], put_until, &s[k], PAWL_FOREVER);
            puppet_until_asleep(&p[k]);
        }
        for (int k = 0; k < 2 && i < BOUNDED; k++) {
            get(q);
            CHECK_OK(puppet_result(&p[k]));
            CHECK(pawl_queue_is_full(q));
        }
        pawl_queue_free(q);
    }
    puppets_end(p, 2);
}

/* */
TEST(queue_kinds.tasks)
{
    struct puppet p;

    puppet_begin(&p);
    for (int i = 0; i < ALL; i++) {
        pawl_queue *q = make(options(i));

        CHECK_OK(pawl_queue_join(q));
        CHECK_ERR(pawl_queue_task_done(q), -EOVERFLOW);
        for (int round = 0; round < 3; round++) {
            put(q, 0, 1);
            put(q, 0, 2);
            CHECK_OK(pawl_queue_task_done(q)); /* before it is fetched */
            CHECK_EQ(pawl_queue_unfinished(q), 1);
            get(q);
            get(q);
            CHECK_EQ(pawl_queue_unfinished(q), 1);
            CHECK_ERR(pawl_queue_try_join(q), -EAGAIN);
            CHECK_ERR(pawl_queue_join_until(q, 0), -ETIMEDOUT);
            puppet_do(&p, join_until, q, PAWL_FOREVER);
            puppet_until_asleep(&p);
            CHECK_OK(pawl_queue_task_done(q));
            CHECK_OK(puppet_result(&p));
            CHECK_EQ(pawl_queue_unfinished(q), 0);
            CHECK_ERR(pawl_queue_task_done(q), -EOVERFLOW);
            CHECK_EQ(pawl_queue_unfinished(q), 0);
        }
        pawl_queue_free(q);
    }
    puppet_end(&p);
}

/* state table, "shut down" columns. */
TEST(queue_kinds.shutdown_delivers_what_is_left)
{
    for (int i = 0; i < ALL; i++) {
        pawl_queue *q = make(options(i));
        struct element e = element(0, 9);

        put(q, 0, 0);
        put(q, 0, 1);
        CHECK(!pawl_queue_is_shutdown(q));
        for (int k = 0; k < 2; k++) {
            CHECK_OK(pawl_queue_shutdown(q));
            CHECK(pawl_queue_is_shutdown(q));
        }
        CHECK_ERR(pawl_queue_try_put(q, &e), -ESHUTDOWN);
        CHECK_ERR(pawl_queue_put(q, &e), -ESHUTDOWN);
        CHECK_ERR(pawl_queue_put_until(q, &e, 0), -ESHUTDOWN);
        CHECK_EQ(pawl_queue_put_many(q, &e, 1), -ESHUTDOWN);
        CHECK_EQ(pawl_queue_size(q), 2);
        CHECK_EQ(get(q), nth(options(i), 0, 2));
        CHECK_EQ(get(q), nth(options(i), 1, 2));
        CHECK_ERR(pawl_queue_try_get(q, &e), -ESHUTDOWN);
        CHECK_ERR(pawl_queue_get(q, &e), -ESHUTDOWN);
        CHECK_ERR(pawl_queue_get_until(q, &e, 0), -ESHUTDOWN);
        CHECK_EQ(pawl_queue_get_many(q, &e, 1), -ESHUTDOWN);
        CHECK_EQ(e.id, 9);
        CHECK_ERR(pawl_queue_try_join(q), -EAGAIN);
        CHECK_OK(pawl_queue_task_done(q));
        CHECK_OK(pawl_queue_task_done(q));
        CHECK_OK(pawl_queue_join(q));
        pawl_queue_free(q);
    }
}

/* those who wait are released, and have put nothing. */
TEST(queue_kinds.shutdown_releases_who_waits)
{
    struct puppet p[2];

    puppets_begin(p, 2);
    for (int i = 0; i < ALL; i++) {
        pawl_queue *q[2] = {make(options(i)), make(options(i))};
        struct scene s[2];

        for (int k = 0; k < 5; k++)
            put(q[1], 0, k);
        for (int k = 0; k < (i < BOUNDED ? 2 : 1); k++) {
            s[k] = (struct scene){.q = q[k], .e = element(0, 9)};
            puppet_do(&p[k], k == 0 ? get_until : put_until, &s[k],
                      PAWL_FOREVER);
            puppet_until_asleep(&p[k]);
            CHECK_OK(pawl_queue_shutdown(q[k]));
            CHECK_ERR(puppet_result(&p[k]), -ESHUTDOWN);
            CHECK_EQ(s[k].e.id, 9);
        }
        CHECK_EQ(pawl_queue_size(q[1]), 5);
        pawl_queue_free(q[0]);
        pawl_queue_free(q[1]);
    }
    puppets_end(p, 2);
}

struct discards {
    pawl_queue *q;
    int ids[2000];
    int n;
};

static void discard(void *at, void *context)
{
    struct discards *d = context;
    struct element *e = at;
    struct element other;

    CHECK_EQ((uintptr_t)at % 8, 0);
    CHECK_ERR(pawl_queue_try_put(d->q, e), -ESHUTDOWN); /* nothing is locked */
    /* Somebody may take another meanwhile. */
    if (d->n == 0 && pawl_queue_try_get(d->q, &other) == 0)
        d->ids[d->n++] = other.id;
    d->ids[d->n++] = e->id;
    memset(e, 0xee, sizeof *e); /* may be changed */
}

/* each comes to the callback once, in order; what was fetched still
 * counts. */
TEST(queue_kinds.shutdown_now_discards)
{
    for (int i = 0; i < ALL; i++) {
        pawl_queue *q = make(options(i));
        int n = i < BOUNDED ? 5 : 1000;
        struct discards d = {.q = q};
        bool seen[2000] = {false};
        int64_t discarded;

        for (int k = 0; k < n; k++)
            put(q, 0, k);
        seen[get(q)] = true;
        CHECK_OK(pawl_queue_task_done(q));
        CHECK_EQ(pawl_queue_unfinished(q), n - 1);
        pawl_queue_shutdown(q);
        discarded = pawl_queue_shutdown_now(q, discard, &d);
        /* One that has come to the callback's own get counts as not done. */
        CHECK_EQ(pawl_queue_unfinished(q), n - 1 - discarded);
        CHECK(pawl_queue_unfinished(q) <= 1);
        CHECK_EQ(d.n, n - 1);
        for (int k = 0; k < d.n; k++) {
            CHECK(!seen[d.ids[k]]);
            seen[d.ids[k]] = true;
        }
        while (pawl_queue_unfinished(q) > 0)
            CHECK_OK(pawl_queue_task_done(q));
        CHECK_OK(pawl_queue_join(q));
        CHECK(pawl_queue_is_empty(q));
        CHECK_EQ(pawl_queue_shutdown_now(q, discard, &d), 0);
        CHECK_ERR(pawl_queue_try_get(q, d.ids), -ESHUTDOWN);
        pawl_queue_free(q);
    }
}

/* ---- looking inside -------------------------------------------------- */

struct tour {
    pawl_queue *q;
    int ids[1000];
    int n;
    int most; /* ends with 42 after so many */
};

static int visit(const void *at, void *context)
{
    struct tour *t = context;
    struct element e;

    memcpy(&e, at, sizeof e);
    if (t->n == 0) {
        CHECK_ERR(pawl_queue_try_put(t->q, &e), -EDEADLK);
        CHECK_ERR(pawl_queue_try_get(t->q, &e), -EDEADLK);
        CHECK_ERR(pawl_queue_get_until(t->q, &e, pawl_after_s(60)), -EDEADLK);
        CHECK_ERR(pawl_queue_shutdown(t->q), -EDEADLK);
        CHECK_ERR(pawl_queue_visit(t->q, visit, t), -EDEADLK);
    }
    t->ids[t->n++] = e.id;
    return t->n == t->most ? 42 : 0;
}

/* a visit shows what is inside, in the order in which it comes out, and
 * leaves it there; kinds without a lock have none. */
TEST(queue_kinds.visit_shows_what_is_inside)
{
    for (int i = 0; i < ALL; i++) {
        pawl_queue *q = make(options(i));
        int n = i < BOUNDED ? 5 : 600; /* some segments */
        struct tour t = {.q = q};
        bool seen[600] = {false};

        if (options(i)->kind != PAWL_QUEUE_PRIORITY && i < BOUNDED) {
            CHECK_ERR(pawl_queue_visit(q, visit, &t), -EOPNOTSUPP);
            pawl_queue_free(q);
            continue;
        }
        CHECK_OK(pawl_queue_visit(q, visit, &t));
        CHECK_EQ(t.n, 0);
        for (int k = 0; k < n; k++)
            put(q, 0, k);
        for (int k = 0; k < n / 2; k++)
            put(q, 0, get(q));
        CHECK_OK(pawl_queue_visit(q, visit, &t));
        CHECK_EQ(t.n, n);
        for (int k = 0; k < n; k++) {
            CHECK(!seen[t.ids[k]]);
            seen[t.ids[k]] = true;
        }
        t.n = 0;
        t.most = 3;
        CHECK_EQ(pawl_queue_visit(q, visit, &t), 42);
        CHECK_EQ(t.n, 3);
        t.n = 0;
        t.most = 0;
        CHECK_OK(pawl_queue_shutdown(q));
        CHECK_OK(pawl_queue_visit(q, visit, &t));
        CHECK_EQ(t.n, n);
        for (int k = 0; k < n; k++) {
            int id = get(q);

            if (options(i)->kind != PAWL_QUEUE_PRIORITY)
                CHECK_EQ(id, t.ids[k]);
        }
        pawl_queue_free(q);
    }
}

/* ---- priorities ------------------------------------------------------ */

/* by key, in all its readings. */
TEST(queue_kinds.priority_key_is_read_as_said)
{
    static const int64_t keys[] = {5, -1, INT64_MAX, 0, INT64_MIN, 1};
    static const struct {
        unsigned flags;
        int order[6];
    } cases[] = {
        {0, {3, 5, 0, 2, 4, 1}},
        {PAWL_QUEUE_SIGNED, {4, 1, 3, 5, 0, 2}},
        {PAWL_QUEUE_MAX_FIRST, {1, 4, 2, 0, 5, 3}},
        {PAWL_QUEUE_SIGNED | PAWL_QUEUE_MAX_FIRST, {2, 0, 5, 3, 1, 4}},
    };

    for (int c = 0; c < 4; c++) {
        for (size_t offset = 0; offset <= 24; offset += 3) {
            pawl_queue *q =
                make(&(pawl_queue_options){.capacity = 6,
                                           .element_size = 33,
                                           .flags = cases[c].flags,
                                           .kind = PAWL_QUEUE_PRIORITY,
                                           .key_offset = offset});
            char e[33];

            for (int k = 0; k < 6; k++) {
                memset(e, k, sizeof e);
                memcpy(e + offset, &keys[k], sizeof keys[k]);
                CHECK_OK(pawl_queue_try_put(q, e));
            }
            for (int k = 0; k < 6; k++) {
                CHECK_OK(pawl_queue_try_get(q, e));
                CHECK_EQ(e[32], cases[c].order[k]);
            }
            pawl_queue_free(q);
        }
    }
}

/* sorted by key, and equals in the order of their puts, for random
 * sequences of puts and gets, with a key and with a comparator, both ways. */
TEST(queue_kinds.priority_is_stable)
{
    enum { ROOM = 300 };
    uint64_t random = test_seed(17);

    for (int c = 0; c < 8; c++) {
        bool max = (c & 1) != 0;
        pawl_queue_options o = {ELEMENT, .kind = PAWL_QUEUE_PRIORITY};
        struct element model[ROOM];
        int n = 0;
        pawl_queue *q;

        o.flags = (max ? PAWL_QUEUE_MAX_FIRST : 0u);
        if (c & 2) {
            o.compare = by_key;
            o.context = &comparisons;
        } else {
            o.flags |= PAWL_QUEUE_SIGNED;
        }
        if (c & 4)
            o.flags |= PAWL_UNBOUNDED;
        else
            o.capacity = ROOM;
        q = make(&o);
        for (int i = 0; i < 20000; i++) {
            bool puts = test_rand_below(&random, 200) <
                        (i / 1000 % 2 != 0 ? 80u : 120u);

            if (puts && n < ROOM) {
                struct element e =
                    element((int)test_rand_below(&random, 16) - 8, i);
                int at = n++;

                put(q, e.key, e.id);
                for (; at > 0 && (max ? model[at - 1].key < e.key
                                      : model[at - 1].key > e.key);
                     at--)
                    model[at] = model[at - 1];
                model[at] = e;
            } else if (!puts && n > 0) {
                CHECK_EQ(get(q), model[0].id);
                memmove(model, model + 1, (size_t)--n * sizeof model[0]);
            }
            CHECK_EQ(pawl_queue_size(q), n);
        }
        for (int k = 0; k < n; k++)
            CHECK_EQ(get(q), model[k].id);
        pawl_queue_free(q);
    }
}

/* O(log n): no more than 5 comparisons a level and element. */
TEST(queue_kinds.priority_compares_little)
{
    enum { N = 1 << 14 }; /* 7 levels of 4 */
    pawl_queue_options o = bounded[3];
    uint64_t random = test_seed(1);
    pawl_queue *q;

    o.capacity = N;
    q = make(&o);
    comparisons = 0;
    for (int i = 0; i < N; i++)
        put(q, (int64_t)(test_rand(&random) >> 8), i);
    for (int i = 0; i < N; i++)
        get(q);
    CHECK(comparisons < N * 7 * 5);
    CHECK(comparisons > N);
    pawl_queue_free(q);
}

static pawl_queue *compared;
static int refusals;

static int calls_back(const void *a, const void *b, void *context)
{
    struct element e = *(const struct element *)a;

    CHECK_ERR(pawl_queue_try_put(compared, &e), -EDEADLK);
    CHECK_ERR(pawl_queue_put(compared, &e), -EDEADLK);
    CHECK_ERR(pawl_queue_try_get(compared, &e), -EDEADLK);
    CHECK_ERR(pawl_queue_get_until(compared, &e, pawl_after_s(60)), -EDEADLK);
    CHECK_ERR(pawl_queue_shutdown(compared), -EDEADLK);
    CHECK_ERR(pawl_queue_visit(compared, NULL, NULL), -EDEADLK);
    CHECK_EQ(pawl_queue_shutdown_now(compared, NULL, NULL), -EDEADLK);
    refusals++;
    return by_key(a, b, context);
}

/* a comparator that calls its own queue is refused, and nothing is
 * changed. */
TEST(queue_kinds.priority_refuses_calls_from_its_comparator)
{
    pawl_queue_options o = bounded[3];

    o.compare = calls_back;
    compared = make(&o);
    put(compared, 2, 2);
    put(compared, 1, 1);
    put(compared, 3, 3);
    CHECK(refusals > 0);
    CHECK_EQ(pawl_queue_size(compared), 3);
    for (int i = 1; i <= 3; i++)
        CHECK_EQ(get(compared), i);
    CHECK(!pawl_queue_is_shutdown(compared));
    pawl_queue_free(compared);
}

static int ends_the_thread(const void *a, const void *b, void *context)
{
    (void)a;
    (void)b;
    (void)context;
    pthread_exit(NULL);
}

static void put_two(void *q)
{
    put(q, 1, 1);
    put(q, 2, 2);
}

static void *put_and_end(void *q)
{
    put_two(q);
    return NULL;
}

/* A thread that ends in the comparator leaves a queue that says so. */
TEST(queue_kinds.priority_is_lost_with_a_thread_that_ends_inside)
{
    pawl_queue_options o = bounded[3];
    struct element e = element(0, 9);
    pthread_t thread;
    pawl_queue *q;

    o.compare = ends_the_thread;
    q = make(&o);
    CHECK_EQ(pthread_create(&thread, NULL, put_and_end, q), 0);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    for (int i = 0; i < 2; i++) {
        CHECK_ERR(pawl_queue_try_put(q, &e), -ENOTRECOVERABLE);
        CHECK_ERR(pawl_queue_get(q, &e), -ENOTRECOVERABLE);
        CHECK_ERR(pawl_queue_shutdown(q), -ENOTRECOVERABLE);
        CHECK_ERR(pawl_queue_visit(q, NULL, NULL), -ENOTRECOVERABLE);
        CHECK_EQ(pawl_queue_shutdown_now(q, NULL, NULL), -ENOTRECOVERABLE);
    }
    pawl_queue_free(q);
}

/* ---- memory ---------------------------------------------------------------- */

/* whichever allocation fails, creation leaves nothing, and a put leaves the
 * queue as it was. */
TEST(queue_kinds.out_of_memory_changes_nothing)
{
    enum { N = 2000 };

    for (int i = 0; i < ALL; i++) {
        pawl_queue *q = NULL;
        struct element e;
        int failures = 0;

        exhausted_after(0);
        CHECK_ERR(pawl_queue_create(&q, options(i)), -ENOMEM);
        exhausted_end();
        CHECK(q == NULL);
        if (i < BOUNDED)
            continue;
        q = make(options(i));
        for (int k = 0; k < N; k++) {
            int err = -ENOMEM;

            e = element(0, k);
            for (int after = 0; err != 0; after++) {
                exhausted_after(after);
                err = pawl_queue_put(q, &e);
                exhausted_end();
                CHECK_EQ(pawl_queue_size(q), k + (err == 0));
                if (err != 0) {
                    CHECK_ERR(err, -ENOMEM);
                    CHECK_EQ(pawl_queue_unfinished(q), k);
                    failures++;
                }
            }
        }
        CHECK(failures >= 5);
        for (int k = 0; k < N; k++)
            CHECK_EQ(get(q), nth(options(i), k, N));
        pawl_queue_free(q);
    }
}

/* a batch that runs out of memory puts what there was memory for. */
TEST(queue_kinds.batch_out_of_memory_is_short)
{
    enum { N = 1000 };
    static struct element in[N];

    for (int i = 0; i < UNBOUNDED; i++) {
        pawl_queue *q = make(&unbounded[i]);
        int64_t n;

        for (int k = 0; k < N; k++)
            in[k] = element(0, k);
        exhausted_after(3);
        n = pawl_queue_put_many(q, in, N);
        CHECK_EQ(pawl_queue_size(q), n);
        CHECK(n > 0 && n < N);
        exhausted_after(0);
        CHECK_EQ(pawl_queue_put_many(q, in + n, N - (size_t)n), -ENOMEM);
        exhausted_end();
        CHECK_EQ(pawl_queue_put_many(q, in + n, N - (size_t)n), N - n);
        for (int k = 0; k < N; k++)
            CHECK_EQ(get(q), nth(&unbounded[i], k, N));
        pawl_queue_free(q);
    }
}

/* Bounded ones allocate nothing after creation, whatever is done. */
TEST(queue_kinds.bounded_never_allocates)
{
    for (int i = 0; i < BOUNDED; i++) {
        pawl_queue *q = make(&bounded[i]);

        exhausted_after(0);
        for (int round = 0; round < 100; round++) {
            for (int k = 0; k < 5; k++)
                put(q, k % 2, k);
            for (int k = 0; k < 5; k++)
                get(q);
        }
        CHECK_EQ(pawl_queue_shutdown_now(q, NULL, NULL), 0);
        exhausted_end();
        pawl_queue_free(q);
    }
}

/* segments are given back: a queue that has been long is as small as one
 * that has not. */
TEST(queue_kinds.unbounded_gives_memory_back)
{
    enum { MANY = 100000 };

    for (int i = 0; i < 2; i++) {
        pawl_queue *q = make(&unbounded[i]);
        long before = exhausted_blocks();
        long many;

        for (int k = 0; k < MANY; k++)
            put(q, 0, k);
        many = exhausted_blocks();
        CHECK(many - before > 100);
        for (int k = 0; k < MANY / 2; k++)
            get(q);
        CHECK(exhausted_blocks() - before <= (many - before) / 2 + 3);
        for (int k = 0; k < MANY / 2; k++)
            get(q);
        CHECK(exhausted_blocks() - before <= 2);
        /* About the end of a segment, and in step: none is made anew. */
        exhausted_after(2);
        for (int k = 0; k < MANY; k++) {
            put(q, 0, k);
            CHECK_EQ(get(q), k);
        }
        exhausted_end();
        pawl_queue_free(q);
        CHECK_EQ(exhausted_blocks(), before - 1);
    }
}
