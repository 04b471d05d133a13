"""The form in which a state is kept: as it is, or sealed for those who have a key. Pure.

A sealed document is one that names the state it is of, and hides all else:

    {"format_version": 3, ..., "lineage": "...", "serial": 7, "recipients": ["age1..."], "key": "...", "sealed": "..."}

`sealed` is the document in the clear, encrypted for a key that was made for this one run; `key` is that key, encrypted
for the recipients. A version that is kept is compressed before it is encrypted (format 4): afterwards nothing would be
gained by it. A journal is sealed frame by frame in the same way, so that a torn one loses only its last frame.
What is sealed in a frame says which one it follows: one that was moved, repeated or taken from elsewhere is damage.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from attrs import field

from flowplan import __version__
from flowplan.classes import define
from flowplan.errors import RESTORE, Damaged, StateError
from flowplan.patterns import regex
from flowplan.state import codec, journal
from flowplan.state.journal import End, Header, Journal
from flowplan.state.seal import WITHOUT_KEY, InTheClear, NoKey, Seal, Sealed
from flowplan.state.state import State

if TYPE_CHECKING:
    from flowplan.state.history import Change
    from flowplan.state.records import Record

_SEALED_JOURNAL = 2
REKEY = "set FLOWPLAN_AGE_RECIPIENTS to those it is encrypted for; `flowplan state rekey` changes them"
_SEALED = regex(rb'\s*\{\s*"format_version":\s*[34]\b')
_GZIP = 31  # what zlib calls that format


@define
class Form:
    """How one run reads and writes its state. `seal` None: in the clear, and what is sealed is not opened.
    `allow_plaintext`: with a seal, what is in the clear is read too. `change_recipients`: what was sealed for
    others than `seal` names is written nevertheless, for those. `decrypt`: the seal only opens, what is in the clear is
    read too, and all is written in the clear."""

    seal: Seal | None = None
    allow_plaintext: bool = False
    change_recipients: bool = False
    decrypt: bool = False
    _found: tuple[str, ...] = field(default=(), init=False)  # who could open what this run goes on from
    # What it has read last: bytes, name and state; see `_in_the_clear`.
    _last: tuple[bytes, str, State] | None = field(default=None, init=False, eq=False, repr=False)
    # What it has written last: a run keeps the state that it saves as a version, too.
    _written: tuple[State, bytes] | None = field(default=None, init=False, eq=False, repr=False)

    # -- whole states

    def dump(self, state: State) -> bytes:
        """The state file of `state`. Raises StateError for a state that `load` would refuse, and where the recipients
        would be others than of what was read."""
        return self._dumped(state, codec.SEALED_FORMAT)

    def _dumped(self, state: State, format: int) -> bytes:
        """In this format, if it is sealed."""
        if self._written is None or self._written[0] is not state:
            self._written = (state, codec.dump(state))
        clear, seal = self._written[1], self._writing
        if seal is None:
            return clear
        if format == codec.PACKED_FORMAT:
            clear = zlib.compress(clear, wbits=_GZIP)
        head = {"format_version": format, "flowplan_version": __version__}
        body = {**head, "lineage": state.lineage, "serial": state.serial, **self._sealed(seal, clear).entry()}
        return (json.dumps(body, indent=1) + "\n").encode()

    def load(self, data: bytes, name: str, *, goes_on: bool = False) -> State:
        """Read a state file; `name` is for messages. The run seals for nobody else than could open the one that it
        `goes_on` from, or what it has read first. Raises StateError, never takes damage for an empty state; Unopened
        for one that may be whole."""
        if _SEALED.match(data) is None:
            state = self._in_the_clear(data, name)  # what is damaged, or of a later flowplan, says so
            self.hold_allowed(name)
            return state
        body = _object_in(data, name)
        if "sealed" not in body:  # of a later flowplan
            return codec.load(data, name)
        sealed = Sealed.of(body, name)
        clear = self.open(sealed, name)
        if body["format_version"] == codec.PACKED_FORMAT:
            clear = _unpacked(clear, name)
        state = self._in_the_clear(clear, name)
        _hold_bound(body, state.lineage, state.serial, name)
        if goes_on or not self._found:
            self._found = sealed.recipients
        return state

    def _in_the_clear(self, clear: bytes, name: str) -> State:
        """The state in a document that is in the clear. A run reads its state again, to see whether it is still what it
        was, and the same bytes are the same state then. Another run reads them afresh: a program may have been given
        the state of this one, and have changed the dictionaries in it."""
        if self._last is None or self._last[:2] != (clear, name):
            self._last = (clear, name, codec.load(clear, name))
        return self._last[2]

    def kept(self, data: bytes, name: str) -> bytes:
        """A state file `data`, called `name`, as it is to be kept on: what is in the clear is sealed. Raises
        StateError."""
        if self._writing is None or _SEALED.match(data) is not None:
            return data
        return self.dump(self.load(data, name))

    # -- kept versions: their first line, which a history shows, is in the clear

    def dump_version(self, state: State, change: Change | None) -> bytes:
        """The document of `state`, saved by `change`. Raises StateError as `dump` does."""
        from flowplan.state import history

        return history.dump_version(state, change, lambda kept: self._dumped(kept, codec.PACKED_FORMAT))

    def load_version(self, data: bytes, name: str, lineage: str, serial: int) -> State:
        """The state in the document `data`, called `name`, which must be version `serial` of `lineage`. Raises
        StateError."""
        from flowplan.state import history

        return history.load_version(data, name, lineage, serial, self.load)

    # -- journals

    def header_frame(self, header: Header, kind: str = "") -> bytes:
        """The first frame of a journal that continues `header`. `kind`: what the journal is, which only another of the
        same kind can stand for; "": that of a state."""
        entry, seal = journal.header_entry(header), self._writing
        if seal is None:
            return journal.frame_of([entry])
        shown = {"record": "begin", "journal_version": _SEALED_JOURNAL, "flowplan_version": __version__}
        sealed = self._sealed(seal, _packed([_follows(End(digest=kind)), entry])).entry()
        return journal.frame_of([{**shown, "lineage": header.lineage, "serial": header.serial, **sealed}])

    def frame(self, records: Iterable[Record], end: End | None = None) -> bytes:
        """One frame that holds `records`, and follows `end`, which it says only where it is sealed."""
        entries, seal = [journal.record_entry(one) for one in records], self._writing
        if seal is not None:
            follows = _follows(end or End())
            entries = [{"record": "sealed", **self._sealed(seal, _packed([follows, *entries])).entry()}]
        return journal.frame_of(entries)

    def frames(self, end: End | None = None) -> Frames:
        """The frames of a journal that ends so; None: of a new one."""
        return Frames(self, end or End())

    def journal(self, state: State, pending: Iterable[Record]) -> bytes:
        """A journal that continues `state`, with nothing in it but what is in doubt."""
        frames, pending = self.frames(), tuple(pending)
        return frames.begin(Header.of(state)) + (frames.add(pending) if pending else b"")

    def read_journal(self, data: bytes, name: str, kind: str = "") -> Journal:
        """Read a journal of this `kind`. A torn last frame is dropped: the call it would have announced was never made,
        because a frame is durable before its calls. Damage before that raises StateError."""
        return journal.read_journal(data, name, _Opening(self, name).entries, End(digest=kind))

    def opened_frame(self, entries: list[dict[str, Any]], end: End, name: str) -> list[dict[str, Any]]:
        """What a frame with these `entries` says, which is sealed, and follows `end`. Raises StateError."""
        first = entries[0]
        sealed = Sealed.of(first, name)
        follows, *opened = journal.entries_in(self.open(sealed, name), name) or [{}]
        if first["record"] == "begin" and follows.get("record") == "begin" and not end.digest:
            follows, opened = _follows(end), [follows]  # of a flowplan whose frames did not say what they follow
        _hold_follows(follows, end, name)
        self._found = self._found or sealed.recipients  # without a snapshot, the journal says for whom the state is
        if first["record"] == "begin":
            header = opened[0] if opened else {}
            _hold_bound(first, header.get("lineage"), header.get("serial"), name)
        return opened

    # -- seals

    @property
    def _writing(self) -> Seal | None:
        """What seals what this run writes; None: it is written in the clear."""
        return None if self.decrypt else self.seal

    def other_recipients(self) -> str | None:
        """That this run would write for others than could open what it goes on from, as a clause; None: it would
        not."""
        recipients = self.seal.recipients if self.seal is not None else ()
        if not self._found or set(self._found) == set(recipients):
            return None
        found, now = _listed(self._found), _listed(recipients)
        return f"the state is encrypted for {found}, and this run would encrypt it for {now}"

    def hold_recipients(self) -> None:
        """Raise StateError where this run would write for others than could open what it goes on from, unless it is to,
        or could itself not open what it writes: no later run of this user could stop what costs money by then."""
        others = None if self.change_recipients else self.other_recipients()
        if others is not None:
            raise StateError(others, hint=REKEY)
        if self._writing is not None and self._writing.recipients and not self._writing.opens_own:
            raise StateError(
                f"the state would be encrypted for {_listed(self._writing.recipients)}, and no key that is given opens "
                "that",
                hint="give your own key, and name its recipient in FLOWPLAN_AGE_RECIPIENTS, too",
            )

    def _sealed(self, seal: Seal, clear: bytes) -> Sealed:
        self.hold_recipients()
        return seal.seal(clear)

    def open(self, sealed: Sealed, name: str) -> bytes:
        """What was sealed as `name`. Raises Unopened where no key opens it, StateError for damage."""
        if self.seal is None:
            raise NoKey(
                f"{name} is encrypted {sealed.whose}, and no key is given",
                hint=f"give {sealed.opener}; {WITHOUT_KEY}",
            )
        return self.seal.open(sealed, name)

    def hold_allowed(self, name: str) -> None:
        """Raise InTheClear for what is called `name` and is not encrypted, where a key is given."""
        if self.seal is not None and not self.allow_plaintext and not self.decrypt:
            raise InTheClear(
                f"{name} is not encrypted, though a key is given: it may be another than was written last",
                hint="if you have given a key for the first time: `flowplan state rekey --allow-plaintext` encrypts it",
            )


@define
class Frames:
    """The frames of one journal, each of which follows the one before."""

    _form: Form
    _end: End

    def begin(self, header: Header, kind: str = "") -> bytes:
        """The first one; see `Form.header_frame`."""
        return self._next(self._form.header_frame(header, kind))

    def add(self, records: Iterable[Record]) -> bytes:
        """One that holds `records`."""
        return self._next(self._form.frame(records, self._end))

    def _next(self, frame: bytes) -> bytes:
        self._end = self._end.then(frame)
        return frame


@define
class _Opening:
    """Opens the frames of one journal, called `name`, in their order."""

    form: Form
    name: str
    _sealed: bool = field(default=False, init=False)  # whether one was, before

    def entries(self, entries: list[dict[str, Any]], end: End) -> list[dict[str, Any]]:
        """What a frame says that follows `end`. Raises StateError."""
        first = entries[0] if entries else {}
        begins = first.get("record") == "begin" and first.get("journal_version") == _SEALED_JOURNAL
        if begins or first.get("record") == "sealed":
            self._sealed = True
            return self.form.opened_frame(entries, end, self.name)
        if self._sealed:  # who can read the journal does not write so: who cannot has put it there
            raise Damaged(f"{self.name} is encrypted, and frame {end.frames + 1} of it is not")
        self.form.hold_allowed(self.name)
        return entries


def _follows(end: End) -> dict[str, Any]:
    """What a frame that follows `end` says first."""
    return {"record": "follows", "frames": end.frames, "digest": end.digest}


def _hold_follows(entry: Mapping[str, Any], end: End, name: str) -> None:
    """Raise StateError unless a sealed frame that begins with `entry` follows `end`."""
    if entry == _follows(end):
        return
    here = f"frame {end.frames + 1} of {name}"
    if entry.get("record") != "follows":
        raise StateError(
            f"{here} does not say which frame it follows: an unreleased flowplan wrote it, or somebody took it from "
            "such a journal",
            hint=f"with the flowplan that wrote it `flowplan recover` ends that journal; otherwise {RESTORE}",
        )
    raise Damaged(
        f"{here} was not written there: it was moved or repeated, or taken from another journal, or one before it was "
        "left out",
    )


def _unpacked(data: bytes, name: str) -> bytes:
    """What was compressed as `data`. Raises StateError, also for what becomes larger than any state: everyone can
    encrypt something for recipients, which are public."""
    unpacking = zlib.decompressobj(_GZIP)
    try:
        found = unpacking.decompress(data, codec.SIZE_LIMIT)
    except zlib.error:
        found = b""
    if not unpacking.eof or unpacking.unused_data:
        raise Damaged(f"{name} is damaged: what is encrypted in it cannot be unpacked")
    return found


def _object_in(data: bytes, name: str) -> dict[str, Any]:
    """Of `data`, which begins with a brace."""
    try:
        body: dict[str, Any] = json.loads(data, object_pairs_hook=codec.no_duplicates, parse_constant=codec.no_constant)
    except (ValueError, RecursionError) as error:
        raise Damaged(f"{name} cannot be read: {codec.reason(error)}") from None
    return body


def _hold_bound(shown: Mapping[str, Any], lineage: object, serial: object, name: str) -> None:
    """Raise StateError unless what a document shows is what is sealed in it."""
    if (shown.get("lineage"), shown.get("serial")) != (lineage, serial) or type(shown.get("serial")) is not int:
        raise Damaged(f"{name} holds another state than it says")


def _packed(entries: Sequence[Mapping[str, Any]]) -> bytes:
    return json.dumps(entries, separators=(",", ":")).encode()


def _listed(recipients: Sequence[str]) -> str:
    return ", ".join(recipients) or "nobody"
