/* SPDX-License-Identifier: MIT
 *
 * pool_serve.c - the thread of a process pool: it gives outcomes away, fills the
 * window, buries workers and starts others.
 *
 * It sleeps until a worker or the pool rings, or a worker ends: in epoll, on the
 * bell and the sentinels.
 */
#include "process/pool_core.h"

#include <limits.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "futex/spin.h"
#include "process/record.h"

/* Outcomes that are given away in one turn, before the window is filled again. */
#define BATCH 64

/* So long after an offer the thread looks whether it was taken: the worker that was
 * woken for it, or that searches, may have been stopped. */
#define PATIENCE_NS 50000000

/* Between starts that fail. */
#define PAUSE_NS 10000000

_Thread_local const pawl_procpool *pawl_procpool_served_;

struct outcome {
    pawl_proctask *task;
    int record; /* with the result in it; -1: none */
    int status;
    bool called_off;
};

struct server {
    pawl_procpool *p;
    struct outcome batch[BATCH];
    size_t n;
    uint32_t alive; /* workers */
    uint32_t dying; /* of these: known to be dead, not buried yet */
    uint32_t ready; /* as it was last seen in the window */
    unsigned failures;
    int failure; /* the last one */
    pawl_deadline start_at;
    bool is_time; /* to look after offers */
};

void pawl_procpool_poke(pawl_procpool *p)
{
    uint64_t one = 1;

    (void)!write(p->bell, &one, sizeof one);
}

/* -- Outcomes ----------------------------------------------------------------- */

static struct outcome *add(struct server *s, pawl_proctask *t)
{
    struct outcome *o = &s->batch[s->n++];

    t->state_ = PAWL_PROCTASK_OVER;
    pawl_procpool_forget(s->p, t);
    *o = (struct outcome){.task = t, .record = -1};
    return o;
}

/* What a worker has finished, as far as there is room. */
static void gather_from(struct server *s, uint32_t place)
{
    pawl_procpool *p = s->p;

    while (s->n < BATCH) {
        int record =
            pawl_window_next_finished(p->window, place, &p->worker[place].seen);

        if (record < 0)
            return;
        /* relaxed: a hint for helpers, written under the lock. */
        pawl_add_relaxed(&p->gathered, 1);
        add(s, p->place[record].task)->record = record;
        p->place[record].task = NULL; /* once it is delivered it may be freed */
    }
}

/* What helpers have left to the thread. */
static void gather_handed(struct server *s)
{
    pawl_procpool *p = s->p;

    while (s->n < BATCH && p->handed != NULL) {
        pawl_proctask *t = p->handed;

        p->handed = t->next_;
        add(s, t)->record = t->record_;
    }
}

/* Everything that has not begun, when the pool is not to run it. */
static void call_off_all(struct server *s)
{
    pawl_procpool *p = s->p;
    struct outcome *o;

    for (uint32_t i = 0; i < p->window->records && s->n < BATCH; i++) {
        pawl_proctask *t = p->place[i].task;

        if (t == NULL || t->state_ != PAWL_PROCTASK_WINDOW ||
            !pawl_window_call_off(&p->offers, i))
            continue;
        pawl_procpool_free_record(p, i);
        pawl_procline_push_first(&p->line, t);
    }
    while (s->n < BATCH && p->line.first != NULL) {
        o = add(s, pawl_procline_pop(&p->line));
        o->called_off = p->state == PAWL_PROCPOOL_TERMINATED;
        o->status = o->called_off ? -ECANCELED : p->broken_status;
    }
}

static int status_of(const struct outcome *o)
{
    const pawl_proctask *t = o->task;

    if (o->status != 0)
        return o->status;
    if (t->statuses_ == NULL)
        return t->status_;
    for (uint32_t i = 0; i < t->n_; i++)
        if (t->statuses_[i] != 0)
            return t->statuses_[i];
    return 0;
}

static void deliver(struct server *s)
{
    for (size_t i = 0; i < s->n; i++) {
        struct outcome *o = &s->batch[i];

        if (o->record >= 0)
            pawl_proctask_copy(s->p, o->task, (uint32_t)o->record, o->task->n_);
        pawl_proctask_deliver(o->task, status_of(o), o->called_off);
    }
}

/* What was delivered is not outstanding any more, and its records are free. */
static void settle(struct server *s)
{
    for (size_t i = 0; i < s->n; i++)
        if (s->batch[i].record >= 0)
            pawl_procpool_free_record(s->p, (uint32_t)s->batch[i].record);
    s->p->outstanding -= s->n;
    s->n = 0;
}

/* -- The death of a worker ---------------------------------------------------------- */

static void break_pool(struct server *s, int status)
{
    pawl_procpool *p = s->p;

    if (p->state == PAWL_PROCPOOL_TERMINATED ||
        p->state == PAWL_PROCPOOL_BROKEN)
        return;
    p->state = PAWL_PROCPOOL_BROKEN;
    p->broken_status = status;
    p->kill_at = 0;
    if (p->options.capacity > 0)
        pawl_sem_release_n(&p->room, PAWL_SEM_MAX / 2);
}

/* Whether to try the element once more that its worker has died with. */
static bool retry(pawl_proctask *t, uint32_t element)
{
    if (t->tried_ != element)
        t->tries_ = 0;
    t->tried_ = element;
    return t->tries_++ < t->retries;
}

/* It is over before it has ended: what is left of it has its verdict. */
static void cut_off(struct server *s, pawl_proctask *t)
{
    if (t->statuses_ != NULL)
        for (uint32_t i = t->first_; i < t->n_; i++)
            t->statuses_[i] = t->verdict_;
    t->first_ = t->ran_ = t->n_;
    add(s, t)->status = t->verdict_;
}

/* It was running when its worker died.  Under the lock. */
static void die(struct server *s, uint32_t record, const pawl_procworker *w)
{
    pawl_procpool *p = s->p;
    pawl_proctask *t = p->place[record].task;
    /* relaxed: who wrote it is dead. */
    uint32_t element =
        pawl_load_relaxed(&pawl_window_record(p->window, record)->current);
    bool goes_on =
        p->state == PAWL_PROCPOOL_OPEN || p->state == PAWL_PROCPOOL_CLOSED;

    pawl_proctask_copy(p, t, record, element);
    pawl_procpool_free_record(p, record);
    t->first_ = element;
    if (t->verdict_ == 0 && goes_on && retry(t, element)) {
        pawl_procline_push_first(&p->line, t);
        return;
    }
    t->pid = w->pid;
    t->code = w->code;
    if (t->verdict_ != 0) {
        cut_off(s, t);
        return;
    }
    t->first_ = t->ran_ = element + 1;
    t->tries_ = 0;
    t->status_ = -EOWNERDEAD;
    if (t->statuses_ != NULL)
        t->statuses_[element] = -EOWNERDEAD;
    if ((p->options.flags & PAWL_PROCPOOL_FAIL_ALL) != 0)
        break_pool(s, -EOWNERDEAD);
    if (goes_on && t->first_ < t->n_ && p->state != PAWL_PROCPOOL_BROKEN)
        pawl_procline_push_first(&p->line, t);
    else
        add(s, t)->status = -EOWNERDEAD;
}

/* Of a task that was taken, unless it has ended. */
static void kill_runner(const pawl_procpool *p, const pawl_proctask *t)
{
    if (pawl_window_condemn(p->window, t->record_))
        (void)pawl_process_kill(
            p->worker[pawl_procpool_runner(p, t) - 1].process);
}

/* Those whose deadline has come.  Who has finished one was gathered.  Under the
 * lock. */
static void expire(struct server *s)
{
    pawl_procpool *p = s->p;
    pawl_deadline now = p->due != NULL ? pawl_now() : 0;

    while (s->n < BATCH && pawl_procpool_next_due(p) <= now) {
        pawl_proctask *t = p->due;

        pawl_procpool_forget(p, t);
        if (t->verdict_ == 0)
            t->verdict_ = -ETIMEDOUT;
        if (t->state_ == PAWL_PROCTASK_LINE) {
            pawl_procline_remove(&p->line, t);
        } else if (pawl_window_call_off(&p->offers, t->record_)) {
            pawl_procpool_free_record(p, t->record_);
        } else {
            kill_runner(p, t); /* what is left of it comes by die */
            continue;
        }
        cut_off(s, t);
    }
}

/* Why a worker ended that had not become ready, or 0. */
static int failure_of(const pawl_procpool *p, uint32_t place)
{
    const struct pawl_window_worker *w = pawl_window_worker(p->window, place);
    uint32_t state =
        pawl_load_acquire(&w->state); /* acquire: pairs with enter */

    if (state == PAWL_WORKER_STARTING)
        return -EOWNERDEAD;
    return state == PAWL_WORKER_FAILED
               ? (int)pawl_load_relaxed(&w->status) /* relaxed: as above */
               : 0;
}

/* Under the lock; all that it has finished was gathered. */
static void bury(struct server *s, uint32_t place)
{
    pawl_procpool *p = s->p;
    pawl_procworker *w = &p->worker[place];
    int failure = failure_of(p, place);

    for (uint32_t i = 0; i < p->window->records; i++)
        if (p->place[i].task != NULL &&
            pawl_procpool_runner(p, p->place[i].task) == place + 1)
            die(s, i, w);
    if (failure != 0) {
        s->failures++;
        s->failure = failure;
    }
    pawl_process_free(w->process);
    *w = (pawl_procworker){.seen = w->seen};
    s->alive--;
    s->dying--;
    pawl_window_bury(p->window, place);
}

/* -- Workers ------------------------------------------------------------------------- */

static bool is_running(const pawl_procpool *p)
{
    return p->state == PAWL_PROCPOOL_OPEN ||
           (p->state == PAWL_PROCPOOL_CLOSED && p->outstanding > 0);
}

static bool may_start(const struct server *s)
{
    return s->failures < s->p->options.failures_max;
}

/* One place without a worker; -1: none, or not now.  Under the lock. */
static int vacancy(struct server *s)
{
    /* seq_cst: pairs with add_seq by the worker. */
    uint32_t ready = pawl_load_seq(&s->p->window->ready);

    if (ready != s->ready)
        s->failures = 0;
    s->ready = ready;
    if (s->start_at <= pawl_now())
        s->start_at = 0;
    if (s->alive == s->p->window->workers || !is_running(s->p))
        return -1;
    if (!may_start(s) && s->alive == 0)
        break_pool(s, s->failure);
    if (!may_start(s) || s->start_at > 0)
        return -1;
    for (int i = 0;; i++)
        if (s->p->worker[i].process == NULL)
            return i;
}

static void start_one(struct server *s, uint32_t place)
{
    int err = pawl_procpool_start_worker(s->p, place);

    if (err == 0) {
        s->alive++;
        pawl_children_lock();
        pawl_process_log(PAWL_LOG_REPLACED, s->p->worker[place].process);
        pawl_children_unlock();
        return;
    }
    s->failures++;
    s->failure = err;
    s->start_at = pawl_after_ns(PAUSE_NS);
}

/* Under the lock. */
static void kill_in_time(pawl_procpool *p)
{
    if (p->kill_at == PAWL_FOREVER || p->kill_at > pawl_now())
        return;
    p->kill_at = PAWL_FOREVER;
    for (uint32_t i = 0; i < p->window->workers; i++)
        if (p->worker[i].process != NULL)
            (void)pawl_process_kill(p->worker[i].process);
}

/* -- Sleeping -------------------------------------------------------------------------- */

static bool has_finished(const pawl_procpool *p)
{
    for (uint32_t i = 0; i < p->window->workers; i++)
        /* seq_cst: pairs with store_seq in finish. */
        if (pawl_load_seq(&pawl_window_worker(p->window, i)->finished) !=
            p->worker[i].seen)
            return true;
    return false;
}

/* Under the lock: whether somebody should be on his way to an offer. */
static bool expects_somebody(const struct server *s)
{
    const pawl_procpool *p = s->p;
    uint32_t running = 0;

    if (!pawl_window_has_offers(p->window))
        return false;
    for (uint32_t i = 0; i < p->window->records; i++)
        running += p->place[i].task != NULL &&
                   pawl_procpool_runner(p, p->place[i].task) != 0;
    return running < s->alive;
}

static pawl_deadline sooner(pawl_deadline a, pawl_deadline b)
{
    return a < b ? a : b;
}

static int wait_for_events(const pawl_procpool *p, struct epoll_event *events,
                           int n, pawl_deadline until)
{
    int64_t left = until - pawl_now();
    int ms = -1;

    if (until != PAWL_FOREVER && left / 1000000 < INT_MAX)
        ms = left <= 0 ? 0 : (int)(left / 1000000) + 1;
    else if (until != PAWL_FOREVER)
        ms = INT_MAX; /* some weeks: then it looks again */
    n = epoll_wait(p->watch, events, n, ms);
    return n > 0 ? n : 0;
}

static void notice(struct server *s, const struct epoll_event *e)
{
    pawl_procpool *p = s->p;
    uint32_t place = e->data.u32;
    pawl_procworker *w;
    uint64_t count;

    if (place == PAWL_WATCH_BELL) {
        (void)!read(p->bell, &count, sizeof count);
        return;
    }
    if (place == PAWL_WATCH_TIMER) {
        (void)!read(p->timer, &count, sizeof count);
        s->is_time = true;
        return;
    }
    w = &p->worker[place];
    /* Its sentinel is readable for good: watch it no more. */
    (void)epoll_ctl(p->watch, EPOLL_CTL_DEL, pawl_process_sentinel(w->process),
                    NULL);
    if (pawl_process_try_join(w->process, &w->code) == -EAGAIN) {
        /* Without pidfds: it has closed all its descriptors, and cannot ring. */
        (void)pawl_process_kill(w->process);
        (void)pawl_process_join(w->process, &w->code);
    }
    w->is_dead = true;
    s->dying++;
}

/* Odd if a worker that finishes a task is to ring.  Under the lock. */
static void set_bell(pawl_procpool *p)
{
    pawl_u32 *bell = &p->window->bell;
    uint32_t seen = pawl_load_relaxed(bell); /* relaxed: under the lock */

    if ((seen & 1) != (p->sleeps && !p->helped))
        pawl_store_seq(bell, seen + 1); /* seq_cst: pairs with load_seq in
                                           must_ring */
}

/* Whether to sleep now.  Under the lock. */
static bool may_sleep(pawl_procpool *p)
{
    p->sleeps = true;
    set_bell(p);
    if (p->helped || !has_finished(p))
        return true;
    p->sleeps = false;
    set_bell(p);
    return false;
}

/* Under the lock, which is released meanwhile. */
static void sleep_until(struct server *s, pawl_deadline until)
{
    pawl_procpool *p = s->p;
    struct epoll_event events[16];
    int n;

    p->sleeps_until = until;
    pawl_unlock(&p->lock);
    n = wait_for_events(p, events, 16, until);
    for (int i = 0; i < n; i++)
        notice(s, &events[i]);
    pawl_lock(&p->lock);
    p->sleeps = false;
    set_bell(p);
}

void pawl_procpool_offered(pawl_procpool *p)
{
    const struct itimerspec soon = {.it_value.tv_nsec = PATIENCE_NS};

    /* As long as it is armed, it covers this offer, too. */
    if (!p->is_armed)
        p->is_armed = timerfd_settime(p->timer, 0, &soon, NULL) == 0;
}

/* The timer has gone off.  Under the lock. */
static void look_after_offers(struct server *s)
{
    pawl_procpool *p = s->p;

    s->is_time = false;
    p->is_armed = false;
    if (expects_somebody(s))
        pawl_window_call_all(p->window);
    if (pawl_window_has_offers(p->window))
        pawl_procpool_offered(p);
}

/* -- Helpers --------------------------------------------------------------------- */

/* Whether something is finished that nobody has seen.  Under no lock: a hint. */
static bool has_news(const pawl_procpool *p)
{
    uint32_t finished = 0;

    for (uint32_t i = 0; i < p->window->workers; i++)
        /* seq_cst: pairs with store_seq in finish. */
        finished += pawl_load_seq(&pawl_window_worker(p->window, i)->finished);
    return finished != pawl_load_relaxed(&p->gathered); /* relaxed: as above */
}

bool pawl_procpool_help_begins(pawl_procpool *p)
{
    if (!p->sleeps || p->helped || p->has_ended)
        return false;
    p->helped = true;
    p->refs++;
    set_bell(p);
    return true;
}

/* Callbacks are the thread's.  Returns whether there are any.  Under the lock. */
static bool hand_over(struct server *s)
{
    size_t kept = 0;
    bool any = false;

    for (size_t i = 0; i < s->n; i++) {
        pawl_proctask *t = s->batch[i].task;

        if (t->done == NULL && t->failed == NULL) {
            s->batch[kept++] = s->batch[i];
            continue;
        }
        t->next_ = s->p->handed;
        s->p->handed = t;
        any = true;
    }
    s->n = kept;
    return any;
}

static void changed(pawl_procpool *p)
{
    pawl_eventcount_notify_all(&p->changes);
}

/* As the thread does, but for what only it can do. */
static void help_once(pawl_procpool *p)
{
    struct server s = {.p = p};
    uint32_t offered;
    bool pokes;

    pawl_lock(&p->lock);
    for (uint32_t i = 0; i < p->window->workers; i++)
        gather_from(&s, i);
    pokes = hand_over(&s);
    pawl_unlock(&p->lock);
    deliver(&s);
    pawl_lock(&p->lock);
    settle(&s);
    offered = pawl_procpool_refill(p);
    pokes = pokes || p->line.first != NULL || p->state != PAWL_PROCPOOL_OPEN;
    if (p->outstanding == 0)
        changed(p);
    pawl_unlock(&p->lock);
    pawl_window_call(p->window, offered);
    if (pokes)
        pawl_procpool_poke(p);
}

void pawl_procpool_help(pawl_procpool *p, const pawl_proctask *t)
{
    struct pawl_spin spin;
    bool paid = t == NULL;

    if (!paid && pawl_spin_begins(&spin, PAWL_SPIN_FUTURE)) {
        while (!(paid = pawl_future_is_done(&t->future)) &&
               pawl_spin_again(&spin))
            if (has_news(p))
                help_once(p);
        pawl_spin_ends(&spin, paid);
    }
    pawl_lock(&p->lock);
    p->helped = false;
    set_bell(p);
    /* Nobody was to ring for these. */
    if (p->sleeps && (has_finished(p) || p->line.first != NULL))
        pawl_procpool_poke(p);
    pawl_procpool_drop(p);
}

/* -- The thread ----------------------------------------------------------------------------- */

/* Blocks that others could not free. */
static void free_stuck(pawl_procpool *p)
{
    for (uint32_t n = p->stuck_records; n > 0; n--)
        pawl_procpool_free_record(
            p, p->free[p->window->records - p->stuck_records--]);
}

/* One turn, under the lock: find what is to be given away, and what else there is to
 * do.  Returns how many were offered. */
static uint32_t look_around(struct server *s)
{
    pawl_procpool *p = s->p;
    uint32_t offered;

    free_stuck(p);
    if (s->is_time)
        look_after_offers(s);
    gather_handed(s);
    for (uint32_t i = 0; i < p->window->workers; i++) {
        if (p->worker[i].process == NULL)
            continue;
        gather_from(s, i);
        if (p->worker[i].is_dead && s->n < BATCH)
            bury(s, i);
    }
    expire(s);
    if (p->state == PAWL_PROCPOOL_TERMINATED ||
        p->state == PAWL_PROCPOOL_BROKEN) {
        call_off_all(s);
        kill_in_time(p);
        return 0;
    }
    offered = pawl_procpool_refill(p);
    /* Nothing in the window, and yet no room. */
    if (p->line.first != NULL && s->n < BATCH &&
        p->free_records == p->window->records) {
        pawl_proctask *misfit = pawl_procline_pop(&p->line);

        add(s, misfit)->status = -ENOSPC;
    }
    return offered;
}

/* Whether all is done, and nobody is left. */
static bool has_ended(struct server *s)
{
    pawl_procpool *p = s->p;

    if (p->state == PAWL_PROCPOOL_OPEN || p->outstanding > 0)
        return false;
    pawl_window_end(p->window);
    return s->alive == 0;
}

void pawl_procpool_serve(void *pool)
{
    struct server s = {.p = pool};
    pawl_procpool *p = pool;

    pawl_procpool_served_ = p;
    (void)pawl_region_join(p->region);
    pawl_lock(&p->lock);
    s.alive = p->window->workers;
    for (;;) {
        pawl_deadline until;
        uint32_t offered;
        int place;

        settle(&s);
        offered = look_around(&s);
        place = vacancy(&s);
        if (p->outstanding == 0)
            changed(p);
        if (has_ended(&s))
            break;
        until = sooner(p->kill_at, s.start_at > 0 ? s.start_at : PAWL_FOREVER);
        until = sooner(until, pawl_procpool_next_due(p));
        if (offered == 0 && place < 0 && s.n == 0 && s.dying == 0 &&
            may_sleep(p)) {
            sleep_until(&s, until);
            continue;
        }
        pawl_unlock(&p->lock);
        pawl_window_call(p->window, offered);
        deliver(&s);
        if (place >= 0)
            start_one(&s, (uint32_t)place);
        pawl_lock(&p->lock);
    }
    p->has_ended = true;
    changed(p);
    pawl_procpool_drop(p);
}
