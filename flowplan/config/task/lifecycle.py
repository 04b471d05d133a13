"""lifecycle and lifetime: how a resource may be treated, and how long a task may live. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import TypeAlias

from flowplan.config import keys
from flowplan.config.positions import WRITTEN
from flowplan.config.section import Section
from flowplan.config.values import Grammar, choice, decimal, flag, money, text, texts
from flowplan.config.yaml import quoted
from flowplan.diagnostics import Position, candidates
from flowplan.model.address import KEYED, Address, Kind, spelled
from flowplan.model.lifecycle import ALL_FIELDS, DEFAULT, Lifecycle, Lifetime, Trigger
from flowplan.model.resources import INPUTS, changes_of
from flowplan.patterns import regex

_FIELD = Grammar(
    regex(r"[a-z][a-z_]*", re.ASCII),
    regex(r"[a-z_]", re.ASCII),
    "the inner name of a field, such as limit_price or size_gb",
)
_TRIGGER = Grammar(
    regex(
        rf"(?P<kind>bid|task|volume|ports)\.(?P<name>[A-Za-z0-9][A-Za-z0-9_-]*{KEYED})"
        r"(?:\.(?P<field>[a-z_]+))?",
        re.ASCII,
    ),
    regex(r'[A-Za-z0-9._"\[\]-]', re.ASCII),
    "an address, such as volume.data, or a field of one, such as task.train.limit_price",
)
_MOMENT = Grammar(
    regex(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:[Zz]|[+-]\d\d:\d\d)", re.ASCII),
    regex(r"[0-9TtZz:.+ -]", re.ASCII),
    "a moment with its time zone, such as 2026-12-01T08:00:00Z",
    hint=lambda _: "write date, time and zone; max_hours counts the hours that it runs",
)
Report: TypeAlias = tuple[Position, str, str | None, tuple[tuple[str, Position], ...]]
_MOST_HOURS = Decimal(100_000)


def read_lifecycle(resource: Section) -> Lifecycle:
    """The `lifecycle` of a task or a volume; its problems are reported."""
    section = resource.within("lifecycle", keys.LIFECYCLE)
    if section is None:
        return DEFAULT
    return Lifecycle(
        flag(section, "prevent_destroy"),
        _ignored(section),
        flag(section, "create_before_destroy"),
        _triggers(section),
        section.document.position(section.at("prevent_destroy")),
    )


def _ignored(section: Section) -> tuple[str, ...]:
    found = texts(section, "ignore_changes", _FIELD)
    known = {*changes_of("bid"), *changes_of("volume"), *INPUTS, ALL_FIELDS}
    for name in found:
        if name not in known and name not in WRITTEN:
            hint = candidates(name, known)
            summary = f"ignore_changes has {quoted(name)}, which is not a field"
            section.document.problem(section.at("ignore_changes"), summary, hint, code="value")
    return tuple(dict.fromkeys(WRITTEN.get(name, name) for name in found))


def _triggers(section: Section) -> tuple[Trigger, ...]:
    """What replaces the resource too. Whether there is such a thing shows once everything is read: `wrong_triggers`."""
    place = section.document.position(section.at("replace_triggered_by"))
    found = []
    for written in texts(section, "replace_triggered_by", _TRIGGER):
        parts = _TRIGGER.pattern.fullmatch(written)
        if parts is not None:
            kind: Kind = "volume" if parts["kind"] == "volume" else "ports" if parts["kind"] == "ports" else "bid"
            name = parts["field"] or ""
            found.append(Trigger(Address(kind, spelled(parts["name"])), WRITTEN.get(name, name), place))
    return tuple(found)


def wrong_triggers(
    lifecycles: Mapping[Address, Lifecycle], addresses: Iterable[Address], explained: Callable[[Address], bool]
) -> Iterator[Report]:
    """Triggers that there are not among `addresses`, each with its place, summary, hint and further places, but for
    those that are `explained` by what was reported."""
    known = tuple(addresses)
    for address, lifecycle in lifecycles.items():
        for trigger in lifecycle.replace_triggered_by:
            fields = (*changes_of(trigger.address.kind), *(INPUTS if trigger.address.kind == "bid" else ()))
            if trigger.address == address:
                yield trigger.source, f"{address} cannot be replaced because it is replaced itself", "leave it out", ()
            elif not any(map(trigger.means, known)):
                if explained(trigger.address):
                    continue
                hint = candidates(str(trigger.address), map(str, known))
                yield trigger.source, f"replace_triggered_by: there is no {trigger.address}", hint, ()
            elif trigger.of and trigger.of not in fields:
                hint = candidates(trigger.of, fields)
                yield trigger.source, f"replace_triggered_by: {trigger.address} has no field {trigger.of}", hint, ()


def read_lifetime(section: Section | None) -> Lifetime | None:
    """When a task ends, by its `lifetime`; its problems are reported."""
    if section is None:
        return None
    found = Lifetime(
        decimal(section, "max_hours", "hours", places=4, highest=_MOST_HOURS),
        money(section, "max_cost", "dollars"),
        _moment(section),
        choice(section, "when_done", ("cancel",)) is not None,
        section.document.position(section.node),
    )
    if not section.node.entries:
        section.document.problem(section.node, "lifetime sets no limit", f"write {keys.LIFETIME.example}", code="empty")
    return found


def _moment(section: Section) -> datetime | None:
    written = text(section, "end_at", _MOMENT)
    if written is None:
        return None
    try:
        return datetime.fromisoformat(written.upper().replace(" ", "T")).astimezone(UTC)
    except (ValueError, OverflowError):
        summary = f"end_at {quoted(written)} is not a date and time that exists"
        section.document.problem(section.at("end_at"), summary, "write 2026-12-01T08:00:00Z", code="value")
        return None
