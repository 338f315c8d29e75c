#include "os/kernel_facts.h"

#include <array>
#include <cerrno>
#include <cstddef>
#include <thread>

#include <gtest/gtest.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

namespace muster::os {
namespace {

/// From now on the kernel takes no question of this thread (ENOBUFS), as when it is short of memory.
bool refuse_questions() {
    std::array filter{
        sock_filter BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
        sock_filter BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_sendto, 0, 1),
        sock_filter BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOBUFS),
        sock_filter BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const sock_fprog program{filter.size(), filter.data()};
    return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

TEST(KernelFacts, WhatTheKernelWasNotAskedIsAnErrorAndNoAnswer) {
    const auto kernel = KernelFacts::open();
    ASSERT_TRUE(kernel.has_value());
    const Endpoint loopback{*IpAddress::parse("127.0.0.1"), 9, InterfaceIndex::none};
    EXPECT_TRUE((*kernel)->routing().has_value());
    EXPECT_TRUE((*kernel)->answer(loopback, std::nullopt).has_value());
    std::thread refused{[&] {
        ASSERT_TRUE(refuse_questions());
        EXPECT_FALSE((*kernel)->routing().has_value());
        EXPECT_FALSE((*kernel)->answer(loopback, std::nullopt).has_value());
    }};
    refused.join();
}

TEST(KernelFacts, ErrnosThatAreAnswers) {
    for (const int error : {0, EACCES, EINVAL, ENETUNREACH, EHOSTUNREACH, ENODEV})
        EXPECT_TRUE(says_how_it_routes(error)) << error;
    for (const int error : {EAGAIN, EBUSY, ENOBUFS, ENOMEM, ETIMEDOUT, EOPNOTSUPP})
        EXPECT_FALSE(says_how_it_routes(error)) << error;
}

}  // namespace
}  // namespace muster::os
