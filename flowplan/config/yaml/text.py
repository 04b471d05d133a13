"""The characters of one file, what is refused among them, and problems that point into them. Pure."""

from __future__ import annotations

import re
from typing import Protocol

from attrs import evolve, field

from flowplan.classes import define
from flowplan.diagnostics import Diagnostic, Position, Severity
from flowplan.masking import MASK, declares, masked, opens_secret
from flowplan.patterns import regex
from flowplan.printable import shown, visible

SIZE_LIMIT = 10_000_000
MAX_PROBLEMS = 1_000  # of one run
MOST_PLACES = 50  # that one problem names


class Mark(Protocol):
    """A place in a text; everything counts from 0, in characters."""

    index: int
    line: int
    column: int


class TooManyProblems(Exception):
    """Nobody reads further; `Findings.all` ends with a problem that says so."""


@define(eq=False)
class Findings:
    """The problems found so far, each once: an anchor that is wrong is not wrong again at each alias. The first one
    names every further place of the others, up to MOST_PLACES."""

    all: list[Diagnostic] = field(factory=list)
    texts: dict[str, Text] = field(factory=dict, repr=False)  # by file
    secrets: set[str] = field(factory=set, repr=False)  # values that no problem may show
    _seen: dict[tuple[Position | None, str], int] = field(factory=dict)  # -> which of `all` it is

    def add(self, problem: Diagnostic) -> None:
        """Raises TooManyProblems at the limit."""
        if self.secrets:
            problem = problem.without(self.secrets)
        key = (problem.position, problem.summary)
        if key in self._seen:
            self._merge(self._seen[key], problem)
            return
        self._seen[key] = len(self.all)
        self.all.append(problem)
        if len(self.all) == MAX_PROBLEMS:
            summary = f"more than {MAX_PROBLEMS:,} problems: the rest is not shown"
            self.all.append(Diagnostic("too-many", summary, position=problem.position))
            raise TooManyProblems

    def _merge(self, index: int, again: Diagnostic) -> None:
        first = self.all[index]
        more = tuple(one for one in again.also if one not in first.also)
        if more and len(first.also) < MOST_PLACES:
            self.all[index] = evolve(first, also=(*first.also, *more)[:MOST_PLACES])

    def forget(self, count: int) -> None:
        """Leave out what was found after the first `count`: the text is read again."""
        for problem in self.all[count:]:
            self._seen.pop((problem.position, problem.summary), None)
        del self.all[count:]

    @property
    def has_errors(self) -> bool:
        """Whether something was found that is more than a warning."""
        return any(problem.severity == "error" for problem in self.all)


_BREAK = regex(r"\r\n|\r|\n")
_FORBIDDEN = "[^\t\n\r\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]"
_FORBIDDEN_ASCII = "[^\t\n\r\x20-\x7e]"
_ASCII = bytes([9, 10, 13, *range(0x20, 0x7F)])
_LONG_LINE = 1_000  # what stands further right is not shown
_BEYOND = 100


@define(eq=False)
class Text:
    """The characters of one file, and the way to report what is wrong with them."""

    file: str
    content: str
    findings: Findings
    _lines: list[str] | None = None

    def position(self, mark: Mark) -> Position:
        """The file, and the line and column counted from 1, of a mark counted from 0."""
        return Position(home_of(mark, self).file, mark.line + 1, mark.column + 1)

    def line(self, number: int) -> str | None:
        """The line `number` (from 1) as it may be printed: a character for a character, so that columns still
        point, but none that a terminal obeys; what looks like a credential is masked."""
        if self._lines is None:
            self._lines = _BREAK.split(self.content)
        if not 1 <= number <= len(self._lines):
            return None
        line = self._lines[number - 1][:_LONG_LINE]
        line = _blanked(line) if self._in_secret(number) else masked(line)
        return "".join(char if visible(char) or char == "\t" else "\N{REPLACEMENT CHARACTER}" for char in line)

    def _in_secret(self, number: int) -> bool:
        """Whether the line `number` belongs to a value that begins below the name of a secret."""
        lines = self._lines or []
        this, indent, direct = lines[number - 1], _indent(lines[number - 1]), True
        for line in reversed(lines[max(0, number - 1 - _BEYOND) : number - 1]):
            if line.strip() and _indent(line) < indent:
                if opens_secret(line[:_LONG_LINE]):
                    return not (direct and declares(this, line))
                indent, direct = _indent(line), False
        return False

    def inside(self, mark: Mark) -> Position:
        """The position of `mark`, or of the end of the last line that holds something when it is behind it."""
        if mark.index < len(self.content):
            return self.position(mark)
        before = self.content.rstrip()
        return self.position(mark_at(before, max(len(before) - 1, 0)))

    def problem(
        self,
        position: Position,
        summary: str,
        hint: str | None = None,
        *,
        code: str,
        detail: str | None = None,
        severity: Severity = "error",
        end: Position | None = None,
        also: tuple[tuple[str, Position], ...] = (),
        excerpt: bool = True,
    ) -> None:
        """Report something at `position`, up to `end` where that is known, with the line that stands there (not without
        `excerpt`: the line is what nobody should see)."""
        home = self.findings.texts.get(position.file, self)
        source = home.line(position.line) if excerpt and position.column <= _LONG_LINE else None
        if source is not None and len(source) > position.column + _BEYOND:
            source = source[: position.column + _BEYOND] + "\N{HORIZONTAL ELLIPSIS}"
        self.findings.add(
            Diagnostic(
                code,
                summary,
                hint,
                detail=detail,
                severity=severity,
                position=position,
                source=source,
                end=end,
                also=also,
            )
        )


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def _blanked(line: str) -> str:
    return line[: _indent(line)] + MASK


def quoted(text: str) -> str:
    """`text` from a file as messages show it: in quotes, escaped, cut, without what looks like a credential."""
    return f"'{shown(masked(text[:200]))}'"


def strange_character(text: str) -> str | None:
    """What to say of the first character that is not what it seems, or not seen at all."""
    from unicodedata import name as name_of  # only when something is wrong

    for char in text[:200]:
        if not char.isascii() or not char.isprintable():
            name = name_of(char, "a control character").lower()
            return f"it has the character U+{ord(char):04X} ({name})"
    return None


def read_text(file: str, data: bytes, findings: Findings) -> Text | None:
    """`data` as text; None when something in it is refused, which is then in `findings`."""
    if len(data) > SIZE_LIMIT:
        summary = f"the file is larger than {SIZE_LIMIT // 1_000_000} MB"
        findings.add(Diagnostic("too-large", summary, "split it into several files", position=Position(file, 1, 1)))
        return None
    try:
        text = findings.texts[file] = Text(file, data.decode("utf-8-sig"), findings)
    except UnicodeDecodeError as error:
        _not_utf8(file, data, error.start, findings)
        return None
    if data.translate(None, _ASCII) and not _characters_allowed(text):
        return None
    return text


def _not_utf8(file: str, data: bytes, start: int, findings: Findings) -> None:
    good = data[:start].decode("utf-8-sig", errors="ignore")
    text = Text(file, good + data[start : start + 200].decode("utf-8", errors="replace"), findings)
    position = text.position(mark_at(text.content, len(good)))
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        text.problem(position, "the file is UTF-16", "save it as UTF-8", code="encoding")
    else:
        summary = f"the byte 0x{data[start]:02x} is not UTF-8"
        text.problem(position, summary, "save the file as UTF-8", code="encoding")


_FORBIDDEN_NAMES = {
    "\0": "a NUL character",
    "\x1b": "an escape character",
    "\x85": "a next-line character (NEL)",
    "\u2028": "a line separator",
    "\u2029": "a paragraph separator",
    "\ufeff": "a byte order mark",
}


def _characters_allowed(text: Text) -> bool:
    """Control characters, and those that YAML 1.1 takes for line breaks and YAML 1.2 does not."""
    mark = None
    # Compiling the whole pattern takes 8 ms, which a plain file need not spend.
    for found in re.finditer(_FORBIDDEN_ASCII if text.content.isascii() else _FORBIDDEN, text.content):
        char = found[0]
        what = _FORBIDDEN_NAMES.get(char, "a control character")
        mark = mark_at(text.content, found.start(), mark)
        summary = f"U+{ord(char):04X}, {what}, is not allowed in the file"
        hint = "save the file as UTF-8, without it" if char == "\0" else "delete it"
        text.problem(text.position(mark), summary, hint, code="character")
    return mark is None


@define
class _At:
    """A mark of our own making, beside the parser's."""

    index: int = 0
    line: int = 0
    column: int = 0


@define
class _Elsewhere(_At):
    """A mark of a text that is not the one of its document."""

    home: Text | None = None


def elsewhere(mark: Mark, home: Text) -> Mark:
    """`mark` of `home`, to be used in documents of other texts."""
    return _Elsewhere(mark.index, mark.line, mark.column, home_of(mark, home))


def home_of(mark: Mark, text: Text) -> Text:
    """The text that `mark`, found in a document of `text`, belongs to."""
    return mark.home or text if isinstance(mark, _Elsewhere) else text


def moved(mark: Mark, base: Mark) -> Mark:
    """`mark` of a text that begins at the mark `base` of another one, as a mark of that other one."""
    return _At(base.index + mark.index, base.line + mark.line, mark.column + (0 if mark.line else base.column))


def mark_at(content: str, index: int, after: Mark | None = None) -> Mark:
    """The mark of `index`, counted on from the mark `after`."""
    known = after or _At()
    line, start = known.line, known.index - known.column
    for found in _BREAK.finditer(content, known.index, index):
        line, start = line + 1, found.end()
    return _At(index, line, index - start)
