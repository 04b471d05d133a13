"""The versions of a state -> text."""

from __future__ import annotations

from collections.abc import Iterator

from flowplan.documents.history import History, Restored
from flowplan.printable import shown
from flowplan.reports.text.paint import Paint, apart, wrapped
from flowplan.state.history import Change, PutBack, Version
from flowplan.state.state import Binding

_DIGITS = 12  # of a digest or commit


def history(found: History, paint: Paint) -> str:
    """A paragraph for each version, the newest first."""
    if not found.versions:
        return f"No versions of {shown(found.name)} are kept.\n"
    now = None if found.unsaved is not None else found.serial
    return "\n".join(_version(one, paint, now=one.serial == now) for one in found.versions)


def _version(version: Version, paint: Paint, *, now: bool) -> str:
    change = version.change
    held = f"{version.resources} resource{'' if version.resources == 1 else 's'}"
    head = [str(version.serial), change.at if change else "not recorded when", held]
    lines = apart([*head, *(["(the state now)"] if now else [])], "", "    ", paint.width)
    for said in _about(change) if change else ():
        lines += wrapped(said, "    ", "      ", paint.width)
    return "".join(f"{line}\n" for line in lines)


def _about(change: Change) -> Iterator[str]:
    yield f"{_counts(change)} by {shown(change.who)}: {shown(change.command, 200)}"
    origin = [
        f"{name} {shown(value[:_DIGITS])}"
        for name, value in (("plan", change.plan_sha256), ("configuration", change.config_sha256))
        if value
    ]
    if change.commit:
        origin.append(f"commit {shown(change.commit[:_DIGITS])}")
    if origin:
        yield ", ".join(origin)
    if change.ci:
        yield shown(change.ci, 200)


def _counts(change: Change) -> str:
    counted = ((change.added, "added"), (change.changed, "changed"), (change.removed, "removed"))
    return ", ".join(f"{count} {word}" for count, word in counted if count) or "nothing added, changed or removed"


def put_back(done: Restored, _: Paint) -> str:
    """What `state restore SERIAL` did."""
    return f"The state is now version {done.serial}, with serial {done.found.state.serial}.\n"


def notes(found: PutBack) -> Iterator[str]:
    """What there is to know about a version that was put back."""
    yield from left_out(found)
    yield "flowplan plan shows what differs; it finds bids placed since then by their marker"


def left_out(found: PutBack) -> Iterator[str]:
    """What another state in the place of the state has left out."""
    still = tuple(one for one in found.forgotten if not one.ended)
    if still:
        yield (
            f"flowplan no longer knows {_named(still)}: what still exists of that still costs money; "
            "`flowplan import ADDR ID` takes it back"
        )
    if done := tuple(one for one in found.forgotten if one.ended):
        yield f"flowplan no longer knows {_named(done)}, nor that they have ended"
    if found.over:
        yield f"left out, because this stack has ended them since: {_named(found.over)}"


def _named(bindings: tuple[Binding, ...]) -> str:
    return ", ".join(f"{shown(str(one.address))} ({shown(one.id)})" for one in bindings)
