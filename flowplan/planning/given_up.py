"""Whose data somebody gives up: --allow-volume-destroy, read. Pure.

What is written there is a volume's name, exactly, or its address, exactly, or `*` alone. Nothing that is merely like it
gives anything up; it is only asked about.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from flowplan.diagnostics import candidates
from flowplan.model.address import Address
from flowplan.planning.plan import EVERYTHING


def given_up(asked: Iterable[str], volumes: Mapping[Address, str]) -> frozenset[Address]:
    """Those of `volumes`, by address with their names in the cloud, whose data may go. What is the name of one is never
    the address of another."""
    return frozenset(one for text in asked for one in _meant(text, volumes))


def question(asked: Iterable[str], volumes: Mapping[Address, str], kept: Collection[Address]) -> str:
    """What is said of what was `asked` and is none of `volumes`, of which those in `kept` would go but for that: ""
    where there is nothing."""
    unknown = next((text for text in sorted(asked) if not _meant(text, volumes)), None)
    if unknown is None:
        return ""
    names = [str(one) if unknown.startswith("volume.") else volumes[one] for one in kept]
    each = "the option takes one name, and may be given again; " if "," in unknown else ""
    return f"the plan has no volume {unknown!r}: {each}{candidates(unknown, names)}; "


def _meant(text: str, volumes: Mapping[Address, str]) -> Collection[Address]:
    if text == EVERYTHING:
        return volumes.keys()
    named = [one for one, name in volumes.items() if name == text]
    return named or [one for one in volumes if str(one) == text]
