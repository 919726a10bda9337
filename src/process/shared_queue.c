/* SPDX-License-Identifier: MIT
 *
 * shared_queue.c - the queues of pawl/shared_queue.h: where they are, and waiting.
 *
 * A store is the truth about what is there, what fits and whether anything more is
 * accepted; whoever changes it tells those who may wait for that.  Whoever is killed
 * before he has told them, or with the wake of another, is made up for by the end of
 * every sleep after a while (futex/eventcount.h).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <pawl/object.h>
#include <pawl/queue.h>

#include "atomic/ops.h"
#include "base/place.h"
#include "futex/waitable.h"
#include "process/shared_queue.h"
#include "queue/wait.h"

#define MAGIC UINT32_C(0x70735175) /* "psQu" */

enum { PARTICIPANTS_AND_IN_HAND_MAX = 4096 };

struct pawl_shared_queue {
    pawl_region *region;
    struct pawl_shared_queue_core *core;
    const struct pawl_shared_store *store;
    pawl_u32 closed;
};

static const struct pawl_shared_store *store_for(uint32_t kind)
{
    return kind == PAWL_SHARED_FIFO ? &pawl_shared_fifo : &pawl_shared_order;
}

static void *store_at(const struct pawl_shared_queue_core *core)
{
    return (void *)(uintptr_t)(core + 1);
}

/* ---- making one ----------------------------------------------------------- */

static bool are_legal(const pawl_shared_queue_options *o)
{
    bool is_priority = o->kind == PAWL_SHARED_PRIORITY;
    unsigned flags = is_priority ? PAWL_QUEUE_SIGNED | PAWL_QUEUE_MAX_FIRST : 0;

    if (is_priority ? o->key_offset > o->record_size ||
                          o->record_size - o->key_offset < sizeof(uint64_t)
                    : o->key_offset != 0)
        return false;
    return o->kind <= PAWL_SHARED_DEQUE && o->tasks <= PAWL_TASKS_AGAIN &&
           (o->flags & ~flags) == 0 && o->capacity >= 1 &&
           o->capacity <= PAWL_SHARED_QUEUE_CAPACITY_MAX &&
           o->record_size >= 1 &&
           o->record_size <= PAWL_SHARED_QUEUE_RECORD_MAX &&
           (o->tasks != PAWL_TASKS_NONE || o->in_hand == 0);
}

/* The constants of a core.  0, -EINVAL, -ENOSPC. */
static int design(struct pawl_shared_queue_core *core, const pawl_region *r,
                  const pawl_shared_queue_options *o)
{
    int64_t bytes;

    if (!are_legal(o) ||
        o->in_hand > PARTICIPANTS_AND_IN_HAND_MAX - r->plan.participants)
        return -EINVAL;
    *core = (struct pawl_shared_queue_core){
        .layout = PAWL_SHARED_QUEUE_LAYOUT,
        .kind = o->kind,
        .tasks = o->tasks,
        .flags = o->flags,
        .hands = r->plan.participants + o->in_hand,
        .capacity = o->capacity,
        .record_size = o->record_size,
        .key_offset = o->key_offset,
    };
    bytes = store_for(core->kind)->bytes(core);
    if (bytes < 0)
        return bytes == -EOVERFLOW ? -ENOSPC : (int)bytes;
    core->bytes = sizeof *core + (uint64_t)bytes;
    return core->bytes <= PAWL_REGION_BYTES_MAX ? 0 : -ENOSPC;
}

/* A pawl_object_init_fn: in zeroed memory, from a core with its constants. */
static int make(void *memory, size_t bytes, void *plan)
{
    struct pawl_shared_queue_core *core = memory;

    (void)bytes;
    *core = *(const struct pawl_shared_queue_core *)plan;
    pawl_end_init(&core->not_empty, PAWL_SHARED);
    pawl_end_init(&core->not_full, PAWL_SHARED);
    pawl_eventcount_init(&core->idle, PAWL_SHARED);
    store_for(core->kind)->init(core, store_at(core));
    pawl_store_release(&core->magic, MAGIC); /* pairs with hold */
    return 0;
}

/* Make q a handle for what is there, of which `bytes` may be looked at. */
static int hold(pawl_shared_queue *q, pawl_region *r, void *memory,
                uint64_t bytes)
{
    struct pawl_shared_queue_core *core = memory;
    const struct pawl_shared_store *store;

    if (!pawl_is_place(memory, PAWL_OBJECT_ALIGN, bytes, sizeof *core))
        return -EINVAL;
    /* acquire: pairs with the release in make. */
    if (pawl_load_acquire(&core->magic) != MAGIC ||
        core->layout != PAWL_SHARED_QUEUE_LAYOUT || core->bytes > bytes ||
        core->kind > PAWL_SHARED_DEQUE)
        return -EINVAL;
    store = store_for(core->kind);
    if (!store->attach(core, store_at(core)))
        return -EINVAL;
    *q = (pawl_shared_queue){.region = r, .core = core, .store = store};
    return 0;
}

/* The handle comes first, so that a queue is not left without one. */
static pawl_shared_queue *new_handle(void)
{
    return malloc(sizeof(pawl_shared_queue));
}

/* Hand it out, or free it, as it went. */
static int hand_out(pawl_shared_queue **queue, pawl_shared_queue *q, int err)
{
    if (err < 0)
        free(q);
    else
        *queue = q;
    return err;
}

static pawl_object object_named(const char *name, size_t bytes)
{
    return (pawl_object){.name = name,
                         .type = PAWL_SHARED_QUEUE_TYPE,
                         .version = PAWL_SHARED_QUEUE_LAYOUT,
                         .bytes = bytes};
}

/* In a block of the caller's. */
static int create_unnamed(void **memory, pawl_region *r,
                          struct pawl_shared_queue_core *plan)
{
    pawl_offset offset;
    int err = pawl_memory_alloc(r, (size_t)plan->bytes, PAWL_OBJECT_ALIGN,
                                PAWL_MEMORY_ZERO, &offset);

    if (err != 0)
        return err;
    *memory = pawl_region_at(r, offset);
    return make(*memory, (size_t)plan->bytes, plan);
}

static int create(pawl_shared_queue *q, pawl_region *r,
                  struct pawl_shared_queue_core *plan, const char *name)
{
    pawl_object o = object_named(name, (size_t)plan->bytes);
    void *memory;
    int err = name == NULL ? create_unnamed(&memory, r, plan)
                           : pawl_object_create(r, &o, make, plan, &memory);

    return err != 0 ? err : hold(q, r, memory, plan->bytes);
}

int pawl_shared_queue_create(pawl_shared_queue **queue, pawl_region *r,
                             const pawl_shared_queue_options *options)
{
    struct pawl_shared_queue_core plan;
    int err = design(&plan, r, options);
    pawl_shared_queue *q;

    if (err != 0)
        return err;
    q = new_handle();
    return hand_out(
        queue, q, q != NULL ? create(q, r, &plan, options->name) : -ENOMEM);
}

static int find(pawl_shared_queue *q, pawl_region *r, const char *name)
{
    pawl_object o = object_named(name, 0);
    void *memory;
    int err = pawl_object_find(r, &o, &memory);

    return err != 0 ? err : hold(q, r, memory, o.bytes);
}

int pawl_shared_queue_find(pawl_shared_queue **queue, pawl_region *r,
                           const char *name)
{
    pawl_shared_queue *q = new_handle();

    return hand_out(queue, q, q != NULL ? find(q, r, name) : -ENOMEM);
}

int pawl_shared_queue_at(pawl_shared_queue **queue, pawl_region *r,
                         pawl_offset offset)
{
    int64_t bytes = pawl_memory_size(r, offset);
    pawl_shared_queue *q;

    if (pawl_region_base(r) == NULL)
        return -EBADF;
    if (bytes < 0)
        return (int)bytes;
    q = new_handle();
    return hand_out(
        queue, q,
        q != NULL ? hold(q, r, pawl_region_at(r, offset), (uint64_t)bytes)
                  : -ENOMEM);
}

static int find_or_create(pawl_shared_queue *q, pawl_region *r,
                          struct pawl_shared_queue_core *plan, const char *name)
{
    pawl_object o = object_named(name, (size_t)plan->bytes);
    void *memory;
    int made = pawl_object_open(r, &o, make, plan, &memory);
    int err = made < 0 ? made : hold(q, r, memory, o.bytes);

    return err != 0 ? err : made;
}

int pawl_shared_queue_open(pawl_shared_queue **queue, pawl_region *r,
                           const pawl_shared_queue_options *options)
{
    struct pawl_shared_queue_core plan;
    int err = design(&plan, r, options);
    pawl_shared_queue *q;

    if (err != 0)
        return err;
    q = new_handle();
    return hand_out(queue, q,
                    q != NULL ? find_or_create(q, r, &plan, options->name)
                              : -ENOMEM);
}

int pawl_shared_queue_remove(pawl_region *r, const char *name)
{
    return pawl_object_remove(r, name);
}

pawl_offset pawl_shared_queue_offset(const pawl_shared_queue *q)
{
    return pawl_region_offset(q->region, q->core);
}

/* ---- who calls ------------------------------------------------------------ */

/* 0;  -EBADF the region is closed;  -ENOMEM no slot is left in it. */
static inline int enter_region(const pawl_shared_queue *q,
                               struct pawl_shared_call *c)
{
    int id = pawl_region_me(q->region);

    if (pawl_unlikely(id < 0))
        return id == -EAGAIN ? -ENOMEM : id;
    *c = (struct pawl_shared_call){.core = q->core,
                                   .table = q->region->table,
                                   .me = (uint32_t)id,
                                   .store = store_at(q->core)};
    return 0;
}

static inline bool is_closed(const pawl_shared_queue *q)
{
    /* relaxed: a flag that brings nothing with it. */
    return pawl_load_relaxed(&q->closed) != 0;
}

static inline int enter(const pawl_shared_queue *q, struct pawl_shared_call *c)
{
    return pawl_unlikely(is_closed(q)) ? -EBADF : enter_region(q, c);
}

/* ---- put and get ---------------------------------------------------------- */

struct put_call {
    const pawl_shared_queue *q;
    struct pawl_shared_call c;
    enum pawl_shared_side side;
    const void *record;
    size_t bytes;
};

static inline int put(const struct put_call *p)
{
    int err = p->q->store->put(&p->c, p->side, p->record, p->bytes);

    if (pawl_likely(err == 0))
        pawl_end_tell(&p->c.core->not_empty, 1);
    return err;
}

/* While it waits, there may be blocks again as well as room. */
static inline int64_t while_waiting(const pawl_shared_queue *q, int64_t answer)
{
    if (answer == -EAGAIN || answer == -ENOMEM)
        return is_closed(q) ? -EBADF : -EAGAIN;
    return answer;
}

static int64_t try_put_again(void *call)
{
    const struct put_call *p = call;

    return while_waiting(p->q, put(p));
}

static inline int check_record(const struct pawl_shared_queue_core *core,
                               size_t bytes)
{
    if (bytes > core->record_size)
        return -EMSGSIZE;
    return core->kind == PAWL_SHARED_PRIORITY &&
                   bytes < core->key_offset + sizeof(uint64_t)
               ? -EINVAL
               : 0;
}

static const pawl_deadline for_ever = PAWL_FOREVER;

/* `until` is NULL for the try forms. */
static int put_side(pawl_shared_queue *q, enum pawl_shared_side side,
                    const void *record, size_t bytes,
                    const pawl_deadline *until)
{
    struct put_call p = {
        .q = q, .side = side, .record = record, .bytes = bytes};
    int err = enter(q, &p.c);

    if (pawl_unlikely(err != 0))
        return err;
    err = check_record(p.c.core, bytes);
    if (pawl_unlikely(err != 0))
        return err;
    if (side == PAWL_SIDE_FRONT && p.c.core->kind != PAWL_SHARED_DEQUE)
        return -EINVAL;
    err = put(&p);
    if (pawl_likely(err != -EAGAIN && err != -ENOMEM) || until == NULL)
        return err;
    return (int)pawl_wait_for(try_put_again, &p, &p.c.core->not_full, *until);
}

struct get_call {
    const pawl_shared_queue *q;
    struct pawl_shared_call c;
    enum pawl_shared_side side;
    void *record;
    pawl_shared_task task;
};

static inline int64_t get(struct get_call *g)
{
    int64_t bytes = g->q->store->get(&g->c, g->side, g->record, &g->task);

    if (pawl_likely(bytes >= 0))
        pawl_end_tell(&g->c.core->not_full, 1);
    return bytes;
}

static int64_t try_get_again(void *call)
{
    struct get_call *g = call;

    return while_waiting(g->q, get(g));
}

static int64_t get_side(pawl_shared_queue *q, enum pawl_shared_side side,
                        void *record, size_t size, pawl_shared_task *task,
                        const pawl_deadline *until)
{
    struct get_call g = {.q = q, .side = side, .record = record};
    int64_t bytes = enter(q, &g.c);

    if (pawl_unlikely(bytes != 0))
        return bytes;
    if (size < g.c.core->record_size)
        return -EMSGSIZE;
    if (side == PAWL_SIDE_BACK && g.c.core->kind != PAWL_SHARED_DEQUE)
        return -EINVAL;
    bytes = get(&g);
    if (pawl_unlikely(bytes == -EAGAIN || bytes == -ENOMEM) && until != NULL)
        bytes = pawl_wait_for(try_get_again, &g, &g.c.core->not_empty, *until);
    if (bytes >= 0 && task != NULL)
        *task = g.task;
    return bytes;
}

struct put_many_call {
    const pawl_shared_queue *q;
    struct pawl_shared_call c;
    struct pawl_shared_put_batch batch;
};

static int64_t put_some(const struct put_many_call *p)
{
    int64_t n = p->q->store->put_many(&p->c, &p->batch);

    if (pawl_likely(n > 0))
        pawl_end_tell(&p->c.core->not_empty, (uint32_t)n);
    return n;
}

static int64_t try_put_some_again(void *call)
{
    const struct put_many_call *p = call;

    return while_waiting(p->q, put_some(p));
}

/* Before any of them is put: what a put of each would say about it. */
static int check_batch(const struct put_many_call *p)
{
    const struct pawl_shared_put_batch *b = &p->batch;

    for (size_t i = 0; i < b->n; i++) {
        size_t bytes = b->bytes != NULL ? b->bytes[i] : b->size;
        int err = check_record(p->c.core, bytes);

        if (err != 0 || bytes > b->size)
            return err != 0 ? err : -EMSGSIZE;
        if (b->bytes == NULL)
            break; /* the others are as long */
    }
    return 0;
}

static int64_t put_many(pawl_shared_queue *q,
                        const struct pawl_shared_put_batch *batch,
                        const pawl_deadline *until)
{
    struct put_many_call p = {.q = q, .batch = *batch};
    int64_t n = enter(q, &p.c);

    if (n == 0)
        n = check_batch(&p);
    if (n != 0 || batch->n == 0)
        return n;
    n = put_some(&p);
    if ((n != -EAGAIN && n != -ENOMEM) || until == NULL)
        return n;
    return pawl_wait_for(try_put_some_again, &p, &p.c.core->not_full, *until);
}

struct get_many_call {
    const pawl_shared_queue *q;
    struct pawl_shared_call c;
    struct pawl_shared_get_batch batch;
};

static int64_t get_some(const struct get_many_call *g)
{
    int64_t n = g->q->store->get_many(&g->c, &g->batch);

    if (pawl_likely(n > 0))
        pawl_end_tell(&g->c.core->not_full, (uint32_t)n);
    return n;
}

static int64_t try_get_some_again(void *call)
{
    const struct get_many_call *g = call;

    return while_waiting(g->q, get_some(g));
}

static int64_t get_many(pawl_shared_queue *q,
                        const struct pawl_shared_get_batch *batch,
                        const pawl_deadline *until)
{
    struct get_many_call g = {.q = q, .batch = *batch};
    int64_t n = enter(q, &g.c);

    if (n == 0 && batch->size < g.c.core->record_size)
        n = -EMSGSIZE;
    if (n != 0 || batch->n == 0)
        return n;
    n = get_some(&g);
    if ((n != -EAGAIN && n != -ENOMEM) || until == NULL)
        return n;
    return pawl_wait_for(try_get_some_again, &g, &g.c.core->not_empty, *until);
}

int pawl_shared_queue_put_until(pawl_shared_queue *q, const void *record,
                                size_t bytes, pawl_deadline until)
{
    return put_side(q, PAWL_SIDE_BACK, record, bytes, &until);
}

int pawl_shared_queue_put(pawl_shared_queue *q, const void *record,
                          size_t bytes)
{
    return put_side(q, PAWL_SIDE_BACK, record, bytes, &for_ever);
}

int pawl_shared_queue_try_put(pawl_shared_queue *q, const void *record,
                              size_t bytes)
{
    return put_side(q, PAWL_SIDE_BACK, record, bytes, NULL);
}

int pawl_shared_queue_put_front_until(pawl_shared_queue *q, const void *record,
                                      size_t bytes, pawl_deadline until)
{
    return put_side(q, PAWL_SIDE_FRONT, record, bytes, &until);
}

int pawl_shared_queue_put_front(pawl_shared_queue *q, const void *record,
                                size_t bytes)
{
    return put_side(q, PAWL_SIDE_FRONT, record, bytes, &for_ever);
}

int pawl_shared_queue_try_put_front(pawl_shared_queue *q, const void *record,
                                    size_t bytes)
{
    return put_side(q, PAWL_SIDE_FRONT, record, bytes, NULL);
}

int64_t pawl_shared_queue_get_until(pawl_shared_queue *q, void *record,
                                    size_t size, pawl_deadline until)
{
    return get_side(q, PAWL_SIDE_FRONT, record, size, NULL, &until);
}

int64_t pawl_shared_queue_get(pawl_shared_queue *q, void *record, size_t size)
{
    return get_side(q, PAWL_SIDE_FRONT, record, size, NULL, &for_ever);
}

int64_t pawl_shared_queue_try_get(pawl_shared_queue *q, void *record,
                                  size_t size)
{
    return get_side(q, PAWL_SIDE_FRONT, record, size, NULL, NULL);
}

int64_t pawl_shared_queue_get_task_until(pawl_shared_queue *q, void *record,
                                         size_t size, pawl_shared_task *task,
                                         pawl_deadline until)
{
    return get_side(q, PAWL_SIDE_FRONT, record, size, task, &until);
}

int64_t pawl_shared_queue_get_task(pawl_shared_queue *q, void *record,
                                   size_t size, pawl_shared_task *task)
{
    return get_side(q, PAWL_SIDE_FRONT, record, size, task, &for_ever);
}

int64_t pawl_shared_queue_try_get_task(pawl_shared_queue *q, void *record,
                                       size_t size, pawl_shared_task *task)
{
    return get_side(q, PAWL_SIDE_FRONT, record, size, task, NULL);
}

int64_t pawl_shared_queue_get_back_until(pawl_shared_queue *q, void *record,
                                         size_t size, pawl_deadline until)
{
    return get_side(q, PAWL_SIDE_BACK, record, size, NULL, &until);
}

int64_t pawl_shared_queue_get_back(pawl_shared_queue *q, void *record,
                                   size_t size)
{
    return get_side(q, PAWL_SIDE_BACK, record, size, NULL, &for_ever);
}

int64_t pawl_shared_queue_try_get_back(pawl_shared_queue *q, void *record,
                                       size_t size)
{
    return get_side(q, PAWL_SIDE_BACK, record, size, NULL, NULL);
}

#define BATCH (&(struct pawl_shared_put_batch){records, size, bytes, n})

int64_t pawl_shared_queue_put_many_until(pawl_shared_queue *q,
                                         const void *records, size_t size,
                                         const size_t *bytes, size_t n,
                                         pawl_deadline until)
{
    return put_many(q, BATCH, &until);
}

int64_t pawl_shared_queue_put_many(pawl_shared_queue *q, const void *records,
                                   size_t size, const size_t *bytes, size_t n)
{
    return put_many(q, BATCH, &for_ever);
}

int64_t pawl_shared_queue_try_put_many(pawl_shared_queue *q,
                                       const void *records, size_t size,
                                       const size_t *bytes, size_t n)
{
    return put_many(q, BATCH, NULL);
}

#undef BATCH
#define BATCH (&(struct pawl_shared_get_batch){records, size, bytes, tasks, n})

int64_t pawl_shared_queue_get_many_until(pawl_shared_queue *q, void *records,
                                         size_t size, size_t *bytes,
                                         pawl_shared_task *tasks, size_t n,
                                         pawl_deadline until)
{
    return get_many(q, BATCH, &until);
}

int64_t pawl_shared_queue_get_many(pawl_shared_queue *q, void *records,
                                   size_t size, size_t *bytes,
                                   pawl_shared_task *tasks, size_t n)
{
    return get_many(q, BATCH, &for_ever);
}

int64_t pawl_shared_queue_try_get_many(pawl_shared_queue *q, void *records,
                                       size_t size, size_t *bytes,
                                       pawl_shared_task *tasks, size_t n)
{
    return get_many(q, BATCH, NULL);
}

#undef BATCH

/* ---- tasks ---------------------------------------------------------------- */

/* Something was done: if nothing is unfinished, tell those who wait for that. */
static void tell_joiners(const pawl_shared_queue *q,
                         const struct pawl_shared_call *c)
{
    uint64_t seen;

    if (!pawl_eventcount_is_heeded(&c->core->idle, &seen) ||
        !q->store->is_idle(c))
        return;
    /* seq_cst: pairs with the load in try_join_again, as the event count demands;
     * a release for the joiners. */
    pawl_add64_seq(&c->core->idles, 1);
    pawl_eventcount_notify_all(&c->core->idle);
}

/* 0 with a call whose queue has tasks, else an error. */
static int enter_tasks(const pawl_shared_queue *q, struct pawl_shared_call *c)
{
    int err = enter_region(q, c);

    if (err == 0 && !pawl_shared_has_tasks(c))
        err = -EINVAL;
    return err;
}

int pawl_shared_queue_task_done(pawl_shared_queue *q,
                                const pawl_shared_task *task)
{
    struct pawl_shared_call c;
    int err = enter_tasks(q, &c);

    if (err != 0)
        return err;
    if (!q->store->done(&c, task))
        return -EOVERFLOW;
    tell_joiners(q, &c);
    return 0;
}

struct join_call {
    const pawl_shared_queue *q;
    struct pawl_shared_call c;
    uint64_t idles; /* when it began */
};

static int64_t try_join_again(void *call)
{
    const struct join_call *j = call;

    /* seq_cst: pairs with the addition in tell_joiners. */
    if (pawl_load64_seq(&j->c.core->idles) != j->idles ||
        j->q->store->is_idle(&j->c))
        return 0;
    return -EAGAIN;
}

static int join(pawl_shared_queue *q, const pawl_deadline *until)
{
    struct join_call j = {.q = q};
    int err = enter_tasks(q, &j.c);
    int64_t done;

    if (err != 0)
        return err;
    /* seq_cst: before the store is asked. */
    j.idles = pawl_load64_seq(&j.c.core->idles);
    done = try_join_again(&j);
    while (done == -EAGAIN && err != -ETIMEDOUT && until != NULL) {
        uint32_t key = pawl_eventcount_prepare(&j.c.core->idle);

        done = try_join_again(&j);
        if (done == 0) {
            pawl_eventcount_cancel(&j.c.core->idle, key);
            break;
        }
        err = pawl_eventcount_wait_until(&j.c.core->idle, key, *until);
        done = try_join_again(&j);
    }
    return done == 0 ? 0 : until == NULL ? -EAGAIN : -ETIMEDOUT;
}

int pawl_shared_queue_join_until(pawl_shared_queue *q, pawl_deadline until)
{
    return join(q, &until);
}

int pawl_shared_queue_join(pawl_shared_queue *q)
{
    return join(q, &for_ever);
}

int pawl_shared_queue_try_join(pawl_shared_queue *q)
{
    return join(q, NULL);
}

uint64_t pawl_shared_queue_unfinished(pawl_shared_queue *q)
{
    struct pawl_shared_call c;

    if (enter_region(q, &c) != 0)
        return 0;
    return q->store->size(&c) +
           (pawl_shared_has_tasks(&c) ? q->store->in_hand(&c) : 0);
}

/* ---- the end -------------------------------------------------------------- */

int pawl_shared_queue_shutdown(pawl_shared_queue *q)
{
    struct pawl_shared_call c;
    int err = enter(q, &c);

    if (err != 0)
        return err;
    q->store->close(&c);
    pawl_end_tell(&c.core->not_empty, UINT32_MAX);
    pawl_end_tell(&c.core->not_full, UINT32_MAX);
    return 0;
}

/* Take out what is there.  How many, or -ENOMEM if some cannot be held. */
static int64_t discard(pawl_shared_queue *q, void *record)
{
    struct pawl_shared_call c;
    pawl_shared_task task;
    int64_t bytes;
    int64_t n = 0;

    for (;;) {
        bytes = pawl_shared_queue_try_get_task(
            q, record, (size_t)q->core->record_size, &task);
        if (bytes < 0)
            break;
        if (enter_region(q, &c) == 0 && pawl_shared_has_tasks(&c))
            q->store->done(&c, &task);
        n++;
    }
    if (n > 0 && enter_region(q, &c) == 0)
        tell_joiners(q, &c);
    return bytes == -ENOMEM ? bytes : n;
}

int64_t pawl_shared_queue_shutdown_now(pawl_shared_queue *q)
{
    struct pawl_shared_call c;
    int64_t n = enter(q, &c);
    void *record;

    if (n != 0)
        return n;
    record = malloc((size_t)q->core->record_size);
    n = record != NULL ? pawl_shared_queue_shutdown(q) : -ENOMEM;
    if (n == 0)
        n = discard(q, record);
    free(record);
    return n;
}

bool pawl_shared_queue_is_shutdown(pawl_shared_queue *q)
{
    /* A look, for which nobody has to take part. */
    const struct pawl_shared_call c = {.core = q->core,
                                       .store = store_at(q->core)};

    return q->region->base != NULL && q->store->is_closed(&c);
}

int pawl_shared_queue_close(pawl_shared_queue *q)
{
    pawl_store_relaxed(&q->closed, 1); /* relaxed: see is_closed */
    return 0;
}

void pawl_shared_queue_free(pawl_shared_queue *q)
{
    free(q);
}

/* ---- in a wait set -------------------------------------------------------- */

static int may_get(pawl_wait_item *item, bool first)
{
    const pawl_shared_queue *q = item->object_;
    struct pawl_shared_call c;
    int err = enter(q, &c);

    (void)first;
    return err != 0 ? err : q->store->may_get(&c);
}

static int may_put(pawl_wait_item *item, bool first)
{
    const pawl_shared_queue *q = item->object_;
    struct pawl_shared_call c;
    int err = enter(q, &c);

    (void)first;
    return err != 0 ? err : q->store->may_put(&c);
}

static bool watch_not_empty(const pawl_wait_item *item,
                            struct pawl_watch *watch)
{
    const pawl_shared_queue *q = item->object_;

    return pawl_end_leave(&q->core->not_empty, item, PAWL_EVENTCOUNT_WATCHED,
                          watch);
}

static bool watch_not_full(const pawl_wait_item *item, struct pawl_watch *watch)
{
    const pawl_shared_queue *q = item->object_;

    return pawl_end_leave(&q->core->not_full, item, PAWL_EVENTCOUNT_WATCHED,
                          watch);
}

/* A descriptor is of one process. */
static pawl_u32 *no_fd(const pawl_wait_item *item)
{
    (void)item;
    return NULL;
}

pawl_wait_item pawl_shared_queue_readable_wait_item(pawl_shared_queue *q)
{
    static const struct pawl_waitable how = {.look = may_get,
                                             .watch = watch_not_empty,
                                             .wakers_die = true,
                                             .fd = no_fd};

    return pawl_waitable_item(q, &how);
}

pawl_wait_item pawl_shared_queue_writable_wait_item(pawl_shared_queue *q)
{
    static const struct pawl_waitable how = {.look = may_put,
                                             .watch = watch_not_full,
                                             .wakers_die = true,
                                             .fd = no_fd};

    return pawl_waitable_item(q, &how);
}

/* ---- snapshots ------------------------------------------------------------ */

size_t pawl_shared_queue_size(pawl_shared_queue *q)
{
    struct pawl_shared_call c;

    return enter_region(q, &c) == 0 ? q->store->size(&c) : 0;
}

size_t pawl_shared_queue_capacity(const pawl_shared_queue *q)
{
    return (size_t)q->core->capacity;
}

size_t pawl_shared_queue_record_size(const pawl_shared_queue *q)
{
    return (size_t)q->core->record_size;
}

int pawl_shared_queue_recover(pawl_shared_queue *q)
{
    struct pawl_shared_call c;
    int err = enter_region(q, &c);

    return err != 0 ? err : (int)q->store->recover(&c);
}
