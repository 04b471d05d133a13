"""What a plan destroys because no file that was given names it, although one beside those does."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from flowplan.diagnostics import Diagnostic
from flowplan.operations.opening.not_given import beside
from flowplan.operations.opening.scope import Scope
from flowplan.operations.opening.session import Session
from flowplan.operations.validate import named_in
from flowplan.planning.actions import Delete
from flowplan.planning.plan import Plan, Wishes
from flowplan.printable import shown


def named_beside(session: Session, plan: Plan, wishes: Wishes) -> Iterator[Diagnostic]:
    """A warning for each such file: a part of a stack was moved there, and the stack is all of its files."""
    gone = {
        one.address: one
        for one in plan.changes
        if isinstance(one, Delete) and one.reason == "delete_because_no_resource_config" and one.address.kind != "ports"
    }
    if not gone or not isinstance(wishes.files, Scope):
        return
    given = [name for name, _ in wishes.files.given]
    for source in beside(wishes.files, {one.base for one in gone}):
        named = named_in(session, [source]).addresses
        found = [address for address in gone if address in named]
        if not found:
            continue
        what = f"{', '.join(map(str, found))} would be destroyed, but {shown(source.name)}, which was not given, names"
        every = shlex.join([*given, source.name])
        yield Diagnostic(
            "named-beside",
            f"{what} {'it' if len(found) == 1 else 'them'}",
            f"give all files of the stack: flowplan plan {every}; a directory means all that are in it",
            severity="warning",
            about=str(found[0]),
        )
