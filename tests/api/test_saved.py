"""Plans that are saved and applied later: by a program or by the command line, each takes what the other has saved."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import flowplan
from tests.api.stacks import EXAMPLE, TASK, addresses, stack_in, untyped
from tests.conftest import Place, live_ids
from tests.typed.bot import merged, opened


def test_what_a_program_saves_the_command_line_applies(place: Place) -> None:
    place.write(json.dumps(TASK))
    proposal = stack_in(place.path).plan(out="plan.json")
    shown = place.ok("show", "plan.json", "--format", "markdown")
    assert proposal.markdown() == shown
    place.ok("apply", "plan.json", "--expect", proposal.document["sha256"])
    assert len(live_ids(place)) == 1
    with pytest.raises(flowplan.StalePlan, match="was applied already"):
        stack_in(place.path).apply("plan.json")


def test_what_the_command_line_saves_a_program_applies(place: Place) -> None:
    place.write(json.dumps(TASK))
    place.ok("plan", "--out", "plan.json")
    assert addresses(stack_in(place.path).apply(Path("plan.json"))) == ["bid.train"]


def test_a_plan_of_dicts_is_applied_by_a_stack_that_is_given_them(tmp_path: Path) -> None:
    stack = stack_in(tmp_path, TASK)
    digest = stack.plan(out="plan.json").document["sha256"]
    with pytest.raises(flowplan.ConfigError, match="made from <task train>, which is not here"):
        stack_in(tmp_path).apply("plan.json")
    with pytest.raises(flowplan.GuardRefused, match="not the expected one"):
        stack.apply("plan.json", expect="0" * 64)
    changed = {**TASK, "task_management": {"utility_threshold_price": 9}}
    with pytest.raises(flowplan.StalePlan, match="configuration has changed"):
        stack_in(tmp_path, changed).apply("plan.json")
    assert addresses(stack_in(tmp_path, TASK).apply("plan.json", expect=digest)) == ["bid.train"]


def test_what_a_saved_plan_was_allowed_needs_proof(tmp_path: Path) -> None:
    (tmp_path / "flowplan.yaml").write_text(EXAMPLE.read_text())
    stack = stack_in(tmp_path)
    stack.apply(stack.plan())
    proposal = stack.plan(destroy=True, allow_volume_destroy="*", out="plan.json")
    with pytest.raises(flowplan.GuardRefused, match="volume_data"):
        stack.apply("plan.json")
    assert len(stack.state().bindings) == 3
    assert len(stack.apply("plan.json", expect=proposal.document["sha256"]).done) == 3


def test_a_plan_that_a_guard_refuses_is_saved_and_not_applied(tmp_path: Path) -> None:
    stack = stack_in(tmp_path, TASK)
    assert stack.plan(max_hourly_cost="1.00", out=tmp_path / "plan.json").refused
    with pytest.raises(flowplan.GuardRefused, match="this plan was refused"):
        stack.apply("plan.json")


def test_every_reason_of_a_refusal_is_said(tmp_path: Path) -> None:
    stack = stack_in(tmp_path, TASK, {**TASK, "name": "b"}, {**TASK, "name": "c"})
    proposal = stack.plan(max_hourly_cost="1.00", max_cost_increase="2.00", out="plan.json")
    reasons = [one.summary for one in proposal.diagnostics if one.severity == "error"]
    assert len(reasons) == 2
    for plan in (proposal, "plan.json"):
        with pytest.raises(flowplan.GuardRefused) as raised:
            stack.apply(plan)
        assert [one.summary for one in raised.value.refusals] == reasons
        assert str(raised.value) == f"{raised.value.summary}: {'; '.join(reasons)}"
        assert raised.value.code == raised.value.refusals[0].code != "errored"


def test_a_dict_that_is_not_given_again_is_asked_for(tmp_path: Path) -> None:
    stack_in(tmp_path, TASK).plan(out="plan.json")
    with pytest.raises(flowplan.ConfigError, match="made from <task train>, which is not here") as raised:
        stack_in(tmp_path).apply("plan.json")
    assert (raised.value.hint or "").startswith("give load() that dict again")


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda stack: stack.plan(out="flowplan.state.json"), "holds a state"),
        (lambda stack: stack.plan(out="nodir/p.json"), "its directory does not exist"),
        (lambda stack: stack.plan(out="mine.txt"), "exists and is not a saved plan"),
        (lambda stack: stack.plan(out="plan.json", refresh=False), "refresh=False cannot be combined with out"),
        (lambda stack: stack.plan(out="plan.json", refresh_only=True), "refresh_only cannot be combined with out"),
        (lambda stack: stack.apply("none.json"), "none.json"),
        (lambda stack: stack.plan().markdown(max_bytes=untyped("many")), "max_bytes: 'many' is not between"),
        (lambda stack: stack.plan().markdown(max_bytes=1), "max_bytes: 1 is not between 4000 and 1000000000"),
    ],
)
def test_what_cannot_be_saved_or_applied_is_refused(call: Any, said: str, tmp_path: Path) -> None:
    stack = stack_in(tmp_path, TASK)
    stack.apply(stack.plan())
    (tmp_path / "mine.txt").write_text("mine")
    before = (tmp_path / "flowplan.state.json").read_bytes()
    with pytest.raises(flowplan.UsageProblem, match=said):
        call(stack)
    assert ((tmp_path / "mine.txt").read_text(), (tmp_path / "flowplan.state.json").read_bytes()) == ("mine", before)
    with pytest.raises(flowplan.GuardRefused, match=r"mine.txt is not a saved plan"):
        stack.apply("mine.txt")


def test_a_signature_that_is_meant_to_be_checked_is(tmp_path: Path) -> None:
    signing = flowplan.load(
        TASK, directory=tmp_path, api_url="sim:", environ={"FLOWPLAN_PLAN_KEY": "a key of many characters"}
    )
    digest = signing.plan(out="plan.json").document["sha256"]
    heard: list[str] = []
    stack = stack_in(tmp_path, TASK, note=heard.append)
    with pytest.raises(flowplan.GuardRefused, match="is not set to check it"):
        stack.apply("plan.json")
    stack.apply("plan.json", expect=digest)
    assert any("proves what is in it, not who made it" in one for one in heard)


def test_a_typed_bot_plans_says_so_and_applies(tmp_path: Path) -> None:
    file = tmp_path / "flowplan.yaml"
    file.write_text(json.dumps({**TASK, "prots": [80]}))
    said, digest = opened(tmp_path)
    assert (said.startswith("- flowplan.yaml:1:"), said.endswith("unknown key 'prots'"), digest) == (True, True, "")
    file.write_text(json.dumps(TASK))
    comment, digest = opened(tmp_path)
    assert "**Plan: 1 to add" in comment
    assert merged(tmp_path, "0" * 64)[0] == 3
    assert merged(tmp_path, digest) == (0, "bid.train")
    code, said = merged(tmp_path, digest)
    assert (code, said.startswith("plan again: this plan was applied already")) == (3, True)
