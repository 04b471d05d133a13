"""YAML text -> events, by two parsers. Pure.

The fast one is libyaml 0.1, in C. It knows YAML 1.1 and reads nearly every file. What it refuses, or reads otherwise
than YAML 1.2 has it (`[h100:8]`, `&an:chor`), the exact one reads again, in Python, at a twentieth of the speed.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from flowplan.config.yaml.text import Mark, mark_at, moved
from flowplan.patterns import regex

MAX_EXACT = 2_000_000  # characters: five seconds

ODD_NAME = "found a name of an anchor that goes on"

# What the exact parser says -> what the fast one says of the same mistake.
_SAME: tuple[tuple[str, str, str], ...] = (
    ("mapping values are not allowed", "", "mapping values are not allowed in this context"),
    ("sequence entries are not allowed", "", "block sequence entries are not allowed in this context"),
    ("mapping keys are not allowed", "", "mapping keys are not allowed in this context"),
    ("expected ',' or ']'", "", "did not find expected ',' or ']'"),
    ("expected ',' or '}'", "", "did not find expected ',' or '}'"),
    ("expected <block end>", "while parsing a block mapping", "did not find expected key"),
    ("expected <block end>", "while parsing a block collection", "did not find expected '-' indicator"),
    ("expected the node content", "", "did not find expected node content"),
    ("expected '<document start>'", "", "did not find expected <document start>"),
    ("found non-comment content after document end", "", "did not find expected <document start>"),
    ("expected alphabetic or numeric character", "", "did not find expected alphabetic or numeric character"),
    ("expected escape sequence of", "", "did not find expected hexdecimal number"),
    ("found unknown escape character", "", "found unknown escape character"),
    ("found undefined tag handle", "", "found undefined tag handle"),
    ("found unexpected document separator", "", "found unexpected document indicator"),
    ("found character", "while scanning for the next token", "found character that cannot start any token"),
)
_SURROGATE = regex("[\ud800-\udfff]")
_NAME = regex(r"[&*]([^\s,\[\]{}]*)")  # of an anchor or alias


class NotRead(Exception):
    """A parser cannot read on, or has read something else than what is written. `problem` is its own text, `stopped`
    where it is; `context` and `began`: what it was reading then, and where that begins."""

    def __init__(self, problem: str, stopped: Mark, context: str = "", began: Mark | None = None) -> None:
        super().__init__(problem)
        self.problem = problem
        self.stopped = stopped
        self.context = context
        self.began = began


def fast(content: str) -> Iterator[Any]:
    """The events of `content`. Raises NotRead."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError

    try:
        _, parser = YAML(typ="safe").get_constructor_parser(content)
        yield from iter(parser.get_event, None)  # without a look at each event before it is taken
    except MarkedYAMLError as error:
        raise NotRead(error.problem, error.problem_mark, error.context or "", error.context_mark) from None


def exact(content: str, start: int) -> Iterator[Any]:
    """The events of `content` from `start` on, where a document begins; their marks are those of the whole text.
    Raises NotRead."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError
    from ruamel.yaml.events import ScalarEvent

    base = mark_at(content, start)
    at: Mark = base
    try:
        for event in YAML(typ="safe", pure=True).parse(content[start:]):
            event.start_mark, at = moved(event.start_mark, base), moved(event.end_mark, base)
            event.end_mark = at
            if isinstance(event, ScalarEvent):
                _check(content, event)
            yield event
    except MarkedYAMLError as error:
        began, stopped = error.context_mark, error.problem_mark or error.context_mark
        raise NotRead(
            _same(error.problem or error.context or "", error.context),
            moved(stopped, base) if stopped else at,
            error.context or "",
            moved(began, base) if began else None,
        ) from None
    except (AssertionError, ValueError, OverflowError) as error:  # of what its authors did not think of
        raise NotRead(str(error), at) from None


def better(first: NotRead, second: NotRead) -> NotRead:
    """Which of the two tells more about a document that neither parser reads: that of the one that came further.
    A bad name explains what follows in its line; and of an escape the exact parser tells the second character."""
    lines = [mark.line for mark in (second.stopped, second.began) if mark is not None]
    if first.problem == ODD_NAME and first.stopped.line in lines:
        return first
    return second if second.stopped.index > first.stopped.index + 1 else first


def _check(content: str, scalar: Any) -> None:
    """Raises NotRead for what this parser lets pass."""
    if not scalar.value.isascii() and _SURROGATE.search(scalar.value):
        raise NotRead("found invalid Unicode character escape code", scalar.start_mark)
    if not scalar.style and scalar.value[-1:] == ":":  # `[d:]`: a key without a value, by YAML 1.2
        raise NotRead("found unexpected ':'", mark_at(content, scalar.end_mark.index - 1, scalar.start_mark))


def _same(problem: str, context: str | None) -> str:
    for says, when, same in _SAME:
        if problem.startswith(says) and (not when or when == context):
            return same
    return problem


def misread(content: str, mark: Mark, name: str) -> NotRead | None:
    """Whether an anchor or alias at `mark` is written with another name than `name`. With a tag before it nothing
    is said: a tag is refused anyway."""
    written = _NAME.match(content, mark.index)
    if written is None or written[1] == name:
        return None
    return NotRead(ODD_NAME, mark_at(content, mark.index + 1 + len(name), mark))
