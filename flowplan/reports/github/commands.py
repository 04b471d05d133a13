"""What is said of files -> commands for a GitHub runner, which puts each beside its line in the pull request.

A step shows ten annotations of a kind: the tenth says how many there are beside it. Every text is escaped, so that none
ends its command or begins another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from flowplan.printable import shown

if TYPE_CHECKING:
    from flowplan.documents.shapes.common import Said

_WORDS = {"error": "error", "warning": "warning", "note": "notice"}
_MOST = 10  # annotations of a kind that GitHub shows of a step
_LONGEST = 2000  # characters of a message; GitHub takes 4 KB of one


def annotated(said: Sequence[Said], rest: str) -> str:
    """A line for each of them, errors first. `rest`: where those can be read that have no room."""
    return "".join(
        _of_kind([one for one in said if one["severity"] == severity], severity, rest) for severity in _WORDS
    )


def _of_kind(said: Sequence[Said], severity: str, rest: str) -> str:
    kept = said if len(said) <= _MOST else said[: _MOST - 1]
    lines = [_annotation(one) for one in kept]
    if more := len(said) - len(kept):
        lines.append(command(_WORDS[severity], f"{more} more {severity}s: {rest}"))
    return "".join(lines)


def _annotation(said: Said) -> str:
    hint = f"\nhint: {shown(said['hint'], _LONGEST)}" if said["hint"] else ""
    place = said["source"]
    where = {"file": place["file"], "line": str(place["line"]), "col": str(place["column"])} if place else {}
    return command(_WORDS[said["severity"]], f"{shown(said['summary'], _LONGEST)}{hint}", where)


def command(word: str, message: str, properties: dict[str, str] | None = None) -> str:
    """One command, with its line break."""
    named = ",".join(f"{key}={_property(value)}" for key, value in (properties or {}).items())
    return f"::{word}{' ' if named else ''}{named}::{_data(message)}\n"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(shown(text, _LONGEST)).replace(":", "%3A").replace(",", "%2C")
