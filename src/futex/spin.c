/* SPDX-License-Identifier: MIT
 *
 * spin.c - the learned budget of spin.h.
 *
 * Budgets are kept in pauses, and the full one is a time divided by the length
 * of a pause, measured once: a pause takes 5 ns on some CPUs and 50 on others.
 */
#include "futex/spin.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <pawl/time.h>

#include "atomic/ops.h"

/* About the cost of one sleep and wake: docs/performance.md, "limits". */
#define FULL_NS 10000

/* A waiter that leaves a lock alone for so long lets its holder, and those that
 * come back to it in a hurry, work undisturbed in their own cache: with empty
 * sections that makes two threads three times as fast, with sections of 200 ns
 * it costs nothing.  bench_mutex, cs0nc0 to cs1000nc200, 200 to 800 ns. */
#define PATIENCE_NS 400

/* After so many waits that did not spin, or spun in vain, one tries the full
 * budget again; then after twice as many, and so on up to the second number. */
#define PROBE_FIRST 32
#define PROBE_EVERY 1024

/* A spin that paid allows the next one so much of the full budget, even if it took
 * less: as long as a sleeper needs to be woken and to answer.  With twice of what
 * it took, one interrupt on either side of a hand-over made both miss one another
 * for long: each slept, and then let the other wait longer than that one was
 * willing to spin.  Not for mutexes, where the one that waits is in the way of the
 * one that works.  bench_event, bench_thread. */
#define LEAST_PART 2

/* The full budget where threads yield instead of pausing. */
#define FULL_YIELDS 32

/* The full budget in pauses, plus 1; 0 until it has been found out. */
static pawl_u32 full_plus_1;

/* Found out before full_plus_1: the same with any number of CPUs; whether somebody
 * wants that always; the quota of CPUs, or 0; CPUs allowed to the process; and
 * pauses in PATIENCE_NS. */
static pawl_u32 beside;
static pawl_u32 wished;
static pawl_u32 most_cpus;
static pawl_u32 cpus_allowed;
static pawl_u32 patience;

/* -- How many CPUs may this process use? ---------------------------------- */

/* The beginning of a file, without stdio, which allocates.  False if there is
 * nothing to be had. */
static bool read_text(const char *path, char *text, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n;

    if (fd < 0)
        return false;
    n = read(fd, text, size - 1);
    close(fd);
    text[n > 0 ? n : 0] = '\0';
    return n > 0;
}

/* CPUs that the quota of one control group allows: quota over period rounded
 * up; 0 if it sets none or cannot be read. */
static long quota_of(const char *path, const char *period_path)
{
    char text[64];
    long quota = 0;
    long period = 0;

    if (!read_text(path, text, sizeof text))
        return 0;
    if (sscanf(text, "%ld %ld", &quota, &period) == 1 && period_path != NULL &&
        (!read_text(period_path, text, sizeof text) ||
         sscanf(text, "%ld", &period) != 1))
        period = 0;
    return quota > 0 && period > 0 ? (quota + period - 1) / period : 0;
}

/* The tightest quota on the path from `group` to the root; 0 if there is none. */
static long quota_above(char *group, bool v2)
{
    char path[640];
    char period[640];
    long least = 0;

    for (;;) {
        char *slash;
        long cpus;

        if (v2) {
            snprintf(path, sizeof path, "/sys/fs/cgroup%s/cpu.max", group);
            cpus = quota_of(path, NULL);
        } else {
            snprintf(path, sizeof path, "/sys/fs/cgroup/cpu%s/cpu.cfs_quota_us",
                     group);
            snprintf(period, sizeof period,
                     "/sys/fs/cgroup/cpu%s/cpu.cfs_period_us", group);
            cpus = quota_of(path, period);
        }
        if (cpus > 0 && (least == 0 || cpus < least))
            least = cpus;
        slash = strrchr(group, '/');
        if (slash == NULL || group[0] == '\0')
            return least;
        *slash = '\0';
    }
}

/* Whether "cpu" is one of these words. */
static bool lists_cpu(const char *list)
{
    for (;;) {
        size_t length = strcspn(list, ",");

        if (length == 3 && strncmp(list, "cpu", 3) == 0)
            return true;
        if (list[length] == '\0')
            return false;
        list += length + 1;
    }
}

/* The tightest quota on the path from our control group to the root. */
static long quota_cpus(void)
{
    char groups[4096]; /* a line for each hierarchy */
    long least = 0;

    if (!read_text("/proc/self/cgroup", groups, sizeof groups))
        return 0;
    for (char *line = groups, *next; line != NULL; line = next) {
        char *list = strchr(line, ':'); /* number:controllers:group */
        char *group = list != NULL ? strchr(list + 1, ':') : NULL;
        long cpus;

        next = strchr(line, '\n');
        if (next != NULL)
            *next++ = '\0';
        if (group == NULL || (next != NULL && group >= next))
            continue;
        *group++ = '\0';
        list++;
        if (*list != '\0' && !lists_cpu(list))
            continue;
        cpus = quota_above(group, *list == '\0'); /* version 2 lists none */
        if (cpus > 0 && (least == 0 || cpus < least))
            least = cpus;
    }
    return least;
}

/* CPUs of the main thread and of the caller together: either alone may be
 * pinned to one while the process has more. */
static uint32_t count_within(long most)
{
    cpu_set_t mine;
    cpu_set_t mains;
    int cpus = 2; /* cannot tell: assume the usual case */

    CPU_ZERO(&mine);
    CPU_ZERO(&mains);
    if (sched_getaffinity(0, sizeof mine, &mine) == 0 &&
        sched_getaffinity(getpid(), sizeof mains, &mains) == 0) {
        CPU_OR(&mine, &mine, &mains);
        cpus = CPU_COUNT(&mine);
    }
    return (uint32_t)(most > 0 && most < cpus ? most : cpus);
}

uint32_t pawl_spin_count_cpus(void)
{
    return count_within(quota_cpus());
}

/* -- The full budget ------------------------------------------------------ */

/* Length of one pause in picoseconds: the shortest of a few trials, since a
 * trial may be interrupted. */
static int64_t pause_ps(void)
{
    enum { TRIALS = 5, PAUSES = 64 };
    int64_t best = INT64_MAX;

    for (int t = 0; t < TRIALS; t++) {
        int64_t start = pawl_now();

        for (int i = 0; i < PAUSES; i++)
            pawl_cpu_relax();
        start = pawl_now() - start;
        if (start < best)
            best = start;
    }
    best = best * 1000 / PAUSES;
    return best > 500 ? best : 500;
}

/* So many CPUs may be used.  Returns the full budget then. */
static uint32_t allow(uint32_t cpus)
{
    uint32_t full = pawl_load_relaxed(&beside); /* relaxed: see find_full */

    if (cpus < 2 && pawl_load_relaxed(&wished) == 0) /* relaxed: as above */
        full = 0;
    /* relaxed: everybody finds about the same; both. */
    pawl_store_relaxed(&cpus_allowed, cpus);
    pawl_store_relaxed(&full_plus_1, full + 1);
    return full;
}

static PAWL_COLD uint32_t find_full(void)
{
    const char *wish = getenv("PAWL_SPIN");
    int saved = errno; /* pawl never changes errno */
    int64_t ns = wish != NULL ? strtoll(wish, NULL, 10) : FULL_NS;
    long most = quota_cpus();
    int64_t ps = pause_ps();
    int64_t pauses;
    uint32_t full;

    /* relaxed: everybody finds about the same; both. */
    pawl_store_relaxed(&most_cpus, (uint32_t)most);
    pawl_store_relaxed(&wished, wish != NULL);
    if (ns < 0)
        ns = 0;
    if (ns > 1000000)
        ns = 1000000;
    /* relaxed: as above. */
    pawl_store_relaxed(&patience, (uint32_t)(PATIENCE_NS * 1000 / ps) + 1);
    pauses = ns * 1000 / ps;
    if (pauses > UINT16_MAX - 1)
        pauses = UINT16_MAX - 1;
    /* relaxed: as above. */
    pawl_store_relaxed(&beside, (uint32_t)pauses);
    full = allow(count_within(most));
    errno = saved;
    return full;
}

static uint32_t full_budget(void)
{
    /* relaxed: as above. */
    uint32_t known = pawl_load_relaxed(&full_plus_1);

    return pawl_likely(known != 0) ? known - 1 : find_full();
}

/* There may be more than when they were counted: whoever did so, and the main
 * thread, were pinned then.  That there are less is learned: spins do not pay. */
static PAWL_COLD void count_again(void)
{
    int saved = errno; /* pawl never changes errno */
    /* relaxed: see find_full. */
    uint32_t cpus = count_within((long)pawl_load_relaxed(&most_cpus));

    errno = saved;
    if (cpus > pawl_load_relaxed(&cpus_allowed)) /* relaxed: as above */
        allow(cpus);
}

uint32_t pawl_spin_cpus(void)
{
    full_budget();
    return pawl_load_relaxed(&cpus_allowed); /* relaxed: as in find_full */
}

/* -- Learning ------------------------------------------------------------- */

static bool is_time_to_probe(uint32_t misses)
{
    if (misses >= PROBE_EVERY)
        return misses % PROBE_EVERY == 0;
    return misses >= PROBE_FIRST && (misses & (misses - 1)) == 0;
}

static uint32_t least_of(enum pawl_spin_kind kind, uint32_t full)
{
    return kind == PAWL_SPIN_MUTEX || kind == PAWL_SPIN_YIELD
               ? 0
               : full / LEAST_PART;
}

static bool begin(struct pawl_spin *s, enum pawl_spin_kind kind, uint32_t full)
{
    struct pawl_spin_memory *m = &pawl_self_.spin[kind];
    bool probes = is_time_to_probe(m->misses);

    if (pawl_unlikely(probes))
        count_again(); /* for the next wait */
    if (full == 0) {
        m->misses++;
        return false;
    }
    if (m->budget == 0 || probes)
        m->budget = (uint16_t)(full + 1);
    *s = (struct pawl_spin){
        .budget = m->budget - 1u,
        .full = full,
        .least = least_of(kind, full),
        .step = 1,
        .patience = pawl_load_relaxed(&patience), /* relaxed: as in find_full */
        .memory = m,
    };
    if (s->budget == 0) {
        m->misses++;
        return false;
    }
    return true;
}

/* Every wait begins with this: a stranger in a forked child, who would mistake
 * marks from before the fork, introduces itself: see self.c. */
static void introduce(void)
{
    (void)pawl_self_local();
}

bool pawl_spin_begins_unnamed(struct pawl_spin *s, enum pawl_spin_kind kind)
{
    return begin(s, kind, full_budget());
}

bool pawl_spin_begins(struct pawl_spin *s, enum pawl_spin_kind kind)
{
    introduce();
    return begin(s, kind, full_budget());
}

bool pawl_spin_begins_beside(struct pawl_spin *s, enum pawl_spin_kind kind)
{
    introduce();
    full_budget();
    return begin(s, kind, pawl_load_relaxed(&beside)); /* relaxed: as above */
}

bool pawl_spin_begins_among(struct pawl_spin *s, enum pawl_spin_kind kind,
                            uint32_t threads)
{
    uint32_t full = full_budget();

    introduce();
    if (threads <= pawl_spin_cpus())
        return begin(s, kind, full);
    if (!begin(s, PAWL_SPIN_YIELD, full == 0 ? 0 : FULL_YIELDS))
        return false;
    s->yields = true;
    return true;
}

bool pawl_spin_patiently(enum pawl_spin_kind kind)
{
    struct pawl_spin s;

    if (!pawl_spin_begins(&s, kind))
        return false;
    s.step = s.patience;
    return pawl_spin_again(&s);
}

void pawl_spin_ends(struct pawl_spin *s, bool paid)
{
    struct pawl_spin_memory *m = s->memory;
    uint32_t budget;

    if (paid) {
        budget = 2 * s->spent + s->full / 16;
        budget = budget > s->least ? budget : s->least;
        m->misses = 0;
    } else {
        /* A probe that failed is forgotten at once. */
        budget = m->misses < PROBE_FIRST ? s->budget / 2 : 0;
        m->misses++;
    }
    m->budget = (uint16_t)((budget < s->full ? budget : s->full) + 1);
}
