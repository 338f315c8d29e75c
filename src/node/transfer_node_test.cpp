#include "node/transfer_node.h"

#include <boost/asio/io_context.hpp>
#include <gtest/gtest.h>

#include "files/memory_storage.h"
#include "node/silent_port_rig.h"

namespace muster::detail {
namespace {

using files::FileFrame;

/// A receiving transfer whose storage works only when it is told to.
class TransferNodeTest : public testing::Test {
protected:
    TransferNodeTest() {
        files::FileReceiver::Options options;
        options.chunk = 4096;
        node = TransferNode::receive({.strand = strand.get_executor(),
                                      .storage = storage,
                                      .poke = [] {},
                                      .on_offer = [this](auto offered) { offered->accept(receive); }},
                                     options);
        node->attach(files, port, StreamHandle{1});
        receive.directory = "in";
    }

    void feed(const Slice& octets) { node->on_data(octets.view(), false); }
    void run_all() {
        do {
            strand.restart();
            disk.restart();
        } while (disk.poll() + strand.poll() > 0);
    }

    /// The session ends and frees its threads; what is at the disk stays there.
    void lose_session() {
        node->on_reset({Errc::closed, "the session is gone"});
        files.reset();
    }
    /// A part is made, and a write of it is at the disk.
    void begin_a_write() {
        files::OfferFrame offer;
        offer.size = 1 << 20;
        offer.name = "film";
        feed(encode(offer));
        run_all();
        const Bytes chunk(4096);
        for (int i = 0; i < 64; ++i) {
            feed(files::encode_data_header(chunk.size()));
            feed(Slice::copy_of(chunk));
        }
    }
    void await_result() {
        node->finished(node::fresh_wait(), FileTransfer::ResultHandler{
                                               [this](Result<FileReceipt> how) { told = std::move(how); }});
    }
    /// True if the strand has nothing left to wait for: io_context::run() returns.
    bool strand_runs_out() {
        strand.restart();
        strand.run_for(std::chrono::seconds{10});
        return strand.stopped();
    }

    std::optional<Result<FileReceipt>> told;  // what await_result() waits for
    boost::asio::io_context strand, disk;
    std::shared_ptr<files::MemoryStorage> storage = std::make_shared<files::MemoryStorage>();
    std::shared_ptr<node::FileWork> files = std::make_shared<node::FileWork>(disk.get_executor());
    SilentPort port;
    ReceiveFileOptions receive;
    std::shared_ptr<TransferNode> node;
};

// The sender tells why it gave up, and leaves: both arrive before the storage has caught up.
TEST_F(TransferNodeTest, TheSendersReasonIsHeardThoughItLeavesAtOnce) {
    files::OfferFrame offer;
    offer.size = 1 << 20;
    offer.name = "film";
    feed(encode(offer));
    run_all();  // accepted, the part is made
    const Bytes chunk(4096);
    for (int i = 0; i < 64; ++i) {
        feed(files::encode_data_header(chunk.size()));
        feed(Slice::copy_of(chunk));
    }
    feed(encode(FileFrame::cancel, files::reason_of(Error{Errc::source_changed, "it was written to"})));
    node->on_reset({Errc::lost, "the peer's session has ended"});
    std::optional<Result<FileReceipt>> told;
    node->finished(node::fresh_wait(),
                   FileTransfer::ResultHandler{[&told](Result<FileReceipt> how) { told = std::move(how); }});
    run_all();
    ASSERT_TRUE(told && !*told);
    EXPECT_EQ(told->error().code(), Errc::source_changed) << told->error().explain();
    EXPECT_TRUE(storage->files().empty()) << "nothing of it is kept";
}

TEST_F(TransferNodeTest, AcceptingAgainChangesNothing) {
    begin_a_write();
    node->accept(receive);
    await_result();
    run_all();
    EXPECT_FALSE(told) << told->error().explain();
    node->accept(receive);
    feed(encode(FileFrame::cancel, files::reason_of(Error{Errc::cancelled, "enough"})));
    run_all();
    ASSERT_TRUE(told);
    EXPECT_EQ(told->error().code(), Errc::cancelled_by_peer);
    node->accept(receive);
    told.reset();
    await_result();
    run_all();
    ASSERT_TRUE(told);
    EXPECT_EQ(told->error().code(), Errc::cancelled_by_peer) << "what became of it is not overwritten";
}

TEST_F(TransferNodeTest, ANameThatIsNotFitDeclinesTheOffer) {
    receive.name = "../film";
    files::OfferFrame offer;
    offer.size = 5;
    offer.name = "film";
    feed(encode(offer));
    await_result();
    run_all();
    ASSERT_TRUE(told);
    EXPECT_EQ(told->error().code(), Errc::bad_name);
}

// A peer that sends ahead of the answer and goes: nothing will make room for what it sent.
TEST_F(TransferNodeTest, AResetIsTakenWhenNothingIsAtTheStorage) {
    files::OfferFrame offer;
    offer.size = 1 << 20;
    offer.name = "film";
    feed(encode(offer));
    run_all();
    node->on_reset({Errc::lost, "the peer's session has ended"});
    std::optional<Result<FileReceipt>> told;
    node->finished(node::fresh_wait(),
                   FileTransfer::ResultHandler{[&told](Result<FileReceipt> how) { told = std::move(how); }});
    run_all();
    ASSERT_TRUE(told && !*told);
    EXPECT_EQ(told->error().code(), Errc::lost);
}

// The application keeps its handle; the session, and its threads with it, have gone meanwhile.
TEST_F(TransferNodeTest, NothingIsAskedOfThreadsThatAreGone) {
    begin_a_write();
    disk.restart();
    ASSERT_GT(disk.poll(), 0u) << "a write was under way";
    await_result();
    lose_session();
    EXPECT_TRUE(strand_runs_out());
    ASSERT_TRUE(told && !*told);
    EXPECT_EQ(told->error().code(), Errc::closed);
    disk.restart();
    EXPECT_EQ(disk.poll(), 0u);
    EXPECT_TRUE(storage->files().empty()) << "whoever held the part has removed it";
}

TEST_F(TransferNodeTest, AWriteThatOutlivesItsSessionHoldsUpNoResult) {
    begin_a_write();
    await_result();
    lose_session();
    EXPECT_TRUE(strand_runs_out());
    ASSERT_TRUE(told && !*told);
    EXPECT_EQ(told->error().code(), Errc::closed);
    disk.restart();
    EXPECT_GT(disk.poll(), 0u) << "the write comes to its end";
    EXPECT_TRUE(storage->files().empty()) << "and takes the part with it";
}

// The board tells its streams that the session has ended long before the session's threads go.
TEST_F(TransferNodeTest, APartThatIsBeingRemovedHoldsUpNoResult) {
    begin_a_write();
    await_result();
    node->on_reset({Errc::lost, "the peer fell silent"});
    disk.restart();
    ASSERT_GT(disk.poll(), 0u);
    strand.restart();
    strand.poll();  // the answer: now the removal is at the disk
    files.reset();
    EXPECT_TRUE(strand_runs_out());
    ASSERT_TRUE(told && !*told);
    EXPECT_EQ(told->error().code(), Errc::lost);
}

TEST_F(TransferNodeTest, AFileThatWasBeingNamedMayBeThere) {
    const Bytes content(100);
    files::OfferFrame offer;
    offer.size = content.size();
    offer.name = "film";
    feed(encode(offer));
    run_all();
    feed(files::encode_data_header(content.size()));
    feed(Slice::copy_of(content));
    feed(files::encode_end(sha256(content)));
    disk.restart();
    ASSERT_GT(disk.poll(), 0u) << "the write";
    strand.restart();
    ASSERT_GT(strand.poll(), 0u) << "now the naming is at the disk";
    await_result();
    lose_session();
    EXPECT_TRUE(strand_runs_out());
    ASSERT_TRUE(told && !*told);
    EXPECT_EQ(told->error().code(), Errc::closed);
    EXPECT_NE(told->error().message().find("may be there"), std::string::npos) << told->error().explain();
    disk.restart();
    disk.poll();
    EXPECT_TRUE(storage->files().contains("in/film"));
}

TEST_F(TransferNodeTest, ASenderThatIsReadingIsToldThatItsSessionHasGone) {
    storage->put("film", Bytes(16 << 20));
    files::FileSender::Options options;
    options.path = "film";
    options.send.name = "film";
    node = TransferNode::send(
        {.strand = strand.get_executor(), .storage = storage, .poke = [] {}, .on_offer = nullptr}, options,
        {});
    node->attach(files, port, StreamHandle{1});
    await_result();
    lose_session();
    EXPECT_TRUE(strand_runs_out());
    ASSERT_TRUE(told && !*told);
    EXPECT_EQ(told->error().code(), Errc::closed);
    EXPECT_TRUE(node->is_done());
}

// However long the disk takes for what was begun.
TEST_F(TransferNodeTest, WhatWaitsOnADroppedHandleIsCancelledAtOnce) {
    begin_a_write();
    std::optional<Result<FileProgress>> progress;
    {
        FileTransfer handle{node};
        handle.finished([this](Result<FileReceipt> how) { told = std::move(how); });
        handle.next_progress([&](Result<FileProgress> how) { progress = std::move(how); });
    }
    strand.restart();
    strand.poll();
    ASSERT_TRUE(told && !*told);
    EXPECT_EQ(told->error().code(), Errc::cancelled);
    ASSERT_TRUE(progress && !*progress);
    EXPECT_EQ(progress->error().code(), Errc::cancelled);
}

// The application ends its session as soon as it knows: what the receiver must hear is on its way by then.
TEST_F(TransferNodeTest, ASenderTellsItsPeerBeforeItsApplication) {
    storage->put("film", Bytes(16 << 20));
    files::FileSender::Options options;
    options.path = "film";
    options.send.name = "film";
    node = TransferNode::send(
        {.strand = strand.get_executor(), .storage = storage, .poke = [] {}, .on_offer = nullptr}, options,
        {});
    node->attach(files, port, StreamHandle{1});
    std::optional<Result<FileReceipt>> told;
    node->finished(node::fresh_wait(),
                   FileTransfer::ResultHandler{[&told](Result<FileReceipt> how) { told = std::move(how); }});
    run_all();
    port.full = true;
    feed(encode(FileFrame::accept, std::uint64_t{0}));
    run_all();
    storage->put("film", Bytes(1000));
    node->on_writable();
    run_all();
    EXPECT_FALSE(told);
    const int before = port.writes;
    port.full = false;
    for (int i = 0; i < 100 && !told; ++i) {
        node->on_writable();
        run_all();
    }
    ASSERT_TRUE(told && !*told);
    EXPECT_EQ(told->error().code(), Errc::source_changed) << told->error().explain();
    EXPECT_GT(port.writes, before);
}

}  // namespace
}  // namespace muster::detail
