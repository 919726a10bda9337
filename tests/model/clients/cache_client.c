/* SPDX-License-Identifier: MIT
 *
 * Two park, one takes: whatever was parked is taken once, or stays.
 */
#include "client.h"

CLIENT_EXECUTIONS(10);

#include "thread/cache.c"

static struct pawl_carrier parked[2];
static int made[2]; /* published by the put */
static int taken[2];

static void has_left(struct pawl_carrier *c)
{
    assert(made[c - parked] == 1);
    taken[c - parked]++;
}

static void park(int i)
{
    struct pawl_carrier *surplus;

    made[i] = 1;
    surplus = pawl_cache_put(&parked[i]);
    if (surplus != NULL)
        has_left(surplus);
}

static void park_0(void)
{
    park(0);
}

static void park_1(void)
{
    park(1);
}

static void take(void)
{
    struct pawl_carrier *c = pawl_cache_take();

    if (c != NULL)
        has_left(c);
}

int main(void)
{
    struct pawl_carrier *c;

    pawl_cache_limit(2);
    CLIENT_RUN(park_0, take, park_1);
    while ((c = pawl_cache_take()) != NULL)
        has_left(c);
    assert(taken[0] == 1 && taken[1] == 1);
    return 0;
}
