"""What flowplan made: address -> id, the resource as applied, what it needs. And the journal. Pure.

The state file is a snapshot. Since then the journal has recorded, in frames that are durable one by one,
what was about to be done (`Intent`) and what came of it (`Created`, `Updated`, `Deleted`, `Dropped`).
Snapshot + fold(journal) is the state; intents without a result are in doubt and are looked up first.
"""

from __future__ import annotations

import hashlib
import json
import re
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from decimal import Decimal, InvalidOperation
from functools import cache
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import attrs
from attrs import field, frozen

from flowplan import __version__
from flowplan.errors import StateError
from flowplan.resources import CLASSES, Address, Bid, PortMapping, Ref, Resource, Script, Volume, in_order

if TYPE_CHECKING:
    from cattrs import Converter

FORMAT_VERSION = 1
JOURNAL_VERSION = 1
SIZE_LIMIT = 256 * 1024 * 1024  # bytes; nothing flowplan writes comes near it


@frozen
class Binding:
    """One object flowplan made. `generation` counts the objects an address has had, from 1.
    `source` is the configuration file that named it."""

    address: Address
    id: str
    applied: Resource
    needs: tuple[Address, ...] = ()
    generation: int = 1
    source: str = ""


@frozen
class State:
    """A snapshot. `lineage` never changes; `serial` grows by one with every snapshot that differs."""

    lineage: str
    serial: int = 0
    stack: str = ""
    api_url: str = ""
    project: str = ""
    project_name: str = ""
    bindings: Mapping[Address, Binding] = field(factory=dict)
    outputs: Mapping[str, Any] = field(factory=dict)

    def ids(self) -> dict[Address, str]:
        return {address: binding.id for address, binding in self.bindings.items()}


# ---- journal records ----------------------------------------------------------------------------------


@frozen
class Intent:
    """Durable before the call it announces. `key` is the Idempotency-Key, the same in every attempt.

    `started` is in seconds of the server's clock (or the local one before any answer); after a crash
    the settle window is counted from it.
    """

    intent: str
    op: Literal["create", "update", "delete"]
    address: Address
    generation: int
    name: str
    key: str
    payload_sha256: str
    started: float
    id: str | None = None  # of the object, where it exists already
    resource: Resource | None = None  # what is being made
    needs: tuple[Address, ...] = ()
    source: str = ""
    boot_id: str = ""
    endpoint: str = ""
    project: str = ""
    resent: bool = False  # the one re-POST of a run was used


@frozen
class Done:
    """The call of `intent` succeeded: this is what the address is now (None: it is gone)."""

    intent: str
    address: Address
    binding: Binding | None


@frozen
class Closed:
    """`intent` is proved not to have happened; nothing changed."""

    intent: str
    why: str


Record: TypeAlias = Intent | Done | Closed
_RECORDS: dict[str, type[Intent] | type[Done] | type[Closed]] = {"intent": Intent, "done": Done, "closed": Closed}
_RECORD_NAMES = {cls: name for name, cls in _RECORDS.items()}


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
        return cls(state.lineage, state.serial, state.stack, state.api_url, state.project, state.project_name)

    def fresh(self) -> State:
        """The state before anything was made."""
        return State(**attrs.asdict(self))


@frozen
class Journal:
    """A journal as read. `length` is the number of bytes that hold complete frames: the next goes there."""

    header: Header | None
    records: tuple[Record, ...] = ()
    length: int = 0
    torn: bool = False


def fold(state: State, records: Iterable[Record]) -> tuple[State, dict[str, Intent]]:
    """The state after `records`, and the intents that have no result yet, oldest first."""
    bindings = dict(state.bindings)
    pending: dict[str, Intent] = {}
    gone: set[Address] = set()
    for record in records:
        if isinstance(record, Intent):
            pending[record.intent] = record
            continue
        pending.pop(record.intent, None)
        if isinstance(record, Done):
            if record.binding is None:
                bindings.pop(record.address, None)
                gone.add(record.address)
            else:
                bindings[record.address] = record.binding
    return attrs.evolve(state, bindings=consistent(bindings) if gone else bindings), pending


def consistent(bindings: Mapping[Address, Binding]) -> dict[Address, Binding]:
    """`bindings` none of which needs what is not there any more: a volume that was forgotten, or deleted
    although a resource of another file still names it."""
    gone = {need for binding in bindings.values() for need in binding.needs} - bindings.keys()
    return {address: _without(binding, gone) for address, binding in bindings.items()} if gone else dict(bindings)


def _without(binding: Binding, gone: Set[Address]) -> Binding:
    """`binding` no longer needing what is gone (a volume that was forgotten, not one still in use)."""
    if gone.isdisjoint(binding.needs):
        return binding
    return attrs.evolve(binding, needs=tuple(need for need in binding.needs if need not in gone))


# ---- JSON ---------------------------------------------------------------------------------------------


def dump(state: State) -> bytes:
    """The state file: canonical JSON, resources sorted by address, with the digest of everything else.
    Raises StateError for a state that `load` would refuse: nothing is written that cannot be read."""
    _hold_invariants(state, list(state.bindings.values()), "the new state")
    encode = converter().unstructure
    body = {
        "format_version": FORMAT_VERSION,
        "flowplan_version": __version__,
        "lineage": state.lineage,
        "serial": state.serial,
        "stack": state.stack,
        "api_url": state.api_url,
        "project": state.project,
        "project_name": state.project_name,
        "resources": [encode(state.bindings[address]) for address in sorted(state.bindings, key=in_order)],
        "outputs": dict(state.outputs),
    }
    body["sha256"] = digest(body)
    return (json.dumps(body, indent=1, sort_keys=False) + "\n").encode()


def load(data: bytes, name: str) -> State:
    """Read a state file; `name` is for messages. Raises StateError, never takes damage for an empty state."""
    body = _checked(data, name)
    stated = body.pop("sha256", None)
    if stated != digest(body):
        raise StateError(f"{name} is damaged: its checksum does not match its content", hint=RESTORE)
    try:
        bindings = [converter().structure(entry, Binding) for entry in body["resources"]]
        state = State(
            **{key: body[key] for key in ("lineage", "serial", "stack", "api_url", "project", "project_name")},
            bindings={binding.address: binding for binding in bindings},
            outputs=body["outputs"],
        )
    except Exception as error:
        raise StateError(f"{name} is not a state file of flowplan: {_reason(error)}", hint=RESTORE) from error
    _hold_invariants(state, bindings, name)
    return state


RESTORE = "`flowplan state restore` puts the last good version back"


def _checked(data: bytes, name: str) -> dict[str, Any]:
    if not data.strip(b"\0 \r\n\t"):
        raise StateError(f"{name} is empty; an empty state never means that nothing exists", hint=RESTORE)
    if len(data) > SIZE_LIMIT:
        raise StateError(f"{name} is too large to be a state file: {len(data):,} bytes")
    try:
        body = json.loads(data, object_pairs_hook=_no_duplicates, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise StateError(f"{name} cannot be read: {_reason(error)}", hint=RESTORE) from None
    if not isinstance(body, dict) or "format_version" not in body:
        raise StateError(f"{name} is not a state file of flowplan", hint=RESTORE)
    version = body["format_version"]
    if type(version) is not int or version < 1:
        raise StateError(f"{name} has no valid format_version", hint=RESTORE)
    if version > FORMAT_VERSION:
        by = body.get("flowplan_version")
        raise StateError(
            f"{name} was written by flowplan {by} in format {version}; this is flowplan {__version__}, "
            f"which reads formats up to {FORMAT_VERSION}",
            hint="use the newer flowplan",
        )
    return body


def _hold_invariants(state: State, bindings: Sequence[Binding], name: str) -> None:
    if len(state.bindings) != len(bindings):
        raise StateError(f"{name} names an address twice", hint=RESTORE)
    ids = [binding.id for binding in bindings if binding.address.kind != "ports"]
    if len(set(ids)) != len(ids):
        raise StateError(f"{name} names an object's id twice", hint=RESTORE)
    for binding in bindings:
        if not isinstance(binding.applied, CLASSES[binding.address.kind]):
            raise StateError(f"{name}: {binding.address} does not hold a {binding.address.kind}", hint=RESTORE)
        dangling = [need for need in binding.needs if need not in state.bindings]
        if dangling:
            raise StateError(f"{name}: {binding.address} needs {dangling[0]}, which is not there", hint=RESTORE)


def digest(value: Any) -> str:
    """sha256 of the canonical JSON of `value`."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


# ---- journal frames -----------------------------------------------------------------------------------
# A frame is one write, and so is durable or torn as a whole: 8 hex digits length, 8 hex digits CRC-32 (of
# the payload), the payload, a newline. The file is allocated ahead, so what follows the last frame is NULs.

_HEAD = 18
_FRAME = re.compile(rb"[0-9a-f]{8} [0-9a-f]{8} \[")


def frame(records: Iterable[Record]) -> bytes:
    """One frame that holds `records`."""
    return _frame([{"record": _RECORD_NAMES[type(record)], **converter().unstructure(record)} for record in records])


def header_frame(header: Header) -> bytes:
    """The first frame of a journal that continues `header`."""
    return _frame([{"record": "begin", "journal_version": JOURNAL_VERSION, **attrs.asdict(header)}])


def _frame(entries: list[dict[str, Any]]) -> bytes:
    payload = json.dumps(entries, separators=(",", ":")).encode()
    return _head(payload) + payload + b"\n"


def read_journal(data: bytes, name: str) -> Journal:
    """Read a journal. A torn last frame is dropped: the call it would have announced was never made,
    because a frame is durable before its calls. Damage before that raises StateError."""
    frames: list[list[dict[str, Any]]] = []
    at = 0
    while at < len(data) and data[at] != 0:
        payload, end = _payload_at(data, at)
        if payload is None:
            break
        frames.append(json.loads(payload))
        at = end
    torn = at < len(data) and data[at] != 0
    if any(_payload_at(data, found.start())[0] is not None for found in _FRAME.finditer(data, at)):
        raise StateError(f"{name} is damaged at byte {at}, before its end", hint=RESTORE)
    return _journal(frames, at, torn, name)


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
        raise StateError(f"{name} is not a journal that this flowplan reads", hint="use the flowplan that wrote it")
    try:
        records = tuple(converter().structure(entry, _RECORDS[entry.pop("record")]) for entry in entries)
        header = Header(**{key: value for key, value in first.items() if key not in ("record", "journal_version")})
    except Exception as error:
        raise StateError(f"{name} holds a record that cannot be read: {_reason(error)}", hint=RESTORE) from error
    return Journal(header, records, length, torn)


# ---- conversion ---------------------------------------------------------------------------------------


@cache
def converter() -> Converter:
    """Strict in both directions: no coercion, unknown keys are errors; money and addresses are strings."""
    from cattrs import Converter
    from cattrs.gen import make_dict_structure_fn, make_dict_unstructure_fn, override

    made = Converter(forbid_extra_keys=True, detailed_validation=False)
    for exact in (str, int, float, bool):
        made.register_structure_hook(exact, _only(exact))
    made.register_structure_hook(Decimal, _money)
    made.register_unstructure_hook(Decimal, lambda value: f"{value:.2f}")
    made.register_structure_hook(Address, lambda value, _: Address.parse(_text(value)))
    made.register_unstructure_hook(Address, str)
    made.register_structure_hook(Ref, lambda value, _: _ref(value))
    made.register_unstructure_hook(Ref, str)
    made.register_structure_hook(Resource, lambda value, _: _resource(made, value))
    made.register_unstructure_hook(Resource, lambda value: made.unstructure(value, type(value)))
    bare = override(omit=True)  # the text of a script is kept nowhere
    made.register_unstructure_hook(Script, make_dict_unstructure_fn(Script, made, text=bare))
    made.register_structure_hook(Script, make_dict_structure_fn(Script, made, text=bare))
    made.register_unstructure_hook(Binding, _binding_out(made))
    made.register_structure_hook(Binding, _binding_in(made))
    return made


_BINDING_KEYS = {"address", "type", "id", "applied", "needs", "generation", "source"}


def _binding_out(made: Converter) -> Callable[[Binding], dict[str, Any]]:
    def out(binding: Binding) -> dict[str, Any]:
        return {
            "address": str(binding.address),
            "type": binding.address.kind,
            "id": binding.id,
            "applied": made.unstructure(binding.applied, type(binding.applied)),
            "needs": [str(need) for need in binding.needs],
            "generation": binding.generation,
            "source": binding.source,
        }

    return out


def _binding_in(made: Converter) -> Callable[[Any, Any], Binding]:
    def read(value: Any, _: Any) -> Binding:
        if not value.keys() <= _BINDING_KEYS:
            raise ValueError(f"unknown keys: {', '.join(sorted(value.keys() - _BINDING_KEYS))}")
        address = Address.parse(_text(value["address"]))
        return Binding(
            address,
            _text(value["id"]),
            made.structure(value["applied"], CLASSES[address.kind]),
            tuple(Address.parse(_text(need)) for need in value["needs"]),
            made.structure(value["generation"], int),
            _text(value.get("source", "")),
        )

    return read


def _resource(made: Converter, value: Any) -> Resource:
    shapes: tuple[tuple[str, type[Resource]], ...] = (("size_gb", Volume), ("pairs", PortMapping), ("limit_price", Bid))
    for key, cls in shapes:
        if key in value:
            return made.structure(value, cls)
    raise ValueError("not a resource")


def _only(exact: type) -> Callable[[Any, Any], Any]:
    def check(value: Any, _: Any) -> Any:
        if type(value) is not exact and not (exact is float and type(value) is int):
            raise ValueError(f"expected {exact.__name__}, got {value!r}")
        return value

    return check


def _money(value: Any, _: Any) -> Decimal:
    try:
        amount = Decimal(_text(value))
    except InvalidOperation:
        raise ValueError(f"{value!r} is not an amount") from None
    if not amount.is_finite():
        raise ValueError(f"{value!r} is not an amount")
    return amount


def _text(value: Any) -> str:
    if type(value) is not str:
        raise ValueError(f"expected str, got {value!r}")
    return value


def _ref(value: Any) -> Ref:
    text = _text(value)
    return Address.parse(text) if text.startswith("volume.") else text


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise ValueError("a key stands twice")
    return made


def _no_constant(text: str) -> Any:
    raise ValueError(f"{text} is not JSON")


def _reason(error: BaseException) -> str:
    text = str(error).splitlines()[0] if str(error) else type(error).__name__
    return text if len(text) < 200 else text[:200] + "..."
