/* SPDX-License-Identifier: MIT
 *
 * pool_worker.c - what a worker process does, and the names of functions.
 */
#include "process/pool_core.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "process/record.h"

/* -- Names -------------------------------------------------------------------- */

struct name {
    struct name *next;
    pawl_proc_fn fn;
    char text[PAWL_WINDOW_NAME];
};

/* Under the lock of the children, which a fork leaves in order; never removed. */
static struct name *names;

static const struct name *find(const char *text, pawl_proc_fn fn)
{
    const struct name *n;

    pawl_children_lock();
    n = names;
    while (n != NULL &&
           (text != NULL ? strcmp(n->text, text) != 0 : n->fn != fn))
        n = n->next;
    pawl_children_unlock();
    return n;
}

const char *pawl_proc_name(pawl_proc_fn fn)
{
    const struct name *n = find(NULL, fn);

    return n != NULL ? n->text : NULL;
}

static int run_worker(const pawl_process_call *call);

int pawl_worker_register(void)
{
    return pawl_process_register(PAWL_WORKER_ENTRY, run_worker);
}

int pawl_procpool_register(const char *name, pawl_proc_fn fn)
{
    const struct name *known;
    struct name *n;
    int err;

    if (name == NULL || fn == NULL || name[0] == '\0' ||
        strlen(name) >= PAWL_WINDOW_NAME)
        return -EINVAL;
    known = find(name, NULL);
    if (known != NULL)
        return known->fn == fn ? 0 : -EEXIST;
    err = pawl_worker_register();
    if (err != 0)
        return err;
    n = malloc(sizeof *n);
    if (n == NULL)
        return -ENOMEM;
    n->fn = fn;
    strcpy(n->text, name);
    pawl_children_lock();
    n->next = names;
    names = n;
    pawl_children_unlock();
    return 0;
}

/* -- A worker ------------------------------------------------------------------ */

struct me {
    struct pawl_window *window;
    struct pawl_window_worker *shared;
    uint32_t place;
    int bell;
    void *context; /* the user's, from call to call */
    pawl_proc_fn known[PAWL_WINDOW_FUNCTIONS];
};

/* NULL: there is none of that name here. */
static pawl_proc_fn function_of(struct me *me, uint64_t function)
{
    const struct name *n;

    if (me->window->by_address)
        return (pawl_proc_fn)(uintptr_t)function;
    if (me->known[function] == NULL) {
        n = find(me->window->name[function], NULL);
        me->known[function] = n != NULL ? n->fn : NULL;
    }
    return me->known[function];
}

static int call(struct me *me, pawl_proc_fn fn, pawl_proccall *c)
{
    int status;

    c->worker = (int)me->place;
    c->context = me->context;
    status = fn != NULL ? fn(c) : -ENOENT;
    me->context = c->context;
    return status;
}

static void ring(const struct me *me)
{
    uint64_t one = 1;

    (void)!write(me->bell, &one, sizeof one);
}

static void run(struct me *me, struct pawl_window_record *r)
{
    pawl_proc_fn fn = function_of(me, r->function);
    char *memory = (char *)me->window + r->memory;
    char *results = memory + pawl_window_results_at(r->argument_size, r->n);
    int32_t *statuses = (int32_t *)(void *)(memory + pawl_window_statuses_at(
                                                         r->argument_size,
                                                         r->result_size, r->n));

    for (uint32_t i = r->first; i < r->n; i++) {
        pawl_proccall c = {.argument = memory + i * r->argument_size,
                           .size = r->argument_size,
                           .result = results + i * r->result_size,
                           .room = r->result_size,
                           .used = r->result_size,
                           .index = r->index + i,
                           .said_ = &r->said};

        /* relaxed: read only when we are dead, or after finish. */
        pawl_store_relaxed(&r->current, i);
        memset(c.result, 0, r->result_size);
        statuses[i] = call(me, fn, &c);
        r->used = c.used;
    }
}

bool pawl_proccall_stop_requested(const pawl_proccall *call)
{
    /* acquire: pairs with or_seq in the pool's stop. */
    return call->said_ != NULL &&
           (pawl_load_acquire(call->said_) & PAWL_SAID_STOP) != 0;
}

/* One of the user's functions for a worker's beginning or end. */
static int prepare(struct me *me, uint64_t function)
{
    const struct pawl_window *w = me->window;
    pawl_proccall c = {.argument = (const char *)w + w->argument,
                       .size = w->argument_size};

    return function != 0 ? call(me, function_of(me, function - 1), &c) : 0;
}

static void enter(struct me *me, enum pawl_window_worker_state state)
{
    /* release: pairs with load_acquire by the pool. */
    pawl_store_release(&me->shared->state, (uint32_t)state);
}

/* Somebody is about to kill this process. */
static _Noreturn void await_death(void)
{
    for (;;)
        pause();
}

static int work(struct me *me)
{
    struct pawl_window *w = me->window;
    int status = prepare(me, w->initialise);
    int record = -1;

    if (status != 0) {
        pawl_store_relaxed(&me->shared->status, (uint32_t)status); /* relaxed:
                                                    the state publishes it */
        enter(me, PAWL_WORKER_FAILED);
        return 1;
    }
    enter(me, PAWL_WORKER_READY);
    pawl_add_seq(&w->ready, 1); /* seq_cst: as a finished task, pairs with the
                                   pool's look before it sleeps */
    for (uint64_t n = 0; w->limit == 0 || n < w->limit; n++) {
        record = pawl_window_await(w, me->place);
        if (record < 0)
            break;
        run(me, pawl_window_record(w, (uint32_t)record));
        if (!pawl_window_end_task(w, (uint32_t)record))
            await_death();
        if (pawl_window_finish(w, me->place, (uint32_t)record))
            ring(me);
    }
    (void)prepare(me, w->finalise);
    enter(me, PAWL_WORKER_LEFT);
    return 0;
}

static int run_worker(const pawl_process_call *c)
{
    struct pawl_worker_letter letter;
    struct me me = {.bell = -1};
    pawl_region *region;

    if (c->size != sizeof letter || c->n_fds != 2 ||
        pawl_region_attach_fd(&region, c->fds[0]) != 0)
        return 1;
    memcpy(&letter, c->blob, sizeof letter);
    me.window = pawl_region_at(region, letter.of_window);
    me.bell = c->fds[1];
    me.place = letter.place;
    if (me.window->magic != PAWL_WINDOW_MAGIC)
        return 1;
    me.shared = pawl_window_worker(me.window, me.place);
    return work(&me);
}
