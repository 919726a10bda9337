/* SPDX-License-Identifier: MIT
 *
 * A dialogue of two processes: a thousand messages there and back, of no bytes up to
 * 100 KiB; then the other one ends; then one is killed while it sends.
 */
#include "example.h"

#include <pawl/process.h>

#include <signal.h>

enum { MESSAGES = 1000, LONGEST = 100 * 1024 };

static unsigned char bytes[LONGEST];

static size_t length_of(int i)
{
    return i % 10 == 9 ? LONGEST : (size_t)i * 37 % 5000 * (size_t)(i % 3);
}

static uint64_t sum_of(size_t n)
{
    uint64_t sum = n;

    for (size_t i = 0; i < n; i++)
        sum = sum * 31 + bytes[i];
    return sum;
}

/* Send back what comes, and return when nothing more will. */
static int answer(const pawl_process_call *call)
{
    pawl_pipe *end = call->pipes[0];
    size_t n;
    int err;

    while ((err = pawl_pipe_recv(end, bytes, sizeof bytes, &n)) == 0)
        MUST(pawl_pipe_send(end, bytes, n));
    return err == -ESHUTDOWN ? 0 : 1;
}

/* Send a message far longer than what is under way at one time. */
static int send_on_and_on(const pawl_process_call *call)
{
    static unsigned char all[64 * LONGEST];

    while (pawl_pipe_send(call->pipes[0], all, sizeof all) == 0)
        ;
    return 1;
}

/* A process with one end of a connection: its end is closed here by that. */
static pawl_process *start_with(const char *entry, pawl_pipe **end)
{
    pawl_pipe *ends[2];
    pawl_process *p;

    MUST(pawl_pipe_create(ends, NULL));
    MUST(pawl_process_create_entry(
        &p, entry, NULL, 0,
        &(pawl_process_options){.pipes = &ends[1], .n_pipes = 1}));
    MUST(pawl_process_start(p));
    REQUIRE(pawl_pipe_is_closed(ends[1]));
    pawl_pipe_free(ends[1]);
    *end = ends[0];
    return p;
}

static void dialogue(void)
{
    pawl_pipe *end;
    pawl_process *p = start_with("answer", &end);
    int code;

    for (int i = 0; i < MESSAGES; i++) {
        size_t n = length_of(i);
        size_t back = 0;
        uint64_t sum;

        for (size_t k = 0; k < n; k++)
            bytes[k] = (unsigned char)(k * 7 + (size_t)i);
        sum = sum_of(n);
        MUST(pawl_pipe_send(end, bytes, n));
        memset(bytes, 0, n);
        MUST(pawl_pipe_recv(end, bytes, sizeof bytes, &back));
        REQUIRE(back == n && sum_of(n) == sum);
    }
    SAY("%d messages came back as they were", MESSAGES);
    MUST(pawl_pipe_close(end));
    MUST(pawl_process_join(p, &code));
    REQUIRE(code == 0);
    pawl_process_free(p);
    pawl_pipe_free(end);
}

/* The other one has ended; there is no SIGPIPE. */
static void end_of_the_other(void)
{
    pawl_pipe *end;
    pawl_process *p = start_with("answer", &end);

    MUST(pawl_pipe_send(end, "last words", 10));
    MUST(pawl_pipe_poll(end));
    MUST(pawl_process_terminate(p));
    MUST(pawl_process_join(p, NULL));
    MUST(pawl_pipe_recv(end, bytes, sizeof bytes, NULL));
    MUST_BE(-ESHUTDOWN, pawl_pipe_recv(end, bytes, sizeof bytes, NULL));
    MUST_BE(-EPIPE, pawl_pipe_send(end, "hello?", 6));
    SAY("the other has ended: what it had sent came, then the end");
    pawl_process_free(p);
    pawl_pipe_free(end);
}

static void cut_short(void)
{
    pawl_pipe *end;
    pawl_process *p = start_with("send_on_and_on", &end);
    size_t n;
    unsigned char *room;

    MUST(pawl_pipe_poll(end));
    MUST_BE(-EMSGSIZE, pawl_pipe_recv(end, bytes, sizeof bytes, &n));
    SAY("a message of %zu bytes is on its way", n);
    MUST(pawl_process_kill(p));
    room = malloc(n);
    REQUIRE(room != NULL);
    MUST_BE(-ECONNRESET, pawl_pipe_recv(end, room, n, &n));
    MUST_BE(-ESHUTDOWN, pawl_pipe_recv(end, room, n, &n));
    SAY("it was cut: its sender was killed");
    MUST(pawl_process_join(p, NULL));
    free(room);
    pawl_process_free(p);
    pawl_pipe_free(end);
}

int main(int argc, char **argv)
{
    MUST(pawl_process_register("answer", answer));
    MUST(pawl_process_register("send_on_and_on", send_on_and_on));
    pawl_process_main(argc, argv);
    example_begins(argc, argv);

    dialogue();
    end_of_the_other();
    cut_short();
    SAY("OK %d messages, an end, a cut", MESSAGES);
    return 0;
}
