"""A state that is lost, damaged or begun again, and what is live of it then; the lock that goes with it."""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from flowplan.backends import state_files
from flowplan.backends.local import LocalStore
from flowplan.clock import Moment
from flowplan.files.regular import read_regular
from flowplan.model.address import Address
from flowplan.state.records import Intent
from tests.conftest import BID, PORTS, TASK, VOLUME, Place, bid_id, live_ids, lose_addresses, many
from tests.faults.losing import changes, created, lose
from tests.loaded import client
from tests.texts import task_text

# ---- recover --from-live ------------------------------------------------------------------------------------


def test_a_lost_state_is_rebuilt_from_the_markers(applied: Place) -> None:
    before = json.loads((applied.path / "flowplan.state.json").read_text())
    lose(applied)
    out = applied.ok("recover", "--from-live")
    after = json.loads((applied.path / "flowplan.state.json").read_text())
    assert out.splitlines()[-1] == "The state of stack work is rebuilt; flowplan plan shows what differs."
    assert after["lineage"] == before["lineage"]
    ids = {one["address"]: one["id"] for one in before["resources"]}
    assert {one["address"]: one["id"] for one in after["resources"]}.items() <= ids.items()
    assert {BID, VOLUME} <= {one["address"] for one in after["resources"]}
    assert changes(applied) == 0
    applied.ok("apply", "--auto-approve")
    assert created(applied) == 2
    applied.ok("destroy", "--auto-approve", "--allow-volume-destroy", "*")
    assert applied.call("GET", "/v2/spot/bids?status=Allocated&limit=100").body.count(b"bid_") == 0


def test_lifetimes_are_in_the_state_again_from_the_next_apply_on(place: Place) -> None:
    """No marker has them. They count from the beginning of the bid: its bill has that."""
    place.write(task_text(more="lifetime: {max_cost: 10}\n"))
    place.ok("apply", "--auto-approve")
    place.ok("simulator", "advance", "1h")
    lose(place)
    said = " ".join(place.run("recover", "--from-live").err.split())
    assert "the rebuilt state has no lifetimes until the next `flowplan apply`" in said, said
    assert "ends once it has cost" not in place.ok("status")
    place.ok("apply", "--auto-approve")
    assert re.search(r"ends once it has cost \$10\.00 \(\$[23]\.\d\d left\)", place.ok("status"))
    lose(place)
    place.ok("recover", "--from-live")
    place.ok("simulator", "advance", "1h")
    assert "bid.train will be destroyed: its lifetime is over" in " ".join(place.ok("apply", "--auto-approve").split())
    assert live_ids(place) == []


def test_of_lifetimes_nothing_is_said_where_the_files_have_none(applied: Place) -> None:
    lose(applied)
    assert "lifetime" not in applied.run("recover", "--from-live").err


def test_what_was_rebuilt_is_said_to_a_program(applied: Place) -> None:
    lose(applied)
    found = json.loads(applied.ok("recover", "--from-live", "--format", "json"))
    after = json.loads((applied.path / "flowplan.state.json").read_text())
    assert found["rebuilt"] and (found["lineage"], found["serial"]) == (after["lineage"], after["serial"])
    assert [one["address"] for one in found["resources"]] == [one["address"] for one in after["resources"]]


@pytest.mark.parametrize("damage", [b"", b"{", b"\0" * 300])
def test_a_damaged_state_is_set_aside_and_rebuilt(applied: Place, damage: bytes) -> None:
    lose(applied)
    (applied.path / "flowplan.state.json").write_bytes(damage)
    result = applied.run("recover", "--from-live")
    assert result.code == 0
    assert "flowplan.state.json.damaged" in result.err
    assert (applied.path / "flowplan.state.json.damaged").read_bytes() == damage
    assert changes(applied) == 0


def test_a_good_backup_knows_more(applied: Place) -> None:
    applied.edit("17.92", "18.00")
    applied.ok("apply", "--auto-approve")
    (applied.path / "flowplan.state.json").write_bytes(b"")
    result = applied.run("recover", "--from-live")
    assert result.code == 64
    assert "`flowplan state restore`" in result.err


def test_a_version_knows_more_where_state_and_backup_are_gone(applied: Place) -> None:
    applied.edit("17.92", "18.00")
    applied.ok("apply", "--auto-approve")
    for name in ("flowplan.state.json", "flowplan.state.json.backup"):
        (applied.path / name).unlink()
    result = applied.run("plan")
    said = " ".join(result.err.split())
    assert result.code == 5 and "`flowplan state restore` restores the last good version; otherwise" in said, said
    said = " ".join(applied.run("recover", "--from-live", "--lineage", "none").err.split())
    assert "is kept, and may hold more than the markers do" in said, said
    applied.ok("state", "restore")
    assert changes(applied) == 0


def test_a_state_that_may_not_be_read_is_not_lost(applied: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """It holds what no marker does. A run with `sudo` leaves files that only another user may read."""
    before = {path: path.read_bytes() for path in applied.path.glob("flowplan.state.j*")}
    theirs = {path.stat().st_ino for path in before}

    def read(name: str, limit: int) -> bytes:
        if Path(name).stat().st_ino in theirs:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        return read_regular(name, limit)

    monkeypatch.setattr(state_files, "read_regular", read)
    refused = applied.run("recover", "--from-live")
    said = " ".join(refused.err.split())
    assert (refused.code, "Permission denied: the state is not lost" in said) == (5, True), refused
    assert "make it readable" in said and "--force" in said, said
    assert {path: path.read_bytes() for path in before} == before
    applied.ok("recover", "--from-live", "--force")
    assert {*before.values()} <= {path.read_bytes() for path in applied.path.glob("*.damaged*")}
    assert BID in applied.ok("state", "list").splitlines()


def test_a_state_in_order_is_not_rebuilt(applied: Place) -> None:
    assert "the state is intact" in applied.run("recover", "--from-live").err


def test_nothing_live_is_nothing_to_rebuild_from(place: Place) -> None:
    place.write(TASK)
    result = place.run("recover", "--from-live")
    assert result.code == 1
    assert "no live bid carries a marker" in result.err


def test_an_attached_volume_is_never_taken_for_ours(applied: Place) -> None:
    """A bid's marker names every volume it mounts, also somebody else's: only a declared one can be ours."""
    shutil.copytree(applied.path / ".flowplan", applied.path.parent / "kept")
    lose(applied)
    (applied.path / "flowplan.yaml").unlink()
    applied.ok("recover", "--from-live")
    assert VOLUME not in applied.ok("state", "list").splitlines()
    assert BID in applied.ok("state", "list").splitlines()


def test_a_volume_that_differs_is_left_alone_and_named(applied: Place) -> None:
    lose(applied)
    applied.edit("size: 1 ", "size: 2 ")
    result = applied.run("recover", "--from-live")
    assert "nothing proves that flowplan made it" in result.err.replace("\n  ", " ")
    assert VOLUME not in applied.ok("state", "list").splitlines()


def test_several_stacks_are_told_apart(place: Place) -> None:
    """This directory's name decides, else --lineage."""
    lineages = []
    for name in ("one", "two"):
        stack = place.path / name
        stack.mkdir()
        (stack / "flowplan.yaml").write_text(many(1, first=10 * len(lineages)))
        arguments = ("--chdir", str(stack), "--api-url", f"sim:{place.path}/.flowplan/simulator.db")
        subprocess.run([*client(), *arguments, "apply", "--auto-approve"], check=True, capture_output=True)
        lineages.append(json.loads((stack / "flowplan.state.json").read_text())["lineage"])
    result = place.run("recover", "--from-live")
    assert result.code == 64
    assert all(f"--lineage {one}" in result.err for one in lineages)
    assert "bid.task-010" in place.ok("recover", "--from-live", "--lineage", lineages[1])
    found = place.ok("orphans")
    assert "Bids of other stacks" in found and "stack one" in found and "stack two" not in found


NAMED = """version: 2
name: other
project_name: my-foundry-project
ssh_key_name: my-ssh-key
defaults: {resources_specification: {fcp_instance: a100-80gb.sxm.1x, cluster_id: us-central1-b}}
tasks:
  a: {task_management: {utility_threshold_price: 2.00}, persistent_storage: {attach: {volume: data, mount_point: /d}}}
volumes: {data: {size: 1}}
"""


@pytest.mark.parametrize("paths", [(), (".",), ("flowplan.yaml",)], ids=str)
def test_a_stack_that_its_file_names_is_found_by_that_name(place: Place, paths: tuple[str, ...]) -> None:
    place.write(NAMED)
    place.ok("apply", "--auto-approve", *paths)
    before = place.ok("state", "list")
    lose(place)
    place.ok("recover", "--from-live", *paths)
    assert place.ok("state", "list") == before
    assert changes(place) == 0


def test_a_destroy_without_a_state_is_titled_as_the_files_say(place: Place) -> None:
    place.write("version: 2\nname: fleet\ntasks: {}\n")
    for command in (("destroy", "--auto-approve"), ("plan", "--destroy")):
        assert place.ok(*command).startswith('Stack "fleet": ')
    place.write("version: 2\ntasks: {}\n")
    assert place.ok("plan", "--destroy").startswith('Stack "work": ')


def test_files_with_problems_keep_no_bid_from_being_found(place: Place) -> None:
    """What they call the stack holds; the bids are found, and the volumes are said to be missing."""
    place.write(NAMED)
    place.ok("apply", "--auto-approve")
    lose(place)
    place.edit("version: 2", "version: 2\nnonsense: 1")
    found = place.run("recover", "--from-live")
    assert (found.code, "so its volumes do not count" in " ".join(found.err.split())) == (0, True), found
    assert place.ok("state", "list") == "bid.a\n"
    lose(place)
    assert place.run("recover", "--from-live", "none.yaml").code == 65
    place.edit("\nnonsense: 1", "")
    place.edit("my-ssh-key", "no-such-key")
    found = place.run("recover", "--from-live")
    assert (found.code, "so its volumes do not count" in " ".join(found.err.split())) == (0, True), found
    assert place.ok("state", "list") == "bid.a\n"


def test_a_stack_of_another_name_is_not_taken(place: Place) -> None:
    place.write(NAMED.replace("name: other\n", "", 1))
    place.ok("apply", "--auto-approve")
    lose(place)
    place.edit("version: 2", "version: 2\nname: other")
    refused = place.run("recover", "--from-live")
    assert (refused.code, "named other, as the configuration says" in " ".join(refused.err.split())) == (64, True)
    assert "--lineage" in refused.err


def test_the_older_of_two_is_kept(applied: Place) -> None:
    first = bid_id(applied, BID)
    twin = json.loads(applied.call("GET", f"/v2/spot/bids/{first}").body)
    with applied.simulator() as simulator:
        simulator.faults.set(duplicate_names=True)
        body = {
            "project": twin["project"],
            "name": twin["name"],
            "region": twin["region"],
            "instance_type": twin["instance_type"],
            "instance_quantity": twin["instance_quantity"],
            "limit_price": twin["limit_price"],
            "launch_specification": {
                "volumes": [],
                "ssh_keys": twin["launch_specification"]["ssh_keys"],
                "startup_script": twin["launch_specification"]["startup_script"],
            },
        }
        simulator.advance(60)
    made = applied.call("POST", "/v2/spot/bids", json.dumps(body).encode())
    assert made.status == 201, made.body
    second = json.loads(made.body)["fid"]
    lose(applied)
    result = applied.run("recover", "--from-live")
    assert f"flowplan recover --cancel {second}" in result.err.replace("\n  ", " ")
    assert bid_id(applied, BID) == first
    assert second in applied.ok("orphans")
    applied.ok("recover", "--cancel", second)
    assert applied.ok("orphans") == "Nothing is orphaned.\n"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--from-live", "--cancel", "bid_x"), "cannot be combined"),
        (("--lineage", "x"), "need --from-live"),
        (("flowplan.yaml",), "need --from-live"),
        (("--force",), "need --from-live"),
    ],
)
def test_recover_used_wrongly(place: Place, arguments: tuple[str, ...], says: str) -> None:
    result = place.run("recover", *arguments)
    assert result.code == 64
    assert says in result.err


# ---- an update cut in the middle ------------------------------------------------------------------------------


def test_recover_tells_of_a_bid_that_an_interrupted_update_left_paused(applied: Place) -> None:
    id = bid_id(applied)
    store = LocalStore(applied.path / "flowplan.state.json")
    state = store.read().state
    bid = state.bindings[Address.parse(BID)]
    intent = Intent("i", "update", bid.address, 1, "", "k", "", Moment(0.0, 0.0, ""), id=id, resource=bid.applied)
    store.prepare(state).append([intent])
    store.close()
    assert applied.call("PATCH", f"/v2/spot/bids/{id}", b'{"paused": true}').status == 200
    result = applied.run("recover")
    assert result.code == 0
    told = " ".join(result.err.split())
    assert f"{BID}: an update was interrupted; the next apply finishes it; until then {id} stays paused" in told
    assert "1 changed" in applied.ok("apply", "--auto-approve")
    assert json.loads(applied.call("GET", f"/v2/spot/bids/{id}").body)["status"] != "Paused"
    assert "Nothing is in doubt." in applied.ok("recover")


# ---- bids that no file names --------------------------------------------------------------------------------


@pytest.mark.parametrize("adopted", [False, True])
def test_a_lost_bid_that_no_file_names_any_more_is_told_and_can_be_ended(place: Place, adopted: bool) -> None:
    """It costs money: every plan says so, and one command ends it, before and after an apply adopted it."""
    place.write(re.sub("persistent_storage.*\n", "", many(2)))
    place.ok("apply", "--auto-approve")
    id = bid_id(place, "bid.task-001")
    lose_addresses(place, "ports.task-001", "bid.task-001")
    place.write(re.sub("persistent_storage.*\n", "", many(1)))
    if adopted:
        assert "no known file names it" in " ".join(place.ok("apply", "--auto-approve").split())
        assert "bid.task-001" in place.ok("state", "list")
    told = " ".join(place.ok("plan").split())
    assert f"bid.task-001 ({id}) is in the state, but no known file names it" in told
    assert "costs at most $17.92 an hour" in told
    assert f"flowplan recover --cancel {id}" in told
    assert id in live_ids(place)
    assert f"{id} (bid.task-001) is cancelled." in place.ok("recover", "--cancel", id)
    assert id not in live_ids(place)
    assert "task-001" not in place.ok("state", "list")
    assert "no known file" not in place.ok("plan")


def test_a_plan_saved_while_a_bid_was_lost_is_carried_out(applied: Place) -> None:
    """The plan counts the bid as ours, apply adopts it: what both see of it is the same."""
    lose_addresses(applied, PORTS, BID)
    applied.edit("17.92", "19.20")
    applied.ok("plan", "--out", "p.json")
    result = applied.run("apply", "p.json")
    assert result.code == 0, result
    assert "1 changed" in result.out
    assert applied.run("plan", "--detailed-exitcode").code == 0


def test_recover_cancels_nothing_that_a_file_names(applied: Place) -> None:
    id = bid_id(applied)
    assert applied.run("recover", "--cancel", id).code == 3
    assert id in live_ids(applied)


# ---- apply --init -------------------------------------------------------------------------------------------


def test_init_begins_anew_and_keeps_what_is_left(applied: Place) -> None:
    applied.edit("17.92", "18.00")
    applied.ok("apply", "--auto-approve")
    (applied.path / "flowplan.state.json").unlink()
    result = applied.run("apply", "--auto-approve")
    assert result.code == 5
    assert "--init" in result.err
    result = applied.run("apply", "--auto-approve", "--init")
    assert result.code == 65  # what is live keeps its names: nothing is made twice, and nothing is set aside
    assert "already exists" in result.err
    assert list(applied.path.glob("*.damaged")) == []
    assert created(applied) == 2
    applied.edit("flow-sdk-batch-task-example", "another")
    applied.edit("my-new-volume", "another-volume")
    applied.ok("apply", "--auto-approve", "--init")
    kept = {path.name for path in applied.path.glob("*.damaged")}
    assert kept == {"flowplan.state.journal.damaged", "flowplan.state.json.backup.damaged"}
    assert changes(applied) == 0


def test_init_over_a_state_is_refused(applied: Place) -> None:
    result = applied.run("apply", "--init", "--auto-approve")
    assert result.code == 64
    assert "exists" in result.err


# ---- what else tells of it --------------------------------------------------------------------------------


def test_a_lost_state_is_suspected_where_a_marker_says_so(applied: Place) -> None:
    lose(applied)
    result = applied.run("plan")
    assert result.code == 65
    told = " ".join(result.err.split())
    assert "it belongs to another state of flowplan (stack work)" in told
    assert "it is used by a bid of another state of flowplan (stack work)" in told
    assert told.count("flowplan recover --from-live") == 2


def test_another_directory_takes_no_stack_it_is_not(applied: Place) -> None:
    """The only stack that is live need not be this one."""
    other = applied.path / "other"
    other.mkdir()
    data = f"sim:{applied.path}/.flowplan/simulator.db"
    command = [*client(), "--chdir", str(other), "--api-url", data, "recover", "--from-live"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 64
    assert "stack work" in done.stderr
    assert not (other / "flowplan.state.json").exists()


def test_after_a_restore_the_bid_that_was_placed_since_is_found(applied: Place) -> None:
    """The backup binds the address to the bid that was replaced; the marker tells of its successor."""
    applied.edit("port: 8080", "port: 8081") if "port: 8080" in TASK else applied.edit("nvidia-smi", "nvidia-smi -L")
    applied.ok("apply", "--auto-approve")
    id = bid_id(applied, BID)
    (applied.path / "flowplan.state.json").write_bytes(b"")
    applied.ok("state", "restore")
    assert changes(applied) == 0
    applied.ok("apply", "--auto-approve")
    assert bid_id(applied, BID) == id


def test_a_journal_without_its_beginning_is_damage(applied: Place) -> None:
    for damage in (b"", b"a text of somebody"):
        (applied.path / "flowplan.state.journal").write_bytes(damage)
        assert applied.run("apply", "--auto-approve").code == 5
    (applied.path / "flowplan.state.journal").unlink()
    applied.ok("apply", "--auto-approve")


# ---- its lock ---------------------------------------------------------------------------------------------


def test_two_links_to_a_state_are_one_lock(applied: Place) -> None:
    """Lock and journal belong to the state, not to the name it is come by."""
    link = applied.path.parent / "link"
    link.mkdir()
    (link / "flowplan.state.json").symlink_to(applied.path / "flowplan.state.json")
    applied.ok("--state", str(link / "flowplan.state.json"), "state", "rm", PORTS)
    assert [path.name for path in link.iterdir()] == ["flowplan.state.json"]
    assert PORTS not in applied.ok("state", "list").splitlines()


def test_a_lock_taken_away_in_the_middle_of_a_step_stops_it(applied: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """A step may be many calls: pause, volumes, un-pause; a volume asked for again until it is released."""
    import flowplan.cloud.fcp

    real = flowplan.cloud.fcp.Fcp.cancel_bid

    def cancel_and_lose(cloud: flowplan.cloud.fcp.Fcp, id: str, **how: Any) -> None:
        real(cloud, id, **how)
        (applied.path / "flowplan.lock").unlink()

    monkeypatch.setattr(flowplan.cloud.fcp.Fcp, "cancel_bid", cancel_and_lose)
    before = (applied.path / "flowplan.state.json").read_bytes()
    result = applied.run("destroy", "--auto-approve", "--allow-volume-destroy", "*")
    assert result.code == 5
    assert "was taken away" in result.err
    assert (applied.path / "flowplan.state.json").read_bytes() == before
    assert json.loads(applied.call("GET", f"/v2/volumes?project={project(applied)}").body)


def project(place: Place) -> str:
    found: str = json.loads(place.call("GET", "/v2/projects").body)[0]["fid"]
    return found
