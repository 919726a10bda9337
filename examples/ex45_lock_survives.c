/* SPDX-License-Identifier: MIT
 *
 * ex45_lock_survives.c - a lock between processes, of whom one is killed while it
 * holds it.
 *
 * Python: multiprocessing.Lock() is locked for ever then.  Here the next one is told,
 * has the lock, and repairs what the dead one left half done.
 */
#include "example.h"

#include <fcntl.h>
#include <signal.h>

enum { WRITERS = 4, LINES = 1000, LINE_BYTES = 32 };

struct scene {
    pawl_mutex lock; /* of the file */
    uint64_t bytes;  /* of whole lines */
    int repaired;
};

static void append(struct scene *s, int file, int who, int i)
{
    char line[LINE_BYTES + 1];
    int err = pawl_mutex_lock(&s->lock);

    if (err == -EOWNERDEAD) {
        REQUIRE(ftruncate(file, (off_t)s->bytes) == 0); /* drop the torn line */
        s->repaired++;
        err = pawl_mutex_consistent(&s->lock);
    }
    MUST(err);
    snprintf(line, sizeof line, "writer %d, line %-16d\n", who, i);
    for (size_t n = strlen(line), done = 0; done < n; done += n / 2) {
        /* In two pieces, and one writer is killed between them. */
        if (who == 0 && i == LINES / 2 && done > 0)
            raise(SIGKILL);
        REQUIRE(write(file, line + done, n / 2) == (ssize_t)(n / 2));
    }
    s->bytes += strlen(line);
    MUST(pawl_mutex_unlock(&s->lock));
}

static _Noreturn void be_writer(struct scene *s, int file, int who)
{
    for (int i = 0; i < LINES; i++)
        append(s, file, who, i);
    _exit(0);
}

int main(int argc, char **argv)
{
    char path[] = "/tmp/pawl-ex45-XXXXXX";
    int count[WRITERS] = {0};
    char line[LINE_BYTES];
    pid_t pid[WRITERS];
    pawl_region *region;
    struct scene *s;
    int file;
    int killed = 0;

    example_begins(argc, argv);
    file = mkostemp(path, O_APPEND);
    REQUIRE(file >= 0 && unlink(path) == 0);
    MUST(pawl_region_create(&region,
                            &(pawl_region_options){.buffer = sizeof *s}));
    s = pawl_region_buffer(region, NULL);
    MUST(pawl_mutex_init(&s->lock, PAWL_SHARED));
    for (int i = 0; i < WRITERS; i++) {
        pid[i] = fork();
        REQUIRE(pid[i] >= 0);
        if (pid[i] == 0)
            be_writer(s, file, i);
    }
    for (int i = 0; i < WRITERS; i++) {
        int status;

        REQUIRE(waitpid(pid[i], &status, 0) == pid[i]);
        killed += WIFSIGNALED(status);
        REQUIRE(WIFSIGNALED(status) == (i == 0));
    }
    append(s, file, WRITERS - 1, LINES); /* had it died last, we would repair */

    for (off_t at = 0; pread(file, line, LINE_BYTES, at) > 0;
         at += LINE_BYTES) {
        int who = 0;
        int i = 0;

        REQUIRE(line[LINE_BYTES - 1] == '\n');
        REQUIRE(sscanf(line, "writer %d, line %d", &who, &i) == 2);
        REQUIRE(i == count[who]++);
    }
    REQUIRE(count[0] == LINES / 2);
    for (int i = 1; i < WRITERS; i++)
        REQUIRE(count[i] == LINES + (i == WRITERS - 1));
    REQUIRE(s->repaired == 1);
    SAY("OK %d killed, %d repaired, no line torn", killed, s->repaired);
    pawl_region_free(region);
    return 0;
}
