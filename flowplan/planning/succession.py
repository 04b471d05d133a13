"""Bids of a plan that follow each other: what waits for the end of another never runs beside it. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeVar

from attrs import field

from flowplan.classes import frozen
from flowplan.model.address import Address
from flowplan.model.resources import Bid
from flowplan.planning.actions import Change

T = TypeVar("T")


@frozen
class Succession:
    """`phases`: of bids that follow others, how many ends at least come before they are placed; `awaited`: bids whose
    end another one waits for."""

    phases: Mapping[Address, int] = field(factory=dict)
    awaited: frozenset[Address] = frozenset()

    @classmethod
    def of(cls, changes: Iterable[Change]) -> Succession:
        """By `waits_for` of `changes`, which form no circle. What runs no more is not waited for."""
        changes = tuple(changes)
        runs = {one.address for one in changes if isinstance(one.after, Bid)}
        waits = {
            one.address: [(wait.task, wait.until == "terminated") for wait in one.waits_for if wait.task in runs]
            for one in changes
            if one.waits_for
        }
        phases: dict[Address, int] = {}
        left = list(waits)
        while left:
            missing = [task for task, _ in waits[left[-1]] if task in waits and task not in phases]
            if missing:
                left += missing
                continue
            address = left.pop()
            phases[address] = max((phases.get(task, 0) + ends for task, ends in waits[address]), default=0)
        awaited = (task for every in waits.values() for task, ends in every if ends)
        return cls({address: phase for address, phase in phases.items() if phase}, frozenset(awaited))

    def groups(self, these: Sequence[T], address: Callable[[T], Address]) -> list[tuple[list[T], list[T]]]:
        """Those of `these` that run side by side, phase by phase, each with those that begin in it: what has begun
        before runs on unless somebody waits for its end."""
        phases: dict[int, list[T]] = {}
        for one in these:
            phases.setdefault(self.phases.get(address(one), 0), []).append(one)
        found, lasting = [], list[T]()
        for _, begin in sorted(phases.items()):
            found.append(([*lasting, *begin], begin))
            lasting += [one for one in begin if address(one) not in self.awaited]
        return found
