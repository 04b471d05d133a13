"""YAML text -> nodes with positions: what is read, what is refused, and where problems point."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowplan.config.yaml import (
    MAX_NODES,
    MAX_PROBLEMS,
    SIZE_LIMIT,
    Findings,
    Mapping,
    TooManyProblems,
    documents,
    quoted,
    read_text,
)
from flowplan.diagnostics import Diagnostic, Position, looks_like
from tests.config.nodes import parse, plain, root, said

# ---- values -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("", "null"), ("~", "null"), ("null", "null"), ("NULL", "null"), ("nUll", "string"),
        ("true", "bool"), ("False", "bool"), ("yes", "string"), ("on", "string"), ("tRue", "string"),
        ("7", "int"), ("-7", "int"), ("+7", "int"), ("010", "int"), ("0o17", "int"), ("0xFF", "int"),
        ("1.9", "float"), ("1e309", "float"), (".inf", "float"), ("-.INF", "float"), (".nan", "float"), ("1.", "float"),
        ("'7'", "string"), ('"true"', "string"), ("22:22", "string"), ("2020-01-01", "string"), ("1_000", "string"),
        ("12:30:45", "string"), ("0b11", "string"), ("1.2.3", "string"), ("٣", "string"), ("=", "string"),
    ],
)  # fmt: skip
def test_scalars_follow_the_core_schema_of_yaml_1_2(text: str, kind: str) -> None:
    assert root(f"a: {text}\n")["a"][0] == kind


def test_scalars_keep_their_text() -> None:
    assert root("a: 017.920\nb: 1e3\nc: '1 ''2'\nd: \"\\t\\u00e9\"\n") == {
        "a": ("float", "017.920"),
        "b": ("float", "1e3"),
        "c": ("string", "1 '2"),
        "d": ("string", "\té"),
    }


def test_a_literal_block_is_kept_byte_for_byte() -> None:
    script = "#!/bin/bash\n\tcat <<-EOF\n\t{{ x }} ${#a[@]} {% y %} ${z}\n\tEOF\n\necho \"a\\n\" 'é'  \n"
    indented = "".join(f"  {one}\n" if one else "\n" for one in script.split("\n")[:-1])
    assert root(f"s: |\n{indented}t: 1\n")["s"] == ("string", script)


def test_several_documents_and_empty_ones() -> None:
    found, problems = parse("# first\n---\na: 1\n---\n# nothing\n---\nb: 2\n...\n")
    assert [plain(document.root) for document in found] == [{"a": ("int", "1")}, {"b": ("int", "2")}]
    assert problems == []


def test_a_byte_order_mark_is_no_column() -> None:
    found, problems = parse("\ufeffa: 1\n")
    assert problems == []
    assert isinstance(found[0].root, Mapping)
    assert found[0].position(found[0].root.key("a")) == Position("a.yaml", 1, 1)


# ---- positions --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("k: v\n", (1, 4)),
        ("k:\n  v\n", (2, 3)),
        ("k: 'v'\n", (1, 4)),
        ("é ü: 'x'\nk: v", (2, 4)),
        ("k: &a v\n", (1, 7)),
        ("k: &a # c\n  v\n", (2, 3)),
        ("k: |\n  v\n", (1, 4)),
        ("# c\r\nk: v\r\n", (2, 4)),
        ("𝔘: x\nk: v\n", (2, 4)),
        ("{𝔘𝔘: x, k: v}", (1, 12)),
        ("k: [v]\n", (1, 4)),
        ("k:\n  a: v\n", (2, 3)),
        ("k: &a\n  a: v\n", (2, 3)),
        ("k: &a\nl: 1\n", (1, 4)),
    ],
)
def test_a_value_stands_where_its_first_character_is(text: str, place: tuple[int, int]) -> None:
    found, _ = parse(text)
    assert isinstance(found[0].root, Mapping)
    node = found[0].root.get("k")
    assert node is not None
    position = found[0].position(node)
    assert (position.line, position.column) == place


def test_an_alias_stands_where_it_is_used_and_names_its_anchor() -> None:
    found, _ = parse("a: &x 1\nb: *x\nc: &m {k: v}\nd: *m\ne: {<<: *m}\n")
    document = found[0]
    assert isinstance(document.root, Mapping)
    for key in "bd":
        node = document.root.get(key)
        assert node is not None
        document.problem(node, key, code="value")
    for key in "de":
        outer = document.root.get(key)
        assert isinstance(outer, Mapping)
        inner = outer.get("k")
        assert inner is not None
        document.problem(inner, f"in {key}", code="value")
    told = [
        (problem.summary, str(problem.position), [f"{what} {place}" for what, place in problem.also])
        for problem in document.text.findings.all
    ]
    assert told == [
        ("b", "a.yaml:2:4", ["the value of &x a.yaml:1:7"]),
        ("d", "a.yaml:4:4", ["the value of &m a.yaml:3:7"]),
        ("in d", "a.yaml:3:11", ["used here, by *m a.yaml:4:4"]),
        ("in e", "a.yaml:3:11", ["used here, by *m a.yaml:5:9"]),
    ]


# ---- anchors and merge keys -------------------------------------------------------------------------------


def test_merge_keys_lose_against_own_ones_and_earlier_ones_win() -> None:
    text = "a: &a {x: 1, y: 1}\nb: &b {x: 2, z: 2}\nc: {<<: [*a, *b], y: 9}\nd:\n  y: 8\n  <<: *b\ne: {'<<': 1}\n"
    value = root(text)
    assert value["c"] == {"y": ("int", "9"), "x": ("int", "1"), "z": ("int", "2")}
    assert value["d"] == {"y": ("int", "8"), "x": ("int", "2"), "z": ("int", "2")}
    assert value["e"] == {"<<": ("int", "1")}


def test_an_anchor_may_be_given_anew() -> None:
    assert root("a: &x 1\nb: *x\nc: &x 2\nd: *x\n")["d"] == ("int", "2")


def test_an_alias_may_be_a_key() -> None:
    assert root("a: &x k\n*x : 1\n") == {"a": ("string", "k"), "k": ("int", "1")}


# ---- what is refused --------------------------------------------------------------------------------------

REFUSED = {
    "tag": ("a: !!int '3'\n", "1:4: [tag] tags are not read"),
    "python tag": ("!!python/object/apply:os.system [x]\n", "1:1: [tag] tags are not read"),
    "verbatim tag": ("a: !<x> 3\n", "1:4: [tag] tags are not read"),
    "bare tag": ("a: ! 3\n", "1:4: [tag] tags are not read"),
    "tag directive": ("%TAG ! tag:x,2000:\n---\na: 1\n", "1:1: [tag] tags are not read"),
    "yaml 1.1": (
        "%YAML 1.1\n---\na: 1\n",
        "1:1: [yaml-version] this document asks for YAML 1.1; flowplan reads YAML 1.2",
    ),
    "yaml 2": ("%YAML 2.0\n---\na: 1\n", "1:1: [syntax] flowplan reads YAML 1.2"),
    "duplicate key": ("a: 1\nb: 1\na: 2\n", "3:1: [duplicate-key] the key 'a' is given twice"),
    "duplicate merge": ("<<: {a: 1}\n<<: {b: 1}\n", "2:1: [duplicate-key] << is given twice"),
    "integer key": ("1: x\n", "1:1: [key] a key must be text, but 1 is a number"),
    "boolean key": ("true: x\n", "1:1: [key] a key must be text, but true is true or false"),
    "null key": ("? \n: x\n", "1:2: [key] this key is empty"),
    "list key": ("[a]: x\n", "1:1: [key] a key must be text, not a list"),
    "port as key": ("- 8441: 8001\n", "1:3: [key] a key must be text, but 8441 is a number"),
    "unknown alias": ("a: &long 1\nb: *lomg\n", "2:4: [alias] there is no anchor &lomg above"),
    "alias of another document": ("a: &x 1\n---\nb: *x\n", "3:4: [alias] there is no anchor &x above"),
    "cycle": ("a: &x [1, [*x]]\n", "1:12: [alias] *x contains itself"),
    "cyclic merge": ("a: &x\n  b: 1\n  <<: *x\n", "3:7: [alias] *x contains itself"),
    "merge of no mapping": ("<<: 5\n", "1:5: [alias] << merges mappings, but this is a number"),
    "tab as indentation": ("a:\n\tb: 1\n", "2:1: [syntax] there is a tab where spaces are expected"),
    "tab between values": ("a: 1\nb:\t2\n", "2:3: [tab] there is a tab between values"),
    "tab at the end of a line": ("a: 1\t\n", "1:5: [tab] there is a tab between values"),
    "NUL": ("a: 1\0\n", "1:5: [character] U+0000, a NUL character, is not allowed in the file"),
    "escape": ("# \x1b[31m\n", "1:3: [character] U+001B, an escape character, is not allowed in the file"),
    "NEL": ("a: 1\x85b: 2\n", "1:5: [character] U+0085, a next-line character (NEL), is not allowed in the file"),
    "C1": ("a: 1\nb: \x9b\n", "2:4: [character] U+009B, a control character, is not allowed in the file"),
    "DEL": ("a: \x7f\n", "1:4: [character] U+007F, a control character, is not allowed in the file"),
    "line separator": ("a: 1\u2028\n", "1:5: [character] U+2028, a line separator, is not allowed in the file"),
    "second byte order mark": (
        "a: 1\n\ufeffb: 2\n",
        "2:1: [character] U+FEFF, a byte order mark, is not allowed in the file",
    ),
    "latin-1": (b"a: 1\nb: \xe9t\xe9\n", "2:4: [encoding] the byte 0xe9 is not UTF-8"),
    "utf-16": ("a: 1\n".encode("utf-16"), "1:1: [encoding] the file is UTF-16"),
    "lone surrogate": (b"a: \xed\xa0\x80\n", "1:4: [encoding] the byte 0xed is not UTF-8"),
    "escaped surrogate": ('a: "\\ud800"\n', "1:7: [syntax] this escape is not a character"),
    "overlong": (b"a: \xc0\x80\n", "1:4: [encoding] the byte 0xc0 is not UTF-8"),
    "empty": ("", "1:1: [empty] there is no task in this file"),
    "comments only": ("# a\n\n", "1:1: [empty] there is no task in this file"),
    "too large": (b"#" * (SIZE_LIMIT + 1), "1:1: [too-large] the file is larger than 10 MB"),
}


@pytest.mark.parametrize(("text", "expected"), REFUSED.values(), ids=REFUSED.keys())
def test_refused(text: str | bytes, expected: str) -> None:
    (problem,) = parse(text)[1]
    assert problem.position is not None
    assert f"{problem.position.line}:{problem.position.column}: [{problem.code}] {problem.summary}" == expected


HINTS = {
    "tag": ("a: !!int '3'\n", "delete it: the kind of a value follows from its spelling"),
    "port as key": ("- 8441: 8001\n", 'if this maps a port, write "8441:8001", without the space'),
    "other key": ("true: x\n", "quote it: 'true'"),
    "unknown alias": ("a: &long 1\nb: *lomg\n", "did you mean *long?"),
    "merges": ("<<: {a: 1}\n<<: {b: 1}\n", "merge a list: `<<: [*a, *b]`"),
    "tab": ("a:\t1\n", "use spaces: YAML counts them, and a tab has no fixed width"),
    "utf-16": ("a: 1\n".encode("utf-16"), "save it as UTF-8"),
    "empty": ("", "a task starts with `name: my-task`"),
    "comments only": ("# a\n", "it holds only comments"),
}


@pytest.mark.parametrize(("text", "hint"), HINTS.values(), ids=HINTS.keys())
def test_hints(text: str | bytes, hint: str) -> None:
    assert parse(text)[1][0].hint == hint


def test_both_places_of_a_duplicate_key_are_named() -> None:
    _, (problem,) = parse("a:\n  x: 1\n  y: 1\n  x: 2\n")
    assert problem.also == (("first given here", Position("a.yaml", 2, 3)),)


@pytest.mark.parametrize("text", ["a: |\n  x\n  \ty\n", "a: 'x\ty'\n", 'a: "x\ty"\n', "# \t\na: 1 # \t\n", "a: x\ty\n"])
def test_tabs_are_content_in_texts_and_comments(text: str) -> None:
    assert said(text) == []


# ---- syntax -----------------------------------------------------------------------------------------------

SYNTAX = {
    "colon in a value": ("a: b: c\n", "1:5", "a ':' is not expected here"),
    "deeper than its key": ("a: 1\n b: 2\n", "2:3", "a ':' is not expected here"),
    "less deep than its list": ("a:\n  - x\n - y\n", "3:2", "a key is expected here"),
    "key beside a list": ("- a\nb: c\n", "2:1", "a '-' is expected here"),
    "no key": ("a: b\n\nc\n", "3:1", "this line is neither a key nor a value"),
    "open quote": ("a: 'x\nb: 1\n", "1:4", "the quote that opens here is never closed"),
    "open quote before a document": ("a: 'x\n---\nb: 1\n", "1:4", "the quote that opens here is never closed"),
    "open list": ("a: [1, 2\n", "1:4", "the '[' that opens here is never closed"),
    "open mapping": ("a: {b: 1\n", "1:4", "the '{' that opens here is never closed"),
    "nothing behind a bracket": ("a: [", "1:4", "the file ends where a value is expected"),
    "missing comma": ("a: [1, [2] 3]\n", "1:12", "a ',' or ']' is expected here"),
    "closed too often": ("a: 1\n}\n", "2:1", "a key is expected here"),
    "at": ("a: @x\n", "1:4", "'@' cannot begin a value"),
    "backtick": ("a: `x`\n", "1:4", "'`' cannot begin a value"),
    "escape": ('a: "\\q"\n', "1:5", "double-quoted text has no such escape"),
    "mapping without blank": ("a: {b:1, c d:}\n", "1:13", "a ':' inside a value"),
    "port pair without its second half": ("a: [80:]\n", "1:7", "a ':' inside a value"),
    "text behind the bar": ("a: |x\n", "1:5", "the text of a | or > block starts on the next line"),
}


@pytest.mark.parametrize(("text", "place", "summary"), SYNTAX.values(), ids=SYNTAX.keys())
def test_syntax_errors_say_what_is_wrong_where_it_is_wrong(text: str, place: str, summary: str) -> None:
    first = parse(text)[1][0]
    assert (f"{first.position}", first.summary, first.code) == (f"a.yaml:{place}", summary, "syntax")
    assert first.source is not None


def test_reading_goes_on_after_a_broken_document() -> None:
    found, problems = parse("a: [\n---\nb: 1\n---\nc: 'x\n---\nd:\n  e: *f\n")
    assert [plain(document.root) for document in found] == [{"b": ("int", "1")}, {"d": {"e": None}}]
    assert [str(problem.position) for problem in problems] == ["a.yaml:2:1", "a.yaml:5:4", "a.yaml:8:6"]


def test_tabs_of_a_broken_document_are_not_judged_by_the_next() -> None:
    assert len(said("a: |\n  \tx\nb: [\n---\nc: 1\n")) == 1


def test_a_file_of_broken_documents_is_left_unread_at_some_time() -> None:
    problems = said("a: [\n---\n" * 100)
    assert len(problems) == 21
    assert "flowplan skips the rest" in problems[-1]


# ---- bounds -----------------------------------------------------------------------------------------------


def test_fifty_levels_and_no_more() -> None:
    assert said("[" * 50 + "]" * 50) == []
    assert "nested more than 50 deep" in said("[" * 51 + "]" * 51)[0]


@pytest.mark.parametrize("text", ["[" * 1_000_000, "a: " + "[{b: " * 100_000, "- " * 100_000, "? " * 100_000])
def test_deep_nesting_ends_in_a_problem_not_in_a_crash(text: str) -> None:
    assert "nested more than 50 deep" in said(text)[0]


def test_depth_counts_through_aliases() -> None:
    chain = "a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}]\n" for n in range(1, 60))
    assert "nested more than 50 deep" in said(chain)[0]


def test_an_alias_bomb_is_counted_not_expanded() -> None:
    row = ",".join(["x"] * 10)
    bomb = f"a0: &a0 [{row}]\n" + "".join(f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 40))
    (problem,) = said(bomb)
    assert f"more than {MAX_NODES:,} values with its aliases expanded" in problem


@pytest.mark.parametrize("text", ["[]," * 1001, "{}," * 1001, "1," * 1001])
def test_whatever_stands_in_a_file_is_counted(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flowplan.config.yaml.parse.MAX_NODES", 1000)
    assert "more than 1,000 values" in said(f"[{text}]")[0]


def test_a_bomb_of_merge_keys_is_counted_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flowplan.config.yaml.parse.MAX_NODES", 1000)
    wide = "".join(f"k{n}: v\n  " for n in range(100))
    bomb = f"a: &a\n  {wide}\n" + "".join(f"b{n}: {{<<: *a}}\n" for n in range(100))
    assert "aliases expanded" in said(bomb)[0]


def test_the_bound_is_that_of_the_file_not_of_a_document() -> None:
    document = "a: &a [" + ",".join("x" * 1000) + "]\nb: [" + ",".join(["*a"] * 400) + "]\n"
    assert said(document) == []
    assert "aliases expanded" in said("---\n".join([document] * 3))[0]


def test_problems_are_bounded() -> None:
    findings = Findings()
    text = read_text("a.yaml", "".join(f"{n}: x\n" for n in range(5000)).encode(), findings)
    assert text is not None
    with pytest.raises(TooManyProblems):
        list(documents(text))
    assert len(findings.all) == MAX_PROBLEMS + 1
    assert findings.all[-1].code == "too-many"


def test_a_long_line_is_not_shown_whole() -> None:
    _, (problem,) = parse("a: !x " + "y" * 100_000)
    assert problem.source is not None
    assert len(problem.source) < 200


# ---- what messages may show -------------------------------------------------------------------------------


def test_source_lines_obey_no_terminal_and_keep_their_columns() -> None:
    _, (problem, *_) = parse("a\u202eb: !x 1\x1b[0m")
    assert problem.source == "a\ufffdb: !x 1\ufffd[0m"


@pytest.mark.parametrize(
    "source",
    [
        "api_key: hunter2",
        "{n: 1, 'api-key': hunter2, m: !x 2}",
        "env: HF_TOKEN=hunter2",
        "x: fkey_hunter2",
        '"Password" : "hunter2 b"',
    ],
)
def test_credentials_are_masked(source: str) -> None:
    _, problems = parse(source + "\n? [b]\n: !x 1\n" if source[0] != "{" else source)
    shown = " ".join(filter(None, (problem.source for problem in problems))) + quoted(source)
    assert "hunter2" not in shown
    assert "********" in shown


def test_near_misses() -> None:
    assert looks_like("Num-GPUs", ["num_gpus", "gpu_type"]) == "num_gpus"
    assert looks_like("x" * 10_000, ["num_gpus"]) is None


def test_the_parser_is_loaded_only_by_reading() -> None:
    script = "import sys, flowplan.config; sys.exit(any(name.startswith('ruamel') for name in sys.modules))"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


# ---- properties -------------------------------------------------------------------------------------------

PIECES = (
    *("a", "b: ", "c", "1", "- ", "\n", "  ", "\n  ", ": ", "[", "]", "{", "}", ", ", "&x ", "*x", "!t ", "'", '"'),
    *("|", ">", "\n---\n", "# ", "<<: ", "? ", "%", "\t", "\r\n", "\r", "é", "𝔘", "\\", "@", "..."),
)
YAMLISH = st.lists(st.sampled_from(PIECES), max_size=40).map("".join)
WORDS = st.text(alphabet="ab'\": \\é{}[]#&*!|>%@,-?\t", max_size=8)
KEYS = st.text(alphabet="abc", min_size=1, max_size=3)
JSONISH = st.recursive(WORDS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4))


def check_positions(content: str, problems: list[Diagnostic]) -> None:
    """Every place is one of the file: a line it has, a column on it or just behind it."""
    rows = content.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n").split("\n")
    for problem in problems:
        for place in (problem.position, *(place for _, place in problem.also)):
            assert place is not None
            assert 1 <= place.line <= len(rows), problem
            assert 1 <= place.column <= len(rows[place.line - 1]) + 1, problem


@given(st.one_of(YAMLISH, st.text()))
def test_any_text_is_read_or_has_problems_that_lie_inside_of_it(content: str) -> None:
    try:
        content.encode()
    except UnicodeEncodeError:
        return
    found, problems = parse(content)
    assert found or problems
    if not any(problem.code == "character" for problem in problems):
        check_positions(content, problems)
    for document in found:
        plain(document.root)


@given(st.binary())
def test_any_bytes_are_read_or_have_problems(content: bytes) -> None:
    found, problems = parse(content)
    assert found or problems


@given(JSONISH)
def test_what_json_writes_is_read_back(value: Any) -> None:
    def strip(read: Any) -> Any:
        if isinstance(read, dict):
            return {key: strip(item) for key, item in read.items()}
        return [strip(item) for item in read] if isinstance(read, list) else read[1]

    found, problems = parse(json.dumps({"top": value}))
    assert problems == []
    assert strip(plain(found[0].root)) == {"top": value}
