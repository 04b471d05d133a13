"""Versions of a state: who saved which, and what putting one back would mean. Pure.

A version is a JSON document whose first line holds all that a history shows, so that a list of versions reads no state:

    {"version": {"format_version": 1, "serial": 7, ...}, "state":
    { the state file, as it was saved }
    }
"""

from __future__ import annotations

import json
from collections.abc import Callable, Container, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias

import attrs

from flowplan.classes import frozen
from flowplan.errors import StateError
from flowplan.model import bounds
from flowplan.model.address import Address, in_order
from flowplan.model.digest import digest
from flowplan.state.codec import SIZE_LIMIT, dump, load, no_constant, no_duplicates, reason
from flowplan.state.state import Binding, State, consistent, with_ended, with_placed

VersionId: TypeAlias = tuple[str, int]  # lineage and serial of a state that is kept
FORMAT_VERSION = 1
HEAD_LIMIT = 64 * 1024  # bytes of a first line; nothing flowplan writes comes near it
MOST_VERSIONS, LEAST_VERSIONS = 100, 10  # of one state: more are never kept, and so many are, however old
KEPT_FOR = timedelta(days=365)  # before the newest, by what the saves say: no clock is asked
AGED_EVERY = 10  # serials: with each of them it is looked which versions are too old
_BREAK = ', "state":\n'
_END = b"}\n"


@frozen
class Change:
    """One save of a state. `at` is RFC 3339; `who` user@host; `ci` the address of the CI run; `plan_sha256` the digest
    of the saved plan that was applied, `config_sha256` that of the configuration, `commit` the one that was checked out
    ("" each: none, or not known). `added`, `changed` and `removed` count addresses."""

    at: str
    who: str = ""
    command: str = ""
    ci: str = ""
    plan_sha256: str = ""
    config_sha256: str = ""
    commit: str = ""
    added: int = 0
    changed: int = 0
    removed: int = 0

    def between(self, old: Mapping[Address, Binding], new: Mapping[Address, Binding]) -> Change:
        """This change, with the counts of what leads from `old` to `new`."""
        both = old.keys() & new.keys()
        changed = sum(old[address] != new[address] for address in both)
        return attrs.evolve(self, added=len(new) - len(both), changed=changed, removed=len(old) - len(both))


@frozen
class Version:
    """A state that was saved. `resources` counts its addresses; `change` is None where a run was killed before it
    recorded who it was, or an earlier flowplan saved it."""

    lineage: str
    serial: int
    resources: int
    change: Change | None = None


@frozen
class Rewritten:
    """What became of the versions that are kept, by serial: those that were `written` again, and those that stay as
    they were because they do not read (`unread`)."""

    written: tuple[int, ...] = ()
    unread: tuple[int, ...] = ()

    @classmethod
    def of(cls, kept: Iterable[VersionId], written: set[VersionId]) -> Rewritten:
        """By which are `kept` by now."""
        found = sorted(kept)
        again = [serial for lineage, serial in found if (lineage, serial) in written]
        return cls(tuple(again), tuple(serial for lineage, serial in found if (lineage, serial) not in written))


def ordered(versions: Iterable[Version]) -> tuple[Version, ...]:
    """By serial within each lineage; the lineage that was saved last is the last one."""
    found = tuple(versions)
    last: dict[str, str] = {}
    for one in found:
        last[one.lineage] = max(last.get(one.lineage, ""), one.change.at if one.change else "")
    return tuple(sorted(found, key=lambda one: (last[one.lineage], one.lineage, one.serial)))


def outdated(oldest_first: Iterable[Version | None], newest: Change | None) -> int:
    """How many of these versions were saved more than KEPT_FOR before `newest`. One whose time is not known, or that
    does not read (None), goes with a later one that is too old. No more are asked for than that needs."""
    last = _moment(newest)
    count = 0
    for number, one in enumerate(oldest_first, start=1):
        at = _moment(one.change if one is not None else None)
        if last is None or (at is not None and last - at <= KEPT_FOR):
            break
        if at is not None:
            count = number
    return count


def _moment(change: Change | None) -> datetime | None:
    """When it was saved; None: that is not known."""
    if change is None:
        return None
    try:
        found = datetime.fromisoformat(change.at)
    except ValueError:
        return None
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)


def dump_version(state: State, change: Change | None, dump: Callable[[State], bytes] = dump) -> bytes:
    """The document of `state`, which `dump` writes, saved by `change`. Raises StateError for a state that `load` would
    refuse."""
    version = Version(state.lineage, state.serial, len(state.bindings), change)
    head = {"format_version": FORMAT_VERSION, **attrs.asdict(version)}
    head["sha256"] = digest(head)
    return json.dumps({"version": head})[:-1].encode() + _BREAK.encode() + dump(state) + _END


def read_head(line: bytes, name: str) -> Version:
    """The version whose document, called `name`, begins with `line`. Raises StateError."""
    try:
        text = line.decode()
        if not text.endswith(_BREAK):
            raise ValueError("its first line is cut off")
        head = json.loads(text.removesuffix(_BREAK) + "}", object_pairs_hook=no_duplicates, parse_constant=no_constant)[
            "version"
        ]
        if head.pop("sha256") != digest(head):
            raise ValueError("its checksum does not match its content")
        if head["format_version"] != FORMAT_VERSION:
            raise ValueError(f"its format is {head['format_version']}; this flowplan reads {FORMAT_VERSION}")
        change = None if head["change"] is None else _change(head["change"])
        return Version(bounds.name(head["lineage"]), _count(head["serial"]), _count(head["resources"]), change)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise StateError(f"{name} is not a version of a state: {reason(error)}", hint=None) from None


def head_of(document: bytes, name: str) -> Version:
    """The version that `document`, called `name`, says it is, or what there is of its beginning. Raises StateError."""
    line, _, _ = document[:HEAD_LIMIT].partition(b"\n")
    return read_head(line + b"\n", name)


def load_version(
    data: bytes, name: str, lineage: str, serial: int, load: Callable[[bytes, str], State] = load
) -> State:
    """The state in the document `data`, called `name`, which `load` reads, and which must be version `serial` of
    `lineage`. Raises StateError."""
    line, _, rest = data.partition(b"\n")
    version = read_head(line + b"\n", name)
    if len(data) > SIZE_LIMIT or not rest.endswith(_END):
        raise StateError(f"{name} is cut off", hint=None)
    state = load(rest.removesuffix(_END), name)
    if not (state.lineage, state.serial) == (version.lineage, version.serial) == (lineage, serial):
        raise StateError(f"{name} holds a different state than it says", hint=None)
    return state


def _change(value: Any) -> Change:
    counts = ("added", "changed", "removed")
    checked: dict[str, Any] = {key: _count(item) if key in counts else _text(item) for key, item in value.items()}
    return Change(**checked)


def _text(value: Any) -> str:
    if type(value) is not str:
        raise ValueError(f"expected a text, got {value!r}")
    return value


def _count(value: Any) -> int:
    if type(value) is not int or not 0 <= value < 2**53:
        raise ValueError(f"expected a number, got {value!r}")
    return value


@frozen
class PutBack:
    """What putting another state in its place makes of the state. `forgotten`: what the state holds and the other does
    not, whose objects flowplan would no longer know; `over`: what the other holds that this stack has ended since, and
    that is left out."""

    state: State
    forgotten: tuple[Binding, ...] = ()
    over: tuple[Binding, ...] = ()


def put_back(version: State, now: State) -> PutBack:
    """`version`, an earlier state of the same stack, in the place of `now`.

    What is known of objects stays known: a bid whose successor was made stands beside it, what was ended is over, a
    saved plan that was applied is applied, a volume that this stack did not create keeps its content, a job that is
    done stays done, what has prevent_destroy keeps it, a lifetime is the one recorded last, and what was released stays
    so unless the version holds it. The serial is the higher one: the next save goes on from there."""
    ends = {_object(binding): binding.ended for binding in now.bindings.values()}
    guarded = {_object(binding): binding.protected for binding in now.bindings.values()}
    policies = {_object(binding): binding.protected_by for binding in now.bindings.values()}
    lifetimes = {_object(binding): binding.lifetime for binding in now.bindings.values()}
    over = {a for a, b in version.bindings.items() if b.id in now.ended and _object(b) not in ends}
    kept = {
        address: attrs.evolve(
            binding,
            ended=ends.get(_object(binding)) or binding.ended,
            protected=guarded.get(_object(binding)) or binding.protected,
            protected_by=policies.get(_object(binding), binding.protected_by),
            lifetime=lifetimes.get(_object(binding), binding.lifetime),
        )
        for address, binding in version.bindings.items()
        if address not in over
    }
    kept = _beside_successors(kept, now)
    ids = _objects(kept)
    state = attrs.evolve(
        version,
        serial=max(version.serial, now.serial),
        bindings=consistent(kept),
        released=(version.released | now.released) - {id for id, _ in ids},
        adopted=version.adopted | now.adopted,
        plans=now.plans or version.plans,
        put_back=max(version.put_back, now.put_back),
        ended=with_ended(version.ended, now.ended),
        placed=with_placed(version.placed, now.placed),
    ).with_ledger_of(now)
    forgotten = _lacking(now, ids)
    return PutBack(state, forgotten, tuple(version.bindings[one] for one in sorted(over, key=in_order)))


def replaced(new: State, now: State) -> PutBack:
    """`new` in the place of `now`. Of an earlier state of the same stack it is what `put_back` makes. A later one knows
    what it has ended, released or replaced itself, and forgets what it says nothing of; ports go with their bid. Of
    another stack nothing stays but what both hold."""
    if new.lineage != now.lineage:
        return PutBack(new, _lacking(now, _objects(new.bindings)))
    if new.serial <= now.serial:
        return put_back(new, now)
    let_go = new.ended.keys() | new.released | new.paid.keys()
    lacking = (one for one in _lacking(now, _objects(new.bindings)) if one.address.kind != "ports")
    return PutBack(new.with_ledger_of(now), tuple(one for one in lacking if one.id not in let_go))


def _lacking(now: State, ids: Container[tuple[str, bool]]) -> tuple[Binding, ...]:
    """What `now` holds of which the object is not one of `ids`."""
    bound = (now.bindings[address] for address in sorted(now.bindings, key=in_order))
    return tuple(binding for binding in bound if _object(binding) not in ids)


def _objects(bindings: Mapping[Address, Binding]) -> set[tuple[str, bool]]:
    return {_object(binding) for binding in bindings.values()}


def _beside_successors(bindings: Mapping[Address, Binding], now: State) -> dict[Address, Binding]:
    """`bindings` in which each bid that has a successor by `now`, and is still there, stands where it does now, with
    the successor and its ports at its address."""
    found = dict(bindings)
    for earlier, binding in now.bindings.items():
        address, known = earlier.current, bindings.get(earlier.current)
        if earlier.is_earlier and known is not None and known.id == binding.id and address in now.bindings:
            found.pop(Address("ports", address.name), None)
            both = (earlier, address, Address("ports", address.name))
            found |= {one: now.bindings[one] for one in both if one in now.bindings}
    return found


def _object(binding: Binding) -> tuple[str, bool]:
    """What tells an object from every other one: ports have their bid's id."""
    return binding.id, binding.address.kind == "ports"
