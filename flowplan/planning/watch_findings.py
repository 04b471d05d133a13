"""What the watch finds about the addresses of a plan, and which of that it does something about. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import Literal, TypeAlias

import attrs
from attrs import field

from flowplan.classes import frozen
from flowplan.model.address import Address
from flowplan.model.hooks import Event

Kind: TypeAlias = Literal[
    "lifetime_over",
    "lifetime_unknown",
    "ended",
    "preempted",
    "outbid",
    "raised",
    "moves",
    "drift",
    "unapplied",
    "waits",
    "runs",
    "done",
]
Act: TypeAlias = Literal["cancel", "place", "raise", "lower", "move"]
COSTLY: tuple[Act, ...] = ("place", "raise", "move")  # what may make a stack more expensive


_EVENTS: Mapping[str, Event] = MappingProxyType({"preempted": "preempted", "outbid": "preempted", "drift": "drifted"})


def event_of(kind: str, *, to_decide: bool) -> Event | None:
    """The hooks that a finding of this kind sets off when it begins; None: none. A bid that the cloud has ended is
    preempted; one that somebody has, or that nobody knows who has, is changed outside."""
    if kind == "ended":
        return "drifted" if to_decide else "preempted"
    return _EVENTS.get(kind)


@frozen
class Finding:
    """What is the matter with one address. `said`: a sentence for people, without the address. `act`: what the watch
    does about it; None: nothing. `to_decide`: a person is to decide, and `flowplan plan` shows about what. `why_not`:
    why the watch does nothing although its policy is about this; "": that is not so. `refused`: what it would do is, by
    a guard, a budget or the cloud. `price`: of the auction now, `to_win`: the lowest limit that wins now where that of
    the bid does not, `limit`: that of the bid, `new_limit`: what it is set to; each in dollars per instance-hour, None:
    unknown, or there is none. `id`: the live object's, or that of the one that is over; `status`: the API's word."""

    address: Address
    kind: Kind
    said: str
    act: Act | None = field(default=None, kw_only=True)
    to_decide: bool = field(default=False, kw_only=True)
    why_not: str = field(default="", kw_only=True)
    refused: bool = field(default=False, kw_only=True)
    price: Decimal | None = field(default=None, kw_only=True)
    to_win: Decimal | None = field(default=None, kw_only=True)
    limit: Decimal | None = field(default=None, kw_only=True)
    new_limit: Decimal | None = field(default=None, kw_only=True)
    id: str | None = field(default=None, kw_only=True)
    status: str | None = field(default=None, kw_only=True)

    @property
    def event(self) -> Event | None:
        """The hooks that it sets off when it begins; None: none."""
        return event_of(self.kind, to_decide=self.to_decide)

    @property
    def asks(self) -> bool:
        """Whether something is not as it is written, and stays so until a person decides. A bid that waits for a price
        within its bounds is as it is written."""
        return self.to_decide or (self.refused and self.kind not in ("preempted", "outbid"))

    def without_act(self, why: str, *, refused: bool = False) -> Finding:
        """This, about which nothing is done after all."""
        return attrs.evolve(self, act=None, new_limit=None, why_not=why, refused=refused)


@frozen
class Decision:
    """One finding for each address that there is something to say about, in natural order."""

    findings: tuple[Finding, ...]

    @property
    def act(self) -> frozenset[Address]:
        """The addresses that the watch does something about."""
        return frozenset(one.address for one in self.findings if one.act is not None)

    @property
    def limits(self) -> dict[Address, Decimal]:
        """The limit prices that it sets, in dollars per instance-hour."""
        return {one.address: one.new_limit for one in self.findings if one.act and one.new_limit is not None}

    def at(self, limits: Mapping[Address, Decimal]) -> Decision:
        """This, with `limits` for the limit prices that it sets."""
        return Decision(tuple(attrs.evolve(one, new_limit=limits.get(one.address)) for one in self.findings))

    @property
    def moving(self) -> frozenset[Address]:
        """The bids that it places elsewhere."""
        return frozenset(one.address for one in self.findings if one.act == "move")

    def only(self, acts: frozenset[Address], why: Mapping[Address, str], *, refused: bool = False) -> Decision:
        """This, in which nothing is done but about `acts`. `why`: why not, of each other one; `refused`: it is."""
        return Decision(
            tuple(
                one if one.act is None or one.address in acts else one.without_act(why[one.address], refused=refused)
                for one in self.findings
            )
        )
