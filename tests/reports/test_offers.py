"""Where a task could go, without a plan; and what a pipeline hears of a limit."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest

from flowplan.pricing.offers import outlook_of
from tests.conftest import APPLY, Place

FLEXIBLE = """\
name: small
project_name: my-foundry-project
resources_specification: {fcp_instance: [h100.8x.SXM5.IB, a100.8x.SXM4.IB], advanced: {optimize: budget}}
task_management: {utility_threshold_price: 20.00}
startup_script: echo hello
"""
PLACED = FLEXIBLE.replace("[h100.8x.SXM5.IB, a100.8x.SXM4.IB]", "h100.8x.SXM5.IB, cluster_id: us-central1-b")


def offers(place: Place) -> Any:
    return json.loads(place.ok("market", "--for", "flowplan.yaml", "--format", "json"))


def test_the_first_place_is_the_one_that_a_plan_chooses(place: Place) -> None:
    place.write(FLEXIBLE)
    [task] = offers(place)["tasks"]
    [change] = json.loads(place.ok("plan", "--format", "json"))["resource_changes"]
    assert task["candidates"] == change["candidates"]
    assert task["candidates"][0]["reason"] is None
    assert None not in [one["reason"] for one in task["candidates"][1:]]
    assert not (place.path / "flowplan.lock").exists() or place.ledger() == []


def test_a_table_has_every_place_under_its_type_within_80_columns(place: Place) -> None:
    place.write(FLEXIBLE)
    lines = place.ok("market", "--for", "flowplan.yaml").splitlines()
    heads = [line.split(",")[0].strip() for line in lines if ", limit " in line]
    assert heads == ["a100-80gb.sxm.8x", "h100-80gb.sxm.8x"]  # the type of the best place first
    assert sum(line.endswith("  chosen") for line in lines) == 1
    assert len([line for line in lines if line.startswith("    ")]) == len(offers(place)["tasks"][0]["candidates"])
    assert max(map(len, lines)) <= 80


def test_a_task_with_one_place_is_shown_too_and_a_live_bid_holds_nothing(place: Place) -> None:
    place.write(PLACED)
    place.ok(*APPLY)
    [task] = offers(place)["tasks"]
    assert [one["region"] for one in task["candidates"]] == ["us-central1-b"]
    assert task["choice"] is None
    place.write(FLEXIBLE)
    [task] = offers(place)["tasks"]
    assert task["candidates"][0]["instance_type_name"] == "a100-80gb.sxm.8x"  # though an h100 is live


def test_a_place_where_the_work_cannot_be_done_in_time_says_why(place: Place) -> None:
    timed = FLEXIBLE.replace("optimize: budget", "optimize: budget, nearest_estimated_duration: 24")
    place.write(timed + "lifetime: {max_cost: 100}\n")
    out = place.ok("market", "--for", "flowplan.yaml")
    assert "  cannot finish\n      it would cost $" in out
    assert "more than max_cost $100.00" in " ".join(out.split())
    assert max(map(len, out.splitlines())) <= 80


def test_a_task_that_can_go_nowhere_is_a_problem_at_its_place(place: Place) -> None:
    place.write(PLACED.replace("us-central1-b", "mars"))
    result = place.run("market", "--for", "flowplan.yaml")
    assert result.code == 65
    assert "flowplan.yaml:3:" in result.err and "mars" in result.err
    assert place.run("market", "--for", "nosuch.yaml").code == 65


@pytest.mark.parametrize(
    "asked", [("h100",), ("--region", "us-central1-b"), ("--limit", "9"), ("--horizon", "6h"), ("--svg", "x.svg")]
)
def test_a_file_says_what_is_looked_for(place: Place, asked: tuple[str, ...]) -> None:
    place.write(FLEXIBLE)
    result = place.run("market", "--for", "flowplan.yaml", *asked)
    assert result.code == 64 and "--for cannot be combined with" in result.err


# ---- what a pipeline hears ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("limit", "region", "code"),
    [
        ("9", "us-central1-b", 0),
        ("5", "us-central1-b", 2),  # below the reserve
        ("12", "us-central1-a", 1),
        ("9", None, 0),  # it wins in one of them
    ],
)
def test_the_exit_code_says_whether_a_bid_wins(place: Place, limit: str, region: str | None, code: int) -> None:
    asked = ("market", "h100", "--limit", limit, *(("--region", region) if region else ()))
    assert place.run(*asked, "--exit-code").code == code
    assert place.run(*asked).code == 0


def test_what_is_unknown_neither_wins_nor_can_never_win() -> None:
    never, unknown = (SimpleNamespace(bid=SimpleNamespace(outlook=one)) for one in ("cannot_win", "unknown"))
    runs = SimpleNamespace(bid=SimpleNamespace(outlook="runs"))
    assert outlook_of([never, unknown]) == "unknown"  # type: ignore[list-item]
    assert outlook_of([never, never]) == "cannot_win"  # type: ignore[list-item]
    assert outlook_of([unknown, runs]) == "runs"  # type: ignore[list-item]
    assert outlook_of([]) == "unknown"


def test_an_exit_code_needs_a_limit(place: Place) -> None:
    result = place.run("market", "h100", "--exit-code")
    assert (result.code, result.out) == (64, "")


# ---- names --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "spelling", ["h100.8x.SXM5.IB", "h100-80gb.sxm.8x", "H100-80GB.SXM.8X", "8xh100", "h100:8", "it_5ECSoHQjLBzrp5YM"]
)
@pytest.mark.parametrize("command", [("market",), ("simulator", "market")])
def test_every_name_of_a_type_works(place: Place, command: tuple[str, ...], spelling: str) -> None:
    assert "h100-80gb.sxm.8x in us-central1-b" in place.ok(*command, spelling, "--region", "us-central1-b")


@pytest.mark.parametrize("command", [("market",), ("simulator", "market")])
def test_an_auction_is_named_by_its_id(place: Place, command: tuple[str, ...]) -> None:
    auctions = json.loads(place.ok("market", "h200", "--format", "json"))["auctions"]
    for one in auctions:
        out = place.ok(*command, one["id"])
        assert f"{one['instance_type_name']} in {one['region']}" in out
        assert out.count(f"{one['instance_type_name']} in ") == 1
    assert len(auctions) > 1


def test_an_auction_that_there_is_not_or_elsewhere_is_a_problem(place: Place) -> None:
    [one, *_] = json.loads(place.ok("market", "h200", "--format", "json"))["auctions"]
    unknown = place.run("market", "auc_nosuch")
    assert unknown.code == 65 and "there is no auction auc_nosuch now" in unknown.err
    elsewhere = place.run("market", one["id"], "--region", "us-central1-b")
    assert elsewhere.code == 65 and f"the auction {one['id']} is in {one['region']}" in elsewhere.err
    assert place.run("simulator", "market", "auc_nosuch").code == 64
