#!/bin/sh
# SPDX-License-Identifier: MIT
#
# pkg-config.sh PREFIX CC VERSION: use the pawl installed in PREFIX by its .pc
# file, shared and static.
set -eu
prefix=$1
cc=$2
version=$3
command -v pkg-config >/dev/null || exit 77
here=$(dirname "$0")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

pc=$(find "$prefix" -name pawl.pc)
PKG_CONFIG_PATH=$(dirname "$pc")
export PKG_CONFIG_PATH
libdir=$(pkg-config --variable=libdir pawl)
test "$(pkg-config --modversion pawl)" = "$version"

# shellcheck disable=SC2046 # several flags
$cc "$here/consumer.c" -o "$work/shared" $(pkg-config --cflags --libs pawl)
LD_LIBRARY_PATH=$libdir "$work/shared"
readelf -d "$work/shared" | grep -q "libpawl.so.${version%.*}"

# shellcheck disable=SC2046
$cc -static "$here/consumer.c" -o "$work/static" \
    $(pkg-config --static --cflags --libs pawl)
"$work/static"
