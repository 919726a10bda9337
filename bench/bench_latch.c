/* SPDX-License-Identifier: MIT
 *
 * bench_latch.c - the latch, against one built of a mutex and a condition.
 */
#include <pawl/latch.h>

#include "flag.h"

#define OBJECT latch

typedef pawl_latch signal_latch_pawl;

static inline void signal_init_latch_pawl(signal_latch_pawl *l)
{
    BENCH_CHECK(pawl_latch_init(l, 1, PAWL_LOCAL) == 0);
}

static inline void signal_send_latch_pawl(signal_latch_pawl *l)
{
    BENCH_CHECK(pawl_latch_count_down(l, 1) == 0);
}

static inline void signal_await_latch_pawl(signal_latch_pawl *l)
{
    BENCH_CHECK(pawl_latch_wait(l) == 0);
}

/* A latch is good for one use; whoever waited has gone. */
#define signal_clear_latch_pawl signal_init_latch_pawl

static inline bool signal_is_up_latch_pawl(signal_latch_pawl *l)
{
    return pawl_latch_try_wait(l) == 0;
}

#define IMPL pawl
#include "signal_cases.h"

#include "flag_cases.h"
#undef IMPL

typedef struct pthread_flag signal_latch_pthread;

static inline void signal_init_latch_pthread(signal_latch_pthread *l)
{
    pthread_flag_init(l, 1);
}

static inline void signal_clear_latch_pthread(signal_latch_pthread *l)
{
    pthread_flag_reset(l, 1);
}

#define signal_send_latch_pthread pthread_flag_count_down
#define signal_await_latch_pthread pthread_flag_wait
#define signal_is_up_latch_pthread pthread_flag_is_up

#define IMPL pthread
#include "signal_cases.h"

#include "flag_cases.h"
#undef IMPL

void bench_latch(void)
{
    add_latch_pawl();
    add_latch_pthread();
}
