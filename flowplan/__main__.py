"""The entry point. `--version` is answered before click is imported: it costs a quarter of the time."""

from __future__ import annotations

import gc
import os
import sys
import threading

from flowplan import __version__


def _hold_streams() -> None:
    """Point closed standard streams at /dev/null, so that no file opened later gets descriptor 0, 1 or 2. What is
    written to a closed stdout still fails."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            opened = os.open(os.devnull, os.O_RDONLY if name == "stdout" else os.O_RDWR)
            if opened != number:
                os.dup2(opened, number)
                os.close(opened)
            setattr(sys, name, os.fdopen(number, "w" if number else "r", encoding="utf-8"))


def _version() -> int:
    """Write it; returns the exit code. A reader that is gone has read enough."""
    try:
        sys.stdout.write(f"flowplan {__version__}\n")
        sys.stdout.flush()
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if isinstance(error, BrokenPipeError):
            return 0
        sys.stderr.write(f"error: the version could not be written to stdout: {error.strerror}\n")
        return 1
    return 0


def _forget_cores() -> None:
    """No memory image of this process is written, whatever ends it: the credentials of the environment are in it."""
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def main() -> int:
    """Run the command line; returns the exit code (the README has the table)."""
    _hold_streams()
    if sys.argv[1:] == ["--version"]:
        return _version()
    _forget_cores()
    gc.set_threshold(1_000_000)  # a plan allocates much and frees little: collecting finds nothing
    try:
        from flowplan.cli import run
        from flowplan.cli.writer import left_behind

        code = run(sys.argv[1:])
    except KeyboardInterrupt:  # no command has begun: one that has says it itself
        return 130
    if any(
        thread.name.startswith(("flowplan-call", "flowplan-ask", "flowplan-ahead")) for thread in threading.enumerate()
    ):
        os._exit(code)  # calls that nobody waits for any more: of a stopped run, each in the journal; or looks
    if left_behind():
        os._exit(code)  # a stream that takes nothing: the interpreter would wait for it
    gc.freeze()  # or the interpreter walks everything once more on its way out
    return code


if __name__ == "__main__":
    sys.exit(main())
