"""A saved plan in the wrong place, or given to the wrong command: what is said leads out, and buys nothing twice."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.conftest import APPLY, Place, live_ids, many
from tests.texts import task_text


def elsewhere(place: Place, *names: str) -> Path:
    """A directory beside the place, with only files of these names, as a job has that fetched too little."""
    there = place.path / "elsewhere"
    there.mkdir()
    for name in names:
        shutil.copy(place.path / name, there / name)
    return there


def refused(place: Place, *arguments: str, code: int) -> str:
    before = place.ledger()
    result = place.run(*arguments)
    assert result.code == code, result
    assert place.ledger() == before
    return " ".join(result.err.split())


@pytest.mark.parametrize(("paths", "named"), [((), "flowplan.yaml"), (("a.yaml", "b.yaml"), "a.yaml, b.yaml")])
def test_without_its_files_it_names_them(place: Place, paths: tuple[str, ...], named: str) -> None:
    """`flowplan init`, which was named there, would write other ones."""
    for name, text in (("flowplan.yaml", "one"), ("a.yaml", "a"), ("b.yaml", "b")):
        place.write(task_text(text), name)
    place.ok("plan", *paths, "--out", "p")
    there = elsewhere(place, "p")
    said = refused(place, "--chdir", str(there), "apply", "p", code=65)
    assert f"this plan was made from {named}, which" in said
    assert "apply it in the directory where it was planned" in said


def test_without_its_state_no_plan_is_to_be_made_again(place: Place) -> None:
    place.write(many(1))
    place.ok("apply", "--auto-approve")
    place.ok("plan", "--destroy", "--out", "d", "--allow-volume-destroy", "*")
    place.ok("plan", "--out", "p")
    there = elsewhere(place, "p", "d", "flowplan.yaml")
    for name in ("p", "d"):
        said = refused(place, "--chdir", str(there), "apply", name, code=3)
        assert "was made with a state that is not here" in said
        assert "hint: apply it where that state is" in said


def test_a_stack_that_has_the_name_of_its_directory_is_another_elsewhere(place: Place) -> None:
    place.write(many(1))
    place.ok("plan", "--out", "p")
    there = elsewhere(place, "p", "flowplan.yaml")
    said = refused(place, "--chdir", str(there), "apply", "p", code=3)
    assert f"this plan is for the stack {place.path.name}, not for elsewhere" in said


def test_a_plan_that_is_not_there_can_be_made(place: Place) -> None:
    place.write(many(1))
    said = refused(place, "apply", "tonight.plan", code=65)
    assert "there is no file tonight.plan hint: name a task file or a directory" in said
    assert "a plan that `flowplan plan --out tonight.plan` has saved" in said
    place.ok("plan", "--out", "tonight.plan")
    place.ok("apply", "tonight.plan")


@pytest.mark.parametrize("command", ["plan", "apply", "destroy"])
def test_an_address_in_the_place_of_a_file_is_told_where_it_goes(place: Place, command: str) -> None:
    """One task is to stop in a hurry: what is typed is its address."""
    place.write(many(2))
    place.ok(*APPLY)
    address = "bid.task-000"
    said = refused(place, command, address, code=65)
    assert f"hint: this is an address, not a file: plan, apply and destroy take `--target {address}`" in said
    said = refused(place, command, "task-000", code=65)
    assert "for one task of the files, plan, apply and destroy take `--target task.task-000`" in said
    assert "`--target 'bid.t[\"a\"]'`" in refused(place, command, 'bid.t["a"]', code=65)
    assert f"hint: this is an address, not a file: `flowplan state show {address}`" in refused(
        place, "show", address, code=64
    )
    if command == "destroy":
        assert "2 destroyed" in place.ok(command, "--target", address, "--auto-approve")


def test_destroy_of_a_broken_file_that_made_nothing_names_the_one_that_did(place: Place) -> None:
    place.write(many(1), "a.yaml")
    place.ok("apply", "a.yaml", "--auto-approve")
    (place.path / "a.yaml").rename(place.path / "b.yaml")
    place.write("a: [", "b.yaml")
    said = refused(place, "destroy", "b.yaml", "--auto-approve", "--allow-volume-destroy", "*", code=65)
    assert "a.yaml made what the state holds, and is gone: `flowplan destroy a.yaml` ends it" in said
    place.ok("destroy", "a.yaml", "--auto-approve", "--allow-volume-destroy", "*")
    assert live_ids(place) == []


def test_destroy_takes_no_saved_plan(place: Place) -> None:
    """It said that there is nothing to destroy, with exit code 0, and everything ran on."""
    place.write(many(1))
    place.ok("apply", "--auto-approve")
    place.ok("plan", "--destroy", "--out", "d", "--allow-volume-destroy", "*")
    said = refused(place, "destroy", "d", "--auto-approve", code=65)
    assert "d is a saved plan" in said and "flowplan apply d" in said
    place.ok("apply", "d", "--allow-volume-destroy", "*")
    assert live_ids(place) == []


def test_nor_a_broken_file_that_made_nothing(place: Place) -> None:
    """What it made may have been made under another name: that it destroys nothing is no success."""
    place.write(many(1))
    place.ok("apply", "--auto-approve")
    place.write(many(1) + "\nnosuch: [", "renamed.yaml")
    assert "renamed.yaml:" in refused(place, "destroy", "renamed.yaml", "--auto-approve", code=65)
    place.write("nosuch: [")
    place.ok("destroy", "flowplan.yaml", "--auto-approve", "--allow-volume-destroy", "*")  # it did make something
    assert live_ids(place) == []
