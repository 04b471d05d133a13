"""The guard on mass changes: what counts, of what, and which limit."""

from __future__ import annotations

import json

import pytest

from flowplan.diagnostics import Position
from flowplan.model.address import Address
from flowplan.model.budget import Budget
from flowplan.model.mass_change import MaxChanges, max_changes
from flowplan.planning.actions import Change
from flowplan.planning.mass_change import judged, refusals
from tests.builders import DATA, bid, change, plan_to, volume
from tests.conftest import Place, made_once, many

FILE = Position("flowplan.yaml", 1, 1)


def changes() -> list[Change]:
    """Two updates, a replacement and a deletion of six that there are; a create, and one that is gone."""

    def at(name: str) -> Address:
        return Address("bid", name)

    return [
        change("update", bid("a"), bid("a", "30"), at("a")),
        change("update", bid("b"), bid("b", "30"), at("b")),
        change("replace", bid("c"), bid("c", quantity=2), at("c")),
        change("delete", bid("d"), address=at("d")),
        change("no-op", bid("e"), address=at("e")),
        change("no-op", volume(), address=DATA),
        change("create", after=bid("f"), address=at("f")),
        change("forget", bid("g"), address=at("g"), reason="gone_outside"),
        change("read", volume("x"), address=Address("volume", "x")),
    ]


@pytest.mark.parametrize(
    ("limit", "refused"),
    [("4", False), ("3", True), ("0", True), ("67%", False), ("66%", True), ("100%", False), ("0%", True)],
)
def test_updates_replacements_and_deletions_count(limit: str, refused: bool) -> None:
    (found,) = judged(plan_to(*changes()), [Budget(max_changes=max_changes(limit))])
    assert (found.updated, found.replaced, found.deleted, found.there) == (2, 1, 1, 6)
    assert found.refused == refused


@pytest.mark.parametrize("limit", ["0", "0%"])
def test_creates_never_count(limit: str) -> None:
    (found,) = judged(plan_to(changes()[6]), [Budget(max_changes=max_changes(limit))])
    assert not found.refused


@pytest.mark.parametrize(
    ("limit", "says", "remedy"),
    [
        ("3", "updates 2, replaces 1 and deletes 1 of 6 resources (67% of them); --max-changes allows 3", "4"),
        ("30%", "updates 2, replaces 1 and deletes 1 of 6 resources (67% of them); --max-changes allows 30%", "67%"),
    ],
)
def test_a_refusal_has_its_numbers_and_what_lets_it_through(limit: str, says: str, remedy: str) -> None:
    (said,) = refusals(judged(plan_to(*changes()), [Budget(max_changes=max_changes(limit))]))
    assert said.summary == f"the plan {says}"
    assert said.hint == f"to allow all of it: --max-changes {remedy}"
    assert not refusals(judged(plan_to(*changes()), [Budget(max_changes=max_changes(remedy))]))


def test_the_limit_of_the_command_stands_for_those_of_files() -> None:
    file, strict = Budget(max_changes=MaxChanges(1), position=FILE), Budget(max_changes=MaxChanges(2), position=FILE)
    command, saved = Budget(max_changes=MaxChanges(4)), Budget(max_changes=MaxChanges(4), proven=False)
    plan = plan_to(*changes())
    assert [one.limit.number for one in judged(plan, [file, strict])] == [1, 2]
    assert [one.limit.number for one in judged(plan, [file, strict, command])] == [4]
    assert [one.limit.number for one in judged(plan, [file, saved])] == [1, 4]
    assert [one.limit.number for one in judged(plan, [file, saved, command])] == [4]


@pytest.mark.parametrize("text", ["", "-1", "1.5", "101%", "30 %", "a", "%", "1e3", "٣"])
def test_what_is_no_limit(text: str) -> None:
    with pytest.raises(ValueError, match="write a number of resources, such as 5"):
        max_changes(text)


def test_what_goes_because_its_lifetime_is_over_does_not_count() -> None:
    """It is said in the files: a limit that refuses the plan would let the bid run on."""
    over = change("delete", bid("d"), address=Address("bid", "d"), reason="delete_because_lifetime")
    (found,) = judged(plan_to(over), [Budget(max_changes=max_changes("0%"))])
    assert (found.deleted, found.there, found.refused) == (0, 1, False)
    (found,) = judged(plan_to(over, *changes()), [Budget(max_changes=max_changes("3"))])
    assert (found.deleted, found.there, found.refused) == (1, 7, True)


# ---- as a user ---------------------------------------------------------------------------------------------


@pytest.fixture
@made_once
def three(place: Place) -> Place:
    """Three tasks with a volume and ports each, of a stack that allows few changes."""
    place.write(many(3))
    place.ok("apply", "--auto-approve")
    place.write("guards: {max_changes: 30%}\n" + many(3, "18.50").removeprefix("---\n"))
    return place


def test_too_much_at_once_is_refused(three: Place) -> None:
    before = three.ledger()
    result = three.run("plan")
    assert result.code == 3
    said = " ".join(result.err.split())
    assert "the plan updates 3 of 9 resources (34% of them); guards.max_changes allows 30% at flowplan.yaml:1:9" in said
    assert "to allow all of it: --max-changes 34%" in said
    assert three.run("apply", "--auto-approve").code == 3
    assert three.ledger() == before
    assert "3 changed" in three.ok("apply", "--auto-approve", "--max-changes", "34%")


def test_a_part_is_measured_against_the_whole(three: Place) -> None:
    assert "1 changed" in three.ok("apply", "--auto-approve", "--target", "task.task-001")


def test_the_json_has_the_figures(three: Place) -> None:
    body = json.loads(three.run("plan", "--format", "json").out)
    assert body["errored"]
    (guard,) = body["guards"]
    assert (guard["guard"], guard["limit"], guard["changed"], guard["there"]) == ("max_changes", "30%", 3, 9)
    assert guard["refused"] and guard["source"]["file"] == "flowplan.yaml"
    assert "max_changes" in [one["detail"] for one in body["diagnostics"]]


def test_a_saved_plan_loosens_nothing_unless_it_is_proved(three: Place) -> None:
    three.ok("plan", "--max-changes", "50%", "--out", "p")
    before = three.ledger()
    result = three.run("apply", "p")
    assert result.code == 3
    assert "guards.max_changes allows 30%" in result.err
    assert three.ledger() == before
    digest = json.loads((three.path / "p").read_text())["sha256"]
    assert "3 changed" in three.ok("apply", "p", "--expect", digest)


def test_a_saved_plan_keeps_its_own_limit(place: Place) -> None:
    place.write(many(3))
    place.ok("apply", "--auto-approve")
    place.write(many(3, "18.50"))
    place.ok("plan", "--max-changes", "3", "--out", "p")
    assert place.run("apply", "p", "--max-changes", "2").code == 3
    assert "3 changed" in place.ok("apply", "p")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("plan", "--max-changes", "lots"), "'lots' is not a limit"),
        (("apply", "--max-changes", "-1"), "'-1' is not a limit"),
        (("plan", "--destroy", "--max-changes", "3"), "cannot be combined with --destroy"),
        (("destroy", "--max-changes", "3"), "No such option"),
    ],
)
def test_wrong_usage(three: Place, arguments: tuple[str, ...], says: str) -> None:
    result = three.run(*arguments)
    assert result.code == 64, result
    assert says in result.err
