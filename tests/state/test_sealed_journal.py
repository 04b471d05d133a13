"""An encrypted journal, and somebody who can write where it lies and cannot read it: whatever is made of its frames is
an error, or what the journal was at an earlier moment."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import attrs
import pytest

from flowplan.backends.overflow import Overflow
from flowplan.errors import StateError
from flowplan.state.form import Form
from flowplan.state.journal import Header, frame_of, header_entry, record_entry
from flowplan.state.records import CreateIntent
from flowplan.state.state import State
from tests.builders import DATA, create_of
from tests.contracts.begun import BINDING, DONE, DONE_SECOND, INTENT, OTHER, SECOND
from tests.contracts.memory import ObjectSite
from tests.runs import Run
from tests.sealed import MINE, Open, form, local, mine, objects_of, run

HERE, BEFORE, ELSEWHERE = Header("here", 7, stack="train"), Header("here", 6), Header("elsewhere", 7)
SECOND_INTENT = create_of(OTHER, SECOND.applied, intent="i2")
RECORDS: tuple[list[CreateIntent], ...] = tuple([create_of(DATA, BINDING.applied, intent=f"i{n}")] for n in range(4))
Frames = Sequence[bytes]


def frames_of(header: Header, by: Form | None = None) -> list[bytes]:
    """A journal of a header and four frames, by one run."""
    frames = (by or mine()).frames()
    return [frames.begin(header), *(frames.add(one) for one in RECORDS)]


def clear(header: Header) -> list[bytes]:
    return frames_of(header, Form())


JOURNAL, OLDER, OTHERS = frames_of(HERE), frames_of(BEFORE), frames_of(ELSEWHERE)


def intents(data: bytes, by: Form | None = None) -> list[str]:
    return [
        one.intent for one in (by or mine()).read_journal(data, "the journal").records if isinstance(one, CreateIntent)
    ]


@pytest.mark.parametrize(
    ("made", "said"),
    [
        ([*JOURNAL, JOURNAL[2]], "frame 6 of the journal was not written there"),
        ([*JOURNAL[:3], JOURNAL[2], *JOURNAL[3:]], "frame 4 of the journal was not written there"),
        ([*JOURNAL[:2], JOURNAL[3], JOURNAL[2], JOURNAL[4]], "frame 3 of the journal was not written there"),
        ([*JOURNAL[:2], *JOURNAL[3:]], "frame 3 of the journal was not written there"),
        ([JOURNAL[0], *JOURNAL[2:]], "frame 2 of the journal was not written there"),
        ([*JOURNAL, OLDER[2]], "frame 6 of the journal was not written there"),
        ([*JOURNAL[:4], OLDER[4]], "frame 5 of the journal was not written there"),
        ([*JOURNAL[:4], OTHERS[4]], "frame 5 of the journal was not written there"),
        ([JOURNAL[0], *OLDER[1:]], "frame 2 of the journal was not written there"),
        ([OTHERS[0], *JOURNAL[1:]], "frame 2 of the journal was not written there"),
        ([frames_of(HERE)[0], *JOURNAL[1:]], "frame 2 of the journal was not written there"),
        ([*JOURNAL, JOURNAL[0]], "frame 6 of the journal was not written there"),
        ([JOURNAL[0], JOURNAL[0], *JOURNAL[1:]], "frame 2 of the journal was not written there"),
        ([*JOURNAL, clear(HERE)[1]], "is encrypted, and frame 6 of it is not"),
        ([*JOURNAL[:2], clear(HERE)[1], *JOURNAL[2:]], "is encrypted, and frame 3 of it is not"),
        (clear(HERE), "is not encrypted, though a key is given"),
        ([clear(HERE)[0], *JOURNAL[1:]], "is not encrypted, though a key is given"),
        (JOURNAL[1:], "frame 1 of the journal was not written there"),
    ],
)
def test_frames_that_were_moved_are_refused(made: Frames, said: str) -> None:
    with pytest.raises(StateError, match=said):
        mine().read_journal(b"".join(made), "the journal")


@pytest.mark.parametrize("made", [[*JOURNAL, clear(HERE)[1]], [clear(HERE)[0], *JOURNAL[1:]]], ids=["end", "beginning"])
def test_who_allows_plain_text_allows_no_mixture_that_no_run_writes(made: Frames) -> None:
    with pytest.raises(StateError, match=r"frame 6 of it is not|frame 2 of the journal was not written there"):
        form(AGE_KEY=MINE, plain=True).read_journal(b"".join(made), "the journal")


def test_what_is_cut_is_the_journal_of_an_earlier_moment() -> None:
    for kept in range(1, 6):
        whole = b"".join(JOURNAL[:kept])
        assert intents(whole) == [f"i{n}" for n in range(kept - 1)]
        for torn in (JOURNAL[4][:1], JOURNAL[4][:100], JOURNAL[4][:-1]):
            found = mine().read_journal(whole + torn, "the journal")
            assert (found.length, found.torn, len(found.records)) == (len(whole), True, kept - 1)


def test_a_run_goes_on_where_the_one_before_was_torn(tmp_path: Path) -> None:
    path = tmp_path / "flowplan.state.journal"
    opens = local(tmp_path)
    one = Run.of(opens(mine()))
    one.append([INTENT])
    one.close()
    whole = len(path.read_bytes().rstrip(b"\0"))
    again = Run.of(opens(mine()))
    again.append([DONE])
    again.close()
    path.write_bytes(path.read_bytes()[: whole + 50])  # the power went
    last = Run.of(opens(mine()))
    assert list(last.read().pending) == [INTENT.intent]
    last.append([DONE])
    last.append([SECOND_INTENT])
    assert last.read().state.bindings == {DATA: BINDING}
    assert list(last.read().pending) == ["i2"]


def test_each_run_that_goes_on_follows_the_one_before(opens: Open) -> None:
    Run.of(opens(mine())).append([INTENT])
    Run.of(opens(mine())).append([DONE])
    last = Run.of(opens(mine()))
    last.append([SECOND_INTENT])
    last.append([DONE_SECOND])
    assert last.save(last.read().state).serial == 1
    Run.of(opens(mine())).append([create_of(DATA, BINDING.applied, intent="i9")])
    assert list(opens(mine()).read().pending) == ["i9"]


def test_a_run_with_a_first_key_goes_on_with_a_clear_journal(opens: Open) -> None:
    Run.of(opens(form())).append([INTENT])
    allowed = opens(form(AGE_KEY=MINE, plain=True))
    Run.of(allowed).append([DONE])
    loaded = opens(form(AGE_KEY=MINE, plain=True)).read()
    assert (loaded.state.bindings, dict(loaded.pending)) == ({DATA: BINDING}, {})


def test_on_a_server_frames_that_were_moved_are_refused_too(tmp_path: Path) -> None:
    site = ObjectSite(tmp_path)
    opens = objects_of(site)
    one = Run.of(opens(mine()))
    one.append([INTENT])
    first = site.holds("journal") or b""
    one.append([DONE])
    both = site.holds("journal") or b""
    site.put("journal", both + both[len(first) :])
    with pytest.raises(StateError, match=r"frame 4 of .*#journal was not written there"):
        opens(mine()).read()
    site.put("journal", both)
    assert opens(mine()).read().state.bindings == {DATA: BINDING}


def test_a_journal_of_before_an_earlier_state_is_no_journal_of_now(tmp_path: Path) -> None:
    """A whole one that was put back: with its snapshot it is that moment, and beside another one it is refused, or says
    no more than what it had in doubt."""
    opens, path = local(tmp_path), tmp_path / "flowplan.state.journal"
    one = Run.of(opens(mine()))
    one.append([INTENT])
    one.append([DONE])
    old = path.read_bytes()
    one.save(one.read().state)
    other = Run.of(opens(mine()))
    other.append([SECOND_INTENT])
    other.append([DONE_SECOND])
    newer = path.read_bytes()
    path.write_bytes(old)
    assert opens(mine()).read().state.bindings == {DATA: BINDING}
    state = (tmp_path / "flowplan.state.json").read_bytes()
    path.write_bytes(newer)
    saved = opens(mine())
    saved.save(saved.read().state)
    newest = path.read_bytes()
    (tmp_path / "flowplan.state.json").write_bytes(state)
    path.write_bytes(newest)
    with pytest.raises(StateError, match="went back: its serial is 1, but an earlier run here saw 2"):
        opens(mine()).read()


def test_a_journal_whose_frames_do_not_say_what_they_follow_is_read_where_it_has_none() -> None:
    """As flowplan wrote them before: every state that was saved has such a beginning, and nothing after it."""
    before = [unbound(header_entry(HERE), HERE), unbound(record_entry(INTENT))]
    begun = mine().read_journal(before[0], "the journal")
    assert begun.header == HERE
    frames = mine().frames(begun.end)
    assert intents(before[0] + frames.add(RECORDS[0])) == ["i0"]
    with pytest.raises(StateError, match="frame 2 of the journal does not say which frame it follows") as caught:
        mine().read_journal(b"".join(before), "the journal")
    assert "with the flowplan that wrote it" in (caught.value.hint or "")


def unbound(entry: object, header: Header | None = None) -> bytes:
    """A frame as it was written when none said what it follows."""
    seal = mine().seal
    assert seal is not None
    sealed = seal.seal(json.dumps([entry]).encode()).entry()
    if header is None:
        return frame_of([{"record": "sealed", **sealed}])
    shown = {"record": "begin", "journal_version": 2, "lineage": header.lineage, "serial": header.serial}
    return frame_of([{**shown, **sealed}])


STATE = State(lineage="here", serial=7)


def test_what_overflowed_is_no_journal_and_stays_in_its_place(tmp_path: Path) -> None:
    one = Overflow(tmp_path, "/one/flowplan.state.json", mine())
    path = one.write(STATE, [DONE])
    with pytest.raises(StateError, match="frame 1 of the journal was not written there"):
        mine().read_journal(path.read_bytes(), "the journal")
    other = Overflow(tmp_path, "/other/flowplan.state.json", mine())
    moved = other.write(STATE, [DONE_SECOND])
    path.replace(moved)
    with pytest.raises(StateError, match=f"frame 1 of {moved} was not written there"):
        Overflow(tmp_path, "/other/flowplan.state.json", mine()).read("here")


@pytest.mark.parametrize("made", [mine, Form])
def test_what_a_run_keeps_bit_by_bit_is_not_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, made: Callable[[], Form]
) -> None:
    """Nor is what could not be written taken for kept."""
    one = Overflow(tmp_path, "/one/flowplan.state.json", made())
    with monkeypatch.context() as patch:
        patch.setattr(Form, "read_journal", lambda *_: pytest.fail("read again"))
        one.write(STATE, [DONE])
        with monkeypatch.context() as full:
            full.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(OSError(errno.ENOSPC, "no room")))
            with pytest.raises(StateError):
                one.write(STATE, [DONE_SECOND])
        one.write(STATE, [DONE_SECOND])
        later = attrs.evolve(STATE, serial=8)
        one.write(later, [DONE])
    (found,) = Overflow(tmp_path, "/one/flowplan.state.json", made()).read("here")
    assert (found.serial, found.results) == (8, (DONE, DONE_SECOND, DONE))


def test_a_journal_is_nothing_that_overflowed(tmp_path: Path) -> None:
    one = Overflow(tmp_path, "/one/flowplan.state.json", mine())
    path = one.write(STATE, [DONE])
    path.write_bytes(b"".join(JOURNAL))
    with pytest.raises(StateError, match="was not written there"):
        Overflow(tmp_path, "/one/flowplan.state.json", mine()).read("here")
    path.write_bytes(unbound(header_entry(HERE), HERE))
    with pytest.raises(StateError, match="does not say which frame it follows"):
        Overflow(tmp_path, "/one/flowplan.state.json", mine()).read("here")


def test_a_version_under_another_name_is_no_version(tmp_path: Path) -> None:
    opens = local(tmp_path)
    store = run(opens(mine()))
    store.keep(store.save(store.read().state), None)
    first, second = sorted((tmp_path / ".flowplan" / "versions" / "flowplan.state.json").iterdir())
    first_bytes = first.read_bytes()
    first.write_bytes(second.read_bytes())
    second.write_bytes(first_bytes)
    for serial in (1, 2):
        with pytest.raises(StateError, match="holds a different state than it says"):
            opens(mine()).version(store.read().state.lineage, serial)
