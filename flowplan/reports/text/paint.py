"""Colour, or none. No meaning is carried by colour alone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from flowplan.patterns import regex

WIDTH = 80  # columns that prose is kept to where nobody says how wide it is shown
NARROWEST, WIDEST = 60, 200  # columns: no text is made narrower, or wider
LONGEST_LINE = 2000  # characters of a sentence, or a name, that stays one line
_AFTER_COMMA = regex(r"(?<=,) ")
_COLOURS = regex(r"\x1b\[[0-9;]*m")
_CODES = {"green": "32", "yellow": "33", "red": "31", "cyan": "36", "bold": "1", "dim": "2"}
OWN = regex(r"(\x1b\[(?:0|(?:1|2|3[1236])(?:;(?:1|2|3[1236]))*)m)")  # what `Paint` writes, and nothing else
SYMBOL_STYLES = {
    "+": "green",
    "~": "yellow",
    "-": "red",
    "-/+": "red",
    "+/-": "red",
    "<=": "cyan",
    ".": "cyan",
    "<-": "cyan",
}


def wrapped(text: str, first: str, rest: str, width: int) -> list[str]:
    """`text` in lines of at most `width` columns; `first` before the first, `rest` before the others. A command in
    backticks stays in one line if a line has room for it: who copies it runs no half of it."""
    if fits(text, first, width) and text[:1] != " " and "  " not in text:
        return [f"{first}{text}"]
    lines, line = [], first
    words = text.split(" ") if "`" not in text else _unbroken(text, width - columns(rest))
    for word in words:
        if line.strip(" ") and line not in (first, rest) and columns(line) + 1 + columns(word) > width:
            lines.append(line)
            line = rest
        line += word if line in (first, rest) else f" {word}"
    return [*lines, line]


def _unbroken(text: str, room: int) -> Iterator[str]:
    """The words of `text`, where what stands in backticks is one as long as it has room in a line."""
    words = text.split(" ")
    at = 0
    while at < len(words):
        end = at + 1
        if words[at].count("`") == 1:
            last = next((n for n in range(end, len(words)) if "`" in words[n]), at)
            whole = " ".join(words[at : last + 1])
            if last > at and words[last].count("`") == 1 and columns(whole) <= room:
                words[last], at, end = whole, last, last + 1
        yield words[at]
        at = end


def listed(text: str, first: str, rest: str, width: int) -> list[str]:
    """As `wrapped`, but lines end after a comma where they can: what stands between two commas stays in one line if
    it has room there."""
    if fits(text, first, width):
        return [f"{first}{text}"]
    lines, line = [], first
    for item in _AFTER_COMMA.split(text):
        joined = f"{line}{item}" if line in (first, rest) else f"{line} {item}"
        if columns(joined) > width:
            if line not in (first, rest):
                lines.append(line)
                line = rest
            *full, joined = wrapped(item, line, rest, width)
            lines += full
        line = joined
    return [*lines, line]


def fits(text: str, first: str, width: int) -> bool:
    """Whether all of `text` has room behind `first`, as most has: then nobody looks for where a line could end."""
    return columns(first) + columns(text) <= width


def apart(parts: Iterable[str], first: str, rest: str, width: int) -> list[str]:
    """`parts` side by side, two spaces between them, in lines of at most `width` columns; `first` before the first
    line, `rest` before the others. Only a part that is wider than a line is broken."""
    lines, line = [], first
    for part in parts:
        alone = line in (first, rest)
        joined = f"{line}{part}" if alone else f"{line}  {part}"
        if not alone and columns(joined) > width:
            lines.append(line)
            joined = f"{rest}{part}"
        if columns(joined) > width:
            *full, joined = wrapped(part, first if not lines and alone else rest, f"{rest}  ", width)
            lines += full
        line = joined
    return [*lines, line]


def columns(line: str) -> int:
    """How many columns `line` takes, without its colours."""
    if "\x1b" in line:
        line = _COLOURS.sub("", line)
    return len(line) if line.isascii() else sum(map(_columns_of, line))


def _columns_of(char: str) -> int:
    """A letter of China, Japan or Korea takes two, a mark on the letter before it none."""
    from unicodedata import combining, east_asian_width  # only for what is not plain

    return 0 if combining(char) else 2 if east_asian_width(char) in "WF" else 1


def fitting(width: int) -> int:
    """The width that a text is made for that is shown in `width` columns."""
    return min(max(width, NARROWEST), WIDEST)


def cut(line: str, most: int) -> str:
    """`line` in at most `most` columns: a longer one ends in dots, and loses its colours."""
    if columns(line) <= most:
        return line
    return f"{OWN.sub('', line)[: max(most - 3, 0)]}..."


class Paint(NamedTuple):
    """`paint("text", "red")` gives ANSI codes when `on`, the text itself when not. `ascii`: what is painted on knows
    no other characters. `verbose`: everything is shown, also what is alike. `width`: columns of a line. `place`: the
    options that say which state the command was given; `paths`: the task files and directories that it was given."""

    on: bool = False
    ascii: bool = False
    verbose: bool = False
    width: int = WIDTH
    place: str = ""
    paths: str = ""

    @property
    def dots(self) -> str:
        """What stands for something left out."""
        return "..." if self.ascii else "\N{HORIZONTAL ELLIPSIS}"

    def __call__(self, text: str, *styles: str) -> str:
        if not self.on or not text:
            return text
        return f"\x1b[{';'.join(_CODES[style] for style in styles)}m{text}\x1b[0m"

    def typed(self, text: str) -> str:
        """`text`, whose commands act on the state that the command was given, and rebuild it from the same files."""
        if not self.place and not self.paths:
            return text
        from flowplan.reports.text.same_state import from_same_files, on_same_state

        text = from_same_files(text, self.paths) if self.paths else text
        return on_same_state(text, self.place)

    def symbol(self, symbol: str) -> str:
        """The symbol of a change in its colour; any other text as it is."""
        return self(symbol, SYMBOL_STYLES[symbol]) if symbol in SYMBOL_STYLES else symbol


def bold(names: str, paint: Paint) -> list[str]:
    """Names as a heading, in lines."""
    return [paint(line, "bold") for line in listed(names, "", "  ", paint.width)]


PLAIN = Paint()
