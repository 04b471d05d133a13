"""Check a configuration, without network."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from flowplan.diagnostics import Diagnostic
from flowplan.errors import ConfigError
from flowplan.model.address import Address
from flowplan.operations.sources import read_beside

if TYPE_CHECKING:
    from flowplan.config import Config, Source

_LONGEST_STACK = "s" * 64  # stands for the stack's name when scripts are measured without reading the state


def configuration(directory: Path, sources: Sequence[Source]) -> Config:
    """Read and check everything that needs no network. `directory`: what the names of `sources` start from. Raises
    ConfigError with every problem."""
    from flowplan.config import read

    config = read(sources, partial(read_beside, directory))
    problems = unsendable(config, _LONGEST_STACK)
    if problems:
        raise ConfigError([*problems, *config.warnings])
    return config


def addresses_in(directory: Path, sources: Sequence[Source]) -> set[Address]:
    """What the files declare, under whatever name they were applied; nothing, when they cannot be read:
    what they made can be destroyed all the same."""
    from flowplan.config import read

    try:
        config = read(sources, partial(read_beside, directory))
    except ConfigError:
        return set()
    ports = {Address("ports", address.name) for address in config.tasks}
    return {*config.tasks, *config.volumes, *ports}


def unsendable(config: Config, stack: str) -> list[Diagnostic]:
    """Startup scripts that could not be sent, each at its place."""
    from flowplan.model.resources import Inputs, Mount
    from flowplan.startup import script

    problems = []
    for address, task in config.tasks.items():
        mounts = tuple(
            Mount(use.volume, use.mount_point, volume_name=str(use.volume).removeprefix("volume."))
            for use in task.volumes
            if use.mount_point
        )
        inputs = Inputs(task.startup_script, task.ports, mounts, task.local_disks, task.container_image)
        found = script.check(inputs, address, stack)
        if found is not None:
            place = config.problem(
                address, "startup_script", found.summary, found.hint, code=found.code, detail=found.detail
            )
            problems.append(place)
    return problems
