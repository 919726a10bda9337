/* SPDX-License-Identifier: MIT
 *
 * lifo.c - last in, first out: a stack.
 */
#include <errno.h>
#include <sched.h>

#include <pawl/stack.h>

#include "atomic/stack_core.h"
#include "queue/store.h"

static int64_t lifo_bytes(const pawl_queue_options *o)
{
    return pawl_stack_bytes(o->capacity, o->element_size,
                            pawl_store_participants(o));
}

static void lifo_init(void *store, size_t bytes, const pawl_queue_options *o)
{
    pawl_stack *stack;

    pawl_stack_init(&stack, store, bytes, o->capacity, o->element_size,
                    pawl_store_participants(o));
}

static bool lifo_attach(void *store, size_t bytes)
{
    pawl_stack *stack;

    return pawl_stack_attach(&stack, store, bytes) == 0;
}

static int64_t lifo_push(void *store, const void *elements, size_t n)
{
    size_t size = pawl_stack_element_size(store);
    const char *at = elements;
    size_t done = 0;
    int err = 0;

    while (done < n && (err = pawl_stack_push(store, at)) == 0) {
        at += size;
        done++;
    }
    return done > 0 ? (int64_t)done : err;
}

static int64_t lifo_pop(void *store, void *elements, size_t n)
{
    size_t size = pawl_stack_element_size(store);
    char *at = elements;
    size_t done = 0;
    int err = 0;

    while (done < n && (err = pawl_stack_pop(store, at)) == 0) {
        at += size;
        done++;
    }
    return done > 0 ? (int64_t)done : err;
}

/* Nodes of the dead are lost: those inside have to come out. */
static void lifo_relieve(void *store)
{
    (void)store;
    sched_yield();
}

static int lifo_close(void *store)
{
    return pawl_stack_close(store);
}

static bool lifo_is_closed(const void *store)
{
    return pawl_stack_is_closed(store);
}

static void lifo_drain(void *store, pawl_queue_discard_fn dispose,
                       void *context)
{
    uint32_t loan;
    void *element;

    while (pawl_stack_borrow(store, &loan, &element) == 0) {
        dispose(element, context);
        pawl_stack_give_back(store, loan);
    }
}

static size_t lifo_size(const void *store)
{
    return pawl_stack_size(store);
}

static uint64_t lifo_unfinished(const void *store, uint64_t done)
{
    return (pawl_stack_pushed(store) - done) & pawl_stack_pushed_mask(store);
}

const struct pawl_store pawl_store_lifo = {
    .bytes = lifo_bytes,
    .init = lifo_init,
    .attach = lifo_attach,
    .push = lifo_push,
    .pop = lifo_pop,
    .relieve = lifo_relieve,
    .close = lifo_close,
    .is_closed = lifo_is_closed,
    .drain = lifo_drain,
    .size = lifo_size,
    .unfinished = lifo_unfinished,
};
