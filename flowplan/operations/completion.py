"""What may stand in a command line, from the state here, from what the API was last seen to offer on this machine, and
from the embedded catalogue: no network, and little is imported."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from flowplan.backends.open import open_store
from flowplan.errors import FlowplanError, UsageProblem
from flowplan.model.address import in_order
from flowplan.operations.opening.settings import Settings
from flowplan.operations.opening.which_state import chosen

if TYPE_CHECKING:
    from flowplan.cloud.remembered import Offered
    from flowplan.state.state import State


def addresses(directory: Path, environ: Mapping[str, str], state: str | None) -> list[str]:
    """The addresses that the state holds, in order, and `task.NAME` of each bid. None where it cannot be read."""
    kept = _state(directory, environ, state)
    found = [str(address) for address in sorted(kept.bindings, key=in_order)] if kept is not None else []
    return [*found, *(one.replace("bid.", "task.", 1) for one in found if one.startswith("bid."))]


def outputs(directory: Path, environ: Mapping[str, str], state: str | None) -> list[str]:
    """The names of the outputs that the state keeps. None where it cannot be read."""
    kept = _state(directory, environ, state)
    return [] if kept is None else sorted(kept.outputs)


def types(environ: Mapping[str, str], api_url: str | None) -> list[str]:
    """Names of the instance types that the API offers, as far as this machine knows; else of the simulated ones.
    `api_url`: the one that was given."""
    found = _offered(environ, api_url)
    return simulated_types() if found is None else list(found.types)


def simulated_types() -> list[str]:
    """Names of the instance types of the simulated cloud."""
    from flowplan.simulator.offered import type_names

    return type_names()


def regions(environ: Mapping[str, str], api_url: str | None) -> list[str]:
    """Names of the regions in which the API offers something, as `types`."""
    from flowplan.simulator.offered import regions as simulated

    found = _offered(environ, api_url)
    return simulated() if found is None else list(found.regions)


def _offered(environ: Mapping[str, str], api_url: str | None) -> Offered | None:
    from flowplan.cloud.remembered import remembered

    settings = Settings(given_api_url=api_url, environ=environ)
    try:
        return None if settings.simulated else remembered(environ, settings.api_url)
    except UsageProblem:  # a URL that the command itself refuses
        return None


def _state(directory: Path, environ: Mapping[str, str], state: str | None) -> State | None:
    try:
        # Who types must not wait: for a server, or for a second until a passphrase has become a key.
        settings = Settings(
            directory, state or "", environ={**environ, "FLOWPLAN_PASSPHRASE": "", "FLOWPLAN_OLD_PASSPHRASE": ""}
        )
        named = chosen(settings)
        if named.is_url:
            return None
        return open_store(named.where, directory, environ, form=settings.form()).read().state
    except (FlowplanError, OSError):
        return None
