"""What sanitizers say about the programs of a laboratory.

A sanitizer writes to standard error and ends the program with an exit code of its own. A laboratory looks at neither when
it has what it wanted to measure: it stops programs without asking how they ended, kills some, forgets others. So each
program's sanitizer writes into a file, and whoever owns the laboratory asks for the files in the end. What a program
would have told when it ended by itself, leaks above all, is not known of one that was killed.
"""
import os
from pathlib import Path

# LeakSanitizer looks at a thread that is just ending, and goes on without it.
HARMLESS = "Unable to get registers from thread"
OPTIONS = ("ASAN_OPTIONS", "TSAN_OPTIONS", "UBSAN_OPTIONS")


class Reports:
    """From its making to restore(), programs that this one starts report into files of `folder`."""

    def __init__(self, folder):
        self._folder = Path(folder)
        self._before = {name: os.environ.get(name) for name in OPTIONS}
        for name, before in self._before.items():
            os.environ[name] = ":".join(filter(None, (before, f"log_path={self._folder / 'sanitizer'}")))

    def restore(self):
        for name, before in self._before.items():
            if before is None:
                del os.environ[name]
            else:
                os.environ[name] = before

    def text(self):
        """All reports so far, or nothing."""
        texts = [path.read_text(errors="replace") for path in sorted(self._folder.glob("sanitizer.*"))]
        return "\n".join(text for text in texts
                         if any(line.strip() and HARMLESS not in line for line in text.splitlines()))
