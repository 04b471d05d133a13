"""persistent_storage, ephemeral_storage_config: volumes created and attached, and all that is mounted. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

from attrs import field

from flowplan.classes import define, frozen
from flowplan.config import keys
from flowplan.config.config import VolumeUse, VolumeWanted
from flowplan.config.positions import Positions
from flowplan.config.section import Section, open_section
from flowplan.config.task.instances import PROPERTY, REGION
from flowplan.config.values import Grammar, agree, choice, given, items, text, text_of, whole
from flowplan.config.yaml import Document, Node, Scalar
from flowplan.config.yaml import Mapping as MappingNode
from flowplan.diagnostics import Position
from flowplan.model.address import KEYED, Address, spelled
from flowplan.model.resources import VOLUME_NAME, VOLUME_NAME_LENGTH, Interface, LocalDisk
from flowplan.patterns import regex

MOST_VOLUMES = 20  # of one instance (fcp)
LARGEST_GB = 32_768  # fcp: max_volume_size_tb 32
_GB_PER_TB = 1_024


def _path_hint(path: str) -> str | None:
    if not path.startswith("/"):
        return "begin it with /"
    if "//" in path:
        return "it has an empty part (//)"
    return "no part may begin with -" if "/-" in path else None


CREATED_NAME = Grammar(
    VOLUME_NAME,
    regex(r"[a-z0-9-]", re.ASCII),
    "lowercase letters, digits and '-', beginning with a letter and not ending with '-'",
    VOLUME_NAME_LENGTH,
)
ATTACHED_NAME = Grammar(
    regex(rf"vol_[A-Za-z0-9]+|{VOLUME_NAME.pattern}", re.ASCII),
    regex(r"[A-Za-z0-9_-]", re.ASCII),
    "the name of a volume (lowercase letters, digits and '-') or its id (vol_...)",
    VOLUME_NAME_LENGTH,
)
STACK_VOLUME = Grammar(
    regex(rf"[A-Za-z][A-Za-z0-9_-]*{KEYED}", re.ASCII),
    regex(r'[A-Za-z0-9._"\[\]-]', re.ASCII),
    'the name of a volume under `volumes`, such as data or data["a"]',
    128,
)
MOUNT_POINT = Grammar(
    regex(r"/|(?:/[A-Za-z0-9._][A-Za-z0-9._-]*)+/?", re.ASCII),
    regex(r"[A-Za-z0-9._/-]", re.ASCII),
    "an absolute path such as /mnt/data, of letters, digits and . _ -",
    255,
    _path_hint,
)
DEVICE = Grammar(
    regex(r"/dev(?:/[A-Za-z0-9_][A-Za-z0-9_-]*)+", re.ASCII),
    regex(r"[A-Za-z0-9_/-]", re.ASCII),
    "a device such as /dev/nvme0n1",
    64,
)

# Nothing may be mounted on or below these: the system would not start, or its files would be hidden or cleaned.
SYSTEM_TREES = regex(
    r"(/(?:bin|boot|dev|etc|lib|lib32|lib64|libx32|proc|root|run|sbin|snap|sys|tmp|usr))(?:/.*)?", re.ASCII
)
# Nothing may be mounted on these: it would hide SSH keys, logs, packages, or what the platform mounts there.
SYSTEM_DIRECTORIES = regex(
    r"/?|/home(?:/ubuntu)?|/media|/mnt|/opt(?:/foundry|/mithril)?|/srv|/var(?:/cache|/lib|/log|/run)?", re.ASCII
)

# Fields of a volume -> the keys that say them.
_WRITTEN = {
    "name": ("volume_name",),
    "size_gb": ("size",),
    "interface": ("disk_interface", "storage_type"),
    "region": ("region_id",),
    "mount_point": ("mount_point", "mount_dir"),
}
_INTERFACES: dict[str, Interface] = {"block": "Block", "nfs": "File", "Block": "Block", "File": "File"}


@define(eq=False)
class Storage:
    """What the storage of one task comes to. `mounts`: every directory in use, with where it is written."""

    created: list[VolumeWanted] = field(factory=list)
    uses: list[VolumeUse] = field(factory=list)
    mounts: dict[str, Node] = field(factory=dict)
    names: dict[str, Node] = field(factory=dict)


@frozen
class Around:
    """What else of the task its volumes must fit."""

    region: str | None
    region_node: Node | None
    instance_quantity: int
    quantity_node: Node | None


# ---- persistent_storage -----------------------------------------------------------------------------------


def read_volumes(section: Section | None, around: Around, storage: Storage) -> None:
    """Fill `storage` from persistent_storage: what is created first, then what is attached."""
    if section is None:
        return
    creates, attaches = _sections(section, "create"), _sections(section, "attach")
    if section.lacks("create") and section.lacks("attach"):
        hint = f"write {keys.STORAGE.example}"
        section.document.problem(section.node, "persistent_storage has neither create nor attach", hint, code="missing")
    shared = _shared_directory(section, len(creates) + len(attaches))
    for create in creates:
        _create(create, section, shared, around, storage)
    for attach in attaches:
        _attach(attach, section, shared, around, storage)
    if len(storage.uses) > MOST_VOLUMES:
        summary = f"the task has {len(storage.uses)} volumes"
        node = list(storage.names.values())[MOST_VOLUMES]
        section.document.problem(node, summary, f"an instance has at most {MOST_VOLUMES}", code="value")


def _sections(storage: Section, key: str) -> list[Section]:
    node = storage.get(key)
    if node is None:
        return []
    title = storage.name(key)
    each = items(storage.document, node, title)
    opened = (open_section(storage.document, item, title, keys.MAPPINGS[title]) for item in each)
    return [section for section in opened if section is not None]


def _shared_directory(section: Section, volumes: int) -> str | None:
    """mount_dir directly under persistent_storage: that of the only volume."""
    directory = _directory(section, "mount_dir")
    if directory is not None and volumes > 1:
        hint = "give each volume its own mount_point"
        key = section.node.key("mount_dir")
        section.document.problem(key, f"mount_dir cannot apply to {volumes} volumes", hint, code="conflict")
        return None
    return directory


def _create(create: Section, parent: Section, shared: str | None, around: Around, storage: Storage) -> None:
    name = _volume_name(create, CREATED_NAME, storage)
    size, interface, region = size_of(create), interface_of(create), _region(create, around)
    directory = _mounted(create, parent, shared, storage)
    document = create.document
    if interface == "Block" and around.instance_quantity > 1:
        place = create.node.get("disk_interface") or create.node.get("storage_type") or create.node
        also = (("num_instances", around.quantity_node),) if around.quantity_node else ()
        summary = f"a Block volume has one writer, and the task has {around.instance_quantity} instances"
        document.problem(place, summary, "write disk_interface: File", code="conflict", also=also)
    if name is None:
        return
    address, source = Address("volume", name), _source(create, "volume_name")
    note_volume(create)
    region, positions = region or around.region, Positions(create.notes.places, create.notes.elsewhere)
    storage.created.append(VolumeWanted(address, name, size or 1, interface, region, directory, source, positions))
    storage.uses.append(VolumeUse(address, directory, source))


def _attach(attach: Section, parent: Section, shared: str | None, around: Around, storage: Storage) -> None:
    shared_volume = _of_stack(attach, storage) if attach.has("volume") else None
    name = None if attach.has("volume") else _volume_name(attach, ATTACHED_NAME, storage)
    region, directory = _region(attach, around), _mounted(attach, parent, shared, storage)
    if shared_volume is not None:
        storage.uses.append(VolumeUse(shared_volume, directory, _source(attach, "volume"), region))
    elif name is not None:
        storage.uses.append(VolumeUse(name, directory, _source(attach, "volume_name"), region))


def _of_stack(attach: Section, storage: Storage) -> Address | None:
    """The volume of this stack that `volume` names."""
    if attach.has("volume_name"):
        also = (("the other one", attach.node.key("volume_name")),)
        summary = f"{attach.title} has volume and volume_name"
        hint = "volume names one of this stack, volume_name one that exists: keep one of the two"
        attach.document.problem(attach.node.key("volume"), summary, hint, code="conflict", also=also)
    written, node = text(attach, "volume", STACK_VOLUME), attach.at("volume")
    name = None if written is None else spelled(written)
    return None if name is None or not _take_name(attach, name, node, storage) else Address("volume", name)


def _region(volume: Section, around: Around) -> str | None:
    """Where the volume is or shall be: in the region of its task."""
    region = text(volume, "region_id", REGION)
    if region is not None and around.region is not None and region != around.region:
        also = (("the task's region", around.region_node),) if around.region_node else ()
        summary = f"region_id is {region}, but the task runs in {around.region}"
        hint = "a volume and its instances must be in the same region: leave out region_id"
        volume.document.problem(volume.at("region_id"), summary, hint, code="conflict", also=also)
    return region


def _source(section: Section, key: str) -> Position:
    return section.document.position(section.at(key))


def _volume_name(section: Section, grammar: Grammar, storage: Storage) -> str | None:
    if section.lacks("volume_name") and "volume" not in section.misspelt:
        section.document.problem(
            section.node, f"{section.title} has no volume_name", "add volume_name: my-data", code="missing"
        )
    name, node = text(section, "volume_name", grammar), section.at("volume_name")
    return None if name is None or not _take_name(section, name, node, storage) else name


def _take_name(section: Section, name: str, node: Node, storage: Storage) -> bool:
    """Whether the task uses no other volume of this name; reported when it does."""
    if name in storage.names:
        also = (("first used here", storage.names[name]),)
        hint = "create or attach a volume only once"
        section.document.problem(node, f"the task uses volume {name} twice", hint, code="duplicate", also=also)
        return False
    storage.names[name] = node
    return True


def note_volume(section: Section) -> None:
    """Note where the fields of a volume are written in its `section`."""
    for of, written in _WRITTEN.items():
        section.note(of, *written)


def size_of(create: Section) -> int | None:
    """In GB. A TB is 1,024 of them (the largest volume, 32 TB, has 32,768 GB)."""
    unit = choice(create, "size_unit", ("gb", "tb", "GB", "TB")) or "gb"
    if create.lacks("size"):
        create.document.problem(create.node, f"{create.title} has no size", "add size: 100 (GB)", code="missing")
        return None
    if unit.lower() == "tb":
        size = whole(create, "size", 1, LARGEST_GB // _GB_PER_TB, "TB")
        return None if size is None else size * _GB_PER_TB
    return whole(create, "size", 1, LARGEST_GB, "GB")


def interface_of(create: Section) -> Interface:
    """Block or File, of a volume that is to be created: `disk_interface` and `storage_type` are two names of one
    setting, and Block is the default. Two that differ are reported."""
    storage_type = choice(create, "storage_type", ("block", "nfs"))
    interface = choice(create, "disk_interface", ("Block", "File"))
    if storage_type and interface and _INTERFACES[storage_type] != interface:
        summary = f"disk_interface is {interface}, but storage_type is {storage_type}"
        hint = "they are one setting: block is Block, nfs is File; keep one"
        also = (("storage_type is given here", create.at("storage_type")),)
        create.document.problem(create.at("disk_interface"), summary, hint, code="conflict", also=also)
    return _INTERFACES[interface or storage_type or "block"]


# ---- directories ------------------------------------------------------------------------------------------


def _mounted(volume: Section, parent: Section, shared: str | None, storage: Storage) -> str | None:
    """The directory of one volume: mount_point, its older spelling, or the one beside create and attach."""
    point, older = _directory(volume, "mount_point"), _directory(volume, "mount_dir")
    spellings = given(volume, "mount_point", point) + given(volume, "mount_dir", older)
    spellings += given(parent, "mount_dir", shared)
    agree(volume.document, spellings)
    if not spellings:
        return None
    directory = str(spellings[0].value)
    _take(volume.document, directory, spellings[0].node, storage)
    return directory


def _directory(section: Section, key: str) -> str | None:
    node = section.get(key)
    return None if node is None else mount_point(section.document, node, section.name(key))


def mount_point(document: Document, node: Node, name: str) -> str | None:
    """A directory on which something may be mounted, without a `/` at its end."""
    written = text_of(document, node, name, MOUNT_POINT)
    if written is None:
        return None
    path = written.rstrip("/")
    parts = path.split("/")[1:]
    if any(part in (".", "..") for part in parts):
        document.problem(node, f"{name} {written} has a part that is . or ..", "write the path out", code="mount-point")
        return None
    tree = SYSTEM_TREES.fullmatch(path)
    if tree or SYSTEM_DIRECTORIES.fullmatch(path):
        what = f"{tree[1]} belongs to the system" if tree else f"it would hide the system's files in {written}"
        hint = "mount below /mnt, /data, /volumes, /opt or /var, for example at /mnt/data"
        document.problem(node, f"nothing can be mounted at {written}", hint, detail=what, code="mount-point")
        return None
    return path


def _take(document: Document, directory: str, node: Node, storage: Storage) -> None:
    """Report a directory that is taken, or that is inside of another one or around it."""
    mounts = storage.mounts
    if directory in mounts:
        also = (("first mounted here", mounts[directory]),)
        summary = f"two things are mounted at {directory}"
        document.problem(node, summary, "give each its own directory", code="mount-point", also=also)
        return
    outer = next((parent for parent in _parents(directory) if parent in mounts), None)
    inner = next((other for other in mounts if other.startswith(f"{directory}/")), None) if outer is None else None
    if outer or inner:
        summary = f"{directory} is inside {outer}" if outer else f"{inner} is inside {directory}"
        also = (("the other one is mounted here", mounts[outer or inner or ""]),)
        hint = "the one mounted later would hide the other: put them side by side"
        document.problem(node, summary, hint, code="mount-point", also=also)
    mounts[directory] = node


def _parents(directory: str) -> Sequence[str]:
    parts = directory.split("/")
    return ["/".join(parts[:length]) for length in range(2, len(parts))]


# ---- ephemeral_storage_config -----------------------------------------------------------------------------


def read_local_disks(section: Section | None, storage: Storage) -> tuple[LocalDisk, ...]:
    """The disks of the instance itself, in the order of their devices."""
    if section is None:
        return ()
    _warn_of_type(section)
    node = section.get("mounts")
    if node is None:
        if section.lacks("mounts") and not section.has("type"):
            hint = f"write {keys.LOCAL.example}"
            section.document.problem(section.node, f"{section.title} has no mounts", hint, code="missing")
        return ()
    document, title = section.document, section.name("mounts")
    found: dict[str, tuple[str, Node]] = {}
    for device_node, point_node in _disks(document, node, title):
        device = text_of(document, device_node, f"{title}: device", DEVICE)
        point = mount_point(document, point_node, f"{title}: directory")
        if device is not None and device in found:
            also = (("first given here", found[device][1]),)
            document.problem(device_node, f"{device} is mounted twice", "keep one", code="duplicate", also=also)
        elif device is not None:
            found[device] = (point or "", device_node)
        if point is not None:
            _take(document, point, point_node, storage)
    return tuple(sorted(LocalDisk(device, point) for device, (point, _) in found.items()))


def _warn_of_type(section: Section) -> None:
    """Foundry's tool takes any text, and does nothing with it."""
    if section.has("type") and text(section, "type", PROPERTY) is not None:
        summary = f"{section.name('type')} has no effect: a disk is mounted as it is"
        section.document.problem(section.node.key("type"), summary, "delete it", code="ignored", severity="warning")


def _disks(document: Document, node: Node, title: str) -> list[tuple[Node, Node]]:
    """Devices and directories, of either form."""
    if isinstance(node, MappingNode):
        pairs: list[tuple[Scalar, Node | None]] = [(node.key(key), node.get(key)) for key in node.entries]
        return [(key, value) for key, value in pairs if value is not None]
    found: list[tuple[Node, Node]] = []
    for item in items(document, node, title):
        disk = open_section(document, item, title, keys.DISK)
        if disk is None:
            continue
        device, point = disk.get("device"), disk.get("mount_point")
        for key in keys.DISK.known:
            if disk.lacks(key):
                document.problem(item, f"this disk has no {key}", f"write {keys.DISK.example}", code="missing")
        if device is not None and point is not None:
            found.append((device, point))
    return found
