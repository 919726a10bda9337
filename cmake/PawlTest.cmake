# SPDX-License-Identifier: MIT
#
# How tests get into CTest.

# halt_on_error: the first race ends the test at the place where it happened.
# report_mutex_bugs: tests release locks wrongly on purpose, to see the error
# code; that the sanitizer tells users is tested in tests/tsan_user.
# atexit_sleep_ms: how long the sanitizer looks on when a process ends that has
# other threads, parked ones among them: a second, in each test, if not told.
set(PAWL_TEST_ENVIRONMENT
  "TSAN_OPTIONS=halt_on_error=1:second_deadlock_stack=1:report_mutex_bugs=0:atexit_sleep_ms=10"
  "ASAN_OPTIONS=detect_leaks=1:strict_string_checks=1:allocator_may_return_null=1"
  "UBSAN_OPTIONS=print_stacktrace=1")

# pawl_add_test(<program> SOURCES <file>... LABELS <label>... TIMEOUT <seconds>)
#
# One program, linked with the harness and the static library.  Its test is
# called <label>.<object>: mutex_stress with label stress is stress.mutex.
function(pawl_add_test program)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "TIMEOUT" "SOURCES;LABELS")
  list(GET arg_LABELS 0 label)
  string(REGEX REPLACE "(_shared)?_(test|stress|history|fault|long)$" "" object "${program}")

  add_executable(${program} ${arg_SOURCES})
  target_include_directories(${program} PRIVATE "${PROJECT_SOURCE_DIR}/src")
  target_compile_definitions(${program} PRIVATE _GNU_SOURCE)
  target_link_libraries(${program} PRIVATE pawl_warnings pawl_test_support)
  set_target_properties(${program} PROPERTIES
    C_STANDARD 11 C_STANDARD_REQUIRED ON C_EXTENSIONS OFF)

  add_test(NAME ${label}.${object} COMMAND ${program})
  pawl_set_test(${label}.${object}
    LABELS ${arg_LABELS} TIMEOUT ${arg_TIMEOUT})
endfunction()

# pawl_add_variant(<variant> <program> <label> <seconds> <environment>)
#
# The same program once more with other switches of the library: its test is
# <variant>.<object>, or <variant>.<label>.<object> if it is not a unit test.
# Stress tests do half as much then.
function(pawl_add_variant variant program label seconds environment)
  string(REGEX REPLACE "(_shared)?_(test|stress|history|fault|long)$" "" object "${program}")
  if(NOT label STREQUAL "unit")
    string(PREPEND object "${label}.")
  endif()
  if(label STREQUAL "stress")
    list(APPEND environment PAWL_TEST_PART=2)
  endif()
  add_test(NAME ${variant}.${object} COMMAND ${program})
  pawl_set_test(${variant}.${object} LABELS ${variant} TIMEOUT ${seconds})
  set_property(TEST ${variant}.${object} APPEND PROPERTY
    ENVIRONMENT "${environment}")
endfunction()

# pawl_set_test(<test> LABELS <label>... TIMEOUT <seconds>)
#
# What holds for every test.  The harness gives each test of a program its own
# time limit; this one is for the program as a whole, and longer.  Both are for a
# machine that has nothing else to do, and multiplied.
#
# What CTest takes for a processor is half of one (tools/test has it run twice as many):
# a sweep spends almost half of its time asleep, so that two of them and another test
# keep two processors busy.  What takes long begins first.
function(pawl_set_test test)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "TIMEOUT" "LABELS")
  math(EXPR arg_TIMEOUT "${arg_TIMEOUT} * 4")
  if(PAWL_SANITIZE)
    math(EXPR arg_TIMEOUT "${arg_TIMEOUT} * 4")
  endif()
  set(halves 2)
  set(cost 0) # as it was the last time
  if("sweep" IN_LIST arg_LABELS)
    set(halves 1)
    set(cost 1000)
  elseif("model" IN_LIST arg_LABELS)
    set(cost 100)
  elseif(arg_LABELS MATCHES "^(history|tsan_user|package|cxx)$")
    set(cost 50)
  endif()
  set_tests_properties(${test} PROPERTIES
    LABELS "${arg_LABELS}"
    PROCESSORS ${halves}
    COST ${cost}
    TIMEOUT ${arg_TIMEOUT}
    SKIP_RETURN_CODE 77
    ENVIRONMENT "${PAWL_TEST_ENVIRONMENT}")
endfunction()
