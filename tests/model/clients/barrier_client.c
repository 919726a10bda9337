/* SPDX-License-Identifier: MIT
 *
 * Two meet, twice.
 */
#include "client.h"

CLIENT_EXECUTIONS(3392);

#include "futex/barrier.c"

static pawl_barrier b = PAWL_BARRIER_INIT(2);
static int x[2]; /* written by the first before the barrier */
static int y[2]; /* by the second */

static void meet_x(void)
{
    for (int i = 0; i < 2; i++) {
        int index;

        x[i] = 1;
        index = pawl_barrier_wait(&b);
        assert(index >= 0);
        assert(y[i] == 1);
    }
}

static void meet_y(void)
{
    for (int i = 0; i < 2; i++) {
        int index;

        y[i] = 1;
        index = pawl_barrier_wait(&b);
        assert(index >= 0);
        assert(x[i] == 1);
    }
}

int main(void)
{
    CLIENT_RUN(meet_x, meet_y);
    assert(pawl_barrier_generation(&b) == 2);
    return 0;
}
