"""What a plan is, what is wished for beside the configuration, and when two plans do the same. Pure.

Live and desired are the same classes; `==` decides, and the field's own metadata says what a difference
means. docs/planning.md lists every action with its exact condition.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias

from attrs import field

from flowplan.classes import frozen
from flowplan.diagnostics import Diagnostic
from flowplan.model.address import Address
from flowplan.model.catalogue import Place
from flowplan.model.lifecycle import Lifecycle
from flowplan.model.resources import Bid, Volume
from flowplan.model.selection import Patterns
from flowplan.planning import steps as graph
from flowplan.planning.actions import ACTIONS, Action, Change, Expire, Forget, Import
from flowplan.pricing.entry import Key
from flowplan.state.state import Binding

if TYPE_CHECKING:
    from flowplan.model.given import GivenValue
    from flowplan.model.hooks import Hook
    from flowplan.model.live import Marker
    from flowplan.model.policy import Policies
    from flowplan.state.records import Intent

Mode: TypeAlias = Literal["apply", "destroy", "refresh-only"]
RESTART = "its instances stop, and start again if it still wins: volumes change only while a bid is paused"
EVERYTHING = "*"  # as a volume's name: every volume may be destroyed


@frozen
class LeftAlone:
    """A live resource that a plan leaves alone, because the file that named it was not given. `resource`: as far as it
    is known; `status` and `has_marker`: of a bid. `file`: as one types it here, None: none is known to have named it;
    `is_gone`: there is no such file any more; `may_be`: the files that are skipped, any of which may be it."""

    address: Address
    id: str
    resource: Bid | Volume
    file: str | None
    is_gone: bool = False
    may_be: tuple[str, ...] = ()
    status: str | None = None
    has_marker: bool = False

    @property
    def is_unnamed(self) -> bool:
        """Whether no file that is there is known to name it."""
        return self.file is None or self.is_gone


@frozen
class Plan:
    """Everything that would be done, in order. What it costs, and what refuses it, is in a PricedPlan."""

    mode: Mode
    changes: tuple[Change, ...]
    order: graph.Order
    drift: tuple[Change, ...] = ()
    other_marker: tuple[tuple[Address, Marker], ...] = ()  # of these, bids with the marker of another stack
    ends_elsewhere: tuple[tuple[Address, Marker], ...] = ()  # of what is cancelled, bids with such a marker
    outside: tuple[Address, ...] = ()  # addresses of configuration files that were not given
    left_alone: tuple[LeftAlone, ...] = ()  # of these, what is live
    twins: tuple[tuple[Address, tuple[str, ...]], ...] = ()  # further live bids that carry our marker
    namesakes: tuple[tuple[Address, tuple[str, ...]], ...] = ()  # bids of somebody else with the name of ours
    moved: tuple[tuple[Address, str, str], ...] = ()  # address, the file that made it, the file that has it now
    staying: tuple[tuple[Address, str], ...] = ()  # volumes nobody wants, but who uses them is not reported: why
    in_doubt: tuple[Intent, ...] = ()  # operations of an earlier run whose outcome is not known
    refreshed: bool = True  # False: made of the state, without a look at what is live
    patterns: Patterns = field(factory=Patterns)  # which part of the whole it is
    left_out: tuple[Address, ...] = ()  # what would be changed, too, were it all of it
    dependents: tuple[tuple[Address, Address], ...] = ()  # of these, what depends on something excluded, and on what
    untriggered: tuple[tuple[Address, Address], ...] = ()  # of these, what a change in the plan replaces, and which
    faults: tuple[Diagnostic, ...] = ()  # what is wrong with what is left out
    renamed: tuple[tuple[Address, Address], ...] = ()  # what is unnamed and what is created, which may be one
    uncompared: tuple[Diagnostic, ...] = ()  # what bids that flowplan did not place carry: what is not known of it

    @property
    def empty(self) -> bool:
        """Whether nothing is to be done, nor to be recorded: under another address, or of what is live."""
        if self.mode == "refresh-only":
            return not self.order and not self.drift
        return not self.order and all(one.previous_address is None for one in self.changes)

    @property
    def adds_nothing(self) -> bool:
        """Whether it does nothing that could cost more, or lose data that nobody gave up: then it needs only ids."""
        return all(one.adds_nothing for one in self.changes)

    @property
    def only_stops(self) -> bool:
        """Whether it stops something, and does nothing else."""
        return self.adds_nothing and not self.empty and self.mode != "refresh-only"

    @property
    def said_mode(self) -> Mode:
        """The mode of the command that does it: what only ends lifetimes is a destroy that an apply does."""
        ends = self.mode == "destroy" and any(isinstance(one, Expire) for one in self.changes)
        return "apply" if ends else self.mode

    def by_address(self) -> dict[Address, Change]:
        """The changes, each by its address."""
        return {change.address: change for change in self.changes}

    def places(self) -> dict[Address, Place]:
        """The type and region of every bid that there is after it."""
        bids = ((one.address, one.after) for one in self.changes if isinstance(one.after, Bid))
        return {address: (bid.instance_type, bid.region) for address, bid in bids}

    def count(self) -> dict[Action, int]:
        """How many resources each action is for; what is imported and changed at once is for two."""
        counts: dict[Action, int] = dict.fromkeys(ACTIONS, 0)
        for change in self.changes:
            counts[change.action] += 1
            if isinstance(change, Import) and change.fields:
                counts["update"] += 1
        return counts


class Files(Protocol):
    """The configuration files as the state names them (`Binding.source`)."""

    def kept(self, name: str) -> str:
        """What the state calls the file that a Position calls `name`."""

    def for_people(self, source: str) -> str:
        """`source` as it is shown: from where the command runs."""

    def is_gone(self, source: str) -> bool:
        """Whether that file is proved not to be there any more."""

    def may_be(self, source: str) -> tuple[str, ...]:
        """The files that are skipped, if that file is gone: it may be any of them under another name."""

    def is_given(self, source: str) -> bool:
        """Whether a PATH leads there, if under another name, or to its like in this checkout."""

    def same(self, one: str, other: str) -> bool:
        """Whether two names of the state lead to one file, or the second to the like of the first in this checkout."""


class AllThere(Files):
    """Files that are all there, and have one name each."""

    def kept(self, name: str) -> str:
        return name

    def for_people(self, source: str) -> str:
        return source

    def is_gone(self, source: str) -> bool:
        return False

    def may_be(self, source: str) -> tuple[str, ...]:
        return ()

    def is_given(self, source: str) -> bool:
        return False

    def same(self, one: str, other: str) -> bool:
        return one == other


@frozen
class Unread:
    """Files that cannot be read: what their text shows that they may say. `word`: one that keeps volumes (`attach`),
    "": none. `kept`: names of tasks that a `removed` block may keep live, or EVERYTHING. `locked`: files of which
    nothing can be read, and why."""

    word: str = ""
    kept: frozenset[str] = frozenset()
    locked: tuple[Diagnostic, ...] = ()


@frozen
class Wishes:
    """What is asked for beside the configuration."""

    mode: Mode = "apply"
    refresh: bool = True
    patterns: Patterns = field(factory=Patterns)
    replace: frozenset[Address] = frozenset()  # these three: what `patterns` mean, once that is looked up
    targets: frozenset[Address] = frozenset()
    excluded: frozenset[Address] = frozenset()
    held_to: frozenset[Address] | None = None  # what a saved plan, or the watch, touches: nothing else is done
    unrecorded: bool = False  # by the watch: of what it does not touch, nothing that the files say is recorded
    limits: Mapping[Address, Decimal] = field(factory=dict)  # by the watch: limit prices in the place of the files'
    moving: frozenset[Address] = frozenset()  # by the watch: bids that are placed elsewhere
    places: Mapping[Address, Place] = field(factory=dict)  # by the watch: where bids are placed again, once they ended
    destroyable: frozenset[str] = frozenset()  # names or addresses of volumes whose data may go, or EVERYTHING
    keep_volumes: bool = False  # to destroy: volumes stay, and are managed no longer
    # These bids are past the lifetime that was applied: why. No file names them; a destroy is of nothing else.
    lapsed: Mapping[str, str] = field(factory=dict)
    spared: frozenset[Address] = frozenset()  # to destroy: what the files say is to stay live
    declared: frozenset[Address] = frozenset()  # to destroy: what the files name, and so say how to treat
    called: Mapping[Address, str] = field(factory=dict)  # to destroy: names of bids in the files, without prefix
    given_up: frozenset[Address] = frozenset()  # to destroy: what `removed` blocks destroy
    attached: frozenset[str] = frozenset()  # to destroy: names and ids of volumes that the files only attach
    lifecycles: Mapping[Address, Lifecycle] = field(factory=dict)  # to destroy: what the files say of that
    unread: Unread | None = None  # to destroy: the files cannot be read
    variables: Mapping[str, GivenValue] = field(factory=dict)  # to destroy: those of the files that were given
    name_prefix: str | None = None  # to destroy: that of the stack file; None: it is not known
    stack: str = ""  # to destroy: the name that the stack file gives; "": none, or it is not known
    policies: tuple[Policies, ...] = ()  # what it is held to
    policy_files: Mapping[str, str] = field(
        factory=dict
    )  # of these, the files given beside the stack, with their texts
    hooks: tuple[Hook, ...] = ()  # what is run afterwards
    in_scope: Callable[[Binding], bool] = lambda _: True
    files: Files = field(factory=AllThere)

    @property
    def partial(self) -> bool:
        """Whether something configured may be left out."""
        return self.patterns.partial or self.held_to is not None


def key_of(bid: Bid) -> Key:
    """The auction and quantity that a bid is priced in."""
    return (bid.instance_type, bid.region, bid.instance_quantity)


def same_work(one: Plan, other: Plan) -> bool:
    """Whether two plans do the same to the same objects, in the same order. What they say besides (notes, statuses,
    places in files, prices, what stays as it is) does not count."""
    same = one.order == other.order and _work(one) == _work(other)
    return same and (one.mode != "refresh-only" or _recorded(one) == _recorded(other))


def same_but_ended(shown: Plan, now: Plan) -> bool:
    """Whether `now` destroys what `shown` does, but for bids that are over by now, and forgotten with their ports."""
    if shown.mode != "destroy" or now.mode != "destroy":
        return False
    over = {one.address for one in now.changes if isinstance(one, Forget) and not one.released}
    over -= {one.address for one in shown.changes if one.address.kind == "volume"}
    here, there = ([one for one in _work(plan) if one[1] not in over] for plan in (shown, now))
    return over <= shown.by_address().keys() and here == there


def _recorded(plan: Plan) -> list[tuple[object, ...]]:
    return [(one.address, one.id, one.after) for one in plan.drift]


def _work(plan: Plan) -> list[tuple[object, ...]]:
    return [
        (
            *(type(one), one.address, one.previous_address, one.id, one.before, one.after, one.reason, one.generation),
            sorted(map(str, one.needs)),
        )
        for one in plan.changes
        if one.ways or one.previous_address is not None
    ]
