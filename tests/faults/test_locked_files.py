"""A configuration file that is there and cannot be read (its server does not answer, its disk fails, nobody may) keeps
nothing running: what stops needs the state alone."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import flowplan
from flowplan.errors import ConfigError
from flowplan.operations.opening import sources
from tests.conftest import APPLY, Place, live_ids, made_once
from tests.operations.jobs import live, train
from tests.texts import task_text

REASONS = {"stat": errno.ESTALE, "open": errno.EACCES, "read": errno.EIO}  # each where it comes up


@contextmanager
def locked(monkeypatch: pytest.MonkeyPatch, name: str, how: str) -> Iterator[None]:
    """The files called `name` fail in the call `how`, and in those that come after it."""
    stat, opens, reads = os.stat, os.open, sources.read_regular

    def hold(path: object) -> None:
        if isinstance(path, (str, Path)) and Path(path).name == name:
            raise OSError(REASONS[how], os.strerror(REASONS[how]))

    def stat_of(path: str, **given: object) -> os.stat_result:
        hold(path)
        return stat(path, **given)  # type: ignore[arg-type]

    def open_of(path: str, *given: int, **named: int) -> int:
        hold(path)
        return opens(path, *given, **named)

    def read_of(path: str, limit: int) -> bytes:
        hold(path)
        return reads(path, limit)

    with monkeypatch.context() as patch:
        if how == "stat":
            patch.setattr(os, "stat", stat_of)
        if how in ("stat", "open"):
            patch.setattr(os, "open", open_of)
        patch.setattr(sources, "read_regular", read_of)
        yield


@pytest.fixture
@made_once
def running(place: Place) -> Place:
    place.write(task_text())
    place.ok(*APPLY)
    return place


@pytest.mark.parametrize("how", REASONS)
@pytest.mark.parametrize("given", [(), ("flowplan.yaml",), (".",)], ids=["nothing", "file", "directory"])
def test_a_destroy_goes_by_the_state(
    running: Place, monkeypatch: pytest.MonkeyPatch, how: str, given: tuple[str, ...]
) -> None:
    with locked(monkeypatch, "flowplan.yaml", how):
        assert running.run("plan", *given).code == 65
        said = " ".join(running.ok("destroy", "--auto-approve", *given).split())
    assert f"flowplan.yaml cannot be read: {os.strerror(REASONS[how])}: what the state says" in said
    assert live_ids(running) == []


@pytest.mark.parametrize("name", ["jobs", "other"])
def test_a_directory_that_cannot_be_listed_is_as_a_file(
    place: Place, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    for folder in ("jobs", "other"):
        (place.path / folder).mkdir()
    place.write(task_text(), "jobs/train.yaml")
    place.ok("apply", "jobs", "--auto-approve")

    def entries(path: Path) -> Iterator[Path]:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as patch:
        patch.setattr(Path, "iterdir", entries)
        for command in (("plan", name), ("apply", name, "--auto-approve")):
            refused = place.run(*command)
            assert (refused.code, f"{name} cannot be read: Input/output error" in refused.err) == (65, True), refused
        ended = place.run("destroy", name, "--auto-approve")
    assert (ended.code, live(place)) == ((0, []) if name == "jobs" else (65, ["train"])), ended


def test_so_does_a_program_s(running: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    with locked(monkeypatch, "flowplan.yaml", "stat"):
        stack = flowplan.load(directory=running.path, api_url="sim:")
        stack.apply(stack.plan(destroy=True))
    assert live_ids(running) == []


@pytest.mark.parametrize("how", REASONS)
def test_its_volumes_stay_as_it_may_keep_them(place: Place, monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    place.write(train())
    place.ok(*APPLY)
    with locked(monkeypatch, "flowplan.yaml", how):
        refused = place.run("destroy", "--auto-approve", "--allow-volume-destroy", "*")
        said = " ".join(refused.err.split())
        assert (refused.code, "and it may say that volume.data is to stay" in said) == (3, True), refused
        assert "--keep-volumes cancels the bids" in said
        place.ok("destroy", "--auto-approve", "--keep-volumes")
    assert live(place) == []


def test_one_that_made_nothing_says_that_it_cannot_be_read(running: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """That there is nothing to destroy would be no answer: it may be another one renamed."""
    running.write(task_text("other"), "other.yaml")
    with locked(monkeypatch, "other.yaml", "read"):
        assert running.run("destroy", "--auto-approve", "other.yaml").code == 65
    assert len(live_ids(running)) == 1


@pytest.mark.parametrize("how", REASONS)
def test_the_state_of_the_directory_is_meant_only_where_it_is_the_only_one_in_use(
    running: Place, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """The file may name another."""
    running.ok("destroy", "--auto-approve")
    with locked(monkeypatch, "flowplan.yaml", how):
        refused = running.run("destroy", "--auto-approve")  # it has nothing: there may be another elsewhere
    assert (refused.code, "--state flowplan.state.json" in " ".join(refused.err.split())) == (65, True), refused
    running.ok(*APPLY)
    running.write(task_text("prod"), "prod.yaml")
    running.ok("apply", "prod.yaml", "--auto-approve", "--state", "prod.json")
    with locked(monkeypatch, "flowplan.yaml", how):
        assert running.run("destroy", "--auto-approve").code == 65
        running.ok("destroy", "--auto-approve", "--state", "flowplan.state.json")
    assert live(running) == ["prod"]


@pytest.mark.parametrize("how", REASONS)
def test_what_is_past_its_lifetime_ends(place: Place, monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    place.write(train())
    place.ok(*APPLY)
    place.ok("simulator", "advance", "5h")
    with locked(monkeypatch, "flowplan.yaml", how):
        assert place.run(*APPLY).code == 65
    assert live(place) == []


def test_a_program_that_applies_it_hears_that_it_cannot_be_read(
    running: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    with locked(monkeypatch, "flowplan.yaml", "read"), pytest.raises(ConfigError, match="cannot be read"):
        flowplan.load(directory=running.path, api_url="sim:").plan()


REMEDIES = {"stat": "the server, that it is on", "open": "let your user read it", "read": "the disk, or the server"}


@pytest.mark.parametrize("how", REMEDIES)
def test_what_to_do_about_it_follows_why_it_cannot_be_read(
    running: Place, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    with locked(monkeypatch, "flowplan.yaml", how):
        refused = running.run("validate", "flowplan.yaml")
    said = " ".join(refused.err.split())
    assert (refused.code, REMEDIES[how] in said, "regular file" in said) == (65, True, False), said
