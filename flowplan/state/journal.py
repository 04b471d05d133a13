"""The journal: the records since the snapshot (records.py), in frames. Pure.

Snapshot + fold(journal) is the state; intents without a result are in doubt and are looked up first.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

import attrs
from attrs import field

from flowplan.classes import frozen
from flowplan.clock import Moment
from flowplan.errors import Damaged, StateError
from flowplan.model import bounds
from flowplan.patterns import regex
from flowplan.state.codec import converter, misfits, reason
from flowplan.state.state import AppliedPlan, KnownIds, State, consistent, with_ended, with_placed

if TYPE_CHECKING:
    from flowplan.model.address import Address
    from flowplan.state.records import Intent, Record

JOURNAL_VERSION = 1


@frozen
class Header:
    """The first frame of a journal: the snapshot it continues. Its serial is the high-water mark:
    a state file with a smaller one has gone back in time. The rest serves until the first snapshot."""

    lineage: str
    serial: int
    stack: str = ""
    api_url: str = ""
    project: str = ""
    project_name: str = ""

    @classmethod
    def of(cls, state: State) -> Header:
        """The header of a journal that continues `state`."""
        return cls(**{one.name: getattr(state, one.name) for one in attrs.fields(cls)})

    def fresh(self) -> State:
        """The state before anything was made."""
        return State(**attrs.asdict(self))


@frozen
class End:
    """What the next frame of a journal follows: so many `frames`, and the SHA-256 of the last one. Before the first one
    `digest` says of what kind the journal is; "": that of a state."""

    frames: int = 0
    digest: str = ""

    def then(self, frame: bytes) -> End:
        """The end after one more `frame`."""
        return End(self.frames + 1, hashlib.sha256(frame).hexdigest())


_START = End()


@frozen
class Journal:
    """A journal as read. `length` is the number of bytes that hold complete frames: the next goes there, and follows
    `end`."""

    header: Header | None
    records: tuple[Record, ...] = ()
    length: int = 0
    torn: bool = False
    end: End = field(default=_START, repr=False)


def fold(state: State, records: Iterable[Record]) -> tuple[State, dict[str, Intent]]:
    """The state after `records`, and the intents that have no result yet, oldest first."""
    from flowplan.state.records import Done, Intent

    bindings, known = dict(state.bindings), KnownIds(state)
    pending: dict[str, Intent] = {}
    sent: dict[str, Intent] = {}  # what stands aside for a new bid is a result of the same intent
    ended: dict[str, float] = {}
    placed: dict[str, Moment] = {}
    shrunk = False
    for record in records:
        if isinstance(record, Intent):
            pending[record.intent] = sent[record.intent] = record
            continue
        if isinstance(record, AppliedPlan):
            state = state.begin(record)
            continue
        intent = pending.pop(record.intent, None)
        if isinstance(record, Done):
            known.rebind(record.address, bindings.get(record.address), record.binding)
            known.learn(released=record.released, adopted=record.adopted)
            if record.binding is not None:
                told = Moment.of_api(record.placed_at) if record.placed_at else None
                at = told or placed_by(sent.get(record.intent), record.address)
                placed |= {record.binding.id: at} if at else {}
            if record.binding is None or record.binding.ended:
                shrunk = True
                ended |= ended_by(intent)
            if record.binding is None:
                bindings.pop(record.address, None)
            else:
                bindings[record.address] = record.binding
    state = attrs.evolve(known.put_into(state), placed=with_placed(state.placed, placed))
    if not shrunk:
        return attrs.evolve(state, bindings=bindings), pending
    return attrs.evolve(state, bindings=consistent(bindings), ended=with_ended(state.ended, ended)), pending


def ended_by(intent: Intent | None) -> dict[str, float]:
    """The id that a removal which is done has ended, with when; nothing for any other operation."""
    return {intent.id: intent.at.by_server} if intent is not None and intent.op == "delete" and intent.id else {}


def placed_by(intent: Intent | None, address: Address) -> Moment | None:
    """When the bid at `address` was placed that the create of `intent`, which is done, has made; None for any other
    operation, and for what stands aside for that bid."""
    if intent is None or intent.op != "create" or intent.address != address or address.kind != "bid":
        return None
    return intent.at


# ---- journal frames -----------------------------------------------------------------------------------
# A frame is one write, and so is durable or torn as a whole: 8 hex digits length, 8 hex digits CRC-32 (of
# the payload), the payload, a newline. The file is allocated ahead, so what follows the last frame is NULs.

_HEAD = 18
_FRAME = regex(rb"[0-9a-f]{8} [0-9a-f]{8} \[")


def _record(entry: dict[str, Any]) -> Record:
    from flowplan.state.records import RECORDS, CreateIntent, Intent

    cls = RECORDS[entry.pop("record")]
    if cls is Intent and entry.get("op") == "create":
        cls = CreateIntent
    return converter().structure(entry, cls)


def record_entry(record: Record) -> dict[str, Any]:
    """`record` as a frame has it."""
    from flowplan.state.records import RECORD_NAMES

    return {"record": RECORD_NAMES[type(record)], **converter().unstructure(record)}


def header_entry(header: Header) -> dict[str, Any]:
    """`header` as the first frame has it."""
    return {"record": "begin", "journal_version": JOURNAL_VERSION, **converter().unstructure(header)}


def frame_of(entries: list[dict[str, Any]]) -> bytes:
    """One frame that holds `entries`."""
    payload = json.dumps(entries, separators=(",", ":")).encode()
    return _head(payload) + payload + b"\n"


def read_journal(
    data: bytes,
    name: str,
    opened: Callable[[list[dict[str, Any]], End], list[dict[str, Any]]] = lambda entries, _: entries,
    end: End = _START,
) -> Journal:
    """Read a journal, of which `opened` says what the entries of a frame say that follows an end, from `end` on. A torn
    last frame is dropped: the call it would have announced was never made, because a frame is durable before its calls.
    Damage before that raises StateError."""
    frames: list[list[dict[str, Any]]] = []
    at = 0
    while at < len(data) and data[at] != 0:
        payload, after = _payload_at(data, at)
        if payload is None:
            break
        frames.append(opened(entries_in(payload, name), end))
        end = end.then(data[at:after])
        at = after
    torn = at < len(data) and data[at] != 0
    # What follows is nearly always a megabyte of NULs, and the bracket that any frame has is looked for much faster.
    maybe = data.find(b"[", at) != -1
    if maybe and any(_payload_at(data, found.start())[0] is not None for found in _FRAME.finditer(data, at)):
        raise Damaged(f"{name} is damaged at byte {at}, before its end")
    return attrs.evolve(_journal(frames, at, torn, name), end=end)


def entries_in(payload: bytes, name: str) -> list[dict[str, Any]]:
    """What the payload of a frame says. Raises StateError for what no flowplan writes, whole as it is."""
    try:
        entries = json.loads(payload)
    except (ValueError, RecursionError) as error:
        raise Damaged(f"{name} holds a frame that cannot be read: {reason(error)}") from error
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise Damaged(f"{name} holds a frame that is not a list of records")
    return entries


def _payload_at(data: bytes, at: int) -> tuple[bytes | None, int]:
    """The payload of the frame at `at` and where it ends, or None when there is no complete one."""
    try:
        length = int(data[at : at + 8], 16)
    except ValueError:
        return None, at
    end = at + _HEAD + length + 1
    payload = data[at + _HEAD : end - 1]
    whole = data[at : at + _HEAD] == _head(payload) and data[end - 1 : end] == b"\n"
    return (payload, end) if whole else (None, at)


def _head(payload: bytes) -> bytes:
    return b"%08x %08x " % (len(payload), zlib.crc32(payload))


def _journal(frames: list[list[dict[str, Any]]], length: int, torn: bool, name: str) -> Journal:
    entries: Iterator[dict[str, Any]] = (entry for frame in frames for entry in frame)
    first = next(entries, None)
    if first is None:
        return Journal(None, length=length, torn=torn)
    if first.get("record") != "begin" or first.get("journal_version") != JOURNAL_VERSION:
        raise StateError(f"this flowplan cannot read the journal {name}", hint="use the flowplan version that wrote it")
    try:
        records = tuple(map(_record, entries))
        kept = {key: value for key, value in first.items() if key not in ("record", "journal_version")}
        header = converter().structure(kept, Header)
        bounds.name(header.lineage)
    except misfits() as error:
        raise Damaged(f"{name} holds a record that cannot be read: {reason(error)}") from error
    return Journal(header, records, length, torn)
