"""What a file allows to be spent and to be changed: `guards`. Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from flowplan.config.section import Section
from flowplan.config.values import choice, numeral
from flowplan.config.yaml import quoted
from flowplan.model.bases import BASES

if TYPE_CHECKING:
    from flowplan.model.budget import Budget

T = TypeVar("T")


def read_guards(section: Section | None) -> Budget | None:
    """The limits set in `section`; its problems are reported."""
    if section is None:
        return None
    from flowplan.model.budget import Budget, dollars, increase
    from flowplan.model.mass_change import max_changes

    budget = Budget(
        _limit(section, "max_hourly_cost", dollars),
        _limit(section, "max_cost_increase", increase),
        choice(section, "budget_basis", BASES) or "worst",
        section.document.position(section.node),
        _limit(section, "max_changes", max_changes, "resources"),
    )
    if section.node.entries.keys() <= {"budget_basis"}:
        hint = "add max_hourly_cost: 60, or delete the key"
        section.document.problem(section.node, "guards sets no limit", hint, code="empty")
    return None if budget.empty else budget


def _limit(section: Section, key: str, read: Callable[[str], T], unit: str = "dollars") -> T | None:
    node = numeral(section, key, unit)
    if node is None:
        return None
    try:
        return read(node.text)
    except ValueError as error:
        section.document.problem(node, f"{section.name(key)} cannot be {quoted(node.text)}", str(error), code="value")
        return None
