/* SPDX-License-Identifier: MIT
 *
 * tests/support/procpool_cases.h - functions for process pools to run, and a scene
 * that a test and the workers share, however these are started.
 *
 * Included by one file of a program, whose test_main_begins calls
 * procpool_cases_begin.
 */
#ifndef PAWL_TEST_PROCPOOL_CASES_H
#define PAWL_TEST_PROCPOOL_CASES_H

#include <pawl/event.h>
#include <pawl/procpool.h>
#include <pawl/region.h>
#include <pawl/sem.h>

#include <stdatomic.h>

#include "process_cases.h"

enum { SCENE_TASKS = 4096, SCENE_WORKERS = 64 };

/* In a named region, that workers attach in their initialiser. */
struct scene {
    pawl_event go;                              /* for those who stay */
    pawl_sem began;                             /* how many stay */
    _Atomic int initialised, finalised, refuse; /* so many initialisers fail */
    _Atomic int die;                            /* so many tasks die at first */
    _Atomic int ran[SCENE_TASKS];
    _Atomic int tasks_of[SCENE_WORKERS]; /* of workers by their number */
    _Atomic long pid_of[SCENE_WORKERS];
    _Atomic int workers;
};

#define GOT(word) atomic_load(&(word))

static struct scene *scene_;
static char scene_name_[PAWL_REGION_NAME_MAX];
static pawl_region *scene_region_;

/* In the test. */
PROCESS_UNUSED static struct scene *scene_make(void)
{
    snprintf(scene_name_, sizeof scene_name_, "pawl-procpool-%d",
             (int)getpid());
    (void)pawl_region_unlink(scene_name_);
    CHECK_OK(pawl_region_create(
        &scene_region_,
        &(pawl_region_options){.name = scene_name_, .buffer = sizeof *scene_}));
    scene_ = pawl_region_buffer(scene_region_, NULL);
    CHECK_OK(pawl_event_init(&scene_->go, PAWL_SHARED));
    CHECK_OK(pawl_sem_init(&scene_->began, 0, PAWL_SHARED));
    return scene_;
}

PROCESS_UNUSED static void scene_end(void)
{
    CHECK_OK(pawl_region_unlink(scene_name_));
    pawl_region_free(scene_region_);
}

/* ---- functions ------------------------------------------------------------------ */

static int enter_scene(pawl_proccall *call)
{
    int left;

    if (scene_ == NULL) {
        if (pawl_region_attach(&scene_region_, call->argument) != 0)
            abort();
        scene_ = pawl_region_buffer(scene_region_, NULL);
    }
    left = atomic_load(&scene_->refuse);
    while (left > 0)
        if (atomic_compare_exchange_weak(&scene_->refuse, &left, left - 1))
            return -EPERM;
    atomic_fetch_add(&scene_->initialised, 1);
    return 0;
}

static int leave_scene(pawl_proccall *call)
{
    (void)call;
    atomic_fetch_add(&scene_->finalised, 1);
    return 0;
}

static int square(pawl_proccall *call)
{
    int x;

    memcpy(&x, call->argument, sizeof x);
    x *= x;
    memcpy(call->result, &x, sizeof x);
    return 0;
}

/* A task with a number, which says that it has run, and by whom. */
static int count(pawl_proccall *call)
{
    int i;

    memcpy(&i, call->argument, sizeof i);
    atomic_fetch_add(&scene_->ran[i], 1);
    if (call->context == NULL) { /* the first one of this process */
        int w = atomic_fetch_add(&scene_->workers, 1) % SCENE_WORKERS;

        atomic_store(&scene_->pid_of[w], (long)getpid());
        call->context = &scene_->tasks_of[w];
    }
    atomic_fetch_add((_Atomic int *)call->context, 1);
    return i % 10 == 3 ? -i : 0; /* some fail */
}

static int stay(pawl_proccall *call)
{
    (void)call;
    if (pawl_sem_release(&scene_->began) != 0)
        return 1;
    return pawl_event_wait(&scene_->go);
}

/* Ends its process as the argument says: a signal, or minus an exit code. */
static int die(pawl_proccall *call)
{
    int how;

    memcpy(&how, call->argument, sizeof how);
    if (how > 0)
        raise(how);
    _exit(-how);
}

static void procpool_cases_begin(void)
{
    pawl_procpool_register("enter_scene", enter_scene);
    pawl_procpool_register("leave_scene", leave_scene);
    pawl_procpool_register("square", square);
    pawl_procpool_register("count", count);
    pawl_procpool_register("stay", stay);
    pawl_procpool_register("die", die);
}

/* ---- pools ------------------------------------------------------------------------ */

PROCESS_UNUSED static pawl_procpool *
pool_with(const pawl_procpool_options *options)
{
    pawl_procpool_options o = *options;
    pawl_procpool *p = NULL;

    if (scene_ != NULL && o.initialise == NULL) {
        o.initialise = enter_scene;
        o.argument = scene_name_;
        o.argument_size = sizeof scene_name_;
    }
    CHECK_OK(pawl_procpool_create(&p, &o));
    return p;
}

PROCESS_UNUSED static pawl_procpool *pool_of(int workers,
                                             enum pawl_start_method method)
{
    return pool_with(
        &(pawl_procpool_options){.workers = workers, .method = method});
}

PROCESS_UNUSED static int applied(pawl_procpool *p, int x)
{
    int y = -1;
    int status = -1;

    CHECK_OK(
        pawl_procpool_apply(p, square, &x, sizeof x, &y, sizeof y, &status));
    CHECK_EQ(status, 0);
    return y;
}

/* Tasks that stay until `go` is set; returns when they have begun. */
PROCESS_UNUSED static void occupy(pawl_procpool *p, pawl_proctask *tasks, int n)
{
    for (int i = 0; i < n; i++) {
        pawl_proctask_init(&tasks[i], stay, NULL, 0, NULL, 0);
        CHECK_OK(pawl_procpool_submit(p, &tasks[i]));
    }
    for (int i = 0; i < n; i++)
        CHECK_OK(pawl_sem_acquire(&scene_->began));
}

PROCESS_UNUSED static int status_of(pawl_proctask *t)
{
    int status = 12345;

    CHECK_OK(pawl_future_result(&t->future, &status, NULL));
    return status;
}

#endif /* PAWL_TEST_PROCPOOL_CASES_H */
