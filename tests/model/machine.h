/* SPDX-License-Identifier: MIT
 *
 * machine.h - what the machine (machine.c) and the strategies (explore.c) know
 * of each other.
 */
#ifndef MODEL_MACHINE_H
#define MODEL_MACHINE_H

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/types.h>

#include "model.h"
#include "seam.h"

/* -- Choices: the only source of what is not determined ---------------------- */

enum model_cost {
    MODEL_PREEMPTION,
    MODEL_STALE,
    MODEL_EVENT,
    MODEL_DEATH, /* has no bound but the number of the mortal */
    MODEL_COSTS,
};

/* One of `n` options: the first `free` cost nothing, those before `middle` one
 * of `cost`, the others an event. */
struct model_options {
    uint8_t n;
    uint8_t free;
    uint8_t middle;
    uint8_t cost;
    const uint8_t *threads; /* of a choice who runs: the thread; else NULL */
    uint32_t needless;      /* bits: another schedule does the same */
};

/* In explore.c. */
uint32_t model_decide(const struct model_options *options);

/* -- Running ----------------------------------------------------------------- */

struct model_outcome {
    char failure[512]; /* empty: none */
    bool given_up;     /* another schedule does the same */
    uint64_t end;      /* a hash of what it has come to */
    uint32_t steps;
};

/* Run the scenario once. */
void model_run(const struct model_scenario *scenario,
               struct model_outcome *outcome);

/* Whether to print every step. */
extern bool model_tracing;
/* Steps after which a run counts as endless. */
extern uint32_t model_steps_max;
/* Whether the program ends in this scenario: exit_state.c. */
bool model_program_ends(void);
/* How many steps the traced run has, if known. */
extern uint32_t model_steps_expected;
/* Leave out schedules that do the same as others.  What that asks for is learned
 * from run to run of a scenario: whether there was something new. */
extern bool model_reducing;
extern bool model_has_learned;
_Noreturn void model_give_up(void);
/* What threads read is part of what a run comes to. */
extern bool model_remembering;
/* No stale loads: the memory is sequentially consistent. */
extern bool model_strong;

void model_trace(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* -- plain.c ----------------------------------------------------------------- */

/* What it knows of the running thread; without clocks memory is nobody's. */
extern struct model_here {
    const uint32_t *clocks; /* of all, as far as it knows */
    uint32_t thread;
    uintptr_t stack;
    size_t stack_size;
} model_here;

/* Of some bytes: who wrote them last, and who has read them since.  Valid if its
 * run is this one. */
struct model_cell {
    uintptr_t key;
    uint32_t run;
    uint8_t writer;
    uint8_t readers;   /* bits */
    uint16_t location; /* of atomic operations, + 1; or 0 */
    bool has_bytes;    /* of a word: its bytes have cells too */
    bool freed;
    uint32_t written;
    uint32_t read[MODEL_THREADS];
};

void model_plain_begin(void);
void model_plain_free(const void *p, size_t size);
/* Of the four bytes at a word of atomic operations. */
struct model_cell *model_cell_at(const void *word, uint32_t location);
void model_check_cell(const struct model_cell *c, bool writes);

/* In machine.c. */
uint32_t model_value_of(const pawl_u32 *word); /* no access of the library's */
uint32_t model_kernel_value(const pawl_u32 *word); /* ... but the kernel's: a step */
uint32_t model_user_unknown(uint32_t location, bool writes);
void model_check_freed(const void *word);
const char *model_name_of(const void *word);
const char *model_code(const void *code, char *buffer, size_t size);
/* In heap.c: who has a block made, and when. */
bool model_heap_owner(const void *p, uint32_t *thread, uint32_t *clock);

/* -- self_model.c ------------------------------------------------------------ */

void model_self_keep(void);
/* What the records of threads are like at first. */
enum model_past {
    MODEL_UNUSED,
    MODEL_USED,       /* by threads that have ended */
    MODEL_REGISTERED, /* by the threads of the scenario */
};

void model_self_restore(enum model_past past);
/* In a setup: all records but the last ones are those of threads that live. */
void model_self_crowd(uint32_t free);
/* The calling thread has no ids yet, whatever has its record. */
void model_self_forget(void);
bool model_self_is_idle(const void *word, uint32_t threads);
const char *model_self_name(const void *word, char *buffer, size_t size);

/* libc's part of self.c. */
int model_key_create(pthread_key_t *key, void (*destructor)(void *));
int model_key_delete(pthread_key_t key);
int model_setspecific(pthread_key_t key, const void *value);
int model_atfork(void (*prepare)(void), void (*parent)(void),
                 void (*child)(void));
int model_sched_yield(void);
long model_syscall(long number, ...);
pid_t model_getpid(void);
int model_prctl(int option, ...);
int model_sigmask(int how, const sigset_t *set, sigset_t *before);
int model_pthread_detach(pthread_t thread);
int model_pthread_join(pthread_t thread, void **value);
int model_pthread_create(pthread_t *thread, const pthread_attr_t *attr,
                         void *(*start)(void *), void *arg);
_Noreturn void model_pthread_exit(void *value);
pthread_t model_pthread_self(void);

/* liburcu's. */
void model_rcu_enter(void);
void model_rcu_leave(void);
void model_rcu_synchronize(void);

/* -- The library's other static data, and its memory -------------------------- */

/* Called at the beginning of each run, from files of the library that hold such
 * data and are part of the program. */
void model_restored_by(void (*restore)(void));
#define MODEL_RESTORED_BY(restore)                                             \
    __attribute__((constructor)) static void register_##restore(void)          \
    {                                                                          \
        model_restored_by(restore);                                            \
    }

/* What sys.c knows of the kernel: a hint, and no step. */
extern const void *const model_sys_hint;
void model_sys_restore(enum model_waitv waitv);

void model_heap_restore(void);

/* -- region_state.c ------------------------------------------------------------ */

/* What the kernel knows of a thread's robust mutexes, and what it does to them
 * when the running one ends. */
struct robust_list_head *model_robust_list(uint32_t thread);
void model_robust_exit(void);
void model_as(uint32_t thread, void (*act)(void)); /* see region.h */

void *model_malloc(size_t size);
void *model_calloc(size_t n, size_t size);
void *model_aligned_alloc(size_t align, size_t size);
void *model_realloc(void *block, size_t size);
void model_heap_free(void *block);

int model_eventfd(unsigned count, int flags);
ssize_t model_fd_read(int fd, void *to, size_t size);
ssize_t model_fd_write(int fd, const void *from, size_t size);
int model_fd_close(int fd);

#endif /* MODEL_MACHINE_H */
