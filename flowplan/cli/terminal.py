"""Where output goes: data and plans to stdout, everything else to stderr; colour, prompts, closed pipes.

Nothing is written but through here, and what is written is inert: the last hold on secrets, on characters that a
terminal obeys, and on lines that a CI runner takes for commands. Values from outside are escaped where they are put
into a text (`errors.shown`), because a line break in one cannot be told from a line break between two any more.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from functools import partial
from typing import TextIO

from flowplan.cli.below import Below, Lines, in_front, size_of
from flowplan.cli.colour import paint_of
from flowplan.cli.harmless import harmless
from flowplan.cli.typed import forget_typed, typed_line
from flowplan.cli.writer import Together, Writer
from flowplan.cloud.http.redaction import Hidden
from flowplan.errors import FlowplanError
from flowplan.printable import shown
from flowplan.reports.text.paint import LONGEST_LINE, PLAIN, Paint, wrapped


class Terminal:
    """The two streams. An output that fails never changes what a command does; `output.lost` says that it did."""

    def __init__(self, out: TextIO, err: TextIO, paint: Paint, paint_err: Paint, *, interactive: bool) -> None:
        self.output, self._err = Writer(out), Writer(err)
        self.paint, self.paint_err = paint, paint_err
        self.interactive = interactive
        self._below = Below(self._err.put, partial(size_of, err), partial(in_front, err))
        self._hidden = Hidden()
        self.together = Together(partial(self._write, self._err))
        self.hide, self.secretless = self._hidden.hide, self._hidden.secretless

    @classmethod
    def of(cls, out: TextIO, err: TextIO, environ: Mapping[str, str]) -> Terminal:
        """The process's own. It prompts only with a terminal on stdin and stderr, and never in CI."""
        asks = not in_ci(environ) and sys.stdin is not None and sys.stdin.isatty() and err.isatty()
        return cls(out, err, paint_of(out, environ), paint_of(err, environ), interactive=asks)

    def asked(self, *, plain: bool, verbose: bool) -> None:
        """From here on no colour if `plain`; if `verbose`, all that there is to show, also what is alike."""
        on, on_err = self.paint.on and not plain, self.paint_err.on and not plain
        self.paint = self.paint._replace(verbose=verbose, on=on)
        self.paint_err = self.paint_err._replace(verbose=verbose, on=on_err)

    def works_on(self, place: str, paths: str) -> None:
        """From here on what is said to type works on the state that the options `place` say, and on the PATHs."""
        self.paint, self.paint_err = (one._replace(place=place, paths=paths) for one in (self.paint, self.paint_err))

    @property
    def live(self) -> bool:
        """Whether progress may redraw a line: stderr is a terminal that moves its cursor, and this process has it; and
        not in CI, where all that is sent to it is kept."""
        err, environ = self._err.stream, os.environ
        return err.isatty() and environ.get("TERM") != "dumb" and not in_ci(environ) and in_front(err)

    def out(self, text: str = "", *, end: str = "\n", commands: bool = False) -> None:
        """`commands`: its lines are commands of ours to a CI runner."""
        self._write(self.output, text + end, commands=commands)

    def exact(self, text: str, hint: str) -> None:
        """Text that another program reads: exactly as it is, or FlowplanError with `hint` where it may not be shown."""
        if self.inert(text) != text:
            said = "the text holds a secret of the environment, or what a terminal or a CI runner takes for a command"
            raise FlowplanError(said, hint=hint)
        self._write(self.output, text)

    def inert(self, text: str, paint: Paint = PLAIN, *, commands: bool = False) -> str:
        """`text` as a stream with `paint` shows it; without colour, for what is read elsewhere."""
        return harmless(self.secretless(text), paint.on, commands=commands)

    def sentence(self, text: str) -> None:
        """One sentence, or one name, to stdout, wrapped: no name or URL is broken."""
        self.out("\n".join(wrapped(shown(text, LONGEST_LINE), "", "  ", self.paint.width)))

    def err(self, text: str = "", *, end: str = "\n") -> None:
        """Write `text` to stderr, made harmless and without secrets, above what is kept there by `below`."""
        self.together.say(text + end)

    def below(self, lines: Lines | None) -> None:
        """Keep `lines` on stderr below all else that is written; None: not any more. Only when `live`."""
        if lines is None:
            self._below.end()
        else:
            self._below.show(lambda columns, rows: [self.inert(line, self.paint_err) for line in lines(columns, rows)])

    def _write(self, stream: Writer, text: str, *, commands: bool = False) -> None:
        with self._below.above(text):
            stream.put(self.inert(text, self.paint_err if stream is self._err else self.paint, commands=commands))

    def note(self, text: str, word: str = "note", colour: str = "cyan") -> None:
        """One sentence on stderr behind a `word` in a `colour`, wrapped; it is cut after 1,000 characters."""
        said = f"{self.paint_err(f'{word}:', colour)} {self.paint_err.typed(shown(text, 1000))}"
        self.err("\n".join(wrapped(said, "", "  ", self.paint_err.width)))

    def error(self, error: FlowplanError) -> None:
        """One error: what happened, then the detail, then the hint on a line of its own."""
        typed = self.paint_err.typed
        lines = [(f"{self.paint_err('error:', 'red', 'bold')} {typed(shown(error.summary, 2000))}", "", "  ")]
        lines += [(typed(shown(line, 500)), "  ", "    ") for line in (error.detail or "").splitlines()]
        lines += [(f"hint: {typed(shown(error.hint, 1000))}", "  ", "    ")] if error.hint else []
        self.err("\n".join(part for line in lines for part in wrapped(*line, self.paint_err.width)))

    def bug(self, error: Exception) -> None:
        """An error nobody foresaw: where it came from, for a report, without the values of any variable."""
        import traceback

        self.err("".join(traceback.format_exception(error)), end="")
        self.error(
            FlowplanError(
                f"internal error: {type(error).__name__}",
                hint="this is a bug in flowplan; please report the lines above. The state and its journal record what "
                "was done: the same command again checks them first",
            )
        )

    def ask(self, question: str) -> str:
        """The answer to `question`, "" at the end of input. Only when `interactive`. Raises KeyboardInterrupt. It is
        asked again after Ctrl-Z and `fg`: a shell has written below it."""
        self.below(None)
        self.err(question, end="")
        line = typed_line(sys.stdin, lambda: self.err(question, end="") if in_front(self._err.stream) else None)
        if line is None:
            self.err()
        return line or ""

    def forget_typed(self) -> None:
        """What was typed until now answers nothing that is asked from here on. Only when `interactive`."""
        forget_typed(sys.stdin)

    def hurry(self) -> None:
        """The command is to end: nobody waits any more for a stream that takes nothing. From any thread."""
        self.output.hurry()
        self._err.hurry()

    def close(self) -> None:
        """Everything is written; or, with a hurry, whatever the streams take."""
        self.below(None)
        self.output.close()
        self._err.close()


def in_ci(environ: Mapping[str, str]) -> bool:
    """Whether a CI system runs this: all of them set CI."""
    return environ.get("CI", "").lower() not in ("", "0", "false")
