/* SPDX-License-Identifier: MIT
 *
 * 13 - producers that fill a queue by the hundred, consumers that take three at a
 * time and leave a hundred in it.  When all has been produced, the queue is shut
 * down: the consumers get the rest, and end.
 */
#include <stdatomic.h>

#include "example.h"

enum {
    PRODUCERS = 2,
    CONSUMERS = 5,
    EACH = 5000, /* items of a producer */
    BATCH = 100,
    CAPACITY = 1000,
    TAKE = 3,
    LEAVE = 100,
};

static pawl_queue *queue;
static atomic_llong produced, consumed; /* sums */
static atomic_int taken;

static int produce(void *arg)
{
    int first = *(int *)arg;
    int batch[BATCH];

    for (int made = 0; made < EACH; made += BATCH) {
        for (int i = 0; i < BATCH; i++) {
            batch[i] = first + made + i;
            atomic_fetch_add(&produced, batch[i]);
        }
        for (int put = 0; put < BATCH;) {
            /* What there is room for; waits while it is full. */
            int64_t n =
                pawl_queue_put_many(queue, batch + put, (size_t)(BATCH - put));

            REQUIRE(n > 0);
            put += (int)n;
        }
        REQUIRE(pawl_queue_size(queue) <= CAPACITY);
    }
    return 0;
}

static int consume(void *arg)
{
    int items[TAKE];
    int64_t n = 0;

    (void)arg;
    while (n != -ESHUTDOWN) {
        if (pawl_queue_size(queue) <= LEAVE && !pawl_queue_is_shutdown(queue)) {
            example_sleep(0.01);
            continue;
        }
        n = pawl_queue_get_many(queue, items, TAKE);
        REQUIRE(n > 0 || n == -ESHUTDOWN);
        for (int i = 0; i < n; i++)
            atomic_fetch_add(&consumed, items[i]);
        if (n > 0)
            atomic_fetch_add(&taken, (int)n);
    }
    return -ESHUTDOWN; /* that is how it ended */
}

int main(int argc, char **argv)
{
    pawl_thread producers[PRODUCERS];
    pawl_thread consumers[CONSUMERS];
    int first[PRODUCERS];
    int status = 0;

    example_begins(argc, argv);
    MUST(pawl_queue_create(&queue,
                           &(pawl_queue_options){.capacity = CAPACITY,
                                                 .element_size = sizeof(int)}));
    for (int i = 0; i < CONSUMERS; i++) {
        MUST(PAWL_THREAD_INIT(&consumers[i], consume, NULL));
        MUST(pawl_thread_start(&consumers[i]));
    }
    for (int i = 0; i < PRODUCERS; i++) {
        first[i] = i * EACH;
        MUST(PAWL_THREAD_INIT(&producers[i], produce, &first[i]));
        MUST(pawl_thread_start(&producers[i]));
    }
    for (int i = 0; i < PRODUCERS; i++)
        MUST(pawl_thread_join(&producers[i], NULL));
    MUST(pawl_queue_shutdown(queue));
    for (int i = 0; i < CONSUMERS; i++) {
        MUST(pawl_thread_join(&consumers[i], &status));
        REQUIRE(status == -ESHUTDOWN);
    }
    REQUIRE(atomic_load(&taken) == PRODUCERS * EACH);
    REQUIRE(atomic_load(&consumed) == atomic_load(&produced));
    pawl_queue_free(queue);
    SAY("OK %d items, sum %lld, all consumers ended by the shutdown",
        atomic_load(&taken), atomic_load(&consumed));
    return 0;
}
