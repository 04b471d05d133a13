"""Check a configuration, without network."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from flowplan.diagnostics import Problem

if TYPE_CHECKING:
    from flowplan.config import Config


_LONGEST_STACK = "s" * 64  # stands for the stack's name when scripts are measured without reading the state


def unsendable(config: Config, stack: str) -> list[Problem]:
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
            place = config.problem(address, "startup_script", found.summary, hint=found.hint)
            problems.append(attrs.evolve(place, detail=found.detail))
    return problems
