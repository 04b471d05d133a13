"""What other runs have recorded between the plan that was shown and the answer: it may be another plan by then."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flowplan.operations.running.approval import stale

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flowplan.backends.store import Loaded
    from flowplan.config import Config
    from flowplan.model.address import Address
    from flowplan.operations.opening.session import Session
    from flowplan.planning.plan import Plan
    from flowplan.state.state import State


def hold_same_place(session: Session, shown: Loaded, before: State, now: Loaded, config: Config | None) -> None:
    """Raise StalePlan where the state is gone since, or by `now` is another one, or that of another project, stack or
    environment than `before`: what is in it is live there, and a run here would save it as what is live here. `config`
    None: to destroy, whose names are of no environment."""
    state = now.state
    if now.fresh and not shown.fresh:
        raise stale(session, "the state has gone since the plan was shown")
    if not shown.fresh and state.lineage != before.lineage:
        raise stale(session, "another state has taken the place of this one since the plan was shown")
    if state.project not in ("", before.project):
        project = state.project_name or state.project
        raise stale(session, f"the state has become that of project {project} since the plan was shown")
    if state.stack not in ("", before.stack):
        raise stale(session, f"the state has become that of stack {state.stack} since the plan was shown")
    if config is not None and state.name_prefix not in ("", before.name_prefix, config.name_prefix):
        raise stale(
            session, f"the state has been applied with the name_prefix {state.name_prefix} since the plan was shown"
        )


def hold_same_records(session: Session, plan: Plan, before: State, now: State) -> None:
    """Raise StalePlan where the state records something else by `now` of what `plan` changes: that its files protect
    it, say, which those that were read for the plan did not."""
    for address in _changed(plan):
        if before.bindings.get(address) != now.bindings.get(address):
            raise stale(session, f"another run has changed {address} in the state since the plan was shown")


def _changed(plan: Plan) -> Iterator[Address]:
    for one in plan.changes:
        if one.ways:
            yield one.address
        if one.previous_address is not None:
            yield one.previous_address
