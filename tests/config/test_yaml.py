"""YAML 1.2 where libyaml knows another: what the second parser reads, that it points to the same places, its bounds."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from flowplan.config.yaml import Mapping, Node, Scalar, Sequence
from flowplan.config.yaml.events import MAX_EXACT, NotRead, exact, fast
from tests.config.nodes import parse, plain, root, said
from tests.config.task_texts import TYPE, problem_of, task_of
from tests.conftest import Place

# ---- what is read -------------------------------------------------------------------------------------------


def test_the_image_that_flowplan_itself_suggests_is_read() -> None:
    image = task_of(f"container_image: {{image_name: nvcr.io/nvidia/pytorch:24.05-py3}}\n{TYPE}").container_image
    assert image is not None
    assert image.image_name == "nvcr.io/nvidia/pytorch:24.05-py3"


def test_instance_types_and_ports_with_a_colon_stand_in_a_flow_list() -> None:
    task = task_of("resources_specification: {fcp_instance: [h100:8, a100:8]}\nports: [8441:8001, 8080]\n")
    assert task.instance_types == ("h100:8", "a100:8")
    assert [str(pair) for pair in task.ports] == ["8080", "8441:8001"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[http://x/y, a:b:c]", [("string", "http://x/y"), ("string", "a:b:c")]),
        ("{a: :x, b: ::y}", {"a": ("string", ":x"), "b": ("string", "::y")}),
        ('{"a":1, "b"::x}', {"a": ("int", "1"), "b": ("string", ":x")}),
        ("{a:1, b: c}", {"a:1": ("null", ""), "b": ("string", "c")}),
        ("key: &an:chor value", {"key": ("string", "value")}),
        ("key: &an:chor value\nsame: *an:chor", {"key": ("string", "value"), "same": ("string", "value")}),
        ("- &😁 a\n- *😁", [("string", "a"), ("string", "a")]),
        ("&a: key: &a v\nfoo: *a", {"key": ("string", "v"), "foo": ("string", "v")}),
        ('a: "x\\/y"', {"a": ("string", "x/y")}),
        ("[a?b, c ? d, {e: f?}]", [("string", "a?b"), ("string", "c ? d"), {"e": ("string", "f?")}]),
        ("%FOO bar\n--- a:b", ("string", "a:b")),
    ],
)
def test_what_libyaml_refuses_or_misreads_is_read_by_yaml_1_2(text: str, expected: object) -> None:
    assert root(f"{text}\n") == expected


def test_documents_around_one_that_only_the_second_parser_reads_are_read_once() -> None:
    found, problems = parse("a: 1\n---\nb: [c:d]\n--- # e\nf: g\n...\n# h\ni: [j:k]\n")
    assert not problems
    assert [list(plain(document.root)) for document in found] == [["a"], ["b"], ["f"], ["i"]]


def test_positions_behind_the_first_document_count_from_the_start_of_the_file() -> None:
    found, _ = parse("é: 1\r\n---\r\nb: 2\n...  # x\nports: [1:2,\n  &x 3:4, *x]\n")
    ports = found[2].root.get("ports") if isinstance(found[2].root, Mapping) else None
    assert isinstance(ports, Sequence)
    assert [str(found[2].position(item)) for item in ports.items] == ["a.yaml:5:9", "a.yaml:6:6", "a.yaml:6:11"]
    assert [str(found[2].text.position(item.start)) for item in ports.items][2] == "a.yaml:6:6"
    assert [found[2].raw(item) for item in ports.items if isinstance(item, Scalar)] == ["1:2", "3:4", "3:4"]


def test_what_was_found_before_the_second_parser_took_over_is_reported_once_and_what_it_misread_not_at_all() -> None:
    assert said("a: 1\na: 2\nb: [c:d]\n") == ["2:1: [duplicate-key] the key 'a' is given twice; keep one of the two"]
    assert said("a: &x:y 1\nb: *x:y\nc: [d:e]\n") == []


def test_problems_of_a_document_that_was_given_away_stay() -> None:
    assert said("a: 1\na: 2\n---\nb: [c:d]\nb: 1\n") == [
        "2:1: [duplicate-key] the key 'a' is given twice; keep one of the two",
        "5:1: [duplicate-key] the key 'b' is given twice; keep one of the two",
    ]


# ---- what is refused ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("ports: [8441:8001, {x]\n", "1:22: [syntax] a ',' or '}' is expected here"),
        ("a: [b:c]\nd: e: f\n", "2:5: [syntax] a ':' is not expected here"),
        ("a: [b:c\n", "1:4: [syntax] the '[' that opens here is never closed"),
        ("a: [b:c]\n\td: 1\n", "2:1: [syntax] there is a tab where spaces are expected"),
        ("a: [b:c]\n- d\n", "2:1: [syntax] a key is expected here"),
        ("a: [b:c]\n d: 1\n", "2:2: [syntax] a key is expected here"),
        ('a: [b:c]\nd: "\\q"\n', "2:6: [syntax] double-quoted text has no such escape"),
        ('a: [b:c]\nd: "\\ud800"\n', "2:4: [syntax] this escape is not a character"),
        ('a: [b:c]\nd: "\\U99999999"\n', "[syntax] "),
        ("a: [b:c]\nd: !x y\n", "2:4: [tag] tags are not read"),
        ("a: [b:c]\nd:\te\n", "2:3: [syntax] there is a tab where spaces are expected"),
        ("%YAML 1.3\n--- [a:b]\n", "1:1: [syntax] flowplan reads YAML 1.2"),
        ("a: &x 1\n*x: 3\n", "2:3: [syntax] a space is missing here, or the name of the anchor goes on"),
        ("a: [b, c:]\n", "1:9: [syntax] a ':' inside a value"),
        ("a: [x:y, c:]\n", "1:11: [syntax] a ':' inside a value"),
        ("a: [?x]\n", "1:5: [syntax] text that begins with ? needs quotes here"),
        ("a: [b:c]\nd: |\n \n  x\n", "[syntax] this block begins with a line of only spaces"),
        ("---\na: 1\n... b: [c:d]\n", "3:5: [syntax] nothing is expected here"),
        ("[a]\n[b:c]\n", "2:3: [syntax] a ':' inside a value"),
    ],
)
def test_what_neither_parser_reads_is_told_once_at_its_place(text: str, says: str) -> None:
    (problem,) = said(text)
    assert says in problem


def test_a_key_without_a_blank_behind_its_colon_is_told_so() -> None:
    problem = problem_of("resources_specification: {fcp_instance:h100, cluster_id: us-central1-b}\n")
    assert problem.summary == "unknown key 'fcp_instance:h100' in resources_specification"
    assert problem.hint == "a space is missing after the ':' of 'fcp_instance: '"


def test_a_file_too_large_for_the_second_parser_keeps_the_first_ones_word() -> None:
    text = "".join(f"---\nname: n{n}\nx: {'y' * 1000}\n" for n in range(MAX_EXACT // 1000)) + "a: 1\n"
    assert said(text) == []
    assert said(f"--- [b:c]\n{text}") == ["1:7: [syntax] a ':' inside a value; " + COLON]
    assert said(f"{text}--- [b:c]\n") == []  # what is left counts, not what was read


COLON = "after a key it needs a space, and a value with a ':' needs quotes"


def test_values_are_counted_once_however_often_they_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flowplan.config.yaml.parse.MAX_NODES", 1_000)
    row = ",".join(["x"] * 400)
    assert "values with its aliases expanded" in said(f"--- [{row}]\n--- [{row}]\n--- [{row}, y:z]\n")[0]
    assert said(f"--- [{row}]\n--- [{row}]\n--- [y, z:]\n") == ["3:10: [syntax] a ':' inside a value; " + COLON]


# ---- two parsers, one reading -------------------------------------------------------------------------------

PIECES = st.sampled_from(
    [
        *("a", "b: ", "- ", "[", "]", "{", "}", ", ", ": ", "\n", "\n  ", "&x ", "*x", "'q'", '"q"', "|\n  t\n"),
        *(">\n  t\n u\n", "# c\n", " #c", "x:y", "1", "\n---\n", "\n...\n", "<<: ", "é", "𝔘", "? ", "\r\n"),
        *('"\\u00e9"', "~", "?x", "a b"),
    ]
)


def tree(node: Node | None) -> object:
    """A tree with its positions."""
    place = (node.start.index, node.start.line, node.start.column) if node is not None else None
    if isinstance(node, Mapping):
        return place, [(key, tree(node.key(key)), tree(node.get(key))) for key in node.entries]
    if isinstance(node, Sequence):
        return place, [tree(item) for item in node.items]
    return place, plain(node) if node is not None else None


@given(st.lists(PIECES, max_size=12).map("".join))
@example("a: &x b\nc: *x\n")
def test_where_both_parsers_read_they_read_the_same_at_the_same_places(text: str) -> None:
    try:
        both = [[seen(event) for event in events] for events in (list(fast(text)), list(exact(text, 0)))]
    except NotRead:
        return
    found, problems = parse(text)
    if any(name and ":" in name for events in both for _, _, name, *_ in events) or problems:
        return  # an odd name, or what is refused
    assert both[0] == both[1]
    assert all(tree(document.root) for document in found)


def seen(event: object) -> tuple[object, ...]:
    """What of an event the reader goes by. Where a document or collection ends is nowhere shown."""
    kind = type(event).__name__
    start = getattr(event, "start_mark", None)
    place = (start.index, start.line, start.column) if start and "Start" in kind and "Document" not in kind else ()
    style = getattr(event, "style", None) or ""
    value = getattr(event, "value", None)
    if value:
        place = (start.index, start.line, start.column) if start else ()
    return kind, value, getattr(event, "anchor", None), style, place


@given(st.lists(PIECES, max_size=14).map("".join))
def test_any_text_is_read_or_refused_with_a_place(text: str) -> None:
    lines = text.count("\n") + text.count("\r") + 1
    for problem in parse(text)[1]:
        assert problem.position is not None and 1 <= problem.position.line <= lines


def test_a_task_with_such_values_is_planned_from_the_command_line(place: Place) -> None:
    place.write(
        "name: job\nports: [8441:8001]\ncontainer_image: {image_name: nvcr.io/nvidia/pytorch:24.05-py3}\n"
        "resources_specification: {fcp_instance: [h100:8, a100:8], cluster_id: us-central1-b}\n"
        "project_name: my-foundry-project\nssh_key_name: my-ssh-key\n"
    )
    assert "8441 -> 8001" in place.ok("plan")
