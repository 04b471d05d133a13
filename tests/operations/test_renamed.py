"""A plan that destroys what has another name, or another file, says so before it does."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from tests.conftest import APPLY, Place, bid_id, live_ids, made_once
from tests.operations.handing_over import ATTACHED, DATA, HEAD, TYPE, planned, stack, task


def said(place: Place, detail: str) -> list[dict[str, Any]]:
    return [one for one in planned(place)["diagnostics"] if one["detail"] == detail]


def test_a_task_that_was_renamed_is_kept_by_the_block_that_the_plan_gives(place: Place) -> None:
    old = task("train", f"{ATTACHED}, startup_script: echo a")
    place.write(stack(old, task("eval"), volumes=DATA))
    place.ok(*APPLY)
    id, ledger = bid_id(place, "bid.train"), place.ledger()
    place.edit("  train:", "  pretrain:")
    (warning,) = said(place, "renamed")
    assert "bid.train -> bid.pretrain: only the name differs" in warning["summary"]
    block = re.search(r"`(moved: .*)` in a stack file", warning["hint"])
    assert block is not None
    place.write(f"{(place.path / 'flowplan.yaml').read_text()}{block[1]}\n")
    assert said(place, "renamed") == []
    place.ok(*APPLY)
    assert (bid_id(place, "bid.pretrain"), place.ledger()) == (id, ledger)


@pytest.fixture
@made_once
def rebuilt(place: Place) -> Place:
    """A stack whose task `a` became `aa` by a block that is not written any more, and whose state was lost and rebuilt:
    the marker of the bid has the address that it was placed with."""
    place.write(stack(task("a"), task("stays", ", startup_script: echo stays")))
    place.ok(*APPLY)
    place.edit("  a:", "  aa:")
    text = (place.path / "flowplan.yaml").read_text()
    place.write(text + "moved: [{from: bid.a, to: bid.aa}]\n")
    place.ok(*APPLY)
    place.write(text)
    for one in place.path.glob("flowplan.state*"):
        one.unlink()
    place.ok("recover", "--from-live")
    return place


@pytest.mark.parametrize("by", ["moved", "state mv"])
def test_a_renamed_bid_that_is_left_alone_is_kept_by_what_the_plan_gives(rebuilt: Place, by: str) -> None:
    id, live = bid_id(rebuilt, "bid.a"), live_ids(rebuilt)
    (warning,) = said(rebuilt, "renamed")
    assert "bid.a -> bid.aa: only the name differs; what is on the left is left alone" in warning["summary"]
    assert said(rebuilt, "unnamed") == []  # whose remedy ends it
    found = re.search(r"`(moved: .*)` in a stack file; without one: `flowplan (.*)`", warning["hint"])
    assert found is not None
    if by == "moved":
        rebuilt.write(f"{(rebuilt.path / 'flowplan.yaml').read_text()}{found[1]}\n")
    else:
        rebuilt.ok(*found[2].split())
    assert said(rebuilt, "renamed") == []
    rebuilt.ok(*APPLY)
    assert (bid_id(rebuilt, "bid.aa"), live_ids(rebuilt)) == (id, live)


def test_an_unnamed_bid_that_is_like_nothing_created_is_called_no_rename(rebuilt: Place) -> None:
    rebuilt.edit(f"  aa: {{{TYPE}", f"  aa: {{startup_script: echo other, {TYPE}")
    assert (said(rebuilt, "renamed"), len(said(rebuilt, "unnamed"))) == ([], 1)


def test_a_bid_of_a_file_that_is_there_and_was_not_given_is_called_no_rename(place: Place) -> None:
    place.write(stack(task("a")))
    place.write(stack(task("b")), "beside.yaml")
    place.ok(*APPLY)
    plan = json.loads(place.run("plan", "beside.yaml", "--format", "json").out)
    assert plan["summary"]["create"] == 1
    assert not [one for one in plan["diagnostics"] if one["detail"] == "renamed"]


def test_a_volume_that_was_renamed_is_named_too(place: Place) -> None:
    place.write(stack(task("train", ATTACHED), volumes=DATA))
    place.ok(*APPLY)
    place.edit("  data:", "  store:")
    place.edit("volume: data", "volume: store")
    (warning,) = said(place, "renamed")
    assert "{from: volume.data, to: volume.store}" in warning["hint"]


EACH = (", startup_script: echo a, for_each: [lr1, lr2]", ", startup_script: echo a, for_each: [lr1, lr-two]")


@pytest.mark.parametrize(
    ("was", "now", "moves"),
    [
        (("train", EACH[0]), ("train", EACH[1]), {'bid.train["lr2"]': 'bid.train["lr-two"]'}),
        (("train", EACH[0]), ("tune", EACH[0]), {f'bid.train["{k}"]': f'bid.tune["{k}"]' for k in ("lr1", "lr2")}),
    ],
    ids=["its key", "its task"],
)
def test_an_instance_that_was_renamed_is_kept_by_the_block_that_the_plan_gives(
    place: Place, was: tuple[str, str], now: tuple[str, str], moves: dict[str, str]
) -> None:
    """Made again, it would have to win its place in the auction once more."""
    place.write(stack(task(*was)))
    place.ok(*APPLY)
    ledger = place.ledger()
    place.write(stack(task(*now)))
    (warning,) = said(place, "renamed")
    listed = ", ".join(f"{old} -> {new}" for old, new in moves.items())
    assert f"{listed}: only the name differs" in warning["summary"]
    block = re.search(r"`(moved: .*)` in a stack file", warning["hint"])
    assert block is not None
    place.write(f"{(place.path / 'flowplan.yaml').read_text()}{block[1]}\n")
    assert said(place, "renamed") == []
    place.ok(*APPLY)
    assert place.ledger() == ledger


@pytest.mark.parametrize(
    "now",
    [
        ", for_each: [lr3, lr4]",
        ", startup_script: echo b, for_each: [lr1, lr-two]",
        ', for_each: [lr1, lr3], name: "t-${each.key}"',
    ],
)
def test_keys_that_are_others_for_certain_or_perhaps_are_called_no_rename(place: Place, now: str) -> None:
    place.write(stack(task("train", ", for_each: [lr1, lr2]")))
    place.ok(*APPLY)
    place.write(stack(task("train", now)))
    assert said(place, "renamed") == []


@pytest.mark.parametrize(
    "now",
    [
        (task("b"), task("c")),  # which of the two is it?
        (task("b", ", startup_script: echo other"),),
        (task("b", ", ports: [80]"),),
        (task("b").replace("17.92", "18.00"),),
        (task("b", ", name: other"),),  # its name in the cloud would have to change, too
        (task("a"), task("b")),
        ("  b: {for_each: [x], " + task("b").partition("{")[2],),
    ],
)
def test_what_is_no_rename_for_certain_is_called_none(place: Place, now: tuple[str, ...]) -> None:
    place.write(stack(task("a"), task("stays", ", startup_script: echo stays")))
    place.ok(*APPLY)
    place.write(stack(*now, task("stays", ", startup_script: echo stays")))
    assert said(place, "renamed") == []


def test_two_that_were_alike_and_are_both_renamed_are_not_told_apart(place: Place) -> None:
    place.write(stack(task("a"), task("b")))
    place.ok(*APPLY)
    place.write(stack(task("c"), task("d")))
    assert said(place, "renamed") == []


def test_a_task_that_was_moved_to_a_file_beside_is_named_with_it(place: Place) -> None:
    place.write(stack(task("train"), task("eval")))
    place.ok(*APPLY)
    place.write(stack(task("train")))
    assert said(place, "named_beside") == []
    place.write(HEAD + "tasks:\n" + task("evaluate"), "other.yaml")
    place.write("eval: [", "broken.yaml")
    (place.path / "absent.yaml").symlink_to("nowhere")  # what cannot be read hides nothing behind it
    assert said(place, "named_beside") == []
    place.write(HEAD + "tasks:\n" + task("eval"), "eval.yaml")
    (warning,) = said(place, "named_beside")
    assert warning["summary"] == "bid.eval would be destroyed, but eval.yaml, which was not given, names it"
    command = re.search(r"flowplan (plan flowplan.yaml eval.yaml);", warning["hint"])
    assert command is not None
    assert place.run(*command[1].split(), "--detailed-exitcode").code == 0
