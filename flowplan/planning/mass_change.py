"""The guard on mass changes: how much of what there is a plan may update, replace and delete. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from flowplan.classes import frozen
from flowplan.diagnostics import Diagnostic
from flowplan.model.budget import Budget
from flowplan.model.mass_change import MaxChanges, enough_for
from flowplan.planning.actions import LIFETIME_OVER, Change, Delete, Import, Read, Replace, Update
from flowplan.planning.plan import Plan


@frozen
class MassChange:
    """What became of one limit: how many resources of those that are `there` would be updated, replaced and deleted."""

    limit: MaxChanges
    budget: Budget
    updated: int
    replaced: int
    deleted: int
    there: int

    @property
    def changed(self) -> int:
        """How many of those that are there would not stay as they are."""
        return self.updated + self.replaced + self.deleted

    @property
    def refused(self) -> bool:
        """Whether that is more than the limit allows."""
        return not self.limit.allows(self.changed, self.there)


def judged(plan: Plan, budgets: Iterable[Budget]) -> tuple[MassChange, ...]:
    """Each limit of `budgets` that counts: one that somebody gave for this very plan stands for all those of files."""
    limits = [(budget.max_changes, budget) for budget in budgets if budget.max_changes is not None]
    given = [one for one in limits if one[1].stands_alone]
    changes = plan.changes
    updated = sum(isinstance(one, Update) and (bool(one.fields) or not isinstance(one, Import)) for one in changes)
    replaced = sum(isinstance(one, Replace) for one in changes)
    deleted = sum(isinstance(one, Delete) and not _is_due(one) for one in changes)
    there = sum(map(_is_there, changes))
    return tuple(MassChange(limit, budget, updated, replaced, deleted, there) for limit, budget in given or limits)


def _is_due(change: Delete) -> bool:
    """Whether the files themselves say when it goes: a limit on changes must not keep a bid running past that."""
    return change.reason == LIFETIME_OVER


def _is_there(change: Change) -> bool:
    return change.before is not None and not isinstance(change, Read) and change.reason != "gone_outside"


def refusals(found: Iterable[MassChange]) -> tuple[Diagnostic, ...]:
    """What is said of the limits that refuse."""
    return tuple(
        Diagnostic("mass-change", _why(one), _remedy(one), position=one.budget.position) for one in found if one.refused
    )


def _why(found: MassChange) -> str:
    counts = (("updates", found.updated), ("replaces", found.replaced), ("deletes", found.deleted))
    done = [f"{word} {count}" for word, count in counts if count]
    what = " and ".join(filter(None, [", ".join(done[:-1]), done[-1]]))
    share = f"{enough_for(found.changed, found.there, percent=True)}"
    name = "guards.max_changes" if found.budget.position else "--max-changes"
    noun, them = ("resource", "it") if found.there == 1 else ("resources", "them")
    return f"the plan {what} of {found.there} {noun} ({share} of {them}); {name} allows {found.limit}"


def _remedy(found: MassChange) -> str:
    enough = enough_for(found.changed, found.there, percent=found.limit.percent)
    return f"to allow all of it: --max-changes {enough}"
