"""flowplan watch."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any

import click

from flowplan.cli import forms, options, spending
from flowplan.cli.base import Command
from flowplan.cli.context import Context
from flowplan.cli.failures import PENDING
from flowplan.cli.kinds import Duration
from flowplan.errors import FlowplanError, UsageProblem
from flowplan.model.durations import read_duration

if TYPE_CHECKING:
    from flowplan.documents.watched import Told


@click.command(cls=Command)
@options.paths
@click.option("--once", is_flag=True, help="Look, act and report once, for cron and pipelines.")
@click.option("--every", type=Duration(), metavar="TIME", help="How often to look; at least 30s.  [default: 5m]")
@options.parallelism
@options.settle_window
@spending.budgeting
@spending.policy
@spending.hooks
@forms.events
@click.pass_context
def watch(ctx: click.Context, /, once: bool, every: str | None, **asked: Any) -> int:
    """Keep a stack as it is written, within its policy and guards, until stopped.

    Looks again and again, and tells what has changed: what was preempted, outbid, ended, changed outside of flowplan.
    The key `watch` of a stack file says what may be done about it without asking; without the key, only what is past
    its lifetime is cancelled. Everything else is left to you. One watch of a state runs at a time.

    Exit codes: with --once, 0 all is as written; 2 something differs and stays
    so until you decide; else those of apply. 4 another watch has this state;
    130, 143 stopped by a signal, state saved.
    """
    from flowplan.operations.watching.rounds import hold_pace

    here = Context.of(ctx)
    if once and every is not None:
        raise UsageProblem("--once and --every exclude each other", hint="for a schedule, let cron run --once")
    seconds = read_duration(every or "5m", "--every")
    hold_pace(seconds, "--every", simulated=here.session.settings.simulated)
    interruption = here.session.interruption
    try:
        with interruption.unwinding():
            last = _watch(here, forms.form_of(asked), seconds, asked, once=once)
    except KeyboardInterrupt as error:
        raise interruption.interrupted("the watch is over, and nothing was under way", error) from None
    if last is not None and last.error is not None:
        raise last.error
    return PENDING if last is not None and last.differs else 0


def _watch(here: Context, form: str, every: float, asked: dict[str, Any], *, once: bool) -> Told | None:
    """Tell each round, until the last; what that was."""
    from flowplan import __version__
    from flowplan.cli.plan_request import read_request
    from flowplan.documents.watch import FORMAT_VERSION
    from flowplan.operations.running.options import RunOptions
    from flowplan.operations.simulator import STANDS_STILL
    from flowplan.operations.watching.rounds import rounds
    from flowplan.reports.formats import RUNNING
    from flowplan.reports.outlet import Outlet

    terminal, session = here.terminal, here.session
    outlet = Outlet(terminal.out, terminal.err, terminal.paint, terminal.paint_err, session.now, terminal.below)
    reporter = here.answer.reporter(RUNNING[form](outlet))
    for stream in here.answer.streams:
        stream.begin(__version__, FORMAT_VERSION)
    request = read_request({"target": (), "exclude": (), "allow_volume_destroy": (), **asked})
    how = RunOptions(parallelism=asked["parallelism"], settle_window=asked["settle_window"])
    if session.settings.simulated and not once:
        terminal.note(STANDS_STILL)
    last: Told | None = None
    made = rounds(session.settings, session.listener, session.interruption, request, how, reporter, every, once=once)
    try:
        with closing(made):  # the lock of the watch is given back whatever happens
            for told in made:
                _tell(here, told, first=last is None)
                last = told
                if not once:
                    _hold_heard(here)
    finally:
        terminal.below(None)
    return last


def _hold_heard(here: Context) -> None:
    """Raise FlowplanError where nobody can read stdout any more: it has no other end then. What a file of --json
    lacks, it gets later."""
    answer, output = here.answer, here.terminal.output
    if answer.file is not None:
        answer.file.grow(here.terminal)
    if output.left or output.lost:
        why = output.lost or "its reader has ended"
        raise FlowplanError(
            f"nobody can read on stdout what the watch tells ({why}), so it has ended",
            hint="nothing was under way; start it again with its output in a file",
        )


def _tell(here: Context, told: Told, *, first: bool) -> None:
    """What is new, and on a terminal what there is. What --once fails with, the command's end says."""
    from flowplan.clock import since_boot
    from flowplan.documents.watched import events
    from flowplan.reports.text.watch import counting_down, lines, summary

    terminal, answer = here.terminal, here.answer
    if told.pause is None and told.error is not None:
        from attrs import evolve

        told = evolve(told, is_new_error=False)
    for stream in answer.streams:
        for type, address, more in events(told):
            stream.event(type, address, **more)
    if answer.events is not None:
        return
    for line in lines(told, terminal.paint, here.session.now()):
        terminal.out(line)
    if first and told.error is None:
        terminal.out(f"{summary(told)}.")
    if told.pause is not None and terminal.live:
        until = since_boot() + told.pause
        terminal.below(counting_down(told, lambda: until - since_boot()))
