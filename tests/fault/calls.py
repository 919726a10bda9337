#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""calls.py NM LIBRARY: every function outside the library that it calls, and every
system call that it makes itself, is in calls.txt; and what that calls refused is
refused, by kernel_fault.c or refused.c.  LIBRARY is the static one."""

import fnmatch
import os
import re
import subprocess
import sys

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "..", "tools"))
import csource

LIST = "tests/fault/calls.txt"


def called(nm, library):
    """The symbols that the library needs from others, and SYS_... of syscall()."""
    lines = subprocess.run(
        [nm, "-g", library], check=True, capture_output=True, text=True
    ).stdout.splitlines()
    split = [line.split() for line in lines if line]
    needed = {s[-1] for s in split if len(s) == 2 and s[0] in ("U", "w")}
    defined = {s[-1] for s in split if len(s) == 3}
    for path in csource.files("src", (".c", ".h")):
        needed |= set(re.findall(r"\bsyscall\((SYS_\w+)", csource.read(path).code))
    return needed - defined


def read_list():
    """[(line, pattern, calls)], and what cannot be understood."""
    entries, complaints = [], []
    with open(os.path.join(HERE, "calls.txt"), encoding="utf-8") as file:
        for number, line in enumerate(file.read().split("\n"), 1):
            match = re.fullmatch(r"([^#:]+): (- .+|[\w ]+)", line)
            if match:
                calls = [] if match.group(2)[0] == "-" else match.group(2).split()
                entries += [(number, s, calls) for s in match.group(1).split()]
            elif line and line[0] != "#":
                complaints.append(f"{LIST}:{number}: not understood")
    return entries, complaints


def refused():
    """What kernel_fault.c refuses, and refused.c."""
    table = csource.read("tests/fault/kernel_fault.c").text
    jumps = csource.read("tests/fault/refused.c").code
    return (
        set(re.findall(r'^\s*\{"(\w+)", SYS_', table, re.M)),
        set(re.findall(r"BPF_JUMP\([^,]*, ((?:FUTEX|SYS|NR)_\w+),", jumps)),
    )


def main(nm, library):
    entries, complaints = read_list()
    one_by_one, together = refused()
    symbols = called(nm, library)
    named = set()
    for symbol in sorted(symbols):
        if not any(fnmatch.fnmatchcase(symbol, pattern) for _, pattern, _ in entries):
            complaints.append(f"{symbol}: called, and not in {LIST}")
    for number, pattern, calls in entries:
        named |= set(calls)
        if calls and pattern not in symbols:
            complaints.append(f"{LIST}:{number}: {pattern} is not called any more")
        for call in calls:
            if call not in one_by_one and call not in together:
                complaints.append(f"{LIST}:{number}: {call} is never refused")
    for call in sorted(one_by_one - named):
        complaints.append(f"kernel_fault.c: {call} is refused, and not in {LIST}")
    print(f"{len(symbols)} symbols, {len(named)} calls refused")
    csource.finish("calls", complaints)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
