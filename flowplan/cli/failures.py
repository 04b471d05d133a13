"""What a command says that failed: wrong usage, problems of the files, a machine that does not give enough."""

from __future__ import annotations

import errno
import os
import signal
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import click

from flowplan.cli.terminal import Terminal
from flowplan.errors import ConfigError, FlowplanError, GuardRefused, StateError, reasons
from flowplan.printable import shown
from flowplan.reports.text.paint import wrapped

if TYPE_CHECKING:
    from flowplan.diagnostics import Diagnostic

_APART = 3  # so many refusals are shown with the line that each is about
UNCHANGED = "nothing was changed"
PENDING = 2  # `plan --detailed-exitcode`: there are changes


def of_the_machine(error: Exception) -> FlowplanError | None:
    """What an error says of the machine, not of flowplan; None: nothing. Imports nothing: that may be what failed."""
    try:
        os.getcwd()  # noqa: PTH109
    except OSError:
        return StateError(
            "the working directory was removed while this command ran",
            hint="the state and its journal record what was done: run the same command again in the directory "
            "they are in now",
        )
    what = _scarce(error)
    return None if what is None else FlowplanError(f"this machine does not give flowplan enough {what}", hint=_RAISE)


_SCARCE = {
    errno.EMFILE: "open files (ulimit -n)",
    errno.ENFILE: "open files",
    errno.ENOMEM: "memory",
    errno.EFBIG: "room in one file (ulimit -f)",
}
_RAISE = "raise the limit and run the same command again: it first checks what was done"


def _scarce(error: BaseException) -> str | None:
    if isinstance(error, RuntimeError) and "start new thread" in str(error):
        return "threads (ulimit -u)"
    return "memory" if isinstance(error, MemoryError) else _SCARCE.get(getattr(error, "errno", None) or 0)


def _came_of(error: BaseException | None) -> str | None:
    """What the machine did not give enough of, where `error` came of that; None: it did not."""
    return None if error is None else _scarce(error) or _came_of(error.__cause__ or error.__context__)


class Failed(NamedTuple):
    """What a command ends with that failed, and why."""

    exit_code: int = 0
    said: Sequence[Diagnostic] = ()


def tell(error: Exception, terminal: Terminal) -> Failed:
    """Say on stderr why a command failed, each error once."""
    from flowplan.diagnostics import Diagnostic

    if isinstance(error, click.ClickException):
        return _usage(error, terminal)
    known = error if isinstance(error, FlowplanError) else of_the_machine(error)
    if known is None:
        terminal.bug(error)
        said = Diagnostic("internal", f"internal error: {type(error).__name__}", "report what stderr shows")
        return Failed(FlowplanError.exit_code, (said,))
    if what := _came_of(known.__cause__):
        known.hint = f"this machine does not give flowplan enough {what}: {_RAISE}"
    if isinstance(known, ConfigError):
        from flowplan.reports.text.diagnostics import text

        terminal.err(text(known.problems, terminal.paint_err))
    elif isinstance(known, GuardRefused) and known.refusals:
        _refused(known, terminal)
    else:
        terminal.error(known)
    return Failed(known.exit_code, tuple(one.typed(terminal.paint_err.typed) for one in reasons(known)))


def tell_too(error: Exception, terminal: Terminal, code: int) -> int:
    """Say it of a command that ends with `code`; returns what it ends with now."""
    failed = tell(error, terminal)
    return code or failed.exit_code


def _refused(error: GuardRefused, terminal: Terminal) -> None:
    """Say on stderr every reason why a plan is refused, many of them by kind, and that it is."""
    from flowplan.documents.diagnostics import of
    from flowplan.reports.text.diagnostics import one
    from flowplan.reports.text.notices import notices

    if len(error.refusals) <= _APART:
        parts = [one(problem, terminal.paint_err) for problem in error.refusals]
    else:
        parts = [notices(map(of, error.refusals), (), terminal.paint_err)]
    typed = terminal.paint_err.typed
    verdict = wrapped(typed(shown(error.summary, 1000)), "", "  ", terminal.paint_err.width)
    if error.hint:
        verdict += wrapped(f"hint: {typed(shown(error.hint, 1000))}", "  ", "    ", terminal.paint_err.width)
    parts.append("\n".join(verdict))
    terminal.err("\n\n".join(parts))


def tell_interrupted(terminal: Terminal, came_of_it: str) -> Failed:
    """The same of Ctrl-C before or after an operation; nobody waits for a stream that takes nothing any more."""
    from flowplan.diagnostics import Diagnostic

    is_unsure = terminal.output.used and came_of_it == UNCHANGED  # some commands change things without a session
    said = f"interrupted; {'what it shows may be incomplete' if is_unsure else came_of_it}"
    terminal.hurry()
    terminal.err(f"\n{said}")
    return Failed(128 + signal.SIGINT, (Diagnostic("interrupted", said),))


def tell_lost(terminal: Terminal) -> Failed:
    """Say that not all of stdout was written; returns what a command ends with that did well but for that."""
    error = FlowplanError(
        f"not all of the output could be written to stdout: {terminal.output.lost}",
        hint="what the command had to do is done; only its output is incomplete",
    )
    return tell(error, terminal)


def _usage(error: click.ClickException, terminal: Terminal) -> Failed:
    """What is wrong with a command line, with its usage and where help is."""
    from flowplan.diagnostics import Diagnostic

    context = getattr(error, "ctx", None)
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        terminal.err(error.format_message())
        return Failed(error.exit_code, (Diagnostic("usage", "no command is given"),))
    says, hint, width = shown(" ".join(error.format_message().split()), 2000), None, terminal.paint_err.width
    lines = wrapped(f"{terminal.paint_err('error:', 'red', 'bold')} {says}", "", "  ", width)
    if context is not None:
        others = "commands" if isinstance(context.command, click.Group) else "arguments"
        hint = f"{context.command_path} --help lists the options and {others}"
        lines += [context.get_usage(), *wrapped(f"hint: {hint}", "  ", "    ", width)]
    terminal.err("\n".join(lines))
    return Failed(error.exit_code, (Diagnostic("usage", says, hint),))
