#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <utility>
#include <variant>
#include <vector>

#include "base/random.h"
#include "base/rate_limit.h"
#include "discovery/answer_queue.h"
#include "discovery/discovery.h"
#include "discovery/link_table.h"
#include "discovery/mdns_cache.h"
#include "discovery/mdns_querier.h"
#include "discovery/mdns_responder.h"
#include "discovery/mdns_types.h"
#include "discovery/one_shots.h"
#include "discovery/own_packets.h"
#include "discovery/service_watch.h"

#include "muster/interface.h"

namespace muster::discovery {

struct EngineServiceEvent {
    WatchId watch = WatchId::none;
    ServiceEvent event;
};
struct EngineAdvertiseEvent {
    AdvertisementId advertisement = AdvertisementId::none;
    AdvertiseEvent event;
};
using EngineEvent = std::variant<EngineServiceEvent, EngineAdvertiseEvent>;

/// mDNS and DNS-SD (RFC 6762, RFC 6763) without I/O: packets, interfaces and time go in; packets leave
/// through the wire, events are polled. Verbs only take note: call on_timer when next_wakeup() has come,
/// which may be at once; so what was asked in one turn of the caller shares packets.
class MdnsEngine {
public:
    /// `wire` and `random` must outlive the engine.
    MdnsEngine(MdnsEngineOptions options, MdnsWire& wire, Randomness& random);

    /// Takes the interfaces as the kernel has them now, all of them.
    void on_interfaces(std::span<const Interface> interfaces, TimePoint now);
    void on_packet(const PacketInfo& from, ByteView packet, TimePoint now);
    void on_timer(TimePoint now);
    TimePoint next_wakeup() const;
    std::optional<EngineEvent> poll_event();

    Result<AdvertisementId> advertise(Registration registration, TimePoint now);
    void update_txt(AdvertisementId id, TxtRecord txt, TimePoint now);
    void probe_again(AdvertisementId id, TimePoint now);
    void withdraw(AdvertisementId id, TimePoint now);

    Result<WatchId> browse(const BrowseRequest& request, TimePoint now);
    Result<WatchId> resolve_unique(const ResolveRequest& request, TimePoint now);
    void stop(WatchId id);
    Result<void> reconfirm(std::string_view instance, std::string_view type, TimePoint now);

    /// Says goodbye for everything at once; then nothing is sent any more.
    void shut_down(TimePoint now);
    /// RFC 6762 section 15.1; known only when the sockets are open.
    void set_sole_on_port(bool sole) { options_.sole_on_port = sole; }

    const names::DnsName& host_name() const { return responder_.host_name(); }
    const LinkTable& links() const { return links_; }
    MdnsCounters counters() const;

private:
    // Unicast answers, and queries with the TC bit whose known answers are still to come.
    struct UnicastReply {
        LinkId link;
        Endpoint to;
        std::optional<std::uint16_t> one_shot_id;
        std::vector<names::Question> questions;
        std::vector<names::Record> answers;
        TimePoint due{};
    };
    struct DeferredQuery {
        PacketInfo info;
        names::Message query;
        TimePoint due{};
    };
    enum class Delay : std::uint8_t { as_needed, none };
    struct ResponseTiming {
        AnswerTiming multicast;
        TimePoint unicast{};
        Duration gap{};  // since the last multicast of the same record
    };

    bool accept(const PacketInfo& info, const names::Message& message) const;
    bool is_here(const PacketInfo& info) const;
    bool may_reply(const PacketInfo& info, TimePoint now);
    PacketInfo with_source(const PacketInfo& from) const;
    void on_query(const PacketInfo& info, names::Message query, TimePoint now);
    bool defer(const PacketInfo& info, names::Message& query, TimePoint now);
    void observe(const PacketInfo& info, const names::Message& query, TimePoint now);
    void respond(const PacketInfo& info, const names::Message& query, Delay delay, TimePoint now);
    ResponseTiming timing_of(const PacketInfo& info, const names::Message& query, Delay delay, TimePoint now);
    void queue_answers(const PacketInfo& info, const names::Message& query, const ResponseTiming& timing,
                       TimePoint now);
    void on_response(const PacketInfo& info, const names::Message& response, TimePoint now);
    void take_records(std::span<const names::Record* const> records, const IpAddress& source,
                      InterfaceIndex interface, TimePoint now);
    void tell_ourselves(const std::vector<names::Record>& records, InterfaceIndex interface, TimePoint now);
    void run_deferred(TimePoint now);
    void back_up(WatchId id, const names::Question& question, const std::vector<Endpoint>& hints,
                 TimePoint now);

    void run_responder(TimePoint now);
    void send_probes(const ResponderOutput& output);
    void run_cache(TimePoint now);
    void run_queries(TimePoint now);
    void run_answers(TimePoint now);
    void run_replies(TimePoint now);
    void run_one_shots(TimePoint now);
    void multicast(LinkId link, SendFrom from, const Bytes& packet);
    void unicast(const Endpoint& to, SendFrom from, const Bytes& packet);
    std::size_t packet_limit(LinkId link) const;

    MdnsEngineOptions options_;
    MdnsWire& wire_;
    Randomness& random_;
    LinkTable links_;
    OwnPackets own_;
    MdnsCache cache_;
    MdnsQuerier querier_;
    MdnsResponder responder_;
    ServiceWatch watch_;
    OneShots one_shots_;
    std::map<LinkId, AnswerQueue> answers_;
    std::map<WatchId, names::Question> backed_up_;  // by one-shot queries, until something is found
    std::vector<UnicastReply> replies_;
    // A hundred devices that are powered on together ask by both families, for the name and the listing, and once more; beyond
    // it, one multicast answer serves all.
    RateLimit reply_rate_{1024, 400};
    std::vector<DeferredQuery> deferred_;
    MdnsCounters counters_;
    TimePoint now_{};       // of the call that is running
    bool started_ = false;  // has seen interfaces
    bool closed_ = false;
};

}  // namespace muster::discovery
