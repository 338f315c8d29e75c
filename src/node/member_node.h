#pragma once

#include "discovery/mdns_service.h"
#include "node/completion.h"
#include "node/known_coordinators.h"
#include "node/member_core.h"
#include "node/session_node.h"
#include "os/timer.h"

#include "muster/member.h"

namespace muster::detail {

/// A member on the real network. All calls on its strand unless said otherwise.
class MemberNode final : public StreamForwarder<node::MemberCoreListener> {
public:
    static Result<std::shared_ptr<MemberNode>> create(const boost::asio::any_io_executor& executor,
                                                      JoinOptions options);
    MemberNode(boost::asio::any_io_executor strand, Identity identity, std::shared_ptr<node::Runner> runner,
               JoinOptions options, std::vector<Endpoint> at, std::unique_ptr<node::JournalFile> journal);
    ~MemberNode() override;

    void start(node::WaitId id, Member::Handler handler);
    void cancel_join(node::WaitId) { fail(Error{Errc::cancelled, "the join was cancelled"}); }
    std::optional<PeerPath> path_to(const DeviceId& peer) override;

    // Constant once joined; any thread.
    const PeerInfo& coordinator() const { return coordinator_; }
    Duration found_after() const { return found_after_; }
    Duration connected_after() const { return connected_after_; }
    Duration joined_after() const { return joined_after_; }
    bool is_restored() const { return is_restored_; }

private:
    Result<void> make_core();
    Result<void> discover();
    void on_service(const ServiceEvent& event, node::FoundBy by);
    void discover_again();
    void stop_discovery();
    void later(void (MemberNode::*what)());
    void remember();
    void fail(Error why);

    // SessionNode
    void on_path_preferences(const PathPreferences& preferences) override {
        options_.paths = preferences;
        if (mdns_) mdns_->set_path_preferences(preferences);
    }
    const link::LinkEngine& links() const override { return core_->links(); }
    const link::LinkPort* link_to(const DeviceId& peer) const override;
    std::vector<Evidence> tried(const DeviceId& peer) const override;
    FlightRecorder& recorder() override { return core_->recorder(); }
    session::StreamPort& streams() override { return core_->session(); }
    Result<void> engine_send(const Recipients& to, const SendOptions& options, ByteView payload) override;
    void engine_consume(const DeviceId& from, std::size_t octets) override;
    session::Journaled& journaled() override { return *core_; }
    void engine_close(CloseCode code, std::string_view reason, Duration deadline) override;
    void engine_abort() override;
    std::optional<Error> engine_shortfall() const override { return core_->session().shortfall(); }
    void on_closing() override;
    bool is_quiet() const override { return core_->links().links() == 0; }

    // node::MemberCoreListener
    void on_connected(const DeviceId& coordinator, const link::LinkFacts& facts) override;
    void on_connect_failed(const Error& why) override { fail(why); }
    void on_path_changed(const link::PathChange& change) override;
    void on_fault_found(const Error& why) override;
    void on_reconnected(const link::LinkFacts& facts) override { facts_ = facts; }
    void on_searching_again() override { later(&MemberNode::discover_again); }
    void on_joined(const PeerInfo& coordinator) override;
    void on_session_forgotten(const Error& why) override;
    void on_roster(const Roster& roster) override;
    void on_peer_joined(const PeerInfo& peer) override { push_joined(peer); }
    void on_peer_left(const PeerInfo& peer, const Departure& how) override { push_left(peer, how); }
    void on_writable() override { SessionNode::on_writable(); }
    void on_interrupted(const Error& why) override;
    void on_resumed() override;
    void on_ended(const Departure& how) override;

    JoinOptions options_;
    std::vector<Endpoint> at_;
    node::KnownCoordinators known_;
    std::optional<node::KnownCoordinator> pinned_;
    TimePoint started_{};
    Duration found_after_{}, connected_after_{}, joined_after_{};
    link::LinkFacts facts_;
    PeerInfo coordinator_;
    bool is_restored_ = false;
    node::SingleWaiter<void(Result<Member>)> joining_;  // until joined or failed
    std::shared_ptr<MemberNode> keep_alive_;            // while nobody holds a handle: until joined or failed
    std::unique_ptr<node::MemberCore> core_;
    std::unique_ptr<discovery::MdnsService> mdns_;
    os::Timer discovers_again_;
    std::vector<discovery::Subscription> subscriptions_;
};

}  // namespace muster::detail
