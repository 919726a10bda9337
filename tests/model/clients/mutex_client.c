/* SPDX-License-Identifier: MIT
 *
 * Three threads, one section each.
 */
#include "client.h"

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

int main(void)
{
    CLIENT_RUN(add, add, add);
    assert(n == 3);
    assert(!pawl_mutex_is_locked(&m));
    return 0;
}
