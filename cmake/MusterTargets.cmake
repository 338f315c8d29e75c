# Debian's Python, not one that a version manager puts in front of it: python3-zeroconf lives there.
find_program(MUSTER_PYTHON python3 PATHS /usr/bin NO_DEFAULT_PATH)

# muster_common(target): the house's warnings, C++20, sanitizers.
function(muster_common target)
    target_compile_features(${target} PUBLIC cxx_std_20)
    set_target_properties(${target} PROPERTIES CXX_EXTENSIONS OFF POSITION_INDEPENDENT_CODE ON)
    target_compile_options(${target} PRIVATE -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Werror=switch
                           $<$<BOOL:${MUSTER_WERROR}>:-Werror>)
    target_compile_definitions(${target} PRIVATE BOOST_ASIO_NO_DEPRECATED)
    if(MUSTER_SANITIZE)
        target_compile_options(${target} PRIVATE -fsanitize=${MUSTER_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
        target_link_options(${target} PUBLIC -fsanitize=${MUSTER_SANITIZE})
    endif()
    if(MUSTER_FUZZ)
        target_compile_options(${target} PRIVATE -fsanitize=fuzzer-no-link)
    endif()
endfunction()

# muster_library(folder SOURCES a.cpp ... [DEPS muster_base ...] [PRIVATE_DEPS Boost::json ...])
# makes the static library muster_<folder> of one floor.
function(muster_library folder)
    cmake_parse_arguments(ARG "" "" "SOURCES;DEPS;PRIVATE_DEPS" ${ARGN})
    set(target muster_${folder})
    add_library(${target} STATIC ${ARG_SOURCES})
    target_include_directories(${target} PUBLIC ${PROJECT_SOURCE_DIR}/include ${PROJECT_SOURCE_DIR}/src)
    target_link_libraries(${target} PUBLIC ${ARG_DEPS} PRIVATE ${ARG_PRIVATE_DEPS})
    muster_common(${target})
    set_property(GLOBAL APPEND PROPERTY MUSTER_FOLDERS ${target})
endfunction()

# Test labels: unit (the default), sim, lab, interop, house (the tree itself), package, lint, fuzz.
# What touches namespaces or measures time runs alone: the others would spoil its figures.
function(muster_test_properties_of labels out)
    set(properties SKIP_RETURN_CODE 77)
    if(MUSTER_SANITIZE STREQUAL thread)
        list(APPEND properties ENVIRONMENT "TSAN_OPTIONS=halt_on_error=1:suppressions=${PROJECT_SOURCE_DIR}/tests/tsan.supp")
    endif()
    if(labels MATCHES "lab|interop|package|lint")
        list(APPEND properties RUN_SERIAL TRUE)
    endif()
    set(${out} "${properties}" PARENT_SCOPE)
endfunction()

# muster_test(name SOURCES a_test.cpp ... [DEPS muster_x ...] [LABELS sim]): one GoogleTest program; each test is a
# ctest entry.
function(muster_test name)
    if(NOT MUSTER_TESTS)
        return()
    endif()
    cmake_parse_arguments(ARG "" "" "SOURCES;DEPS;LABELS" ${ARGN})
    add_executable(${name} ${ARG_SOURCES})
    target_link_libraries(${name} PRIVATE ${ARG_DEPS} GTest::gmock GTest::gtest_main)
    muster_common(${name})
    # Checks are written once and run once: to optimise them takes twice as long as to compile them, with sanitizers thrice.
    target_compile_options(${name} PRIVATE $<$<CONFIG:RelWithDebInfo>:-O0>)
    if(NOT ARG_LABELS)
        set(ARG_LABELS unit)
    endif()
    muster_test_properties_of("${ARG_LABELS}" properties)
    gtest_discover_tests(${name} NO_PRETTY_VALUES DISCOVERY_MODE PRE_TEST PROPERTIES TIMEOUT 600 LABELS "${ARG_LABELS}"
                         ${properties})
endfunction()

# muster_script_test(name COMMAND program arg ... LABELS lab ... [TIMEOUT seconds]): a test that is a script or another
# program. Exit code 77 means "skipped", with the reason on its output.
function(muster_script_test name)
    if(NOT MUSTER_TESTS)
        return()
    endif()
    cmake_parse_arguments(ARG "" "TIMEOUT" "COMMAND;LABELS" ${ARGN})
    if(NOT ARG_TIMEOUT)
        set(ARG_TIMEOUT 120)
    endif()
    add_test(NAME ${name} COMMAND ${ARG_COMMAND})
    muster_test_properties_of("${ARG_LABELS}" properties)
    set_tests_properties(${name} PROPERTIES TIMEOUT ${ARG_TIMEOUT} ${properties})
    set_property(TEST ${name} PROPERTY LABELS ${ARG_LABELS})
endfunction()

# muster_fuzz(name SOURCES x_fuzz.cpp [DEPS ...]): a libFuzzer program; its corpus is fuzz/corpus/<name>.
# Without MUSTER_FUZZ the target is still built with a plain main() that replays the corpus as a test.
function(muster_fuzz name)
    cmake_parse_arguments(ARG "" "" "SOURCES;DEPS" ${ARGN})
    if(NOT MUSTER_TESTS AND NOT MUSTER_FUZZ)
        return()
    endif()
    add_executable(fuzz_${name} ${ARG_SOURCES} $<$<NOT:$<BOOL:${MUSTER_FUZZ}>>:${PROJECT_SOURCE_DIR}/fuzz/replay_main.cpp>)
    target_link_libraries(fuzz_${name} PRIVATE ${ARG_DEPS})
    muster_common(fuzz_${name})
    if(MUSTER_FUZZ)
        target_link_options(fuzz_${name} PRIVATE -fsanitize=fuzzer)
    elseif(MUSTER_TESTS)
        add_test(NAME fuzz_corpus_${name} COMMAND fuzz_${name} ${PROJECT_SOURCE_DIR}/fuzz/corpus/${name})
        set_tests_properties(fuzz_corpus_${name} PROPERTIES TIMEOUT 600 LABELS fuzz)
    endif()
endfunction()

# muster_bench(name SOURCES x_bench.cpp [DEPS ...]): a program that measures and prints one JSON document; script/bench
# runs it and keeps the document as bench/out/<name>.json. Only with MUSTER_BENCH.
function(muster_bench name)
    if(NOT MUSTER_BENCH)
        return()
    endif()
    cmake_parse_arguments(ARG "" "" "SOURCES;DEPS" ${ARGN})
    add_executable(bench_${name} ${ARG_SOURCES})
    target_link_libraries(bench_${name} PRIVATE ${ARG_DEPS})
    set_target_properties(bench_${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/bench)
    muster_common(bench_${name})
endfunction()
