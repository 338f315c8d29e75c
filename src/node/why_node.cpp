#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <boost/asio/strand.hpp>

#include "base/wait.h"
#include "net/why_driver.h"
#include "net/why_judge.h"
#include "node/completion.h"

#include "muster/why.h"

namespace muster {

namespace asio = boost::asio;

namespace {

constexpr Duration kShortest = std::chrono::milliseconds{100};
constexpr std::size_t kLongestName = 253;  // RFC 1035 2.3.4, without the last dot

Error bad(const std::string& why) {
    return Error{Errc::bad_input, why}.cure(
        "write a host, an address, or either with a port: printer.local:631, 192.0.2.1, [2001:db8::1]:443");
}

std::optional<std::uint16_t> port_of(std::string_view text) {
    if (text.empty() || text.size() > 5 || text.find_first_not_of("0123456789") != std::string_view::npos)
        return std::nullopt;
    const unsigned long port = std::stoul(std::string{text});
    if (port == 0 || port > 0xffff) return std::nullopt;
    return static_cast<std::uint16_t>(port);
}

bool may_be_name(std::string_view text) {
    const auto is_odd = [](char each) {
        return each == ':' || each == '%' || each == '/' || each == '[' || each == ']' ||
               static_cast<unsigned char>(each) <= ' ' || each == '\x7f';
    };
    return !text.empty() && text.size() <= kLongestName && std::ranges::none_of(text, is_odd);
}

struct Split {
    std::string host, scope, port;
};

/// "host", "host:port", "address%scope", "[address%scope]:port", and IPv6 addresses without brackets.
std::optional<Split> split(const std::string& text) {
    Split parts;
    parts.host = text;
    if (text.starts_with('[')) {
        const auto end = text.find(']');
        if (end == std::string::npos) return std::nullopt;
        parts.host = text.substr(1, end - 1);
        if (end + 1 < text.size()) {
            if (text[end + 1] != ':' || end + 2 == text.size()) return std::nullopt;
            parts.port = text.substr(end + 2);
        }
    } else if (std::ranges::count(text, ':') == 1) {
        parts.port = text.substr(text.find(':') + 1);
        parts.host = text.substr(0, text.find(':'));
        if (parts.port.empty()) return std::nullopt;
    }
    if (const auto percent = parts.host.find('%'); percent != std::string::npos) {
        parts.scope = parts.host.substr(percent + 1);
        parts.host.resize(percent);
        if (parts.scope.empty()) return std::nullopt;
    }
    return parts;
}

/// A scope stays a name: that there is no such interface is an answer, and no bad input.
Result<net::WhyTarget> read_target(const WhyOptions& options) {
    const auto parts = split(options.target);
    if (!parts) return bad("'" + options.target + "' is no host");
    net::WhyTarget target;
    target.text = options.target;
    target.asks_udp = options.transport == WhyTransport::udp;
    target.interface = options.interface.empty() ? parts->scope : options.interface;
    if (!parts->scope.empty() && parts->scope != target.interface)
        return bad("'" + options.target + "' names its interface, and '" + options.interface +
                   "' is another name");
    if (!parts->port.empty()) {
        const auto port = port_of(parts->port);
        if (!port) return bad("'" + parts->port + "' is no port: 1 to 65535");
        target.remote.port = *port;
    }
    if (const auto address = IpAddress::parse(parts->host)) {
        target.remote.address = address->unmapped();
        if (target.remote.address.is_unspecified() || target.remote.address.is_multicast())
            return bad(parts->host + " is no address of a host");
        return target;
    }
    if (!may_be_name(parts->host)) return bad("'" + options.target + "' is no host");
    target.name = parts->host;
    return target;
}

}  // namespace

namespace detail {

void start_why(const asio::any_io_executor& executor, WhyOptions options, WhyHandler handler) {
    const asio::any_io_executor strand = asio::make_strand(executor);
    auto target = read_target(options);
    if (!target) return node::complete(strand, std::move(handler), Result<WhyAnswer>{target.error()});
    // Shared because a std::function must be copyable; called once.
    auto waiting = std::make_shared<WhyHandler>(std::move(handler));
    const auto examination = net::WhyExamination::make(
        strand, *std::move(target), std::max(bounded_wait(options.patience), kShortest),
        [strand, waiting](const Result<net::WhyFacts>& facts) {
            auto outcome = facts ? Result<WhyAnswer>{net::judge(*facts)} : Result<WhyAnswer>{facts.error()};
            node::complete(strand, std::move(*waiting), std::move(outcome));
        });
    node::on_cancel(examination, *waiting,
                    [](net::WhyExamination& running, node::WaitId) { running.cancel(); });
    examination->start();
}

}  // namespace detail

}  // namespace muster
