"""`state history` and `state restore SERIAL`: who saved which version, and no object lost by putting one back."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import attrs
import pytest

from flowplan.model.address import Address
from flowplan.state.codec import dump, load
from flowplan.state.state import without
from tests.conftest import APPLY, BID, VOLUME, Place
from tests.documents.schemas import fits
from tests.loaded import client
from tests.texts import storage, task_text

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def versions(place: Place) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(place.ok("state", "history", "--format", "json"))["versions"]
    return found


def second_bid(place: Place) -> None:
    place.write(task_text("second"), "second.yaml")
    place.ok(*APPLY, "second.yaml")


def test_each_save_is_a_version_with_who_and_what(applied: Place) -> None:
    applied.ok("state", "rm", VOLUME)
    last, first = versions(applied)
    assert (last["serial"], first["serial"]) == (2, 1)
    assert (first["change"]["added"], last["change"]["removed"]) == (3, 1)
    assert "@" in first["change"]["who"]
    assert len(first["change"]["config_sha256"]) == 64
    assert "2  20" in applied.ok("state", "history")


def test_what_a_killed_run_did_since_the_last_version_is_said(place: Place) -> None:
    """Until a run saves it, no version is the state now."""
    place.write(task_text("train"))
    place.ok(*APPLY)
    assert "(the state now)" in place.ok("state", "history")
    assert json.loads(place.ok("state", "history", "--format", "json"))["unsaved"] is None
    place.write(task_text("second", more=storage("data")), "second.yaml")
    with place.simulator() as simulator:
        simulator.faults.add("POST /v2/spot/bids", "kill")
    killed = subprocess.run([*client(), *APPLY, "second.yaml"], cwd=place.path, capture_output=True, check=False)
    assert killed.returncode == -9
    shown = place.run("state", "history")
    assert (shown.code, "1  20" in shown.out, "(the state now)" in shown.out) == (0, True, False)
    count = len(place.ok("state", "list").splitlines())
    assert f"has done more since, and has not saved it: there are {count} resources now" in " ".join(shown.err.split())
    assert json.loads(place.ok("state", "history", "--format", "json"))["unsaved"] == {"resources": count}
    place.ok(*APPLY, "second.yaml")
    shown = place.run("state", "history")
    assert ("(the state now)" in shown.out, shown.err) == (True, "")


def test_after_a_first_apply_that_was_killed_no_plan_says_that_there_is_no_state(place: Place) -> None:
    """Its journal has what it made, and a plan of that holds only there."""
    place.write(task_text("train", more=storage("data")))
    assert "sim:, no state yet" in place.ok("plan")
    with place.simulator() as simulator:
        simulator.faults.add("POST /v2/spot/bids", "kill")
    killed = subprocess.run([*client(), *APPLY], cwd=place.path, capture_output=True, check=False)
    assert killed.returncode == -9
    said = " ".join(place.ok("plan", "--out", "saved").split())
    assert "state not saved yet: an apply was cut off" in said and "no state yet" not in said
    place.ok("apply", "saved")
    assert "sim:, state serial 1" in place.ok("plan")


def test_the_plan_and_the_commit_are_recorded(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_SHA", COMMIT)
    place.write(task_text())
    place.ok("plan", "--out", "saved")
    place.ok("apply", "saved")
    change = versions(place)[0]["change"]
    assert change["plan_sha256"] == json.loads((place.path / "saved").read_text())["sha256"]
    assert change["commit"] == COMMIT
    assert f"commit {COMMIT[:12]}" in place.ok("state", "history")


@pytest.mark.parametrize("packed", [False, True])
def test_the_commit_of_a_repository_is_read_from_its_files(place: Place, packed: bool) -> None:
    git = place.path / ".git"
    (git / "refs/heads").mkdir(parents=True)
    (git / "HEAD").write_text("ref: refs/heads/main\n")
    name, text = ("packed-refs", f"# pack-refs\n{COMMIT} refs/heads/main\n") if packed else ("refs/heads/main", COMMIT)
    (git / name).write_text(text)
    place.write(task_text())
    place.ok(*APPLY)
    assert versions(place)[0]["change"]["commit"] == COMMIT


def test_no_repository_is_no_commit(applied: Place) -> None:
    assert versions(applied)[0]["change"]["commit"] is None


def test_a_restore_that_would_forget_objects_is_refused_and_lists_them(applied: Place) -> None:
    second_bid(applied)
    before = applied.ok("state", "pull")
    refused = applied.run("state", "restore", "1")
    assert refused.code == 3
    assert "flowplan would forget it, and it would still cost money" in refused.err.replace("\n  ", " ")
    assert "  bid.second (bid_" in refused.err
    assert BID not in refused.err
    assert applied.ok("state", "pull") == before


def test_force_restores_and_the_next_plan_finds_the_bid_by_its_marker(applied: Place) -> None:
    second_bid(applied)
    forced = applied.run("state", "restore", "1", "--force")
    assert (forced.code, "no longer knows bid.second" in forced.err) == (0, True)
    assert "bid.second" not in applied.ok("state", "list")
    calls = len(applied.ledger())
    applied.ok(*APPLY, "second.yaml")
    assert len(applied.ledger()) == calls
    assert "bid.second" in applied.ok("state", "list")


def test_a_push_that_would_forget_objects_is_refused_as_a_restore_is(applied: Place) -> None:
    applied.write(applied.ok("state", "pull"), "old.json")
    second_bid(applied)
    before = applied.ok("state", "pull")
    pushed, restored = applied.run("state", "push", "old.json"), applied.run("state", "restore", "1")
    assert (pushed.code, applied.ok("state", "pull")) == (3, before)
    assert " ".join(pushed.err.split()) == " ".join(restored.err.split()).replace("version 1", "old.json")
    forced = applied.run("state", "push", "--force", "old.json", "--format", "json")
    assert "no longer knows bid.second (bid_" in forced.err
    assert [one["address"] for one in json.loads(forced.out)["forgotten"]] == ["bid.second"]


def test_what_has_ended_is_forgotten_as_such(applied: Place) -> None:
    applied.write(applied.ok("state", "pull"), "old.json")
    applied.write(task_text("second", more="lifetime: {max_hours: 1}\n"), "second.yaml")
    applied.ok(*APPLY, ".")
    applied.ok("simulator", "advance", "2h")
    applied.ok(*APPLY, ".")
    refused = applied.run("state", "push", "old.json")
    assert (refused.code, "cost money" in refused.err) == (3, False), refused
    assert "), which has ended" in refused.err
    forced = applied.run("state", "push", "--force", "old.json")
    assert "nor that they have ended" in " ".join(forced.err.split())
    assert "still" not in forced.err


def test_a_state_of_a_run_elsewhere_may_be_pushed_unless_it_says_nothing_of_an_object(applied: Place) -> None:
    """What it has destroyed, released or placed again it knows."""
    second_bid(applied)
    here = applied.path / "flowplan.state.json"
    old = here.read_bytes()
    applied.ok("apply", "second.yaml", "--auto-approve", "--replace", "bid.second")
    applied.ok("state", "rm", "bid.second")
    applied.ok("destroy", "--auto-approve", "--allow-volume-destroy", "*")
    applied.write(applied.ok("state", "pull"), "later.json")
    before = load(old, "old")
    for path in applied.path.glob("flowplan.state.*"):
        path.unlink()
    here.write_bytes(old)
    silent = attrs.evolve(before, serial=before.serial + 1, bindings=without(before, {Address.given(VOLUME)}).bindings)
    (applied.path / "silent.json").write_bytes(dump(silent))
    refused = applied.run("state", "push", "silent.json")
    assert (refused.code, f"  {VOLUME} (" in refused.err) == (3, True), refused
    applied.ok("state", "push", "later.json")
    assert applied.ok("state", "list") == ""


def test_a_push_in_the_place_of_a_lost_state_is_held_against_its_newest_version(applied: Place) -> None:
    applied.write(applied.ok("state", "pull"), "old.json")
    second_bid(applied)
    for path in applied.path.glob("flowplan.state.*"):
        path.unlink()
    refused = applied.run("state", "push", "old.json")
    assert (refused.code, "  bid.second (bid_" in refused.err) == (3, True), refused
    (newest,) = (applied.path / ".flowplan/versions").rglob("*.2.json")
    newest.write_bytes(newest.read_bytes()[:-10])
    assert applied.run("state", "push", "old.json").code == 5
    forced = applied.run("state", "push", "--force", "old.json")
    assert (forced.code, "what version 2, the newest (4 resources" in " ".join(forced.err.split())) == (0, True), forced
    assert json.loads(applied.ok("state", "pull"))["serial"] == 3


def test_restore_of_a_lost_state_says_which_version_is_kept(applied: Place) -> None:
    for path in applied.path.glob("flowplan.state.*"):
        path.unlink()
    refused = applied.run("state", "restore")
    said = " ".join(refused.err.split())
    assert (refused.code, "is missing, but version 1 of it, with 3 resources, is kept" in said) == (5, True), refused
    applied.ok("state", "restore", "1")


def test_a_push_of_another_stack_lists_what_would_be_forgotten(applied: Place) -> None:
    other = attrs.evolve(load(applied.ok("state", "pull").encode(), "here"), lineage="other", bindings={})
    (applied.path / "other.json").write_bytes(dump(other))
    refused = applied.run("state", "push", "other.json")
    assert (refused.code, f"  {VOLUME} (" in refused.err) == (5, True), refused
    forced = applied.run("state", "push", "--force", "other.json")
    assert f"no longer knows {BID} (" in " ".join(forced.err.split())


def test_what_was_released_stays_so_when_an_earlier_state_is_pushed(applied: Place) -> None:
    applied.write(applied.ok("state", "pull"), "old.json")
    second_bid(applied)
    applied.ok("state", "rm", "bid.second")
    (applied.path / "second.yaml").unlink()
    applied.ok("state", "push", "--force", "old.json")
    applied.ok(*APPLY)
    assert "bid.second" not in applied.ok("state", "list")


def test_a_bid_that_was_moved_is_found_where_it_was_moved_to(applied: Place) -> None:
    """By its marker alone it would be found at its first address, and bought again at the one it has."""
    second_bid(applied)
    applied.ok("state", "mv", "bid.second", "bid.third")
    applied.ok("state", "restore", "1", "--force")
    calls = len(applied.ledger())
    (applied.path / "second.yaml").unlink()
    applied.write(task_text("third"), "third.yaml")
    assert "bid.second" not in applied.ok("plan", "third.yaml")
    applied.ok(*APPLY, "third.yaml")
    assert [one.method for one in applied.ledger()[calls:]].count("POST") == 0
    assert "bid.third" in applied.ok("state", "list")


def test_what_state_rm_released_comes_back_with_the_version_that_held_it(applied: Place) -> None:
    applied.ok("state", "rm", BID)
    calls = len(applied.ledger())
    assert "The state is now version 1, with serial 3." in applied.ok("state", "restore", "1")
    assert BID in applied.ok("state", "list")
    assert "No changes" in applied.ok("plan")
    assert len(applied.ledger()) == calls


def test_what_was_destroyed_since_stays_destroyed(applied: Place) -> None:
    applied.ok("destroy", "--auto-approve", "--keep-volumes")
    restored = applied.run("state", "restore", "1", "--format", "json")
    assert restored.code == 0, restored
    document = json.loads(restored.out)
    assert [one["address"] for one in document["over"]] == [BID, BID.replace("bid.", "ports.")]
    assert applied.ok("state", "list") == f"{VOLUME}\n"


def test_a_state_that_was_removed_is_restored_from_its_versions(applied: Place) -> None:
    before = applied.ok("state", "list")
    for path in applied.path.glob("flowplan.state.*"):
        path.unlink()
    assert versions(applied)[0]["serial"] == 1
    applied.ok("state", "restore", "1")
    assert applied.ok("state", "list") == before
    assert "No changes" in applied.ok("plan")


def test_a_removed_state_is_not_restored_to_before_its_newest_version_without_force(applied: Place) -> None:
    second_bid(applied)
    for path in applied.path.glob("flowplan.state.*"):
        path.unlink()
    assert applied.run("state", "restore", "1").code == 3
    applied.ok("state", "restore", "2")
    assert "bid.second" in applied.ok("state", "list")


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("9",), 5, "there is no version 9"),
        (("1",), 1, "the state is version 1"),
        (("0",), 64, ""),
        (("--force",), 64, "name it"),
    ],
)
def test_bad_input(applied: Place, arguments: tuple[str, ...], code: int, said: str) -> None:
    refused = applied.run("state", "restore", *arguments)
    assert refused.code == code, refused
    assert said in refused.err


def test_no_versions(place: Place) -> None:
    assert place.ok("state", "history") == "No versions of flowplan.state.json are kept.\n"
    assert place.run("state", "restore", "1").code == 5


def test_a_version_that_cannot_be_kept_is_a_note(place: Place) -> None:
    place.write(task_text(more=storage("d")))
    shutil.rmtree(place.path / ".flowplan/versions", ignore_errors=True)
    place.ok("plan")
    Path(place.path / ".flowplan/versions").write_text("in the way")
    result = place.run(*APPLY)
    assert (result.code, "the state is saved, but not kept as a version" in result.err) == (0, True), result
    assert "bid.train" in place.ok("state", "list")


@pytest.mark.parametrize(
    ("command", "schema"),
    [
        (("rm", BID), "released"),
        (("mv", BID, "bid.other"), "moved"),
        (("push", "pulled", "--force"), "pushed"),
        (("pull",), "state"),
        (("history",), "history"),
        (("restore", "1"), "restored"),
    ],
)
def test_what_is_said_of_a_state_in_json_fits_its_schema(applied: Place, command: tuple[str, ...], schema: str) -> None:
    (applied.path / "pulled").write_text(applied.ok("state", "pull"))
    applied.ok("state", "mv", VOLUME, "volume.other")
    fits(schema, json.loads(applied.ok("state", *command, "--format", "json")))


def test_a_damaged_state_that_is_restored_says_so_in_json(applied: Place) -> None:
    (applied.path / "flowplan.state.json").write_bytes(b"")
    document = json.loads(applied.ok("state", "restore", "--format", "json"))
    fits("restored", document)
    assert (document["of"], document["serial"]) == ("backup", 2)


@pytest.mark.parametrize(
    ("patterns", "listed"),
    [
        (("bid.*",), [BID]),
        (("task.*",), [BID, BID.replace("bid.", "ports.")]),
        ((VOLUME, BID), [BID, VOLUME]),
        (("*",), [BID, BID.replace("bid.", "ports."), VOLUME]),
    ],
)
def test_the_list_takes_patterns(applied: Place, patterns: tuple[str, ...], listed: list[str]) -> None:
    assert applied.ok("state", "list", *patterns).splitlines() == listed


@pytest.mark.parametrize(("pattern", "code"), [("bid.nobody", 1), ("nothing", 64), ("", 64)])
def test_a_pattern_that_means_nothing_is_no_empty_list(applied: Place, pattern: str, code: int) -> None:
    assert applied.run("state", "list", pattern).code == code


def damage(place: Place) -> None:
    """Snapshot and backup are empty, and the journal continues a version that is not kept."""
    second_bid(place)
    (place.path / ".flowplan/versions/flowplan.state.json").joinpath(f"{lineage(place)}.2.json").unlink()
    for name in ("flowplan.state.json", "flowplan.state.json.backup"):
        (place.path / name).write_bytes(b"")


def lineage(place: Place) -> str:
    found: str = json.loads(place.ok("state", "pull"))["lineage"]
    return found


def test_a_damaged_state_without_a_backup_is_restored_from_the_version_it_was(applied: Place) -> None:
    before = applied.ok("state", "list")
    for name in ("flowplan.state.json", "flowplan.state.json.backup"):
        (applied.path / name).write_bytes(b"")
    assert "flowplan state restore" in applied.run("state", "list").err
    assert "The state is now the one in version 1, with serial 2." in applied.ok("state", "restore")
    assert applied.ok("state", "list") == before


def test_an_older_version_replaces_what_nothing_mends_only_by_force(applied: Place) -> None:
    damage(applied)
    for command in (("state", "restore"), ("state", "restore", "1"), ("state", "restore", "9", "--force")):
        assert applied.run(*command).code == 5, command
    assert "state restore 1 --force" in " ".join(applied.run("state", "restore", "1").err.split())
    forced = applied.run("state", "restore", "1", "--force")
    assert (forced.code, "set aside as" in forced.err) == (0, True), forced
    assert BID in applied.ok("state", "list")
    calls = len(applied.ledger())
    applied.ok(*APPLY, "second.yaml")
    assert len(applied.ledger()) == calls
    assert "bid.second" in applied.ok("state", "list")


@pytest.mark.parametrize("given", [("--var", "x=plain-value"), ("--var=x=plain-value",)])
def test_the_value_of_a_variable_is_in_no_version(
    place: Place, given: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only the files say which are sensitive."""
    place.write("version: 2\nvariables: {x: {type: string, sensitive: true}}\n" + TASKS)
    arguments = (*APPLY, *given)
    monkeypatch.setattr(sys, "argv", ["flowplan", *arguments])
    place.ok(*arguments)
    (path,) = (place.path / ".flowplan/versions/flowplan.state.json").iterdir()
    assert "plain-value" not in path.read_text()
    assert versions(place)[0]["change"]["command"].endswith("x=********")


TASKS = """
project_name: my-foundry-project
tasks:
  api:
    ssh_key_name: my-ssh-key
    task_management: {utility_threshold_price: 18}
    resources_specification: {fcp_instance: h100.8x.SXM5.IB, cluster_id: us-central1-b}
"""


@pytest.mark.parametrize(
    "command",
    [
        ("plan",),
        ("apply", "--auto-approve"),
        ("destroy", "--auto-approve"),
        ("status",),
        ("state", "list"),
        ("state", "show", "bid.train"),
        ("state", "pull"),
        ("state", "rm", "bid.train"),
        ("state", "mv", "bid.train", "bid.other"),
        ("output",),
        ("recover",),
    ],
)
def test_a_state_that_is_gone_with_its_backup_and_journal_is_no_fresh_start(
    command: tuple[str, ...], place: Place
) -> None:
    place.write(task_text("train"))
    place.ok("apply", "--auto-approve")
    bids = place.ledger()
    place.write(place.ok("state", "history", "--format", "json"), "versions.json")
    for path in place.path.glob("flowplan.state.*"):
        path.unlink()
    result = place.run(*command)
    assert (result.code, "is missing, but version" in " ".join(result.err.split())) == (5, True), result
    assert place.ledger() == bids
    serial = json.loads((place.path / "versions.json").read_text())["versions"][-1]["serial"]
    assert f"flowplan state restore {serial}" in result.err
    place.ok("state", "restore", str(serial))
    assert "No changes" in place.ok("plan")


def test_a_state_whose_last_version_is_empty_may_go(place: Place) -> None:
    place.write(task_text("train"))
    place.ok("apply", "--auto-approve")
    place.ok("destroy", "--auto-approve")
    for path in place.path.glob("flowplan.state.*"):
        path.unlink()
    assert "1 to add" in place.ok("plan")


def test_init_starts_a_new_state_although_a_version_is_kept(place: Place) -> None:
    place.write(task_text("train"))
    place.ok("apply", "--auto-approve")
    for path in place.path.glob("flowplan.state.*"):
        path.unlink()
    place.edit("name: train", "name: other")
    assert "1 added" in place.ok("apply", "--auto-approve", "--init")
    assert place.ok("state", "list").split() == ["bid.other"]
    assert "No changes" in place.ok("plan")
