"""Colour, or none. No meaning is carried by colour alone."""

from __future__ import annotations

import re

from attrs import frozen

WIDTH = 80  # columns that prose is kept to; where output goes makes no difference to it
LONGEST_LINE = 2000  # characters of a sentence, or a name, that stays one line
_AFTER_COMMA = re.compile(r"(?<=,) ")
_CODES = {"green": "32", "yellow": "33", "red": "31", "cyan": "36", "bold": "1", "dim": "2"}
OWN = re.compile(r"(\x1b\[(?:0|(?:1|2|3[1236])(?:;(?:1|2|3[1236]))*)m)")  # what `Paint` writes, and nothing else
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


def wrapped(text: str, first: str, rest: str) -> list[str]:
    """`text` in lines of at most WIDTH columns; `first` before the first, `rest` before the others."""
    lines, line = [], first
    for word in text.split(" "):
        if line.strip(" ") and line not in (first, rest) and columns(line) + 1 + len(word) > WIDTH:
            lines.append(line)
            line = rest
        line += word if line in (first, rest) else f" {word}"
    return [*lines, line]


def listed(text: str, first: str, rest: str) -> list[str]:
    """As `wrapped`, but lines end after a comma where they can: what stands between two commas stays in one line if
    it has room there."""
    lines, line = [], first
    for item in _AFTER_COMMA.split(text):
        joined = f"{line}{item}" if line in (first, rest) else f"{line} {item}"
        if columns(joined) > WIDTH:
            if line not in (first, rest):
                lines.append(line)
                line = rest
            *full, joined = wrapped(item, line, rest)
            lines += full
        line = joined
    return [*lines, line]


def columns(line: str) -> int:
    """How many columns `line` takes, without its colours."""
    return len(re.sub(r"\x1b\[[0-9;]*m", "", line))


def cut(line: str, most: int) -> str:
    """`line` in at most `most` columns: a longer one ends in dots, and loses its colours."""
    if columns(line) <= most:
        return line
    return f"{OWN.sub('', line)[: max(most - 3, 0)]}..."


@frozen
class Paint:
    """`paint("text", "red")` gives ANSI codes when `on`, the text itself when not. `ascii`: what is painted on knows
    no other characters. `verbose`: everything is shown, also what is alike."""

    on: bool = False
    ascii: bool = False
    verbose: bool = False

    @property
    def dots(self) -> str:
        """What stands for something left out."""
        return "..." if self.ascii else "\N{HORIZONTAL ELLIPSIS}"

    def __call__(self, text: str, *styles: str) -> str:
        if not self.on or not text:
            return text
        return f"\x1b[{';'.join(_CODES[style] for style in styles)}m{text}\x1b[0m"

    def symbol(self, symbol: str) -> str:
        return self(symbol, SYMBOL_STYLES[symbol]) if symbol in SYMBOL_STYLES else symbol


PLAIN = Paint()
