"""The canonical layout of a YAML text. Pure.

Only white space moves, outside of values: every other character stays, in its order, so comments, quotes, anchors and
the order of keys cannot be lost. What is canonical: two spaces for each level, lists too; one space after `-` and `:`;
no space at the end of a line; LF, no blank line at the end, one line end there.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from attrs import field

from flowplan.classes import define, frozen
from flowplan.config.yaml.nodes import Document, Mapping, Node, Scalar
from flowplan.config.yaml.nodes import Sequence as SequenceNode
from flowplan.config.yaml.parse import documents
from flowplan.config.yaml.text import Findings, Text, read_text
from flowplan.diagnostics import Position
from flowplan.patterns import regex

_STEP = 2
_HEADER = regex(r"[|>](?:(?P<digit>[1-9])|(?P<chomp>[+-]))*")


def laid_out(
    file: str, data: bytes, findings: Findings, is_kept: Callable[[Document], bool] = lambda _: False
) -> str | None:
    """`data` in the canonical layout; None where it is not YAML that flowplan reads, where the layout could not be
    changed without changing what the text means, or where a document of it `is_kept` as it is: that is in `findings`
    then."""
    text = read_text(file, data, findings)
    if text is None:
        return None
    before = list(documents(text, required=False))
    if any(is_kept(one) for one in before) or findings.has_errors:
        return None
    made = _Layout.of(text.content)
    if made is None or not _same(before, text.content, made):
        place = Position(file, 1, 1)
        hint = "write block lists and mappings with spaces, each key on a line of its own"
        text.problem(place, "this file cannot be laid out without changing what it means", hint, code="layout")
        return None
    return made


def _same(before: Sequence[Any], old: str, new: str) -> bool:
    """Whether `new` has all that `old` has, means the same, and stays as it is when it is laid out."""
    findings = Findings()
    after = list(documents(Text("", new, findings), required=False))
    return (
        "".join(old.split()) == "".join(new.split())
        and not findings.has_errors
        and len(before) == len(after)
        and all(_equal(one.root, other.root) for one, other in zip(before, after, strict=True))
        and _Layout.of(new) == new
    )


def _equal(one: Node, other: Node) -> bool:
    """Whether two trees hold the same values, written in the same style."""
    left = [(one, other)]
    while left:
        a, b = left.pop()
        if isinstance(a, Scalar) and isinstance(b, Scalar):
            if (a.text, a.style) != (b.text, b.style):
                return False
        elif isinstance(a, SequenceNode) and isinstance(b, SequenceNode) and len(a.own) == len(b.own):
            left += zip(a.own, b.own, strict=True)
        elif isinstance(a, Mapping) and isinstance(b, Mapping) and [*a.entries] == [*b.entries]:
            left += [(a.entries[key][1], b.entries[key][1]) for key in a.entries]
        else:
            return False
    return True


@frozen
class _Block:
    """A list or mapping in block style: its column, and the one it gets. `bare`: a list at the column of its key."""

    old: int
    new: int
    is_list: bool
    bare: bool = False


class _NoLayout(Exception):
    """Something is written in a way for which there is no layout."""


@define(eq=False)
class _Layout:
    """The layout of one text, from its tokens. Of lines, by their numbers: `columns` where their first token goes;
    `open` the blocks there, that line last; `gaps` what becomes one space; `done` lines of block scalars; `quoted`
    those that end inside quotes; `lowest` of the last of a block scalar, where a comment after it may begin."""

    lines: list[str]
    blocks: list[_Block] = field(factory=list)
    flow: int = 0  # how many [ and { are open
    columns: dict[int, int] = field(factory=dict)
    open: dict[int, list[tuple[int, int]]] = field(factory=dict)
    gaps: dict[int, list[tuple[int, int]]] = field(factory=dict)
    done: dict[int, str] = field(factory=dict)
    quoted: set[int] = field(factory=set)
    lowest: dict[int, int] = field(factory=dict)
    ends_in_value: bool = False  # whether blank lines at the end, or that there is none, belong to a value

    @classmethod
    def of(cls, content: str) -> str | None:
        """The text in its canonical layout; None where there is none."""
        from ruamel.yaml import YAML
        from ruamel.yaml.error import YAMLError

        content = re.sub("\r\n?", "\n", content)
        layout = cls(content.split("\n"))
        try:
            layout.read(YAML(typ="safe", pure=True).scan(content))
        except (YAMLError, _NoLayout):
            return None
        return layout.text()

    # -- tokens

    def read(self, tokens: Iterator[Any]) -> None:
        before: Any = None
        for token in tokens:
            name = type(token).__name__.removesuffix("Token")
            self._close(name)
            if name in ("StreamStart", "StreamEnd", "BlockEnd"):
                continue
            line, column = token.start_mark.line, token.start_mark.column
            first = not self.lines[line][:column].strip()
            self._open(name, column, first, before)
            if first and line not in self.columns:
                self._place(line, column, name)
            if type(before).__name__ in ("BlockEntryToken", "ValueToken") and before.end_mark.line == line:
                self.gaps.setdefault(line, []).append((before.end_mark.column, column))
            if name == "Scalar":
                self._scalar(token)
            before = token

    def _close(self, name: str) -> None:
        """Leave what ends before this token."""
        if name in ("FlowSequenceEnd", "FlowMappingEnd"):
            self.flow -= 1
        if self.blocks and self.blocks[-1].bare and not self.flow and name in ("BlockEnd", "Key"):
            self.blocks.pop()
        if name == "BlockEnd":
            self.blocks.pop()

    def _open(self, name: str, column: int, first: bool, before: Any) -> None:
        """Enter what begins with this token."""
        top = self.blocks[-1] if self.blocks else None
        if name in ("FlowSequenceStart", "FlowMappingStart"):
            self.flow += 1
        elif name in ("BlockSequenceStart", "BlockMappingStart"):
            if not first and type(before).__name__ != "BlockEntryToken":
                raise _NoLayout
            self.blocks.append(_Block(column, top.new + _STEP if top else 0, name == "BlockSequenceStart"))
        elif name == "BlockEntry" and top and not top.is_list and top.old == column:
            self.blocks.append(_Block(column, top.new + _STEP, is_list=True, bare=True))

    def _place(self, line: int, column: int, name: str) -> None:
        """Say where a line goes that begins with this token."""
        top = self.blocks[-1] if self.blocks else None
        if top is None:
            new = 0
        elif self.flow > (name in ("FlowSequenceStart", "FlowMappingStart")) or name.startswith("Flow"):
            inside = self.flow > 1 or not name.endswith("Start")
            new = max(column + top.new - top.old, top.new) if inside else top.new + _STEP
        else:
            new = top.new if name in ("Key", "Value", "BlockEntry") or name.startswith("Block") else top.new + _STEP
        self._put(line, column, new)

    def _put(self, line: int, column: int, new: int) -> None:
        self.columns[line] = new
        self.open[line] = [*((one.old, one.new) for one in self.blocks), (column, new)]

    # -- scalars

    def _scalar(self, token: Any) -> None:
        line, last = token.start_mark.line, token.end_mark.line
        if token.style in ("|", ">"):
            self._block_scalar(line, token.start_mark.column)
            return
        if token.style:
            self.quoted.update(range(line, last))
        top = self.blocks[-1] if self.blocks else None
        for number in range(line + 1, last + 1):
            column = _indent(self.lines[number])
            if self.lines[number].strip():
                new = max(column + top.new - top.old, top.new + (0 if self.flow else _STEP)) if top else column
                self._put(number, column, new)

    def _block_scalar(self, line: int, column: int) -> None:
        top = self.blocks[-1] if self.blocks else _Block(-_STEP, -_STEP, is_list=False)
        header = _HEADER.match(self.lines[line], column)
        following = (one for one in self.lines[line + 1 :] if one.strip(" "))
        if header is not None and header["digit"]:
            old = max(top.old, 0) + int(header["digit"])
            new = max(top.new, 0) + int(header["digit"])
        else:
            old, new = _indent(next(following, "")), top.new + _STEP
        if old <= top.old:  # it holds nothing
            return
        last = line
        for number in range(line + 1, len(self.lines)):
            text = self.lines[number]
            if text.strip(" ") and _indent(text) < old:
                break
            self.done[number] = " " * new + text[old:] if len(text) > old else ""
            last = number
        else:
            self.ends_in_value = (
                header is None or header["chomp"] == "+" or (not header["chomp"] and bool(self.lines[-1]))
            )
        self.lowest[last] = max(top.new, 0)

    # -- the text

    def text(self) -> str:
        made = [self._line(number, line) for number, line in enumerate(self.lines)]
        found = "\n".join(made)
        if self.ends_in_value:
            return found
        found = found.rstrip("\n")
        return f"{found}\n" if found else ""

    def _line(self, number: int, line: str) -> str:
        if number in self.done:
            return self.done[number]
        column = self.columns.get(number)
        if column is None:
            column = self._comment(number) if line.strip() else 0
        for start, end in reversed(self.gaps.get(number, [])):
            if start < end:
                line = f"{line[:start]} {line[end:]}"
        line = " " * column + line.lstrip(" \t")
        return line if number in self.quoted and line.strip() else line.rstrip(" \t")

    def _comment(self, number: int) -> int:
        """Where a comment on a line of its own goes: with the line below, else with what is open above."""
        column = _indent(self.lines[number])
        below = next((one for one in range(number, len(self.lines)) if one in self.columns), None)
        above = next((one for one in range(number, -1, -1) if one in self.columns or one in self.done), None)
        known = [] if below is None else [self.open[below][-1]]
        limit = None
        if above is not None:
            limit = self.lowest.get(above)
            while above not in self.columns:
                above -= 1
            known += reversed(self.open[above])
        nearest = max((one for one in known if one[0] <= column), key=lambda one: one[0], default=(0, 0))
        new = nearest[1] + column - nearest[0]
        return new if limit is None else min(new, limit)


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip(" "))
