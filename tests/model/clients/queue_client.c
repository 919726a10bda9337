/* SPDX-License-Identifier: MIT
 *
 * A queue with one place: one puts two, and waits for room; one gets both, and waits
 * for them.
 */
#include "client.h"

CLIENT_EXECUTIONS(10162);

#include "atomic/ring_self.c"
#define look ring_look
#include "atomic/ring.c"
#undef look
#undef MAGIC
#undef LAYOUT
#define look stack_look
#define put stack_put
#define take stack_take
#define stride_of stack_stride_of
#include "atomic/stack.c"
#undef look
#undef put
#undef take
#undef stride_of
#undef MAGIC
#undef LAYOUT
#include "futex/eventcount.c"
#define is_shared end_is_shared
#include "queue/end.c"
#undef is_shared
#include "queue/lifo.c"
#include "queue/queue.c"

/* No queue of these kinds is made. */
const struct pawl_store pawl_store_fifo;
const struct pawl_store pawl_store_prio;
const struct pawl_store pawl_store_unbounded_fifo;
const struct pawl_store pawl_store_unbounded_lifo;

void pawl_store_identify(void)
{
    pawl_ring_self_.id = pawl_self_.local_id;
}

struct element {
    uint64_t value[2];
};

static pawl_queue *q;
static _Alignas(4096) char memory[16384];

static void put_both(void)
{
    for (uint64_t i = 0; i < 2; i++) {
        struct element e = {{i, ~i}};
        int err = pawl_queue_put(q, &e);

        assert(err == 0);
    }
}

static void get_both(void)
{
    for (uint64_t i = 0; i < 2; i++) {
        struct element e;
        int err = pawl_queue_get(q, &e);

        assert(err == 0 && e.value[0] == i && e.value[1] == ~i);
    }
}

int main(void)
{
    pawl_queue_options options = {.kind = PAWL_QUEUE_LIFO,
                                  .capacity = 1,
                                  .element_size = sizeof(struct element)};
    int err = pawl_queue_init(&q, memory, sizeof memory, &options);

    assert(err == 0);
    CLIENT_RUN(put_both, get_both);
    assert(pawl_queue_size(q) == 0);
    return 0;
}
