"""The state as JSON: what is written, and what is read back strictly.

Every class is written field by field, so that none is forgotten; what a field's metadata say differs from that:
`{"kept": "never"}` it is left out, `{"kept": "if_set"}` it is left out while it has its default, so that a state
without it is read by older flowplans. A new field of a state is `if_set`. `{"key": NAME}`: what the state calls it,
where that is another name.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Set
from datetime import datetime
from decimal import Decimal
from functools import cache, partial
from operator import is_
from typing import TYPE_CHECKING, Any

import attrs

from flowplan import __version__
from flowplan.clock import Moment
from flowplan.errors import Damaged, StateError
from flowplan.model import bounds
from flowplan.model.address import Address, Ref, in_order
from flowplan.model.digest import digest
from flowplan.model.lifecycle import Bounds
from flowplan.model.resources import CLASSES, Bid, Inputs, PortMapping, Resource, Volume
from flowplan.patterns import regex
from flowplan.state.lines import is_intact, written
from flowplan.state.paid import Paid
from flowplan.state.state import ENDS, Binding, State, by_api, twice

if TYPE_CHECKING:
    from cattrs import Converter


FORMAT_VERSION = 2
SEALED_FORMAT = 3  # of a whole state, see form.py; flowplans that know no seal refuse it as a later one
PACKED_FORMAT = 4  # of one that was compressed before it was sealed, as kept versions are
# What an earlier flowplan does not know of a state it would drop with its next save. It refuses a later format: a state
# that has one of these is of format 2, every other one of format 1.
_FORMAT_2 = ("paid", "paid_since", "moved_to", "moving_from", "moved_as")
# When a bid of the stack was placed last: all that an earlier flowplan knows of `placed`. It goes by that for each bid.
_PLACED_AT = "placed_at"
_PLACED_BY = "placed_by"
_PAID_KEYS = ({"address", "amount", "at"}, {"address", "amount", "at", "hours", "read_at"})
_BILLED = regex(r"[0-9]{1,15}\.[0-9]{6}", re.ASCII)
SIZE_LIMIT = 256 * 1024 * 1024  # bytes; nothing flowplan writes comes near it


def dump(state: State) -> bytes:
    """The state file: JSON, resources sorted by address and a line for each, with the digest of everything else.
    Raises StateError for a state that `load` would refuse: nothing is written that cannot be read."""
    _hold_invariants(state, "the new state", is_new=True)
    version = FORMAT_VERSION if any(getattr(state, name) for name in _FORMAT_2) else 1
    head = {"format_version": version, "flowplan_version": __version__}
    return written({**head, **converter().unstructure(state)})


def load(data: bytes, name: str) -> State:
    """Read a state file; `name` is for messages. Raises StateError, never takes damage for an empty state."""
    body = _checked(data, name)
    stated = body.pop("sha256", None)
    if not is_intact(data, body, stated) and stated != digest(body):  # the second takes longer, and knows any layout
        raise Damaged(f"{name} is damaged: its checksum does not match its content")
    try:
        state = converter().structure(body, State)
    except misfits() as error:
        raise Damaged(f"{name} is not a state file of flowplan: {reason(error)}") from error
    if len(state.bindings) != len(body["resources"]):
        raise Damaged(f"{name} names an address twice")
    _hold_invariants(state, name)
    return state


def _checked(data: bytes, name: str) -> dict[str, Any]:
    if not data.strip(b"\0 \r\n\t"):
        raise Damaged(f"{name} is empty; an empty state file never means that nothing exists")
    if len(data) > SIZE_LIMIT:
        raise StateError(f"{name} is too large to be a state file: {len(data):,} bytes")
    try:
        body = json.loads(data, object_pairs_hook=no_duplicates, parse_constant=no_constant)
    except (ValueError, RecursionError) as error:
        raise Damaged(f"{name} cannot be read: {reason(error)}") from None
    if not isinstance(body, dict) or "format_version" not in body:
        raise Damaged(f"{name} is not a state file of flowplan")
    version = body["format_version"]
    if type(version) is not int or version < 1:
        raise Damaged(f"{name} has no valid format_version")
    if version == SEALED_FORMAT and "sealed" in body:
        raise StateError(f"{name} is an encrypted state", hint="`flowplan state pull` prints one in the clear")
    if version > FORMAT_VERSION:
        by = body.get("flowplan_version")
        raise StateError(
            f"{name} was written by flowplan {by} in format {version}; this is flowplan {__version__}, "
            f"which reads formats up to {FORMAT_VERSION}",
            hint="use a newer flowplan",
        )
    return body


def hold_distinct(bindings: Iterable[Binding], name: str) -> None:
    """Raise StateError where two addresses have one id: one of them is wrong, and which cannot be seen here."""
    for id, addresses in twice(bindings).items():
        raise Damaged(f"{name} records an id twice: {id} as {' and '.join(map(str, addresses))}")


def _hold_invariants(state: State, name: str, *, is_new: bool = False) -> None:
    """`is_new`: it is to be written, and no version that is restored helps."""
    bindings = state.bindings.values()
    hold_distinct(bindings, name)
    for binding in bindings:
        if not isinstance(binding.applied, CLASSES[binding.address.kind]):
            raise Damaged(f"{name}: {binding.address} does not hold a {binding.address.kind}")
        dangling = [need for need in binding.needs if need not in state.bindings]
        if dangling:
            said = f"{name}: {binding.address} needs {dangling[0]}, which is missing"
            raise StateError(said, hint=_taking_back(dangling[0])) if is_new else Damaged(said)


def _taking_back(lost: Address) -> str:
    """What to do where an older state was put in the place of one that had `lost`."""
    return (
        f"perhaps somebody put back an older state, which lacks it: if it is live, `flowplan import {lost.word} ID` "
        "takes it into the state; that command says the id if you give it the name in the place of ID"
    )


@cache
def converter() -> Converter:
    """Strict in both directions: no coercion, unknown keys are errors; money and addresses are strings."""
    from cattrs import Converter

    made = Converter(forbid_extra_keys=True, detailed_validation=False)
    made.register_unstructure_hook_factory(attrs.has, lambda cls: _writer(made, cls))
    made.register_structure_hook_factory(attrs.has, lambda cls: _reader(made, cls))
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
    # Each is compiled when it is first needed: what only looks writes no state, and a first apply reads none.
    for cls, out in ((Bounds, _bounds_out), (Inputs, _inputs_out), (Binding, _binding_out), (State, _state_out)):
        made.register_unstructure_hook_factory(partial(is_, cls), lambda _, out=out: out(made))
    for cls, into in ((Bounds, _bounds_in), (Binding, _binding_in), (State, _state_in)):
        made.register_structure_hook_factory(partial(is_, cls), lambda _, into=into: into(made))
    return made


def _writer(made: Converter, cls: type[Any], **special: Any) -> Callable[[Any], dict[str, Any]]:
    """What writes a `cls`, every field in its order, as the fields' metadata say. `special`: for some fields, how."""
    from cattrs.gen import make_dict_unstructure_fn, override

    how: dict[str, dict[str, Any]] = {"never": {"omit": True}, "if_set": {"omit_if_default": True}, "always": {}}
    fields = {one.name: {**how[one.metadata.get("kept", "always")], **_key(one)} for one in attrs.fields(cls)}
    each = {name: override(**{**keywords, **special.get(name, {})}) for name, keywords in fields.items()}
    return make_dict_unstructure_fn(cls, made, **each)  # type: ignore[arg-type]  # its own keywords are private


def _reader(made: Converter, cls: type[Any], **special: Any) -> Callable[[Any, Any], Any]:
    """What reads the same back."""
    from cattrs.gen import make_dict_structure_fn, override

    left_out = {one.name: {"omit": True} for one in attrs.fields(cls) if one.metadata.get("kept") == "never"}
    renamed = {one.name: key for one in attrs.fields(cls) if (key := _key(one))}
    each = {name: override(**keywords) for name, keywords in {**left_out, **renamed, **special}.items()}
    return make_dict_structure_fn(cls, made, **each)  # type: ignore[arg-type]


def _key(field: attrs.Attribute[Any]) -> dict[str, Any]:
    return {"rename": field.metadata["key"]} if "key" in field.metadata else {}


def _always_written(cls: type[Any]) -> set[str]:
    return {one.name for one in attrs.fields(cls) if "kept" not in one.metadata}


def _hold_complete(value: Mapping[str, Any], needed: Set[str]) -> None:
    """Raise KeyError where one of the keys `needed` is missing."""
    if not needed <= value.keys():
        raise KeyError(min(needed - value.keys()))


def _bounds_out(made: Converter) -> Callable[[Bounds], dict[str, Any]]:
    return _writer(made, Bounds, max_hours=_EXACT, end_at={"unstruct_hook": _written})


def _bounds_in(made: Converter) -> Callable[[Any, Any], Bounds]:
    return _reader(made, Bounds, end_at={"struct_hook": lambda value, _: None if value is None else _moment(value)})


def _inputs_out(made: Converter) -> Callable[[Inputs], dict[str, Any]]:
    plain = _writer(made, Inputs)
    return lambda inputs: plain(inputs.shown)


def _state_out(made: Converter) -> Callable[[State], dict[str, Any]]:
    plain = _writer(
        made,
        State,
        bindings={
            "rename": "resources",
            "unstruct_hook": lambda bindings: [
                made.unstructure(bindings[address]) for address in sorted(bindings, key=in_order)
            ],
        },
        released={"unstruct_hook": sorted},
        adopted={"unstruct_hook": sorted},
        ended={"unstruct_hook": lambda ended: dict(sorted(ended.items()))},
        placed={"unstruct_hook": lambda placed: {id: at.by_server for id, at in sorted(placed.items())}},
        paid={"unstruct_hook": lambda ledger: {id: _paid_out(one) for id, one in sorted(ledger.items())}},
    )

    def out(state: State) -> dict[str, Any]:
        body = plain(state)
        if not state.placed:
            return body
        by_clocks = {id: made.unstructure(at) for id, at in sorted(state.placed.items())}
        return body | {_PLACED_BY: by_clocks, _PLACED_AT: max(body["placed"].values())}

    return out


def _state_in(made: Converter) -> Callable[[Any, Any], State]:
    def bindings(value: Any, _: Any) -> dict[Address, Binding]:
        found: list[Binding] = [made.structure(entry, Binding) for entry in value]
        return {binding.address: binding for binding in found}

    text = {"struct_hook": lambda value, _: _text(value)}
    place = {"struct_hook": lambda value, _: _path(value)}  # a URL, or the name of a file
    names = {"struct_hook": lambda value, _: frozenset(map(_text, value))}
    times = {"struct_hook": lambda value, _: {_text(id): _seconds(at) for id, at in dict(value).items()}}
    plain = _reader(
        made,
        State,
        lineage={"struct_hook": lambda value, _: bounds.name(value)},
        serial={"struct_hook": lambda value, _: _serial(value)},
        put_back={"struct_hook": lambda value, _: _serial(value)},
        paid_since={"struct_hook": lambda value, _: _serial(value)},
        **dict.fromkeys(("stack", "project", "project_name", "name_prefix", "applied_as"), text),
        **dict.fromkeys(("api_url", "moved_to", "moving_from", "moved_as"), place),
        bindings={"rename": "resources", "struct_hook": bindings},
        outputs={"struct_hook": lambda value, _: _object(value)},
        released=names,
        adopted=names,
        ended=times,
        placed={"struct_hook": lambda value, cls: by_api(times["struct_hook"](value, cls))},
        paid={"struct_hook": lambda value, _: {_text(id): _paid_in(one) for id, one in dict(value).items()}},
    )
    needed = _always_written(State) - {"bindings"} | {"resources"}
    known = needed | {one.name for one in attrs.fields(State)}

    def read(value: Any, cls: Any) -> State:
        _hold_complete(value, needed)
        found: State = plain({key: item for key, item in value.items() if key in known}, cls)
        by_clocks = {_text(id): made.structure(at, Moment) for id, at in dict(value.get(_PLACED_BY, {})).items()}
        last = _seconds(value[_PLACED_AT]) if _PLACED_AT in value else 0.0
        return _placed_by_then(_by_every_clock(found, by_clocks), last)

    return read


def _placed_by_then(state: State, last: float) -> State:
    """`state`, of which a bid was placed last at `last` (0: that is not known). Where none of those placed is that one,
    an earlier flowplan has saved it, which does not say which it was: any may be."""
    if not last or last in {at.by_server for at in state.placed.values()}:
        return state
    bids = (binding.id for address, binding in state.bindings.items() if address.kind == "bid")
    return attrs.evolve(state, placed={**dict.fromkeys(bids, Moment.of_api(last)), **state.placed})


def _by_every_clock(state: State, known: Mapping[str, Moment]) -> State:
    """`state` with what is `known` of when bids were placed; of one that an earlier flowplan has placed since, that is
    of another bid."""
    if not known:
        return state
    told = {id: known[id] for id, at in state.placed.items() if id in known and known[id].by_server == at.by_server}
    return attrs.evolve(state, placed={**state.placed, **told})


def _paid_out(one: Paid) -> dict[str, Any]:
    """To the millionth of a dollar: a sum of many bids is rounded when it is shown, not in each of them."""
    amount = None if one.amount is None else f"{one.amount:.6f}"
    found = {"address": str(one.address), "amount": amount, "at": one.at}
    return found if one.hours is None else {**found, "hours": f"{one.hours:.6f}", "read_at": one.read_at}


def _paid_in(value: Any) -> Paid:
    if not isinstance(value, dict) or value.keys() not in _PAID_KEYS:
        raise ValueError(f"{value!r} is not what a bid was billed")
    amount, address = value["amount"], Address.parse(_text(value["address"]))
    if address.kind != "bid":
        raise ValueError(f"{address} is not the address of a bid")
    known = Paid(address, None if amount is None else _billed(amount), _seconds(value["at"]))
    if "hours" not in value:  # it was written when no bill was read, or before hours were kept
        return known
    return attrs.evolve(known, hours=_billed(value["hours"]), read_at=_seconds(value["read_at"]))


def _billed(value: Any) -> Decimal:
    """A sum, which may be more than any price."""
    if not _BILLED.fullmatch(_text(value)):
        raise ValueError(f"{value!r} is not an amount")
    return Decimal(value)


def _binding_out(made: Converter) -> Callable[[Binding], dict[str, Any]]:
    plain = _writer(made, Binding)

    def out(binding: Binding) -> dict[str, Any]:
        return {"address": str(binding.address), "type": binding.address.kind, **plain(binding)}

    return out


def _binding_in(made: Converter) -> Callable[[Any, Any], Binding]:
    plain = _reader(
        made,
        Binding,
        address={"struct_hook": lambda value, _: value},
        id={"struct_hook": lambda value, _: _text(value)},
        applied={"struct_hook": lambda value, _: value},
        source={"struct_hook": lambda value, _: _path(value)},
        ended={"struct_hook": lambda value, _: _end(value)},
        protected={"struct_hook": lambda value, _: _path(value)},
        triggers={"struct_hook": lambda value, _: {Address.parse(_text(a)): _text(id) for a, id in value.items()}},
    )
    needed = _always_written(Binding) - {"source"}  # the first states had none
    known = {"type", *(one.name for one in attrs.fields(Binding))}

    def read(value: Any, cls: Any) -> Binding:
        if not value.keys() <= known:
            raise ValueError(f"unknown keys: {', '.join(sorted(value.keys() - known))}")
        _hold_complete(value, needed)
        address = Address.parse(_text(value["address"]))
        body = {**value, "address": address, "applied": made.structure(value["applied"], CLASSES[address.kind])}
        body.pop("type", None)  # the address says it
        return plain(body, cls)  # type: ignore[no-any-return]

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
    found = bounds.plain(value)
    if found is None:
        raise ValueError(f"{value!r} is not an amount")
    return found


def _serial(value: Any) -> int:
    if type(value) is not int or not 0 <= value < 2**53:
        raise ValueError(f"{value!r} is not a serial")
    return value


def _object(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"expected an object, got {value!r}")
    return value


def _seconds(value: Any) -> float:
    if type(value) not in (int, float) or not 0 <= value < 1e11:
        raise ValueError(f"expected seconds since the epoch, got {value!r}")
    return float(value)


def _text(value: Any) -> str:
    if type(value) is not str:
        raise ValueError(f"expected str, got {value!r}")
    value.encode()  # half a character is a ValueError, too
    return value


def _end(value: Any) -> str:
    if value not in ENDS:
        raise ValueError(f"{value!r} is not a way to end")
    return _text(value)


def _moment(value: Any) -> datetime:
    found = datetime.fromisoformat(_text(value))
    if found.tzinfo is None:
        raise ValueError(f"{value!r} has no time zone")
    return found


def _written(value: datetime | None) -> str | None:
    return None if value is None else value.isoformat()


# Hours are no money: they have more places than cents.
_EXACT: dict[str, Any] = {"unstruct_hook": lambda value: None if value is None else f"{value:f}"}


def _path(value: Any) -> str:
    """The name of a file: its bytes need not be characters."""
    if type(value) is not str:
        raise ValueError(f"expected str, got {value!r}")
    value.encode(errors="surrogateescape")
    return value


def _ref(value: Any) -> Ref:
    text = _text(value)
    return Address.parse(text) if text.startswith("volume.") else text


def no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """For json.loads: raises ValueError for a key that stands twice."""
    made = dict(pairs)
    if len(made) != len(pairs):
        raise ValueError("a key appears twice")
    return made


def no_constant(text: str) -> Any:
    """For json.loads: raises ValueError for NaN and infinities."""
    raise ValueError(f"{text} is not JSON")


def misfits() -> tuple[type[Exception], ...]:
    """What reading a value of another shape raises. Not every Exception: a signal handler of a program may raise one of
    its own meanwhile, such as a TimeoutError, and who takes that for damage restores a state that was whole."""
    from cattrs.errors import CattrsError

    return (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError, CattrsError)


def reason(error: BaseException) -> str:
    """One line of what a library said, cut to 200 characters."""
    text = str(error).splitlines()[0] if str(error) else type(error).__name__
    return text if len(text) < 200 else text[:200] + "..."
