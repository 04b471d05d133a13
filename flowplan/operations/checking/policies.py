"""Policies of files of their own, read; and the time zones of policies, looked up."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

from flowplan.diagnostics import Diagnostic, looks_like
from flowplan.errors import ConfigError
from flowplan.files.regular import how_to_read, read_regular
from flowplan.printable import shown

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from flowplan.diagnostics import Position
    from flowplan.model.policy import Policies
    from flowplan.operations.opening.session import Session

_LIMIT = 1_000_000  # bytes
_ALIKE = 0.75  # of two names of time zones of which one is a slip for the other


def policy_files(session: Session, names: Iterable[str], saved: Mapping[str, str]) -> dict[str, str]:
    """The texts of policy files by their names; those of a `saved` plan beside the ones that are given now. Raises
    ConfigError for one that cannot be read."""
    found: dict[str, str] = {}
    unread: list[Diagnostic] = []
    for name in names:
        try:
            found[name] = _text(session, name)
        except ConfigError as error:
            unread += error.problems
    if unread:
        raise ConfigError(unread)
    for name, of_plan in saved.items():
        if found.get(name, of_plan) != of_plan:
            name = f"{name} (of the saved plan)"
            while name in found or name in saved:
                name += "'"
        found[name] = of_plan
    return found


def _text(session: Session, name: str) -> str:
    """What the policy file `name` holds. Raises ConfigError."""
    try:
        data = read_regular(session.settings.directory / name, _LIMIT)
    except OSError as error:
        summary = f"the policy file {shown(name)} cannot be read: {error.strerror or error}"
        raise ConfigError(
            [Diagnostic("file-unreadable", summary, how_to_read(error, "give a regular file"))]
        ) from error
    if len(data) > _LIMIT:  # its end is missing, and rules may stand there
        summary = f"the policy file {shown(name)} is larger than {_LIMIT // 1_000_000} MB"
        raise ConfigError([Diagnostic("too-large", summary, "give --policy several times, with a part of it each")])
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        summary = f"the policy file {shown(name)} is not UTF-8"
        raise ConfigError([Diagnostic("encoding", summary, "save it as UTF-8")]) from error


def read_policies(files: Mapping[str, str]) -> tuple[Policies, ...]:
    """The rules of policy files. Raises ConfigError with every problem of each."""
    if not files:
        return ()
    from flowplan.config import Source
    from flowplan.config.policies import read_policy_file

    found: list[Policies] = []
    problems: list[Diagnostic] = []
    for name, text in files.items():
        try:
            found.append(read_policy_file(Source(name, text.encode())))
        except ConfigError as error:
            problems += error.problems
    problems += strange_zones(found)
    if problems:
        raise ConfigError(problems)
    return tuple(found)


def readable_policies(session: Session, names: Iterable[str]) -> tuple[Policies, ...]:
    """The rules of policy files as far as they can be made out: of a file that cannot be read there are none."""
    from flowplan.config import Source
    from flowplan.config.policies import readable_rules

    found = []
    for name in names:
        try:
            found.append(readable_rules(Source(name, _text(session, name).encode())))
        except ConfigError:  # it is told by who needs the whole file
            continue
    return tuple(found)


def strange_zones(
    policies: Iterable[Policies], line: Callable[[Position], str | None] = lambda _: None
) -> list[Diagnostic]:
    """Time zones that this system does not know, each at its place, with the `line` there."""
    hours = [one.hours for one in policies if one.hours is not None]
    return [
        Diagnostic(
            "value",
            f"hours.time_zone: there is no time zone {one.zone} on this system",
            _zone_hint(one.zone),
            position=one.zone_position or one.position,
            source=line(one.zone_position or one.position),
        )
        for one in hours
        if zone_of(one.zone) is None
    ]


def _zone_hint(name: str) -> str:
    """The place that `name` was probably meant to be: it is spelt like it, or its city is. Of an abbreviation or an
    offset none is: one that looks like it is hours away."""
    from zoneinfo import available_timezones

    known = sorted(zone for zone in available_timezones() if "/" in zone and not zone.startswith("Etc/"))
    if not known:
        return "this system has no time zones but UTC; Debian has them in the package tzdata"
    cities = {zone.rpartition("/")[2]: zone for zone in known}
    near = looks_like(name, known, _ALIKE) or cities.get(looks_like(name, cities, _ALIKE) or "")
    if near and len(name) > 4:
        return f"did you mean {near}?"
    return "write a place, such as Europe/Berlin, or UTC: an abbreviation or an offset is no time zone"


def zone_of(name: str) -> ZoneInfo | None:
    """The time zone of this name; None: this system does not know it."""
    from zoneinfo import ZoneInfo  # few stacks need one

    try:
        return ZoneInfo(name)
    except (OSError, ValueError, KeyError):  # ZoneInfoNotFoundError is a KeyError
        return None
