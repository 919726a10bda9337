/* SPDX-License-Identifier: MIT
 *
 * Two levels by one, one by the other.
 */
#include "client.h"

CLIENT_EXECUTIONS(20194);

#include "futex/mutex.c"
#include "futex/mutex_many.c"
#include "futex/rmutex.c"

static pawl_rmutex r = PAWL_RMUTEX_INIT;
static int n; /* guarded by r */

static void add(void)
{
    int err = pawl_rmutex_lock(&r);

    assert(err == 0);
    n++;
    err = pawl_rmutex_unlock(&r);
    assert(err == 0);
}

static void add_within(void)
{
    int err = pawl_rmutex_lock(&r);

    assert(err == 0 && pawl_rmutex_depth(&r) == 1);
    add();
    assert(pawl_rmutex_depth(&r) == 1);
    n++;
    err = pawl_rmutex_unlock(&r);
    assert(err == 0 && pawl_rmutex_depth(&r) == 0);
}

int main(void)
{
    CLIENT_RUN(add_within, add);
    assert(n == 3);
    assert(pawl_rmutex_depth(&r) == 0);
    return 0;
}
