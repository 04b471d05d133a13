"""`watch` of a stack file -> what the watch may do; every problem with its place. Pure."""

from __future__ import annotations

from flowplan.config import keys
from flowplan.config.section import open_section
from flowplan.config.values import choice, flag, money
from flowplan.config.yaml import Document, Node
from flowplan.model.watch import ON_PREEMPTED, Watching


def read_watch(document: Document, node: Node) -> Watching | None:
    """The policy that `node` holds; its problems are reported. None where it is no mapping."""
    section = open_section(document, node, "watch", keys.WATCH)
    if section is None:
        return None
    return Watching(
        on_preempted=choice(section, "on_preempted", ON_PREEMPTED) or "report",
        raise_limit_up_to=money(section, "raise_limit_up_to", "dollars per instance-hour"),
        switch_region=flag(section, "switch_region"),
        max_hourly_cost=money(section, "max_hourly_cost", "dollars"),
        enforce_lifetime=section.get("enforce_lifetime") is None or flag(section, "enforce_lifetime"),
        position=section.document.position(section.node),
    )
