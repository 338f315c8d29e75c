#include "base/slice.h"

#include <gtest/gtest.h>

namespace muster {
namespace {

TEST(Slice, OutlivesTheOctetsItWasCopiedFrom) {
    Slice slice;
    {
        const Bytes source = to_bytes("octets");
        slice = Slice::copy_of(source);
    }
    EXPECT_EQ(as_text(slice.view()), "octets");
}

TEST(Slice, SharesInsteadOfCopying) {
    const Slice whole = Slice::from(to_bytes("one two"));
    const Slice copy = whole;
    const Slice part = whole.subslice(4);
    EXPECT_EQ(copy.view().data(), whole.view().data());
    EXPECT_EQ(part.view().data(), whole.view().data() + 4);
}

TEST(Slice, PartsKeepTheWholeAlive) {
    Slice part;
    {
        const Slice whole = Slice::from(to_bytes("one two three"));
        part = whole.subslice(4, 3).subslice(1);
    }
    EXPECT_EQ(as_text(part.view()), "wo");
    EXPECT_EQ(part.size(), 2u);
}

TEST(Slice, KeepsAForeignOwnerUntilTheLastCopyGoes) {
    auto owner = std::make_shared<const std::string>("mapped file");
    const std::weak_ptr<const std::string> watch = owner;
    auto slice = std::make_unique<Slice>(owner, as_bytes(*owner));
    const Slice tail = slice->subslice(7);
    owner.reset();
    slice.reset();
    EXPECT_FALSE(watch.expired());
    EXPECT_EQ(as_text(tail.view()), "file");
}

TEST(Slice, IsEmptyByDefault) {
    EXPECT_TRUE(Slice{}.empty());
    EXPECT_TRUE(Slice::copy_of({}).subslice(0).empty());
}

}  // namespace
}  // namespace muster
