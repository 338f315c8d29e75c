#!/usr/bin/python3
"""`muster interfaces` as people and programs meet it: lists, one interface, names that there are not, no /sys, no privileges.

  cli_interfaces_test.py --muster build/dev/cli/muster [TEST...]
"""
import argparse
import json
import os
import signal
import subprocess
import sys
import unittest
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "lab"))
import netlab  # noqa: E402

PATIENCE = 10


class InterfacesTest(unittest.TestCase):
    def setUp(self):
        self.lab = netlab.Lab()
        self.lab.__enter__()
        self.addCleanup(self.lab.__exit__)
        self.here, self.far = self.lab.host("here"), self.lab.host("far")
        self.lab.cable(self.here, "eth0", self.far, "far0")
        self.here.ip("link property add dev eth0 altname the-one-at-the-door", "addr add 192.0.2.1/24 dev eth0")

    def muster(self, *words, before=()):
        with self.here.entered():
            done = subprocess.run([*before, MUSTER, "interfaces", *words], capture_output=True, text=True, timeout=30,
                                  env={**os.environ, "TERM": "dumb"})
        return done.returncode, done.stdout, done.stderr

    def listed(self, *words, before=()):
        code, out, errors = self.muster(*words, "--json", before=before)
        self.assertEqual((code, errors), (0, ""))
        return {each["interface"]["name"]: each for each in map(json.loads, out.splitlines())}

    def test_the_list_is_a_table_of_all_interfaces(self):
        code, out, errors = self.muster()
        self.assertEqual((code, errors), (0, ""))
        lines = out.splitlines()
        self.assertEqual(lines[0].split(), ["INDEX", "NAME", "TYPE", "STATE", "MTU", "MAC", "ADDRESSES"])
        eth0 = next(line for line in lines if " eth0 " in line)
        for cell in ("wired, veth", " up ", " 1500 ", " 192.0.2.1/24"):
            self.assertIn(cell, eth0)
        self.assertTrue(any("loopback" in line and "127.0.0.1/8" in line for line in lines))

    def test_programs_get_an_object_for_each(self):
        all_of_them = self.listed()
        true = {each["ifname"] for each in json.loads(self.here.run("ip -j addr")) if each}
        self.assertEqual(set(all_of_them), true)
        eth0 = all_of_them["eth0"]["interface"]
        self.assertEqual(eth0["alternative_names"], ["the-one-at-the-door"])
        self.assertEqual((eth0["type"], eth0["kernel_kind"], eth0["virtual"]), ("wired", "veth", True))
        self.assertTrue(eth0["up"] and eth0["carrier"] and eth0["peer_is_elsewhere"])
        self.assertNotIn("hardware", all_of_them["eth0"], "drivers are asked only about those that are named")

    def test_one_is_named_by_name_alternative_name_or_index(self):
        index = self.listed()["eth0"]["interface"]["index"]
        for word in ("eth0", "the-one-at-the-door", str(index)):
            found = self.listed(word)
            self.assertEqual(list(found), ["eth0"])
            self.assertEqual(found["eth0"]["hardware"]["driver"], "veth")
            self.assertEqual(found["eth0"]["hardware"]["speed_mbit"], 10000)
            self.assertIn("octets", found["eth0"]["statistics"]["received"])
        code, out, _ = self.muster("eth0")
        self.assertEqual(code, 0)
        for words in (f"eth0 ({index}): wired, veth, up", "also called the-one-at-the-door", "driver      veth",
                      "speed       10000 Mbit/s", "in another network namespace", "received "):
            self.assertIn(words, out)

    def test_what_is_not_there_is_said(self):
        for word in ("eth7", "0123456789abcde", "0123456789abcdef", "x" * 300, "../eth0", "\x1b[2J", "0", "4294967295"):
            code, out, errors = self.muster("--", word)
            self.assertEqual((code, out), (4, ""), word)
            self.assertIn("there is no interface", errors)
            self.assertIn("eth0", errors)
            self.assertNotIn("\x1b", errors)

    def test_without_sys_the_kernel_still_tells(self):
        with_sys = self.listed()
        bare = self.listed(before=["unshare", "-m", "sh", "-c", 'mount -t tmpfs none /sys && exec "$@"', "sh"])
        self.assertEqual({name: each["interface"] for name, each in bare.items()},
                         {name: each["interface"] for name, each in with_sys.items()})

    def test_without_privileges_it_tells_the_same(self):
        plain = ["setpriv", "--bounding-set", "-all", "--inh-caps", "-all"]
        self.assertEqual(set(self.listed(before=plain)), set(self.listed()))
        self.assertEqual(self.listed("eth0", before=plain)["eth0"]["hardware"],
                         self.listed("eth0")["eth0"]["hardware"])

    def test_changes_are_told_until_a_signal_comes(self):
        watch = self.here.spawn([MUSTER, "interfaces", "--watch", "--json"], "watch")
        revision = watch.expect("watching", PATIENCE)["revision"]
        self.here.ip("link add br0 type bridge")
        told = watch.expect("appeared", PATIENCE)
        self.assertEqual(told["interface"]["name"], "br0")
        self.assertGreater(told["revision"], revision)
        self.far.set_link("far0", up=False)
        told = watch.expect("changed", PATIENCE, lambda event: event["interface"]["name"] == "eth0")
        self.assertIn("carrier is gone", told["what"])
        self.assertTrue(told["lost"])
        self.here.ip("link del br0")
        self.assertEqual(watch.expect("gone", PATIENCE)["interface"]["name"], "br0")
        watch.signal(signal.SIGINT)
        self.assertEqual(watch.wait(PATIENCE), 130)

    def test_an_interface_that_is_not_there_yet_can_be_waited_for(self):
        watch = self.here.spawn([MUSTER, "interfaces", "usb0", "--for", "1.5"], "watch", env={"TERM": "dumb"})
        watch.expect("text", PATIENCE, lambda event: "INDEX" in event["text"])
        self.here.ip("link add br0 type bridge", "link add usb0 type bridge")
        told = watch.expect("text", PATIENCE, lambda event: " + " in event["text"])["text"]
        self.assertIn("usb0: wired, bridge, off", told)
        self.assertEqual(watch.wait(PATIENCE), 0)
        self.assertFalse([line for line in watch.lines if "br0" in line], "the others are not asked for")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--muster", required=True)
    options, rest = parser.parse_known_args()
    MUSTER = os.path.abspath(options.muster)
    netlab.need_root("cli_interfaces_test")
    unittest.main(argv=[sys.argv[0], *rest])
