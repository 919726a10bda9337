/* SPDX-License-Identifier: MIT
 *
 * explore.c - the strategies of the explorer, and its command line.
 *
 *     mutex_model                     every scenario, by every strategy
 *     mutex_model --list              their names
 *     mutex_model mutex.two*          those that match
 *     mutex_model mutex.two --replay 12A3B
 *                                     one schedule again, with its trace
 *
 *     --runs N        random and PCT schedules, each (default 1000000) ...
 *     --sampling N    ... and the time for each of the two (default 0.1; half of
 *                     that after all schedules with two preemptions or more)
 *     --seconds N     time for the exhaustive exploration of one (default: all that
 *                     it takes, and a failure if it takes 20 million schedules)
 *     --bounds P,S,E  its bounds: preemptions, stale loads, events
 *     --scale N       N times as many schedules, and as much time
 *     --least N       so many random and PCT schedules, each, however long it takes
 *     --long          --scale 100, --least 1000000, and bounds that a scenario has
 *                     for this, with a hundred times as many schedules, or one more
 *                     of each, for 400 s
 *     --seed N        of the random choices (default: 1, with --long the time):
 *                     what has passed once passes again
 *     --only NAME     one strategy: dfs, random or pct
 *     --full          dfs leaves out nothing, not even what does the same
 *     --compare       does it come to the same ends with and without --full?
 *     --first         end at the first failure, and print no trace
 *
 * Strategies: dfs takes every combination of choices within the bounds.  If it ends
 * soon, it goes on to all that random choices could come to; if it ends there too,
 * nothing is left for the other two, and the scenario is proved.  random
 * chooses at random, with probabilities that differ from run to run.  pct gives
 * threads random priorities, and changes them at a few random points
 * (Burckhardt et al., "A randomized scheduler with probabilistic guarantees of
 * finding bugs", 2010).
 *
 * All choices of a run are one string: a letter is a choice other than the
 * first, a number how many first choices come before it.
 */
#include "machine.h"

#include <fnmatch.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define TRAIL 65536
#define OUTCOMES 64
#define SECONDS 1   /* of processor time, if nothing else is said ... */
#define SAMPLED 0.3 /* ... and a scenario does not claim to be exhausted */
#define SOON 100000 /* schedules */
#define HANGS 5     /* seconds without an end of a schedule */
#define MANY UINT64_C(20000000)
#define ENDS (UINT32_C(1) << 20)
#define PCT_DEPTH_MAX 5

/* In random runs: enough, and a loop that needs a fresh value ends. */
#define STALE_MAX 12
#define EVENTS_MAX 6

enum strategy { DFS, RANDOM, PCT, REPLAY, STRATEGIES = REPLAY };

static const char *const strategy_names[] = {"dfs", "random", "pct"};

struct choice {
    uint8_t value;
    uint8_t n;
    uint8_t free;
    uint8_t middle;
    uint8_t cost;
    uint8_t used[MODEL_COSTS]; /* before this choice */
    uint32_t needless;         /* bits */
};

static struct {
    struct choice trail[TRAIL];
    uint32_t length;
    uint32_t prefix; /* choices that are given */
    uint8_t used[MODEL_COSTS];
    enum strategy strategy;
    uint8_t bounds[MODEL_COSTS];
    bool cut; /* by the bounds */
    /* random */
    uint64_t seed;
    uint32_t switch_chance; /* of 256 */
    uint32_t stale_chance;
    uint32_t event_chance;
    uint32_t death_chance;
    /* pct */
    uint32_t decisions;
    uint32_t usual_decisions;
    uint32_t changes[PCT_DEPTH_MAX];
    uint32_t depth;
    int priority[MODEL_THREADS];
} X;

static struct {
    uint64_t runs;
    double seconds; /* 0: all that it takes */
    double sampling;
    uint64_t scale;
    uint64_t seed;
    uint64_t least;
    bool deeper;
    bool ends_at_failure;
    bool bounds_given;
    bool full;
    bool compare;
    struct model_bounds bounds;
    const char *replay;
    const char *only;
} options = {.runs = 1000000, .sampling = 0.1, .scale = 1};

static struct model_scenario *first;
static struct model_outcome outcome;
static uint64_t all_runs;
/* Scenarios: */
static int proved;
static int exhausted[3]; /* with so many preemptions, or more */
static int failures;

/* What checks have observed. */
static struct {
    char text[32];
    uint64_t times;
} observed[OUTCOMES];
static uint32_t observed_count;

void model_register(struct model_scenario *scenario)
{
    struct model_scenario **last = &first;

    while (*last != NULL)
        last = (struct model_scenario **)(uintptr_t) & (*last)->next;
    *last = scenario;
}

/* Of this process: other load does not count. */
static double seconds_now(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec * 1e-9;
}

/* A schedule takes milliseconds.  One that makes no steps, and so is not counted as
 * endless by the machine, ends the program. */
static const struct model_scenario *current;

static void look_whether_it_hangs(int signal)
{
    static uint64_t runs;
    static const char why[] = ": hangs\n";

    (void)signal;
    if (runs == all_runs && current != NULL &&
        write(1, current->name, strlen(current->name)) > 0 &&
        write(1, why, sizeof why - 1) > 0)
        _exit(1);
    runs = all_runs;
}

static void watch_for_hangs(void)
{
    struct itimerval every = {{.tv_sec = HANGS}, {.tv_sec = HANGS}};

    signal(SIGVTALRM, look_whether_it_hangs);
    setitimer(ITIMER_VIRTUAL, &every, NULL);
}

/* -- Choosing ------------------------------------------------------------------ */

static uint32_t draw(uint32_t n)
{
    X.seed ^= X.seed << 13;
    X.seed ^= X.seed >> 7;
    X.seed ^= X.seed << 17;
    return (uint32_t)((X.seed >> 32) * n >> 32);
}

static uint8_t *budget_of(const struct choice *c, uint32_t value)
{
    if (value < c->free)
        return NULL;
    return &X.used[value < c->middle ? c->cost : MODEL_EVENT];
}

static bool is_within(const struct choice *c, uint32_t value)
{
    uint32_t cost = value < c->middle ? c->cost : MODEL_EVENT;

    return value < c->free || c->used[cost] < X.bounds[cost];
}

static bool is_needless(const struct choice *c, uint32_t value)
{
    return (c->needless >> value & 1) != 0;
}

/* From this value on, the next one worth trying; c->n if there is none. */
static uint8_t next_value(const struct choice *c, uint8_t value)
{
    for (; value < c->n; value++) {
        if (is_needless(c, value))
            continue;
        if (is_within(c, value))
            break;
        X.cut = true;
    }
    return value;
}

static bool is_event_drawn(const struct choice *c)
{
    return c->middle < c->n && X.used[MODEL_EVENT] < EVENTS_MAX &&
           draw(256) < X.event_chance;
}

static bool is_cost_drawn(const struct choice *c)
{
    if (c->cost == MODEL_PREEMPTION)
        return draw(256) < X.switch_chance;
    if (c->cost == MODEL_DEATH)
        return draw(256) < X.death_chance;
    return X.used[MODEL_STALE] < STALE_MAX && draw(256) < X.stale_chance;
}

static uint32_t choose_randomly(const struct choice *c)
{
    if (is_event_drawn(c))
        return c->middle + draw(c->n - c->middle);
    if (c->middle > c->free && is_cost_drawn(c))
        return c->free + draw(c->middle - c->free);
    return c->free > 1 ? draw(c->free) : 0;
}

static uint32_t choose_by_priority(const struct choice *c,
                                   const uint8_t *threads)
{
    uint32_t best = 0;

    if (is_event_drawn(c))
        return c->middle + draw(c->n - c->middle);
    X.decisions++;
    for (uint32_t i = 0; i + 1 < X.depth; i++) {
        if (X.changes[i] == X.decisions)
            X.priority[threads[0]] = -(int)i - 1;
    }
    for (uint32_t i = 1; i < c->middle; i++) {
        if (X.priority[threads[i]] > X.priority[threads[best]])
            best = i;
    }
    return best;
}

uint32_t model_decide(const struct model_options *o)
{
    struct choice *c = &X.trail[X.length];
    uint8_t *budget;

    if (X.length == TRAIL)
        model_fail("machine: too many choices");
    if (X.length++ < X.prefix) {
        if (c->value >= o->n)
            model_fail("replay: choice %u is %u of %u", X.length, c->value,
                       o->n);
    } else {
        c->value = 0;
    }
    c->n = o->n;
    c->free = o->free;
    c->middle = o->middle;
    c->cost = o->cost;
    c->needless = model_reducing ? o->needless : 0;
    memcpy(c->used, X.used, sizeof c->used);
    if (X.length > X.prefix) {
        if (X.strategy == DFS && (c->value = next_value(c, 0)) == c->n)
            model_give_up();
        if (X.strategy == RANDOM || (X.strategy == PCT && o->threads == NULL))
            c->value = (uint8_t)choose_randomly(c);
        else if (X.strategy == PCT)
            c->value = (uint8_t)choose_by_priority(c, o->threads);
    }
    budget = budget_of(c, c->value);
    if (budget != NULL)
        ++*budget;
    return c->value;
}

/* The next combination of choices within the bounds; false if there is none. */
static bool advance(void)
{
    while (X.length > 0) {
        struct choice *c = &X.trail[X.length - 1];

        c->value = next_value(c, c->value + 1);
        if (c->value < c->n) {
            X.prefix = X.length;
            return true;
        }
        X.length--;
    }
    return false;
}

static void prepare_random(void)
{
    static const uint8_t switches[] = {128, 85, 64, 32, 16, 8};
    static const uint8_t stales[] = {0, 16, 64, 128};
    static const uint8_t events[] = {0, 2, 8, 32};
    static const uint8_t deaths[] = {2, 6, 16, 40};

    X.switch_chance = switches[draw(6)];
    X.stale_chance = stales[draw(4)];
    X.event_chance = events[draw(4)];
    /* No draw: runs without deaths are as they would be. */
    X.death_chance = deaths[X.seed >> 33 & 3];
}

static void prepare_pct(void)
{
    prepare_random();
    X.depth = 2 + draw(PCT_DEPTH_MAX - 1);
    X.decisions = 0;
    for (uint32_t i = 0; i + 1 < X.depth; i++)
        X.changes[i] = 1 + draw(X.usual_decisions + 1);
    for (uint32_t i = 0; i < MODEL_THREADS; i++) {
        uint32_t k = draw(i + 1);

        X.priority[i] = X.priority[k];
        X.priority[k] = (int)i;
    }
}

/* -- The string of a run ----------------------------------------------------------- */

static char letter_of(uint32_t value)
{
    return (char)(value <= 26 ? 'A' + value - 1 : 'a' + value - 27);
}

static void print_choices(void)
{
    uint32_t zeros = 0;
    bool any = false;

    for (uint32_t i = 0; i < X.length; i++) {
        if (X.trail[i].value == 0) {
            zeros++;
            continue;
        }
        if (zeros > 0)
            printf("%u", zeros);
        putchar(letter_of(X.trail[i].value));
        zeros = 0;
        any = true;
    }
    if (!any)
        putchar('0');
}

static bool parse_choices(const char *string)
{
    X.prefix = 0;
    while (*string != '\0') {
        if (*string >= '0' && *string <= '9') {
            char *end;
            unsigned long zeros = strtoul(string, &end, 10);

            string = end;
            while (zeros-- > 0 && X.prefix < TRAIL)
                X.trail[X.prefix++].value = 0;
            continue;
        }
        if (X.prefix == TRAIL)
            return false;
        if (*string >= 'A' && *string <= 'Z')
            X.trail[X.prefix++].value = (uint8_t)(*string - 'A' + 1);
        else if (*string >= 'a' && *string <= 'z')
            X.trail[X.prefix++].value = (uint8_t)(*string - 'a' + 27);
        else
            return false;
        string++;
    }
    return true;
}

/* -- Outcomes of litmus tests --------------------------------------------------------- */

void model_observe(const char *format, ...)
{
    va_list arguments;
    char text[sizeof observed->text];

    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    model_trace("outcome %s", text);
    for (uint32_t i = 0; i < observed_count; i++) {
        if (strcmp(observed[i].text, text) == 0) {
            observed[i].times++;
            return;
        }
    }
    if (observed_count == OUTCOMES)
        model_fail("machine: too many outcomes");
    observed[observed_count].times = 1;
    memcpy(observed[observed_count++].text, text, sizeof text);
}

static bool is_listed(const char *list, const char *text)
{
    size_t length = strlen(text);

    for (const char *p = list; (p = strstr(p, text)) != NULL; p++) {
        if ((p == list || p[-1] == ' ') &&
            (p[length] == ' ' || p[length] == '\0'))
            return true;
    }
    return false;
}

/* Every outcome that was seen is in the list; and every one of the list was
 * seen, if `all`. */
static bool outcomes_are_right(const struct model_scenario *s, bool all)
{
    uint32_t listed = 0;
    bool right = true;

    if (s->outcomes == NULL)
        return true;
    for (const char *p = s->outcomes; *p != '\0'; p++)
        listed += *p != ' ' && (p == s->outcomes || p[-1] == ' ');
    for (uint32_t i = 0; i < observed_count; i++) {
        if (!is_listed(s->outcomes, observed[i].text)) {
            printf("%s: outcome %s must not be\n", s->name, observed[i].text);
            right = false;
        }
    }
    if (right && all && observed_count != listed) {
        printf("%s: of the outcomes %s only these are reached:", s->name,
               s->outcomes);
        for (uint32_t i = 0; i < observed_count; i++)
            printf(" %s", observed[i].text);
        putchar('\n');
        right = false;
    }
    return right;
}

/* -- Exploring -------------------------------------------------------------------------- */

static void run_once(const struct model_scenario *s)
{
    current = s;
    model_has_learned = false;
    X.length = 0;
    memset(X.used, 0, sizeof X.used);
    if (X.strategy == RANDOM)
        prepare_random();
    else if (X.strategy == PCT)
        prepare_pct();
    model_run(s, &outcome);
    X.usual_decisions = (7 * X.usual_decisions + X.decisions) / 8;
    all_runs++;
}

/* The run that has just failed once more, with its trace. */
static void report(const struct model_scenario *s, const char *program)
{
    char failure[sizeof outcome.failure];
    bool strong = model_strong;

    memcpy(failure, outcome.failure, sizeof failure);
    if (options.ends_at_failure) {
        printf("%s: %s\n", s->name, failure);
        exit(1);
    }
    printf("\n%s fails: %s\n", s->name, failure);
    X.strategy = REPLAY;
    model_reducing = false;
    X.prefix = X.length;
    model_tracing = true;
    model_steps_expected = outcome.steps;
    run_once(s);
    model_tracing = false;
    model_strong = strong;
    if (strcmp(failure, outcome.failure) != 0)
        printf("  and then otherwise: %s\n", outcome.failure);
    printf("%s fails: %s\nagain: %s '%s' --replay ", s->name, failure, program,
           s->name);
    print_choices();
    putchar('\n');
}

static bool has_any(const struct model_bounds *b)
{
    return b->preemptions != 0 || b->stale != 0 || b->events != 0;
}

/* Whether it must come to the end of its bounds, however long it takes. */
static bool must_end(const struct model_scenario *s)
{
    return s->must_fail == NULL && options.seconds == 0 &&
           !options.bounds_given && !options.compare && !options.full &&
           (options.deeper ? has_any(&s->long_bounds) : !s->sampled);
}

static void stay_within(const struct model_bounds *b)
{
    X.bounds[MODEL_PREEMPTION] = (uint8_t)b->preemptions;
    X.bounds[MODEL_STALE] = (uint8_t)b->stale;
    X.bounds[MODEL_EVENT] = (uint8_t)b->events;
    X.bounds[MODEL_DEATH] = MODEL_THREADS;
}

static void set_bounds(const struct model_scenario *s)
{
    struct model_bounds b = s->bounds;

    if (options.bounds_given)
        b = options.bounds;
    else if (options.deeper && has_any(&s->long_bounds))
        b = s->long_bounds;
    else if (!has_any(&b))
        b = (struct model_bounds){2, 1, 1};
    if (options.deeper && !has_any(&s->long_bounds))
        b = (struct model_bounds){b.preemptions + 1, b.stale + 1, b.events + 1};
    stay_within(&b);
}

/* In the default run; random and PCT schedules come after those. */
static bool all_within_two(const struct model_scenario *s)
{
    return must_end(s) && !options.deeper && X.bounds[MODEL_PREEMPTION] >= 2;
}

/* The processor time that a strategy may take. */
static double time_for(const struct model_scenario *s, enum strategy strategy)
{
    double time = SECONDS;

    if (strategy != DFS)
        time = options.sampling / (all_within_two(s) ? 2 : 1);
    else if (options.seconds != 0)
        time = options.seconds;
    else if (s->sampled && s->must_fail == NULL && !options.deeper &&
             !options.compare)
        time = SAMPLED;
    return time * (double)options.scale;
}

struct progress {
    uint64_t runs;
    bool exhausted;
    bool failed;
    bool cut; /* something was out of the bounds */
};

/* The different ends of schedules. */
static struct {
    uint64_t of[ENDS];
    uint32_t used;
} ends;

/* Returns whether it was known. */
static bool note_end(uint64_t end)
{
    uint32_t i = (uint32_t)(end % ENDS);

    while (ends.of[i] != 0 && ends.of[i] != end)
        i = (i + 1) % ENDS;
    if (ends.of[i] == end)
        return true;
    ends.of[i] = end;
    if (++ends.used == ENDS) {
        fprintf(stderr, "too many ends\n");
        exit(2);
    }
    return false;
}

/* By one strategy, until it fails or has done its share: by the number of
 * schedules, or by time. */
static struct progress explore_for(const struct model_scenario *s,
                                   enum strategy strategy, bool is_counted)
{
    struct progress p = {0};
    uint64_t tries = 0;
    double end = seconds_now() + time_for(s, strategy);

    X.strategy = strategy;
    X.cut = false;
    X.prefix = 0;
    model_reducing = strategy == DFS && !options.full;
    X.usual_decisions = 16;
    /* However many runs the others had time for. */
    X.seed = (options.seed + 1) * UINT64_C(0x9e3779b97f4a7c15) | 1;
    for (;;) {
        bool reduces = model_reducing;

        run_once(s);
        p.runs++;
        if (outcome.failure[0] != '\0') {
            p.failed = true;
            return p;
        }
        if (options.compare && !outcome.given_up && !note_end(outcome.end) &&
            options.full) {
            p.failed = true;
            return p;
        }
        if (strategy == DFS) {
            if (reduces && model_has_learned) {
                p.runs = 0; /* from the beginning */
                X.cut = false;
                X.prefix = 0;
            } else if (!advance()) {
                p.exhausted = true;
                p.cut = X.cut;
                return p;
            }
        } else if (p.runs >= options.runs * options.scale) {
            return p;
        }
        tries++;
        if (is_counted ? tries >= MANY * options.scale
                       : tries % 256 == 0 && seconds_now() > end &&
                             (strategy == DFS || p.runs >= options.least))
            return p;
    }
}

static struct progress explore(const struct model_scenario *s,
                               enum strategy strategy)
{
    return explore_for(s, strategy, strategy == DFS && must_end(s));
}

/* Schedules that are left out come to no other ends than the others. */
static void compare(const struct model_scenario *s)
{
    struct progress p;
    struct progress full = {0};

    model_remembering = true;
    set_bounds(s);
    memset(&ends, 0, sizeof ends);
    options.full = false;
    p = explore(s, DFS);
    options.full = true;
    if (p.exhausted)
        full = explore(s, DFS);
    printf("%-34s %llu schedules %s %u ends, %llu %s\n", s->name,
           (unsigned long long)p.runs, p.exhausted ? "have" : "of those with",
           ends.used, (unsigned long long)full.runs,
           full.failed      ? "have more:"
           : full.exhausted ? "have the same"
                            : "of those in full");
    if (full.failed) {
        failures++;
        printf("  %s ", outcome.failure);
        print_choices();
        putchar('\n');
    }
    fflush(stdout);
}

/* All that random choices could come to: if that ends soon. */
static struct progress explore_widely(const struct model_scenario *s)
{
    double seconds = options.seconds;
    struct progress p;

    X.bounds[MODEL_PREEMPTION] = UINT8_MAX;
    X.bounds[MODEL_STALE] = STALE_MAX;
    X.bounds[MODEL_EVENT] = EVENTS_MAX;
    options.seconds = options.sampling;
    p = explore(s, DFS);
    options.seconds = seconds;
    if (!p.failed)
        set_bounds(s);
    return p;
}

static bool has_second_bounds(const struct model_scenario *s)
{
    return has_any(&s->also) && options.seconds == 0 && !options.bounds_given &&
           !options.full;
}

/* Within its other bounds, to their end. */
static struct progress explore_also(const struct model_scenario *s)
{
    struct progress p;

    stay_within(&s->also);
    p = explore_for(s, DFS, true);
    if (!p.failed)
        set_bounds(s);
    return p;
}

static bool is_chosen(enum strategy strategy)
{
    return options.only == NULL ||
           strcmp(options.only, strategy_names[strategy]) == 0;
}

static void fail(const struct model_scenario *s, const char *why)
{
    printf("%s: %s\n", s->name, why);
    failures++;
}

/* A scenario with a mistake in it: every strategy must find it, and if the
 * mistake is one of memory order, not without stale loads. */
static void must_fail(const struct model_scenario *s)
{
    printf("%-34s found by", s->name);
    for (enum strategy strategy = DFS; strategy < STRATEGIES; strategy++) {
        struct progress p;

        if (!is_chosen(strategy))
            continue;
        set_bounds(s);
        p = explore(s, strategy);
        if (p.failed &&
            strncmp(outcome.failure, s->must_fail, strlen(s->must_fail)) == 0) {
            printf(" %s %llu", strategy_names[strategy],
                   (unsigned long long)p.runs);
        } else {
            printf(" %s: %s\n", strategy_names[strategy],
                   p.failed ? outcome.failure : "nothing");
            failures++;
        }
    }
    if (s->weak_only) {
        struct progress p;

        model_strong = true;
        p = explore(s, RANDOM);
        model_strong = false;
        printf("; sequentially consistent: %s",
               p.failed ? outcome.failure : "nothing");
        failures += p.failed;
    }
    putchar('\n');
    fflush(stdout);
}

static void must_pass(const struct model_scenario *s, const char *program)
{
    double start = seconds_now();
    struct progress p[STRATEGIES] = {{0}};
    struct progress also = {0};
    bool is_proved = false;

    observed_count = 0;
    set_bounds(s);
    for (const char *const *r = s->regressions; r != NULL && *r != NULL; r++) {
        X.strategy = REPLAY;
        model_reducing = false;
        if (!parse_choices(*r)) {
            fail(s, "a regression is no string of choices");
            return;
        }
        run_once(s);
        if (outcome.failure[0] != '\0') {
            report(s, program);
            failures++;
            return;
        }
    }
    for (enum strategy strategy = DFS; strategy < STRATEGIES; strategy++) {
        if (!is_chosen(strategy))
            continue;
        p[strategy] = explore(s, strategy);
        if (strategy == DFS && p[DFS].exhausted && p[DFS].cut &&
            p[DFS].runs <= SOON && !options.bounds_given) {
            struct progress wide = explore_widely(s);

            if (wide.failed || wide.exhausted)
                p[DFS] = wide;
            is_proved = wide.exhausted;
        } else if (strategy == DFS) {
            is_proved = p[DFS].exhausted && !p[DFS].cut;
        }
        if (strategy == DFS && !p[DFS].failed && !is_proved &&
            has_second_bounds(s))
            also = explore_also(s);
        if (p[strategy].failed || also.failed) {
            report(s, program);
            failures++;
            return;
        }
        if (strategy == DFS && !is_proved &&
            ((must_end(s) && !p[DFS].exhausted) ||
             (has_second_bounds(s) && !also.exhausted))) {
            fail(s, "its schedules within the bounds do not end");
            return;
        }
        if (!outcomes_are_right(s, strategy == DFS && p[DFS].exhausted)) {
            failures++;
            return;
        }
        if (is_proved)
            break;
    }
    proved += is_proved;
    if (!is_proved && (p[DFS].exhausted || also.exhausted)) {
        int most = p[DFS].exhausted ? X.bounds[MODEL_PREEMPTION] : 0;

        if (also.exhausted && s->also.preemptions > most)
            most = s->also.preemptions;
        exhausted[most < 2 ? most : 2]++;
    }
    printf("%-34s dfs %llu ", s->name, (unsigned long long)p[DFS].runs);
    if (is_proved) {
        printf("= all");
    } else {
        printf("%s %u,%u,%u",
               p[DFS].exhausted ? "= all within" : "of those within",
               X.bounds[MODEL_PREEMPTION], X.bounds[MODEL_STALE],
               X.bounds[MODEL_EVENT]);
        if (also.exhausted)
            printf(", %llu = all within %d,%d,%d",
                   (unsigned long long)also.runs, s->also.preemptions,
                   s->also.stale, s->also.events);
        printf("; random %llu; pct %llu", (unsigned long long)p[RANDOM].runs,
               (unsigned long long)p[PCT].runs);
    }
    printf("; %.1f s\n", seconds_now() - start);
    fflush(stdout);
}

static int replay(const struct model_scenario *s, const char *string)
{
    if (!parse_choices(string)) {
        fprintf(stderr, "%s is no string of choices\n", string);
        return 2;
    }
    X.strategy = REPLAY;
    run_once(s);
    parse_choices(string);
    model_tracing = true;
    model_steps_expected = outcome.steps;
    run_once(s);
    if (outcome.failure[0] == '\0') {
        printf("%s passes\n", s->name);
        return 0;
    }
    printf("%s fails: %s\n", s->name, outcome.failure);
    return 1;
}

static bool is_selected(const struct model_scenario *s, char **patterns, int n)
{
    for (int i = 0; i < n; i++) {
        if (fnmatch(patterns[i], s->name, 0) == 0)
            return true;
    }
    return n == 0;
}

static _Noreturn void usage(const char *program)
{
    fprintf(stderr, "usage: %s [option]... [pattern]...: see explore.c\n",
            program);
    exit(2);
}

/* Sort the arguments into options and patterns.  Returns how many patterns. */
static int parse(int argc, char **argv, bool *list)
{
    int patterns = 0;

    for (int i = 1; i < argc; i++) {
        const char *a = argv[i];
        const char *value = i + 1 < argc ? argv[i + 1] : NULL;

        if (a[0] != '-') {
            argv[1 + patterns++] = argv[i];
            continue;
        }
        if (strcmp(a, "--list") == 0) {
            *list = true;
            continue;
        }
        if (strcmp(a, "--first") == 0) {
            options.ends_at_failure = true;
            continue;
        }
        if (strcmp(a, "--full") == 0) {
            options.full = true;
            continue;
        }
        if (strcmp(a, "--compare") == 0) {
            options.compare = true;
            continue;
        }
        if (strcmp(a, "--long") == 0) {
            options.scale = 100;
            options.least = 1000000;
            options.deeper = true;
            continue;
        }
        if (value == NULL)
            usage(argv[0]);
        i++;
        if (strcmp(a, "--replay") == 0)
            options.replay = value;
        else if (strcmp(a, "--only") == 0)
            options.only = value;
        else if (strcmp(a, "--runs") == 0)
            options.runs = strtoull(value, NULL, 10);
        else if (strcmp(a, "--seconds") == 0)
            options.seconds = strtod(value, NULL);
        else if (strcmp(a, "--sampling") == 0)
            options.sampling = strtod(value, NULL);
        else if (strcmp(a, "--scale") == 0)
            options.scale = strtoull(value, NULL, 10);
        else if (strcmp(a, "--least") == 0)
            options.least = strtoull(value, NULL, 10);
        else if (strcmp(a, "--seed") == 0)
            options.seed = strtoull(value, NULL, 10);
        else if (strcmp(a, "--bounds") == 0 &&
                 sscanf(value, "%d,%d,%d", &options.bounds.preemptions,
                        &options.bounds.stale, &options.bounds.events) == 3)
            options.bounds_given = true;
        else
            usage(argv[0]);
    }
    return patterns;
}

int main(int argc, char **argv)
{
    bool list = false;
    int patterns = parse(argc, argv, &list);
    double start = seconds_now();
    int count = 0;

    if (options.seed == 0)
        options.seed = options.deeper ? (uint64_t)time(NULL) : 1;
    watch_for_hangs();
    for (const struct model_scenario *s = first; s != NULL; s = s->next) {
        if (!is_selected(s, argv + 1, patterns))
            continue;
        count++;
        if (list)
            printf("%s\n", s->name);
        else if (options.replay != NULL)
            return replay(s, options.replay);
        else if (options.compare)
            compare(s);
        else if (s->must_fail != NULL)
            must_fail(s);
        else
            must_pass(s, argv[0]);
    }
    if (list)
        return 0;
    if (count == 0)
        usage(argv[0]);
    start = seconds_now() - start;
    printf("%d scenarios, %d proved, %d exhausted with two or more "
           "preemptions, %d with one, %d with none; %llu schedules in %.1f s, "
           "seed %llu, %d failed\n",
           count, proved, exhausted[2], exhausted[1], exhausted[0],
           (unsigned long long)all_runs, start,
           (unsigned long long)options.seed, failures);
    return failures == 0 ? 0 : 1;
}
