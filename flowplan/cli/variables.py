"""What --var and --var-file say."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from flowplan.errors import UsageProblem

if TYPE_CHECKING:
    from flowplan.operations.opening.settings import Streamed


def variable(text: str) -> tuple[str, str]:
    """NAME=VALUE, where the value may be empty. Raises UsageProblem."""
    name, equals, value = text.partition("=")
    if not (equals and name):
        raise UsageProblem("--var takes NAME=VALUE", hint="for example --var checkpoint_gb=500")
    return name, value


PATIENCE = 60.0  # seconds that what ends things waits for values that it does not need


def variable_files(
    names: Iterable[str], busy: Callable[[str], AbstractContextManager[None]], *, ends: bool = False
) -> tuple[str | Streamed, ...]:
    """The files of variables: a stream (`-` is stdin) as what it holds, because it can be read only once; `busy` says
    what is waited for. A command that `ends` things waits no longer than PATIENCE: the stream is then one of the files
    that it cannot read. Raises UsageProblem for a stream that cannot be read."""
    return tuple(_file(name, busy, PATIENCE if ends else None) for name in names)


def _file(name: str, busy: Callable[[str], AbstractContextManager[None]], patience: float | None) -> str | Streamed:
    from flowplan.files.regular import is_stream

    if name != "-" and not is_stream(name):
        return name
    from flowplan.operations.opening.settings import Streamed

    shown = "stdin" if name == "-" else name
    try:
        with busy(f"reading variables from {shown}..."):
            content = _content(name, patience)
            return name if content is None else Streamed(shown, content)
    except OSError as error:
        raise UsageProblem(f"--var-file {name} cannot be read: {error.strerror}") from error


def _content(name: str, patience: float | None) -> bytes | None:
    from flowplan.files.regular import read_stream
    from flowplan.operations.opening.variables import LARGEST

    if name != "-":
        return read_stream(name, LARGEST, patience)
    return sys.stdin.buffer.read(LARGEST + 1)
