/* SPDX-License-Identifier: MIT
 *
 * pool_by_hand.h - loops and maps for pools that have none: equal chunks, each a
 * job.  Included as pool_cases.h is, and before it.
 */

static void NAME(map)(NAME(pool) * p, const struct pool_part *all, size_t chunk,
                      uint64_t *sum)
{
    size_t n = (all->end - all->begin + chunk - 1) / chunk;
    NAME(job) *jobs = new_jobs(NAME(job), n);
    struct pool_part *parts =
        (struct pool_part *)calloc(n, sizeof(struct pool_part));

    BENCH_CHECK(jobs != NULL && parts != NULL);
    for (size_t k = 0; k < n; k++) {
        parts[k] = *all;
        parts[k].begin = all->begin + k * chunk;
        if (all->end - parts[k].begin > chunk)
            parts[k].end = parts[k].begin + chunk;
        NAME(job_set)(&jobs[k], &parts[k]);
        NAME(submit)(p, &jobs[k]);
    }
    *sum = 0;
    for (size_t k = 0; k < n; k++) {
        NAME(await)(p, &jobs[k]);
        *sum += pool_sum(&parts[k]);
    }
    free(parts);
    free_jobs(jobs);
}

static void NAME(each)(NAME(pool) * p, const struct pool_part *all,
                       size_t chunk)
{
    uint64_t sum;

    NAME(map)(p, all, chunk, &sum);
}
