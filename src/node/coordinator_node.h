#pragma once

#include "discovery/mdns_service.h"
#include "node/coordinator_core.h"
#include "node/session_node.h"

#include "muster/coordinator.h"

namespace muster::detail {

/// A coordinator on the real network. All calls on its strand unless said otherwise.
class CoordinatorNode final : public StreamForwarder<session::CoordinatorListener> {
public:
    static Result<std::shared_ptr<CoordinatorNode>> create(const boost::asio::any_io_executor& executor,
                                                           HostOptions options);
    CoordinatorNode(boost::asio::any_io_executor strand, Identity identity,
                    std::shared_ptr<node::Runner> runner, HostOptions options,
                    std::unique_ptr<node::JournalFile> journal);
    ~CoordinatorNode() override;

    void start();
    // Any thread, once the node was given to the application.
    std::uint16_t port() const { return port_; }
    bool is_advertised() const { return is_advertised_; }

    void accept(std::uint64_t ticket);
    void refuse(std::uint64_t ticket, std::string_view reason);
    void remove(const DeviceId& member, CloseCode code, std::string_view reason);
    std::optional<PeerPath> path_to(const DeviceId& peer) override;

private:
    Result<void> make_core();
    void advertise();
    void on_name(const discovery::AdvertiseEvent& event);
    void on_name_verdict(const node::NameVerdict& verdict);
    bool is_us(const Endpoint& endpoint) const;

    // SessionNode
    void on_path_preferences(const PathPreferences& preferences) override {
        options_.paths = preferences;
        if (mdns_) mdns_->set_path_preferences(preferences);
    }
    const link::LinkEngine& links() const override { return core_->links(); }
    const link::LinkPort* link_to(const DeviceId& peer) const override;
    FlightRecorder& recorder() override { return core_->recorder(); }
    session::StreamPort& streams() override { return core_->session(); }
    Result<void> engine_send(const Recipients& to, const SendOptions& options, ByteView payload) override;
    void engine_consume(const DeviceId& from, std::size_t octets) override;
    session::Journaled& journaled() override { return core_->session(); }
    void engine_close(CloseCode code, std::string_view reason, Duration deadline) override;
    void engine_abort() override;
    std::optional<Error> engine_shortfall() const override { return core_->session().shortfall(); }
    void on_closing() override;
    bool is_quiet() const override { return core_->links().links() == 0; }

    // session::CoordinatorListener
    void on_join_request(const JoinRequest& request) override;
    Admission ask_application(const JoinRequest& request) const;
    void on_member_joined(const PeerInfo& member) override;
    void on_member_left(const PeerInfo& member, const Departure& how) override;
    void on_writable(const DeviceId&) override { SessionNode::on_writable(); }
    void on_interrupted(const PeerInfo& member, const Error& why) override;
    void on_resumed(const PeerInfo& member) override;
    void on_closed() override;

    HostOptions options_;
    std::uint16_t port_ = 0;
    bool is_advertised_ = false;
    std::optional<Departure> ending_;  // what will be said in SessionEnded
    bool is_restoring_ = false;        // members are told that the last process had
    std::unique_ptr<node::CoordinatorCore> core_;
    std::unique_ptr<discovery::MdnsService> mdns_;
    discovery::Advertisement own_name_, shared_name_;
};

}  // namespace muster::detail
