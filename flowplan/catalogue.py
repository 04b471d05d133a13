"""What the cloud offers: instance types, their auctions, projects, SSH keys; and how users name them. Pure.

API names of instance types are not unique (two ids share `h100-80gb.sxm.8x`), so everything is keyed on
ids, and the id that has an auction in the wanted region decides.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from decimal import Decimal
from functools import cache

from attrs import field, frozen

from flowplan.errors import CloudError


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
    """All of it, as listed at one moment. `unread`: why lists that would be part of it could not be had."""

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
        return self._by_id.get(id)

    def auction(self, instance_type: str, region: str) -> Auction | None:
        return self._at.get((instance_type, region))

    def auctions_of(self, instance_type: str) -> list[Auction]:
        return self._of.get(instance_type, [])

    @property
    def regions(self) -> tuple[str, ...]:
        return tuple(sorted({auction.region for auction in self.auctions}))


@frozen
class TypeName:
    """A user's name for an instance type, taken apart. `id` and `name` are exact; `gpu`, `gpus` and the
    rest are what the parts of Foundry's spelling and of the short forms say."""

    text: str
    id: str | None = None
    gpu: str | None = None
    gpus: int | None = None
    memory_gb: int | None = None
    socket: str | None = None

    def matches(self, kind: InstanceType) -> bool:
        """Whether `kind` is what the name says; a listed API name always wins (see `find_types`)."""
        if self.gpu is None:
            return False
        return (
            has_word(kind.gpu_type, self.gpu)
            and self.gpus in (None, kind.gpus)
            and self.memory_gb in (None, kind.gpu_memory_gb)
            and (self.socket is None or _same_socket(self.socket, kind.gpu_socket))
        )


_ID = re.compile(r"it_[A-Za-z0-9]+", re.ASCII)
_GPU = r"(?P<gpu>[a-z]+[0-9]+[a-z0-9]*)(?:-(?P<memory>[0-9]+)gb)?"
_GPUS = r"(?P<gpus>[1-9][0-9]{0,2})"
_FOUNDRY = re.compile(_GPU + rf"\.{_GPUS}x(?:\.(?P<socket>[a-z]+[0-9]*))?(?:\.[a-z0-9]+)?", re.I | re.A)
_API = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*(?:\.[a-z0-9]+){0,3}", re.I | re.A)
_API_PARTS = re.compile(r"(?:[a-z]+-)?" + _GPU + rf"(?:\.(?P<socket>[a-z]+))?\.{_GPUS}x", re.I | re.A)
_SHORT = (
    re.compile(rf"{_GPUS}x" + _GPU, re.I | re.A),
    re.compile(_GPU + rf":{_GPUS}", re.I | re.A),
)


@cache
def read_type_name(text: str) -> TypeName:
    """Take apart `h100.8x.SXM5.IB`, `h100-80gb.sxm.8x`, `8xh100`, `h100:8` or `it_...`.

    Raises ValueError when `text` is none of these.
    """
    if text.startswith("it_"):
        if not _ID.fullmatch(text):
            raise ValueError(f"{text!r} is not an instance type id")
        return TypeName(text, id=text)
    for pattern in (*_SHORT, _FOUNDRY, _API_PARTS):
        found = pattern.fullmatch(text)
        if found:
            parts = found.groupdict()
            memory = parts.get("memory")
            return TypeName(
                text,
                gpu=parts["gpu"].lower(),
                gpus=int(parts["gpus"]),
                memory_gb=int(memory) if memory else None,
                socket=parts.get("socket"),
            )
    if not _API.fullmatch(text):
        raise ValueError(f"{text!r} is not an instance type: write h100.8x.SXM5.IB, h100-80gb.sxm.8x, 8xh100 or it_...")
    return TypeName(text)


def find_types(wanted: TypeName, types: Iterable[InstanceType]) -> tuple[InstanceType, ...]:
    """The types that `wanted` may mean: the id, else those of exactly that name, else those whose parts agree."""
    types = tuple(types)
    if wanted.id is not None:
        return tuple(kind for kind in types if kind.id == wanted.id)
    exact = tuple(kind for kind in types if kind.name.lower() == wanted.text.lower())
    return exact or tuple(kind for kind in types if wanted.matches(kind))


def has_word(text: str, word: str) -> bool:
    """Whether `word` stands in `text` as a whole word, ignoring case: "A100" in "NVIDIA A100", not in "A1000"."""
    return re.search(rf"(?<![A-Za-z0-9]){re.escape(word)}(?![A-Za-z0-9])", text, re.IGNORECASE) is not None


def _same_socket(wanted: str, there: str) -> bool:
    """`sxm` in an API name is any generation; where both name one (SXM5, SXM4), it must be the same."""
    one, other = wanted.lower(), there.lower()
    plain, other_plain = one.rstrip("0123456789"), other.rstrip("0123456789")
    return one == other or (plain == other_plain and (one == plain or other == other_plain))
