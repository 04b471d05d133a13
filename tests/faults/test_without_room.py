"""No room for the state, nor for its journal: what only stops goes on, and nothing that has to be recorded."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from flowplan.backends.local import LocalStore
from tests.conftest import APPLY, Place, live_ids, many
from tests.faults.scenarios import GONE, MOVED, STATE, stack


@contextmanager
def full(*, journal: bool = False) -> Iterator[None]:
    """The state cannot be written, nor its journal, unless there is room for a `journal`; and there is no other place
    for results."""
    replace, number = os.replace, errno.ENOSPC

    def refused(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    def replaced(source: Path, target: Path) -> None:
        (refused if Path(target).name.startswith(STATE) else replace)(source, target)

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", "/dev/null/nowhere")
        if not journal:
            patch.setattr(os, "posix_fallocate", refused)
        patch.setattr(os, "replace", replaced)
        yield


BARE = stack("a").partition("tasks:")[0]  # no task, and the volume


@pytest.mark.parametrize("text", [stack("b", blocks=MOVED), BARE + GONE], ids=["moved", "removed"])
def test_what_only_the_files_say_is_not_done_unrecorded(place: Place, text: str) -> None:
    """The next plan would end what was to stay."""
    place.write(stack("a"))
    place.ok(*APPLY)
    ids, state, ledger = live_ids(place), (place.path / STATE).read_bytes(), place.ledger()
    place.write(text)
    with full():
        refused = place.run(*APPLY)
    assert refused.code == 5, refused
    assert not [said for said in ("bid.a: forgotten", "recorded nowhere") if said in refused.out + refused.err]
    assert ((place.path / STATE).read_bytes(), place.ledger()) == (state, ledger)
    place.ok(*APPLY)
    assert live_ids(place) == ids


def test_what_has_ended_by_itself_keeps_nothing_from_being_stopped(place: Place) -> None:
    """That it is gone, the next look shows again."""
    place.write(many(2))
    place.ok(*APPLY)
    place.call("DELETE", f"/v2/spot/bids/{live_ids(place)[0]}")
    place.write(BARE)
    with full():
        stopped = place.run(*APPLY, "--allow-volume-destroy", "*", "--target", "bid.*")
    assert stopped.code == 0, stopped
    assert "recorded nowhere" in " ".join(stopped.err.split())
    assert live_ids(place) == []


def test_what_recover_settles_is_not_called_stopped(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    place.write(many(1))
    with monkeypatch.context() as patch:  # as of a run that was killed before it saved
        patch.setattr(LocalStore, "save", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt))
        assert place.run(*APPLY).code == 130
    with full(journal=True):
        failed = place.run("recover", "--settle-window", "0")
    assert (failed.code, "what was stopped" in failed.err) == (5, False), failed
    place.ok("recover", "--settle-window", "0")
    assert "bid.task-000" in place.ok("state", "list")
    assert len(live_ids(place)) == 1
