"""The parser's events -> documents. Pure.

Events rather than `compose`, because nothing recurses (composing 100,000 `[` ends the process), so depth is bounded
before anything nests; because no scalar is resolved, so money stays the text that was written; and because it
takes a quarter of the time (0.2 s instead of 0.85 s of CPU for 3,334 tasks).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from copy import copy
from typing import Any

from flowplan.config.yaml.entries import add_entry, merge, problem_at
from flowplan.config.yaml.events import MAX_EXACT, NotRead, better, exact, fast, misread
from flowplan.config.yaml.nodes import Broken, Document, Mapping, Node, Scalar, Sequence
from flowplan.config.yaml.syntax import TAB_HINT, syntax_problem
from flowplan.config.yaml.text import Mark, Text, mark_at
from flowplan.diagnostics import Position, looks_like
from flowplan.patterns import regex
from flowplan.printable import shown

MAX_DEPTH = 50
MAX_NODES = 1_000_000  # of one file, aliases expanded
MAX_RESTARTS = 20  # documents of one file that may be broken before the rest is left unread

_NEXT_DOCUMENT = regex(r"^---(?=\s|\Z)", re.MULTILINE)
_VISIBLE = regex(r"[^\r\n]")


def documents(text: Text, *, required: bool = True) -> Iterator[Document]:
    """The documents of `text`, empty ones left out. Problems go to its findings, also that there is none where one is
    `required`; after a syntax error reading goes on with the next document."""
    builder = _Builder(text)
    content, found, before = text.content, 0, len(text.findings.all)
    for _ in range(MAX_RESTARTS):
        for document in builder.run(content):
            found += 1
            yield document
        following = _NEXT_DOCUMENT.search(text.content, builder.stopped_at) if builder.stopped_at is not None else None
        if following is None:
            break
        # Blanks in place of what was read keep every later mark true.
        start = builder.document_start = following.start()
        content = _VISIBLE.sub(" ", text.content[:start]) + text.content[start:]
    else:
        place = text.inside(mark_at(text.content, builder.document_start))
        text.problem(place, "too many documents in this file are broken; flowplan skips the rest", code="syntax")
    if required and not found and len(text.findings.all) == before:
        hint = "it holds only comments" if text.content.strip() else "a task starts with `name: my-task`"
        text.problem(Position(text.file, 1, 1), "there is no task in this file", hint, code="empty")


class _Unreadable(Exception):
    """The rest of this document cannot be read; the problem was reported. `args[0]` is the index."""


class _Builder:
    """Takes events, keeps the collections that are open, gives documents.

    `stopped_at`: the index where an error ended the last run, None when it came to the end.
    """

    def __init__(self, text: Text) -> None:
        from ruamel.yaml import events  # late: nobody waits for a parser who does not read YAML

        self.text = text
        self.count = 0
        self.counted = self.said = 0  # values and problems before the document that is being read
        self.stopped_at: int | None = None
        self.document_start = 0
        self.ended = False  # the document before that, by a line `...`
        self.has_tabs = "\t" in text.content
        self.has_questions = "?" in text.content and _QUESTION.search(text.content) is not None
        self.steps = {
            events.ScalarEvent: self._scalar,
            events.SequenceStartEvent: self._sequence,
            events.MappingStartEvent: self._mapping,
            events.SequenceEndEvent: self._close,
            events.MappingEndEvent: self._close,
            events.AliasEvent: self._alias,
            events.DocumentStartEvent: self._start,
        }
        self.end_of_document = events.DocumentEndEvent
        self._reset()

    def _reset(self) -> None:
        self.root: Node | None = None
        self.open: list[tuple[Sequence | Mapping, int]] = []  # each with the count before it
        self.top: Sequence | Mapping | None = None  # the innermost of them
        self.anchors: dict[str, Node] = {}
        self.referred: set[int] = set()  # where the nodes start that aliases stand for
        self.scalars: list[tuple[int, int]] = []  # where each stands, when there are tabs to judge

    def run(self, content: str) -> Iterator[Document]:
        """The documents of `content`: of the text, spaces in place of what was read already."""
        self.stopped_at = None
        self.said, self.counted = len(self.text.findings.all), self.count
        try:
            try:
                yield from self._documents(fast(content))
            except NotRead as first:
                yield from self._again(first)
        except _Unreadable as stop:
            self.stopped_at = stop.args[0]

    def _documents(self, events: Iterator[Any]) -> Iterator[Document]:
        self._reset()
        steps, end, has_questions = self.steps, self.end_of_document, self.has_questions
        for event in events:
            kind = type(event)
            if kind is end:
                yield from self._finish(event)
                self.said = len(self.text.findings.all)
            elif kind in steps:
                if has_questions:
                    self._refuse_question(event.start_mark)
                steps[kind](event)

    def _again(self, first: NotRead) -> Iterator[Document]:
        """From the document on in which the fast parser stopped, by the exact one; what that refuses, too, is reported
        in the words of the one that came further."""
        start = self.document_start
        # What follows a document without `---` belongs to it, and that one was given away.
        begins = start == 0 or self.ended or self.text.content.startswith("---", start)
        if not begins or len(self.text.content) - start > MAX_EXACT:
            self.stopped_at = syntax_problem(self.text, first)
            return
        self.text.findings.forget(self.said)
        self.count = self.counted
        try:
            yield from self._documents(exact(self.text.content, start))
        except NotRead as second:
            self.stopped_at = syntax_problem(self.text, better(first, second))

    # -- one method for each event

    def _start(self, event: Any) -> None:
        if event.version not in (None, (1, 2)):
            version = ".".join(map(str, event.version))
            summary = f"this document asks for YAML {version}; flowplan reads YAML 1.2"
            problem_at(self.text, event.start_mark, summary, "delete the %YAML line", code="yaml-version")
        if event.tags:
            problem_at(self.text, event.start_mark, "tags are not read", "delete the %TAG line", code="tag")

    def _scalar(self, event: Any) -> None:
        scalar = Scalar(event.value, event.style or "", event.start_mark, event.end_mark)
        if event.anchor or event.ctag:
            self._properties(event, scalar)
        if self.has_tabs:
            self.scalars.append((scalar.start.index, scalar.end.index))
        self.count += 1
        if self.count > MAX_NODES:
            self._too_many(scalar.start)
        self._add(scalar)

    def _sequence(self, event: Any) -> None:
        self._open(Sequence(event.start_mark), event)

    def _mapping(self, event: Any) -> None:
        self._open(Mapping(event.start_mark), event)

    def _open(self, node: Sequence | Mapping, event: Any) -> None:
        if event.anchor or event.ctag:
            self._properties(event, node)
        if len(self.open) == MAX_DEPTH:
            self._too_deep(node.start)
        self.open.append((node, self.count))
        self.top = node
        self.count += 1
        if self.count > MAX_NODES:
            self._too_many(node.start)

    def _close(self, event: Any) -> None:
        node, before = self.open.pop()
        node.nodes = self.count - before
        if isinstance(node, Mapping) and node.merges:
            merge(self.text, node)
        top = self.top = self.open[-1][0] if self.open else None
        if top is not None and node.height >= top.height:
            top.height = node.height + 1
        self._add(node)

    def _alias(self, event: Any) -> None:
        mark, name = event.start_mark, event.anchor
        self._check_name(event)
        target = self.anchors.get(name)
        if target is None:
            problem_at(
                self.text, mark, f"there is no anchor &{shown(name)} above", self._anchor_hint(name), code="alias"
            )
        elif any(node is target for node, _ in self.open):
            place = (("the anchor", self.text.position(target.start)),)
            problem_at(self.text, mark, f"*{shown(name)} contains itself", code="alias", also=place)
            target = None
        elif len(self.open) + target.height > MAX_DEPTH:
            self._too_deep(mark)
        node = Broken(mark) if target is None else _used(target, shown(name), mark)
        self.referred.add(node.start.index)
        self.count += node.nodes
        if self.count > MAX_NODES:
            self._too_many(mark)
        if self.top is not None and node.height >= self.top.height:
            self.top.height = node.height + 1
        self._add(node)

    def _finish(self, event: Any) -> Iterator[Document]:
        end = event.end_mark
        self.ended = event.explicit and _REST_OF_LINE.match(self.text.content, end.index) is not None
        if self.has_tabs:
            self._refuse_tabs(end.index)
        root, referred = self.root, frozenset(self.referred)
        self.document_start, self.counted = end.index, self.count
        self._reset()
        if root is not None and not (isinstance(root, Scalar) and not root.style and not root.text):
            yield Document(self.text, root, referred)

    # -- building

    def _add(self, node: Node) -> None:
        """Put a finished node where it belongs."""
        top = self.top
        if top is None:
            self.root = node
        elif isinstance(top, Sequence):
            top.own.append(node)
        elif (key := top.pending) is None:
            top.pending = node
        else:
            top.pending = None
            add_entry(self.text, top, key, node)

    def _properties(self, event: Any, node: Scalar | Sequence | Mapping) -> None:
        """An anchor or a tag stands before the node: the node starts behind it. Tags are refused."""
        if event.ctag:
            hint = "delete it: the kind of a value follows from its spelling"
            problem_at(self.text, event.start_mark, "tags are not read", hint, code="tag")
        found = _PROPERTIES.match(self.text.content, event.start_mark.index)
        if found is not None and found.end() <= event.end_mark.index:  # an empty node has nothing behind it
            node.start = mark_at(self.text.content, found.end(), event.start_mark)
        if event.anchor:
            self._check_name(event)
            self.anchors[event.anchor] = node

    def _check_name(self, event: Any) -> None:
        wrong = misread(self.text.content, event.start_mark, event.anchor)
        if wrong is not None:
            raise wrong

    # -- problems

    def _too_many(self, mark: Mark) -> None:
        summary = f"the file has more than {MAX_NODES:,} values with its aliases expanded"
        problem_at(self.text, mark, summary, "no stack needs that", code="expansion")
        raise _Unreadable(len(self.text.content))

    def _too_deep(self, mark: Mark) -> None:
        problem_at(self.text, mark, f"nested more than {MAX_DEPTH} deep", "no task needs that", code="nesting")
        raise _Unreadable(mark.index)

    def _anchor_hint(self, name: str) -> str:
        near = looks_like(name, list(self.anchors)[:1000])
        if near:
            return f"did you mean *{shown(near)}?"
        return "an anchor comes before its alias, in the same document; text that begins with * needs quotes"

    def _refuse_question(self, start: Mark) -> None:
        """`[?x]`, a text by YAML 1.2, is a key without a value by both parsers."""
        if _QUESTION.match(self.text.content, start.index - 2):
            mark = mark_at(self.text.content, start.index - 1, start)
            problem_at(self.text, mark, "text that begins with ? needs quotes here", code="syntax")

    def _refuse_tabs(self, end: int) -> None:
        """A tab between values is refused, with its place; inside texts and comments it is content."""
        start, content, mark = self.document_start, self.text.content, None
        for first, behind in [*self.scalars, (end, end)]:
            if content.find("\t", start, first) >= 0:
                for found in _COMMENT_OR_TAB.finditer(content, start, first):
                    if found[0] == "\t":
                        mark = mark_at(content, found.start(), mark)
                        problem_at(self.text, mark, "there is a tab between values", TAB_HINT, code="tab")
                        break
            start = behind


def _used(target: Node, name: str, mark: Mark) -> Node:
    """`target` as an alias at `mark` shows it: it stands there, and is written at its anchor."""
    node = copy(target)
    node.alias = mark
    node.also = (f"the value of &{name}", target.start)
    if isinstance(node, Sequence | Mapping):
        node.through = (f"used here, by *{name}", mark)
    return node


_PROPERTIES = regex(r"(?:[&!]\S*(?:[ \t\r\n]|#[^\r\n]*)*)+")
_REST_OF_LINE = regex(r"[ \t]*(?:#.*)?$", re.MULTILINE)
_QUESTION = regex(r"[\[{,\s]\?\S")
_COMMENT_OR_TAB = regex(r"#[^\r\n]*|\t")
