/* SPDX-License-Identifier: MIT
 *
 * list_shared_test.c - H-17, W-27: lists between processes, of which some are killed
 * or stopped while they set.
 */
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <pawl/error.h>
#include <pawl/list.h>

#include "test.h"

enum { SLOTS = 2, LONG = 3000, WRITERS = 3, BYTES = 65536 };

static const size_t capacity[SLOTS] = {LONG, LONG};

struct scene {
    pawl_region *region;
    pawl_list *list;
    atomic_long done;
};

static struct scene *scene_make(void)
{
    struct scene *s = test_shared_alloc(sizeof *s);

    CHECK_OK(pawl_region_create(
        &s->region,
        &(pawl_region_options){.buffer = BYTES, .participants = 8}));
    CHECK_OK(pawl_list_init(&s->list, pawl_region_buffer(s->region, NULL),
                            BYTES, SLOTS, capacity));
    return s;
}

/* A value is so many bytes that are all alike: its size says which. */
static int set(struct scene *s, uint64_t *random)
{
    unsigned char buffer[LONG];
    size_t size = 1 + test_rand_below(random, LONG);

    memset(buffer, (int)(size & 255), size);
    return pawl_list_set(
        s->region, s->list, test_rand_below(random, SLOTS),
        &(pawl_item){.kind = PAWL_ITEM_BYTES, .bytes = buffer, .size = size});
}

static void look(struct scene *s)
{
    unsigned char buffer[LONG];
    pawl_item x;

    for (size_t i = 0; i < SLOTS; i++) {
        CHECK_OK(pawl_list_get(s->list, i, &x, buffer, sizeof buffer));
        CHECK(x.kind == PAWL_ITEM_BYTES || x.kind == PAWL_ITEM_NONE);
        for (size_t k = 0; k < x.size; k++)
            CHECK_EQ(buffer[k], x.size & 255);
    }
}

static void set_for_ever(void *arg)
{
    struct scene *s = arg;
    uint64_t random = test_seed((uint64_t)getpid());
    int err;

    for (;;) {
        err = set(s, &random);
        CHECK(err == 0 || err == -EAGAIN); /* its slot may be under repair */
        atomic_fetch_add(&s->done, 1);
    }
}

static void set_one_at_its_address(void *arg)
{
    struct scene *s = arg;
    pawl_region *again;
    pawl_list *there;

    CHECK_OK(pawl_region_attach_fd(&again, pawl_region_fd(s->region)));
    CHECK_OK(pawl_list_attach(&there, pawl_region_buffer(again, NULL), BYTES));
    CHECK(there != s->list);
    CHECK_OK(pawl_list_set(
        again, there, 1,
        &(pawl_item){.kind = PAWL_ITEM_TEXT, .bytes = "theirs\0", .size = 7}));
    pawl_region_free(again);
}

TEST(list_shared.what_one_sets_the_other_gets)
{
    struct scene *s = scene_make();
    char buffer[7];
    pawl_item x;

    test_wait_child(test_spawn_child(set_one_at_its_address, s));
    CHECK_OK(pawl_list_get(s->list, 1, &x, buffer, sizeof buffer));
    CHECK_EQ(x.kind, PAWL_ITEM_TEXT);
    CHECK_EQ(x.size, 7);
    CHECK(memcmp(buffer, "theirs\0", 7) == 0);
}

static void kill_child(pid_t pid)
{
    kill(pid, SIGKILL);
    CHECK(WIFSIGNALED(test_reap_child(pid)));
}

static void stop_child(pid_t pid)
{
    siginfo_t info;

    kill(pid, SIGSTOP);
    CHECK_EQ(waitid(P_PID, (id_t)pid, &info, WSTOPPED), 0);
}

static void until_more_is_done(struct scene *s)
{
    long before = atomic_load(&s->done);

    while (atomic_load(&s->done) == before)
        sched_yield();
}

/* Stopped in the middle of a value as often as not, and then killed there. */
TEST(list_shared.those_who_are_stopped_or_killed_keep_no_reader)
{
    struct scene *s = scene_make();
    uint64_t random = test_seed(0);

    for (int i = 0; i < test_iterations(300); i++) {
        pid_t pid = test_spawn_child(set_for_ever, s);

        until_more_is_done(s);
        test_random_moment(&random, 300);
        stop_child(pid);
        look(s);
        kill_child(pid);
        look(s);
        CHECK_OK(set(s, &random));
        look(s);
    }
}

/* Look until one that runs alone has set some more, or waits for the other. */
static void look_while_it_works(struct scene *s, pid_t pid)
{
    long before = atomic_load(&s->done);

    do
        look(s);
    while (atomic_load(&s->done) < before + 3 && !test_is_asleep(pid));
}

/* One is stopped, perhaps in the middle; the other sets meanwhile, unless it has to
 * wait; then the first goes on. */
TEST(list_shared.those_who_set_do_not_meet)
{
    struct scene *s = scene_make();
    uint64_t random = test_seed(2);
    pid_t pid[2];

    for (int i = 0; i < 2; i++)
        pid[i] = test_spawn_child(set_for_ever, s);
    until_more_is_done(s);
    stop_child(pid[1]);
    for (int i = 0; i < test_iterations(300); i++) {
        look_while_it_works(s, pid[i & 1]);
        test_random_moment(&random, 100);
        stop_child(pid[i & 1]);
        look(s);
        kill(pid[(i & 1) ^ 1], SIGCONT);
    }
    for (int i = 0; i < 2; i++)
        kill_child(pid[i]);
    look(s);
}

TEST(list_shared.kills_leave_whole_values_and_go_on)
{
    struct scene *s = scene_make();
    uint64_t random = test_seed(1);
    pid_t pid[WRITERS];

    TEST_TIMEOUT(120);
    for (int i = 0; i < WRITERS; i++)
        pid[i] = test_spawn_child(set_for_ever, s);
    for (int i = 0; i < test_iterations(300); i++) {
        int k = (int)test_rand_below(&random, WRITERS);

        for (uint32_t n = test_rand_below(&random, 50); n > 0; n--)
            look(s);
        kill_child(pid[k]);
        pid[k] = test_spawn_child(set_for_ever, s);
        until_more_is_done(s);
    }
    for (int i = 0; i < WRITERS; i++)
        kill_child(pid[i]);
    look(s);
    CHECK_OK(set(s, &random));
    look(s);
}
