/* SPDX-License-Identifier: MIT
 *
 * Three connections for ten clients: a bounded semaphore says how many may have one,
 * a last-in-first-out queue keeps those that are free.  Who gives one back too much is
 * told; a semaphore without a bound would not notice.
 */
#include <stdatomic.h>

#include "example.h"

enum { CONNECTIONS = 3, CLIENTS = 10 };

struct connection {
    int number;
    atomic_int uses;
    atomic_bool in_use;
};

static struct connection connections[CONNECTIONS];
static pawl_sem permits;
static pawl_queue *free_ones;
static pawl_latch all_used = PAWL_LATCH_INIT(CONNECTIONS);
static atomic_int in_use;

static struct connection *borrow(void)
{
    struct connection *c = NULL;

    MUST(pawl_sem_acquire(&permits));
    MUST(pawl_queue_try_get(free_ones, &c)); /* a permit: there is one */
    return c;
}

static int give_back(struct connection *c)
{
    MUST(pawl_queue_try_put(free_ones, &c));
    return pawl_sem_release(&permits);
}

static int be_client(void *arg)
{
    struct connection *c = borrow();

    REQUIRE(!atomic_exchange(&c->in_use, true)); /* nobody else has it */
    REQUIRE(atomic_fetch_add(&in_use, 1) < CONNECTIONS);
    atomic_fetch_add(&c->uses, 1);
    SAY("client %d has connection %d", *(int *)arg, c->number);
    /* The first three wait for each other, so all connections are used. */
    if (pawl_latch_count(&all_used) > 0)
        (void)pawl_latch_count_down(&all_used, 1);
    MUST(pawl_latch_wait(&all_used));
    example_sleep(0.2);
    atomic_fetch_sub(&in_use, 1);
    atomic_store(&c->in_use, false);
    return give_back(c);
}

int main(int argc, char **argv)
{
    pawl_thread threads[CLIENTS];
    int numbers[CLIENTS];
    pawl_sem careless = PAWL_SEM_INIT(CONNECTIONS);
    int uses = 0;
    int status = -1;

    example_begins(argc, argv);
    MUST(pawl_sem_init_bounded(&permits, CONNECTIONS, CONNECTIONS, 0));
    MUST(pawl_queue_create(
        &free_ones,
        &(pawl_queue_options){.capacity = CONNECTIONS,
                              .element_size = sizeof(struct connection *),
                              .kind = PAWL_QUEUE_LIFO}));
    for (int i = 0; i < CONNECTIONS; i++) {
        struct connection *c = &connections[i];

        c->number = i;
        MUST(pawl_queue_try_put(free_ones, &c));
    }
    for (int i = 0; i < CLIENTS; i++) {
        numbers[i] = i;
        MUST(PAWL_THREAD_INIT(&threads[i], be_client, &numbers[i]));
        MUST(pawl_thread_start(&threads[i]));
    }
    for (int i = 0; i < CLIENTS; i++) {
        MUST(pawl_thread_join(&threads[i], &status));
        REQUIRE(status == 0);
    }
    for (int i = 0; i < CONNECTIONS; i++) {
        REQUIRE(atomic_load(&connections[i].uses) > 0);
        uses += atomic_load(&connections[i].uses);
    }
    REQUIRE(uses == CLIENTS);
    MUST_BE(-EOVERFLOW, pawl_sem_release(&permits));
    REQUIRE(pawl_sem_value(&permits) == CONNECTIONS);
    MUST(pawl_sem_release(&careless));
    REQUIRE(pawl_sem_value(&careless) == CONNECTIONS + 1);
    pawl_queue_free(free_ones);
    SAY("OK %d clients, %d connections; one back too many: -EOVERFLOW", uses,
        CONNECTIONS);
    return 0;
}
