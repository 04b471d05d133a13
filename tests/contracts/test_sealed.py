"""Encrypted states in every place: what a change of the keys leaves, also one that is killed half-way."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import pytest

from flowplan.backends.store import Store
from flowplan.errors import StateError
from flowplan.state.form import Form
from flowplan.state.history import Rewritten
from tests.builders import DATA
from tests.contracts.begun import BINDING, DONE, INTENT, PARTS
from tests.contracts.places import LocalPlace, Place
from tests.runs import Run
from tests.sealed import KIMS, MINE, form, mine, public
from tests.state.rekeyed import begun, hold_all_read, rekey

Opener = Callable[..., Store]


class Killed(BaseException):
    """The process ends here."""


@pytest.fixture
def opens(site: Place, monkeypatch: pytest.MonkeyPatch) -> Opener:
    """Opens the state at `site` by a form, and has it ask `hold` before each write."""

    def opened(form: Form, hold: Callable[[], None] = lambda: None) -> Store:
        with monkeypatch.context() as patch:
            for module in ("local", "remote.store"):
                patch.setattr(f"flowplan.backends.{module}.Form", lambda: form)
            return site.open(hold)

    return opened


def kims() -> Form:
    return form(AGE_KEY=KIMS)


def both() -> Form:
    return form(AGE_KEY=f"{MINE}\n{KIMS}", AGE_RECIPIENTS=public(KIMS))


def test_a_change_of_keys_leaves_nothing_that_the_old_one_opens(site: Place, opens: Opener) -> None:
    begun(opens(mine()))
    assert rekey(opens(both())) == Rewritten((1, 2))
    hold_all_read(opens(kims()))
    for part in PARTS:
        assert public(MINE).encode() not in (site.holds(part) or b"")
    with pytest.raises(StateError, match="no key that is given opens it"):
        opens(mine()).read()


@pytest.mark.parametrize("before", range(4), ids=["first", "second", "third", "whole"])
def test_killed_before_any_of_its_writes_the_same_command_ends_it(
    site: Place, opens: Opener, monkeypatch: pytest.MonkeyPatch, before: int
) -> None:
    """The state is written at once on a server, then each version."""
    if isinstance(site, LocalPlace):
        pytest.skip("tests/state/test_rekey.py kills it at each call")
    begun(opens(mine()))
    store, left = opens(both()), [before]

    def dies(real: Callable[..., object]) -> Callable[..., object]:
        def call(*words: object, **named: object) -> object:
            if not left[0]:
                raise Killed
            left[0] -= 1
            return real(*words, **named)

        return call

    place = store._place  # type: ignore[attr-defined]
    for name in ("save", "keep_version"):
        monkeypatch.setattr(place, name, dies(getattr(place, name)))
    if before == 3:
        assert rekey(store) == Rewritten((1, 2))
    else:
        with pytest.raises(Killed):
            rekey(store)
    for one, reads in ((mine(), not before), (kims(), bool(before))):
        if reads:
            assert opens(one).read().state.bindings == {DATA: BINDING}
        else:
            with pytest.raises(StateError, match="no key that is given opens it"):
                opens(one).read()
    hold_all_read(opens(both()))
    assert rekey(opens(both())) == Rewritten((1, 2))
    hold_all_read(opens(kims()))


def test_no_version_is_written_again_once_the_lock_is_lost(site: Place, opens: Opener) -> None:
    """Another run may have written it for others by then."""
    if isinstance(site, LocalPlace):
        pytest.skip("no other run takes the lock of a process that is only stopped")
    begun(opens(mine()))
    asked = list[int]()

    def hold() -> None:
        asked.append(1)
        if len(asked) > 1:
            raise StateError("the lock was lost")

    store = opens(both(), hold)
    store.form.change_recipients = True
    store.read()
    with pytest.raises(StateError, match="lost"):
        store.rewrite_versions()
    opened = []
    for serial in (1, 2):
        with suppress(StateError):
            opened.append(opens(mine()).version(store.read().state.lineage, serial).serial)
    assert len(opened) == 1


def test_what_follows_an_append_that_was_refused_leaves_a_journal_that_reads(site: Place, opens: Opener) -> None:
    """The lock could not be seen to be ours for a moment. Each frame says which one it follows: none may follow one
    that was made, and never written."""
    away = False

    def hold() -> None:
        if away:
            raise StateError("the server is away")

    one = Run.of(opens(mine(), hold))
    one.append([INTENT])
    away = True
    with pytest.raises(StateError, match="away"):
        one.append([DONE])
    away, is_taken = False, True
    try:
        one.append([DONE])
    except StateError:
        is_taken = False
    found = opens(mine()).read()
    assert (DATA in found.state.bindings, not found.pending) == (is_taken, is_taken)
