/* SPDX-License-Identifier: MIT
 *
 * lock_order.c - the lock-order checker of pawl/deadlock.h: a graph with an edge
 * from each lock to those that somebody has wanted while holding it.
 *
 * It is told of locks by the hooks of base/tsan.h, which know what a thread holds.
 * An edge is new once, and only then is there something to be found: a way back.
 */
#include <sys/mman.h>

#include <pawl/deadlock.h>
#include <pawl/error.h>
#include <pawl/print.h>

#include "base/tsan.h"
#include "futex/mutex_core.h"

enum { BUCKETS = 4096, CHUNK = 65536 };

struct edge {
    const void *first;
    const void *second;
    struct edge *next;    /* in the bucket of `first` */
    struct edge *pending; /* of a search */
    uint64_t search;      /* the last that came by */
};

static struct {
    pawl_mutex mutex;
    struct edge *bucket[BUCKETS];
    struct edge *unused;
    uint64_t searches;
} graph;

static pawl_u64 hook; /* a pawl_lock_order_fn */

/* Unannotated: this one is nobody's business. */
static void enter(void)
{
    uint32_t calm = pawl_uninterruptible_begin();

    if (pawl_mutex_acquire(&graph.mutex, PAWL_FOREVER) == -EOWNERDEAD)
        pawl_mutex_consistent(&graph.mutex); /* each change is one store */
    pawl_uninterruptible_end(calm);
}

static void leave(void)
{
    pawl_mutex_release(&graph.mutex);
}

static struct edge **bucket_of(const void *first)
{
    uint64_t hash = (uintptr_t)first * UINT64_C(0x9e3779b97f4a7c15);

    return &graph.bucket[hash >> 52];
}

/* The first one at *e or behind it that begins there. */
static struct edge *from(struct edge *e, const void *first)
{
    while (e != NULL && e->first != first)
        e = e->next;
    return e;
}

static bool is_known(const void *first, const void *second)
{
    struct edge *e = from(*bucket_of(first), first);

    while (e != NULL && e->second != second)
        e = from(e->next, first);
    return e != NULL;
}

/* Put the edges from *first, unless the search has come by, before *pending. */
static struct edge *add_pending(const void *first, struct edge *pending)
{
    for (struct edge *e = from(*bucket_of(first), first); e != NULL;
         e = from(e->next, first))
        if (e->search != graph.searches) {
            e->search = graph.searches;
            e->pending = pending;
            pending = e;
        }
    return pending;
}

static bool leads_to(const void *first, const void *second)
{
    struct edge *pending;

    graph.searches++;
    pending = add_pending(first, NULL);
    while (pending != NULL && pending->second != second)
        pending = add_pending(pending->second, pending->pending);
    return pending != NULL;
}

static void get_more(void)
{
    struct edge *chunk = mmap(NULL, CHUNK, PROT_READ | PROT_WRITE,
                              MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (chunk == MAP_FAILED)
        return;
    for (size_t i = 0; i < CHUNK / sizeof *chunk; i++) {
        chunk[i].next = graph.unused;
        graph.unused = &chunk[i];
    }
}

/* Returns whether it contradicts what was known. */
static bool add(const void *first, const void *second)
{
    struct edge **bucket = bucket_of(first);
    struct edge *e;

    if (is_known(first, second))
        return false;
    if (graph.unused == NULL)
        get_more();
    e = graph.unused;
    if (e == NULL)
        return false; /* it is not known the next time either */
    graph.unused = e->next;
    *e = (struct edge){.first = first, .second = second, .next = *bucket};
    *bucket = e;
    return leads_to(second, first);
}

static void print(const pawl_lock_inversion *i)
{
    (void)pawl_print_line(
        2,
        "pawl: thread %u takes lock %s (%p) while it holds %s "
        "(%p); the order was the other one before",
        i->thread, i->second_name, i->second, i->first_name, i->first);
}

static void wants(void *held, void *wanted)
{
    pawl_lock_inversion i = {.first = held, .second = wanted};
    pawl_lock_order_fn fn;
    bool is_inverse;

    if (held == wanted)
        return; /* reads, or -EDEADLK */
    enter();
    is_inverse = add(held, wanted);
    leave();
    if (!is_inverse)
        return;
    pawl_lock_name(held, i.first_name);
    pawl_lock_name(wanted, i.second_name);
    i.thread = pawl_self_shared();
    /* acquire: pairs with pawl_lock_order_set_hook, for what the hook uses. */
    fn = (pawl_lock_order_fn)(uintptr_t)pawl_load64_acquire(&hook);
    (fn != NULL ? fn : print)(&i);
}

/* What was known of a lock there is of another lock. */
static void changes(void *lock)
{
    enter();
    for (size_t i = 0; i < BUCKETS; i++) {
        struct edge **place = &graph.bucket[i];

        while (*place != NULL) {
            struct edge *e = *place;

            if (e->first != lock && e->second != lock) {
                place = &e->next;
                continue;
            }
            *place = e->next;
            e->next = graph.unused;
            graph.unused = e;
        }
    }
    leave();
}

/* Known to base/tsan.c if pawl is built so. */
extern const struct pawl_lock_watcher pawl_lock_order_;
const struct pawl_lock_watcher pawl_lock_order_ = {wants, changes};

int pawl_lock_order_check(bool on)
{
    return pawl_tsan_watch(on ? &pawl_lock_order_ : NULL) ? 0 : -EOPNOTSUPP;
}

pawl_lock_order_fn pawl_lock_order_set_hook(pawl_lock_order_fn fn)
{
    /* seq_cst: pairs with wants, for what the hook uses. */
    return (pawl_lock_order_fn)(uintptr_t)pawl_swap64_seq(&hook, (uintptr_t)fn);
}
