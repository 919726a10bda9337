#!/bin/sh
# SPDX-License-Identifier: MIT
#
# headers.sh SOURCE CC CXX [CC CXX]
#
# Compile every public header by itself, twice included, in the oldest standard;
# all of them together in every standard; and the program that uses the
# initialisers; with all warnings as errors.  A compiler that does not know a
# standard is passed over for that standard.
set -u
source_dir=$1
shift
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
clangs=
failed=0
runs=0

for header in "$source_dir"/include/*.h "$source_dir"/include/pawl/*.h*; do
    name=${header#"$source_dir"/include/}
    stem=$(echo "$name" | tr '/.' '__')
    case $name in
    *.hpp) suffixes=cpp ;;
    *) suffixes="c cpp" ;;
    esac
    for suffix in $suffixes; do
        printf '#include <%s>\n#include <%s>\n' "$name" "$name" \
            >"$work/$stem.$suffix"
        printf '#include <%s>\n' "$name" >>"$work/all.$suffix"
    done
done
cp "$source_dir/tests/cxx/scope_guard.c" "$work/"
cp "$source_dir/tests/cxx/guards.cpp" "$work/guards.cpp"
sed -i "s|\.\./abi|$source_dir/tests/abi|" "$work/guards.cpp"

# compile COMPILER STANDARD FLAGS... FILES: several files in one command are
# still one translation unit each.
compile() {
    compiler=$1
    standard=$2
    shift 2
    if ! echo 'int x;' | "$compiler" "-std=$standard" -fsyntax-only \
        -x "$language" - 2>/dev/null; then
        echo "$compiler does not know $standard"
        return
    fi
    runs=$((runs + 1))
    if ! "$compiler" "-std=$standard" -fsyntax-only -I"$source_dir/include" \
        -Wall -Wextra -Wpedantic -Wshadow -Wundef -Wconversion -Werror "$@"; then
        echo "failed: $compiler -std=$standard"
        failed=$((failed + 1))
    fi
}

while [ $# -ge 2 ]; do
    cc=$1
    cxx=$2
    shift 2
    # Names that belong to the implementation; gcc has no such warning.
    extra=
    case $("${cc:-false}" --version 2>/dev/null) in
    *clang*) extra=-Wreserved-identifier
        clangs="$clangs $cc" ;;
    esac
    if [ -n "$cc" ]; then
        language=c
        for standard in c11 c17 c2x; do
            files="$work/all.c $work/scope_guard.c"
            [ $standard = c11 ] && files=$(echo "$work"/*.c)
            # shellcheck disable=SC2086 # no spaces in them
            compile "$cc" $standard -Wstrict-prototypes $extra $files
        done
    fi
    if [ -n "$cxx" ]; then
        language=c++
        for standard in c++11 c++14 c++17 c++20 c++2b; do
            files=$work/all.cpp
            [ $standard = c++11 ] && files=$(echo "$work"/pawl*.cpp)
            # shellcheck disable=SC2086 # no spaces in them
            compile "$cxx" $standard -Wold-style-cast $extra $files
            # The initialisers are C: their casts are old.
            compile "$cxx" $standard $extra "$work/guards.cpp"
        done
    fi
done
# Clang's analysis of who holds which lock: silent about right code, and not
# about wrong code.
analyse() {
    "$cc" -std=c11 -fsyntax-only -I"$source_dir/include" -Wthread-safety \
        -Werror "$@" "$source_dir/tests/cxx/thread_safety.c"
}
for cc in $clangs; do
    runs=$((runs + 4))
    if ! analyse; then
        echo "failed: $cc: thread_safety.c"
        failed=$((failed + 1))
    fi
    for mistake in 1 2 3; do
        if analyse "-DMISTAKE=$mistake" 2>/dev/null; then
            echo "failed: $cc: does not see mistake $mistake of thread_safety.c"
            failed=$((failed + 1))
        fi
    done
done

echo "$runs compilations, $failed failed"
[ "$failed" -eq 0 ] && [ "$runs" -gt 0 ]
