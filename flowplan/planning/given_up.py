"""Whose data somebody gives up: --allow-volume-destroy, read. Pure.

What is written there is a volume's name, exactly, or its address, exactly, or `*` alone. Nothing that is merely like it
gives anything up; it is only asked about.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from flowplan.diagnostics import candidates, looks_like
from flowplan.model.address import Address
from flowplan.planning.plan import EVERYTHING


def given_up(asked: Iterable[str], volumes: Mapping[Address, str]) -> frozenset[Address]:
    """Those of `volumes`, by address with their names in the cloud, whose data may go. What is the name of one is never
    the address of another."""
    return frozenset(one for text in asked for one in _meant(text, volumes))


def question(asked: Iterable[str], volumes: Mapping[Address, str], kept: Collection[Address]) -> str:
    """What is said of what was `asked` and is none of `volumes`, of which those in `kept` would go but for that: ""
    where there is nothing."""
    unknown = [text for text in sorted(asked) if not _meant(text, volumes)]
    if not unknown:
        return ""
    each = "the option takes one name, and may be given again; " if any("," in text for text in unknown) else ""
    hint = candidates(unknown[0], _names(unknown[0], volumes, kept))
    if len(unknown) == 1:
        return f"the plan has no volume {unknown[0]!r}: {each}{hint}; "
    likely = {text: looks_like(text, _names(text, volumes, kept)) for text in unknown}
    meant = "".join(f"did you mean {near} for {text!r}? " for text, near in likely.items() if near)
    there = candidates("", _names(unknown[0], volumes, kept))
    return f"the plan has no volumes {', '.join(map(repr, unknown))}: {each}{meant}{there}; "


def _names(text: str, volumes: Mapping[Address, str], kept: Collection[Address]) -> list[str]:
    """What those in `kept` are called, in the way of `text`: by their addresses, or in the cloud."""
    return [str(one) if text.startswith("volume.") else volumes[one] for one in kept]


def _meant(text: str, volumes: Mapping[Address, str]) -> Collection[Address]:
    if text == EVERYTHING:
        return volumes.keys()
    named = [one for one, name in volumes.items() if name == text]
    return named or [one for one in volumes if str(one) == text]
