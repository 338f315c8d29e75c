#!/usr/bin/env python3
"""What generate_docs.py makes of a description: pages that man renders, a completion that bash runs."""
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

import generate_docs

DESCRIPTION = {
    "version": "1.2.3",
    "summary": "devices that find each other",
    "description": "First paragraph.\n\n  kept   as it is\n\n.starts with a dot",
    "options": [{"flags": ["--json"], "help": "prints JSON"}],
    "exit_codes": [{"code": 0, "meaning": "all went well"}, {"code": 3, "meaning": "no coordinator"}],
    "commands": [
        {"name": "host", "summary": "hosts a group", "description": "Hosts it.",
         "options": [{"flags": "-g,--group", "arg": "NAME", "help": "the group's name; it's shown to members"},
                     {"flags": ["--profile"], "arg": "PROFILE", "choices": ["realtime", "balanced"], "help": "liveness"},
                     {"flags": ["--identity"], "arg": "DIR", "help": "where the key is"}],
         "examples": [{"command": "muster host --group stage", "help": "Host 'stage':"}, "muster host --json"]},
        {"name": "send", "summary": "sends files", "arguments": [{"name": "FILE", "repeated": True, "help": "what to send"}]},
        {"name": "version", "summary": "prints the version"},
    ],
}


class ManPages(unittest.TestCase):
    def setUp(self):
        self.files = generate_docs.generate(DESCRIPTION, "2026-01-02")

    def rendered(self, name):
        if not shutil.which("man"):
            self.skipTest("man is not installed")
        with tempfile.NamedTemporaryFile("w", suffix=".1") as page:
            page.write(self.files[f"man1/{name}.1"])
            page.flush()
            done = subprocess.run(["man", "--warnings", "-l", page.name], capture_output=True, text=True, check=True,
                                  env={"MANWIDTH": "100", "LC_ALL": "C.UTF-8", "PATH": "/usr/bin:/bin", "MANROFFOPT": ""})
        self.assertEqual(done.stderr, "")
        return done.stdout

    def test_there_is_a_page_for_the_program_and_each_command(self):
        self.assertEqual({name for name in self.files if name.startswith("man1/")},
                         {f"man1/muster{suffix}.1" for suffix in ("", "-host", "-send", "-version")})

    def test_the_main_page_lists_commands_options_and_exit_codes(self):
        text = self.rendered("muster")
        for part in ("muster-host(1)", "hosts a group", "--json", "no coordinator", "muster 1.2.3", "2026-01-02"):
            self.assertIn(part, text)
        self.assertIn("kept   as it is", text)
        self.assertIn(".starts with a dot", text)

    def test_a_command_page_shows_its_options_and_examples(self):
        text = self.rendered("muster-host")
        for part in ("-g, --group NAME", "it's shown to members", "muster host --group stage", "Host 'stage':", "--json"):
            self.assertIn(part, text)
        self.assertIn("FILE...", self.rendered("muster-send"))

    def test_dashes_can_be_copied_from_the_page(self):
        self.assertIn("\\-\\-group", self.files["man1/muster-host.1"])


class Completion(unittest.TestCase):
    def complete(self, *words, folder="/"):
        """What bash offers for the last word."""
        with tempfile.NamedTemporaryFile("w") as script:
            script.write(generate_docs.generate(DESCRIPTION, "")["completions/muster"])
            script.flush()
            program = ('source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _muster; '
                       'printf "%s\\n" "${COMPREPLY[@]}"')
            done = subprocess.run(["bash", "-euc", program, "bash", script.name, *words], cwd=folder,
                                  capture_output=True, text=True)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return set(done.stdout.split())

    def test_commands_come_first(self):
        self.assertEqual(self.complete("muster", ""), {"host", "send", "version", "--json"})
        self.assertEqual(self.complete("muster", "s"), {"send"})
        self.assertEqual(self.complete("muster", "--json", "h"), {"host"})

    def test_options_of_the_command_and_of_all(self):
        self.assertEqual(self.complete("muster", "host", "--"), {"--group", "--profile", "--identity", "--json"})
        self.assertEqual(self.complete("muster", "version", "-"), {"--json"})

    def test_values_of_an_option(self):
        self.assertEqual(self.complete("muster", "host", "--profile", ""), {"realtime", "balanced"})
        self.assertEqual(self.complete("muster", "host", "--group", ""), set())

    def test_files_where_files_are_wanted(self):
        with tempfile.TemporaryDirectory() as folder:
            Path(folder, "report.pdf").touch()
            self.assertEqual(self.complete("muster", "send", "rep", folder=folder), {"report.pdf"})
            self.assertEqual(self.complete("muster", "host", "--identity", "rep", folder=folder), {"report.pdf"})

    def test_an_unknown_command_offers_nothing(self):
        self.assertEqual(self.complete("muster", "dance", ""), set())


if __name__ == "__main__":
    unittest.main()
