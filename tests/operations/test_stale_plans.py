"""Saved plans: carried out as they were shown, or stale, damaged, for another cloud."""

from __future__ import annotations

import json
import re

import attrs
import pytest

from flowplan import __version__
from flowplan.state.codec import dump, load
from tests.conftest import BID, TASK, Place, bid_id, many


def test_out_replaces_nothing_but_a_plan(applied: Place) -> None:
    for name in ("flowplan.state.json", "flowplan.yaml", "flowplan.lock"):
        (applied.path / "flowplan.lock").write_text("x")
        before = (applied.path / name).read_bytes()
        assert applied.run("plan", "--out", name).code == 64
        assert (applied.path / name).read_bytes() == before
    (applied.path / "flowplan.lock").write_text("")
    applied.ok("plan", "--out", "p")
    applied.ok("plan", "--out", "p")


def test_a_saved_plan_is_carried_out_without_asking(example: Place) -> None:
    example.ok("plan", "--out", "p")
    assert (example.path / "p").stat().st_mode & 0o777 == 0o600
    assert "Apply complete: 3 added" in example.ok("apply", "p")
    assert example.run("plan", "--detailed-exitcode").code == 0


def test_show_renders_a_saved_plan_as_it_was(example: Place) -> None:
    assert example.ok("plan", "--out", "p") == example.ok("show", "p")
    assert json.loads(example.ok("show", "p", "--format", "json")) == json.loads((example.path / "p").read_text())


def test_the_same_saved_plan_twice_is_stale(example: Place) -> None:
    example.ok("plan", "--out", "p")
    example.ok("apply", "p")
    ledger = example.ledger()
    result = example.run("apply", "p")
    assert result.code == 3
    assert "this plan was applied already" in result.err
    assert example.ledger() == ledger


def test_stale_when_the_configuration_changed(example: Place) -> None:
    example.ok("plan", "--out", "p")
    example.edit("17.92", "18.00")
    result = example.run("apply", "p")
    assert result.code == 3
    assert "the configuration has changed" in result.err
    assert example.ledger() == []


def test_a_comment_does_not_make_it_stale(example: Place) -> None:
    example.ok("plan", "--out", "p")
    example.write("# a comment\n\n" + TASK.replace("# the same number outside and on the instance", ""))
    example.ok("apply", "p")


def test_stale_when_what_it_touches_changed(applied: Place) -> None:
    applied.edit("17.92", "21.50")
    applied.ok("plan", "--out", "p")
    bid = applied.ok("state", "show", BID).split("(")[1].split(")")[0]
    applied.call("PATCH", f"/v2/spot/bids/{bid}", b'{"limit_price": "$30.00"}')
    result = applied.run("apply", "p")
    assert result.code == 3
    assert f"{BID}: what is live has changed" in result.err


def test_a_plan_that_another_run_made_stale_says_where_to_read_whose_it_was(applied: Place) -> None:
    applied.edit("17.92", "18.00")
    applied.ok("plan", "--out", "p")
    who = "plan again; another run has saved the state since: `flowplan state history"
    applied.call("PATCH", f"/v2/spot/bids/{bid_id(applied, BID)}", b'{"limit_price": "$20.00"}')
    stale = applied.run("apply", "p")
    assert (stale.code, who in " ".join(stale.err.split()), "hint: plan again" in stale.err) == (3, False, True), stale
    applied.ok("apply", "--auto-approve")
    stale = applied.run("--state", "flowplan.state.json", "apply", "p")
    assert (stale.code, f"{who} --state flowplan.state.json` says" in " ".join(stale.err.split())) == (3, True), stale


def test_not_stale_when_only_prices_moved(example: Place) -> None:
    example.ok("plan", "--out", "p")
    example.ok("simulator", "advance", "6h")
    example.ok("apply", "p")


def test_a_saved_destroy_plan_destroys_data_only_when_it_is_proved_or_named_again(applied: Place) -> None:
    """Whoever can write the file could have written the permission into it."""
    applied.ok("plan", "--destroy", "--allow-volume-destroy", "my-new-volume", "--out", "p")
    before = applied.ledger()
    result = applied.run("apply", "p")
    assert result.code == 3
    assert "destroys the data on volume my-new-volume" in result.err
    assert "--expect SHA256" in result.err
    assert applied.ledger() == before
    digest = json.loads((applied.path / "p").read_text())["sha256"]
    applied.ok("apply", "p", "--expect", digest)
    assert "No bid or volume of this stack is live" in applied.ok("status")


@pytest.mark.parametrize("selected", [(), ("--target", "task.task-000")], ids=["all", "part"])
def test_what_was_made_since_a_plan_to_destroy_everything_is_told(place: Place, selected: tuple[str, ...]) -> None:
    """It is not in the plan, and costs money. Of a plan that names what it destroys, nobody expects it."""
    place.write(many(10))
    place.ok("apply", "--auto-approve", "--target", "task.task-000")
    place.ok("plan", "--destroy", "--allow-volume-destroy", "*", *selected, "--out", "p")
    place.ok("apply", "--auto-approve")
    result = place.run("apply", "p", "--allow-volume-destroy", "*")
    said = " ".join(result.err.split())
    assert (result.code, "made after this plan was saved" in said) == (0, not selected), result
    assert ("bid.task-001" in said and "and 12 more" in said) == (not selected), result


def test_a_saved_destroy_plan_whose_volume_is_named_again(applied: Place) -> None:
    applied.ok("plan", "--destroy", "--allow-volume-destroy", "my-new-volume", "--out", "p")
    applied.ok("apply", "p", "--allow-volume-destroy", "my-new-volume")
    assert "No bid or volume of this stack is live" in applied.ok("status")


def test_a_refusal_edited_out_of_a_plan_is_one_all_the_same(applied: Place) -> None:
    from flowplan.documents.plan import digest_of

    assert applied.run("plan", "--destroy", "--out", "p").code == 3
    body = json.loads((applied.path / "p").read_text())
    body["errored"], body["applyable"] = False, True
    body["diagnostics"] = [one for one in body["diagnostics"] if one["severity"] != "error"]
    applied.write(json.dumps({**body, "sha256": digest_of(body)}, indent=2), "p")
    before = applied.ledger()
    assert applied.run("apply", "p").code == 3
    assert applied.ledger() == before


def test_a_refused_plan_is_refused_again(applied: Place) -> None:
    assert applied.run("plan", "--destroy", "--out", "p").code == 3
    result = applied.run("apply", "p")
    assert result.code == 3
    assert "this plan was refused" in result.err


def test_expect(example: Place) -> None:
    example.ok("plan", "--out", "p")
    digest = json.loads((example.path / "p").read_text())["sha256"]
    assert example.run("apply", "p", "--expect", "0" * 64).code == 3
    example.ok("apply", "p", "--expect", digest)


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data[:-200],
        lambda data: data.replace(b'"17.92"', b'"99.92"'),
        lambda data: data.replace(b'"format_version": "1.0"', b'"format_version": "2.0"'),
        lambda data: data.replace(__version__.encode(), b"9.9.9"),
    ],
    ids=["cut off", "edited", "future format", "another flowplan"],
)
def test_a_damaged_plan_is_refused(example: Place, damage: object) -> None:
    example.ok("plan", "--out", "p")
    path = example.path / "p"
    path.write_bytes(damage(path.read_bytes()))  # type: ignore[operator]
    result = example.run("apply", "p")
    assert result.code == 3
    assert "not a valid plan" in result.err
    assert example.ledger() == []


def test_a_plan_for_another_endpoint_is_refused(example: Place) -> None:
    example.ok("apply", "--auto-approve")
    result = example.run("--api-url", "sim:other.db", "plan")
    assert result.code == 3
    assert "this state belongs to sim:" in result.err


def test_a_state_of_another_project_is_refused(example: Place) -> None:
    example.ok("apply", "--auto-approve")
    path = example.path / "flowplan.state.json"
    path.write_bytes(dump(attrs.evolve(load(path.read_bytes(), path.name), project="proj_other", project_name="other")))
    result = example.run("plan")
    assert result.code == 3
    assert "this state belongs to project other, not to my-foundry-project" in result.err


def test_of_two_projects_of_one_name_the_refusal_has_the_ids(example: Place) -> None:
    """The key of another account was given, which has a project called the same."""
    example.ok("apply", "--auto-approve")
    path = example.path / "flowplan.state.json"
    path.write_bytes(dump(attrs.evolve(load(path.read_bytes(), path.name), project="proj_other")))
    result = example.run("plan")
    assert result.code == 3
    assert re.search(r"this state belongs to project proj_other, not to proj_\w{16}\s", result.err)


def test_a_saved_plan_is_not_carried_out_on_another_cloud(example: Place) -> None:
    example.ok("plan", "--out", "p")
    result = example.run("--api-url", "sim:other.db", "apply", "p")
    assert result.code == 3
    assert "this plan is for the API sim:" in result.err


def test_a_saved_plan_does_not_mind_the_status_of_what_it_leaves_alone(place: Place) -> None:
    place.write(many(2))
    place.ok("apply", "--auto-approve")
    place.write(many(1) + many(1, price="21.50", first=1))
    place.ok("plan", "--out", "p")
    with place.simulator() as simulator:
        simulator.faults.preempt(bid_id(place, "bid.task-000"), seconds=600)
    assert "1 changed" in place.ok("apply", "p")


def test_a_plan_without_its_parts_is_no_plan(place: Place) -> None:
    from flowplan.documents.plan import digest_of

    body = {"format_version": "1.0", "flowplan_version": __version__}
    place.write(json.dumps({**body, "sha256": digest_of(body)}), "p")
    for command in (("apply", "p"), ("show", "p")):
        assert place.run(*command).code == 3
