"""Addresses: the names of resources in a configuration, a state and a plan."""

from __future__ import annotations

from typing import Literal, TypeAlias

from flowplan.classes import frozen
from flowplan.patterns import regex
from flowplan.printable import Natural, natural

Kind: TypeAlias = Literal["volume", "bid", "ports"]
KINDS: tuple[Kind, ...] = ("volume", "bid", "ports")


_GENERATION = "@g"  # no name in a file has an @
# The key of an instance behind a name, as people write it: a regular expression. Quotes may be left out.
KEYED = r'(?:\[(?:"[A-Za-z0-9._-]+"|[A-Za-z0-9._-]+)\])?'
_BARE = regex(r"[A-Za-z0-9][A-Za-z0-9._-]*" + KEYED)
_LONGEST = 200  # characters of a name and its key that a file can write


@frozen(cache_hash=True)
class Address:
    """Where a resource stands in the configuration: `volume.data`, `bid.train`, `ports.train`."""

    kind: Kind
    name: str

    def __str__(self) -> str:
        return f"{self.kind}.{self.name}"

    @classmethod
    def parse(cls, text: str) -> Address:
        """The address written as `text`. Raises ValueError, saying what an address looks like."""
        kind, dot, name = text.partition(".")
        for known in KINDS:
            if kind == known and dot and name:
                return cls(known, name)
        raise ValueError(f"{text!r} is not an address: expected volume.NAME, bid.NAME or ports.NAME")

    @classmethod
    def given(cls, text: str) -> Address:
        """The address that somebody gives as `text`: `task.train` is its bid, and `bid.train[a]`, as a shell leaves it,
        is `bid.train["a"]`. Raises ValueError, saying what an address looks like."""
        kind, dot, name = text.partition(".")
        if kind == "task" and dot and name:
            return cls("bid", spelled(name))
        try:
            found = cls.parse(text)
        except ValueError:
            from flowplan.diagnostics import ADDRESS_KINDS, looks_like  # what a mistake costs

            if not dot and _BARE.fullmatch(text):
                meant = f"; did you mean task.{text} or volume.{text}?"
            else:
                near = looks_like(kind, ADDRESS_KINDS) if dot and name else None
                meant = f"; did you mean {near}.{name}?" if near else ""
            raise ValueError(
                f"{text!r} is not an address: expected volume.NAME, bid.NAME, ports.NAME or task.NAME{meant}"
            ) from None
        return cls(found.kind, spelled(found.name))

    @classmethod
    def new(cls, text: str) -> Address:
        """As `given`, for something that is to get this address: one that a file can name, since what no file names is
        taken away. Raises ValueError."""
        found = cls.given(text)
        if found.is_earlier:
            raise ValueError(
                f"{found} is the address that flowplan gives an earlier {found.kind} until it is destroyed; "
                "choose one without @g"
            )
        if not _BARE.fullmatch(found.name) or len(found.name) > _LONGEST:
            raise ValueError(
                f"no file can name {text[:_LONGEST]!r}: a name has at most {_LONGEST} letters, digits and . _ -, and "
                "begins with a letter or a digit"
            )
        return found

    @property
    def word(self) -> str:
        """As a shell reads it, in a command that somebody is to type: `'bid.train["a"]'`."""
        from shlex import quote

        return quote(str(self))

    @property
    def base(self) -> str:
        """The name without the key that `for_each` gave it."""
        return self.current.name.partition("[")[0]

    @property
    def key(self) -> str | None:
        """The key that `for_each` gave it; None: none."""
        return self.current.name.partition("[")[2][1:-2] or None

    def of_generation(self, generation: int) -> Address:
        """Where an earlier object of this address stands once its successor is made: `bid.train@g1`."""
        return Address(self.kind, f"{self.current.name}{_GENERATION}{generation}")

    @property
    def current(self) -> Address:
        """The address of the successor, of one that an earlier object has; else this one itself."""
        name, generation, _ = self.name.partition(_GENERATION)
        return Address(self.kind, name) if generation else self

    def followed_by(self, earlier: Address) -> Address:
        """Where the `earlier` object of another address stands once that is called as this one is."""
        return Address(self.kind, f"{self.name}{earlier.name.removeprefix(earlier.current.name)}")

    @property
    def is_earlier(self) -> bool:
        """Whether an earlier object stands here, whose successor is made."""
        return _GENERATION in self.name


def instance_name(name: str, key: str) -> str:
    """The name, in an address, of the instance `key` of `name`: `train["a"]`."""
    return f'{name}["{key}"]'


def spelled(name: str) -> str:
    """`name` as addresses have it: its key in quotes."""
    base, bracket, key = name.partition("[")
    return instance_name(base, key[:-1].strip('"')) if bracket and key.endswith("]") else name


def in_order(address: Address) -> tuple[str, Natural]:
    """The order of addresses everywhere, as a key: by kind, then by name, a-2 before a-10."""
    return address.kind, natural(address.name)


# A volume as a bid refers to it: its address while it is not created, its id (`vol_...`) once it is.
Ref: TypeAlias = Address | str
