"""What a shell has to know to complete our commands, taken from the argument parsers, and its scripts."""

import argparse
import shlex
from collections.abc import Iterator
from dataclasses import dataclass

from .tree import Parser, subcommands

PROGRAM = "ecitizen"
FILES = frozenset({"FILE", "PATH", "DIR"})
"""Names of values that are paths of files."""


@dataclass(frozen=True, slots=True)
class Values:
    """What can stand in one place: some known words, a file, or what only the user knows."""

    words: tuple[str, ...] = ()
    files: bool = False


@dataclass(frozen=True, slots=True)
class Option:
    """An option of a command. `value` is None where it takes none."""

    names: tuple[str, ...]
    summary: str
    value: Values | None


@dataclass(frozen=True, slots=True)
class Command:
    """A command, or a group of commands; `path` is how it is called, without the program's name."""

    path: tuple[str, ...]
    options: tuple[Option, ...]
    arguments: Values
    summaries: dict[str, str]
    """What each command below it does."""
    is_group: bool = True
    """False of a command that can be called by itself, too, whatever is below it."""


def describe(top: argparse.ArgumentParser) -> tuple[Command, ...]:
    """All commands, groups before what is in them."""
    return tuple(_walk(top, (), _names()))


def _names() -> dict[str, tuple[str, ...]]:
    """Words that options of these names take, where they are known: those of the applications installed now."""
    from cardapps.piv.layout import ObjectId, Slot
    from ecitizen.algorithms import KeyAlgorithm
    from ecitizen.apps import installed_drivers
    from ecitizen.emulator.persona import installed_personas

    objects = tuple(each.name.lower() for each in ObjectId)

    drivers = installed_drivers()
    return {
        "app": tuple(driver.name for driver in drivers),
        "field": tuple(f"{driver.name}.{field}" for driver in drivers for field in driver.fields),
        "persona": tuple(sorted(installed_personas())),
        "words": ("th", "en"),
        "slot": tuple(str(slot) for slot in Slot),
        "algorithm": tuple(KeyAlgorithm),
        "atr": ("thai", "piv"),
        "read": objects,
        "write": objects,
        "delete": objects,
    }


def _walk(
    parser: argparse.ArgumentParser, path: tuple[str, ...], names: dict[str, tuple[str, ...]]
) -> Iterator[Command]:
    options: list[Option] = []
    words: list[str] = []
    files = False
    summaries: dict[str, str] = {}
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            summaries = {str(choice.dest): str(choice.help) for choice in action._choices_actions}
            continue
        known = tuple(str(choice) for choice in action.choices or names.get(action.dest, ()))
        values = Values(known, action.metavar in FILES)
        if action.option_strings:
            summary = (action.help or "").partition(" (")[0]
            options.append(Option(tuple(action.option_strings), summary, None if action.nargs == 0 else values))
        else:
            words += known
            files = files or values.files
    below = subcommands(parser)
    is_group = bool(below)
    if isinstance(parser, Parser):
        summaries |= {name: each.help for name, each in parser.beside.items()}
        below |= parser.beside
    yield Command(path, tuple(options), Values(tuple(words), files), summaries, is_group)
    for name, each in below.items():
        yield from _walk(each, (*path, name), names)


def bash(commands: tuple[Command, ...]) -> str:
    """A script for bash 4 and later."""
    steps = [_joined((*command.path, name)) for command in commands for name in command.summaries]
    skips, values, places = [], [], []
    for command in commands:
        for option in command.options:
            if option.value is not None:
                keys = [_joined((*command.path, name)) for name in option.names]
                skips += keys
                values.append(f"        {_pattern(keys)}) {_bash_offer(option.value)}; return ;;")
        offered = [*command.summaries, *command.arguments.words]
        offered += [name for option in command.options for name in option.names if name.startswith("--")]
        place = Values(tuple(offered), command.arguments.files)
        places.append(f"        {_pattern([_joined(command.path)])}) {_bash_offer(place)} ;;")
    lines = [
        f"# {PROGRAM} completion bash",
        '_ecitizen_words() { mapfile -t COMPREPLY < <(compgen -W "$*" -- "$word"); }',
        "_ecitizen_files() {",
        "    compopt -o filenames",
        '    mapfile -t -O ${#COMPREPLY[@]} COMPREPLY < <(compgen -f -- "$word")',
        "}",
        "_ecitizen() {",
        "    local word=${COMP_WORDS[COMP_CWORD]} last=${COMP_WORDS[COMP_CWORD-1]} at= skip= i",
        "    for ((i = 1; i < COMP_CWORD; i++)); do",
        "        if [[ $skip ]]; then skip=; continue; fi",
        '        case "$at ${COMP_WORDS[i]}" in',
        f"        {_pattern(skips)}) skip=yes ;;",
        f'        {_pattern(steps)}) at+=" ${{COMP_WORDS[i]}}" ;;',
        '        " trace --") at= ;;  # what follows is a command of its own',
        "        esac",
        "    done",
        "    COMPREPLY=()",
        '    case "$at $last" in',
        *values,
        "    esac",
        '    case "$at" in',
        *places,
        "    esac",
        "}",
        f"complete -F _ecitizen {PROGRAM}",
    ]
    return "\n".join(lines) + "\n"


def _bash_offer(values: Values) -> str:
    """Bash commands that offer these values for the word under the cursor."""
    offers = []
    if values.words:
        offers.append(f"_ecitizen_words {shlex.join(values.words)}")
    if values.files:
        offers.append("_ecitizen_files")
    return "; ".join(offers) or ":"


def _joined(path: tuple[str, ...]) -> str:
    return "".join(f" {word}" for word in path)


def _pattern(keys: list[str]) -> str:
    return "|".join(f'"{key}"' for key in keys)


def zsh(commands: tuple[Command, ...]) -> str:
    """A script for zsh: a function for each command, in terms of its _arguments."""
    lines = [f"#compdef {PROGRAM}", f"# {PROGRAM} completion zsh"]
    for command in commands:
        lines += ["", f"{_function(command.path)}() {{", *_zsh_body(command), "}"]
    lines += ["", f"if [[ $funcstack[1] == _{PROGRAM} ]]; then", f'    _{PROGRAM} "$@"', "else"]
    lines += [f"    compdef _{PROGRAM} {PROGRAM}", "fi"]
    return "\n".join(lines) + "\n"


def _zsh_body(command: Command) -> Iterator[str]:
    specs = [_zsh_option(option, name) for option in command.options for name in option.names]
    if command.path == ("trace",):
        specs.append("'*::command:->command'")
    elif command.is_group:
        if command.arguments.files:
            specs.append("'1:file:_files'")
        specs += ["':command:->name'", "'*::command:->command'"]
    elif command.summaries:
        specs.append(f"'1: :{{_values command {' '.join(command.summaries)}; _files}}'")
    elif command.arguments.words:
        place = "1" if command.arguments.files else "*"
        specs.append(f"'{place}:value:({' '.join(command.arguments.words)})'")
    if command.arguments.files and not command.is_group:
        specs.append("'*:file:_files'")
    if not command.is_group:
        for name in command.summaries:
            step = f"shift words; (( CURRENT-- )); {_function((*command.path, name))}; return"
            yield f"    if [[ $words[2] == {name} ]] && (( CURRENT > 2 )); then {step}; fi"
    yield "    local context state state_descr line"
    yield "    typeset -A opt_args"
    yield "    _arguments -C \\"
    yield from (f"        {spec} \\" for spec in specs[:-1])
    yield f"        {specs[-1]}"
    if command.path == ("trace",):
        yield f"    if [[ $state == command ]]; then [[ $words[1] == -- ]] || words=(-- $words); _{PROGRAM}; fi"
    elif command.is_group:
        described = " ".join(
            shlex.quote(f"{name}:{summary.replace(':', ',')}") for name, summary in command.summaries.items()
        )
        yield "    case $state in"
        yield f"    name) local -a names=({described}); _describe command names ;;"
        yield f"    command) case $line[{2 if command.arguments.files else 1}] in"
        yield from (f"        {name}) {_function((*command.path, name))} ;;" for name in command.summaries)
        yield "        esac ;;"
        yield "    esac"


def _zsh_option(option: Option, name: str) -> str:
    summary = option.summary.translate(str.maketrans("[]:'", "(),’"))
    if option.value is None:
        return f"'{name}[{summary}]'"
    action = "_files" if option.value.files else f"({' '.join(option.value.words)})" if option.value.words else " "
    return f"'*{name}[{summary}]:value:{action}'"


def _function(path: tuple[str, ...]) -> str:
    return "_".join(["", PROGRAM, *path])


def fish(commands: tuple[Command, ...]) -> str:
    """A script for fish: a line for each thing that can be completed, with the condition under which it can."""
    lines = [f"# {PROGRAM} completion fish", f"complete -c {PROGRAM} -f"]
    for command in commands:
        below = " ".join(command.summaries)
        at = [f"__fish_seen_subcommand_from {word}" for word in command.path]
        groups = _groups_with(command.path, commands)
        at += [f"not __fish_seen_subcommand_from {each}" for each in (groups, below) if each]
        start = f"complete -c {PROGRAM} -n {shlex.quote('; and '.join(at) or 'true')}"
        lines += [f"{start} -a {name} -d {_fish(summary)}" for name, summary in command.summaries.items()]
        lines += [f"{start} {_fish_option(option)}" for option in command.options]
        if command.arguments.words:
            lines.append(f"{start} -a {_fish(' '.join(command.arguments.words))}")
        if command.arguments.files:
            lines.append(f"{start} -F")
    return "\n".join(lines) + "\n"


def _groups_with(path: tuple[str, ...], commands: tuple[Command, ...]) -> str:
    """Groups that have a command of the same name as this one at the top, as `piv` has a `sign`."""
    if len(path) != 1:
        return ""
    return " ".join(dict.fromkeys(each.path[0] for each in commands if path[0] in each.path[1:]))


def _fish_option(option: Option) -> str:
    parts = [f"-l {name[2:]}" if name.startswith("--") else f"-s {name[1:]}" for name in option.names]
    if option.value is not None:
        parts.append("-r -F" if option.value.files else "-x")
        if option.value.words:
            parts.append(f"-a {_fish(' '.join(option.value.words))}")
    return " ".join([*parts, f"-d {_fish(option.summary)}"])


def _fish(text: str) -> str:
    """A text in quotes, as fish wants them."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
