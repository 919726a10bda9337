/* SPDX-License-Identifier: MIT
 *
 * robust_stress.c - R-10, L-15, L-16, C-10, W-01, W-02: processes that use the locks of
 * a region while some of them are killed at random moments.  What the locks guard is
 * exact at the end: each change is made whole, or was undone by who was told of the
 * death.
 */
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <unistd.h>

#include <pawl/cond.h>
#include <pawl/error.h>
#include <pawl/mutex.h>
#include <pawl/region.h>
#include <pawl/rmutex.h>
#include <pawl/rwlock.h>

#include "team.h"

enum { WORKERS = 4, KILLS = 1000 };

/* What one lock guards: a sum and its parts, changed one after the other. */
struct guarded {
    unsigned long sum;
    unsigned long part[WORKERS];
    int who; /* + 1: who is in the middle of a change */
};

struct scene {
    pawl_mutex mutex;
    pawl_rmutex recursive;
    pawl_rwlock rwlock;
    pawl_mutex cond_mutex;
    pawl_cond cond;
    struct guarded by_mutex;
    struct guarded by_rmutex;
    struct guarded by_rwlock;
    unsigned long tokens; /* under cond_mutex: put in, less taken out */
    unsigned long put;
    unsigned long taken;
    atomic_ulong done[WORKERS];
    atomic_ulong told;
    atomic_int over;
};

struct worker {
    struct scene *s;
    int place;
    int life;
};

static void check_whole(const struct guarded *g)
{
    unsigned long sum = 0;

    CHECK_EQ(g->who, 0);
    for (int i = 0; i < WORKERS; i++)
        sum += g->part[i];
    CHECK_EQ(g->sum, sum);
}

static void change(struct guarded *g, int place)
{
    check_whole(g);
    g->who = place + 1;
    atomic_signal_fence(
        memory_order_seq_cst); /* for the killed, not for others */
    g->sum++;
    atomic_signal_fence(memory_order_seq_cst);
    if (g->sum % 16 == 0)
        sched_yield(); /* the others wait */
    g->part[place]++;
    atomic_signal_fence(memory_order_seq_cst);
    g->who = 0;
}

/* After a death: the sum is what its parts are. */
static void repair(struct scene *s, struct guarded *g)
{
    g->sum = 0;
    for (int i = 0; i < WORKERS; i++)
        g->sum += g->part[i];
    g->who = 0;
    atomic_fetch_add(&s->told, 1);
}

static void use_mutex(struct worker *w)
{
    struct scene *s = w->s;
    int err = pawl_mutex_lock(&s->mutex);

    if (err == -EOWNERDEAD) {
        repair(s, &s->by_mutex);
        err = pawl_mutex_consistent(&s->mutex);
    }
    CHECK_OK(err);
    change(&s->by_mutex, w->place);
    CHECK_OK(pawl_mutex_unlock(&s->mutex));
}

static void use_rmutex(struct worker *w)
{
    struct scene *s = w->s;
    int err = pawl_rmutex_lock(&s->recursive);

    CHECK_EQ(pawl_rmutex_depth(&s->recursive), 1);
    if (err == -EOWNERDEAD) {
        repair(s, &s->by_rmutex);
        err = pawl_rmutex_consistent(&s->recursive);
    }
    CHECK_OK(err);
    CHECK_OK(pawl_rmutex_lock(&s->recursive));
    change(&s->by_rmutex, w->place);
    CHECK_OK(pawl_rmutex_unlock(&s->recursive));
    CHECK_OK(pawl_rmutex_unlock(&s->recursive));
}

static int rwlock_repaired(struct scene *s, int err)
{
    if (err == -EOWNERDEAD) {
        repair(s, &s->by_rwlock);
        CHECK_OK(pawl_rwlock_consistent(&s->rwlock));
    } else {
        CHECK_OK(err);
    }
    return err;
}

static void use_rwlock(struct worker *w, bool writing)
{
    struct scene *s = w->s;

    if (writing) {
        rwlock_repaired(s, pawl_rwlock_write_lock(&s->rwlock));
        change(&s->by_rwlock, w->place);
        CHECK_OK(pawl_rwlock_write_unlock(&s->rwlock));
        return;
    }
    if (rwlock_repaired(s, pawl_rwlock_read_lock(&s->rwlock)) == -EOWNERDEAD)
        CHECK_OK(pawl_rwlock_downgrade(&s->rwlock));
    check_whole(&s->by_rwlock);
    CHECK_OK(pawl_rwlock_read_unlock(&s->rwlock));
}

static void cond_held(struct scene *s, int err)
{
    if (err == -EOWNERDEAD) {
        s->tokens = s->put - s->taken;
        CHECK_OK(pawl_mutex_consistent(&s->cond_mutex));
    } else {
        CHECK(err == 0 || err == -ETIMEDOUT);
    }
}

static void use_cond(struct worker *w, bool putting)
{
    struct scene *s = w->s;

    cond_held(s, pawl_mutex_lock(&s->cond_mutex));
    CHECK(s->put - s->taken == s->tokens);
    if (putting) {
        s->put++;
        atomic_signal_fence(memory_order_seq_cst);
        s->tokens = s->put - s->taken;
        CHECK_OK(pawl_cond_notify(&s->cond, &s->cond_mutex, 1));
    } else {
        if (s->tokens == 0)
            cond_held(s, pawl_cond_wait_until(&s->cond, &s->cond_mutex,
                                              pawl_after_ms(1)));
        if (s->tokens > 0) {
            s->taken++;
            atomic_signal_fence(memory_order_seq_cst);
            s->tokens = s->put - s->taken;
        }
    }
    CHECK_OK(pawl_mutex_unlock(&s->cond_mutex));
}

static void work(void *arg)
{
    struct worker *w = arg;
    uint64_t random = test_seed((uint64_t)(w->place + WORKERS * w->life));

    while (!atomic_load(&w->s->over)) {
        switch (test_rand_below(&random, 8)) {
        case 0:
        case 1:
            use_mutex(w);
            break;
        case 2:
            use_rmutex(w);
            break;
        case 3:
            use_rwlock(w, true);
            break;
        case 4:
        case 5:
            use_rwlock(w, false);
            break;
        default:
            use_cond(w, test_rand_below(&random, 2) == 0);
        }
        atomic_fetch_add(&w->s->done[w->place], 1);
    }
}

static pid_t begin(struct scene *s, int place, int life)
{
    struct worker w = {.s = s, .place = place, .life = life};

    return test_spawn_child(work, &w);
}

/* Everybody goes on: what the dead one held is not in their way. */
static void until_all_work(struct scene *s, const pid_t *pid)
{
    unsigned long before[WORKERS];
    siginfo_t info = {0};

    for (int i = 0; i < WORKERS; i++)
        before[i] = atomic_load(&s->done[i]);
    for (int i = 0; i < WORKERS; i++) {
        while (atomic_load(&s->done[i]) == before[i]) {
            CHECK_EQ(
                waitid(P_PID, (id_t)pid[i], &info, WEXITED | WNOHANG | WNOWAIT),
                0);
            CHECK_EQ(info.si_pid, 0); /* it has failed */
            sched_yield();
        }
    }
}

TEST(robust_stress.kills_leave_all_locks_usable_and_sums_exact)
{
    uint64_t random = test_seed(1000);
    unsigned long done = 0;
    int life[WORKERS] = {0};
    pawl_region *region;
    pid_t pid[WORKERS];
    struct worker me = {.place = 0};
    struct scene *s;
    int kills = test_iterations(KILLS);

    TEST_TIMEOUT(120);
    CHECK_OK(pawl_region_create(
        &region, &(pawl_region_options){.buffer = sizeof *s,
                                        .participants = WORKERS + 1}));
    me.s = s = pawl_region_buffer(region, NULL);
    CHECK_OK(pawl_mutex_init(&s->mutex, PAWL_SHARED));
    CHECK_OK(pawl_rmutex_init(&s->recursive, PAWL_SHARED));
    CHECK_OK(pawl_rwlock_init(&s->rwlock, PAWL_SHARED));
    CHECK_OK(pawl_mutex_init(&s->cond_mutex, PAWL_SHARED));
    CHECK_OK(pawl_cond_init(&s->cond, PAWL_SHARED));
    for (int i = 0; i < WORKERS; i++)
        pid[i] = begin(s, i, 0);
    for (int i = 0; i < kills; i++) {
        int k = (int)test_rand_below(&random, WORKERS);

        test_random_moment(&random, 1000);
        kill(pid[k], SIGKILL);
        CHECK(WIFSIGNALED(test_reap_child(pid[k])));
        pid[k] = begin(s, k, ++life[k]);
        until_all_work(s, pid);
    }
    atomic_store(&s->over, 1);
    for (int i = 0; i < WORKERS; i++) {
        test_wait_child(pid[i]);
        done += atomic_load(&s->done[i]);
    }
    use_mutex(&me);
    use_rmutex(&me);
    use_rwlock(&me, true);
    use_rwlock(&me, false);
    use_cond(&me, true);
    CHECK_EQ(pawl_cond_waiters(&s->cond), 0);
    CHECK_OK(pawl_cond_destroy(&s->cond));
    CHECK_OK(pawl_mutex_destroy(&s->mutex));
    CHECK_OK(pawl_rmutex_destroy(&s->recursive));
    CHECK_OK(pawl_rwlock_destroy(&s->rwlock));
    CHECK_EQ(pawl_region_participants(region), 1);
    test_note("%lu operations, %d kills, %lu deaths told", done, kills,
              atomic_load(&s->told));
    pawl_region_free(region);
}
