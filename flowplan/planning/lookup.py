"""(Config, Catalogue, live) -> the resources wanted, with every name looked up. Pure.

What only the cloud can tell is decided here: ids of types, keys and attached volumes, and, where the user
leaves it open, which type and region. What is chosen once stays with the live bid, so that a second plan
is empty when prices move.
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from decimal import Decimal

from attrs import evolve, field, frozen

from flowplan.config import PRIORITIES, Config, Task, VolumeUse
from flowplan.diagnostics import Diagnostic, Position, candidates
from flowplan.errors import ConfigError
from flowplan.model.address import Address, Ref
from flowplan.model.catalogue import Auction, Catalogue, InstanceType, Named, Place
from flowplan.model.live import Live, LiveVolume
from flowplan.model.resources import Bid, Inputs, Mount, PortMapping, Resource, Volume
from flowplan.model.type_names import find_types, has_word, read_type_name
from flowplan.planning.placement import Candidate, best, limit_of, same_name_twice, why


@frozen
class Desired:
    """The resources wanted, by address. `reads`: attached volumes that flowplan only reads.
    `choices`: why a bid got its type and region, where that was left open. `durations`: hours of work, as tasks say.
    `unplaceable`: bids that can stay where they are, and be paused, but could not be placed there again: why not."""

    resources: Mapping[Address, Resource] = field(factory=dict)
    reads: Mapping[Address, LiveVolume] = field(factory=dict)
    choices: Mapping[Address, str] = field(factory=dict)
    sources: Mapping[Address, Position] = field(factory=dict)
    durations: Mapping[Address, Decimal] = field(factory=dict)
    unplaceable: Mapping[Address, Diagnostic] = field(factory=dict)


def look_up(
    config: Config,
    catalogue: Catalogue,
    live: Live,
    *,
    kept: Mapping[Address, Place],
    volume_regions: Mapping[Address, str],
    ssh_keys: Sequence[str] = (),
    placed: Mapping[Address, Bid] | None = None,
    made: Mapping[Address, str] | None = None,
    adopted: Container[Address] = (),
) -> Desired:
    """Everything `config` asks for, with ids. Raises ConfigError with every problem that only the cloud shows.

    `placed`: bids that are live, whose tasks keep their type and region, also where nothing is offered any more;
    `kept`: the types and regions that a saved plan chose; `volume_regions`: the region of volumes that exist, and
    `made`: their ids; `ssh_keys`: names for tasks that give none; `adopted`: volumes that somebody else made.
    """
    search = _Search(
        config, catalogue, live, kept, dict(volume_regions), tuple(ssh_keys), placed or {}, made or {}, adopted
    )
    return search.run()


class _Search:
    """One pass over the tasks, collecting problems; `regions` of volumes fill up as tasks are placed."""

    def __init__(
        self,
        config: Config,
        catalogue: Catalogue,
        live: Live,
        kept: Mapping[Address, Place],
        regions: dict[Address, str],
        ssh_keys: tuple[str, ...],
        placed: Mapping[Address, Bid],
        made: Mapping[Address, str],
        adopted: Container[Address],
    ) -> None:
        self.config, self.catalogue, self.live = config, catalogue, live
        self.kept = {**kept, **{address: (bid.instance_type, bid.region) for address, bid in placed.items()}}
        self.ssh_keys, self.placed, self.made, self.adopted = ssh_keys, placed, made, adopted
        self.unplaceable: dict[Address, Diagnostic] = {}
        self.there = frozenset(regions)  # volumes that exist, and whose region need not be offered any more
        self.regions = regions | {a: wanted.region for a, wanted in config.volumes.items() if wanted.region}
        self.problems: list[Diagnostic] = []
        self.reads: dict[Address, LiveVolume] = {}
        self.choices: dict[Address, str] = {}
        self._by_name: dict[str, list[LiveVolume]] = {}
        self._types: dict[str, tuple[InstanceType, ...]] = {}
        for volume in live.volumes.values():
            self._by_name.setdefault(volume.volume.name, []).append(volume)

    def run(self) -> Desired:
        bids = {address: self.bid(task) for address, task in self.config.tasks.items()}
        self.one_writer()
        volumes = {address: self.volume(address) for address in self.config.volumes}
        if self.problems:
            raise ConfigError(self.problems)
        resources: dict[Address, Resource] = {a: volume for a, volume in volumes.items() if volume}
        for address, bid in bids.items():
            if bid is None:
                continue
            resources[address] = bid
            if bid.inputs and bid.inputs.ports:
                resources[Address("ports", address.name)] = PortMapping(address, bid.inputs.ports)
        sources = {a: w.source for a, w in self.config.volumes.items()}
        for address, task in self.config.tasks.items():
            sources[address] = task.source
            sources[Address("ports", address.name)] = self.config.position_of(address, "ports")
        durations = {a: task.estimated_hours for a, task in self.config.tasks.items() if task.estimated_hours}
        return Desired(resources, self.reads, self.choices, sources, durations, self.unplaceable)

    def one_writer(self) -> None:
        """A Block volume is one bid's: the API would refuse the second, after the first is placed. A volume is told by
        what it is, not by how it is written: its name here may be its id there."""
        users: dict[str, tuple[Address, VolumeUse]] = {}
        for address, task in self.config.tasks.items():
            for use in task.volumes:
                which, name, block = self.identity(use)
                other, first = users.setdefault(which, (address, use))
                if first is use:
                    continue
                spelled = (
                    "" if first.volume == use.volume else f", as {_ref_text(first)} there and {_ref_text(use)} here"
                )
                also = (("first used here", first.source),)
                if other == address:
                    what = f"{address} uses the volume {name} twice{spelled}"
                    self.say(
                        address,
                        "volumes",
                        what,
                        "a volume is created or attached, once",
                        use.source,
                        also,
                        code="conflict",
                    )
                elif block:
                    what = f"the Block volume {name} is used by {other} too{spelled}: one bid only can use it"
                    hint = "a File volume (disk_interface: File) can be shared"
                    self.say(address, "volumes", what, hint, use.source, also, code="volume-shared")

    def identity(self, use: VolumeUse) -> tuple[str, str, bool]:
        """What tells a used volume from others (its id, else its address), its name, and whether it is Block."""
        if isinstance(use.volume, Address):
            wanted = self.config.volumes[use.volume]
            return self.made.get(use.volume, str(use.volume)), wanted.name, wanted.interface == "Block"
        found = self.found(use.volume)
        if len(found) != 1:  # said already
            return f"attach {use.volume}", use.volume, False
        return found[0].id, found[0].volume.name, found[0].volume.interface == "Block"

    def say(
        self,
        address: Address,
        field: str,
        summary: str,
        hint: str | None = None,
        at: Position | None = None,
        also: tuple[tuple[str, Position], ...] = (),
        *,
        code: str,
    ) -> None:
        """Note a problem of a field, or of what stands `at` a place more exact than that."""
        problem = evolve(self.config.problem(address, field, summary, hint, code=code), also=also)
        if at is not None:
            problem = evolve(problem, position=at, source=self.config.source_line(at))
        self.problems.append(problem)

    # -- volumes

    def volume(self, address: Address) -> Volume | None:
        wanted = self.config.volumes[address]
        region = self.regions.get(address)
        if region is None:
            if not self.problems:  # else its task already failed
                self.say(
                    address,
                    "region",
                    f"no task gives volume {wanted.name} a region",
                    "add region_id",
                    code="missing",
                )
            return None
        if region not in self.catalogue.regions and address not in self.there:
            self.unknown_region(address, region)
            return None
        return Volume(wanted.name, wanted.size_gb, wanted.interface, region)

    def use(self, task: Task, use: VolumeUse) -> tuple[Ref, Mount | None] | None:
        """The reference and the mount of one used volume, or None when it is not there."""
        if isinstance(use.volume, Address):
            wanted = self.config.volumes[use.volume]
            created = use.volume not in self.adopted
            mount = Mount(use.volume, use.mount_point or "", wanted.interface, wanted.name, created)
            return use.volume, mount if use.mount_point else None
        found = self.find_volume(task, use.volume, use.source)
        if found is None:
            return None
        self.reads[Address("volume", found.volume.name)] = found
        interface, name = found.volume.interface, found.volume.name
        if interface == "Block" and task.instance_quantity > 1:
            self.say(
                task.address, "volumes", f"{name} is a Block volume: one instance only can use it", code="volume-shared"
            )
        return found.id, Mount(found.id, use.mount_point, interface, name) if use.mount_point else None

    def find_volume(self, task: Task, wanted: str, at: Position) -> LiveVolume | None:
        found = self.found(wanted)
        if len(found) == 1 and found[0].unfit:
            why = f"the volume {wanted} ({found[0].id}) cannot be read: {found[0].unfit}"
            self.say(
                task.address,
                "volumes",
                why,
                "attach another, or look at this one in the console",
                at,
                code="volume-unusable",
            )
            return None
        if len(found) == 1:
            return found[0]
        if found:
            ids = ", ".join(sorted(volume.id for volume in found))
            self.say(
                task.address,
                "volumes",
                f"several volumes are named {wanted}: {ids}",
                "give the id",
                at,
                code="volume-ambiguous",
            )
        else:
            names = {*self._by_name, *(volume.name for volume in self.config.volumes.values())}
            hint = candidates(wanted, names) or "this project has no volumes; `create` makes one"
            self.say(task.address, "volumes", f"there is no volume {wanted} to attach", hint, at, code="volume-unknown")
        return None

    def found(self, wanted: str) -> list[LiveVolume]:
        """The live volumes that `wanted`, an id or a name, may mean."""
        by_id = self.live.volumes.get(wanted)
        return [by_id] if by_id else self._by_name.get(wanted, [])

    # -- bids

    def bid(self, task: Task) -> Bid | None:
        uses = [self.use(task, use) for use in task.volumes]
        keys = self.keys(task)
        place = self.place(task)
        if place is None or keys is None or None in uses:
            return None
        if task.limit_price is None:
            self.explain(task, place)
        found = [use for use in uses if use is not None]
        inputs = Inputs(
            startup_script=task.startup_script,
            ports=task.ports,
            mounts=tuple(mount for _, mount in found if mount),
            local_disks=task.local_disks,
            container_image=task.container_image,
        )
        return Bid(
            name=task.name,
            instance_type=place.kind.id,
            region=place.auction.region,
            instance_quantity=task.instance_quantity,
            limit_price=place.limit,
            ssh_keys=tuple(key.id for key in keys),
            volumes=tuple(ref for ref, _ in found),
            paused=task.paused,
            inputs=inputs,
            instance_type_name=place.kind.name,
            ssh_key_names=tuple(key.name for key in keys),
            gpus=place.kind.gpus,
        )

    def explain(self, task: Task, place: Candidate) -> None:
        """How a limit per GPU became one per instance."""
        by_priority = task.limit_price_per_gpu == PRIORITIES.get(task.priority)
        what = f"limit: priority {task.priority}," if by_priority else "limit:"
        text = f"{what} ${task.limit_price_per_gpu:.2f} a GPU-hour x {max(place.kind.gpus, 1)}"
        self.choices[task.address] = "; ".join(filter(None, [self.choices.get(task.address), text]))

    def keys(self, task: Task) -> list[Named] | None:
        visible = self.catalogue.ssh_keys
        wanted = task.ssh_keys or self.ssh_keys
        if not wanted:
            if len(visible) == 1:
                return list(visible)
            hint = candidates("", (key.name for key in visible)) if visible else "add one in the console first"
            self.say(
                task.address,
                "ssh_keys",
                "no ssh_key_name is given, and there is not exactly one to take",
                hint,
                code="key-missing",
            )
            return None
        found = []
        for name in wanted:
            matching = [key for key in visible if key.is_called(name)]
            if len(matching) == 1:
                found.append(matching[0])
                continue
            what = f"several SSH keys are named {name}" if matching else f"there is no SSH key {name}"
            hint = "give the id" if matching else candidates(name, (key.name for key in visible))
            self.say(task.address, "ssh_keys", what, hint, code="key-unknown")
        # One key may be given by its name and by its id: it is one key.
        return list(dict.fromkeys(found)) if len(found) == len(wanted) else None

    # -- type and region

    def place(self, task: Task) -> Candidate | None:
        region, clean = self.region(task)
        kinds = self.kinds(task)
        if not clean or kinds is None:
            return None
        every = [
            Candidate(kind, auction, rank, limit_of(task, kind))
            for rank, kind in kinds
            for auction in self.catalogue.auctions_of(kind.id)
        ]
        here = [candidate for candidate in every if region in (None, candidate.auction.region)]
        stands = self.standing(task, kinds, region, here)
        if stands is not None:
            here = [stands]
        if not here:
            self.no_auction(task, [kind for _, kind in kinds], region, every)
            return None
        chosen = self.choose(task, here)
        if chosen is not None:
            for use in task.volumes:
                if isinstance(use.volume, Address):
                    self.regions.setdefault(use.volume, chosen.auction.region)
        return chosen

    def standing(
        self, task: Task, kinds: list[tuple[int, InstanceType]], region: str | None, here: list[Candidate]
    ) -> Candidate | None:
        """Where the live bid of `task` is, when nothing is offered there any more and the task allows it as before: it
        can stay, and be changed in place, but not be placed anew."""
        bid = self.placed.get(task.address)
        place = self.kept.get(task.address)
        if bid is None or place is None or region not in (None, bid.region) or place in [one.place for one in here]:
            return None
        found = next(((rank, kind) for rank, kind in kinds if kind.id == bid.instance_type), None)
        if found is None:
            return None
        rank, kind = found
        what = f"there is no auction for {kind.name} in {bid.region} any more, so this bid cannot be placed anew"
        hint = "what is live can stay as it is, be paused, or be cancelled; for a new one choose another type or region"
        self.unplaceable[task.address] = self.config.problem(task.address, "region", what, hint, code="no-auction")
        return Candidate(kind, Auction("", kind.id, bid.region, 0, None), rank, limit_of(task, kind))

    def withdrawn(self, task: Task) -> tuple[InstanceType, ...]:
        """The type of the live bid of `task`, when it is listed no more: what its name tells of it."""
        bid = self.placed.get(task.address)
        if bid is None or self.catalogue.type(bid.instance_type) is not None or not bid.instance_type_name:
            return ()
        try:
            name = read_type_name(bid.instance_type_name)
        except ValueError:
            return ()
        gpus = bid.gpus or name.gpus or 0
        return (
            InstanceType(bid.instance_type, name.text, name.gpu or "", gpus, name.memory_gb or 0, name.socket or ""),
        )

    def region(self, task: Task) -> tuple[str | None, bool]:
        """The region that the task or its volumes fix, and whether they agree."""
        fixed: list[tuple[str, str]] = [(task.region, "the task")] if task.region else []
        for use in task.volumes:
            if isinstance(use.volume, Address):
                where, name = self.regions.get(use.volume), use.volume.name
            else:
                found = next(iter(self.found(use.volume)), None)
                where, name = (found.volume.region if found else None), use.volume
            if where:
                fixed.append((where, f"volume {name}"))
            if use.region:
                fixed.append((use.region, f"region_id of volume {name}"))
        stays = self.kept.get(task.address, ("", ""))[1] if task.address in self.placed else ""
        if task.region and task.region not in (*self.catalogue.regions, stays):
            self.unknown_region(task.address, task.region)
            return None, False
        if len({region for region, _ in fixed}) > 1:
            what = ", ".join(f"{who} in {region}" for region, who in fixed)
            self.say(
                task.address, "region", f"a bid and its volumes must be in one region: {what}", code="region-conflict"
            )
            return None, False
        return (fixed[0][0] if fixed else None), True

    def unknown_region(self, address: Address, region: str) -> None:
        self.say(
            address,
            "region",
            f"there is no region {region}",
            candidates(region, self.catalogue.regions),
            code="region-unknown",
        )

    def kinds(self, task: Task) -> list[tuple[int, InstanceType]] | None:
        if not task.instance_types:
            return self.selected(task)
        found: list[tuple[int, InstanceType]] = []
        for rank, text in enumerate(task.instance_types):
            if text not in self._types:
                self._types[text] = find_types(read_type_name(text), self.catalogue.types)
            matching = (*self._types[text], *find_types(read_type_name(text), self.withdrawn(task)))
            if not matching:
                names = sorted({kind.name for kind in self.catalogue.types})
                self.say(
                    task.address,
                    "instance_type",
                    f"there is no instance type {text}",
                    candidates(text, names),
                    code="type-unknown",
                )
                return None
            found += [(rank, kind) for kind in matching]
        wrong = next((k for _, k in found if task.gpu.gpus not in (None, k.gpus)), None)
        if wrong is not None:
            summary = f"num_gpus is {task.gpu.gpus}, but {wrong.name} has {wrong.gpus} GPUs"
            self.say(task.address, "gpus", summary, "leave num_gpus out, or name another type", code="conflict")
            return None
        return found

    def selected(self, task: Task) -> list[tuple[int, InstanceType]] | None:
        wanted = task.gpu
        found = [
            kind
            for kind in self.catalogue.types
            if (wanted.gpu_type is None or has_word(kind.gpu_type, wanted.gpu_type))
            and wanted.gpus in (None, kind.gpus)
            and _same(wanted.intranode_interconnect, kind.gpu_socket)
            and _same(wanted.internode_interconnect, kind.network_type)
        ]
        found += [
            kind
            for kind in self.withdrawn(task)
            if (wanted.gpu_type is None or has_word(kind.gpu_type, wanted.gpu_type))
            and wanted.gpus in (None, kind.gpus)
        ]
        if not found:
            offered = sorted(
                {f"{kind.gpus}x {kind.gpu_type} {kind.gpu_socket}".strip() for kind in self.catalogue.types}
            )
            hint = f"offered: {', '.join(offered)}"
            self.say(task.address, "instance_type", "no instance type fits this selection", hint, code="type-unknown")
            return None
        return [(0, kind) for kind in found]

    def no_auction(self, task: Task, kinds: list[InstanceType], region: str | None, every: list[Candidate]) -> None:
        names = ", ".join(sorted({kind.name for kind in kinds}))
        places = sorted({candidate.auction.region for candidate in every})
        where = f" in {region}" if region else ""
        hint = f"it is offered in {', '.join(places)}" if places else "it has no auction anywhere now"
        self.say(task.address, "region", f"there is no auction for {names}{where}", hint, code="no-auction")

    def choose(self, task: Task, here: list[Candidate]) -> Candidate | None:
        if len(here) == 1:
            return here[0]
        stays = next((c for c in here if c.place == self.kept.get(task.address)), None)
        if stays is not None:
            self.choices[task.address] = "kept: the type and region it has"
            return stays
        ambiguous = same_name_twice(here)
        if ambiguous:
            ids = ", ".join(sorted(c.kind.id for c in ambiguous))
            what = f"{ambiguous[0].kind.name} means several types in {ambiguous[0].auction.region}: {ids}"
            self.say(task.address, "instance_type", what, "give the id", code="type-ambiguous")
            return None
        chosen = best(task, here)
        self.choices[task.address] = why(task, chosen, here)
        return chosen


def _ref_text(use: VolumeUse) -> str:
    """A used volume as the file has it."""
    return use.volume.name if isinstance(use.volume, Address) else use.volume


def _same(wanted: str | None, there: str | None) -> bool:
    return wanted is None or wanted.lower() == (there or "").lower()
