# SPDX-License-Identifier: MIT
#
# pawl_sanitize: an interface target that carries the flags of PAWL_SANITIZE,
# for compiling and for linking, and PAWL_TSAN_HOOKS.  Empty if the former is
# empty and the latter on.

add_library(pawl_sanitize INTERFACE)
if(PAWL_SANITIZE STREQUAL "thread")
  set(PAWL_SANITIZE_FLAGS -fsanitize=thread)
elseif(PAWL_SANITIZE STREQUAL "address")
  set(PAWL_SANITIZE_FLAGS -fsanitize=address -fno-omit-frame-pointer)
elseif(PAWL_SANITIZE STREQUAL "undefined")
  set(PAWL_SANITIZE_FLAGS -fsanitize=undefined -fno-sanitize-recover=all)
elseif(NOT PAWL_SANITIZE STREQUAL "")
  message(FATAL_ERROR
    "PAWL_SANITIZE is \"${PAWL_SANITIZE}\", not thread, address or undefined")
endif()
target_compile_options(pawl_sanitize INTERFACE ${PAWL_SANITIZE_FLAGS})
target_link_options(pawl_sanitize INTERFACE ${PAWL_SANITIZE_FLAGS})
if(NOT PAWL_TSAN_HOOKS)
  target_compile_definitions(pawl_sanitize INTERFACE PAWL_TSAN_HOOKS=0)
endif()
