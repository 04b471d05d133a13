"""Addresses that change hands: `moved`, `removed` and `import` blocks of a stack, from the plan to the state."""

from __future__ import annotations

import json

import pytest

from tests.conftest import APPLY, Place, bid_id, live_ids, made_once
from tests.operations.handing_over import ATTACHED, DATA, kept, planned, stack, task

MOVED = "moved: [{from: task.old, to: task.new}]\n"
KEPT = "removed: [{address: task.old, destroy: false}, {address: volume.data, destroy: false}]\n"


@pytest.fixture
@made_once
def old(place: Place) -> Place:
    """A stack with a volume, and a bid `old` that uses it and publishes a port."""
    place.write(stack(task("old", ATTACHED), volumes=DATA))
    place.ok(*APPLY)
    return place


def release(place: Place) -> dict[str, str]:
    """The ids of the bid and the volume, which the state of `old` does not hold any more."""
    ids = {"bid": bid_id(place, "bid.old"), "volume": bid_id(place, "volume.data")}
    place.ok("state", "rm", "bid.old")
    place.ok("state", "rm", "volume.data")
    return ids


# ---- moved


def test_a_move_is_recorded_and_touches_nothing(old: Place) -> None:
    id, ledger = bid_id(old, "bid.old"), old.ledger()
    old.write(stack(task("new", ATTACHED), volumes=DATA, more=MOVED))
    result = old.run("plan", "--detailed-exitcode")
    assert "# bid.old has moved to bid.new" in result.out
    assert "Plan: 0 to add, 0 to change, 0 to destroy." in result.out
    assert result.code == 2
    moved = {one["address"]: one.get("previous_address") for one in planned(old)["resource_changes"]}
    assert moved == {"bid.new": "bid.old", "ports.new": "ports.old", "volume.data": None}
    assert "2 moved" in old.ok(*APPLY)
    assert old.ledger() == ledger
    assert bid_id(old, "bid.new") == id
    assert [one["address"] for one in kept(old)["resources"]] == ["bid.new", "ports.new", "volume.data"]
    assert kept(old)["resources"][0]["needs"] == ["volume.data"]
    assert old.run("plan", "--detailed-exitcode").code == 0
    assert old.ok("orphans") == "Nothing is orphaned.\n"


def test_a_move_without_source_has_no_effect(place: Place) -> None:
    place.write(stack(task("new"), more=MOVED))
    assert "moved" not in place.ok("plan")
    place.ok(*APPLY)
    assert place.run("plan", "--detailed-exitcode").code == 0


def test_moves_follow_each_other_and_come_with_changes(old: Place) -> None:
    id = bid_id(old, "bid.old")
    more = (
        "moved: [{from: task.mid, to: task.new}, {from: task.old, to: task.mid}, {from: volume.data, to: volume.d}]\n"
    )
    text = stack(task("new", ATTACHED.replace("data", "d")), volumes=DATA.replace("data", "d"), more=more)
    old.write(text.replace("17.92", "18.50"))
    out = old.ok(*APPLY)
    assert "moved from bid.old" in out
    assert "Apply complete: 0 added, 1 changed, 0 destroyed, 3 moved." in out
    assert bid_id(old, "bid.new") == id
    assert old.run("plan", "--detailed-exitcode").code == 0


def test_a_target_that_is_taken_refuses_with_both_objects_and_places(old: Place) -> None:
    old.write(stack(task("old", ATTACHED), task("new"), volumes=DATA))
    old.ok(*APPLY)
    ledger, state = old.ledger(), kept(old)
    old.write(stack(task("new", ATTACHED), volumes=DATA, more=MOVED))
    for command in (("plan",), APPLY):
        result = old.run(*command)
        assert result.code == 65
        assert "flowplan.yaml:9:9" in result.err
        assert f"bid.old ({bid_id(old, 'bid.old')}) cannot become bid.new" in result.err
        assert bid_id(old, "bid.new") in result.err
        assert "bid.new is configured here: flowplan.yaml:8:3" in " ".join(result.err.split())
    assert (old.ledger(), kept(old)) == (ledger, state)


def test_a_bid_does_not_move_to_where_it_would_be_cancelled(old: Place) -> None:
    old.write(stack(task("other"), volumes=DATA, more=MOVED))
    result = old.run("plan")
    assert (result.code, "not configured here" in result.err) == (65, True)


def test_a_written_name_that_differs_replaces_and_a_derived_one_does_not(old: Place) -> None:
    old.write(stack(task("new", f"{ATTACHED}, name: old"), volumes=DATA, more=MOVED))
    assert planned(old)["summary"]["replace"] == 0
    old.write(stack(task("new", f"{ATTACHED}, name: another"), volumes=DATA, more=MOVED))
    result = old.run("plan")
    assert "must be replaced" in result.out
    assert '"old" -> "another"' in result.out


def test_a_volume_gets_a_written_name_in_place(old: Place) -> None:
    id = bid_id(old, "volume.data")
    named = DATA.replace("size: 5", "size: 5, volume_name: kept")
    old.write(stack(task("old", ATTACHED), volumes=named))
    assert "0 added, 1 changed, 0 destroyed" in old.ok(*APPLY)
    assert bid_id(old, "volume.data") == id
    assert old.run("plan", "--detailed-exitcode").code == 0


def test_a_lost_state_is_rebuilt_and_the_bid_moves_again(old: Place) -> None:
    """The marker in the bid has the old address for good."""
    id = bid_id(old, "bid.old")
    old.write(stack(task("new", ATTACHED), volumes=DATA, more=MOVED))
    old.ok(*APPLY)
    lineage = kept(old)["lineage"]
    for name in ("flowplan.state.json", "flowplan.state.json.backup", "flowplan.state.journal"):
        (old.path / name).unlink(missing_ok=True)
    old.ok("recover", "--from-live", "--lineage", lineage)
    old.ok(*APPLY)
    assert bid_id(old, "bid.new") == id
    assert live_ids(old) == [id]


def test_a_saved_plan_of_a_move_is_applied_once(old: Place) -> None:
    old.write(stack(task("new", ATTACHED), volumes=DATA, more=MOVED))
    old.ok("plan", "--out", "plan.json")
    old.ok("apply", "plan.json")
    again = old.run("apply", "plan.json")
    assert (again.code, "applied already" in again.err) == (3, True)


# ---- removed


def test_what_is_removed_and_kept_stays_live_and_released(old: Place) -> None:
    id, ledger = bid_id(old, "bid.old"), old.ledger()
    old.write(stack(more=KEPT))
    body = planned(old)
    assert {one["address"]: one["action_reason"] for one in body["resource_changes"]} == dict.fromkeys(
        ("bid.old", "ports.old", "volume.data"), "forget_because_removed"
    )
    assert body["cost"]["planned"]["worst"] == body["cost"]["current"]["worst"]
    said = " ".join(old.ok(*APPLY).split())
    assert f"warning: bid.old ({id}) stays live and costs at most $17.92 an hour" in said
    assert "stays live and costs $0.40 a month" in said
    assert (old.ledger(), kept(old)["resources"], kept(old)["released"]) == (ledger, [], [id])
    assert old.run("plan", "--detailed-exitcode").code == 0
    old.ok("destroy", "--auto-approve")  # nor does anything adopt it again
    assert live_ids(old) == [id]


def test_what_is_removed_and_destroyed_is_guarded(old: Place) -> None:
    old.write(stack(more="removed: [{address: task.old}, {address: volume.data, destroy: true}]\n"))
    assert old.run(*APPLY).code == 3
    assert "3 destroyed" in old.ok(*APPLY, "--allow-volume-destroy", "data")


@pytest.mark.parametrize(
    ("more", "what"),
    [
        ("removed: [{address: task.old}]\n", "bid.old is removed but is still configured"),
        ("moved: [{from: task.old, to: task.new}]\n", "bid.old has moved but is still configured"),
        ("moved: [{from: task.a, to: task.b}, {from: task.b, to: task.a}]\n", "in a circle: bid.a -> bid.b -> bid.a"),
        ("import: [{address: task.x, id: bid_1}]\n", "bid.x is imported, but not configured"),
        ("import: [{address: task.odl, id: bid_1}]\n", "hint: did you mean bid.old? write it down"),
    ],
)
def test_what_contradicts_itself_is_a_problem_of_the_file(place: Place, more: str, what: str) -> None:
    place.write(stack(task("old"), more=more))
    result = place.run("validate")
    assert result.code == 65
    assert what in " ".join(result.err.split())


@pytest.mark.parametrize("moved", ["", "{from: task.old, to: task.gone}, {from: volume.data, to: volume.v}"])
def test_destroy_spares_what_is_removed_and_to_stay(old: Place, moved: str) -> None:
    """Also before any apply has recorded it, and under the address that it had before."""
    id, ledger = bid_id(old, "bid.old"), old.ledger()
    names = KEPT.replace("old", "gone").replace("data", "v") if moved else KEPT
    old.write(stack(more=names + (f"moved: [{moved}]\n" if moved else "")))
    out = old.ok("destroy", "--auto-approve", "--allow-volume-destroy", "*")
    assert "stays live and costs at most $17.92 an hour" in " ".join(out.split())
    assert (old.ledger(), live_ids(old), kept(old)["released"]) == (ledger, [id], [id])


def test_a_faulty_file_that_may_keep_a_bid_does_not_end_it(old: Place) -> None:
    """Who is to stop paying names the bid."""
    ledger = old.ledger()
    old.write(stack(more=KEPT) + "nonsense: [\n")
    refused = old.run("destroy", "--auto-approve", "--keep-volumes")
    said = " ".join(refused.err.split())
    assert (refused.code, old.ledger()) == (3, ledger)
    assert "a file that cannot be read may say in `removed` that bid.old is to stay; deleting it cancels bid_" in said
    assert "`flowplan validate` says what is wrong with it; if it is to end anyway: --target 'bid.old'" in said
    old.ok("destroy", "--auto-approve", "--keep-volumes", "--target", "bid.old")
    assert live_ids(old) == []


def test_destroy_knows_what_is_protected_by_the_address_it_had_before(old: Place) -> None:
    protected = DATA.replace("data", "v").replace("size: 5", "size: 5, lifecycle: {prevent_destroy: true}")
    old.write(
        stack(
            task("old", ATTACHED.replace("data", "v")),
            volumes=protected,
            more="moved: [{from: volume.data, to: volume.v}]\n",
        )
    )
    ledger = old.ledger()
    result = old.run("destroy", "--auto-approve", "--allow-volume-destroy", "*")
    assert (result.code, "prevent_destroy" in result.err, old.ledger()) == (3, True, ledger)


def test_a_whole_for_each_moves_and_is_kept(place: Place) -> None:
    each = ", for_each: [a, b]"
    place.write(stack(task("old", each)))
    place.ok(*APPLY)
    ids, ledger = sorted(live_ids(place)), place.ledger()
    place.write(stack(task("new", each), more=MOVED))
    assert "Plan: 0 to add, 0 to change, 0 to destroy." in place.ok(*APPLY)
    place.write(stack(more="removed: [{address: task.new, destroy: false}]\n"))
    assert "2 forgotten" in place.ok(*APPLY)
    assert (sorted(live_ids(place)), place.ledger(), sorted(kept(place)["released"])) == (ids, ledger, ids)


def test_a_duplicate_with_the_former_address_in_its_marker_is_not_taken_for_the_moved_bid(old: Place) -> None:
    row = json.loads(old.call("GET", "/v2/spot/bids").body)["data"][0]
    keys = ("project", "region", "instance_type", "limit_price", "instance_quantity")
    launch = {**row["launch_specification"], "volumes": []}
    body = {**{key: row[key] for key in keys}, "name": "twin", "launch_specification": launch}
    old.write(stack(task("new", ATTACHED), volumes=DATA, more=MOVED))
    old.ok(*APPLY)
    twin = json.loads(old.call("POST", "/v2/spot/bids", json.dumps(body).encode()).body)["fid"]
    ledger = old.ledger()
    for command in (("plan",), APPLY):
        result = old.run(*command)
        assert result.code == 65
        assert f"flowplan recover --cancel {twin}" in " ".join(result.err.split())
    assert old.ledger() == ledger
    old.ok("recover", "--cancel", twin)
    assert old.run("plan", "--detailed-exitcode").code == 0


# ---- import


def importing(**ids: str) -> str:
    blocks = {"bid": "task.again", "volume": "volume.data"}
    return "import: [" + ", ".join(f"{{address: {blocks[kind]}, id: {id}}}" for kind, id in ids.items()) + "]\n"


def test_live_objects_are_imported_and_changed_in_one_plan(old: Place) -> None:
    ids, ledger = release(old), len(old.ledger())
    old.write(stack(task("again", ATTACHED), volumes=DATA, more=importing(**ids)).replace("17.92", "18.50"))
    body = planned(old)
    assert {one["address"]: one["change"]["actions"] for one in body["resource_changes"]} == {
        "bid.again": ["import", "update"],
        "ports.again": ["no-op"],
        "volume.data": ["import"],
    }
    assert (body["summary"]["import"], body["summary"]["update"]) == (2, 1)
    out = old.ok(*APPLY)
    assert "Plan: 2 to import, 0 to add, 1 to change, 0 to destroy." in out
    assert "Apply complete: 0 added, 1 changed, 0 destroyed, 2 imported." in out
    assert [one.method for one in old.ledger()[ledger:]] == ["PATCH"]
    state = kept(old)
    assert {one["address"]: one["id"] for one in state["resources"] if one["type"] != "ports"} == {
        "bid.again": ids["bid"],
        "volume.data": ids["volume"],
    }
    assert (state.get("released"), state["adopted"]) == (None, [ids["volume"]])
    assert old.run("plan", "--detailed-exitcode").code == 0


def test_the_first_plan_of_a_stack_may_import_and_is_applied_as_it_was_saved(old: Place) -> None:
    """A first apply has yet to make its state: nothing was cut off, and no other state can be meant."""
    volume = bid_id(old, "volume.data")
    old.ok("destroy", "--auto-approve", "--keep-volumes")
    hooks = "hooks: {planned: [sh, -c, cat > heard]}\n"
    old.write(stack(task("again"), volumes=DATA, more=hooks + importing(volume=volume)))
    fresh = ("--state", "fresh.json")
    said = " ".join(old.ok("plan", *fresh, "--out", "saved").split())
    assert "no state at fresh.json yet" in said and "1 to import, 1 to add" in said
    saved, heard = (json.loads((old.path / name).read_text()) for name in ("saved", "heard"))
    assert (saved["stack"]["lineage"], heard["stack"]["lineage"]) == (None, None)
    assert "1 added, 0 changed, 0 destroyed, 1 imported" in old.ok("apply", "saved", *fresh)


def test_an_import_of_what_another_environment_has_is_refused_at_its_place(old: Place) -> None:
    bid, volume, ledger = bid_id(old, "bid.old"), bid_id(old, "volume.data"), old.ledger()
    lineage = kept(old)["lineage"]
    old.write(stack(task("again", ATTACHED), volumes=DATA, more=importing(bid=bid, volume=volume)))
    line = (old.path / "flowplan.yaml").read_text().splitlines().index(importing(bid=bid, volume=volume).strip()) + 1
    for command in (("plan",), APPLY):
        result = old.run(*command, "--state", "other.state.json")
        assert result.code == 3
        said = " ".join(result.err.split())
        assert f"{bid} cannot be imported as bid.again: it belongs to stack" in said
        assert f"{volume} cannot be imported as volume.data: a bid that uses it, {bid}, belongs to stack" in said
        assert f"at flowplan.yaml:{line}:10" in said
        assert "if this id is of another environment, remove the block, or give the variables of this one" in said
        assert (
            f"with `flowplan import bid.again {bid}`: with the --state that has it, `flowplan state rm` releases it"
            in said
        )
        assert f"then give --lineage {lineage} here" in said
    body = json.loads(old.run("plan", "--format", "json", "--state", "other.state.json").out)
    assert [one["source"] and one["source"]["line"] for one in body["diagnostics"]] == [None, line, line]
    assert old.ledger() == ledger


def test_an_import_of_what_is_not_in_this_project_says_what_is_and_whose_it_may_be(place: Place) -> None:
    place.write(stack(task("again"), more=importing(bid="bid_ofAnother123456")))
    result = place.run("plan")
    said = " ".join(result.err.split())
    assert (result.code, "at flowplan.yaml:7:10" in said) == (65, True), said
    assert "there is no bid with the id bid_ofAnother123456 in this project" in said
    assert "`flowplan orphans` lists the bids that flowplan placed and no state here has" in said
    assert "give the --project or the variables that belong to it" in said
    volume = place.run("import", "volume.data", "vol_ofAnother123456")  # `orphans` goes by markers: volumes have none
    assert (volume.code, "orphans" in volume.err, "console" in volume.err) == (1, False, True), volume


def test_an_import_that_would_replace_is_refused(old: Place) -> None:
    ids, ledger = release(old), old.ledger()
    old.write(stack(task("again", ATTACHED.replace("8080", "8081")), volumes=DATA, more=importing(**ids)))
    result = old.run(*APPLY)
    assert result.code == 3
    said = " ".join(result.err.split())
    assert f"bid.again would be replaced by the plan that imports it ({ids['bid']}): ports differs" in said
    assert (old.ledger(), kept(old)["resources"]) == (ledger, [])


def test_so_is_a_replacement_that_is_asked_for_beside_the_import(old: Place) -> None:
    ids, ledger = release(old), old.ledger()
    old.write(stack(task("again", ATTACHED), volumes=DATA, more=importing(**ids)))
    result = old.run(*APPLY, "--replace", "bid.again")
    said = " ".join(result.err.split())
    assert f"would be replaced by the plan that imports it ({ids['bid']}): as requested" in said, result
    assert (result.code, old.ledger()) == (3, ledger)


def test_an_address_with_another_object_and_an_object_with_another_address_are_refused(old: Place) -> None:
    id = bid_id(old, "bid.old")
    old.write(stack(task("old", ATTACHED), task("again"), volumes=DATA))
    old.ok(*APPLY)
    old.write(stack(task("old", ATTACHED), task("again"), volumes=DATA, more=importing(bid=id)))
    result = old.run("plan")
    assert (result.code, "bid.again is already in the state" in " ".join(result.err.split())) == (65, True)
    old.write(stack(task("again"), task("third"), volumes=DATA, more=importing(bid=id).replace("again", "third")))
    result = old.run("plan")
    assert (result.code, "is already in the state, as bid.old" in " ".join(result.err.split())) == (65, True)


def test_what_is_not_there_or_of_another_stack_is_not_imported(old: Place) -> None:
    old.write(stack(task("again"), more=importing(bid="bid_nosuch")))
    result = old.run("plan")
    assert (result.code, "there is no bid with the id bid_nosuch" in " ".join(result.err.split())) == (65, True)
    id = bid_id(old, "bid.old")
    old.write(stack(task("again"), more=importing(bid=id)))
    result = old.run("--state", "other.json", "plan")
    assert (result.code, "belongs to stack llm" in " ".join(result.err.split())) == (3, True)


def test_an_import_block_that_has_done_its_work_has_no_effect(old: Place) -> None:
    """Also when its object was replaced since."""
    ids = release(old)
    text = stack(task("again", ATTACHED), volumes=DATA, more=importing(**ids))
    old.write(text)
    old.ok(*APPLY)
    assert old.run("plan", "--detailed-exitcode").code == 0
    old.ok(*APPLY, "--replace", "bid.again")
    assert old.run("plan", "--detailed-exitcode").code == 0
    assert bid_id(old, "bid.again") != ids["bid"]


def test_an_update_that_fails_leaves_the_object_imported(old: Place) -> None:
    ids = release(old)
    old.write(stack(task("again", ATTACHED), volumes=DATA, more=importing(**ids)).replace("17.92", "18.50"))
    with old.simulator() as simulator:
        simulator.faults.add("PATCH /v2/spot/bids/*", "status", status=400, times=None)
    assert old.run(*APPLY).code == 1
    assert bid_id(old, "bid.again") == ids["bid"]
    with old.simulator() as simulator:
        simulator.faults.clear()
    assert "0 added, 1 changed, 0 destroyed" in old.ok(*APPLY)
