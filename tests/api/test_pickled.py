"""What a program hands to another process: a stack, a proposal, and what comes back."""

from __future__ import annotations

import copy
import multiprocessing
import os
import pickle
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest

import flowplan
from tests.api.stacks import TASK, addresses, stack_in
from tests.processes import LONGEST


def test_another_process_applies_what_this_one_has_planned(tmp_path: Path) -> None:
    stack = stack_in(tmp_path, TASK)
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        proposal = pool.submit(stack.plan).result(LONGEST)
        outcome = pool.submit(stack.apply, proposal).result(LONGEST)
        again = pool.submit(stack.apply, proposal)
        with pytest.raises(flowplan.StalePlan, match="was applied already"):
            again.result(LONGEST)
    assert (addresses(outcome), outcome.state) == (["bid.train"], stack.state())


def test_a_copy_has_the_environment_of_its_process_or_the_one_that_it_was_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLOWPLAN_API_KEY", "fkey_hunter2")
    own = flowplan.load(TASK, directory=tmp_path, api_url="sim:")
    given = flowplan.load(TASK, directory=tmp_path, api_url="sim:", environ={"FLOWPLAN_API_KEY": "fkey_1"})
    for copied in (pickle.loads(pickle.dumps(own)), copy.copy(own), copy.deepcopy(own)):
        assert copied == own and copied._opening.settings.environ is os.environ
    assert pickle.loads(pickle.dumps(given))._opening.settings.environ == {"FLOWPLAN_API_KEY": "fkey_1"}
    assert b"hunter2" not in pickle.dumps(own)


def test_a_stack_is_a_key(tmp_path: Path) -> None:
    """Of what a program keeps of each: also where its environment is a dict, which is none."""
    given, own = stack_in(tmp_path, TASK), flowplan.load(TASK, directory=tmp_path, api_url="sim:")
    kept = {given: "given", own: "own", stack_in(tmp_path, TASK, state="other.json"): "other"}
    assert (len(kept), kept[stack_in(tmp_path, TASK)], kept[copy.deepcopy(own)]) == (3, "given", "own")
    assert hash(pickle.loads(pickle.dumps(given))) == hash(given)


def test_all_that_a_look_gives_can_be_pickled(tmp_path: Path) -> None:
    stack = stack_in(tmp_path, TASK)
    proposal = stack.plan(what_if="1h")
    outcome = stack.apply(proposal)
    looks = (stack.state, stack.status, stack.cost, stack.offers, stack.doctor, stack.orphans, stack.validate)
    for look in (*looks, stack.outputs, stack.history):
        found = look()
        assert pickle.loads(pickle.dumps(found)) == found, look.__name__
    told = [*stack.watch(once=True)]
    for one in (
        proposal,
        outcome,
        stack.market("h100"),
        *told,
        stack.move("bid.train", "bid.x"),
        stack.release("bid.x"),
    ):
        assert pickle.loads(pickle.dumps(one)) == one


def test_a_stack_shows_no_password_of_its_state(tmp_path: Path) -> None:
    stack = flowplan.load(
        "a.yaml", TASK, directory=tmp_path, api_url="sim:", state="https://me:hunter2@host.test/state", environ={}
    )
    assert repr(stack) == f"<Stack: a.yaml, <task train> in {tmp_path}>"
    assert repr(stack_in(tmp_path)) == f"<Stack: flowplan.yaml in {tmp_path}>"
