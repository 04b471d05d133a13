"""What the texts of options mean."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING

from flowplan.errors import UsageProblem
from flowplan.model.bases import BudgetBasis
from flowplan.model.budget import Budget, dollars, increase
from flowplan.model.durations import WHAT_IF, read_duration
from flowplan.model.selection import Patterns, held
from flowplan.printable import shown

if TYPE_CHECKING:
    from flowplan.model.mass_change import MaxChanges


def hours(text: str | None) -> float | None:
    """What --horizon says, in hours. Raises UsageProblem."""
    return None if text is None else hours_of(text, "--horizon")


def hours_of(text: str, option: str) -> float:
    """A length of time, in hours. Raises UsageProblem."""
    seconds = read_duration(text, option)
    if seconds < 60:
        raise UsageProblem(f"{option} must be at least 1m", hint="write 24h or 7d")
    return seconds / 3600


def what_if_hours(text: str | None) -> float | None:
    """What --what-if says, in hours; None: it is not there. Raises UsageProblem."""
    if text is None:
        return None
    try:
        seconds = read_duration(text, "--what-if")
    except UsageProblem as error:  # what was meant for a PATH may have been taken for it
        raise UsageProblem(str(error), hint="write --what-if 24h; put a PATH before it, or after a TIME") from None
    if not WHAT_IF[0] <= seconds <= WHAT_IF[1]:
        raise UsageProblem(
            f"--what-if: {text} is not between 1h and 7d",
            hint="there are only 14 days of past prices, and each hour ahead needs two",
        )
    return seconds / 3600


def budgets(hourly: str | None, more: str | None, basis: BudgetBasis | None, changes: str | None) -> tuple[Budget, ...]:
    """What --max-hourly-cost, --max-cost-increase, --budget-basis and --max-changes say. Raises UsageProblem."""
    option, given = "--max-hourly-cost", hourly
    try:
        most = None if hourly is None else dollars(hourly)
        option, given = "--max-cost-increase", more
        growth = None if more is None else increase(more)
    except ValueError as error:
        raise UsageProblem(f"{option}: {shown(str(given))!r} is not an amount", hint=str(error)) from None
    alone = basis is not None and most is None and growth is None
    number = None if changes is None else _most_changes(changes)
    found = Budget(most, growth, basis or "worst", max_changes=number, basis_alone=alone)
    return () if found.empty else (found,)


def _most_changes(given: str) -> MaxChanges:
    from flowplan.model.mass_change import max_changes

    try:
        return max_changes(given)
    except ValueError as error:
        raise UsageProblem(f"--max-changes: {shown(given)!r} is not a limit", hint=str(error)) from None


def patterns(target: Sequence[str], exclude: Sequence[str], replace: Sequence[str] = ()) -> Patterns:
    """What --target, --exclude and --replace say. Raises UsageProblem."""
    return Patterns(*map(_held, ("--target", "--exclude", "--replace"), (target, exclude, replace)))


def _held(option: str, texts: Sequence[str]) -> tuple[str, ...]:
    try:
        return tuple(map(held, texts))
    except ValueError as error:
        raise UsageProblem(f"{option}: {error}") from None


def limit(text: str) -> Decimal:
    """What --limit says, in dollars per instance-hour. Raises UsageProblem."""
    try:
        found = dollars(text)
    except ValueError as error:
        raise UsageProblem(f"--limit: {shown(text)!r} is not an amount", hint=str(error)) from None
    if not found:
        raise UsageProblem(
            "--limit must be more than 0", hint="give dollars per instance-hour, for example --limit 17.92"
        )
    return found
