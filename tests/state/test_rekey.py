"""A change of who can read a state, and of whether anybody must have a key; also where it is killed half-way."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from itertools import islice
from pathlib import Path

import pyrage
import pytest

from flowplan.backends.local import LocalStore
from flowplan.errors import StateError
from flowplan.state.form import Form
from flowplan.state.history import Rewritten
from tests.backends.faulty import Killed, every_point, faults
from tests.builders import DATA, create_of
from tests.contracts.begun import BINDING, OTHER, SECOND
from tests.runs import Run
from tests.sealed import KIMS, MINE, Open, files_in, form, mine, public, run
from tests.state.rekeyed import begun, hold_all_read, rekey

Forms = Callable[[], Form]


def kims() -> Form:
    return form(AGE_KEY=KIMS)


def from_mine_to_kims() -> Form:
    return form(AGE_KEY=KIMS, AGE_KEY_FILE="", AGE_RECIPIENTS=public(KIMS), OLD_AGE_KEY_FILE=KEY_FILE)


def in_the_clear() -> Form:
    made = form(AGE_KEY=MINE)
    made.decrypt = True
    return made


def from_the_clear() -> Form:
    return form(AGE_KEY=MINE, plain=True)


KEY_FILE = ""


@pytest.fixture(autouse=True)
def _key_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "old.txt"
    path.write_text(MINE)
    path.chmod(0o600)
    monkeypatch.setattr(f"{__name__}.KEY_FILE", str(path))


CHANGES: dict[str, tuple[Forms, Forms, Forms]] = {  # before, during, after
    "to another key": (mine, from_mine_to_kims, kims),
    "to the clear": (mine, in_the_clear, form),
    "from the clear": (form, from_the_clear, mine),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_who_has_the_new_keys_reads_everything(opens: Open, tmp_path: Path, change: tuple[Forms, Forms, Forms]) -> None:
    before, during, after = change
    begun(opens(before()))
    assert rekey(opens(during())) == Rewritten((1, 2))
    hold_all_read(opens(after()))
    with pytest.raises(StateError):
        opens(before()).read()
    if after is not form:
        shown = b"".join(data for path, data in files_in(tmp_path).items() if path.name != "old.txt")
        assert b"vol_1" not in shown


# At which of the points it is killed: at every second one, from another one on in the next change; the rest is slow.
KILLS = [
    pytest.param(change, number % 2, each, id=f"{name}, {each}", marks=[] if each == 2 else pytest.mark.slow)
    for number, (name, change) in enumerate(CHANGES.items())
    for each in (2, 1)
]


@pytest.mark.parametrize(("change", "first", "each"), KILLS)
def test_killed_at_any_write_the_same_command_ends_it(
    in_memory: Path, change: tuple[Forms, Forms, Forms], first: int, each: int
) -> None:
    before, during, after = change
    points = 0
    for at in islice(every_point(), first, None, each):
        path = in_memory / str(at) / "flowplan.state.json"
        path.parent.mkdir()
        begun(LocalStore(path, form=before()))
        with pytest.MonkeyPatch.context() as patch:
            faulty = faults(at, None, patch)
            with suppress(Killed):
                rekey(LocalStore(path, form=during()))
        if faulty.calls < at:
            break
        points += 1
        for one in (before(), after()):
            try:
                hold_all_read(LocalStore(path, form=one))
            except StateError as error:
                assert "encrypted" in str(error)  # by its keys, and not for damage
        hold_all_read(LocalStore(path, form=during()))  # whatever a kill left
        assert not rekey(LocalStore(path, form=during())).unread
        hold_all_read(LocalStore(path, form=after()))
    assert points > 15 // each
    print(f"{points} points, {points} recovered")


@pytest.mark.slow  # a passphrase takes a second each time, on purpose
def test_what_a_passphrase_sealed_another_seals_again(tmp_path: Path) -> None:
    path = tmp_path / "flowplan.state.json"
    run(LocalStore(path, form=form(PASSPHRASE="an old passphrase")))
    both = form(PASSPHRASE="a newer passphrase", OLD_PASSPHRASE="an old passphrase")
    assert rekey(LocalStore(path, form=both)) == Rewritten((1,))
    assert LocalStore(path, form=form(PASSPHRASE="a newer passphrase")).read().state.bindings == {DATA: BINDING}
    with pytest.raises(StateError, match="no key that is given opens it"):
        LocalStore(path, form=form(PASSPHRASE="an old passphrase")).read()


def test_from_keys_to_a_passphrase_and_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In one test: a passphrase takes a second each time, on purpose. So one that does not open is tried once."""
    tried = list[str]()
    decrypt = pyrage.passphrase.decrypt

    def counted(data: bytes, given: str) -> bytes:
        tried.append(given)
        return decrypt(data, given)

    monkeypatch.setattr(pyrage.passphrase, "decrypt", counted)
    path = tmp_path / "flowplan.state.json"
    run(LocalStore(path, form=mine()))
    passphrase = form(PASSPHRASE="a newer passphrase", OLD_AGE_KEY_FILE=KEY_FILE)
    assert rekey(LocalStore(path, form=passphrase)) == Rewritten((1,))
    assert b'"passphrase"' in path.read_bytes()
    with pytest.raises(StateError, match="is encrypted with a passphrase, and no key that is given opens it") as no:
        LocalStore(path, form=form(PASSPHRASE="another long passphrase")).read()
    assert (no.value.hint or "").startswith("give the passphrase in FLOWPLAN_PASSPHRASE; ")
    back = form(AGE_KEY=MINE, OLD_PASSPHRASE="a newer passphrase")
    assert rekey(LocalStore(path, form=back)) == Rewritten((1,))
    assert LocalStore(path, form=mine()).read().state.bindings == {DATA: BINDING}
    assert tried == ["another long passphrase", "a newer passphrase"]


def test_an_old_key_encrypts_nothing(opens: Open) -> None:
    run(opens(mine()))
    old = opens(form(OLD_AGE_KEY_FILE=KEY_FILE))
    assert old.read().state.bindings == {DATA: BINDING}
    with pytest.raises(StateError, match="this run would encrypt it for nobody"):
        Run.of(old).append([create_of(OTHER, SECOND.applied)])
