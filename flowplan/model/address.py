"""Addresses: the names of resources in a configuration, a state and a plan."""

from __future__ import annotations

from operator import attrgetter
from typing import Literal, TypeAlias

from attrs import frozen

Kind: TypeAlias = Literal["volume", "bid", "ports"]
KINDS: tuple[Kind, ...] = ("volume", "bid", "ports")


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

    @property
    def base(self) -> str:
        """The name without the key that `for_each` gave it."""
        return self.name.partition("[")[0]

    @property
    def key(self) -> str | None:
        """The key that `for_each` gave it; None: none."""
        return self.name.partition("[")[2][1:-2] or None


def instance_name(name: str, key: str) -> str:
    """The name, in an address, of the instance `key` of `name`: `train["a"]`."""
    return f'{name}["{key}"]'


# The order of addresses everywhere. A key, because comparing attrs objects one by one costs ten times as much.
in_order = attrgetter("kind", "name")
# A volume as a bid refers to it: its address while it is not created, its id (`vol_...`) once it is.
Ref: TypeAlias = Address | str
