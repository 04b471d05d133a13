"""A round of the watch: what it does by itself, and what it leaves to a person."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from flowplan.errors import ConfigError, GuardRefused, StalePlan
from flowplan.operations.watching import judging
from flowplan.operations.watching import one_round as watching
from tests.conftest import APPLY, Place, bid_id
from tests.operations.watching import ALL, end, look, only, posts, stack, task


def test_what_runs_as_written_is_left_alone(running: Place) -> None:
    before = (running.path / "flowplan.state.json").read_bytes()
    found = look(running)
    assert (only(found).kind, found.acted, found.error, found.differs) == ("runs", (), None, False)
    assert only(found).limit == Decimal("17.92")
    assert (running.path / "flowplan.state.json").read_bytes() == before


def test_what_the_cloud_has_ended_is_placed_again_once(running: Place) -> None:
    old = end(running)
    found = look(running)
    assert (only(found).kind, only(found).act, found.error) == ("ended", "place", None)
    assert [str(one) for one in found.acted] == ["bid.train"]
    assert bid_id(running, "bid.train") != old
    assert posts(running) == 2
    assert look(running).acted == ()
    assert posts(running) == 2


def test_what_has_a_volume_of_the_stack_is_placed_again_with_it(place: Place) -> None:
    """The state has the volume's id, the files its name."""
    kept = ", persistent_storage: {attach: {volume: data}}, ports: [8080]"
    place.write(stack(train=task(more=kept)) + "volumes: {data: {size: 1, region_id: us-central1-b}}\n")
    place.ok(*APPLY)
    end(place)
    found = look(place)
    assert [one.act for one in found.findings if one.address.kind == "bid"] == ["place"], found
    assert posts(place) == 2 and place.run("plan", "--detailed-exitcode").code == 0


def test_what_somebody_has_ended_is_left_to_them(running: Place) -> None:
    end(running, by_cloud=False)
    found = look(running)
    assert (only(found).act, only(found).asks, found.differs) == (None, True, True)
    assert "somebody cancelled it" in only(found).said
    assert posts(running) == 1


def test_without_a_policy_it_only_looks(running: Place) -> None:
    end(running)
    running.write(stack("", train=task()))
    found = look(running)
    assert (only(found).act, only(found).asks, found.acted) == (None, True, ())
    assert posts(running) == 1


def test_a_change_outside_is_never_reverted(running: Place) -> None:
    id = bid_id(running, "bid.train")
    running.call("PATCH", f"/v2/spot/bids/{id}", b'{"limit_price": "$9.00"}')
    found = look(running)
    assert (only(found).kind, only(found).act, found.differs) == ("drift", None, True)
    assert [one for one in running.ledger() if one.method == "PATCH"][1:] == []


def test_an_edit_of_the_files_is_never_applied(running: Place) -> None:
    running.write(stack(train=task("12.00"), more=task()))
    found = look(running)
    assert {(str(one.address), one.kind, one.act) for one in found.findings} == {
        ("bid.train", "unapplied", None),
        ("bid.more", "unapplied", None),
    }
    assert (found.acted, found.differs, posts(running)) == ((), True, 1)


def test_a_limit_is_raised_to_what_wins_and_never_above(place: Place) -> None:
    place.write(stack(ALL.replace("25", "40"), train=task("5.00", "a100.8x.SXM4.IB", "us-central1-a")))
    place.ok(*APPLY)
    found = look(place)
    assert only(found).act == "raise", found
    least, limit = only(found).to_win, only(found).new_limit
    assert least is not None and limit is not None
    assert least < limit <= least * Decimal("1.1") + Decimal("0.01")
    place.ok("simulator", "advance", "10m")
    assert only(look(place)).kind == "runs"
    assert place.run("plan", "--detailed-exitcode").code == 0  # nobody's apply undoes it
    place.edit("raise_limit_up_to: 40", "raise_limit_up_to: 5.50")
    assert place.run("plan", "--detailed-exitcode").code == 2
    assert only(look(place)).act == "lower"
    assert only(look(place)).limit == Decimal("5.00")


def test_a_limit_is_lowered_by_itself_and_no_edit_of_the_files_with_it(place: Place) -> None:
    text = stack("{raise_limit_up_to: 40}", train=task("5.00", "a100.8x.SXM4.IB", "us-central1-a"))
    place.write(text)
    place.ok(*APPLY)
    assert only(look(place)).act == "raise"
    place.write(text.replace("40", "5.50").replace("}}\n", "}, paused: true}\n"))
    found = look(place)
    assert (only(found).kind, only(found).act, found.acted, found.differs) == ("unapplied", None, (), True), found


@pytest.mark.parametrize("above", [Decimal("0.16"), Decimal("-0.16")])
def test_a_limit_is_raised_as_far_as_a_policy_allows(place: Place, above: Decimal) -> None:
    text = stack(ALL.replace("25", "40"), train=task("5.00", "a100.8x.SXM4.IB", "us-central1-a"))
    place.write(text.replace("raise_limit_up_to: 40, ", ""))
    place.ok(*APPLY)
    least = only(look(place)).to_win
    assert least is not None
    most = (least + above) / 8
    place.write(text.replace("tasks:", f"policies: {{max_price_per_gpu_hour: {{a100: {most:.2f}}}}}\ntasks:"))
    found = only(look(place))
    if above > 0:
        assert (found.act, found.new_limit) == ("raise", round(most, 2) * 8), found
    else:
        assert (found.act, found.asks) == (None, False) and "what a policy allows" in found.why_not, found


@pytest.mark.parametrize("above", [Decimal("0.07"), Decimal("-0.01")])
def test_a_limit_is_raised_as_far_as_a_budget_allows_as_long_as_it_wins(place: Place, above: Decimal) -> None:
    text = stack("{raise_limit_up_to: 40}", train=task("5.00", "a100.8x.SXM4.IB", "us-central1-a"))
    place.write(text.replace("raise_limit_up_to: 40", "on_preempted: report"))
    place.ok(*APPLY)
    least = only(look(place)).to_win
    assert least is not None
    place.write(text.replace("40}", f"40, max_hourly_cost: {least + above}}}"))
    found = look(place)
    if above > 0:
        assert (only(found).act, only(found).new_limit, found.error) == ("raise", least + above, None), found
        assert [str(one) for one in found.acted] == ["bid.train"]
        place.ok("simulator", "advance", "10m")
        assert (only(look(place)).kind, only(look(place)).limit) == ("runs", least + above)
    else:
        assert (only(found).act, only(found).refused, found.acted) == (None, True, ()), found
        assert "max_hourly_cost allows" in only(found).why_not


def test_what_may_not_be_raised_is_placed_again_at_its_limit(place: Place) -> None:
    """It wins once the price has come down to that."""
    text = stack("{on_preempted: rebid, raise_limit_up_to: 40}", train=task("5.00", "a100.8x.SXM4.IB", "us-central1-a"))
    place.write(text)
    place.ok(*APPLY)
    end(place)
    place.write(text.replace("40}", "40, max_hourly_cost: 5}"))
    found = look(place)
    assert (only(found).act, only(found).new_limit, found.error) == ("place", None, None), found
    assert (posts(place), only(look(place)).limit) == (2, Decimal("5.00"))


@pytest.mark.parametrize("size", [("5.00", "a100.8x.SXM4.IB", ""), ("0.60", "a100.1x.SXM4.IB", ", num_instances: 8")])
def test_no_limit_is_raised_past_a_bid_of_the_same_project(place: Place, size: tuple[str, str, str]) -> None:
    """Nor where that is for another size of the same GPUs: limits compete for each."""
    limit, kind, more = size
    where = ("a100.8x.SXM4.IB", "us-central1-a")
    watch = ALL.replace("25", "40").replace("60", "200")
    place.write(stack(watch, low=task("5.00", *where)))
    place.ok(*APPLY)
    least = look(place).findings[0].to_win  # it is raised to that, and something to spare
    assert least is not None
    place.ok("destroy", "--auto-approve")
    place.write(stack(watch, high=task(str(least), *where)))
    place.ok(*APPLY)
    place.ok("simulator", "advance", "2m")
    place.write(stack(watch, high=task(str(least), *where), low=task(limit, kind, "us-central1-a", more)))
    place.ok(*APPLY)
    found = {one.address.name: one for one in look(place).findings}
    assert found["high"].kind == "runs"
    assert found["low"].act is None, found["low"]
    assert "another bid of this project" in found["low"].why_not


def test_of_several_sizes_of_the_same_gpus_one_limit_is_raised_a_round(place: Place) -> None:
    there = "us-central1-a"
    low, high = task("0.60", "a100.1x.SXM4.IB", there), task("5.00", "a100.8x.SXM4.IB", there)
    place.write(stack("{raise_limit_up_to: 40}", high=high, low=low))
    place.ok(*APPLY)
    found = {one.address.name: one for one in look(place).findings}
    assert {name: one.act for name, one in found.items()} == {"high": "raise", "low": None}
    assert found["low"].why_not == "another bid of yours is raised in this auction first"


def test_what_a_person_changes_between_the_look_and_the_lock_stays(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.write(stack(ALL.replace("25", "40"), train=task("5.00", "a100.8x.SXM4.IB", "us-central1-a")))
    place.ok(*APPLY)
    acts = watching._Round._act

    def later(self: Any, *arguments: Any) -> None:
        id = bid_id(place, "bid.train")
        place.call("PATCH", f"/v2/spot/bids/{id}", b'{"limit_price": "$6.00"}')
        acts(self, *arguments)

    monkeypatch.setattr(watching._Round, "_act", later)
    found = look(place)
    assert isinstance(found.error, StalePlan), found
    assert found.acted == ()
    assert [one.path for one in place.ledger() if one.method == "PATCH"][1:] == []


def test_the_budget_of_the_watch_holds_what_it_does_and_nobody_else(running: Place) -> None:
    running.write(stack(ALL.replace("60", "10"), train=task()))
    end(running)
    found = look(running)
    assert (only(found).act, found.acted) == (None, ())
    assert "watch.max_hourly_cost allows $10.00" in only(found).why_not
    assert posts(running) == 1
    running.ok(*APPLY)
    assert posts(running) == 2


def test_that_budget_is_asked_again_under_the_lock(running: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Prices may have risen since the watch looked."""
    monkeypatch.setattr(judging, "hold_budgets", lambda session, made, budgets, hours: made)
    running.write(stack(ALL.replace("60", "10"), train=task()))
    end(running)
    found = look(running)
    assert isinstance(found.error, GuardRefused), found
    assert "watch.max_hourly_cost allows $10.00" in str(found.error)
    assert (found.acted, posts(running)) == ((), 1)


def test_with_a_broken_file_what_is_past_its_lifetime_ends(place: Place) -> None:
    place.write(stack(train=task(more=", lifetime: {max_hours: 2}")))
    place.ok(*APPLY)
    place.ok("simulator", "advance", "5h")
    place.write(stack(train="["))
    found = look(place)
    assert (only(found).kind, found.acted) == ("lifetime_over", (only(found).address,))
    assert isinstance(found.error, ConfigError)
