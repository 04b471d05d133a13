"""flowplan plan."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from flowplan.cli import options, selecting, spending
from flowplan.cli.base import Command
from flowplan.cli.completing import files
from flowplan.cli.context import Context
from flowplan.cli.failures import PENDING
from flowplan.cli.github import tell_step
from flowplan.reports.formats import Report, hold_shown, report_of

if TYPE_CHECKING:
    from flowplan.operations.plan import Planned


@click.command(cls=Command)
@options.paths
@click.option("--out", metavar="FILE", shell_complete=files, help="Save the plan, for `flowplan apply FILE`.")
@click.option("--destroy", is_flag=True, help="Plan to remove everything.")
@selecting.refresh_only
@click.option(
    "--no-refresh",
    is_flag=True,
    help="Plan from the state alone, without asking the cloud. The plan cannot be applied.",
)
@options.keep_volumes
@selecting.selecting
@selecting.replace
@options.allow_volume_destroy
@spending.horizon
@spending.budgeting
@spending.policy
@spending.hooks
@spending.what_if
@selecting.show_scripts
@click.option("--detailed-exitcode", is_flag=True, help="Exit 2 when there are changes, also of outputs alone.")
@options.form("plan")
@options.max_bytes
@click.pass_context
def plan(
    ctx: click.Context,
    /,
    out: str | None,
    detailed_exitcode: bool,
    form: str,
    max_bytes: int | None,
    **asked: Any,
) -> int:
    """Show what would change, and what it would cost: per hour now, over a day (or a task's estimated duration, or
    --horizon), and at most.

    PATHs are task files or directories; none means flowplan.yaml. Nothing is changed.

    Exit codes: 0 done; 2 changes are pending (with --detailed-exitcode);
    3 a guard refuses the plan; 5 a problem with the state; 65 problems in the
    configuration.
    """
    from flowplan.cli.plan_request import read_request
    from flowplan.cli.simulating import Simulating
    from flowplan.operations.files import hold_writable
    from flowplan.operations.opening.combinations import as_option, hold_together
    from flowplan.operations.plan import plan as make
    from flowplan.operations.proposing.refusing import refuse

    here, report = Context.of(ctx), report_of("plan", form, max_bytes)
    hold_shown(report, form, scripts=asked["show_scripts"])
    if out:
        hold_writable(out, state=here.session.settings.named_state)
    request = read_request(
        asked,
        complete=bool(out) or report.whole or here.answer.file is not None,
        history=report.history,
    )
    hold_together({**request.asked, "out": out}, as_option)
    progress = Simulating(here.terminal)
    try:
        found = make(here.session, request, progress.tell)
    finally:
        progress.end()
    permitted = bool(request.destroyable) or any(one.max_changes is not None for one in request.budgets)
    _tell(here, report, found, out, permitted=permitted)
    if found.hooks:
        from flowplan.operations.running.hooks import after_plan

        after_plan(here.session, found.hooks, found)
    refuse(here.session, found.priced)
    return PENDING if detailed_exitcode and found.changes_something else 0


def _tell(here: Context, report: Report, found: Planned, out: str | None, *, permitted: bool) -> None:
    """To stdout, into the file of --json, and to the step of a CI runner; saved into `out`, where that is given.
    `permitted`: the command line permits something, which holds for the saved plan only where it is proved to be this
    one."""
    if not report.whole:
        here.answer.write(report, found.shown)
    if out:  # a program reads one document: the plan, or that it could not be saved
        _save(here, found, out, permitted=permitted)
    if report.whole:
        here.answer.write(report, found.shown)
    here.answer.keep("plan", found.shown)
    if report.commands:
        tell_step(here.terminal, found.sealed, out or "")


def _save(here: Context, found: Planned, path: str, *, permitted: bool) -> None:
    from shlex import quote

    from flowplan.documents.json_text import dumps
    from flowplan.operations.files import write_output
    from flowplan.operations.opening.settings import PLAN_KEY
    from flowplan.operations.running.plan_file import as_file

    write_output(path, as_file(dumps(found.document), here.session.store.form))
    digest, typed = found.sealed["sha256"], quote(path)
    if found.document["errored"]:
        here.terminal.note(f"saved to {path}: it is refused, so apply does not take it; flowplan show {typed} shows it")
        return
    if here.session.settings.has_empty_plan_key:
        here.session.listener.warn(f"{path} is not signed: {PLAN_KEY} is empty")
    proof = f" --expect {digest}" if permitted else ""
    signed = " and signed" if "hmac_sha256" in found.sealed else ""
    here.terminal.note(f"saved to {path}{signed}: flowplan apply {typed}{proof}")
    if not permitted:
        here.terminal.note(f"its digest, for apply --expect: {digest}")
