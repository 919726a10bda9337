#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Run an example, and see what only somebody outside can see: what it printed, in
which order, and how long it lived.

observe.py PROGRAM [ARGUMENT...]

Whatever the example, it has to exit with 0, its last line is OK and what it has
checked itself, and lines are whole.
"""

import os
import re
import subprocess
import sys
import time

UNIT_MS = 50


class Wrong(Exception):
    pass


def require(condition, what):
    if not condition:
        raise Wrong(what)


def sequential(lines, units):
    require(lines[:-1] == ["start1", "end1", "start2", "end2"], "the order")


def detached(lines, units):
    require({"end1", "end2"} <= set(lines[:-1]), "both ends")


def arguments(lines, units):
    want = [f"thread-{i} has {i}" for i in range(6)]
    require(sorted(lines[:-1]) == want, "each thread's own arguments")


def no_join(lines, units):
    require({"end1", "end2"} <= set(lines[:-1]), "both ends")
    started = lines.index("all started")
    last_end = max(lines.index("end1"), lines.index("end2"))
    require(started < last_end, "main returned before the last end")
    require(units >= 4, "the life of the program")


def join(lines, units):
    require(lines[-2] == "all done", "all done at the end")


def non_daemon(lines, units):
    require("end" in lines, "the end of the thread")
    require(lines.index("main returns") < lines.index("end"), "main is first")
    require(units >= 2, "the life of the program")


def daemon(lines, units):
    require("end" not in lines, "no end of the daemon")
    require(units >= 1, "the life of the program")


def action_max(lines, units):
    of = {}
    for number, line in enumerate(lines[:-1]):
        name, i = line.split()
        of.setdefault(name, []).append((int(i), number))
    require(sorted(of) == ["first", "main", "second"], "three names")
    for name in of:
        require([i for i, _ in of[name]] == list(range(100)), f"{name} counts")
    line_19 = of["main"][19][1]
    for name in ("first", "second"):
        require(of[name][0][1] > line_19, f"{name} begins after main's 19")


def found(pattern, lines):
    """The match in the first line that is all like this."""
    matches = (re.fullmatch(pattern, line) for line in lines)
    match = next(filter(None, matches), None)
    require(match, f"a line like {pattern}")
    return match


def process(lines, units):
    main, child = found(r"main (\d+): started (\d+)", lines).groups()
    ticks = [line for line in lines if line.startswith("clock")]
    require(main != child, "two processes")
    require(ticks == [f"clock {child}: tick {i}" for i in range(5)], "five ticks")
    require(units >= 5, "the life of the program")


def pid_and_ppid(lines, units):
    one = r"\w+: process (\S+), parent (\d+), pid (\d+)"
    names, ppids, pids = zip(*(found(one, [line]).groups() for line in lines[:-1]))
    require(names == ("MainProcess", *(f"Process-{i}" for i in (1, 2, 3))), "names")
    require(ppids[1] == ppids[2] == pids[0] != ppids[3], "whose children they are")
    require(len(set(pids)) == 4, "four processes")


def fork(lines, units):
    once = [line for line in lines if line.startswith("printed once")]
    parent, child = found(r"parent (\d+): fork has returned (\d+)", lines).groups()
    require(len(once) == 1, "what was in the buffer, once")
    found(f"child {child} of {parent}: .*", lines)


def run_proc(lines, units):
    starts = ["Parent process", "Child process will start", "Run child process test",
              "Child process end", "OK"]
    require(len(lines) == len(starts), "five lines")
    require(all(map(str.startswith, lines, starts)), "their order")


CHECKS = {
    "01_sequential": sequential,
    "02_detached": detached,
    "03_arguments": arguments,
    "04_no_join": no_join,
    "05_join": join,
    "06_non_daemon": non_daemon,
    "07_daemon": daemon,
    "19_process": process,
    "21_pid_and_ppid": pid_and_ppid,
    "ex34_fork": fork,
    "ex35_run_proc": run_proc,
    "ex36_action_max": action_max,
}


def main():
    program, *arguments = sys.argv[1:]
    # A machine that does other things too may be as late as it likes.
    command = [program, "--unit", str(UNIT_MS), "--any-time"] + arguments
    start = time.monotonic()
    run = subprocess.run(command, stdout=subprocess.PIPE)
    units = (time.monotonic() - start) * 1000 / UNIT_MS
    sys.stdout.buffer.write(run.stdout)
    lines = run.stdout.decode().split("\n")
    try:
        require(run.returncode == 0, f"exit status {run.returncode}")
        require(lines.pop() == "", "a whole last line")
        require(lines and re.match(r"OK .", lines[-1]), "OK at the end")
        check = CHECKS.get(os.path.basename(program))
        if check:
            check(lines, units)
    except Wrong as wrong:
        sys.exit(f"{program}: not as it should be: {wrong}")


main()
