"""(Config, Catalogue, live) -> the resources wanted, with every name looked up. Pure.

What only the cloud can tell is decided here: ids of types, keys and attached volumes, and, where the user
leaves it open, which type and region. What is chosen once stays with the live bid, so that a second plan
is empty when prices move.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from itertools import chain
from typing import TYPE_CHECKING

import attrs
from attrs import field

from flowplan.classes import frozen
from flowplan.config import PRIORITIES, Config, Task
from flowplan.diagnostics import Diagnostic, Position, candidates
from flowplan.errors import ConfigError
from flowplan.model.address import Address
from flowplan.model.catalogue import Catalogue, Named, Place
from flowplan.model.lifecycle import After, Lifecycle, Lifetime
from flowplan.model.live import Live, LiveVolume
from flowplan.model.resources import Bid, Ends, Inputs, PortMapping, Resource
from flowplan.planning.candidates import Candidate, Ranked
from flowplan.planning.findings import Findings
from flowplan.planning.placement import Placement
from flowplan.planning.prospects import Prospects
from flowplan.planning.volumes import Volumes
from flowplan.pricing.units import per_gpu
from flowplan.state.known import Existing
from flowplan.state.state import Binding

if TYPE_CHECKING:
    from flowplan.planning.lifetimes import Lives, Unsure


@frozen
class Desired:
    """The resources wanted, by address. `reads`: attached volumes that flowplan only reads.
    `choices`: why a bid got its type and region, where that was left open. `durations`: hours of work, as tasks say.
    `unplaceable`: bids that can stay where they are, and be paused, but could not be placed there again: why not.
    `lifecycles`: how resources are to be treated, of those of which the files say so.
    `named`: those whose name in the cloud is written, and not made of the address. Of what changes hands: `moves`, the
    addresses that the state knows these by; `imports`, what the state takes in; `removed`, what is configured no
    longer, each with whether it is destroyed; ports with their bids.
    `waits_for`: how far other tasks must be before a bid is placed; `lifetimes`: when bids end; `over`: those whose
    lifetime is over, each with why; `unknown`: of whose that is not known, each with why nobody knows;
    `left`: what is left of those that bound what a bid costs; `ranked`: where a bid
    could go that is placed or moved. `raised`: the limit prices in the files of bids that are wanted at another, to
    which the watch has raised them. `problems`: what is wrong with a resource, which may be
    missing from `resources` then, although it is configured."""

    resources: Mapping[Address, Resource] = field(factory=dict)
    reads: Mapping[Address, LiveVolume] = field(factory=dict)
    choices: Mapping[Address, str] = field(factory=dict)
    sources: Mapping[Address, Position] = field(factory=dict)
    durations: Mapping[Address, Decimal] = field(factory=dict)
    unplaceable: Mapping[Address, Diagnostic] = field(factory=dict)
    lifecycles: Mapping[Address, Lifecycle] = field(factory=dict)
    named: frozenset[Address] = frozenset()
    moves: Mapping[Address, Address] = field(factory=dict)
    imports: frozenset[Address] = frozenset()
    removed: Mapping[Address, bool] = field(factory=dict)
    waits_for: Mapping[Address, tuple[After, ...]] = field(factory=dict)
    lifetimes: Mapping[Address, Lifetime] = field(factory=dict)
    over: Mapping[Address, str] = field(factory=dict)
    unknown: Mapping[Address, Unsure] = field(factory=dict)
    left: Mapping[Address, Lives] = field(factory=dict)
    ranked: Mapping[Address, tuple[Ranked, ...]] = field(factory=dict)
    raised: Mapping[Address, Decimal] = field(factory=dict)
    problems: Mapping[Address, tuple[Diagnostic, ...]] = field(factory=dict)

    @property
    def hours(self) -> dict[Address, Decimal]:
        """Hours of work of the tasks of which they are known: as a task says, else what its lifetime lets it run."""
        most = {a: one.max_hours for a, one in self.lifetimes.items() if one.max_hours is not None}
        return {**most, **self.durations}

    def faultless(self) -> Desired:
        """This, where nothing is wrong with any of it. Raises ConfigError."""
        if self.problems:
            raise ConfigError(chain.from_iterable(self.problems.values()))
        return self

    def is_job(self, address: Address) -> bool:
        """Whether a bid is done once it has ended: another task waits for its end, or it has a lifetime."""
        if address in self.lifetimes:
            return True
        waits = (one for every in self.waits_for.values() for one in every)
        return any(one.task == address and one.until == "terminated" for one in waits)


def look_up(
    config: Config,
    catalogue: Catalogue,
    live: Live,
    existing: Existing,
    *,
    kept: Mapping[Address, Place] | None = None,
    ssh_keys: Sequence[str] = (),
    prospects: Prospects | None = None,
    every: bool = False,
) -> Desired:
    """Everything `config` asks for, with ids, and every problem that only the cloud shows.

    `existing`: whose tasks keep their type and region, and which volumes stay where they are; `kept`: the types and
    regions that a saved plan chose; `ssh_keys`: names for tasks that give none; `prospects`: what places are expected
    to come to; `every`: rank the only place that a task can go to, too.
    """
    findings = Findings(config)
    volumes = Volumes(config, live, findings, existing)
    places = Placement(catalogue, volumes, findings, existing, kept=kept or {}, prospects=prospects, every=every)
    desired = _Pass(config, catalogue, findings, volumes, places, tuple(ssh_keys), existing.raised).run()
    return attrs.evolve(desired, problems=_problems(desired, config, findings)) if findings.problems else desired


def _problems(desired: Desired, config: Config, findings: Findings) -> dict[Address, tuple[Diagnostic, ...]]:
    """What has problems of its own; and a volume that could not be looked up because of the tasks that create it, whose
    problems are then its."""
    own = findings.by_resource()
    found = {address: own[str(address)] for address in (*config.tasks, *config.volumes) if str(address) in own}
    for task in config.tasks.values():
        for use in task.volumes:
            volume = use.volume
            if isinstance(volume, Address) and volume not in desired.resources and str(volume) not in own:
                found[volume] = (*found.get(volume, ()), *found.get(task.address, ()))
    return found


@frozen
class _Pass:
    """One pass over the tasks; `findings` collects the problems, and volumes get their regions as tasks are placed."""

    config: Config
    catalogue: Catalogue
    findings: Findings
    volumes: Volumes
    places: Placement
    ssh_keys: tuple[str, ...]
    raised: Mapping[Address, Binding]

    def run(self) -> Desired:
        """Everything that is wanted, but for what could not be looked up."""
        bids = {address: self.bid(task) for address, task in self.config.tasks.items()}
        self.volumes.one_writer()
        regions = self.catalogue.regions
        volumes = {address: self.volumes.wanted(address, regions) for address in self.config.volumes}
        resources: dict[Address, Resource] = {a: volume for a, volume in volumes.items() if volume}
        raised: dict[Address, Decimal] = {}
        for address, bid in bids.items():
            if bid is None:
                continue
            limit = self._raised_to(address, bid)
            if limit is not None:
                raised[address], bid = bid.limit_price, attrs.evolve(bid, limit_price=limit)
            resources[address] = bid
            if bid.inputs and bid.inputs.ports:
                resources[Address("ports", address.name)] = PortMapping(address, bid.inputs.ports)
        tasks = self.config.tasks.items()
        return Desired(
            resources=resources,
            reads=self.volumes.reads,
            choices=self.places.choices,
            sources=self.sources(),
            durations={a: task.estimated_hours for a, task in tasks if task.estimated_hours},
            unplaceable=self.places.unplaceable,
            lifecycles=self.config.lifecycles(),
            ranked=self.places.ranked,
            waits_for={a: task.depends_on for a, task in tasks if task.depends_on},
            lifetimes={a: task.lifetime for a, task in tasks if task.lifetime},
            raised=raised,
        )

    def _raised_to(self, address: Address, wanted: Bid) -> Decimal | None:
        """The limit price that the watch has raised the live bid at `address` to, from the one that is written still,
        and may; None: the one that is written holds."""
        known, watch = self.raised.get(address), self.config.watch
        most = watch.raise_limit_up_to if watch is not None else None
        if known is None or most is None or not isinstance(known.applied, Bid):
            return None
        limit, place = known.applied.limit_price, (known.applied.instance_type, known.applied.region)
        stays = place == (wanted.instance_type, wanted.region) and known.raised_from == wanted.limit_price
        return limit if stays and wanted.limit_price < limit <= most else None

    def sources(self) -> dict[Address, Position]:
        """Where in the file each resource stands."""
        found = {a: wanted.source for a, wanted in self.config.volumes.items()}
        for address, task in self.config.tasks.items():
            found[address] = task.source
            found[Address("ports", address.name)] = self.config.position_of(address, "ports")
        return found

    def bid(self, task: Task) -> Bid | None:
        """The bid that `task` asks for; None where something about it is wrong, which is noted."""
        uses = [self.volumes.use(task, use) for use in task.volumes]
        keys = self.keys(task)
        place = self.places.place(task)
        if place is None or keys is None or None in uses:
            return None
        if task.limit_price.per == "gpu":
            self.explain(task, place)
        found = [use for use in uses if use is not None]
        inputs = Inputs(
            startup_script=task.startup_script,
            ports=task.ports,
            mounts=tuple(mount for _, mount in found if mount),
            local_disks=task.local_disks,
            container_image=task.container_image,
            ends=Ends.of(task.lifetime),
        )
        return Bid(
            name=task.name,
            instance_type=place.kind.id,
            region=place.auction.region,
            instance_quantity=task.instance_quantity,
            limit_price=place.limit_price,
            ssh_keys=tuple(key.id for key in keys),
            volumes=tuple(ref for ref, _ in found),
            paused=task.paused,
            inputs=inputs,
            instance_type_name=place.kind.name,
            ssh_key_names=tuple(key.name for key in keys),
            gpus=place.kind.gpus or None,
        )

    def explain(self, task: Task, place: Candidate) -> None:
        """How a limit per GPU became one per instance."""
        by_priority = task.limit_price.amount == PRIORITIES.get(task.priority)
        what = f"limit: priority {task.priority}," if by_priority else "limit:"
        text = f"{what} {per_gpu(task.limit_price.amount)} x {max(place.kind.gpus, 1)}"
        choices = self.places.choices
        choices[task.address] = "; ".join(filter(None, [choices.get(task.address), text]))

    def keys(self, task: Task) -> list[Named] | None:
        """The SSH keys of `task`; None where one of them is none."""
        visible = self.catalogue.ssh_keys
        wanted = task.ssh_keys or self.ssh_keys
        if not wanted:
            if len(visible) == 1:
                return list(visible)
            hint = candidates("", (key.name for key in visible)) if visible else "add one in the console first"
            self.findings.say(
                task.address,
                "ssh_keys",
                "no ssh_key_name is given, and there is not exactly one to choose",
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
            self.findings.say(task.address, f"ssh_keys.{name}", what, hint, code="key-unknown")
        # One key may be given by its name and by its id: it is one key.
        return list(dict.fromkeys(found)) if len(found) == len(wanted) else None
