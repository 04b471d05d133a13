"""What a command works with: its terminal, and the session of its operation."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from flowplan.cli.answer import Answer
from flowplan.cli.everywhere import which_files, which_state
from flowplan.cli.terminal import Terminal, in_ci
from flowplan.cli.told import told
from flowplan.cli.variables import variable, variable_files
from flowplan.cloud.http.redaction import forms_in
from flowplan.errors import UsageProblem
from flowplan.model.durations import read_duration

if TYPE_CHECKING:
    from flowplan.operations.opening.session import Session
    from flowplan.operations.opening.settings import Settings, Streamed

_NOTABLE = 1.0  # seconds: what takes longer says what it does


class Context(NamedTuple):
    """Made of the click context. Nothing is opened before it is needed; click closes the session."""

    terminal: Terminal
    session: Session
    answer: Answer

    @classmethod
    def of(cls, ctx: click.Context) -> Context:
        """The context of a command; goes to --chdir first. Raises UsageProblem for a directory that cannot be used."""
        from flowplan.cli.stop import Stop
        from flowplan.operations.opening.interaction import Listener
        from flowplan.operations.opening.session import Session
        from flowplan.operations.opening.settings import STATE

        given = ctx.find_root().obj
        terminal: Terminal = given["terminal"]
        terminal.asked(plain=bool(given.get("no_color")), verbose=bool(given.get("verbose")))
        terminal.works_on(which_state(given), which_files({**ctx.params, **given}))
        if directory := given.get("chdir"):
            try:
                os.chdir(directory)
            except OSError as error:
                raise UsageProblem(f"--chdir {directory}: {error.strerror}") from error
        answer: Answer = given["answer"]
        if file := given.get("json_file"):
            from flowplan.cli.json_file import files_of

            answer.begin(file, given.get("state") or os.environ.get(STATE), files_of({**ctx.params, **given}))
        _hold_here()
        listener = Listener(
            terminal.note,
            terminal.err if given.get("verbose") else None,
            terminal.hide,
            _busy(terminal),
            partial(terminal.note, word="warning", colour="yellow"),
            terminal.secretless,
            terminal.together,
        )
        stop = Stop(say=terminal.err, hurry=terminal.hurry)
        files = variable_files(given.get("var_file", ()), listener.busy, ends=ctx.info_name == "destroy")
        settings = settings_of(given, os.environ, sys.argv[1:], files, terminal.paint.typed)
        session = Session(settings, listener, stop)
        given["session"] = session
        ctx.call_on_close(session.close)
        return cls(terminal, session, answer)

    def report(self, subject: str, form: str, found: object, max_bytes: int | None = None) -> None:
        """Write `found`, a `subject` of the table of reports, to stdout in a format, and as JSON to --json FILE."""
        self.answer.report(subject, form, found, max_bytes)


def settings_of(
    given: Mapping[str, Any],
    environ: Mapping[str, str],
    arguments: list[str],
    files: tuple[str | Streamed, ...] = (),
    typed: Callable[[str], str] = str,
) -> Settings:
    """The settings that the global options `given` mean. `arguments`: the command line, which others that find the lock
    may read: without what is secret. `files`: those of variables; `typed`: as in Settings. Raises UsageProblem."""
    from flowplan.operations.opening.settings import Settings

    return Settings(
        state=given.get("state") or "",
        endpoint=given.get("endpoint") or "",
        given_api_url=given.get("api_url"),
        project=given.get("project"),
        ssh_key=given.get("ssh_key"),
        lock_timeout=read_duration(given.get("lock_timeout") or _patience(environ), "--lock-timeout"),
        lock=not given.get("no_lock"),
        allow_plaintext=bool(given.get("allow_plaintext")),
        environ=environ,
        variables=tuple(variable(text) for text in given.get("var", ())),
        variable_files=files,
        command=partial(told, arguments, given.get("var", ()), forms_in(environ)),
        typed=typed,
    )


def _patience(environ: Mapping[str, str]) -> str:
    """How long to wait for the lock where nobody has said: a person decides that better; a pipeline that is refused has
    to be started again."""
    return "5m" if in_ci(environ) else "0s"


def _hold_here() -> None:
    """Raise UsageProblem where the working directory has been removed: no relative path leads anywhere then."""
    from pathlib import Path

    try:
        Path.cwd()
    except OSError as error:
        raise UsageProblem(
            f"the working directory cannot be used: {error.strerror}",
            hint="cd to one that exists, or give --chdir DIR",
        ) from error


def _busy(terminal: Terminal) -> Callable[[str], AbstractContextManager[None]]:
    """Says what is being done, once that takes long."""

    @contextmanager
    def busy(text: str) -> Iterator[None]:
        timer = threading.Timer(_NOTABLE, terminal.err, [text])
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    return busy
