#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""exports.py NM LIBRARY: the functions that the headers declare with PAWL_API,
those in cmake/pawl.map, and those that the library exports, under the version
node of the map, must be the same.  The soname must carry major and minor."""

import os
import re
import subprocess
import sys

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "..", "tools"))
import csource

NODE = "PAWL_0.1"


def exported(nm, library):
    """{name: version node} of the defined dynamic symbols."""
    lines = subprocess.run(
        [nm, "-D", "--defined-only", library],
        check=True, capture_output=True, text=True,
    ).stdout.splitlines()
    found = {}
    for line in lines:
        kind, symbol = line.split()[-2:]
        name, _, node = symbol.partition("@@")
        if kind != "A":  # the version node itself
            found[name] = node
    return found


def main(nm, library):
    in_library = exported(nm, library)
    in_map = set(csource.mapped())
    in_headers = set(csource.all_exported())
    complaints = []
    for name in sorted(set(in_library) | in_map | in_headers):
        places = {
            "the library": name in in_library,
            "cmake/pawl.map": name in in_map,
            "the headers": name in in_headers,
        }
        missing = [place for place, there in places.items() if not there]
        if missing:
            complaints.append(f"{name}: not in {' nor in '.join(missing)}")
        elif in_library[name] != NODE:
            complaints.append(f"{name}: version node {in_library[name]}, not {NODE}")
    soname = os.path.basename(os.path.realpath(library))
    if not re.fullmatch(r"libpawl\.so\.\d+\.\d+\.\d+", soname):
        complaints.append(f"{soname}: not named libpawl.so.MAJOR.MINOR.PATCH")
    print(f"{len(in_library)} functions exported")
    csource.finish("exports", complaints)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
