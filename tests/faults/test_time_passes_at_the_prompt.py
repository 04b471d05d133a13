"""While somebody is asked, prices rise, hours and lifetimes end, and others bid: what is so after the yes counts,
and what has changed is said."""

from __future__ import annotations

import json
from functools import partial

import pytest

from tests.cli.terminals import at_terminal
from tests.conftest import Place, live_ids
from tests.faults.colleagues import FILE, HEAD, colleague_places

RISING = HEAD.replace("h100.8x.SXM5.IB", "a100-80gb.sxm.8x").replace("17.92", "900.00")
TWO = "tasks:\n  a: {}\n  b: {}\n"


def words(shown: str) -> str:
    return " ".join(shown.split())


def test_that_prices_have_risen_is_said_before_they_are_paid(place: Place) -> None:
    place.write(f"{RISING}tasks: {{a: {{}}}}\n")
    place.ok("plan")
    code, shown = at_terminal(place, "yes\n", "apply", meanwhile=lambda: place.ok("simulator", "advance", "26h"))
    assert (code, len(live_ids(place))) == (0, 1), shown
    said = words(shown)
    note = "prices have risen since the plan was shown: an hour costs $12.08 now, not $4.00"
    assert note in said
    assert said.index(note) < said.index("creating...")


def test_of_prices_that_stay_nothing_is_said(place: Place) -> None:
    place.write(f"{HEAD}{TWO}")
    code, shown = at_terminal(place, "yes\n", "apply")
    assert code == 0, shown
    assert "prices have risen" not in words(shown)


def test_hours_that_a_policy_allows_may_end(place: Place) -> None:
    place.write(f'{HEAD}{TWO}policies: {{hours: {{from: "07:00", to: "19:00", time_zone: Etc/UTC}}}}\n')
    code, shown = at_terminal(place, "yes\n", "apply", meanwhile=lambda: place.ok("simulator", "advance", "11h"))
    assert (code, live_ids(place)) == (3, []), shown


def test_a_policy_of_the_price_of_now_goes_by_then_although_its_file_is_gone(place: Place) -> None:
    place.write(f"{RISING}tasks: {{a: {{}}}}\n")
    place.write('policies: {max_price_per_gpu_hour: {"*": 0.6}, price_basis: now}\n', "policy.yaml")

    def meanwhile() -> None:
        (place.path / "policy.yaml").unlink()
        place.ok("simulator", "advance", "26h")

    code, shown = at_terminal(place, "yes\n", "apply", "--policy", "policy.yaml", meanwhile=meanwhile)
    assert (code, live_ids(place)) == (3, []), shown


def test_the_budget_of_a_project_counts_what_others_placed_meanwhile(place: Place) -> None:
    place.write(f"{HEAD}{TWO}policies: {{project_budgets: {{my-foundry-project: 50.00}}}}\n")
    place.write(FILE, "other.yaml")
    other = ("apply", "other.yaml", "--auto-approve", "--state", "other.json")
    code, shown = at_terminal(place, "yes\n", "apply", meanwhile=lambda: place.ok(*other))
    assert (code, len(live_ids(place))) == (3, 1), shown


def test_a_lifetime_that_ends_meanwhile_is_named_with_what_ends(place: Place) -> None:
    place.write(f'{HEAD}tasks:\n  a: {{lifetime: {{end_at: "2026-11-02T12:00:00Z"}}}}\n  b: {{}}\n')
    place.ok("apply", "--auto-approve")
    place.edit("  b: {}", "  b: {task_management: {utility_threshold_price: 20.00}}")
    code, shown = at_terminal(place, "yes\n", "apply", meanwhile=lambda: place.ok("simulator", "advance", "6h"))
    assert (code, len(live_ids(place))) == (3, 2), shown
    said = words(shown)
    assert "the plan has changed since it was shown; nothing was done" in said
    assert "bid.a: nothing, now delete (its end_at, 2026-11-02 12:00 UTC, has passed)" in said
    assert "bid.b: " not in said[said.index("the plan has changed") :]


def test_what_the_files_said_when_the_plan_was_shown_is_applied(place: Place) -> None:
    """Whoever edits them while they are asked has seen the plan of before."""
    place.write("#!/bin/sh\necho one\n", "run.sh")
    place.write(f"{HEAD}tasks: {{a: {{startup_script_file: run.sh}}}}\n")

    def meanwhile() -> None:
        (place.path / "run.sh").unlink()
        place.write(f"{HEAD}tasks: {{other: {{}}}}\n")

    code, shown = at_terminal(place, "yes\n", "apply", meanwhile=meanwhile)
    assert code == 0, shown
    assert place.ok("state", "list") == "bid.a\n"


@pytest.mark.parametrize(
    ("block", "command"),
    [
        ("moved: [{from: task.b, to: task.c}]", ("state", "mv", "bid.b", "bid.c")),
        ("moved: [{from: task.b, to: task.c}]", ("state", "rm", "bid.b")),
        ("removed: [{address: task.b, destroy: false}]", ("state", "rm", "bid.b")),
        ("removed: [{address: task.b, destroy: true}]", ("state", "rm", "bid.b")),
    ],
    ids=lambda one: " ".join(one) if isinstance(one, tuple) else one.partition(":")[0],
)
def test_an_address_that_is_dealt_with_meanwhile_is_not_dealt_with_again(
    place: Place, block: str, command: tuple[str, ...]
) -> None:
    place.write(f"{HEAD}{TWO}")
    place.ok("apply", "--auto-approve")
    place.edit("  b: {}", "  c: {}" if "moved" in block else "")
    place.write((place.path / "flowplan.yaml").read_text() + block + "\n")
    code, shown = at_terminal(place, "yes\n", "apply", meanwhile=lambda: place.ok(*command))
    assert (code, len(live_ids(place))) == (3, 2), shown
    assert "another run has changed bid.b in the state" in words(shown)


def test_a_bid_that_is_imported_meanwhile_is_not_imported_again(place: Place) -> None:
    place.write(f"{HEAD}{TWO}")
    place.ok("apply", "--auto-approve", "--target", "bid.a")
    theirs = colleague_places(place, "b")
    place.write(f"{HEAD}{TWO}import: [{{address: task.b, id: {theirs}}}]\n")
    code, shown = at_terminal(place, "yes\n", "apply", meanwhile=lambda: place.ok("import", "bid.b", theirs))
    assert code == 3, shown
    assert "No changes." in place.ok("plan")


def interrupted(place: Place) -> None:
    """An apply that made a successor, and could not cancel what it takes the place of."""
    with place.simulator() as simulator:
        simulator.faults.add("DELETE /v2/spot/bids/*", "status", status=403, times=None)
    assert place.run("apply", "--auto-approve").code == 1
    with place.simulator() as simulator:
        simulator.faults.clear()
    assert "bid.a@g1" in place.ok("state", "list").split()


@pytest.mark.parametrize("command", ["apply", "destroy"])
def test_a_successor_that_is_made_meanwhile_is_not_made_twice_nor_left_behind(place: Place, command: str) -> None:
    place.write(f"{HEAD}{TWO}".replace("  a: {}", "  a: {lifecycle: {create_before_destroy: true}}"))
    place.ok("apply", "--auto-approve")
    place.edit("before_destroy: true}", "before_destroy: true}, startup_script: 'echo new'")
    code, shown = at_terminal(place, "yes\n", command, meanwhile=lambda: interrupted(place))
    assert (code, len(live_ids(place))) == (3, 3), shown
    code, shown = at_terminal(place, "yes\n", command)
    assert (code, len(live_ids(place))) == (0, 2 if command == "apply" else 0), shown


def test_an_interrupted_replacement_that_another_run_ends_meanwhile_is_ended_once(place: Place) -> None:
    place.write(f"{HEAD}{TWO}".replace("  a: {}", "  a: {lifecycle: {create_before_destroy: true}}"))
    place.ok("apply", "--auto-approve")
    place.edit("before_destroy: true}", "before_destroy: true}, startup_script: 'echo new'")
    interrupted(place)
    code, shown = at_terminal(place, "yes\n", "apply", meanwhile=lambda: place.ok("apply", "--auto-approve"))
    assert (code, len(live_ids(place))) == (3, 2), shown
    assert len([one for one in place.ledger() if one.method == "DELETE"]) == 1


@pytest.mark.parametrize(
    ("answer", "ran"), [("yes", ["drifted", "applied"]), ("no", []), ("stale", [])], ids=lambda one: str(one)
)
def test_hooks_run_once_and_only_after_what_was_done(place: Place, answer: str, ran: list[str]) -> None:
    hook = "[sh, -c, 'cat >> hooks.jsonl']"
    names = ("planned", "applied", "drifted", "preempted")
    place.write(f"{HEAD}{TWO}hooks: {{{', '.join(f'{name}: {hook}' for name in names)}}}\n")
    place.ok("apply", "--auto-approve", "--no-hooks")
    limited(place, 0, "$9.00")
    meanwhile = partial(limited, place, 1, "$10.00") if answer == "stale" else lambda: None
    code, shown = at_terminal(place, "no\n" if answer == "no" else "yes\n", "apply", meanwhile=meanwhile)
    assert code == {"yes": 0, "no": 1, "stale": 3}[answer], shown
    log = place.path / "hooks.jsonl"
    assert [json.loads(line)["event"] for line in (log.read_text().splitlines() if log.exists() else [])] == ran


def limited(place: Place, which: int, price: str) -> None:
    """Somebody gives a live bid another limit."""
    body = json.dumps({"limit_price": price}).encode()
    assert place.call("PATCH", f"/v2/spot/bids/{live_ids(place)[which]}", body).status == 200
