"""A volume of a stack, which its tasks attach by its name. Pure."""

from __future__ import annotations

from flowplan.config.config import VolumeWanted
from flowplan.config.positions import Positions
from flowplan.config.section import Section
from flowplan.config.task.instances import REGION
from flowplan.config.task.lifecycle import read_lifecycle
from flowplan.config.task.storage import CREATED_NAME, interface_of, note_volume, size_of
from flowplan.config.values import text, text_of
from flowplan.config.yaml import Scalar
from flowplan.model.address import Address


def read_volume(section: Section, key: Scalar, address: Address, name: str) -> VolumeWanted | None:
    """The volume of `section`, at `address`, called `name` in the cloud unless `volume_name` says otherwise. `key`:
    where its name is written. None where its name is none; problems are reported."""
    section.key, document, node = key, section.document, section.node
    size = None if node.get("attach") is not None else size_of(section)  # that key is the problem then
    interface, region = interface_of(section), text(section, "region_id", REGION)
    if section.has("volume_name"):
        called = text(section, "volume_name", CREATED_NAME)
    else:
        called = text_of(document, Scalar(name, '"', key.start, key.end), "the name of a volume", CREATED_NAME)
    note_volume(section)
    lifecycle, named = read_lifecycle(section), section.has("volume_name")
    if lifecycle.create_before_destroy:
        hint = "delete it: replacing a volume destroys its data in either order, and its name is free only afterwards"
        summary = "create_before_destroy has no meaning for a volume"
        document.problem(section.at("lifecycle"), summary, hint, code="value")
    if called is None:
        return None
    source = document.position(section.at("volume_name") if section.has("volume_name") else key)
    positions = Positions(section.notes.places, section.notes.elsewhere)
    return VolumeWanted(address, called, size or 1, interface, region, None, source, positions, lifecycle, named)
