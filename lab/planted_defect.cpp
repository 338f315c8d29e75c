// A defect of each kind that a sanitizer is there for: the negative control of laboratories under sanitizers.
#include <cstdio>
#include <limits>
#include <memory>
#include <string_view>
#include <thread>

namespace {

void race() {
    int shared = 0;
    std::thread other([&shared] { ++shared; });
    ++shared;
    other.join();
    std::printf("shared %d\n", shared);
}

void overrun(int count) {
    const auto block = std::make_unique<char[]>(static_cast<std::size_t>(count));
    volatile char* const begin = block.get();
    begin[count] = 1;
}

void overflow(int count) {
    int large = std::numeric_limits<int>::max();
    large += count;
    std::printf("large %d\n", large);
}

void leak(int count) {
    volatile char* lost = new char[static_cast<std::size_t>(count)];
    lost[0] = 1;
    lost = nullptr;
}

}  // namespace

int main(int count, char** words) {
    const std::string_view kind = count > 1 ? words[1] : "none";
    std::puts(R"({"event": "up"})");
    std::fflush(stdout);
    if (kind == "race") race();
    if (kind == "overrun") overrun(count);
    if (kind == "overflow") overflow(count);
    if (kind == "leak") leak(count);
    return 0;
}
