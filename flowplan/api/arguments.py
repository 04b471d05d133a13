"""Arguments of the Python API: checked as the command line checks its options, and read into what operations take."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from decimal import Decimal
from numbers import Real
from pathlib import Path
from typing import Any, TypeVar, get_args

from flowplan.api.given import Names, names
from flowplan.config import EXPLAINED, TASK_KEYS, Source
from flowplan.diagnostics import looks_like
from flowplan.errors import UsageProblem
from flowplan.model.bases import BudgetBasis
from flowplan.model.bounds import is_name
from flowplan.model.budget import Budget, dollars, increase
from flowplan.model.durations import LONGEST, read_duration
from flowplan.model.mass_change import max_changes
from flowplan.model.selection import Patterns, held
from flowplan.operations.opening.paths import without_file
from flowplan.printable import shown

Length = str | float
Choice = TypeVar("Choice", bound=str)
T = TypeVar("T")


def sources_of(tasks: Iterable[Mapping[str, Any]]) -> list[Source]:
    """Each task as a source of its own, called after it: what one made is no other's, wherever it stands among them."""
    found: dict[str, Source] = {}
    for number, task in enumerate(tasks, 1):
        called = task.get("name")
        name = without_file(str(called) if is_name(called) else f"#{number}")
        name = without_file(f"#{number}") if name in found else name  # two of one name: a problem of the files
        found[name] = _source_of(task, name)
    return list(found.values())


def hold_keywords(task: Mapping[str, Any], settings: Collection[str]) -> None:
    """Raise UsageProblem for a keyword that is no key of a task, where it is nearly one of the `settings`, or there is
    no task that it could be a mistake of."""
    for keyword in task if "version" not in task else ():
        if keyword in TASK_KEYS or keyword.startswith("x-"):
            continue
        if keyword in EXPLAINED and TASK_KEYS & task.keys():
            continue  # the check of the task says what to write
        near = looks_like(keyword, (*settings, *TASK_KEYS))
        if near in settings or not TASK_KEYS & task.keys():
            hint = f"did you mean {near}=?" if near in settings else f"settings are {', '.join(settings)}"
            raise UsageProblem(f"load has no setting {keyword!r}, and a task has no such key", hint=hint)


def _source_of(task: Mapping[str, Any], name: str) -> Source:
    """A task as a source, whose text is that of the task as JSON, which is YAML."""
    if not task.get("name") and str(task.get("version")) != "2":
        raise UsageProblem("a task given as a dict or by keywords needs a name", hint='name="my-task"')
    try:
        data = json.dumps(task, indent=2, default=_plain, ensure_ascii=False).encode()
    except (TypeError, ValueError, RecursionError) as error:  # UnicodeEncodeError is a ValueError
        raise UsageProblem(f"the task {shown(str(task['name']))} cannot be written as YAML: {error}") from error
    return Source(name, data)


def texts_of(variables: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """Values of variables, as --var takes them: a text as it is, all else as JSON. Raises UsageProblem."""
    found = []
    for name, value in variables.items():
        try:
            found.append((name, value if isinstance(value, str) else json.dumps(value, default=_plain)))
        except (TypeError, ValueError, RecursionError) as error:
            raise UsageProblem(f"variables: the value of {shown(name)} cannot be written as YAML: {error}") from error
    return tuple(found)


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return float(value) if Decimal(repr(float(value))) == value else str(value)
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, Sequence | set | frozenset):
        return list(value)
    raise TypeError(f"{value!r} is of type {type(value).__name__}")


def patterns(target: Names | None, exclude: Names, replace: Names) -> Patterns:
    """What is selected by address; None: all. Raises UsageProblem: a `target` of no address would mean all, too."""
    targets = () if target is None else _held(target, "target")
    if target is not None and not targets:
        raise UsageProblem(
            "target names no address", hint="skip the call where there is none; leave target out to mean all"
        )
    return Patterns(targets, _held(exclude, "exclude"), _held(replace, "replace"))


def _held(given: Names, name: str) -> tuple[str, ...]:
    try:
        return tuple(held(one) for one in names(given, name))
    except ValueError as error:
        raise UsageProblem(f"{name}: {error}") from None


def hours(length: Length, name: str, least: float = 60.0, most: float = LONGEST, said: str = "1m and 3660d") -> float:
    """In hours: `length`, which is a text or hours, of `least` to `most` seconds. Raises UsageProblem."""
    hours = read_duration(length, name) / 3600 if isinstance(length, str) else length
    return within(hours, name, least / 3600, most / 3600, said, given=length)


def seconds(length: Length, name: str) -> float:
    """In seconds: `length`, which is a text or seconds. Raises UsageProblem."""
    seconds = read_duration(length, name) if isinstance(length, str) else length
    return within(seconds, name, 0, LONGEST, "0s and 3660d", given=length)


def within(
    value: float, name: str, least: float, most: float, said: str | None = None, *, given: Length | None = None
) -> float:
    """`value`, which is a number from `least` to `most`. `given`: what was written for it. Raises UsageProblem."""
    is_number = isinstance(value, Real | Decimal) and not isinstance(value, bool)  # notebooks have no type checker
    if not (is_number and math.isfinite(value) and least <= value <= most):
        written = value if given is None else given
        is_length = given is not None and not (is_number and math.isfinite(value))
        hint = "write 90s, 5m, 6h, 2d or 1w" if is_length else None if is_number else "give a number"
        raise UsageProblem(f"{name}: {written!r} is not between {said or f'{least:g} and {most:g}'}", hint=hint)
    return float(value)


def whole(value: int, name: str, least: int, most: int) -> int:
    """`value`, which is a whole number from `least` to `most`. Raises UsageProblem."""
    if within(value, name, least, most, f"{least} and {most}") != int(value):
        raise UsageProblem(f"{name}: {value!r} is not a whole number")
    return int(value)


def one_of(value: Choice, name: str, choices: Any) -> Choice:
    """`value`, which is one of those that the Literal `choices` lists. Raises UsageProblem."""
    if value not in (known := get_args(choices)):
        near = looks_like(str(value), known)
        hint = f"did you mean {near!r}?" if near else None
        raise UsageProblem(f"{name}: {value!r} is not one of {', '.join(known)}", hint=hint)
    return value


def budgets(
    hourly: Decimal | str | None, more: Decimal | str | None, basis: BudgetBasis, changes: int | str | None = None
) -> tuple[Budget, ...]:
    """The budget that these amount to, none where nothing is given. `hourly`: dollars per hour; `more`: dollars per
    hour, or "25%"; `changes`: how many resources, or "30%" of them. Raises UsageProblem."""
    one_of(basis, "budget_basis", BudgetBasis)
    found = Budget(
        _limit(dollars, hourly, "max_hourly_cost"),
        _limit(increase, more, "max_cost_increase"),
        basis,
        max_changes=_limit(max_changes, changes, "max_changes"),
        basis_alone=basis != "worst" and hourly is None and more is None,
    )
    return () if found.empty else (found,)


def _limit(read: Callable[[str], T], given: Decimal | str | int | None, name: str) -> T | None:
    try:
        return None if given is None else read(str(given))
    except ValueError as error:
        raise UsageProblem(f"{name}: {error}") from None


def limit_price(given: Decimal | str, name: str) -> Decimal:
    """Dollars per instance-hour, more than 0. Raises UsageProblem."""
    try:
        found = dollars(str(given))
    except ValueError as error:
        raise UsageProblem(f"{name}: {given!r} is not an amount", hint=str(error)) from None
    if not found:
        raise UsageProblem(f"{name}: {given!r} is not more than 0", hint="give dollars per instance-hour")
    return found
