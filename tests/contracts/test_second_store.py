"""A store that is no file serves a whole stack: `--state` chooses it, and nothing above the stores knows."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

import attrs
import pytest

import flowplan
from flowplan.backends import open as opening
from flowplan.backends.processes import this_process
from flowplan.backends.remote.objects import Head
from flowplan.backends.remote.writing import RemoteJournal
from flowplan.errors import Locked, StateError, UsageProblem
from flowplan.state.form import Form
from flowplan.state.records import Record
from tests.conftest import START, Place
from tests.contracts.memory import Memory, opener

TASK = """name: train
project_name: my-foundry-project
resources_specification: {fcp_instance: h100.8x.SXM5.IB, cluster_id: us-central1-b}
persistent_storage: {create: {volume_name: data, size: 10, mount_point: /mnt/data}}
"""
STATE = "memory://states/train"


@pytest.fixture
def server(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Memory:
    """A server of objects, for URLs `memory://...`; what this machine keeps of it is this test's."""
    server = Memory(tmp_path_factory.mktemp("server"))
    monkeypatch.setattr(opening, "STORES", {**opening.STORES, "memory": opener(server)})
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("home")))
    return server


def stack_in(directory: Path) -> flowplan.Stack:
    directory.mkdir(exist_ok=True)
    (directory / "flowplan.yaml").write_text(TASK)
    environ = {**START, "XDG_STATE_HOME": os.environ["XDG_STATE_HOME"]}
    return flowplan.load(directory=directory, api_url="sim:", environ=environ, state=STATE)


def test_plan_apply_destroy_through_the_api(tmp_path: Path, server: Memory) -> None:
    stack = stack_in(tmp_path)
    proposal = stack.plan()
    assert [str(change.address) for change in proposal.plan.changes] == ["bid.train", "volume.data"]
    stack.apply(proposal)
    assert stack.plan().plan.empty
    assert {str(address) for address in stack.state().bindings} == {"bid.train", "volume.data"}
    assert server.look("states/train") is not None
    assert sorted(path.name for path in tmp_path.iterdir()) == [".flowplan", "flowplan.yaml"]
    stack.destroy(allow_volume_destroy=["data"])
    assert (stack.state().bindings, stack.state().serial) == ({}, 2)


def test_another_directory_with_the_same_state_is_the_same_stack(tmp_path: Path, server: Memory) -> None:
    """The state names files from the directory that each run starts from."""
    first, second = stack_in(tmp_path / "a"), stack_in(tmp_path / "b")
    first.apply(first.plan())
    assert {binding.source for binding in second.state().bindings.values()} == {"./flowplan.yaml"}
    (tmp_path / "b" / ".flowplan").symlink_to(tmp_path / "a" / ".flowplan")
    assert second.plan().plan.empty


def test_a_run_elsewhere_keeps_everybody_out(tmp_path: Path, server: Memory) -> None:
    stack = stack_in(tmp_path)
    proposal = stack.plan()
    lock = opener(server)(STATE, tmp_path, {}, lambda: None, Form()).lock
    lock.acquire(this_process("flowplan apply", {}, "now"))
    with pytest.raises(Locked, match=f"the lock of {STATE} is held by"):
        stack.apply(proposal)
    lock.release()
    stack.apply(proposal)


@pytest.mark.parametrize("frames", [0, 1])
def test_a_server_that_is_full(tmp_path: Path, server: Memory, monkeypatch: pytest.MonkeyPatch, frames: int) -> None:
    """Before the first frame nothing is bought; after it, what came of it is kept elsewhere, and taken over."""
    stack = stack_in(tmp_path)
    proposal = stack.plan()
    append, appended = RemoteJournal.append, list[object]()

    def until_full(journal: RemoteJournal, records: Iterable[Record]) -> None:
        server.full = len(appended) >= frames
        append(journal, records)
        appended.append(journal)

    with monkeypatch.context() as patch:
        patch.setattr(RemoteJournal, "append", until_full)
        with pytest.raises(StateError, match="memory does not take it: No space left") as caught:
            stack.apply(proposal, parallelism=1)
    server.full = False
    assert ("the results are kept in " in (caught.value.detail or "")) == bool(frames)
    assert len(stack.state().bindings) == frames


def test_the_command_line_takes_it_by_its_url(place: Place, server: Memory) -> None:
    place.write(TASK)
    place.ok("--api-url", "sim:", "--state", STATE, "apply", "--auto-approve")
    assert place.ok("--state", STATE, "state", "list") == "bid.train\nvolume.data\n"
    assert place.ok("--state", STATE, "lock", "show") == "Nobody holds the lock.\n"
    head = server.look("states/train")
    assert head is not None
    damaged = attrs.evolve(Head.load(head.data, STATE), snapshot="00000001-1-0.json")  # the backup is another object
    server.set(f"states/train.d/states/{damaged.snapshot}", b"{")
    server.set("states/train", damaged.dump())
    assert f"{STATE}#snapshot cannot be read" in place.run("--state", STATE, "state", "list").err
    result = place.run("--state", STATE, "state", "restore")
    assert result.out == "The state is now that of the backup, with serial 2.\n"
    assert f"kept as {STATE}#snapshot.damaged" in result.err.replace("\n  ", " ")
    assert not list(place.path.glob("flowplan.*state*"))


@pytest.mark.parametrize("url", ["memory://bucket/key", "ftp://user:secret@host/state"])
def test_a_url_of_nothing_that_keeps_a_state_is_wrong_usage(place: Place, url: str) -> None:
    place.write(TASK)
    result = place.run("--api-url", "sim:", "--state", url, "plan")
    assert result.code == 64
    assert f"flowplan cannot keep a state at {url.partition('//')[0]}//" in result.err.replace("\n  ", " ")
    assert "secret" not in result.err
    with pytest.raises(UsageProblem):
        flowplan.load(directory=place.path, api_url="sim:", state=url, environ=START).state()
    assert [path.name for path in place.path.iterdir()] == ["flowplan.yaml"]
