"""A task that may go to several types: where it goes, and that the choice is kept."""

from __future__ import annotations

from tests.conftest import Place
from tests.operations.jobs import entries

ANYWHERE = """\
version: 2
name: llm
tasks:
  train:
    resources_specification: {fcp_instance: [h100.8x.SXM5.IB, a100.8x.SXM4.IB], advanced: {optimize: budget}}
    task_management: {utility_threshold_price: 20.00}
"""


def test_places_are_compared_by_expected_cost_and_the_choice_is_kept(place: Place) -> None:
    place.write(ANYWHERE)
    entry = entries(place)["bid.train"]
    shown = entry["candidates"]
    assert isinstance(shown, list)
    costs = [float(one["expected_cost"]) for one in shown if one["can_win"]]
    assert len(costs) > 2 and costs == sorted(costs)
    assert [one["why_not"] is None for one in shown] == [True] + [False] * (len(shown) - 1)
    assert "expected cost until it is done" in str(entry["note"])
    place.ok("plan", "--out", "saved.json")
    place.ok("apply", "saved.json")
    for _ in range(3):
        assert place.run("plan", "--detailed-exitcode").code == 0
        place.ok("simulator", "advance", "6h")
    assert "candidates" not in entries(place)["bid.train"]


def test_past_prices_that_cannot_be_fetched_leave_the_prices_of_now(place: Place) -> None:
    place.write(ANYWHERE)
    with place.simulator() as simulator:
        simulator.faults.add("GET /v2/pricing/history", "status", status=403, body="{}", times=None)
    shown = place.ok("plan")
    assert "the lowest price of" in " ".join(shown.replace("#", "").split())


def test_a_place_where_the_budget_of_a_task_ends_before_its_work_comes_last(place: Place) -> None:
    """The first type of the user's order is too expensive for max_cost; without it, it is chosen."""
    place.write(ANYWHERE.replace(", advanced: {optimize: budget}", ", advanced: {nearest_estimated_duration: 10}"))
    assert str(entries(place)["bid.train"]["note"]).startswith("h100")
    place.edit("tasks:\n  train:\n", "tasks:\n  train:\n    lifetime: {max_cost: 70}\n")
    entry = entries(place)["bid.train"]
    assert str(entry["note"]).startswith("a100")
    shown = entry["candidates"]
    assert isinstance(shown, list)
    late = [one["why_not"].startswith("it cannot finish: it would cost $") for one in shown if one["why_not"]]
    assert late == sorted(late) and True in late
    assert late.count(True) == sum(float(one["expected_cost"]) > 70 for one in shown)
