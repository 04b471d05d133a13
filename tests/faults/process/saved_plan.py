"""The saved plan: stale, damaged, edited, for another cloud."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from flowplan.documents.plan import digest_of
from tests.conftest import many
from tests.faults.process.rows import cell
from tests.faults.process.state import crafted
from tests.faults.world import BIDS, JOURNAL, World

PLAN = "saved.plan"
GRANTED = ("--allow-volume-destroy", "*")  # again: what the file says of it proves nothing


def saved(world: World, command: str) -> dict[str, Any]:
    """A saved plan of a changed price, or of destroying all; its document."""
    world.applied(changed=command == "apply")
    options = ("--destroy", "--allow-volume-destroy", "*") if command == "destroy" else ()
    told = world.run("plan", "--out", PLAN, *options)
    assert told.code == 0, told
    body: dict[str, Any] = json.loads((world.path / PLAN).read_text())
    return body


def refused_plan(world: World, *says: str, options: tuple[str, ...] = (), codes: tuple[int, ...] = (3,)) -> None:
    told = world.run("apply", PLAN, *options)
    assert told.code in codes, told
    assert not told.mutations
    assert all(word in told.said for word in says), told


def resealed(world: World, body: dict[str, Any], **changes: Any) -> None:
    """The plan, edited, with a digest that is right."""
    body = {**body, **changes}
    (world.path / PLAN).write_text(json.dumps({**body, "sha256": digest_of(body)}, indent=2))


def applied_meanwhile(world: World, body: dict[str, Any]) -> None:
    assert world.run("apply", PLAN, *GRANTED).code == 0


def lineage_changed(world: World, body: dict[str, Any]) -> None:
    crafted(world, lambda state: state.update(lineage="00000000-0000-4000-8000-000000000000"))
    (world.path / JOURNAL).unlink()


def changed_outside(world: World, body: dict[str, Any]) -> None:
    world.somebody("PATCH", f"{BIDS}/{world.bid()}", {"limit_price": "$30.00"})


def version_changed(world: World, body: dict[str, Any]) -> None:
    resealed(world, body, flowplan_version="9.9.9")


STALE = {
    "serial": applied_meanwhile,
    "lineage": lineage_changed,
    "observed": changed_outside,
    "version": version_changed,
}


def configuration_changed(world: World, body: dict[str, Any]) -> None:
    world.place.write(many(2, price="22.00"))


@cell("stale-plan", "apply", variants={**STALE, "configuration": configuration_changed})
@cell("stale-plan", "destroy", variants=STALE)
def a_plan_that_no_longer_fits_is_refused(world: World, command: str, moves: Callable[..., None]) -> None:
    body = saved(world, command)
    moves(world, body)
    before = len(world.executed())
    told = world.run("apply", PLAN)
    empty = moves is applied_meanwhile and command == "destroy"  # nothing left: planning again does not do the same
    assert told.code == 3, (empty, told)
    assert len(world.executed()) == before


PLAN_DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "truncated": lambda data: data[: len(data) // 2],
    "one-bit": lambda data: data.replace(b'"21.50"', b'"21.40"').replace(b'"mode": "destroy"', b'"mode": "destroX"'),
    "future-version": lambda data: data.replace(b'"format_version": "1.0"', b'"format_version": "2.0"'),
    "other-type": lambda data: b'{"terraform_version": "1.11.4"}',
    "binary": lambda data: b"PK\x03\x04" + bytes(100),
}


@cell("plan-damaged", "apply", "destroy", variants=PLAN_DAMAGE)
def a_damaged_plan_is_no_plan(world: World, command: str, damage: Callable[[bytes], bytes]) -> None:
    saved(world, command)
    path = world.path / PLAN
    data = damage(path.read_bytes())
    assert data != path.read_bytes()
    path.write_bytes(data)
    # What is not a plan at all is read as a task file, and is none: 65.
    refused_plan(world, codes=(3,) if b'"format_version"' in data else (65,))


def more_expensive(body: dict[str, Any]) -> list[Any]:
    """The changes of the plan, edited by somebody who would spend more, or delete more."""
    changes = json.loads(json.dumps(body["resource_changes"]))
    if body["mode"] == "apply":
        for one in changes:
            if one["type"] == "bid":
                one["change"]["after"]["limit_price"] = "99.00"
    else:
        del changes[0]
    return list(changes)


@cell("plan-edited", "apply", "destroy", variants={"expect": "expect", "without-a-key": "", "with-a-key": "key"})
def an_edited_plan_is_refused_although_its_digest_is_right(world: World, command: str, how: str) -> None:
    if how == "key":
        world.environ(FLOWPLAN_PLAN_KEY="CANARY0123456789abcdef")
        world.secrets.append("CANARY0123456789abcdef")
    body = saved(world, command)
    resealed(world, body, resource_changes=more_expensive(body))
    refused_plan(world, options=("--expect", body["sha256"]) if how == "expect" else ())


@cell("plan-edited", "apply", variants={"unsigned": None})
def an_unsigned_plan_is_refused_where_there_is_a_key(world: World, command: str, _: None) -> None:
    saved(world, command)
    world.environ(FLOWPLAN_PLAN_KEY="CANARY0123456789abcdef")
    refused_plan(world, "FLOWPLAN_PLAN_KEY")


@cell("plan-for-another", "apply", "destroy", variants={"endpoint": "api_url", "project": "project"})
def a_plan_for_another_cloud_names_both(world: World, command: str, what: str) -> None:
    body = saved(world, command)
    stack = body["stack"]
    if what == "api_url":
        stack = {**stack, "api_url": "https://api.other.test"}
    else:
        stack = {**stack, "project": {"id": "proj_other", "name": "other-project"}}
    resealed(world, body, stack=stack)
    refused_plan(world, *(("https://api.other.test", "sim:") if what == "api_url" else ("other-project", "my-foundry")))
