"""What the cloud offers: instance types, their auctions, projects, SSH keys; and how users name them. Pure.

API names of instance types are not unique (two ids share `h100-80gb.sxm.8x`), so everything is keyed on
ids, and the id that has an auction in the wanted region decides.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from types import MappingProxyType

from attrs import field

from flowplan.classes import frozen
from flowplan.errors import CloudError

# Dollars per GPU-hour (Foundry's own table).
PRIORITIES: Mapping[str, Decimal] = MappingProxyType(
    {
        "critical": Decimal("14.99"),
        "high": Decimal("12.29"),
        "standard": Decimal("4.24"),
        "low": Decimal("2.00"),
    }
)


@frozen
class InstanceType:
    """One instance type. `gpus` per instance, `gpu_memory_gb` per GPU."""

    id: str
    name: str
    gpu_type: str
    gpus: int
    gpu_memory_gb: int = 0
    gpu_socket: str = ""
    network_type: str | None = None


@frozen
class Auction:
    """One (instance type, region) pair. Prices in dollars per instance-hour, None when unknown."""

    id: str
    instance_type: str
    region: str
    capacity: int
    last_price: Decimal | None
    lowest_allocated: Decimal | None = None


@frozen
class Named:
    """A project or an SSH key."""

    id: str
    name: str

    def is_called(self, text: str) -> bool:
        """Whether `text` is its id or its name. A letter with an accent may be one character or two: keyboards, files
        and clouds differ in that, and nobody sees it."""
        return text == self.id or text == self.name or _composed(text) == _composed(self.name)


def _composed(text: str) -> str:
    if text.isascii():
        return text
    from unicodedata import normalize  # most names need none

    return normalize("NFC", text)


@frozen
class SshKey(Named):
    """An SSH key. `required`: every new bid of the project must name it."""

    required: bool = False


SPOT, STORAGE = "Spot", "Storage"  # the products that quotas here are of


@frozen
class Quota:
    """How much a project may use at once, and uses: of `SPOT` instances of a type, of `STORAGE` GB."""

    product: str
    name: str
    units: str
    total: int
    used: int
    instance_type: str | None = None


@frozen
class Catalogue:
    """All of it, as listed at one moment. `unread`: why lists that would be part of it could not be fetched."""

    types: tuple[InstanceType, ...]
    auctions: tuple[Auction, ...]
    ssh_keys: tuple[SshKey, ...] = ()
    unread: tuple[CloudError, ...] = ()
    _by_id: dict[str, InstanceType] = field(init=False, eq=False, repr=False)
    _at: dict[tuple[str, str], Auction] = field(init=False, eq=False, repr=False)
    _of: dict[str, list[Auction]] = field(init=False, eq=False, repr=False)

    def __attrs_post_init__(self) -> None:
        object.__setattr__(self, "_by_id", {kind.id: kind for kind in self.types})
        object.__setattr__(self, "_at", {(a.instance_type, a.region): a for a in self.auctions})
        of: dict[str, list[Auction]] = {}
        for auction in self.auctions:
            of.setdefault(auction.instance_type, []).append(auction)
        object.__setattr__(self, "_of", of)

    def type(self, id: str) -> InstanceType | None:
        """The type with this id; None: it is not listed."""
        return self._by_id.get(id)

    def auction(self, instance_type: str, region: str) -> Auction | None:
        """The auction of a type (its id) in a region; None: there is none now."""
        return self._at.get((instance_type, region))

    def auctions_of(self, instance_type: str) -> list[Auction]:
        """The auctions of a type (its id) in all regions, in the order of the list."""
        return self._of.get(instance_type, [])

    @property
    def regions(self) -> tuple[str, ...]:
        """The regions in which something is offered now, sorted."""
        return tuple(sorted({auction.region for auction in self.auctions}))


Place = tuple[str, str]  # instance type id, region
