/* SPDX-License-Identifier: MIT
 *
 * A priority queue with two places, which are taken: one puts the smallest, and waits
 * for room; one gets all three, and waits for the last.
 */
#include "client_lock.h"

CLIENT_EXECUTIONS(151);

#include "atomic/ring_self.c"
#define add ring_add
#define block_at ring_block_at
#define look ring_look
#include "atomic/ring.c"
#undef add
#undef block_at
#undef look
#undef MAGIC
#undef LAYOUT
#include "futex/eventcount.c"
#define is_shared end_is_shared
#include "queue/end.c"
#undef is_shared
#include "queue/prio.c"
#include "queue/queue.c"

/* No queue of these kinds is made. */
const struct pawl_store pawl_store_fifo;
const struct pawl_store pawl_store_lifo;
const struct pawl_store pawl_store_unbounded_fifo;
const struct pawl_store pawl_store_unbounded_lifo;

void pawl_store_identify(void)
{
    pawl_ring_self_.id = pawl_self_.local_id;
}

static pawl_queue *q;
static _Alignas(4096) char memory[16384];

static void put_key(uint64_t key)
{
    int err = pawl_queue_put(q, &key);

    assert(err == 0);
}

static uint64_t get_key(void)
{
    uint64_t key = 0;
    int err = pawl_queue_get(q, &key);

    assert(err == 0);
    return key;
}

static void put_1(void)
{
    put_key(1);
}

/* 1 comes when there is room, so not before the first of the others. */
static void get_all(void)
{
    uint64_t first = get_key();
    uint64_t second = get_key();
    uint64_t third = get_key();

    assert(first == 2);
    assert((second == 1 && third == 3) || (second == 3 && third == 1));
}

int main(void)
{
    pawl_queue_options options = {
        .kind = PAWL_QUEUE_PRIORITY, .capacity = 2, .element_size = 8};
    int err = pawl_queue_init(&q, memory, sizeof memory, &options);

    assert(err == 0);
    put_key(3);
    put_key(2);
    CLIENT_RUN(put_1, get_all);
    assert(pawl_queue_size(q) == 0);
    return 0;
}
