"""A change of who can read a state is cut off: as long as too many can read any of it, no command takes it."""

from __future__ import annotations

import errno
from collections.abc import Callable
from contextlib import suppress
from itertools import islice
from pathlib import Path

import attrs
import pytest

from flowplan.backends import open as opening
from flowplan.errors import StateError
from flowplan.operations.opening.loading import load_of_any_api
from flowplan.operations.opening.saving import save_state
from flowplan.operations.opening.session import Session
from flowplan.operations.opening.settings import Settings
from flowplan.operations.state import rekey
from tests.backends.faulty import Killed, every_point, faults
from tests.builders import TRAIN, bid, bound, create_of, state
from tests.contracts.memory import Memory, opener
from tests.contracts.under_lock import in_a_renewal
from tests.sealed import KIMS, MINE, files_in, public

pytest.importorskip("pyrage")


def settings(path: Path, **environ: str) -> Settings:
    given = {"XDG_STATE_HOME": str(path / "home"), **environ}
    return Settings(directory=path, environ=given, given_api_url="sim:")


def mine(path: Path) -> Settings:
    return settings(path, FLOWPLAN_AGE_KEY=MINE)


def with_my_first_key(path: Path) -> Settings:
    return attrs.evolve(mine(path), allow_plaintext=True)


def with_kims_key(path: Path) -> Settings:
    old = path.parent / "old.txt"
    old.write_text(MINE)
    old.chmod(0o600)
    return settings(path, FLOWPLAN_AGE_KEY=KIMS, FLOWPLAN_OLD_AGE_KEY_FILE=str(old))


def kims(path: Path) -> Settings:
    return settings(path, FLOWPLAN_AGE_KEY=KIMS)


def begin(given: Settings) -> None:
    """A state with three versions."""
    with Session(given) as session, session.changing():
        for _ in range(3):
            found = session.store.read()
            new = state(bound(TRAIN, "bid_1", bid()), api_url="sim:") if found.fresh else found.state
            save_state(session, new, before={})


CHANGES = {
    "from the clear": (settings, with_my_first_key, mine, b"bid_1"),
    "to another key": (mine, with_kims_key, kims, public(MINE).encode()),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
@pytest.mark.parametrize("number", [None, errno.ENOSPC], ids=["SIGKILL", "ENOSPC"])
def test_whoever_is_not_refused_has_left_nothing_that_too_many_can_read(
    in_memory: Path, change: tuple[Callable[[Path], Settings], ...], number: int | None
) -> None:
    before, during, after, secret = change
    points = reads = 0
    for at in islice(every_point(), number is None, None, 3):
        path = in_memory / str(at) / "stack"
        path.mkdir(parents=True)
        begin(before(path))
        with pytest.MonkeyPatch.context() as patch:
            faulty = faults(at, number, patch)
            with suppress(Killed, StateError), Session(during(path)) as session:
                rekey(session)
        if faulty.calls < at:
            break
        points += 1
        try:
            with Session(after(path)) as session:
                assert load_of_any_api(session).state.bindings
            reads += 1
        except StateError:
            continue
        assert [str(one) for one, data in files_in(path).items() if secret in data] == [], at
    assert (points > 15, reads > 2) == (True, True)


URL = "memory://team/train"


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
@pytest.mark.parametrize("is_killed", [True, False], ids=["killed", "refused"])
def test_at_whichever_call_to_a_server_it_ends_the_same_command_leaves_nothing_of_before(
    in_memory: Path, monkeypatch: pytest.MonkeyPatch, change: tuple[Callable[[Path], Settings], ...], is_killed: bool
) -> None:
    """States and entries of journals that no run needs stay there as objects, until they are removed."""
    before, during, after, secret = change
    calls = ended = 0
    for at in range(1 + is_killed, 200, 3):  # other calls at the other one
        path = in_memory / str(at) / "stack"
        path.mkdir(parents=True)
        server = Memory(path.parent / "server")
        monkeypatch.setattr(opening, "STORES", {**opening.STORES, "memory": opener(server)})
        begin_at_server(before(path))
        calls, over = 0, False

        def asked(call: str, key: str) -> None:
            nonlocal calls, over
            if key.endswith((".lock", "/clock")) or in_a_renewal():
                return
            calls += 1
            if calls == at or over:  # noqa: B023 - called here
                over = is_killed
                raise Killed if is_killed else StateError("the server is away")

        server.asked, told = asked, True
        with suppress(Killed, StateError), Session(at_server(during(path))) as session:
            rekey(session)
            told = False
        server.asked = lambda call, key: None
        if calls < at:
            break
        left = [one.name for one, data in files_in(server.directory).items() if secret in data]
        assert told or not left, at
        with Session(at_server(during(path))) as session:
            assert load_of_any_api(session).state.bindings
            ended += session.store.form.other_recipients() is None
        with Session(at_server(during(path))) as session:
            rekey(session)
        assert [one.name for one, data in files_in(server.directory).items() if secret in data] == [], at
        with Session(at_server(after(path))) as session:
            assert load_of_any_api(session).state.bindings
    assert (calls > 40, ended > 2) == (True, True), (calls, ended)


def at_server(given: Settings) -> Settings:
    return attrs.evolve(given, state=URL)


def begin_at_server(given: Settings) -> None:
    """A state with two versions, and a create in doubt in its journal."""
    with Session(at_server(given)) as session, session.changing():
        first = save_state(session, state(bound(TRAIN, "bid_1", bid()), api_url="sim:"), before={})
        second = save_state(session, first, before=first.bindings)
        session.store.prepare(second).append([create_of(attrs.evolve(TRAIN, name="eval"), bid(name="bid_1"))])
        session.store.close()
