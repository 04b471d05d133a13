"""What the configuration says of addresses and live objects, taken into the state that a plan is made from."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

import attrs

from flowplan.classes import frozen
from flowplan.errors import ConfigError, FlowplanError, GuardRefused
from flowplan.operations.looking.live import with_bids
from flowplan.operations.opening.session import Session
from flowplan.planning.moves import readdress

if TYPE_CHECKING:
    from flowplan.config import Config
    from flowplan.config.config import Import
    from flowplan.diagnostics import Diagnostic
    from flowplan.model.address import Address
    from flowplan.model.live import Live
    from flowplan.state.records import Intent
    from flowplan.state.state import State


@frozen
class HandedOver:
    """`state` with new addresses and imported objects, and what is new: addresses with the one they had, and what is
    imported. `live`: with what no list shows yet."""

    state: State
    moves: Mapping[Address, Address]
    imports: frozenset[Address]
    live: Live


def hand_over(session: Session, config: Config, state: State, pending: Collection[Intent], live: Live) -> HandedOver:
    """What `config` says of addresses, applied to `state`; nothing is recorded. Raises ConfigError with every problem,
    GuardRefused for what belongs to another stack."""
    from flowplan.diagnostics import by_position
    from flowplan.state.ownership import adopted, new_bids
    from flowplan.state.state import by_api, with_placed

    moved, problems = readdress(state, config)
    bindings = dict(moved.state.bindings)
    state = attrs.evolve(moved.state, bindings=bindings)  # it has what is imported as soon as that is
    imports: dict[Address, str] = {}
    refusals: list[Diagnostic] = []
    blocks = [one for one in config.imports if not _is_spent(one, state, live)]
    live = with_bids(session.cloud(), live, [one.id for one in blocks if one.address.kind == "bid"]) if blocks else live
    for block in blocks:
        from flowplan.operations.looking.importable import importable, settled_by

        if _is_spent(block, state, live):  # since an earlier one was imported
            continue
        try:
            settled_by(pending, block.address)
            found = importable(session, live, state, pending, block.address, block.id)
        except GuardRefused as error:
            refusals.append(_refusal(config, block, error))
            continue
        except FlowplanError as error:
            problems.append(_problem(config, block, error))
            continue
        bindings[block.address] = adopted(block.address, found, bindings)
        imports[block.address] = block.id
    if problems:
        raise ConfigError(sorted((*problems, *refusals), key=by_position))
    if refusals:
        said = f"refused by the guard not_ours; {session.nothing_was('changed')}"
        raise GuardRefused(said, code="not-ours", refusals=refusals, planned=False)
    of_somebody = {id for address, id in imports.items() if address.kind == "volume"}
    released = state.released - set(imports.values())
    taken = [live.bids[id] for id in imports.values() if id in live.bids]
    new = by_api(new_bids(taken, session.cloud().moment().earliest)) if taken else {}
    session.cloud().placed.update(new)
    placed = with_placed(state.placed, new)
    state = attrs.evolve(state, adopted=state.adopted | of_somebody, released=released, placed=placed)
    return HandedOver(state, moved.previous, frozenset(imports), live)


def _is_spent(block: Import, state: State, live: Live) -> bool:
    """Whether `block` has done its work: its object is at its address, or was and has ended since."""
    bound = state.bindings.get(block.address)
    if bound is None:
        return False
    bid = live.bids.get(block.id)
    is_there = block.id in live.volumes or (bid is not None and not bid.ended)
    return bound.id == block.id or not is_there


def _refusal(config: Config, block: Import, error: GuardRefused) -> Diagnostic:
    """That `block` names what another stack may hold."""
    command = f"flowplan import {block.address.word} {block.id}"
    hint = (
        "if this id is of another environment, remove the block, or give the variables of this one; "
        f"to move it here with `{command}`: {error.hint}"
    )
    return attrs.evolve(_problem(config, block, error), code=error.code, hint=hint)


def _problem(config: Config, block: Import, error: FlowplanError) -> Diagnostic:
    from flowplan.diagnostics import Diagnostic

    return Diagnostic(
        "import-refused",
        f"{block.id} cannot be imported as {block.address}: {error}",
        error.hint,
        position=block.source,
        source=config.source_line(block.source),
        about=str(block.address),
    )
