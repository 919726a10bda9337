/* SPDX-License-Identifier: MIT
 *
 * region_test.c - H-11 to H-16, P-26: regions made, found, refused, closed.
 */
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include <pawl/error.h>
#include <pawl/event.h>
#include <pawl/region.h>

#include "limit.h"
#include "process/region.h"
#include "test.h"

#define OPTIONS(...) (&(pawl_region_options){__VA_ARGS__})

/* A name that nobody else uses; unlinked by the next test if this one fails. */
static const char *own_name(void)
{
    static char name[64];

    snprintf(name, sizeof name, "pawl-region-test-%d", (int)getpid());
    pawl_region_unlink(name);
    return name;
}

static const char *path_of(const char *name)
{
    static char path[128];

    snprintf(path, sizeof path, "/dev/shm/%s", name);
    return path;
}

/* Descriptors that are open. */
static int open_files(void)
{
    DIR *d = opendir("/proc/self/fd");
    int n = 0;

    CHECK(d != NULL);
    while (readdir(d) != NULL)
        n++;
    closedir(d);
    return n;
}

static bool is_zero(const unsigned char *p, size_t n)
{
    while (n > 0 && *p == 0) {
        p++;
        n--;
    }
    return n == 0;
}

/* ---- made and found -------------------------------------------------------- */

TEST(region.anonymous_memory_is_zero_and_of_the_size_asked_for)
{
    static const size_t sizes[] = {1, 7, 4096, 4097, 300000};

    for (int i = 0; i < 5; i++) {
        pawl_region *r;
        size_t bytes;
        unsigned char *p;

        CHECK_OK(pawl_region_create(&r, OPTIONS(.buffer = sizes[i])));
        p = pawl_region_buffer(r, &bytes);
        CHECK(p != NULL && (uintptr_t)p % 4096 == 0);
        CHECK_EQ(bytes, sizes[i]);
        CHECK(is_zero(p, bytes));
        memset(p, 1, bytes);
        CHECK(strcmp(pawl_region_name(r), "") == 0);
        CHECK(pawl_region_bytes(r) >= bytes);
        CHECK((unsigned char *)pawl_region_base(r) < p);
        pawl_region_free(r);
    }
}

TEST(region.without_a_buffer_has_none)
{
    pawl_region *r;
    size_t bytes = 1;

    CHECK_OK(pawl_region_create(&r, OPTIONS(.participants = 1)));
    CHECK(pawl_region_buffer(r, &bytes) == NULL);
    CHECK_EQ(bytes, 0);
    pawl_region_free(r);
    pawl_region_free(NULL);
}

/* H-12: create is exclusive, attach finds what is there whatever its size. */
TEST(region.a_name_is_made_once_and_found_by_many)
{
    const char *name = own_name();
    pawl_region *r;
    pawl_region *again;
    pawl_region *third = NULL;
    size_t bytes;

    CHECK_ERR(pawl_region_attach(&r, name), -ENOENT);
    CHECK_OK(pawl_region_create(&r, OPTIONS(.name = name, .buffer = 100)));
    CHECK_ERR(pawl_region_create(&third, OPTIONS(.name = name, .buffer = 5)),
              -EEXIST);
    CHECK(third == NULL);
    CHECK(strcmp(pawl_region_name(r), name) == 0);
    CHECK_OK(pawl_region_attach(&again, name));
    CHECK(pawl_region_base(again) != pawl_region_base(r));
    strcpy(pawl_region_buffer(r, NULL), "hello");
    CHECK(strcmp(pawl_region_buffer(again, &bytes), "hello") == 0);
    CHECK_EQ(bytes, 100);
    CHECK_OK(pawl_region_attach_fd(&third, pawl_region_fd(again)));
    CHECK(strcmp(pawl_region_buffer(third, NULL), "hello") == 0);
    CHECK(strcmp(pawl_region_name(third), name) == 0);
    pawl_region_free(third);
    pawl_region_free(r);
    CHECK(strcmp(pawl_region_buffer(again, NULL), "hello") == 0);
    CHECK_OK(pawl_region_unlink(name));
    pawl_region_free(again);
}

TEST(region.open_attaches_or_makes)
{
    const char *name = own_name();
    pawl_region *a;
    pawl_region *b;
    size_t bytes;

    CHECK_EQ(pawl_region_open(&a, OPTIONS(.name = name, .buffer = 10)), 1);
    CHECK_EQ(pawl_region_open(&b, OPTIONS(.name = name, .buffer = 20)), 0);
    pawl_region_buffer(b, &bytes);
    CHECK_EQ(bytes, 10);
    CHECK_OK(pawl_region_unlink(name));
    CHECK_ERR(pawl_region_open(&a, OPTIONS(.buffer = 10)), -EINVAL);
    pawl_region_free(a);
    pawl_region_free(b);
}

TEST(region.impossible_options_are_refused)
{
    char longest[PAWL_REGION_NAME_MAX + 2];
    const char *const names[] = {"", ".", "..", "a/b", "/a", longest};
    pawl_region *r = NULL;
    int files = open_files();

    memset(longest, 'x', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    for (int i = 0; i < 6; i++) {
        CHECK_ERR(pawl_region_create(&r, OPTIONS(.name = names[i])), -EINVAL);
        CHECK_ERR(pawl_region_attach(&r, names[i]), -EINVAL);
        CHECK_ERR(pawl_region_unlink(names[i]), -EINVAL);
    }
    CHECK_ERR(pawl_region_attach(&r, NULL), -EINVAL);
    CHECK_ERR(pawl_region_create(&r, OPTIONS(.flags = 1u << 20)), -EINVAL);
    CHECK_ERR(pawl_region_create(&r, OPTIONS(.flags = PAWL_REGION_OWNED)),
              -EINVAL);
    CHECK_ERR(pawl_region_create(&r, OPTIONS(.participants = 4097)), -EINVAL);
    CHECK_ERR(pawl_region_create(&r, OPTIONS(.names = 65537)), -EINVAL);
    CHECK_ERR(
        pawl_region_create(&r, OPTIONS(.buffer = PAWL_REGION_BYTES_MAX + 1)),
        -EINVAL);
    CHECK_ERR(pawl_region_create(&r, OPTIONS(.buffer = SIZE_MAX)), -EINVAL);
    CHECK_ERR(
        pawl_region_create(&r, OPTIONS(.heap = PAWL_REGION_BYTES_MAX + 1)),
        -EINVAL);
    CHECK_ERR(pawl_region_create(&r, OPTIONS(.heap = SIZE_MAX)), -EINVAL);
    CHECK_ERR(pawl_region_attach_fd(&r, -1), -EBADF);
    CHECK(r == NULL);
    CHECK_EQ(open_files(), files);
}

TEST(region.the_longest_name_will_do)
{
    char name[PAWL_REGION_NAME_MAX + 1];
    pawl_region *r;

    memset(name, 'x', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    memcpy(name, own_name(), strlen(own_name()));
    pawl_region_unlink(name);
    CHECK_OK(pawl_region_create(&r, OPTIONS(.name = name)));
    CHECK(strcmp(pawl_region_name(r), name) == 0);
    CHECK_OK(pawl_region_unlink(name));
    pawl_region_free(r);
}

TEST(region.the_greatest_numbers_will_do)
{
    pawl_region *r;

    CHECK_OK(pawl_region_create(&r, OPTIONS(.participants = 4096,
                                            .names = 65536,
                                            .flags = PAWL_REGION_SPARSE)));
    CHECK(pawl_region_join(r) > 0);
    CHECK_EQ(pawl_region_participants(r), 1);
    pawl_region_free(r);
}

TEST(region.more_memory_than_there_is_leaves_nothing_behind)
{
    const char *name = own_name();
    struct statvfs shm;
    struct stat file;
    pawl_region *r;
    int files = open_files();
    size_t bytes;
    int err;

    CHECK_EQ(statvfs("/dev/shm", &shm), 0);
    bytes = (size_t)(shm.f_blocks * shm.f_frsize + 4096);
    err = pawl_region_create(&r, OPTIONS(.name = name, .buffer = bytes));
    CHECK(err == -ENOSPC || err == -ENOMEM);
    CHECK_ERR(pawl_region_attach(&r, name), -ENOENT);
    CHECK_ERR(pawl_region_create(&r, OPTIONS(.buffer = PAWL_REGION_BYTES_MAX)),
              -ENOMEM);
    CHECK_EQ(open_files(), files);
    /* All is there from the beginning, or nothing if it is sparse. */
    CHECK_OK(pawl_region_create(&r, OPTIONS(.buffer = 1 << 20)));
    CHECK_EQ(fstat(pawl_region_fd(r), &file), 0);
    CHECK(file.st_blocks * 512 >= (off_t)pawl_region_bytes(r));
    pawl_region_free(r);
    CHECK_OK(pawl_region_create(
        &r, OPTIONS(.buffer = UINT64_C(1) << 33, .flags = PAWL_REGION_SPARSE)));
    ((char *)pawl_region_buffer(r, NULL))[UINT64_C(1) << 32] = 1;
    pawl_region_free(r);
}

TEST(region.descriptors_are_closed_on_exec_and_do_not_leak)
{
    const char *name = own_name();
    int files = open_files();
    pawl_region *r[3];

    CHECK_OK(pawl_region_create(&r[0], OPTIONS(.name = name)));
    CHECK_OK(pawl_region_attach(&r[1], name));
    CHECK_OK(pawl_region_attach_fd(&r[2], pawl_region_fd(r[0])));
    CHECK_EQ(open_files(), files + 3);
    for (int i = 0; i < 3; i++) {
        CHECK(fcntl(pawl_region_fd(r[i]), F_GETFD) & FD_CLOEXEC);
        pawl_region_free(r[i]);
    }
    CHECK_OK(pawl_region_unlink(name));
    CHECK_EQ(open_files(), files);
    CHECK_OK(pawl_region_create(&r[0], OPTIONS(.buffer = 1)));
    CHECK(fcntl(pawl_region_fd(r[0]), F_GETFD) & FD_CLOEXEC);
    pawl_region_free(r[0]);
    CHECK_EQ(open_files(), files);
}

TEST(region.an_anonymous_one_cannot_be_truncated)
{
    pawl_region *r;
    off_t bytes;

    CHECK_OK(pawl_region_create(&r, OPTIONS(.buffer = 1)));
    /* What an ordinary file has. */
    if (fcntl(pawl_region_fd(r), F_GET_SEALS) == F_SEAL_SEAL)
        TEST_SKIP("no memfd here");
    bytes = (off_t)pawl_region_bytes(r);
    CHECK_EQ(ftruncate(pawl_region_fd(r), bytes - 4096), -1);
    CHECK_EQ(ftruncate(pawl_region_fd(r), bytes + 4096), -1);
    pawl_region_free(r);
}

/* ---- refused ------------------------------------------------------------------ */

/* What a file of that content is told. */
static int attach_copy(const void *content, size_t n, off_t size)
{
    const char *name = own_name();
    int fd = open(path_of(name), O_CREAT | O_EXCL | O_RDWR, 0600);
    pawl_region *r = NULL;
    int err;

    CHECK(fd >= 0);
    CHECK_EQ(write(fd, content, n), (ssize_t)n);
    CHECK_EQ(ftruncate(fd, size), 0);
    err = pawl_region_attach(&r, name);
    CHECK(err == 0 || r == NULL);
    pawl_region_free(r);
    r = NULL;
    CHECK_ERR(pawl_region_attach_fd(&r, fd), err);
    pawl_region_free(r);
    close(fd);
    CHECK_OK(pawl_region_unlink(name));
    return err;
}

/* P-26, and the bar for bad input: nothing of that is ever touched by mapping. */
TEST(region.what_is_no_region_is_refused)
{
    struct pawl_region_header good;
    struct pawl_region_header h;
    unsigned char garbage[8192];
    uint64_t random = test_seed(0);
    pawl_region *r;
    off_t size;
    int files;

    CHECK_OK(pawl_region_create(&r, OPTIONS(.buffer = 10000)));
    memcpy(&good, pawl_region_base(r), sizeof good);
    size = (off_t)pawl_region_bytes(r);
    pawl_region_free(r);
    files = open_files();
    CHECK_ERR(attach_copy(&good, sizeof good, size), 0);
    CHECK_ERR(attach_copy("", 0, 0), -EINVAL);
    CHECK_ERR(attach_copy(&good, 8, 8), -EINVAL);
    CHECK_ERR(attach_copy(&good, sizeof good, 4096), -EINVAL);
    CHECK_ERR(attach_copy(&good, sizeof good, size - 1), -EINVAL);
    CHECK_ERR(attach_copy(&good, sizeof good, size + 4096), -EINVAL);
    CHECK_ERR(attach_copy(&(struct pawl_region_header){0}, sizeof good, size),
              -EINVAL);
    for (int i = 0; i < 50; i++) {
        for (size_t k = 0; k < sizeof garbage; k++)
            garbage[k] = (unsigned char)test_rand(&random);
        CHECK_ERR(attach_copy(garbage, sizeof garbage, size), -EINVAL);
    }
    for (size_t i = 0; i < sizeof good; i++) {
        memcpy(&h, &good, sizeof h);
        ((unsigned char *)&h)[i] ^=
            (unsigned char)(1 + test_rand(&random) % 255);
        CHECK_ERR(attach_copy(&h, sizeof h, size), -EINVAL);
    }
    CHECK_EQ(open_files(), files);
}

TEST(region.another_layout_is_refused_by_its_number)
{
    struct pawl_region_header *h;
    pawl_region *r;
    pawl_region *other = NULL;

    CHECK_OK(pawl_region_create(&r, OPTIONS(.buffer = 10)));
    h = pawl_region_base(r);
    h->layout++;
    h->check = pawl_region_sum(h);
    CHECK_ERR(pawl_region_attach_fd(&other, pawl_region_fd(r)), -EINVAL);
    h->layout--;
    h->check = pawl_region_sum(h);
    CHECK_OK(pawl_region_attach_fd(&other, pawl_region_fd(r)));
    pawl_region_free(other);
    pawl_region_free(r);
}

static int attach_forged(struct pawl_region_header h, off_t size)
{
    h.check = pawl_region_sum(&h);
    return attach_copy(&h, sizeof h, size);
}

/* The sum is right, and what it says cannot be. */
TEST(region.forged_headers_are_refused)
{
    struct pawl_region_header good;
    pawl_region *r;
    off_t size;

    CHECK_OK(pawl_region_create(&r, OPTIONS(.buffer = 10000, .heap = 8192)));
    memcpy(&good, pawl_region_base(r), sizeof good);
    size = (off_t)pawl_region_bytes(r);
    pawl_region_free(r);
    CHECK_OK(attach_forged(good, size));
#define FORGED(member, to)                                                     \
    do {                                                                       \
        struct pawl_region_header h_ = good;                                   \
                                                                               \
        h_.member = (to);                                                      \
        CHECK_ERR(attach_forged(h_, size), -EINVAL);                           \
    } while (0)
    FORGED(magic, good.magic + 1);
    FORGED(layout, good.layout + 1);
    FORGED(bytes, good.bytes + 4096);
    FORGED(bytes, 0);
    FORGED(plan.participants, 0);
    FORGED(plan.participants, 4097);
    FORGED(plan.participants, UINT32_MAX);
    FORGED(plan.names, 0);
    FORGED(plan.names, UINT32_MAX);
    FORGED(plan.heap_pages, good.plan.heap_pages + 1);
    FORGED(plan.heap_pages, UINT64_MAX);
    FORGED(plan.buffer_bytes, good.plan.buffer_bytes + 4096);
    FORGED(plan.buffer_bytes, UINT64_MAX);
#undef FORGED
    memset(good.name, 'x', sizeof good.name); /* has no end */
    CHECK_ERR(attach_forged(good, size), -EINVAL);
}

static void touch_the_end(void *arg)
{
    signal(SIGBUS, SIG_DFL);
    ((volatile char *)pawl_region_buffer(arg, NULL))[8191] = 1;
}

/* "One with a name can be truncated, by its owner, and then touching it is SIGBUS." */
TEST(region.that_was_cut_off_is_not_attached)
{
    const char *name = own_name();
    pawl_region *r;
    pawl_region *none = NULL;
    int status;

    CHECK_OK(pawl_region_create(&r, OPTIONS(.name = name, .buffer = 8192)));
    CHECK_EQ(ftruncate(pawl_region_fd(r), (off_t)pawl_region_bytes(r) - 4096),
             0);
    CHECK_ERR(pawl_region_attach(&none, name), -EINVAL);
    CHECK_ERR(pawl_region_attach_fd(&none, pawl_region_fd(r)), -EINVAL);
    CHECK(none == NULL);
    status = test_reap_child(test_spawn_child(touch_the_end, r));
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS);
    CHECK(pawl_region_join(r) > 0); /* what is there is there */
    CHECK_OK(pawl_region_unlink(name));
    pawl_region_free(r);
}

TEST(region.folders_links_and_pipes_are_refused)
{
    const char *name = own_name();
    pawl_region *r = NULL;
    pawl_region *other;
    char target[80];
    int ends[2];

    CHECK_EQ(mkdir(path_of(name), 0700), 0);
    CHECK_ERR(pawl_region_attach(&r, name), -EINVAL);
    CHECK_ERR(pawl_region_unlink(name), -EINVAL);
    CHECK_EQ(rmdir(path_of(name)), 0);
    snprintf(target, sizeof target, "%s-target", name);
    pawl_region_unlink(target);
    CHECK_OK(pawl_region_create(&other, OPTIONS(.name = target)));
    CHECK_EQ(symlink(target, path_of(name)), 0);
    CHECK_ERR(pawl_region_attach(&r, name), -EINVAL);
    CHECK_EQ(unlink(path_of(name)), 0);
    CHECK_OK(pawl_region_unlink(target));
    pawl_region_free(other);
    CHECK_EQ(mkfifo(path_of(name), 0600), 0);
    CHECK_ERR(pawl_region_attach(&r, name), -EINVAL);
    CHECK_EQ(unlink(path_of(name)), 0);
    CHECK_EQ(pipe2(ends, O_CLOEXEC), 0);
    CHECK_ERR(pawl_region_attach_fd(&r, ends[0]), -EINVAL);
    CHECK(r == NULL);
}

/* ---- what the kernel refuses ---------------------------------------------------- */

/* R-01: each says so, and goes another time; what was sent is not lost. */
TEST(region.too_many_open_files)
{
    const char *name = own_name();
    char other[80];
    pawl_region *r;
    pawl_region *got = NULL;
    rlim_t usual;
    int s[2];

    snprintf(other, sizeof other, "%s-other", name);
    CHECK_OK(pawl_region_create(&r, OPTIONS(.name = name, .buffer = 10)));
    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, s), 0);
    CHECK_OK(pawl_region_send(r, s[0]));
    usual = limit_files(32);
    while (fcntl(s[0], F_DUPFD_CLOEXEC, 0) >= 0)
        ;
    CHECK_ERR(pawl_region_create(&got, OPTIONS(.buffer = 10)), -EMFILE);
    CHECK_ERR(pawl_region_create(&got, OPTIONS(.name = other)), -EMFILE);
    CHECK_ERR(pawl_region_create(
                  &got, OPTIONS(.name = other, .flags = PAWL_REGION_OWNED)),
              -EMFILE);
    CHECK_ERR(pawl_region_attach(&got, name), -EMFILE);
    CHECK_ERR(pawl_region_attach_fd(&got, pawl_region_fd(r)), -EMFILE);
    CHECK_ERR(pawl_region_open(&got, OPTIONS(.name = name)), -EMFILE);
    CHECK_ERR(pawl_region_receive(&got, s[1]), -EMFILE);
    CHECK_OK(pawl_region_send(r, s[0])); /* needs none */
    CHECK(got == NULL);
    limit_files(usual);
    CHECK_ERR(pawl_region_attach(&got, other), -ENOENT);
    for (int i = 0; i < 2; i++) {
        CHECK_OK(pawl_region_receive(&got, s[1]));
        pawl_region_free(got);
    }
    CHECK_OK(pawl_region_unlink(name));
    pawl_region_free(r);
}

/* A descriptor that does not allow what a region does. */
TEST(region.descriptors_to_read_or_to_write_only)
{
    const char *name = own_name();
    pawl_region *r;
    pawl_region *none = NULL;
    int fd;

    CHECK_OK(pawl_region_create(&r, OPTIONS(.name = name, .buffer = 10)));
    fd = open(path_of(name), O_RDONLY | O_CLOEXEC);
    CHECK(fd >= 0);
    CHECK_ERR(pawl_region_attach_fd(&none, fd), -EACCES);
    close(fd);
    fd = open(path_of(name), O_WRONLY | O_CLOEXEC);
    CHECK(fd >= 0);
    CHECK_ERR(pawl_region_attach_fd(&none, fd), -EINVAL);
    close(fd);
    CHECK(none == NULL);
    CHECK_OK(pawl_region_unlink(name));
    pawl_region_free(r);
}

/* A region of that name is of another user. */
static void find_it_forbidden(const char *name, unsigned flags)
{
    pawl_region *none = NULL;

    CHECK_ERR(pawl_region_attach(&none, name), -EACCES);
    CHECK_ERR(pawl_region_open(&none, OPTIONS(.name = name)), -EACCES);
    CHECK_ERR(
        pawl_region_create(&none, OPTIONS(.name = name, .flags = flags)),
        -EEXIST);
    CHECK_ERR(pawl_region_unlink(name), -EACCES);
    CHECK(none == NULL);
}

static void be_another_user(void *names)
{
    char(*name)[80] = names;
    pawl_region *r;
    pawl_region *again;

    CHECK_EQ(setresuid(65534, 65534, 65534), 0);
    for (unsigned i = 0; i < 2; i++) {
        find_it_forbidden(name[i], 0);
        find_it_forbidden(name[i], PAWL_REGION_OWNED);
    }
    CHECK_OK(pawl_region_create(&r, OPTIONS(.name = name[2], .buffer = 1)));
    CHECK_OK(pawl_region_attach(&again, name[2]));
    pawl_region_free(again);
    pawl_region_free(r);
    CHECK_OK(pawl_region_unlink(name[2]));
}

/* H-12 */
TEST(region.of_another_user_is_forbidden)
{
    char name[3][80];
    pawl_region *r[2];

    if (getuid() != 0)
        TEST_SKIP("only root can become another user");
    for (unsigned i = 0; i < 3; i++) {
        snprintf(name[i], sizeof name[i], "%s-%u", own_name(), i);
        pawl_region_unlink(name[i]);
    }
    CHECK_OK(pawl_region_create(&r[0], OPTIONS(.name = name[0])));
    CHECK_OK(pawl_region_create(
        &r[1], OPTIONS(.name = name[1], .flags = PAWL_REGION_OWNED)));
    test_wait_child(test_spawn_child(be_another_user, name));
    pawl_region_free(r[1]);
    CHECK_OK(pawl_region_unlink(name[0]));
    pawl_region_free(r[0]);
}

/* Where only what `folder` has is there. */
static void live_without(void *folder)
{
    const unsigned owned = PAWL_REGION_OWNED;
    pawl_region *r = NULL;
    pawl_region *again;
    int err;

    CHECK_EQ(chroot(folder), 0);
    CHECK_EQ(chdir("/"), 0);
    err = pawl_region_create(&r, OPTIONS(.buffer = 10));
    CHECK(err == 0 || err == -EOPNOTSUPP); /* no memfd either */
    pawl_region_free(r);
    CHECK_ERR(pawl_region_create(&r, OPTIONS(.name = "x")), -EOPNOTSUPP);
    CHECK_ERR(pawl_region_open(&r, OPTIONS(.name = "x")), -EOPNOTSUPP);
    CHECK_ERR(pawl_region_create(&r, OPTIONS(.name = "x", .flags = owned)),
              -EOPNOTSUPP);
    CHECK_ERR(pawl_region_attach(&r, "x"), -ENOENT);
    CHECK_ERR(pawl_region_unlink("x"), -ENOENT);
    CHECK_EQ(mkdir("/dev", 0700), 0);
    CHECK_EQ(mkdir("/dev/shm", 0700), 0);
    /* Names need no /proc, but for those of owned ones. */
    CHECK_OK(pawl_region_create(&r, OPTIONS(.name = "x", .buffer = 10)));
    CHECK_ERR(pawl_region_create(&again, OPTIONS(.name = "x")), -EEXIST);
    CHECK_OK(pawl_region_attach(&again, "x"));
    CHECK_OK(pawl_region_unlink("x"));
    pawl_region_free(again);
    pawl_region_free(r);
    CHECK_ERR(pawl_region_create(&r, OPTIONS(.name = "x", .flags = owned)),
              -EOPNOTSUPP);
    CHECK_EQ(rmdir("/dev/shm"), 0); /* nothing is left there */
    CHECK_EQ(rmdir("/dev"), 0);
}

TEST(region.without_proc_and_a_folder_for_names)
{
    char folder[] = "/tmp/pawl-region-test-XXXXXX";

    if (getuid() != 0)
        TEST_SKIP("only root can have another root folder");
    CHECK(mkdtemp(folder) != NULL);
    test_wait_child(test_spawn_child(live_without, folder));
    CHECK_EQ(rmdir(folder), 0);
}

/* ---- the end ---------------------------------------------------------------- */

/* H-19.  The number of its process may be another one's by now, or mean nothing
 * here. */
TEST(region.the_link_of_another_is_not_followed)
{
    const char *name = own_name();
    const char *path = path_of(name);
    char other[128];
    char text[128] = "";
    char *colon;
    pawl_region *r;
    pawl_region *none = NULL;

    CHECK_OK(pawl_region_create(
        &r, OPTIONS(.name = name, .flags = PAWL_REGION_OWNED)));
    snprintf(other, sizeof other, "/dev/shm/%s-2", name);
    CHECK(readlink(path, text, sizeof text - 1) > 0);
    CHECK_EQ(symlink(text, other), 0); /* another name */
    CHECK_ERR(pawl_region_attach(&none, other + strlen("/dev/shm/")), -ENOENT);
    CHECK_EQ(unlink(other), -1); /* taken away */
    CHECK_EQ(unlink(path), 0);
    colon = strchr(text, ':'); /* after the number of the namespace */
    CHECK(colon != NULL);
    colon[-1] = colon[-1] == '1' ? '2' : '1';
    CHECK_EQ(symlink(text, path), 0);
    CHECK_ERR(pawl_region_attach(&none, name), -EACCES);
    CHECK_ERR(pawl_region_create(&none, OPTIONS(.name = name)), -EEXIST);
    CHECK_OK(pawl_region_unlink(name));

    CHECK_EQ(symlink("pawl owned by me", path), 0);
    CHECK_ERR(pawl_region_attach(&none, name), -EINVAL);
    CHECK_ERR(pawl_region_create(&none, OPTIONS(.name = name)), -EEXIST);
    CHECK_OK(pawl_region_unlink(name));
    pawl_region_free(r);
}

/* H-13, H-14. */
TEST(region.closed_has_no_memory_and_may_be_closed_again)
{
    pawl_region *r;
    size_t bytes = 1;

    CHECK_OK(pawl_region_create(&r, OPTIONS(.buffer = 10)));
    CHECK_OK(pawl_region_close(r));
    CHECK_OK(pawl_region_close(r));
    CHECK(pawl_region_base(r) == NULL);
    CHECK(pawl_region_name(r) == NULL);
    CHECK(pawl_region_buffer(r, &bytes) == NULL);
    CHECK_EQ(bytes, 0);
    CHECK_EQ(pawl_region_bytes(r), 0);
    CHECK_ERR(pawl_region_fd(r), -EBADF);
    CHECK_ERR(pawl_region_join(r), -EBADF);
    CHECK_ERR(pawl_region_leave(r), -EBADF);
    CHECK_ERR(pawl_region_recover(r), -EBADF);
    CHECK_ERR(pawl_region_send(r, 0), -EBADF);
    CHECK(!pawl_region_is_alive(r, 1));
    CHECK_EQ(pawl_region_participants(r), 0);
    pawl_region_free(r);
}

/* H-15. */
TEST(region.unlinked_is_kept_by_those_who_have_it)
{
    const char *name = own_name();
    pawl_region *r;
    pawl_region *other;

    CHECK_OK(pawl_region_create(&r, OPTIONS(.name = name, .buffer = 10)));
    strcpy(pawl_region_buffer(r, NULL), "old");
    CHECK_OK(pawl_region_unlink(name));
    CHECK_ERR(pawl_region_unlink(name), -ENOENT);
    CHECK_ERR(pawl_region_attach(&other, name), -ENOENT);
    CHECK(strcmp(pawl_region_buffer(r, NULL), "old") == 0);
    CHECK_OK(pawl_region_create(&other, OPTIONS(.name = name, .buffer = 10)));
    CHECK(strcmp(pawl_region_buffer(other, NULL), "") == 0);
    CHECK_OK(pawl_region_unlink(name));
    pawl_region_free(r);
    pawl_region_free(other);
}

TEST(region.errno_is_left_alone)
{
    const char *name = own_name();
    pawl_region *r;

    errno = 12345;
    CHECK_OK(pawl_region_create(&r, OPTIONS(.name = name, .buffer = 10)));
    CHECK_ERR(pawl_region_create(&r, OPTIONS(.name = name, .buffer = 10)),
              -EEXIST);
    CHECK_ERR(pawl_region_attach_fd(&r, -1), -EBADF);
    CHECK_ERR(pawl_region_send(r, -1), -EBADF);
    CHECK_ERR(pawl_region_receive(&r, -1), -EBADF);
    CHECK_OK(pawl_region_unlink(name));
    CHECK_ERR(pawl_region_unlink(name), -ENOENT);
    CHECK_ERR(pawl_region_attach(&r, name), -ENOENT);
    pawl_region_free(r);
    CHECK_EQ(errno, 12345);
}

/* ---- over a socket ------------------------------------------------------------ */

TEST(region.is_sent_over_a_socket)
{
    pawl_region *r;
    pawl_region *got;
    int files;
    int s[2];

    CHECK_OK(pawl_region_create(&r, OPTIONS(.buffer = 10)));
    strcpy(pawl_region_buffer(r, NULL), "sent");
    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, s), 0);
    files = open_files();
    CHECK_OK(pawl_region_send(r, s[0]));
    CHECK_OK(pawl_region_receive(&got, s[1]));
    CHECK(strcmp(pawl_region_buffer(got, NULL), "sent") == 0);
    CHECK(fcntl(pawl_region_fd(got), F_GETFD) & FD_CLOEXEC);
    pawl_region_free(got);
    got = NULL;
    CHECK_EQ(write(s[0], "R", 1), 1); /* nothing with it */
    CHECK_ERR(pawl_region_receive(&got, s[1]), -EINVAL);
    CHECK_EQ(fcntl(s[1], F_SETFL, O_NONBLOCK), 0);
    CHECK_ERR(pawl_region_receive(&got, s[1]), -EAGAIN);
    CHECK(got == NULL);
    CHECK_EQ(open_files(), files);
    close(s[0]);
    CHECK_ERR(pawl_region_receive(&got, s[1]), -ESHUTDOWN);
    CHECK_ERR(pawl_region_send(r, s[1]), -EPIPE);
    close(s[1]);
    pawl_region_free(r);
}

/* Send n descriptors as a region is sent. */
static void send_fds(int socket, const int *fds, size_t n)
{
    union {
        char bytes[CMSG_SPACE(4 * sizeof(int))];
        struct cmsghdr align;
    } control = {{0}};
    struct iovec data = {.iov_base = (char[]){"R"}, .iov_len = 1};
    struct msghdr m = {.msg_iov = &data,
                       .msg_iovlen = 1,
                       .msg_control = control.bytes,
                       .msg_controllen = CMSG_SPACE(n * sizeof(int))};
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);

    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(n * sizeof(int));
    memcpy(CMSG_DATA(c), fds, n * sizeof(int));
    CHECK_EQ(sendmsg(socket, &m, 0), 1);
}

TEST(region.what_is_sent_and_no_region_is_refused)
{
    pawl_region *got = NULL;
    int files;
    int s[2];

    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, s), 0);
    files = open_files();
    send_fds(s[0], s, 1);
    CHECK_ERR(pawl_region_receive(&got, s[1]), -EINVAL);
    send_fds(s[0], (int[]){s[0], s[0], s[0], s[0]}, 4);
    CHECK_ERR(pawl_region_receive(&got, s[1]), -EINVAL);
    CHECK(got == NULL);
    CHECK_EQ(open_files(), files);
}

TEST(region.of_more_than_one_descriptor_the_first_counts)
{
    pawl_region *r;
    pawl_region *got;
    int files;
    int s[2];

    CHECK_OK(pawl_region_create(&r, OPTIONS(.buffer = 10)));
    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, s), 0);
    files = open_files();
    send_fds(s[0], (int[]){pawl_region_fd(r), s[0]}, 2);
    CHECK_OK(pawl_region_receive(&got, s[1]));
    pawl_region_free(got);
    CHECK_EQ(open_files(), files);
    pawl_region_free(r);
}

/* ---- who takes part ------------------------------------------------------------ */

static void join_only(void *arg)
{
    CHECK(pawl_region_join(arg) > 0);
}

TEST(region.threads_take_part_and_end)
{
    pawl_region *r;
    int id;

    CHECK_OK(pawl_region_create(&r, OPTIONS(.participants = 1)));
    CHECK_EQ(pawl_region_participants(r), 0);
    for (int i = 0; i < 3; i++)
        test_join(test_thread(join_only, r));
    id = pawl_region_join(r);
    CHECK(id > 0 && pawl_region_is_alive(r, id));
    CHECK(!pawl_region_is_alive(r, 0) && !pawl_region_is_alive(r, -1));
    CHECK_EQ(pawl_region_participants(r), 1);
    CHECK_OK(pawl_region_leave(r));
    CHECK_ERR(pawl_region_leave(r), -ENOENT);
    CHECK(!pawl_region_is_alive(r, id));
    test_join(test_thread(join_only, r));
    CHECK_EQ(pawl_region_recover(r), 1);
    CHECK_EQ(pawl_region_recover(r), 0);
    pawl_region_free(r);
}

/* A thread is one participant, however often the region is mapped; and stays one
 * until the last mapping is closed. */
TEST(region.mapped_twice_has_one_of_each_thread)
{
    pawl_region *a;
    pawl_region *b;
    pawl_region *c;
    int id;

    CHECK_OK(pawl_region_create(&a, OPTIONS(.participants = 2)));
    CHECK_OK(pawl_region_attach_fd(&b, pawl_region_fd(a)));
    CHECK_OK(pawl_region_attach_fd(&c, pawl_region_fd(a)));
    id = pawl_region_join(b);
    CHECK_EQ(pawl_region_join(a), id);
    CHECK_EQ(pawl_region_participants(a), 1);
    CHECK_OK(pawl_region_close(b));
    CHECK(pawl_region_is_alive(a, id));
    CHECK_EQ(pawl_region_join(a), id);
    CHECK_EQ(pawl_region_join(c), id);
    CHECK_OK(pawl_region_close(a));
    CHECK(pawl_region_is_alive(c, id));
    CHECK_OK(pawl_region_leave(c));
    CHECK(!pawl_region_is_alive(c, id));
    id = pawl_region_join(c);
    CHECK(pawl_region_is_alive(c, id));
    pawl_region_free(a);
    pawl_region_free(b);
    CHECK_OK(pawl_region_attach_fd(&a, pawl_region_fd(c)));
    CHECK_OK(pawl_region_close(c));
    CHECK(pawl_region_is_alive(a, id));
    pawl_region_free(c);
    pawl_region_free(a);
}

struct stayer {
    pawl_region *region;
    pawl_event joined;
    pawl_event may_end;
    int id;
};

static void stay(void *arg)
{
    struct stayer *s = arg;

    s->id = pawl_region_join(s->region);
    pawl_event_set(&s->joined);
    CHECK_OK(pawl_event_wait(&s->may_end));
}

/* Of regions, in this process. */
static int mappings(void)
{
    FILE *f = fopen("/proc/self/maps", "re");
    char line[512];
    int n = 0;

    CHECK(f != NULL);
    while (fgets(line, sizeof line, f) != NULL)
        n += strstr(line, "memfd:pawl") != NULL ||
             strstr(line, "/dev/shm/") != NULL;
    fclose(f);
    return n;
}

/* The kernel follows the lifeline of the thread into memory that was unmapped
 * here, if it was. */
TEST(region.closed_under_a_thread_that_takes_part)
{
    struct stayer s = {0};
    struct test_thread *t;
    pawl_region *r;
    pawl_region *other;

    CHECK_OK(pawl_region_create(&s.region, OPTIONS(.buffer = 10)));
    r = s.region;
    t = test_thread(stay, &s);
    CHECK_OK(pawl_event_wait(&s.joined));
    CHECK_OK(pawl_region_attach_fd(&other, pawl_region_fd(r)));
    CHECK(pawl_region_is_alive(other, s.id));
    CHECK_EQ(mappings(), 2);
    CHECK_OK(pawl_region_close(r));
    CHECK_EQ(mappings(), 2);
    CHECK(pawl_region_is_alive(other, s.id));
    pawl_event_set(&s.may_end);
    test_join(t);
    CHECK(!pawl_region_is_alive(other, s.id));
    CHECK_EQ(pawl_region_recover(other), 1);
    pawl_region_free(other); /* unmaps what was left of the first, too */
    CHECK_EQ(mappings(), 0);
    pawl_region_free(r);
}
