"""The nodes of the graph: `volume`, `bid` and `ports`. Desired and live are these same classes.

What a change of a field means is written on the field, once (`metadata["change"]`):

    update          changed in place (PATCH)
    replace         the API has no way to change it: cancel, then place again
    input           carried to the instance by the startup script, which runs on first boot only: replace
    destroys_data   replacing destroys what the volume holds: guarded
    follows         belongs to another resource and changes with it

How the state keeps a field is written there, too (`metadata["kept"]`, see state/codec.py), and whether digests leave
it out (digest.py).

The API's names hold here (`limit_price`, `instance_quantity`, `size_gb`, `interface`); Foundry's YAML
spellings are mapped to them in config/task/, the API's own asymmetries in cloud/rows.py and cloud/changing.py.
"""

from __future__ import annotations

import hashlib
import re
import shlex
from collections.abc import Mapping
from decimal import Decimal
from functools import cache, cached_property
from typing import TYPE_CHECKING, Literal, Self, TypeAlias

import attrs
from attrs import field

from flowplan import masking
from flowplan.classes import frozen
from flowplan.model.address import Address, Kind, Ref
from flowplan.model.digest import LEFT_OUT, digest, material, named
from flowplan.patterns import regex

if TYPE_CHECKING:
    from flowplan.model.lifecycle import Bounds

UPDATE, REPLACE, INPUT, DESTROYS_DATA, FOLLOWS = "update", "replace", "input", "destroys_data", "follows"

INPUTS = ("startup_script", "ports", "mounts", "local_disks", "container_image")  # the parts of what a bid carries

Interface: TypeAlias = Literal["Block", "File"]

# The grammars; the first is the API's own (fcp: CreateVolumeRequest.name), the second flowplan's.
VOLUME_NAME = regex(r"[a-z]([-a-z0-9]*[a-z0-9])?", re.ASCII)
VOLUME_NAME_LENGTH = 64
BID_NAME = regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}", re.ASCII)
BID_NAME_LENGTH = 128
_LONGEST = 10  # digits of a generation


def name_at(base: str, key: str | None) -> str:
    """What a task or a volume at that address is called where no name is written, after the prefix of its stack."""
    return base if key is None else f"{base}-{key}"


def name_beside(name: str, generation: int) -> str:
    """What a bid called `name` is called while its predecessor is there: names are unique."""
    suffix = f"-g{generation}"
    return name[: BID_NAME_LENGTH - len(suffix)] + suffix


def generation_in(name: str) -> int | None:
    """The generation in the `name` of a bid, if `name_beside` may have made it; None: it has not."""
    before, mark, digits = name.rpartition("-g")
    made = before and mark and digits.isascii() and digits.isdecimal() and len(digits) < _LONGEST
    return int(digits) if made else None


def is_named_with(prefix: str, name: str, called: str) -> bool:
    """Whether a bid of that `name` may be of the environment whose names begin with `prefix`, in which it is `called`
    so: it has that prefix, and no longer one that ends before the rest of what it is called."""
    if not name.startswith(prefix):
        return False
    generation = generation_in(name)
    names = [called, *([] if generation is None else [name_beside(called, generation)])]
    return not any(name.removeprefix(prefix).endswith(f"-{one.removeprefix(prefix)}") for one in names)


@frozen
class Script:
    """The user's own startup script. Compared by digest; `text` travels only from the file to the API."""

    sha256: str
    size: int = field(metadata=LEFT_OUT)  # bytes of UTF-8
    text: str | None = field(default=None, eq=False, repr=False, metadata={"kept": "never"})

    @classmethod
    def of(cls, text: str) -> Script:
        """A script with its text, its size in bytes of UTF-8, and the SHA-256 of those."""
        data = text.encode()
        return cls(hashlib.sha256(data).hexdigest(), len(data), text)

    @property
    def with_lf(self) -> Script | None:
        """As flowplan sent it when it made LF of every CRLF: bids that run carry it so. None where that is no other
        script, or the text is not known."""
        return Script.of(self.text.replace("\r\n", "\n")) if self.text is not None and "\r\n" in self.text else None


@frozen(order=True)
class PortPair:
    """One published port: EXTERNAL of the instance leads to INTERNAL on it."""

    external: int
    internal: int
    protocol: str = "tcp"

    def __str__(self) -> str:
        return f"{self.external}" if self.external == self.internal else f"{self.external}:{self.internal}"


@frozen
class Mount:
    """A volume mounted at a directory of the instance. `created`: this stack made it, for nothing but this; only then
    may the instance format it. It travels no further than into the startup script."""

    volume: Ref
    mount_point: str
    interface: Interface = field(default="Block", eq=False)
    volume_name: str = field(default="", eq=False)  # a File volume appears under its name
    created: bool = field(default=False, eq=False, metadata={"kept": "never"})


@frozen(order=True)
class LocalDisk:
    """A disk of the instance itself, mounted at a directory; its content dies with the instance."""

    device: str
    mount_point: str


@frozen
class ContainerImage:
    """An image to build (with a context) or pull, and to run before the user's script."""

    image_name: str
    build_context: str | None = None
    run_options: str | None = None

    def __repr__(self) -> str:
        """Of its name alone: a log, a traceback or a notebook shows what holds it, and no listener masks that."""
        return f"ContainerImage(image_name={self.shown.image_name!r})"

    @property
    def shown(self) -> ContainerImage:
        """As it is shown and kept: without values that are, or may be, secret."""
        context, options = self.build_context, self.run_options
        return ContainerImage(
            masking.without_userinfo(self.image_name),
            None if context is None else masking.without_userinfo(context),
            None if options is None else masking.options(options)[0],
        )


_LAST_MOMENT = 253_402_300_799  # the end of the year 9999


@frozen
class Ends:
    """When the instances of a bid shut themselves down: once they have run for `minutes`, at `moment` (seconds since
    the epoch), and, `when_done`, once the startup script has ended."""

    minutes: int | None
    moment: int | None
    when_done: bool

    @classmethod
    def of(cls, lifetime: Bounds | None) -> Self | None:
        """What of `lifetime` the instances of a task can keep themselves; None: nothing."""
        if lifetime is None:
            return None
        hours, end, when_done = lifetime.max_hours, lifetime.end_at, lifetime.cancel_when_done
        if hours is None and end is None and not when_done:
            return None
        minutes = None if hours is None else max(int(hours * 60), 1)
        moment = None if end is None else min(max(int(end.timestamp()), 0), _LAST_MOMENT)
        return cls(minutes, moment, when_done)


@frozen
class Inputs:
    """What the startup script carries to the instance. Bids are compared by the digest of this, never by
    rendered text, so that a flowplan with another template replaces nothing.

    `given_sha256` is set when only the marker of a live bid is known: then ports and mounts are known,
    the rest is not, and the digest is the marker's. It is set too when values of the image are masked; then
    `unordered_sha256` is the digest of the same in any order, and however the options are quoted.
    """

    startup_script: Script | None = None
    ports: tuple[PortPair, ...] = ()
    mounts: tuple[Mount, ...] = ()
    local_disks: tuple[LocalDisk, ...] = ()
    container_image: ContainerImage | None = None
    given_sha256: str | None = field(default=None, metadata=LEFT_OUT)
    unordered_sha256: str | None = field(default=None, eq=False, repr=False, metadata={"kept": "if_set"})
    # No difference: another lifetime replaces nothing that runs. Kept, so that plans say what runs with an old one.
    ends: Ends | None = field(default=None, eq=False, metadata={"kept": "if_set"})

    def alike(self, other: Inputs) -> bool:
        """Whether the two are one thing. In what order ports, mounts and disks are written is no difference, although
        the digest in a marker is that of one order; nor is a script that an earlier flowplan sent with other line
        ends: what did not change in the files replaces nothing that runs."""
        if not (self.resolved and other.resolved):
            return False
        known, full = (self, other) if self.given_sha256 is not None else (other, self)
        return any(_equal(one, two) for one in known._as_sent() for two in full._as_sent())

    def spelled_as(self, other: Inputs) -> Inputs:
        """`self` with ports, mounts and disks in the order of `other`, where those are the same, and with the script as
        it was sent, where `other` tells that it was sent with LF."""
        return next((one for one in self._as_sent() if _equal(other, one)), self)._ordered_as(other)

    def as_sent_in(self, other: Inputs) -> Inputs:
        """`self` with its script as it was sent, where `other` has it so."""
        return next((one for one in self._as_sent() if one.startup_script == other.startup_script), self)

    def _as_sent(self) -> tuple[Inputs, ...]:
        script = self.startup_script and self.startup_script.with_lf
        return (self, attrs.evolve(self, startup_script=script)) if script else (self,)

    def _ordered_as(self, other: Inputs) -> Inputs:
        ports = other.ports if set(other.ports) == set(self.ports) else self.ports
        disks = other.local_disks if set(other.local_disks) == set(self.local_disks) else self.local_disks
        places = {(mount.volume, mount.mount_point): mount for mount in self.mounts}
        order = [(mount.volume, mount.mount_point) for mount in other.mounts]
        mounts = tuple(places[one] for one in order) if set(order) == set(places) else self.mounts
        return attrs.evolve(self, ports=ports, mounts=mounts, local_disks=disks)

    def _unordered(self) -> tuple[object, ...]:
        image = self.container_image
        carried = (image.image_name, image.build_context, _words(image.run_options)) if image else None
        return (self.startup_script, set(self.ports), set(self.mounts), set(self.local_disks), carried)

    def _in_any_order(self) -> str | None:
        """What `unordered_sha256` is of it; None: too little is known."""
        if self.given_sha256 is not None:
            return self.unordered_sha256
        script, _, _, _, image = self._unordered()
        mounts = sorted((str(one.volume), one.mount_point) for one in self.mounts)
        carried = (script, tuple(sorted(self.ports)), tuple(mounts), tuple(sorted(self.local_disks)), image)
        return digest(material(carried))

    @property
    def complete(self) -> bool:
        """Whether more is known than a marker tells."""
        return self.given_sha256 is None or self.container_image is not None

    @property
    def shown(self) -> Inputs:
        """As they are shown and kept: the image masked, and then with the digest of what it really is."""
        image = self.container_image
        if image is None or image.shown == image:
            return self
        kept = attrs.evolve(self, container_image=image.shown)
        if self.given_sha256 is not None or not self.resolved:
            return kept
        return attrs.evolve(kept, given_sha256=self.sha256, unordered_sha256=self._in_any_order())

    @property
    def resolved(self) -> bool:
        """Whether every mounted volume has an id; only then `sha256` exists."""
        return not any(isinstance(mount.volume, Address) for mount in self.mounts)

    @cached_property
    def sha256(self) -> str:
        """The digest in the marker. Raises ValueError when a volume has no id yet."""
        if self.given_sha256 is not None:
            return self.given_sha256
        if not self.resolved:
            raise ValueError("the digest of inputs is not known before their volumes are created")
        return digest(named(self))


def _equal(known: Inputs, full: Inputs) -> bool:
    """`alike` of one way to send them. `known` may be what only a marker, or the state, tells of them."""
    if known.given_sha256 is None:
        return known._unordered() == full._unordered()
    if full._ordered_as(known).sha256 == known.sha256:
        return True
    kept, image = known.container_image, full.container_image
    if (
        kept is None
        or image is None
        or (image.image_name, image.build_context) != (kept.image_name, kept.build_context)
    ):
        return False
    if known.unordered_sha256 is not None:
        return known.unordered_sha256 == full._in_any_order()
    digested = attrs.evolve(image, run_options=image.run_options and masking.digested_options(image.run_options))
    return known._unordered() == attrs.evolve(full, container_image=digested)._unordered()


def _words(options: str | None) -> tuple[str, ...]:
    """The words of `run_options`, as they are run."""
    try:
        return tuple(shlex.split(options or ""))
    except ValueError:  # a quote that is not closed: what is wrong with it is reported elsewhere
        return (options or "",)


@frozen
class Volume:
    """A persistent volume. `size_gb` in GB, as asked for; `region` a region's name.

    `capacity_gb`: what the API made of `size_gb`, where it rounded that up; None: just that. `unreported`: see `Bid`.
    """

    name: str = field(metadata={"change": UPDATE})  # only `moved` changes the name of the same address
    size_gb: int = field(metadata={"change": DESTROYS_DATA})
    interface: Interface = field(metadata={"change": DESTROYS_DATA})
    region: str = field(metadata={"change": DESTROYS_DATA})
    # A state without these two is read by older flowplans.
    capacity_gb: int | None = field(default=None, eq=False, metadata={"kept": "if_set"})
    unreported: tuple[str, ...] = field(default=(), eq=False, metadata={"kept": "if_set", "key": "untold"})

    @property
    def held_gb(self) -> int | None:
        """How large it is, and what is paid for; None where nothing tells."""
        if self.capacity_gb is not None:
            return self.capacity_gb
        return None if "size_gb" in self.unreported else self.size_gb

    @property
    def needs(self) -> tuple[Address, ...]:
        """Nothing: a volume stands by itself."""
        return ()


@frozen
class Bid:
    """An all-or-nothing order for `instance_quantity` instances at up to `limit_price` dollars per
    instance-hour (what is paid is the second price). `instance_type` and `ssh_keys` are ids.

    The `*_name(s)` fields are for people; they take no part in comparisons.
    `inputs` is None for a bid that flowplan did not place: unknown, which never replaces by itself.
    `memory_gb` None: the platform's default, not compared.
    `runs`: the startup script of a live bid that flowplan did not place, of 0 bytes where it has none; None: flowplan
    placed it, or nothing tells. It is shown, and never compared as `inputs` are.

    `unreported`: the fields that the API's answer did not give, and nothing else tells. What they hold here stands for
    nothing: unknown is not empty, and never a difference (ownership.as_known decides what an answer leaves open).
    """

    name: str = field(metadata={"change": REPLACE})
    instance_type: str = field(metadata={"change": REPLACE})
    region: str = field(metadata={"change": REPLACE})
    instance_quantity: int = field(metadata={"change": REPLACE})
    limit_price: Decimal = field(metadata={"change": UPDATE})
    ssh_keys: tuple[str, ...] = field(metadata={"change": REPLACE})
    volumes: tuple[Ref, ...] = field(default=(), metadata={"change": UPDATE})
    paused: bool = field(default=False, metadata={"change": UPDATE})
    memory_gb: int | None = field(default=None, metadata={"change": UPDATE})
    inputs: Inputs | None = field(default=None, metadata={"change": INPUT})
    instance_type_name: str = field(default="", eq=False)
    ssh_key_names: tuple[str, ...] = field(default=(), eq=False)
    gpus: int | None = field(default=None, eq=False)  # per instance
    runs: Script | None = field(default=None, eq=False, repr=False, metadata={"kept": "never", **LEFT_OUT})
    unreported: tuple[str, ...] = field(default=(), eq=False, metadata={"kept": "if_set", "key": "untold"})

    @property
    def quantity(self) -> int | None:
        """How many instances it is for; None where nothing tells."""
        return None if "instance_quantity" in self.unreported else self.instance_quantity

    @property
    def limit(self) -> Decimal | None:
        """Its limit price, in dollars per instance-hour; None where nothing tells."""
        return None if "limit_price" in self.unreported else self.limit_price

    @property
    def worst(self) -> Decimal | None:
        """Dollars per hour with every instance at the limit, the ceiling; None where nothing tells."""
        return None if self.limit is None or self.quantity is None else self.limit * self.quantity

    @property
    def needs(self) -> tuple[Address, ...]:
        """The addresses of the volumes that it uses; what it uses by an id is nobody's here."""
        return tuple(volume for volume in self.volumes if isinstance(volume, Address))


@frozen
class PortMapping:
    """The published ports of one bid. FCP has no such object: it lives in the bid's startup script,
    has the bid's id, and is created, replaced and deleted with it."""

    bid: Address = field(metadata={"change": FOLLOWS})
    pairs: tuple[PortPair, ...] = field(metadata={"change": FOLLOWS})

    @property
    def unreported(self) -> tuple[str, ...]:
        """Nothing: its ports are read off the bid's marker, whole or not at all."""
        return ()

    @property
    def needs(self) -> tuple[Address, ...]:
        """Its bid."""
        return (self.bid,)


Resource: TypeAlias = Volume | Bid | PortMapping
CLASSES: dict[Kind, type[Volume] | type[Bid] | type[PortMapping]] = {
    "volume": Volume,
    "bid": Bid,
    "ports": PortMapping,
}


@cache
def changes_of(kind: Kind) -> dict[str, str]:
    """Field name -> what its change means (see the module's docstring), for the fields that are compared."""
    return {a.name: a.metadata["change"] for a in attrs.fields(CLASSES[kind]) if "change" in a.metadata}


def resolve(resource: Resource, ids: Mapping[Address, str], called: Mapping[str, str] | None = None) -> Resource:
    """`resource` with every volume address that has an id in `ids` replaced by that id. `called`: the names that
    volumes have in the cloud, by id: a File volume appears under that on the instance, whatever the files call it."""
    if not isinstance(resource, Bid) or not resource.volumes or not (ids or called):
        return resource

    def known(ref: Ref) -> Ref:
        return ids.get(ref, ref) if isinstance(ref, Address) else ref

    def mounted(mount: Mount) -> Mount:
        id = known(mount.volume)
        name = (called or {}).get(id, mount.volume_name) if isinstance(id, str) else mount.volume_name
        return attrs.evolve(mount, volume=id, volume_name=name)

    inputs = resource.inputs
    if inputs is not None and not inputs.resolved:
        inputs = attrs.evolve(inputs, mounts=tuple(map(mounted, inputs.mounts)))
    return attrs.evolve(resource, volumes=tuple(known(v) for v in resource.volumes), inputs=inputs)
