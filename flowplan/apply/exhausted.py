"""Creates that are spared a refusal which another one of their kind has met: a quota, or the billing. Pure."""

from __future__ import annotations

from typing import TypeAlias

from attrs import field

from flowplan.classes import define
from flowplan.errors import FlowplanError, Refused
from flowplan.model.resources import Bid
from flowplan.planning.actions import Change, Create

_Kind: TypeAlias = tuple[str, str]


class NotTried(Refused):
    """Spared the refusal that another create of its kind met."""


@define
class Exhausted:
    """The kinds of which a run can make no more."""

    _refused: dict[_Kind, FlowplanError] = field(factory=dict, init=False)

    def learn(self, change: Change, error: FlowplanError) -> None:
        """Take in that `change` failed to make or alter its object with `error`."""
        if is_exhausted(error) and not isinstance(error, NotTried):
            self._refused[_kind(change)] = error

    def hold(self, change: Change) -> None:
        """Raise NotTried for a create of a kind that was refused. What is replaced has freed its own share, and an
        update takes none: they are not spared."""
        refused = self._refused.get(_kind(change)) if isinstance(change, Create) else None
        if refused is not None:
            raise NotTried(f"not tried: {refused}")


def is_exhausted(error: FlowplanError) -> bool:
    """Whether further creates of the same kind must meet the same refusal: a quota, or the billing."""
    words = str(error).lower()
    return isinstance(error, Refused) and (error.status == 402 or "quota" in words or "billing" in words)


def _kind(change: Change) -> _Kind:
    """What a quota counts together."""
    after = change.after
    return (change.address.kind, after.instance_type if isinstance(after, Bid) else "")
