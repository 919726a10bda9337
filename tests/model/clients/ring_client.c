/* SPDX-License-Identifier: MIT
 *
 * Two put into a ring with one place, while one takes: what was accepted comes, once
 * and whole, and is refused only while another is there.  The ring has blocks, as
 * there is no pair of words that is swapped at once.
 */
#include "client.h"

CLIENT_EXECUTIONS(15876);

#include "atomic/ring_self.h"

_Thread_local struct pawl_ring_self pawl_ring_self_;

#include "atomic/ring.c"

struct element {
    uint64_t value[2];
};

static pawl_ring *r;
static _Alignas(4096) char memory[16384];
static int accepted[2];
static int taken[2];

/* Everybody has an identity, and so a block of its own. */
static void identify(void)
{
    pawl_ring_self_.id = pawl_self_.local_id;
}

static void put(unsigned i)
{
    struct element e = {{i, ~(uint64_t)i}};

    identify();
    accepted[i] = pawl_ring_push(r, &e) == 0;
}

static void take(void)
{
    struct element e;

    identify();
    if (pawl_ring_pop(r, &e) != 0)
        return;
    assert(e.value[0] < 2 && e.value[1] == ~e.value[0]);
    taken[e.value[0]]++;
}

static void put_0(void)
{
    put(0);
}

static void put_1(void)
{
    put(1);
}

int main(void)
{
    int err =
        pawl_ring_init(&r, memory, sizeof memory, 1, sizeof(struct element), 5);

    assert(err == 0);
    CLIENT_RUN(put_0, take, put_1);
    assert(accepted[0] == 1 || accepted[1] == 1);
    take();
    assert(taken[0] == accepted[0] && taken[1] == accepted[1]);
    return 0;
}
