"""How a resource is to be treated: its lifecycle, what it waits for, how long it may live. Nouns of the configuration.

Words are Terraform's where Terraform has one (`prevent_destroy`, `ignore_changes`, `create_before_destroy`,
`replace_triggered_by`); fields are named by the inner names of model/resources.py (`limit_price`, `size_gb`).
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Literal, TypeAlias

from attrs import field

from flowplan.classes import frozen
from flowplan.diagnostics import Position
from flowplan.model.address import Address

# How far another task must be before a task that waits for it is placed.
Until: TypeAlias = Literal["placed", "allocated", "running", "terminated"]
UNTIL: tuple[Until, ...] = ("placed", "allocated", "running", "terminated")
ALL_FIELDS = "all"  # in `ignore_changes`: whatever differs


@frozen
class Trigger:
    """What replaces another resource too: that the resource at `address` is replaced or, with `of`, that this
    field of it changes. An address without a key stands for every instance of a `for_each`."""

    address: Address
    of: str  # the field; "": none
    source: Position = field(eq=False)

    def __str__(self) -> str:
        return ".".join(filter(None, (str(self.address), self.of)))

    def means(self, address: Address) -> bool:
        """Whether the resource at `address` is the one, or one of those."""
        return self.address == address or (self.address.kind, self.address.name) == (address.kind, address.base)


@frozen
class Lifecycle:
    """Of one resource. `prevent_destroy`: a plan that deletes or replaces it is refused. `ignore_changes`: fields whose
    differences do not count once it exists, or ALL_FIELDS. `create_before_destroy`: a replacement is made before the
    old one goes. `replace_triggered_by`: it is replaced when one of these is replaced or, for a field of it
    (`bid.train.limit_price`), when that changes."""

    prevent_destroy: bool = False
    ignore_changes: tuple[str, ...] = ()
    create_before_destroy: bool = False
    replace_triggered_by: tuple[Trigger, ...] = ()
    source: Position | None = field(default=None, eq=False)  # where it is written

    def ignores(self, *names: str) -> bool:
        """Whether a difference of a field, or of what it is a part of (`names`), does not count."""
        return not {*names, ALL_FIELDS}.isdisjoint(self.ignore_changes)


@frozen
class After:
    """That a task waits for another: it is placed once `task` (a bid's address) is as far as `until`."""

    task: Address
    until: Until
    source: Position = field(eq=False)


@frozen
class Bounds:
    """When a task ends, whichever comes first: after `max_hours` of running, with `max_cost` dollars paid, at `end_at`
    (in UTC); None: no such bound. `cancel_when_done`: its bid is cancelled once its startup script has ended."""

    max_hours: Decimal | None
    max_cost: Decimal | None
    end_at: datetime | None
    cancel_when_done: bool


@frozen
class Lifetime(Bounds):
    """The bounds of a task, as a file has them at `source`."""

    source: Position = field(eq=False)

    @property
    def bounds(self) -> Bounds:
        """The same, without the place."""
        return Bounds(self.max_hours, self.max_cost, self.end_at, self.cancel_when_done)


DEFAULT = Lifecycle()  # of a resource that says nothing
