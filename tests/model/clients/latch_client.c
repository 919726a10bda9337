/* SPDX-License-Identifier: MIT
 *
 * Two count, one waits.
 */
#include "client.h"

CLIENT_EXECUTIONS(448);

#include "futex/latch.c"

static pawl_latch l = PAWL_LATCH_INIT(2);
static int a; /* published by the counting */
static int b;

static void count_a(void)
{
    a = 1;
    pawl_latch_count_down(&l, 1);
}

static void count_b(void)
{
    b = 1;
    pawl_latch_count_down(&l, 1);
}

static void wait_for_both(void)
{
    pawl_latch_wait(&l);
    assert(a == 1 && b == 1);
}

int main(void)
{
    CLIENT_RUN(count_a, wait_for_both, count_b);
    return 0;
}
