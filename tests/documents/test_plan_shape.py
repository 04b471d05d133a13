"""What is a plan document, exactly: whatever else a file holds is said in one line."""

from __future__ import annotations

from typing import Any

import pytest

from flowplan.documents.plan import sealed, signed
from flowplan.documents.plan_shape import misfit
from tests.documents.edits import Path, edited
from tests.documents.made import saved, whole

BODY = saved()


def test_a_plan_is_one_with_its_digests_only() -> None:
    assert misfit(BODY) is None
    assert misfit(signed(sealed(whole()), b"k" * 32)) is None
    assert misfit(dict(whole())) is not None


@pytest.mark.parametrize("body", [None, 7, "plan", [], {}, [BODY], {"format_version": "1.0"}], ids=str)
def test_what_is_no_plan_at_all(body: Any) -> None:
    assert misfit(body) is not None


FIRST, THIRD = ("resource_changes", 0), ("resource_changes", 2)
# What is edited -> what is said of it.
DAMAGE: dict[str, tuple[Path, Any, str]] = {
    "a key is missing": (("cost", "guards"), "left out", "guards"),
    "a key too many": (("more",), 1, "more"),
    "no list": (("resource_changes",), {}, "expected a list, got {}"),
    "no text": ((*FIRST, "address"), 7, ""),
    "a text with a NUL": (("stack", "paths", 0), "a\0b", "a text holds a NUL"),
    "half a character": ((*FIRST, "note"), "\ud800", "surrogates"),
    "no number": (("cost", "horizon", "hours"), "24", "expected a number, got '24'"),
    "a number without end": (("cost", "horizon", "hours"), float("inf"), "expected a number, got inf"),
    "true for a number": ((*FIRST, "change", "after", "instance_quantity"), True, "True"),
    "no amount": ((*FIRST, "cost", "limit"), "cheap", "'cheap' is not an amount"),
    "an amount without end": ((*FIRST, "cost", "limit"), "Infinity", "'Infinity' is not an amount"),
    "no amount at all": ((*FIRST, "cost", "limit"), "NaN", "'NaN' is not an amount"),
    "a long amount": ((*FIRST, "cost", "limit"), "9" * 41, "is not an amount"),
    "a budget that is none": (("cost", "guards", 0, "limit"), "much", "write dollars per hour, such as 60 or 12.50"),
    "an address that is none": ((*FIRST, "address"), "bid", "bid"),
    "an address of another type": ((*FIRST, "type"), "volume", "bid.fresh is not volume.fresh"),
    "an address of another name": ((*FIRST, "name"), "other", "bid.fresh is not bid.other"),
    "an action there is not": ((*FIRST, "change", "actions"), ["buy"], "['buy'] are not actions"),
    "no action": ((*FIRST, "change", "actions"), [], "[] are not actions"),
    "both the wrong way round": ((*FIRST, "change", "actions"), ["update", "import"], "are not actions"),
    "a create of nothing": ((*FIRST, "change", "after"), None, "bid.fresh: create without 'after'"),
    "a delete of nothing": (("resource_changes", 1, "change", "before"), None, "bid.goes: delete without 'before'"),
    "an update from nothing": ((*THIRD, "change", "before"), None, "bid.raised: update without 'before'"),
    "an update to nothing": ((*THIRD, "change", "after"), None, "bid.raised: update without 'after'"),
    "a replacement by none": (("resource_changes", 3, "change", "after"), None, "bid.renewed: delete without 'after'"),
    "a no-op of nothing": (("resource_changes", 6, "change", "before"), None, "volume.kept: no-op without 'before'"),
    "a mode there is not": (("mode",), "buy", "buy"),
}  # fmt: skip


@pytest.mark.parametrize("what", DAMAGE)
def test_what_is_wrong_is_said_in_a_line(what: str) -> None:
    path, value, said = DAMAGE[what]
    found = misfit(edited(BODY, path, value))
    assert found is not None and said in found and "\n" not in found, found


def test_ports_may_come_from_nothing_and_go_to_nothing() -> None:
    for actions in (["create"], ["delete"], ["update"]):
        ports = edited(BODY, ("resource_changes", 5, "change", "actions"), actions)
        assert misfit(edited(ports, ("resource_changes", 5, "change", "after"), None)) is None
