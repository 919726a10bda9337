/* SPDX-License-Identifier: MIT
 *
 * region_sweep.c - H-11 to H-16: a process killed at any instruction of making,
 * finding or removing a region with a name: the name leads to a region that is whole,
 * or to none; one that belongs to a process goes with it; and the name can be given
 * again.  Taking part and leaving are swept in lifeline_sweep.c, too, as what they are
 * made of.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <pawl/region.h>

#include "swept.h"

enum { BUFFER = 100 };

struct scene {
    char name[64];
    volatile bool returned;
};

/* What is swept: set before the fork of those who need it. */
static struct {
    bool owned;   /* by who makes it */
    bool exists;  /* before the victim begins */
    bool removes; /* the victim does */
} plan;

static pawl_region_options options(const struct scene *s)
{
    return (pawl_region_options){.name = s->name,
                                 .buffer = BUFFER,
                                 .participants = 4,
                                 .flags = plan.owned ? PAWL_REGION_OWNED : 0};
}

/* That of the sweep, whichever process that may be. */
static void name_of(char *name, size_t size, pid_t sweep)
{
    snprintf(name, size, "pawl-sweep-%d-", (int)sweep);
}

/* How many files there are of that name, or that begin with it. */
static int files(const char *name)
{
    DIR *d = opendir("/dev/shm");
    const struct dirent *entry;
    int n = 0;

    CHECK(d != NULL);
    while ((entry = readdir(d)) != NULL)
        n += strstr(entry->d_name, name) != NULL;
    closedir(d);
    return n;
}

static void make(struct scene *s)
{
    pawl_region_options o = options(s);
    pawl_region *r;

    CHECK_OK(pawl_region_create(&r, &o));
    memset(pawl_region_buffer(r, NULL), 7, BUFFER);
    if (!plan.owned) /* else it stays as long as this process */
        pawl_region_free(r);
}

static void prepare(void *object)
{
    struct scene *s = object;

    name_of(s->name, sizeof s->name, getppid());
    (void)pawl_region_unlink(s->name);
    if (plan.exists)
        make(s);
}

/* A region that is found is whole, and can be used. */
static void use(pawl_region *r)
{
    unsigned char *buffer;
    size_t bytes;

    buffer = pawl_region_buffer(r, &bytes);
    CHECK_EQ(bytes, BUFFER);
    buffer[0]++;
    CHECK(pawl_region_join(r) > 0);
    CHECK_EQ(pawl_region_participants(r), 1);
    pawl_region_free(r);
}

static void others(void *object)
{
    struct scene *s = object;
    pawl_region_options o = options(s);
    pawl_region *r;
    int err = pawl_region_attach(&r, s->name);
    bool exists = err == 0;

    CHECK(exists || err == -ENOENT);
    if (exists)
        use(r);
    if (plan.removes)
        CHECK(!exists || !s->returned);
    else if (plan.owned && !plan.exists)
        CHECK(!exists); /* its owner is dead */
    else
        CHECK(exists || !(plan.exists || s->returned));
    err = pawl_region_open(&r, &o);
    CHECK_EQ(err, exists ? 0 : 1);
    use(r);
    err = pawl_region_unlink(s->name);
    CHECK(err == 0 || (plan.owned && err == -ENOENT)); /* freed: it went then */
    CHECK_ERR(pawl_region_attach(&r, s->name), -ENOENT);
    CHECK_EQ(files(s->name), 0);
}

/* The linker, and what libc does once. */
static void warm(void *object)
{
    struct scene other = *(struct scene *)object;
    pawl_region_options o;
    pawl_region *r;

    strcat(other.name, "w");
    o = options(&other);
    for (int i = 0; i < 2; i++) {
        CHECK_EQ(pawl_region_open(&r, &o), 1);
        CHECK(pawl_region_join(r) > 0);
        CHECK_EQ(pawl_region_recover(r), 0);
        CHECK_OK(pawl_region_leave(r));
        (void)pawl_region_unlink(other.name);
        pawl_region_free(r);
    }
    CHECK_ERR(pawl_region_attach(&r, other.name), -ENOENT);
}

static void victim_creates(void *object)
{
    struct scene *s = object;
    pawl_region_options o = options(s);
    pawl_region *r;

    CHECK_OK(pawl_region_create(&r, &o));
    s->returned = true;
}

static void victim_opens(void *object)
{
    struct scene *s = object;
    pawl_region_options o = options(s);
    pawl_region *r;

    CHECK(pawl_region_open(&r, &o) >= 0);
    CHECK(pawl_region_join(r) > 0);
    CHECK_OK(pawl_region_leave(r));
    CHECK_OK(pawl_region_close(r));
    s->returned = true;
}

static void victim_attaches(void *object)
{
    struct scene *s = object;
    pawl_region *r;

    CHECK_OK(pawl_region_attach(&r, s->name));
    CHECK(pawl_region_join(r) > 0);
    CHECK_EQ(pawl_region_recover(r), 0);
    CHECK_OK(pawl_region_leave(r));
    pawl_region_free(r);
    s->returned = true;
}

static void victim_unlinks(void *object)
{
    struct scene *s = object;

    CHECK_OK(pawl_region_unlink(s->name));
    s->returned = true;
}

static void sweep_it(const char *name, sweep_fn victim)
{
    const struct sweep_case c = {
        .name = name,
        .size = sizeof(struct scene),
        .prepare = prepare,
        .warm = warm,
        .victim = victim,
        .others = others,
        .leftovers = true,
        .budget = 12000,
    };

    char last[64];

    TEST_TIMEOUT(300);
    sweep(&c, SWEEP_KILL);
    name_of(last, sizeof last, getpid());
    (void)pawl_region_unlink(last); /* of a point that was not reached */
}

TEST(region.create_with_a_name_killed_anywhere)
{
    sweep_it("region create, named", victim_creates);
}

TEST(region.create_with_an_owned_name_killed_anywhere)
{
    plan.owned = true;
    sweep_it("region create, owned", victim_creates);
}

TEST(region.open_killed_anywhere)
{
    sweep_it("region open, none there", victim_opens);
    plan.exists = true;
    sweep_it("region open, one there", victim_opens);
    plan.owned = true;
    sweep_it("region open, one there, owned", victim_opens);
}

TEST(region.attach_killed_anywhere)
{
    plan.exists = true;
    sweep_it("region attach, join, leave, free", victim_attaches);
    plan.owned = true;
    sweep_it("region attach, join, leave, free, owned", victim_attaches);
}

TEST(region.unlink_killed_anywhere)
{
    plan.exists = true;
    plan.removes = true;
    sweep_it("region unlink", victim_unlinks);
    plan.owned = true;
    sweep_it("region unlink, owned", victim_unlinks);
}
