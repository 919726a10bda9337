/* SPDX-License-Identifier: MIT
 *
 * region_name.h - the names of regions: files and links in a folder that all
 * processes share.
 *
 *   a file   the region itself: a hard link, there until it is unlinked
 *   a link   an owned region, a memfd of the process that made it: a symbolic link
 *            that names the process and its descriptor, as text that nobody but
 *            us follows.  Ends the process, then the text names nothing, and the
 *            memory goes with the last who has mapped it: nobody has to look on
 *
 * A link that names nothing is as good as no link: it is not found, and who wants
 * its name gets it.  Whoever takes a link away has the lock of the folder (flock)
 * meanwhile, so it is the one that was looked at.
 */
#ifndef PAWL_PROCESS_REGION_NAME_H
#define PAWL_PROCESS_REGION_NAME_H

#include <stdbool.h>

#include <pawl/region.h>

#define PAWL_REGION_FOLDER "/dev/shm/"

enum { PAWL_REGION_PATH = sizeof PAWL_REGION_FOLDER + PAWL_REGION_NAME_MAX + 32 };

/* Whether the file of that descriptor is a region, whole, that bears this name. */
typedef bool (*pawl_region_bears_fn)(int fd, const char *name);

/* 0 or -EINVAL. */
int pawl_region_name_check(const char *name);

/* Give a name to the file of fd; `hidden` is where it is, "" if nowhere.
 *
 * Returns    0;  -EEXIST somebody has it;  as linkat. */
int pawl_region_name_file(int fd, const char *name, const char *hidden,
                          pawl_region_bears_fn bears);

/* Give a name to a descriptor of this process, for as long as it has it.
 *
 * Returns    0;  -EEXIST;  -EOPNOTSUPP no /proc;  as symlink. */
int pawl_region_name_own(int fd, const char *name, pawl_region_bears_fn bears);

/* Take the name of that descriptor away, if it still has it. */
void pawl_region_name_disown(int fd, const char *name);

/* Returns    a descriptor, close-on-exec;  -ENOENT no region has the name;
 *            -EINVAL something else has;  -EACCES, -EMFILE, ... as open. */
int pawl_region_name_open(const char *name, pawl_region_bears_fn bears);

/* Returns    0;  -ENOENT;  -EINVAL a folder;  -EACCES, ... as unlink. */
int pawl_region_name_remove(const char *name);

#endif /* PAWL_PROCESS_REGION_NAME_H */
