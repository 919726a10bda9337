/* SPDX-License-Identifier: MIT
 *
 * bench_shared_queue.c - records from one process to another: by a queue in a region,
 * through a pipe, a pair of Unix sockets, or a POSIX message queue.
 *
 *   shared_queue/flow64      a producer that never stops; one record is one operation
 *   shared_queue/flow1024
 *   shared_queue/batch64     the same as flow64, 16 records a call at each end
 *   shared_queue/echo64      a record there and one back
 *
 * Else one record is one call at each end.  _pinned: each process on a CPU of its own;
 * _one_cpu: both on one; else the scheduler decides.
 */
#include <fcntl.h>
#include <mqueue.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <pawl/region.h>
#include <pawl/shared_queue.h>

#include "bench.h"

enum { RECORD_MAX = 1024, CAPACITY = 1024, BATCH = 16 };

/* One direction. */
struct lane {
    pawl_shared_queue *q;
    int in;
    int out;
    mqd_t mq;
};

struct medium {
    const char *name;
    bool (*open)(struct lane *l, size_t bytes); /* false: not on this machine */
    void (*put)(struct lane *l, const void *record, size_t bytes);
    void (*get)(struct lane *l, void *record, size_t bytes);
    void (*close)(struct lane *l);
    /* BATCH records that lie one after the other.  NULL: it has no such call. */
    void (*put_batch)(struct lane *l, const void *records, size_t bytes);
    void (*get_batch)(struct lane *l, void *records, size_t bytes);
};

/* ---- pawl ---------------------------------------------------------------- */

static pawl_region *region;

static void region_open(void)
{
    if (region == NULL)
        BENCH_CHECK(pawl_region_create(
                        &region, &(pawl_region_options){
                                     .heap = 4 << 20, .participants = 8}) == 0);
}

static bool open_kind(struct lane *l, enum pawl_shared_queue_kind kind,
                      enum pawl_shared_tasks tasks, size_t bytes)
{
    pawl_shared_queue_options o = {.capacity = CAPACITY,
                                   .record_size = bytes,
                                   .kind = kind,
                                   .tasks = tasks,
                                   .in_hand = tasks ? 2 * BATCH : 0};

    region_open();
    BENCH_CHECK(pawl_shared_queue_create(&l->q, region, &o) == 0);
    return true;
}

static bool pawl_open(struct lane *l, size_t bytes)
{
    return open_kind(l, PAWL_SHARED_FIFO, PAWL_TASKS_NONE, bytes);
}

static bool pawl_open_tasks(struct lane *l, size_t bytes)
{
    return open_kind(l, PAWL_SHARED_FIFO, PAWL_TASKS_AGAIN, bytes);
}

static bool pawl_open_deque(struct lane *l, size_t bytes)
{
    return open_kind(l, PAWL_SHARED_DEQUE, PAWL_TASKS_NONE, bytes);
}

static void pawl_put(struct lane *l, const void *record, size_t bytes)
{
    BENCH_CHECK(pawl_shared_queue_put(l->q, record, bytes) == 0);
}

static void pawl_get(struct lane *l, void *record, size_t bytes)
{
    BENCH_CHECK(pawl_shared_queue_get(l->q, record, bytes) == (int64_t)bytes);
}

static void pawl_get_task(struct lane *l, void *record, size_t bytes)
{
    pawl_get(l, record, bytes);
    BENCH_CHECK(pawl_shared_queue_task_done(l->q, NULL) == 0);
}

static void pawl_put_batch(struct lane *l, const void *records, size_t bytes)
{
    const char *next = records;
    int64_t n;

    for (int left = BATCH; left > 0; left -= (int)n) {
        n = pawl_shared_queue_put_many(l->q, next, bytes, NULL, (size_t)left);
        BENCH_CHECK(n > 0);
        next += (size_t)n * bytes;
    }
}

static void pawl_get_batch(struct lane *l, void *records, size_t bytes)
{
    size_t lengths[BATCH];
    int64_t n;

    for (int left = BATCH; left > 0; left -= (int)n) {
        n = pawl_shared_queue_get_many(l->q, records, bytes, lengths, NULL,
                                       (size_t)left);
        BENCH_CHECK(n > 0 && lengths[n - 1] == bytes);
    }
}

static void pawl_get_task_batch(struct lane *l, void *records, size_t bytes)
{
    pawl_get_batch(l, records, bytes);
    for (int i = 0; i < BATCH; i++)
        BENCH_CHECK(pawl_shared_queue_task_done(l->q, NULL) == 0);
}

static void pawl_close(struct lane *l)
{
    pawl_offset at = pawl_shared_queue_offset(l->q);

    pawl_shared_queue_free(l->q);
    BENCH_CHECK(pawl_memory_free(region, at) == 0);
}

/* ---- descriptors --------------------------------------------------------- */

static bool pipe_open(struct lane *l, size_t bytes)
{
    int fd[2];

    (void)bytes;
    BENCH_CHECK(pipe(fd) == 0);
    l->in = fd[1];
    l->out = fd[0];
    return true;
}

static bool socket_open(struct lane *l, size_t bytes)
{
    int fd[2];

    (void)bytes;
    BENCH_CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, fd) == 0);
    l->in = fd[1];
    l->out = fd[0];
    return true;
}

static void fd_put(struct lane *l, const void *record, size_t bytes)
{
    BENCH_CHECK(write(l->in, record, bytes) == (ssize_t)bytes);
}

static void fd_get(struct lane *l, void *record, size_t bytes)
{
    BENCH_CHECK(read(l->out, record, bytes) == (ssize_t)bytes);
}

/* What is written at once up to PIPE_BUF is not split. */
static void pipe_put_batch(struct lane *l, const void *records, size_t bytes)
{
    fd_put(l, records, BATCH * bytes);
}

static void pipe_get_batch(struct lane *l, void *records, size_t bytes)
{
    fd_get(l, records, BATCH * bytes);
}

static void list_messages(struct mmsghdr *m, struct iovec *v,
                          const void *records, size_t bytes)
{
    memset(m, 0, BATCH * sizeof *m);
    for (size_t i = 0; i < BATCH; i++) {
        v[i].iov_base = (char *)(uintptr_t)records + i * bytes;
        v[i].iov_len = bytes;
        m[i].msg_hdr.msg_iov = &v[i];
        m[i].msg_hdr.msg_iovlen = 1;
    }
}

static void socket_put_batch(struct lane *l, const void *records, size_t bytes)
{
    struct mmsghdr m[BATCH];
    struct iovec v[BATCH];
    int n;

    list_messages(m, v, records, bytes);
    for (int done = 0; done < BATCH; done += n) {
        n = sendmmsg(l->in, m + done, (unsigned)(BATCH - done), 0);
        BENCH_CHECK(n > 0);
    }
}

static void socket_get_batch(struct lane *l, void *records, size_t bytes)
{
    struct mmsghdr m[BATCH];
    struct iovec v[BATCH];
    int n;

    list_messages(m, v, records, bytes);
    for (int done = 0; done < BATCH; done += n) {
        n = recvmmsg(l->out, m + done, (unsigned)(BATCH - done), MSG_WAITFORONE,
                     NULL);
        BENCH_CHECK(n > 0 && m[done].msg_len == bytes);
    }
}

static void fd_close(struct lane *l)
{
    close(l->in);
    close(l->out);
}

static bool mq_lane_open(struct lane *l, size_t bytes)
{
    struct mq_attr a = {.mq_maxmsg = CAPACITY, .mq_msgsize = (long)bytes};
    char name[64];

    snprintf(name, sizeof name, "/pawl-bench-%d", (int)getpid());
    l->mq = mq_open(name, O_CREAT | O_EXCL | O_RDWR, 0600, &a);
    if (l->mq == (mqd_t)-1) {
        a.mq_maxmsg = 10; /* what everybody may have */
        l->mq = mq_open(name, O_CREAT | O_EXCL | O_RDWR, 0600, &a);
    }
    if (l->mq == (mqd_t)-1)
        return false;
    mq_unlink(name);
    return true;
}

static void mq_put(struct lane *l, const void *record, size_t bytes)
{
    BENCH_CHECK(mq_send(l->mq, record, bytes, 0) == 0);
}

static void mq_get(struct lane *l, void *record, size_t bytes)
{
    BENCH_CHECK(mq_receive(l->mq, record, bytes, NULL) == (ssize_t)bytes);
}

static void mq_lane_close(struct lane *l)
{
    mq_close(l->mq);
}

/* ---- rows ---------------------------------------------------------------- */

static const struct medium media[] = {
    {"pawl", pawl_open, pawl_put, pawl_get, pawl_close, pawl_put_batch,
     pawl_get_batch},
    {"pipe", pipe_open, fd_put, fd_get, fd_close, pipe_put_batch,
     pipe_get_batch},
    {"socket", socket_open, fd_put, fd_get, fd_close, socket_put_batch,
     socket_get_batch},
    {"mq", mq_lane_open, mq_put, mq_get, mq_lane_close, NULL, NULL},
    {"pawl_tasks", pawl_open_tasks, pawl_put, pawl_get_task, pawl_close,
     pawl_put_batch, pawl_get_task_batch},
    {"pawl_deque", pawl_open_deque, pawl_put, pawl_get, pawl_close,
     pawl_put_batch, pawl_get_batch},
};

static const struct medium *medium_of(const struct bench_spec *spec)
{
    const struct medium *m = media;

    while (strcmp(m->name, spec->impl) != 0)
        m++;
    return m;
}

static size_t bytes_of(const struct bench_spec *spec)
{
    return spec->cs_ns; /* a parameter that locks use otherwise */
}

/* What the processes of a row share, by a fork. */
struct row {
    const struct bench_spec *spec;
    const struct medium *m;
    size_t bytes;
    struct lane there;
    struct lane back;
    char record[RECORD_MAX]; /* or a batch of smaller ones */
};

static void put(struct row *r, struct lane *l)
{
    r->m->put(l, r->record, r->bytes);
}

static void get(struct row *r, struct lane *l)
{
    r->m->get(l, r->record, r->bytes);
}

static void get_and_put(struct row *r)
{
    get(r, &r->there);
    put(r, &r->back);
}

static void put_and_get(struct row *r)
{
    put(r, &r->there);
    get(r, &r->back);
}

static void put_there(struct row *r)
{
    put(r, &r->there);
}

static void get_there(struct row *r)
{
    get(r, &r->there);
}

static void put_batch(struct row *r)
{
    r->m->put_batch(&r->there, r->record, r->bytes);
}

static void get_batch(struct row *r)
{
    r->m->get_batch(&r->there, r->record, r->bytes);
}

typedef void (*step_fn)(struct row *r);

/* A process that is killed in the end. */
static pid_t start_other(struct row *r, step_fn step)
{
    pid_t pid = fork();

    BENCH_CHECK(pid >= 0);
    if (pid != 0)
        return pid;
    bench_take_place(r->spec->place, 1);
    for (;;)
        step(r);
}

static double time_of(struct row *r, step_fn step)
{
    uint64_t n = 0;
    uint64_t begin;
    uint64_t end;

    for (int i = 0; i < 1000; i++)
        step(r);
    begin = bench_ticks();
    do {
        for (int i = 0; i < 100; i++)
            step(r);
        n += 100;
        end = bench_ticks();
    } while ((double)(end - begin) * bench_ns_per_tick <
             (double)bench_cell_ns());
    return (double)(end - begin) * bench_ns_per_tick / (double)n;
}

/* The time of a step, by a process that is at its place before it knows how many CPUs
 * it may use. */
static double timed_by_child(struct row *r, step_fn step)
{
    double ns;
    int fd[2];
    int status;
    pid_t pid;

    BENCH_CHECK(pipe(fd) == 0);
    pid = fork();
    BENCH_CHECK(pid >= 0);
    if (pid == 0) {
        bench_take_place(r->spec->place, 0);
        ns = time_of(r, step);
        BENCH_CHECK(write(fd[1], &ns, sizeof ns) == sizeof ns);
        _exit(0);
    }
    BENCH_CHECK(read(fd[0], &ns, sizeof ns) == sizeof ns);
    BENCH_CHECK(waitpid(pid, &status, 0) == pid && status == 0);
    close(fd[0]);
    close(fd[1]);
    return ns;
}

static void run(bench_state *b, const struct bench_spec *spec, step_fn step,
                step_fn others, int records)
{
    struct row r = {
        .spec = spec, .m = medium_of(spec), .bytes = bytes_of(spec)};
    pid_t other;

    if (bench_cpus() < 2 || !r.m->open(&r.there, r.bytes)) {
        bench_skip(b, "not on this machine");
        return;
    }
    BENCH_CHECK(r.m->open(&r.back, r.bytes));
    other = start_other(&r, others);
    bench_result(b, timed_by_child(&r, step) / records);
    kill(other, SIGKILL);
    waitpid(other, NULL, 0);
    r.m->close(&r.there);
    r.m->close(&r.back);
}

static void flow(bench_state *b, const struct bench_spec *spec)
{
    run(b, spec, get_there, put_there, 1);
}

static void batch(bench_state *b, const struct bench_spec *spec)
{
    if (medium_of(spec)->put_batch == NULL)
        bench_skip(b, "it has no such call");
    else
        run(b, spec, get_batch, put_batch, BATCH);
}

static void echo(bench_state *b, const struct bench_spec *spec)
{
    run(b, spec, put_and_get, get_and_put, 1);
}

static void pair(bench_state *b, const struct bench_spec *spec)
{
    const struct medium *m = medium_of(spec);
    size_t bytes = bytes_of(spec);
    char record[RECORD_MAX] = {0};
    struct lane l;

    if (!m->open(&l, bytes)) {
        bench_skip(b, "not on this machine");
        return;
    }
    while (bench_batch(b, BENCH_BATCH)) {
        for (int i = 0; i < BENCH_BATCH; i++) {
            m->put(&l, record, bytes);
            m->get(&l, record, bytes);
        }
    }
    m->close(&l);
}

static void add(const char *scenario, bench_fn *fn, unsigned flags,
                unsigned bytes, enum bench_place place)
{
    for (size_t i = 0; i < sizeof media / sizeof *media; i++) {
        struct bench_spec s =
            bench_row("shared_queue", scenario, media[i].name, fn);

        s.flags = flags;
        s.cs_ns = bytes;
        s.place = place;
        bench_add(&s);
    }
}

void bench_shared_queue(void)
{
    add("pair64", pair, BENCH_KEY, 64, PLACE_FREE);
    add("flow64", flow, BENCH_KEY | BENCH_CELL, 64, PLACE_FREE);
    add("flow64_pinned", flow, BENCH_CELL, 64, PLACE_SPREAD);
    add("batch64", batch, BENCH_CELL, 64, PLACE_FREE);
    add("flow1024", flow, BENCH_CELL, 1024, PLACE_FREE);
    add("echo64", echo, BENCH_KEY | BENCH_CELL, 64, PLACE_FREE);
    add("echo64_pinned", echo, BENCH_CELL, 64, PLACE_SPREAD);
    add("echo64_one_cpu", echo, BENCH_CELL, 64, PLACE_SAME);
}
