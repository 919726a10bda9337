/* SPDX-License-Identifier: MIT
 *
 * Three run it.
 */
#include "client.h"

CLIENT_EXECUTIONS(12915);

#include "futex/once.c"

static pawl_once o;
static int made; /* published by the end of the run */

static int make(void *unused)
{
    (void)unused;
    made++;
    return 0;
}

static void use(void)
{
    int err = pawl_once_run(&o, make, NULL);

    assert(err == 0);
    assert(made == 1);
}

int main(void)
{
    CLIENT_RUN(use, use, use);
    return 0;
}
