"""What a state on a server holds against lost answers, kills at any call, and runs that wake up too late."""

from __future__ import annotations

import threading
from contextlib import suppress
from itertools import count
from pathlib import Path

import attrs
import pytest

from flowplan.backends.remote.foreseen import NAMED
from flowplan.backends.remote.lease import Clocks, Terms
from flowplan.backends.remote.objects import framed
from flowplan.backends.remote.place import Conflict, Fault, Unanswered
from flowplan.backends.remote.seen import Seen
from flowplan.backends.remote.store import RemoteStore, watching
from flowplan.errors import Locked, StateError, Unserved
from tests.builders import DATA, create_of
from tests.contracts.begun import BINDING, DONE, INTENT, OTHER, SECOND, begun, found, run
from tests.contracts.memory import InTurn, Memory, ObjectSite
from tests.contracts.under_lock import Killed, all_at_once, holders, in_a_renewal, owner, work
from tests.processes import LONGEST, until
from tests.runs import Run


@pytest.fixture
def site(tmp_path: Path) -> ObjectSite:
    return ObjectSite(tmp_path / "one")


def calls_of(directory: Path, call: str) -> int:
    site, seen = ObjectSite(directory), list[str]()
    site.objects.asked = lambda name, key: seen.append(name)
    store = site.open()
    work(store, [])
    store.lock.release()
    return sum(call in (one, "any") for one in seen)


@pytest.mark.parametrize("when", ["asked", "answered"])
def test_a_kill_at_every_call_loses_nothing_that_was_durable(tmp_path: Path, when: str) -> None:
    killed = 0
    for at in range(calls_of(tmp_path / "count", "any")):
        site, number, known = ObjectSite(tmp_path / f"{when}{at}"), count(), list[str]()

        def dies(call: str, key: str, number: count[int] = number, at: int = at) -> None:
            if not in_a_renewal() and next(number) >= at:
                raise Killed

        setattr(site.objects, when, dies)
        try:
            work(site.open(), known)
        except Killed:
            killed += 1
        after = ObjectSite(tmp_path / f"{when}{at}")
        loaded = found(after)
        assert "intent" not in known or loaded.pending or DATA in loaded.state.bindings, at
        assert "done" not in known or loaded.state.bindings == {DATA: BINDING}, at
        assert "saved" not in known or loaded.state.serial == 1, at
        again = begun(after)  # the next run goes on, whatever was left half done
        again.append([DONE])
        assert again.save(again.read().state).bindings == {DATA: BINDING}, at
        assert found(after).pending == {}, at
    assert killed > 10


def test_the_answer_to_any_write_may_be_lost_after_it_was_done(tmp_path: Path) -> None:
    for at in range(calls_of(tmp_path / "count", "put")):
        site, number, known = ObjectSite(tmp_path / f"lost{at}"), count(), list[str]()

        def lost(call: str, key: str, number: count[int] = number, at: int = at) -> None:
            if call == "put" and next(number) == at:
                raise Unanswered("timed out")

        site.objects.answered = lost
        store = site.open()
        work(store, known)
        store.lock.release()
        assert known == ["intent", "done", "saved"], at
        assert (found(site).state.bindings, found(site).state.serial) == ({DATA: BINDING}, 1), at
        assert not site.open().lock.held()


def test_a_holder_that_wakes_after_its_lease_can_write_nothing(site: ObjectSite) -> None:
    now = [1000.0]
    clocks = Clocks(lambda: now[0], lambda: now[0])
    site.objects.clock = lambda: now[0]
    first, second, said = site.open(clocks=clocks), site.open(clocks=clocks), list[str]()
    first.lock.acquire(owner())
    late = Run.of(first)
    late.append([INTENT])
    now[0] += 71
    with pytest.raises(StateError, match="lost while this command ran"):
        first.lock.verify()
    second.lock.acquire(owner(), say=said.append)
    assert len(said) == 1
    assert second.lock.fence == first.lock.fence + 1
    after = Run.of(second)
    after.append([DONE])
    for write in (lambda: late.append([DONE]), lambda: late.save(late.read().state)):
        with pytest.raises(StateError, match="by another run"):
            write()
    assert after.save(after.read().state).bindings == {DATA: BINDING}
    with pytest.raises(StateError):
        late.append([DONE])
    first.lock.release()  # what it had is another's by now
    second.lock.verify()


@pytest.mark.parametrize("answer", ["done", "lost"])
def test_a_write_that_is_not_answered_ends_while_the_lock_is_sure_and_sends_nothing_later(
    site: ObjectSite, answer: str
) -> None:
    """Another run may have begun by then, with what it knows: what arrives late finds its number taken."""
    terms = Terms(lease=0.5, renewed=10.0, margin=0.1, grace=0.1, poll=0.02, freed=0.1)
    hangs, puts = threading.Event(), list[str]()

    def opened(terms: Terms) -> RemoteStore:
        place = site.place()
        seen, lock = Seen(None, place.identity, place.name), site.lock(place, terms)
        return RemoteStore(place, lock, site.directory, seen, site.directory / "spilt", lock.verify, watch_lock=lock)

    store, other = opened(terms), opened(attrs.evolve(terms, renewed=0.05))
    lock = store.lock
    lock.acquire(owner())
    late = Run.of(store)
    late.append([INTENT])

    def asked(call: str, key: str) -> None:
        if call == "put" and "/journal/" in key:
            puts.append(key)
            assert hangs.wait(LONGEST)
            if answer == "lost":
                raise Unanswered("timed out")

    site.objects.asked = asked
    with pytest.raises(Unserved, match="does not answer"):
        late.append([DONE])
    lock.verify()  # what cancels bids goes on
    with pytest.raises(Unserved):
        late.append([DONE])
    until(lambda: lock.sure_for() <= 0)
    with pytest.raises(StateError, match="was lost"):
        lock.verify()
    if answer == "lost":
        end_late(hangs)
    other.lock.acquire(owner(), timeout=LONGEST)
    site.objects.asked = lambda call, key: None
    after = Run.of(other)
    after.append([DONE])
    end_late(hangs)
    assert len(puts) == 1
    assert after.save(after.read().state).bindings == {DATA: BINDING}
    lock.release()
    other.lock.verify()
    other.lock.release()


@pytest.mark.parametrize("arrives", ["before it is asked again", "after it is asked again"])
def test_a_save_that_was_not_answered_and_arrived_is_not_taken_for_another_runs(site: ObjectSite, arrives: str) -> None:
    """The first write of a run saves where the journal ends in a part of a frame; a `destroy` goes on without it. What
    is answered late changes nothing of what the run has done since."""
    run(site)
    begun(site).append([INTENT])
    place = site.place()
    place.begin(9, place.read())
    place.append(9, 1, b"a part of a frame")
    terms = Terms(lease=1.5, renewed=10.0, margin=0.1, poll=0.02, freed=0.1)
    asked, hangs = threading.Event(), threading.Event()
    place = site.place()
    lock = site.lock(place, terms)
    seen = Seen(None, place.identity, place.name)
    store = RemoteStore(place, lock, site.directory, seen, site.directory / "spilt", lock.verify, watch_lock=lock)
    lock.acquire(owner())
    one = Run.of(store)

    def hang(call: str, key: str) -> None:
        if (call, key) == ("put", site.key) and one.store._writing._fence and not asked.is_set():
            asked.set()
            assert hangs.wait(LONGEST)

    arrived = "answered" if arrives.startswith("before") else "asked"
    setattr(site.objects, arrived, hang)
    with pytest.raises(Unserved, match="does not answer"):
        one.append([DONE])
    assert asked.is_set()
    there = site.objects.look(site.key)

    def arrive(call: str, key: str) -> None:
        if call == "put" and "/states/" in key:
            hangs.set()
            until(lambda: site.objects.look(site.key) != there)

    if arrived == "asked":
        site.objects.answered = arrive
    saved = one.save(one.read().state)
    end_late(hangs)
    store.purge()
    assert found(site).state == saved
    lock.release()


def test_what_another_run_has_put_since_is_not_taken_for_a_save_that_was_not_answered(
    site: ObjectSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, put = begun(site), site.objects.put
    one.append([INTENT])
    state = one.read().state

    def unanswered(key: str, data: bytes, expected: str) -> str:
        if key == site.key:
            raise Unanswered("timed out")
        return put(key, data, expected)

    with monkeypatch.context() as patch, pytest.raises(Unserved, match="timed out"):
        patch.setattr(site.objects, "put", unanswered)
        one.save(state)
    other = begun(site)
    other.append([DONE])
    with pytest.raises(StateError, match="was written by another run"):
        one.save(state)
    assert other.save(other.read().state).bindings == {DATA: BINDING}


def test_a_run_writes_nothing_over_one_that_has_begun_on_a_save_that_arrived_and_was_not_answered(
    site: ObjectSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What there is, is still what the first of them has sent."""
    one, put = begun(site), site.objects.put
    one.append([INTENT])
    state = one.read().state

    def unanswered(key: str, data: bytes, expected: str) -> str:
        version = put(key, data, expected)
        if key == site.key:
            raise StateError("timed out")
        return version

    with monkeypatch.context() as patch, pytest.raises(Unserved, match="timed out"):
        patch.setattr(site.objects, "put", unanswered)
        one.save(state)
    other = site.place()
    seen = other.read()
    begun_with = other.begin(seen.fence + 1, seen)
    assert begun_with.same_as(seen)
    with pytest.raises(StateError, match="was written by another run"):
        one.save(state)
    assert site.place().read() == begun_with


def test_of_two_saves_that_were_not_answered_the_first_may_be_the_one_that_arrived(
    site: ObjectSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, put, arrives = begun(site), site.objects.put, iter([True, False])
    one.append([INTENT])
    state = one.read().state

    def unanswered(key: str, data: bytes, expected: str) -> str:
        version = put(key, data, expected) if key != site.key or next(arrives) else ""
        if key == site.key:
            raise StateError("timed out")
        return version

    with monkeypatch.context() as patch:
        patch.setattr(site.objects, "put", unanswered)
        for name in ("first", "second"):
            with pytest.raises(Unserved, match="timed out"):
                one.save(attrs.evolve(state, stack=name))
    assert found(site).state.stack == "first"
    assert one.save(attrs.evolve(state, stack="third")) == found(site).state


def end_late(hangs: threading.Event) -> None:
    """What nobody waits for goes on, to its end."""
    hangs.set()
    for thread in threading.enumerate():
        if thread.name == NAMED:
            thread.join(LONGEST)


def test_a_lock_that_is_freed_late_is_not_that_of_the_next_run(site: ObjectSite) -> None:
    """Of the same object, as a watch has one for all of its rounds."""
    lock = site.lock(site.place(), Terms(poll=0.02, freed=0.02))
    hangs = threading.Event()
    lock.acquire(owner())
    before = lock._run

    def asked(call: str, key: str) -> None:
        if call == "put":
            assert hangs.wait(LONGEST)

    site.objects.asked = asked
    lock.release()
    assert (lock.fence, lock.sure_for()) == (0, 0)
    with pytest.raises(StateError, match="was lost"):
        lock.verify()
    hangs.set()
    lock.acquire(owner(), timeout=LONGEST)
    lock._free(before)
    lock.verify()
    assert lock.held()
    lock.release()


def test_a_holder_that_wakes_before_its_first_write_begins_nothing(site: ObjectSite) -> None:
    """Its successor has begun and not yet written: what is there is still as the late one has read it."""
    run(site)
    late, next_one = site.place(), site.place()
    seen = late.read()
    assert next_one.begin(3, next_one.read()).same_as(seen)
    for fence in (2, 3):
        with pytest.raises(Conflict, match="under fence 3"):
            late.begin(fence, seen)
    next_one.append(3, 1, b"one")
    assert next_one.begin(3, seen).journal.endswith(b"one")  # a second time, by itself, is no conflict


def test_what_was_written_after_it_was_read_stops_a_run_before_it_begins(site: ObjectSite) -> None:
    """The run before it is suspended between its check of the lock and its write, and writes after this one has read:
    under its own fence, which is the highest still."""
    before = begun(site)
    before.append([INTENT])
    after = begun(site)
    before.append([DONE])
    with pytest.raises(StateError, match="was changed by another run while this command ran"):
        after.append([create_of(OTHER, SECOND.applied)])
    assert (found(site).state.bindings, found(site).pending) == ({DATA: BINDING}, {})


def test_a_run_that_gives_the_lock_back_goes_on_under_the_next_fence(site: ObjectSite) -> None:
    """As an apply that asks: it looks, and settles, under one lock, and works under another."""
    store = site.open()
    store.lock.acquire(owner())
    Run.of(store).append([INTENT])
    store.close()
    store.lock.release()
    between = site.open()
    between.lock.acquire(owner())
    Run.of(between).append([DONE])
    between.lock.release()
    store.lock.acquire(owner())
    last = Run.of(store)
    assert last.save(last.read().state).bindings == {DATA: BINDING}
    assert site.place().read().fence == store.lock.fence == 3


def test_a_lease_that_lasts_is_not_taken(site: ObjectSite) -> None:
    now = [1000.0]
    clocks = Clocks(lambda: now[0], lambda: now[0])
    site.objects.clock = lambda: now[0]
    first, second = site.open(clocks=clocks), site.open(clocks=clocks)
    first.lock.acquire(owner())
    now[0] += 69
    with pytest.raises(Locked):
        second.lock.acquire(owner())


@pytest.mark.parametrize("step", [600.0, -600.0])
def test_a_clock_that_is_wrong_or_set_meanwhile_neither_frees_a_lock_nor_keeps_it(
    site: ObjectSite, step: float
) -> None:
    """The machines are as far apart as the first one's clock is set. How long a lease lasts is nothing of theirs."""
    boot, wall = [1000.0], [50_000.0]
    site.objects.clock = lambda: boot[0] + 7_000_000
    first = site.open(clocks=Clocks(lambda: boot[0], lambda: wall[0]))
    second = site.open(clocks=Clocks(lambda: boot[0], lambda: wall[0] - 2 * step))
    first.lock.acquire(owner())
    boot[0] += 40
    wall[0] += 40 + step
    first.lock.verify()  # of a clock that went ahead, as after a sleep, the server is asked, which renews the lease
    boot[0] += 40 if step > 0 else 14
    first.lock.verify()
    with pytest.raises(Locked):
        second.lock.acquire(owner())
    boot[0] += 71
    second.lock.acquire(owner())
    with pytest.raises(StateError, match="lost while this command ran"):
        first.lock.verify()


@pytest.mark.parametrize("writers", [2, 8, 32])
def test_of_many_at_once_one_holds_the_lock(site: ObjectSite, writers: int) -> None:
    assert holders(writers, site.open) == [1]


@pytest.mark.parametrize("writers", [2, 8, 32])
def test_of_many_saves_at_once_none_overwrites_another(site: ObjectSite, writers: int) -> None:
    run(site)
    runs, written = [begun(site) for _ in range(writers)], list[int]()
    states = [one.read().state for one in runs]

    def save(number: int) -> None:
        with suppress(StateError):
            runs[number].save(states[number])
            written.append(number)

    all_at_once(writers, save)
    assert (len(written), found(site).state.serial) == (1, 2)


class Careless(Memory):
    """A server that does not look at conditions."""

    def put(self, key: str, data: bytes, expected: str) -> str:
        try:
            return super().put(key, data, expected)
        except Conflict:
            return self.set(key, data)


def test_a_server_that_ignores_conditions_is_refused_before_the_lock_is_taken(site: ObjectSite) -> None:
    site.objects = Careless(site.directory / "objects")
    with pytest.raises(Fault, match="If-None-Match"):
        site.open().lock.acquire(owner())
    assert site.objects.look("train.lock") is None


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b'{"format_version": 1}'])
@pytest.mark.parametrize("key", ["train", "train.lock"])
def test_a_body_that_is_empty_or_cut_off_is_never_nothing(site: ObjectSite, key: str, data: bytes) -> None:
    work(site.open(), [])
    site.objects.set(key, data)
    with pytest.raises(StateError):
        site.open().lock.holder() if key.endswith("lock") else found(site)


def test_an_entry_that_is_cut_off_is_an_error(site: ObjectSite) -> None:
    begun(site).append([INTENT])
    key = "train.d/journal/1/000001"
    entry = site.objects.look(key)
    assert entry is not None
    for end in (0, 10, len(entry.data) - 1):
        site.objects.set(key, entry.data[:end])
        with pytest.raises(StateError, match="damaged"):
            found(site)


def test_a_head_that_is_gone_is_not_a_fresh_start(site: ObjectSite) -> None:
    saved = run(site)
    site.objects.delete("train")
    with pytest.raises(StateError, match="is missing, but the backup shows"):
        found(site)
    assert site.open().restore().state.bindings == saved.bindings


def test_what_is_less_than_this_machine_has_seen_is_an_error(site: ObjectSite, tmp_path: Path) -> None:
    """An older state, another stack's, and none at all."""
    seen = Seen(tmp_path / "seen", "memory", "memory")

    def opened() -> RemoteStore:
        place = site.place()
        return RemoteStore(
            place, site.lock(place), site.directory, seen, site.directory / "overflow", watch_lock=watching(place)
        )

    def files_of(one: ObjectSite) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in one.objects.directory.iterdir()}

    def put_back(files: dict[str, bytes]) -> None:
        for path in site.objects.directory.iterdir():
            path.unlink()
        for name, data in files.items():
            (site.objects.directory / name).write_bytes(data)

    run(site)
    older = files_of(site)
    store = opened()
    store.save(store.read().state)
    now, other = files_of(site), ObjectSite(tmp_path / "other")
    run(other)
    for files, match in (
        (older, "went back: its serial is 1, but this machine has seen serial 2"),
        ({}, "there is no state at .*, but this machine has seen serial 2"),
        (files_of(other), "another stack"),
    ):
        put_back(files)
        with pytest.raises(StateError, match=match):
            opened().read()
    put_back(now)
    assert opened().read().state.serial == 2
    put_back(older)
    assert opened().restore().state.serial == 3  # higher than any that was seen


def test_a_server_is_tried_once_on_each_machine(site: ObjectSite, tmp_path: Path) -> None:
    asked = list[str]()
    site.objects.asked = lambda call, key: asked.append(key)
    for _ in range(2):
        store = RemoteStore.on(site.place(), tmp_path, {"XDG_STATE_HOME": str(tmp_path / "here")}, lambda: None)
        store.lock.acquire(owner())
        store.lock.release()
        asked.append("again")
    first, second = " ".join(asked).split("again")[:2]
    assert ("probe" in first, "probe" in second) == (True, False)
    RemoteStore.on(site.place(), tmp_path, {"XDG_STATE_HOME": str(tmp_path / "other")}, lambda: None).lock.acquire(
        owner()
    )
    assert "probe" in " ".join(asked).rpartition("again")[2]


def test_results_that_are_taken_over_while_they_are_read_are_counted(site: ObjectSite) -> None:
    """They leave this machine's files for the journal between two looks."""
    first = begun(site)
    first.append([INTENT])
    first.overflow([DONE])
    after, looks = begun(site), list[str]()

    def takes_over(call: str, key: str) -> None:
        looks.extend([key] * (key == "train"))
        if looks == ["train", "train"]:  # the reader's look is over, and next it reads what is kept here
            looks.append("taken over")
            after.append([create_of(OTHER, SECOND.applied)])

    reader = site.open()
    site.objects.answered = takes_over
    assert DATA in reader.read().state.bindings
    assert "taken over" in looks


def test_a_run_that_slept_after_its_save_removes_nothing_of_the_next(tmp_path: Path) -> None:
    """Another has taken its lock over meanwhile, and has its own entries, with numbers that the first one had too."""
    site = ObjectSite(tmp_path / "slept")
    one = begun(site)
    for _ in range(6):
        one.append([INTENT])
    next_one, entries = site.place(), [b"one", b"two", b"three", b"four"]

    def slept(call: str, key: str) -> None:
        if (call, key) == ("put", site.key):
            site.objects.answered = lambda call, key: None
            seen = next_one.read()
            next_one.begin(seen.fence + 1, seen)
            for number, entry in enumerate(entries, 1):
                next_one.append(seen.fence + 1, number, entry)

    site.objects.answered = slept
    one.save(one.read().state)
    assert site.place().read().journal.endswith(b"".join(entries))
    one.store.purge()
    assert site.place().read().journal.endswith(b"".join(entries))


@pytest.mark.parametrize("kills", [1, 2, 3])
def test_what_runs_leave_that_are_killed_right_after_their_save_is_emptied_by_the_next(
    site: ObjectSite, kills: int
) -> None:
    """Each entry that counts no more is a seal then: its number stays taken, and it says nothing."""
    for _ in range(kills):
        one = begun(site)
        one.append([INTENT])
        one.append([DONE])
        state = one.read().state

        def dies(call: str, key: str) -> None:
            if (call, key) == ("put", site.key):
                raise Killed

        site.objects.answered = dies
        with pytest.raises(Killed):
            one.save(state)
        site.objects.answered = lambda call, key: None
    run(site)
    entries = [site.objects.look(key) for key in site.objects.names(f"{site.key}.d/journal/")]
    assert {one.data for one in entries if one is not None} == {framed(b"seal", b"")}


def test_a_purge_empties_what_runs_have_left_however_long_ago_they_were_killed(
    site: ObjectSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A save empties what the last four left."""
    seal = framed(b"seal", b"")
    with monkeypatch.context() as patch:
        patch.setattr(InTurn, "_beside", lambda self, calls: None)  # killed right after its save
        for _ in range(6):
            run(site)
    one = begun(site)
    one.append([DONE])
    one.save(one.read().state)

    def said() -> int:
        entries = [site.objects.look(key) for key in site.objects.names(f"{site.key}.d/journal/")]
        return sum(entry is not None and entry.data != seal for entry in entries)

    assert said() > 0
    one.store.purge()
    assert said() == 0


def test_what_a_save_needs_that_may_still_arrive_is_not_removed(
    site: ObjectSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither by a run that has saved before, and removes what that has replaced."""
    one, late = begun(site), list[bytes]()
    one.append([INTENT])
    saved = one.save(one.read().state)
    put = site.objects.put

    def unanswered(key: str, data: bytes, expected: str) -> str:
        if key != site.key:
            return put(key, data, expected)
        late.append(data)
        raise Unanswered("timed out")

    with monkeypatch.context() as patch, pytest.raises(StateError, match="timed out"):
        patch.setattr(site.objects, "put", unanswered)
        one.save(saved)
    one.store.purge()
    site.objects.set(site.key, late[-1])
    assert found(site).state.serial == saved.serial + 1


@pytest.mark.parametrize("saved", [False, True], ids=["only a journal", "a snapshot"])
def test_a_run_begins_where_only_parts_are_left_after_their_journal_is_sealed(site: ObjectSite, saved: bool) -> None:
    """Somebody has deleted the head under a run: what that appends yet is refused, and what it had is kept."""
    before = begun(site)
    before.append([INTENT])
    if saved:
        before.save(before.read().state)
    site.objects.delete(site.key)
    there = site.place()
    seen = there.read()
    there.begin(seen.fence + 1, seen)
    with pytest.raises(StateError, match="by another run"):
        before.append([DONE])
    assert site.place().read().journal == seen.journal


def test_only_one_of_two_runs_is_the_first(site: ObjectSite) -> None:
    """Both have found nothing."""
    one, other = site.place(), site.place()
    seen, same = one.read(), other.read()
    one.begin(1, seen)
    one.append(1, 1, b"one")
    with pytest.raises(Conflict, match="under fence 1"):
        other.begin(1, same)
    assert other.begin(2, same).journal == b"one"  # it sees that this is not what it had read


def test_a_look_that_fails_for_once_is_not_taken_for_damage(site: ObjectSite) -> None:
    """Whichever call fails: a state that is intact is not saved again as one that was put back."""
    run(site)
    said = set[str]()
    for at in count():
        number = count()

        def fails(call: str, key: str, number: count[int] = number, at: int = at) -> None:
            if next(number) == at:
                raise StateError(f"{key} cannot be reached")

        site.objects.asked = fails
        with pytest.raises(StateError) as caught:
            site.open().restore()
        site.objects.asked = lambda call, key: None
        assert (found(site).state.serial, found(site).state.put_back) == (1, 0), (at, caught.value)
        said.add("reached" if "cannot be reached" in str(caught.value) else str(caught.value))
        if next(number) <= at:
            break
    assert said == {"reached", f"{site.open().name} is intact; nothing was restored"}
