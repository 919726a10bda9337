/* SPDX-License-Identifier: MIT
 *
 * pool_many.c - loops and maps over a pool, made of its tasks.
 */
#include <pawl/error.h>

#include <stdlib.h>

#include "atomic/ops.h"
#include "thread/pool_core.h"

/* -- A loop ----------------------------------------------------------------------- */

/* Helpers at most, whose tasks lie on the caller's stack. */
#define HELPERS_MAX 32

/* Parts for each thread, if all were as large as the first one: more cost more,
 * fewer make the last one late. */
#define PARTS_EACH 4

struct loop {
    pawl_u64 next; /* the first index that nobody has taken */
    pawl_u32 status;
    uint64_t end; /* constant, as is what follows */
    uint64_t grain;
    uint64_t threads;
    pawl_for_fn fn;
    void *context;
};

static bool take_part(struct loop *l, uint64_t *from, uint64_t *to)
{
    uint64_t n;

    /* relaxed: publishes nothing; the tasks' futures do.  Both. */
    *from = pawl_load64_relaxed(&l->next);
    do {
        if (*from >= l->end || pawl_load_relaxed(&l->status) != 0)
            return false;
        n = (l->end - *from) / (l->threads * PARTS_EACH);
        n = n < l->grain ? l->grain : n;
        n = n < l->end - *from ? n : l->end - *from;
        *to = *from + n;
    } while (!pawl_cas64_relaxed(&l->next, from, *to)); /* relaxed: as above */
    return true;
}

static void run_parts(struct loop *l)
{
    uint64_t from;
    uint64_t to;

    while (take_part(l, &from, &to)) {
        uint32_t none = 0;
        int status = l->fn((size_t)from, (size_t)to, l->context);

        if (status != 0)
            /* relaxed: the first one counts, and the futures publish it. */
            pawl_cas_relaxed(&l->status, &none, (uint32_t)status);
    }
}

static int help_loop(pawl_task *t, void *arg)
{
    (void)t;
    run_parts(arg);
    return 0;
}

/* How many threads could be of use, the caller among them. */
static uint64_t threads_for(const pawl_pool *p, uint64_t n, uint64_t grain)
{
    uint64_t most = (uint64_t)p->options.max_workers + 1;
    uint64_t parts = n / grain + (n % grain != 0);

    most = most < HELPERS_MAX + 1 ? most : HELPERS_MAX + 1;
    return parts < most ? parts : most;
}

/* What has not begun is not needed any more. */
static void end_helpers(pawl_task *helper, size_t n)
{
    for (size_t i = 0; i < n; i++)
        (void)pawl_future_cancel(&helper[i].future);
    for (size_t i = 0; i < n; i++)
        (void)pawl_task_settle(&helper[i]);
}

int pawl_pool_for(pawl_pool *pool, size_t begin, size_t end, size_t grain,
                  pawl_for_fn fn, void *context, int *status)
{
    uint64_t n = end > begin ? end - begin : 0;
    struct loop l = {.next = {begin},
                     .end = end,
                     .grain = grain > 0 ? grain : 1,
                     .fn = fn,
                     .context = context};
    pawl_task helper[HELPERS_MAX];
    size_t helpers = 0;
    int err = pawl_pool_may_submit(pool);
    uint32_t calm;

    if (err == -ESHUTDOWN || err == -ENOTRECOVERABLE || err == -ECHILD)
        return err; /* else there is no worker, and none to be had */
    calm = pawl_uninterruptible_begin(); /* the helpers are on this stack */
    l.threads = n > 0 ? threads_for(pool, n, l.grain) : 1;
    for (; helpers + 1 < l.threads; helpers++) {
        pawl_task_init(&helper[helpers], help_loop, &l);
        if (pawl_pool_submit_quietly(pool, &helper[helpers]) != 0)
            break; /* the others do */
    }
    run_parts(&l);
    end_helpers(helper, helpers);
    pawl_uninterruptible_end(calm);
    if (status != NULL)
        *status = (int)pawl_load_relaxed(&l.status); /* relaxed: it has ended */
    return 0;
}

/* -- A map ---------------------------------------------------------------------------- */

struct element {
    int status;
    void *value;
};

/* A chunk of elements, and room for their results. */
struct part {
    pawl_task task;
    pawl_map *map;
    size_t first; /* index */
    size_t n;
    struct element *element;
    bool is_submitted;
};

struct pawl_map {
    pawl_pool *pool;
    pawl_map_fn fn;
    void *context;
    size_t n;
    size_t chunk;
    size_t parts;     /* room for so many at once */
    size_t submitted; /* elements, of which ... */
    size_t yielded;   /* ... so many have been */
    size_t at;        /* the part of the next one */
    bool is_over;     /* ... has been waited for, and ... */
    int outcome;      /* ... 0 or -ECANCELED */
    struct element *elements;
    struct part part[];
};

static int compute(pawl_task *t, void *arg)
{
    struct part *p = arg;
    const pawl_map *m = p->map;

    for (size_t i = 0; i < p->n; i++) {
        struct element *e = &p->element[i];

        e->value = NULL;
        e->status = m->fn(p->first + i, &e->value, m->context);
    }
    (void)t;
    return 0;
}

/* Submit the next chunk in the place of one that has been yielded. */
static int submit_next(pawl_map *m)
{
    size_t at = m->submitted / m->chunk % m->parts;
    size_t left = m->n - m->submitted;
    struct part *p = &m->part[at];
    int err;

    if (left == 0)
        return 0;
    pawl_task_init(&p->task, compute, p);
    p->map = m;
    p->first = m->submitted;
    p->n = left < m->chunk ? left : m->chunk;
    p->element = &m->elements[at * m->chunk];
    err = pawl_pool_submit(m->pool, &p->task);
    p->is_submitted = err == 0;
    m->submitted += p->n;
    return err;
}

static size_t parts_for(size_t n, const pawl_map_options *o, size_t chunk)
{
    size_t all = n / chunk + (n % chunk != 0);
    size_t ahead = o->buffer / chunk;

    if (o->buffer > 0 && ahead < all)
        all = ahead;
    return all > 0 ? all : 1;
}

static pawl_map *make_map(size_t n, const pawl_map_options *o)
{
    size_t chunk = o->chunk > 0 ? o->chunk : 1;
    size_t parts = parts_for(n, o, chunk);
    size_t places = parts;
    size_t bytes;
    pawl_map *m;

    chunk = chunk < n ? chunk : (n > 0 ? n : 1);
    if (__builtin_mul_overflow(places, chunk, &places) ||
        places > SIZE_MAX / 8 / sizeof(struct element) ||
        parts > SIZE_MAX / 8 / sizeof(struct part))
        return NULL;
    bytes = sizeof *m + parts * sizeof(struct part);
    m = calloc(1, bytes + places * sizeof(struct element));
    if (m == NULL)
        return NULL;
    m->n = n;
    m->chunk = chunk;
    m->parts = parts;
    m->elements = (struct element *)(void *)((char *)m + bytes);
    return m;
}

int pawl_map_create(pawl_map **map, pawl_pool *pool, size_t n, pawl_map_fn fn,
                    void *context, const pawl_map_options *options)
{
    pawl_map_options o = options != NULL ? *options : (pawl_map_options){0};
    int err = pawl_pool_may_submit(pool);
    pawl_map *m;

    if (err != 0)
        return err;
    if (fn == NULL || (o.size != 0 && o.size != sizeof o))
        return -EINVAL;
    m = make_map(n, &o);
    if (m == NULL)
        return -ENOMEM;
    m->pool = pool;
    m->fn = fn;
    m->context = context;
    for (size_t i = 0; i < m->parts; i++)
        (void)submit_next(m); /* what is refused is told in its turn */
    *map = m;
    return 0;
}

/* Wait for the part of the next element. */
static int await_part(pawl_map *m, pawl_deadline until)
{
    struct part *p = &m->part[m->at];
    int err = -ECANCELED;

    if (p->is_submitted)
        err = pawl_future_result_until(&p->task.future, NULL, NULL, until);
    if (err != 0 && err != -ECANCELED)
        return err;
    m->is_over = true;
    m->outcome = err;
    return 0;
}

/* All of it has been yielded. */
static void leave_part(pawl_map *m)
{
    (void)pawl_task_settle(&m->part[m->at].task);
    (void)submit_next(m);
    m->at = m->at + 1 < m->parts ? m->at + 1 : 0;
    m->is_over = false;
}

int pawl_map_next_until(pawl_map *map, int *status, void **value,
                        pawl_deadline until)
{
    const struct part *p = &map->part[map->at];
    const struct element *e;
    int err = map->outcome;

    if (map->yielded == map->n)
        return -ESHUTDOWN;
    if (pawl_unlikely(!map->is_over)) {
        err = await_part(map, until);
        if (err != 0)
            return err;
        err = map->outcome;
    }
    e = &p->element[map->yielded - p->first];
    if (err == 0 && status != NULL)
        *status = e->status;
    if (err == 0 && value != NULL)
        *value = e->value;
    map->yielded++;
    if (pawl_unlikely(map->yielded == p->first + p->n))
        leave_part(map);
    return err;
}

int pawl_map_next(pawl_map *map, int *status, void **value)
{
    return pawl_map_next_until(map, status, value, PAWL_FOREVER);
}

int pawl_map_try_next(pawl_map *map, int *status, void **value)
{
    int err = pawl_map_next_until(map, status, value, 0);

    return err == -ETIMEDOUT ? -EAGAIN : err;
}

void pawl_map_free(pawl_map *map)
{
    uint32_t calm = pawl_uninterruptible_begin();

    for (size_t i = 0; map != NULL && i < map->parts; i++)
        if (map->part[i].is_submitted)
            (void)pawl_future_cancel(&map->part[i].task.future);
    for (size_t i = 0; map != NULL && i < map->parts; i++)
        if (map->part[i].is_submitted)
            (void)pawl_task_settle(&map->part[i].task);
    pawl_uninterruptible_end(calm);
    free(map);
}
