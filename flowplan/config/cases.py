"""A file of cases -> what is given in each, and what is expected of the plan. Pure. docs/testing.md shows one."""

from __future__ import annotations

from decimal import Decimal

from attrs import field

from flowplan.classes import frozen
from flowplan.config.config import Source
from flowplan.config.keys import Keys, cases
from flowplan.config.keys.cases import ACTIONS, MODES
from flowplan.config.section import Section, open_section
from flowplan.config.task.instances import REGION
from flowplan.config.values import Grammar, choice, decimal, flag, items, text, texts, whole
from flowplan.config.yaml import KINDS, Document, Findings, Node, Scalar, documents, quoted, read_text
from flowplan.config.yaml import Mapping as MappingNode
from flowplan.diagnostics import Position
from flowplan.errors import ConfigError
from flowplan.model.address import Address
from flowplan.model.bases import BASES
from flowplan.patterns import regex

_ANY = regex(r"\S(?:.*\S)?")
_TEXT = Grammar(_ANY, regex("."), "a text on one line", 1000)
_HIGHEST = Decimal(1_000_000)
_MOST_HOURS = Decimal(8_760)  # a year


@frozen
class Price:
    """What a type costs in a region: dollars per instance-hour."""

    instance_type: str
    region: str
    price: Decimal
    source: Position


@frozen
class LiveVolume:
    """A volume that exists."""

    name: str
    size_gb: int
    interface: str
    region: str
    source: Position


@frozen
class Case:
    """One case. `applied`: whether the stack was applied before, or the files that were; `summary`, `refused` and
    `problems` are in the words of the plan's JSON."""

    name: str
    source: Position
    variables: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    environ: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    prices: tuple[Price, ...] = ()
    volumes: tuple[LiveVolume, ...] = ()
    applied: bool | tuple[str, ...] = False
    hours: Decimal | None = None  # since it was applied; None: no time has passed
    destroy: bool = False
    destroyable: tuple[str, ...] = ()
    actions: tuple[tuple[str, str], ...] = ()
    summary: tuple[tuple[str, int], ...] = ()
    max_hourly_cost: Decimal | None = None
    min_hourly_cost: Decimal | None = None
    basis: str = "worst"
    refused: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()


def read_cases(source: Source) -> list[Case]:
    """The cases of a file, in its order. Raises ConfigError with everything that is wrong."""
    findings = Findings()
    found: list[Case] = []
    content = read_text(source.name, source.data, findings)
    for document in documents(content) if content is not None else ():
        section = open_section(document, document.root, "", cases.FILE)
        if section is not None and section.lacks("cases"):
            document.problem(section.node, "there are no cases", f"write {cases.FILE.example}", code="missing")
        for name, node in _entries(section, "cases"):
            case = open_section(document, node, f"cases.{name.text}", cases.CASE)
            if case is not None:
                found.append(_case(case, name))
    if findings.has_errors:
        raise ConfigError(findings.all)
    return found


def _case(case: Section, name: Scalar) -> Case:
    given, expect = case.within("given", cases.GIVEN), case.within("expect", cases.EXPECT)
    if case.lacks("expect") or (expect is not None and not expect.node.entries):
        case.document.problem(name, "this case expects nothing", f"write {cases.EXPECT.example}", code="missing")
    cost = expect.within("cost", cases.COST) if expect is not None else None
    return Case(
        name.text,
        case.document.position(name),
        variables=_texts(given, "variables"),
        environ=_texts(given, "environ"),
        prices=tuple(_price(one) for one in _sections(given, "prices", cases.PRICE)),
        volumes=tuple(_volume(one) for one in _sections(given, "volumes", cases.VOLUME)),
        applied=_applied(given),
        hours=_hours(given),
        destroy=choice(case, "mode", MODES) == "destroy",
        destroyable=texts(case, "allow_volume_destroy", _TEXT),
        actions=tuple(_actions(expect)),
        summary=tuple(_summary(expect)),
        max_hourly_cost=_dollars(cost, "max_hourly_cost"),
        min_hourly_cost=_dollars(cost, "min_hourly_cost"),
        basis=(choice(cost, "budget_basis", BASES) if cost is not None else None) or "worst",
        refused=texts(expect, "refused", _TEXT) if expect is not None else (),
        problems=texts(expect, "problems", _TEXT) if expect is not None else (),
    )


def _hours(given: Section | None) -> Decimal | None:
    if given is None or not given.has("hours"):
        return None
    if given.lacks("applied"):
        hint = "add applied: true, or delete hours"
        summary = "hours is the time since the stack was applied, and it is not applied in this case"
        given.document.problem(given.at("hours"), summary, hint, code="missing")
    return decimal(given, "hours", "hours", places=4, highest=_MOST_HOURS)


def _entries(section: Section | None, key: str) -> list[tuple[Scalar, Node]]:
    """The names and values of a mapping."""
    node = section.get(key) if section is not None else None
    if node is None or section is None:
        return []
    if not isinstance(node, MappingNode):
        summary = f"{section.name(key)} must be a mapping, not {KINDS[node.kind]}"
        section.document.problem(node, summary, code="type")
        return []
    return [(node.key(name), node.value(name)) for name in node.entries]


def _sections(given: Section | None, key: str, known: Keys) -> list[Section]:
    node = given.get(key) if given is not None else None
    if node is None or given is None:
        return []
    each = items(given.document, node, given.name(key))
    opened = (open_section(given.document, one, given.name(key), known) for one in each)
    return [section for section in opened if section is not None]


def _texts(given: Section | None, key: str) -> tuple[tuple[str, str], ...]:
    """Names with their values, as they are written."""
    found = []
    for name, node in _entries(given, key):
        if isinstance(node, Scalar):
            found.append((name.text, node.text))
        elif given is not None:
            summary = f"{given.name(key)}.{name.text} must be text, not {KINDS[node.kind]}"
            given.document.problem(node, summary, "put it in quotes, as --var takes it: '[a, b]'", code="type")
    return tuple(found)


def _price(section: Section) -> Price:
    price = _dollars(section, "price")
    kind, region = text(section, "instance_type", _TEXT), text(section, "region", REGION)
    _hold(section, "instance_type", "region", "price")
    return Price(kind or "", region or "", price or Decimal(0), section.document.position(section.node))


def _volume(section: Section) -> LiveVolume:
    name, region = text(section, "name", _TEXT), text(section, "region", REGION)
    size, interface = whole(section, "size_gb", 1, 32_768, "GB"), choice(section, "interface", ("Block", "File"))
    _hold(section, "name", "size_gb", "region")
    return LiveVolume(
        name or "", size or 1, interface or "Block", region or "", section.document.position(section.node)
    )


def _hold(section: Section, *needed: str) -> None:
    for key in needed:
        if section.lacks(key):
            section.document.problem(section.node, f"{section.title} has no {key}", f"add {key}", code="missing")


def _dollars(section: Section | None, key: str) -> Decimal | None:
    return decimal(section, key, "dollars per hour", places=2, highest=_HIGHEST) if section else None


def _applied(given: Section | None) -> bool | tuple[str, ...]:
    node = given.get("applied") if given is not None else None
    if node is None or given is None:
        return False
    if isinstance(node, Scalar) and node.kind == "bool":
        return flag(given, "applied")
    return texts(given, "applied", _TEXT)


def _actions(expect: Section | None) -> list[tuple[str, str]]:
    found = []
    for name, node in _entries(expect, "resource_changes"):
        if expect is None or not _is_address(expect.document, name):
            continue
        if isinstance(node, Scalar) and node.text in ACTIONS:
            found.append((name.text, node.text))
        else:
            _no_action(expect.document, node)
    return found


def _is_address(document: Document, name: Scalar) -> bool:
    try:
        Address.parse(name.text)
    except ValueError:
        hint = "write bid.NAME, volume.NAME or ports.NAME"
        document.problem(name, f"{quoted(name.text)} is not an address", hint, code="value")
        return False
    return True


def _summary(expect: Section | None) -> list[tuple[str, int]]:
    found = []
    for name, node in _entries(expect, "summary"):
        if expect is None:
            continue
        if name.text not in ACTIONS:
            _no_action(expect.document, name)
        elif isinstance(node, Scalar) and node.kind == "int" and node.text.isdigit():
            found.append((name.text, int(node.text)))
        else:
            summary = f"summary.{name.text} must be a whole number"
            expect.document.problem(node, summary, code="type")
    return found


def _no_action(document: Document, node: Node) -> None:
    what = quoted(node.text) if isinstance(node, Scalar) else KINDS[node.kind]
    document.problem(node, f"{what} is not an action", f"it is one of {', '.join(ACTIONS)}", code="value")
