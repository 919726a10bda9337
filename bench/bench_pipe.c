/* SPDX-License-Identifier: MIT
 *
 * bench_pipe.c - connections between two processes, against what the kernel has.
 *
 *   pipe/pingpong64_*   a message of 64 bytes there, and one back
 *   pipe/stream64k_*    messages of 64 KiB in one direction
 *   pipe/stream64_*     the same, of 64 bytes
 *
 *   pawl      a connection with a ring of 256 KiB, the default; as much as the
 *             kernel takes for a socket
 *   pawl64k   the same of 64 KiB, as much as the kernel takes for a pipe
 *   socket    a Unix socket pair, a stream; who receives knows the length
 *   pipe      pipe(2), two of them for a pingpong
 *
 * _pinned: each process on a CPU of its own; _free: the scheduler decides;
 * _one_cpu: both on one.
 */
#include <errno.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <pawl/pipe.h>

#include "bench.h"

/* One side of whatever it is. */
struct side {
    pawl_pipe *end;
    int in;
    int out;
};

struct means {
    const char *impl;
    size_t capacity; /* 0: not pawl */
    bool socket;
    void (*send)(struct side *s, const char *bytes, size_t n);
    bool (*receive)(struct side *s, char *bytes, size_t n);
};

static void send_pawl(struct side *s, const char *bytes, size_t n)
{
    BENCH_CHECK(pawl_pipe_send(s->end, bytes, n) == 0);
}

static bool receive_pawl(struct side *s, char *bytes, size_t n)
{
    size_t got = 0;
    int err = pawl_pipe_recv(s->end, bytes, n, &got);

    BENCH_CHECK(err == -ESHUTDOWN || (err == 0 && got == n));
    return err == 0;
}

static void send_kernel(struct side *s, const char *bytes, size_t n)
{
    while (n > 0) {
        ssize_t r = write(s->out, bytes, n);

        BENCH_CHECK(r > 0);
        bytes += r;
        n -= (size_t)r;
    }
}

static bool receive_kernel(struct side *s, char *bytes, size_t n)
{
    while (n > 0) {
        ssize_t r = read(s->in, bytes, n);

        BENCH_CHECK(r >= 0);
        if (r == 0)
            return false;
        bytes += r;
        n -= (size_t)r;
    }
    return true;
}

static const struct means all_means[] = {
    {"pawl", 256 << 10, false, send_pawl, receive_pawl},
    {"pawl64k", 64 << 10, false, send_pawl, receive_pawl},
    {"socket", 0, true, send_kernel, receive_kernel},
    {"pipe", 0, false, send_kernel, receive_kernel},
};

static void connect_sides(const struct means *m, struct side side[2])
{
    int a[2];
    int b[2];

    if (m->capacity != 0) {
        pawl_pipe *ends[2];

        BENCH_CHECK(pawl_pipe_create(ends, &(pawl_pipe_options){
                                               .capacity = m->capacity}) == 0);
        side[0] = (struct side){ends[0], -1, -1};
        side[1] = (struct side){ends[1], -1, -1};
    } else if (m->socket) {
        BENCH_CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, a) == 0);
        side[0] = (struct side){NULL, a[0], a[0]};
        side[1] = (struct side){NULL, a[1], a[1]};
    } else {
        BENCH_CHECK(pipe(a) == 0 && pipe(b) == 0);
        side[0] = (struct side){NULL, a[0], b[1]};
        side[1] = (struct side){NULL, b[0], a[1]};
    }
}

static void disconnect(struct side *s)
{
    pawl_pipe_free(s->end);
    if (s->in >= 0)
        close(s->in);
    if (s->out >= 0 && s->out != s->in)
        close(s->out);
}

/* ---- rows ------------------------------------------------------------------------ */

enum { BYTES_MOST = 65536 };
static char bytes[BYTES_MOST];

static const struct means *means_of(const struct bench_spec *spec)
{
    return &all_means[spec->writes]; /* a parameter like any other */
}

/* The other process: `answers` each message, or only the end. */
_Noreturn static void be_the_other(const struct means *m, struct side *s,
                                   size_t n, bool answers)
{
    while (m->receive(s, bytes, n))
        if (answers)
            m->send(s, bytes, n);
    _exit(0);
}

static void run(bench_state *b, const struct bench_spec *spec, size_t n,
                bool answers)
{
    const struct means *m = means_of(spec);
    struct side side[2];
    cpu_set_t all;
    int status;
    pid_t pid;

    BENCH_CHECK(sched_getaffinity(0, sizeof all, &all) == 0);
    if (spec->place == PLACE_SPREAD && CPU_COUNT(&all) < 2) {
        bench_skip(b, "needs two CPUs");
        return;
    }
    connect_sides(m, side);
    pid = fork();
    BENCH_CHECK(pid >= 0);
    if (pid == 0) {
        disconnect(&side[0]);
        bench_take_place(spec->place, 1);
        be_the_other(m, &side[1], n, answers);
    }
    disconnect(&side[1]);
    bench_take_place(spec->place, 0);
    while (bench_batch(b, 100))
        for (int i = 0; i < 100; i++) {
            m->send(&side[0], bytes, n);
            if (answers)
                BENCH_CHECK(m->receive(&side[0], bytes, n));
        }
    disconnect(&side[0]);
    BENCH_CHECK(waitpid(pid, &status, 0) == pid && status == 0);
    BENCH_CHECK(sched_setaffinity(0, sizeof all, &all) == 0);
}

static void pingpong64(bench_state *b, const struct bench_spec *spec)
{
    run(b, spec, 64, true);
}

static void stream64k(bench_state *b, const struct bench_spec *spec)
{
    run(b, spec, BYTES_MOST, false);
}

static void stream64(bench_state *b, const struct bench_spec *spec)
{
    run(b, spec, 64, false);
}

static void add(const char *scenario, bench_fn *fn, enum bench_place place)
{
    for (unsigned i = 0; i < sizeof all_means / sizeof *all_means; i++) {
        struct bench_spec s =
            bench_row("pipe", scenario, all_means[i].impl, fn);

        s.place = place;
        s.writes = i;
        bench_add(&s);
    }
}

void bench_pipe(void)
{
    add("pingpong64_pinned", pingpong64, PLACE_SPREAD);
    add("pingpong64_free", pingpong64, PLACE_FREE);
    add("pingpong64_one_cpu", pingpong64, PLACE_SAME);
    add("stream64k_pinned", stream64k, PLACE_SPREAD);
    add("stream64k_free", stream64k, PLACE_FREE);
    add("stream64k_one_cpu", stream64k, PLACE_SAME);
    add("stream64_pinned", stream64, PLACE_SPREAD);
    add("stream64_free", stream64, PLACE_FREE);
}
