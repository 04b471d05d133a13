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


def variable_files(
    names: Iterable[str], busy: Callable[[str], AbstractContextManager[None]]
) -> tuple[str | Streamed, ...]:
    """The files of variables: a stream (`-` is stdin) as what it holds, because it can be read only once; `busy` says
    what is waited for. Raises UsageProblem for a stream that cannot be read."""
    return tuple(_file(name, busy) for name in names)


def _file(name: str, busy: Callable[[str], AbstractContextManager[None]]) -> str | Streamed:
    from flowplan.files.regular import is_stream

    if name != "-" and not is_stream(name):
        return name
    from flowplan.operations.opening.settings import Streamed

    shown = "stdin" if name == "-" else name
    try:
        with busy(f"reading variables from {shown}..."):
            return Streamed(shown, _content(name))
    except OSError as error:
        raise UsageProblem(f"--var-file {name} cannot be read: {error.strerror}") from error


def _content(name: str) -> bytes:
    from flowplan.files.regular import read_stream
    from flowplan.operations.opening.variables import LARGEST

    if name != "-":
        return read_stream(name, LARGEST)
    return sys.stdin.buffer.read(LARGEST + 1)
