#include "node/member_node.h"

#include <boost/asio/ip/host_name.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/strand.hpp>

#include "base/log.h"
#include "base/wait.h"
#include "node/caught.h"
#include "node/completion.h"
#include "node/group_names.h"

namespace muster::detail {

namespace asio = boost::asio;

namespace {

Result<std::vector<Endpoint>> parse_all(const std::vector<std::string>& texts) {
    std::vector<Endpoint> endpoints;
    for (const std::string& text : texts) {
        auto endpoint = parse_endpoint(text);
        if (!endpoint) return endpoint.error();
        endpoints.push_back(*endpoint);
    }
    return endpoints;
}

}  // namespace

Result<std::shared_ptr<MemberNode>> MemberNode::create(const asio::any_io_executor& executor,
                                                       JoinOptions options) {
    if (auto fine = node::check_group(options.group); !fine) return fine.error();
    auto at = parse_all(options.at);
    if (!at) return at.error();
    if (options.name.empty()) options.name = asio::ip::host_name();
    auto identity = options.identity ? Result<Identity>{*options.identity} : Identity::load();
    if (!identity) return identity.error();
    const bool may_meet_anybody = !options.coordinator && (!options.pin || identity->directory().empty());
    if (!options.journal.empty() && may_meet_anybody)
        return Error{Errc::bad_input,
                     "a session with a journal goes on with the coordinator that it began with, "
                     "but nothing says who that is"}
            .cure(
                "name it (JoinOptions::coordinator), or let its key be pinned (JoinOptions::pin, a stored "
                "identity)");
    auto journal = node::JournalFile::open(options.journal,
                                           {identity->id(), options.group, node::JournalFile::Role::member});
    if (!journal) return journal.error();
    const asio::any_io_executor strand = asio::make_strand(executor);
    auto runner = node::Runner::open(strand, 0, options.paths);
    if (!runner) return Error{runner.error()}.during("joining '" + options.group + "'");
    if (options.fast_ipv6) (*runner)->use_fast_ipv6();
    auto made = std::make_shared<MemberNode>(strand, *identity, std::move(*runner), std::move(options),
                                             std::move(*at), std::move(*journal));
    if (auto core = made->make_core(); !core) return core.error();
    return made;
}

MemberNode::MemberNode(asio::any_io_executor strand, Identity identity, std::shared_ptr<node::Runner> runner,
                       JoinOptions options, std::vector<Endpoint> at,
                       std::unique_ptr<node::JournalFile> journal)
    : StreamForwarder(std::move(strand), std::move(identity), std::move(runner), std::move(journal)),
      options_(std::move(options)),
      at_(std::move(at)),
      known_(options_.pin ? identity_.directory() : std::string{}),
      joining_(strand_, "joining"),
      discovers_again_(strand_) {}

MemberNode::~MemberNode() { runner_->stop(); }

Result<void> MemberNode::make_core() {
    auto pinned = known_.find(options_.group);
    if (!pinned) return pinned.error();
    pinned_ = *pinned;
    node::MemberCoreOptions core;
    core.group = options_.group;
    core.expected = options_.coordinator;
    core.pinned = !options_.coordinator && pinned_;
    if (core.pinned) core.expected = pinned_->id;
    core.patience = bounded_wait(options_.patience);
    link::LinkOptions links{identity_.key()};
    links.profile = options_.profile;
    session::MemberOptions session;
    session.name = options_.name;
    session.info = options_.info;
    session.context = options_.context;
    session.limits = options_.limits;
    session.grace = options_.grace;
    auto made = node::MemberCore::create(std::move(core), std::move(links), std::move(session),
                                         {random_, runner_->medium()}, *this);
    if (!made) return made.error();
    core_ = std::move(*made);
    core_->recorder().set_wall_clock([](TimePoint) { return std::chrono::system_clock::now(); });
    return {};
}

void MemberNode::start(node::WaitId id, Member::Handler handler) {
    keep_alive_ = std::static_pointer_cast<MemberNode>(shared_from_this());
    (void)joining_.begin(id, std::move(handler));
    started_ = SteadyClock::now();
    core_->start(started_);
    if (journal_file_) start_journal();
    runner_->start(*core_, [this] { after_flush(); });
    if (!at_.empty()) core_->on_found(options_.coordinator, at_, node::FoundBy::owner, started_);
    if (pinned_ && !options_.coordinator)
        core_->on_found(pinned_->id, pinned_->endpoints, node::FoundBy::owner, started_);
    if (!options_.discover) {
        core_->on_all_found(started_);
    } else if (const auto discovering = discover(); !discovering) {
        log_line(LogLevel::info, "only known addresses are tried: " + discovering.error().explain());
        core_->on_all_found(started_, discovering.error());
    }
    runner_->poke();
}

// --- discovery
// ---------------------------------------------------------------------------------------------------------

Result<void> MemberNode::discover() {
    discovery::MdnsServiceOptions service;
    service.host = node::host_label(id());
    service.paths = options_.paths;
    mdns_ = std::make_unique<discovery::MdnsService>(strand_, service);
    const auto by_name = [this](const ServiceEvent& event) { on_service(event, node::FoundBy::unique_name); };
    const auto by_list = [this](const ServiceEvent& event) { on_service(event, node::FoundBy::list); };
    auto hints = pinned_ ? pinned_->endpoints : std::vector<Endpoint>{};
    const auto unique = node::unique_request(options_.group, std::move(hints));
    const auto listed = node::listing_request(options_.group);
    if (auto running = mdns_->resolve_unique(unique, by_name)) subscriptions_.push_back(std::move(*running));
    if (auto running = mdns_->browse(listed, by_list)) subscriptions_.push_back(std::move(*running));
    return mdns_->start();
}

void MemberNode::on_service(const ServiceEvent& event, node::FoundBy by) {
    if (event.kind == ServiceEvent::Kind::left) return;
    const auto id = node::coordinator_id(event.instance.txt, options_.group);
    if (!id && !event.instance.txt.empty()) return;  // it says that it is something else
    core_->on_found(id, event.instance.endpoints, by, SteadyClock::now());
    runner_->poke();
}

// An ongoing browse costs air time and harms the connection on some radios: stop as soon
// as the choice is made.
void MemberNode::stop_discovery() {
    subscriptions_.clear();
    if (mdns_) mdns_->stop();
}

// Not on the strand: the disk may take longer to sync than a link of profile realtime may stay silent.
void MemberNode::remember() {
    if (!options_.pin || options_.coordinator) return;
    node::KnownCoordinator now{.id = coordinator_.id, .endpoints = {facts_.path.remote}};
    if (pinned_ && pinned_->id == now.id && pinned_->endpoints == now.endpoints) return;
    pinned_ = now;
    auto write = [known = known_, group = options_.group, now] {
        if (const auto saved = known.remember(group, now); !saved)
            log_line(LogLevel::warning,
                     "the coordinator's key could not be pinned: " + saved.error().explain());
    };
    const auto files = file_work();
    if (!files) return write();
    (*files)->submit(std::move(write), strand_, [] {});
}

// --- events
// ------------------------------------------------------------------------------------------------------------

void MemberNode::on_connected(const DeviceId&, const link::LinkFacts& facts) {
    connected_after_ = SteadyClock::now() - started_;
    found_after_ = connected_after_ - facts.handshake_took;
    facts_ = facts;
    later(&MemberNode::stop_discovery);
}

// Not from inside an engine's event.
void MemberNode::later(void (MemberNode::*what)()) {
    asio::post(strand_, [weak = weak_from_this(), what] {
        if (const auto self = std::static_pointer_cast<MemberNode>(weak.lock())) (self.get()->*what)();
    });
}

void MemberNode::on_path_changed(const link::PathChange& change) {
    if (!joining_.is_waiting()) push_path_changed(coordinator_, change);
}

void MemberNode::on_fault_found(const Error& why) {
    if (!joining_.is_waiting()) push_fault_found(coordinator_, why);
}

void MemberNode::on_joined(const PeerInfo& coordinator) {
    coordinator_ = coordinator;
    is_restored_ = core_->session().is_restored();
}

void MemberNode::on_session_forgotten(const Error& why) {
    log_line(LogLevel::warning, "joining anew, without the session of the last process: " + why.message());
}

void MemberNode::on_roster(const Roster& roster) {
    if (!joining_.is_waiting()) return set_roster_revision(roster.revision);
    set_roster(roster);
    record(coordinator_.id, seen::Joined{coordinator_.name});
    joined_after_ = SteadyClock::now() - started_;
    auto self = std::exchange(keep_alive_, nullptr);
    joining_.deliver(Result<Member>{Member{std::move(self)}});
    remember();
}

// Before the application has its member it is told nothing: the join goes on where it stood.
void MemberNode::on_interrupted(const Error& why) {
    discovers_again_.expires_after(node::kDiscoverAgainAfter);
    discovers_again_.async_wait([weak = weak_from_this()](boost::system::error_code cancelled) {
        const auto self = std::static_pointer_cast<MemberNode>(weak.lock());
        if (!cancelled && self) self->discover_again();
    });
    if (joining_.is_waiting()) return;
    push_interrupted(coordinator_, why);
    board().on_interrupted(std::nullopt);
}

void MemberNode::on_resumed() {
    discovers_again_.cancel();
    later(&MemberNode::stop_discovery);
    if (!is_interrupted(coordinator_.id)) return;
    board().on_resumed(std::nullopt);
    push_resumed(coordinator_);
    remember();
}

// The coordinator may have come back at another address; or be known by addresses on an interface that is gone.
void MemberNode::discover_again() {
    const bool is_needed = core_->session().is_interrupted() || joining_.is_waiting();
    if (!options_.discover || !runner_->is_running() || !is_needed) return;
    if (const auto discovering = discover(); !discovering)
        log_line(LogLevel::info, "only known addresses are tried: " + discovering.error().explain());
    runner_->poke();
}

// A goodbye needs a link too.
void MemberNode::on_closing() {
    if (has_ended() || !core_->session().is_interrupted()) stop_discovery();
}

void MemberNode::on_ended(const Departure& how) {
    discovers_again_.cancel();
    if (how.is_lost()) {
        Error cause = known_by_now(coordinator_.id, how.cause());
        for (Evidence& each : core_->tried_again()) cause.saw(std::move(each));
        if (!joining_.is_waiting()) return ended(std::move(cause));
        return fail(std::move(cause));
    }
    if (!joining_.is_waiting()) return ended(how);
    fail(Error{Errc::closed, "the coordinator closed: " + how.closed().reason});
}

void MemberNode::fail(Error why) {
    if (!joining_.is_waiting()) return;
    joining_.deliver(Result<Member>{std::move(why.during("joining '" + options_.group + "'"))});
    asio::post(strand_, [self = std::exchange(keep_alive_, nullptr)] {  // not from inside an engine's event
        self->stop_discovery();
        self->core_->session().abort(SteadyClock::now());
        self->runner_->turn();
        self->runner_->stop();
    });
}

// --- verbs
// -------------------------------------------------------------------------------------------------------------

const link::LinkPort* MemberNode::link_to(const DeviceId& peer) const {
    const link::LinkPort* port = core_->current_link();
    return port && port->peer() == peer && !is_interrupted(peer) ? port : nullptr;
}

std::vector<Evidence> MemberNode::tried(const DeviceId& peer) const {
    if (peer != coordinator_.id) return {};
    return is_interrupted(peer) ? core_->tried_again() : facts_.candidates;
}

std::optional<PeerPath> MemberNode::path_to(const DeviceId& peer) {
    const link::LinkPort* port = link_to(peer);
    if (!port) return std::nullopt;
    PeerPath path = describe(core_->links(), *port);
    path.found_after = found_after_;
    path.connected_after = connected_after_;
    path.candidates = facts_.candidates;
    return path;
}

Result<void> MemberNode::engine_send(const Recipients& to, const SendOptions& options, ByteView payload) {
    return core_->session().send(to, options, payload);
}

void MemberNode::engine_consume(const DeviceId&, std::size_t octets) {
    core_->session().consume_messages(octets);
}

void MemberNode::engine_close(CloseCode code, std::string_view reason, Duration deadline) {
    core_->session().close(code, reason, deadline, SteadyClock::now());
}

void MemberNode::engine_abort() { core_->session().abort(SteadyClock::now()); }

void start_join(asio::any_io_executor executor, JoinOptions options, Member::Handler handler) {
    auto made = node::caught([&] { return MemberNode::create(executor, std::move(options)); });
    if (!made) return node::complete(executor, std::move(handler), Result<Member>{made.error()});
    const auto id = node::on_cancel(*made, handler, [](auto& node, auto wait) { node.cancel_join(wait); });
    asio::post((*made)->strand(), [node = *made, id, handler = std::move(handler)]() mutable {
        node->start(id, std::move(handler));
    });
}

}  // namespace muster::detail
