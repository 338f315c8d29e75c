#!/usr/bin/env python3
"""The negative controls of include_arrows.py: each forbidden include must be found, each allowed one accepted."""
import tempfile
import unittest
from pathlib import Path

import include_arrows

PAGE = Path(__file__).resolve().parent.parent / "docs/ARCHITECTURE.md"


def check(files):
    """The complaints about a tree of these files: {path: text}."""
    with tempfile.TemporaryDirectory() as folder:
        for path, text in files.items():
            target = Path(folder) / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text, encoding="utf-8")
        rules = include_arrows.Rules(PAGE.read_text(encoding="utf-8"))
        return include_arrows.complaints(rules, include_arrows.Tree(Path(folder)))


class Arrows(unittest.TestCase):
    def assert_found(self, files, *words):
        found = check(files)
        self.assertTrue(any(all(word in line for word in words) for line in found), f"{words} not in {found}")

    def test_downward_arrows_are_allowed(self):
        self.assertEqual(check({
            "include/muster/error.h": "#include <string>\n#include <boost/system/result.hpp>\n",
            "src/base/reader.h": '#include "muster/error.h"\n',
            "src/discovery/mdns_engine.cpp": '#include "base/reader.h"\n#include "names/dns_message.h"\n',
            "src/names/dns_message.h": "#include <vector>\n",
        }), [])

    def test_an_upward_arrow_is_found(self):
        self.assert_found({"src/base/reader.cpp": '#include "session/roster.h"\n', "src/session/roster.h": ""},
                          "src/base may not include src/session")

    def test_a_sideways_arrow_is_found(self):
        self.assert_found({"src/discovery/a.cpp": '#include "link/race.h"\n', "src/link/race.h": ""},
                          "src/discovery may not include src/link")

    def test_a_public_header_may_not_show_the_inside(self):
        self.assert_found({"include/muster/node.h": '#include "base/reader.h"\n', "src/base/reader.h": ""},
                          "include/muster may not include src/base")

    def test_examples_see_only_what_is_public(self):
        self.assert_found({"examples/host.cpp": '#include "session/roster.h"\n', "src/session/roster.h": ""},
                          "examples may not include src/session")

    def test_the_program_sees_only_what_is_public(self):
        self.assert_found({"cli/version.cpp": '#include "session/frame.h"\n', "src/session/frame.h": ""},
                          "cli may not include src/session")

    def test_laboratories_benchmarks_tests_and_fuzz_targets_are_read_too(self):
        for folder, other in (("lab", "net"), ("bench", "net"), ("tests", "net"), ("fuzz", "node")):
            self.assert_found({f"{folder}/deep/a.cpp": f'#include "{other}/b.h"\n', f"src/{other}/b.h": ""},
                              f"{folder} may not include src/{other}")
            self.assert_found({f"{folder}/a.h": "#include <absl/strings/str_cat.h>\n"}, f"{folder}/a.h", "no row")

    def test_an_engine_with_asio_is_found(self):
        self.assert_found({"src/discovery/mdns_engine.cpp": "#include <boost/asio/steady_timer.hpp>\n"},
                          "mdns_engine.cpp", "<boost/asio/steady_timer.hpp>")

    def test_an_engine_that_reaches_asio_through_another_header_is_found(self):
        self.assert_found({
            "src/session/engine.cpp": '#include "muster/harmless.h"\n',
            "include/muster/harmless.h": "#include <boost/asio/io_context.hpp>\n",
        }, "src/session/engine.cpp -> include/muster/harmless.h -> <boost/asio/io_context.hpp>")

    def test_an_exception_holds_for_the_named_file_only(self):
        self.assertEqual(check({"src/base/endpoint.cpp": "#include <boost/asio/ip/address.hpp>\n"}), [])
        self.assert_found({"src/base/ids.cpp": "#include <boost/asio/ip/address.hpp>\n"}, "src/base/ids.cpp", "I/O")

    def test_an_engine_with_a_system_header_is_found(self):
        for header in ("sys/socket.h", "netinet/in.h", "linux/if.h", "unistd.h"):
            self.assert_found({"src/link/race.cpp": f"#include <{header}>\n"}, "src/link/race.cpp", header)

    def test_an_engine_with_a_clock_or_a_thread_is_found(self):
        self.assert_found({"src/link/race.cpp": "auto now = SteadyClock::now();\n"}, "race.cpp", "SteadyClock::now")
        self.assert_found({"src/link/race.cpp": "#include <mutex>\n"}, "race.cpp", "<mutex>")
        self.assertEqual(check({"src/node/runner.cpp": "auto now = SteadyClock::now();\n#include <mutex>\n"}), [])

    def test_kernel_headers_belong_to_os(self):
        self.assertEqual(check({"src/os/udp_socket.cpp": "#include <sys/socket.h>\n#include <linux/rtnetlink.h>\n"}), [])
        self.assert_found({"cli/main.cpp": "#include <linux/rtnetlink.h>\n"}, "cli/main.cpp", "linux/rtnetlink.h")

    def test_quic_and_crypto_libraries_stay_behind_their_faces(self):
        self.assert_found({"src/link/quic_link.cpp": "#include <ngtcp2/ngtcp2.h>\n"}, "<ngtcp2/ngtcp2.h>")
        self.assert_found({"src/link/quic_link.cpp": "#include <gnutls/gnutls.h>\n"}, "<gnutls/gnutls.h>")
        self.assert_found({"src/quic/tls.cpp": "#include <nettle/sha2.h>\n"}, "<nettle/sha2.h>")
        self.assertEqual(check({"src/quic/a.cpp": "#include <ngtcp2/ngtcp2.h>\n#include <gnutls/gnutls.h>\n",
                                "src/base/crypto.cpp": "#include <nettle/sha2.h>\n"}), [])

    def test_a_library_nobody_decided_on_is_found(self):
        self.assert_found({"src/base/reader.h": "#include <absl/strings/str_cat.h>\n"}, "no row", "absl")

    def test_a_folder_nobody_decided_on_is_found(self):
        self.assert_found({"src/kitchen/sink.h": '#include "base/reader.h"\n', "src/base/reader.h": ""},
                          "src/kitchen/sink.h is in no folder")


if __name__ == "__main__":
    unittest.main()
