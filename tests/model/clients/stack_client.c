/* SPDX-License-Identifier: MIT
 *
 * One pushes, one pops and pushes again what it has popped, so that a place comes
 * back, and one pops: nothing is lost, nothing comes twice.
 */
#include "client.h"

CLIENT_EXECUTIONS(117);

#include "atomic/stack.c"

static pawl_stack *s;
static _Alignas(4096) char memory[4096];
static int popped[2]; /* how often; each by its thread */
static uint64_t held;

static void push_one(void)
{
    uint64_t one = 1;
    int err = pawl_stack_push(s, &one);

    assert(err == 0);
}

static void pop_and_push(void)
{
    uint64_t it;

    if (pawl_stack_pop(s, &it) != 0)
        return;
    assert(it < 2);
    it += 2;
    if (pawl_stack_push(s, &it) != 0)
        held = it;
}

static void note(uint64_t it)
{
    assert(it < 4);
    popped[it % 2]++;
}

int main(void)
{
    uint64_t it = 0;
    int err = pawl_stack_init(&s, memory, sizeof memory, 2, sizeof it, 3);

    assert(err == 0);
    err = pawl_stack_push(s, &it);
    assert(err == 0);
    CLIENT_RUN(push_one, pop_and_push);
    assert(held == 0); /* there is room for both */
    while (pawl_stack_pop(s, &it) == 0)
        note(it);
    assert(popped[0] == 1 && popped[1] == 1);
    return 0;
}
