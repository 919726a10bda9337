/* SPDX-License-Identifier: MIT
 *
 * A writer and a reader.
 */
#include "client.h"

CLIENT_EXECUTIONS(3898);

#include "futex/rwlock.c"

static pawl_rwlock rw;
static int a; /* guarded by rw, as is b: they are equal */
static int b;

static void write_both(void)
{
    int err = pawl_rwlock_write_lock(&rw);

    assert(err == 0);
    a++;
    b++;
    pawl_rwlock_write_unlock(&rw);
}

static void read_both(void)
{
    int err = pawl_rwlock_read_lock(&rw);

    assert(err == 0);
    assert(a == b);
    pawl_rwlock_read_unlock(&rw);
}

int main(void)
{
    CLIENT_RUN(write_both, read_both);
    assert(a == 1 && b == 1);
    return 0;
}
