"""Check a configuration, without network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

from attrs import field, frozen

from flowplan.diagnostics import Diagnostic
from flowplan.errors import ConfigError, UsageProblem
from flowplan.masking import forms_of
from flowplan.model.address import Address
from flowplan.operations.session import Session
from flowplan.operations.sources import read_beside

if TYPE_CHECKING:
    from flowplan.config import Config, Source
    from flowplan.model.lifecycle import Lifecycle

_LONGEST_STACK = "s" * 64  # stands for the stack's name when scripts are measured without reading the state


def configuration(session: Session, sources: Sequence[Source], saved: Mapping[str, str] | None = None) -> Config:
    """Read and check everything that needs no network; from then on nothing shows a sensitive value. Raises ConfigError
    with every problem, UsageProblem. `saved`: values of variables that a saved plan has."""
    config = _read(session, sources, saved)
    problems = unsendable(config, _LONGEST_STACK)
    if problems:
        raise ConfigError([*problems, *config.warnings])
    return config


def _read(session: Session, sources: Sequence[Source], saved: Mapping[str, str] | None = None) -> Config:
    from flowplan.config import read
    from flowplan.operations.variables import given

    config = read(sources, partial(read_beside, session.settings.directory), given(session.settings, saved))
    if config.secrets:
        forms = [form for secret in sorted(config.secrets, key=len, reverse=True) for form in forms_of(secret)]
        session.listener.hide(lambda: forms)
    return config


_KEEPING = ("prevent_destroy", "attach", "removed")  # what a file may say so that a volume stays


@frozen
class Named:
    """What files name: the `addresses` they declare, and the volumes they only attach, by their names or ids;
    `lifecycles`: how what they declare is to be treated; `spared`: what they no longer name, and is to stay live. Each
    also under the addresses that it had before it moved. `perhaps_protected`: the word that keeps
    volumes, and that files which cannot be read speak of."""

    addresses: frozenset[Address] = frozenset()
    attached: frozenset[str] = frozenset()
    lifecycles: Mapping[Address, Lifecycle] = field(factory=dict)
    spared: frozenset[Address] = frozenset()
    perhaps_protected: str = ""


def named_in(session: Session, sources: Sequence[Source]) -> Named:
    """What the files name, under whatever name they were applied; nothing, when they cannot be read: what they made
    can be destroyed all the same."""
    from flowplan.planning.moves import former_addresses, removals

    try:
        config = _read(session, sources)
    except (ConfigError, UsageProblem):
        spoken = (word for word in _KEEPING for source in sources if word.encode() in source.data)
        return Named(perhaps_protected=next(spoken, ""))
    former, lifecycles = former_addresses(config), config.lifecycles()
    declared = {*config.tasks, *config.volumes}
    declared |= {old for old, now in former.items() if now in declared}
    ports = {Address("ports", one.name) for one in declared if one.kind == "bid"}
    spared = {address for address, destroyed in removals(config).items() if not destroyed}
    uses = [use.volume for task in config.tasks.values() for use in task.volumes]
    return Named(
        addresses=frozenset(declared | ports),
        attached=frozenset(one for one in uses if isinstance(one, str)),
        lifecycles={**lifecycles, **{old: lifecycles[now] for old, now in former.items() if now in lifecycles}},
        spared=frozenset(spared | {old for old, now in former.items() if now in spared}),
    )


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
