"""Somebody else was there."""

from __future__ import annotations

from flowplan.cli.terminal import Terminal
from tests.faults.api.rows import cell
from tests.faults.world import BIDS, World


def saved(world: World) -> None:
    told = world.run("plan", "--out", "saved.plan")
    assert told.code == 0, told


@cell("deleted-between", "apply")
def a_saved_plan_for_what_was_deleted_is_stale(world: World, command: str) -> None:
    world.applied(changed=True)
    saved(world)
    world.somebody("DELETE", f"{BIDS}/{world.bid()}")
    told = world.run("apply", "saved.plan")
    assert told.code == 3, told
    assert not told.mutations


@cell("deleted-between", "apply", variants={"at-the-prompt": None})
def at_the_prompt_what_was_deleted_is_noticed(world: World, command: str, _: None) -> None:
    world.applied(changed=True)

    def answer(terminal: Terminal, question: str) -> str:
        world.somebody("DELETE", f"{BIDS}/{world.bid()}")
        return "yes"

    real = Terminal.__init__
    world.monkeypatch.setattr(Terminal, "ask", answer)
    world.monkeypatch.setattr(Terminal, "__init__", lambda *a, **k: real(*a, **{**k, "interactive": True}))
    told = world.run("apply")
    assert told.code == 3, told
    assert "the plan has changed since it was shown" in told.said
    assert not told.mutations


@cell("deleted-between", "destroy")
def a_destroy_of_what_was_deleted_is_a_success(world: World, command: str) -> None:
    world.applied()
    assert world.run("plan", "--destroy", "--allow-volume-destroy", "*").code == 0
    world.somebody("DELETE", f"{BIDS}/{world.bid()}")
    told = world.do(command)
    assert told.code == 0, told


@cell("changed-between", "apply")
def a_saved_plan_for_what_was_changed_is_stale_and_says_what(world: World, command: str) -> None:
    world.applied(changed=True)
    saved(world)
    world.somebody("PATCH", f"{BIDS}/{world.bid()}", {"limit_price": "$30.00"})
    told = world.run("apply", "saved.plan")
    assert told.code == 3, told
    assert "30.00" in told.said
    assert not told.mutations
    assert {bid["limit_price"] for bid in world.bids()} == {"$30.00", "$17.92"}


@cell("changed-between", "destroy")
def a_destroy_of_what_was_changed_says_so_and_deletes_only_what_is_ours(world: World, command: str) -> None:
    world.applied()
    world.somebody("PATCH", f"{BIDS}/{world.bid()}", {"limit_price": "$30.00"})
    told = world.do(command)
    assert told.code == 0, told
    assert "30.00" in told.said  # the drift is told
    assert not world.bids()


@cell("preempted-between", "plan")
def the_plan_shows_that_a_bid_is_being_preempted(world: World, command: str) -> None:
    world.applied()
    with world.place.simulator() as simulator:
        simulator.faults.preempt(world.bid(), seconds=600)
    told = world.do(command, "--detailed-exitcode")
    assert told.code == 0, told
    assert "Preempting" in told.said
    assert "Preempting" in world.run("status").out


@cell("preempted-between", "apply", variants={"preempted": True, "terminated": False})
def what_was_taken_back_is_not_bought_again(world: World, command: str, preempted: bool) -> None:
    world.applied(changed=True)
    saved(world)
    if preempted:
        with world.place.simulator() as simulator:
            simulator.faults.preempt(world.bid(), seconds=600)
    else:
        world.somebody("DELETE", f"{BIDS}/{world.bid()}")
    told = world.run("apply", "saved.plan")
    assert told.code == (3 if not preempted else told.code), told
    assert told.code in (0, 3)
    assert not told.calls("POST")


@cell("preempted-between", "destroy", variants={"preempted": True, "terminated": False})
def what_has_ended_is_destroyed_already(world: World, command: str, preempted: bool) -> None:
    world.applied()
    if preempted:
        with world.place.simulator() as simulator:
            simulator.faults.preempt(world.bid(), seconds=600)
    else:
        world.somebody("DELETE", f"{BIDS}/{world.bid()}")
    told = world.do(command)
    assert told.code == 0, told
    assert not world.bids()


@cell("namesakes", "plan", "apply", variants={"not-in-the-state": None})
def a_name_that_two_others_have_is_a_problem_that_names_them(world: World, command: str, _: None) -> None:
    world.fresh()
    world.conditions(duplicate_names=True)
    theirs = [world.namesake(), world.namesake()]
    told = world.do(command)
    assert told.code == 65, told
    assert all(id in told.said for id in theirs)
    assert not told.mutations
    world.mend += [lambda id=id: world.somebody("DELETE", f"{BIDS}/{id}") for id in theirs]  # type: ignore[misc]


@cell("namesakes", "plan", "apply", "destroy", variants={"the-state-knows-ours": None})
def ours_is_known_by_its_id(world: World, command: str, _: None) -> None:
    world.applied(changed=command != "destroy")
    world.conditions(duplicate_names=True)
    ours, theirs = world.bid(), world.namesake()
    told = world.do(command)
    assert told.code == 0, told
    assert f"{theirs} has the name of bid.task-000" in told.said
    after = {bid["fid"]: bid for bid in world.bids()}
    assert after[theirs]["limit_price"] == "$17.92"
    assert (ours in after) is (command != "destroy")
