"""What the answer to a create says was made, beside what was asked for. Pure.

An answer is no promise that the request was carried out as it stood: whatever differs is noticed at once, and recorded
as it is. What the answer leaves out, the next look at the cloud shows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import attrs

from flowplan.model.live import TERMINATED, Made
from flowplan.model.resources import Bid, Resource, Volume
from flowplan.planning.actions import FieldChange
from flowplan.planning.differences import differences
from flowplan.state.doubts import is_older
from flowplan.state.known import as_made
from flowplan.state.records import CreateIntent, Intent


def of_another(made: Made, intent: Intent, lineage: str) -> str | None:
    """Why the answer is not about what `intent` of the state `lineage` asked for, read after the id; None: nothing says
    so. A bid is known by its marker, a volume by its name and by when it was made."""
    if made.marker is not None:
        if made.marker.lineage != lineage:  # a saved plan has the same intents in every state
            return "was placed with another state"
        mine = made.marker.intent == intent.intent
        return None if mine else f"carries the marker of {made.marker.address}, generation {made.marker.generation}"
    name = made.reported.get("name", intent.name)
    if name != intent.name:
        return f"is called {name}"
    if isinstance(intent, CreateIntent) and is_older(made.created_at, intent):
        return f"was created at {made.created_at}, before it was asked for here"
    return None


def as_it_is(wanted: Resource, made: Made) -> Resource:
    """`wanted` with what the answer tells of it. A size that was rounded up is kept beside the one asked for."""
    if isinstance(wanted, Volume):
        unreported = tuple(name for name in ("size_gb", "interface", "region") if name not in made.reported)
        return as_made(wanted, attrs.evolve(wanted, **made.reported, unreported=unreported))
    reported = {name: value for name, value in made.reported.items() if name != "name"}
    if isinstance(wanted, Bid) and wanted.paused:  # it is placed running, and paused next
        reported.pop("paused", None)
    return attrs.evolve(wanted, **reported)


def complaints(
    wanted: Resource, actual: Resource, made: Made, project: str, called: Callable[[str], str] = str
) -> list[str]:
    """What differs from what was asked for, each with both values; empty: all is as it should be. `called`: how people
    know the project with an id."""
    found = [_difference(one) for one in differences(wanted, actual)]
    if made.project is not None and made.project != project:
        found.append(f"project {called(made.project)} instead of {called(project)}")
    if made.status == TERMINATED:
        found.append(f"it is already {TERMINATED}")
    return found


def _difference(one: FieldChange) -> str:
    return f"{one.name} {as_text(one.after)} instead of {as_text(one.before)}"


def as_text(value: Any) -> str:
    """A field's value, for people."""
    if isinstance(value, Iterable) and not isinstance(value, str):
        return f"[{', '.join(map(str, value))}]"
    return str(value).lower() if isinstance(value, bool) else str(value)
