"""The canonical layout of a file: only white space moves, and what the file means stays."""

from __future__ import annotations

import io
import re
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from flowplan.config import Source, read
from flowplan.config.yaml import Findings
from flowplan.config.yaml.layout import laid_out
from flowplan.errors import ConfigError
from flowplan.operations.opening.sources import read_beside

ROOT = Path(__file__).parents[2]
FILES = sorted([*(ROOT / "tests" / "cases").rglob("*.yaml"), *(ROOT / "examples").rglob("*.yaml")])


def layout(text: str) -> str:
    findings = Findings()
    made = laid_out("a.yaml", text.encode(), findings)
    assert made is not None, findings.all
    return made


CASES = {
    "levels": ("a:\n     b:\n        c: 1\n", "a:\n  b:\n    c: 1\n"),
    "lists": (
        "a:\n- b\n-   c: 1\n    d: 2\ne:\n    - - f\n      - g\n",
        "a:\n  - b\n  - c: 1\n    d: 2\ne:\n  - - f\n    - g\n",
    ),
    "gaps": ("a:    1  # x  \nb:  {c:  1}\n-x: y\n", "a: 1  # x\nb: {c: 1}\n-x: y\n"),
    "ends": ("a: 1  \r\n  \r\n\r\n", "a: 1\n"),
    "no end": ("a: 1", "a: 1\n"),
    "nothing": ("\n\n", ""),
    "comments": (
        "# top\na:\n    # of b\n    b: 1\n    # after b\n# of c\nc:\n# of d\n- d\n  # after d\n",
        "# top\na:\n  # of b\n  b: 1\n  # after b\n# of c\nc:\n  # of d\n  - d\n    # after d\n",
    ),
    "flow": ("a:\n    b: [1,\n        2,\n    ]\n", "a:\n  b: [1,\n      2,\n  ]\n"),
    "flow below its key": ("a:\n        {b: 1}\n", "a:\n  {b: 1}\n"),
    "plain lines": ("a:\n    b: one\n        two\n", "a:\n  b: one\n      two\n"),
    "quoted lines": ('a: "one\\ \n\n     two \\\n  three"\n', 'a: "one\\ \n\n     two \\\n  three"\n'),
    "documents": ("---\na: 1\n---\nb:\n- 1\n...\n", "---\na: 1\n---\nb:\n  - 1\n...\n"),
    "anchors": ("x: &x\n    a: &a   1\ny:\n    <<: *x\n    b:   *a\n", "x: &x\n  a: &a   1\ny:\n  <<: *x\n  b: *a\n"),
    "quotes": ("a: 'b'\nc: \"d\"\ne: 010\nf: ~\ng:\n", "a: 'b'\nc: \"d\"\ne: 010\nf: ~\ng:\n"),
    "script": (
        "a:\n    s: |\n          #!/bin/sh\n            # mine  \n\n          echo\n       # a comment\n    b: 1\n",
        "a:\n  s: |\n    #!/bin/sh\n      # mine  \n\n    echo\n  # a comment\n  b: 1\n",
    ),
    "script with spaces first": ("a:\n    s: |4\n          x\n", "a:\n  s: |4\n        x\n"),
    "script with its end": ("s: |+\n     x\n\n\n", "s: |+\n  x\n\n\n"),
    "script without end": ("s: |\n     x", "s: |\n  x"),
    "folded": ("s: >-\n     x\n     y\n\n\n", "s: >-\n  x\n  y\n"),
}


@pytest.mark.parametrize("name", CASES)
def test_what_is_canonical(name: str) -> None:
    before, after = CASES[name]
    made = layout(before)
    assert made == after
    assert layout(made) == made


def test_a_byte_order_mark_goes() -> None:
    assert laid_out("a", b"\xef\xbb\xbfa: 1\n", Findings()) == "a: 1\n"


@pytest.mark.parametrize("text", ["a: [", "a:\tb\n", "a: *b\n", "a: \x07\n", "? [a]\n: b\n"])
def test_what_is_no_yaml_stays(text: str) -> None:
    findings = Findings()
    assert laid_out("a.yaml", text.encode(), findings) is None
    assert findings.has_errors


def test_a_layout_that_would_mean_something_else_is_not_made() -> None:
    findings = Findings()
    assert laid_out("a.yaml", b"|\n :x\n", findings) is None
    assert [(one.code, one.summary) for one in findings.all] == [
        ("layout", "this file cannot be laid out without changing what it means")
    ]


def meaning(path: Path, text: str) -> Any:
    """What a file comes to, its digest among it; or its problems, without their places."""
    try:
        config = read([Source(path.name, text.encode())], partial(read_beside, path.parent))
    except ConfigError as error:
        return sorted((one.code, one.summary) for one in error.problems)
    return config.tasks, config.volumes, config.budgets, config.outputs, config.moved, config.sha256


def scrambled(text: str, step: int, offset: int) -> str:
    """`text` with other indents, and spaces at the ends of its lines outside of scripts."""
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 10_000
    yaml.indent(mapping=step, sequence=step + offset, offset=offset)
    out = io.StringIO()
    yaml.dump_all(list(yaml.load_all(text)), out)
    return re.sub(r"^(\w+:)$", r"\1  ", out.getvalue(), flags=re.MULTILINE)


OTHERS = ((4, 0), (3, 2), (7, 5))
# `make test` writes every second file in one other layout, the next of these in the next; `make soak` each in all.
IN_TURN = [
    pytest.param(
        *(path, layouts),
        marks=[] if len(layouts) < 2 else pytest.mark.slow,
        id=f"{path.relative_to(ROOT)}{'' if len(layouts) < 2 else ', all'}",
    )
    for number, path in enumerate(FILES)
    for layouts in (OTHERS[number // 2 % 3 :][: number % 2], OTHERS)
]


@pytest.mark.parametrize(("path", "layouts"), IN_TURN)
def test_the_corpus_means_the_same_in_its_layout(path: Path, layouts: tuple[tuple[int, int], ...]) -> None:
    text = path.read_text()
    assert meaning(path, layout(text)) == meaning(path, text)
    for step, offset in layouts:
        try:
            other = scrambled(text, step, offset)
        except Exception:  # noqa: BLE001 - ruamel.yaml refuses what some cases are about
            return
        assert meaning(path, layout(other)) == meaning(path, other), (step, offset)
        assert layout(layout(other)) == layout(other), (step, offset)


PIECES = (
    *("a:", "b: ", "- ", "-   ", "k: v", "# c", "  ", "    ", "\n", "\n", "\n", '"x', '"', "'", "|", "|+", "|2", ">-"),
    *(
        "[",
        "]",
        "{",
        "}",
        ",",
        "\\",
        "\t",
        "&a ",
        "*a",
        "---\n",
        "...\n",
        "a: |\n   x\n",
        "- - b",
        "z: &q\n",
        "  # e\n",
    ),
    *("text more", "\r\n", "~", "é", " :x", "%YAML 1.2\n", "? ", "!t "),
)


@given(st.lists(st.sampled_from(PIECES), max_size=16).map("".join))
def test_any_text_keeps_its_characters_and_its_layout_is_stable(text: str) -> None:
    findings = Findings()
    made = laid_out("a.yaml", text.encode(), findings)
    if made is None:
        assert findings.has_errors
    else:
        assert "".join(made.split()) == "".join(text.split())
        assert layout(made) == made
