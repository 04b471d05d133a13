"""What a key of a mapping is for, and which values it takes. The reader asks for the names, the JSON Schema for all of
it. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

from attrs import field

from flowplan.classes import frozen


@frozen
class Value:
    """One scalar, or a value whose form the reader alone knows. `schema`: as JSON Schema says it."""

    schema: dict[str, object]


@frozen
class Within:
    """A mapping with keys of its own. `empty`: it may be written without anything in it, and is then absent."""

    keys: Keys
    empty: bool = False


@frozen
class ListOf:
    """A list. `least`: how many items it has at least; `one`: the item alone stands for a list of one."""

    of: Kind
    least: int = 1
    one: bool = False
    empty: bool = False  # as of Within


@frozen
class Named:
    """A mapping of names, each with a value of one kind. `names`: a pattern; `bare`: a name may have no value."""

    names: str
    of: Kind
    bare: bool = False


@frozen
class Either:
    """A value of one of these kinds."""

    kinds: Sequence[Kind]


Kind: TypeAlias = Value | Within | ListOf | Named | Either


@frozen
class Key:
    """`kind`: its values; `says`: what it is for, in a sentence. `default`: the value that holds without it."""

    kind: Kind
    says: str
    default: object = None


@frozen
class Keys:
    """The keys a mapping may have, and what people write instead of them. `example`: how the mapping looks.
    `required`: the keys that it cannot do without."""

    fields: Mapping[str, Key]
    example: str
    instead: Mapping[str, str] = field(factory=dict)
    required: tuple[str, ...] = ()
    known: tuple[str, ...] = field(init=False)
    every: frozenset[str] = field(init=False)

    def __attrs_post_init__(self) -> None:
        object.__setattr__(self, "known", tuple(self.fields))
        object.__setattr__(self, "every", frozenset(self.fields))


# ---- scalars ------------------------------------------------------------------------------------------------

TEXT = Value({"type": "string"})
NAMES = ListOf(TEXT, one=True)
FLAG = Value({"type": "boolean"})
AMOUNT = Value({"type": ["number", "string"]})  # a number above zero, whose text is taken, in quotes or not
MAPPING = Value({"type": "object"})
ANY = Value({})


def whole(low: int, high: int) -> Value:
    """A whole number in this range."""
    return Value({"type": "integer", "minimum": low, "maximum": high})


def one_of(*values: object) -> Value:
    """Exactly one of these."""
    return Value({"enum": list(values)})
