"""What may stand in a command line, from the state here and from what the embedded catalogue knows: no network, and
little is imported."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from flowplan.backends.local import DEFAULT
from flowplan.backends.open import open_store
from flowplan.errors import FlowplanError
from flowplan.model.address import in_order

if TYPE_CHECKING:
    from flowplan.state.state import State


def addresses(directory: Path, environ: Mapping[str, str], state: str | None) -> list[str]:
    """The addresses that the state holds, in order, and `task.NAME` of each bid. None where it cannot be read."""
    kept = _state(directory, environ, state)
    found = [str(address) for address in sorted(kept.bindings, key=in_order)] if kept is not None else []
    return [*found, *(one.replace("bid.", "task.", 1) for one in found if one.startswith("bid."))]


def types() -> list[str]:
    """Names of instance types."""
    from flowplan.simulator.offered import type_names

    return type_names()


def regions() -> list[str]:
    """Names of regions."""
    from flowplan.simulator.offered import regions as offered

    return offered()


def _state(directory: Path, environ: Mapping[str, str], state: str | None) -> State | None:
    name = state or DEFAULT
    if "://" in name:  # a server: who types must not wait for it
        return None
    try:
        return open_store(name, directory, environ).read().state
    except (FlowplanError, OSError):
        return None
