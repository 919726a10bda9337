/* SPDX-License-Identifier: MIT
 *
 * The library's own exit.c, for the scenarios in which the program ends; in the
 * others nobody asks whether it does, which saves their schedules those steps.
 */
#include <stdlib.h>
#include <unistd.h>

#include "machine.h"

#include "futex/sys.h"

/* After the end a thread does not come back. */
static int stay(void)
{
    static pawl_u32 never;

    return pawl_futex_wait(&never, 0, PAWL_FOREVER, false, PAWL_CHANNEL_ANY);
}

#define pause stay
#define atexit(fn) ((fn) == NULL) /* scenarios call it themselves */
#define pawl_exit_add add
#define pawl_exit_gate gate
#define pawl_exit_is_mine is_mine
#define pawl_exit_notice notice
#define pawl_exit_in_child in_child

#include "thread/exit.c"

#undef pawl_exit_add
#undef pawl_exit_gate
#undef pawl_exit_is_mine
#undef pawl_exit_notice
#undef pawl_exit_in_child

int pawl_exit_add(struct pawl_exit_hook *hook);
int pawl_exit_gate(void);
bool pawl_exit_is_mine(void);
void pawl_exit_notice(void);
void pawl_exit_in_child(void);

int pawl_exit_add(struct pawl_exit_hook *hook)
{
    return model_program_ends() ? add(hook) : 0;
}

int pawl_exit_gate(void)
{
    return model_program_ends() ? gate() : 0;
}

bool pawl_exit_is_mine(void)
{
    return model_program_ends() && is_mine();
}

void pawl_exit_notice(void)
{
    if (model_program_ends())
        notice();
}

void pawl_exit_in_child(void)
{
    if (model_program_ends())
        in_child();
}

static void restore(void)
{
    struct pawl_exit_hook *next;

    for (struct pawl_exit_hook *h = (void *)(uintptr_t)hooks.v_; h != NULL;
         h = next) {
        next = h->next_;
        h->next_ = NULL;
        h->added_.v_ = 0;
    }
    hooks.v_ = 0;
    state.v_ = changes.v_ = waits_not.v_ = 0;
    limit_plus_1.v_ = 0;
    installed = (pawl_once)PAWL_ONCE_INIT;
}

MODEL_RESTORED_BY(restore)
