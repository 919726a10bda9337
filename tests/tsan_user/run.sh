#!/bin/sh
# SPDX-License-Identifier: MIT
#
# run.sh CC SOURCE LIBRARY...
#
# Build user.c with CC's ThreadSanitizer, link it with each of these ordinary
# builds of pawl and with an instrumented one, and see that every misuse is
# reported, and nothing else.
set -u
cc=$1
source_dir=$2
shift 2
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
failed=0
export TSAN_OPTIONS=halt_on_error=1

# Some kernels randomise addresses more than older sanitizers can bear.
wrapper=
echo 'int main(void) { return 0; }' >"$work/probe.c"
if ! "$cc" -fsanitize=thread "$work/probe.c" -o "$work/probe" 2>/dev/null; then
    echo "$cc has no ThreadSanitizer"
    exit 77
fi
if ! "$work/probe" 2>/dev/null; then
    wrapper="setarch $(uname -m) -R"
    $wrapper "$work/probe" 2>/dev/null || exit 77
fi

# expect LIBRARY TEXT ARGUMENT...: the report of user ARGUMENT... contains TEXT;
# there is none if that is empty.
expect() {
    library=$1
    text=$2
    shift 2
    # shellcheck disable=SC2086 # none or three words
    timeout 30 $wrapper "$work/user" "$@" >"$work/report" 2>&1
    status=$?
    if [ -n "$text" ]; then
        grep -q "ThreadSanitizer: $text" "$work/report" && return
    elif [ $status -eq 0 ] && [ ! -s "$work/report" ]; then
        return
    fi
    echo "$cc, $library, user $*: exit $status, want '${text:-no report}':"
    cat "$work/report"
    failed=1
}

flags="-std=c11 -g -fsanitize=thread -D_GNU_SOURCE -ftls-model=initial-exec"
for folder in "$source_dir"/src/*/; do # files of two may have the same name
    mkdir "$work/objects" || exit 1
    # shellcheck disable=SC2086
    (cd "$work/objects" && "$cc" $flags -O2 -c -I"$source_dir/include" \
        -I"$source_dir/src" "$folder"*.c) || exit 1
    mv "$work/objects" "$work/objects.$(basename "$folder")"
done
ar rc "$work/libinstrumented.a" "$work"/objects.*/*.o || exit 1
urcu=$(pkg-config --libs liburcu-memb) || exit 1

for library in "$@" "$work/libinstrumented.a"; do
    [ -n "$library" ] || continue # no shared library in this build
    # shellcheck disable=SC2086
    "$cc" $flags -O1 -I"$source_dir/include" \
        "$source_dir/tests/tsan_user/user.c" "$library" \
        "-Wl,-rpath,$(dirname "$library")" $urcu -pthread -o "$work/user" || exit 1
    expect "$library" "" clean
    $wrapper "$work/user" --list >"$work/list" || exit 1
    while read -r misuse kind text; do
        expect "$library" "$text" "$misuse" "$kind"
    done <"$work/list"
done
exit $failed
