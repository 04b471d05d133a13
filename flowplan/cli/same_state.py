"""What a failure says to type works on the state that the command was given."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any

from flowplan.patterns import regex

_OPTIONS = ("chdir", "state", "endpoint")  # what says which state
_COMMAND = regex(
    r"\bflowplan (?:recover|plan|apply|destroy|watch|status|cost|show|output|import|orphans|force-unlock|lock show"
    r"|state (?:history|restore|list|show|mv|rm|pull|push|rekey))\b"
)


def options_in(given: Mapping[str, Any]) -> str:
    """Those options as they are `given`, for a command line; "" where there are none, or one holds a password."""
    words = [(f"--{name}", str(given[name])) for name in _OPTIONS if given.get(name)]
    if any(":" in word.partition("://")[2].rpartition("@")[0] for _, word in words):
        return ""
    return " ".join(f"{option} {shlex.quote(word)}" for option, word in words)


def on_same_state(hint: str, options: str) -> str:
    """`hint`, whose commands have these `options`; one that says of which state it speaks stays."""
    if "--state" in hint or not options:
        return hint
    return _COMMAND.sub(lambda found: f"{found[0]} {options}", hint)
