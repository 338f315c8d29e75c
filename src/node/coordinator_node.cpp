#include "node/coordinator_node.h"

#include <algorithm>

#include <boost/asio/ip/host_name.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/strand.hpp>

#include "base/log.h"
#include "link/candidates.h"
#include "node/caught.h"
#include "node/completion.h"
#include "node/group_names.h"

namespace muster::detail {

namespace asio = boost::asio;

namespace {

/// `last`: what members of the last process know. Another process may have it by now.
Result<std::shared_ptr<node::Runner>> open_port(const asio::any_io_executor& strand,
                                                const HostOptions& options, std::uint16_t last) {
    if (options.port == 0 && last != 0)
        if (auto runner = node::Runner::open(strand, last, options.paths)) return runner;
    return node::Runner::open(strand, options.port, options.paths);
}

}  // namespace

Result<std::shared_ptr<CoordinatorNode>> CoordinatorNode::create(const asio::any_io_executor& executor,
                                                                 HostOptions options) {
    if (auto fine = node::check_group(options.group); !fine) return fine.error();
    if (options.name.empty()) options.name = asio::ip::host_name();
    auto identity = options.identity ? Result<Identity>{*options.identity} : Identity::load();
    if (!identity) return identity.error();
    auto journal = node::JournalFile::open(
        options.journal, {identity->id(), options.group, node::JournalFile::Role::coordinator});
    if (!journal) return journal.error();
    const asio::any_io_executor strand = asio::make_strand(executor);
    auto runner = open_port(strand, options, *journal ? (*journal)->port() : std::uint16_t{0});
    if (!runner) return Error{runner.error()}.during("hosting '" + options.group + "'");
    if (options.fast_ipv6) (*runner)->use_fast_ipv6();
    auto made = std::make_shared<CoordinatorNode>(strand, *identity, std::move(*runner), std::move(options),
                                                  std::move(*journal));
    if (auto core = made->make_core(); !core) return core.error();
    return made;
}

CoordinatorNode::CoordinatorNode(asio::any_io_executor strand, Identity identity,
                                 std::shared_ptr<node::Runner> runner, HostOptions options,
                                 std::unique_ptr<node::JournalFile> journal)
    : StreamForwarder(std::move(strand), std::move(identity), std::move(runner), std::move(journal)),
      options_(std::move(options)) {}

CoordinatorNode::~CoordinatorNode() { runner_->stop(); }

Result<void> CoordinatorNode::make_core() {
    link::LinkOptions links{identity_.key()};
    links.group = link::group_tag(options_.group);
    links.profile = options_.profile;
    const auto v6 = runner_->port(os::IpFamily::v6);
    links.port = port_ = v6 ? v6 : runner_->port(os::IpFamily::v4);
    session::CoordinatorOptions session;
    session.name = options_.name;
    session.info = options_.info;
    session.limits = options_.limits;
    session.trust = options_.trust;
    session.grace = options_.grace;
    const bool asks = options_.ask || options_.admit;
    session.admission = asks ? session::CoordinatorOptions::Admission::ask
                             : session::CoordinatorOptions::Admission::automatic;
    auto core = node::CoordinatorCore::create(std::move(links), std::move(session), random_,
                                              runner_->medium(), *this);
    if (!core) return core.error();
    core_ = std::move(*core);
    core_->recorder().set_wall_clock([](TimePoint) { return std::chrono::system_clock::now(); });
    set_roster(core_->session().roster());
    return journal_file_ ? journal_file_->note_port(port_) : Result<void>{};
}

void CoordinatorNode::start() {
    core_->set_path_handler([this](const DeviceId& member, const link::PathChange& change) {
        const PeerInfo* peer = core_->session().roster().find(member);
        if (peer) push_path_changed(*peer, change);
    });
    if (journal_file_) {
        is_restoring_ = true;
        start_journal();
        is_restoring_ = false;
        set_roster(core_->session().roster());
    }
    core_->set_fault_handler([this](const DeviceId& member, const Error& why) {
        const PeerInfo* peer = core_->session().roster().find(member);
        if (peer) push_fault_found(*peer, why);
    });
    runner_->start(*core_, [this] {
        set_roster_revision(core_->session().roster().revision);
        after_flush();
    });
    if (options_.advertise) advertise();
}

// --- discovery
// ---------------------------------------------------------------------------------------------------------

void CoordinatorNode::advertise() {
    discovery::MdnsServiceOptions service;
    service.host = node::host_label(id());
    service.paths = options_.paths;
    mdns_ = std::make_unique<discovery::MdnsService>(strand_, service);
    if (!link::is_believable(port_))
        log_line(LogLevel::warning,
                 "members take no port below 1024 from mDNS: they must be given an address with port " +
                     std::to_string(port_));
    core_->set_name_handler([this](const auto& verdict) { on_name_verdict(verdict); });
    const auto names = node::coordinator_names(options_.group, options_.name, id(), port_);
    if (auto running = mdns_->advertise(names.own, [](const auto&) {})) own_name_ = std::move(*running);
    if (auto running = mdns_->advertise(names.shared, [this](const auto& event) { on_name(event); }))
        shared_name_ = std::move(*running);
    const auto started = mdns_->start();
    is_advertised_ = started.has_value();
    if (!started)
        log_line(LogLevel::warning,
                 "not announced by mDNS, members need the address: " + started.error().explain());
}

void CoordinatorNode::on_name(const discovery::AdvertiseEvent& event) {
    using Kind = discovery::AdvertiseEvent::Kind;
    if (ending_) return;
    if (event.kind == Kind::announced) core_->on_name_announced();
    if (event.kind != Kind::conflict) return;
    node::NameClaim claim = node::claim_of(event.holder, options_.group);
    if (is_us(claim.at)) claim.at = {};  // we would answer ourselves
    core_->on_name_claimed(std::move(claim), SteadyClock::now());
    runner_->poke();
}

bool CoordinatorNode::is_us(const Endpoint& endpoint) const {
    const auto has_it = [&](const Interface& interface) {
        return std::ranges::find(interface.addresses, endpoint.address, &InterfaceAddress::address) !=
               interface.addresses.end();
    };
    return endpoint.port == port_ && std::ranges::any_of(runner_->interfaces(), has_it);
}

void CoordinatorNode::on_name_verdict(const node::NameVerdict& verdict) {
    using Kind = node::NameVerdict::Kind;
    if (ending_) return;
    const std::string holder = verdict.claim.to_string();
    switch (verdict.kind) {
        case Kind::probe_again: return mdns_->probe_again(shared_name_.id);
        case Kind::contested:
            return push(GroupContested{verdict.proven, verdict.claim.name, verdict.claim.at});
        case Kind::unproven:
            return log_line(LogLevel::warning, "the name of the group '" + options_.group +
                                                   "' is claimed by " + holder +
                                                   ", where nobody proves to host it: going on as before");
        case Kind::taken: break;
    }
    ending_ = Error{Errc::name_in_use, "the group '" + options_.group + "' is hosted already by " + holder}
                  .saw({"announce", "mdns", "the name is held by " + holder + ", which proved its key"})
                  .cure("join that coordinator, or host another group");
    core_->session().abort(SteadyClock::now());
}

void CoordinatorNode::on_closing() {
    own_name_ = {};  // says goodbye
    shared_name_ = {};
    if (mdns_) mdns_->stop();
}

// --- verbs
// -------------------------------------------------------------------------------------------------------------

void CoordinatorNode::accept(std::uint64_t ticket) {
    core_->session().accept(ticket);
    runner_->poke();
}

void CoordinatorNode::refuse(std::uint64_t ticket, std::string_view reason) {
    core_->session().refuse(ticket, Errc::refused, reason);
    runner_->poke();
}

void CoordinatorNode::remove(const DeviceId& member, CloseCode code, std::string_view reason) {
    (void)core_->session().close_member(member, code, reason, std::chrono::seconds{1}, SteadyClock::now());
    runner_->poke();
}

const link::LinkPort* CoordinatorNode::link_to(const DeviceId& peer) const {
    return is_interrupted(peer) ? nullptr : core_->link_of(peer);
}

std::optional<PeerPath> CoordinatorNode::path_to(const DeviceId& peer) {
    const link::LinkPort* port = link_to(peer);
    if (!port) return std::nullopt;
    return SessionNode::describe(core_->links(), *port);
}

Result<void> CoordinatorNode::engine_send(const Recipients& to, const SendOptions& options,
                                          ByteView payload) {
    return core_->session().send(to, options, payload);
}

void CoordinatorNode::engine_consume(const DeviceId& from, std::size_t octets) {
    core_->session().consume_messages(from, octets);
}

void CoordinatorNode::engine_close(CloseCode code, std::string_view reason, Duration deadline) {
    if (!ending_) ending_ = Closed{Closed::By::this_end, code, std::string{reason}};
    core_->session().close(code, reason, deadline, SteadyClock::now());
}

void CoordinatorNode::engine_abort() {
    if (!ending_) ending_ = Error{Errc::cancelled, "this end gave up without goodbye"};
    core_->session().abort(SteadyClock::now());
}

// --- events
// ------------------------------------------------------------------------------------------------------------

// Called from deep inside the engines: what the application throws must not unwind through them.
Admission CoordinatorNode::ask_application(const JoinRequest& request) const {
    try {
        return options_.admit(request);
    } catch (const std::exception& failure) {
        log_line(LogLevel::error,
                 std::string{"HostOptions::admit threw, the device is refused: "} + failure.what());
    } catch (...) {
        log_line(LogLevel::error, "HostOptions::admit threw, the device is refused");
    }
    return Admission::refuse("the coordinator could not decide");
}

void CoordinatorNode::on_join_request(const JoinRequest& request) {
    if (!options_.admit) {
        if (!push_request(request))
            core_->session().refuse(request.ticket, Errc::refused,
                                    "the application does not answer requests");
        return;
    }
    const Admission answer = ask_application(request);
    if (answer.accepted) return core_->session().accept(request.ticket);
    core_->session().refuse(request.ticket, Errc::refused, answer.reason);
}

void CoordinatorNode::on_member_joined(const PeerInfo& member) { push_joined(member, is_restoring_); }

void CoordinatorNode::on_member_left(const PeerInfo& member, const Departure& how) {
    on_left_behind(member.id);
    if (is_interrupted(member.id)) board().on_resumed(member.id);
    push_left(member, how);
}

void CoordinatorNode::on_interrupted(const PeerInfo& member, const Error& why) {
    push_interrupted(member, why);
    board().on_interrupted(member.id);
}

void CoordinatorNode::on_resumed(const PeerInfo& member) {
    board().on_resumed(member.id);
    push_resumed(member);
}

void CoordinatorNode::on_closed() {
    ended(ending_.value_or(Departure{Error{Errc::cancelled, "the coordinator stopped"}}));
}

void start_host(asio::any_io_executor executor, HostOptions options, Coordinator::Handler handler) {
    auto made = node::caught([&] { return CoordinatorNode::create(executor, std::move(options)); });
    if (!made) return node::complete(executor, std::move(handler), Result<Coordinator>{made.error()});
    asio::post((*made)->strand(), [node = *made, handler = std::move(handler)]() mutable {
        node->start();
        const auto strand = node->strand();
        node::complete(strand, std::move(handler), Result<Coordinator>{Coordinator{std::move(node)}});
    });
}

}  // namespace muster::detail
