/* SPDX-License-Identifier: MIT
 *
 * One pushes three into a queue with two places, one pops: in this order, and whole.
 */
#include "client.h"

CLIENT_EXECUTIONS(14);

#include "atomic/spsc.c"

struct element {
    uint64_t value[2];
};

static pawl_spsc *q;
static _Alignas(4096) char memory[4096];
static uint64_t pushed;
static uint64_t popped;

static void push(void)
{
    for (int i = 0; i < 3; i++) {
        struct element e = {{pushed, ~pushed}};

        if (pawl_spsc_push(q, &e) == 0)
            pushed++;
    }
    assert(pushed >= 2);
}

static void pop_one(void)
{
    struct element e;

    if (pawl_spsc_pop(q, &e) != 0)
        return;
    assert(e.value[0] == popped && e.value[1] == ~popped);
    popped++;
}

static void pop(void)
{
    pop_one();
    pop_one();
}

int main(void)
{
    int err =
        pawl_spsc_init(&q, memory, sizeof memory, 2, sizeof(struct element));

    assert(err == 0);
    CLIENT_RUN(push, pop);
    pop();
    assert(popped == pushed && pawl_spsc_size(q) == 0);
    return 0;
}
