"""What is built of the parser's events is what ruamel.yaml's own composer makes of the same text: the same values, at
the same places, and the same mistake where there is one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from ruamel.yaml import YAML
from ruamel.yaml.composer import ComposerError
from ruamel.yaml.error import MarkedYAMLError
from ruamel.yaml.nodes import MappingNode, ScalarNode, SequenceNode

from flowplan.config.yaml import Mapping, Node, Scalar, Sequence
from flowplan.config.yaml.events import NotRead, fast
from tests.config.nodes import parse

WORDS = st.sampled_from(
    ["a", "b c", "17.92", "null", "~", "010", "yes", "8441:8001", "2026-11-02", "-", "é", "x#y", "''"]
)


def flow(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    lists = st.lists(inner, max_size=3).map(lambda items: f"[{', '.join(items)}]")
    maps = st.lists(inner, max_size=3).map(
        lambda items: f"{{{', '.join(f'k{n}: {one}' for n, one in enumerate(items))}}}"
    )
    return lists | maps


QUOTED = WORDS.map(lambda word: f'"{word}"') | st.just('"\\t\\u00e9"') | st.just("'it''s'")
INLINE = st.recursive(WORDS.filter(lambda word: word not in "-8441:8001") | QUOTED, flow, max_leaves=6)


@st.composite
def blocks(draw: st.DrawFn, indent: str = "") -> str:
    """A block of lines, each ended, that begin with `indent`."""
    lines = []
    is_list = draw(st.booleans())
    for n in range(draw(st.integers(1, 3))):
        head = f"{indent}-" if is_list else f"{indent}key{n}:"
        anchor = draw(st.sampled_from(["", "", "", "" if indent else f" &at{n}"]))  # each name once in a document
        comment = draw(st.sampled_from(["", "", "  # said"]))
        what = draw(st.sampled_from(["inline", "inline", "nothing", "text", "block", "alias"]))
        if what == "block" and len(indent) < 6:
            lines.append(f"{head}{anchor}{comment}\n{draw(blocks(indent + '  '))}")
        elif what == "text":
            style = draw(st.sampled_from(["|", ">", "|-", ">+"]))
            lines.append(f"{head}{anchor} {style}\n{indent}  one\n\n{indent}    two\n")
        elif what == "alias" and lines and "&" in lines[0]:
            lines.append(f"{head} *{lines[0].partition('&')[2].split()[0]}{comment}\n")
        else:
            lines.append(f"{head}{anchor}{'' if what == 'nothing' else ' ' + draw(INLINE)}{comment}\n")
    return "".join(lines)


TEXTS = st.lists(blocks(), min_size=1, max_size=3).map(lambda found: "---\n" + "---\n".join(found))


@st.composite
def mistaken(draw: st.DrawFn) -> str:
    """A text in which a few characters are others."""
    text = draw(TEXTS)
    for _ in range(draw(st.integers(1, 3))):
        at, left_out = draw(st.integers(0, len(text))), draw(st.integers(0, 2))
        text = text[:at] + draw(st.sampled_from([*"[]{}:,-&*!|>'\"#%@\t\n ", ""])) + text[at + left_out :]
    return text


def composed(text: str) -> list[Any]:
    """The nodes of the composer; empty documents left out. Raises MarkedYAMLError."""
    _, parser = YAML(typ="safe").get_constructor_parser(text)
    found = []
    while parser.check_node():
        node = parser.get_node()
        if not (isinstance(node, ScalarNode) and not node.style and not node.value):
            found.append(node)
    return found


def place(mark: Any) -> tuple[int, int, int]:
    return mark.index, mark.line, mark.column


def has_anchor(node: Any, text: str) -> bool:
    """Of the composer's nodes. There the node begins with it, and ours behind it."""
    return text.startswith("&", node.start_mark.index)


def of_composer(node: Any, text: str) -> Iterator[Any]:
    """What is compared of a tree."""
    starts = None if has_anchor(node, text) else place(node.start_mark)
    if isinstance(node, ScalarNode):
        yield "scalar", node.value, node.style or "", starts, place(node.end_mark)
    elif isinstance(node, SequenceNode):
        yield "list", len(node.value), starts
        for item in node.value:
            yield from of_composer(item, text)
    elif isinstance(node, MappingNode):
        yield "mapping", [key.value for key, _ in node.value], starts
        for key, value in node.value:
            yield from of_composer(key, text)
            yield from of_composer(value, text)


def of_ours(node: Node, theirs: Any, text: str) -> Iterator[Any]:
    """The same of ours, which has no anchors: those are of `theirs`."""
    starts = None if has_anchor(theirs, text) else place(node.start)
    if isinstance(node, Scalar):
        yield "scalar", node.text, node.style, starts, place(node.end)
    elif isinstance(node, Sequence):
        yield "list", len(node.own), starts
        for item, other in zip(node.own, theirs.value, strict=True):
            yield from of_ours(item, other, text)
    elif isinstance(node, Mapping):
        yield "mapping", list(node.entries), starts
        for (key, value), (other_key, other) in zip(node.entries.values(), theirs.value, strict=True):
            yield from of_ours(key, other_key, text)
            yield from of_ours(value, other, text)


@given(TEXTS)
def test_what_the_composer_reads_is_read_as_the_same_at_the_same_places(text: str) -> None:
    nodes = composed(text)
    found, problems = parse(text)
    assert problems == []
    for document, node in zip(found, nodes, strict=True):
        assert list(of_ours(document.root, node, text)) == list(of_composer(node, text))


@given(mistaken())
@example("a: [b\n")
@example("a: *b\n")
@example("a: &x 1\nb: &x [2]\nc: *x\n")
def test_what_the_composer_refuses_is_refused_for_the_same_mistake_at_the_same_place(text: str) -> None:
    """But for what is for the composer itself to find: an alias without its anchor, and an anchor that comes twice, of
    which the last counts by YAML 1.2."""
    try:
        nodes = composed(text)
    except ComposerError as error:
        assert parse(text)[1] != [] or "duplicate anchor" in error.context
        return
    except MarkedYAMLError as error:
        with pytest.raises(NotRead) as caught:
            list(fast(text))
        assert caught.value.problem == error.problem
        assert place(caught.value.stopped) == place(error.problem_mark)
        assert caught.value.context == (error.context or "")
        return
    found, problems = parse(text)
    if problems:  # a tag, a tab, a key that is no text or comes twice: refused by flowplan alone
        assert all(problem.position is not None for problem in problems)
        return
    for document, node in zip(found, nodes, strict=True):
        assert list(of_ours(document.root, node, text)) == list(of_composer(node, text))
