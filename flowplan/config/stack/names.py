"""Which names the files give to resources, also where these could not be read. Pure.

What names a resource that is declared and faulty is no problem of its own: it follows from one that is reported.
"""

from __future__ import annotations

from collections.abc import Iterable

from attrs import field

from flowplan.classes import define
from flowplan.model.address import Address, Kind


@define(eq=False)
class Names:
    """The names of tasks (kind bid) and volumes, as addresses without a key. `faulty`: a problem of it was reported;
    `repeated`: it has a for_each; `empty`: one that holds nothing; `unread`: the kinds of which names may be
    missing."""

    declared: set[Address] = field(factory=set)
    faulty: set[Address] = field(factory=set)
    repeated: set[Address] = field(factory=set)
    empty: set[Address] = field(factory=set)
    unread: set[Kind] = field(factory=set)

    def settle(self, made: Iterable[Address]) -> None:
        """What is declared, and came to nothing without being empty, is faulty."""
        self.faulty |= self.declared - self.empty - {Address(one.kind, one.base) for one in made}

    def explain(self, address: Address) -> bool:
        """Whether something that was reported explains why there is no resource at `address`."""
        kind: Kind = "volume" if address.kind == "volume" else "bid"
        return kind in self.unread or Address(kind, address.base) in self.faulty
