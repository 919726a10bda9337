/* SPDX-License-Identifier: MIT
 *
 * Two take what one gives.
 */
#include "client.h"

CLIENT_EXECUTIONS(8074);

#include "futex/sem.c"

static pawl_sem s;
static int made; /* published by the release */

static void give_two(void)
{
    made = 1;
    pawl_sem_release_n(&s, 2);
}

static void take_one(void)
{
    int err = pawl_sem_acquire(&s);

    assert(err == 0);
    assert(made == 1);
}

int main(void)
{
    CLIENT_RUN(take_one, give_two, take_one);
    assert(pawl_sem_value(&s) == 0 && pawl_sem_waiters(&s) == 0);
    return 0;
}
