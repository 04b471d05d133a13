"""What one run writes to a state on a server, under its fence: the journal, and the whole of it.

A run begins to write with a fence, that of its lock. From then on the server refuses what earlier runs would write. A
run goes on only if what is there at that moment is what it had read: all that it decided rests on that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import TypeVar

import attrs
from attrs import field

from flowplan.backends.overflow import Overflow
from flowplan.backends.parts import Part, Parts, Whole
from flowplan.backends.remote.in_time import in_time
from flowplan.backends.remote.place import Conflict, Contents, Fault, FencedLock, Place, Saved
from flowplan.backends.store import Journal
from flowplan.classes import define, frozen
from flowplan.errors import Remedied, StateError, Unserved
from flowplan.state.form import Form
from flowplan.state.journal import Header, fold
from flowplan.state.journal import Journal as Records
from flowplan.state.records import Closed, Done, Record
from flowplan.state.state import State

T = TypeVar("T")
FOR_STOPPING = 25.0  # seconds of the lock that a server which does not answer leaves to what stops


@frozen
class RemoteParts(Parts):
    """`parts.Parts` of the state `place`, as they were found."""

    place: str
    contents: Contents
    form: Form

    def name(self, part: Part) -> str:
        return f"{self.place}#{part}"

    def short(self, part: Part) -> str:
        return f"the {part}"

    def has(self, part: Part) -> bool:
        return bool(self.contents.journal) if part == "journal" else self._bytes_of(part) is not None

    def _bytes_of(self, part: Whole) -> bytes | None:
        return self.contents.snapshot if part == "snapshot" else self.contents.backup

    def snapshot(self) -> bytes | None:
        return self.contents.snapshot

    def read_journal(self) -> Records:
        data = self.contents.journal
        return self.form.read_journal(data, self.name("journal")) if data else Records(None)

    def whole(self, part: Whole) -> State | None:
        data = self._bytes_of(part)
        return None if data is None else self.form.load(data, self.name(part))


@define
class Writing:
    """What one run writes to `place`, under one fence. `hold` is asked before each write whether the lock is ours."""

    place: Place
    lock: FencedLock
    hold: Callable[[], None]
    form: Form
    read: Contents | None = field(default=None, init=False)  # as this run has read it last
    _fence: int = field(default=0, init=False)  # 0: it has not begun
    _version: str = field(default="", init=False)
    _appended: int = field(default=0, init=False)  # journal entries that were tried
    # What is raised because it is not known whether the last one is there; None: that is known.
    _broken: type[StateError] | None = field(default=None, init=False)
    _sent: tuple[Saved, ...] = field(default=(), init=False)  # by saves of which nobody knows whether they are done

    def look(self) -> Contents:
        """What is there now: this run goes on from that."""
        self.read = self.place.read()
        return self.read

    def begin(self, *, last: bool = False) -> Contents:
        """Begin to write, if this run has not yet: what is there, which is what it had read. `last`: nothing is stopped
        after it. Raises StateError for another, and as `append` does."""
        seen = self.read if self.read is not None else self.look()
        if self._fence:
            return seen
        self.hold()
        fence = self.lock.fence or seen.fence + 1
        with self._asking():
            there = self.answered(lambda: self.place.begin(fence, seen), last=last)
        if not there.same_as(seen):
            raise Remedied(f"{self.place.name} was changed by another run while this command ran")
        self._fence, self._version, self.read = fence, there.version, there
        return there

    def append(self, frames: bytes) -> None:
        """Add to the journal; durable, and under a lock that was ours all the while, when it returns. Once it was not,
        nothing more is added: each frame follows the one before, also one that was never written. Raises Unserved where
        the server alone is to blame, StateError where another run has written, or the lock is lost."""
        if self._broken is not None:
            raise self._broken(f"{self.place.name}#journal is closed after an error")
        self._broken = StateError
        try:
            there = self.begin()
            self.hold()
            self._appended += 1
            number = self._appended
            with self._asking():
                self.answered(lambda: self.place.append(self._fence, number, frames))
        except Unserved:
            self._broken = Unserved
            raise
        self.read = attrs.evolve(there, journal=there.journal + frames)
        self.hold()
        self._broken = None

    def save(self, saved: Saved, *, last: bool = True) -> None:
        """Replace all of it. `last` as for `begin`. Raises StateError, as `append` does; then it reads as before or as
        saved."""
        self.begin(last=last)
        self.hold()
        before, self._sent = self._sent, (*self._sent, saved)
        with self._asking():
            self._version = self.answered(lambda: self._saved_over(before, saved), last=last)
        self._sent = ()
        self.read = Contents(saved.snapshot, saved.backup, saved.journal, self._fence, self._version)

    def _saved_over(self, before: tuple[Saved, ...], saved: Saved) -> str:
        """As `Place.save`, in the place of what this run knows to be there, or of one of those `before`, which it has
        sent and got no answer to."""
        try:
            return self.place.save(self._fence, self._version, saved)
        except Conflict:
            there = self.place.read() if before else Contents()
            if there.fence != self._fence or not any(there.same_as(_contents(one)) for one in before):
                raise
            return self.place.save(self._fence, there.version, saved)

    @contextmanager
    def _asking(self) -> Iterator[None]:
        """Within, the server is asked to write. Raises as `append` does; a server that breaks its promises is believed
        nothing, also not that the lock is ours."""
        try:
            yield
        except Conflict as error:
            raise self._overtaken() from error
        except Fault:
            raise
        except StateError as error:
            raise Unserved(error.summary, hint=error.hint, detail=error.detail) from error

    def answered(self, ask: Callable[[], T], *, last: bool = False) -> T:
        """What `ask` gives. Raises Unanswered while the lock is still surely ours, and lasts for what is to stop then,
        unless this is the `last` that is asked: at least half of the time goes to the wait."""
        sure = self.lock.sure_for()
        if sure <= 0:  # no lock is held, as where nobody else is kept out
            return ask()
        kept = 0.0 if last else min(FOR_STOPPING, sure / 2)

        def left() -> float:
            if self.lock.sure_for() <= kept:
                with suppress(StateError):  # who asks next hears of it, too
                    self.lock.verify()  # only a lease is renewed meanwhile
            return self.lock.sure_for() - kept

        return in_time(ask, left, self.place.name)

    def _overtaken(self) -> StateError:
        return Remedied(
            f"{self.place.name} was written by another run while this command ran; flowplan leaves it alone"
        )


def _contents(saved: Saved) -> Contents:
    """What is read where `saved` was put."""
    return Contents(saved.snapshot, saved.backup, saved.journal)


class RemoteJournal(Journal):
    """The journal that continues `state`; what each method promises is said at `store.Journal`. What earlier runs left
    in `overflow`, as it was read, is taken over by the first `append`."""

    def __init__(self, writing: Writing, overflow: Overflow, state: State) -> None:
        self._writing, self._overflow, self._state = writing, overflow, state
        self._recorded: list[Done | Closed] = []  # the results that were durable, as far as is known
        self._frames = writing.form.frames()
        self._begun = False

    @property
    def appended(self) -> bool:
        return self._begun

    def append(self, records: Iterable[Record]) -> None:
        records = tuple(records)
        before = b"" if self._begun else self._first()
        self._writing.append(before + self._frames.add(records))
        self._begun = True
        self._recorded += [record for record in records if isinstance(record, (Done, Closed))]
        with suppress(OSError):  # read again, they are known by their intents
            self._overflow.forget()

    def _first(self) -> bytes:
        """What comes before the first entry of this run: a header where there is none, and what overflowed."""
        parts = RemoteParts(self._writing.place.name, self._writing.begin(), self._writing.form)
        form, found = self._writing.form, parts.read_journal()
        if found.header is not None and (found.torn or found.header.serial < self._state.serial):
            there = parts.contents
            kept = there.journal[: found.length]
            if found.header.serial < self._state.serial:
                kept = form.journal(self._state, fold(self._state, found.records)[1].values())
            saved = Saved(there.snapshot, there.backup, kept, self._state.lineage, self._state.serial)
            self._writing.save(saved, last=False)
            found = form.read_journal(kept, parts.name("journal"))
        self._frames = form.frames(found.end)
        begun = self._frames.begin(Header.of(self._state)) if found.header is None else b""
        return begun + (self._frames.add(self._overflow.news) if self._overflow.kept else b"")

    def overflow(self, records: Iterable[Record]) -> str | None:
        # All of it: what the server was given may be gone with the server, and what it has is known by its intent.
        kept = [*self._recorded, *records]
        if not kept:
            return None
        path = self._overflow.write(self._state, kept)
        self._recorded.clear()
        return str(path)
