"""Live bids and volumes -> the stack file that asks for what they are. Pure.

What no list tells of a bid (its ports, where its volumes are mounted) is not in the file: unknown is no difference.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence

from flowplan.classes import frozen
from flowplan.documents.yaml_text import Value, mapping
from flowplan.masking import secret_in
from flowplan.model.address import Address
from flowplan.model.catalogue import Catalogue
from flowplan.model.live import LiveBid, LiveVolume
from flowplan.model.resources import (
    BID_NAME,
    VOLUME_NAME,
    VOLUME_NAME_LENGTH,
    Bid,
    Inputs,
    Mount,
    PortPair,
    Script,
    Volume,
)
from flowplan.names import Said, together
from flowplan.printable import shown
from flowplan.state.known import as_known

_KEY_LENGTH = 50  # a key may have 63: room for what tells two apart


@frozen
class Found:
    """A live object, and the address that it gets. `script`: of a bid, what the file has as its startup script."""

    address: Address
    live: LiveBid | LiveVolume
    script: Script | None = None

    @property
    def id(self) -> str:
        """The id that the API gave it."""
        return self.live.id

    @property
    def name(self) -> str:
        """Its name in the cloud."""
        return self.live.volume.name if isinstance(self.live, LiveVolume) else self.live.bid.name

    @property
    def unsaid(self) -> Said | None:
        """What the file leaves out of it, since it is not known."""
        bid, ignored = self.resource, self.ignored
        if not isinstance(bid, Bid):
            return None
        if ignored:
            rest = "its startup script is" if self.script is None else "what else its script does is"
            cannot = "known" if bid.inputs is not None else "text that the file can have as it is"
            return self._said(f"{rest} not {cannot}; the file ignores that (ignore_changes)")
        if bid.inputs is not None:
            return None
        unknown = "ports, mounts and startup script" if bid.runs is None else "ports and mounts"
        return self._said(f"its {unknown} are not known, and not in the file")

    @property
    def ignored(self) -> list[str]:
        """What it carries, and the file cannot say."""
        bid = self.resource
        if not isinstance(bid, Bid):
            return []
        if bid.inputs is not None:
            more = _has_more(bid.inputs, self.script)
            return ["startup_script", "container_image", "local_disks"] if more else []
        return ["startup_script"] if self.script is None and bid.runs is not None and bid.runs.size else []

    @property
    def secret(self) -> Said | None:
        """That its script, which the file has as it runs, seems to hold a secret."""
        found = secret_in(self.script.text or "") if self.script is not None else None
        if self.script is None or found is None:
            return None
        line = (self.script.text or "").count("\n", 0, found) + 1
        return self._said(f"its startup script seems to hold a secret in its line {line}, and is in the file as it is")

    def left_out(self, why: str) -> Said:
        """That it is not imported."""
        name = f"{self.address.kind} {shown(self.name)}"
        return Said(name, f"{name} ({self.id}) is left out: {why}", f"left out, because {why.replace(self.id, 'it')}")

    def _said(self, what: str) -> Said:
        return Said(str(self.address), f"{self.address}: {what}", what)

    @property
    def resource(self) -> Bid | Volume:
        """It as far as it is known: a marker tells what a bid publishes and mounts."""
        return as_known(self.live, None)


def addressed(objects: Iterable[LiveBid | LiveVolume], taken: Collection[Address]) -> list[Found]:
    """`objects`, each with an address made of its name that is neither `taken` nor another's."""
    known, found = set(taken), []
    for one in objects:
        kind = "volume" if isinstance(one, LiveVolume) else "bid"
        key = _key(_name_of(one), kind)
        number = 1
        while (address := Address.parse(f"{kind}.{key}" if number == 1 else f"{kind}.{key}-{number}")) in known:
            number += 1
        known.add(address)
        found.append(Found(address, one))
    return found


def text(stack: str, project: str, found: Sequence[Found], catalogue: Catalogue, said: Iterable[Said] = ()) -> str:
    """The stack file of `found`, with `import` blocks for it. `stack`: its name, by which it is told from another one
    that was written so, if a file can have that. `said`: comments at its head."""
    volumes = {one.id: one for one in found if isinstance(one.live, LiveVolume)}
    names = [one.name for one in found]
    made: dict[str, Value] = {"version": 2, "name": stack, "project_name": project}
    if not BID_NAME.fullmatch(stack):
        del made["name"]
    if volumes:
        made["volumes"] = {one.address.name: _volume(one, names) for one in volumes.values()}
    tasks = {
        one.address.name: _task(one, bid, volumes, catalogue, names)
        for one in found
        if isinstance(bid := one.resource, Bid)
    }
    if tasks:
        made["tasks"] = tasks
    made["import"] = [{"address": str(one.address), "id": one.id} for one in found]
    lines = [f"# {line}" for line in together(said, "...")]
    return "\n".join([*lines, *mapping(made)]) + "\n"


def _name_of(one: LiveBid | LiveVolume) -> str:
    """The name that its address is made of: of a bid of this stack the one that its marker has."""
    if isinstance(one, LiveVolume):
        return one.volume.name
    return one.marker.address.name if one.marker is not None else one.bid.name


def _key(name: str, kind: str) -> str:
    """A key of a stack file that is like `name`; of a volume also a name that it could have."""
    plain = re.sub(r"[^a-z0-9-]+", "-", name.lower()) if kind == "volume" else re.sub(r"[^A-Za-z0-9_-]+", "-", name)
    plain = plain.strip("-_")[:_KEY_LENGTH].strip("-_")
    if kind == "volume" and not re.match("[a-z]", plain):
        return f"{kind}-{plain}".strip("-")
    return plain or kind


def _volume(one: Found, names: Sequence[str]) -> dict[str, Value]:
    if not isinstance(one.live, LiveVolume):
        return {}
    volume = one.live.volume
    made: dict[str, Value] = {}
    fits = VOLUME_NAME.fullmatch(one.name) is not None and len(one.name) <= VOLUME_NAME_LENGTH
    if one.name != one.address.name and fits and names.count(one.name) == 1:
        made["volume_name"] = one.name
    protected: dict[str, Value] = {"prevent_destroy": True}  # no volume says whose it is: another stack may have it
    return {
        **made,
        "size": volume.size_gb,
        "disk_interface": volume.interface,
        "region_id": volume.region,
        "lifecycle": protected,
    }


def _task(
    one: Found, bid: Bid, volumes: Mapping[str, Found], catalogue: Catalogue, names: Sequence[str]
) -> dict[str, Value]:
    made: dict[str, Value] = {}
    if one.name != one.address.name and BID_NAME.fullmatch(one.name) and names.count(one.name) == 1:
        made["name"] = one.name
    made["resources_specification"] = {
        "fcp_instance": type_name(bid.instance_type, bid.region, catalogue),
        "num_instances": bid.instance_quantity,
        "cluster_id": bid.region,
    }
    made["task_management"] = {"utility_threshold_price": bid.limit_price}
    if bid.ssh_keys:
        made["ssh_key_name"] = [key_name(id, catalogue) for id in bid.ssh_keys]
    if bid.paused:
        made["paused"] = True
    mounts = {str(mount.volume): mount for mount in (bid.inputs.mounts if bid.inputs else ())}
    if bid.volumes:
        made["persistent_storage"] = {"attach": [_attach(str(id), volumes, mounts) for id in bid.volumes]}
    if bid.inputs and bid.inputs.ports:
        made["ports"] = [_port(pair) for pair in bid.inputs.ports]
    if one.script is not None and one.script.text is not None:
        made["startup_script"] = one.script.text
    if ignored := one.ignored:
        made["lifecycle"] = {"ignore_changes": ignored}
    return made


def _has_more(inputs: Inputs, script: Script | None) -> bool:
    """Whether a bid carries more than `script` and its ports and mounts, which are all that its marker tells."""
    return not inputs.alike(Inputs(script, inputs.ports, inputs.mounts))


def type_name(id: str, region: str, catalogue: Catalogue) -> str:
    """A type's name, where no other type of that name has an auction there; else its id."""
    kind = catalogue.type(id)
    alike = [one for one in catalogue.types if kind is not None and one.name == kind.name]
    offered = [one for one in alike if catalogue.auction(one.id, region)]
    return kind.name if kind is not None and offered == [kind] else id


def key_name(id: str, catalogue: Catalogue) -> str:
    """An SSH key's name, where no other key has it; else its id."""
    names = [key.name for key in catalogue.ssh_keys if key.id == id]
    return names[0] if names and sum(key.name == names[0] for key in catalogue.ssh_keys) == 1 else id


def _attach(id: str, volumes: Mapping[str, Found], mounts: Mapping[str, Mount]) -> dict[str, Value]:
    made: dict[str, Value] = {"volume": volumes[id].address.name} if id in volumes else {"volume_name": id}
    return {**made, "mount_point": mounts[id].mount_point} if id in mounts else made


def _port(pair: PortPair) -> Value:
    return pair.external if pair.external == pair.internal else f"{pair.external}:{pair.internal}"
