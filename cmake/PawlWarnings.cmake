# SPDX-License-Identifier: MIT
#
# pawl_warnings: an interface target that carries the warnings of all C code in
# the tree.  They are errors only when PAWL_WERROR says so: a new compiler must
# not break the build of those who only use pawl.

add_library(pawl_warnings INTERFACE)
target_compile_options(pawl_warnings INTERFACE
  -Wall
  -Wextra
  -Wpedantic
  -Wshadow
  -Wundef
  -Wcast-qual
  -Wpointer-arith
  -Wvla
  -Wwrite-strings
  -Wformat=2
  -Wconversion
  $<$<COMPILE_LANGUAGE:C>:-Wstrict-prototypes>
  $<$<COMPILE_LANGUAGE:C>:-Wmissing-prototypes>
  $<$<C_COMPILER_ID:GNU>:-Wimplicit-fallthrough=3>
  $<$<C_COMPILER_ID:Clang>:-Wimplicit-fallthrough>
  # `x = 1` on an _Atomic is a silent seq_cst operation.
  $<$<COMPILE_LANG_AND_ID:C,Clang>:-Watomic-implicit-seq-cst>
  $<$<BOOL:${PAWL_WERROR}>:-Werror>)
