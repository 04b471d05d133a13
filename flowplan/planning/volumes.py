"""The volumes that tasks create and attach: what a name or an id means, where each is, and who uses it."""

from __future__ import annotations

from collections.abc import Collection

from flowplan.config import Config, Task, VolumeUse
from flowplan.diagnostics import Position, candidates
from flowplan.model.address import Address, Ref
from flowplan.model.live import Live, LiveVolume
from flowplan.model.resources import Mount, Volume
from flowplan.planning.findings import Findings
from flowplan.state.known import Existing


class Volumes:
    """Every volume that the tasks of `config` use. `reads`, which fills up: the attached ones, by address."""

    def __init__(self, config: Config, live: Live, findings: Findings, existing: Existing) -> None:
        self.reads: dict[Address, LiveVolume] = {}
        self._config, self._live, self._findings = config, live, findings
        self._existing = existing
        written = {a: wanted.region for a, wanted in config.volumes.items() if wanted.region}
        self.regions = {**existing.regions, **written}
        self._by_name: dict[str, list[LiveVolume]] = {}
        for volume in live.volumes.values():
            self._by_name.setdefault(volume.volume.name, []).append(volume)

    def region_of(self, use: VolumeUse) -> str | None:
        """Where a used volume is; None for one that has no region yet, and for one that is not there."""
        if isinstance(use.volume, Address):
            return self.regions.get(use.volume)
        found = next(iter(self._found(use.volume)), None)
        return found.volume.region if found else None

    def is_written(self, use: VolumeUse) -> bool:
        """Whether the files say in which region a used volume is."""
        made = self._config.volumes.get(use.volume) if isinstance(use.volume, Address) else None
        return bool(use.region or (made is not None and made.region))

    def follow(self, task: Task, region: str) -> None:
        """Put the volumes that `task` creates where it goes, unless they have a region."""
        for use in task.volumes:
            if isinstance(use.volume, Address):
                self.regions.setdefault(use.volume, region)

    def use(self, task: Task, use: VolumeUse) -> tuple[Ref, Mount | None] | None:
        """The reference and the mount of one used volume, or None when it is not there."""
        if isinstance(use.volume, Address):
            wanted = self._config.volumes[use.volume]
            created = use.volume not in self._existing.adopted
            mount = Mount(use.volume, use.mount_point or "", wanted.interface, wanted.name, created)
            return use.volume, mount if use.mount_point else None
        found = self._attached(task, use.volume, use.source)
        if found is None:
            return None
        self.reads[Address("volume", found.volume.name)] = found
        interface, name = found.volume.interface, found.volume.name
        if interface == "Block" and task.instance_quantity > 1:
            self._findings.say(
                task.address, "volumes", f"{name} is a Block volume: only one instance can use it", code="volume-shared"
            )
        return found.id, Mount(found.id, use.mount_point, interface, name) if use.mount_point else None

    def _attached(self, task: Task, wanted: str, at: Position) -> LiveVolume | None:
        """The one live volume that `wanted` means; what is wrong with none or several of them is noted."""
        found = self._found(wanted)
        if len(found) == 1 and found[0].unfit:
            why = f"the volume {wanted} ({found[0].id}) cannot be read: {found[0].unfit}"
            self._findings.say(
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
            self._findings.say(
                task.address,
                "volumes",
                f"several volumes are named {wanted}: {ids}",
                "give the id",
                at,
                code="volume-ambiguous",
            )
        else:
            names = {*self._by_name, *(volume.name for volume in self._config.volumes.values())}
            hint = candidates(wanted, names) or "this project has no volumes; `create` makes one"
            self._findings.say(
                task.address, "volumes", f"there is no volume {wanted} to attach", hint, at, code="volume-unknown"
            )
        return None

    def _found(self, wanted: str) -> list[LiveVolume]:
        """The live volumes that `wanted`, an id or a name, may mean."""
        by_id = self._live.volumes.get(wanted)
        return [by_id] if by_id else self._by_name.get(wanted, [])

    def one_writer(self) -> None:
        """A Block volume is one bid's: the API would refuse the second, after the first is placed. A volume is known by
        what it is, not by how it is written: its name here may be its id there."""
        users: dict[str, tuple[Address, VolumeUse]] = {}
        for address, task in self._config.tasks.items():
            for use in task.volumes:
                which, name, block = self._identity(use)
                other, first = users.setdefault(which, (address, use))
                if first is use:
                    continue
                spelled = (
                    "" if first.volume == use.volume else f", as {_ref_text(first)} there and {_ref_text(use)} here"
                )
                also = (("first used here", first.source),)
                if other == address:
                    what = f"{address} uses the volume {name} twice{spelled}"
                    self._findings.say(
                        address,
                        "volumes",
                        what,
                        "create or attach a volume only once",
                        use.source,
                        also,
                        code="conflict",
                    )
                elif block:
                    what = f"the Block volume {name} is already used by {other}{spelled}; only one bid can use it"
                    hint = "a File volume (disk_interface: File) can be shared"
                    self._findings.say(address, "volumes", what, hint, use.source, also, code="volume-shared")

    def _identity(self, use: VolumeUse) -> tuple[str, str, bool]:
        """What tells a used volume from others (its id, else its address), its name, and whether it is Block."""
        if isinstance(use.volume, Address):
            wanted = self._config.volumes[use.volume]
            return self._existing.made.get(use.volume, str(use.volume)), wanted.name, wanted.interface == "Block"
        found = self._found(use.volume)
        if len(found) != 1:  # said already
            return f"attach {use.volume}", use.volume, False
        return found[0].id, found[0].volume.name, found[0].volume.interface == "Block"

    def wanted(self, address: Address, offered: Collection[str]) -> Volume | None:
        """A volume that the file creates, in its own region or its task's. `offered`: the regions there are."""
        wanted = self._config.volumes[address]
        region = self.regions.get(address)
        if region is None:
            if not self._findings.problems:  # else its task already failed
                self._findings.say(
                    address,
                    "region",
                    f"no task gives volume {wanted.name} a region",
                    "add region_id",
                    code="missing",
                )
            return None
        # Where it already is, nothing need be offered any more.
        if region not in offered and address not in self._existing.regions:
            self._findings.unknown_region(address, region, offered)
            return None
        return Volume(wanted.name, wanted.size_gb, wanted.interface, region)


def _ref_text(use: VolumeUse) -> str:
    """A used volume as the file has it."""
    return use.volume.name if isinstance(use.volume, Address) else use.volume
