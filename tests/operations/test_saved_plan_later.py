"""A saved plan holds while nothing but time passes: prices move, bids are preempted and win again, lifetimes go on.
What is past its lifetime by then, and runs on because the plan does not end it, is named."""

from __future__ import annotations

import json

import pytest

from flowplan.documents.plan import digest_of
from tests.conftest import Place, made_once
from tests.goldens import CASES, outside

PLANNED = sorted(path.parent.name for path in CASES.glob("*/plan.txt"))
STACK = """\
version: 2
name: foo
project_name: my-foundry-project
ssh_key_name: my-ssh-key
defaults:
  resources_specification: {fcp_instance: a100-80gb.sxm.1x, cluster_id: us-central1-b}
  task_management: {utility_threshold_price: 2.00}
tasks:
"""
KEPT = "lifecycle: {prevent_destroy: true}"
LATER = {  # what is applied; what it is after an hour or more, when the plan is saved
    "max_hours": ("a: {lifetime: {max_hours: 1}}", None),
    "max_cost": ("a: {lifetime: {max_cost: 0.40}}", None),
    "end_at": ('a: {lifetime: {end_at: "2026-11-02T10:00:00Z"}}', None),
    "ports": ("a: {lifetime: {max_hours: 1}, ports: [80]}", None),
    "kept": (
        f"a: {{lifetime: {{max_hours: 1}}, {KEPT}}}",
        f"a: {{lifetime: {{max_hours: 1}}, {KEPT}, task_management: {{utility_threshold_price: 1.00}}}}",
    ),
    "replaced": (
        "a: {lifetime: {max_hours: 90, max_cost: 90}}",
        "a: {lifetime: {max_hours: 90, max_cost: 90}, startup_script: 'true'}",
    ),
    "done": ("a: {lifetime: {max_hours: 1}}\n  b: {}", "a: {lifetime: {max_hours: 1}}\n  b: {startup_script: 'true'}"),
    "awaited": (
        "a: {lifetime: {max_hours: 1}}",
        "a: {lifetime: {max_hours: 1}}\n  b: {depends_on: [{task: a, until: terminated}]}",
    ),
}


def flat(text: str) -> str:
    return " ".join(text.split())


@pytest.mark.parametrize("name", LATER)
def test_a_plan_about_lifetimes_is_applied_later(name: str, place: Place) -> None:
    before, after = LATER[name]
    place.write(f"{STACK}  {before}\n")
    place.ok("apply", "--auto-approve")
    place.ok("simulator", "advance", "2h")
    place.write(f"{STACK}  {after or before}\n")
    saved = place.ok("plan", "--out", "plan.json")
    assert "Plan: 0 to add, 0 to change, 0 to destroy" not in saved
    place.ok("simulator", "advance", "5h")
    place.ok("apply", "plan.json")


@pytest.fixture
@made_once
def late(place: Place) -> Place:
    """A saved plan of another task; `a` is past its lifetime since."""
    place.write(f"{STACK}  a: {{lifetime: {{max_hours: 1}}}}\n")
    place.ok("apply", "--auto-approve")
    place.write(f"{STACK}  a: {{lifetime: {{max_hours: 1}}}}\n  b: {{}}\n")
    place.ok("plan", "--out", "plan.json")
    place.ok("simulator", "advance", "2h")
    return place


RUNS_ON = (
    "note: bid.a is past its lifetime (it has run 2.0 hours, of max_hours 1), but it is left out of this plan and "
    "keeps running: at most $2.00 an hour; cancel it: flowplan apply --target bid.a"
)


def test_what_is_past_its_lifetime_since_is_named(late: Place) -> None:
    done = late.run("apply", "plan.json")
    assert (done.code, "Apply complete: 1 added, 0 changed, 0 destroyed." in done.out) == (0, True), done
    assert RUNS_ON in flat(done.err)
    assert "0 added, 0 changed, 1 destroyed." in late.ok("apply", "--target", "bid.a", "--auto-approve")


def test_also_where_the_plan_is_refused(late: Place) -> None:
    late.write(f"{STACK}  a: {{lifetime: {{max_hours: 1}}}}\n  b: {{paused: true}}\n")
    refused = late.run("apply", "plan.json")
    assert refused.code == 3
    assert RUNS_ON in flat(refused.err)


def test_a_refused_plan_that_would_have_ended_it_says_so(place: Place) -> None:
    place.write(f"{STACK}  a: {{lifetime: {{max_hours: 1}}}}\n")
    place.ok("apply", "--auto-approve")
    place.ok("simulator", "advance", "2h")
    place.ok("plan", "--out", "plan.json")
    place.write(f"{STACK}  a: {{lifetime: {{max_hours: 1}}}}\n  b: {{}}\n")
    refused = place.run("apply", "plan.json")
    assert refused.code == 3
    said = "note: bid.a keeps running past its lifetime; to stop only that: flowplan apply --target bid.a"
    assert said in flat(refused.err)


@pytest.mark.parametrize(
    "note", ["it is stopped already", "it has run 2.0 hours, of max_hours 1: nothing is lost", None]
)
def test_only_the_figures_of_why_it_ends_may_be_others(place: Place, note: str | None) -> None:
    place.write(f"{STACK}  a: {{lifetime: {{max_hours: 1}}}}\n")
    place.ok("apply", "--auto-approve")
    place.ok("simulator", "advance", "2h")
    place.ok("plan", "--out", "plan.json")
    body = json.loads((place.path / "plan.json").read_text())
    body["resource_changes"][0]["note"] = note
    place.write(json.dumps({**body, "sha256": digest_of(body)}), "plan.json")
    refused = place.run("apply", "plan.json")
    assert (refused.code, "resource_changes.bid.a.note" in refused.err) == (3, True), refused


@pytest.mark.slow
@pytest.mark.parametrize("name", PLANNED)
def test_a_case_is_applied_later(name: str, place: Place) -> None:
    case = CASES / name
    if (case / "before.yaml").exists():
        place.write((case / "before.yaml").read_text())
        place.ok("apply", "--auto-approve")
    if (case / "outside.txt").exists():
        outside(place, (case / "outside.txt").read_text())
    place.write((case / "flowplan.yaml").read_text())
    arguments = (case / "args.txt").read_text().split() if (case / "args.txt").exists() else []
    saved = place.run("plan", *arguments, "--out", "plan.json")
    digest = json.loads((place.path / "plan.json").read_text())["sha256"]
    place.ok("simulator", "advance", "9h")
    later = place.run("apply", "plan.json", "--expect", digest)
    assert later.code == saved.code, (saved.err, later.err)
