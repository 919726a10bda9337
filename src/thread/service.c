/* SPDX-License-Identifier: MIT
 *
 * service.c - threads of the library's own: see service.h.
 */
#include "thread/service.h"

#include <pawl/error.h>

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

#include "atomic/ops.h"
#include "futex/self.h"
#include "thread/carrier.h"

static void *service_main(void *arg)
{
    struct pawl_carrier *c = arg;

    pawl_carrier_self_ = c;
    /* relaxed: our own. */
    pawl_store_relaxed(&c->own.tid_, pawl_self_shared());
    pawl_store64_relaxed(&c->own.ident_, pawl_thread_get_ident());
    pawl_carrier_set_os_name(0, c->own.function_, c->os_name);
    c->serve(c->own.arg_);
    pawl_carrier_self_ = NULL;
    free(c);
    return NULL;
}

int pawl_service_start(const char *name, void (*run)(void *arg), void *arg)
{
    struct pawl_carrier *c = pawl_carrier_make();
    sigset_t all;
    sigset_t before;
    pthread_attr_t attr;
    pthread_t thread;
    int err;

    if (c == NULL)
        return -ENOMEM;
    c->serve = run;
    c->thread = &c->own;
    c->own.arg_ = arg;
    c->own.function_ = name;
    c->own.carrier_ = c;
    c->own.flags_ = PAWL_T_DAEMON | PAWL_T_FOREIGN | PAWL_T_SERVICE;
    /* relaxed: nobody else knows it, down to the next. */
    pawl_store64_relaxed(&c->own.serial_, pawl_carrier_next_serial());
    pawl_store_relaxed(&c->own.fork_, pawl_fork_count_);
    pawl_store_relaxed(&c->own.state_, PAWL_T_RUNNING);

    sigfillset(&all);
    err = pthread_attr_init(&attr);
    if (err == 0) {
        pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
        pthread_sigmask(SIG_SETMASK, &all, &before);
        err = pthread_create(&thread, &attr, service_main, c);
        pthread_sigmask(SIG_SETMASK, &before, NULL);
        pthread_attr_destroy(&attr);
    }
    if (err != 0)
        free(c);
    return -err;
}
