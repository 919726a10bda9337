/* SPDX-License-Identifier: MIT
 *
 * region_shared_test.c - H-11, H-12, H-19, P-26, K-13: regions between processes:
 * inherited, by name, over a socket; made by several at once; owned by one; and
 * killed while being made.
 */
#include <glob.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <pawl/error.h>
#include <pawl/memory.h>
#include <pawl/mutex.h>
#include <pawl/region.h>

#include "test.h"

#define OPTIONS(...) (&(pawl_region_options){__VA_ARGS__})

static char name[64];

static const char *own_name(void)
{
    snprintf(name, sizeof name, "pawl-region-shared-%d", (int)getpid());
    pawl_region_unlink(name);
    return name;
}

static char *text_of(pawl_region *r)
{
    return pawl_region_buffer(r, NULL);
}

static void write_inherited(void *arg)
{
    CHECK(pawl_region_join(arg) > 0);
    strcpy(text_of(arg), "inherited");
}

TEST(region_shared.is_inherited_by_fork)
{
    pawl_region *r;

    CHECK_OK(pawl_region_create(&r, OPTIONS(.buffer = 100)));
    CHECK(pawl_region_join(r) > 0);
    test_wait_child(test_spawn_child(write_inherited, r));
    CHECK(strcmp(text_of(r), "inherited") == 0);
    CHECK_EQ(pawl_region_participants(r), 1);
    pawl_region_free(r);
}

/* The child's closing is its own. */
static void close_inherited(void *arg)
{
    CHECK(pawl_region_join(arg) > 0);
    pawl_region_free(arg);
}

/* H-16, W-26: the end of one does not take it from another. */
TEST(region_shared.closing_in_a_child_leaves_the_parents)
{
    pawl_region *r;
    int id;

    CHECK_OK(pawl_region_create(&r, OPTIONS(.buffer = 100)));
    id = pawl_region_join(r);
    test_wait_child(test_spawn_child(close_inherited, r));
    strcpy(text_of(r), "here");
    CHECK(pawl_region_is_alive(r, id));
    CHECK_EQ(pawl_region_recover(r), 0); /* it left, and died not */
    pawl_region_free(r);
}

static void attach_by_name(void *arg)
{
    pawl_region *r;

    (void)arg;
    CHECK_OK(pawl_region_attach(&r, name));
    CHECK(strcmp(text_of(r), "parent's") == 0);
    strcpy(text_of(r), "child's");
    pawl_region_free(r);
}

TEST(region_shared.is_found_by_name)
{
    pawl_region *r;

    CHECK_OK(
        pawl_region_create(&r, OPTIONS(.name = own_name(), .buffer = 100)));
    strcpy(text_of(r), "parent's");
    test_wait_child(test_spawn_child(attach_by_name, NULL));
    CHECK(strcmp(text_of(r), "child's") == 0);
    CHECK_OK(pawl_region_unlink(name));
    pawl_region_free(r);
}

static void receive_it(void *arg)
{
    int *socket = arg;
    pawl_region *r;

    close(socket[0]);
    CHECK_OK(pawl_region_receive(&r, socket[1]));
    strcpy(text_of(r), "received");
    pawl_region_free(r);
}

TEST(region_shared.comes_over_a_socket)
{
    pawl_region *r;
    int s[2];
    pid_t pid;

    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, s), 0);
    pid = test_spawn_child(receive_it, s);
    CHECK_OK(pawl_region_create(&r, OPTIONS(.buffer = 100)));
    CHECK_OK(pawl_region_send(r, s[0]));
    test_wait_child(pid);
    CHECK(strcmp(text_of(r), "received") == 0);
    pawl_region_free(r);
}

/* ---- several at once ----------------------------------------------------------- */

struct contest {
    unsigned flags;
    atomic_int round;
    atomic_int ready;
    atomic_int made;
    atomic_int opened;
};

enum { RIVALS = 4 };

static void open_it(void *arg)
{
    struct contest *c = arg;

    for (int i = 1; i <= test_iterations(300); i++) {
        pawl_region *r;
        int err;

        while (atomic_load(&c->round) != i)
            sched_yield();
        err = pawl_region_open(
            &r, OPTIONS(.name = name, .participants = 8, .buffer = 8,
                        .flags = c->flags));
        if (err != 1)
            CHECK_OK(err);
        atomic_fetch_add(&c->made, err);
        CHECK(pawl_region_join(r) > 0);
        atomic_fetch_add((atomic_int *)(void *)text_of(r), 1);
        atomic_fetch_add(&c->opened, 1);
        while (atomic_load(&c->opened) < RIVALS)
            sched_yield();
        CHECK_EQ(atomic_load((atomic_int *)(void *)text_of(r)), RIVALS);
        pawl_region_free(r);
        atomic_fetch_add(&c->ready, 1);
    }
}

static void check_one_makes_it(unsigned flags, void (*before)(void),
                               void (*after)(void))
{
    struct contest *c = test_shared_alloc(sizeof *c);
    pid_t pid[RIVALS];

    c->flags = flags;
    own_name();
    for (int i = 0; i < RIVALS; i++)
        pid[i] = test_spawn_child(open_it, c);
    for (int i = 1; i <= test_iterations(300); i++) {
        before();
        atomic_store(&c->ready, 0);
        atomic_store(&c->made, 0);
        atomic_store(&c->opened, 0);
        atomic_store(&c->round, i);
        while (atomic_load(&c->ready) < RIVALS)
            sched_yield();
        CHECK_EQ(atomic_load(&c->made), 1);
        after();
    }
    for (int i = 0; i < RIVALS; i++)
        test_wait_child(pid[i]);
}

static void nothing(void)
{
}

static void remove_name(void)
{
    CHECK_OK(pawl_region_unlink(name));
}

TEST(region_shared.of_many_who_open_one_makes_it)
{
    check_one_makes_it(0, nothing, remove_name);
}

/* ---- owned ------------------------------------------------------------------------ */

/* Is there anything of that name, if only a link? */
static bool is_name_there(void)
{
    char path[128];
    struct stat file;

    snprintf(path, sizeof path, "/dev/shm/%s", name);
    return lstat(path, &file) == 0;
}

static pawl_region *make_owned(void)
{
    pawl_region *r;

    CHECK_OK(pawl_region_create(
        &r, OPTIONS(.name = name, .buffer = 100, .flags = PAWL_REGION_OWNED)));
    return r;
}

static void check_no_such_name(void)
{
    pawl_region *r = NULL;

    CHECK_ERR(pawl_region_attach(&r, name), -ENOENT);
    CHECK(!is_name_there());
}

static void own_until_killed(void *told)
{
    strcpy(text_of(make_owned()), "owned");
    atomic_store((atomic_int *)told, 1);
    for (;;)
        pause();
}

/* A process that has one, and what it has. */
static pid_t start_owner(pawl_region **r)
{
    atomic_int *told = test_shared_alloc(sizeof *told);
    pid_t pid = test_spawn_child(own_until_killed, told);

    while (atomic_load(told) == 0)
        sched_yield();
    if (r != NULL)
        CHECK_OK(pawl_region_attach(r, name));
    return pid;
}

static void kill_owner(pid_t pid)
{
    kill(pid, SIGKILL);
    CHECK(WIFSIGNALED(test_reap_child(pid)));
}

TEST(region_shared.the_name_of_an_owned_one_goes_with_a_killed_owner)
{
    pawl_region *r;
    pid_t pid;

    own_name();
    pid = start_owner(&r);
    CHECK(is_name_there());
    CHECK(strcmp(text_of(r), "owned") == 0);
    kill_owner(pid);
    check_no_such_name();
    CHECK(strcmp(text_of(r), "owned") == 0); /* we have it still */
    pawl_region_free(r);
}

/* Whoever wants the name of a dead owner gets it, of either kind. */
TEST(region_shared.the_name_of_a_dead_owner_is_free)
{
    const unsigned flags[] = {0, PAWL_REGION_OWNED};

    own_name();
    for (int i = 0; i < 2; i++) {
        pawl_region *r = NULL;
        pid_t pid = start_owner(NULL);

        CHECK_ERR(pawl_region_create(
                      &r, OPTIONS(.name = name, .flags = flags[i])),
                  -EEXIST);
        kill_owner(pid);
        CHECK_OK(pawl_region_create(
            &r, OPTIONS(.name = name, .flags = flags[i])));
        CHECK_EQ(pawl_region_unlink(name), 0);
        pawl_region_free(r);
    }
}

static void die_with_one(void *unused)
{
    (void)unused;
    make_owned();
    _exit(0);
}

static void leave_a_dead_name(void)
{
    test_wait_child(test_spawn_child(die_with_one, NULL));
    CHECK(is_name_there());
}

TEST(region_shared.of_many_who_find_a_dead_owner_one_makes_it)
{
    check_one_makes_it(PAWL_REGION_OWNED, leave_a_dead_name, nothing);
}

static void close_and_end(void *r)
{
    pawl_region_free(r);
    exit(0); /* with all that is done at the end of a program */
}

TEST(region_shared.an_owned_one_belongs_to_who_made_it)
{
    pawl_region *r;
    pawl_region *other;

    own_name();
    r = make_owned();
    test_wait_child(test_spawn_child(close_and_end, r));
    CHECK_OK(pawl_region_attach(&other, name));
    pawl_region_free(other);
    CHECK_OK(pawl_region_attach(&other, name));
    pawl_region_free(other);
    pawl_region_free(r);
    check_no_such_name();
}

static void end_with_one(void *unused)
{
    (void)unused;
    make_owned();
    exit(0);
}

TEST(region_shared.the_end_of_a_program_removes_the_names_of_its_own)
{
    own_name();
    test_wait_child(test_spawn_child(end_with_one, NULL));
    CHECK(!is_name_there());
}

/* A name that was given up may be somebody else's by now. */
TEST(region_shared.an_owned_one_removes_no_other_of_its_name)
{
    pawl_region *r;
    pawl_region *other;

    own_name();
    r = make_owned();
    CHECK_OK(pawl_region_unlink(name));
    CHECK_OK(pawl_region_create(&other, OPTIONS(.name = name)));
    pawl_region_free(r);
    CHECK(is_name_there());
    CHECK_OK(pawl_region_unlink(name));
    r = make_owned();
    CHECK_OK(pawl_region_unlink(name));
    pawl_region_free(other);
    other = make_owned();
    pawl_region_free(r);
    CHECK(is_name_there());
    pawl_region_free(other);
    check_no_such_name();
}

/* ---- forked ---------------------------------------------------------------------- */

enum { COMERS = 2 };

struct forking {
    pawl_region *region; /* inherited */
    atomic_bool over;
};

/* A region of this process's own, and what others have of it. */
static void make_and_use(void)
{
    pawl_region *r;
    pawl_region *again;
    pawl_mutex *m;
    pawl_offset o;

    CHECK_OK(pawl_region_create(
        &r, OPTIONS(.participants = 2, .buffer = 64, .heap = 8192)));
    CHECK_OK(pawl_region_attach_fd(&again, pawl_region_fd(r)));
    m = (pawl_mutex *)(void *)text_of(r);
    CHECK_OK(pawl_mutex_init(m, PAWL_SHARED));
    CHECK_OK(pawl_mutex_lock(m));
    CHECK_OK(pawl_memory_alloc(again, 100, 0, 0, &o));
    CHECK_OK(pawl_memory_free(r, o));
    CHECK_OK(pawl_mutex_unlock(m));
    pawl_region_free(r);
    pawl_region_free(again);
}

static void come_and_go(void *arg)
{
    struct forking *f = arg;

    while (!atomic_load(&f->over))
        make_and_use();
}

static void use_after_fork(void *arg)
{
    struct forking *f = arg;
    pawl_mutex *m = (pawl_mutex *)(void *)text_of(f->region);

    CHECK_OK(pawl_mutex_lock(m));
    CHECK_OK(pawl_mutex_unlock(m));
    make_and_use();
    pawl_region_free(f->region);
    make_and_use();
}

/* K-04, R-18: whatever other threads did with regions when a fork came, the child has
 * those of its parent, and can make its own. */
TEST(region_shared.a_fork_in_the_middle_leaves_regions_usable)
{
    struct forking f = {.region = NULL};
    struct test_thread *t[COMERS];

    if (test_under_tsan())
        TEST_SKIP("ThreadSanitizer has the child hold what the others held");
    CHECK_OK(pawl_region_create(&f.region,
                                OPTIONS(.participants = 8, .buffer = 64)));
    CHECK_OK(pawl_mutex_init((pawl_mutex *)(void *)text_of(f.region),
                             PAWL_SHARED));
    for (int i = 0; i < COMERS; i++)
        t[i] = test_thread(come_and_go, &f);
    for (int i = 0; i < test_iterations(200); i++)
        test_wait_child(test_spawn_child(use_after_fork, &f));
    atomic_store(&f.over, true);
    for (int i = 0; i < COMERS; i++)
        test_join(t[i]);
    CHECK_EQ(pawl_region_participants(f.region), 0);
    pawl_region_free(f.region);
}

/* ---- killed --------------------------------------------------------------------- */

static void make_for_ever(void *arg)
{
    (void)arg;
    for (;;) {
        pawl_region *r;

        pawl_region_unlink(name);
        CHECK_OK(pawl_region_create(
            &r, OPTIONS(.name = name, .participants = 2, .buffer = 8)));
        pawl_region_free(r);
    }
}

/* Without O_TMPFILE a killed process leaves a hidden file. */
static void forget_hidden(pid_t pid)
{
    char pattern[64];
    glob_t found;

    snprintf(pattern, sizeof pattern, "/dev/shm/.pawl-%d-*", (int)pid);
    if (glob(pattern, 0, NULL, &found) != 0)
        return;
    CHECK(getenv("PAWL_FALLBACK") != NULL);
    for (size_t i = 0; i < found.gl_pathc; i++)
        unlink(found.gl_pathv[i]);
    globfree(&found);
}

/* What has a name is complete. */
TEST(region_shared.killed_while_it_is_made_never_appears)
{
    uint64_t random = test_seed(0);
    int found = 0;

    own_name();
    for (int i = 0; i < test_iterations(300); i++) {
        pid_t pid = test_spawn_child(make_for_ever, NULL);
        pawl_region *r;
        int err;

        test_random_moment(&random, 1700);
        kill(pid, SIGKILL);
        CHECK(WIFSIGNALED(test_reap_child(pid)));
        forget_hidden(pid);
        err = pawl_region_attach(&r, name);
        CHECK(err == 0 || err == -ENOENT);
        if (err != 0)
            continue;
        found++;
        CHECK(pawl_region_join(r) > 0);
        pawl_region_free(r);
    }
    pawl_region_unlink(name);
    test_note("found whole %d times", found);
}
