/* SPDX-License-Identifier: MIT
 *
 * One waits for what another says.
 */
#define CLIENT_CONDITIONS
#include "client.h"

CLIENT_EXECUTIONS(9228);

#include "futex/mutex.c"
#include "futex/mutex_many.c"
#define check cond_check
#define fork_bits cond_fork_bits
#define note_of cond_note_of
#define sleep_in_region cond_sleep_in_region
#define spin cond_spin
#undef STEP
#include "futex/cond.c"

/* The line of tickets: see self.c. */
static struct {
    const void *line; /* under its mutex */
    pawl_u32 ticket;
} records[CLIENT_THREADS];

bool pawl_line_enter(const void *line, uint32_t ticket)
{
    records[pawl_self_.local_id - 1].line = line;
    /* relaxed: as in self.c; both. */
    pawl_store_relaxed(&records[pawl_self_.local_id - 1].ticket, ticket);
    return true;
}

uint32_t pawl_line_ticket(void)
{
    return pawl_load_relaxed(&records[pawl_self_.local_id - 1].ticket);
}

void pawl_line_leave(void)
{
    records[pawl_self_.local_id - 1].line = NULL;
}

void pawl_line_close_gap(const void *line, uint32_t ticket, uint32_t step)
{
    (void)line;
    (void)ticket;
    (void)step;
    assert(false && "nobody leaves the line");
}

bool pawl_futex_requeue(pawl_u32 *from, uint32_t expected, int wake,
                        pawl_u32 *to, int move, bool shared)
{
    (void)from;
    (void)expected;
    (void)wake;
    (void)to;
    (void)move;
    (void)shared;
    assert(false && "few enough to be woken");
    return false;
}

static pawl_mutex m = PAWL_MUTEX_INIT;
static pawl_cond c = PAWL_COND_INIT;
static bool is_said; /* guarded by m */

static void wait_for_it(void)
{
    int err = pawl_mutex_lock(&m);

    while (err == 0 && !is_said)
        err = pawl_cond_wait(&c, &m);
    assert(err == 0);
    pawl_mutex_unlock(&m);
}

static void say_it(void)
{
    int err = pawl_mutex_lock(&m);

    assert(err == 0);
    is_said = true;
    err = pawl_cond_notify(&c, &m, 1);
    assert(err == 0);
    pawl_mutex_unlock(&m);
}

int main(void)
{
    CLIENT_RUN(wait_for_it, say_it);
    assert(pawl_cond_waiters(&c) == 0);
    return 0;
}
