"""The state as JSON: what is written, and what is read back strictly."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from functools import cache
from typing import TYPE_CHECKING, Any

from flowplan import __version__
from flowplan.errors import StateError
from flowplan.model import bounds
from flowplan.model.address import Address, Ref, in_order
from flowplan.model.resources import CLASSES, Bid, Inputs, Mount, PortMapping, Resource, Script, Volume
from flowplan.state.state import AppliedPlan, Binding, State, twice

if TYPE_CHECKING:
    from cattrs import Converter


FORMAT_VERSION = 1
SIZE_LIMIT = 256 * 1024 * 1024  # bytes; nothing flowplan writes comes near it


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
    for name in ("released", "adopted"):
        if ids := getattr(state, name):
            body[name] = sorted(ids)
    if state.plans:
        body["plans"] = [encode(plan) for plan in state.plans]
    if state.ended:
        body["ended"] = dict(sorted(state.ended.items()))
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
            lineage=bounds.name(body["lineage"]),
            serial=_serial(body["serial"]),
            **{key: _text(body[key]) for key in ("stack", "api_url", "project", "project_name")},
            bindings={binding.address: binding for binding in bindings},
            outputs=_object(body["outputs"]),
            released=frozenset(map(_text, body.get("released", ()))),
            adopted=frozenset(map(_text, body.get("adopted", ()))),
            plans=tuple(converter().structure(plan, AppliedPlan) for plan in body.get("plans", ())),
            ended={_text(id): _seconds(at) for id, at in dict(body.get("ended", {})).items()},
        )
    except Exception as error:
        raise StateError(f"{name} is not a state file of flowplan: {reason(error)}", hint=RESTORE) from error
    _hold_invariants(state, bindings, name)
    return state


RESTORE = "`flowplan state restore` puts the last good version back"


def _checked(data: bytes, name: str) -> dict[str, Any]:
    if not data.strip(b"\0 \r\n\t"):
        raise StateError(f"{name} is empty; an empty state never means that nothing exists", hint=RESTORE)
    if len(data) > SIZE_LIMIT:
        raise StateError(f"{name} is too large to be a state file: {len(data):,} bytes")
    try:
        body = json.loads(data, object_pairs_hook=no_duplicates, parse_constant=no_constant)
    except (ValueError, RecursionError) as error:
        raise StateError(f"{name} cannot be read: {reason(error)}", hint=RESTORE) from None
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


def hold_distinct(bindings: Iterable[Binding], name: str) -> None:
    """Raise StateError where two addresses have one id: one of them is wrong, and which cannot be seen here."""
    for id, addresses in twice(bindings).items():
        raise StateError(
            f"{name} names an object's id twice: {id} as {' and '.join(map(str, addresses))}", hint=RESTORE
        )


def _hold_invariants(state: State, bindings: Sequence[Binding], name: str) -> None:
    if len(state.bindings) != len(bindings):
        raise StateError(f"{name} names an address twice", hint=RESTORE)
    hold_distinct(bindings, name)
    for binding in bindings:
        if not isinstance(binding.applied, CLASSES[binding.address.kind]):
            raise StateError(f"{name}: {binding.address} does not hold a {binding.address.kind}", hint=RESTORE)
        dangling = [need for need in binding.needs if need not in state.bindings]
        if dangling:
            raise StateError(f"{name}: {binding.address} needs {dangling[0]}, which is not there", hint=RESTORE)


def digest(value: Any) -> str:
    """sha256 of the canonical JSON of `value`."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


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
    made.register_unstructure_hook(Mount, make_dict_unstructure_fn(Mount, made, created=bare))
    made.register_structure_hook(Mount, make_dict_structure_fn(Mount, made, created=bare))
    plain = make_dict_unstructure_fn(Inputs, made)
    made.register_unstructure_hook(Inputs, lambda inputs: plain(inputs.shown))
    told = override(omit_if_default=True)  # a state without them is read by older flowplans
    made.register_unstructure_hook(Volume, make_dict_unstructure_fn(Volume, made, capacity_gb=told, untold=told))
    made.register_unstructure_hook(Bid, make_dict_unstructure_fn(Bid, made, untold=told))
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
            _path(value.get("source", "")),
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
        raise ValueError("a key stands twice")
    return made


def no_constant(text: str) -> Any:
    """For json.loads: raises ValueError for NaN and infinities."""
    raise ValueError(f"{text} is not JSON")


def reason(error: BaseException) -> str:
    """One line of what a library said, cut to 200 characters."""
    text = str(error).splitlines()[0] if str(error) else type(error).__name__
    return text if len(text) < 200 else text[:200] + "..."
