"""flowplan plan."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click
from attrs import frozen

from flowplan.cli import Command, options
from flowplan.errors import ConfigError, UsageProblem
from flowplan.operations import output, saved_plan
from flowplan.operations.observe import Observed, observe
from flowplan.operations.plan import forecast, hold_budgets, plan_of, refuse, streams_of
from flowplan.operations.settings import Session
from flowplan.operations.sources import addresses_in
from flowplan.pricing import DAY, HOUR, MONTH
from flowplan.reports.formats import report_of

if TYPE_CHECKING:
    from flowplan.model.address import Address
    from flowplan.model.budget import Budget, BudgetBasis
    from flowplan.planning.plan import Plan


@click.command(cls=Command)
@options.paths
@click.option("--out", metavar="FILE", help="Save the plan, for `flowplan apply FILE`.")
@click.option("--destroy", is_flag=True, help="Plan to remove everything.")
@options.replace
@options.allow_volume_destroy
@options.horizon
@options.budgeting
@options.what_if
@click.option("--detailed-exitcode", is_flag=True, help="Exit 2 when there are changes.")
@options.form("plan")
@click.pass_context
def plan(
    ctx: click.Context,
    paths: tuple[str, ...],
    out: str | None,
    destroy: bool,
    replace: tuple[str, ...],
    allow_volume_destroy: tuple[str, ...],
    horizon: str | None,
    max_hourly_cost: str | None,
    max_cost_increase: str | None,
    budget_basis: BudgetBasis | None,
    what_if: str | None,
    detailed_exitcode: bool,
    form: str,
) -> int:
    """Show what would change, and what it would cost: per hour now, over a day (a task's estimated duration,
    or --horizon), at most.

    PATHs are task files or directories; none means flowplan.yaml. Nothing is changed.

    \b
    Exit codes: 0 done; 2 changes are pending (with --detailed-exitcode);
    3 a guard refuses the plan; 4 locked; 65 problems in the configuration.
    """
    session = Session.of(ctx)
    if out:
        output.hold_writable(out)
    hours = options.hours(horizon)
    budgets = options.budgets(max_hourly_cost, max_cost_increase, budget_basis)
    ahead = options.what_if_hours(what_if)
    if ahead is not None and destroy:
        raise UsageProblem("--what-if does not go with --destroy: no bid would be left", hint="leave one of them out")
    asked = Asked(tuple(paths), out, destroy, frozenset(allow_volume_destroy), form, hours, budgets, ahead)
    try:
        found = made(session, asked, options.addresses(replace, "--replace"))
    except ConfigError as error:
        if report_of("plan", form).whole:  # who reads the plan as JSON reads its failure so too
            show(session, errored(session, error), form)
        raise
    refuse(found)
    return 2 if detailed_exitcode and not found.empty else 0


@frozen
class Asked:
    """What the command line says."""

    paths: tuple[str, ...]
    out: str | None
    destroy: bool
    destroyable: frozenset[str]
    form: str
    hours: float | None
    budgets: tuple[Budget, ...]
    what_if: float | None


def made(session: Session, asked: Asked, replace: frozenset[Address]) -> Plan:
    """Plan, show the plan, save it."""
    from flowplan.documents.plan import sealed, signed
    from flowplan.planning.plan import Wishes

    sources, scope = session.sources(asked.paths, optional=asked.destroy)
    config = None if asked.destroy else session.configuration(sources)
    declared = addresses_in(sources) if asked.destroy else set()
    wishes = Wishes(
        mode="destroy" if asked.destroy else "apply",
        replace=replace,
        destroyable=asked.destroyable,
        in_scope=lambda binding: scope.covers(binding) or binding.address in declared,
        files=scope,
    )
    with session.locked(reading=True):
        loaded = session.load()
        seen = observe(session, config, loaded.state, loaded.pending)
        found = plan_of(session, seen, wishes)
        for_machines = bool(asked.out) or report_of("plan", asked.form).whole
        budgets = (*asked.budgets, *config.budgets) if config is not None else ()  # what takes away is never too dear
        streams = streams_of(session, found) if asked.what_if is not None else None
        if for_machines or not found.empty:  # people who have nothing to decide are shown no forecast
            spans = (HOUR, DAY, MONTH) if for_machines else (HOUR,) if budgets else ()
            found = forecast(session, found, asked.hours, spans=spans, streams=streams)
        found = hold_budgets(session, found, budgets, asked.hours)
    body = document_of(session, seen, found, asked.paths, unchanged=for_machines)
    if asked.what_if is not None and streams is not None:
        from flowplan.operations.what_if import what_if_of

        body |= what_if_of(session.terminal, found, streams, seen.catalogue, asked.what_if)
    if for_machines:
        body = sealed(body)
        if key := saved_plan.plan_key(session.environ):
            body = signed(body, key.reveal().encode())
    show(session, body, asked.form)
    if asked.out:
        output.write_output(asked.out, _dumps(body))
        session.terminal.note(f"saved to {asked.out}: flowplan apply {asked.out}")
        session.terminal.note(f"its digest, for apply --expect: {body['sha256']}")
    return found


def errored(session: Session, error: ConfigError) -> dict[str, Any]:
    """The document of a plan that did not come about."""
    from flowplan.documents.plan import failed

    return failed(session.now(), error.problems)


def document_of(
    session: Session, seen: Observed, found: Plan, paths: Sequence[str] = (), *, unchanged: bool = True
) -> dict[str, Any]:
    """The plan's JSON document. `paths`: what it was made of, for whoever applies it later; `unchanged`:
    with the resources that stay as they are."""
    from flowplan.documents.plan import Circumstances, document

    config = seen.config
    about = Circumstances(
        timestamp=session.now(),
        state=seen.state,
        config_sha256=config.sha256 if config is not None else "",
        warnings=config.warnings if config is not None else (),
        paths=tuple(paths),
    )
    return document(found, about, unchanged=unchanged)


def show(session: Session, body: dict[str, Any], form: str) -> None:
    """Print a plan document to stdout."""
    session.terminal.out(report_of("plan", form)(body, session.terminal.paint), end="")


def _dumps(body: dict[str, Any]) -> str:
    from flowplan.documents.plan import dumps

    return dumps(body)
