/* SPDX-License-Identifier: MIT
 *
 * spsc_windows_test.c - what others do between two loads of one call.
 */
#include "atomic/ops.h"
#include "test.h"

static int loads; /* to go until something happens */
static void (*happens)(void);

static inline uint64_t eventful_load(const pawl_u64 *w)
{
    if (loads > 0 && --loads == 0)
        happens();
    return pawl_load64_acquire(w);
}

#define pawl_load64_acquire eventful_load
#include "atomic/spsc.c" // NOLINT: its own copy, with the events

static pawl_spsc *q;

static void two_go_and_two_come(void)
{
    char c = 0;

    for (int i = 0; i < 2; i++)
        CHECK_OK(pawl_spsc_pop(q, &c));
    for (int i = 0; i < 2; i++)
        CHECK_OK(pawl_spsc_push(q, &c));
}

/* The head is read first, and is no head any more when the tail is read. */
TEST(spsc_window.size_is_that_of_one_instant)
{
    static _Alignas(PAWL_SPSC_ALIGN) char memory[1024];
    char c = 0;

    CHECK_OK(pawl_spsc_init(&q, memory, sizeof memory, 3, 1));
    for (int i = 0; i < 3; i++)
        CHECK_OK(pawl_spsc_push(q, &c));
    happens = two_go_and_two_come;
    for (loads = 1; loads <= 2; loads++) {
        int before = loads;

        CHECK_EQ(pawl_spsc_size(q), 3);
        CHECK_EQ(loads, 0);
        loads = before;
    }
}
