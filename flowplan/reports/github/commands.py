"""What is said of files -> commands for a GitHub runner, which puts each beside its line in the pull request.

A step shows ten annotations of a kind: the tenth says how many there are beside it. Every text is escaped, so that none
ends its command or begins another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeAlias

from flowplan.printable import shown

if TYPE_CHECKING:
    from flowplan.documents.shapes.common import Place, Said
    from flowplan.documents.shapes.validate import Found, Span

    OneSaid: TypeAlias = Said | Found

_WORDS = {"error": "error", "warning": "warning", "note": "notice"}
_MOST = 10  # annotations of a kind that GitHub shows of a step
_LONGEST = 2000  # characters of a message; GitHub takes 4 KB of one


def annotated(said: Sequence[OneSaid], rest: str) -> str:
    """A line for each of them, errors first. `rest`: where those can be read that have no room."""
    return "".join(
        _of_kind([one for one in said if one["severity"] == severity], severity, rest) for severity in _WORDS
    )


def _of_kind(said: Sequence[OneSaid], severity: str, rest: str) -> str:
    kept = said if len(said) <= _MOST else said[: _MOST - 1]
    lines = [_annotation(one) for one in kept]
    if more := len(said) - len(kept):
        lines.append(command(_WORDS[severity], f"{more} more {severity}s: {rest}"))
    return "".join(lines)


def _annotation(said: OneSaid) -> str:
    more = said["detail"] if "code" in said else None  # that of a plan is a word for programs
    hint = f"hint: {said['hint']}" if said["hint"] else None
    parts = [part for part in (said["summary"], *(more or "").splitlines(), hint) if part]
    where = _where(said["source"]) if said["source"] else {}
    return command(_WORDS[said["severity"]], "\n".join(shown(part, _LONGEST) for part in parts), where)


def _where(place: Span | Place) -> dict[str, str]:
    """Where an annotation stands; its end, too, where that is known."""
    names = {"file": "file", "line": "line", "end_line": "endLine", "column": "col", "end_column": "endColumn"}
    return {names[name]: str(value) for name, value in place.items()}


def command(word: str, message: str, properties: dict[str, str] | None = None) -> str:
    """One command, with its line break."""
    named = ",".join(f"{key}={_property(value)}" for key, value in (properties or {}).items())
    return f"::{word}{' ' if named else ''}{named}::{_data(message)}\n"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(shown(text, _LONGEST)).replace(":", "%3A").replace(",", "%2C")
