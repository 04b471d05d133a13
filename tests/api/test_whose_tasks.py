"""Whose a task, a proposal and what they made are: several programs, and people with files, work in one directory."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import flowplan
from tests.api.stacks import TASK, stack_in, task


def deleted(proposal: flowplan.Proposal) -> list[str]:
    return [str(one.address) for one in proposal.plan.changes if one.action == "delete"]


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """With the bids a, b and c, each a task of one program."""
    stack = stack_in(tmp_path, *map(task, "abc"))
    stack.apply(stack.plan())
    return tmp_path


@pytest.mark.parametrize("names", ["a", "b", "c", "bc", "ca", "cba", "d"])
def test_no_task_loses_what_another_made(directory: Path, names: str) -> None:
    stack = stack_in(directory, *map(task, names))
    assert deleted(stack.plan()) == []
    assert deleted(stack.plan(destroy=True)) == [f"bid.{name}" for name in sorted(names) if name != "d"]


def test_a_directory_does_not_cover_what_a_program_made_in_it(directory: Path) -> None:
    (directory / "flowplan.yaml").write_text(json.dumps(task("f")))
    for paths in ((), (".",), ("flowplan.yaml",)):
        assert deleted(stack_in(directory, *paths).plan()) == []
        assert deleted(stack_in(directory, *paths).plan(destroy=True)) == []


def test_a_volume_that_another_task_declares_takes_no_bid_along(tmp_path: Path) -> None:
    disk = {"create": {"volume_name": "data", "size": 1, "mount_point": "/d", "disk_interface": "File"}}
    first = stack_in(tmp_path, task("a", persistent_storage=disk))
    first.apply(first.plan())
    assert deleted(stack_in(tmp_path, task("b", persistent_storage=disk)).plan()) == []


def test_everything_of_a_directory_without_a_file_is_what_programs_made_too(directory: Path) -> None:
    assert deleted(stack_in(directory).plan(destroy=True)) == ["bid.a", "bid.b", "bid.c"]


@pytest.mark.parametrize("names", [("train", "train"), ("2", "2"), ("#2", "x"), ("a b", "#1")])
def test_two_tasks_of_one_name_and_names_that_are_none_are_problems(tmp_path: Path, names: tuple[str, str]) -> None:
    with pytest.raises(flowplan.ConfigError):
        stack_in(tmp_path, *map(task, names)).plan()


@pytest.mark.parametrize("name", ["\ud800", "x" * 3 + "\udfff"])
def test_a_text_that_no_file_could_hold_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(flowplan.UsageProblem, match="cannot be written"):
        stack_in(tmp_path, task(name))


def test_a_dict_without_end_is_refused(tmp_path: Path) -> None:
    deep: dict[str, Any] = task("x")
    for _ in range(100_000):
        deep = {"name": "x", "in": deep}
    with pytest.raises(flowplan.UsageProblem, match="cannot be written"):
        stack_in(tmp_path, deep)


EDITS: tuple[Callable[[dict[str, Any]], object], ...] = (
    lambda body: body.update(sha256=5),
    lambda body: body.update(sha256="0" * 64),
    lambda body: body.pop("stack"),
    lambda body: body.update(errored=False, applyable=False),
    lambda body: body["resource_changes"].clear(),
    lambda body: body.update(mode=body),
)


@pytest.mark.parametrize("edit", EDITS)
def test_a_proposal_that_was_edited_is_refused(tmp_path: Path, edit: Callable[[dict[str, Any]], object]) -> None:
    """Its digest would be in the state: one that is no text leaves a state that does not read."""
    stack = stack_in(tmp_path, TASK)
    proposal = stack.plan()
    body: Any = proposal.document
    edit(body)
    with pytest.raises(flowplan.GuardRefused, match="digest"):
        stack.apply(proposal)
    assert not stack.state().bindings


def test_a_proposal_is_carried_out_where_it_was_made(tmp_path: Path) -> None:
    """Two directories of one name, in which nothing is yet, would else both buy it."""
    places = [tmp_path / "one" / "stack", tmp_path / "two" / "stack"]
    for place in places:
        place.mkdir(parents=True)
    here, there = (stack_in(place, TASK) for place in places)
    proposal = here.plan()
    with pytest.raises(flowplan.UsageProblem, match="was made for"):
        there.apply(proposal)
    assert not there.state().bindings
    here.apply(copy.deepcopy(proposal))
    with pytest.raises(flowplan.StalePlan, match="applied"):
        here.apply(proposal)


@pytest.mark.parametrize("url", ["https://me:hunter2@api.example", "https://hunter2@api.example/v2"])
def test_no_stack_shows_the_password_of_a_url(tmp_path: Path, url: str) -> None:
    with pytest.raises(flowplan.UsageProblem) as caught:
        flowplan.load(TASK, directory=tmp_path, api_url=url, environ={})
    assert "hunter2" not in f"{caught.value!r} {caught.value.hint} {caught.value.detail}"
    with pytest.raises(flowplan.UsageProblem):
        flowplan.load(TASK, directory=tmp_path, environ={"FLOWPLAN_API_URL": url})


@pytest.mark.parametrize("sources", [[task("train")], ["<task train>"], [task("train"), "<task train>"]])
def test_no_file_is_taken_for_a_task_without_one(tmp_path: Path, sources: list[Any]) -> None:
    (tmp_path / "<task train>").write_text(json.dumps(task("other")))
    for ask in (stack_in(tmp_path, *sources).plan, stack_in(tmp_path, *sources).validate):
        with pytest.raises(flowplan.UsageProblem, match="there is a file <task train>") as raised:
            ask()
        assert raised.value.hint == "rename the file"
    (tmp_path / "<task train>").rename(tmp_path / "train.yaml")
    assert [str(one.address) for one in stack_in(tmp_path, task("train")).plan().plan.changes] == ["bid.train"]


def test_a_directory_may_be_called_like_a_task_without_a_file(tmp_path: Path) -> None:
    (tmp_path / "<task train>").mkdir()
    (tmp_path / "<task train>" / "a.yaml").write_text(json.dumps(task("a")))
    assert [str(one.address) for one in stack_in(tmp_path, "<task train>").plan().plan.changes] == ["bid.a"]
