/* SPDX-License-Identifier: MIT
 *
 * Two wait for a change that one makes: no wake is lost.
 */
#include "client.h"

CLIENT_EXECUTIONS(975);

#include "futex/eventcount.c"

static pawl_eventcount ec;
static pawl_u32 ready;
static int made; /* published by the change */

static void change(void)
{
    made = 1;
    pawl_store_seq(&ready, 1);
    pawl_eventcount_notify_all(&ec);
}

static void wait_for_change(void)
{
    while (pawl_load_seq(&ready) == 0) {
        uint32_t key = pawl_eventcount_prepare(&ec);

        if (pawl_load_seq(&ready) != 0) {
            pawl_eventcount_cancel(&ec, key);
            break;
        }
        pawl_eventcount_wait(&ec, key);
    }
    assert(made == 1);
}

int main(void)
{
    CLIENT_RUN(wait_for_change, change, wait_for_change);
    return 0;
}
