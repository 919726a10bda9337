/* SPDX-License-Identifier: MIT
 *
 * record.h - what stands behind a handle, and who the calling process is.
 */
#ifndef PAWL_PROCESS_RECORD_H
#define PAWL_PROCESS_RECORD_H

#include <pawl/error.h>
#include <pawl/mutex.h>
#include <pawl/process.h>

#include <poll.h>
#include <sys/types.h>

#include "process/link.h"

enum pawl_process_state {
    PAWL_PROCESS_NEW,
    PAWL_PROCESS_RUNNING,
    PAWL_PROCESS_ENDED,
    PAWL_PROCESS_CLOSED,
};

enum pawl_process_role {
    PAWL_ROLE_CHILD,  /* of this process, or to become one */
    PAWL_ROLE_SELF,   /* this process */
    PAWL_ROLE_PARENT, /* its parent */
};

/* The number of a process among its parent's, and of those above it: "1:2". */
#define PAWL_IDENTITY_SIZE 128

/* All under the lock of the children, but for what is said to be constant. */
struct pawl_process {
    enum pawl_process_state state;
    enum pawl_process_role role; /* changes once, in a forked child: SELF */
    pid_t owner;                 /* constant: the process that may use it */
    uint32_t refs;               /* handles, and one while it runs */
    uint32_t joiners;            /* who sleeps on a descriptor below */
    bool starting;
    bool status_lost;
    bool has_value;                /* end.value has come over the link */
    bool served;                   /* constant: its parent is the fork server */
    unsigned flags;                /* PAWL_PROCESS_... */
    enum pawl_start_method method; /* constant, as all down to `call` */

    pawl_process_fn fn; /* or an entry: */
    void *arg;
    char entry[PAWL_PROCESS_NAME_SIZE];
    pawl_process_call call;

    pid_t pid;
    int pidfd;      /* -1: none */
    int link;       /* -1: closed */
    int child_link; /* the other end, while it is being started; -1: closed */
    pawl_process_end end;
    char identity[PAWL_IDENTITY_SIZE]; /* constant */
    char name[PAWL_PROCESS_NAME_SIZE];
    struct pawl_process *next;  /* in the list of those with descriptors */
    struct pawl_process **here; /* what points to it; NULL: not in the list */
};

/* ---- process.c ---- */

/* A lock of this folder.  It is held while this process forks. */
void pawl_process_lock(pawl_mutex *m);
void pawl_process_unlock(pawl_mutex *m);

/* The lock of all records and of the list, so a child of a fork finds them whole.
 *  Held for a few instructions and system calls that
 * do not wait. */
void pawl_children_lock(void);
void pawl_children_unlock(void);

/* Tell the hook of the log.  Under the lock: so events come in their order. */
void pawl_process_log(enum pawl_log_kind kind, const pawl_process *p);

/* Watch forks and the end of the program, from the first start on. */
int pawl_children_watch(void);

/* Wait for those that have ended, so that no zombies are left. */
void pawl_children_reap(void);

/* Into the list, and out again, with its descriptors closed.  Under the lock: no
 * child that is forked meanwhile has descriptors that are not in the list. */
void pawl_process_enlist(pawl_process *p);
void pawl_process_delist(pawl_process *p);

/* In the child of a fork that this thread makes, keep this one's child_link. */
void pawl_process_keep(pawl_process *p);

/* If it has ended, wait for it, and say so.  Under the lock; started. */
bool pawl_process_settle(pawl_process *p);

/* Whether it may be joined: 0, -EDEADLK, -ECHILD, -ESRCH, -EBADF.  Under the
 * lock. */
int pawl_process_joinable(const pawl_process *p);

/* Wait until it is settled.  Under the lock, which is released meanwhile.
 * Returns 0, -ETIMEDOUT, -ENOMEM, or what joinable says. */
int pawl_process_await(pawl_process *p, pawl_deadline until);

/* What to sleep on until it has ended, and then to settle it.  Under the lock;
 * not settled.  False: until the next look at most. */
bool pawl_process_bed(const pawl_process *p, struct pollfd *bed);

/* Its sentinel says that it has ended, and the fork server is about to: do not
 * give up now. */
bool pawl_process_is_being_told(const pawl_process *p);

/* The next look, which is before `until`; *pause grows, from 0. */
pawl_deadline pawl_process_next_look(int64_t *pause, pawl_deadline until);

/* Become the process `self`, in the child; its parent is called that, and `link`
 * leads to it. */
void pawl_process_become(pawl_process *self, int link, pid_t parent,
                         const char *parent_name);

/* ---- child.c ---- */

/* Whether an entry of this name is registered, or may be in another program. */
bool pawl_process_may_exist(const char *entry);
/* Run it.  -ENOENT. */
pawl_process_entry_fn pawl_process_entry(const char *name);

/* A child that was just forked, at its end of the link. */
_Noreturn void pawl_process_run_forked(pawl_process *p, int link, pid_t parent,
                                       const char *parent_name);
/* A fresh process: all else comes through the link. */
_Noreturn void pawl_process_run_fresh(int link, bool forked);

/* ---- start.c ---- */

/* Spawn the program with `link` as its end of one: a pid, or a negative errno. */
pid_t pawl_process_spawn(int link, const char *argument);
/* main has come to pawl_process_main, with this argv[0]. */
void pawl_process_allow_spawn(char *program);
/* In argv[1] of what is spawned, before "=" and the number of its link. */
#define PAWL_ARGUMENT_PROCESS "--pawl-process"
#define PAWL_ARGUMENT_SERVER "--pawl-fork-server"

/* What a fresh process receives first. */
struct pawl_letter {
    uint32_t magic;
    uint32_t layout; /* of this struct: PAWL_VERSION... and its size */
    uint32_t flags;
    int32_t parent;
    uint64_t blob_size;
    uint32_t n_fds;    /* that come with it: */
    uint32_t n_passed; /* those of the caller, then those of the ends */
    uint32_t n_pipes;  /* whose tickets come behind the blob */
    uint32_t reserved;
    char parent_name[PAWL_PROCESS_NAME_SIZE];
    char name[PAWL_PROCESS_NAME_SIZE];
    char entry[PAWL_PROCESS_NAME_SIZE];
    char identity[PAWL_IDENTITY_SIZE];
};
#define PAWL_LETTER_MAGIC UINT32_C(0x6c776170) /* "pawl" */

/* ---- forkserver.c ---- */

/* Have the server, which is begun if there is none, fork a process at this end of
 * a link.  What becomes of that it says on the link, or closes it.
 *
 * Returns    0;  -ECONNRESET it has ended;  or why it cannot be begun. */
int pawl_forkserver_ask(int theirs);
/* If it has ended, wait for it. */
void pawl_forkserver_bury(void);
/* End it, and wait for it. */
void pawl_forkserver_end(void);
/* Around a fork of this process. */
void pawl_forkserver_before_fork(void);
void pawl_forkserver_after_fork(bool child);
/* The server itself, at its end of the owner's link. */
_Noreturn void pawl_forkserver_run(int owner, pawl_process_preload_fn preload);

#endif /* PAWL_PROCESS_RECORD_H */
