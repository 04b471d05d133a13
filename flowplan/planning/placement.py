"""Where a task can go, and where it goes: the types that it allows, the region that its volumes fix, and the auctions
that there are. What is chosen once stays."""

from __future__ import annotations

from collections.abc import Mapping

from flowplan.config import Task
from flowplan.diagnostics import Diagnostic
from flowplan.model.address import Address
from flowplan.model.catalogue import Auction, Catalogue, InstanceType, Place
from flowplan.model.type_names import find_types, has_word, read_type_name
from flowplan.planning.candidates import Candidate, Ranked, best, better, ranked, same_name_twice, saving, why, why_not
from flowplan.planning.findings import Findings
from flowplan.planning.prospects import Prospects
from flowplan.planning.volumes import Volumes
from flowplan.pricing.units import percent
from flowplan.state.known import Existing


class Placement:
    """Places tasks one by one. Those of `existing` bids keep their type and region, also where nothing is offered any
    more, but for the movable ones, which hold nothing: these go where it is much better (`candidates.better`). `kept`:
    the types and regions that a saved plan chose. `prospects`: what places are expected to come to. `every`: rank the
    only place that a task can go to, too.

    Three results fill up. `ranked`: where a bid that is placed or may move could go, the best first. `choices`: why a
    bid got its type and region, where that was left open. `unplaceable`: why a bid that can stay where it is could not
    be placed there again.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        volumes: Volumes,
        findings: Findings,
        existing: Existing,
        *,
        kept: Mapping[Address, Place],
        prospects: Prospects | None = None,
        every: bool = False,
    ) -> None:
        self.choices: dict[Address, str] = {}
        self.ranked: dict[Address, tuple[Ranked, ...]] = {}
        self.unplaceable: dict[Address, Diagnostic] = {}
        self._catalogue, self._volumes, self._findings = catalogue, volumes, findings
        self._kept = {**{address: (bid.instance_type, bid.region) for address, bid in existing.placed.items()}, **kept}
        self._movable = [] if kept else existing.movable
        self._prospects = prospects or Prospects()
        self._placed, self._every = existing.placed, every
        self._types: dict[str, tuple[InstanceType, ...]] = {}

    def place(self, task: Task) -> Candidate | None:
        """Where `task` goes; None where that is not clear, which is noted."""
        region, clean = self._region(task)
        kinds = self._kinds(task)
        if not clean or kinds is None:
            return None
        every = [
            Candidate(kind, auction, rank, task.limit_price.of_instance(kind.gpus))
            for rank, kind in kinds
            for auction in self._catalogue.auctions_of(kind.id)
        ]
        here = [candidate for candidate in every if region in (None, candidate.auction.region)]
        stands = self._standing(task, kinds, region, here)
        if stands is not None:
            here = [stands]
        if not here:
            self._no_auction(task, [kind for _, kind in kinds], region, every)
            return None
        chosen = self._choose(task, here)
        if chosen is not None:
            self._volumes.follow(task, chosen.auction.region)
        return chosen

    def _standing(
        self, task: Task, kinds: list[tuple[int, InstanceType]], region: str | None, here: list[Candidate]
    ) -> Candidate | None:
        """Where the live bid of `task` is, when nothing is offered there any more and the task allows it as before: it
        can stay, and be changed in place, but not be placed again."""
        bid = self._placed.get(task.address)
        if bid is None:
            return None
        place = (bid.instance_type, bid.region)
        if region not in (None, bid.region) or place in [one.place for one in here]:
            return None
        found = next(((rank, kind) for rank, kind in kinds if kind.id == bid.instance_type), None)
        if found is None:
            return None
        rank, kind = found
        what = f"there is no auction for {kind.name} in {bid.region} any more, so this bid cannot be placed again"
        hint = "you can keep, pause or cancel the live bid; for a new one, choose another type or region"
        self.unplaceable[task.address] = self._findings.config.problem(
            task.address, "region", what, hint, code="no-auction"
        )
        return Candidate(kind, Auction("", kind.id, bid.region, 0, None), rank, task.limit_price.of_instance(kind.gpus))

    def _region(self, task: Task) -> tuple[str | None, bool]:
        """The region that the task or its volumes fix, and whether they agree."""
        fixed: list[tuple[str, str]] = [(task.region, "the task")] if task.region else []
        for use in task.volumes:
            name = use.volume.name if isinstance(use.volume, Address) else use.volume
            where = self._volumes.region_of(use)
            if where:
                fixed.append((where, f"volume {name}"))
            if use.region:
                fixed.append((use.region, f"region_id of volume {name}"))
        stays = self._placed[task.address].region if task.address in self._placed else ""
        if task.region and task.region not in (*self._catalogue.regions, stays):
            self._findings.unknown_region(task.address, task.region, self._catalogue.regions)
            return None, False
        if len({region for region, _ in fixed}) > 1:
            what = f"a bid and its volumes must be in one region: {', '.join(f'{who} in {at}' for at, who in fixed)}"
            self._findings.say(task.address, "region", what, self._elsewhere(task), code="region-conflict")
            return None, False
        return (fixed[0][0] if fixed else None), True

    def _elsewhere(self, task: Task) -> str | None:
        """What can be done where the first volume that keeps `task` from its region is where it was made, which no file
        says."""
        for use in task.volumes:
            where = self._volumes.region_of(use)
            if not task.region or where in (None, task.region) or self._volumes.is_written(use):
                continue
            hint = f"the volume is there already, and data stays in its region: leave the task in {where}; or use a "
            hint += f"volume of another name in {task.region}, and copy the data yourself"
            if isinstance(use.volume, Address):
                hint += (
                    f"; or write region_id: {task.region} at the volume, which replaces the volume: its data is lost"
                )
            return hint
        return None

    def _kinds(self, task: Task) -> list[tuple[int, InstanceType]] | None:
        """The types that `task` allows, each with its rank in the user's order; None where one is none."""
        if not task.instance_types:
            return self._selected(task)
        found: list[tuple[int, InstanceType]] = []
        for rank, text in enumerate(task.instance_types):
            if text not in self._types:
                self._types[text] = find_types(read_type_name(text), self._catalogue.types)
            matching = (*self._types[text], *find_types(read_type_name(text), self._withdrawn(task)))
            if not matching:
                from flowplan.model.near_types import type_hint

                self._findings.say(
                    task.address,
                    "instance_type",
                    f"there is no instance type {text}",
                    type_hint(text, self._catalogue.types),
                    code="type-unknown",
                )
                return None
            found += [(rank, kind) for kind in matching]
        wrong = next((k for _, k in found if task.gpu.gpus not in (None, k.gpus)), None)
        if wrong is not None:
            summary = f"num_gpus is {task.gpu.gpus}, but {wrong.name} has {wrong.gpus} GPUs"
            self._findings.say(
                task.address, "gpus", summary, "leave out num_gpus, or name another type", code="conflict"
            )
            return None
        return found

    def _selected(self, task: Task) -> list[tuple[int, InstanceType]] | None:
        """The types that fit what `task` says of its GPUs, all of one rank."""
        wanted = task.gpu
        found = [
            kind
            for kind in self._catalogue.types
            if (wanted.gpu_type is None or has_word(kind.gpu_type, wanted.gpu_type))
            and wanted.gpus in (None, kind.gpus)
            and _same(wanted.intranode_interconnect, kind.gpu_socket)
            and _same(wanted.internode_interconnect, kind.network_type)
        ]
        found += [
            kind
            for kind in self._withdrawn(task)
            if (wanted.gpu_type is None or has_word(kind.gpu_type, wanted.gpu_type))
            and wanted.gpus in (None, kind.gpus)
        ]
        if not found:
            offered = sorted(
                {f"{kind.gpus}x {kind.gpu_type} {kind.gpu_socket}".strip() for kind in self._catalogue.types}
            )
            hint = f"offered: {', '.join(offered)}"
            self._findings.say(
                task.address, "instance_type", "no instance type fits this selection", hint, code="type-unknown"
            )
            return None
        return [(0, kind) for kind in found]

    def _withdrawn(self, task: Task) -> tuple[InstanceType, ...]:
        """The type of the live bid of `task`, when it is listed no more: what its name tells of it."""
        bid = self._placed.get(task.address)
        if bid is None or self._catalogue.type(bid.instance_type) is not None:
            return ()
        try:
            name = read_type_name(bid.instance_type_name)
        except ValueError:
            return ()
        gpus = bid.gpus or name.gpus or 0
        return (
            InstanceType(bid.instance_type, name.text, name.gpu or "", gpus, name.memory_gb or 0, name.socket or ""),
        )

    def _no_auction(self, task: Task, kinds: list[InstanceType], region: str | None, every: list[Candidate]) -> None:
        """Note that none of `kinds` is offered in `region` (None: anywhere), and where it is."""
        names = ", ".join(sorted({kind.name for kind in kinds}))
        places = sorted({candidate.auction.region for candidate in every})
        where = f" in {region}" if region else ""
        hint = f"it is offered in {', '.join(places)}" if places else "it has no auction anywhere now"
        self._findings.say(task.address, "region", f"there is no auction for {names}{where}", hint, code="no-auction")

    def _choose(self, task: Task, here: list[Candidate]) -> Candidate | None:
        """One of `here`: where the task is already, else the best; why goes into `choices`."""
        if len(here) == 1 and not self._every:
            return here[0]
        here = [self._prospects.at(task, one) for one in here]
        stays = next((c for c in here if c.place == self._kept.get(task.address)), None)
        if stays is not None:
            better_place = better(task, stays, here) if self._may_move(task) else None
            if better_place is None:
                self.choices[task.address] = "keeps its type and region"
                return self._chosen(task, stays, here)
            saves = saving(task, stays, better_place) or 0
            gain = f"saves {percent(saves)}" if stays.unfinished is None else "where it can finish"
            what = f"waits in {stays.auction.region}; {why(task, better_place, here)}, {gain}"
            self.choices[task.address] = what
            return self._chosen(task, better_place, here)
        ambiguous = same_name_twice(here)
        if ambiguous:
            ids = ", ".join(sorted(c.kind.id for c in ambiguous))
            what = f"{ambiguous[0].kind.name} matches several types in {ambiguous[0].auction.region}: {ids}"
            self._findings.say(task.address, "instance_type", what, "give the id", code="type-ambiguous")
            return None
        chosen = best(task, here)
        if len(here) > 1:
            self.choices[task.address] = why(task, chosen, here)
        return self._chosen(task, chosen, here)

    def _may_move(self, task: Task) -> bool:
        """Whether the live bid of `task` may be replaced by one elsewhere without anybody asking for it."""
        ignores = task.lifecycle.ignores("region") or task.lifecycle.ignores("instance_type")
        return task.address in self._movable and not task.lifecycle.prevent_destroy and not ignores

    def _chosen(self, task: Task, chosen: Candidate, here: list[Candidate]) -> Candidate:
        """`chosen`, with what is said of every place in `ranked`."""
        self.ranked[task.address] = tuple(
            Ranked(one, one.can_win(task.instance_quantity), None if one == chosen else why_not(task, chosen, one))
            for one in ranked(task, here)
        )
        return chosen


def _same(wanted: str | None, there: str | None) -> bool:
    return wanted is None or wanted.lower() == (there or "").lower()
