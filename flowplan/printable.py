"""What may be printed: secrets masked, text from outside escaped, names in natural order."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import TypeAlias

from flowplan.patterns import regex

Natural: TypeAlias = tuple[tuple[int, str, str], ...]
_DIGITS = regex(r"([0-9]+)")


LONGEST_NAME = 220  # characters: an address with the longest name and key is shorter


def shown(text: str, limit: int = LONGEST_NAME) -> str:
    """`text` from a file or from the cloud, fit to be printed on one line: what a terminal would obey, hide or put in
    another order (control and line characters, right-to-left letters, zero-width ones, odd spaces) is escaped. What is
    long is cut: a sentence at its end, a name in the middle, because names mostly differ at their ends. Of a command in
    a sentence (`...`) nothing stays but the whole: half of one would be typed."""
    if len(text) > limit:
        tail = (limit - 1) // 2 if limit <= LONGEST_NAME else 0
        begin = text[: limit - 1 - tail]
        if not tail and begin.count("`") % 2:
            begin = begin[: begin.rindex("`")]
        text = begin + "\N{HORIZONTAL ELLIPSIS}" + (text[-tail:] if tail else "")
    if text.isascii() and text.isprintable():
        return text
    return "".join(_in_words(text, escape=lambda char: char.encode("unicode_escape").decode("ascii")))


def inert(text: str) -> str:
    """`text` of several lines as `shown` shows each; an escape here may stand in JSON, too (`\\u001b`)."""
    if text.isascii() and text.replace("\n", "").isprintable():
        return text
    lines = text.split("\n")
    plain = [line.isascii() and line.isprintable() for line in lines]
    return "\n".join(
        line if ok else "".join(_in_words(line, escape=_json_escape)) for line, ok in zip(lines, plain, strict=True)
    )


def _in_words(text: str, escape: Callable[[str], str]) -> Iterator[str]:
    """The characters of `text`, escaped where they must be; of marks that pile up on one letter the first two stay."""
    from unicodedata import category  # only for what is not plain

    piled = 0
    for char in text:
        piled = piled + 1 if not char.isascii() and category(char) in ("Mn", "Me") else 0
        yield char if visible(char) and piled <= _PILE else escape(char)


def _json_escape(char: str) -> str:
    units = char.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[n]:02x}{units[n + 1]:02x}" for n in range(0, len(units), 2))


@lru_cache(maxsize=4096)
def visible(char: str) -> bool:
    """Whether a terminal shows `char`, in its place, and does nothing else with it."""
    if char.isascii():
        return char.isprintable()
    from unicodedata import bidirectional  # only for what is not plain

    # A number beside a word in Hebrew or Arabic may be shown on its other side: columns would change places.
    return char.isprintable() and char not in _INVISIBLE and bidirectional(char) not in ("R", "AL", "AN")


_PILE = 2  # marks
# Printable by Python's account, and yet nothing is seen: fillers and variation selectors.
_INVISIBLE = frozenset(
    map(chr, (0x34F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x2800, 0x3164, 0xFFA0, *range(0x180B, 0x1810)))
) | frozenset(map(chr, (*range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0))))


def natural(name: str) -> Natural:
    """What names are sorted by: a-2 before a-10. Of one number in two spellings, that with more zeros is first."""
    parts: list[tuple[int, str, str]] = []
    for one in _DIGITS.split(name):
        if len(parts) % 2:  # every second part is a number: by its size, which is its length first
            digits = one.lstrip("0")
            parts.append((len(digits), digits, one))
        else:
            parts.append((0, one, one))
    return tuple(parts)
