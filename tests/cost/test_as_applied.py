"""The lifetime that a bid has until now bounds what it costs, whether a file says it or only the state."""

from __future__ import annotations

import json
from datetime import timedelta
from decimal import Decimal
from typing import Any

import attrs
import pytest

from flowplan.model.lifecycle import Bounds
from flowplan.model.resources import Ends, Inputs
from flowplan.planning.lifetimes import Seen, as_applied, left_as_applied
from flowplan.pricing.billing import Billed, Bills
from flowplan.pricing.lifetime import Left
from tests.builders import NOW, TRAIN, bid, bound, state
from tests.conftest import Place

D, HOUR = Decimal, timedelta(hours=1)
TASK = """version: 2
project_name: my-foundry-project
ssh_key_name: my-ssh-key
tasks:
  a:
    resources_specification: {fcp_instance: a100-80gb.sxm.1x, cluster_id: us-central1-a}
    task_management: {utility_threshold_price: 5}
  b:
    resources_specification: {fcp_instance: a100-80gb.sxm.1x, cluster_id: us-central1-b}
    task_management: {utility_threshold_price: 5}
    lifetime: {LIFETIME}
    startup_script: |
      #!/bin/bash
      echo done
"""


def applied_with(place: Place, lifetime: str) -> None:
    place.write(TASK.replace("LIFETIME", lifetime))
    place.ok("apply", "--auto-approve")
    place.ok("simulator", "advance", "1h")


def document(place: Place, *arguments: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(place.ok(*arguments, "--format", "json"))
    return found


@pytest.mark.parametrize("lifetime", ["max_hours: 12", "max_cost: 3, max_hours: 100"])
def test_each_command_counts_the_same_lifetime(lifetime: str, place: Place) -> None:
    applied_with(place, lifetime)
    before = document(place, "plan", "--horizon", "24h")["cost"]["horizon"]["current"]
    destroyed = document(place, "plan", "--destroy", "--horizon", "24h")["cost"]["horizon"]
    assert destroyed["current"] == before and destroyed["planned"]["expected"] == "0.00"
    assert document(place, "cost", "--horizon", "24h")["estimate"]["horizon"]["expected"] == before["expected"]
    whole = place.path / "flowplan.yaml"
    text = whole.read_text()
    place.write(text[: text.index("  b:")])  # no file has it any more
    dropped = document(place, "plan", "--horizon", "24h")
    assert dropped["cost"]["horizon"]["current"] == before
    place.write(
        text.replace(f"    lifetime: {{{lifetime}}}\n", "").replace("    startup_script", "    # startup_script")
    )
    assert document(place, "plan", "--destroy", "--target", "bid.a")["cost"]["horizon"]["current"] == before


def test_a_larger_lifetime_in_the_file_is_not_the_one_until_now(place: Place) -> None:
    applied_with(place, "max_cost: 2")
    before = document(place, "plan", "--horizon", "24h")["cost"]["horizon"]["current"]
    place.edit("max_cost: 2", "max_cost: 8")
    found = document(place, "plan", "--horizon", "24h")["cost"]["horizon"]
    assert found["current"] == before and D(found["planned"]["worst"]) == D(before["worst"]) + 6


def test_cost_stops_at_max_cost(place: Place) -> None:
    applied_with(place, "max_cost: 3")
    found = document(place, "cost")["estimate"]
    (one,) = [row for row in found["resources"] if row["address"] == "bid.b"]
    assert D(one["cost"]["cost"]["horizon"]["expected"]) + D(one["paid"]) <= 3
    assert one["left"] == {"running_hours": None, "hours": None, "cost": f"{3 - D(one['paid']):.2f}"}
    assert "or until its lifetime ends" in " ".join(place.ok("cost").split())
    kept = {row["address"] for row in document(place, "cost")["forecasts"]}
    assert kept == {"bid.a"}  # of what its lifetime is to end none is kept: it costs so little only if somebody ends it


def test_what_destroys_one_task_says_nothing_of_the_lifetime_of_another(place: Place) -> None:
    applied_with(place, "max_hours: 12")
    assert "another lifetime" not in place.ok("plan", "--destroy", "--target", "bid.a")
    place.edit("max_hours: 12", "max_hours: 13")
    assert "another lifetime" not in place.ok("plan", "--target", "bid.a")


def test_a_limit_changes_nothing_of_what_its_instances_do_in_the_end(place: Place) -> None:
    applied_with(place, "max_hours: 12")
    place.edit("price: 5}\n    lifetime", "price: 4.5}\n    lifetime")
    said = " ".join(place.ok("plan").replace("#", "").split())
    assert "~ bid.b" in said and "its instances then shut down, but only a flowplan run cancels it" in said
    place.edit("max_hours: 12", "max_hours: 13")
    said = " ".join(place.ok("plan").replace("#", "").split())  # its instances were started with 12 hours
    assert "only a flowplan run ends it" in said and "were started with another lifetime" in said


@pytest.mark.parametrize(
    ("lifetime", "left"),
    [
        (Bounds(D(12), None, None, False), Left(running=D(10))),
        (Bounds(None, D(30), None, False), Left(paid=D(20))),
        (Bounds(D(2), None, None, False), None),  # it has outlived it: it runs until it is cancelled
        (Bounds(D(12), D(10), None, False), None),
        (Bounds(D(12), None, NOW, False), None),
        (Bounds(None, None, None, True), None),
    ],
)
def test_what_is_left_of_it(lifetime: Bounds, left: Left | None) -> None:
    billed = Billed("bid_1", "inst_1", D(5), NOW - 2 * HOUR, NOW)
    known = state(attrs.evolve(bound(TRAIN, "bid_1", bid()), lifetime=lifetime))
    assert left_as_applied({TRAIN: lifetime}, known, Seen(NOW, Bills((billed,)))).get(TRAIN) == left


def test_a_state_built_again_knows_what_instances_were_started_with() -> None:
    started = bound(TRAIN, "bid_1", bid(inputs=Inputs(ends=Ends(90, None, False))))
    assert as_applied(started) == Bounds(D("1.5"), None, None, False)
    assert as_applied(bound(TRAIN, "bid_1", bid())) is None


@pytest.mark.parametrize("kept", [{"protected": "flowplan.yaml:9:5"}, {"protected_by": "bid.train"}])
def test_what_prevent_destroy_or_a_policy_keeps_costs_on_past_its_lifetime(kept: dict[str, str]) -> None:
    assert as_applied(bound(TRAIN, "bid_1", bid(), lifetime=Bounds(D(12), None, None, False), **kept)) is None


@pytest.mark.parametrize("limit", ["2", "8"], ids=["waits", "runs"])
def test_advice_on_a_limit_is_about_the_hours_that_the_dollars_left_pay_for(place: Place, limit: str) -> None:
    """A task that ends once it has cost $3 costs no more with any limit, and runs for no four days."""
    task = TASK.partition("  b:")[0].replace("price: 5}", f"price: {limit}}}")
    place.write(f"{task}    lifetime: {{max_cost: 3, max_hours: 100}}\n    startup_script: sleep 9\n")
    (change,) = document(place, "plan")["resource_changes"]
    advice = change["cost"]["advice"]
    assert D(advice["cost_at_that_limit"]) == 3 and 0 <= D(advice["expected_more"]) <= 3
    if limit == "2":
        said = " ".join(place.ok("plan").split())
        assert "keeps it running 95% of an hour in" in said and "more" in said, said
