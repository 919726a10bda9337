/* SPDX-License-Identifier: MIT
 *
 * quota_test.c - how many CPUs the control groups of a process allow, read from
 * files that the test makes up.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "test.h"

/* What stands where: pairs, the last one NULL. */
static const char *const *files;

static int open_made_up(const char *path)
{
    for (const char *const *f = files; *f != NULL; f += 2) {
        if (strcmp(f[0], path) == 0) {
            int fd = memfd_create("made-up", MFD_CLOEXEC);
            size_t length = strlen(f[1]);

            CHECK(fd >= 0);
            CHECK_EQ(pwrite(fd, f[1], length, 0), (ssize_t)length);
            return fd;
        }
    }
    return -1;
}

#define open(path, flags) open_made_up(path)

#include "futex/spin.c"

#define CHECK_QUOTA(cpus, ...)                                                 \
    (files = (const char *const[]){__VA_ARGS__, NULL},                         \
     CHECK_EQ(quota_cpus(), (cpus)))

#define GROUPS "/proc/self/cgroup"
#define V1 "/sys/fs/cgroup/cpu"

TEST(quota.of_version_2_is_the_tightest_on_the_path)
{
    CHECK_QUOTA(0, "nothing", "");
    CHECK_QUOTA(0, GROUPS, "0::/\n");
    CHECK_QUOTA(0, GROUPS, "0::/a\n", "/sys/fs/cgroup/a/cpu.max",
                "max 100000\n");
    CHECK_QUOTA(1, GROUPS, "0::/a/b\n", "/sys/fs/cgroup/a/b/cpu.max",
                "50000 100000\n", "/sys/fs/cgroup/a/cpu.max",
                "200000 100000\n");
    CHECK_QUOTA(2, GROUPS, "0::/a/b\n", "/sys/fs/cgroup/a/b/cpu.max",
                "400000 100000\n", "/sys/fs/cgroup/a/cpu.max",
                "150000 100000\n"); /* rounded up */
}

TEST(quota.of_version_1_stands_in_two_files)
{
    CHECK_QUOTA(3, GROUPS, "4:memory:/m\n3:cpu,cpuacct:/a\n0::/\n",
                V1 "/a/cpu.cfs_quota_us", "300000\n", V1 "/a/cpu.cfs_period_us",
                "100000\n");
    CHECK_QUOTA(2, GROUPS, "3:cpuacct:/b\n1:cpu:/a", V1 "/a/cpu.cfs_quota_us",
                "20000", V1 "/a/cpu.cfs_period_us", "10000");
    CHECK_QUOTA(0, GROUPS, "3:cpuset:/a\n", V1 "/a/cpu.cfs_quota_us", "20000",
                V1 "/a/cpu.cfs_period_us", "10000");
    CHECK_QUOTA(0, GROUPS, "3:cpu:/a\n", V1 "/a/cpu.cfs_quota_us", "-1\n",
                V1 "/a/cpu.cfs_period_us", "100000\n");
    CHECK_QUOTA(0, GROUPS, "3:cpu:/a\n", V1 "/a/cpu.cfs_quota_us", "20000\n");
}

TEST(quota.nonsense_sets_none)
{
    CHECK_QUOTA(0, GROUPS, "0\n:\n1:cpu\n::\n2:cpu:x");
    CHECK_QUOTA(0, GROUPS, "0::/a\n", "/sys/fs/cgroup/a/cpu.max", "a b\n");
    CHECK_QUOTA(0, GROUPS, "0::/a\n", "/sys/fs/cgroup/a/cpu.max", "1 0\n");
}
