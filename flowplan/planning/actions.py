"""What can happen to one address: a class for each, which says what of `Change` it always has.

One that has no field of its own is a plain subclass: attrs would write the `__init__` with 24 parameters once more.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, ClassVar, Literal, TypeAlias

from attrs import field

from flowplan.classes import frozen
from flowplan.diagnostics import Diagnostic, Position
from flowplan.model.address import Address
from flowplan.model.lifecycle import DEFAULT, After, Bounds, Lifecycle, Lifetime
from flowplan.model.live import STATUSES
from flowplan.model.resources import Bid, Resource
from flowplan.planning.candidates import Ranked
from flowplan.planning.steps import Way
from flowplan.state.state import Binding, Guard, guard_of

Action: TypeAlias = Literal["create", "update", "replace", "delete", "no-op", "read", "forget", "import"]
ACTIONS: tuple[Action, ...] = ("create", "update", "replace", "delete", "no-op", "read", "forget", "import")

KEPT = "forget_because_kept"  # as a reason: of a volume that stays when everything else is destroyed
RESTARTED = "update_by_restart"  # as a reason: of a bid that is paused, changed and bid with again
LIFETIME_OVER = "delete_because_lifetime"  # as a reason: of a bid whose lifetime is over, and of its ports


@frozen
class FieldChange:
    """One field that differs. `forces`: this difference alone makes a replacement necessary."""

    name: str
    before: Any
    after: Any
    forces: bool = False


@frozen
class Change:
    """What happens to one address. `before` is what is there, as it is known (None: nothing, or it is not known),
    `after` what is to be there then (None: nothing), and `fields` what differs between the two, where both are there.

    `id`: the live object's; `status`: the API's word for how it is; `generation`: the one `after` will have;
    `needs_before`: what it used when it was last applied; `reason`: why, as a machine-readable word; `note`: why, for
    people; `lifecycle`: how the files want it treated; `protected`: where prevent_destroy is written, or was when it
    was applied and the files say nothing of it, "": nowhere; `protected_by`: which address in `protected` of the
    policies means it, "": none; `previous_address`: the one that the state knows it by,
    where it has moved; `imported`: it is taken into the state by this plan; `waits_for`: how far
    other tasks must be before it is placed; `lifetime`: when it ends; `candidates`: where it could go; `raised_from`:
    the limit price in the files, where `after` has one that the watch has raised; `moving`: the watch places it
    elsewhere, which the next run goes on with, whatever ends this one; `released`: it is forgotten, is live, and may
    carry our marker: the state remembers that it is somebody else's from now on.
    """

    action: ClassVar[Action]
    ways: ClassVar[tuple[Way, ...]] = ()  # the steps that it is made of

    address: Address
    before: Resource | None = field(default=None, kw_only=True)
    after: Resource | None = field(default=None, kw_only=True)
    fields: tuple[FieldChange, ...] = field(default=(), kw_only=True)
    id: str | None = field(default=None, kw_only=True)
    status: str | None = field(default=None, kw_only=True)
    reason: str | None = field(default=None, kw_only=True)
    note: str | None = field(default=None, kw_only=True)
    generation: int = field(default=1, kw_only=True)
    needs: tuple[Address, ...] = field(default=(), kw_only=True)
    needs_before: tuple[Address, ...] = field(default=(), kw_only=True)
    waits_for: tuple[After, ...] = field(default=(), kw_only=True)
    lifetime: Lifetime | None = field(default=None, kw_only=True)
    candidates: tuple[Ranked, ...] = field(default=(), kw_only=True)
    position: Position | None = field(default=None, kw_only=True)
    source: str = field(default="", kw_only=True)
    lifecycle: Lifecycle = field(default=DEFAULT, kw_only=True)
    protected: str = field(default="", kw_only=True)
    protected_by: str = field(default="", kw_only=True)
    previous_address: Address | None = field(default=None, kw_only=True)
    imported: bool = field(default=False, kw_only=True)
    raised_from: Decimal | None = field(default=None, kw_only=True)
    moving: bool = field(default=False, kw_only=True)
    released: bool = field(default=False, kw_only=True)

    def bound(self, id: str, applied: Resource) -> Binding:
        """What the state records of it once the object `id`, which is as in `applied`, is its own."""
        return Binding(
            self.address,
            id,
            applied,
            self.needs,
            self.generation,
            self.source,
            protected=self.protected,
            protected_by=self.protected_by,
            lifetime=self.bounds,
            raised_from=self.raised_from,
        )

    @property
    def guard(self) -> Guard | None:
        """What keeps the lifetime from ending its bid; None: nothing."""
        return guard_of(self.protected, self.protected_by)

    @property
    def bounds(self) -> Bounds | None:
        """When the task ends, as the state records it; None: nothing ends it."""
        return None if self.lifetime is None or self.address.kind != "bid" else self.lifetime.bounds

    def releases(self, volume: str) -> bool:
        """Whether the live bid does not hold the volume with this id any more once this is done, or for a while."""
        return False

    @property
    def adds_nothing(self) -> bool:
        """Whether it can neither cost more nor lose data that nobody gave up."""
        return True

    @property
    def status_is_strange(self) -> bool:
        """Whether the API has a word for its status that flowplan does not know."""
        return bool(self.status) and self.status not in STATUSES  # "": it is not reported


class Create(Change):
    """It is made. An `id` is that of the object that is gone."""

    __slots__ = ()

    action: ClassVar[Action] = "create"
    ways: ClassVar[tuple[Way, ...]] = ("up",)
    adds_nothing: ClassVar[bool] = False

    after: Resource


class Update(Change):
    """It is changed in place."""

    __slots__ = ()

    action: ClassVar[Action] = "update"
    ways: ClassVar[tuple[Way, ...]] = ("up",)

    before: Resource
    after: Resource
    id: str

    def releases(self, volume: str) -> bool:
        return isinstance(self.after, Bid) and volume not in self.after.volumes

    @property
    def adds_nothing(self) -> bool:
        paused = isinstance(self.after, Bid) and self.after.paused
        return paused and all(one.name == "paused" for one in self.fields)


class Import(Update):
    """It is live, and is taken into the state; then `fields` are changed in place, if there are any."""

    __slots__ = ()

    action: ClassVar[Action] = "import"


class Replace(Change):
    """It is taken away, and made again."""

    __slots__ = ()

    action: ClassVar[Action] = "replace"
    ways: ClassVar[tuple[Way, ...]] = ("down", "up")
    adds_nothing: ClassVar[bool] = False

    before: Resource
    after: Resource
    id: str

    def releases(self, volume: str) -> bool:
        return True


class CreateFirst(Replace):
    """Its successor is made, under a name of its own; then it is taken away."""

    __slots__ = ()

    ways: ClassVar[tuple[Way, ...]] = ("up", "down")

    @property
    def earlier(self) -> Address:
        """Where it stands from the moment in which its successor is made."""
        return self.address.of_generation(self.generation - 1)


class Delete(Change):
    """It is taken away."""

    __slots__ = ()

    action: ClassVar[Action] = "delete"
    ways: ClassVar[tuple[Way, ...]] = ("down",)

    before: Resource
    id: str

    def releases(self, volume: str) -> bool:
        return True


class Expire(Delete):
    """Its lifetime is over: it is taken away, and the state keeps that it is done."""

    __slots__ = ()


class Forget(Change):
    """The state knows it no more; nothing live is touched."""

    __slots__ = ()

    action: ClassVar[Action] = "forget"
    ways: ClassVar[tuple[Way, ...]] = ("down",)

    before: Resource
    id: str


class Read(Change):
    """It is looked up, and never changed: somebody else's volume. It is after as before."""

    __slots__ = ()

    action: ClassVar[Action] = "read"

    before: Resource
    after: Resource
    id: str


class NoOp(Change):
    """Nothing is done: nothing differs. It is after as before."""

    __slots__ = ()

    action: ClassVar[Action] = "no-op"

    before: Resource
    after: Resource
    id: str


class LeftOut(NoOp):
    """Nothing is done, whatever differs: it is not in the part of the plan that was asked for. The state keeps what it
    knows of it."""

    __slots__ = ()


@frozen
class Completed(Change):
    """Nothing is done: it has run, and is not placed again. `ended`: how it ended, as the state keeps it."""

    action: ClassVar[Action] = "no-op"

    applied: Resource = field(kw_only=True)
    ended: str = field(kw_only=True)
    id: str = field(kw_only=True)


class Presumed(Change):
    """Nothing is done, since nothing tells what there is: ports of a bid that flowplan did not place."""

    __slots__ = ()

    action: ClassVar[Action] = "no-op"

    after: Resource


def refusal(code: str, change: Change, summary: str, hint: str) -> Diagnostic:
    """That a change is not to be done."""
    return Diagnostic(code, summary, hint, position=change.position, about=str(change.address))
