/* SPDX-License-Identifier: MIT
 *
 * A variable that each thread has for itself, made at its first use in a thread and
 * destroyed when that ends.
 */
#include <stdatomic.h>

#include "example.h"

enum { THREADS = 10, TIMES = 1000 };

static atomic_int destroyed;

static void destroy(void *value, void *context)
{
    (void)context;
    free(value);
    atomic_fetch_add(&destroyed, 1);
}

static pawl_local mine = PAWL_LOCAL_INIT(NULL, destroy, NULL);

/* The calling thread's variable. */
static int *my_total(void)
{
    void *value = NULL;
    int err = pawl_local_get(&mine, &value);

    if (err == -ENOENT) { /* its first use in this thread */
        value = calloc(1, sizeof(int));
        REQUIRE(value != NULL);
        err = pawl_local_set(&mine, value);
    }
    MUST(err);
    return value;
}

static int add(void *arg)
{
    (void)arg;
    for (int i = 0; i < TIMES; i++)
        ++*my_total();
    return *my_total();
}

int main(int argc, char **argv)
{
    pawl_thread threads[THREADS];
    void *value = NULL;
    int status = 0;

    example_begins(argc, argv);
    for (int i = 0; i < THREADS; i++) {
        MUST(PAWL_THREAD_INIT(&threads[i], add, NULL));
        MUST(pawl_thread_start(&threads[i]));
    }
    for (int i = 0; i < THREADS; i++) {
        MUST(pawl_thread_join(&threads[i], &status));
        REQUIRE(status == TIMES);
    }
    MUST_BE(-ENOENT, pawl_local_get(&mine, &value)); /* main never had one */
    REQUIRE(atomic_load(&destroyed) == THREADS);
    SAY("OK %d threads counted %d each, %d destroyed", THREADS, TIMES,
        atomic_load(&destroyed));
    return 0;
}
