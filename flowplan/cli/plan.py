"""flowplan plan."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from flowplan.cli import Command, options
from flowplan.cli.destroy import addresses_in
from flowplan.cli.session import Observed, Session, observe, plan_of, refuse

if TYPE_CHECKING:
    from flowplan.plan import Plan


@click.command(cls=Command)
@options.paths
@click.option("--out", metavar="FILE", help="Save the plan, for `flowplan apply FILE`.")
@click.option("--destroy", is_flag=True, help="Plan to remove everything.")
@options.replace
@options.allow_volume_destroy
@click.option("--detailed-exitcode", is_flag=True, help="Exit 2 when there are changes.")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
@click.pass_context
def plan(
    ctx: click.Context,
    paths: tuple[str, ...],
    out: str | None,
    destroy: bool,
    replace: tuple[str, ...],
    allow_volume_destroy: tuple[str, ...],
    detailed_exitcode: bool,
    form: str,
) -> int:
    """Show what would change, and what it would cost per hour.

    PATHs are task files or directories; none means flowplan.yaml. Nothing is changed.

    \b
    Exit codes: 0 done; 2 changes are pending (with --detailed-exitcode);
    3 a guard refuses the plan; 4 locked; 65 problems in the configuration.
    """
    from flowplan.plan import Wishes
    from flowplan.reports.plan_json import sealed

    session = Session.of(ctx)
    if out:
        options.hold_writable(out)
    sources, scope = session.sources(paths, optional=destroy)
    config = None if destroy else session.configuration(sources)
    declared = addresses_in(sources) if destroy else set()
    wishes = Wishes(
        mode="destroy" if destroy else "apply",
        replace=options.addresses(replace, "--replace"),
        destroyable=frozenset(allow_volume_destroy),
        in_scope=lambda binding: scope.covers(binding) or binding.address in declared,
    )
    with session.locked(reading=True):
        loaded = session.load()
        seen = observe(session, config, loaded.state, loaded.pending)
        found = plan_of(session, seen, wishes)
    for_machines = bool(out) or form == "json"
    body = document_of(session, seen, found, paths, unchanged=for_machines)
    if for_machines:
        body = sealed(body)
    show(session, body, form)
    if out:
        options.write_output(out, _dumps(body))
        session.terminal.note(f"saved to {out}: flowplan apply {out}")
        session.terminal.note(f"its digest, for apply --expect: {body['sha256']}")
    refuse(found)
    return 2 if detailed_exitcode and not found.empty else 0


def document_of(
    session: Session, seen: Observed, found: Plan, paths: Sequence[str] = (), *, unchanged: bool = True
) -> dict[str, Any]:
    """The plan's JSON document. `paths`: what it was made of, for whoever applies it later; `unchanged`:
    with the resources that stay as they are."""
    from flowplan.reports.plan_json import Circumstances, document

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
    if form == "json":
        session.terminal.out(_dumps(body), end="")
        return
    from flowplan.reports.plan_text import text

    session.terminal.out(text(body, session.terminal.paint), end="")


def _dumps(body: dict[str, Any]) -> str:
    from flowplan.reports.plan_json import dumps

    return dumps(body)
