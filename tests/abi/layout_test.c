/* SPDX-License-Identifier: MIT
 *
 * layout_test.c - the size and alignment of every public struct, and that all
 * zero bytes are what the default initialiser makes.
 */
#include <stdalign.h>
#include <string.h>

#include <pawl.h>

#include "test.h"

static void check(const char *type, size_t size, size_t alignment,
                  size_t want_size, size_t want_alignment)
{
    if (size != want_size || alignment != want_alignment)
        test_fail("tests/abi/layout.inc", 1,
                  "%s has size %zu and alignment %zu, not %zu and %zu", type,
                  size, alignment, want_size, want_alignment);
}

TEST(layout.sizes_and_alignments_are_those_of_the_soname)
{
#define OBJECT(type, size, alignment)                                          \
    check(#type, sizeof(type), alignof(type), size, alignment);
#include "layout.inc"
#undef OBJECT
}

/* Compares bytes, so padding would show as well. */
#define CHECK_ZERO(type, init)                                                 \
    do {                                                                       \
        static const unsigned char zero[sizeof(type)];                         \
        static const type object = init;                                       \
        CHECK(memcmp(&object, zero, sizeof zero) == 0);                        \
    } while (0)

TEST(layout.zero_bytes_are_the_default_initialiser)
{
    CHECK_ZERO(pawl_mutex, PAWL_MUTEX_INIT);
    CHECK_ZERO(pawl_rmutex, PAWL_RMUTEX_INIT);
    CHECK_ZERO(pawl_rwlock, PAWL_RWLOCK_INIT);
    CHECK_ZERO(pawl_cond, PAWL_COND_INIT);
    CHECK_ZERO(pawl_event, PAWL_EVENT_INIT);
    CHECK_ZERO(pawl_eventcount, PAWL_EVENTCOUNT_INIT);
    CHECK_ZERO(pawl_once, PAWL_ONCE_INIT);
    CHECK_ZERO(pawl_latch, PAWL_LATCH_INIT(0));
}
