/* SPDX-License-Identifier: MIT
 *
 * Two wait for one that sets.
 */
#include "client.h"

CLIENT_EXECUTIONS(401);

#include "futex/event.c"

static pawl_event e;
static int made; /* published by the set */

static void set(void)
{
    made = 1;
    pawl_event_set(&e);
}

static void wait_for_set(void)
{
    pawl_event_wait(&e);
    assert(made == 1);
}

int main(void)
{
    CLIENT_RUN(wait_for_set, set, wait_for_set);
    assert(pawl_event_is_set(&e));
    return 0;
}
