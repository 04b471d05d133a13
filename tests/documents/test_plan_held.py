"""A saved plan beside the one that planning again gives: whatever it says otherwise is reported, and prices are not."""

from __future__ import annotations

from typing import Any

import pytest

from flowplan.documents.plan import sealed
from flowplan.documents.plan_held import differences, moved
from flowplan.documents.plan_shape import misfit
from tests.conftest import thinned
from tests.documents.edits import Path, edited, edits, is_free
from tests.documents.made import saved

BODY = saved()
LATER = {"severity": "warning", "summary": "s", "detail": "stale_market", "source": None, "hint": None}

# What is edited -> the line that says so; None: nobody is told.
EDITS: dict[str, tuple[Path, Any, str | None]] = {
    "an action": (("resource_changes", 0, "change", "actions"), ["update"], "actions[0]: update, planned again create"),
    "what is wanted": (("resource_changes", 0, "change", "after", "limit_price"), "1.00", "1.00, planned again 20.00"),
    "an id": (("resource_changes", 1, "id"), "bid_x", "bid.goes.id: bid_x, planned again bid_goes"),
    "what it needs": (("resource_changes", 0, "needs"), [], "bid.fresh.needs: [], planned again ['volume.new']"),
    "a note": (("resource_changes", 1, "note"), "x", "bid.goes.note: x, planned again None"),
    "the file": (("resource_changes", 3, "source", "file"), "b.yaml", "source: b.yaml, planned again tasks/a.yaml"),
    "the line": (("resource_changes", 3, "source", "line"), 9, None),
    "the status": (("resource_changes", 2, "status"), "Open", None),
    "what a bid may cost": (("resource_changes", 0, "cost", "cost", "hour", "worst"), "1.00", "worst: 1.00, planned"),
    "what a bid costs now": (("resource_changes", 0, "cost", "cost", "hour", "now"), "1.00", None),
    "the limit beside the cost": (("resource_changes", 0, "cost", "limit"), "1.00", "cost.limit: 1.00, planned again"),
    "the price": (("resource_changes", 0, "cost", "last_price"), "1.00", None),
    "what a volume costs": (("resource_changes", 7, "cost", "cost", "hour", "now"), "9.00", "now: 9.00, planned again"),
    "the limit of a GPU": (("resource_changes", 0, "cost", "per_gpu", "limit"), "9.0000", "per_gpu: 9.0000, planned"),
    "what the whole may cost": (("cost", "planned", "worst"), "0.01", "cost.planned does not fit"),
    "what the whole costs now": (("cost", "planned", "now"), "0.01", None),
    "a budget that refused": (("cost", "guards", 0, "refused"), True, "refused: ['max_hourly_cost'], planned again []"),
    "a budget": (("cost", "guards", 0, "limit"), "9.00", None),
    "the drift": (("resource_drift",), [], "number of resource_drift: 0, planned again 1"),
    "the summary": (("summary", "delete"), 0, "summary.delete does not fit"),
    "a warning about prices": (("diagnostics",), [LATER], None),
    "another warning": (("diagnostics",), [{**LATER, "detail": "reviewed"}], "diagnostics: [{"),
    "an error in the guise of a warning": (("diagnostics",), [{**LATER, "severity": "error"}], "diagnostics: [{"),
    "the time": (("timestamp",), "2027-01-01T00:00:00Z", None),
    "a type": (("resource_changes", 7, "change", "after", "size_gb"), 100.0, "size_gb: 100.0, planned again 100"),
}  # fmt: skip


@pytest.mark.parametrize("what", EDITS)
def test_what_a_saved_plan_is_held_to(what: str) -> None:
    path, value, said = EDITS[what]
    found = differences(edited(BODY, path, value), BODY, ())
    assert (said is None) == (found == []), found
    assert said is None or any(said in line for line in found), found


def test_a_plan_is_held_to_itself() -> None:
    assert differences(BODY, saved(), ()) == [] == moved(BODY, saved())


def test_why_a_place_was_chosen_is_of_then() -> None:
    """The note of an address whose type or region flowplan chose names prices."""
    other = edited(BODY, ("resource_changes", 3, "note"), "because it was cheap")
    assert differences(other, BODY, {"bid.renewed"}) == []
    assert differences(other, BODY, {"bid.goes"}) == [
        "resource_changes.bid.renewed.note: because it was cheap, planned again chosen"
    ]


def test_a_long_value_is_cut() -> None:
    (line,) = differences(edited(BODY, ("resource_changes", 1, "note"), "x" * 500), BODY, ())
    assert len(line) < 150 and "xxx..." in line


def test_an_entry_that_stands_twice_is_counted() -> None:
    twice = edited(BODY, ("resource_changes",), [*BODY["resource_changes"], BODY["resource_changes"][0]])
    assert "number of resource_changes: 9, planned again 8" in differences(twice, BODY, ())


# ---- the rest of the stack -----------------------------------------------------------------------------------

OTHER = {**BODY["resource_changes"][6], "address": "volume.other", "name": "other", "id": "vol_other"}


def beside(*changes: dict[str, Any], **more: Any) -> dict[str, Any]:
    """BODY in a stack that has these resources, too."""
    summary = {**BODY["summary"], "no-op": BODY["summary"]["no-op"] + len(changes)}
    whole = {**BODY, "resource_changes": [*BODY["resource_changes"], *changes], "summary": summary, **more}
    made: dict[str, Any] = sealed(whole)  # type: ignore[arg-type]
    return made


def test_what_a_plan_does_not_touch_may_change() -> None:
    grown = {**OTHER, "change": {**OTHER["change"], "before": {**OTHER["change"]["before"], "size_gb": 20}}}
    drifted = {**BODY["resource_drift"][0], "address": "volume.other"}
    note = {"severity": "warning", "summary": "volume.other is odd", "detail": "twins", "source": None, "hint": None}
    other = beside(
        grown,
        stack={**BODY["stack"], "serial": 9},
        resource_drift=[*BODY["resource_drift"], drifted],
        diagnostics=[*BODY["diagnostics"], note],
        outputs={"id": "vol_other"},
    )
    assert differences(BODY, other, ()) == differences(other, BODY, ()) == differences(beside(OTHER), other, ()) == []


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        (("resource_changes", -1, "id"), "vol_x", "stack.observed_sha256 does not fit"),
        (("resource_changes", -1, "change", "actions"), ["delete"], "summary.delete does not fit"),
        (("summary", "no-op"), 7, "summary.no-op does not fit"),
        (("complete",), False, "complete does not fit"),
        (("cost", "current", "worst"), "1.00", "cost.planned does not fit"),
        (("resource_changes", 6, "change", "before", "size_gb"), 11, "volume.kept.change.before.size_gb: 11"),
    ],
)
def test_what_it_says_of_the_rest_fits_together(path: Path, value: Any, said: str) -> None:
    """The last one is a volume that a bid in the plan uses."""
    assert any(said in line for line in differences(edited(beside(OTHER), path, value), beside(OTHER), ()))


ALL = edits(BODY)


@pytest.mark.parametrize("part", thinned(8, [(str(part),) for part in range(8)]))
def test_every_edit_is_no_plan_or_reported_or_free(part: str) -> None:
    """An eighth of all of them: of whatever an editor can do to any value."""
    tried = 0
    for path, what in ALL[int(part) :: 8]:
        other = edited(BODY, path, what)
        if other != BODY and not misfit(other):
            tried += 1
            assert differences(other, BODY, ()) or is_free(path, BODY), (path, what)
    assert tried > 100


# ---- what has moved since ------------------------------------------------------------------------------------


def without(address: str) -> dict[str, Any]:
    return edited(BODY, ("resource_changes",), [one for one in BODY["resource_changes"] if one["address"] != address])


@pytest.mark.parametrize(
    ("path", "value", "line"),
    [
        ((3, "change", "actions"), ["update"], "bid.renewed: delete+create, now update"),
        (
            (2, "change", "before", "limit_price"),
            "18.00",
            "bid.raised: what is live has changed: limit_price 20.00 -> 18",
        ),
        ((1, "change", "before"), None, "bid.goes: what is live has changed: name goes -> None"),
        ((0, "needs"), [], "bid.fresh: differs"),
        (
            (5, "change", "before"),
            [{"external": 81, "internal": 8080}],
            "ports.fresh: what is live has changed: no ports -> 81 -> 8080",
        ),
    ],
    ids=["another action", "live", "live no more", "needs", "ports"],
)
def test_what_moved_is_named_by_its_address(path: Path, value: Any, line: str) -> None:
    (found,) = moved(BODY, edited(BODY, ("resource_changes", *path), value))
    assert found.startswith(line)


def test_what_is_in_one_of_them_only_is_named_too() -> None:
    assert moved(without("bid.goes"), BODY) == ["bid.goes: not in the saved plan"]
    assert moved(BODY, without("bid.goes")) == ["bid.goes: only in the saved plan"]
