/* SPDX-License-Identifier: MIT
 *
 * 20: an object that is a process.
 *
 * Forked, its method gets the object itself; spawned, what of it is plain data goes
 * to a registered entry, which makes the object anew.  Both say the same.
 */
#include "example.h"

enum { TICKS = 3 };

struct clock_data {
    char name[16];
    int ticks;
};

struct clock {
    pawl_process *process;
    struct clock_data data;
    int out;
};

/* The method. */
static int clock_run(struct clock *c)
{
    for (int i = 0; i < c->data.ticks; i++)
        MUST(pawl_print_line(c->out, "%s: tick %d", c->data.name, i) < 0);
    return 40 + c->data.ticks;
}

static int run_forked(void *object)
{
    return clock_run(object);
}

static int run_spawned(const pawl_process_call *call)
{
    struct clock c = {.out = call->fds[0]};

    REQUIRE(call->size == sizeof c.data);
    memcpy(&c.data, call->blob, sizeof c.data);
    return clock_run(&c);
}

/* Run it to its end, and read all that it says. */
static int output_of(struct clock *c, const int line[2], char *text,
                     size_t size)
{
    size_t n = 0;
    ssize_t r;
    int code;

    MUST(pawl_process_start(c->process));
    close(line[1]);
    while ((r = read(line[0], text + n, size - 1 - n)) > 0)
        n += (size_t)r;
    text[n] = '\0';
    close(line[0]);
    MUST(pawl_process_join(c->process, &code));
    pawl_process_free(c->process);
    return code;
}

int main(int argc, char **argv)
{
    struct clock forked = {.data = {"clock", TICKS}};
    struct clock spawned = forked;
    char text[2][256];
    int code[2];
    int line[2];

    MUST(pawl_process_register("clock", run_spawned));
    pawl_process_main(argc, argv);
    example_begins(argc, argv);

    REQUIRE(pipe(line) == 0);
    forked.out = line[1];
    MUST(pawl_process_create(&forked.process, run_forked, &forked, NULL));
    code[0] = output_of(&forked, line, text[0], sizeof text[0]);
    SAY("forked: exit code %d", code[0]);

    REQUIRE(pipe(line) == 0);
    MUST(pawl_process_create_entry(
        &spawned.process, "clock", &spawned.data, sizeof spawned.data,
        &(pawl_process_options){
            .method = PAWL_START_SPAWN, .fds = &line[1], .n_fds = 1}));
    code[1] = output_of(&spawned, line, text[1], sizeof text[1]);
    SAY("spawned: exit code %d", code[1]);

    REQUIRE(code[0] == 40 + TICKS && code[1] == code[0]);
    REQUIRE(strcmp(text[0], "clock: tick 0\nclock: tick 1\nclock: tick 2\n") ==
            0);
    REQUIRE(strcmp(text[0], text[1]) == 0);
    SAY("OK both ticked %d times and ended with %d", TICKS, code[0]);
    return 0;
}
