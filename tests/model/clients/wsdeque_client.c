/* SPDX-License-Identifier: MIT
 *
 * The owner has pushed one, pushes another and pops both, if they are there; two
 * steal: each is had once.
 */
#include "client.h"

CLIENT_EXECUTIONS(434);

#include "atomic/wsdeque.c"

static pawl_wsdeque *d;
static _Alignas(4096) char memory[4096];
static int made[2]; /* published by the push */
static int had[2];

static void have(uint64_t word)
{
    assert(word < 2 && made[word] == 1);
    had[word]++;
}

static void own(void)
{
    uint64_t word;
    int err;

    made[1] = 1;
    err = pawl_wsdeque_push(d, 1);
    assert(err == 0);
    for (int i = 0; i < 2; i++)
        if (pawl_wsdeque_pop(d, &word) == 0)
            have(word);
}

static void steal(void)
{
    uint64_t word;

    if (pawl_wsdeque_steal(d, &word) == 0)
        have(word);
}

int main(void)
{
    int err = pawl_wsdeque_init(&d, memory, sizeof memory, 2);

    assert(err == 0);
    made[0] = 1;
    err = pawl_wsdeque_push(d, 0);
    assert(err == 0);
    CLIENT_RUN(own, steal, steal);
    assert(had[0] == 1 && had[1] == 1 && pawl_wsdeque_size(d) == 0);
    return 0;
}
