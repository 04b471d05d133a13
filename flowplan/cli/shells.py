"""What bash, zsh and fish read so that they complete, and what they get when they ask. The scripts are click's where
they carry any value."""

from __future__ import annotations

import os
from collections.abc import Mapping

import click
from click.shell_completion import (
    BashComplete,
    CompletionItem,
    FishComplete,
    ShellComplete,
    ZshComplete,
    split_arg_string,
)

from flowplan.cli.completing import VARIABLE


class Bash(BashComplete):
    """The line is read as it was typed: bash's own words end at every `:` and `=`."""

    source_template = """\
%(complete_func)s() {
    local kind value
    COMPREPLY=()
    while IFS=, read -r kind value; do
        case $kind in
            dir) compopt -o dirnames ;;
            file) compopt -o default ;;
            plain) COMPREPLY+=("$value") ;;
        esac
    done < <(%(complete_var)s=bash_complete COMP_WORDS="${COMP_LINE:0:COMP_POINT}" "$1" 2>/dev/null)
}
complete -o nosort -F %(complete_func)s %(prog_name)s
"""

    def source(self) -> str:
        return ShellComplete.source(self)  # click's starts a bash to ask for its version

    def get_completion_args(self) -> tuple[list[str], str]:
        line = os.environ["COMP_WORDS"]
        words = split_arg_string(line)[1:]
        return (words, "") if line[-1:].isspace() or not words else (words[:-1], words[-1])

    def format_completion(self, item: CompletionItem) -> str:
        """A value is inserted as it stands: what bash would take for more than text there is escaped."""
        return f"{item.type},{_escaped(item.value, _open_quote(os.environ['COMP_WORDS']))}"


_PLAIN = "_-+@%./,:=~^"


def _open_quote(line: str) -> str:
    """The quotation mark between which and another `line` ends; "" where it ends between none."""
    quote, escaped = "", False
    for char in line:
        if escaped:
            escaped = False
        elif char == "\\" and quote != "'":
            escaped = True
        elif char == quote:
            quote = ""
        elif char in "'\"" and not quote:
            quote = char
    return quote


def _escaped(value: str, quote: str) -> str:
    """`value` as bash reads it again after `quote`, which bash closes."""
    if quote == "'":
        return value.replace("'", "'\\''")
    return "".join(f"\\{c}" if (c in '"$`\\' if quote else not (c.isalnum() or c in _PLAIN)) else c for c in value)


class Fish(FishComplete):
    """What a value is for stands behind a comma, which no value has: no output of flowplan has a tab."""

    source_template = """\
function %(complete_func)s
    for completion in (env %(complete_var)s=fish_complete COMP_WORDS=(commandline -cp | string collect) \\
            COMP_CWORD=(commandline -t | string collect) %(prog_name)s 2>/dev/null)
        set -l metadata (string split -m 2 "," -- $completion)
        switch $metadata[1]
            case dir
                __fish_complete_directories $metadata[2]
            case file
                __fish_complete_path $metadata[2]
            case plain
                printf '%%s\\t%%s\\n' $metadata[2] $metadata[3]
        end
    end
end
complete --no-files --command %(prog_name)s --arguments "(%(complete_func)s)"
"""

    def format_completion(self, item: CompletionItem) -> str:
        return f"{item.type},{item.value},{item.help or ''}"


_SHELLS: Mapping[str, type[ShellComplete]] = {"bash": Bash, "zsh": ZshComplete, "fish": Fish}
SHELLS = tuple(_SHELLS)


def script(command: click.Command, shell: str) -> str:
    """What `shell` reads so that it completes `flowplan`."""
    return _SHELLS[shell](command, {}, "flowplan", VARIABLE).source()


def answer(command: click.Command, instruction: str) -> str:
    """What the shell of `instruction` asks for in mid-line; nothing where that is unclear: a shell shows no errors
    there."""
    shell, _, what = instruction.partition("_")
    if shell not in _SHELLS or what != "complete":
        return ""
    try:
        return _SHELLS[shell](command, {"obj": {}}, "flowplan", VARIABLE).complete()
    except Exception:  # noqa: BLE001 - whatever is wrong with the line is said once it is run
        return ""
