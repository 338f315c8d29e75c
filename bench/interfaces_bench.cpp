// How long a full snapshot of the network interfaces takes with 4, 64 and 1,000 of them, beside getifaddrs(), which tells
// far less, and `ip -j addr`. In network namespaces of its own (root); the three take turns, and medians are told.
#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <string>
#include <vector>

#include <ifaddrs.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include "json_lines.h"

#include "muster/interface.h"

namespace {

using Clock = std::chrono::steady_clock;

struct Size {
    int interfaces;
    int repetitions;   // of muster and getifaddrs
    int program_runs;  // of ip
};
constexpr std::array kSizes{Size{4, 2000, 100}, Size{64, 1000, 100}, Size{1000, 40, 20}};

/// Loopback, a bridge and pairs of veth, each with an address of IPv4 and IPv6.
bool make_interfaces(int count) {
    if (::unshare(CLONE_NEWNET) != 0) return false;
    if (std::system("echo 0 > /proc/sys/net/ipv6/conf/default/accept_dad") != 0) return false;
    std::FILE* ip = ::popen("ip -batch -", "w");
    if (ip == nullptr) return false;
    std::fputs("link set lo up\nlink add br0 type bridge\nlink set br0 up\n", ip);
    for (int i = 0; i < (count - 2) / 2; ++i) {
        std::fprintf(ip, "link add a%d type veth peer name b%d\n", i, i);
        for (const char end : {'a', 'b'})
            std::fprintf(ip, "link set %c%d up\naddr add 10.%d.%d.%d/24 dev %c%d\n", end, i,
                         end == 'a' ? 1 : 2, i / 250, i % 250 + 1, end, i);
    }
    const bool made = ::pclose(ip) == 0;
    ::sleep(2);  // the kernel tells carriers and addresses a little later
    return made;
}

double microseconds(const std::function<void()>& what) {
    const auto begin = Clock::now();
    what();
    return std::chrono::duration<double, std::micro>(Clock::now() - begin).count();
}

double median(std::vector<double> samples) {
    std::ranges::nth_element(samples, samples.begin() + static_cast<std::ptrdiff_t>(samples.size() / 2));
    return samples[samples.size() / 2];
}

void ask_muster() {
    if (!muster::interfaces()) std::abort();
}

void ask_getifaddrs() {
    ifaddrs* all = nullptr;
    if (::getifaddrs(&all) != 0) std::abort();
    ::freeifaddrs(all);
}

void run_ip() {
    const pid_t child = ::vfork();
    if (child == 0) {
        ::execlp("sh", "sh", "-c", "exec ip -j addr > /dev/null", nullptr);
        ::_exit(127);
    }
    int status = 0;
    if (child < 0 || ::waitpid(child, &status, 0) != child || status != 0) std::abort();
}

void measure(const Size& size, muster::bench::JsonLines& lines) {
    struct {
        const char* name;
        void (*ask)();
        int repetitions;
        std::vector<double> samples;
    } all[] = {{"muster", ask_muster, size.repetitions, {}},
               {"getifaddrs", ask_getifaddrs, size.repetitions, {}},
               {"ip -j addr", run_ip, size.program_runs, {}}};
    for (int i = 0; i < size.repetitions; ++i)
        for (auto& each : all)
            if (i < each.repetitions) each.samples.push_back(microseconds(each.ask));
    const std::string metric = "snapshot_of_" + std::to_string(size.interfaces) + "_interfaces";
    for (auto& each : all) {
        lines.peer(each.name);
        lines.line(metric.c_str(), median(each.samples), "us", each.samples.size());
    }
}

}  // namespace

int main() {
    muster::bench::JsonLines lines{"muster"};
    for (const Size& size : kSizes) {
        if (!make_interfaces(size.interfaces)) {
            std::fputs("network interfaces cannot be made: this needs root, and ip\n", stderr);
            return 1;
        }
        measure(size, lines);
    }
}
