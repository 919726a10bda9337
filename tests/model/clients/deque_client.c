/* SPDX-License-Identifier: MIT
 *
 * A deque with one place: one pushes two, and waits for room; one pops both, and
 * waits for them.
 */
#include "client_lock.h"

CLIENT_EXECUTIONS(1349);

#include "futex/eventcount.c"
#define is_shared end_is_shared
#include "queue/end.c"
#undef is_shared
#include "queue/deque.c"

static pawl_deque *d;
static _Alignas(4096) char memory[4096];

static void push_both(void)
{
    for (uint64_t i = 0; i < 2; i++) {
        int err = pawl_deque_push_back(d, &i);

        assert(err == 0);
    }
}

static void pop_both(void)
{
    for (uint64_t i = 0; i < 2; i++) {
        uint64_t e;
        int err = pawl_deque_pop_front(d, &e);

        assert(err == 0 && e == i);
    }
}

int main(void)
{
    pawl_deque_options options = {.capacity = 1, .element_size = 8};
    int err = pawl_deque_init(&d, memory, sizeof memory, &options);

    assert(err == 0);
    CLIENT_RUN(push_both, pop_both);
    assert(pawl_deque_size(d) == 0);
    return 0;
}
