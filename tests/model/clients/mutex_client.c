/* SPDX-License-Identifier: MIT
 *
 * Two threads, of whom one comes twice.
 */
#include "client.h"

CLIENT_EXECUTIONS(3417);

#include "futex/mutex.c"
#include "futex/mutex_many.c"

static pawl_mutex m;
static int n; /* guarded by m */

static void add(void)
{
    int err = pawl_mutex_lock(&m);

    assert(err == 0);
    n++;
    pawl_mutex_unlock(&m);
}

static void add_twice(void)
{
    add();
    add();
}

int main(void)
{
    CLIENT_RUN(add_twice, add);
    assert(n == 3);
    assert(!pawl_mutex_is_locked(&m));
    return 0;
}
