/* SPDX-License-Identifier: MIT
 *
 * bench_wait.c - waiting for any of 2, 8 or 64 events, against flags under one
 * mutex, with one condition for all.
 */
#include <pthread.h>

#include <pawl/wait.h>

#include "bench.h"

#define OBJECT wait2
#define WIDTH 2
#include "wait_cases.h"
#undef OBJECT
#undef WIDTH

#define OBJECT wait8
#define WIDTH 8
#include "wait_cases.h"
#undef OBJECT
#undef WIDTH

#define OBJECT wait64
#define WIDTH 64
#include "wait_cases.h"
#undef OBJECT
#undef WIDTH

void bench_wait(void)
{
    add_wait2_pawl();
    add_wait2_pthread();
    add_wait8_pawl();
    add_wait8_pthread();
    add_wait64_pawl();
    add_wait64_pthread();
}
