// Clocks that laboratories can turn, for programs that are started with this library in LD_PRELOAD: the wall clock, as an
// administrator or NTP turns it, and CLOCK_BOOTTIME alone, as a sleep of the machine does. CLOCK_MONOTONIC stays. MUSTER_CLOCKS
// names a file of two 64-bit numbers, the nanoseconds to add to the one and to the other; it may change at any time.
#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <ctime>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

namespace {

struct Shifts {
    std::atomic<std::int64_t> wall, boot;
};

const Shifts& shifts() {
    static const Shifts* const mapped = [] {
        static const Shifts none{};
        const char* path = std::getenv("MUSTER_CLOCKS");
        const int file = path ? ::open(path, O_RDONLY | O_CLOEXEC) : -1;
        if (file < 0) return &none;
        void* const memory = ::mmap(nullptr, sizeof(Shifts), PROT_READ, MAP_SHARED, file, 0);
        ::close(file);
        return memory == MAP_FAILED ? &none : static_cast<const Shifts*>(memory);
    }();
    return *mapped;
}

constexpr std::int64_t kSecond = 1'000'000'000;

}  // namespace

extern "C" {

int clock_gettime(clockid_t clock, timespec* now) noexcept {
    const auto result = ::syscall(SYS_clock_gettime, clock, now);
    if (result != 0) return static_cast<int>(result);
    const bool is_wall = clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE;
    const std::int64_t shift = is_wall                   ? shifts().wall.load()
                               : clock == CLOCK_BOOTTIME ? shifts().boot.load()
                                                         : 0;
    const std::int64_t sum = now->tv_sec * kSecond + now->tv_nsec + shift;
    now->tv_sec = sum / kSecond;
    now->tv_nsec = sum % kSecond;
    return 0;
}

int gettimeofday(timeval* now, void*) noexcept {
    timespec exact{};
    const int result = clock_gettime(CLOCK_REALTIME, &exact);
    *now = {.tv_sec = exact.tv_sec, .tv_usec = exact.tv_nsec / 1000};
    return result;
}

time_t time(time_t* into) noexcept {
    timespec exact{};
    (void)clock_gettime(CLOCK_REALTIME, &exact);
    if (into != nullptr) *into = exact.tv_sec;
    return exact.tv_sec;
}

}  // extern "C"
