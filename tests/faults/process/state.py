"""A state that is damaged, missing, or somebody else's."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from typing import Any

from flowplan.backends.local import LocalStore
from flowplan.model.digest import digest
from tests.conftest import many
from tests.faults.process.rows import cell
from tests.faults.world import BIDS, STATE, VOLUMES, Told, World


def twice_applied(world: World) -> bytes:
    """An applied stack whose state has a backup; returns the first state."""
    world.applied()
    first = (world.path / STATE).read_bytes()
    world.place.write(many(2, price="20.00"))
    assert world.do("apply").code == 0
    return first


def refused(world: World, command: str, *says: str) -> Told:
    """The state is refused: nothing is called, nothing is taken for a fresh start; `state restore` mends it."""
    world.damaged = True
    before = world.state_files()
    told = world.do(command)
    assert told.code == 5, told
    assert not told.mutations
    assert "will be created" not in told.out
    assert all(word in told.said for word in says), told
    assert world.state_files() == before
    world.mend.append(lambda: restored(world))
    return told


def restored(world: World) -> None:
    told = world.run("state", "restore")
    assert told.code == 0, told


DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda data: b"",
    "nuls": lambda data: bytes(len(data)),
    "truncated": lambda data: data[: len(data) // 2],
    "garbage": lambda data: os.urandom(len(data)),
    "bad-checksum": lambda data: data.replace(b"vol-000", b"vol-009"),
    "nan": lambda data: data.replace(b'"serial": 2', b'"serial": NaN'),
    "a-key-twice": lambda data: data.replace(b'"serial": 2', b'"serial": 2, "serial": 2'),
}


@cell("state-unreadable", "plan", "apply", "destroy", variants=DAMAGE)
def a_damaged_state_is_never_a_fresh_start(world: World, command: str, damage: Callable[[bytes], bytes]) -> None:
    twice_applied(world)
    path = world.path / STATE
    data = damage(path.read_bytes())
    assert data != path.read_bytes()
    path.write_bytes(data)
    refused(world, command, STATE, "state restore")


@cell("state-missing", "plan", "apply", "destroy")
def a_missing_state_with_traces_is_no_fresh_start(world: World, command: str) -> None:
    twice_applied(world)
    (world.path / STATE).unlink()
    refused(world, command, "is missing, but flowplan.state.journal shows that it existed", "--init")


@cell("state-missing", "apply", variants={"init": None})
def who_says_init_begins_anew(world: World, command: str, _: None) -> None:
    world.applied()
    for path in (
        *(f"{BIDS}/{bid['fid']}" for bid in world.bids()),
        *(f"{VOLUMES}/{v['fid']}" for v in world.volumes()),
    ):
        world.somebody("DELETE", path)
    (world.path / STATE).unlink()
    assert world.do(command).code == 5
    told = world.do(command, "--init")
    assert told.code == 0, told
    assert len(world.bids()) == 2


@cell("state-went-back", "plan", "apply", "destroy")
def a_state_that_went_back_is_refused(world: World, command: str) -> None:
    first = twice_applied(world)
    (world.path / STATE).write_bytes(first)
    refused(world, command, "went back: its serial is 1, but an earlier run here saw 2")


def crafted(world: World, edit: Callable[[dict[str, Any]], Any]) -> None:
    """The state, edited and with a checksum that is right."""
    path = world.path / STATE
    body = json.loads(path.read_text())
    del body["sha256"]
    edit(body)
    path.write_text(json.dumps({**body, "sha256": digest(body)}))


@cell("state-too-new", "plan", "apply", "destroy")
def a_state_of_a_newer_flowplan_is_refused(world: World, command: str) -> None:
    twice_applied(world)
    crafted(world, lambda body: body.update(format_version=3, flowplan_version="9.9"))
    refused(world, command, "was written by flowplan 9.9")


@cell("other-lineage", "plan", "apply", "destroy")
def a_state_of_another_stack_is_refused(world: World, command: str) -> None:
    twice_applied(world)
    crafted(world, lambda body: body.update(lineage="00000000-0000-4000-8000-000000000000"))
    refused(world, command, "belong to different stacks", "00000000-0000-4000-8000-000000000000")


@cell("other-lineage", "apply", variants={"push": None})
def push_wants_force_and_names_both_lineages(world: World, command: str, _: None) -> None:
    world.applied()
    ours = LocalStore(world.path / STATE).read().state.lineage
    crafted(world, lambda body: body.update(lineage="00000000-0000-4000-8000-000000000000"))
    shutil.copy(world.path / STATE, world.path / "theirs.json")
    shutil.copy(world.template / STATE, world.path / STATE)
    told = world.run("state", "push", "theirs.json")
    assert told.code == 5, told
    forced = world.run("state", "push", "--force", "theirs.json")
    assert forced.code == 0, forced
    for one in (told, forced):
        assert ours in one.said and "00000000-0000-4000-8000-000000000000" in one.said
    (world.path / "theirs.json").unlink()


def address_twice(body: dict[str, Any]) -> None:
    body["resources"].append(body["resources"][0])


def id_twice(body: dict[str, Any]) -> None:
    volumes = [one for one in body["resources"] if one["type"] == "volume"]
    volumes[1]["id"] = volumes[0]["id"]


def dangling(body: dict[str, Any]) -> None:
    body["resources"] = [one for one in body["resources"] if one["address"] != "volume.vol-000"]


INCONSISTENT = {
    "address-twice": (address_twice, "names an address twice"),
    "id-twice": (id_twice, "records an id twice"),
    "dangling-need": (dangling, "needs volume.vol-000, which is missing"),
}


@cell("state-inconsistent", "plan", "apply", "destroy", variants=INCONSISTENT)
def a_state_that_contradicts_itself_is_refused(world: World, command: str, given: tuple[Any, str]) -> None:
    twice_applied(world)
    crafted(world, given[0])
    refused(world, command, given[1])
