#pragma once

#include <utility>

namespace muster::os {

/// Owns one open file descriptor and closes it. Movable, not copyable.
class FileDescriptor {
public:
    FileDescriptor() = default;
    explicit FileDescriptor(int descriptor) : descriptor_(descriptor) {}
    FileDescriptor(FileDescriptor&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}
    FileDescriptor& operator=(FileDescriptor&& other) noexcept {
        if (this != &other) {
            close();
            descriptor_ = std::exchange(other.descriptor_, -1);
        }
        return *this;
    }
    ~FileDescriptor() { close(); }

    bool is_open() const { return descriptor_ >= 0; }
    int get() const { return descriptor_; }
    /// Closes now; harmless if not open. Returns errno of close(2), 0 if all went well.
    int close() noexcept;

private:
    int descriptor_ = -1;
};

}  // namespace muster::os
