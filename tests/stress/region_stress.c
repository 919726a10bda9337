/* SPDX-License-Identifier: MIT
 *
 * region_stress.c - D-14, R-10: processes that make, find and remove objects, and
 * allocate, publish and free memory of one region, while some are killed.  At the
 * end everything is accounted for.
 */
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <pawl/error.h>
#include <pawl/object.h>

#include "audit.h"
#include "team.h"

enum {
    PAGE = PAWL_REGION_PAGE,
    PAGES = 48, /* too few at times */
    WORKERS = 4,
    SLOTS = WORKERS + 1,
    NAMES = 10, /* fewer than there are keys */
    SHARED_KEYS = 8,
    OWN_KEYS = 2, /* of each worker */
    CELLS = 12,
    HANDS = 12,
    TYPE = 0x7465,
};

/* In the buffer of the region.  A worker's cells are its own, and of none that
 * came before it in its place: that one may be under repair. */
struct cells {
    pawl_offset cell[CELLS];
};

struct scene {
    pawl_region *region;
    atomic_ulong done[WORKERS]; /* operations */
};

struct worker {
    struct scene *s;
    struct cells *mine;
    int place;
    int life;
    uint64_t random;
    pawl_offset hand[HANDS];
    size_t size[HANDS];
};

static size_t size_of_key(const char *key)
{
    return 8 + (size_t)(key[0] * 131 + key[1] * 17) % 700;
}

/* What an object is filled with: its name, over and over. */
static int write_name(void *memory, size_t bytes, void *key)
{
    unsigned char *p = memory;
    size_t length = strlen(key);

    for (size_t i = 0; i < bytes; i++) {
        CHECK_EQ(p[i], 0);
        p[i] = ((unsigned char *)key)[i % length];
    }
    return 0;
}

static void check_name(const void *memory, size_t bytes, const char *key)
{
    const char *p = memory;
    size_t length = strlen(key);

    for (size_t i = 0; i < bytes; i++)
        CHECK_EQ(p[i], key[i % length]);
}

static pawl_object object_of(const char *key)
{
    return (pawl_object){
        .name = key, .type = TYPE, .version = 1, .bytes = size_of_key(key)};
}

/* Whether it is there; what it holds may go at any time. */
static bool find(pawl_region *r, const char *key, void **memory)
{
    pawl_object o = {.name = key, .type = TYPE, .version = 1};
    int err = pawl_object_find(r, &o, memory);

    CHECK(err == 0 || err == -ENOENT);
    if (err != 0)
        return false;
    CHECK_EQ(o.bytes, size_of_key(key));
    CHECK_EQ(pawl_region_offset(r, *memory) % PAWL_OBJECT_ALIGN, 0);
    return true;
}

/* An object that anybody may make and remove. */
static void use_shared_object(struct worker *w)
{
    pawl_region *r = w->s->region;
    char key[8];
    pawl_object o;
    void *p;
    int err;

    snprintf(key, sizeof key, "s%d",
             (int)test_rand_below(&w->random, SHARED_KEYS));
    o = object_of(key);
    switch (test_rand_below(&w->random, 4)) {
    case 0:
        err = pawl_object_create(r, &o, write_name, key, &p);
        CHECK(err == 0 || err == -EEXIST || err == -ENOSPC);
        break;
    case 1:
        err = pawl_object_open(r, &o, write_name, key, &p);
        CHECK(err == 0 || err == 1 || err == -ENOSPC);
        break;
    case 2:
        err = pawl_object_remove(r, key);
        CHECK(err == 0 || err == -ENOENT);
        break;
    default:
        find(r, key, &p);
    }
}

/* One that only the worker in this place makes and removes. */
static void use_own_object(struct worker *w)
{
    pawl_region *r = w->s->region;
    char key[16];
    pawl_object o;
    void *p;
    void *again;
    int err;

    snprintf(key, sizeof key, "own%d-%d", w->place,
             (int)test_rand_below(&w->random, OWN_KEYS));
    o = object_of(key);
    if (find(r, key, &p)) {
        check_name(p, o.bytes, key);
        CHECK_ERR(pawl_object_create(r, &o, NULL, NULL, &again), -EEXIST);
        CHECK_OK(pawl_object_remove(r, key));
        CHECK(!find(r, key, &again));
        return;
    }
    err = pawl_object_create(r, &o, write_name, key, &p);
    CHECK(err == 0 || err == -ENOSPC);
    if (err != 0)
        return;
    CHECK(find(r, key, &again) && again == p);
    check_name(p, o.bytes, key);
}

/* Each byte of a block is that of its owner. */
static void check_bytes(struct worker *w, pawl_offset o, size_t size)
{
    const unsigned char *p = pawl_region_at(w->s->region, o);

    for (size_t i = 0; i < size; i++)
        CHECK_EQ(p[i], w->place + 1);
}

static pawl_offset allocated(struct worker *w, size_t *size)
{
    pawl_offset o;
    int err;

    *size = 1 + test_rand_below(&w->random, test_rand_below(&w->random, 8) == 0
                                                ? 3 * PAGE
                                                : 500);
    err = pawl_memory_alloc(w->s->region, *size, 0, 0, &o);
    CHECK(err == 0 || err == -ENOSPC);
    if (err != 0)
        return 0;
    memset(pawl_region_at(w->s->region, o), w->place + 1, *size);
    return o;
}

static void use_hand(struct worker *w)
{
    uint32_t k = test_rand_below(&w->random, HANDS);

    if (w->hand[k] == 0) {
        w->hand[k] = allocated(w, &w->size[k]);
        return;
    }
    check_bytes(w, w->hand[k], w->size[k]);
    CHECK_OK(pawl_memory_free(w->s->region, w->hand[k]));
    w->hand[k] = 0;
}

static void use_cell(struct worker *w)
{
    pawl_region *r = w->s->region;
    pawl_offset *cell = &w->mine->cell[test_rand_below(&w->random, CELLS)];
    pawl_offset o;
    size_t size;

    if (*cell != 0) {
        check_bytes(w, *cell, 1);
        CHECK_OK(pawl_memory_free_at(r, cell));
        CHECK_EQ(*cell, 0);
        return;
    }
    o = allocated(w, &size);
    if (o == 0)
        return;
    CHECK_OK(pawl_memory_publish(r, o, cell));
    CHECK_EQ(*cell, o);
}

static void work(void *arg)
{
    struct worker *w = arg;

    w->random = test_seed((uint64_t)(w->place + WORKERS * w->life));
    CHECK(pawl_region_join(w->s->region) > 0);
    for (;;) {
        switch (test_rand_below(&w->random, 5)) {
        case 0:
            use_shared_object(w);
            break;
        case 1:
            use_own_object(w);
            break;
        case 2:
            use_cell(w);
            break;
        case 3:
            use_hand(w);
            break;
        default:
            if (test_rand_below(&w->random, 16) == 0)
                CHECK(pawl_region_recover(w->s->region) >= 0);
        }
        atomic_fetch_add(&w->s->done[w->place], 1);
    }
}

static pid_t begin(struct scene *s, struct cells *cells, int place, int life)
{
    struct worker w = {.s = s,
                       .mine = &cells[life * WORKERS + place],
                       .place = place,
                       .life = life};

    return test_spawn_child(work, &w);
}

/* Returns when it has done something more: nobody is kept from going on. */
static void until_it_works(atomic_ulong *done, pid_t pid)
{
    unsigned long before = atomic_load(done);
    siginfo_t info = {0};

    while (atomic_load(done) == before) {
        CHECK_EQ(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT),
                 0);
        CHECK_EQ(info.si_pid, 0); /* it has failed */
        sched_yield();
    }
}

static void kill_child(pid_t pid)
{
    kill(pid, SIGKILL);
    CHECK(WIFSIGNALED(test_reap_child(pid)));
}

/* ---- the account ----------------------------------------------------------------- */

/* How many objects there are; each of them is whole, and goes. */
static uint64_t remove_object(pawl_region *r, const char *key)
{
    void *p;

    if (!find(r, key, &p))
        return 0;
    CHECK(pawl_memory_size(r, pawl_region_offset(r, p)) >=
          (int64_t)size_of_key(key));
    check_name(p, size_of_key(key), key);
    CHECK_OK(pawl_object_remove(r, key));
    return 1;
}

static uint64_t remove_objects(pawl_region *r)
{
    uint64_t n = 0;
    char key[16];

    for (int i = 0; i < SHARED_KEYS; i++) {
        snprintf(key, sizeof key, "s%d", i);
        n += remove_object(r, key);
    }
    for (int place = 0; place < WORKERS; place++) {
        for (int i = 0; i < OWN_KEYS; i++) {
            snprintf(key, sizeof key, "own%d-%d", place, i);
            n += remove_object(r, key);
        }
    }
    return n;
}

static uint64_t free_cells(pawl_region *r, struct cells *cells, int n)
{
    uint64_t found = 0;

    for (int i = 0; i < n; i++) {
        for (int k = 0; k < CELLS; k++) {
            pawl_offset *cell = &cells[i].cell[k];

            if (*cell == 0)
                continue;
            CHECK(pawl_memory_size(r, *cell) > 0);
            CHECK_EQ(*(unsigned char *)pawl_region_at(r, *cell),
                     i % WORKERS + 1);
            CHECK_OK(pawl_memory_free_at(r, cell));
            found++;
        }
    }
    return found;
}

static void join_only(void *arg)
{
    CHECK(pawl_region_join(arg) > 0);
}

static void check_account(pawl_region *r, struct cells *cells, int n)
{
    char key[16];
    uint64_t blocks;
    uint64_t known;
    pawl_offset o;
    void *p;

    pawl_region_recover(r);
    CHECK_EQ(pawl_region_recover(r), 0);
    CHECK_EQ(pawl_region_participants(r), 1);
    /* The next to lock the directory tidies up. */
    CHECK_ERR(pawl_object_remove(r, "nobody's"), -ENOENT);
    blocks = audit(r);
    known = remove_objects(r);
    known += free_cells(r, cells, n);
    CHECK_EQ(blocks, known);
    CHECK_EQ(audit(r), 0);
    CHECK_OK(pawl_memory_alloc(r, PAGES * PAGE, 0, 0, &o));
    CHECK_OK(pawl_memory_free(r, o));
    for (int i = 0; i < NAMES; i++) {
        snprintf(key, sizeof key, "s%d", i);
        CHECK_OK(pawl_object_create(r, &(pawl_object){.name = key, .bytes = 1},
                                    NULL, NULL, &p));
    }
    for (int i = 0; i < SLOTS + 1; i++)
        test_wait_child(test_spawn_child(join_only, r));
}

/* Each life has cells of its own, so they hold what it left: few lives at a time,
 * and then the account. */
TEST(region_stress.kills_cost_neither_memory_nor_names_nor_slots)
{
    enum { LIVES = 8 };
    uint64_t random = test_seed(1000);
    unsigned long done = 0;
    int kills = 0;

    TEST_TIMEOUT(120);
    for (int round = 0; round < test_iterations(12); round++) {
        struct scene *s = test_shared_alloc(sizeof *s);
        int lives[WORKERS] = {0};
        pid_t pid[WORKERS];
        struct cells *cells;
        int left = WORKERS * (LIVES - 1);

        CHECK_OK(pawl_region_create(
            &s->region,
            &(pawl_region_options){.heap = (size_t)PAGES * PAGE,
                                   .names = NAMES,
                                   .participants = SLOTS,
                                   .buffer = LIVES * WORKERS * sizeof *cells}));
        cells = pawl_region_buffer(s->region, NULL);
        CHECK(pawl_region_join(s->region) > 0);
        for (int i = 0; i < WORKERS; i++)
            pid[i] = begin(s, cells, i, 0);
        while (left > 0) {
            int k = (int)test_rand_below(&random, WORKERS);

            test_random_moment(&random, 1500);
            if (++lives[k] >= LIVES)
                continue;
            left--;
            kills++;
            kill_child(pid[k]);
            pid[k] = begin(s, cells, k, lives[k]);
            for (int i = 0; i < WORKERS; i++)
                until_it_works(&s->done[i], pid[i]);
        }
        for (int i = 0; i < WORKERS; i++) {
            kill_child(pid[i]);
            done += atomic_load(&s->done[i]);
        }
        check_account(s->region, cells, LIVES * WORKERS);
        pawl_region_free(s->region);
    }
    test_note("%lu operations, %d kills", done, kills);
}
