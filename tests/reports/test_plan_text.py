"""The order of a plan's text: what it is about first, then what is lost, what is changed, what is new; at the end what
decides."""

from __future__ import annotations

import json
import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowplan.printable import natural, shown
from flowplan.reports.text.actions import ordered, symbol_of
from flowplan.reports.text.paint import Paint
from flowplan.reports.text.plan import lines_apart, refusals, text
from tests.conftest import Place
from tests.texts import task_text

CASES = Path(__file__).parent.parent / "cases"
PLANS = {path.parent.name: json.loads(path.read_text()) for path in sorted(CASES.glob("*/plan.json"))}
ENTRIES = [one for body in PLANS.values() for one in body["resource_changes"] if symbol_of(one)]
_HEAD = re.compile(r"^ *([-+~.</]+) ([a-z]+)\.\S+ (?:will be|must be|is gone|has )", re.MULTILINE)
_GROUPS = (("-", "-/+", "+/-"), ("~", "<-", "."), ("+",))


def group(symbol: str) -> int:
    return next(index for index, symbols in enumerate(_GROUPS) if symbol in symbols)


@pytest.mark.parametrize("name", PLANS)
def test_a_plan_begins_with_what_it_is_about_and_ends_with_what_decides(name: str) -> None:
    body = PLANS[name]
    parts = text(body, Paint()).rstrip("\n").split("\n\n")
    assert parts[0].startswith(f'Stack "{body["stack"]["name"]}": project my-foundry-project, API sim:, ')
    assert refusals(body, Paint()).startswith("error: ") == body["errored"]
    assert re.search(r"^(Plan: |No changes)", parts.pop(), re.MULTILINE)
    assert body["cost"]["planned"]["worst"] == "0.00" or parts.pop().startswith("Cost")


@given(st.lists(st.sampled_from(ENTRIES), unique_by=id))
def test_what_is_lost_stands_before_what_is_changed_and_that_before_what_is_new(entries: list[Any]) -> None:
    body = {**PLANS["moved"], "resource_changes": entries}
    found = _HEAD.findall(text(body, Paint()))
    assert len(found) == len(entries)
    assert all(group(one) <= group(next) for (one, _), (next, _) in pairwise(found))
    kinds = [kind for symbol, kind in found if group(symbol) == 0]
    assert "volume" not in kinds[kinds.count("volume") :]


def test_addresses_are_in_natural_order() -> None:
    names = ["a-10", "a-2", "b", "a", "a-02", "a-2-x", "a-2-1", "A-3"]
    assert sorted(names, key=natural) == ["A-3", "a", "a-02", "a-2", "a-2-1", "a-2-x", "a-10", "b"]
    entry = next(one for one in ENTRIES if symbol_of(one) == "+" and one["type"] == "bid")
    entries = [{**entry, "address": f"bid.{name}"} for name in names]
    assert [one["address"][4:] for one in ordered(entries)] == sorted(names, key=natural)


@given(st.text(alphabet="ab-019"), st.text(alphabet="ab-019"))
def test_two_names_are_in_one_place_only_if_they_are_the_same(one: str, other: str) -> None:
    assert (natural(one) == natural(other)) == (one == other)


def test_of_a_number_with_many_digits_nothing_is_computed() -> None:
    assert natural("a" + "9" * 5000) < natural("a1" + "0" * 5000)


def test_long_names_are_whole_and_told_apart() -> None:
    entry = next(one for one in ENTRIES if symbol_of(one) == "+" and one["type"] == "bid")
    names = [f"{'long-' * 24}{end}" for end in ("a", "b")] + [f"{'long-' * 12}{one}{'-long' * 12}" for one in "ab"]
    entries = [{**entry, "address": f"bid.{name}", "name": name} for name in names]
    for width in (60, 200):
        shown = text({**PLANS["moved"], "resource_changes": entries}, Paint(width=width))
        assert all(f"bid.{name}" in shown for name in names)


def test_status_and_state_are_in_natural_order(place: Place) -> None:
    task = "{resources_specification: {fcp_instance: h100.8x.SXM5.IB, cluster_id: us-central1-b}}"
    head = "version: 2\nname: s\nproject_name: my-foundry-project\n"
    head += "defaults: {task_management: {priority: standard}}\ntasks:\n"
    place.write(head + "".join(f"  a-{n}: {task}\n" for n in (1, 2, 10)))
    place.ok("apply", "--auto-approve")
    expected = ["bid.a-1", "bid.a-2", "bid.a-10"]
    assert place.ok("state", "list").split() == expected
    assert [line.split()[0] for line in place.ok("status").splitlines() if line.startswith("bid.")] == expected
    assert re.findall(r"^(bid\.\S+)", place.ok("show"), re.MULTILINE) == expected


def test_a_script_of_one_byte_has_one_byte(place: Place) -> None:
    place.write(task_text(more="startup_script: x"))
    assert "startup_script    = 1 byte, sha256 2d711642b726" in place.ok("plan")


_TEXTS = st.text(st.sampled_from('ab\\"\n\x1b\x7f\u202e\u00e9 '), max_size=6) | st.sampled_from(
    ["a" * 2000, "a" * 2001]
)
_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | _TEXTS,
    lambda one: st.lists(one, max_size=3) | st.dictionaries(_TEXTS, one, max_size=3),
)


@given(_VALUES)
def test_what_is_taken_for_fit_as_it_is_is_what_a_look_at_each_text_gives(value: Any) -> None:
    def each(one: Any) -> Any:
        if isinstance(one, dict):
            return {each(key): each(below) for key, below in one.items()}
        if isinstance(one, list):
            return list(map(each, one))
        return shown(one, 2000) if isinstance(one, str) else one

    assert lines_apart(value) == each(value)
