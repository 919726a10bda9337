/* SPDX-License-Identifier: MIT
 *
 * region_fault.c - regions, what lies in them, and connections, when the process or the
 * system has no memory left: each request is refused once, and all from there on.  What
 * fails says so, leaves nothing behind, and goes another time (H-11, D-14, N-02).
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <pawl/error.h>
#include <pawl/list.h>
#include <pawl/memory.h>
#include <pawl/object.h>
#include <pawl/pipe.h>
#include <pawl/region.h>
#include <pawl/shared_queue.h>

#include "exhausted.h"

enum { LONG = 20000, CAPACITY = 4 };

struct run {
    bool named; /* the region */
    char name[64];
};

/* Whether it was done.  `refusing`: only then may it not be. */
static bool done(int64_t err, bool refusing)
{
    CHECK(err >= 0 ||
          (refusing && (err == -ENOMEM || err == -ENOSPC || err == -EMFILE)));
    return err >= 0;
}

static void use_queue(pawl_region *r, bool refusing)
{
    const pawl_shared_queue_options o = {.name = "queue",
                                         .capacity = CAPACITY,
                                         .record_size = 8,
                                         .kind = PAWL_SHARED_LIFO};
    pawl_shared_queue *q = NULL;
    pawl_memory_stats before;
    pawl_memory_stats after;
    uint64_t n = 7;

    CHECK_OK(pawl_memory_get_stats(r, &before));
    if (!done(pawl_shared_queue_create(&q, r, &o), refusing)) {
        CHECK_ERR(pawl_object_remove(r, o.name), -ENOENT);
        CHECK_OK(pawl_memory_get_stats(r, &after));
        CHECK_EQ(after.blocks, before.blocks);
        return;
    }
    if (done(pawl_shared_queue_try_put(q, &n, sizeof n), refusing)) {
        n = 0;
        if (done(pawl_shared_queue_try_get(q, &n, sizeof n), refusing))
            CHECK_EQ(n, 7);
    }
    pawl_shared_queue_free(q);
    if (done(pawl_shared_queue_open(&q, r, &o), refusing)) {
        CHECK_OK(pawl_shared_queue_try_put(q, &n, sizeof n));
        if (done(pawl_shared_queue_shutdown_now(q), refusing))
            CHECK_EQ(pawl_shared_queue_size(q), 0);
        else
            CHECK(!pawl_shared_queue_is_shutdown(q));
        pawl_shared_queue_free(q);
    }
    (void)done(pawl_shared_queue_remove(r, "queue"), refusing);
}

static void use_region(struct run *run, bool refusing)
{
    const pawl_region_options o = {.name = run->named ? run->name : NULL,
                                   .heap = 65536,
                                   .buffer = 4096,
                                   .participants = 4,
                                   .names = 4};
    pawl_region *r = NULL;
    pawl_region *again = NULL;
    pawl_offset block;
    pawl_list *l;
    const pawl_item item = {.kind = PAWL_ITEM_INTEGER, .integer = 3};

    if (!done(pawl_region_create(&r, &o), refusing)) {
        CHECK(r == NULL);
        return;
    }
    if (done(pawl_region_attach_fd(&again, pawl_region_fd(r)), refusing))
        pawl_region_free(again);
    if (done(pawl_region_join(r), refusing)) {
        if (done(pawl_memory_alloc(r, 1000, 0, 0, &block), refusing))
            CHECK_OK(pawl_memory_free(r, block));
        use_queue(r, refusing);
    }
    CHECK_OK(pawl_list_init(&l, pawl_region_buffer(r, NULL), 4096, 1, NULL));
    (void)done(pawl_list_set(r, l, 0, &item), refusing);
    if (run->named)
        CHECK_OK(pawl_region_unlink(run->name));
    pawl_region_free(r);
}

/* A short message, and one that comes in pieces, which the receiver keeps. */
static void use_pipe(bool refusing)
{
    static char bytes[LONG];
    static char buffer[LONG];
    pawl_pipe *ends[2] = {NULL, NULL};
    pawl_pipe *copy = NULL;
    size_t n;
    int err;

    if (!done(pawl_pipe_create(ends, &(pawl_pipe_options){.capacity = 32768}),
              refusing))
        return;
    if (done(pawl_pipe_dup(&copy, ends[0]), refusing))
        pawl_pipe_free(copy);
    if (done(pawl_pipe_send(ends[0], "short", 5), refusing)) {
        err = pawl_pipe_recv(ends[1], buffer, sizeof buffer, &n);
        if (done(err, refusing))
            CHECK(n == 5 && memcmp(buffer, "short", 5) == 0);
        else if (done(pawl_pipe_try_poll(ends[1]), refusing))
            (void)done(pawl_pipe_recv(ends[1], buffer, sizeof buffer, &n),
                       refusing);
    }
    memset(bytes, 'x', sizeof bytes);
    if (done(pawl_pipe_try_send(ends[1], bytes, sizeof bytes), refusing) &&
        done(pawl_pipe_recv(ends[0], buffer, sizeof buffer, &n), refusing))
        CHECK(n == sizeof bytes && memcmp(buffer, bytes, n) == 0);
    pawl_pipe_free(ends[0]);
    pawl_pipe_free(ends[1]);
}

static int open_files(void)
{
    int n = 0;

    for (int fd = 0; fd < 256; fd++)
        n += fcntl(fd, F_GETFD) >= 0;
    return n;
}

/* Refused, and then not any more: nothing is left, and all works. */
static void use_all(void *arg)
{
    struct run *r = arg;
    int files = open_files();

    exhausted_begins();
    use_region(r, true);
    use_pipe(true);
    exhausted_end();
    CHECK_EQ(open_files(), files);
    if (r->named)
        CHECK_ERR(pawl_region_unlink(r->name), -ENOENT);
    use_region(r, false);
    use_pipe(false);
    CHECK_EQ(open_files(), files);
}

static void refuse_each(bool named)
{
    struct run r = {.named = named};

    snprintf(r.name, sizeof r.name, "pawl-fault-%d", (int)getpid());
    (void)pawl_region_unlink(r.name);
    exhausted_of(EXHAUSTED_MEMORY | EXHAUSTED_MAPS | EXHAUSTED_FILES);
    exhausted_each(use_all, &r, 9);
}

/* */
TEST(region_fault.any_request_may_fail)
{
    refuse_each(false);
}

TEST(region_fault.any_request_may_fail_beside_a_name)
{
    refuse_each(true);
}
