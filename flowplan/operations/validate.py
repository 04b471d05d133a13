"""Check a configuration, without network."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

from attrs import field

from flowplan.classes import frozen
from flowplan.diagnostics import Diagnostic
from flowplan.errors import ConfigError, UsageProblem
from flowplan.masking import forms_of
from flowplan.model.address import Address
from flowplan.operations.opening.session import Session
from flowplan.operations.opening.sources import read_beside
from flowplan.patterns import regex

if TYPE_CHECKING:
    from flowplan.config import Config, Source
    from flowplan.model.given import GivenValue
    from flowplan.model.hooks import Hook
    from flowplan.model.lifecycle import Lifecycle
    from flowplan.model.policy import Policies
    from flowplan.planning.plan import Unread

_LONGEST_STACK = "s" * 64  # stands for the stack's name when scripts are measured without reading the state


def configuration(
    session: Session,
    sources: Sequence[Source],
    saved: Mapping[str, str] | None = None,
    *,
    checked_alone: bool = False,
) -> Config:
    """Read and check everything that needs no network; from then on nothing shows a sensitive value. Raises ConfigError
    with every problem, UsageProblem. `saved`: values of variables that a saved plan has; `checked_alone`: nothing is
    made of the result, so that a sensitive variable may lack its value."""
    from flowplan.operations.checking.policies import strange_zones

    config = _read(session, sources, saved, checked_alone=checked_alone)
    problems = [*unsendable(config, _LONGEST_STACK), *strange_zones(config.policies, config.source_line)]
    if problems:
        raise ConfigError([*problems, *config.warnings])
    return config


def _read(
    session: Session, sources: Sequence[Source], saved: Mapping[str, str] | None = None, *, checked_alone: bool = False
) -> Config:
    from flowplan.config import read
    from flowplan.operations.opening.variables import given

    values = given(session.settings, saved, checked_alone=checked_alone)
    config = read(sources, partial(read_beside, session.settings.directory), values)
    if config.state is not None:
        session.chosen.hold_at(config.state)
    if config.secrets:
        forms = [form for secret in sorted(config.secrets, key=len, reverse=True) for form in forms_of(secret)]
        session.listener.hide(lambda: forms)
    return config


_TASK = regex(rb"\b(?:task|bid)\.(?:(\$)|([A-Za-z0-9][A-Za-z0-9._-]*))")
_KEEPING = ("prevent_destroy", "attach", "removed", "protected")  # what a file may say so that a volume stays


@frozen
class Named:
    """What files name: the `addresses` they declare, and the volumes they only attach, by their names or ids;
    `lifecycles`: how what they declare is to be treated; `spared`: what they no longer name, and is to stay live;
    `given_up`: what they no longer name, and is to go. Each also under the addresses that it had before it moved.
    `called`: the names of their bids, without the prefix of their stack, as those are wanted now.
    `unread`: what they may say, where they cannot be read, and `why_unread`; `variables`: those that were given;
    `name_prefix`: that of a stack file, None: none was read; `stack`: the name that it gives, if any; `policies` and
    `hooks`: their rules and commands."""

    addresses: frozenset[Address] = frozenset()
    attached: frozenset[str] = frozenset()
    lifecycles: Mapping[Address, Lifecycle] = field(factory=dict)
    spared: frozenset[Address] = frozenset()
    given_up: frozenset[Address] = frozenset()
    unread: Unread | None = None
    why_unread: ConfigError | UsageProblem | None = None
    variables: Mapping[str, GivenValue] = field(factory=dict)
    name_prefix: str | None = None
    stack: str = ""
    policies: tuple[Policies, ...] = ()
    hooks: tuple[Hook, ...] = ()
    called: Mapping[Address, str] = field(factory=dict)


def named_in(session: Session, sources: Sequence[Source], saved: Mapping[str, str] | None = None) -> Named:
    """What the files name, under whatever name they were applied; nothing, when they cannot be read: what they made
    can be destroyed anyway. `saved`: values of variables that a saved plan has."""
    from flowplan.planning.moves import former_addresses

    try:
        config = _read(session, sources, saved)
    except (ConfigError, UsageProblem) as error:
        return Named(unread=_unread(sources), why_unread=error)
    former, lifecycles = former_addresses(config), config.lifecycles()
    declared = {*config.tasks, *config.volumes}
    declared |= {old for old, now in former.items() if now in declared}
    ports = {Address("ports", one.name) for one in declared if one.kind == "bid"}
    spared, given_up = _removed(config, former, destroyed=False), _removed(config, former, destroyed=True)
    called = {address: task.name.removeprefix(config.name_prefix) for address, task in config.tasks.items()}
    uses = [use.volume for task in config.tasks.values() for use in task.volumes]
    return Named(
        addresses=frozenset(declared | ports),
        attached=frozenset(one for one in uses if isinstance(one, str)),
        lifecycles={**lifecycles, **{old: lifecycles[now] for old, now in former.items() if now in lifecycles}},
        spared=spared,
        given_up=given_up,
        variables=config.variables,
        name_prefix=config.name_prefix if config.is_stack else None,
        stack=config.stack,
        policies=config.policies,
        hooks=config.hooks,
        called={**called, **{old: called[now] for old, now in former.items() if now in called}},
    )


def _unread(sources: Iterable[Source]) -> Unread:
    """What the text of files that cannot be read shows that they may say. A task that is named by a file with `removed`
    blocks may be one that they keep; if a name is put together of variables, any may be."""
    from flowplan.planning.plan import EVERYTHING, Unread

    texts = [source.data for source in sources]
    named = [found for text in texts if b"removed" in text for found in _TASK.finditer(text)]
    return Unread(
        word=next((word for word in _KEEPING if any(word.encode() in text for text in texts)), ""),
        kept=frozenset(EVERYTHING if one[1] else one[2].decode() for one in named),
    )


def _removed(config: Config, former: Mapping[Address, Address], *, destroyed: bool) -> frozenset[Address]:
    """What `removed` blocks name that destroy it, or that keep it; also under its `former` addresses."""
    from flowplan.planning.moves import removals

    found = {address for address, goes in removals(config).items() if goes is destroyed}
    return frozenset(found | {old for old, now in former.items() if now in found})


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
