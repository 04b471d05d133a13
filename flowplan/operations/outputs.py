"""The outputs of a stack: kept with the state, and asked for."""

from __future__ import annotations

from collections.abc import Container, Set
from typing import TYPE_CHECKING

import attrs

from flowplan.errors import CloudError, UsageProblem
from flowplan.model.address import Address
from flowplan.model.outputs import Thing, references
from flowplan.operations.opening.loading import load_state
from flowplan.operations.opening.session import Session
from flowplan.state.outputs import asks_for_instances, empty, evaluated, kept, templates_of, things_of
from flowplan.state.state import State

if TYPE_CHECKING:
    from flowplan.config import Config
    from flowplan.model.outputs import Output
    from flowplan.planning.plan import Plan


def outputs(session: Session, name: str | None = None) -> dict[str, Output]:
    """The outputs of the state, or the one called `name`. Asks the API only where one names an instance. Raises
    UsageProblem for a name that does not exist."""
    from flowplan.diagnostics import candidates

    state = load_state(session).state
    if name is not None and name not in templates_of(state):
        hint = candidates(name, templates_of(state)) or "declare it under `outputs` in the stack file, and apply"
        raise UsageProblem(f"the state has no output {name}", hint=hint)
    if asks_for_instances(state) and state.bindings:
        session.enter_project(state, None)
        found = evaluated(state, _ssh(session))
    else:
        found = evaluated(state, {})
    return found if name is None else {name: found[name]}


def shown_after(session: Session, state: State) -> dict[str, Output]:
    """The outputs as an apply shows them in the end: an API that fails now makes some unknown, and nothing else."""
    if not asks_for_instances(state):
        return evaluated(state, {})
    try:
        return evaluated(state, _ssh(session))
    except CloudError as error:
        session.listener.note(f"the address to log in to could not be fetched: {error}")
        return evaluated(state, {})


def with_outputs(state: State, config: Config | None, plan: Plan) -> State:
    """`state`, of which `plan` was carried out as far as it went, with the outputs that `config` declares; without a
    stack file, and where live things are only recorded, those that it has, evaluated again, but for those of what is
    gone. Of a stack that is destroyed nothing is left, but while some of it is."""
    config = None if plan.mode == "refresh-only" else config
    made = kept(_declared(state, config, plan, state.bindings.keys()), state, _empty(state, config))
    return state if made == state.outputs else attrs.evolve(state, outputs=made)


def planned_outputs(state: State, config: Config | None, plan: Plan) -> dict[str, Output]:
    """The outputs as they are once `plan` is carried out, as far as that is known."""
    from flowplan.planning.actions import Completed, Create, Expire, Replace
    from flowplan.state.outputs import planned

    config = None if plan.mode == "refresh-only" else config
    things, there = things_of(state, {}), set(state.bindings)
    for one in plan.changes:
        if isinstance(one, (Completed, Expire)):
            continue  # the state keeps what it was
        if one.after is None:
            things.pop(one.address, None)
            there.discard(one.address)
        elif one.address.kind != "ports":
            new = isinstance(one, (Create, Replace))
            things[one.address] = Thing(one.after, None if new else one.id)
    return planned(_declared(state, config, plan, there), things, _empty(state, config))


def _declared(state: State, config: Config | None, plan: Plan, there: Set[Address]) -> dict[str, str | None]:
    """The templates of a stack file, or else those that `state` holds, but for what goes with what `plan` removes;
    None of a sensitive output. `there`: the addresses that the state has afterwards."""
    if config is not None and config.is_stack:
        return {name: None if one.sensitive else one.template for name, one in config.outputs.items()}
    if plan.mode == "destroy" and not there:
        return {}
    gone = {one.address for one in plan.changes if one.after is None} - there
    gone |= {Address(one.kind, one.base) for one in gone} - {Address(one.kind, one.base) for one in there}
    templates = templates_of(state).items()
    return {
        name: one for name, one in templates if one is None or gone.isdisjoint(ref.address for ref in references(one))
    }


def _empty(state: State, config: Config | None) -> Container[Address]:
    """What has an empty for_each, where outputs may name it."""
    return empty(state) if config is None or not config.is_stack else config.empty


def _ssh(session: Session) -> dict[str, str]:
    """Id of a bid -> where to log in to its first instance that is up."""
    found: dict[str, str] = {}
    for one in sorted(session.cloud().instances(), key=lambda one: one.name):
        if one.bid is not None and one.ssh_destination is not None:
            found.setdefault(one.bid, one.ssh_destination)
    return found
