/* SPDX-License-Identifier: MIT
 *
 * Two put into a ring with one place, one takes both: all come, whole, and in the
 * order of their producer.  The ring has blocks, as there is no pair of words that
 * is swapped at once.
 */
#include "client.h"

#include "atomic/ring_self.h"

_Thread_local struct pawl_ring_self pawl_ring_self_;

#include "atomic/ring.c"

struct element {
    uint64_t value[2];
};

static pawl_ring *r;
static _Alignas(4096) char memory[16384];
static int took;

/* Everybody has an identity, and so a block of its own. */
static void identify(void)
{
    pawl_ring_self_.id = pawl_self_.local_id;
}

static void put(uint64_t value)
{
    struct element e = {{value, ~value}};

    identify();
    while (pawl_ring_push(r, &e) != 0)
        sched_yield();
}

static void put_1(void)
{
    put(1);
}

static void put_2(void)
{
    put(2);
}

static void take_two(void)
{
    identify();
    for (int i = 0; i < 2; i++) {
        struct element e;

        while (pawl_ring_pop(r, &e) != 0)
            sched_yield();
        assert(e.value[1] == ~e.value[0]);
        took |= 1 << e.value[0];
    }
}

int main(void)
{
    int err =
        pawl_ring_init(&r, memory, sizeof memory, 1, sizeof(struct element), 4);

    assert(err == 0);
    CLIENT_RUN(put_1, take_two, put_2);
    assert(took == 6);
    return 0;
}
