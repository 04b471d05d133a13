"""`destroy` that leaves volumes: with --keep-volumes all of them, and always those that the file only attaches."""

from __future__ import annotations

import json
import shlex

import pytest

from tests.conftest import APPLY, BID, VOLUME, Place, bid_id, live_ids
from tests.texts import storage, task_text

ATTACHES = "persistent_storage: {attach: {volume_name: d, mount_point: /mnt/d, region_id: us-central1-b}}\n"


def called(place: Place, since: int = 0) -> list[tuple[str, str]]:
    return [(one.method, one.path.split("/")[2]) for one in place.ledger()[since:]]


def test_the_bids_are_cancelled_and_the_volumes_forgotten(applied: Place) -> None:
    before = len(applied.ledger())
    out = applied.ok("destroy", "--auto-approve", "--keep-volumes")
    assert f"{VOLUME} will be forgotten" in out
    assert "you keep paying $0.08 a month for storage" in out
    assert "2 destroyed, 1 forgotten" in out
    assert called(applied, before) == [("DELETE", "spot")]
    assert applied.ok("state", "list") == ""


@pytest.mark.parametrize("command", ["status", "cost"])
def test_what_was_kept_is_told_wherever_money_is_told(applied: Place, command: str) -> None:
    """It costs money for as long as it is there, and no sum counts it."""
    said = "bids of this stack used 1 volume that its state does not have, and no sum here counts it: "
    assert said not in " ".join(applied.run(command).err.split())
    id = bid_id(applied, VOLUME)
    applied.ok("destroy", "--auto-approve", "--keep-volumes")
    told = " ".join(applied.run(command).err.split())
    assert (
        said in told
        and id in told
        and "it costs $0.08 a month. If no other stack has it, `flowplan orphans` shows" in told
    )
    assert f"import {VOLUME} {id}" in applied.ok("orphans")
    applied.ok("import", VOLUME, id)
    assert said not in " ".join(applied.run(command).err.split())


def test_a_refused_destroy_names_the_flag(applied: Place) -> None:
    refused = applied.run("destroy", "--auto-approve")
    assert refused.code == 3
    assert "--keep-volumes" in refused.err


def test_a_refused_destroy_names_what_lets_the_work_go_on_tomorrow(applied: Place) -> None:
    """The bids end, and the next apply has the same volume again, which nobody has to import."""
    refused = applied.run("destroy", "--auto-approve")
    _, _, ways = " ".join(refused.err.split()).partition("to keep it: ")
    words, _, _ = ways.partition(",")
    id = bid_id(applied, VOLUME)
    applied.ok("destroy", "--auto-approve", *shlex.split(words))
    assert live_ids(applied) == []
    assert "bid.*" not in applied.run("destroy", "--auto-approve").err  # no bid is left
    applied.ok(*APPLY)
    assert bid_id(applied, VOLUME) == id


def test_a_saved_plan_keeps_them_too(applied: Place) -> None:
    before = len(applied.ledger())
    applied.ok("plan", "--destroy", "--keep-volumes", "--out", "plan.json")
    applied.ok("apply", "plan.json")
    assert called(applied, before) == [("DELETE", "spot")]


@pytest.mark.parametrize(
    "arguments",
    [
        ("destroy", "--keep-volumes", "--allow-volume-destroy", "*"),
        ("plan", "--keep-volumes"),
        ("plan", "--destroy", "--keep-volumes", "--allow-volume-destroy", "*"),
    ],
)
def test_flags_that_contradict_each_other(place: Place, arguments: tuple[str, ...]) -> None:
    refused = place.run(*arguments)
    assert (refused.code, "--keep-volumes" in refused.err) == (64, True)


def test_a_bid_that_cannot_be_cancelled_keeps_its_volume_in_the_state(applied: Place) -> None:
    """What still runs still uses it; the next destroy goes on from there."""
    with applied.simulator() as simulator:
        simulator.faults.add("DELETE /v2/spot/bids/*", "status", status=403, times=None)
    assert applied.run("destroy", "--auto-approve", "--keep-volumes", "--timeout", "1s").code == 1
    assert VOLUME in applied.ok("state", "list")


def test_a_volume_whose_create_is_in_doubt_is_found_and_forgotten(place: Place) -> None:
    place.write(task_text(more=storage("d")))
    with place.simulator() as simulator:
        simulator.faults.add("POST /v2/volumes", "timeout", after_commit=True)
        simulator.faults.add("GET /v2/volumes", "status", status=403, nth=2, times=None)
    assert place.run(*APPLY).code == 6
    with place.simulator() as simulator:
        simulator.faults.clear()
    before = len(place.ledger())
    result = place.run("destroy", "--auto-approve", "--keep-volumes")
    assert "volume.d was created by an interrupted run" in result.err
    assert (result.code, called(place, before), place.ok("state", "list")) == (0, [], "")


def test_an_attached_volume_is_forgotten(place: Place) -> None:
    """Flowplan made it, and the file has attached it since: no permission deletes it."""
    place.write(task_text(more=storage("d")))
    place.ok(*APPLY)
    place.write(task_text(more=ATTACHES))
    before = len(place.ledger())
    out = place.ok("destroy", "--auto-approve", "--allow-volume-destroy", "*")
    assert "volume.d will be forgotten" in out
    assert called(place, before) == [("DELETE", "spot")]


def test_a_volume_that_another_given_file_makes_is_not_only_attached(place: Place) -> None:
    place.write(task_text(more=storage("d", disk_interface="File")), "a.yaml")
    place.write(task_text("other", more=ATTACHES), "b.yaml")
    place.ok("apply", "a.yaml", "b.yaml", "--auto-approve")
    before = len(place.ledger())
    assert place.run("destroy", "a.yaml", "b.yaml", "--auto-approve").code == 3
    place.ok("destroy", "a.yaml", "b.yaml", "--auto-approve", "--allow-volume-destroy", "d")
    assert ("DELETE", "volumes") in called(place, before)
    assert BID not in place.ok("state", "list")


def test_a_file_that_attaches_and_cannot_be_read_deletes_no_volume(place: Place) -> None:
    """Nobody knows which volume it attaches."""
    place.write(task_text(more=storage("d")))
    place.ok(*APPLY)
    place.write(task_text(more=ATTACHES) + "nonsense: [\n")
    before = len(place.ledger())
    refused = place.run("destroy", "--auto-approve", "--allow-volume-destroy", "*")
    assert (refused.code, "a file mentions attach, but cannot be read" in " ".join(refused.err.split())) == (3, True)
    place.ok("destroy", "--auto-approve", "--keep-volumes")
    assert called(place, before) == [("DELETE", "spot")]


@pytest.mark.parametrize(("more", "address"), [("", "volume.v"), ("for_each: [a], ", "'volume.v[\"a\"]'")])
def test_the_destroy_and_the_next_plan_say_what_to_type(place: Place, more: str, address: str) -> None:
    place.write(f"version: 2\nvolumes: {{v: {{{more}size: 5, region_id: us-central1-b}}}}\n")
    place.ok(*APPLY)
    (id,) = (one["fid"] for one in json.loads(place.call("GET", f"/v2/volumes?project={project(place)}").body))
    out = place.ok("destroy", "--auto-approve", "--keep-volumes")
    *_, last, then, delete = out.splitlines()
    assert (last, then) == (f"  flowplan import {address} {id}", "Then this deletes it, with its data:")
    assert f"({id}) still exists and costs $0.40 a month." in " ".join(out.split())
    refused = place.run("plan")
    assert (refused.code, last.strip() in " ".join(refused.err.split())) == (65, True), refused
    place.ok(*shlex.split(last)[1:])
    assert place.run("plan", "--detailed-exitcode").code == 0
    place.ok(*shlex.split(delete)[1:], "--auto-approve")
    assert called(place)[-1] == ("DELETE", "volumes") and place.ok("state", "list") == ""


@pytest.mark.parametrize("which", [("a.yaml",), ("a.yaml", "b.yaml", "--target", "volume.d")])
def test_the_command_that_deletes_a_kept_volume_ends_nothing_else(place: Place, which: tuple[str, ...]) -> None:
    """Of other files (without a flowplan.yaml a destroy without a PATH is of all), and of the same."""
    place.write(task_text(more=storage("d")), "a.yaml")
    place.write(task_text("other"), "b.yaml")
    place.ok("apply", "a.yaml", "b.yaml", "--auto-approve")
    *_, back, _, delete = place.ok("destroy", *which, "--auto-approve", "--keep-volumes").splitlines()
    place.ok(*shlex.split(back)[1:])
    before = len(place.ledger())
    place.ok(*shlex.split(delete)[1:], "--auto-approve")
    assert called(place, before) == [("DELETE", "volumes")]
    assert place.ok("state", "list").split()[0] == "bid.other"


@pytest.mark.parametrize("beside", [True, False])
def test_a_kept_volume_whose_file_is_gone_is_deleted_without_that_file(place: Place, beside: bool) -> None:
    """Also beside a flowplan.yaml, of which a destroy without a PATH is: no file is known to have named the volume."""
    place.write(task_text(more=storage("d")), "a.yaml")
    place.ok("apply", "a.yaml", "--auto-approve")
    if beside:
        place.write(task_text("other"))
        place.ok(*APPLY)
    *_, back, then, delete = place.ok("destroy", "a.yaml", "--auto-approve", "--keep-volumes").splitlines()
    (place.path / "a.yaml").unlink()
    place.ok(*shlex.split(back)[1:])
    refused = place.run(*shlex.split(delete)[1:], "--auto-approve")
    instead = "there are: flowplan.yaml" if beside else "nothing in the state is of that file: `flowplan state list`"
    assert refused.code == 65 and instead in refused.err
    assert "(leave out a file that is gone by then)" in then
    before = len(place.ledger())
    wild = place.run("destroy", "--target", "volume.*", "--allow-volume-destroy", "d", "--auto-approve")
    assert wild.code == (64 if beside else 0), wild
    if beside:
        place.ok(*shlex.split(delete.replace("a.yaml ", ""))[1:], "--auto-approve")
    assert called(place, before) == [("DELETE", "volumes")]


def project(place: Place) -> str:
    return str(json.loads(place.call("GET", "/v2/projects").body)[0]["fid"])
