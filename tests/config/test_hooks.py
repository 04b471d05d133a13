"""`hooks` of a stack file: read strictly, every problem with its place."""

from __future__ import annotations

import pytest

from flowplan.config import Config, Source, read
from flowplan.errors import ConfigError
from flowplan.model.hooks import Hook


def stack(hooks: str) -> Config:
    def no_file(source: str, path: str) -> bytes:
        raise FileNotFoundError(path)

    return read(
        [Source("flowplan.yaml", f"version: 2\nhooks: {hooks}\nvariables: {{a: {{default: x}}}}\n".encode())], no_file
    )


def test_each_event_has_a_command_in_either_form() -> None:
    text = "{planned: [a, 'b c'], applied: {command: [./x.sh, '${var.a}'], timeout: 60}, drifted: [d], preempted: [p]}"
    found = {one.event: one for one in stack(text).hooks}
    assert {event: (one.command, one.timeout) for event, one in found.items()} == {
        "planned": (("a", "b c"), 30),
        "applied": (("./x.sh", "x"), 60),
        "drifted": (("d",), 30),
        "preempted": (("p",), 30),
    }
    assert str(found["planned"].position) == "flowplan.yaml:2:18"
    assert all(isinstance(one, Hook) for one in found.values())


def test_a_hook_changes_nothing_of_what_is_configured() -> None:
    assert stack("{planned: [a]}").sha256 == stack("{planned: [b]}").sha256


@pytest.mark.parametrize(
    ("text", "column", "says"),
    [
        ("{aplied: [a]}", 9, "unknown key 'aplied' in hooks"),
        ("{applied: a b}", 18, "must be a list, not text"),
        ("{applied: 1}", 18, "must be a list"),
        ("{applied: []}", 18, "is an empty list"),
        ("{applied: ['']}", 18, "names no program"),
        ("{applied: [\"a\\0\"]}", 19, ""),
        ("{applied: [a, 1]}", 22, "must be text"),
        ("{applied: {timeout: 3}}", 18, "has no command"),
        ("{applied: {command: [a], timeout: 0}}", 42, "from 1 to 600"),
        ("{applied: {command: [a], timeout: 30s}}", 42, "must be a whole number"),
        ("{applied: {comand: [a]}}", 19, "unknown key 'comand'"),
        ("[a]", 8, "must be a mapping"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_an_error_at_its_place(text: str, column: int, says: str) -> None:
    with pytest.raises(ConfigError) as raised:
        stack(text)
    first = raised.value.problems[0]
    assert str(first.position) == f"flowplan.yaml:2:{column}" and says in first.summary, raised.value.problems
