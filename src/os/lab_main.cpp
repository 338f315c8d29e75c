// main() of lab tests: they make network namespaces, which takes root. Without it they are
// skipped, and say so.
#include <cstdio>
#include <cstdlib>
#include <string_view>

#include <gtest/gtest.h>
#include <sched.h>
#include <unistd.h>

int main(int argc, char** argv) {
    testing::InitGoogleTest(&argc, argv);
    if (testing::GTEST_FLAG(list_tests)) return RUN_ALL_TESTS();
    if (::geteuid() != 0 || ::unshare(CLONE_NEWNET) != 0) {
        std::puts("skipped: needs root, to make network namespaces and cables of its own");
        return 77;
    }
    return RUN_ALL_TESTS();
}
