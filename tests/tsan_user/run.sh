#!/bin/sh
# SPDX-License-Identifier: MIT
#
# run.sh CC SOURCE LIBRARY...
#
# Build user.c with CC's ThreadSanitizer, link it with each of these ordinary
# builds of pawl, and see that the right things are reported.
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

# expect LIBRARY WHAT TEXT: the report contains TEXT; none if that is empty.
expect() {
    timeout 30 $wrapper "$work/user" "$2" >"$work/report" 2>&1
    status=$?
    if [ -n "$3" ]; then
        grep -q "$3" "$work/report" && return
    elif [ $status -eq 0 ] && [ ! -s "$work/report" ]; then
        return
    fi
    echo "$cc, $1, user $2: exit $status, want '${3:-no report}':"
    cat "$work/report"
    failed=1
}

for library in "$@"; do
    [ -n "$library" ] || continue # no shared library in this build
    "$cc" -std=c11 -O1 -g -fsanitize=thread -I"$source_dir/include" \
        "$source_dir/tests/tsan_user/user.c" "$library" \
        "-Wl,-rpath,$(dirname "$library")" -pthread -o "$work/user" || exit 1
    expect "$library" clean ""
    expect "$library" race "data race"
    expect "$library" order "lock-order-inversion"
done
exit $failed
