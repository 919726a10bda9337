/* SPDX-License-Identifier: MIT
 *
 * carrier.h - what stands behind a thread: one struct for each OS thread that
 * pawl knows of, on the heap, which outlives the pawl_thread of the caller.
 *
 *   main       static; made at the first question
 *   foreign    a thread that pawl did not start and that asked for its handle
 *   service    a thread of the library: in no list
 *   others     run what pawl_thread_start gives them
 */
#ifndef PAWL_THREAD_CARRIER_H
#define PAWL_THREAD_CARRIER_H

#include <pthread.h>
#include <stdbool.h>

#include <pawl/thread.h>

/* In flags_ of a pawl_thread. */
enum {
    PAWL_T_DAEMON = 1,
    PAWL_T_NO_CACHE = 2,
    PAWL_T_DETACHED = 4, /* lies in its carrier; nobody can join it */
    PAWL_T_FOREIGN = 8,
    PAWL_T_MAIN = 16,
    PAWL_T_SERVICE = 32,
    PAWL_T_COPIED = 64, /* the argument is copy_ */
};

/* In state_ of a pawl_thread. */
enum {
    PAWL_T_NEW,
    PAWL_T_RUNNING,
    PAWL_T_ENDED,
    PAWL_T_CLOSED,
    PAWL_T_PHASE = 7,
};
#define PAWL_T_SLEEPERS (UINT32_C(1) << 31)

/* In tid_ of a pawl_thread, while the thread has not said who it is. */
#define PAWL_T_ASKED (UINT32_C(1) << 31)

/* What others are shown of a thread: the words of `shown`, and then its name. */
enum {
    PAWL_SHOWN_SERIAL, /* 0: no thread */
    PAWL_SHOWN_THREAD, /* its address */
    PAWL_SHOWN_FLAGS,
    PAWL_SHOWN_NUMBER,   /* of the default name */
    PAWL_SHOWN_FUNCTION, /* ... and that */
    PAWL_SHOWN_NAME,     /* if its first byte is not 0 */
    PAWL_SHOWN_WORDS = PAWL_SHOWN_NAME + PAWL_THREAD_NAME_SIZE / 8,
};

struct pawl_carrier {
    pawl_thread *thread; /* whose function it runs; NULL: none */
    pawl_u32 showing;    /* the version of `shown` */
    pawl_u32 tid;
    pawl_u64 shown[PAWL_SHOWN_WORDS];
    /* The list of registry.c, under its lock. */
    struct pawl_carrier *next;
    struct pawl_carrier *prev;
    pawl_u64 running;         /* the serial of the thread it runs, or 0 */
    bool daemon;              /* ... and whether that is one */
    int status;               /* what it has returned */
    bool is_noticed;          /* its end is, by a pthread key */
    void (*serve)(void *arg); /* of a service */
    pawl_thread own; /* of a thread that has no object of the caller's */
};

/* The carrier of the calling thread; NULL: it has none (yet). */
extern _Thread_local struct pawl_carrier *pawl_carrier_self_;

/* The same, made if need be.  NULL: no memory. */
struct pawl_carrier *pawl_carrier_self(void);

/* Whether the calling thread is the one that runs main. */
bool pawl_carrier_is_main(void);

/* Have some carrier run t->fn_(t->arg_); t is RUNNING already.
 *
 * Returns    0;  as pawl_thread_start: nothing was started. */
int pawl_carrier_start(pawl_thread *t);

/* The function of *t has returned a negative status.  In thread.c. */
void pawl_thread_report(pawl_thread *t, int status);

/* main has come to its end. */
void pawl_carrier_end_main(void);

/* The name that these words of `shown` stand for. */
void pawl_carrier_name(const uint64_t shown[PAWL_SHOWN_WORDS],
                       char name[PAWL_THREAD_NAME_SIZE]);
/* Read them together. */
void pawl_carrier_read(const struct pawl_carrier *c,
                       uint64_t shown[PAWL_SHOWN_WORDS]);

/* Name the calling OS thread: the first 15 bytes, no half characters. */
void pawl_carrier_set_os_name(const char *name);

/* The serial of the next thread. */
uint64_t pawl_carrier_next_serial(void);

#endif /* PAWL_THREAD_CARRIER_H */
