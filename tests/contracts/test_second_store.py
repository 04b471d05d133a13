"""A store that is no file serves a whole stack: `--state` chooses it, and nothing above the stores knows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import pytest

import flowplan
from flowplan.backends import open as opening
from flowplan.backends.processes import this_process
from flowplan.backends.store import Store
from flowplan.errors import Locked, StateError, UsageProblem
from flowplan.state.form import Form
from flowplan.state.journal import Record
from tests.conftest import START, Place
from tests.contracts.database import Database, DatabaseJournal, DatabaseStore

TASK = """name: train
project_name: my-foundry-project
resources_specification: {fcp_instance: h100.8x.SXM5.IB, cluster_id: us-central1-b}
persistent_storage: {create: {volume_name: data, size: 10, mount_point: /mnt/data}}
"""
STATE = "rows://states/train"


@pytest.fixture
def database(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Database:
    directory = tmp_path_factory.mktemp("server")
    database, elsewhere = Database(directory / "states"), Database(directory / "elsewhere")

    def opened(given: str, base: Path, environ: Mapping[str, str], hold: Callable[[], None], form: Form) -> Store:
        return DatabaseStore(given, database, elsewhere, base, hold)

    monkeypatch.setattr(opening, "STORES", {**opening.STORES, "rows": opened})
    return database


def stack_in(directory: Path) -> flowplan.Stack:
    directory.mkdir(exist_ok=True)
    (directory / "flowplan.yaml").write_text(TASK)
    return flowplan.load(directory=directory, api_url="sim:", environ=START, state=STATE)


def test_plan_apply_destroy_through_the_api(tmp_path: Path, database: Database) -> None:
    stack = stack_in(tmp_path)
    proposal = stack.plan()
    assert [str(change.address) for change in proposal.plan.changes] == ["bid.train", "volume.data"]
    stack.apply(proposal)
    assert stack.plan().plan.empty
    assert {str(address) for address in stack.state().bindings} == {"bid.train", "volume.data"}
    assert database.get("snapshot") is not None
    assert sorted(path.name for path in tmp_path.iterdir()) == [".flowplan", "flowplan.yaml"]
    stack.destroy(allow_volume_destroy=["data"])
    assert (stack.state().bindings, stack.state().serial) == ({}, 2)


def test_another_directory_with_the_same_state_is_the_same_stack(tmp_path: Path, database: Database) -> None:
    """The state names files from the directory that each run starts from."""
    first, second = stack_in(tmp_path / "a"), stack_in(tmp_path / "b")
    first.apply(first.plan())
    assert {binding.source for binding in second.state().bindings.values()} == {"./flowplan.yaml"}
    (tmp_path / "b" / ".flowplan").symlink_to(tmp_path / "a" / ".flowplan")
    assert second.plan().plan.empty


def test_a_run_elsewhere_keeps_everybody_out(tmp_path: Path, database: Database) -> None:
    stack = stack_in(tmp_path)
    proposal = stack.plan()
    lock = DatabaseStore(STATE, database, database, tmp_path).lock
    lock.acquire(this_process("flowplan apply", {}, "now"))
    with pytest.raises(Locked, match=f"the lock {STATE} is held by"):
        stack.apply(proposal)
    lock.release()
    stack.apply(proposal)


@pytest.mark.parametrize("frames", [0, 1])
def test_a_database_that_is_full(
    tmp_path: Path, database: Database, monkeypatch: pytest.MonkeyPatch, frames: int
) -> None:
    """Before the first frame nothing is bought; after it, what came of it is kept elsewhere, and taken over."""
    stack = stack_in(tmp_path)
    proposal = stack.plan()
    append, appended = DatabaseJournal.append, list[object]()

    def until_full(journal: DatabaseJournal, records: Iterable[Record]) -> None:
        database.full = len(appended) >= frames
        append(journal, records)
        appended.append(journal)

    with monkeypatch.context() as patch:
        patch.setattr(DatabaseJournal, "append", until_full)
        with pytest.raises(StateError, match=f"{STATE}#journal could not be made durable: No space left") as caught:
            stack.apply(proposal, parallelism=1)
    database.full = False
    assert ("the results are kept in " in (caught.value.detail or "")) == bool(frames)
    assert len(stack.state().bindings) == frames


def test_the_command_line_takes_it_by_its_url(place: Place, database: Database) -> None:
    place.write(TASK)
    place.ok("--api-url", "sim:", "--state", STATE, "apply", "--auto-approve")
    assert place.ok("--state", STATE, "state", "list") == "bid.train\nvolume.data\n"
    assert place.ok("--state", STATE, "lock", "show") == "Nobody holds the lock.\n"
    with database.changing() as rows:
        rows.put("snapshot", b"{")
    assert f"{STATE}#snapshot cannot be read" in place.run("--state", STATE, "state", "list").err
    result = place.run("--state", STATE, "state", "restore")
    assert result.out == "The state is now that of the backup, with serial 2.\n"
    assert f"kept as {STATE}#snapshot.damaged" in result.err.replace("\n  ", " ")
    assert not list(place.path.glob("flowplan.*state*"))


@pytest.mark.parametrize("url", ["rows://bucket/key", "ftp://user:secret@host/state"])
def test_a_url_of_nothing_that_keeps_a_state_is_wrong_usage(place: Place, url: str) -> None:
    place.write(TASK)
    result = place.run("--api-url", "sim:", "--state", url, "plan")
    assert result.code == 64
    assert f"flowplan cannot keep a state at {url.partition('//')[0]}//" in result.err.replace("\n  ", " ")
    assert "secret" not in result.err
    with pytest.raises(UsageProblem):
        flowplan.load(directory=place.path, api_url="sim:", state=url, environ=START).state()
    assert [path.name for path in place.path.iterdir()] == ["flowplan.yaml"]
