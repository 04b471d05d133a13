"""The versions of a state, and one that was put back -> documents."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from flowplan.classes import frozen
from flowplan.documents.state import listed
from flowplan.state.history import Change, PutBack, Version

if TYPE_CHECKING:
    from flowplan.documents.shapes.history import ChangeShown, HistoryDocument, PutBackDocument
    from flowplan.documents.shapes.state import Listed
    from flowplan.state.state import Binding


@frozen
class History:
    """The versions of the state called `name`, the newest first. `serial`, `lineage`: those of the state now; None:
    it is lost, or does not read. `unsaved`: how many addresses there are now, where a run has recorded more since, so
    that no version is the state now; None: all is saved."""

    name: str
    serial: int | None
    versions: tuple[Version, ...]
    lineage: str | None = None
    unsaved: int | None = None


@frozen
class Restored:
    """Version `serial`, which was put back."""

    serial: int
    found: PutBack


def history(found: History) -> HistoryDocument:
    """The kept versions, the newest first; `change` is null for one of which it is not known who saved it."""
    return {
        "format_version": "1.0",
        "lineage": found.lineage,
        "serial": found.serial,
        "unsaved": None if found.unsaved is None else {"resources": found.unsaved},
        "versions": [
            {"serial": one.serial, "resources": one.resources, "change": _change(one.change) if one.change else None}
            for one in found.versions
        ],
    }


def _change(change: Change) -> ChangeShown:
    return {
        "at": change.at,
        "who": change.who,
        "command": change.command,
        "ci": change.ci or None,
        "plan_sha256": change.plan_sha256 or None,
        "config_sha256": change.config_sha256 or None,
        "commit": change.commit or None,
        "added": change.added,
        "changed": change.changed,
        "removed": change.removed,
    }


def restored(done: Restored) -> PutBackDocument:
    """Which version was put back, the serial that it has now, and what the state no longer has because of that."""
    return {
        "format_version": "1.0",
        "version": done.serial,
        "serial": done.found.state.serial,
        "forgotten": _listed(done.found.forgotten),
        "over": _listed(done.found.over),
    }


def _listed(bindings: Iterable[Binding]) -> list[Listed]:
    return [listed(one) for one in bindings]
