#!/usr/bin/env python3
"""Turns the description that `muster help --json` prints into man pages and a bash completion.

  generate_docs.py DESCRIPTION.json OUTPUT_DIR [--date YYYY-MM-DD]

writes OUTPUT_DIR/man1/muster.1, OUTPUT_DIR/man1/muster-COMMAND.1 for each command, and OUTPUT_DIR/completions/muster.

The description is one object; what is marked ? may be missing:
  program?      "muster"
  version?      "0.1.0"
  summary?      one line
  description?  paragraphs, separated by empty lines; lines that start with a space are kept as they are
  options?      options that every command takes
  exit_codes?   [{"code": 0, "meaning": "..."}]
  commands      [{"name", "summary", "description"?, "arguments"?, "options"?, "examples"?}]
An option is    {"flags": ["-g", "--group"] or "-g,--group", "arg"?: "NAME", "choices"?: ["a", "b"], "help": "..."}
An argument is  {"name": "FILE", "help"?: "...", "optional"?: true, "repeated"?: true, "choices"?: [...]}
An example is   {"command": "muster host", "help"?: "..."} or just the command line.
Names of arguments that contain FILE, PATH or DIR complete to files.
"""
import argparse
import json
import re
import shlex
import sys
from pathlib import Path

PATH_WORDS = ("FILE", "PATH", "DIR")


def flags_of(option):
    flags = option["flags"]
    return flags if isinstance(flags, list) else re.split(r"[,\s]+", flags.strip())


def roff(text):
    """Text that roff prints as it is."""
    escaped = text.replace("\\", "\\e").replace("-", "\\-").replace("'", "\\(aq")
    return re.sub(r"^\.", "\\&.", escaped, flags=re.M)


def paragraphs(text):
    lines = []
    for block in re.split(r"\n\s*\n", text.strip("\n")):
        as_is = block.startswith(" ")
        lines += [".PP", ".nf" if as_is else None, roff(block), ".fi" if as_is else None]
    return [line for line in lines if line]


def option_lines(options):
    for option in options:
        names = ", ".join(f"\\fB{roff(flag)}\\fR" for flag in flags_of(option))
        arg = option.get("arg") or ("|".join(option["choices"]) if option.get("choices") else "")
        yield from (".TP", names + (f" \\fI{roff(arg)}\\fR" if arg else ""), roff(option.get("help") or " "))


def usage_of(argument):
    text = argument["name"] + ("..." if argument.get("repeated") else "")
    return f"[{text}]" if argument.get("optional") else text


def example_lines(examples):
    for example in examples:
        if isinstance(example, str):
            example = {"command": example}
        yield ".PP"
        if example.get("help"):
            yield roff(example["help"])
        yield from (".RS 4", ".nf", f"\\fB{roff(example['command'])}\\fR", ".fi", ".RE")


def section(title, lines):
    lines = list(lines)
    return [f".SH {title}", *lines] if lines else []


class Manual:
    def __init__(self, description, date):
        self.program = description.get("program", "muster")
        self.all = description
        self.commands = description["commands"]
        self.source = f"{self.program} {description.get('version', '')}".strip()
        self.date = date

    def page(self, name, summary, sections):
        title = f'.TH "{name.upper()}" "1" "{self.date}" "{self.source}" "User commands"'
        lines = [title, ".ad l", ".nh", ".SH NAME", f"{roff(name)} \\- {roff(summary)}", *sections]
        return "\n".join(lines) + "\n"

    def main_page(self):
        overview = []
        for command in self.commands:
            overview += [".TP", f"\\fB{roff(self.program)}\\-{roff(command['name'])}\\fR(1)", roff(command["summary"])]
        codes = []
        for entry in self.all.get("exit_codes", []):
            codes += [".TP", f"\\fB{entry['code']}\\fR", roff(entry["meaning"])]
        return self.page(self.program, self.all.get("summary", "devices that find each other and stay connected"), [
            *section("SYNOPSIS", [f"\\fB{roff(self.program)}\\fR \\fICOMMAND\\fR [\\fIOPTION\\fR...] [\\fIARGUMENT\\fR...]"]),
            *section("DESCRIPTION", paragraphs(self.all.get("description", ""))),
            *section("COMMANDS", overview),
            *section("OPTIONS", option_lines(self.all.get("options", []))),
            *section("EXIT STATUS", codes),
        ])

    def command_page(self, command):
        name = command["name"]
        arguments = command.get("arguments", [])
        usage = " ".join(f"\\fI{roff(usage_of(argument))}\\fR" for argument in arguments)
        synopsis = f"\\fB{roff(self.program)} {roff(name)}\\fR [\\fIOPTION\\fR...] {usage}".rstrip()
        described = [line for argument in arguments if argument.get("help")
                     for line in (".TP", f"\\fI{roff(argument['name'])}\\fR", roff(argument["help"]))]
        return self.page(f"{self.program}-{name.replace(' ', '-')}", command["summary"], [
            *section("SYNOPSIS", [synopsis]),
            *section("DESCRIPTION", paragraphs(command.get("description") or command["summary"])),
            *section("ARGUMENTS", described),
            *section("OPTIONS", option_lines(command.get("options", []) + self.all.get("options", []))),
            *section("EXAMPLES", example_lines(command.get("examples", []))),
            *section("SEE ALSO", [f"\\fB{roff(self.program)}\\fR(1)"]),
        ])


def value_rule(choices, arg):
    """What completes a value, as a word of the completion script: :a b c, or @files."""
    if choices:
        return ":" + " ".join(choices)
    return "@files" if any(word in (arg or "").upper() for word in PATH_WORDS) else ":"


def completion(description):
    program = description.get("program", "muster")
    function = "_" + re.sub(r"\W", "_", program)
    shared = description.get("options", [])
    lines = [f"# bash completion for {program}; generated, do not edit", f"{function}_rules() {{", "    case $1 in"]
    for command in description["commands"]:
        options = command.get("options", []) + shared
        flags = [flag for option in options for flag in flags_of(option)]
        lines.append(f"        {shlex.quote(command['name'])})")
        lines.append(f"            flags={shlex.quote(' '.join(flags))}")
        arguments = command.get("arguments", [])
        rule = value_rule(arguments[-1].get("choices"), arguments[-1]["name"]) if arguments else ":"
        lines.append(f"            words={shlex.quote(rule)}")
        valued = [option for option in options if option.get("arg") or option.get("choices")]
        if valued:
            lines.append("            case $2 in")
            for option in valued:
                rule = value_rule(option.get("choices"), option.get("arg"))
                lines.append(f"                {'|'.join(map(shlex.quote, flags_of(option)))}) value={shlex.quote(rule)} ;;")
            lines.append("            esac")
        lines.append("            ;;")
    names = " ".join(command["name"] for command in description["commands"])
    top = " ".join(flag for option in shared for flag in flags_of(option))
    return "\n".join(lines) + f"""
    esac
}}

{function}_offer() {{  # rule, word to complete
    case $1 in
        @files) compopt -o filenames 2>/dev/null || true; mapfile -t COMPREPLY < <(compgen -f -- "$2") ;;
        :*) mapfile -t COMPREPLY < <(compgen -W "${{1#:}}" -- "$2") ;;
    esac
}}

{function}() {{
    local current=${{COMP_WORDS[COMP_CWORD]}} previous=${{COMP_WORDS[COMP_CWORD - 1]}}
    local command='' flags='' words=: value='' i
    COMPREPLY=()
    for ((i = 1; i < COMP_CWORD; ++i)); do
        if [[ ${{COMP_WORDS[i]}} != -* ]]; then command=${{COMP_WORDS[i]}}; break; fi
    done
    if [[ -z $command ]]; then
        {function}_offer {shlex.quote(":" + (names + ' ' + top).strip())} "$current"
        return
    fi
    {function}_rules "$command" "$previous"
    if [[ -n $value ]]; then {function}_offer "$value" "$current"
    elif [[ $current == -* ]]; then {function}_offer ":$flags" "$current"
    else {function}_offer "$words" "$current"
    fi
}}

complete -F {function} {program}
"""


def generate(description, date):
    """All files: {path below the output folder: text}."""
    manual = Manual(description, date)
    files = {f"man1/{manual.program}.1": manual.main_page(), f"completions/{manual.program}": completion(description)}
    for command in manual.commands:
        files[f"man1/{manual.program}-{command['name'].replace(' ', '-')}.1"] = manual.command_page(command)
    return files


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("description", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--date", default="", help="for the foot of the pages")
    options = parser.parse_args()
    files = generate(json.loads(options.description.read_text(encoding="utf-8")), options.date)
    for name, text in files.items():
        target = options.output / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
    print(f"{len(files)} files in {options.output}")


if __name__ == "__main__":
    sys.exit(main())
