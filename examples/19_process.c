/* SPDX-License-Identifier: MIT
 *
 * 19: a process that runs a clock.
 *
 * main registers what its processes run, and then says who it is: a process that
 * was started does not come back from pawl_process_main.
 */
#include "example.h"

enum { TICKS = 5 };

struct clock {
    int64_t interval_ns;
    int ticks;
};

/* Tick; and report each tick to whoever holds the other end of the pipe. */
static int run_clock(const pawl_process_call *call)
{
    const struct clock *c = call->blob;
    pid_t me = getpid();

    for (int i = 0; i < c->ticks; i++) {
        pawl_event never = PAWL_EVENT_INIT;

        MUST_BE(-ETIMEDOUT,
                pawl_event_wait_until(&never, pawl_after_ns(c->interval_ns)));
        SAY("clock %d: tick %d", (int)me, i);
        REQUIRE(write(call->fds[0], &me, sizeof me) == (ssize_t)sizeof me);
    }
    return 0;
}

int main(int argc, char **argv)
{
    struct clock c = {.ticks = TICKS};
    pawl_process *p;
    int ticks = 0;
    int code = -1;
    int line[2];
    pid_t from;

    MUST(pawl_process_register("clock", run_clock));
    pawl_process_main(argc, argv);
    example_begins(argc, argv);

    c.interval_ns = example_unit;
    REQUIRE(pipe(line) == 0);
    MUST(pawl_process_create_entry(
        &p, "clock", &c, sizeof c,
        &(pawl_process_options){.fds = &line[1], .n_fds = 1}));
    MUST(pawl_process_start(p));
    close(line[1]); /* the clock has its own: the end of it is the end of all */
    SAY("main %d: started %d", (int)getpid(), (int)pawl_process_pid(p));

    while (read(line[0], &from, sizeof from) == (ssize_t)sizeof from) {
        REQUIRE(from == pawl_process_pid(p) && from != getpid());
        ticks++;
    }
    MUST(pawl_process_join(p, &code));
    REQUIRE(code == 0 && ticks == TICKS);
    AT_LEAST(TICKS);
    pawl_process_free(p);
    SAY("OK %d ticks, exit code %d", ticks, code);
    return 0;
}
