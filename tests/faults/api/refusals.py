"""Redirects, and what the API refuses."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

from flowplan.backends.local import LocalStore
from flowplan.model.live import SHOWS_WITHIN
from tests.cloud.server import Server, says
from tests.conftest import many
from tests.faults.api.answers import page
from tests.faults.api.rows import cell
from tests.faults.api.server_errors import adopted
from tests.faults.world import BIDS, POST_BID, STATE, World
from tests.texts import task_text


@cell("redirect", "plan", "apply", "destroy", variants={"301": 301, "302": 302, "307": 307, "308": 308})
def a_redirect_is_not_followed(world: World, command: str, status: int) -> None:
    serves: Callable[..., Server] = world.request.getfixturevalue("serve")
    elsewhere = serves(says("200 OK\r\nContent-Length: 2", b"[]"))
    world.served("fkey_CANARY_redirect")
    if command != "apply":
        world.fresh()
        assert world.do("apply").code == 0
    world.begin(command) if command == "apply" else world.place.write(many(2, price="21.50"))
    route = {"plan": "GET /v2/spot/bids", "apply": "POST *", "destroy": "DELETE *"}[command]
    location = {"location": f"http://127.0.0.1:{elsewhere.port}/v2/x?next"}
    world.fault(route, "status", status=status, headers=location, times=None)
    told = world.do(command)
    assert told.code == 1, told
    assert "unexpected redirect to 127.0.0.1" in told.said
    assert elsewhere.connections == 0
    assert len(told.mutations) == {"plan": 0, "apply": 2, "destroy": 2}[command]  # each once
    world.mend.append(world.clear)


HELD: dict[str, Any] = {
    "status": 202,
    "body": json.dumps({"held": {"proposal_id": "prop_7", "expires_at": "2026-11-02T10:00:00Z"}}),
}


@cell("202-held", "apply")
def what_waits_for_approval_stops_all_that_makes_something(world: World, command: str) -> None:
    world.begin(command)
    world.fault("POST *", "status", **HELD)
    told = world.do(command, "--parallelism", "1")
    assert told.code == 1, told
    assert "proposal prop_7" in told.said
    assert len(told.mutations) == 1
    assert len(LocalStore(world.path / STATE).read().pending) == 1  # held
    assert not world.executed("POST", BIDS)


@cell("202-held", "destroy")
def what_waits_for_approval_stops_nothing_that_stops(world: World, command: str) -> None:
    """Else nobody could approve a second end before the first has come."""
    world.begin(command)
    world.fault("DELETE /v2/spot/bids/*", "status", **HELD)
    told = world.do(command, "--parallelism", "1")
    assert told.code == 1, told
    assert "proposal prop_7" in told.said
    assert len(world.executed("DELETE", BIDS)) == len(world.bids()) == 1  # of two, the other one is cancelled
    assert len(LocalStore(world.path / STATE).read().pending) == 1  # held


@cell("202-held", "apply", variants={"and-stops": True})
def what_waits_for_approval_holds_up_no_end_of_the_same_run(world: World, command: str, _: bool) -> None:
    world.applied()
    world.place.write(many(2, first=2))
    world.fault("POST *", "status", **HELD)
    told = world.do(command, "--parallelism", "1", "--allow-volume-destroy", "*")
    assert told.code == 1, told
    assert len(told.calls("POST")) == 1
    assert world.bids() == [] and world.volumes() == []


@cell("202-held", "apply", variants={"successor": True})
def what_waits_for_approval_keeps_no_bid_beside_its_successor(world: World, command: str, _: bool) -> None:
    """Both would be paid until somebody approves another one."""
    first = "lifecycle: {create_before_destroy: true}\n"
    world.place.write(task_text("a", more=first) + task_text("b", more=first))
    assert world.do(command).code == 0
    another = first + "startup_script: echo another\n"
    world.place.write(task_text("a", more=another) + task_text("b", more=another))
    world.fault(POST_BID, "status", **HELD)
    world.fault(POST_BID, "slow", nth=2, seconds=0.3)  # it is made once the first is held
    told = world.do(command)
    assert told.code == 1, told
    assert len(world.executed("POST", BIDS)) == 3
    assert len(world.executed("DELETE", BIDS)) == 1
    assert len(world.bids()) == 2


@cell("202-held", "apply", variants={"approved-later": True})
def what_was_approved_since_is_found_by_the_next_run(world: World, command: str, _: bool) -> None:
    world.begin(command)
    world.fault(POST_BID, "status", after_commit=True, **HELD)
    assert world.do(command, "--parallelism", "1").code == 1
    told = world.do(command)
    assert told.code == 0, told
    assert "it is kept" in told.said
    assert len(world.executed("POST", BIDS)) == 2


@cell("202-held", "apply", variants={"in-doubt": True})
def what_may_wait_for_approval_is_not_asked_for_twice(world: World, command: str, _: bool) -> None:
    """Somebody would approve both, and FCP promises nothing of a key that comes twice."""
    world.begin(command)
    world.conditions(idempotency=False)
    world.fault(POST_BID, "timeout", late=100)  # it was held, that was not heard, and it is approved later
    world.fault(POST_BID, "status", nth=2, **HELD)
    told = world.do(command)
    assert told.code == 6, told
    assert "may be held for approval" in told.said
    assert len(told.calls("POST", BIDS)) == 2
    assert len(LocalStore(world.path / STATE).read().pending) == 2
    world.time.pause(100)
    told = world.do(command)
    assert told.code == 0, told
    assert len(world.executed("POST", BIDS)) == len(world.bids()) == 2


REAUTH = json.dumps({"detail": "needs_reauth"})


@cell("401", "plan", variants={"401": (401, None)})
@cell("409-needs-reauth", "plan", variants={"409": (409, REAUTH)})
def bad_credentials_are_said_at_once(world: World, command: str, answer: tuple[int, str | None]) -> None:
    world.begin(command)
    world.fault("GET /v2/projects", "status", status=answer[0], body=answer[1], times=None)
    told = world.do(command)
    assert told.code == 1, told
    assert "FLOWPLAN_API_KEY" in told.said
    assert len(told.sent) == 1  # no storm


@cell("401", "apply", "destroy", variants={"401": (401, None)})
@cell("409-needs-reauth", "apply", "destroy", variants={"409": (409, REAUTH)})
def credentials_that_end_in_the_middle_stop_the_run(world: World, command: str, answer: tuple[int, str | None]) -> None:
    world.begin(command)
    route = "POST *" if command == "apply" else "DELETE *"
    world.fault(route, "status", status=answer[0], body=answer[1], nth=2, times=None)
    told = world.do(command, "--parallelism", "1")
    assert told.code == 1, told
    assert "the API does not accept the credentials" in told.said
    assert len(told.mutations) == 2  # one done, one refused, no storm
    loaded = LocalStore(world.path / STATE).read()
    assert len(loaded.state.bindings) == (1 if command == "apply" else 4)  # ports go with their bid
    assert not loaded.pending
    world.clear()
    again = world.do(command)
    assert again.code == 0, again  # a new token is all it needs


@cell("403", "plan")
def a_missing_permission_is_said(world: World, command: str) -> None:
    world.begin(command)
    world.fault("GET /v2/spot/bids", "status", status=403, body='{"detail": "no \\u001b[31m access"}', times=None)
    told = world.do(command)
    assert told.code == 1, told
    assert r"permission denied: no \x1b[31m access" in told.said


@cell("403", "apply")
def a_missing_permission_fails_one_item_and_what_depends_on_it(world: World, command: str) -> None:
    world.begin(command)
    world.fault(POST_BID, "status", status=403)
    told = world.do(command)
    assert told.code == 1, told
    assert "permission denied" in told.said
    assert "Apply incomplete: 4 added, 0 changed, 0 destroyed; 1 failed, 0 unknown, 1 not started." in " ".join(
        told.out.split()
    )
    assert len(told.calls("POST", BIDS)) == 2


@cell("403", "destroy")
def a_missing_permission_to_destroy_fails_one_item(world: World, command: str) -> None:
    world.applied()
    world.fault("DELETE /v2/spot/bids/*", "status", status=403)
    told = world.do(command)
    assert told.code == 1, told
    assert "permission denied" in told.said
    assert len(world.bids()) == 1


@cell("404-on-get", "plan")
def what_is_gone_is_planned_anew_with_its_cost(world: World, command: str) -> None:
    world.applied()
    vanish(world)
    told = world.do(command)
    assert told.code == 0, told
    assert "deleted outside of flowplan" in told.said
    assert re.search(r"bid\.task-000 will be created", told.out)
    assert "$17.92" in told.out


def vanish(world: World) -> None:
    """Bid task-000 is gone for long: neither listed nor found by its id."""
    with world.place.simulator() as simulator:
        simulator.advance(SHOWS_WITHIN)
    gone = world.bid()
    rows = [row for row in world.bids() if row["fid"] != gone]
    world.somebody("DELETE", f"{BIDS}/{gone}")
    world.fault("GET /v2/spot/bids", "status", status=200, body=page(rows, None), times=2)
    world.fault("GET /v2/spot/bids/*", "status", status=404, body='{"detail": "Bid not found"}', times=None)


@cell("404-on-get", "apply")
def what_is_gone_is_bought_again_once(world: World, command: str) -> None:
    world.applied()
    vanish(world)
    told = world.do(command)
    assert told.code == 0, told
    assert len(told.calls("POST", BIDS)) == 1
    assert len(world.bids()) == 2


@cell("404-on-get", "destroy")
def what_is_gone_already_is_removed_from_the_state(world: World, command: str) -> None:
    world.applied()
    vanish(world)
    told = world.do(command)
    assert told.code == 0, told
    assert world.run("state", "list").out == ""


@cell("404-on-delete", "apply", "destroy")
def a_removal_of_what_is_gone_is_a_success(world: World, command: str) -> None:
    world.applied()
    world.place.write(many(1))
    world.fault("DELETE *", "status", status=404, body='{"detail": "Bid not found"}', after_commit=True, times=None)
    told = world.do(command, "--allow-volume-destroy", "*")
    assert told.code == 0, told
    assert "already gone" in told.said
    assert [bid["name"] for bid in world.bids()] == (["task-000"] if command == "apply" else [])


TAKEN = {
    "400": (400, '{"detail": "Name already used in this project"}'),
    "409": (409, '{"detail": "conflict"}'),
}


@cell("name-taken", "apply", variants=TAKEN)
def a_name_taken_by_our_own_bid_is_adopted(world: World, command: str, answer: tuple[int, str]) -> None:
    world.begin(command)
    world.fault(POST_BID, "status", status=answer[0], body=answer[1], after_commit=True)
    adopted(world, world.do(command))


@cell("name-taken", "apply", variants={"by-somebody": ("#!/bin/sh", 0.0), "by-somebody-before": (None, 60.0)})
def a_name_taken_by_somebody_is_a_failure_that_names_it(
    world: World, command: str, one: tuple[str | None, float]
) -> None:
    """Of a bid without a script, only its age shows that it is not of this run."""
    script, since = one
    world.begin(command)
    assert world.run("plan").code == 0
    theirs = world.namesake(script=script)
    world.time.pause(since)
    world.fault("GET /v2/spot/bids", "status", status=200, body=page([], None))  # it comes after the look
    told = world.do(command)
    assert told.code == 1, told
    assert f"the name task-000 is taken by {theirs}" in told.said
    assert len(told.calls("POST", BIDS)) == 2  # no suffix, no second try
    assert not told.calls("DELETE") and not told.calls("PATCH")
    world.mend.append(lambda: world.somebody("DELETE", f"{BIDS}/{theirs}"))


INVALID = json.dumps(
    {"detail": [{"loc": ["body", "launch_specification", "volumes", 0], "msg": "too \x1b[1m many", "type": "v"}]}
)


@cell("422", "apply", variants={"422": (422, INVALID), "400": (400, '{"detail": "volumes: too many"}')})
def a_refused_create_is_closed_and_not_repeated(world: World, command: str, answer: tuple[int, str]) -> None:
    world.begin(command)
    world.fault(POST_BID, "status", status=answer[0], body=answer[1])
    told = world.do(command)
    assert told.code == 1, told
    assert ("launch_specification.volumes.0: too" if answer[0] == 422 else "volumes: too many") in told.said
    assert len(told.calls("POST", BIDS)) == 2
    assert not LocalStore(world.path / STATE).read().pending


@cell("422", "destroy", variants={"422": (422, INVALID), "400": (400, '{"detail": "not now"}')})
def a_refused_removal_keeps_the_object(world: World, command: str, answer: tuple[int, str]) -> None:
    world.applied()
    world.fault("DELETE /v2/spot/bids/*", "status", status=answer[0], body=answer[1])
    told = world.do(command)
    assert told.code == 1, told
    assert len(world.bids()) == 1


@cell("quota", "plan")
def a_limit_below_the_reserve_is_a_problem_of_the_file(world: World, command: str) -> None:
    world.place.write(many(1, price="1.00"))
    told = world.do(command)
    assert told.code == 65, told
    assert "the minimum that FCP accepts" in told.said
    world.mend.append(lambda: world.place.write(many(1)))


REFUSALS = {
    "quota": (400, "Quota exceeded for h100"),
    "price": (400, "Limit price is below the minimum of $8.00"),
    "no-ssh-key": (400, "At least one SSH key is required"),
}


@cell("quota", "apply", variants=REFUSALS)
def a_refusal_that_a_person_must_mend_is_not_hammered(world: World, command: str, answer: tuple[int, str]) -> None:
    world.fresh(6)
    world.fault(POST_BID, "status", status=answer[0], body=json.dumps({"detail": answer[1]}), times=None)
    told = world.do(command, "--parallelism", "1")
    assert told.code == 1, told
    assert "hint:" in told.err
    tries = len(told.calls("POST", BIDS))
    assert tries == (1 if answer[1].startswith("Quota") else 6)  # a price and a key are each bid's own
    assert not LocalStore(world.path / STATE).read().pending
