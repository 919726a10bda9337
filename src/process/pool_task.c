/* SPDX-License-Identifier: MIT
 *
 * pool_task.c - the tasks of a process pool: see pool_core.h for their states.
 */
#include "process/pool_core.h"

#include <stdlib.h>
#include <string.h>

#include "base/place.h"

/* -- What the future asks ------------------------------------------------------- */

static pawl_proctask *task_of(pawl_future *f)
{
    return (pawl_proctask *)(void *)f; /* the first member */
}

void pawl_procline_remove(struct pawl_procline *line, pawl_proctask *t)
{
    *(t->prev_ != NULL ? &t->prev_->next_ : &line->first) = t->next_;
    *(t->next_ != NULL ? &t->next_->prev_ : &line->last) = t->prev_;
}

/* It needs no room any more. */
static void left(pawl_procpool *p, pawl_proctask *t)
{
    if (t->counted_)
        pawl_sem_release_n(&p->room, 1);
    t->counted_ = false;
}

static int call_off(pawl_future *f)
{
    pawl_proctask *t = task_of(f);
    pawl_procpool *p = pawl_procpool_hold(t);
    int err = 0;

    if (p == NULL)
        return t->pool_ == NULL ? 0 : -EBUSY;
    if (t->state_ == PAWL_PROCTASK_LINE) {
        pawl_procline_remove(&p->line, t);
    } else if (t->state_ == PAWL_PROCTASK_WINDOW &&
               pawl_window_call_off(&p->offers, t->record_)) {
        pawl_procpool_free_record(p, t->record_);
    } else {
        err = t->state_ == PAWL_PROCTASK_OFF ? 0 : -EBUSY;
        pawl_unlock(&p->lock);
        return err;
    }
    t->state_ = PAWL_PROCTASK_OFF;
    pawl_procpool_forget(p, t);
    p->outstanding--;
    left(p, t);
    if (pawl_load_relaxed(&t->refs_) > 0) /* relaxed: one is the caller's */
        pawl_add_relaxed(&t->refs_, UINT32_MAX); /* relaxed: not the last */
    pawl_unlock(&p->lock);
    pawl_procpool_poke(p); /* a record is free; or all is done */
    return 0;
}

uint32_t pawl_procpool_runner(const pawl_procpool *p, const pawl_proctask *t)
{
    uint32_t taker = t->state_ == PAWL_PROCTASK_WINDOW
                         ? pawl_window_taker(&p->offers, t->record_)
                         : 0;

    return taker != PAWL_WINDOW_NOBODY ? taker : 0;
}

/* Others may have said it before. */
static void tell_begun(pawl_future *f)
{
    int err = pawl_future_begin(f);

    (void)err;
}

static void look(pawl_future *f)
{
    pawl_proctask *t = task_of(f);
    pawl_procpool *p = pawl_procpool_hold(t);

    if (p == NULL)
        return;
    if (pawl_procpool_runner(p, t) != 0)
        tell_begun(f);
    pawl_unlock(&p->lock);
}

static void stop(pawl_future *f)
{
    pawl_proctask *t = task_of(f);
    pawl_procpool *p = pawl_procpool_hold(t);

    if (p == NULL)
        return;
    if (t->state_ == PAWL_PROCTASK_WINDOW)
        /* seq_cst: pairs with load_acquire in stop_requested. */
        pawl_or_seq(&pawl_window_record(p->window, t->record_)->said,
                    PAWL_SAID_STOP);
    pawl_unlock(&p->lock);
}

/* The pool may have been freed by who knows that the task is done. */
static int wait_begins(pawl_future *f, bool *spins)
{
    const pawl_proctask *t = task_of(f);
    pawl_procpool *p;
    bool helps;

    if (t->pool_ == NULL)
        return 0;
    if (t->forks_ != pawl_fork_count_)
        return -ECHILD;
    if (t->pool_ == pawl_procpool_served_)
        return -EDEADLK;
    *spins = false; /* but by helping */
    p = pawl_procpool_hold(t);
    if (p == NULL)
        return 0;
    helps = pawl_procpool_help_begins(p);
    pawl_unlock(&p->lock);
    if (helps)
        pawl_procpool_help(p, t);
    return 0;
}

int pawl_proctask_kill(pawl_proctask *task)
{
    int err = pawl_future_cancel(&task->future);
    pawl_procpool *p;

    if (err != -EBUSY)
        return err;
    if (task->forks_ != pawl_fork_count_)
        return -ECHILD;
    p = pawl_procpool_hold(task);
    if (p == NULL)
        return -EALREADY;
    if (task->state_ == PAWL_PROCTASK_LINE ||
        task->state_ == PAWL_PROCTASK_WINDOW) {
        pawl_procpool_forget(p, task);
        task->until = 0;
        task->verdict_ = -ECANCELED;
        pawl_procpool_expect(p, task);
        err = 0;
    } else {
        err = -EALREADY;
    }
    pawl_unlock(&p->lock);
    if (err == 0)
        pawl_procpool_poke(p);
    return err;
}

static const struct pawl_future_owner owner = {
    .call_off = call_off,
    .look = look,
    .stop = stop,
    .wait_begins = wait_begins,
};

/* -- Making one -------------------------------------------------------------------- */

void pawl_proctask_init(pawl_proctask *task, pawl_proc_fn fn,
                        const void *argument, size_t argument_size,
                        void *result, size_t result_size)
{
    *task = (pawl_proctask){
        .future = PAWL_FUTURE_INIT_FLAGS(PAWL_FUTURE_OWNED_),
        .owner_ = &owner,
        .fn_ = fn,
        .argument_ = argument,
        .argument_size_ = argument_size,
        .result_ = result,
        .result_size_ = result_size,
        .until = PAWL_FOREVER,
        .n_ = 1,
        .state_ = PAWL_PROCTASK_NEW,
    };
}

/* -- The line and the window ---------------------------------------------------------- */

static void push(struct pawl_procline *line, pawl_proctask *t)
{
    t->state_ = PAWL_PROCTASK_LINE;
    t->next_ = NULL;
    t->prev_ = line->last;
    *(line->last != NULL ? &line->last->next_ : &line->first) = t;
    line->last = t;
}

void pawl_procline_push_first(struct pawl_procline *line, pawl_proctask *t)
{
    t->state_ = PAWL_PROCTASK_LINE;
    t->prev_ = NULL;
    t->next_ = line->first;
    *(line->first != NULL ? &line->first->prev_ : &line->last) = t;
    line->first = t;
}

pawl_proctask *pawl_procline_pop(struct pawl_procline *line)
{
    pawl_proctask *t = line->first;

    if (t != NULL)
        pawl_procline_remove(line, t);
    return t;
}

void pawl_procpool_free_record(pawl_procpool *p, uint32_t record)
{
    struct pawl_procplace *place = &p->place[record];

    if (place->block != 0 && pawl_memory_free(p->region, place->block) != 0) {
        place->task = NULL;
        p->free[p->window->records - ++p->stuck_records] = (uint16_t)record;
        return;
    }
    *place = (struct pawl_procplace){0};
    p->free[p->free_records++] = (uint16_t)record;
}

/* Sizes are checked by submit, which also sees that nothing overflows. */
uint64_t pawl_proctask_block_bytes(const pawl_proctask *t)
{
    uint64_t bytes =
        pawl_window_payload(t->argument_size_, t->result_size_, t->n_);

    return bytes > PAWL_WINDOW_ROOM ? bytes : 0;
}

/* A record, written and offered.  0, or why not now. */
static int enter_window(pawl_procpool *p, pawl_proctask *t)
{
    uint64_t bytes = pawl_proctask_block_bytes(t);
    uint64_t base = pawl_region_offset(p->region, p->window);
    pawl_offset block = 0;
    struct pawl_window_record *r;
    uint16_t record;
    int err = 0;

    if (p->free_records == 0 || !pawl_window_has_slot(&p->offers))
        return -EAGAIN;
    if (bytes > 0)
        err = pawl_memory_alloc(p->region, bytes, 0, PAWL_MEMORY_KEPT, &block);
    if (err != 0)
        return err;
    record = p->free[--p->free_records];
    p->place[record] = (struct pawl_procplace){.task = t, .block = block};
    r = pawl_window_record(p->window, record);
    r->function = t->function_;
    r->memory = block != 0 ? block - base
                           : (uint64_t)((char *)r->room - (char *)p->window);
    r->argument_size = t->argument_size_;
    r->result_size = t->result_size_;
    r->index = t->index_;
    r->used = t->result_size_;
    r->first = t->first_;
    r->n = t->n_;
    /* relaxed: the offer publishes them. */
    pawl_store_relaxed(&r->current, t->first_);
    pawl_store_relaxed(&r->said, pawl_future_stop_requested(&t->future)
                                     ? PAWL_SAID_STOP
                                     : 0); /* relaxed: as above */
    if (t->argument_size_ > 0)
        memcpy((char *)p->window + r->memory, t->argument_,
               t->argument_size_ * t->n_);
    t->record_ = record;
    t->state_ = PAWL_PROCTASK_WINDOW;
    pawl_window_offer(&p->offers, record);
    return 0;
}

uint32_t pawl_procpool_refill(pawl_procpool *p)
{
    uint32_t n = 0;

    while (p->line.first != NULL && enter_window(p, p->line.first) == 0) {
        /* enter_window has changed its state, not the list */
        (void)pawl_procline_pop(&p->line);
        n++;
    }
    if (n > 0)
        pawl_procpool_offered(p);
    return n;
}

/* -- Submitting ----------------------------------------------------------------------- */

int pawl_procpool_accepts(const pawl_procpool *p)
{
    if (p->state == PAWL_PROCPOOL_OPEN)
        return 0;
    return p->state == PAWL_PROCPOOL_BROKEN ? -ENOTRECOVERABLE : -ESHUTDOWN;
}

/* What the window calls a function: 0, -ENOENT, -ENOSPC. */
int pawl_procpool_function(pawl_procpool *p, pawl_proc_fn fn, uint64_t *as)
{
    const char *name;
    uint32_t i = 0;

    *as = (uint64_t)(uintptr_t)fn;
    if (p->window->by_address)
        return 0;
    while (i < p->functions && p->known[i] != fn)
        i++;
    *as = i;
    if (i < p->functions)
        return 0;
    name = pawl_proc_name(fn);
    if (name == NULL)
        return -ENOENT;
    if (i == PAWL_WINDOW_FUNCTIONS)
        return -ENOSPC;
    strcpy(p->window->name[i], name);
    p->known[i] = fn;
    p->functions++;
    return 0;
}

/* Under the lock: 0, or why it cannot be submitted. */
static int check(pawl_procpool *p, pawl_proctask *t)
{
    uint64_t arguments;
    uint64_t results;

    if (t->state_ != PAWL_PROCTASK_NEW || pawl_future_is_done(&t->future))
        return -EALREADY;
    if (t->fn_ == NULL)
        return -EINVAL;
    if (__builtin_mul_overflow(t->argument_size_, (uint64_t)t->n_,
                               &arguments) ||
        __builtin_mul_overflow(t->result_size_, (uint64_t)t->n_, &results) ||
        arguments > p->memory || results > p->memory ||
        pawl_proctask_block_bytes(t) > p->memory)
        return -EMSGSIZE;
    return pawl_procpool_function(p, t->fn_, &t->function_);
}

/* Under the lock.  Returns whether it was offered. */
static bool accept(pawl_procpool *p, pawl_proctask *t, bool counted)
{
    t->pool_ = p;
    t->counted_ = counted;
    t->forks_ = p->forks;
    p->outstanding++;
    pawl_procpool_expect(p, t);
    if (p->line.first == NULL && enter_window(p, t) == 0)
        return true;
    push(&p->line, t);
    return false;
}

int pawl_procpool_submit_now(pawl_procpool *p, pawl_proctask *tasks, size_t n,
                             bool counted)
{
    uint32_t offered = 0;
    bool pokes;
    int err;

    if (!pawl_procpool_is_here(p))
        return -ECHILD;
    pawl_lock(&p->lock);
    err = pawl_procpool_accepts(p);
    for (size_t i = 0; i < n && err == 0; i++)
        err = check(p, &tasks[i]);
    for (size_t i = 0; i < n && err == 0; i++)
        offered += accept(p, &tasks[i], counted);
    if (offered > 0)
        pawl_procpool_offered(p);
    /* What ends will bring the next one in, if there is anything to end. */
    pokes = p->line.first != NULL && p->free_records == p->window->records;
    pokes = pokes || (p->sleeps && pawl_procpool_next_due(p) < p->sleeps_until);
    pawl_unlock(&p->lock);
    pawl_window_call(p->window, offered);
    if (pokes)
        pawl_procpool_poke(p);
    return err;
}

int pawl_procpool_submit_until(pawl_procpool *pool, pawl_proctask *task,
                               pawl_deadline until)
{
    bool counts = pool->options.capacity > 0;
    int err = 0;

    if (!pawl_procpool_is_here(pool))
        return -ECHILD;
    if (counts)
        err = pawl_sem_try_acquire(&pool->room);
    if (err == -EAGAIN && until > 0 && pawl_procpool_is_mine(pool))
        return -EDEADLK;
    if (err == -EAGAIN)
        err = pawl_sem_acquire_until(&pool->room, until);
    if (err != 0)
        return err;
    err = pawl_procpool_submit_now(pool, task, 1, counts);
    if (err != 0 && counts)
        pawl_sem_release_n(&pool->room, 1);
    return err;
}

int pawl_procpool_submit(pawl_procpool *pool, pawl_proctask *task)
{
    return pawl_procpool_submit_until(pool, task, PAWL_FOREVER);
}

int pawl_procpool_try_submit(pawl_procpool *pool, pawl_proctask *task)
{
    int err = pawl_procpool_submit_until(pool, task, 0);

    return err == -ETIMEDOUT ? -EAGAIN : err;
}

int64_t pawl_procpool_submit_many_until(pawl_procpool *pool,
                                        pawl_proctask *tasks, size_t n,
                                        pawl_deadline until)
{
    int err = 0;
    size_t i = 0;

    if (n > 1 && pool->options.capacity == 0) {
        err = pawl_procpool_submit_now(pool, tasks, n, false);
        return err != 0 ? err : (int64_t)n;
    }
    while (i < n &&
           (err = pawl_procpool_submit_until(pool, &tasks[i], until)) == 0)
        i++;
    return i > 0 ? (int64_t)i : err;
}

int64_t pawl_procpool_submit_many(pawl_procpool *pool, pawl_proctask *tasks,
                                  size_t n)
{
    return pawl_procpool_submit_many_until(pool, tasks, n, PAWL_FOREVER);
}

int64_t pawl_procpool_try_submit_many(pawl_procpool *pool, pawl_proctask *tasks,
                                      size_t n)
{
    int64_t done = pawl_procpool_submit_many_until(pool, tasks, n, 0);

    return done == -ETIMEDOUT ? -EAGAIN : done;
}

/* -- The outcome --------------------------------------------------------------------- */

void pawl_proctask_copy(pawl_procpool *p, pawl_proctask *t, uint32_t record,
                        uint32_t end)
{
    const struct pawl_window_record *r = pawl_window_record(p->window, record);
    const char *memory = (const char *)p->window + r->memory;
    const char *results =
        memory + pawl_window_results_at(t->argument_size_, t->n_);
    const char *statuses =
        memory +
        pawl_window_statuses_at(t->argument_size_, t->result_size_, t->n_);
    size_t skip = t->first_ * t->result_size_;
    size_t bytes = (end - t->first_) * t->result_size_;

    if (end <= t->first_)
        return;
    if (t->statuses_ != NULL) {
        memcpy(t->statuses_ + t->first_, statuses + t->first_ * sizeof(int),
               (end - t->first_) * sizeof(int));
    } else {
        memcpy(&t->status_, statuses, sizeof(int));
        t->used = r->used;
        bytes = t->used < bytes ? t->used : bytes;
    }
    if (bytes > 0)
        memcpy((char *)t->result_ + skip, results + skip, bytes);
    t->first_ = end;
    t->ran_ = end;
}

static void unref(pawl_proctask *t)
{
    /* acq_rel: what others did with it comes before it is freed. */
    if (pawl_add_acq_rel(&t->refs_, UINT32_MAX) == 1)
        free(t);
}

void pawl_proctask_deliver(pawl_proctask *t, int status, bool called_off)
{
    bool is_ours = pawl_load_relaxed(&t->refs_) > 0; /* relaxed: one is ours */
    pawl_proctask_done_fn fn = status == 0 ? t->done : t->failed;

    left(t->pool_, t);
    if (fn != NULL)
        fn(t, status, t->context);
    if (called_off)
        pawl_future_call_off(&t->future);
    else if (pawl_future_begin(&t->future) != -ECANCELED)
        pawl_future_call(&t->future,
                         pawl_future_set_task(&t->future, status, NULL));
    if (is_ours)
        unref(t);
}

/* -- On the heap -------------------------------------------------------------------------- */

struct heap_task {
    pawl_proctask task;
    _Alignas(max_align_t) char memory[];
};

/* A task with copies of its own; NULL: no memory. */
static pawl_proctask *make(pawl_proc_fn fn, const void *argument,
                           size_t argument_size, size_t result_size)
{
    size_t room = pawl_round_up(result_size, _Alignof(max_align_t));
    struct heap_task *h = malloc(sizeof *h + room + argument_size);

    if (h == NULL)
        return NULL;
    if (argument_size > 0)
        memcpy(h->memory + room, argument, argument_size);
    pawl_proctask_init(&h->task, fn, h->memory + room, argument_size, h->memory,
                       result_size);
    return &h->task;
}

/* Submit one that make has made, or free it. */
static int submit_made(pawl_procpool *pool, pawl_proctask *t, uint32_t refs,
                       pawl_deadline until)
{
    int err;

    if (t == NULL)
        return -ENOMEM;
    pawl_store_relaxed(&t->refs_, refs); /* relaxed: nobody else knows it */
    err = pawl_procpool_submit_until(pool, t, until);
    if (err != 0)
        free(t);
    return err;
}

int pawl_procpool_call(pawl_procpool *pool, pawl_proc_fn fn,
                       const void *argument, size_t argument_size,
                       size_t result_size,
                       const pawl_procpool_call_options *options,
                       pawl_proctask **task)
{
    static const pawl_procpool_call_options none;
    const pawl_procpool_call_options *o = options != NULL ? options : &none;
    pawl_proctask *t;
    int err;

    if ((o->size != 0 && o->size != sizeof *o) || o->retries < 0)
        return -EINVAL;
    if (argument_size > pool->memory || result_size > pool->memory)
        return -EMSGSIZE;
    t = make(fn, argument, argument_size, result_size);
    if (t != NULL) {
        t->done = o->done;
        t->failed = o->failed;
        t->context = o->context;
        t->retries = o->retries;
        t->until = o->until != 0 ? o->until : PAWL_FOREVER;
    }
    err = submit_made(pool, t, task != NULL ? 2 : 1, PAWL_FOREVER);
    if (err == 0 && task != NULL)
        *task = t;
    return err;
}
void pawl_proctask_release(pawl_proctask *task)
{
    if (task != NULL)
        unref(task);
}

void *pawl_proctask_result(const pawl_proctask *task)
{
    return task->result_;
}

/* -- Submit and wait ---------------------------------------------------------------------------- */

int pawl_procpool_apply(pawl_procpool *pool, pawl_proc_fn fn,
                        const void *argument, size_t argument_size,
                        void *result, size_t result_size, int *status)
{
    pawl_proctask t;
    bool helps;
    int err;

    if (!pawl_procpool_is_here(pool))
        return -ECHILD;
    if (pawl_procpool_is_mine(pool))
        return -EDEADLK;
    pawl_proctask_init(&t, fn, argument, argument_size, result, result_size);
    pawl_lock(&pool->lock);
    helps = pawl_procpool_help_begins(pool);
    pawl_unlock(&pool->lock);
    err = pawl_procpool_try_submit(pool, &t);
    if (helps)
        pawl_procpool_help(pool, err == 0 ? &t : NULL);
    if (err == -EAGAIN) /* full: the thread, not one who helps, makes room */
        err = pawl_procpool_submit(pool, &t);
    return err != 0 ? err : pawl_future_result(&t.future, status, NULL);
}

int pawl_procpool_apply_until(pawl_procpool *pool, pawl_proc_fn fn,
                              const void *argument, size_t argument_size,
                              void *result, size_t result_size,
                              pawl_deadline until, int *status)
{
    pawl_proctask *t;
    int err;

    if (pawl_procpool_is_mine(pool))
        return -EDEADLK;
    if (argument_size > pool->memory || result_size > pool->memory)
        return -EMSGSIZE;
    t = make(fn, argument, argument_size, result_size);
    err = submit_made(pool, t, 2, until);
    if (err != 0)
        return err;
    err = pawl_future_result_until(&t->future, status, NULL, until);
    if (err == 0 && result_size > 0)
        memcpy(result, t->result_,
               t->used < result_size ? t->used : result_size);
    else if (err != 0)
        (void)pawl_future_cancel(&t->future);
    pawl_proctask_release(t);
    return err;
}
