"""A state that was put back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from attrs import field

from flowplan.classes import frozen
from flowplan.model.address import Address
from flowplan.state.state import State


@frozen
class Restored:
    """The state as it is now. `name`: how messages name the version that it was made of; `of_backup`: whether that is
    the backup, not the snapshot itself; `damaged`: what was set aside, by the names it has now; `doubled`: ids that
    several addresses had, which are left out with those."""

    state: State
    name: str
    of_backup: bool
    damaged: tuple[str, ...]
    doubled: Mapping[str, Sequence[Address]] = field(factory=dict)
