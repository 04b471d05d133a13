"""`state rm` releases, `import` takes in, `recover --cancel` ends: what somebody said of a live object lasts."""

from __future__ import annotations

import json
import re
import signal
from functools import partial
from threading import Event
from typing import Any

import attrs
import pytest

from flowplan.apply.options import Options
from flowplan.backends.local import LocalStore
from flowplan.backends.local_journal import LocalJournal
from flowplan.cli.stop import Stop
from flowplan.clock import Moment
from flowplan.cloud.fcp import Fcp
from flowplan.model.address import Address
from flowplan.operations import recover
from flowplan.state.records import Intent
from tests.conftest import BID, PORTS, VOLUME, Place, bid_id, left_in_doubt, live_ids, lose_addresses, many
from tests.processes import LONGEST

STATE = "flowplan.state.json"


# ---- what is released, and taken back ------------------------------------------------------------------------


def test_what_was_released_stays_released(applied: Place) -> None:
    """Neither the marker nor a destroy brings it back; the file that still names it is told how it would come back."""
    id = bid_id(applied)
    assert " ".join(applied.ok("state", "rm", BID).split()).endswith("if it still exists, it still costs money.")
    assert applied.ok("state", "list").splitlines() == [VOLUME]  # its ports went with it
    result = applied.run("apply", "--auto-approve")
    assert result.code == 65
    told = " ".join(result.err.split())
    assert "it was released" in told
    assert f"flowplan import {BID} {id} takes it back" in told
    assert f"flowplan import {BID} {id}" in applied.ok("orphans")
    ledger = len(applied.ledger())
    applied.write(many(1))
    assert "carry our marker" not in applied.run("plan").out
    applied.ok("state", "rm", VOLUME)
    applied.ok("apply", "--auto-approve")
    applied.ok("destroy", "--auto-approve", "--allow-volume-destroy", "*")
    assert id in live_ids(applied)
    assert (
        len([one for one in applied.ledger()[ledger:] if one.method == "DELETE"]) == 2
    )  # the other bid and its volume


def test_what_was_released_is_taken_back(applied: Place) -> None:
    before = json.loads((applied.path / "flowplan.state.json").read_text())
    ledger = applied.ledger()
    applied.ok("state", "rm", BID)
    id = live_ids(applied)[0]
    assert " ".join(applied.ok("import", BID, id).split()) == f"{BID} is now {id}; flowplan plan shows what differs."
    applied.ok("apply", "--auto-approve")
    after = json.loads((applied.path / "flowplan.state.json").read_text())
    assert "released" not in after
    assert applied.ledger() == ledger
    needs = [{"address": one["address"], "id": one["id"], "needs": one["needs"]} for one in before["resources"]]
    assert needs == [{key: one[key] for key in needs[0]} for one in after["resources"]]
    applied.write(many(1))
    applied.ok("apply", "--auto-approve", "--allow-volume-destroy", "*")
    assert id not in live_ids(applied)  # its file is known again: what the file does not name goes


def test_somebody_elses_bid_is_taken_in_and_then_changed_as_ours(example: Place) -> None:
    example.ok("apply", "--auto-approve")
    first = json.loads(example.call("GET", "/v2/spot/bids").body)["data"][0]
    body = {key: first[key] for key in ("project", "region", "instance_type", "limit_price", "instance_quantity")}
    launch = {**first["launch_specification"], "volumes": [], "startup_script": "echo mine"}
    made = example.call(
        "POST", "/v2/spot/bids", json.dumps({**body, "name": "byhand", "launch_specification": launch}).encode()
    )
    id = json.loads(made.body)["fid"]
    example.ok("import", "bid.byhand", id)
    result = example.run("plan", "--detailed-exitcode")
    assert result.code == 0, result
    told = " ".join(result.out.split())
    assert f"bid.byhand ({id}) is in the state, but no known file names it" in told
    assert "flowplan state rm bid.byhand" in told
    text = (example.path / "flowplan.yaml").read_text()
    renamed = re.sub(r"(?m)^name: .*", "name: byhand", text)
    cut = re.sub(r"(?ms)^(persistent_storage|ports):.*?(?=^\S)", "", renamed)
    example.write(cut.replace("17.92", "19.20"), "byhand.yaml")
    out = example.ok("plan", "byhand.yaml")
    assert "bid.byhand will be" in out


@pytest.mark.parametrize(
    ("address", "id", "code", "says"),
    [
        ("bid", "bid_x", 64, "bid"),
        ("bid.\udcff", "bid_x", 64, r"no file can name 'bid.\udcff'"),
        ("volume.a\nb", "vol_x", 64, r"no file can name 'volume.a\nb'"),
        (PORTS, "{bid}", 64, "ports come with their bid"),
        (BID, "bid_other", 64, "is already in the state, as bid_"),
        ("bid.other", "{bid}", 64, f"flowplan state mv {BID} bid.other"),
        ("bid.other", "bid_nothere", 1, "there is no bid with the id bid_nothere in this project"),
        ("volume.other", "vol_nothere", 1, "there is no volume with the id vol_nothere in this project"),
        ("volume.other", "{bid}", 64, "is already in the state"),
    ],
)
def test_what_cannot_be_imported(applied: Place, address: str, id: str, code: int, says: str) -> None:
    before = (applied.path / "flowplan.state.json").read_bytes()
    result = applied.run("import", address, id.format(bid=bid_id(applied)))
    assert result.code == code, result
    assert says in " ".join(result.err.split())
    assert (applied.path / "flowplan.state.json").read_bytes() == before


@pytest.mark.parametrize("address", [BID, VOLUME])
def test_an_import_by_name_gives_the_id(applied: Place, address: str) -> None:
    id = bid_id(applied, address)
    kept = json.loads((applied.path / STATE).read_text())["resources"]
    (name,) = (one["applied"]["name"] for one in kept if one["id"] == id and one["type"] != "ports")
    applied.ok("state", "rm", address)
    result = applied.run("import", address, name)
    said = " ".join(result.err.split())
    assert (result.code, f"hint: give its id: {id} has that name" in said) == (1, True), said
    applied.ok("import", address, id)


def test_what_has_ended_is_not_imported(applied: Place) -> None:
    id = bid_id(applied)
    applied.ok("state", "rm", BID)
    applied.call("DELETE", f"/v2/spot/bids/{id}")
    result = applied.run("import", BID, id)
    assert result.code == 1
    assert "it has ended" in result.err


def test_what_another_stack_has_is_not_imported(applied: Place) -> None:
    ids = {"bid": bid_id(applied), "volume": bid_id(applied, VOLUME)}
    for kind, id in ids.items():
        result = applied.run("--state", "other.json", "import", f"{kind}.mine", id)
        assert result.code == 3, result
        assert "belongs to stack work" in " ".join(result.err.split())


def test_what_is_in_doubt_is_not_imported(place: Place) -> None:
    left_in_doubt(place)
    result = place.run("import", "bid.task-000", live_ids(place)[0])
    assert result.code == 1
    assert "run `flowplan recover` first" in result.err


def test_import_of_another_id_cannot_take_what_is_in_doubt(place: Place) -> None:
    """The look-up would bind it a second time."""
    left_in_doubt(place)
    id = live_ids(place)[0]
    result = place.run("import", "bid.mine", id)
    assert result.code == 1
    assert f"an interrupted run may have created {id} as bid.task-000" in " ".join(result.err.split())
    place.ok("recover")
    assert place.run("plan", "--detailed-exitcode").code == 0


def test_what_is_in_doubt_is_not_released(applied: Place) -> None:
    """An update of it was interrupted: the intent would be about nothing."""
    store = LocalStore(applied.path / STATE)
    state = store.read().state
    bid = state.bindings[Address.parse(BID)]
    store.prepare(state).append([Intent("i", "update", bid.address, 1, "", "k", "", Moment(0.0, 0.0, ""), id=bid.id)])
    store.close()
    for arguments in (("rm", BID), ("mv", BID, "bid.other")):
        result = applied.run("state", *arguments)
        assert result.code == 1
        assert f"{BID} is in doubt" in result.err


def test_what_was_released_is_not_bound_by_what_is_in_doubt(place: Place) -> None:
    """However both came to be said: the later word is that it is not to be touched."""
    left_in_doubt(place)
    [id] = live_ids(place)
    store = LocalStore(place.path / STATE)
    loaded = store.read()
    store.save(attrs.evolve(loaded.state, released=frozenset({id})), loaded.pending.values())
    assert "bid.task-000" not in place.run("state", "list").out
    result = place.run("recover")
    assert result.code == 0
    assert f"{id}, which an interrupted run created as bid.task-000, was released" in " ".join(result.err.split())
    assert "bid.task-000" not in place.ok("state", "list")
    assert live_ids(place) == [id]


def test_a_bid_of_another_project_is_not_imported(applied: Place) -> None:
    """It answers to its id, but no list of this project has it: an apply would change it there."""
    theirs = json.loads(applied.call("GET", f"/v2/spot/bids/{bid_id(applied)}").body)
    theirs |= {"fid": "bid_theirs", "name": "theirs", "project": "proj_theirs"}
    before = (applied.path / STATE).read_bytes()
    with applied.simulator() as simulator:
        simulator.faults.add("GET /v2/spot/bids/*", "status", status=200, body=json.dumps(theirs))
    result = applied.run("import", "bid.theirs", "bid_theirs")
    assert result.code == 1, result
    assert "bid_theirs belongs to another project" in result.err
    assert (applied.path / STATE).read_bytes() == before


def test_what_another_stack_released_is_taken_in_here(applied: Place) -> None:
    lineage = json.loads((applied.path / STATE).read_text())["lineage"]
    id = bid_id(applied)
    refused = applied.run("--state", "other.json", "import", BID, id)
    said = " ".join(refused.err.split())
    assert f"`flowplan state rm` releases it; then give --lineage {lineage} here: nothing in the cloud proves" in said
    assert applied.run("--state", "other.json", "import", BID, id, "--lineage", "wrong").code == 3
    applied.ok("state", "rm", BID)
    applied.ok("--state", "other.json", "import", BID, id, "--lineage", lineage)
    applied.ok("--state", "other.json", "import", VOLUME, bid_id(applied, VOLUME), "--lineage", lineage)
    planned = applied.run("--state", "other.json", "plan", "--detailed-exitcode")
    assert (planned.code, "marker" in planned.out) == (0, False)


def test_what_was_taken_in_from_another_stack_and_no_file_names_is_cancelled_as_its_plan_says(applied: Place) -> None:
    lineage, id = json.loads((applied.path / STATE).read_text())["lineage"], bid_id(applied)
    applied.ok("state", "rm", BID)
    other = ("--state", "other.json")
    applied.ok(*other, "import", VOLUME, bid_id(applied, VOLUME), "--lineage", lineage)  # so that there is a stack
    refused = applied.run(*other, "recover", "--cancel", id)
    said = " ".join(refused.err.split())
    assert (refused.code, id in live_ids(applied)) == (3, True), said
    assert f"if that is lost: flowplan import {BID} {id} --lineage {lineage}, then this command again" in said
    applied.ok(*other, "import", "bid.theirs", id, "--lineage", lineage)
    planned = applied.run(*other, "plan", "--target", VOLUME)
    told = " ".join((planned.out + planned.err).split())
    assert f"flowplan recover --state other.json --cancel {id}" in told, told
    assert f"{id} (bid.theirs) is cancelled." in applied.ok(*other, "recover", "--cancel", id)
    assert id not in live_ids(applied)
    assert "bid.theirs" not in applied.ok(*other, "state", "list")


def test_what_another_stack_has_not_released_is_not_taken_in_silently(applied: Place) -> None:
    """Nothing in the cloud shows that two states hold one bid: whoever imports it is told, and so is every plan that
    sees it changed by the other."""
    lineage, id = json.loads((applied.path / STATE).read_text())["lineage"], bid_id(applied)
    other = ("--state", "other.json")
    for address in (VOLUME, BID):  # a volume carries no marker: the bid that uses it does
        taken = applied.run(*other, "import", address, bid_id(applied, address), "--lineage", lineage)
        said = " ".join(taken.err.split())
        assert taken.code == 0
        assert "warning: nothing in the cloud proves the release, and two states that hold one object undo" in said
        assert (
            f"unless the state of stack work, lineage {lineage}, is lost, make sure that `flowplan state rm` was"
            in said
        )
    applied.ok(*other, "apply", "--auto-approve")
    for ends in (("--destroy",), ("--replace", BID)):
        told = " ".join(applied.ok(*other, "plan", *ends, "--allow-volume-destroy", "*").split())
        assert f"{BID} would be cancelled, and carries the marker of stack work, from which it was imported" in told
        assert f"if it is that stack's, type `flowplan state rm --state other.json {BID}` here: it then runs on" in told
        assert "would be cancelled, and" not in applied.ok("plan", *ends, "--allow-volume-destroy", "*")
    applied.call("PATCH", f"/v2/spot/bids/{id}", b'{"limit_price": "$18.50"}')
    told = " ".join(applied.ok(*other, "plan").split())
    assert f"{BID} was changed outside, and carries the marker of stack work, from which it was imported" in told
    assert f"type `flowplan state rm {BID}` there, or `flowplan state rm --state other.json {BID}` here" in told
    assert "other_marker" in applied.ok(*other, "plan", "--format", "json")
    assert "from which it was imported" not in applied.ok("plan")  # its own marker: nothing tells it
    applied.ok("destroy", "--auto-approve", "--allow-volume-destroy", "*")
    assert f"{BID} was changed outside" in " ".join(applied.ok(*other, "plan", "--refresh-only").split())


# ---- it outlives the file it is written in --------------------------------------------------------------------


def test_after_a_restore_it_is_still_released(applied: Place) -> None:
    id = bid_id(applied)
    applied.ok("state", "rm", BID)
    (applied.path / STATE).write_bytes(b"")
    applied.ok("state", "restore")
    assert BID not in applied.ok("state", "list")
    assert "carry our marker" not in applied.run("plan").out
    applied.ok("state", "rm", VOLUME)
    applied.write(many(1))
    applied.ok("destroy", "--auto-approve", "--allow-volume-destroy", "*")
    assert id in live_ids(applied)


def test_after_a_restore_what_was_imported_or_moved_is_there(applied: Place) -> None:
    id = bid_id(applied)
    applied.ok("state", "rm", BID)
    applied.ok("import", BID, id)
    applied.ok("state", "mv", VOLUME, "volume.other")
    before = applied.ok("state", "list")
    (applied.path / STATE).write_bytes(b"{")
    applied.ok("state", "restore")
    assert applied.ok("state", "list") == before


def test_a_state_that_only_released_is_not_lost(applied: Place) -> None:
    applied.ok("state", "rm", BID)
    applied.ok("state", "rm", VOLUME)
    result = applied.run("recover", "--from-live")
    assert result.code == 64
    assert "the state is intact" in result.err


def test_rebuilding_says_that_it_does_not_know_what_was_released(applied: Place) -> None:
    applied.ok("state", "rm", BID)
    for path in applied.path.glob("flowplan.state*"):
        path.unlink()
    result = applied.run("recover", "--from-live")
    assert BID in result.out
    assert "anything that `state rm` had released is in the state again" in " ".join(result.err.split())


def test_an_older_copy_is_not_pushed_over_what_was_released(applied: Place) -> None:
    applied.ok("state", "rm", BID)
    body = json.loads((applied.path / STATE).read_text())
    assert body.pop("released")
    from flowplan.model.digest import digest

    body.pop("sha256")
    applied.write(json.dumps(body | {"sha256": digest(body)}), "copy.json")
    assert applied.run("state", "push", "copy.json").code == 5


# ---- orphans, and their end ------------------------------------------------------------------------------------


def test_what_was_released_is_no_orphan_to_cancel(applied: Place) -> None:
    id = bid_id(applied)
    applied.ok("state", "rm", BID)
    told = applied.ok("orphans")
    assert "Bids that this stack released:" in told
    assert f"flowplan import {BID} {id}" in told and "--cancel" not in told
    document = json.loads(applied.ok("orphans", "--format", "json"))
    assert ([one["id"] for one in document["released"]], document["bids"]) == ([id], [])
    result = applied.run("recover", "--cancel", id)
    assert result.code == 3
    assert "was released; it stays, and nothing was changed" in " ".join(result.err.split())
    assert id in live_ids(applied)


def further(place: Place, count: int) -> list[str]:
    """So many bids of ours that no file names any more, and that the state has lost."""
    place.write(re.sub("persistent_storage.*\n", "", many(1 + count)))
    place.ok("apply", "--auto-approve")
    ids = [bid_id(place, f"bid.task-{n:03}") for n in range(1, 1 + count)]
    lose_addresses(place, *(f"{kind}.task-{n:03}" for kind in ("ports", "bid") for n in range(1, 1 + count)))
    place.write(re.sub("persistent_storage.*\n", "", many(1)))
    return ids


def test_of_several_ids_none_is_cancelled_unless_all_may_be(place: Place) -> None:
    ids = further(place, 2)
    result = place.run("recover", "--cancel", ids[0], "--cancel", bid_id(place, "bid.task-000"))
    assert result.code == 3
    assert set(ids) <= set(live_ids(place))
    place.ok("recover", "--cancel", ids[0], "--cancel", ids[1], "--cancel", ids[0])
    assert set(ids).isdisjoint(live_ids(place))


def test_what_is_cancelled_is_announced_in_the_journal(place: Place) -> None:
    [id] = further(place, 1)
    with place.simulator() as simulator:
        simulator.faults.add("DELETE /v2/spot/bids/*", "status", status=403)
    assert place.run("recover", "--cancel", id).code == 1
    [intent] = LocalStore(place.path / STATE).read().pending.values()
    assert (intent.op, intent.id) == ("delete", id)
    place.ok("recover", "--cancel", id)
    assert id not in live_ids(place)
    assert LocalStore(place.path / STATE).read().pending == {}


def test_a_recover_that_is_stopped_says_what_may_run_on(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second, third = further(place, 3)
    real, on, heard = Fcp.cancel_bid, Stop.on, Event()

    def hear(stop: Stop, number: int) -> None:
        on(stop, number)
        heard.set()

    def cancel(cloud: Fcp, id: str, **how: Any) -> bool:
        if id == first:
            return real(cloud, id, **how)
        signal.raise_signal(signal.SIGINT)
        assert heard.wait(LONGEST)  # before the next one may begin
        return True  # it is answered, and has not ended

    monkeypatch.setattr(Stop, "on", hear)
    monkeypatch.setattr(Fcp, "cancel_bid", cancel)
    monkeypatch.setattr(recover, "Options", partial(Options, parallelism=1))  # the third one is not begun
    every = [word for id in (first, second, third) for word in ("--cancel", id)]
    result = place.run("recover", *every)
    said = " ".join((result.out + result.err).split())
    assert (result.code, f"what was done is saved; {second}, {third} may run on" in said) == (130, True), result
    assert f"{first} (bid.task-001) is cancelled" in said
    monkeypatch.setattr(Fcp, "cancel_bid", real)
    place.ok("recover", "--cancel", second, "--cancel", third)
    assert {first, second, third}.isdisjoint(live_ids(place))


def test_nothing_is_cancelled_once_the_lock_is_somebody_elses(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    [id] = further(place, 1)
    append = LocalJournal.append

    def and_then_it_is_taken_away(journal: LocalJournal, records: object) -> None:
        append(journal, records)  # type: ignore[arg-type]
        (place.path / "flowplan.lock").unlink()

    monkeypatch.setattr(LocalJournal, "append", and_then_it_is_taken_away)
    assert place.run("recover", "--cancel", id).code == 5
    assert id in live_ids(place)


def test_a_list_that_lags_does_not_bring_back_what_was_cancelled(place: Place) -> None:
    [id] = further(place, 1)
    with place.simulator() as simulator:
        simulator.faults.set(list_lag=3600)
    result = place.run("recover", "--cancel", id)
    assert result.code == 0
    assert "our marker; it is kept" not in result.err
    with place.simulator() as simulator:
        simulator.faults.clear()
    assert "bid.task-001" not in place.ok("state", "list")


def test_what_an_interrupted_run_created_is_not_cancelled_before_it_is_known(place: Place) -> None:
    left_in_doubt(place)
    [id] = live_ids(place)
    result = place.run("recover", "--cancel", id)
    assert result.code == 3
    assert "is what an interrupted run created as bid.task-000" in " ".join(result.err.split())
    place.ok("recover")
    assert id in live_ids(place)


# ---- names that are taken ----------------------------------------------------------------------------------------


def test_a_name_that_the_state_has_elsewhere_is_to_be_moved(applied: Place) -> None:
    applied.ok("state", "mv", VOLUME, "volume.other")
    result = applied.run("plan")
    assert result.code == 65
    assert f"flowplan state mv volume.other {VOLUME}" in " ".join(result.err.split())


def test_a_volume_that_was_released_can_be_imported(applied: Place) -> None:
    id = bid_id(applied, VOLUME)
    applied.ok("state", "rm", VOLUME)
    result = applied.run("plan")
    assert f"flowplan import {VOLUME} {id}" in " ".join(result.err.split())
    applied.ok("import", VOLUME, id)
    assert applied.run("plan", "--detailed-exitcode").code == 0
