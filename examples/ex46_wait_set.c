/* SPDX-License-Identifier: MIT
 *
 * Waiting for four things at once: a queue, a process, an event and a connection.
 * Each is told of once, and while nothing happens nothing is done.
 */
#include "example.h"

#include <pawl/process.h>

#include <time.h>

enum { QUEUE, PROCESS, EVENT, PIPE, SOURCES };

static const char *const names[] = {"the queue", "the process", "the event",
                                    "the connection"};

struct sources {
    pawl_queue *queue;
    pawl_event event;
};

/* Say something, and end when the other end is closed. */
static int talk(const pawl_process_call *call)
{
    char byte;

    MUST(pawl_pipe_send(call->pipes[0], "hello", 5));
    MUST_BE(-ESHUTDOWN, pawl_pipe_recv(call->pipes[0], &byte, 1, NULL));
    return 7;
}

/* A job after two units of time, the event after four. */
static int work(void *arg)
{
    struct sources *s = arg;
    int job = 46;

    example_sleep(2);
    MUST(pawl_queue_put(s->queue, &job));
    example_sleep(2);
    pawl_event_set(&s->event);
    return 0;
}

static int64_t cpu_time(void)
{
    struct timespec t;

    REQUIRE(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t) == 0);
    return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

/* Take what has come. */
static void take(int source, struct sources *s, pawl_pipe *end, pawl_process *p)
{
    char text[5];
    int job = 0;
    int code = -1;

    SAY("%s, after %.1f units", names[source], example_elapsed());
    switch (source) {
    case QUEUE:
        MUST(pawl_queue_try_get(s->queue, &job));
        REQUIRE(job == 46);
        break;
    case PROCESS:
        MUST(pawl_process_try_join(p, &code));
        REQUIRE(code == 7);
        break;
    case EVENT:
        MUST(pawl_pipe_close(end)); /* the process ends by that */
        break;
    default:
        MUST(pawl_pipe_try_recv(end, text, sizeof text, NULL));
        REQUIRE(memcmp(text, "hello", 5) == 0);
    }
}

int main(int argc, char **argv)
{
    struct sources s = {.event = PAWL_EVENT_INIT};
    pawl_wait_item items[SOURCES];
    int source[SOURCES] = {QUEUE, PROCESS, EVENT, PIPE};
    pawl_thread thread;
    pawl_pipe *ends[2];
    pawl_process *p;
    int64_t cpu;

    MUST(pawl_process_register("talk", talk));
    pawl_process_main(argc, argv);
    example_begins(argc, argv);

    MUST(pawl_queue_create(
        &s.queue,
        &(pawl_queue_options){.capacity = 4, .element_size = sizeof(int)}));
    MUST(pawl_pipe_create(ends, NULL));
    MUST(pawl_process_create_entry(
        &p, "talk", NULL, 0,
        &(pawl_process_options){.pipes = &ends[1], .n_pipes = 1}));
    MUST(pawl_process_start(p));
    MUST(PAWL_THREAD_INIT(&thread, work, &s));
    MUST(pawl_thread_start(&thread));

    items[QUEUE] = PAWL_WAIT_READABLE(s.queue);
    items[PROCESS] = PAWL_WAIT_PROCESS(p);
    items[EVENT] = PAWL_WAIT_EVENT(&s.event);
    items[PIPE] = PAWL_WAIT_PIPE(ends[0]);
    cpu = cpu_time();
    for (size_t left = SOURCES; left > 0; left--) {
        size_t which;

        MUST(pawl_wait_any(items, left, &which));
        take(source[which], &s, ends[0], p);
        /* It will not be told of again: the last takes its place. */
        items[which] = items[left - 1];
        source[which] = source[left - 1];
    }
    cpu = cpu_time() - cpu;
    AT_LEAST(4);
    REQUIRE(example_any_time || cpu < example_unit);

    MUST(pawl_thread_join(&thread, NULL));
    pawl_process_free(p);
    pawl_pipe_free(ends[0]);
    pawl_pipe_free(ends[1]);
    pawl_queue_free(s.queue);
    SAY("OK %d sources, each once; %.1f ms of CPU time", SOURCES,
        (double)cpu / 1e6);
    return 0;
}
