"""`policies` of a stack file or of a file of its own -> rules; every problem with its place. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import time

from attrs import evolve

from flowplan.config import keys
from flowplan.config.config import Source
from flowplan.config.keys.policies import POLICY_FILE
from flowplan.config.section import Section, open_section
from flowplan.config.values import Grammar, as_text, choice, items, money, text, text_of
from flowplan.config.yaml import KINDS, Document, Findings, Node, TooManyProblems, documents, quoted, read_text
from flowplan.config.yaml import Mapping as MappingNode
from flowplan.diagnostics import Position, looks_like
from flowplan.errors import ConfigError
from flowplan.model.policy import ANYTHING, DAYS, PRICE_BASES, Allowed, Cap, Hours, MaxPrice, Policies
from flowplan.model.selection import held
from flowplan.model.type_names import read_type_name
from flowplan.patterns import regex

_LOOSE_CLOCK = regex(r"([0-9]{1,2})(?:[:.h]([0-5][0-9]))?\s*(?:([ap])\.?m\.?)?(?:\s*uhr)?", re.A | re.I)


def _clock_hint(written: str, day_end: str) -> str:
    """How to write a time that is written in another way, as 7, 7:30 or 7 pm. `day_end`: what 24 stands for."""
    found = _LOOSE_CLOCK.fullmatch(written.strip())
    hour = int(found[1]) if found else 25
    if found and found[3]:
        hour = hour % 12 + (12 if found[3].lower() == "p" else 0) if 1 <= hour <= 12 else 25
    minute = int(found[2] or 0) if found else 0
    if hour > 24 or (hour == 24 and minute):
        return "write hours and minutes, from '00:00' to '24:00'"
    return f"write '{day_end if hour == 24 else f'{hour:02}:{minute:02}'}'"


_CLOCK = Grammar(
    regex(r"(?:[01][0-9]|2[0-3]):[0-5][0-9]|24:00", re.A),
    regex(r"[0-9:]", re.A),
    "a time such as '08:00'",
    hint=lambda written: _clock_hint(written, "24:00"),
)
_BEGIN = evolve(_CLOCK, hint=lambda written: _clock_hint(written, "00:00"))
_ZONE = Grammar(
    regex(r"[A-Za-z][A-Za-z0-9_+-]*(?:/[A-Za-z0-9_+-]+){0,2}", re.A),
    regex(r"[A-Za-z0-9_+/-]", re.A),
    "the name of a time zone such as Europe/Berlin or UTC",
    64,
)
_PATTERN = Grammar(
    regex(r"[A-Za-z0-9*?][A-Za-z0-9*?._-]*", re.A),
    regex(r"[A-Za-z0-9*?._-]", re.A),
    "a name, in which * stands for any text",
)
_PROJECT = Grammar(regex(r"\S(?:.*\S)?"), regex(r"."), "the name of a project, or '*'")


def read_policy_file(source: Source) -> Policies:
    """The rules of one policy file. Raises ConfigError with every problem."""
    findings, found = _read(source)
    if findings.has_errors:
        raise ConfigError(findings.all)
    return found


def readable_rules(source: Source) -> Policies:
    """The rules of a policy file that can be made out, whatever is wrong with the rest of it."""
    return _read(source)[1]


def _read(source: Source) -> tuple[Findings, Policies]:
    """What is wrong with a policy file, and the rules that can be made out."""
    findings, found = Findings(), Policies()
    try:
        content = read_text(source.name, source.data, findings)
        several = list(documents(content, required=False)) if content is not None else []
        if content is not None and not several and not findings.has_errors:
            content.problem(Position(source.name, 1, 1), "a policy file has `policies`", _EXAMPLE, code="missing")
        for document in several[1:]:
            document.problem(document.root, "a policy file has one document", "give --policy twice", code="duplicate")
        section = open_section(several[0], several[0].root, "", POLICY_FILE) if several else None
        if section is not None and section.lacks("policies"):
            section.document.problem(section.node, "a policy file has `policies`", _EXAMPLE, code="missing")
        if section is not None and (node := section.get("policies")) is not None:
            found = read_policies(section.document, node) or found
    except TooManyProblems:
        pass
    return findings, found


_EXAMPLE = f"write {POLICY_FILE.example}"


def read_policies(document: Document, node: Node) -> Policies | None:
    """The rules that `node` holds; its problems are reported."""
    section = open_section(document, node, "policies", keys.POLICIES)
    if section is None:
        return None
    if section.node.entries.keys() <= {"price_basis"}:
        document.problem(node, "policies sets no rule", _EXAMPLE, code="value")
    return Policies(
        _max_price(section),
        _listed(section, "allowed_regions", _pattern),
        _listed(section, "allowed_types", _type),
        _listed(section, "protected", _address),
        _listed(section, "required_names", _pattern),
        _hours(section),
        _caps(section, "project_budgets", _project),
    )


# ---- amounts ----------------------------------------------------------------------------------------------------

Name = Callable[[Document, Node, str], str | None]


def _max_price(section: Section) -> MaxPrice | None:
    key, basis = "max_price_per_gpu_hour", choice(section, "price_basis", PRICE_BASES) or "limit"
    node = section.get(key)
    if isinstance(node, MappingNode):
        return MaxPrice(caps, basis) if (caps := _caps(section, key, _type)) else None
    amount = None if node is None else money(section, key, "dollars per GPU-hour")
    return None if node is None or amount is None else MaxPrice((_cap(section, ANYTHING, amount, node),), basis)


def _caps(section: Section, key: str, name: Name) -> tuple[Cap, ...]:
    """A mapping of names to dollars."""
    node = section.get(key)
    if node is None:
        return ()
    if not isinstance(node, MappingNode):
        summary = f"{section.name(key)} must be a mapping, not {KINDS[node.kind]}"
        section.document.problem(node, summary, f"write {key}: {{NAME: 120.00}}", code="type")
        return ()
    if not node.entries:
        section.document.problem(node, f"{section.name(key)} has no amount", _EXAMPLE, code="value")
    inner, found = Section(section.document, node, section.name(key)), []
    for of in node.entries:
        meant = of if of == ANYTHING else name(section.document, node.key(of), section.name(key))
        amount = money(inner, of, "dollars")
        if meant is not None and amount is not None:
            found.append(_cap(section, meant, amount, node.key(of)))
    return tuple(found)


def _cap(section: Section, name: str, amount: object, node: Node) -> Cap:
    return Cap(name, amount, section.document.position(node))  # type: ignore[arg-type]


# ---- lists ------------------------------------------------------------------------------------------------------


def _listed(section: Section, key: str, read: Name) -> Allowed | None:
    """A list of texts, each once; None where the rule is not there, or nothing in it can be read."""
    node = section.get(key)
    if node is None:
        return None
    places: dict[str, Position] = {}
    for item in items(section.document, node, section.name(key)):
        if (one := read(section.document, item, section.name(key))) is not None:
            places.setdefault(one, section.document.position(item))
    return Allowed(tuple(places), section.document.position(node), places) if places else None


def _pattern(document: Document, node: Node, name: str) -> str | None:
    return text_of(document, node, name, _PATTERN)


def _project(document: Document, node: Node, name: str) -> str | None:
    return text_of(document, node, name, _PROJECT)


def _type(document: Document, node: Node, name: str) -> str | None:
    return _checked(document, node, name, lambda written: read_type_name(written).text)


def _address(document: Document, node: Node, name: str) -> str | None:
    return _checked(document, node, name, held)


def _checked(document: Document, node: Node, name: str, check: Callable[[str], str]) -> str | None:
    """A text that `check` takes: it raises ValueError, saying what is wrong."""
    found = as_text(document, node, name)
    if found is None:
        return None
    try:
        return check(found.text)
    except ValueError as error:
        document.problem(found, f"{name}: {quoted(found.text)} cannot be used", str(error), code="value")
        return None


# ---- hours ------------------------------------------------------------------------------------------------------


def _hours(section: Section) -> Hours | None:
    inner = section.within("hours", keys.HOURS)
    if inner is None:
        return None
    start, end = text(inner, "from", _BEGIN) or "00:00", text(inner, "to", _CLOCK) or "24:00"
    zone, days = text(inner, "time_zone", _ZONE), _days(inner)
    if zone is None and inner.lacks("time_zone"):
        hint = f"add time_zone: Europe/Berlin, as in {keys.HOURS.example}"
        inner.document.problem(inner.node, "hours has no time_zone", hint, code="missing")
    first, last = _time(inner, "from", start), _time(inner, "to", end)
    if first is None or last is None or zone is None:
        return None
    if first == last and (start, end) != ("00:00", "24:00"):
        hint = "give two different times, or leave both out for the whole day"
        inner.document.problem(inner.node, f"hours begins and ends at {start}", hint, code="value")
    places = (inner.document.position(node) for node in (inner.node, inner.at("time_zone")))
    return Hours(first, last, days, zone, *places)


def _time(section: Section, key: str, written: str) -> time | None:
    """`24:00` is the midnight at which a day ends."""
    hour, minute = map(int, written.split(":"))
    if hour == 24 and (key != "to" or minute):
        section.document.problem(
            section.at(key), f"{section.name(key)} cannot be {written}", "write 00:00", code="value"
        )
        return None
    return time(hour % 24, minute)


def _days(section: Section) -> frozenset[int]:
    node = section.get("days")
    if node is None:
        return frozenset(range(len(DAYS)))
    return frozenset(
        DAYS.index(one) for one in _named_days(section, items(section.document, node, section.name("days")))
    )


def _named_days(section: Section, nodes: Sequence[Node]) -> list[str]:
    found = []
    for node in nodes:
        one = as_text(section.document, node, section.name("days"))
        if one is not None and one.text not in DAYS:
            near = looks_like(one.text, DAYS)
            summary, known = f"{section.name('days')} cannot be {quoted(one.text)}", f"the days are {', '.join(DAYS)}"
            hint = f"did you mean {near}? {known[0].upper()}{known[1:]}" if near else known
            section.document.problem(one, summary, hint, code="value")
        elif one is not None:
            found.append(one.text)
    return found
