/* SPDX-License-Identifier: MIT
 *
 * shim.cc - Google Benchmark behind the C interface of bench.h, and main().
 *
 * Rows are registered once for every round, twins next to one another and in
 * alternating order, so a disturbance of the machine meets both twins, and
 * what one leaves behind (a warm cache, a clock frequency) favours each of them
 * equally often.  The median is taken over the rounds by tools/bench-table.
 */
#include <benchmark/benchmark.h>

#include <gnu/libc-version.h>
#include <sched.h>
#include <sys/single_threaded.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

#include <pawl/base.h>

#include "bench.h"

struct bench_state {
    benchmark::State *state;
};

namespace
{

struct options {
    bool single = false;
    bool quiet = false;
    bool quick = false;
    int rounds = 5;
    double loop_s = 0.1; /* shortest time of a loop row */
    int64_t cell_ms = 200;
};

std::vector<bench_spec> rows;
size_t started, planned;

std::string row_name(const bench_spec &s)
{
    std::string name = std::string(s.object) + "/" + s.scenario + "/" + s.impl;
    if (s.threads != 0)
        name += "/" + std::to_string(s.threads);
    return name;
}

/* Twins share this part of their name. */
bool same_group(const bench_spec &a, const bench_spec &b)
{
    return std::strcmp(a.object, b.object) == 0 &&
           std::strcmp(a.scenario, b.scenario) == 0 && a.threads == b.threads;
}

bool is_opponent(const bench_spec &s)
{
    return std::strcmp(s.impl, "pawl") != 0 &&
           std::strcmp(s.impl, "pthread") != 0 &&
           std::strcmp(s.impl, "sem_t") != 0;
}

void show_progress(const std::string &name)
{
    if (isatty(STDERR_FILENO))
        std::fprintf(stderr, "\r\033[K[%zu/%zu] %s", started, planned,
                     name.c_str());
}

void run_row(benchmark::State &state, const bench_spec &spec,
             const std::string &name)
{
    bench_state b{&state};
    if ((spec.flags & BENCH_SINGLE) && !__libc_single_threaded) {
        state.SkipWithError("the process has a second thread");
        return;
    }
    if ((spec.flags & BENCH_CELL) == 0) {
        spec.fn(&b, &spec);
        return;
    }
    ++started;
    show_progress(name);
    while (state.KeepRunningBatch(state.max_iterations))
        spec.fn(&b, &spec);
}

void register_row(const bench_spec &spec, const options &opt)
{
    const bench_spec *kept = &spec;
    std::string name = row_name(spec);
    auto *row = benchmark::RegisterBenchmark(
        name.c_str(),
        [kept, name](benchmark::State &state) { run_row(state, *kept, name); });
    if (spec.flags & BENCH_CELL)
        row->UseManualTime()->Iterations(1);
    else
        row->MinTime(opt.loop_s)->UseRealTime();
}

/* Rows without a bar of their own, and opponents that are not the twin, do
 * with fewer repetitions. */
bool in_round(const bench_spec &s, int round)
{
    return round % 2 == 0 || (!is_opponent(s) && (s.flags & BENCH_KEY));
}

void register_round(const options &opt, int round)
{
    for (size_t from = 0; from < rows.size();) {
        size_t to = from + 1;
        while (to < rows.size() && same_group(rows[from], rows[to]))
            ++to;
        for (size_t i = from; i < to; ++i) {
            const bench_spec &s =
                rows[round % 2 == 0 ? i : to - 1 - (i - from)];
            if (((s.flags & BENCH_SINGLE) != 0) == opt.single &&
                in_round(s, round)) {
                register_row(s, opt);
                planned += (s.flags & BENCH_CELL) != 0;
            }
        }
        from = to;
    }
}

/* Twins are added by different files; bring them together, in the order in
 * which their groups first appeared. */
void sort_rows()
{
    std::vector<bench_spec> sorted;
    for (size_t i = 0; i < rows.size(); ++i) {
        bool known = false;
        for (const bench_spec &s : sorted)
            known = known || same_group(s, rows[i]);
        for (size_t j = i; j < rows.size() && !known; ++j) {
            if (same_group(rows[i], rows[j]))
                sorted.push_back(rows[j]);
        }
    }
    rows.swap(sorted);
}

/* For a caller that reads the file: no table, and not the banner by which
 * Debian's build of Google Benchmark calls itself slow; the loops measured here
 * are compiled with ours. */
class quiet_reporter : public benchmark::BenchmarkReporter
{
  public:
    bool ReportContext(const Context &) override
    {
        return true;
    }
    void ReportRuns(const std::vector<Run> &) override
    {
    }
};

bool number_of(const char *arg, const char *flag, double *value)
{
    size_t length = std::strlen(flag);
    if (std::strncmp(arg, flag, length) != 0)
        return false;
    *value = std::atof(arg + length);
    return true;
}

/* Take out the flags that are ours; the rest is Google Benchmark's. */
options parse(int *argc, char **argv)
{
    options opt;
    int kept = 1;
    double value = 0;
    for (int i = 1; i < *argc; ++i) {
        if (std::strcmp(argv[i], "--single") == 0) {
            opt.single = true;
        } else if (std::strcmp(argv[i], "--quiet") == 0) {
            opt.quiet = true;
        } else if (std::strcmp(argv[i], "--quick") == 0) {
            opt.quick = true;
            opt.loop_s = 0.02;
            opt.cell_ms = 40;
        } else if (number_of(argv[i], "--rounds=", &value)) {
            opt.rounds = std::max(1, static_cast<int>(value));
        } else if (number_of(argv[i], "--loop-ms=", &value)) {
            opt.loop_s = value / 1000;
        } else if (number_of(argv[i], "--cell-ms=", &value)) {
            opt.cell_ms = std::max<int64_t>(1, static_cast<int64_t>(value));
        } else {
            argv[kept++] = argv[i];
        }
    }
    *argc = kept;
    return opt;
}

std::string first_line(const char *path)
{
    char line[128] = "unknown";
    if (FILE *f = std::fopen(path, "r")) {
        if (std::fgets(line, sizeof(line), f) != nullptr)
            line[std::strcspn(line, "\n")] = '\0';
        std::fclose(f);
    }
    return line;
}

std::string cpu_model()
{
    char line[256];
    std::string model = "unknown";
    FILE *f = std::fopen("/proc/cpuinfo", "r");
    while (f != nullptr && std::fgets(line, sizeof(line), f) != nullptr) {
        char *colon = std::strchr(line, ':');
        if (std::strncmp(line, "model name", 10) == 0 && colon != nullptr) {
            model = colon + 2;
            model.resize(std::strcspn(model.c_str(), "\n"));
            break;
        }
    }
    if (f != nullptr)
        std::fclose(f);
    return model;
}

void describe(const options &opt)
{
    struct utsname host{};
    uname(&host);
    benchmark::AddCustomContext("cpu", cpu_model());
    benchmark::AddCustomContext("cpus_allowed", std::to_string(bench_cpus()));
    benchmark::AddCustomContext("kernel", std::string(host.sysname) + " " +
                                              host.release + " " +
                                              host.machine);
    benchmark::AddCustomContext("libc",
                                std::string("glibc ") + gnu_get_libc_version());
#if defined(__clang__)
    benchmark::AddCustomContext("compiler", __VERSION__);
#else
    benchmark::AddCustomContext("compiler", "gcc " __VERSION__);
#endif
    benchmark::AddCustomContext("clocksource",
                                first_line("/sys/devices/system/clocksource/"
                                           "clocksource0/current_clocksource"));
    benchmark::AddCustomContext("pawl",
                                std::to_string(PAWL_VERSION_MAJOR) + "." +
                                    std::to_string(PAWL_VERSION_MINOR) + "." +
                                    std::to_string(PAWL_VERSION_PATCH));
    benchmark::AddCustomContext("rounds", std::to_string(opt.rounds));
    benchmark::AddCustomContext("mode", opt.quick ? "quick" : "full");
    benchmark::AddCustomContext("cell_ms", std::to_string(opt.cell_ms));
}

void add_rows()
{
    bench_limits();
    bench_mutex();
    bench_rmutex();
    bench_rwlock();
    bench_cond();
    bench_sem();
    bench_event();
    bench_barrier();
    bench_once();
    bench_latch();
    bench_queue();
    bench_ring();
    bench_ring_cxx();
    bench_wait();
    bench_timer();
    bench_pipe();
    bench_process();
    bench_shared_queue();
    bench_procpool();
    bench_pool();
    bench_thread();
    bench_cxx();
    sort_rows();
}

} // namespace

bench_spec bench_row(const char *object, const char *scenario, const char *impl,
                     bench_fn *fn)
{
    bench_spec spec{};
    spec.object = object;
    spec.scenario = scenario;
    spec.impl = impl;
    spec.fn = fn;
    spec.sample = 1;
    return spec;
}

void bench_add(const bench_spec *spec)
{
    rows.push_back(*spec);
}

bool bench_batch(bench_state *b, int64_t n)
{
    return b->state->KeepRunningBatch(n);
}

void bench_result(bench_state *b, double ns)
{
    b->state->SetIterationTime(ns * 1e-9);
}

void bench_counter(bench_state *b, const char *name, double value)
{
    b->state->counters[name] = value;
}

void bench_skip(bench_state *b, const char *why)
{
    b->state->SkipWithError(why);
}

int main(int argc, char **argv)
{
    bench_process_main(argc, argv);
    options opt = parse(&argc, argv);
    benchmark::Initialize(&argc, argv);
    if (benchmark::ReportUnrecognizedArguments(argc, argv))
        return 2;
    bench_prepare(opt.cell_ms * 1000000);
    if (!opt.single)
        bench_start_companion();
    add_rows();
    for (int round = 0; round < opt.rounds; ++round)
        register_round(opt, round);
    describe(opt);
    quiet_reporter quiet;
    if (opt.quiet)
        benchmark::RunSpecifiedBenchmarks(&quiet);
    else
        benchmark::RunSpecifiedBenchmarks();
    benchmark::Shutdown();
    if (isatty(STDERR_FILENO))
        std::fputs("\r\033[K", stderr);
    return 0;
}
